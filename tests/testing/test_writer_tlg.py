"""TraceLogging metadata and payload: byte by byte, by etl-parser where it can, by our own decoder."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from writer_tools import Seen, by_dissect

from wsktrace.decode.layout import decode
from wsktrace.decode.tracelogging import SchemaBook
from wsktrace.errors import FormatError
from wsktrace.etl.file import open_trace
from wsktrace.testing import etl_records as rec
from wsktrace.testing.etl_writer import TraceOptions, write_records
from wsktrace.testing.tlg_encode import COUNTED, Field, InType, pack, provider_traits, schema, tag_bytes

PROVIDER = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
GUID = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")
SID = bytes.fromhex("010100000000000512000000")

#: in-type → (value, bytes)
VALUES: dict[int, tuple[Any, bytes]] = {
    InType.NULL: (None, b""),
    InType.UTF16: ("aé", b"a\0\xe9\0\0\0"),
    InType.ANSI: ("aé", b"a\xc3\xa9\0"),
    InType.I8: (-2, b"\xfe"),
    InType.U8: (254, b"\xfe"),
    InType.I16: (-2, b"\xfe\xff"),
    InType.U16: (0x1234, b"\x34\x12"),
    InType.I32: (-2, b"\xfe\xff\xff\xff"),
    InType.U32: (0x12345678, b"\x78\x56\x34\x12"),
    InType.I64: (-2, b"\xfe" + b"\xff" * 7),
    InType.U64: (1 << 63, bytes(7) + b"\x80"),
    InType.F32: (1.5, b"\0\0\xc0\x3f"),
    InType.F64: (-0.25, bytes(6) + b"\xd0\xbf"),
    InType.BOOL32: (True, b"\1\0\0\0"),
    InType.BINARY: (b"\xff\0", b"\2\0\xff\0"),
    InType.GUID: (GUID, GUID.bytes_le),
    InType.FILETIME: (5, b"\5" + bytes(7)),
    InType.SYSTEMTIME: ((2026, 11, 5, 20, 14, 0, 1, 2), bytes.fromhex("ea070b00050014000e00000001000200")),
    InType.SID: (SID, SID),
    InType.HEX32: (0xC000000D, b"\x0d\0\0\xc0"),
    InType.HEX64: (0xFFFF800000000001, b"\1\0\0\0\0\x80\xff\xff"),
    InType.COUNTED_UTF16: ("ab", b"\4\0a\0b\0"),
    InType.COUNTED_ANSI: ("ab", b"\2\0ab"),
    InType.COUNTED_BINARY: (b"\1\2\3", b"\3\0\1\2\3"),
}


@pytest.mark.parametrize("in_type", sorted(VALUES))
def test_packing_of_every_type(in_type: int) -> None:
    value, raw = VALUES[in_type]
    assert pack([Field("f", in_type)], [value]) == raw
    assert pack([Field("f", in_type)], {"f": value}) == raw
    assert pack([Field("f", in_type, count=3)], [[value] * 3]) == raw * 3
    assert pack([Field("f", in_type, count=COUNTED)], [[value] * 2]) == b"\2\0" + raw * 2
    assert pack([Field("f", in_type, count=COUNTED)], [[]]) == b"\0\0"


def test_structs_and_custom_fields() -> None:
    point = (Field("x", InType.U8), Field("y", InType.U16))
    assert pack([Field("p", InType.STRUCT, fields=point)], [{"x": 1, "y": 2}]) == b"\1\2\0"
    assert pack([Field("p", InType.STRUCT, fields=point, count=COUNTED)], [[(1, 2), (3, 4)]]) == b"\2\0\1\2\0\3\4\0"
    assert pack([Field("c", InType.U8, custom=b"proto")], [b"xyz"]) == b"\3\0xyz"


def test_metadata_by_hand() -> None:
    assert schema("E", [Field("a", InType.U32)]) == b"\x08\0\0E\0a\0\x08"
    assert schema("E", [Field("a", InType.HEX32, 14)]) == b"\x09\0\0E\0a\0\x94\x0e"
    assert schema("E", [Field("a", InType.U8, count=5)])[5:] == b"a\0\x24\5\0"
    assert schema("E", [Field("a", InType.U8, 4, count=COUNTED)])[5:] == b"a\0\xc4\4"
    assert schema("E", [Field("a", InType.U8, custom=b"xy")])[5:] == b"a\0\x64\2\0xy"
    assert schema("E", [Field("a", InType.U8, tag=1 << 21)])[5:] == b"a\0\x84\x80\1"
    assert schema("E", [Field("a", InType.U8, 3, tag=0)])[5:] == b"a\0\x84\x83\0"
    inner = (Field("x", InType.U8), Field("y", InType.U16))
    assert schema("E", [Field("s", InType.STRUCT, fields=inner)])[5:] == b"s\0\x98\2x\0\4y\0\6"
    assert schema("E", [], tag=0x0FFFFFFF) == b"\x08\0\xff\xff\xff\x7fE\0"
    with pytest.raises(FormatError, match="7 bits"):
        schema("E", [Field("a", InType.U8, 128)])


@pytest.mark.parametrize(
    ("tag", "raw"), [(0, "00"), (1 << 27, "40"), (1 << 14, "8001"), (1, "80808001"), (3 << 20, "8140")]
)
def test_tags(tag: int, raw: str) -> None:
    assert tag_bytes(tag).hex() == raw


def test_traits_by_hand() -> None:
    assert provider_traits("P") == b"\4\0P\0"
    assert provider_traits("P", GUID) == b"\x17\0P\0\x13\0\1" + GUID.bytes_le
    assert provider_traits("P", None, [(9, b"z")]) == b"\x08\0P\0\4\0\x09z"


def test_wrong_values() -> None:
    with pytest.raises(FormatError, match="array of 2"):
        pack([Field("f", InType.U8, count=2)], [[1]])
    with pytest.raises(FormatError, match="1 values for 2 fields"):
        pack([Field("f", InType.U8), Field("g", InType.U8)], [1])
    with pytest.raises(FormatError, match="in-type 16"):
        pack([Field("f", InType.POINTER)], [1])


def _record(fields: list[Field], values: list[Any], clock: int = 0, name: str = "Ev") -> rec.RawRecord:
    ext = [(rec.EXT_PROV_TRAITS, provider_traits("Prov", GUID)), (rec.EXT_SCHEMA_TL, schema(name, fields))]
    return rec.event(PROVIDER, pack(fields, values), TraceOptions().start_clock + clock, channel=11, ext=ext)


def test_etl_parser_decodes() -> None:
    known = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20)
    fields = [Field(f"f{t}", t, 4 if t == InType.U32 else 0) for t in known]
    seen = Seen(write_records([_record(fields, [VALUES[t][0] if t != 2 else "plain" for t in known])]))
    decoded = seen.events[0].parse_tracelogging()
    assert decoded.get_name() == "Ev"
    for t in known[2:]:
        assert decoded[f"f{t}"] == VALUES[t][0]
    assert decoded["f2"] == "plain"


def test_dissect_finds_the_items() -> None:
    header = list(by_dissect(write_records([_record([Field("a", InType.U32)], [7])])))[3].header
    text = str(header.additional_header_fields())
    assert "Prov" in text
    assert "Ev" in text


def test_own_decoder_gives_the_values_back() -> None:
    fields = [Field(f"f{t}", t) for t in sorted(VALUES) if t != InType.NULL]
    fields += [Field("many", InType.U16, count=COUNTED), Field("three", InType.COUNTED_ANSI, count=3)]
    inner = (Field("x", InType.U8), Field("y", InType.UTF16))
    fields += [Field("s", InType.STRUCT, fields=inner, tag=77), Field("last", InType.U32, 14)]
    values: list[Any] = [VALUES[t][0] for t in sorted(VALUES) if t != InType.NULL]
    rows = [[*values, list(range(n)), ["a", "bb", ""], (n, "z" * n), n] for n in range(5)]
    data = write_records([_record(fields, row, n) for n, row in enumerate(rows)])
    book = SchemaBook()
    with open_trace(io.BytesIO(data)) as file:
        (chunk,) = file.chunks()
        ids = book.assign(chunk, file.guids)
    assert sorted(set(ids.tolist())) == [-1, 0]
    found = book.schemas[0]
    assert (found.event_name, found.provider_name, found.traits.group) == ("Ev", "Prov", GUID.bytes_le)
    decoded = decode(found.layout, chunk, np.flatnonzero(ids == 0))
    assert decoded.ok.all()
    assert not decoded.left.any()
    columns = decoded.columns
    for t in sorted(VALUES):
        if t in (InType.NULL, InType.FILETIME, InType.SYSTEMTIME):
            continue
        raw = VALUES[t][1]
        column = columns[f"f{t}"]
        if column.values is not None and column.values.dtype.kind in "iufb":
            assert column.values.astype(column.values.dtype.newbyteorder("<")).tobytes() == raw * 5
        else:
            assert all(part in raw for part in column.bytes_())
    assert columns["many"].to_pylist() == [list(range(n)) for n in range(5)]
    assert columns["last"].to_pylist() == list(range(5))
