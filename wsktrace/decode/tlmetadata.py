"""The metadata of self-describing events: EVENT_SCHEMA_TL → fields, PROV_TRAITS → name and group of the provider.

Source: etl-and-wpp-format, 1.6; field and event tags as the vendor's TraceLoggingProvider.h writes them (7 bits a
byte, the highest first, zero tails cut). Metadata comes from the trace, so it may be nonsense: what cannot be
understood becomes a problem text and a field that keeps the rest of the payload as raw bytes, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from wsktrace.decode.fields import Field, Layout, Rule, rest_field
from wsktrace.decode.intypes import TL_OUT, InType, OutType

__all__ = ["MAX_DEPTH", "MAX_FIELDS", "EventMetadata", "Traits", "parse_schema", "parse_traits"]

#: A provider can hand over 128 pieces of data per event; both limits leave room and bound the work on nonsense.
MAX_FIELDS: Final = 2048
MAX_DEPTH: Final = 32

_CHAIN, _CONSTANT, _VARIABLE, _CUSTOM = 0x80, 0x20, 0x40, 0x60
_GROUP_TRAIT: Final = 1
#: custom-serialised fields carry a protocol number instead of an in-type, and 16-bit counted bytes in the payload
_CUSTOM_IN: Final = InType.COUNTEDBINARY


@dataclass(frozen=True, slots=True)
class EventMetadata:
    """What EVENT_SCHEMA_TL says: the event's name, its 28-bit tag, its fields; ``problem`` is the layout's."""

    name: str
    tag: int
    layout: Layout
    #: fields in all, members of structs included
    count: int


@dataclass(frozen=True, slots=True)
class Traits:
    """What PROV_TRAITS says: the provider's name, its group's GUID (16 raw bytes), traits of unknown types."""

    name: str = ""
    group: bytes | None = None
    others: tuple[tuple[int, bytes], ...] = ()
    problem: str = ""


class _Ended(Exception):  # noqa: N818 -- control flow of this module, never seen outside
    """The metadata ended inside something."""


class _Reader:
    """A position in metadata bytes."""

    def __init__(self, blob: bytes, at: int) -> None:
        self.blob = blob
        self.at = at
        self.fields = 0

    def more(self) -> bool:
        return self.at < len(self.blob)

    def byte(self) -> int:
        if self.at >= len(self.blob):
            raise _Ended
        self.at += 1
        return self.blob[self.at - 1]

    def take(self, size: int) -> bytes:
        if size > len(self.blob) - self.at:
            raise _Ended
        self.at += size
        return self.blob[self.at - size : self.at]

    def word(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def text(self) -> str:
        end = self.blob.find(0, self.at)
        if end < 0:
            raise _Ended
        out = self.blob[self.at : end].decode("utf-8", "replace")
        self.at = end + 1
        return out

    def tag(self) -> int:
        """A tag: bits 27 to 21 in the first byte; bytes after the fourth (none are known) are skipped."""
        value, shift = 0, 21
        while True:
            one = self.byte()
            if shift >= 0:
                value |= (one & 0x7F) << shift
            shift -= 7
            if not one & 0x80:
                return value


def _sized(blob: bytes, what: str) -> tuple[bytes, str]:
    """Check the leading 16-bit size; return what it spans and a problem text."""
    size = int.from_bytes(blob[:2], "little")
    if len(blob) < 2 or size < 2:
        return blob[:2], f"{what} has no size"
    if size > len(blob):
        return blob, f"{what} is cut: {len(blob)} of {size} bytes"
    return blob[:size], ""


def parse_traits(blob: bytes) -> Traits:
    """Parse the data of a PROV_TRAITS item."""
    blob, problem = _sized(blob, "provider traits")
    reader = _Reader(blob, 2)
    name, group, others = "", None, []
    try:
        name = reader.text()
        while reader.more():
            size, kind = reader.word(), reader.byte()
            data = reader.take(max(size - 3, 0))
            if kind == _GROUP_TRAIT and len(data) == 16 and group is None:
                group = data
            else:
                others.append((kind, data))
    except _Ended:
        problem = problem or "provider traits end inside a trait"
    return Traits(name, group, tuple(others), problem)


def parse_schema(blob: bytes) -> EventMetadata:
    """Parse the data of an EVENT_SCHEMA_TL item."""
    blob, problem = _sized(blob, "event metadata")
    reader = _Reader(blob, 2)
    try:
        tag = reader.tag()
        name = reader.text()
    except _Ended:
        problem = problem or "event metadata ends before the event's name does"
        return EventMetadata("", 0, Layout((rest_field(problem),), problem), 0)
    fields, stopped = _members(reader, None, 0)
    problem = problem or stopped
    if problem:  # of cut metadata, too, nobody knows what followed
        fields.append(rest_field(stopped or problem))
    return EventMetadata(name, tag, Layout(tuple(fields), problem), reader.fields)


def _members(reader: _Reader, count: int | None, depth: int) -> tuple[list[Field], str]:
    """Parse ``count`` fields (None: all there are); returns them and why it stopped early, empty where it did not."""
    out: list[Field] = []
    while len(out) < count if count is not None else reader.more():
        if reader.fields >= MAX_FIELDS:
            return out, f"event metadata has more than {MAX_FIELDS} fields"
        reader.fields += 1
        try:
            field, members = _head(reader)
        except _Ended:
            return out, "event metadata ends inside a field"
        if not field.is_known:
            return out, f"field {field.name!r} has the unknown in-type {field.in_type}"
        if field.in_type != InType.STRUCT:
            out.append(field)
            continue
        if depth >= MAX_DEPTH:
            return out, f"structs are nested more than {MAX_DEPTH} deep"
        inner, stopped = _members(reader, members, depth + 1)
        if not stopped:
            out.append(replace(field, fields=tuple(inner)))
            continue
        if field.count is None:
            # what comes before the stop is still in its place, what follows is kept raw by the caller
            out.append(replace(field, fields=tuple(inner)))
        return out, stopped
    return out, ""


def _head(reader: _Reader) -> tuple[Field, int]:
    """Parse one field without the members of a struct; returns it and how many members follow."""
    name = reader.text()
    kind = reader.byte()
    out, tag = 0, 0
    if kind & _CHAIN:
        out = reader.byte()
        if out & _CHAIN:
            tag = reader.tag()
        out &= 0x7F
    count: Rule | int | None = None
    flags, in_type = kind & _CUSTOM, kind & 0x1F
    info = None
    if flags == _CONSTANT:
        count = reader.word()
    elif flags == _VARIABLE:
        count = Rule.PREFIX
    elif flags == _CUSTOM:
        info = reader.take(reader.word())
        note = f"custom serialisation, protocol {in_type}"
        return Field(name, _CUSTOM_IN, TL_OUT.get(out, OutType.NULL), tag=tag, type_info=info, note=note), 0
    length = Rule.PREFIX if in_type == InType.BINARY else Rule.INHERENT
    if in_type == InType.STRUCT:
        return Field(name, in_type, count=count, tag=tag), out
    note = "" if out in TL_OUT else f"unknown out-type {out}"
    return Field(name, in_type, TL_OUT.get(out, OutType.NULL), length, count, tag=tag, note=note), 0
