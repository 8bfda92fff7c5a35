"""Durations over time: how many uses of IRPs, issued when, took how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import UNKNOWN, among, numbers
from wsktrace.errors import UsageError
from wsktrace.plots.gaps import shade_gaps
from wsktrace.plots.histograms import NOTHING
from wsktrace.plots.style import COLOURS, SECOND, duration_axis, label, nothing, one_axes, seconds, tidy, trace_axis
from wsktrace.stats.latency import LEG_NAMES, LEGS

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.ticker import FixedLocator
    from numpy.typing import NDArray

__all__ = ["heatmap", "heatmap_counts"]


def heatmap(
    irps: pa.Table,
    axes: Axes | None = None,
    *,
    op: str | None = None,
    leg: str = "total",
    quality: pa.Table | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    times: int = 120,
    per_decade: int = 8,
) -> Axes:
    """Draw how durations change over time: time of issue to the right, duration upwards, the number as colour.

    A use that is open at the end has no duration. It stands as a triangle at the time that it took at least, up to the
    end of the trace, so that a hang is seen.

    Args:
        irps: the table.
        axes: where to draw; a new pyplot figure where None.
        op: this operation only.
        leg: of ``stats.LEGS``.
        quality: the table; where events may be missing is shaded.
        start_ns: when the trace starts, ns UTC; the first issue where None.
        end_ns: when it ends; the last issue where None.
        times: columns of the map.
        per_decade: rows for each power of ten.

    Returns:
        The axes, with a colour bar beside them; empty cells are left blank.

    Raises:
        UsageError: no such leg.
    """
    if leg not in LEGS:
        raise UsageError(f"no leg called {leg!r}; there are {', '.join(LEGS)}")
    if op is not None:
        from wsktrace.arrow import matching

        irps = matching(irps, "op", op)
    issued, took = numbers(irps, "issue_time"), numbers(irps, LEGS[leg])
    known = (took >= 0) & (issued != UNKNOWN)
    still = issued[among(irps, "outcome", ["open"]) & (took < 0) & (issued != UNKNOWN)] if leg != "call" else issued[:0]
    ax = one_axes(axes, 9.5, 4.2)
    if not known.any():
        return nothing(ax, NOTHING if op is None else f"no completed {label(op)} in this trace")
    issued, took = issued[known], took[known]
    times_of = np.concatenate([issued, still])
    first = int(times_of.min()) if start_ns is None else min(start_ns, int(times_of.min()))
    last = max(int(times_of.max()), first + 1, first if end_ns is None else end_ns)
    counts, at, ns = heatmap_counts(issued, took, first, last, times=times, per_decade=per_decade)
    _mesh(ax, counts, at / SECOND, ns / SECOND)
    duration_axis(ax, LEG_NAMES[leg], which="y")
    tidy(ax, grid="")
    trace_axis(ax, first, last)
    shade_gaps(ax, quality, first, last)
    if len(still):
        _triangles(ax, still, first, last)
    ax.set_title(label(op or "all operations"), loc="left", fontsize=10, fontweight="bold")
    return ax


def _triangles(ax: Axes, issued: NDArray[np.int64], first: int, last: int) -> None:
    """Draw what is open: when it was issued, how long it has been pending when the trace ends."""
    at_least = seconds(last - issued)
    told = f"{len(issued):,} open at the end, for at least so long"
    look: dict[str, Any] = {"color": COLOURS[1], "markersize": 6, "markeredgewidth": 0, "linestyle": "none"}
    ax.plot((issued - first) / SECOND, at_least, marker="^", label=told, clip_on=False, rasterized=True, **look)
    ax.set_ylim(top=max(ax.get_ylim()[1], float(at_least.max()) * 1.2))
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, borderaxespad=0.1)


def _mesh(ax: Axes, counts: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draw the cells and their colour bar."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    top = max(int(counts.max()), 2)
    shown = np.ma.masked_equal(counts.T, 0)
    # without its darkest part, viridis stands out from a white page and from a dark one
    colours = ListedColormap(colormaps["viridis"](np.linspace(0.2, 1, 128)))
    held = ax.pcolormesh(x, y, shown, cmap=colours, norm=LogNorm(1, top), rasterized=True)
    bar = ax.figure.colorbar(held, ax=ax, pad=0.01, fraction=0.05)
    few = [n for n in (1, 2, 5, 10, 20, 50) if n <= top]
    bar.ax.yaxis.set_major_locator(LogLocator(10) if top > 50 else _fixed(few))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    bar.ax.tick_params(labelsize=8)
    bar.set_label("uses of IRPs", fontsize=8)


def _fixed(ticks: list[int]) -> FixedLocator:
    from matplotlib.ticker import FixedLocator

    return FixedLocator(ticks)


def heatmap_counts(
    issued: NDArray[np.int64], took: NDArray[np.int64], first: int, last: int, *, times: int = 120, per_decade: int = 8
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Count durations by time of issue and by their logarithm.

    Args:
        issued: int64 ns, within ``first`` and ``last``.
        took: int64 ns, not negative; 0 counts as 1.
        first: left edge of the map.
        last: right edge, belongs to the last column; greater than ``first``.
        times: how many columns.
        per_decade: rows for each power of ten.

    Returns:
        Counts (int64, columns × rows), edges of the columns (float64 ns since ``first``) and of the rows (float64 ns).
    """
    low = int(np.floor(np.log10(max(int(took.min()), 1)) * per_decade))
    high = max(int(np.floor(np.log10(max(int(took.max()), 1)) * per_decade)) + 1, low + per_decade)
    rows = 10.0 ** (np.arange(low, high + 1) / per_decade)
    columns = np.linspace(0, last - first, times + 1)
    x = np.clip(np.searchsorted(columns, issued - first, side="right") - 1, 0, times - 1)
    y = np.clip(np.searchsorted(rows, np.maximum(took, 1), side="right") - 1, 0, high - low - 1)
    counts = np.bincount(x * (high - low) + y, minlength=times * (high - low)).reshape(times, high - low)
    return counts.astype(np.int64), columns, rows
