"""Structs packed or not, second-hand layouts, fields that may be missing, arrays to the end, SIDs of a TOKEN_USER."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from decode_tools import all_rows, payloads

from wsktrace.decode.fields import Field, Layout, Rule
from wsktrace.decode.intypes import InType
from wsktrace.decode.layout import decode
from wsktrace.etl.types import Kind

SYSTEM = bytes.fromhex("010100000000000512000000")
SHORT = Field("n", InType.UINT32), Field("p", InType.POINTER), Field("b", InType.UINT8), Field("q", InType.POINTER)


def read(layout: Layout, *parts: bytes, kind: int = Kind.EVENT64) -> Any:
    chunk = payloads(*parts, kind=kind)
    return decode(layout, chunk, all_rows(chunk))


def test_the_size_says_whether_a_struct_is_packed() -> None:
    layout = Layout((*SHORT, Field("e", InType.UINT16)), padded=True)
    packed = struct.pack("<IQBQH", 1, 2, 3, 4, 5)
    natural = struct.pack("<I4xQB7xQH6x", 6, 7, 8, 9, 10)
    found = read(layout, packed, natural, packed, natural[:-1], packed + b"\0")
    assert found.to_pylist()[:3] == [
        {"n": 1, "p": 2, "b": 3, "q": 4, "e": 5},
        {"n": 6, "p": 7, "b": 8, "q": 9, "e": 10},
        {"n": 1, "p": 2, "b": 3, "q": 4, "e": 5},
    ]
    assert found.left.tolist() == [0, 0, 0, len(natural) - 1 - len(packed), 1]
    narrow = read(layout, struct.pack("<IIBIH", 1, 2, 3, 4, 5), struct.pack("<IIB3xIH2x", 1, 2, 3, 4, 5), kind=18)
    assert narrow.to_pylist() == [{"n": 1, "p": 2, "b": 3, "q": 4, "e": 5}] * 2
    assert not narrow.left.any()
    chosen = decode(layout, payloads(packed, natural), all_rows(payloads(packed, natural)), wanted=["q"])
    assert chosen.to_pylist() == [{"q": 4}, {"q": 9}]


def test_second_hand_layouts_count_to_the_byte_only() -> None:
    layout = Layout((Field("n", InType.UINT16), Field("s", InType.ANSISTRING)), exact=True)
    found = read(layout, b"\1\0ab\0", b"\1\0ab\0c", b"\1", b"\2\0\0")
    assert found.ok.tolist() == [True, False, False, True]
    assert found.columns["n"].to_pylist() == [1, None, None, 2]
    assert found.columns["s"].texts() == ["ab", None, None, ""]
    chunk = payloads(b"\1\0ab\0c", b"\1\0ab\0")
    only = decode(layout, chunk, all_rows(chunk), wanted=["n"])
    assert only.to_pylist() == [{"n": None}, {"n": 1}]


def test_what_newer_writers_append_may_be_missing() -> None:
    layout = Layout((Field("n", InType.UINT8), Field("s", InType.UNICODESTRING, optional=True)))
    found = read(layout, b"\1", b"\2a\0\0\0", b"\3\0\0", b"", b"\4a")
    assert found.ok.tolist() == [True, True, True, False, False]
    assert found.columns["s"].to_pylist() == [None, "a", "", None, None]
    assert found.left.tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("kind", "code"), [(Kind.EVENT64, "Q"), (Kind.EVENT32, "I")])
def test_arrays_to_the_end_of_the_payload(kind: int, code: str) -> None:
    layout = Layout((Field("n", InType.UINT8), Field("a", InType.POINTER, count=Rule.REST)))
    width = struct.calcsize(code)
    found = read(layout, b"\1" + struct.pack("<3" + code, 7, 8, 9), b"\2", b"\3" + bytes(width + 1), b"", kind=kind)
    assert found.columns["a"].to_pylist() == [[7, 8, 9], [], [0], None]
    assert found.left.tolist() == [0, 0, 1, 0]
    assert found.ok.tolist() == [True, True, True, False]


@pytest.mark.parametrize(("kind", "width"), [(Kind.EVENT64, 16), (Kind.EVENT32, 8)])
def test_sids_behind_a_token_user(kind: int, width: int) -> None:
    layout = Layout((Field("u", InType.WBEMSID), Field("s", InType.ANSISTRING)))
    token = b"\xc0\xff".ljust(width, b"\x11")
    whole = token + SYSTEM + b"x\0"
    found = read(layout, whole, bytes(width) + SYSTEM + b"x\0", bytes(4) + b"idle\0", bytes(4), whole[:-4], kind=kind)
    assert found.columns["u"].texts() == ["S-1-5-18", "S-1-5-18", "", "", None]
    assert found.columns["s"].texts() == ["x", "x", "idle", None, None]
    assert found.ok.tolist() == [True, True, True, False, False]
