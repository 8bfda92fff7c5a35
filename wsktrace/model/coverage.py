"""Coverage: where the absence of an event is evidence.

Source: wsk-contract 1.5, items 0 (edges of a trace), 2 (lost events), 9 (what was enabled), 11 (closed world).
Gaps are intervals of row positions: an event may be missing anywhere after row ``lo`` and before row ``hi``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import CAP, LOST, START
from wsktrace.wsk.constants import SO_WSK_EVENT_CALLBACK, WSK_EVENT_ACCEPT, WSK_SET_STATIC_EVENT_CALLBACKS
from wsktrace.wsk.operations import CALLBACK, CODES, DATA, GROUPS, IRP, OPS, SOCKET, Group, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.filefacts import FileFacts
    from wsktrace.wsk.ops import Operations

__all__ = ["Coverage", "cover"]

#: For each group of events its number and those whose sighting proves it too (same keyword, higher level).
_GROUP_OF_OP = np.array([GROUPS.index(op.group) for op in OPS], np.uint8)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is complete of one load's rows.

    Attributes:
        lo, hi: merged gaps as row positions, ascending, int64.
        head: rows before this position lie in a beginning that is not complete; -1 where the load begins in the trace.
        birth: row of DriverEntry where it lies in the complete part, else -1.
        end_ns: until when absence is evidence, ns UTC; ``end_doubt`` says why not longer.
        tail: first row that may stand behind ``end_ns``, where some processors' events are there and others' are not;
            one more than the rows where there is none.
        segments: first rows of the stretches between ProviderState events; ``logged`` (segments × groups) says what
            was enabled in each, as far as the trace shows.
    """

    lo: NDArray[np.int64]
    hi: NDArray[np.int64]
    head: int
    birth: int
    end_ns: int
    end_doubt: int
    tail: int
    segments: NDArray[np.int64]
    logged: NDArray[np.bool_]
    #: per group how many segments before each it was not enabled in
    off: NDArray[np.int64]

    def touch(self, a: NDArray[Any], b: NDArray[Any], *, tail: bool = True) -> NDArray[np.uint8]:
        """Return the doubt about what lies between rows a and b (exclusive); a = -1 stands for "since ever".

        Without ``tail`` the end of the complete part is left to the caller, who knows a time instead of row b.
        """
        a = np.asarray(a, np.int64)
        b = np.asarray(b, np.int64)
        doubt = np.where((a < self.head) & (b > -1), START, 0).astype(np.uint8)
        if tail:
            doubt |= np.where(b >= self.tail, self.end_doubt, 0).astype(np.uint8)
        if len(self.lo):
            place = np.searchsorted(self.hi, a, side="right")
            inside = place < len(self.lo)
            place[~inside] = 0
            doubt |= np.where(inside & (self.lo[place] < b), LOST, 0).astype(np.uint8)
        return doubt

    def unlogged(self, group: Group, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint8]:
        """Return ``CAP`` where events of that group are not known to have been enabled all the way from a to b."""
        off = self.off[GROUPS.index(group)]
        first = np.searchsorted(self.segments, np.maximum(np.asarray(a, np.int64), 0), side="right") - 1
        last = np.searchsorted(self.segments, np.asarray(b, np.int64), side="right")
        return np.where(off[np.maximum(last, first + 1)] > off[np.maximum(first, 0)], CAP, 0).astype(np.uint8)


def cover(ops: Operations, facts: FileFacts, *, has_seq: bool, mixed: bool, tolerance_ns: int) -> Coverage:
    """Return the coverage of one load's operations (in their order) in a file with those facts."""
    n = len(ops)
    entry = np.flatnonzero((ops.op == CODES["DriverEntry"]) & (ops.phase == Phase.ENTER))
    birth = int(entry[0]) if len(entry) else -1
    tail = n + 1
    if mixed:
        lo, hi, head = np.array([-2]), np.array([n + 1]), n
        end_ns, end_doubt, birth = _BEFORE_ALL, LOST, -1
    elif has_seq:
        holes = np.flatnonzero(np.diff(ops.seq) > 1)
        lo, hi = holes, holes + 1
        head = -1 if birth >= 0 else 0
        end_ns, end_doubt = _end_with_seq(ops, facts)
    else:
        gaps, end_ns, end_doubt = facts.gaps()
        before = facts.incomplete_before()
        head = -1 if birth >= 0 else 0
        if before is not None:
            head = max(int(np.searchsorted(ops.time, before + tolerance_ns, side="right")), 0)
        if n and end_ns < int(ops.time.max()):
            tail = int(np.searchsorted(np.maximum.accumulate(ops.time), end_ns - tolerance_ns))
        lo, hi = _positions(ops.time, gaps, tolerance_ns)
        if birth >= 0 and (birth < head or birth >= tail or np.any((lo < birth) & (hi > birth))):
            birth = -1
            head = max(head, 0)
    segments, logged = _segments(ops, has_seq=has_seq)
    return Coverage(
        np.asarray(lo, np.int64),
        np.asarray(hi, np.int64),
        head,
        birth,
        end_ns,
        end_doubt,
        tail,
        segments,
        logged,
        _off(logged),
    )


def _off(logged: NDArray[np.bool_]) -> NDArray[np.int64]:
    off = np.zeros((logged.shape[1], len(logged) + 1), np.int64)
    np.cumsum(~logged.T, axis=1, out=off[:, 1:])
    return off


_BEFORE_ALL = -(1 << 62)


def _end_with_seq(ops: Operations, facts: FileFacts) -> tuple[int, int]:
    """Seq proves the trace complete up to its last number; only a file without a flaw is complete beyond that."""
    last = int(ops.time[-1])
    gaps, end_ns, end_doubt = facts.gaps()
    overwritten = facts.incomplete_before()
    if any(stop > last for _, stop in gaps) or (overwritten is not None and overwritten > last):
        return last, LOST
    return max(last, end_ns), end_doubt


def _positions(
    time: NDArray[np.int64], gaps: list[tuple[int, int]], tolerance_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn intervals of time into merged intervals of row positions."""
    ahead = np.maximum.accumulate(time) if len(time) else time
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(gaps):
        low = int(np.searchsorted(ahead, start - tolerance_ns, side="left")) - 1
        high = int(np.searchsorted(ahead, stop + tolerance_ns, side="right"))
        if start <= _BEFORE_ALL:
            low = -2
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return np.array([g[0] for g in merged], np.int64), np.array([g[1] for g in merged], np.int64)


def _segments(ops: Operations, *, has_seq: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the stretches between ProviderState events and which groups of events were enabled in each.

    A group counts where the trace shows an event of it in the stretch, or the state at its beginning says so. The state
    is that of all sessions together; what this one filtered shows as holes in Seq. So it is believed only where silence
    is plausible: not for callbacks that were asked for, and without Seq not for calls, completions and data operations.
    """
    states = np.flatnonzero(ops.op == CODES["ProviderState"])
    first = np.concatenate([[0], states[states > 0]]).astype(np.int64)
    ends = np.append(first[1:], len(ops))
    seen = [np.bincount(ops.op[a:b], minlength=len(OPS)) for a, b in zip(first.tolist(), ends.tolist(), strict=True)]
    logged = np.zeros((len(first), len(GROUPS)), np.bool_)
    for segment, counts in enumerate(seen):
        logged[segment, _GROUP_OF_OP[np.flatnonzero(counts)]] = True
    begins = states[np.searchsorted(states, first).clip(max=max(len(states) - 1, 0))] == first if len(states) else None
    mask, mask_known = ops.arg("match_any_keyword", first)
    level, level_known = ops.arg("trace_level", first)
    silent = (*(() if has_seq else (SOCKET, IRP, DATA)), *((CALLBACK,) if _accepts_asked_for(ops) else ()))
    for g, group in enumerate(GROUPS):
        stated = ((mask == 0) | ((mask & group.keyword) != 0)) & ((level == 0) | (level >= group.level))
        if begins is not None and group not in silent:
            logged[:, g] |= begins & mask_known & level_known & stated
        for other, wider in enumerate(GROUPS):
            if wider.keyword == group.keyword and wider.level > group.level:
                logged[:, g] |= logged[:, other]
    return first, logged


def _accepts_asked_for(ops: Operations) -> bool:
    """Whether a call enables accept callbacks, on a socket or for all."""
    calls = (ops.op == CODES["WskControlSocket"]) | (ops.op == CODES["WskControlClient"])
    rows = np.flatnonzero(calls & (ops.phase == Phase.ENTER))
    code, code_known = ops.arg("control_code", rows)
    asks = np.isin(code, (SO_WSK_EVENT_CALLBACK, WSK_SET_STATIC_EVENT_CALLBACKS)) | ~code_known
    value, _ = ops.arg("input_value", rows[asks])
    return bool(np.any((value & np.uint64(WSK_EVENT_ACCEPT)) != 0))
