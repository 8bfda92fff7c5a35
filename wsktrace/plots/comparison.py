"""Two traces compared: the cumulative curves of each operation over each other, and how far percentiles moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.plots.curves import curve, open_of, percent_axis
from wsktrace.plots.histograms import NOTHING
from wsktrace.plots.style import COLOURS, DASHES, chosen_axes, duration_axis, label, nothing, panels
from wsktrace.stats.histogram import tells
from wsktrace.stats.latency import LEG_NAMES, histograms_of
from wsktrace.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes

    from wsktrace.stats.histogram import Histogram

__all__ = ["compare", "shift_text"]

#: Panels that one figure holds at most.
MOST_PANELS = 12


def compare(
    first: pa.Table,
    second: pa.Table,
    axes: Axes | Sequence[Axes] | None = None,
    *,
    leg: str = "total",
    names: tuple[str, str] = ("A", "B"),
) -> list[Axes]:
    """Draw the cumulative curves of two ``latency`` tables, one axes for each group that both or one of them have.

    Args:
        first: a ``latency`` table (schema.py).
        second: another, grouped by the same.
        axes: one for each group; a new pyplot figure where None.
        leg: of ``stats.LEGS``.
        names: of the two traces, for the legend.

    Returns:
        The axes, at most 12, those with the most durations first: the first trace solid, the second dashed, and above
        each how p50 and p99 moved.
    """
    a, b = ({g.name: h for g, h in histograms_of(t).items() if g.leg == leg and h.count} for t in (first, second))
    open_ = [open_of(table, leg) for table in (first, second)]
    counts = {name: sum(t[name].count for t in (a, b) if name in t) for name in dict.fromkeys([*a, *b])}
    chosen = sorted(counts, key=lambda name: -counts[name])[:MOST_PANELS]
    if not chosen:
        held = panels(1, 9.5, 1.75) if axes is None else chosen_axes(axes, 1, "pictures")
        return [nothing(held[0], NOTHING)]
    wide = min(2, len(chosen))
    held = (
        panels(len(chosen), 5.2 * wide, 2.4, columns=wide, sharex=True)
        if axes is None
        else chosen_axes(axes, len(chosen), "operations")
    )
    for at, (ax, group) in enumerate(zip(held, chosen, strict=False)):
        for which, (table, name) in enumerate(zip((a, b), names, strict=True)):
            if group in table:
                still = f" + {open_[which][group]:,} open" if open_[which][group] else ""
                told = f"{label(name)}  n={table[group].count:,}{still}"
                curve(ax, table[group], told, COLOURS[which], DASHES[which])
        percent_axis(ax)
        duration_axis(ax, LEG_NAMES[leg] if at + wide >= len(chosen) else "", minor=False)
        ax.tick_params(labelbottom=True)
        ax.set_title(label(group), loc="left", fontsize=10, fontweight="bold", pad=16)
        ax.text(0, 1.02, shift_text(a.get(group), b.get(group), names), transform=ax.transAxes, fontsize=8, va="bottom")
        ax.legend(loc="lower right", fontsize=7, framealpha=0.75, edgecolor="none", handlelength=2.5)
    if len(counts) > len(chosen):
        held[len(chosen) - 1].set_xlabel(f"{LEG_NAMES[leg]}; {len(counts) - len(chosen):,} more not shown", fontsize=9)
    return held[: len(chosen)]


def shift_text(a: Histogram | None, b: Histogram | None, names: tuple[str, str] = ("A", "B")) -> str:
    """Return how the median and the 99th percentile moved: ``p50 41 µs → 55 µs (+34 %)   p99 …``.

    A percentile that one of the two is too small to tell is left out.
    """
    if a is None or b is None:
        return f"only in {label(names[0] if b is None else names[1])}"
    parts = []
    for name, fraction in (("p50", 0.5), ("p99", 0.99)):
        if not (tells(a.count, fraction) and tells(b.count, fraction)):
            continue
        old, new = a.percentile(fraction) or 0, b.percentile(fraction) or 0
        parts.append(f"{name} {duration_text(old)} → {duration_text(new)}{_change(old, new)}")
    return "   ".join(parts)


def _change(old: int, new: int) -> str:
    if not old or not new:
        return ""
    if new > 3 * old or old > 3 * new:
        sign, times = ("×", new / old) if new > old else ("÷", old / new)
        return f" ({sign}{times:,.0f})" if times >= 99.5 else f" ({sign}{times:.3g})"
    if round(100 * (new - old) / old) == 0:
        return " (±0 %)"
    return f" ({(new - old) / old:+.0%})".replace("%", " %").replace("-", "−")
