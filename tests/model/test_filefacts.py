"""What the file itself says about its completeness: the table of wsk-contract 1.5, item 0."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_tools import MS, S

import wsktrace
from wsktrace.etl.types import Buffers, concat_buffers
from wsktrace.model.doubt import END, LOST
from wsktrace.model.filefacts import FOREVER, NEVER, FileFacts, facts_of
from wsktrace.testing import losses
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_parts import join, split
from wsktrace.testing.etl_writer import write_native
from wsktrace.testing.script import run_script
from wsktrace.trace.analysis import Analysis

DAMAGED, NO_HEADER, CUT = 4, 1, 8


def facts(buffers: list[dict[str, Any]], **more: Any) -> FileFacts:
    """Return the facts of a file with these buffers: ``cpu``, ``sequence``, ``first`` and ``last`` in ms, ``flush``."""
    n = len(buffers)

    def column(name: str, default: int, dtype: str) -> Any:
        return np.array([b.get(name, default) for b in buffers], dtype)

    empty = concat_buffers([])
    held = Buffers(**{name: np.zeros(n, getattr(empty, name).dtype) for name in Buffers.__slots__})
    held = replace(
        held,
        cpu=column("cpu", 0, "u2"),
        sequence=np.array([b.get("sequence", k + 1) for k, b in enumerate(buffers)], np.int64),
        state=column("state", 0, "u1"),
        flags=column("flags", 0, "u2"),
        type=column("type", 0, "u2"),
    )
    times = {
        name: np.array([NEVER if b.get(name) is None else b[name] * MS for b in buffers], np.int64)
        for name in ("first", "last")
    }
    flush = np.array([b.get("flush", (b.get("last") or 0) + 1) * MS for b in buffers], np.int64)
    given = {"start_ns": 0, "end_ns": 1000 * MS, "cpus": 2, "buffers": held, "flush": flush, **times, **more}
    return FileFacts(**given)


#: Two processors, two buffers each, in the order of their numbers.
FOUR = [
    {"cpu": 0, "first": 10, "last": 100},
    {"cpu": 1, "first": 20, "last": 200},
    {"cpu": 0, "first": 110, "last": 300},
    {"cpu": 1, "first": 210, "last": 400},
]


def but(at: int, **change: Any) -> list[dict[str, Any]]:
    return [{**b, **change} if n == at else b for n, b in enumerate(FOUR)]


# row 1: stopped properly ---------------------------------------------------------------------------------------------


def test_stopped_properly_is_complete_from_start_to_end() -> None:
    found = facts(FOUR)
    assert found.gaps() == ([], 1000 * MS, END)
    assert found.incomplete_before() is None
    assert not found.wrapped


def test_records_behind_the_end_move_it() -> None:
    """A clock that was set: what is there is there."""
    assert facts(FOUR, end_ns=50 * MS).gaps()[1] == 400 * MS


# row 2: circular, ring, later file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "first", "wrapped"),
    [
        (0x1, 9, False),
        (0x2, 1, False),
        (0x2, 2, True),
        (0x8, 1, False),
        (0x8, 7, True),
        (0x400, 1, True),
        (0x400, 9, True),
    ],
)
def test_older_buffers_are_gone(mode: int, first: int, wrapped: bool) -> None:
    buffers = [{**b, "sequence": first + n} for n, b in enumerate(FOUR)]
    found = facts(buffers, mode=mode)
    assert found.wrapped == wrapped
    # complete only after the smallest flush time of any data buffer left
    assert found.incomplete_before() == (101 * MS if wrapped else None)


def test_smallest_flush_time_wherever_the_buffer_stands() -> None:
    buffers = [
        {**b, "sequence": 5 + n, "flush": flush}
        for n, (b, flush) in enumerate(zip(FOUR, (500, 90, 700, 600), strict=True))
    ]
    assert facts(buffers, mode=2).incomplete_before() == 90 * MS


def test_header_buffer_has_no_part_in_it() -> None:
    buffers = [{"type": 4, "sequence": 0, "flush": 1}, *({**b, "sequence": 9 + n} for n, b in enumerate(FOUR))]
    found = facts(buffers, mode=2)
    assert found.wrapped
    assert found.incomplete_before() == 101 * MS


def test_flush_time_that_is_nonsense_proves_nothing() -> None:
    buffers = [{**b, "sequence": 5 + n, "flush": -9} for n, b in enumerate(FOUR)]
    assert facts(buffers, mode=2).incomplete_before() == FOREVER


# row 3: never stopped, full, cut -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"end_ns": None}, {"cut": True}, {"full": True}])
def test_complete_up_to_the_first_processor_that_falls_silent(how: dict[str, Any]) -> None:
    """The minimum over the processors of their last record."""
    assert facts(FOUR, **how).gaps() == ([], 300 * MS, END)


@pytest.mark.parametrize("how", [{"end_ns": None}, {"cut": True}])
def test_processor_that_left_no_buffer_may_have_logged_from_the_start(how: dict[str, Any]) -> None:
    assert facts(FOUR, cpus=3, **how).gaps()[1] == 0


# row 4: losses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"events_lost": 1}, {"buffers_lost": 1}])
def test_losses_that_the_header_counts_lie_anywhere(how: dict[str, Any]) -> None:
    gaps, end, why = facts(FOUR, **how).gaps()
    assert gaps == [(NEVER, FOREVER)]
    assert why == LOST
    assert end <= 0


@pytest.mark.parametrize("flag", [2, 4])
def test_flags_of_losses_place_nothing(flag: int) -> None:
    assert facts(but(2, flags=flag)).gaps()[0] == [(NEVER, FOREVER)]
    assert not facts(but(2, flags=0x20)).gaps()[0]


# row 5: damage -------------------------------------------------------------------------------------------------------


def test_damaged_buffer_from_its_neighbours_on_that_processor() -> None:
    """From its previous buffer's last record to its next buffer's first."""
    six = [*FOUR, {"cpu": 0, "first": 410, "last": 500}, {"cpu": 1, "first": 420, "last": 600}]
    six[2] = {**six[2], "first": None, "last": None, "state": DAMAGED}
    gaps, end, _ = facts(six).gaps()
    assert gaps == [(100 * MS, 410 * MS)]
    assert end == 1000 * MS


def test_damaged_buffer_whose_first_records_are_read() -> None:
    [(start, stop)] = facts([*but(2, state=DAMAGED), {"cpu": 0, "first": 410, "last": 500}]).gaps()[0]
    assert 100 * MS <= start <= 300 * MS
    assert stop == 410 * MS


def test_damaged_buffer_that_is_the_first_or_last_of_its_processor() -> None:
    [(start, stop)] = facts(but(0, first=None, last=None, state=DAMAGED)).gaps()[0]
    assert start <= 0
    assert stop == 110 * MS
    gaps, end, why = facts(but(3, first=None, last=None, state=DAMAGED)).gaps()
    assert gaps[0][0] == 200 * MS
    assert gaps[0][1] >= 1000 * MS
    assert (end, why) == (200 * MS, LOST)


def test_buffer_whose_header_is_nonsense_may_be_of_any_processor_and_time() -> None:
    assert (NEVER, FOREVER) in facts(but(1, state=NO_HEADER)).gaps()[0]


def test_many_damaged_buffers_are_not_placed() -> None:
    buffers = [{"cpu": n % 2, "first": n + 1, "last": n + 1, "state": DAMAGED} for n in range(2000)]
    assert facts(buffers, end_ns=5000 * MS).gaps()[0] == [(NEVER, FOREVER)]


# row 6: holes --------------------------------------------------------------------------------------------------------


def hole(sequences: tuple[int, ...], buffers: list[dict[str, Any]] = FOUR, **more: Any) -> list[tuple[int, int]]:
    return facts([{**b, "sequence": s} for b, s in zip(buffers, sequences, strict=True)], **more).gaps()[0]


def test_hole_from_its_neighbours_first_records_to_any_processors_next_buffer() -> None:
    """From the first records of its neighbours in number to the latest first record of any CPU's next buffer."""
    assert hole((1, 2, 3, 4)) == []
    [(start, stop)] = hole((1, 2, 4, 5))
    assert start == 20 * MS  # the earlier of the neighbours' first records
    assert stop == 210 * MS  # processor 0 goes on at 110, processor 1 at 210


def test_hole_behind_which_a_processor_has_no_buffer() -> None:
    [(start, stop)] = hole((1, 2, 3, 5))
    assert start == 110 * MS
    assert stop >= 1000 * MS


def test_hole_whose_next_neighbour_began_earlier() -> None:
    """Numbers are given when buffers are flushed, so a later number may hold older records."""
    buffers = [FOUR[0], {"cpu": 1, "first": 150, "last": 160}, {"cpu": 0, "first": 105, "last": 300}, FOUR[3]]
    [(start, _)] = hole((1, 2, 4, 5), buffers)
    assert start == 105 * MS


def test_order_in_the_file_does_not_matter() -> None:
    turned = [FOUR[2], FOUR[3], FOUR[0], FOUR[1]]
    assert hole((4, 5, 1, 2), turned) == hole((1, 2, 4, 5))


def test_two_buffers_of_one_number_are_no_order() -> None:
    assert hole((1, 2, 2, 3)) == [(NEVER, FOREVER)]


def test_appended_file_has_an_end_in_its_middle() -> None:
    assert facts(FOUR, mode=4).gaps()[0] == [(NEVER, FOREVER)]


def test_file_without_data() -> None:
    assert facts([]).gaps() == ([], 1000 * MS, END)
    assert facts([], end_ns=None).gaps()[1] == 0
    assert facts([], mode=0x400).incomplete_before() == FOREVER


# from files ----------------------------------------------------------------------------------------------------------

SCRIPT = run_script(
    "driver\n"
    + "\n".join(f"@cpu={n % 2} @tid={n % 2 + 1} open S{n} Flags=datagram\nclose S{n}" for n in range(30))
    + "\nunload"
)
OPTIONS = TraceOptions(buffer_size=2048, end=SCRIPT.options.end)
WHOLE = write_native(SCRIPT.events, options=OPTIONS)
PARTS = len(split(WHOLE)) - 1


def read(data: bytes) -> FileFacts:
    analysis = Analysis(io.BytesIO(data))
    assert analysis.reading
    return facts_of(analysis.file)


def test_facts_of_a_whole_file() -> None:
    found = read(WHOLE)
    start = found.start_ns
    assert found.gaps() == ([], start + SCRIPT.options.end // 100 * 100, END)
    assert (found.events_lost, found.buffers_lost, found.mode, found.cpus) == (0, 0, 1, 2)
    assert not found.cut
    assert not found.wrapped
    assert found.os_build == OPTIONS.build
    data = found.first[found.first > NEVER]
    assert data.min() - start <= min(e.time for e in SCRIPT.events)
    assert found.last.max() - start == max(e.time for e in SCRIPT.events) // 100 * 100


def test_facts_need_a_file_that_was_read() -> None:
    with pytest.raises(ValueError, match="not been read"):
        facts_of(Analysis(io.BytesIO(WHOLE)).file)


def test_facts_of_files_that_lost_something() -> None:
    lost = losses.lose_buffers(WHOLE, {3})
    assert read(lost).gaps()[0] == [(NEVER, FOREVER)]
    quiet = read(losses.lose_buffers(WHOLE, {3}, count_buffers=False, count_events=False))
    assert quiet.events_lost == quiet.buffers_lost == 0
    assert quiet.gaps()[0]
    hole = read(losses.open_hole(WHOLE, 4, 3))
    assert len(hole.gaps()[0]) == 1
    kept = 8
    wrapped = read(losses.wrap(WHOLE, kept))
    assert wrapped.wrapped
    flushes = sorted(part.flush for part in split(WHOLE)[1:])[-kept:]
    assert wrapped.incomplete_before() == wrapped.start_ns + OPTIONS.ns_at(flushes[0])


def test_facts_of_files_that_end_early() -> None:
    assert read(losses.never_stopped(WHOLE)).end_ns is None
    assert read(losses.cut(WHOLE, len(WHOLE) - 2048 * 3 - 100)).cut
    assert read(losses.cut(WHOLE, 2048 * (PARTS - 2))).cut  # at the edge of a buffer
    full = read(losses.stop_at_size(WHOLE, 20))
    assert full.full
    assert full.gaps()[1] < read(WHOLE).gaps()[1]


def test_facts_of_an_appended_file() -> None:
    found = read(losses.append(WHOLE, WHOLE))
    assert found.gaps()[0] == [(NEVER, FOREVER)]
    assert found.os_build == 0  # the header is that of the first session


def test_facts_of_a_damaged_file() -> None:
    head, *parts = split(WHOLE)
    parts[5].data[0x48:] = b"\xa5" * (len(parts[5].data) - 0x48)
    [(start, stop)] = read(join([head, *parts])).gaps()[0]
    whole = read(WHOLE)
    mine = np.flatnonzero(whole.buffers.sequence == parts[5].sequence)
    begin, end = int(whole.first[mine].max()), int(whole.last[mine].max())
    assert start < begin
    assert stop > end
    assert stop - start < S


def test_a_file_that_is_written_once_begins_with_buffer_one() -> None:
    """Whose first buffer is gone, with nothing in the header to say so, has a gap before the rest."""
    whole = run_script("driver\nopen S Flags=datagram\n@tid=9 @cpu=2 run WskBind S\nclose S\nunload").etl()
    parts = split(whole)
    assert sorted(part.sequence for part in parts[1:]) == [1, 2, 3]
    for number, gapped in ((1, True), (3, False)):
        left = join([part for part in parts if parts.index(part) == 0 or part.sequence != number])
        told = Analysis(io.BytesIO(left)).table("quality").to_pylist()
        gaps = [row for row in told if row["item"] == "gap" and row["name"] == "file"]
        assert bool([row for row in gaps if row["start"] is None]) is gapped


def test_a_file_without_a_time_of_start_has_no_span() -> None:
    with wsktrace.open(io.BytesIO(write_native(SCRIPT.events, options=TraceOptions(start=0)))) as trace:
        last = trace.arrow("operations")["time"].cast("int64").to_pylist()[-1]
        assert (trace.summary.start_ns, trace.summary.span_ns) == (None, None)
        assert trace.summary.end_ns is not None
        assert trace.summary.end_ns >= last


def test_the_trace_ends_no_earlier_than_its_last_record() -> None:
    """EndTime is the system's time, which may be set while the session's clock goes on."""
    options = TraceOptions(end=SCRIPT.events[-1].time // 2)
    with wsktrace.open(io.BytesIO(write_native(SCRIPT.events, options=options))) as trace:
        last = trace.arrow("operations")["time"].cast("int64").to_pylist()[-1]
        assert trace.summary.end_ns == last
