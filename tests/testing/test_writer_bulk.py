"""A repeated block: byte for byte what the plain writer writes for the events it stands for."""

from __future__ import annotations

import io
import time
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from writer_tools import by_dissect, some_events

from wsktrace.errors import UsageError
from wsktrace.etl.file import open_trace
from wsktrace.testing.bulk import ADDRESSES, Repetition, repeat_events, write_repeated
from wsktrace.testing.etl_options import CYCLES, SYSTEM_TIME
from wsktrace.testing.etl_writer import TraceOptions, write_native

if TYPE_CHECKING:
    from pathlib import Path

    from wsktrace.testing.events import Event

POOL = 0xFFFFB10A2C000000
SOCKETS = [POOL + 0x40000 + 0x100 * n for n in range(9)]


def _made() -> tuple[list[Event], list[Event], list[Event]]:
    """Events before, of the block, and after; addresses of the block in one page, Information sometimes a socket."""
    events = some_events(460, seed=3)
    for n, event in enumerate(events):
        for name, value in event.fields.items():
            if name in ADDRESSES and value:
                event.fields[name] = SOCKETS[value % 9] if name == "Socket" else POOL + 0x10 * (value % 4096)
            elif name == "Information":
                event.fields[name] = (0, 1460, SOCKETS[value % 9])[n % 3]
    before, block, after = events[:20], events[20:440], events[440:]
    before[3].fields = {"Irp": POOL + 0x10} if before[3].name == "IrpFree" else before[3].fields
    shift = block[0].time
    before = [replace(e, time=0) for e in before]
    block = [replace(e, time=e.time - shift) for e in block]
    after = [replace(e, time=e.time - shift) for e in after]
    return before, block, after


BEFORE, BLOCK, AFTER = _made()
OPTIONS = {
    "small buffers": TraceOptions(buffer_size=4096),
    "flush timer": TraceOptions(buffer_size=4096, flush_ns=70_000),
    "64 KiB": TraceOptions(),
    "system time": TraceOptions(clock=SYSTEM_TIME, buffer_size=8192),
    "cycles, 32 bit": TraceOptions(clock=CYCLES, cpu_mhz=1000, pointer_size=4, buffer_size=8192),
    "compressed": TraceOptions(compression="xpress", buffer_size=8192),
    "Windows 7": TraceOptions(processor_index=False, buffer_size=8192),
}
HOWS = {
    "alone": Repetition(),
    "apart": Repetition(period=5_000_000),
    "addresses again": Repetition(stride=0, period=5_000_000),
    "with both ends": Repetition(before=BEFORE, after=AFTER),
    "some fields": Repetition(addresses=frozenset({"Irp"}), before=BEFORE),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("how", HOWS.values(), ids=HOWS)
def test_bytes_of_the_plain_writer(options: TraceOptions, how: Repetition) -> None:
    out = io.BytesIO()
    summary = write_repeated(BLOCK, 5, out, how, options=options)
    events = list(repeat_events(BLOCK, 5, how, options=options))
    assert out.getvalue() == write_native(events, options=options)
    assert summary.records == len(events) == 5 * len(BLOCK) + len(how.before) + len(how.after)
    assert summary.size == len(out.getvalue())


@pytest.mark.parametrize("batch", [1, 60_000])
def test_batches_do_not_show(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for options in (OPTIONS["small buffers"], OPTIONS["flush timer"]):
        whole, parts = io.BytesIO(), io.BytesIO()
        write_repeated(BLOCK, 12, whole, HOWS["with both ends"], options=options)
        monkeypatch.setattr("wsktrace.testing.bulk._BATCH", batch)
        write_repeated(BLOCK, 12, parts, HOWS["with both ends"], options=options)
        monkeypatch.undo()
        assert whole.getvalue() == parts.getvalue()


def test_what_repeat_events_means() -> None:
    how = HOWS["with both ends"]
    events = list(repeat_events(BLOCK, 3, how))
    assert [e.seq for e in events] == list(range(len(events)))
    times = [e.time for e in events]
    assert times == sorted(times)
    fixed = {v for e in (*BEFORE, *AFTER) for n, v in e.fields.items() if n in ADDRESSES}
    count = len(BLOCK)
    moved = 0
    for k in range(3):
        copies = events[len(BEFORE) + k * count : len(BEFORE) + (k + 1) * count]
        for one, copy in zip(BLOCK, copies, strict=True):
            for name, value in one.fields.items():
                is_address = value in SOCKETS if name == "Information" else name in ADDRESSES
                grows = is_address and value not in (0, 2**64 - 1) and value not in fixed
                assert copy.fields[name] == value + (k << 20 if grows else 0), name
                moved += grows and k > 0
    assert moved > 100
    assert {v for e in events for n, v in e.fields.items() if n == "Information"} >= {0, 1460}


def test_read_back_by_others_and_by_us() -> None:
    how, options = HOWS["with both ends"], OPTIONS["small buffers"]
    out = io.BytesIO()
    write_repeated(BLOCK, 7, out, how, options=options)
    events = list(repeat_events(BLOCK, 7, how, options=options))
    seen = sorted(r.header.time_delta for b in list(by_dissect(out.getvalue()).buffers())[1:] for r in b)
    assert seen == [options.clock_at(e.time) for e in events]
    with open_trace(io.BytesIO(out.getvalue())) as file:
        clocks = np.concatenate([c.records.clock[c.records.buffer > 0] for c in file.chunks()])
        assert file.survey is not None
        assert file.survey.records == len(events) + 3
        assert not file.survey.problems
    assert np.sort(clocks).tolist() == seen


def test_wrong_use() -> None:
    out = io.BytesIO()
    with pytest.raises(UsageError, match="at least one event"):
        write_repeated([], 5, out)
    with pytest.raises(UsageError, match="at least once"):
        write_repeated(BLOCK, 0, out)
    with pytest.raises(UsageError, match="shorter than the block"):
        write_repeated(BLOCK, 5, out, Repetition(period=1000))
    with pytest.raises(UsageError, match="would meet within 5 repetitions"):
        write_repeated(BLOCK, 5, out, Repetition(stride=0x10))
    with pytest.raises(UsageError, match="before must come before"):
        write_repeated(BLOCK, 5, out, Repetition(before=AFTER))
    with pytest.raises(UsageError, match="whole number of ns"):
        list(repeat_events(BLOCK, 2, options=TraceOptions(frequency=2_109_960)))
    write_repeated(BLOCK, 2, out, options=TraceOptions(frequency=2_109_960))
    assert len(list(by_dissect(out.getvalue()))) == 3 + 2 * len(BLOCK)


def test_memory_does_not_grow(tmp_path: Path) -> None:
    peaks = []
    for repetitions in (100, 500):
        tracemalloc.start()
        write_repeated(BLOCK, repetitions, tmp_path / "big.etl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2
    assert peaks[1] < 32 << 20


@pytest.mark.long
def test_ten_million_events(tmp_path: Path) -> None:
    path = tmp_path / "ten-million.etl"
    began = time.perf_counter()
    summary = write_repeated(BLOCK, 10_000_000 // len(BLOCK) + 1, path, HOWS["with both ends"])
    took = time.perf_counter() - began
    assert summary.records >= 10_000_000
    assert path.stat().st_size == summary.size
    path.unlink()
    assert took < 120, f"{took:.1f} s; about 10 s are usual"
