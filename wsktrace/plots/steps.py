"""How many IRPs were outstanding at each moment, by operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.arrays import numbers, words_of
from wsktrace.plots.gaps import shade_gaps
from wsktrace.plots.style import COLOURS, DASHES, OTHER, SECOND, label, legend, nothing, one_axes, tidy, trace_axis
from wsktrace.stats.outstanding import outstanding_curve, spans
from wsktrace.units import duration_text

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["drawable", "outstanding", "spans_of"]

#: Operations that get a curve of their own.
MOST_CURVES = 5
#: Steps that one curve is drawn with at most; more are drawn as their highest in equal parts of time.
MOST_STEPS = 1600
#: How many parts these are: few enough that a curve that goes up and down in each of them is not a bar code.
PARTS = 200


def outstanding(
    irps: pa.Table,
    axes: Axes | None = None,
    *,
    quality: pa.Table | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    most: int = MOST_CURVES,
) -> Axes:
    """Draw how many IRPs were outstanding over time: all as an area, the busiest operations as lines.

    Args:
        irps: the table.
        axes: where to draw; a new pyplot figure where None.
        quality: the table; where events may be missing is shaded.
        start_ns: when the trace starts, ns UTC; the first issue where None.
        end_ns: when it ends; the last event of ``irps`` where None.
        most: operations with a line of their own, those with the highest peaks.

    Returns:
        The axes. An IRP counts from its issue to its completion; without one, to the end where it is open, else to
        the return of its call. Where a curve has more than 1,600 steps, the highest in each 200th of the time is drawn
        of all, and the title says so.
    """
    from matplotlib.ticker import MaxNLocator

    ax = one_axes(axes, 9.5, 3.6)
    if not irps.num_rows:
        return nothing(ax, "no use of an IRP in this trace")
    begin, end, first, last = spans_of(irps, start_ns, end_ns)
    code, names = words_of(irps.column("op"), "unknown")
    times, counts = outstanding_curve(begin, end)
    dense = len(times) > MOST_STEPS
    times, counts = drawable(times, counts, first, last, dense=dense)
    x = (times - first) / SECOND
    told = f"all operations  (most {int(counts.max()):,})"
    ax.fill_between(x, counts, step="post", facecolor=f"{OTHER}4D", edgecolor=OTHER, linewidth=0.5, label=told)
    curves = {}
    for at in np.argsort(-np.bincount(code, minlength=len(names)), kind="stable")[: 4 * most].tolist():
        mine = code == at
        if mine.any():
            curves[names[at]] = outstanding_curve(begin[mine], end[mine])
    highest = sorted(curves, key=lambda name: -int(curves[name][1].max(initial=0)))[:most]
    for at, name in enumerate(highest):
        times, counts = drawable(*curves[name], first, last, dense=dense)
        ax.step(
            (times - first) / SECOND,
            counts,
            where="post",
            color=COLOURS[at % len(COLOURS)],
            linestyle=DASHES[at % len(DASHES)],
            linewidth=1.3,
            label=f"{label(name)}  (most {int(counts.max()):,})",
        )
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel("IRPs outstanding", fontsize=9)
    tidy(ax, grid="y")
    trace_axis(ax, first, last)
    if dense:
        ax.set_title(f"the highest in each {duration_text((last - first) // PARTS)}", loc="left", fontsize=9)
    more = shade_gaps(ax, quality, first, last)
    legend(ax, [*ax.get_legend_handles_labels()[0], *more])
    return ax


def spans_of(
    irps: pa.Table, start_ns: int | None, end_ns: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
    """Return from when to when each use of an IRP is known to be outstanding, and the first and last time of all."""
    times = [numbers(irps, name) for name in ("issue_time", "complete_time", "return_time")]
    first = int(times[0].min()) if start_ns is None else min(start_ns, int(times[0].min()))
    last = max(*(int(held.max()) for held in times), first if end_ns is None else end_ns)
    return *spans(irps, last), first, last


def drawable(
    times: NDArray[np.int64], counts: NDArray[np.int64], first: int, last: int, *, dense: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a curve from ``first`` to ``last``; a dense one as its highest in equal parts of the time."""
    inside = times < last  # what is open at the end goes on to the edge of the picture
    times, counts = np.concatenate([[first], times[inside]]), np.concatenate([[0], counts[inside]])
    if dense:
        edges = np.linspace(first, last, PARTS + 1).astype(np.int64)[:-1]
        at = np.searchsorted(times, edges, side="left")
        before = counts[np.maximum(at - 1, 0)]
        filled = at < np.append(at[1:], len(times))
        highest = before.copy()
        highest[filled] = np.maximum(before[filled], np.maximum.reduceat(counts, at[filled]))
        times, counts = edges, highest
    return np.append(times, last), np.append(counts, counts[-1])
