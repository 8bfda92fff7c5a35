"""TraceLogging: the metadata of self-describing events, and the packing of their payload.

Source: the design page on the ETL format, 1.6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from wsktrace.errors import FormatError

__all__ = ["COUNTED", "Field", "InType", "pack", "provider_traits", "schema"]

#: ``Field.count`` of an array whose length stands in the payload.
COUNTED: Final = -1


class InType:
    """TraceLogging in-types."""

    NULL, UTF16, ANSI, I8, U8, I16, U16, I32, U32, I64, U64, F32, F64, BOOL32 = range(14)
    BINARY, GUID, POINTER, FILETIME, SYSTEMTIME, SID, HEX32, HEX64 = range(14, 22)
    COUNTED_UTF16, COUNTED_ANSI, STRUCT, COUNTED_BINARY = range(22, 26)


_SCALARS: Final = {
    InType.I8: "b", InType.U8: "B", InType.I16: "h", InType.U16: "H", InType.I32: "i", InType.U32: "I",
    InType.I64: "q", InType.U64: "Q", InType.F32: "f", InType.F64: "d", InType.BOOL32: "i", InType.FILETIME: "Q",
    InType.HEX32: "I", InType.HEX64: "Q",
}  # fmt: skip
_CONSTANT, _VARIABLE, _CUSTOM, _CHAIN = 0x20, 0x40, 0x60, 0x80


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a TraceLogging event.

    Attributes:
        name: field name.
        in_type: a member of ``InType``.
        out_type: how to show it; 0: not said.
        count: None: one value; ``COUNTED``: an array, length in the payload; n: an array of n values.
        fields: members, where ``in_type`` is ``InType.STRUCT``.
        tag: 28-bit field tag; None: not said.
        custom: type information of a custom-serialised field (payload: 16-bit length, bytes); None: not custom.
    """

    name: str
    in_type: int
    out_type: int = 0
    count: int | None = None
    fields: tuple[Field, ...] = ()
    tag: int | None = None
    custom: bytes | None = None


def tag_bytes(tag: int) -> bytes:
    """Encode a 28-bit tag: 7 bits a byte, the highest first, bit 7 while another byte follows; zero tails are cut."""
    out = bytearray()
    left = tag & 0xFFFFFFF
    while True:
        more = left & 0x1FFFFF != 0
        out.append(left >> 21 & 0x7F | (0x80 if more else 0))
        if not more:
            return bytes(out)
        left = left << 7 & 0xFFFFFFF


def _field(field: Field) -> bytes:
    out_type = len(field.fields) if field.in_type == InType.STRUCT else field.out_type
    if not 0 <= out_type < 0x80:
        raise FormatError(f"field {field.name!r}: out-type or member count {out_type} does not fit 7 bits")
    in_type, tail = field.in_type, b""
    if field.custom is not None:
        in_type |= _CUSTOM
        tail = struct.pack("<H", len(field.custom)) + field.custom
    elif field.count == COUNTED:
        in_type |= _VARIABLE
    elif field.count is not None:
        in_type |= _CONSTANT
        tail = struct.pack("<H", field.count)
    chain = b""
    if out_type or field.tag is not None:
        in_type |= _CHAIN
        chain = bytes([out_type | (0 if field.tag is None else _CHAIN)])
        chain += b"" if field.tag is None else tag_bytes(field.tag)
    members = b"".join(_field(member) for member in field.fields)
    return field.name.encode() + b"\0" + bytes([in_type]) + chain + tail + members


def schema(name: str, fields: Sequence[Field], tag: int = 0) -> bytes:
    """Return the data of an EVENT_SCHEMA_TL item (extended type 11): size, event tag, name, fields."""
    body = tag_bytes(tag) + name.encode() + b"\0" + b"".join(_field(f) for f in fields)
    return struct.pack("<H", 2 + len(body)) + body


def provider_traits(name: str, group: UUID | None = None, other: Sequence[tuple[int, bytes]] = ()) -> bytes:
    """Return the data of a PROV_TRAITS item (extended type 12): size, provider name, traits (1: provider group)."""
    traits = [*([(1, group.bytes_le)] if group else []), *other]
    body = name.encode() + b"\0" + b"".join(struct.pack("<HB", 3 + len(d), kind) + d for kind, d in traits)
    return struct.pack("<H", 2 + len(body)) + body


def _counted(data: bytes) -> bytes:
    return struct.pack("<H", len(data)) + data


def _value(field: Field, value: Any) -> bytes:
    kind = field.in_type
    if kind in _SCALARS:
        return struct.pack("<" + _SCALARS[kind], value)
    if kind == InType.STRUCT:
        return pack(field.fields, value)
    if kind == InType.NULL:
        return b""
    if kind == InType.UTF16:
        return _text(value, "utf-16-le") + b"\0\0"
    if kind == InType.ANSI:
        return _text(value, "utf-8") + b"\0"
    if kind == InType.COUNTED_UTF16:
        return _counted(_text(value, "utf-16-le"))
    if kind in (InType.COUNTED_ANSI, InType.BINARY, InType.COUNTED_BINARY):
        return _counted(_text(value, "utf-8"))
    if kind == InType.GUID:
        return value.bytes_le if isinstance(value, UUID) else bytes(value)
    if kind == InType.SYSTEMTIME:
        return struct.pack("<8H", *value)
    if kind == InType.SID:
        return bytes(value)
    raise FormatError(f"field {field.name!r}: in-type {kind} has no packing")


def _text(value: str | bytes, encoding: str) -> bytes:
    return value.encode(encoding) if isinstance(value, str) else value


def pack(fields: Sequence[Field], values: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Pack values in the order of ``fields``: little endian, no padding.

    Values are given by name or in order. Integers, floats and booleans as such; text as str (UTF-16, or UTF-8 for the
    byte kinds) or as bytes, taken as they are; GUID as UUID or 16 raw bytes; SYSTEMTIME as 8 integers; SID as bytes;
    a struct as mapping or sequence of its members; an array as a sequence of values; a custom field as bytes.
    """
    given = [values[f.name] for f in fields] if isinstance(values, Mapping) else list(values)
    if len(given) != len(fields):
        raise FormatError(f"{len(given)} values for {len(fields)} fields")
    out = []
    for field, value in zip(fields, given, strict=True):
        if field.custom is not None:
            out.append(_counted(value))
        elif field.count is None:
            out.append(_value(field, value))
        else:
            if field.count not in (COUNTED, len(value)):
                raise FormatError(f"field {field.name!r}: {len(value)} values for an array of {field.count}")
            head = struct.pack("<H", len(value)) if field.count == COUNTED else b""
            out.append(head + b"".join(_value(field, v) for v in value))
    return b"".join(out)
