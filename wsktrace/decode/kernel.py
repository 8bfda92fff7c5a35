"""Formats of the NT kernel logger: DRIVER (IRP calls and completions), process, thread, image, stack, disk, network.

The kernel writes them with headers of its own (group and type in the hook id); relogged and private sessions, and
Windows before Vista, as classic events of a class GUID. Both come to the same fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from wsktrace.decode.fields import Field, Layout, Rule
from wsktrace.decode.formats import EventFormat, ValueMap
from wsktrace.decode.kernel_layouts import CLASSES, LENGTHS, MAJOR_FUNCTIONS, TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsktrace.decode.formats import RecordKey
    from wsktrace.decode.kernel_layouts import KernelClass, Shape

__all__ = ["DRIVER_TYPES", "SOURCE", "KernelFormats"]

#: What ``EventFormat.source`` says of formats from here.
SOURCE: Final = "the kernel logger's classes"

#: Event types of the DRIVER events in class DiskIo and kernel group 1: the call of a driver's dispatch routine and its
#: return, a completion routine, IoCompleteRequest and its return.
DRIVER_TYPES: Final = (34, 35, 37, 52, 53)

_MAPS: Final = {"MajorFunction": ValueMap(MAJOR_FUNCTIONS)}


def _field(text: str) -> Field:
    name, word = text.split(":")
    bare = word.rstrip("[]?")
    in_type, out_type = TYPES[bare]
    count = Rule.REST if word.endswith("[]") else None
    length = LENGTHS.get(bare, Rule.INHERENT)
    return Field(name, in_type, out_type, length, count, optional=word.endswith("?"))


def _format(one: KernelClass, shape: Shape, kind: int, layout: Layout) -> EventFormat:
    maps = {n: m for n, m in _MAPS.items() if f"{n}:" in shape.fields}
    return EventFormat(one.name, one.names[kind], layout, SOURCE, maps=maps)


def _formats() -> tuple[Mapping[tuple[bytes, int, int], EventFormat], Mapping[tuple[int, int], EventFormat]]:
    """Return the formats by (class GUID, type, version) and by (hook id, version)."""
    classic: dict[tuple[bytes, int, int], EventFormat] = {}
    kernel: dict[tuple[int, int], EventFormat] = {}
    for one in CLASSES:
        guid = UUID(one.guid).bytes_le
        for shape in one.shapes:
            layout = Layout(tuple(_field(f) for f in shape.fields.split()), padded=shape.padded)
            for kind in shape.types:
                found = _format(one, shape, kind, layout)
                for version in shape.versions:
                    classic[guid, kind, version] = found
                    for group, types in one.groups:
                        if types is None or kind in types:
                            kernel[group << 8 | kind, version] = found
    return classic, kernel


_CLASSIC, _KERNEL = _formats()


class KernelFormats:
    """The kernel logger's classes as a source of formats."""

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a kernel or classic record, None where these classes do not have it."""
        if key.family == "kernel":
            return _KERNEL.get((key.id, key.version))
        if key.family == "classic":
            return _CLASSIC.get((key.guid, key.id, key.version))
        return None
