"""What all pictures share: colours and forms, axes of durations and of the trace's time, where to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.plots.files import new_figure
from wsktrace.units import clean, clock_text, duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "COLOURS",
    "DASHES",
    "HATCHES",
    "OTHER",
    "SECOND",
    "chosen_axes",
    "duration_axis",
    "label",
    "legend",
    "nothing",
    "one_axes",
    "panels",
    "seconds",
    "tidy",
    "trace_axis",
]

SECOND = 1_000_000_000
#: Blue, vermilion, green, orange, sky blue, purple. Source: Okabe and Ito, "Color Universal Design"; black and yellow
#: are left out, which a dark and a white page would swallow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
#: What is not one of those.
OTHER = "#8C8C8C"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (2.5, 1)), (0, (9, 2)))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")
#: Steps of an axis of minutes and hours, seconds.
_STEPS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


def seconds(ns: NDArray[np.int64] | float) -> Any:
    """Return durations in seconds, such as a logarithmic axis can show: 0 becomes a nanosecond."""
    return np.maximum(ns, 1) / SECOND


def one_axes(axes: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on: those given, or of a new figure (inches)."""
    return axes if axes is not None else new_figure(width, height).subplots()


def panels(count: int, width: float, height: float, *, columns: int = 1, **shared: Any) -> list[Axes]:
    """Return ``count`` axes of a new figure, row by row; each row is ``height`` inches high."""
    rows = -(-count // columns)
    held = new_figure(width, height * rows + 0.9).subplots(rows, columns, squeeze=False, **shared).reshape(-1)
    for spare in held[count:]:
        spare.set_axis_off()
    return list(held[:count])


def chosen_axes(axes: Axes | Sequence[Axes], needed: int, what: str) -> list[Axes]:
    """Return the axes that were given as a list; ``UsageError`` where they are fewer than needed."""
    chosen = list(np.asarray(axes, object).reshape(-1))
    if len(chosen) < needed:
        raise UsageError(f"{needed} {what} need as many axes, {len(chosen)} were given; or choose with op=")
    return chosen


def nothing(ax: Axes, text: str) -> Axes:
    """Say on axes that there is nothing to draw."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    ax.set_axis_off()
    return ax


#: Characters of a name in a picture.
_LONGEST = 80


def label(text: object) -> str:
    """Return text from a trace such that matplotlib prints it as it is; what is too long for a picture is cut."""
    told = clean(text)
    return (told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…").replace("$", "\\$")


def tidy(ax: Axes, grid: str = "x") -> None:
    """Give axes the look of all of them: two spines, a faint grid behind, small figures."""
    ax.tick_params(labelsize=8)
    ax.grid(visible=False)
    if grid:
        ax.grid(axis=grid, which="major", linewidth=0.6, alpha=0.35)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def duration_axis(ax: Axes, text: str, *, which: str = "x", minor: bool = True) -> None:
    """Make an axis of seconds logarithmic and label it 1 µs … 1 s; minor ticks cost time where axes are many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    class Decades(LogLocator):
        """Powers of ten; where the axis holds hardly one, what is between them, too."""

        def tick_values(self, vmin: float, vmax: float) -> Any:
            ratio = vmax / vmin if vmin > 0 else 1e9
            if ratio < 4:
                return MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
            self.set_params(subs=(1.0,) if ratio >= 60 else (1.0, 2.0, 5.0))
            return super().tick_values(vmin, vmax)

    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis.set_major_locator(Decades(base=10, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.set_minor_formatter(NullFormatter())
    if not minor:
        axis.set_minor_locator(NullLocator())
    if text:
        (ax.set_xlabel if which == "x" else ax.set_ylabel)(text, fontsize=9)


def _tick(value: float) -> str:
    """Return the label of a power of ten: 100 s, where a sentence would say 1 min 40 s."""
    return f"{value:,.0f} s" if value >= 90 else duration_text(round(value * SECOND, 3))


def trace_axis(ax: Axes, origin_ns: int, last_ns: int) -> None:
    """Make the horizontal axis one of seconds since ``origin_ns``, labelled in minutes where it is long."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    span = max((last_ns - origin_ns) / SECOND, 1e-9)
    ax.set_xlim(-0.01 * span, 1.02 * span)
    if span < 120:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    else:
        step = next((s for s in _STEPS if span / s <= 9), 86400 * -(-span // (9 * 86400)))
        ax.xaxis.set_major_locator(MultipleLocator(step))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))
    since = clock_text(origin_ns, date=True).removesuffix(".000000")
    ax.set_xlabel(f"time since {since} UTC", fontsize=9)


def _short(value: float) -> str:
    sign = "−" if value < -1e-12 else ""
    return sign + (duration_text(abs(value) * SECOND) if abs(value) > 1e-12 else "0")


def _clock(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def legend(ax: Axes, handles: Sequence[Any] | None = None, *, title: str = "") -> None:
    """Put the legend to the right of the axes, where it hides nothing."""
    more: dict[str, Any] = {} if handles is None else {"handles": handles}
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0,
        fontsize=8,
        frameon=False,
        title=title or None,
        title_fontsize=8,
        alignment="left",
        handlelength=3,
        **more,
    )
