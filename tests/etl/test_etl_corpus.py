"""Real traces: exact counts, whole accounting, and record by record the same as two other readers."""

from __future__ import annotations

import datetime
import functools
import io
import warnings

import etl_tools as t
import numpy as np
import pytest

from wsktrace.etl.accounting import disk_shares, padded_sizes
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Kind

pytestmark = t.needs_corpus

#: files whose records etl-parser 1.0.1 delivers; the others: compressed (it delivers nothing), Windows 7 headers
#: (IndexError), or WPP whose header it misreads
ETL_PARSER_READS = [
    "etl-parser-AMSITrace.etl",
    "etl-parser-ShutdownPerfDiagLogger.etl",
    "etl-parser-lxcore_kernel.etl",
    "perfview-PerfViewData.etl",
    "perfview-primitive-types.etl",
    "s4-SIH.20230422.034724.362.1.etl",
    "s4-WindowsUpdate.20251008.140245.443.8.etl",
    "s4-waasmedic.20251005_113019_195.etl",
    "Tx-BondEtwSample.etl",
]


@functools.cache
def whole(name: str):
    file = open_trace(t.ETL / name)
    return file, list(file.chunks())


@t.corpus_files
def test_counts_header_and_accounting(name):
    want = t.EXPECTED[name]
    file, chunks = whole(name)
    s, h = file.survey, file.header
    assert s.kinds == want["kinds"]
    assert (s.records, len(s.buffers)) == (want["records"], want["buffers"])
    assert (h.events_lost, h.buffers_lost, h.start_time) == (
        want["events_lost"],
        want["buffers_lost"],
        want["start_filetime"],
    )
    assert (h.perf_freq, h.logger_name, h.reserved_flags) == (want["perf_freq"], want["logger"], 1)
    assert len(np.unique(s.buffers.cpu)) <= h.number_of_processors
    assert file.sha256() == want["sha256"]
    assert (s.damaged_bytes, s.problems, s.unpacked_damaged_bytes) == (0, [], 0)
    assert s.headers_bytes == 0x48 * want["buffers"]
    assert s.headers_bytes + s.record_bytes + s.filler_bytes == file.size == (t.ETL / name).stat().st_size
    assert not s.buffers.state.any()
    assert sum(int(disk_shares(c).sum()) for c in chunks) == s.record_bytes
    assert sum(int(padded_sizes(c).sum()) for c in chunks) == s.unpacked_record_bytes
    assert s.buffers.disk_size.sum() == file.size
    # BuffersWritten of these properly stopped files is their number of buffers
    assert h.buffers_written == want["buffers"]
    packed = s.buffers.compressed.any()
    assert (h.compression == 3) is bool(packed or h.log_file_mode & 0x0400_0000)
    assert (s.record_bytes < s.unpacked_record_bytes) is bool(packed)


@t.corpus_files
def test_times(name):
    file, chunks = whole(name)
    ns = np.concatenate([file.clock.to_ns(c.records.clock[c.records.has_time]) for c in chunks])
    start = (file.header.start_time - 116_444_736_000_000_000) * 100
    assert ns[0] == file.clock.start_ns == start
    assert ns.min() >= start - 1_000_000_000 * 60
    # a few events of merged files lie after the stop, seen up to 2.5 s
    assert ns.max() <= file.clock.end_ns + 3_000_000_000
    q = file.header.perf_freq
    raw = np.concatenate([c.records.clock[c.records.has_time] for c in chunks])
    for i in range(0, len(raw), max(1, len(raw) // 50)):
        assert int(ns[i]) == start + (int(raw[i]) - file.header.header_clock) * 10**9 // q


@t.corpus_files
def test_buffers_know_their_records(name):
    _, chunks = whole(name)
    ordinal = 0
    for c in chunks:
        r, b = c.records, c.buffers
        assert c.first_buffer == ordinal
        assert np.array_equal(np.bincount(r.buffer - ordinal, minlength=len(b)), b.records)
        assert (np.diff(r.buffer) >= 0).all()
        assert (np.diff(r.offset) > 0).all()
        assert not (r.offset & 7).any()
        assert np.array_equal(r.cpu, b.cpu[r.buffer - ordinal])
        for i in range(len(b)):
            mine = r.clock[(r.buffer == ordinal + i) & r.has_time]
            assert (b.first_clock[i], b.last_clock[i]) == ((mine[0], mine[-1]) if len(mine) else (0, 0))
        assert not c.data[c.data.size - 64 :].any()
        assert c.data.size % 8 == 0
        assert c.data.ctypes.data % 8 == 0
        assert (r.offset + r.size <= c.data.size - 64).all()
        ordinal += len(b)


@t.corpus_files
def test_time_never_steps_back_within_a_processor(name):
    _, chunks = whole(name)
    sequence = np.concatenate([c.buffers.sequence[c.records.buffer - c.first_buffer] for c in chunks])
    cpu = np.concatenate([c.records.cpu for c in chunks])
    timed = np.concatenate([c.records.has_time for c in chunks])
    clock = np.concatenate([c.records.clock for c in chunks])
    type_ = np.concatenate([c.buffers.type[c.records.buffer - c.first_buffer] for c in chunks])
    keep = timed & (type_ != 4)
    sequence, cpu, clock = sequence[keep], cpu[keep], clock[keep]
    order = np.lexsort((sequence, cpu))
    same = np.diff(cpu[order]) == 0
    assert (np.diff(clock[order])[same] >= 0).all()


@t.corpus_files
def test_small_chunks_give_the_same_records(name):
    file, chunks = whole(name)
    small = open_trace(t.ETL / name)
    parts = list(small.chunks(chunk_bytes=100_000))
    assert len(parts) > 1 or file.size < 200_000 or len(file.survey.buffers) < 3
    for column in set(chunks[0].records.__slots__) - {"offset", "payload", "end", "ext"}:
        a = np.concatenate([getattr(c.records, column) for c in chunks])
        b = np.concatenate([getattr(c.records, column) for c in parts])
        assert np.array_equal(a, b), column
    for column in ("payload", "end", "ext"):
        a = np.concatenate(
            [np.where(getattr(c.records, column), getattr(c.records, column) - c.records.offset, 0) for c in chunks]
        )
        b = np.concatenate(
            [np.where(getattr(c.records, column), getattr(c.records, column) - c.records.offset, 0) for c in parts]
        )
        assert np.array_equal(a, b), column
    for column in chunks[0].buffers.__slots__:
        assert np.array_equal(getattr(file.survey.buffers, column), getattr(small.survey.buffers, column)), column
    for name_ in file.survey.__slots__:
        if name_ != "buffers":
            assert getattr(file.survey, name_) == getattr(small.survey, name_)


def _guid_of_dissect(kind: int, header) -> bytes | None:
    """The raw GUID bytes; dissect.etl 3.14 reads an EVENT_HEADER's provider in the wrong byte order."""
    if kind in (Kind.EVENT32, Kind.EVENT64):
        return header.provider_id.bytes
    if kind in (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64, Kind.MESSAGE):
        return header.provider_id.bytes_le
    return None


@t.corpus_files
def test_dissect_finds_the_same_records(name):
    """All 35 files, no exception: dissect.etl stops at BuffersWritten, which here is the number of buffers."""
    from dissect.etl import ETL

    file, chunks = whole(name)
    r = [c.records for c in chunks]
    kind, size, buffer, inside, clock, timed, tid, pid, threaded, guid, number = (
        np.concatenate([getattr(x, k) for x in r]).tolist()
        for k in (
            "kind",
            "size",
            "buffer",
            "buffer_offset",
            "clock",
            "has_time",
            "tid",
            "pid",
            "has_thread",
            "guid",
            "id",
        )
    )
    total = len(kind)
    # of the two largest files every seventh buffer
    step = 7 if total > 50_000 else 1
    bounds = np.searchsorted(np.array(buffer), np.arange(len(file.survey.buffers) + 1)).tolist()
    trace = ETL(io.BytesIO((t.ETL / name).read_bytes()))
    assert trace.logfile_header.buffers_written == len(file.survey.buffers)
    for ordinal, other in enumerate(trace.buffers()):
        if ordinal % step:
            other.data_offset  # noqa: B018 -- its chain of buffers is walked one by one
            continue
        i, at = bounds[ordinal], 0x48
        assert int(file.survey.buffers.file_offset[ordinal]) == other.offset
        for record in other:
            head = record.header
            assert (inside[i], size[i]) == (at, record.size)
            if timed[i]:
                assert clock[i] == head.time_delta
            if threaded[i]:
                thread = head if kind[i] == Kind.MESSAGE else head.header
                ids = (thread.thread_id, thread.process_id) if thread is head else (thread.ThreadId, thread.ProcessId)
                assert (tid[i], pid[i]) == ids
            raw = _guid_of_dissect(kind[i], head)
            assert raw == (file.guids.raw[guid[i]] if guid[i] >= 0 else None)
            if kind[i] in (Kind.EVENT32, Kind.EVENT64, Kind.MESSAGE):
                assert number[i] == head.header.Id
            at += record.aligned_size
            i += 1
        assert i == bounds[ordinal + 1]


class _Seen:
    """An observer that keeps (tid, pid, raw clock) of what etl-parser delivers, by record type."""

    def __init__(self):
        self.rows = []

    def on_event_record(self, event):
        h = event.source.event_header
        self.rows.append(("event", h.thread_id, h.process_id, h.timestamp))

    def on_trace_record(self, event):
        h = event.source.event_header
        self.rows.append(("full", h.thread_id, h.process_id, h.timestamp))

    def on_perfinfo_trace(self, obj):
        self.rows.append(("perfinfo", 0, 0, None))

    def on_system_trace(self, obj):
        self.rows.append(("system", obj.get_thread_id(), obj.get_process_id(), None))

    def on_win_trace(self, obj):
        self.rows.append(("message", 0, 0, None))


@pytest.mark.parametrize("name", ETL_PARSER_READS)
def test_etl_parser_finds_the_same_records(name):
    """Nine files; etl-parser leaves the header buffer out, so its records are left out here too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.etl import (
            IEtlFileObserver,  # noqa: F401
            build_from_stream,
        )

    _file, chunks = whole(name)
    seen = _Seen()
    raw = (t.ETL / name).read_bytes()
    if name == "etl-parser-ShutdownPerfDiagLogger.etl":  # 2 s for the whole file: the header buffer and eleven more
        raw = raw[: 12 * 65536]
    build_from_stream(raw).parse(seen)
    names = {
        Kind.EVENT32: "event",
        Kind.EVENT64: "event",
        Kind.PERFINFO64: "perfinfo",
        Kind.SYSTEM64: "system",
        Kind.FULL64: "full",
    }
    mine = []
    for c in chunks:
        r = c.records
        for i in np.flatnonzero(
            (r.buffer > 0) & (c.buffers.file_offset[r.buffer - c.first_buffer] < len(raw))
        ).tolist():
            kind = names[int(r.kind[i])]
            clock = int(r.clock[i]) if kind in ("event", "full") else None
            thread = (int(r.tid[i]), int(r.pid[i])) if kind != "perfinfo" else (0, 0)
            mine.append((kind, *thread, clock))
    assert len(mine) > 0
    assert seen.rows == mine


def test_a_known_time_reads_like_a_calendar():
    file, _ = whole("etl-parser-AMSITrace.etl")
    start = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=file.clock.start_ns // 1000)
    assert start == datetime.datetime(2020, 2, 17, 12, 48, 30, 420313)
