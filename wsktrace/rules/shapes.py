"""The seven shapes of a rule. Verdicts, and what doubt does to them, live only here.

Source: wsk-contract 3.K. A shape answers, for each judged instance, with a pair: ``seen`` (what the trace shows breaks
the rule) and ``doubt`` (why it may be otherwise). Seen and certain is FAIL; seen and doubtful is a suspect; not
seen but doubtful is UNKNOWN; neither is PASS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import ALIAS, CAP, END, LOST, ORDER, START

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.lanes import Lane
    from wsktrace.model.world import World

__all__ = [
    "ALIAS",
    "CAP",
    "END",
    "LOST",
    "ORDER",
    "START",
    "Answer",
    "balance",
    "doubt_if",
    "forbidden_follow",
    "join",
    "liveness",
    "local",
    "overlap",
    "precedence",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question is answered with: arrays ``seen`` (bool) and ``doubt`` (uint8 mask), one length.

    ``&``, ``|`` and ``~`` follow Kleene: a side that is certain and settles the matter takes the other's doubt away.
    """

    seen: NDArray[np.bool_]
    doubt: NDArray[np.uint8]

    def __and__(self, other: Answer) -> Answer:
        settled = (~self.seen & (self.doubt == 0)) | (~other.seen & (other.doubt == 0))
        return Answer(self.seen & other.seen, np.where(settled, 0, self.doubt | other.doubt).astype(np.uint8))

    def __or__(self, other: Answer) -> Answer:
        return ~(~self & ~other)

    def __invert__(self) -> Answer:
        return Answer(~self.seen, self.doubt)

    def doubting(self, *doubts: NDArray[np.uint8]) -> Answer:
        """Return the answer with further doubts."""
        total = self.doubt.copy()
        for doubt in doubts:
            total |= doubt
        return Answer(self.seen, total)

    def settled_where(self, certain: NDArray[np.bool_]) -> Answer:
        """Return the answer without doubt where something else makes it certain."""
        return Answer(self.seen, np.where(certain, 0, self.doubt).astype(np.uint8))


def doubt_if(condition: NDArray[np.bool_], bit: int) -> NDArray[np.uint8]:
    """Return the bit where the condition holds, as a doubt array."""
    return np.where(condition, bit, 0).astype(np.uint8)


def local(broken: NDArray[np.bool_], known: NDArray[np.bool_]) -> Answer:
    """L: fields of one event decide. Nothing that was lost matters; a field that is not there makes it U-CAP."""
    return Answer(broken & known, doubt_if(~known, CAP))


def join(broken: NDArray[np.bool_], present: NDArray[np.bool_], *doubts: NDArray[np.uint8]) -> Answer:
    """J: fields of several events of one submission decide.

    ``present``: every leg is there with the fields that are needed; a leg that is not leaves at least U-CAP.
    """
    answer = Answer(broken & present, np.zeros(len(broken), np.uint8)).doubting(*doubts)
    return answer.doubting(doubt_if(~present & (answer.doubt == 0), CAP))


def forbidden_follow(
    world: World,
    lane: Lane,
    *,
    after: NDArray[np.bool_],
    until: NDArray[np.bool_],
    at: NDArray[np.integer[Any]],
    maybe: NDArray[np.bool_] | None = None,
    since_ever: bool = True,
) -> Answer:
    """F: at these positions of the lane, is the entity between an ``after`` and the next ``until``?

    A gap since the last of either, or an element that may be either (``maybe``), makes it doubtful, as does one that
    is not certainly on this side. ``since_ever=False``: what was before the trace cannot matter (no ``after`` was
    seen).
    """
    on, off = lane.last(after)[at], lane.last(until)[at]
    last = np.maximum(on, off)
    seen = on > off
    begin = np.where(last >= 0, lane.rows[np.maximum(last, 0)], -1)
    rows = lane.rows[at]
    doubt = world.touch(begin, rows)
    if not since_ever:
        doubt = np.where(last >= 0, doubt, 0).astype(np.uint8)
    if maybe is not None:
        doubt |= doubt_if(lane.last(maybe)[at] > last, ALIAS)
    some = last >= 0
    doubt[some] |= world.unordered(begin[some], rows[some])
    # what stands on the other side of the decisive element, or of the judged one, within the tolerance
    against = np.where(on > off, 1, 2)
    for mask, kind in ((until, 1), (after, 2)):
        doubt |= world.loose(lane, np.where(some & (against == kind), last, -1), mask, ahead=False)
    doubt |= world.loose(lane, at, after | until if maybe is None else after | until | maybe, ahead=True)
    if maybe is not None:
        doubt |= world.loose(lane, last, maybe, ahead=False)
    return Answer(seen, doubt)


def precedence(
    world: World,
    found: NDArray[np.bool_],
    rows: NDArray[np.integer[Any]],
    since: NDArray[np.integer[Any]],
    *doubts: NDArray[np.uint8],
) -> Answer:
    """P: each row needs an earlier event.

    ``found`` says whether it is there, ``since`` from where it could be (-1 ever).
    """
    missing = Answer(~found, world.touch(since, rows)).doubting(*doubts)
    return missing.settled_where(found)


def liveness(
    world: World,
    start: NDArray[np.integer[Any]],
    then: NDArray[np.integer[Any]],
    *,
    within_ns: NDArray[np.int64],
    teardown: NDArray[np.integer[Any]],
    doubt: NDArray[np.uint8],
    link: NDArray[np.uint8] | None = None,
) -> Answer:
    """V: after ``start`` the row ``then`` (-1: none seen) must come within a time, and before ``teardown`` (-1: none).

    ``within_ns`` 0 is without limit of time. Only a gap before the deadline (or the teardown) makes absence doubtful;
    where the complete part ends before the deadline it is U-END, and a suspect as long as there is a limit. ``doubt``
    is about absence, ``link`` about ``then`` being the right one.
    """
    time, n = world.ops.time, len(world)
    begun = time[start] if n else np.zeros(0, np.int64)
    limit = begun + within_ns
    limited = within_ns > 0
    came = then >= 0
    late = came & limited & (np.where(came, time[then], 0) > limit + world.tolerance_ns)
    torn = (teardown >= 0) & (~came | (then > teardown))
    over = limited & ~came & (world.coverage.end_ns > limit + world.tolerance_ns)
    deadline = np.full(len(start), n)
    if bool((limited & (~came | late | torn)).any()):
        ahead = np.maximum.accumulate(time)
        deadline = np.where(limited, np.searchsorted(ahead, limit + world.tolerance_ns, side="right"), n)
    bound = np.where(torn, np.where(late | over, np.minimum(deadline, teardown), teardown), deadline)
    bound = np.where(came & ~late & ~torn, start, bound)
    by_time = ~torn & limited
    total = np.where(by_time, world.touch(start, bound, tail=False), world.touch(start, bound)) | doubt
    total = total | np.where(
        by_time & (limit + world.tolerance_ns >= world.coverage.end_ns), world.coverage.end_doubt, 0
    )
    failed = torn | late | over
    waiting = ~came & ~failed
    seen = failed | (waiting & limited)
    total = total | doubt_if(waiting, world.coverage.end_doubt or END)
    linked = np.zeros(len(start), np.uint8) if link is None else link.copy()
    both = torn & came
    linked[both] |= world.unordered(teardown[both], then[both])
    total = np.where(came & ~late & ~torn, 0, total).astype(np.uint8)
    return Answer(seen, total | np.where(came, linked, 0).astype(np.uint8))


def balance(level: NDArray[np.int64], *, at_most: int, doubts: tuple[NDArray[np.uint8], ...]) -> Answer:
    """C: at each instance, is the count (plus − minus, as far as seen) at most that much?"""
    return Answer(level <= at_most, np.zeros(len(level), np.uint8)).doubting(*doubts)


def overlap(
    world: World,
    start: NDArray[np.integer[Any]],
    end: NDArray[np.integer[Any]],
    point: NDArray[np.integer[Any]],
    *doubts: NDArray[np.uint8],
) -> Answer:
    """I: does the row ``point`` lie inside (start, end) of its instance?

    Gaps in between hide an earlier end; -1 is no point.
    """
    has = point >= 0
    seen = has & (start < point) & (point < end)
    answer = Answer(seen, np.where(has, world.touch(start, np.maximum(point, start)), 0).astype(np.uint8))
    return answer.doubting(*doubts).settled_where(~has)


def never(n: int) -> NDArray[Any]:
    """Return rows that do not exist."""
    return np.full(n, -1, np.int64)
