"""Manifests compiled into binaries: resources and PE files made by hand, damage, two other readers where installed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_tools import GUID, event_key, wide
from wevt_tools import (
    COUNT,
    FIXED_COUNT,
    FIXED_LENGTH,
    LENGTH,
    NONE,
    Event,
    Item,
    Map,
    Provider,
    crim,
    message_table,
    pe,
)

from wsktrace.decode.binaries import parse_messages, read_binary
from wsktrace.decode.formats import RecordKey, ValueMap
from wsktrace.decode.layout import decode
from wsktrace.decode.message_text import text
from wsktrace.decode.wevt import Templates, parse_templates
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = {
    1: "Provider one", 2: "Sockets", 3: "Opening", 4: "Chatty", 5: "closed", 6: "open", 7: "flag a",
    0xB0000001: "state %4 of %1\r\n",
}  # fmt: skip
ITEMS = (
    Item("Size", 6, 6),
    Item("Data", 14, 15, flags=LENGTH, length=0),
    Item("Four", 1, 1, flags=FIXED_LENGTH, length=4),
    Item("State", map="StateMap"),
    Item("Ptr", 16, 19),
    Item("Part", members=(Item("N", 4, 4), Item("T", 2, 1, flags=LENGTH, length=0))),
    Item("Parts", flags=COUNT, count=0, members=(Item("X", 4, 4), Item("Flags", 20, 18, map="FlagMap"))),
    Item("Three", 4, 4, flags=FIXED_COUNT, count=3),
    Item("Who", 19, 1),
)
PROVIDER = Provider(
    events=(
        Event(1, 2, 3, 11, 0xB0000001, ITEMS, "Socket", "Open", "win:Warning", ("Net", "Disk")),
        Event(2, 0, 17, 0, NONE, None, "Socket", "win:Info", "Loud"),
        Event(3, 0, 0, 1, NONE, ITEMS[:1]),
        Event(3, 1, 0, 0, NONE, ITEMS[:1]),
    ),
    message=1,
    maps=(Map("StateMap", {0: 5, 1: 6, 2: NONE}), Map("FlagMap", {1: 7}, bits=True)),
    tasks={"Socket": 2},
    opcodes={"Open": 3, "win:Info": NONE},
    levels={"win:Warning": NONE, "Loud": 4},
    keywords={"Net": NONE, "Disk": 9},
    names={(3, 1): "Third.Event"},
)
SECOND = Provider(events=(Event(1, template=(Item("Only", 10, 10),)),), guid=UUID(int=5), name="Second-Provider")


def parsed(*providers: Provider, messages: dict[int, str] | None = None) -> Templates:
    return parse_templates(crim(providers), "c.sys", "WEVT_TEMPLATE c.sys", MESSAGES if messages is None else messages)


def test_fields_names_maps_and_payload() -> None:
    found = parsed(PROVIDER, SECOND).find(event_key(1, 2))
    assert found is not None
    assert (found.provider, found.name, found.level, found.keywords, found.message, found.source) == (
        "Provider one", "Sockets/Opening", "Warning", "Net, Disk", "state %4 of %1", "WEVT_TEMPLATE c.sys",
    )  # fmt: skip
    assert found.maps == {
        "State": ValueMap({0: "closed", 1: "open"}), "Parts.Flags": ValueMap({1: "flag a"}, bits=True),
    }  # fmt: skip
    assert found.layout.problem == ""
    sid = bytes([1, 1, 0, 0, 0, 0, 0, 5]) + struct.pack("<I", 18)
    payload = struct.pack("<H", 2) + b"\xab\xcd" + "vier".encode("utf-16-le") + struct.pack("<IQ", 1, 0x1234)
    payload += b"\3abc" + b"\1" + struct.pack("<I", 1) + b"\2" + struct.pack("<I", 3) + b"\7\x08\x09" + sid
    chunk = payloads(payload)
    decoded = decode(found.layout, chunk, all_rows(chunk))
    assert decoded.left.tolist() == [0]
    assert decoded.to_pylist() == [
        {
            "Size": 2, "Data": b"\xab\xcd", "Four": "vier", "State": 1, "Ptr": 0x1234, "Part.N": 3, "Part.T": "abc",
            "Parts.X": [1, 2], "Parts.Flags": [1, 3], "Three": [7, 8, 9], "Who": "S-1-5-18",
        }
    ]  # fmt: skip
    assert text(found, decoded) == ["state open of 2"]


def test_names_without_texts_and_from_attributes() -> None:
    book = parsed(PROVIDER, SECOND)
    second, third, named = (book.find(event_key(*k)) for k in ((2, 0), (3, 0), (3, 1)))
    assert second is not None
    assert third is not None
    assert named is not None
    assert (second.name, second.level, second.layout.fields) == ("Sockets", "Chatty", ())
    assert (third.name, named.name) == ("Start", "Third.Event")
    assert book.providers == {GUID.bytes_le: "Provider one", UUID(int=5).bytes_le: "Second-Provider"}
    assert book.find(event_key(9)) is None
    assert book.find(RecordKey("classic", GUID.bytes_le, 2)) is None
    bare = parsed(PROVIDER, messages={}).find(event_key(1, 2))
    assert bare is not None
    assert (bare.provider, bare.name, bare.message, bare.maps["State"]) == ("", "Socket/Open", "", ValueMap({}))


def test_a_length_beside_a_struct_s_member_or_at_the_top() -> None:
    inner = (Item("A", 4, 4), Item("B", 4, 4), Item("T", 2, 1, flags=LENGTH, length=0))
    top = (Item("N", 4, 4), Item("M", 4, 4), Item("S", members=inner))
    by_template = (*top[:2], Item("S", members=(*inner[:2], Item("T", 2, 1, flags=LENGTH, length=4))))
    for items, size in ((top, 1), (by_template, 2)):
        found = parsed(Provider(events=(Event(1, template=items),))).find(event_key(1))
        assert found is not None
        chunk = payloads(bytes([9, 9, 1, 2]) + b"xy"[:size])
        decoded = decode(found.layout, chunk, all_rows(chunk))
        assert decoded.left.tolist() == [0]
        assert decoded.to_pylist()[0]["S.T"] == "xy"[:size]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "points to byte 0, it has 0"),
        (b"MIRC" + bytes(12), "begins with b'MIRC'"),
        (crim([PROVIDER])[:100], "is cut: 100 of"),
        (struct.pack("<4sIHHI", b"CRIM", 16, 9, 1, 0), "version 9"),
        (struct.pack("<4sIHHI", b"CRIM", 16, 5, 1, 1 << 30), "more entries than it has room for"),
        (struct.pack("<4sIHHI16sI", b"CRIM", 36, 5, 1, 1, bytes(16), 1 << 30), "points to byte 1073741824"),
        (struct.pack("<4sIHHI16sI", b"CRIM", 36, 5, 1, 1, bytes(16), 0) + bytes(40), "where a provider should be"),
    ],
)
def test_clear_errors(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=r"^c\.sys: ") as error:
        parse_templates(data, "c.sys", "x", {})
    assert said in str(error.value)


def test_tables_that_overlap_to_look_huge_are_refused() -> None:
    many = Provider(events=[Event(n, template=ITEMS) for n in range(200)])
    data = bytearray(crim([many]))
    assert len(parse_templates(bytes(data), "c.sys", "x", {}).events) == 200
    at = data.index(b"TEMP")
    # every event gets a template of its own, all of them over the same bytes
    place = data.index(b"EVNT") + 16
    data += bytes(data[at : at + 20]) * 200
    struct.pack_into("<I", data, 4, len(data))
    for n in range(200):
        start = len(data) - 20 * (200 - n)
        struct.pack_into("<II", data, start + 8, 2048, 2048)
        struct.pack_into("<I", data, start + 16, 0)
        struct.pack_into("<I", data, place + 48 * n + 20, start)
    with pytest.raises(FormatError, match="more entries than it has room for"):
        parse_templates(bytes(data), "c.sys", "x", {})


_WHOLE = crim([PROVIDER, SECOND])


@settings(max_examples=250, deadline=None, print_blob=True, derandomize=True)
@given(st.data())
def test_damaged_resources_give_errors_or_formats(data: st.DataObject) -> None:
    raw = bytearray(_WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.sampled_from([0, 1, 4, 8, 16, 0x7F, 0xFF, data.draw(st.integers(0, 255))]))
    raw = raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))]
    if data.draw(st.booleans()) and len(raw) > 8:
        struct.pack_into("<I", raw, 4, len(raw))
    try:
        book = parse_templates(bytes(raw), "c.sys", "x", MESSAGES)
    except FormatError:
        return
    chunk = payloads(b"", data.draw(st.binary(max_size=64)), bytes(range(1, 200)))
    for found in book.events.values():
        assert (decode(found.layout, chunk, all_rows(chunk)).left >= 0).all()


# binaries -------------------------------------------------------------------------------------------------------------


def test_a_binary_with_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "drv.sys"
    german = message_table({1: "Anbieter", 2: "Steckdosen"})
    path.write_bytes(pe([("WEVT_TEMPLATE", 0, _WHOLE), (11, 0x409, message_table(MESSAGES)), (11, 0x407, german)]))
    found = read_binary(path).find(event_key(1, 2))
    assert found is not None
    assert (found.provider, found.name, found.source) == ("Provider one", "Sockets/Opening", "WEVT_TEMPLATE drv.sys")


@pytest.mark.parametrize("place", ["drv.sys.mui", "en-US/drv.sys.mui"])
def test_messages_of_a_mui_file(tmp_path: Path, place: str) -> None:
    path, other = tmp_path / "drv.sys", tmp_path / place
    other.parent.mkdir(exist_ok=True)
    path.write_bytes(pe([("WEVT_TEMPLATE", 0, _WHOLE)]))
    assert read_binary(path).providers[GUID.bytes_le] == ""
    other.write_bytes(pe([(11, 0x409, message_table(MESSAGES, wide=False))]))
    assert read_binary(path).providers[GUID.bytes_le] == "Provider one"


def test_binaries_that_describe_nothing(tmp_path: Path) -> None:
    path = tmp_path / "drv.sys"
    for data, said in (
        (b"", "no Windows binary"),
        (b"\x7fELF" + bytes(100), "no Windows binary"),
        (b"MZ", "headers or resources make no sense"),
        (pe([(11, 0, message_table({}))]), "no resource WEVT_TEMPLATE"),
        (pe([("WEVT_TEMPLATE", 0, b"XXXX" + bytes(30))]), "begins with b'XXXX'"),
    ):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"^drv\.sys: ") as error:
            read_binary(path)
        assert said in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(FormatError, match="No such file"):
        read_binary(tmp_path / "none.sys")
    with pytest.raises(FormatError, match="Is a directory"):
        read_binary(tmp_path)


def test_message_tables() -> None:
    assert parse_messages(message_table({1: "a", 7: "é"})) == {1: "a", 7: "é"}
    assert parse_messages(message_table({1: "a", 7: "é"}, wide=False)) == {1: "a", 7: "é"}
    assert parse_messages(b"") == {}
    assert parse_messages(struct.pack("<I", 1 << 31)) == {}
    # a range over all identifiers whose entries stand still, or run out
    assert parse_messages(struct.pack("<IIII", 1, 0, NONE, 16) + struct.pack("<HH", 0, 1)) == {}
    assert parse_messages(struct.pack("<IIII", 1, 0, NONE, 16) + struct.pack("<HH", 8, 1) + wide("a")) == {0: "a"}


_BINARY = pe([("WEVT_TEMPLATE", 0, _WHOLE), (11, 0x409, message_table(MESSAGES))])


@settings(max_examples=60, deadline=None, print_blob=True, derandomize=True)
@given(st.data())
def test_damaged_binaries_give_errors_or_formats(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    raw = bytearray(_BINARY)
    headers = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(2, 0x400 if headers else len(raw) - 1))
        if not headers:
            at = data.draw(st.integers(0x400, min(0x500, len(raw) - 1)))
        raw[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.sys"
    path.write_bytes(bytes(raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(2, len(raw))))]))
    try:
        book = read_binary(path)
    except FormatError as error:
        assert str(error).startswith("damaged.sys: ")  # noqa: PT017 -- an error is one of the two good ends
        return
    assert isinstance(book.events, dict)


# other readers --------------------------------------------------------------------------------------------------------


def test_evtx_reads_the_same_items() -> None:
    wevt = pytest.importorskip("evtx.wevt", reason="evtx is not installed")
    provider = wevt.Manifest.parse(_WHOLE).providers[0]
    book = parsed(PROVIDER)
    compared = 0
    for event in provider.events:
        found = book.find(event_key(event.identifier, event.version))
        assert found is not None
        if event.template_offset:
            items = provider.get_template_by_offset(event.template_offset).items
            top = items[: len(found.layout.fields)]
            assert [i.name for i in top] == [f.name for f in found.layout.fields]
            compared += len(top)
    assert compared == 11


def test_libfwevt_reads_the_same_items() -> None:
    pyfwevt = pytest.importorskip("pyfwevt", reason="libfwevt-python is not installed")
    manifest = pyfwevt.manifest()
    manifest.copy_from_byte_stream(_WHOLE)
    assert manifest.number_of_providers == 2
    seen = set()
    for provider, items in ((manifest.get_provider(0), ITEMS), (manifest.get_provider(1), SECOND.events[0].template)):
        for template in (provider.get_template(n) for n in range(provider.number_of_templates)):
            theirs = [template.get_item(n) for n in range(template.number_of_items)]
            for ours, item in zip(items or (), theirs, strict=False):
                assert item.name == ours.name
                if not ours.members:
                    assert (item.input_data_type, item.output_data_type) == (ours.kind, ours.out)
                    assert (item.number_of_values, item.value_data_size) == (ours.count, ours.length)
                    seen.add(ours.name)
    assert len(seen) == 8
