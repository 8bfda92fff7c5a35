"""Uses of IRPs as bars over time, a band of lanes for each socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import UNKNOWN, among, numbers, words_of
from wsktrace.errors import UsageError
from wsktrace.plots.gaps import shade_gaps
from wsktrace.plots.steps import spans_of
from wsktrace.plots.style import COLOURS, HATCHES, OTHER, SECOND, label, legend, nothing, one_axes, tidy, trace_axis
from wsktrace.units import address_text, duration_text, read_which, which_text

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["lanes", "timeline"]

#: Bars that one picture holds at most.
MOST_BARS = 1500
#: Lanes that one socket gets at most; what overlaps more lies over each other in the last one.
MOST_LANES = 8


def timeline(
    irps: pa.Table,
    axes: Axes | None = None,
    *,
    socket: int | str | None = None,
    quality: pa.Table | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    most: int = 12,
) -> Axes:
    """Draw the uses of IRPs of sockets as bars from issue to completion, coloured and hatched by operation.

    Args:
        irps: the table.
        axes: where to draw; a new pyplot figure where None.
        socket: a ``socket_id`` or the address of a socket, also as text; the first sockets where None.
        quality: the table; where events may be missing is shaded.
        start_ns: where the axis starts, ns UTC; the first issue where None.
        end_ns: when the trace ends; how far the axis goes for one socket that has an open IRP, else to its last event.
        most: sockets at most.

    Returns:
        The axes. A triangle is a completion that was seen, an arrow an IRP that is open at the end of the trace, a
        cross one whose end is not known.

    Raises:
        UsageError: no IRP was used on that socket.
    """
    ids = numbers(irps, "socket_id", -1)
    if socket is not None:
        number = read_which(socket)[0]
        rows = np.flatnonzero((ids == number) | among(irps, "socket", [number]))
        if not len(rows):
            raise UsageError(f"no IRP was used on the socket {which_text(number)} in this trace; see trace.sockets")
    else:
        kept = list(dict.fromkeys(ids[ids >= 0][:200_000].tolist()))[:most]
        rows = np.flatnonzero(np.isin(ids, kept))
    if not len(rows):
        return nothing(one_axes(axes, 9.5, 1.75), "no use of an IRP on a socket in this trace")
    whole = 1 if socket is not None else len(np.unique(ids[ids >= 0]))
    hidden = max(len(rows) - MOST_BARS, 0)
    held = irps.take(_indices(rows[:MOST_BARS]))
    # of many sockets, a single IRP that is open shall not squeeze all the others to the left
    whole_time = socket is not None and bool(among(held, "outcome", ["open"]).any())
    begin, end, first, last = spans_of(held, start_ns, end_ns if whole_time else None)
    ids = ids[rows[:MOST_BARS]]
    bands = list(dict.fromkeys(ids.tolist()))
    addresses = numbers(held, "socket", 0, np.uint64)
    lane, names, base = np.zeros(len(ids), np.int64), [], 0
    for band in bands:
        mine = np.flatnonzero(ids == band)
        lane[mine] = base + lanes(begin[mine], end[mine])
        names.append((base, int(lane[mine].max()) + 1, int(addresses[mine[0]])))
        base = names[-1][1]
    ax = one_axes(axes, 9.5, 1.6 + 0.17 * base + 0.05 * len(bands))
    _draw(ax, held, ((begin - first) / SECOND, (end - first) / SECOND), lane, last=(last - first) / SECOND)
    for low, *_ in names[1:]:
        ax.axhline(low - 0.5, linewidth=0.5, color=OTHER, alpha=0.6)
    ax.set_yticks([(low + high - 1) / 2 for low, high, _ in names], [address_text(a) for *_, a in names])
    for text in ax.get_yticklabels():
        text.set_fontfamily("monospace")
    ax.set_ylim(base - 0.4, -0.6)
    tidy(ax)
    trace_axis(ax, first, last)
    gaps = shade_gaps(ax, quality, first, last)
    later = 0 if end_ns is None else end_ns - last
    legend(ax, [*_handles(ax, later), *gaps])
    told = [f"the first {len(bands):,} of {whole:,} sockets"] if len(bands) < whole else []
    told += [f"{hidden:,} later uses of IRPs not shown"] if hidden else []
    ax.set_title("; ".join(told), loc="left", fontsize=9)
    return ax


def lanes(begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a lane for each span such that spans of one lane do not overlap, as far as ``MOST_LANES`` allow."""
    free: list[int] = []
    found = np.zeros(len(begin), np.int64)
    for at in np.argsort(begin, kind="stable").tolist():
        lane = next((n for n, until in enumerate(free) if until <= begin[at]), len(free))
        lane = min(lane, MOST_LANES - 1)
        free[lane : lane + 1] = [int(end[at])]
        found[at] = lane
    return found


def _draw(
    ax: Axes, irps: pa.Table, spans: tuple[NDArray[Any], NDArray[Any]], lane: NDArray[np.int64], *, last: float
) -> None:
    """Draw the bars by operation, then how each ended."""
    begin, end = spans
    code, names = words_of(irps.column("op"), "unknown")
    counts = np.bincount(code, minlength=len(names))
    spent = np.bincount(code, weights=end - begin, minlength=len(names))
    for rank, at in enumerate(np.lexsort([-spent, counts == 0]).tolist()):
        if not counts[at]:
            break
        mine = np.flatnonzero(code == at)
        other = rank >= len(COLOURS)
        colour = OTHER if other else COLOURS[rank]
        ax.barh(
            lane[mine],
            end[mine] - begin[mine],
            left=begin[mine],
            height=0.62,
            facecolor=f"{colour}66",
            edgecolor=colour,
            hatch="" if other else HATCHES[rank],
            linewidth=0.8,
            label=label(names[at]) if not other else "other operations" if rank == len(COLOURS) else None,
        )
    is_open = among(irps, "outcome", ["open"])
    done = numbers(irps, "complete_time") != UNKNOWN
    look: dict[str, Any] = {"linestyle": "none", "clip_on": False, "color": OTHER}
    ax.plot(end[done], lane[done], marker="|", markersize=7, markeredgewidth=1.4, **look)
    ax.plot(np.full(int(is_open.sum()), last), lane[is_open], marker=">", markersize=6, **look)
    lost = ~done & ~is_open
    ax.plot(end[lost], lane[lost], marker="x", markersize=5, **look)


def _handles(ax: Axes, later: int) -> list[Any]:
    """Return what the legend explains; ``later``: how long (ns) the trace goes on after the picture."""
    from matplotlib.lines import Line2D

    goes_on = f"open at the end,\n{duration_text(later)} after this picture" if later > 0 else "open at the end"
    marks = {"|": "completion", ">": goes_on, "x": "no completion seen"}
    seen = {line.get_marker() for line in ax.lines if len(np.atleast_1d(line.get_xdata()))}
    ends = [Line2D([], [], color=OTHER, marker=m, linestyle="none", label=t) for m, t in marks.items() if m in seen]
    return [*ax.get_legend_handles_labels()[0], *ends]


def _indices(rows: NDArray[np.int64]) -> Any:
    import pyarrow as pa

    from wsktrace.arrow import column

    return column(rows, pa.int64())
