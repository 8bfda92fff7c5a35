"""Our own reader on what the writer makes: every option, every loss, every kind of damage."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from writer_tools import some_events

from wsktrace.errors import WsktraceError
from wsktrace.etl.file import open_trace
from wsktrace.testing import damage, losses
from wsktrace.testing.etl_writer import TraceOptions, write_native

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsktrace.etl.types import Buffers, Records

EVENTS = some_events(900)
SMALL = TraceOptions(buffer_size=8192)
DATA = write_native(EVENTS, options=SMALL)
OPTIONS = {
    "as it is": SMALL,
    "lznt1": replace(SMALL, compression="lznt1"),
    "xpress": replace(SMALL, compression="xpress"),
    "xpress_huff": replace(SMALL, compression="xpress_huff"),
    "system time": replace(SMALL, clock=2),
    "cycles": replace(SMALL, clock=3, cpu_mhz=2400),
    "32 bit": replace(SMALL, pointer_size=4),
    "32-bit driver": replace(SMALL, image_pointer_size=4),
    "Windows 7": replace(SMALL, processor_index=False, os=(6, 1), build=7600),
    "flush timer": replace(SMALL, flush_ns=50_000),
    "slow QPC": replace(SMALL, frequency=2_109_960),
    "garbage behind": replace(SMALL, trailing=b"garbage" * 3),
    "one big buffer": replace(SMALL, buffer_size=1 << 20),
}


def read(data: bytes) -> tuple[object, list[Records], list[Buffers], object]:
    with open_trace(io.BytesIO(data)) as file:
        chunks = list(file.chunks())
        return file, [c.records for c in chunks], [c.buffers for c in chunks], file.survey


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options(options: TraceOptions) -> None:
    options = replace(options, events_lost=3, buffers_lost=2, end=10**10)
    file, records, _, survey = read(write_native(EVENTS, options=options))
    header = file.header  # type: ignore[attr-defined]
    assert header.log_file_mode & 1
    assert (header.events_lost, header.buffers_lost) == (3, 2)
    assert (header.logger_name, header.log_file_name) == (options.logger_name, options.log_file_name)
    assert (header.pointer_size, header.buffer_size) == (options.pointer_size, options.buffer_size)
    assert (header.start_time, header.boot_time, header.perf_freq) == (
        options.start,
        options.boot_time,
        options.frequency,
    )
    assert (header.header_clock, header.provider_version) == (options.origin, options.build)
    unix = (options.start - 116_444_736_000_000_000) * 100
    clock = file.clock  # type: ignore[attr-defined]
    assert clock.start_ns == unix
    data = [r.buffer > 0 for r in records]
    clocks = np.concatenate([r.clock[d] for r, d in zip(records, data, strict=True)])
    made = sorted((unix + options.ns_at(options.clock_at(e.time)), e.cpu, e.tid, e.opcode, e.level) for e in EVENTS)
    columns = ("cpu", "tid", "opcode", "level")
    parts = [np.concatenate([getattr(r, c)[d] for r, d in zip(records, data, strict=True)]) for c in columns]
    seen = sorted(zip(clock.to_ns(clocks).tolist(), *(p.tolist() for p in parts), strict=True))
    assert seen == made
    kind = "Event64" if options.image_bytes == 8 else "Event32"
    assert survey.kinds[kind] == len(EVENTS)  # type: ignore[attr-defined]
    assert bool(survey.problems) == bool(options.trailing)  # type: ignore[attr-defined]


LOSSES: dict[str, Callable[[bytes], bytes]] = {
    "lost buffers": lambda d: losses.lose_buffers(d, [3, 4]),
    "wrapped": lambda d: losses.wrap(d, 9, rotate=3),
    "ring": lambda d: losses.memory_ring(d, 9),
    "later file": lambda d: losses.later_file(d, 9),
    "never stopped": losses.never_stopped,
    "still growing": lambda d: losses.never_stopped(d, zeros=16384),
    "full": lambda d: losses.stop_at_size(d, 64),
    "hole": lambda d: losses.open_hole(d, 4),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("compression", ["none", "xpress"])
def test_losses(lose: Callable[[bytes], bytes], compression: str) -> None:
    data = write_native(some_events(3000), options=replace(SMALL, compression=compression))  # type: ignore[arg-type]
    file, records, buffers, survey = read(lose(data))
    assert sum(survey.kinds.values()) == survey.records == sum(map(len, records))  # type: ignore[attr-defined]
    if lose is not LOSSES["still growing"]:  # zeros behind the last buffer may be a file that grows, or damage
        assert survey.damaged_bytes == 0  # type: ignore[attr-defined]
        assert all((b.state == 0).all() for b in buffers)
    header = file.header  # type: ignore[attr-defined]
    assert (header.end_time == 0) == (lose in (LOSSES["never stopped"], LOSSES["still growing"]))
    assert (header.buffers_lost > 0) == (lose is LOSSES["lost buffers"])


@pytest.mark.parametrize("kind", damage.KINDS)
@pytest.mark.parametrize("compression", ["none", "xpress_huff"])
def test_damage_costs_no_other_buffer(kind: str, compression: str) -> None:
    whole = write_native(EVENTS, options=replace(SMALL, compression=compression))  # type: ignore[arg-type]
    places = damage.extents(whole)
    _, records, buffers, _ = read(whole)
    counts = dict(zip(buffers[0].file_offset.tolist(), buffers[0].records.tolist(), strict=True))
    assert len(records) == 1
    for seed in range(4):
        hurt = damage.KINDS[kind](whole, seed)
        try:
            _, _, found, _ = read(hurt)
        except WsktraceError:
            assert not damage.intact(whole, hurt) or 0 not in damage.intact(whole, hurt)
            continue
        seen = {offset: n for b in found for offset, n in zip(b.file_offset.tolist(), b.records.tolist(), strict=True)}
        for n in damage.intact(whole, hurt):
            assert seen.get(places[n][0]) == counts[places[n][0]], (seed, n)
