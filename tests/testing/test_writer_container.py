"""The container: buffers, their order and headers, the log header; read by dissect.etl and by hand."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from writer_tools import FILETIME_1970, by_dissect, headers, some_events

from wsktrace.errors import FormatError, UsageError
from wsktrace.testing import etl_records
from wsktrace.testing.etl_options import CYCLES, QPC, SYSTEM_TIME
from wsktrace.testing.etl_writer import RawRecord, TraceOptions, write_native, write_records

EVENTS = some_events(1500)
#: dissect.etl computes times in floating point.
NEAR = timedelta(microseconds=10)
SMALL = TraceOptions(buffer_size=8192)
DATA = write_native(EVENTS, options=SMALL)


def moments(data: bytes) -> list[tuple[int, int]]:
    """(CPU, raw clock) of every event, in file order, by dissect.etl."""
    etl = by_dissect(data)
    return [
        (buffer.header.ProcessorIndex & 0x7FF, record.header.time_delta)
        for buffer in list(etl.buffers())[1:]
        for record in buffer
    ]


def test_same_input_same_bytes() -> None:
    assert write_native(EVENTS, options=SMALL) == DATA
    assert write_native(some_events(1500), options=SMALL) == DATA


def test_target_gets_the_bytes(tmp_path: object) -> None:
    path = tmp_path / "made.etl"  # type: ignore[operator]
    out = io.BytesIO()
    assert write_native(EVENTS, path, options=SMALL) == path.read_bytes() == DATA
    write_native(EVENTS, out, options=SMALL)
    assert out.getvalue() == DATA


def test_every_event_once_on_its_cpu_in_order() -> None:
    seen = moments(DATA)
    assert sorted(seen) == sorted((e.cpu, SMALL.clock_at(e.time)) for e in EVENTS)
    for cpu in range(4):
        clocks = [clock for c, clock in seen if c == cpu]
        assert clocks == sorted(clocks)


def test_buffers_follow_the_flush_and_numbers_the_taking() -> None:
    first, *rest = headers(DATA)
    assert (first.type, first.flush, first.sequence, first.size) == (4, 0, 0, 8192)
    assert [h.flush for h in rest] == sorted(h.flush for h in rest)
    assert sorted(h.sequence for h in rest) == list(range(1, len(rest) + 1))
    assert [h.sequence for h in rest] != sorted(h.sequence for h in rest)
    begins = {}
    for h in rest:
        assert h.type == 0
        assert h.size == 8192
        assert h.saved == h.used <= 8192
        assert h.current >= h.used
        assert DATA[h.at + h.used : h.at + h.size] == b"\xff" * (h.size - h.used)
        begins[h.sequence] = struct.unpack_from("<q", DATA, h.at + 0x48 + 0x10)[0]
        assert h.flush >= begins[h.sequence]
    assert [begins[n] for n in sorted(begins)] == sorted(begins.values())
    assert [h.flags for h in rest] == [0x20] * (len(rest) - 1) + [0x21]


def test_dissect_reads_payloads_and_times() -> None:
    etl = by_dissect(write_native(EVENTS, options=TraceOptions()))
    records = [r for b in list(etl.buffers())[1:] for r in b]
    by_seq = {event.seq: event for event in EVENTS}
    start = datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert len(records) == len(EVENTS)
    for record in records[:200]:
        header = record.header
        payload = bytes(header.payload)
        size = struct.unpack_from("<H", payload, 24)[0]  # the provider's traits take 24 bytes, then comes the metadata
        seq = struct.unpack_from("<Q", payload, 24 + size + 8)[0]
        event = by_seq[seq]
        assert abs(header.timestamp - start - timedelta(microseconds=event.time / 1000)) < NEAR
        assert header.opcode == event.opcode


@pytest.mark.parametrize("clock", [QPC, SYSTEM_TIME, CYCLES])
@pytest.mark.parametrize("pointer_size", [4, 8])
def test_clocks_and_pointer_sizes(clock: int, pointer_size: int) -> None:
    options = replace(SMALL, clock=clock, pointer_size=pointer_size, end=60 * 10**9)
    etl = by_dissect(write_native(EVENTS, options=options))
    assert (etl.pointer_size, etl.is_64bit) == (pointer_size, pointer_size == 8)
    assert etl.logfile_header.logger_name == "wsktrace"
    assert etl.logfile_header.log_filename == "C:\\traces\\wsk.etl"
    start = datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert etl.start == start
    assert abs(etl.end - start - timedelta(seconds=60)) < NEAR
    times = sorted(record.header.timestamp for buffer in list(etl.buffers())[1:] for record in buffer)
    for seen, event in zip(times, EVENTS, strict=True):
        assert abs(seen - start - timedelta(microseconds=event.time / 1000)) < NEAR
    kinds = {r.header._marker.header_type for b in list(etl.buffers())[1:] for r in b}
    assert kinds == {19 if pointer_size == 8 else 18}


def test_clock_arithmetic_is_exact_over_days() -> None:
    for options in (
        TraceOptions(frequency=2_109_960),
        TraceOptions(clock=CYCLES, cpu_mhz=2904),
        TraceOptions(clock=SYSTEM_TIME),
    ):
        month = 30 * 86400 * 10**9
        clock = options.clock_at(month)
        assert options.ns_at(clock) <= month <= options.ns_at(clock + 1)
        assert options.filetime_at(clock) == options.start + options.ns_at(clock) // 100


def test_boot_time_does_not_fit_the_clock() -> None:
    options = TraceOptions()
    assert abs(options.boot_time + options.start_clock - options.start) > 10**7


def test_header_fields_by_hand() -> None:
    options = replace(
        SMALL,
        mode=0x10000001,
        build=19045,
        os=(6, 1),
        layout=(1, 5),
        events_lost=7,
        buffers_lost=3,
        max_file_size=99,
        cpu_mhz=3210,
        frequency=2_109_960,
        logger_id=44,
        processors=12,
        first_sequence=900,
        logger_name="Ω",
        log_file_name="",
    )
    data = write_native(EVENTS[:10], options=options)
    at = 0x48 + 0x20
    head = struct.unpack_from("<IBBBBIIqIIIIIIII", data, at)
    assert head[:7] == (8192, 6, 1, 1, 5, 19045, 12)
    assert head[8:] == (156250, 99, 0x10000001, 5, 1, 8, 7, 3210)
    assert struct.unpack_from("<qqqII", data, at + 0xF8) == (
        options.boot_time,
        2_109_960,
        options.start,
        1,
        3,
    )
    assert data[at + 0x118 :].startswith("Ω\0\0".encode("utf-16-le"))
    assert struct.unpack_from("<i", data, at + 0x48)[0] == -60
    assert struct.unpack_from("<H", data, 0x2A)[0] == 44
    assert sorted(h.sequence for h in headers(data)[1:]) == [900, 901, 902, 903]


def test_header_tail_lies_behind_saved_offset() -> None:
    guid = bytes(range(16))
    options = replace(SMALL, pdbs=((guid, 2, "d:\\drv\\wsk.pdb"),))
    etl = by_dissect(write_native(EVENTS[:5], options=options))
    first = headers(write_native(EVENTS[:5], options=options))[0]
    assert first.saved < first.used
    tail = [(r.header._marker.header_type, r.header.hook_id, bytes(r.header.payload)) for r in etl.buffer(0)][2:]
    assert tail == [
        (17, 66, b"26100.1.amd64fre.ge_release.240331-1435\0"),
        (17, 64, guid + b"\2\0\0\0d:\\drv\\wsk.pdb\0"),
    ]
    bare = write_native(EVENTS[:5], options=replace(SMALL, extension=False, build_lab=""))
    assert len(list(by_dissect(bare).buffer(0))) == 1


def test_windows_7_form() -> None:
    data = write_native(EVENTS, options=replace(SMALL, processor_index=False, stale=False))
    first, *rest = headers(data)
    assert (first.saved, first.cpu, first.flags) == (0, 0x800, 0x01)
    assert {h.cpu for h in rest} == {0x800, 0x801, 0x802, 0x803}
    assert {h.flags for h in rest} == {0, 1}
    assert len(moments(data)) == len(EVENTS)
    with pytest.raises(UsageError, match="CPU 300"):
        write_native([replace(EVENTS[0], cpu=300)], options=replace(SMALL, processor_index=False))


def test_many_cpus() -> None:
    data = write_native([replace(e, cpu=e.cpu * 500) for e in EVENTS[:40]], options=SMALL)
    assert {h.cpu for h in headers(data)[1:]} == {0, 500, 1000, 1500}
    assert by_dissect(data).logfile_header.header.NumberOfProcessors == 1501


def test_flush_timer() -> None:
    options = replace(SMALL, flush_ns=100_000)
    data = write_native(EVENTS, options=options)
    rest = headers(data)[1:]
    assert len(rest) > len(headers(DATA)) + 5
    assert len(moments(data)) == len(EVENTS)
    assert [h.flush for h in rest] == sorted(h.flush for h in rest)
    for h in rest[:-4]:
        begin = struct.unpack_from("<q", data, h.at + 0x48 + 0x10)[0]
        assert h.flush - begin <= 1000
    # an idle CPU's buffer is flushed by the timer, long before the session ends
    quiet = write_native([replace(EVENTS[0], time=0), replace(EVENTS[1], time=10**9)], options=options)
    assert headers(quiet)[1].flush == options.clock_at(100_000)


def test_unstopped_and_trailing() -> None:
    data = write_native(EVENTS, options=replace(SMALL, stopped=False, trailing=b"\0garbage"))
    assert data.endswith(b"\0garbage")
    assert len(data) % 8192 == 8
    header = by_dissect(data).logfile_header
    assert (header.end_time, header.buffers_written) == (0, 1)
    told = write_native(EVENTS, options=replace(SMALL, buffers_written=3))
    assert by_dissect(told).logfile_header.buffers_written == 3


def test_end_of_session() -> None:
    etl = by_dissect(DATA)
    assert etl.end > max(r.header.timestamp for b in list(etl.buffers())[1:] for r in b)
    filetime = struct.unpack_from("<q", DATA, 0x48 + 0x20 + 0x10)[0]
    unix = (filetime - FILETIME_1970) / 1e7
    assert datetime.fromtimestamp(unix, UTC).year == 2026


def test_no_event_at_all() -> None:
    data = write_native([], options=SMALL)
    assert len(data) == 8192
    assert len(list(by_dissect(data))) == 3


def test_records_are_never_split_and_fill_to_the_last_byte() -> None:
    room = 1024 - 0x48
    sizes = [472, 480, 16]
    records = [etl_records.perfinfo(15, 1, bytes(size - 16), 10**13, 0) for size in sizes]
    options = TraceOptions(buffer_size=1024, log_file_name="x")
    assert [h.used for h in headers(write_records(records, options=options))[1:]] == [1024, 0x48 + 16]
    whole = etl_records.perfinfo(15, 1, bytes(room - 16 - 7), 10**13, 0)
    assert [h.used for h in headers(write_records([whole], options=options))[1:]] == [1024]
    with pytest.raises(FormatError, match="does not fit a buffer"):
        write_records([RawRecord(bytes(room + 8), 1)], options=TraceOptions(buffer_size=1024))


def test_one_buffer_of_16_mib() -> None:
    data = write_native(EVENTS, options=TraceOptions(buffer_size=16 << 20))
    assert len(moments(data)) == len(EVENTS)
    assert {h.size for h in headers(data)} == {16 << 20}


def test_records_of_one_tick_keep_their_order() -> None:
    records = [etl_records.perfinfo(15, n, b"", 10**13, 0) for n in range(50)]
    etl = by_dissect(write_records(records, options=SMALL))
    assert [r.header.hook_id & 0xFF for r in list(etl)[3:]] == list(range(50))


@pytest.mark.parametrize(
    "wrong",
    [
        {"clock": 4},
        {"pointer_size": 6},
        {"image_pointer_size": 5},
        {"compression": "zip"},
        {"buffer_size": 1001},
        {"buffer_size": 512},
        {"frequency": 0},
        {"flush_ns": 0},
    ],
)
def test_wrong_options(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TraceOptions(**wrong)  # type: ignore[arg-type]


def test_names_too_long_for_the_header_buffer() -> None:
    with pytest.raises(UsageError, match="too small"):
        write_native([], options=TraceOptions(buffer_size=1024, log_file_name="x" * 400))
