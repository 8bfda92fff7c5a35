"""Layout × records → columns: every type, arrays, structs, short payloads; the bytes are made by hand."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from decode_tools import Made, all_rows, chunk_of, payloads

from wsktrace.decode.fields import REST_NAME, Field, Layout, Rule, rest_field
from wsktrace.decode.intypes import InType
from wsktrace.decode.layout import decode
from wsktrace.etl.types import GuidTable, Kind

SOME_GUID = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")

#: in-type, struct code, two values, dtype
NUMBERS: list[tuple[int, str, tuple[Any, Any], str]] = [
    (InType.INT8, "b", (-128, 127), "int8"),
    (InType.UINT8, "B", (0, 255), "uint8"),
    (InType.INT16, "h", (-32768, 32767), "int16"),
    (InType.UINT16, "H", (1, 65535), "uint16"),
    (InType.INT32, "i", (-(1 << 31), 1), "int32"),
    (InType.UINT32, "I", (1, 0xFFFFFFFF), "uint32"),
    (InType.INT64, "q", (-(1 << 63), 1), "int64"),
    (InType.UINT64, "Q", (1, (1 << 64) - 1), "uint64"),
    (InType.FLOAT, "f", (1.5, -0.25), "float32"),
    (InType.DOUBLE, "d", (1e300, -0.1), "float64"),
    (InType.HEXINT32, "I", (0xC000000D, 0), "uint32"),
    (InType.HEXINT64, "Q", (0xFFFF8001_23456780, 0), "uint64"),
    (InType.FILETIME, "Q", (0, 133_000_000_000_000_000), "uint64"),
    (InType.BOOLEAN, "I", (0, 2), "uint32"),
    (InType.POINTER, "Q", (0xFFFF8001_23456780, 0), "uint64"),
    (InType.SIZET, "Q", (7, 0), "uint64"),
]


def layout(*fields: Field) -> Layout:
    return Layout(tuple(fields))


def one(field: Field, *parts: bytes, kind: int = Kind.EVENT64) -> Any:
    """Decode a layout of one field from some payloads; returns its column, and sees that nothing is left."""
    chunk = payloads(*parts, kind=kind)
    found = decode(layout(field), chunk, all_rows(chunk))
    assert found.ok.all()
    assert not found.left.any()
    return found.columns[field.name]


@pytest.mark.parametrize(("in_type", "code", "values", "dtype"), NUMBERS)
@pytest.mark.parametrize("shift", range(8))
def test_numbers_have_their_exact_type(in_type: int, code: str, values: Any, dtype: str, shift: int) -> None:
    chunk = payloads(*(b"\xaa" * shift + struct.pack("<" + code, v) for v in values))
    before = [Field(f"b{i}", InType.UINT8) for i in range(shift)]
    found = decode(layout(*before, Field("f", in_type)), chunk, all_rows(chunk))
    column = found.columns["f"]
    assert column.values is not None
    assert column.values.dtype.name == dtype
    assert column.values.tolist() == list(values)
    assert column.valid.all()
    assert found.ok.all()
    assert not found.left.any()


def test_pointers_follow_the_bitness_of_each_record() -> None:
    guids = GuidTable()
    fields = layout(Field("p", InType.POINTER), Field("a", InType.POINTER, count=Rule.PREFIX), Field("n", InType.UINT8))
    wide = struct.pack("<QHQQB", 1 << 40, 2, 1, 2, 9)
    slim = struct.pack("<IHIIIB", 0x80000001, 3, 3, 4, 5, 8)
    records = [Made(wide), Made(slim, kind=Kind.EVENT32), Made(wide), Made(slim[:4], kind=Kind.EVENT32)]
    chunk = chunk_of(records, guids)
    found = decode(fields, chunk, np.array([3, 0, 1, 2]))
    assert found.rows.tolist() == [3, 0, 1, 2]
    assert found.columns["p"].values is not None
    assert found.columns["p"].values.dtype == np.uint64
    assert found.columns["p"].to_pylist() == [0x80000001, 1 << 40, 0x80000001, 1 << 40]
    assert found.columns["a"].to_pylist() == [None, [1, 2], [3, 4, 5], [1, 2]]
    assert found.columns["n"].to_pylist() == [None, 9, 8, 9]
    assert found.ok.tolist() == [False, True, True, True]


def test_strings_end_at_their_terminator() -> None:
    for length in (0, 1, 3, 31, 32, 33, 63, 64, 65, 300, 5000, 20000):
        wide = "é" * length
        assert one(Field("s", InType.UNICODESTRING), wide.encode("utf-16-le") + b"\0\0").to_pylist() == [wide]
        slim = "a" * length
        assert one(Field("s", InType.ANSISTRING), slim.encode() + b"\0").to_pylist() == [slim]


def test_strings_at_odd_places_with_zero_bytes_inside() -> None:
    text = "Ā\u0100aā"  # has zero low bytes, so zero pairs across characters at odd places
    raw = text.encode("utf-16-le") + b"\0\0"
    chunk = payloads(b"\1" + raw + b"\7", b"\1" + b"\0\0" + b"\7")
    found = decode(
        layout(Field("a", InType.UINT8), Field("s", InType.UNICODESTRING), Field("b", InType.UINT8)),
        chunk,
        all_rows(chunk),
    )
    assert found.columns["s"].to_pylist() == [text, ""]
    assert found.columns["b"].to_pylist() == [7, 7]
    assert found.ok.all()


def test_a_string_may_end_with_the_payload() -> None:
    assert one(Field("s", InType.ANSISTRING), b"abc").to_pylist() == ["abc"]
    chunk = payloads(b"a\0b\0c")
    found = decode(layout(Field("s", InType.UNICODESTRING)), chunk, all_rows(chunk))
    assert found.columns["s"].to_pylist() == ["ab"]
    assert found.left.tolist() == [1]
    chunk = payloads(b"", b"\0")
    found = decode(layout(Field("s", InType.ANSISTRING)), chunk, all_rows(chunk))
    assert found.columns["s"].to_pylist() == [None, ""]
    assert found.ok.tolist() == [False, True]


@pytest.mark.parametrize(
    ("in_type", "raw", "value"),
    [
        (InType.COUNTEDSTRING, "añ".encode("utf-16-le"), "añ"),
        (InType.COUNTEDANSISTRING, b"abc", "abc"),
        (InType.COUNTEDBINARY, b"\0\1\2", b"\0\1\2"),
    ],
)
def test_counted_strings(in_type: int, raw: bytes, value: Any) -> None:
    column = one(Field("s", in_type), struct.pack("<H", len(raw)) + raw, b"\0\0")
    assert column.to_pylist() == [value, type(value)()]
    assert column.bytes_() == [raw, b""]


def test_counted_longer_than_the_payload_is_no_fact() -> None:
    chunk = payloads(b"\4\0abcd\1", b"\5\0abcd", b"\5", b"")
    found = decode(layout(Field("s", InType.COUNTEDANSISTRING), Field("n", InType.UINT8)), chunk, all_rows(chunk))
    assert found.columns["s"].to_pylist() == ["abcd", None, None, None]
    assert found.columns["s"].texts() == ["abcd", None, None, None]
    assert found.columns["s"].bytes_() == [b"abcd", None, None, None]
    assert found.columns["n"].to_pylist() == [1, None, None, None]
    assert found.ok.tolist() == [True, False, False, False]
    assert found.left.tolist() == [0, 6, 1, 0]


def test_sids() -> None:
    system = bytes.fromhex("010100000000000512000000")
    admins = bytes.fromhex("01020000000000052000000020020000")
    assert one(Field("s", InType.SID), system, admins, bytes(8)).to_pylist() == [
        "S-1-5-18", "S-1-5-32-544", "S-0-0",
    ]  # fmt: skip
    chunk = payloads(system[:-1], system[:7])
    assert not decode(layout(Field("s", InType.SID)), chunk, all_rows(chunk)).ok.any()


def test_opaque_sixteen() -> None:
    column = one(Field("g", InType.GUID), SOME_GUID.bytes_le)
    assert column.values.dtype == np.dtype("V16")
    assert column.to_pylist() == column.texts() == [str(SOME_GUID)]
    time = struct.pack("<8H", 2026, 11, 5, 20, 14, 2, 1, 7)
    assert one(Field("t", InType.SYSTEMTIME), time).to_pylist() == ["2026-11-20T14:02:01.007Z"]


def test_null_takes_no_bytes() -> None:
    chunk = payloads(b"\5")
    found = decode(layout(Field("z", InType.NULL), Field("n", InType.UINT8)), chunk, all_rows(chunk))
    assert found.to_pylist() == [{"z": None, "n": 5}]


def test_lengths_of_all_sorts() -> None:
    fields = layout(
        Field("n", InType.UINT16),
        Field("b", InType.BINARY, length="n"),
        Field("t", InType.UNICODESTRING, length=2),
        Field("big", InType.BINARY, length=100),
        Field("r", InType.BINARY, length=Rule.REST),
    )
    chunk = payloads(b"\3\0abc" + "xy".encode("utf-16-le") + bytes(100) + b"rest", b"\xff\xffabc")
    found = decode(fields, chunk, all_rows(chunk))
    assert found.to_pylist() == [
        {"n": 3, "b": b"abc", "t": "xy", "big": bytes(100), "r": b"rest"},
        {"n": 65535, "b": None, "t": None, "big": None, "r": None},
    ]
    assert found.ok.tolist() == [True, False]


def test_a_length_or_count_of_64_bits_does_not_wrap() -> None:
    for value in ((1 << 63) + 1, (1 << 64) - 1, 1 << 62):
        for field in (
            Field("b", InType.BINARY, length="n"),
            Field("b", InType.UNICODESTRING, length="n"),
            Field("b", InType.UINT64, count="n"),
            Field("b", InType.ANSISTRING, count="n"),
        ):
            chunk = payloads(struct.pack("<Q", value) + b"abcdef")
            found = decode(layout(Field("n", InType.UINT64), field), chunk, all_rows(chunk))
            assert found.columns["b"].to_pylist() == [None]
            assert not found.ok.any()


def test_a_length_that_no_field_gives_keeps_the_rest_raw() -> None:
    chunk = payloads(b"abc")
    for length in ("missing", "text"):
        found = decode(
            layout(Field("text", InType.COUNTEDSTRING, count=0), Field("b", InType.BINARY, length=length)),
            chunk,
            all_rows(chunk),
        )
        assert found.columns[REST_NAME].to_pylist() == [b"abc"]
        assert "no earlier field" in found.columns[REST_NAME].field.note
        assert found.left.tolist() == [3]


def test_arrays_of_numbers() -> None:
    variable = one(Field("a", InType.UINT32, count=Rule.PREFIX), b"\2\0" + struct.pack("<II", 5, 6), b"\0\0")
    assert variable.to_pylist() == [[5, 6], []]
    assert variable.values.dtype == np.uint32
    assert [x.tolist() for x in variable.lists] == [[0, 2, 2]]
    assert one(Field("a", InType.UINT8, count=3), b"abc", b"def").to_pylist() == [[97, 98, 99], [100, 101, 102]]
    assert one(Field("a", InType.GUID, count=1), SOME_GUID.bytes_le).to_pylist() == [[str(SOME_GUID)]]
    chunk = payloads(b"\3ab", b"\2ab")
    found = decode(layout(Field("n", InType.UINT8), Field("a", InType.UINT8, count="n")), chunk, all_rows(chunk))
    assert found.columns["a"].to_pylist() == [None, [97, 98]]
    assert found.columns["a"].valid.tolist() == [False, True]


def test_arrays_of_strings() -> None:
    field = Field("a", InType.ANSISTRING, count=Rule.PREFIX)
    chunk = payloads(b"\3\0a\0\0bc\0\7", b"\0\0\7", b"\2\0a\0", b"\1\0x\0\7", b"\xff\xffa\0b\0")
    found = decode(layout(field, Field("n", InType.UINT8)), chunk, all_rows(chunk))
    assert found.columns["a"].to_pylist() == [["a", "", "bc"], [], None, ["x"], None]
    assert found.columns["n"].to_pylist() == [7, 7, None, 7, None]
    counted = one(Field("a", InType.COUNTEDSTRING, count=2), b"\2\0a\0\0\0")
    assert counted.to_pylist() == [["a", ""]]


def test_structs_dissolve() -> None:
    point = (Field("x", InType.INT16), Field("y", InType.INT16))
    fields = layout(
        Field("from", InType.STRUCT, fields=point),
        Field("name", InType.ANSISTRING),
        Field("to", InType.STRUCT, fields=(*point, Field("deep", InType.STRUCT, fields=(Field("z", InType.UINT8),)))),
    )
    chunk = payloads(struct.pack("<hh", 1, 2) + b"n\0" + struct.pack("<hhB", 3, 4, 5))
    assert decode(fields, chunk, all_rows(chunk)).to_pylist() == [
        {"from.x": 1, "from.y": 2, "name": "n", "to.x": 3, "to.y": 4, "to.deep.z": 5}
    ]


def test_arrays_of_structs_of_fixed_width() -> None:
    point = (Field("x", InType.UINT8), Field("tag", InType.BINARY, length=2), Field("y", InType.UINT16))
    fields = layout(Field("p", InType.STRUCT, fields=point, count=Rule.PREFIX), Field("n", InType.UINT8))
    chunk = payloads(b"\2\0" + b"\1ab\2\0" + b"\3cd\4\0" + b"\7", b"\0\0\7", b"\2\0" + bytes(9))
    assert decode(fields, chunk, all_rows(chunk)).to_pylist() == [
        {"p.x": [1, 3], "p.tag": [b"ab", b"cd"], "p.y": [2, 4], "n": 7},
        {"p.x": [], "p.tag": [], "p.y": [], "n": 7},
        {"p.x": None, "p.tag": None, "p.y": None, "n": None},
    ]


def test_arrays_of_structs_of_variable_width_nested() -> None:
    leaf = (Field("s", InType.ANSISTRING), Field("v", InType.UINT8, count=Rule.PREFIX))
    outer = (
        Field("k", InType.UINT8),
        Field("leaves", InType.STRUCT, fields=leaf, count=Rule.PREFIX),
        Field("end", InType.UINT8),
    )
    fields = layout(Field("o", InType.STRUCT, fields=outer, count=Rule.PREFIX), Field("n", InType.UINT8))
    first = b"\1" + b"\2\0" + (b"ab\0" + b"\2\0\5\6") + (b"\0" + b"\0\0") + b"\xf1"
    second = b"\2" + b"\0\0" + b"\xf2"
    chunk = payloads(b"\2\0" + first + second + b"\7", b"\1\0" + second + b"\7", b"\2\0" + first + b"\2\1\0")
    found = decode(fields, chunk, all_rows(chunk))
    assert found.to_pylist() == [
        {"o.k": [1, 2], "o.leaves.s": [["ab", ""], []], "o.leaves.v": [[[5, 6], []], []], "o.end": [241, 242], "n": 7},
        {"o.k": [2], "o.leaves.s": [[]], "o.leaves.v": [[]], "o.end": [0xF2], "n": 7},
        {"o.k": None, "o.leaves.s": None, "o.leaves.v": None, "o.end": None, "n": None},
    ]
    backwards = decode(fields, chunk, np.array([2, 1, 0]))
    assert backwards.to_pylist() == found.to_pylist()[::-1]
    column = found.columns["o.leaves.v"]
    assert column.take(np.array([1, 0, 0])).to_pylist() == [column.to_pylist()[i] for i in (1, 0, 0)]


def test_lengths_inside_structs_and_from_outside() -> None:
    own, out = Field("own", InType.BINARY, length="n"), Field("out", InType.BINARY, length="w")
    member = (Field("n", InType.UINT8), own, out)
    fields = layout(Field("w", InType.UINT8), Field("s", InType.STRUCT, fields=member, count=2))
    chunk = payloads(b"\1" + b"\2abX" + b"\0Y", b"\2" + b"\1aXX" + b"\3abcYY")
    assert decode(fields, chunk, all_rows(chunk)).to_pylist() == [
        {"w": 1, "s.n": [2, 0], "s.own": [b"ab", b""], "s.out": [b"X", b"Y"]},
        {"w": 2, "s.n": [1, 3], "s.own": [b"a", b"abc"], "s.out": [b"XX", b"YY"]},
    ]


def test_short_payloads_field_by_field() -> None:
    fields = layout(*(Field(f"f{i}", t) for i, t in enumerate((InType.UINT8, InType.UINT32, InType.UINT64))))
    whole = struct.pack("<BIQ", 1, 2, 3)
    chunk = payloads(*(whole[:n] for n in range(len(whole) + 3)), whole + b"more")
    found = decode(fields, chunk, all_rows(chunk))
    for n in range(len(whole) + 1):
        expected = [1 if n >= 1 else None, 2 if n >= 5 else None, 3 if n >= 13 else None]
        assert [found.columns[f"f{i}"].to_pylist()[n] for i in range(3)] == expected
        assert found.left[n] == (n - 13 if n >= 13 else n - 5 if n >= 5 else n - 1 if n else 0)
        assert found.ok[n] == (n >= 13)
    for i in range(3):
        column = found.columns[f"f{i}"]
        assert column.values is not None
        assert not column.values[~column.valid].any()
    assert found.left[-1] == 4


def test_runs_longer_than_a_step_and_more_rows_than_one() -> None:
    count = 40
    fields = layout(*(Field(f"f{i}", InType.UINT64) for i in range(count)))
    values = np.arange(20_000 * count, dtype=np.uint64).reshape(-1, count)
    chunk = payloads(*(row.tobytes() for row in values[:100]))
    rows = np.tile(np.arange(100), 200)
    found = decode(fields, chunk, rows)
    for i in range(count):
        column = found.columns[f"f{i}"].values
        assert column is not None
        assert np.array_equal(column, values[rows, i])


def test_only_what_is_wanted() -> None:
    fields = layout(
        Field("n", InType.UINT8),
        Field("b", InType.BINARY, length="n"),
        Field("s", InType.ANSISTRING),
        Field("z", InType.UINT64),
    )
    chunk = payloads(b"\2abc\0" + bytes(8), b"\2ab")
    found = decode(fields, chunk, all_rows(chunk), wanted=["s", "nothing"])
    assert list(found.columns) == ["s"]
    assert found.columns["s"].to_pylist() == ["c", None]
    assert decode(fields, chunk, all_rows(chunk), wanted=["n"]).ok.tolist() == [True, True]
    assert list(decode(fields, chunk, all_rows(chunk), wanted=[]).columns) == []


def test_names_taken_twice_and_names_that_are_empty() -> None:
    fields = layout(*(Field(n, InType.UINT8) for n in ("a", "a", "a_2", "", "a")))
    chunk = payloads(bytes(range(5)))
    assert decode(fields, chunk, all_rows(chunk)).to_pylist() == [{"a": 0, "a_2": 1, "a_2_2": 2, "field4": 3, "a_3": 4}]


def test_the_rest_is_kept_raw_and_counted() -> None:
    fields = layout(Field("n", InType.UINT8), rest_field("in-type 31"))
    chunk = payloads(b"\1abc", b"\1", b"")
    found = decode(fields, chunk, all_rows(chunk))
    assert found.columns[REST_NAME].to_pylist() == [b"abc", b"", None]
    assert found.columns[REST_NAME].field.note == "in-type 31"
    assert found.left.tolist() == [3, 0, 0]


def test_no_rows_at_all() -> None:
    chunk = payloads(b"abc")
    empty = np.zeros(0, np.int64)
    for field in (
        Field("f", InType.UINT8),
        Field("f", InType.ANSISTRING),
        Field("f", InType.UINT8, count=Rule.PREFIX),
        Field("f", InType.STRUCT, fields=(Field("g", InType.ANSISTRING),), count=Rule.PREFIX),
    ):
        found = decode(layout(field), chunk, empty)
        assert len(found) == 0
        assert found.to_pylist() == []


def test_large_arrays_in_many_portions() -> None:
    rows = [struct.pack("<H", 30_000) + bytes([n]) * 30_000 for n in range(100)]
    chunk = payloads(*rows)
    column = decode(layout(Field("a", InType.UINT8, count=Rule.PREFIX)), chunk, all_rows(chunk)).columns["a"]
    assert column.values is not None
    assert np.array_equal(column.values, np.repeat(np.arange(100, dtype=np.uint8), 30_000))
    assert np.array_equal(column.lists[0], np.arange(101) * 30_000)
