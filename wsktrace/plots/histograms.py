"""Histograms of durations: one panel for each operation, or for each status, outcome, category or family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.plots.style import COLOURS, DASHES, chosen_axes, duration_axis, label, nothing, panels, seconds, tidy
from wsktrace.stats.histogram import tells
from wsktrace.stats.latency import LEG_NAMES, LEGS, Group
from wsktrace.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "LINES",
    "MARKS",
    "NOTHING",
    "heights",
    "latency",
    "multiples",
    "open_text",
    "operations_of",
    "percentiles_text",
]

#: Column of ``latency`` → (its name, which share, how its line is drawn).
MARKS = {"p50_ns": ("p50", 0.5, "-"), "p90_ns": ("p90", 0.9, "--"), "p99_ns": ("p99", 0.99, ":")}
#: What the lines in a histogram are.
LINES = "lines: p50 solid, p90 dashed, p99 dotted (p90 needs 10 uses, p99 100)"
NOTHING = "no completed IRP in this trace"
#: Panels that one figure holds at most.
MOST_PANELS = 24
#: Uses from which on a group has a form; bars of fewer may be cut, so that they do not flatten all others.
_FORMED = 20
_LOOK = {leg: (COLOURS[at], DASHES[at]) for at, leg in enumerate(LEGS)}


def operations_of(table: pa.Table) -> list[str]:
    """Return the operations of a ``latency`` table, each once, in its order."""
    return [str(name) for name in dict.fromkeys(table.column("op").to_pylist())]


def latency(
    table: pa.Table,
    axes: Axes | Sequence[Axes] | None = None,
    *,
    op: str | Sequence[str] | None = None,
    legs: Sequence[str] = ("total", "pending"),
) -> list[Axes]:
    """Draw the durations of each group of a ``latency`` table, one axes a group, on a logarithmic axis of time.

    Args:
        table: a ``latency`` table (schema.py).
        axes: where to draw: one axes, or one for each group; a new pyplot figure where None.
        op: draw this operation only, or these.
        legs: of ``stats.LEGS``: ``total`` is a filled area, the others are dashed outlines.

    Returns:
        The axes drawn on, those with the most uses first, at most 24. Each shows how many uses of IRPs took how long,
        with the median and the 90th and 99th percentiles marked, and beside it the figures and how many have none.

    Raises:
        UsageError: the operation or leg is not in the table, or there are fewer axes than groups.
    """
    groups = _groups(table, op, legs)
    names = list(groups)[:MOST_PANELS]
    if not names:
        held = panels(1, 9.5, 1.75) if axes is None else chosen_axes(axes, 1, "pictures")
        return [nothing(held[0], NOTHING)]
    high = 1.6 if len(legs) < 3 else 2.2
    chosen = panels(len(names), 9.5, high, sharex=True) if axes is None else chosen_axes(axes, len(names), "operations")
    edges = _edges(row for name in names for row in groups[name].values())
    for ax, name in zip(chosen, names, strict=False):
        _panel(ax, label(name), groups[name], legs, edges)
    text = f"time (logarithmic); {LINES}"
    if len(groups) > len(names):
        text += f"\n{len(groups) - len(names):,} more not shown"
    chosen[len(names) - 1].set_xlabel(text, fontsize=9)
    return chosen[: len(names)]


def multiples(
    table: pa.Table, axes: Sequence[Axes] | None = None, *, leg: str = "total", columns: int = 3
) -> list[Axes]:
    """Draw the durations of each group on a small axes of its own, all to the same scales, for comparing at a glance.

    A bar of a group of fewer than 20 uses may be cut at the upper edge; its height is written beside it.

    Args:
        table: a ``latency`` table, by operation, socket category, family …
        axes: one for each group; a new pyplot figure where None.
        leg: of ``stats.LEGS``.
        columns: of the new figure.
    """
    groups = _groups(table, None, (leg,))
    names = list(groups)[:MOST_PANELS]
    if not names:
        held = panels(1, 9.5, 1.75) if axes is None else chosen_axes(axes, 1, "pictures")
        return [nothing(held[0], NOTHING)]
    wide = min(columns, len(names))
    chosen = (
        panels(len(names), 3.4 * wide + 0.6, 1.7, columns=wide, sharex=True, sharey=True)
        if axes is None
        else chosen_axes(axes, len(names), "groups")
    )
    edges = _edges(groups[name][leg] for name in names)
    shares = {name: heights(groups[name][leg], edges) / groups[name][leg]["count"] * 100 for name in names}
    top = _top(shares, {name: groups[name][leg]["count"] for name in names})
    colour, _ = _LOOK[leg]
    for at, (ax, name) in enumerate(zip(chosen, names, strict=False)):
        row = groups[name][leg]
        ax.stairs(shares[name], edges, fill=True, color=colour, alpha=0.35)
        ax.stairs(shares[name], edges, color=colour, linewidth=1.2)
        for column, dash in _marks(row):
            ax.axvline(seconds(row[column]), color=colour, linewidth=1.0, linestyle=dash)
        if shares[name].max() > top:
            bar = int(shares[name].argmax())
            right = bar < len(edges) // 2
            told, side = f" ↑ {shares[name].max():.0f} % ", "left" if right else "right"
            ax.text(float(edges[bar + right]), 1.09 * top, told, fontsize=7, ha=side, va="top")
        ax.set_title(label(name), loc="left", fontsize=9, fontweight="bold", pad=14)
        told = f"n={row['count']:,}{open_text(row)}, {percentiles_text(row, ', ', ('p50_ns', 'p99_ns'))}"
        ax.text(0, 1.02, told, transform=ax.transAxes, fontsize=7.5, va="bottom")
        _scale(ax, edges, top)
        ax.tick_params(labelsize=7)
        if at % wide == 0:
            ax.set_ylabel("% of uses", fontsize=8)
        if at + wide >= len(names):
            ax.tick_params(labelbottom=True)
            ax.set_xlabel(LEG_NAMES[leg], fontsize=8)
    if len(groups) > len(names):
        text = f"{LEG_NAMES[leg]}; {len(groups) - len(names):,} more not shown"
        chosen[len(names) - 1].set_xlabel(text, fontsize=8)
    if axes is None:
        chosen[0].figure.supxlabel(f"logarithmic; {LINES}", fontsize=8)
    return chosen[: len(names)]


def _groups(
    table: pa.Table, op: str | Sequence[str] | None, legs: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the rows that have durations, by the group's name and leg."""
    if odd := [leg for leg in legs if leg not in LEGS]:
        raise UsageError(f"no leg called {odd[0]!r}; there are {', '.join(LEGS)}")
    if op is not None:
        from wsktrace.arrow import matching

        wanted = [op] if isinstance(op, str) else list(op)
        known = operations_of(table)
        if missing := [name for name in wanted if name not in known]:
            raise UsageError(
                f"no durations of {missing[0]!r} in this trace; there are of: {', '.join(known) or 'none'}"
            )
        table = matching(table, "op", *wanted)
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_pylist():
        if row["count"] and row["leg"] in legs:
            groups.setdefault(Group(*(row[k] for k in Group._fields)).name, {})[row["leg"]] = row
    return groups


def _panel(
    ax: Axes, title: str, rows: dict[str, dict[str, Any]], legs: Sequence[str], edges: NDArray[np.float64]
) -> None:
    """Draw one group: its legs over each other, their figures beside it."""
    from matplotlib.ticker import MaxNLocator

    told: list[tuple[str, str]] = []
    top = 1.0
    shown = [leg for leg in legs if leg in rows]
    for at, leg in enumerate(shown):
        row, (colour, dash) = rows[leg], _LOOK[leg]
        tall = heights(row, edges)
        top = max(top, float(tall.max()))
        if dash == "-":
            ax.stairs(tall, edges, fill=True, color=colour, alpha=0.35)
        ax.stairs(tall, edges, color=colour, linewidth=1.2, linestyle=dash)
        for column, line in _marks(row):
            # each leg's marks have a height of their own, so that equal ones stay visible
            span = (1 - (at + 1) / len(shown), 1 - at / len(shown))
            ax.axvline(seconds(row[column]), *span, color=colour, linewidth=1.1, linestyle=line)
        told.append((_figures(leg, row), colour))
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.set_ylabel("uses of IRPs", fontsize=8)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    _scale(ax, edges, top)
    step = 1.12 / max(len(legs), 2)
    for at, (text, colour) in enumerate(told):
        y = 1.08 - step * at
        ax.plot([1.012, 1.012], [y - step + 0.1, y], color=colour, linewidth=2.5, transform=ax.transAxes, clip_on=False)
        ax.text(1.025, y, text, transform=ax.transAxes, fontsize=8, va="top", linespacing=1.3)


def _figures(leg: str, row: dict[str, Any]) -> str:
    figures = percentiles_text(row, "   ")
    last = f"max {duration_text(row['max_ns'])}"
    if row["absent"]:
        known = [f"{row[f'absent_{why}']:,} {why}" for why in ("open", "inline") if row[f"absent_{why}"]]
        last += f"   without: {row['absent']:,}" + (f" ({', '.join(known)})" if known else "")
    return f"{LEG_NAMES[leg]}  n={row['count']:,}\n{figures}\n{last}"


def _marks(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return which percentiles of a row are marked, and how their lines are drawn."""
    return [(column, dash) for column, (_, fraction, dash) in MARKS.items() if tells(row["count"], fraction)]


def percentiles_text(row: dict[str, Any], between: str, wanted: Iterable[str] = MARKS) -> str:
    """Return the percentiles of a row that its uses tell: ``p50 41 µs   p90 1.93 ms``."""
    held = {column: name for column, (name, fraction, _) in MARKS.items() if tells(row["count"], fraction)}
    return between.join(f"{held[column]} {duration_text(row[column])}" for column in wanted if column in held)


def open_text(row: dict[str, Any]) -> str:
    """Return how many uses of a row have no duration because they are open: what the figures do not know of."""
    return f" + {row['absent_open']:,} open" if row["absent_open"] else ""


def _top(shares: dict[str, NDArray[np.float64]], counts: dict[str, int]) -> float:
    """Return the share that reaches the upper edge: the highest of groups with enough uses to have a form."""
    formed = [name for name, count in counts.items() if count >= _FORMED] or list(shares)
    return max(float(shares[name].max()) for name in formed)


def _scale(ax: Axes, edges: NDArray[np.float64], top: float) -> None:
    duration_axis(ax, "", minor=False)
    tidy(ax)
    ax.set_ylim(0, 1.1 * top)
    ax.set_xlim(edges[0] / 1.2, edges[-1] * 1.2)


def _edges(rows: Iterable[dict[str, Any]]) -> NDArray[np.float64]:
    """Return the edges of the drawn bars, seconds: four an octave, fewer where all are far apart."""
    chosen = list(rows)
    low = np.log2(min(float(seconds(r["min_ns"])) for r in chosen))
    high = max(np.log2(max(float(seconds(r["max_ns"])) for r in chosen)), low + 1)
    fine = 4 if high - low < 30 else 2
    return np.asarray(2.0 ** (np.arange(np.floor(low * fine), np.ceil(high * fine + 1e-9) + 1) / fine), np.float64)


def heights(row: dict[str, Any], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many durations of a row lie between the edges (seconds); bins are narrower than bars by far."""
    from wsktrace.stats.histogram import bin_edges, bin_of

    first, last = bin_edges(bin_of(np.asarray(row["bins"], np.int64)))
    middle = np.clip(first + (last - first) // 2, row["min_ns"], row["max_ns"])
    return np.histogram(seconds(middle), edges, weights=np.asarray(row["counts"], np.float64))[0]
