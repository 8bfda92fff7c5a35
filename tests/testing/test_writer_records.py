"""Records of every header kind: read back by dissect.etl, by our own reader, and by hand where neither knows them."""

from __future__ import annotations

import io
import struct
from uuid import UUID

import numpy as np
import pytest
from writer_tools import Seen, by_dissect

from wsktrace.errors import FormatError
from wsktrace.etl.file import open_trace
from wsktrace.testing import etl_records as rec
from wsktrace.testing.etl_writer import RawRecord, TraceOptions, write_records

GUID = UUID("68fdd900-4a3e-11d1-84f4-0000f80464e3")
OTHER = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
T = TraceOptions().start_clock
ACTIVITY = UUID(int=5)

#: name → (record, kind, payload)
KINDS: dict[str, tuple[RawRecord, str, bytes]] = {}


def _add(name: str, kind: str, record: RawRecord, payload: bytes) -> None:
    KINDS[name] = record, kind, payload


for _width, _suffix in ((4, "32"), (8, "64")):
    _add(
        f"event{_suffix}",
        f"Event{_suffix}",
        rec.event(
            GUID, b"abc", T + 1, 2, tid=7, pid=8, id=9, version=1, channel=2, level=3, opcode=4, task=5,
            keyword=1 << 63, activity=ACTIVITY, processor_time=77, pointer_size=_width,
        ),
        b"abc",
    )  # fmt: skip
    _add(
        f"event{_suffix} with items",
        f"Event{_suffix}",
        rec.event(
            GUID,
            b"payload",
            T + 1,
            1,
            ext=[(rec.EXT_RELATED_ACTIVITY, OTHER.bytes_le), (rec.EXT_TS_ID, b"\1\0\0\0"), (10, bytes(8))],
            pointer_size=_width,
        ),
        b"payload",
    )
    for _compact, _kind in ((False, "System"), (True, "Compact")):
        _add(
            f"{_kind}{_suffix}",
            f"{_kind}{_suffix}",
            rec.system(3, 5, b"sys", T + 2, 3, tid=70, pid=80, pointer_size=_width, compact=_compact),
            b"sys",
        )
        _add(
            f"{_kind}{_suffix} counters",
            f"{_kind}{_suffix}",
            rec.system(3, 5, b"sys", T + 2, pointer_size=_width, compact=_compact, pebs=9, counters=(1, 2, 3)),
            b"sys",
        )
    _add(
        f"PerfInfo{_suffix}",
        f"PerfInfo{_suffix}",
        rec.perfinfo(15, 46, b"perf!", T + 3, 1, pointer_size=_width),
        b"perf!",
    )
    _add(
        f"PerfInfo{_suffix} counters",
        f"PerfInfo{_suffix}",
        rec.perfinfo(15, 46, b"", T + 3, 1, pointer_size=_width, counters=(5,) * 7),
        b"",
    )
    _add(
        f"Full{_suffix}",
        f"Full{_suffix}",
        rec.full(GUID, b"f" * 9, T + 4, type=10, level=2, version=3, tid=1, pid=2, pointer_size=_width),
        b"f" * 9,
    )
    _add(
        f"Instance{_suffix}",
        f"Instance{_suffix}",
        rec.instance(GUID, b"i", T + 5, instance_id=4, parent_id=3, parent=OTHER, type=1, tid=6, pointer_size=_width),
        b"i",
    )
for _flags in range(256):
    _add(
        f"Message {_flags:#04x}",
        "Message(WPP)",
        rec.message(11, b"args", T + 6, flags=_flags, guid=GUID, component=0xC0, sequence=0x5E, tid=12, pid=13),
        b"args",
    )
_add("Ulong32Time", "Ulong32Time", rec.ulong32_time(9, b"old", T + 7), b"old")
_add("Error", "Error", rec.opaque(13, bytes(80), T + 8), b"")


def test_own_reader_sees_kind_clock_cpu_and_payload() -> None:
    data = write_records([r for r, _, _ in KINDS.values()])
    with open_trace(io.BytesIO(data)) as file:
        chunks = list(file.chunks())
        assert file.survey is not None
        assert not file.survey.problems
        kinds = dict(file.survey.kinds)
    expected: dict[str, int] = {"System64": 2, "PerfInfo64": 1}
    for _, kind, _ in KINDS.values():
        expected[kind] = expected.get(kind, 0) + 1
    assert kinds == expected
    seen = set()
    for chunk in chunks:
        r = chunk.records
        for i in range(len(r)):
            whole = chunk.data[r.offset[i] : r.offset[i] + r.size[i]].tobytes()
            seen.add((int(r.cpu[i]), whole, chunk.data[r.payload[i] : r.end[i]].tobytes(), int(r.clock[i])))
    for name, (record, kind, payload) in KINDS.items():
        if kind in ("Error", "Ulong32Time"):
            assert any(s[:2] == (record.cpu, record.data) for s in seen), name
            continue
        timed = kind != "Message(WPP)" or int(name[-4:], 16) & 8
        assert (record.cpu, record.data, payload, record.clock if timed else 0) in seen, name


@pytest.mark.parametrize("name", [n for n in KINDS if not n.startswith(("Message", "Ulong", "Error", "Instance"))])
def test_dissect_reads(name: str) -> None:
    record, _, payload = KINDS[name]
    header = list(by_dissect(write_records([record])))[3].header
    assert header.time_delta == record.clock
    assert header.size == len(record.data)
    assert bytes(header.payload).endswith(payload)
    if not name.startswith("event"):
        assert bytes(header.payload) == payload


@pytest.mark.parametrize("flags", [f for f in range(256) if not f & 4])
def test_dissect_reads_messages(flags: int) -> None:
    header = list(by_dissect(write_records([KINDS[f"Message {flags:#04x}"][0]])))[3].header
    assert header.id == 11
    assert header.sequence_number == (0x5E if flags & 1 else None)
    assert header.provider_id == (GUID if flags & 2 else None)
    if flags & 8:
        assert header.time_delta == T + 6
    assert header.thread_id == (12 if flags & 0x20 else None)
    assert header.process_id == (13 if flags & 0x20 else None)


def test_dissect_reads_instances() -> None:
    header = list(by_dissect(write_records([KINDS["Instance64"][0]])))[3].header
    assert (header.parent_guid, header.thread_id, bytes(header.payload)) == (OTHER, 6, b"i")


def test_etl_parser_reads_what_it_knows() -> None:
    names = ["Full64", "Full32", "System64", "System32", "PerfInfo64", "PerfInfo32", "event64", "event32"]
    seen = Seen(write_records([KINDS[n][0] for n in names]))
    assert sorted(seen.others) == ["perfinfo", "perfinfo", "system", "system", "trace", "trace"]
    assert [e.source.user_data for e in seen.events] == [b"abc", b"abc"]


def test_extended_items_by_hand() -> None:
    items = rec.ext_items([(1, bytes(16)), (3, b"\7\0\0\0"), (12, b"xyz")])
    assert items[:8] == struct.pack("<HHHH", 24, 1, 1, 16)
    assert items[24:40] == struct.pack("<HHHH", 16, 3, 1, 4) + b"\7\0\0\0" + bytes(4)
    assert items[40:] == struct.pack("<HHHH", 16, 12, 0, 3) + b"xyz" + bytes(5)
    assert rec.ext_items([]) == b""


def test_headers_by_hand() -> None:
    event = KINDS["event64"][0].data
    assert event[:8] == struct.pack("<HBBHH", 0x53, 19, 0xC0, 0, 0)
    assert struct.unpack_from("<HBBBBHQ", event, 0x28) == (9, 1, 2, 3, 4, 5, 1 << 63)
    assert event[0x40:0x50] == ACTIVITY.bytes_le
    counters = KINDS["System32 counters"][0].data
    assert counters[:8] == struct.pack("<HBBHBB", 0x8302, 1, 0xC0, 0x20 + 32 + 3, 5, 3)
    assert struct.unpack_from("<4Q", counters, 0x20) == (9, 1, 2, 3)
    assert KINDS["Ulong32Time"][0].data[:16] == struct.pack("<HBBIq", 19, 0, 0xB0, 9, T + 7)
    instance = KINDS["Instance32"][0].data
    assert struct.unpack_from("<II16s", instance, 0x30) == (4, 3, OTHER.bytes_le)


def test_a_record_of_any_bytes() -> None:
    marker = b"\x10\0\x63\xc0" + bytes(12)
    data = write_records([RawRecord(marker, T, 0), rec.perfinfo(1, 1, b"", T + 1)])
    assert data[0x10000 + 0x48 :].startswith(marker)


def test_too_large() -> None:
    with pytest.raises(FormatError, match="16-bit Size"):
        rec.event(GUID, bytes(0x10000), T)


def test_own_reader_times_are_exact() -> None:
    options = TraceOptions(frequency=2_109_960)
    records = [rec.perfinfo(15, 1, b"", options.clock_at(ns)) for ns in range(0, 10**15, 10**13 // 3)]
    with open_trace(io.BytesIO(write_records(records, options=options))) as file:
        clocks = np.concatenate([c.records.clock[c.records.buffer > 0] for c in file.chunks()])
        seen = file.clock.to_ns(clocks)
    expected = [(options.start - 116_444_736_000_000_000) * 100 + options.ns_at(int(c)) for c in clocks]
    assert seen.tolist() == expected
