"""What ran inside what on one thread: completion routines and callbacks as frames, and what began inside them.

Source: wsk-contract 1.4: nesting on a thread shows containment in time; cause only where an interrupt is excluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import Lane
from wsktrace.rules.shapes import CAP, ORDER, doubt_if

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

__all__ = ["Frames", "caused", "ended_frames"]

_DISPATCH_LEVEL = 2


@dataclass(slots=True)
class Frames:
    """Intervals on threads: first rows, ascending, and their last rows (the number of rows where none is seen)."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    def around(self, f: Facts, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the innermost frame that each row is inside of, -1 where there is none."""
        found = np.full(len(rows), -1, np.int64)
        wide = np.flatnonzero(self.end > self.begin + 1)
        if not len(wide) or not len(rows):
            return found
        thread = f.world.thread
        begin, end = self.begin[wide], self.end[wide]
        asked = _inside_any(thread, begin, end, rows)
        inner = self._innermost(thread, begin, end, rows[asked])
        found[asked] = np.where(inner >= 0, wide[inner], -1)
        return found

    @staticmethod
    def _innermost(
        thread: NDArray[np.int32],
        begin: NDArray[np.int64],
        end: NDArray[np.int64],
        rows: NDArray[np.integer[Any]],
    ) -> NDArray[np.int64]:
        ended = end < len(thread)
        # a row that begins a frame itself is asked before that frame
        at = np.concatenate([rows, begin, end[ended]]).astype(np.int64)
        step = np.repeat(np.array([0, 1, -1]), [len(rows), len(begin), int(ended.sum())])
        by = np.argsort(thread[at].astype(np.int64) * len(thread) + at, kind="stable")
        step = step[by]
        level = np.cumsum(step)
        keep = np.flatnonzero((step > 0) | ((by < len(rows)) & (level > 0)))
        # threads whose frames did not all end raise the level of those behind them: the key holds the thread, too
        lane = Lane(keep, (thread[at[by[keep]]].astype(np.int64) << 32) | level[keep])
        pick = by[keep[lane.order]]
        last = lane.last(pick >= len(rows))
        inner = np.full(len(rows), -1, np.int64)
        asked = np.flatnonzero(pick < len(rows))
        frame = np.where(last[asked] >= 0, pick[last[asked]] - len(rows), -1)
        row = rows[pick[asked]]
        inner[pick[asked]] = np.where((frame >= 0) & (end[frame] > row), frame, -1)
        return inner


def _inside_any(
    thread: NDArray[np.int32], begin: NDArray[np.int64], end: NDArray[np.int64], rows: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Return places of rows among which are all that are inside of a frame on their thread."""
    if bool(np.all(rows[1:] >= rows[:-1])):
        low, high = np.searchsorted(rows, begin, side="right"), np.searchsorted(rows, end)
        count = high - low
        if int(count.sum()) <= len(rows):
            place = np.repeat(low - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
            return np.unique(place[thread[rows[place]] == np.repeat(thread[begin], count)])
    busy = np.zeros(int(thread.max()) + 1, np.bool_)
    busy[thread[begin]] = True
    asked = np.flatnonzero(busy[thread[rows]])
    # where no frame that began before a row reaches beyond it, the row is inside of none
    reach = np.append(np.maximum.accumulate(end), -1)
    found: NDArray[np.int64] = asked[reach[np.searchsorted(begin, rows[asked]) - 1] > rows[asked]]
    return found


def ended_frames(f: Facts, rows: NDArray[np.integer[Any]]) -> Frames:
    """Return the frames of these first rows whose ends are in the trace."""
    end = f.world.mate[rows]
    return Frames(rows[end >= 0].astype(np.int64), end[end >= 0].astype(np.int64))


def caused(f: Facts, outer: NDArray[np.integer[Any]], inner: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether what began inside a frame (rows) was called by it, and did not interrupt it."""
    level, known = f.irql(outer)
    nested, nested_known = f.irql(inner)
    certain = known & ((level >= _DISPATCH_LEVEL) | (nested_known & (nested == level)))
    unknown = ~known | (~nested_known & ~certain)
    doubt = np.where(certain, 0, np.where(unknown, CAP, ORDER)).astype(np.uint8)
    # without a processor to tell them apart, all idle threads are one
    if not f.world.cpu_orders:
        doubt |= doubt_if(f.ops.tid[outer] == 0, ORDER)
    return doubt | f.world.touch(outer, inner)
