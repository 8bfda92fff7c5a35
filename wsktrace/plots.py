"""Pictures of tables: a table and axes in, axes out. Nothing is shown or saved here.

Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart; the two legs of a call
differ in form as well (a filled area and a dashed outline), so that a grey print serves too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["latency", "latency_figure", "operations_of"]

#: Leg → (what it is, colour). Source of the colours: Okabe and Ito, "Color Universal Design".
_LEGS: dict[str, tuple[str, str]] = {
    "total": ("issue → completion", "#0072B2"),
    "pending": ("pending → completion", "#D55E00"),
}
_MARKS = {"p50_ns": ("p50", "-"), "p90_ns": ("p90", "--"), "p99_ns": ("p99", ":")}
#: Panels that one figure holds at most.
MOST_PANELS = 24
#: A second in ns.
_S = 1_000_000_000


def operations_of(table: pa.Table) -> list[str]:
    """Return the operations of a ``latency`` table, each once, in its order."""
    return [str(name) for name in dict.fromkeys(table.column("op").to_pylist())]


def latency(
    table: pa.Table, axes: Axes | Sequence[Axes] | None = None, *, op: str | Sequence[str] | None = None
) -> list[Axes]:
    """Draw the durations of each operation, one axes an operation, on a logarithmic axis of time.

    Args:
        table: a ``latency`` table (schema.py).
        axes: where to draw: one axes, or one for each operation; a new pyplot figure where None.
        op: draw this operation only, or these.

    Returns:
        The axes drawn on. Each shows how many uses of IRPs took how long, from the issue and from the return that said
        PENDING to the completion, with the median and the 90th and 99th percentiles marked and written beside it.

    Raises:
        UsageError: the operation is not in the table, or there are fewer axes than operations.
    """
    names = operations_of(table)
    if op is not None:
        wanted = [op] if isinstance(op, str) else list(op)
        if missing := [name for name in wanted if name not in names]:
            raise UsageError(
                f"no durations of {missing[0]!r} in this trace; there are of: {', '.join(names) or 'none'}"
            )
        names = wanted
    names = names[:MOST_PANELS]
    if axes is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=_size(len(names)), layout="constrained")
        chosen = _panels(figure, len(names))
    else:
        chosen = list(axes) if isinstance(axes, (list, tuple, np.ndarray)) else [axes]  # type: ignore[list-item]
    if len(chosen) < len(names):
        raise UsageError(f"{len(names)} operations need as many axes, {len(chosen)} were given; or name one with op=")
    if not names:
        place = chosen[0].transAxes
        chosen[0].text(0.5, 0.5, "no completed IRP in this trace", ha="center", va="center", transform=place)
        chosen[0].set_axis_off()
        return chosen[:1]
    rows = {(r["op"], r["leg"]): r for r in table.to_pylist()}
    low = max(min(r["min_ns"] for (name, _), r in rows.items() if name in names), 1) / _S
    high = max(max(r["max_ns"] for (name, _), r in rows.items() if name in names), 2) / _S
    for ax, name in zip(chosen, names, strict=False):
        _panel(ax, name, {leg: rows[name, leg] for leg in _LEGS if (name, leg) in rows})
        ax.set_xlim(low / 1.6, high * 1.6)
    _label_time(chosen[len(names) - 1])
    return chosen[: len(names)]


def latency_figure(table: pa.Table, *, title: str = "") -> Figure:
    """Return a figure of its own with all operations, untouched by pyplot: for files."""
    from matplotlib.figure import Figure

    count = min(len(operations_of(table)), MOST_PANELS)
    figure = Figure(figsize=_size(count), layout="constrained")
    latency(table, _panels(figure, count))
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def _size(panels: int) -> tuple[float, float]:
    return (9.5, 1.0 + 1.75 * max(panels, 1))


def _panels(figure: Figure, count: int) -> list[Axes]:
    return list(figure.subplots(max(count, 1), 1, sharex=True, squeeze=False)[:, 0])


def _panel(ax: Axes, name: str, legs: dict[str, dict[str, Any]]) -> None:
    """Draw one operation."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xscale("log")
    edges = _edges(legs.values())
    lines = []
    for leg, row in legs.items():
        what, colour = _LEGS[leg]
        heights = _heights(row, edges)
        if leg == "total":
            ax.stairs(heights, edges, fill=True, color=colour, alpha=0.35)
            ax.stairs(heights, edges, color=colour, linewidth=1.2)
        else:
            ax.stairs(heights, edges, color=colour, linewidth=1.4, linestyle=(0, (3, 1.5)))
        for column, (_, dash) in _MARKS.items():
            # the two legs' marks hang from the top and stand on the ground, so that equal ones stay visible
            span = (0.5, 1.0) if leg == "total" else (0.0, 0.5)
            ax.axvline(_seconds(row[column]), *span, color=colour, linewidth=1.1, linestyle=dash)
        figures = "   ".join(f"{label} {duration_text(row[column])}" for column, (label, _) in _MARKS.items())
        lines.append((f"{what}  n={row['count']:,}\n{figures}\nmax {duration_text(row['max_ns'])}", colour))
    ax.set_title(name, loc="left", fontsize=10, fontweight="bold")
    ax.set_ylabel("uses of IRPs", fontsize=8)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    ax.set_ylim(bottom=0)
    ax.margins(y=0.12)
    ax.tick_params(labelsize=8)
    ax.grid(axis="x", which="major", color="0.85", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for at, (text, colour) in enumerate(lines):
        ax.text(
            1.01, 1.0 - 0.52 * at, text, transform=ax.transAxes, color=colour, fontsize=8, va="top", linespacing=1.35
        )


def _edges(rows: Iterable[dict[str, Any]]) -> NDArray[np.float64]:
    """Return the edges of the drawn bars, seconds: at most 8 an octave, from the shortest to the longest."""
    chosen = list(rows)
    low = max(min(_seconds(r["min_ns"]) for r in chosen), 1 / _S)
    high = max(*(_seconds(r["max_ns"]) for r in chosen), low * 2)
    first, last = np.floor(np.log2(low) * 4) / 4, np.ceil(np.log2(high) * 4 + 1e-9) / 4
    return np.asarray(2.0 ** np.arange(first, last + 0.25, 0.25), np.float64)


def _heights(row: dict[str, Any], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many durations of a row lie between the edges; bins are narrower than bars by far."""
    shortest = np.maximum(np.asarray(row["bins"], np.float64), 1) / _S
    return np.histogram(shortest, edges, weights=np.asarray(row["counts"], np.float64))[0]


def _seconds(ns: object) -> float:
    """Return a duration in seconds, such as a logarithmic axis can show."""
    assert isinstance(ns, int)
    return max(ns, 1) / _S


def _label_time(ax: Axes) -> None:
    """Label a logarithmic axis of seconds with 1 µs, 10 µs … 1 s."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.xaxis.set_major_locator(LogLocator(base=10, numticks=15))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value * _S)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("time until completion (logarithmic); lines: p50 solid, p90 dashed, p99 dotted", fontsize=9)
