"""Losses leave the evidence that ETW leaves, and no other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from writer_tools import by_dissect, headers, some_events

from wsktrace.errors import UsageError
from wsktrace.testing import losses
from wsktrace.testing.etl_parts import log_fields, record_sizes, split
from wsktrace.testing.etl_writer import TraceOptions, write_native

EVENTS = some_events(1500)
SMALL = TraceOptions(buffer_size=8192)
DATA = write_native(EVENTS, options=SMALL)
PARTS = split(DATA)
LOG = log_fields(PARTS[0])


def bodies(data: bytes) -> list[tuple[int, bytes]]:
    """(CPU, records) of the data buffers, in file order."""
    return [(p.cpu, bytes(p.data[0x48 : p.used])) for p in split(data)[1:]]


def test_dropped_events() -> None:
    picks = losses.bursts(EVENTS, 3, count=2, longest=9)
    assert picks == losses.bursts(EVENTS, 3, count=2, longest=9)
    assert 1 < len(picks) <= 18
    kept, options = losses.drop_events(EVENTS, picks, replace(SMALL, events_lost=1))
    assert options.events_lost == 1 + len(picks)
    assert [e.seq for e in kept] == [n for n in range(1500) if n not in picks]
    data = write_native(kept, options=options)
    assert log_fields(split(data)[0]).events_lost == 1 + len(picks)
    assert [h.flags & 6 for h in headers(data)] == [0] * len(headers(data))


def test_filter() -> None:
    kept = losses.filter_events(EVENTS, keywords=0x3, level=4)
    assert 0 < len(kept) < len(EVENTS)
    assert {e.keyword for e in kept} == {1, 2}
    assert all(e.seq == EVENTS[e.seq].seq for e in kept if e.seq is not None)
    alone = losses.filter_events(EVENTS, keywords=0x3, level=4, shared=False)
    assert [e.seq for e in alone] == list(range(len(alone)))
    assert [(e.time, e.name) for e in alone] == [(e.time, e.name) for e in kept]
    assert {e.level for e in losses.filter_events(EVENTS, level=4)} == {4}
    assert [e.seq for e in EVENTS] == list(range(1500))


def test_start_midway() -> None:
    at = EVENTS[700].time
    kept, options = losses.start_at(EVENTS, at, replace(SMALL, end=10**9))
    assert kept[0].seq is not None
    assert 690 < kept[0].seq <= 700
    data = write_native(kept, options=options)
    assert options.end == 10**9 - (at - at % 100)
    for event in kept[:50]:
        old = EVENTS[event.seq or 0]
        assert options.clock_at(event.time) == SMALL.clock_at(old.time)
        assert options.filetime_at(options.clock_at(event.time)) == SMALL.filetime_at(SMALL.clock_at(old.time))
    assert len(list(by_dissect(data))) == 3 + len(kept)


def test_lost_buffers() -> None:
    gone = [5, 9]
    data = losses.lose_buffers(DATA, gone)
    left = bodies(DATA)
    assert bodies(data) == [b for n, b in enumerate(left) if n not in gone]
    log = log_fields(split(data)[0])
    lost = sum(len(record_sizes(PARTS[1 + n])) for n in gone)
    assert (log.buffers_lost, log.events_lost) == (2, lost)
    assert log.buffers_written == LOG.buffers_written - 2
    holes = {PARTS[1 + n].sequence for n in gone}
    assert {p.sequence for p in split(data)[1:]} == set(range(1, len(PARTS))) - holes
    assert len(list(by_dissect(data))) == 1503 - lost
    quiet = losses.lose_buffers(DATA, gone, count_buffers=False, count_events=False, close_hole=True)
    log = log_fields(split(quiet)[0])
    assert (log.buffers_lost, log.events_lost) == (0, 0)
    assert sorted(p.sequence for p in split(quiet)[1:]) == list(range(1, len(PARTS) - 2))
    marked = split(losses.lose_buffers(DATA, [5, 6], mark=True))
    assert [n for n, p in enumerate(marked) if p.flags & 6] == [6]
    with pytest.raises(UsageError, match="data buffers"):
        losses.lose_buffers(DATA, [len(PARTS)])


def test_lost_buffers_of_a_compressed_file() -> None:
    for name in ("lznt1", "xpress", "xpress_huff"):
        data = write_native(EVENTS, options=replace(SMALL, compression=name))  # type: ignore[arg-type]
        log = log_fields(split(losses.lose_buffers(data, [5, 9]))[0])
        assert log.events_lost == sum(len(record_sizes(PARTS[1 + n])) for n in (5, 9))


def test_wrapped() -> None:
    data = losses.wrap(DATA, 12)
    log = log_fields(split(data)[0])
    assert bodies(data) == bodies(DATA)[-12:]
    assert (log.mode & 0xF, log.max_file_size, log.buffers_written) == (2, 1, LOG.buffers_written)
    assert (log.events_lost, log.buffers_lost, log.end_time) == (0, 0, LOG.end_time)
    assert min(p.sequence for p in split(data)[1:]) > 1
    turned = losses.wrap(DATA, 12, rotate=5)
    assert bodies(turned) == bodies(data)[5:] + bodies(data)[:5]
    with pytest.raises(UsageError):
        losses.wrap(DATA, len(PARTS))


@pytest.mark.parametrize(("make", "mode"), [(losses.memory_ring, 0x400), (losses.later_file, 8)])
def test_ring_and_later_file(make: object, mode: int) -> None:
    data = make(DATA, 12)  # type: ignore[operator]
    log = log_fields(split(data)[0])
    assert log.mode & 0x40F == mode
    assert log.buffers_written == 13
    assert bodies(data) == bodies(DATA)[-12:]
    assert len(list(by_dissect(data))) == 3 + sum(len(record_sizes(p)) for p in split(data)[1:])


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_never_stopped(pointer_size: int) -> None:
    whole = write_native(EVENTS, options=replace(SMALL, pointer_size=pointer_size))
    data = losses.never_stopped(whole, zeros=4096)
    assert data.endswith(bytes(4096))
    parts = split(data)
    log = log_fields(parts[0])
    assert (log.end_time, log.buffers_written, log.events_lost) == (0, 1, 0)
    assert bodies(data) == bodies(whole)[:-4]
    assert [k for k in record_sizes(parts[0]) if k] == record_sizes(split(whole)[0])[:2]
    last = {h.cpu for h in headers(whole)[-4:]}
    assert last == {0, 1, 2, 3}


def test_stopped_by_size() -> None:
    data = losses.stop_at_size(DATA, 64)
    log = log_fields(split(data)[0])
    assert len(data) == 64 << 10
    assert (log.mode & 0x200F, log.max_file_size, log.buffers_written) == (0x2001, 64, 8)
    assert LOG.start_time < log.end_time < LOG.end_time
    assert bodies(data) == bodies(DATA)[:7]
    big = write_native(some_events(6000), options=SMALL)
    megabytes = losses.stop_at_size(big, 1, kilobytes=False, closed=False)
    log = log_fields(split(megabytes)[0])
    assert (len(megabytes), log.mode & 0x200F, log.max_file_size) == (1 << 20, 1, 1)
    assert log.end_time == log_fields(split(big)[0]).end_time
    with pytest.raises(UsageError, match="does not reach"):
        losses.stop_at_size(DATA, 9999)


def test_cut_hole_and_append() -> None:
    assert losses.cut(DATA, 12345) == DATA[:12345]
    data = losses.open_hole(DATA, 7, 3)
    assert bodies(data) == bodies(DATA)
    assert {p.sequence for p in split(data)[1:]} == set(range(1, 8)) | set(range(11, len(PARTS) + 3))
    assert log_fields(split(data)[0]) == LOG
    both = losses.append(DATA, DATA)
    assert Counter(h.type for h in headers(both)) == {4: 2, 0: 2 * len(PARTS) - 2}
    assert log_fields(split(both)[0]).mode == 4


def test_filetime_of_the_log_header() -> None:
    for clock in (1, 2, 3):
        options = replace(SMALL, clock=clock, end=5 * 10**9)
        log = log_fields(split(write_native(EVENTS[:3], options=options))[0])
        assert log.filetime(options.clock_at(5 * 10**9)) == log.end_time == options.start + 5 * 10**7
        assert log.header_clock == options.origin
