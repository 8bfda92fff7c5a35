"""Columns of tables as arrays, and what of ``quality`` pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.plots.style import SECOND

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["UNKNOWN", "gaps_of", "numbers", "shade_gaps"]

#: In place of a time or duration that is not known.
UNKNOWN = np.iinfo(np.int64).min


def numbers(table: pa.Table, name: str, null: int = UNKNOWN) -> NDArray[np.int64]:
    """Return a column of times, durations or small numbers as int64, ``null`` where it is not known."""
    import pyarrow as pa

    column: Any = table.column(name)
    if not pa.types.is_int64(column.type):
        column = column.cast(pa.int64(), safe=False)  # an id of 64 bits names no row; it stays one that names none
    return np.asarray(column.fill_null(null).combine_chunks().to_numpy(zero_copy_only=False), np.int64)


def gaps_of(quality: pa.Table | None, first_ns: int, last_ns: int) -> tuple[NDArray[np.int64], bool]:
    """Return where events may be missing.

    Returns:
        Spans (int64 ns, two columns: from, until), in order and apart, within ``first_ns`` to ``last_ns``; and whether
        something is lost of which no time is known.
    """
    from wsktrace.arrow import matching

    if quality is None:
        return np.zeros((0, 2), np.int64), False
    gaps = matching(quality, "item", "gap")
    start, end = numbers(gaps, "start"), numbers(gaps, "end")
    timeless = (start == UNKNOWN) & (end == UNKNOWN)
    start, end = start[~timeless], end[~timeless]
    start = np.clip(np.where(start == UNKNOWN, first_ns, start), first_ns, last_ns)
    end = np.clip(np.where(end == UNKNOWN, last_ns, end), start, last_ns)
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order]) if len(end) else end
    begins = np.flatnonzero(np.concatenate([[True], start[1:] > end[:-1]]) if len(start) else [])
    ends = np.concatenate([begins[1:], [len(start)]])[: len(begins)] - 1
    return np.stack([start[begins], end[ends]], axis=1) if len(begins) else np.zeros((0, 2), np.int64), bool(
        timeless.any()
    )


def shade_gaps(ax: Axes, quality: pa.Table | None, first_ns: int, last_ns: int) -> list[Any]:
    """Shade where events may be missing, and say so where no time is known of a loss; return what a legend needs."""
    from matplotlib.patches import Patch

    spans, timeless = gaps_of(quality, first_ns, last_ns)
    look: dict[str, Any] = {"facecolor": "#E69F00", "alpha": 0.25, "hatch": "xx", "edgecolor": "#E69F00"}
    if len(spans):
        bars = [((a - first_ns) / SECOND, (b - a) / SECOND) for a, b in spans.tolist()]
        held = ax.broken_barh(bars, (0, 1), transform=ax.get_xaxis_transform(), zorder=0.5, linewidth=0.8, **look)
        held.set_gid("gaps")
    if timeless:
        note = "events were lost at times that the file does not tell"
        ax.text(0.995, 1.01, note, transform=ax.transAxes, ha="right", va="bottom", fontsize=8, style="italic")
    return [Patch(label="events may be missing", **look)] if len(spans) else []
