"""TraceLogging metadata, byte by byte; and metadata that makes no sense."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.decode.fields import REST_NAME, Field, Rule
from wsktrace.decode.intypes import TL_OUT, InType, OutType
from wsktrace.decode.layout import decode
from wsktrace.decode.tlmetadata import MAX_DEPTH, MAX_FIELDS, parse_schema, parse_traits


def schema(body: bytes, *, name: bytes = b"Ev", tag: bytes = b"\0") -> bytes:
    inside = tag + name + b"\0" + body
    return struct.pack("<H", 2 + len(inside)) + inside


def fields_of(body: bytes) -> tuple[Field, ...]:
    found = parse_schema(schema(body))
    assert found.layout.problem == ""
    return found.layout.fields


def test_the_real_example_of_a_struct() -> None:
    found = parse_schema(b"\x17\x00\x00TestEvent\x00a\x00\x98\x02b\x00\x01c\x00\x01")
    inner = (Field("b", InType.UNICODESTRING), Field("c", InType.UNICODESTRING))
    assert found.name == "TestEvent"
    assert found.layout.fields == (Field("a", InType.STRUCT, fields=inner),)
    assert found.count == 3


@pytest.mark.parametrize("in_type", [*range(14), *range(15, 24), 25])
def test_every_in_type(in_type: int) -> None:
    assert fields_of(b"f\0" + bytes([in_type])) == (Field("f", in_type),)


def test_binary_is_counted_in_the_payload() -> None:
    (field,) = fields_of(b"f\0\x0e")
    assert field.length_rule is Rule.PREFIX
    assert fields_of(b"f\0\x19")[0].length_rule is Rule.PREFIX
    assert fields_of(b"f\0\x01")[0].length_rule is Rule.TERMINATED


@pytest.mark.parametrize(("number", "out_type"), sorted(TL_OUT.items()))
def test_every_out_type(number: int, out_type: int) -> None:
    assert fields_of(b"f\0\x88" + bytes([number])) == (Field("f", InType.UINT32, out_type),)


def test_an_unknown_out_type_is_said_and_the_value_read() -> None:
    (field,) = fields_of(b"f\0\x88\x63")
    assert (field.out_type, field.note) == (OutType.NULL, "unknown out-type 99")


def test_counts() -> None:
    assert fields_of(b"f\0\x28\5\0") == (Field("f", InType.UINT32, count=5),)
    assert fields_of(b"f\0\x48") == (Field("f", InType.UINT32, count=Rule.PREFIX),)
    assert fields_of(b"f\0\xa8\4\5\0") == (Field("f", InType.UINT32, OutType.HEX, count=5),)
    assert fields_of(b"s\0\xb8\1\2\0x\0\4")[0] == Field("s", InType.STRUCT, count=2, fields=(Field("x", InType.UINT8),))


def test_tags_have_their_highest_bits_first() -> None:
    assert fields_of(b"f\0\x88\x80\1")[0].tag == 1 << 21
    assert fields_of(b"f\0\x88\x84\x81\x82\x83\x04")[0].tag == 1 << 21 | 2 << 14 | 3 << 7 | 4
    # a fifth byte says nothing that is known
    assert fields_of(b"f\0\x88\x80\x81\x82\x83\x84\x05g\0\4")[1:] == (Field("g", InType.UINT8),)
    assert parse_schema(schema(b"", tag=b"\xff\xff\xff\x7f")).tag == 0xFFFFFFF
    assert fields_of(b"s\0\x98\x81\1x\0\4")[0] == Field(
        "s", InType.STRUCT, tag=1 << 21, fields=(Field("x", InType.UINT8),)
    )


def test_custom_types_keep_their_information() -> None:
    (field, after) = fields_of(b"f\0\xe5\4\3\0xyzg\0\4")
    assert (field.in_type, field.type_info, after.name) == (InType.COUNTEDBINARY, b"xyz", "g")
    assert field.note == "custom serialisation, protocol 5"
    chunk = payloads(b"\3\0abc\7")
    found = decode(parse_schema(schema(b"f\0\x65\0\0g\0\4")).layout, chunk, all_rows(chunk))
    assert found.to_pylist() == [{"f": b"abc", "g": 7}]


def test_names_that_are_no_utf8() -> None:
    assert fields_of(b"\xff\0\4")[0].name == "\ufffd"
    assert parse_schema(schema(b"", name="é".encode())).name == "é"


@pytest.mark.parametrize("in_type", [26, 27, 28, 29, 30, 31])
def test_unknown_in_types_keep_the_rest(in_type: int) -> None:
    found = parse_schema(schema(b"a\0\4bad\0" + bytes([in_type]) + b"c\0\4"))
    assert found.layout.problem == f"field 'bad' has the unknown in-type {in_type}"
    chunk = payloads(b"\1rest")
    decoded = decode(found.layout, chunk, all_rows(chunk))
    assert decoded.to_pylist() == [{"a": 1, REST_NAME: b"rest"}]
    assert decoded.left.tolist() == [4]
    assert decoded.columns[REST_NAME].field.note == found.layout.problem


def test_unknown_in_types_inside_structs() -> None:
    chunk = payloads(b"\1\2rest")
    single = parse_schema(schema(b"a\0\4s\0\x98\3x\0\4bad\0\x1fy\0\4z\0\4"))
    assert decode(single.layout, chunk, all_rows(chunk)).to_pylist() == [{"a": 1, "s.x": 2, REST_NAME: b"rest"}]
    array = parse_schema(schema(b"a\0\4s\0\xd8\2x\0\4bad\0\x1f"))
    assert decode(array.layout, chunk, all_rows(chunk)).to_pylist() == [{"a": 1, REST_NAME: b"\2rest"}]
    deep = parse_schema(schema(b"a\0\4s\0\xd8\1t\0\x98\2x\0\4bad\0\x1f"))
    assert decode(deep.layout, chunk, all_rows(chunk)).to_pylist() == [{"a": 1, REST_NAME: b"\2rest"}]


@pytest.mark.parametrize(
    ("blob", "problem"),
    [
        (b"", "event metadata has no size"),
        (b"\5", "event metadata has no size"),
        (b"\0\0\0Ev\0", "event metadata has no size"),
        (b"\2\0", "event metadata ends before the event's name does"),
        (b"\4\0\0E", "event metadata ends before the event's name does"),
        (b"\4\0\x80\x80", "event metadata ends before the event's name does"),
        (schema(b"a"), "event metadata ends inside a field"),
        (schema(b"a\0"), "event metadata ends inside a field"),
        (schema(b"a\0\x84"), "event metadata ends inside a field"),
        (schema(b"a\0\x84\x80"), "event metadata ends inside a field"),
        (schema(b"a\0\x24\1"), "event metadata ends inside a field"),
        (schema(b"a\0\x64\5\0abc"), "event metadata ends inside a field"),
        (schema(b"s\0\x98\3x\0\4"), "event metadata ends inside a field"),
        (schema(b"a\0\4")[:-1], "event metadata is cut: 8 of 9 bytes"),
        (schema(b"a\0\4b\0\4")[:-3], "event metadata is cut: 9 of 12 bytes"),
    ],
)
def test_metadata_that_ends_early(blob: bytes, problem: str) -> None:
    found = parse_schema(blob)
    assert found.layout.problem == problem
    chunk = payloads(b"\1\2\3")
    decode(found.layout, chunk, all_rows(chunk))


def test_cut_metadata_still_gives_what_it_holds() -> None:
    chunk = payloads(b"\1\2")
    found = decode(parse_schema(schema(b"a\0\4b\0\4")[:-1]).layout, chunk, all_rows(chunk))
    assert found.to_pylist() == [{"a": 1, REST_NAME: b"\2"}]
    found = decode(parse_schema(schema(b"a\0\4b\0\4")[:-3]).layout, chunk, all_rows(chunk))
    assert found.to_pylist() == [{"a": 1, REST_NAME: b"\2"}]


def test_bytes_behind_the_metadata_are_no_fields() -> None:
    assert parse_schema(schema(b"a\0\4") + b"b\0\4").layout.fields == (Field("a", InType.UINT8),)


def test_limits_bound_what_nonsense_can_cost() -> None:
    many = parse_schema(schema(b"\0\4" * 30_000))
    assert len(many.layout.fields) == MAX_FIELDS + 1
    assert "more than" in many.layout.problem
    deep = parse_schema(schema(b"s\0\x98\1" * 10_000))
    assert deep.layout.problem == f"structs are nested more than {MAX_DEPTH} deep"
    chunk = payloads(bytes(50))
    for layout in (many.layout, deep.layout):
        decode(layout, chunk, all_rows(chunk))


def test_huge_counts_are_bounded_by_the_payload() -> None:
    for body in (
        b"a\0\x2a\xff\xff",  # 65535 numbers of eight bytes
        b"a\0\x21\xff\xff",  # strings
        b"a\0\x20\xff\xff",  # of nothing
        b"a\0\xb8\0\xff\xff",  # structs without members
        b"a\0\xb8\1\xff\xffb\0\xb8\1\xff\xffc\0\x24\xff\xff",  # 65535 ** 3 bytes
    ):
        chunk = payloads(bytes(100), bytes(70_000))
        found = decode(parse_schema(schema(body)).layout, chunk, all_rows(chunk))
        assert not found.ok[0]


def test_traits() -> None:
    group = bytes(range(16))
    blob = b"P\0" + b"\x13\0\1" + group + b"\4\0\x09z" + b"\3\0\7"
    found = parse_traits(struct.pack("<H", 2 + len(blob)) + blob)
    assert (found.name, found.group, found.others, found.problem) == ("P", group, ((9, b"z"), (7, b"")), "")
    assert parse_traits(b"\x0c\x00AmsiTrace\x00").name == "AmsiTrace"


@pytest.mark.parametrize(
    ("blob", "name"),
    [(b"", ""), (b"\4\0P", ""), (b"\6\0P\0\5\0", "P"), (b"\x06\0P\0\5", "P"), (b"\7\0P\0\x09\0\1", "P"), (b"\1\0", "")],
)
def test_traits_that_make_no_sense(blob: bytes, name: str) -> None:
    found = parse_traits(blob)
    assert found.problem
    assert found.name == name


def test_traits_with_sizes_below_their_own_header() -> None:
    found = parse_traits(b"\x07\0P\0\0\0\5")
    assert found.others == ((5, b""),)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=120), st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.booleans())
def test_any_bytes_give_rows(blob: bytes, parts: list[bytes], sized: bool) -> None:
    if sized:
        blob = struct.pack("<H", len(blob) + 2) + blob
    found = parse_schema(blob)
    parse_traits(blob)
    chunk = payloads(*parts)
    decoded = decode(found.layout, chunk, all_rows(chunk))
    sizes = np.array([len(p) for p in parts])
    assert ((decoded.left >= 0) & (decoded.left <= sizes)).all()
    rows = decoded.to_pylist()
    assert len(rows) == len(parts)
    decoded.to_pylist(text=True)


#: metadata of a field: name, in-type with all flags, what may follow; likelier to make sense than any bytes
_FIELD = st.tuples(st.sampled_from([b"a", b"b", b""]), st.integers(0, 255), st.binary(max_size=5)).map(
    lambda t: t[0] + b"\0" + bytes([t[1]]) + t[2]
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(_FIELD, max_size=8), st.lists(st.binary(max_size=80), min_size=1, max_size=4))
def test_near_sense_gives_rows(fields: list[bytes], parts: list[bytes]) -> None:
    found = parse_schema(schema(b"".join(fields)))
    chunk = payloads(*parts)
    decoded = decode(found.layout, chunk, all_rows(chunk))
    together = decoded.to_pylist(text=True)
    # all rows at once give what each row gives alone
    for n in range(len(parts)):
        alone = decode(found.layout, chunk, np.array([n]))
        assert alone.to_pylist(text=True) == [together[n]]
        assert (alone.left[0], alone.ok[0]) == (decoded.left[n], decoded.ok[n])
