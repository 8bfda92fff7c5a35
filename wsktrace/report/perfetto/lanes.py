"""How slices are laid on tracks: those of one track must nest, so what overlaps otherwise goes to further lanes.

Everything rests on matching ends to beginnings as brackets match, for all groups at once, without a loop over rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FOREVER", "interleaved", "lanes", "match"]

#: End of a slice that has none.
FOREVER = np.iinfo(np.int64).max


def match(group: NDArray[np.integer[Any]], opens: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each row the row that it pairs with as brackets of its group do, -1 where there is none.

    Args:
        group: to which group each row belongs; rows are in their order.
        opens: whether a row opens a pair (True) or closes the latest open one.
    """
    mate = np.full(len(group), -1, np.int64)
    if len(group) < 2:
        return mate
    order = np.argsort(group, kind="stable")
    held, begins = group[order], opens[order]
    # the level on which a row opens or closes; a pair's two rows are neighbours on one level of one group
    level = np.cumsum(np.where(begins, 1, -1)) + ~begins
    by = np.lexsort((level, held))
    order, held, begins, level = order[by], held[by], begins[by], level[by]
    first = np.flatnonzero((held[:-1] == held[1:]) & (level[:-1] == level[1:]) & begins[:-1] & ~begins[1:])
    mate[order[first]] = order[first + 1]
    mate[order[first + 1]] = order[first]
    return mate


def interleaved(
    begin: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return the beginnings and ends of slices in the order of time: (slice int64, whether it begins, time int64).

    At one time, a slice ends before another begins, and one without duration begins and ends on the spot.
    """
    order = np.lexsort((end, begin))
    rows = np.repeat(order, 2)
    begins = np.tile(np.array([True, False]), len(order))
    time = np.where(begins, begin[rows], end[rows])
    by = np.argsort(time, kind="stable")
    return rows[by], begins[by], time[by]


def lanes(group: NDArray[np.integer[Any]], begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a lane for each slice, from 0 in each group, such that slices of one lane follow each other.

    A slice takes the lane that was left last, a new one where none is free; so there are no more lanes than slices
    that are going on at once. ``end`` is ``FOREVER`` where a slice does not end.
    """
    rows, begins, _ = interleaved(begin, end)
    mate = match(group[rows], ~begins)  # a beginning takes what the latest end left
    taker = np.flatnonzero(begins)
    before = np.full(len(begin), -1, np.int64)
    before[rows[taker]] = np.where(mate[taker] >= 0, rows[mate[taker]], -1)
    root = np.where(before >= 0, before, np.arange(len(begin)))
    while True:  # follow the chains, twice as far each time
        further = root[root]
        if bool(np.all(further == root)):
            break
        root = further
    new = rows[taker[before[rows[taker]] < 0]]  # slices that opened a lane, in the order of time
    by = new[np.argsort(group[new], kind="stable")]
    starts = np.flatnonzero(np.r_[True, group[by[1:]] != group[by[:-1]]]) if len(by) else np.zeros(0, np.int64)
    number = np.arange(len(by)) - np.repeat(starts, np.diff(np.r_[starts, len(by)]))
    lane = np.zeros(len(begin), np.int64)
    lane[by] = number
    return np.asarray(lane[root], np.int64)
