"""How many uses of IRPs were outstanding at each moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.arrays import UNKNOWN, among, numbers

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["outstanding_curve", "spans"]


def spans(irps: pa.Table, open_until_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return from when until when each use of an IRP is known to be outstanding, int64 ns UTC.

    That is from its issue to its completion; without one, to ``open_until_ns`` where it is open at the end of the
    trace, else to the return of its call, or no time at all where that was not seen either. A completion before the
    issue (clocks of two processors) ends it at once.
    """
    begin = numbers(irps, "issue_time")
    done, back = numbers(irps, "complete_time"), numbers(irps, "return_time")
    still = among(irps, "outcome", ["open"])
    end = np.where(done != UNKNOWN, done, np.where(still, open_until_ns, np.where(back != UNKNOWN, back, begin)))
    return begin, np.maximum(end, begin)


def outstanding_curve(begin: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many of the spans are going on: times (ns, ascending, each once) and the count from each on.

    A span counts from its beginning on and no longer at its end, so one without length does not count.
    """
    times = np.concatenate([begin, end])
    steps = np.concatenate([np.ones(len(begin), np.int64), np.full(len(end), -1, np.int64)])
    order = np.argsort(times, kind="stable")
    times, counts = times[order], np.cumsum(steps[order])
    final = np.flatnonzero(np.concatenate([times[1:] != times[:-1], [True]])) if len(times) else order
    return times[final], counts[final]
