"""What providers' own descriptions get wrong about their events, known and put right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from wsktrace.decode.properties import Property

__all__ = ["corrected"]

_DOT_NET: Final = frozenset(
    UUID(guid).bytes_le
    for guid in (
        "e13c0d23-ccbc-4e12-931b-d9cc2eee27e4",  # Microsoft-Windows-DotNETRuntime
        "a669021c-c450-4609-a035-5af59af4df18",  # Microsoft-Windows-DotNETRuntimeRundown
        "763fd754-7086-4dfe-95eb-c01a46faf4ca",  # Microsoft-Windows-DotNETRuntimePrivate
    )
)
_COUNT, _STACK = "FrameCount", "Stack"


def corrected(provider: bytes, properties: tuple[Property, ...]) -> tuple[Property, ...]:
    """Return an event's properties with the known mistakes of its description put right.

    .NET's stack walks: the manifest gives ``Stack`` two addresses, the payload has ``FrameCount`` of them (all 14,983
    of such records in a real trace; the vendor's own reader knows it, too).
    """
    if provider in _DOT_NET and len(properties) > 1:
        count, stack = properties[-2:]
        if (count.name, stack.name, stack.count) == (_COUNT, _STACK, 2):
            return (*properties[:-1], replace(stack, count=_COUNT))
    return properties
