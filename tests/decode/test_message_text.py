"""Messages of manifest events as text."""

from __future__ import annotations

import struct

import pytest
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_tools import event_key, manifest_bytes, wide

from wsktrace.decode.fields import Field, Layout
from wsktrace.decode.formats import EventFormat, ValueMap
from wsktrace.decode.intypes import InType, OutType
from wsktrace.decode.layout import decode
from wsktrace.decode.manifest import parse_manifest
from wsktrace.decode.message_text import fields_text, map_text, parse_message, text


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("", []),
        ("plain", ["plain"]),
        ("%1", [1]),
        ("a %1, b %12 c", ["a ", 1, ", b ", 12, " c"]),
        ("%1!s!%2!08x!!", [1, 2, "!"]),
        ("100%% %b%t%n%r%.%!% x", ["100%  \t\n\r.! x"]),
        ("end%0 never %1", ["end"]),
        ("%%1", ["%1"]),
        ("%", ["%"]),
        ("%z %", ["%z %"]),
        ("%123", [12, "3"]),
    ],
)
def test_placeholders_and_escapes(message: str, parts: list[str | int]) -> None:
    assert parse_message(message) == parts


@given(st.text(alphabet="%10!sn x", max_size=30))
@settings(max_examples=200, deadline=None, print_blob=True, derandomize=True)
def test_any_message_can_be_parsed(message: str) -> None:
    parts = parse_message(message)
    assert all(isinstance(p, str) or 1 <= p <= 99 for p in parts)
    assert all(p for p in parts)


def test_names_of_values() -> None:
    state = ValueMap({0: "closed", 2: "open"})
    assert [map_text(state, v) for v in (0, 1, 2)] == ["closed", None, "open"]
    flags = ValueMap({0: "none", 1: "a", 4: "c", 6: "bc"}, bits=True)
    assert [map_text(flags, v) for v in (0, 1, 5, 6, 7, 9, 8)] == [
        "none", "a", "a | c", "bc", "a | c | bc", "a | 0x8", None,
    ]  # fmt: skip


def rows(number: int, version: int, *parts: bytes) -> list[str]:
    found = parse_manifest(manifest_bytes(), "c.man", "manifest c.man").find(event_key(number, version))
    assert found is not None
    chunk = payloads(*parts)
    return text(found, decode(found.layout, chunk, all_rows(chunk)))


def test_a_message_is_filled_in_and_cut_payloads_say_so() -> None:
    tail = struct.pack("<QQIQ", 0xAB, 0xFFFF800000001000, 0, 0) + bytes(16)
    whole = struct.pack("<bH", -3, 0xBB01) + tail
    assert rows(1, 2, whole, whole[:1], b"") == [
        "A is -3, port 443, at 0xffff800000001000; ok: false.\nPünktlich",
        "A is -3, port ?, at ?; ok: ?.\nPünktlich",
        "A is ?, port ?, at ?; ok: ?.\nPünktlich",
    ]


def test_structs_arrays_and_maps_in_a_message() -> None:
    payload = struct.pack("<BII", 2, 7, 1) + struct.pack("<H", 2) + b"hi" + struct.pack("<H", 0)
    payload += struct.pack("<3H", 4, 5, 6) + wide("ä") + wide("") + struct.pack("<I", 5)
    assert rows(3, 0, payload) == ["2: {X=7, State=open}, {Size=[2, 0], Text=[hi, ]}, [4, 5, 6], a | c %9"]


def test_without_a_message_the_fields_are_listed() -> None:
    fields = (
        Field("A", InType.UINT32),
        Field("S", InType.UINT32, OutType.NTSTATUS),
        Field("T", InType.UNICODESTRING, length=4),
    )
    found = EventFormat("P", "E", Layout(fields), "x", maps={"A": ValueMap({1: "one"})})
    chunk = payloads(struct.pack("<II", 1, 0xC0000022) + "ab".encode("utf-16-le") + bytes(4), struct.pack("<I", 2))
    decoded = decode(found.layout, chunk, all_rows(chunk))
    expected = ["A=one, S=0xc0000022, T=ab", "A=2, S=?, T=?"]
    assert text(found, decoded) == fields_text(found, decoded) == expected


def test_line_breaks_around_a_message_are_not_shown() -> None:
    found = EventFormat("P", "E", Layout((Field("A", InType.UINT32),)), "x", "\r\n%1 a\n%2\r\n")
    chunk = payloads(struct.pack("<I", 1))
    assert text(found, decode(found.layout, chunk, all_rows(chunk))) == ["1 a\n%2"]
