"""Rules about the trace itself: losses, damage, clocks, and whether events keep the profile's word.

None of them is anybody's duty: what they tell are notes, which say how far to trust the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.buffer_advice import buffer_advice
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, Answer, doubt_if, local
from wsktrace.rules.wording import duration
from wsktrace.units import clock_text
from wsktrace.wsk.operations import OPS, Phase
from wsktrace.wsk.ops import KNOWN_SEQ

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

FAMILY = "trace"
_OPENS = (Phase.ENTER, Phase.CALLBACK, Phase.COMPLETE)
_CLOSES = (Phase.RETURN, Phase.CALLBACK_RETURN, Phase.COMPLETE_RETURN)
_EVERY_CALL = ("DriverEntry", "DriverUnload", "registration calls", "calls", "callbacks", "IrpComplete", "IrpWait")
_EVERY_RETURN = (
    "DriverEntry return",
    "DriverUnload return",
    "registration calls return",
    "calls return",
    "callbacks return",
    "IrpComplete return",
    "IrpWait return",
)


def _told(
    f: Facts,
    rows: NDArray[np.integer[Any]],
    broken: Answer,
    tell: Callable[[int], str],
    *evidence: NDArray[np.integer[Any]],
    kept: int = 0,
) -> Instances:
    """Return instances about the trace: each stands at an operation, and is about no life."""
    none = np.full(len(rows), -1, np.int64)
    applies = np.ones(len(rows), np.bool_)
    del f
    return Instances(rows, applies, broken, "operations", rows, none, none, tell, evidence, kept=kept)


def _of_file(f: Facts, *, broken: bool, tell: Callable[[int], str]) -> Instances:
    """Return the one instance of a rule about the file, told with the first load."""
    once = f.world.load == 0 and len(f.world) > 0
    rows = np.array([f.last_row] if once else [], np.int64)
    return _told(f, rows, local(np.full(len(rows), broken), np.ones(len(rows), np.bool_)), tell)


@rule(
    "TRACE-EVENTS-LOST",
    severity="info",
    party="instrumentation",
    shape="L",
    source="TRACE_LOGFILE_HEADER, EventsLost and BuffersLost; native provider, Seq",
    needs="nothing beside the file's header, and Seq",
    advice="Give the session more and larger buffers, as the note says, or trace fewer keywords.",
    legal=True,
)
def trace_events_lost(f: Facts) -> Instances:
    """A trace holds every event that was written while it was taken.

    Told of the file by its header's counts, with an estimate of the buffers that the session would have needed, and of
    each load by the holes in its own counter, which lost, filtered and overwritten events leave alike.
    """
    file, cover = f.file, f.world.coverage
    lost = file.events_lost or file.buffers_lost
    whole = f.world.load == 0 and len(f.world) > 0
    holes = f.world.has_seq and len(cover.lo) > 0
    first = int(cover.lo[0]) if holes else 0
    rows = np.array([f.last_row] * whole + [first] * holes, np.int64)
    broken = np.array([bool(lost)] * whole + [True] * holes, np.bool_)
    kinds = ["file"] * whole + ["load"] * holes

    def tell(i: int) -> str:
        if kinds[i] == "load":
            missing = int((f.ops.seq[cover.hi] - f.ops.seq[cover.lo] - np.uint64(1)).sum())
            return (
                f"{missing:,} of the driver's events are not in the trace, in {len(cover.lo):,} places: "
                "lost, filtered or overwritten"
            )
        words = f"the session lost {file.events_lost:,} events and {file.buffers_lost:,} buffers"
        advice = buffer_advice(file)
        return words + (f"; buffers that might have held them: {advice.words}" if advice else "")

    inside = np.array([-1] * whole + [first] * holes, np.int64)
    behind = np.array([-1] * whole + [int(cover.hi[0])] * holes, np.int64) if holes else inside
    return _told(f, rows, local(broken, np.ones(len(rows), np.bool_)), tell, inside, behind)


@rule(
    "TRACE-BUFFER-DAMAGED",
    severity="info",
    party="instrumentation",
    shape="L",
    source="WMI_BUFFER_HEADER and the walk through its records",
    needs="nothing beside the file",
    advice="Copy the file again; take it from the machine only after the session was stopped.",
    legal=True,
)
def trace_buffer_damaged(f: Facts) -> Instances:
    """Every buffer of a trace can be read to its end."""
    state = f.file.buffers.state
    damaged = int((state != 0).sum())

    def tell(i: int) -> str:
        del i
        places = np.flatnonzero(state)[:3]
        where = ", ".join(f"0x{int(f.file.buffers.file_offset[p]):x}" for p in places)
        more = " …" if damaged > len(places) else ""
        return f"{damaged:,} of {len(state):,} buffers are damaged, at file offset {where}{more}"

    return _of_file(f, broken=damaged > 0, tell=tell)


@rule(
    "TRACE-CLOCK-BACKWARDS",
    severity="info",
    party="instrumentation",
    shape="L",
    source="ETW: the records of one processor stand in the order in which they were written",
    needs="the operations with their places in the file, and the times of the buffers",
    advice="Do not trust durations around it; look for a virtual machine that was moved, or a clock that was set.",
    legal=True,
)
def trace_clock_backwards(f: Facts) -> Instances:
    """On one processor time does not run backwards from one event to the next."""
    clock = f.life.clock

    def tell(i: int) -> str:
        del i
        by, when = duration(clock.before_ns - clock.after_ns), clock_text(clock.before_ns)
        places = f", the longest of {clock.count:,} such steps" if clock.count > 1 else ""
        return f"on CPU {clock.cpu} the clock went back by {by} at {when}{places}"

    found = _of_file(f, broken=clock.count > 0, tell=tell)
    found.kept = max(clock.checked - clock.count, 0) if len(found.row) and clock.count else 0
    return found


def _by_operation(
    f: Facts, rows: NDArray[np.integer[Any]], doubt: NDArray[np.uint8], words: str, kept: int
) -> Instances:
    """Return one instance per operation that has such rows, told with their number and the first of them."""
    certain = rows[doubt == 0]
    kinds, first, count = np.unique(f.ops.op[certain], return_index=True, return_counts=True)
    unsure = rows[doubt != 0]
    at = np.concatenate([certain[first], unsure]).astype(np.int64)
    seen = np.arange(len(at)) < len(kinds)
    broken = Answer(seen, np.concatenate([np.zeros(len(kinds), np.uint8), doubt[doubt != 0]]))

    def tell(i: int) -> str:
        return f"{int(count[i]):,} {OPS[int(kinds[i])].name} events have no {words}; this is the first"

    return _told(f, at, broken, tell, at, kept=kept)


@rule(
    "TRACE-ENTER-WITHOUT-RETURN",
    severity="info",
    party="instrumentation",
    shape="V",
    source="native provider, Rules of emission (an event before and one after each call)",
    needs="entries and returns of calls, completions and callbacks",
    traced=(*_EVERY_CALL, *_EVERY_RETURN),
    advice="Look for a path through the driver's wrapper that skips the second event.",
    limits="A call from which the thread may not have come back yet is not judged: only what an outer call outlived.",
    legal=True,
)
def trace_enter_without_return(f: Facts) -> Instances:
    """Every entry of a call, completion routine or callback is followed by its return.

    Told where a call around it has returned on the same thread, or the driver was unloaded, and nothing was lost.
    """
    begun = np.isin(f.ops.phase, _OPENS)
    bare = begun & (f.world.mate < 0)
    rows = np.flatnonzero(bare)
    end = _outlived(f, rows)
    doubt = np.where(end >= 0, f.world.touch(rows, end), 0).astype(np.uint8)
    known = end >= 0
    return _by_operation(f, rows[known], doubt[known], "return", int(begun.sum()) - len(rows))


def _outlived(f: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row at which each entry's thread had certainly left it: an outer return, or the unload; -1."""
    end = np.full(len(rows), -1, np.int64)
    if not len(rows):
        return end
    unloads = f.rows("DriverUnload", Phase.RETURN)
    if len(unloads):
        place = np.searchsorted(unloads, rows)
        end = np.where(place < len(unloads), unloads[np.minimum(place, len(unloads) - 1)], -1)
    concerned = np.isin(f.world.thread, np.unique(f.world.thread[rows]))
    outer = np.flatnonzero(concerned & np.isin(f.ops.phase, _OPENS) & (f.world.mate >= 0))
    by = np.lexsort((outer, f.world.thread[outer]))
    outer = outer[by]
    n = np.int64(len(f.world) + 1)
    key = f.world.thread[outer].astype(np.int64) * n + outer
    # the innermost pair that began before on the thread, if it ended after; pairs further out are not looked at
    place = np.searchsorted(key, f.world.thread[rows].astype(np.int64) * n + rows) - 1
    has = (place >= 0) & (len(outer) > 0)
    around = outer[np.maximum(place, 0)] if len(outer) else rows
    has &= f.world.thread[around] == f.world.thread[rows]
    back = f.world.mate[around].astype(np.int64)
    inside = has & (back > rows)
    return np.where(inside & ((end < 0) | (back < end)), back, end)


@rule(
    "TRACE-PROFILE-DISAGREES",
    severity="info",
    party="instrumentation",
    shape="J",
    source="native provider, Rules of emission; the profile that reads the events",
    needs="returns of calls, completions and callbacks, Seq",
    traced=(*_EVERY_CALL, *_EVERY_RETURN),
    advice="Look for another profile, another version of the provider's header, or a wrapper that traces one end only.",
    limits="A beginning that may have been lost, or lies before the trace, is no disagreement.",
    legal=True,
)
def trace_profile_disagrees(f: Facts) -> Instances:
    """Events keep the promises of the profile: every return has its entry, and the driver's counter counts.

    The counter disagrees where some events have it and others do not, or numbers come twice or against the clock.
    """
    ended = np.isin(f.ops.phase, _CLOSES)
    rows = np.flatnonzero(ended & (f.world.mate < 0))
    doubt = f.closed_from(rows)
    found = _by_operation(f, rows, doubt, "entry before it", int(ended.sum()) - len(rows))
    if f.world.has_seq or not bool(np.any(f.ops.has(KNOWN_SEQ))):
        return found
    counter = _told(
        f,
        np.zeros(1, np.int64),
        Answer(np.ones(1, np.bool_), doubt_if(np.array([f.world.image == 0]), ALIAS)),
        lambda _: "the driver's own counter is missing in some events, or runs against the clock: it gives no order",
    )
    return _joined(found, counter)


def _joined(one: Instances, other: Instances) -> Instances:
    """Return the instances of both, which have evidence of their rows only."""
    split = len(one.row)

    def tell(i: int) -> str:
        return one.tell(i) if i < split else other.tell(i - split)

    row = np.concatenate([one.row, other.row])
    broken = Answer(
        np.concatenate([one.broken.seen, other.broken.seen]), np.concatenate([one.broken.doubt, other.broken.doubt])
    )
    none = np.full(len(row), -1, np.int64)
    return Instances(
        row, np.ones(len(row), np.bool_), broken, "operations", row, none, none, tell, (row,), kept=one.kept
    )
