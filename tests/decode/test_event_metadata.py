"""Event metadata that a merged trace carries: records made by hand, late maps, damage, and real traces."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pytest
from decode_tools import Made, all_rows, chunk_of, payloads
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_tools import GUID, compare_with_etl_parser, count_decoded, event_key, needs_corpus, wide

from wsktrace.decode.event_metadata import EVENT_METADATA, EventMetadata, parse_event_info, parse_map_info
from wsktrace.decode.event_source import EventSourceManifests
from wsktrace.decode.fields import Field, Rule
from wsktrace.decode.formats import RecordKey, ValueMap
from wsktrace.decode.intypes import InType, OutType
from wsktrace.decode.layout import decode
from wsktrace.etl.types import GuidTable, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASS = UUID("3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c")
STRUCT, LENGTH, COUNT, FIXED_LENGTH, FIXED_COUNT = 1, 2, 4, 0x10, 0x20


@dataclass(frozen=True)
class Prop:
    name: str
    kind: int = InType.UINT32
    out: int = 0
    flags: int = 0
    map: str = ""
    count: int = 1
    length: int = 0


def event_info(
    props: Sequence[Prop],
    *,
    top: int | None = None,
    total: int | None = None,
    number: int = 7,
    version: int = 1,
    severity: int = 4,
    kind: int = 1,
    source: int = 0,
    **texts: str,
) -> bytes:
    """A TRACE_EVENT_INFO; texts by provider, level, channel, keywords, task, opcode, message, name."""
    places = {"provider": 0, "level": 1, "channel": 2, "keywords": 3, "task": 4, "opcode": 5, "message": 6, "name": 10}
    offsets = [0] * 12
    tail = bytearray()
    base = 0x70 + 24 * len(props)
    for word, text in texts.items():
        offsets[places[word]] = base + len(tail)
        tail += wide(text)
    rows = bytearray()
    for one in props:
        name_at = base + len(tail)
        tail += wide(one.name)
        map_at = base + len(tail) if one.map else 0
        tail += wide(one.map) if one.map else b""
        rows += struct.pack("<IIHHIHHI", one.flags, name_at, one.kind, one.out, map_at, one.count, one.length, 0)
    descriptor = struct.pack("<HBBBBHQ", number, version, 0, severity, kind, 0, 0)
    total = len(props) if total is None else total
    counts = struct.pack("<III", total, total if top is None else top, 0)
    head = GUID.bytes_le + CLASS.bytes_le + descriptor + struct.pack("<I12I", source, *offsets) + counts
    assert len(head) == 0x70
    return bytes(head + rows + tail)


def map_info(name: str, entries: dict[int, str], flag: int = 1, kind: int = 0) -> bytes:
    base = 16 + 8 * len(entries)
    tail = bytearray(wide(name))
    rows = bytearray()
    for value, text in entries.items():
        rows += struct.pack("<II", base + len(tail), value)
        tail += wide(text)
    return GUID.bytes_le + struct.pack("<IIII", base, flag, len(entries), kind) + rows + tail


PROPS = (
    Prop("Size", InType.UINT16),
    Prop("Data", InType.BINARY, flags=LENGTH, length=0),
    Prop("Name", InType.UNICODESTRING, OutType.STRING),
    Prop("State", map="StateMap"),
    Prop("Ptr", InType.POINTER, OutType.HEX, length=4),
    Prop("Parts", 7, 2, flags=STRUCT | COUNT, count=0),
    Prop("Three", InType.UINT8, flags=FIXED_COUNT, count=3),
    Prop("X", InType.UINT8),
    Prop("Y", InType.ANSISTRING, flags=FIXED_LENGTH, length=2),
)


def test_fields_names_and_maps_that_come_later() -> None:
    metadata = EventMetadata()
    metadata.add_record(
        32,
        event_info(
            PROPS, top=7, provider="Contoso ", task="Socket ", opcode="win:Start", message="got %4 ", level="信息 ",
            keywords="Net \0Disk \0",
        ),
    )  # fmt: skip
    early = metadata.find(event_key(7, 1))
    assert early is not None
    assert early.maps == {}
    metadata.add_record(33, map_info("StateMap", {0: "closed ", 5: "open "}))
    found = metadata.find(event_key(7, 1))
    assert found is not None
    assert found is metadata.find(event_key(7, 1))
    said = (found.provider, found.name, found.message, found.level, found.keywords, found.source)
    assert said == ("Contoso", "Socket/Start", "got %4", "Informational", "Net, Disk", "event metadata in the trace")
    assert found.maps == {"State": ValueMap({0: "closed", 5: "open"})}
    assert found.layout.problem == ""
    for kind, pointer in ((Kind.EVENT64, "Q"), (Kind.EVENT32, "I")):
        payload = struct.pack("<H", 2) + b"\xab\xcd" + wide("n") + struct.pack(f"<I{pointer}", 5, 0x1234)
        payload += b"\1ab\2cd" + b"\7\x08\x09"
        chunk = payloads(payload, kind=kind)
        decoded = decode(found.layout, chunk, all_rows(chunk))
        assert decoded.left.tolist() == [0]
        assert decoded.to_pylist() == [
            {
                "Size": 2, "Data": b"\xab\xcd", "Name": "n", "State": 5, "Ptr": 0x1234, "Parts.X": [1, 2],
                "Parts.Y": ["ab", "cd"], "Three": [7, 8, 9],
            }
        ]  # fmt: skip


def test_records_of_a_trace_are_taken_wherever_they_stand() -> None:
    guids = GuidTable()
    records = [
        Made(event_info(PROPS[:1]), kind=Kind.FULL32, provider=EVENT_METADATA),
        Made(map_info("M", {1: "a"}), kind=Kind.FULL64, provider=EVENT_METADATA),
        Made(event_info(PROPS[:1], number=8), kind=Kind.FULL64, provider=EVENT_METADATA),
        Made(b"something else", kind=Kind.FULL64, provider=EVENT_METADATA),
        Made(event_info(PROPS[:1], number=9), kind=Kind.EVENT64, provider=EVENT_METADATA),
    ]
    chunk = chunk_of(records, guids)
    chunk = replace(chunk, records=replace(chunk.records, opcode=np.array([32, 33, 32, 34, 32])))
    metadata = EventMetadata()
    metadata.add(chunk_of([Made(b"")], GuidTable()), GuidTable())
    metadata.add(chunk, guids)
    assert (metadata.records, len(metadata), metadata.problems) == (3, 2, [])
    assert [metadata.find(event_key(n, 1)) is not None for n in (7, 8, 9)] == [True, True, False]


def test_a_name_of_its_own_and_no_texts_at_all() -> None:
    named = parse_event_info(event_info((), name="My.Event", task="T"))
    bare = parse_event_info(event_info((), severity=9))
    assert named is not None
    assert bare is not None
    assert (named.name, bare.name, bare.provider, bare.level, bare.message, bare.keywords) == (
        "My.Event", "Event 7", "", "", "", "",
    )  # fmt: skip


def test_classic_events_by_class_type_and_version() -> None:
    metadata = EventMetadata()
    legacy = (Prop("A", 300), Prop("B", 301), Prop("C", 306), Prop("D", 304))
    metadata.add_record(32, event_info(legacy, source=1, kind=34, version=2, task="DiskIo"))
    found = metadata.find(RecordKey("classic", CLASS.bytes_le, 34, 2, 34))
    assert found is not None
    assert found.name == "DiskIo"
    assert metadata.find(event_key(7, 2)) is None
    payload = struct.pack("<H", 4) + "ab".encode("utf-16-le") + struct.pack("<H", 2) + b"cd" + b"e\0" + wide("f")[:2]
    chunk = payloads(payload)
    decoded = decode(found.layout, chunk, all_rows(chunk))
    assert decoded.to_pylist() == [{"A": "ab", "B": "cd", "C": "e", "D": "f"}]


def test_kinds_that_describe_themselves_elsewhere_are_left_out() -> None:
    assert parse_event_info(event_info((), source=2)) is None
    assert parse_event_info(event_info((), source=3)) is None


@pytest.mark.parametrize(
    ("props", "problem"),
    [
        ((Prop("A"), Prop("B", 99)), "property 'B' has the unknown in-type 99"),
        ((Prop("A"), Prop("B", 24)), "property 'B' has the unknown in-type 24"),
        ((Prop("A"), Prop("B", InType.BINARY), Prop("C")), "the binary property 'B' has no length"),
        ((Prop("A"), Prop("B", 0, 1, flags=STRUCT)), "struct 'B' has members that the metadata does not"),
        ((Prop("A"), Prop("B", 1, 1, flags=STRUCT)), "struct 'B' has members that the metadata does not"),
        ((Prop("A"), Prop("B", 2, 7, flags=STRUCT)), "struct 'B' has members that the metadata does not"),
        ((Prop("A"), Prop("B", 304), Prop("C")), "property 'B' runs to the end of the payload, but is not the last"),
    ],
)
def test_what_is_not_understood_ends_the_fields(props: tuple[Prop, ...], problem: str) -> None:
    metadata = EventMetadata()
    metadata.add_record(32, event_info(props))
    found = metadata.find(event_key(7, 1))
    assert found is not None
    assert found.layout.problem == problem
    assert [f.name for f in found.layout.fields] == ["A", "…"]


def test_lengths_that_no_property_gives() -> None:
    metadata = EventMetadata()
    metadata.add_record(32, event_info((Prop("A"), Prop("B", InType.BINARY, flags=LENGTH, length=9))))
    found = metadata.find(event_key(7, 1))
    assert found is not None
    chunk = payloads(b"\1\0\0\0abc")
    assert decode(found.layout, chunk, all_rows(chunk)).to_pylist() == [{"A": 1, "…": b"abc"}]


def test_lengths_and_last_binary() -> None:
    metadata = EventMetadata()
    metadata.add_record(32, event_info((Prop("S", 1, length=3), Prop("Ip", 14, OutType.IPV6), Prop("S", 14))))
    found = metadata.find(event_key(7, 1))
    assert found is not None
    assert found.layout.fields == (
        Field("S", 1, length=3), Field("Ip", 14, OutType.IPV6, length=16), Field("S_2", 14, length=Rule.REST),
    )  # fmt: skip


def test_maps_of_all_kinds() -> None:
    assert parse_map_info(map_info("M", {1: "a", 2: "b "})) == (GUID.bytes_le, "M", ValueMap({1: "a", 2: "b"}))
    assert parse_map_info(map_info("M", {1: "a", 8: "d"}, flag=2))[2] == ValueMap({1: "a", 8: "d"}, bits=True)
    assert parse_map_info(map_info("M", {0: "a", 3: "d"}, flag=0x10))[2] == ValueMap({1: "a", 8: "d"}, bits=True)
    for blob, said in (
        (map_info("P", {1: "a"}, flag=4), "map 'P' maps texts"),
        (map_info("P", {1: "a"}, kind=1), "map 'P' maps texts"),
        (map_info("P", {1: "a"})[:30], "are the least"),
        (GUID.bytes_le + struct.pack("<IIII", 0, 1, 1 << 30, 0), "ends before its 1073741824 entries"),
    ):
        with pytest.raises(ValueError, match=said):
            parse_map_info(blob)


def test_problems_are_kept_and_counted() -> None:
    metadata = EventMetadata()
    for _ in range(300):
        metadata.add_record(32, b"short")
    assert metadata.problems == ["event metadata of 5 bytes, 112 are the least"] * 100
    metadata.add_record(32, event_info(PROPS[:1], total=5, top=5))
    found = metadata.find(event_key(7, 1))
    assert found is not None
    assert found.layout.fields[0].name == "Size"
    assert "…" in [f.name for f in found.layout.fields]


_WHOLE = event_info(PROPS, top=7, provider="P", task="T", message="m", keywords="a\0b\0")
_MAP = map_info("StateMap", {0: "closed", 1: "open"})


@settings(max_examples=200, deadline=None, print_blob=True, derandomize=True)
@given(st.data())
def test_damaged_metadata_give_problems_or_formats(data: st.DataObject) -> None:
    metadata = EventMetadata()
    for kind, whole in ((32, _WHOLE), (33, _MAP)):
        raw = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 8))):
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at] = data.draw(st.sampled_from([0, 1, 2, 4, 5, 8, 0x70, 0xFF, data.draw(st.integers(0, 255))]))
        metadata.add_record(kind, bytes(raw[: data.draw(st.integers(len(raw) - 60, len(raw)))]))
    chunk = payloads(b"", data.draw(st.binary(max_size=64)), bytes(range(1, 200)))
    for _, guid, number, version in metadata._infos:
        found = metadata.find(RecordKey("event", guid, number, version))
        if found is not None:
            assert (decode(found.layout, chunk, all_rows(chunk)).left >= 0).all()


def test_structs_that_hold_each_other_end() -> None:
    many = [Prop(f"s{n}", n + 1, 2000 - n - 1, flags=STRUCT) for n in range(1999)] + [Prop("x")]
    metadata = EventMetadata()
    metadata.add_record(32, event_info(many, top=1))
    found = metadata.find(event_key(7, 1))
    assert found is not None
    assert found.layout.problem


@needs_corpus
def test_net_trace_decodes_through_what_it_carries() -> None:
    counts = count_decoded("perfview-net.4.5.2.x64.etl", [EventMetadata(), EventSourceManifests()])
    whole = sum(c["whole"] for c in counts.values())
    assert whole == 66_510
    # nothing in the trace says what events of the private provider of .NET hold
    assert {g: c["unknown"] for g, c in counts.items() if c["unknown"]} == {
        "763fd754-7086-4dfe-95eb-c01a46faf4ca": 1627
    }
    # PerfView's own manifest forgets four bytes of its event ClrEnableParameters
    assert {g: c["not whole"] for g, c in counts.items() if c["not whole"]} == {
        "a8a71ac1-040f-54a2-07ca-00a89b5ab761": 2
    }
    assert sum(c["manifest"] for c in counts.values()) == 4


@needs_corpus
def test_msbuild_trace_decodes_wholly_through_what_it_carries() -> None:
    counts = count_decoded("msbuild-PerfViewData.etl", [EventMetadata(), EventSourceManifests()])
    assert {g: (c["whole"], c["not whole"], c["unknown"]) for g, c in counts.items()} == {
        "d44a2098-821f-5808-4cea-1e24e982ca37": (5652, 0, 0),
        "a8a71ac1-040f-54a2-07ca-00a89b5ab761": (109, 0, 0),
    }


@needs_corpus
@pytest.mark.parametrize(
    ("most", "expected"), [(100, (2208, 9798)), pytest.param(1_000_000, (17964, 118160), marks=pytest.mark.long)]
)
def test_the_same_values_as_etl_parser(
    capsys: pytest.CaptureFixture[str], most: int, expected: tuple[int, int]
) -> None:
    records, fields, refused = compare_with_etl_parser("perfview-net.4.5.2.x64.etl", [EventMetadata()], most)
    with capsys.disabled():
        print(f"\nperfview-net.4.5.2.x64.etl: {records} records, {fields} fields equal to build_etw's", end="")
    assert (records, fields) == expected
    assert refused == {"EventIdNotFound": 8}  # its catalogue does not know four kinds of event
