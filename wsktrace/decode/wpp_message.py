"""What one WPP message is, whoever describes it: ``WppMessage``."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Enums", "WppArgument", "WppMessage"]

#: enumeration → value → symbol
Enums = dict[str, dict[int, str]]

_NO_TAIL: Final = MappingProxyType[str, str]({})


@dataclass(frozen=True, slots=True)
class WppArgument:
    """One argument of a message.

    Attributes:
        expression: the C expression that was traced.
        item: its item type as written, ``ItemLong``; in any case.
        list_args: what stands between the parentheses of the item, verbatim: names of a list or set, an enumeration.
        argno: the number that the format string calls it by, 10 or more.
    """

    expression: str
    item: str
    list_args: str
    argno: int


@dataclass(frozen=True, slots=True)
class WppMessage:
    """One message of a WPP provider.

    Attributes:
        guid: message GUID, 16 raw little-endian bytes.
        module: the module or folder that the GUID's line names.
        src: source file.
        tag: ``Device_c104``: source file and line.
        number: message number.
        format: the format string, without its quotes, as it stands.
        tail: the KEY=VALUE parameters of the tracing macro, in order.
        args: the arguments in the order of the payload.
        enums: the enumerations that its arguments may name (shared by all messages of a file).
        function: the function that traced it (FUNC of the tail, or the enclosing procedure in a PDB).
        control: control GUID as text where known; TMF files do not say it.
    """

    guid: bytes
    module: str
    src: str
    tag: str
    number: int
    format: str
    tail: Mapping[str, str] = field(default_factory=lambda: _NO_TAIL)
    args: tuple[WppArgument, ...] = ()
    enums: Enums = field(default_factory=dict)
    function: str = ""
    control: str = ""

    @property
    def line(self) -> int:
        """The source line that the tag ends in, 0 where it ends in none."""
        digits = len(self.tag) - len(self.tag.rstrip("0123456789"))
        return int(self.tag[-min(digits, 9) :]) if digits else 0
