"""WPP messages through the testing writer and back: every item type, option flag and form of NULL; text; damage."""

from __future__ import annotations

import io
import itertools
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from decode_tools import Made, all_rows, chunk_of
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.decode.event_text import messages_of
from wsktrace.decode.fields import REST_NAME
from wsktrace.decode.formats import EventFormat, RecordKey, ValueMap
from wsktrace.decode.tmf import parse_tmf
from wsktrace.decode.wpp import TmfBook, decode, render, sort_out
from wsktrace.decode.wpp_items import ITEMS
from wsktrace.errors import FormatError
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Chunk, GuidTable, Kind
from wsktrace.testing import etl_records as rec
from wsktrace.testing.etl_writer import TraceOptions, write_records
from wsktrace.testing.wpp_encode import Described, pack, payload, tmf_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsktrace.decode.layout import Decoded

GUID = UUID("7b85c7a2-95ad-3a26-8f3c-a4d1fd0a4b57")
SOME = UUID("11223344-5566-7788-99aa-bbccddeeff00")
SYSTEM = bytes.fromhex("010100000000000512000000")
ADMINS = bytes.fromhex("01020000000000052000000020020000")
ENUMS = {"_STATE": {"Idle": 0, "Busy": 1}, "_FLAGS": {"Read": 1, "Write": 2, "Exec": 4}, "_ZERO": {"None": 0, "A": 1}}
T = 1_577_836_800 * 10_000_000 + 116_444_736_000_000_000  # 2020-01-01
CLOCK = TraceOptions().start_clock


def message_chunk(*payloads: bytes, flags: int = 0xAA) -> Chunk:
    return chunk_of([Made(p, kind=Kind.MESSAGE, provider=GUID.bytes_le, flags=flags) for p in payloads], GuidTable())


def form_of(described: Described, enums: Mapping[str, Mapping[str, int]] = ENUMS) -> EventFormat:
    book = TmfBook()
    book.add(parse_tmf(tmf_text(GUID, [described], enums=enums)).messages, "TMF driver.tmf")
    form = book.find(RecordKey("message", GUID.bytes_le, described.number))
    assert form is not None
    return form


def one(item: str, spec: str | None, value: Any, *, pointer: int = 8) -> tuple[str, Any]:
    """The text and the column value of a message with this argument between two numbers."""
    shown = "" if spec is None else f"!{spec}!"
    args = [("before", "ItemLong"), ("x", item), ("after", "ItemLong")]
    form = form_of(Described(10, f"%0a=%10!d! <%11{shown}> b=%12!d!", args))
    body = payload([("ItemLong", 1), (item, value), ("ItemLong", -2)], pointer_size=pointer)
    chunk = message_chunk(body, body, flags=0xAA if pointer == 8 else 0x6A)
    got = decode(form, chunk, all_rows(chunk))
    assert got.ok.all()
    assert not got.left.any()
    first, second = render(form, got, chunk)
    assert first == second
    assert (first[:5], first[-6:]) == ("a=1 <", "> b=-2")
    assert got.columns["after"].to_pylist() == [-2, -2]
    return first[5:-6], got.columns["x"].to_pylist()[0]


#: item type, conversion, value, text, value of the column
VALUES: list[tuple[str, str | None, Any, str, Any]] = [
    ("ItemChar", "c", 65, "A", "A"),
    ("ItemChar", "hd", -3, "-3", -3),
    ("ItemChar", "02x", 10, "0a", 10),
    ("ItemChar", "s", 66, "B", "B"),
    ("ItemUChar", "c", 0xE9, "é", "é"),
    ("ItemUChar", "u", 200, "200", 200),
    ("ItemShort", "hd", -5, "-5", -5),
    ("ItemShort", "04hX", 0x2A, "002A", 0x2A),
    ("ItemShort", "hu", -1, "65535", 65535),
    ("ItemUShort", "hu", 65535, "65535", 65535),
    ("ItemInt", "s", -1000, "-1000", -1000),
    ("ItemUInt", "s", 5, "5", 5),
    ("ItemLong", "d", -1000, "-1000", -1000),
    ("ItemLong", "u", -1, "4294967295", 0xFFFFFFFF),
    ("ItemLong", "x", 0xABCDEF, "abcdef", 0xABCDEF),
    ("ItemLong", "08X", 0xBEEF, "0000BEEF", 0xBEEF),
    ("ItemLong", "#x", 0xBEEF, "0xbeef", 0xBEEF),
    ("ItemLong", "o", 8, "10", 8),
    ("ItemLong", "#o", 8, "010", 8),
    ("ItemLong", "ld", 5, "5", 5),
    ("ItemLong", "lu", -1, "4294967295", 0xFFFFFFFF),
    ("ItemLong", "05d", 42, "00042", 42),
    ("ItemLong", "-5d", 42, "42   ", 42),
    ("ItemLong", "+d", 42, "+42", 42),
    ("ItemLong", ".4i", 42, "0042", 42),
    ("ItemLong", "hx", 0x12345, "2345", 0x12345),
    ("ItemLong", "hhx", 0x12345, "45", 0x12345),
    ("ItemLong", "s", -7, "-7", -7),
    ("ItemLong", None, -7, "-7", -7),
    ("ItemLong", "Ox", 7, "7", 7),
    ("ItemULong", "u", 7, "7", 7),
    ("ItemULong", "s", 0xFFFFFFFF, "4294967295", 0xFFFFFFFF),
    ("ItemLongLong", "I64d", -5_000_000_000, "-5000000000", -5_000_000_000),
    ("ItemLongLong", "lld", 5, "5", 5),
    ("ItemULongLong", "08i64X", 0xAB, "000000AB", 0xAB),
    ("ItemULongLong", "I64u", (1 << 64) - 1, "18446744073709551615", (1 << 64) - 1),
    ("ItemLongLongX", "I64x", 0xDEADBEEFCAFE, "deadbeefcafe", 0xDEADBEEFCAFE),
    ("ItemLongLongX", "s", 0xAB, "ab", 0xAB),
    ("ItemLongLongXX", "012I64X", 0xABCDEF, "000000ABCDEF", 0xABCDEF),
    ("ItemLongLongO", "I64o", 0x1FF, "777", 0x1FF),
    ("ItemDouble", "s", 3.140625, "3.14062", 3.140625),
    ("ItemDouble", "g", 1e300, "1e+300", 1e300),
    ("ItemDouble", ".2f", 2.5, "2.50", 2.5),
    ("ItemDouble", "10.1f", 2.5, "       2.5", 2.5),
    ("ItemDouble", "a", 1.0, "0x1.0000000000000p+0", 1.0),
    ("ItemDouble", "d", 0.5, "0.5", 0.5),
    ("ItemFloat", "s", 0.5, "0.5", 0.5),
    ("ItemPtr", "p", 0x7FF012345678, "00007FF012345678", 0x7FF012345678),
    ("ItemPtr", "s", 0, "0000000000000000", 0),
    ("ItemPtr", "Id", (1 << 64) - 1, "-1", (1 << 64) - 1),
    ("ItemPtr", "Iu", (1 << 64) - 1, "18446744073709551615", (1 << 64) - 1),
    ("ItemPtr", "Ix", 0xFFFF, "ffff", 0xFFFF),
    ("ItemString", "s", "alpha", "alpha", "alpha"),
    ("ItemString", "s", "", "", ""),
    ("ItemString", "s", None, "NULL", "NULL"),
    ("ItemString", "-8s", "abc", "abc     ", "abc"),
    ("ItemString", "8.2s", "abc", "      ab", "abc"),
    ("ItemRString", "s", "raw", "raw", "raw"),
    ("ItemWString", "s", "größe", "größe", "größe"),
    ("ItemWString", "s", "", "<NULL>", "<NULL>"),
    ("ItemWString", "s", None, "NULL", "NULL"),
    ("ItemRWString", "ws", "wide", "wide", "wide"),
    ("ItemPString", "s", "CountedAnsi", "CountedAnsi", "CountedAnsi"),
    ("ItemPString", "s", "five!", "five!", "five!"),
    ("ItemPString", "s", "", "", ""),
    ("ItemPString", "s", None, "NULL", "NULL"),
    ("ItemPWString", "s", "CountedWide", "CountedWide", "CountedWide"),
    ("ItemPWString", "s", "fünf!", "fünf!", "fünf!"),
    ("ItemPWString", "s", "", "", ""),
    ("ItemPWString", "s", None, "NULL", "NULL"),
    ("ItemGuid", "s", SOME, str(SOME), str(SOME)),
    ("ItemCLSID", "s", SOME, str(SOME), str(SOME)),
    ("ItemIID", "s", SOME, str(SOME), str(SOME)),
    ("ItemLIBID", "s", SOME, str(SOME), str(SOME)),
    ("ItemSid", "s", SYSTEM, "S-1-5-18", "S-1-5-18"),
    ("ItemSid", "s", ADMINS, "S-1-5-32-544", "S-1-5-32-544"),
    ("ItemSid", "s", None, "NULL", "NULL"),
    ("ItemNTSTATUS", "s", 0xC0000022, "0xc0000022(STATUS_ACCESS_DENIED)", 0xC0000022),
    ("ItemNTSTATUS", "s", 0, "0x00000000(STATUS_SUCCESS)", 0),
    ("ItemNTSTATUS", "s", 0xE0001234, "0xe0001234", 0xE0001234),
    ("ItemNTSTATUS", "x", 0xC0000022, "c0000022", 0xC0000022),
    ("ItemHRESULT", "s", 0x80070005, "0x80070005(ERROR_ACCESS_DENIED)", 0x80070005),
    ("ItemHRESULT", "s", 0x80004005, "0x80004005(E_FAIL)", 0x80004005),
    ("ItemHRESULT", "s", 0x8007FFFE, "0x8007fffe", 0x8007FFFE),
    ("ItemHRESULT", "s", 0, "0x00000000(S_OK)", 0),
    ("ItemWINERROR", "s", 2, "2(ERROR_FILE_NOT_FOUND)", 2),
    ("ItemWINERROR", "s", 0x7FFFFFFF, "2147483647", 0x7FFFFFFF),
    ("ItemNDIS_STATUS", "s", 0x4001000B, "0x4001000b(NDIS_STATUS_MEDIA_CONNECT)", 0x4001000B),
    ("ItemNDIS_STATUS", "s", 0xC0000022, "0xc0000022(STATUS_ACCESS_DENIED)", 0xC0000022),
    ("ItemNDIS_OID", "s", 0x00010101, "0x00010101(OID_GEN_SUPPORTED_LIST)", 0x00010101),
    ("ItemListByte(Low,APC,DPC)", "s", 2, "0x00000002(DPC)", 2),
    ("ItemListByte(Low, APC, DPC)", "s", 1, "0x00000001(APC)", 1),
    ("ItemListByte(Low,APC,DPC)", "s", 9, "0x00000009", 9),
    ("ItemListByte(Low,APC,DPC)", "d", 2, "2", 2),
    ("ItemListShort(false,true)", "s", 1, "0x00000001(true)", 1),
    ("ItemListLong(false,true)", "s", 0, "0x00000000(false)", 0),
    ("ItemSetByte(1,2,3,4,5,6,7,8)", "s", 5, "[1,3]", 5),
    ("ItemSetShort(a,b)", "s", 0x0, "[]", 0),
    ("ItemSetShort(a,b)", "s", 0x103, "[a,b,0x100]", 0x103),
    ("ItemSetLong(1,2,3)", "s", 4, "[3]", 4),
    ("ItemEnum(_STATE)", "s", 1, "Busy", 1),
    ("ItemEnum(enum _STATE)", "s", 1, "Busy", 1),
    ("ItemEnum(_STATE)", "s", 7, "0x7", 7),
    ("ItemEnum(_STATE)", "d", 1, "1", 1),
    ("ItemEnum(_NOWHERE)", "s", 1, "0x1", 1),
    ("ItemFlagsEnum(_FLAGS)", "s", 5, "Read | Exec(0x5)", 5),
    ("ItemFlagsEnum(_FLAGS)", "s", 4, "Exec(0x4)", 4),
    ("ItemFlagsEnum(_FLAGS)", "s", 0x11, "Read | 0x10(0x11)", 0x11),
    ("ItemFlagsEnum(_FLAGS)", "s", 0x10, "0x10", 0x10),
    ("ItemFlagsEnum(_FLAGS)", "s", 0, "0x0", 0),
    ("ItemFlagsEnum(_ZERO)", "s", 0, "None(0x0)", 0),
    ("ItemIPAddr", "s", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("ItemPort", "s", 80, "80", 80),
    ("ItemIPV6Addr", "s", "2001:db8::1", "2001:db8::1", "2001:db8::1"),
    ("ItemMACAddr", "s", bytes.fromhex("001122aabbcc"), "00-11-22-aa-bb-cc", bytes.fromhex("001122aabbcc")),
    ("ItemTimestamp", "s", T, "2020-01-01 00:00:00.000Z", "2020-01-01T00:00:00.0000000Z"),
    ("ItemTimestamp", "s", T + 1, "2020-01-01 00:00:00.0000001Z", "2020-01-01T00:00:00.0000001Z"),
    ("ItemTimestamp", "s", (1 << 64) - 1, "0xffffffffffffffff", "0xffffffffffffffff"),
    ("ItemWaitTime", "s", T + 12_500_000, "2020-01-01 00:00:01.250Z", "2020-01-01T00:00:01.2500000Z"),
    ("ItemTimeDelta", "s", 50_000_000, "5.000s", 50_000_000),
    ("ItemTimeDelta", "s", -50_000_001, "-5.0000001s", -50_000_001),
    ("ItemTimeDelta", "s", 650_000_000, "1:05.000s", 650_000_000),
    ("ItemTimeDelta", "s", 36_650_000_000, "1:01:05.000s", 36_650_000_000),
    ("ItemTimeDelta", "s", 937_845_000_000, "1~02:03:04.500s", 937_845_000_000),
    ("ItemHexDump", "s", bytes.fromhex("deadbeef"), "DEADBEEF", bytes.fromhex("deadbeef")),
    ("ItemHEXDump", "s", b"", "", b""),
    ("ItemHexBytes", "s", b"\x01", "01", b"\x01"),
    ("ItemChar4", "s", "RGBA", "RGBA", "RGBA"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "spec", "value", "text", "column"), VALUES)
def test_every_item_type_round_trips(item: str, spec: str | None, value: Any, text: str, column: Any) -> None:
    assert one(item, spec, value) == (text, column)
    assert one(item.upper() if "(" not in item else item, spec, value) == (text, column)


def test_no_item_type_is_left_out() -> None:
    tried = {item.partition("(")[0].lower() for item, *_ in VALUES}
    assert set(ITEMS) == tried


def test_the_page_on_wpp_names_every_item_type() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "wpp.md").read_text("utf-8").lower()
    assert [item for item in ITEMS if not re.search(rf"\b{item}\b", page)] == []


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [("p", 0xFFFF8001, "FFFF8001"), ("Id", 0xFFFFFFFF, "-1"), ("Iu", 0xFFFFFFFF, "4294967295"), ("s", 1, "00000001")],
)
def test_pointers_of_32_bit_messages(spec: str, value: int, text: str) -> None:
    assert one("ItemPtr", spec, value, pointer=4) == (text, value)


def test_messages_that_do_not_say_their_pointers_width() -> None:
    form = form_of(Described(10, "%10!p! %11!d!", [("p", "ItemPtr"), ("n", "ItemLong")]))
    narrow, wide = (payload([("ItemPtr", 0xAB), ("ItemLong", 3)], pointer_size=w) for w in (4, 8))
    chunk = chunk_of(
        [
            Made(narrow, kind=Kind.MESSAGE, flags=0x2A),
            Made(wide, kind=Kind.MESSAGE, flags=0xAA),
            Made(narrow, kind=Kind.MESSAGE, flags=0x6A),
        ],
        GuidTable(),
    )
    got = decode(form, chunk, all_rows(chunk), pointer=4)
    assert got.ok.all()
    assert not got.left.any()
    assert render(form, got, chunk, pointer=4) == ["000000AB 3", "00000000000000AB 3", "000000AB 3"]
    assert decode(form, chunk, all_rows(chunk)).ok.tolist() == [False, True, True]


def test_every_option_flag_through_a_file() -> None:
    every = [sum(c) for n in range(7) for c in itertools.combinations((1, 2, 4, 8, 0x10, 0x20), n)]
    args = [("ptr", "ItemPtr"), ("name", "ItemPWString"), ("status", "ItemNTSTATUS")]
    described = Described(11, "%0p=%10!p! name=%11!s! %12!s! seq=%7!d! pid=%8!d! tid=%3!04x!", args)
    records, texts = [], []
    for n, (flags, width) in enumerate(itertools.product(every, (4, 8))):
        body = payload([("ItemPtr", n), ("ItemPWString", f"n{n}"), ("ItemNTSTATUS", 0xC000000D)], pointer_size=width)
        flags |= 0x40 if width == 4 else 0x80
        records.append(
            rec.message(11, body, CLOCK + n, flags=flags, guid=GUID, component=77, sequence=n, tid=0xAB, pid=9)
        )
        seq, pid, tid = n if flags & 1 else 0, 9 if flags & 0x20 else 0, "00ab" if flags & 0x20 else "0000"
        texts.append(
            f"p={n:0{2 * width}X} name=n{n} 0xc000000d(STATUS_INVALID_PARAMETER) seq={seq} pid={pid} tid={tid}"
        )
    form = form_of(described)
    with open_trace(io.BytesIO(write_records(records))) as file:
        chunks = list(file.chunks())
        (chunk,) = chunks
        r = chunk.records
        rows = np.flatnonzero(r.kind == Kind.MESSAGE)
        assert len(rows) == len(records)
        got = decode(form, chunk, rows)
        assert got.ok.all()
        assert not got.left.any()
        seen = sorted(zip(got.columns["ptr"].to_pylist(), render(form, got, chunk), strict=True))
        assert [text for _, text in seen] == texts
        flags = r.flags[rows]
        assert (r.has_time[rows] == ((flags & 8) != 0)).all()
        assert ((r.guid[rows] >= 0) == ((flags & 2) != 0)).all()
        assert (r.component[rows] == np.where((flags & 6) == 4, 77, 0)).all()


def test_arguments_are_typed_columns_with_their_names() -> None:
    args = [
        ("irp->IoStatus.Status", "ItemNTSTATUS"), ("n", "ItemLong"), ("n", "ItemULongLong"), ("f(a, b)", "ItemDouble"),
        ("", "ItemEnum(_STATE)"), ("mask", "ItemSetLong(a,b)"),
    ]  # fmt: skip
    tail = "LEVEL=TRACE_LEVEL_ERROR FLAGS=DRV_IO FUNC=Dev::Open"
    form = form_of(Described(33, "%0[%!FUNC!] %10!s! %11!u!", args, tail, "device_cpp104"))
    assert (form.provider, form.name, form.function, form.file, form.line) == (
        "driver", "Dev::Open", "Dev::Open", "driver.c", 104,
    )  # fmt: skip
    assert (form.level, form.keywords, form.source, form.message) == (
        "TRACE_LEVEL_ERROR", "DRV_IO", "TMF driver.tmf", "%0[%!FUNC!] %10!s! %11!u!",
    )  # fmt: skip
    assert form.maps == {"arg14": ValueMap({0: "Idle", 1: "Busy"}), "mask": ValueMap({1: "a", 2: "b"}, bits=True)}
    chunk = message_chunk(
        payload([("ntstatus", 5), ("long", 6), ("ulonglong", 7), ("double", 8.5), ("enum", 1), ("setlong", 3)])
    )
    got = decode(form, chunk, all_rows(chunk))
    assert list(got.columns) == ["irp->IoStatus.Status", "n", "n_2", "f(a, b)", "arg14", "mask"]
    assert [c.values.dtype.name for c in got.columns.values() if c.values is not None] == [
        "uint32", "uint32", "uint64", "float64", "uint32", "uint32",
    ]  # fmt: skip
    some = decode(form, chunk, all_rows(chunk), wanted=["n"])
    assert list(some.columns) == ["n"]
    assert render(form, got, chunk) == ["[Dev::Open] 0x00000005 6"]


def test_parameters_variables_and_what_is_neither() -> None:
    text = "%0 [%!FUNC!:%!LEVEL!:%!FLAGS!:%!COMP!] %!NOPE! %1!s! %2!s! %9!d! %3 %4!s! 100%% %x %10!d! %22!d! %!FILE!:"
    text += "%!LINE!"
    form = form_of(Described(10, text, [("n", "ItemLong")], "LEVEL=ERR FLAGS=IO COMP=net FUNC=f", "a_c12"))
    chunk = message_chunk(pack("ItemLong", 5))
    got = decode(form, chunk, all_rows(chunk))
    shown = " [f:ERR:IO:net] %!NOPE! driver a_c12 0 0 {} 100% %x 5 %22!d! driver.c:12"
    assert render(form, got, chunk) == [shown.format("%4!s!")]
    assert render(form, got, chunk, facts={4: ["noon"]}) == [shown.format("noon")]


def test_the_time_in_a_text_is_the_record_s_own() -> None:
    form = form_of(Described(10, "at %4!s!"))
    chunk = message_chunk(b"", b"")
    chunk.records.has_time[:] = [True, False]
    key = RecordKey("message", GUID.bytes_le, 10)
    texts = messages_of(key, form, decode(form, chunk, all_rows(chunk)), chunk, np.array([1, 1]))
    assert texts == ["at 1970-01-01T00:00:00.000000001Z", "at -"]


@pytest.mark.parametrize("text", ["", "%0", "no placeholders"])
def test_messages_without_arguments(text: str) -> None:
    form = form_of(Described(10, text))
    chunk = message_chunk(b"", b"")
    got = decode(form, chunk, all_rows(chunk))
    assert got.ok.all()
    assert render(form, got, chunk) == [text.removeprefix("%0")] * 2


def test_arguments_out_of_order_twice_and_not_at_all() -> None:
    form = form_of(Described(10, "%12!d!-%10!d!-%12!x!", [("a", "ItemLong"), ("b", "ItemLong"), ("c", "ItemLong")]))
    chunk = message_chunk(struct.pack("<iii", 1, 2, 30))
    got = decode(form, chunk, all_rows(chunk))
    assert render(form, got, chunk) == ["30-1-1e"]


def test_an_unknown_item_keeps_the_rest_as_bytes_and_says_so() -> None:
    args = [("a", "ItemLong"), ("b", "ItemMLString"), ("c", "ItemLong")]
    form = form_of(Described(10, "a=%10!d! b=%11!s! c=%12!d! d=%13!d!", args))
    assert "the item type ItemMLString of argument 11 is not known" in form.layout.problem
    chunk = message_chunk(struct.pack("<i", 7) + b"\x01\x02\xff")
    got = decode(form, chunk, all_rows(chunk))
    assert got.ok.all()
    assert got.left.tolist() == [3]
    assert got.columns["a"].to_pylist() == [7]
    assert got.columns[REST_NAME].bytes_() == [b"\x01\x02\xff"]
    assert "ItemMLString" in got.columns[REST_NAME].field.note
    assert render(form, got, chunk) == ["a=7 b=<ItemMLString: 0102ff> c=<after ItemMLString> d=%13!d!"]


def test_a_payload_that_ends_early_and_one_that_goes_on() -> None:
    form = form_of(
        Described(10, "a=%10!d! s=%11!s! b=%12!d!", [("a", "ItemLong"), ("s", "ItemString"), ("b", "ItemLong")])
    )
    whole = payload([("ItemLong", 1), ("ItemString", "xy"), ("ItemLong", 2)])
    chunk = message_chunk(whole, whole[:-1], whole[:2], whole + b"\0", b"")
    got = decode(form, chunk, all_rows(chunk))
    assert got.ok.tolist() == [True, False, False, True, False]
    assert got.left.tolist() == [0, 3, 2, 1, 0]
    assert render(form, got, chunk) == [
        "a=1 s=xy b=2",
        "a=1 s=xy b=<missing>",
        "a=<missing> s=<missing> b=<missing>",
        "a=1 s=xy b=2",
        "a=<missing> s=<missing> b=<missing>",
    ]


@pytest.mark.parametrize("kinds", list(itertools.product(["", "five!", None, "text"], repeat=3)))
def test_counted_strings_do_not_lose_the_rest(kinds: tuple[str | None, ...]) -> None:
    """An empty ANSI_STRING has the length word of a five-character one; the end of the message tells which."""
    args = [(f"s{n}", "ItemPString") for n in range(len(kinds))]
    form = form_of(Described(10, "%10!s!|%11!s!|%12!s!|%13!d!", [*args, ("n", "ItemLong")]))
    others = [("ItemPString", "abc")] * 3
    body = payload([*(("ItemPString", k) for k in kinds), ("ItemLong", 9)])
    chunk = message_chunk(payload([*others, ("ItemLong", 1)]), body, payload([*others, ("ItemLong", 2)]), body)
    got = decode(form, chunk, all_rows(chunk))
    assert got.ok.all()
    assert not got.left.any()
    shown = "|".join("NULL" if k is None else k for k in kinds) + "|9"
    assert render(form, got, chunk) == ["abc|abc|abc|1", shown, "abc|abc|abc|2", shown]
    assert list(decode(form, chunk, all_rows(chunk), wanted=["n"]).columns) == ["n"]


COUNTED = ("ItemPString", "ItemPWString")
WORD = st.one_of(st.none(), st.text("abcü", max_size=7))
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "ItemLong": st.integers(-(1 << 31), (1 << 31) - 1),
    "ItemPtr": st.integers(0, (1 << 32) - 1),
    "ItemString": WORD,
    "ItemWString": WORD,
    "ItemPString": WORD,
    "ItemPWString": WORD,
    "ItemSid": st.sampled_from([None, SYSTEM, ADMINS]),
    "ItemGuid": st.uuids(),
    "ItemHexDump": st.binary(max_size=8),
    "ItemChar4": st.just("abcd"),
}
ROWS = st.lists(st.sampled_from(sorted(ARGUMENTS)), max_size=6).flatmap(
    lambda items: st.tuples(
        st.just(items), st.lists(st.tuples(st.sampled_from([4, 8]), *(ARGUMENTS[i] for i in items)), max_size=8)
    )
)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(ROWS)
def test_any_arguments_come_back_or_others_of_the_same_bytes(drawn: tuple[list[str], list[tuple[Any, ...]]]) -> None:
    """What stands behind an empty counted string can look like its text, to the byte; nothing else is ambiguous."""
    items, rows = drawn
    form = form_of(Described(10, "", [("x", item) for item in items]))
    made = [Made(payload(list(zip(items, v[1:], strict=True)), pointer_size=v[0]), kind=Kind.MESSAGE,
                 flags=0xAA if v[0] == 8 else 0x6A) for v in rows]  # fmt: skip
    chunk = chunk_of(made, GuidTable())
    got = decode(form, chunk, all_rows(chunk))
    assert got.ok.all()
    assert not got.left.any()
    columns = [got.columns[f.name] for f in form.layout.fields]
    shown = [list(row) for row in zip(*(c.to_pylist() for c in columns), strict=True)] if columns else []
    for (_, *values), row in zip(rows, shown, strict=False):
        if row != [_shown(item, value) for item, value in zip(items, values, strict=True)]:
            assert any(value == "" for item, value in zip(items, values, strict=True) if item in COUNTED)


def _shown(item: str, value: Any) -> Any:
    if item == "ItemSid":
        return {None: "NULL", SYSTEM: "S-1-5-18", ADMINS: "S-1-5-32-544"}[value]
    if item == "ItemGuid":
        return str(value)
    if value is None:
        return "NULL"
    return "<NULL>" if (item, value) == ("ItemWString", "") else value


def test_several_messages_of_one_number_are_told_apart_by_their_end() -> None:
    first = Described(10, "n=%10!d!", [("n", "ItemLong")], "FUNC=f")
    same = Described(10, "n=%10!d!", [("n", "ItemLong")], "FUNC=g")
    other = Described(10, "s=%10!s!", [("s", "ItemString")], "FUNC=h")
    book = TmfBook()
    book.add(parse_tmf(tmf_text(GUID, [first, same, other])).messages, "a.tmf")
    key = RecordKey("message", GUID.bytes_le, 10)
    forms = book.alternatives(key)
    assert [f.function for f in forms] == ["f | g", "h"]
    assert book.find(key) is forms[0]
    chunk = message_chunk(b"\1\0\0\0", b"abcdef\0", b"", b"\2\0\0\0")
    parts = sort_out(forms, chunk, all_rows(chunk))
    assert [(f.function, rows.tolist()) for f, rows in parts] == [("f | g", [0, 2, 3]), ("h", [1])]
    assert sort_out(forms[:1], chunk, all_rows(chunk))[0][1].tolist() == [0, 1, 2, 3]
    assert (len(book), book.guids()) == (1, {GUID.bytes_le})
    for nothing in (
        RecordKey("message", GUID.bytes_le, 11), RecordKey("event", GUID.bytes_le, 10), RecordKey("message", b"", 10),
    ):  # fmt: skip
        assert book.find(nothing) is None


def test_what_the_writer_of_payloads_refuses() -> None:
    for item, value in (
        ("ItemNope", 1),
        ("ItemLong", "x"),
        ("ItemLong", 1 << 40),
        ("ItemIPAddr", "x"),
        ("ItemGuid", 3),
    ):
        with pytest.raises(FormatError):
            pack(item, value)


NAMES = st.sampled_from([*sorted(ITEMS), "itemlistbyte(a,b)", "itemsetlong(a)", "itemenum(_STATE)", "itemnope"])
SPECS = st.sampled_from(["s", "d", "p", "08x", "I64u", "c", "g", "-10.3s", "999999999d", ".999999999f", "#o", "!", ""])


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(NAMES, SPECS), max_size=6),
    st.lists(st.binary(max_size=60), max_size=5),
    st.sampled_from([0xAA, 0x6A]),
)
def test_any_payload_gives_columns_and_text(
    items: Sequence[tuple[str, str]], bodies: Sequence[bytes], flags: int
) -> None:
    text = " ".join(f"%{n}!{spec}!" for n, (_, spec) in enumerate(items, 10))
    form = form_of(Described(10, text, [("x", item) for item, _ in items]))
    chunk = message_chunk(*bodies, flags=flags)
    got: Decoded = decode(form, chunk, all_rows(chunk))
    shown = render(form, got, chunk)
    assert len(shown) == len(bodies)
    assert all(len(s) < 20_000 for s in shown)
    sizes = chunk.records.end - chunk.records.payload
    assert ((got.left >= 0) & (got.left <= sizes)).all()
