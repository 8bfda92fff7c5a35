"""Cumulative curves of durations: which share of the uses of IRPs took no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.plots.histograms import NOTHING
from wsktrace.plots.style import COLOURS, DASHES, duration_axis, label, legend, nothing, one_axes, seconds, tidy
from wsktrace.stats.histogram import tells
from wsktrace.stats.latency import LEG_NAMES, Group, histograms_of
from wsktrace.units import duration_text

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes

    from wsktrace.stats.histogram import Histogram

__all__ = ["cumulative", "curve", "open_of", "percent_axis"]

#: Curves that one axes holds at most: as many as there are forms of lines.
MOST_CURVES = 6
#: Percentile → marker on the curve.
MARKED = {0.5: "o", 0.9: "s", 0.99: "D"}


def cumulative(table: pa.Table, axes: Axes | None = None, *, leg: str = "total", most: int = MOST_CURVES) -> Axes:
    """Draw for each group of a ``latency`` table which share of its uses of IRPs took no longer than a time.

    Args:
        table: a ``latency`` table (schema.py), by operation, outcome …
        axes: where to draw; a new pyplot figure where None.
        leg: of ``stats.LEGS``.
        most: curves at most, those with the most durations; more than six repeat colours and dashes.

    Returns:
        The axes; circle, square and diamond on a curve are its p50, p90 and p99, as far as its uses tell them. A use
        that is open at the end has no duration and is in no curve; the legend says how many these are.
    """
    held = {group.name: h for group, h in histograms_of(table).items() if group.leg == leg and h.count}
    ax = one_axes(axes, 9.5, 4.2)
    if not held:
        return nothing(ax, NOTHING)
    open_ = open_of(table, leg)
    chosen = sorted(held, key=lambda name: -held[name].count)[:most]
    for at, name in enumerate(chosen):
        h = held[name]
        figures = [(text, f) for text, f in (("p50", 0.5), ("p99", 0.99)) if tells(h.count, f)]
        told = ", ".join(f"{text} {duration_text(h.percentile(f))}" for text, f in figures)
        still = f" + {open_[name]:,} open" if open_[name] else ""
        told = f"{label(name)}  n={h.count:,}{still}\n{told}"
        curve(ax, h, told, COLOURS[at % len(COLOURS)], DASHES[at % len(DASHES)])
    percent_axis(ax)
    duration_axis(ax, f"{LEG_NAMES[leg]} (logarithmic); ○ p50, □ p90, ◇ p99")
    more = f"{len(held) - len(chosen):,} more groups not shown" if len(held) > len(chosen) else ""
    legend(ax, title=more)
    return ax


def open_of(table: pa.Table, leg: str) -> dict[str, int]:
    """Return how many uses of each group of a ``latency`` table are open at the end, by the group's name."""
    rows = table.select([*Group._fields, "absent_open"]).to_pylist()
    return {Group(*(r[k] for k in Group._fields)).name: r["absent_open"] for r in rows if r["leg"] == leg}


def curve(ax: Axes, histogram: Histogram, name: str, colour: str, dash: Any) -> None:
    """Draw one curve with its percentiles marked."""
    ns, share = histogram.cumulative()
    x = seconds(np.concatenate([[histogram.min_ns], ns]))
    marks = {f: histogram.percentile(f) for f in MARKED}
    ax.plot(
        x,
        np.concatenate([[0.0], share]) * 100,
        drawstyle="steps-post",
        color=colour,
        linestyle=dash,
        linewidth=1.6,
        label=name,
    )
    for fraction, marker in MARKED.items():
        if not tells(histogram.count, fraction):
            continue
        at = float(seconds(marks[fraction] or 0))
        ax.plot([at], [fraction * 100], marker, color=colour, markersize=5, markerfacecolor="none", linestyle="none")


def percent_axis(ax: Axes) -> None:
    """Make the vertical axis one of per cent, with the usual percentiles ruled."""
    ax.set_ylim(0, 102)
    ax.set_yticks([0, 25, 50, 75, 90, 99], ["0", "25", "50", "75", "90", "99"])
    ax.set_ylabel("% took no longer", fontsize=9)
    tidy(ax, grid="both")
