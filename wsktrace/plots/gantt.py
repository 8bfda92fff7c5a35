"""Lives of sockets as bars over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import UNKNOWN, numbers, words_of
from wsktrace.plots.gaps import shade_gaps
from wsktrace.plots.style import COLOURS, HATCHES, OTHER, SECOND, label, legend, nothing, one_axes, tidy, trace_axis
from wsktrace.units import address_text

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["CATEGORIES", "lifetimes", "most_telling"]

#: Socket category → (colour, hatch).
CATEGORIES = {
    name: (COLOURS[at], HATCHES[at]) for at, name in enumerate(("connection", "listen", "datagram", "stream", "basic"))
}
_UNKNOWN = (OTHER, HATCHES[5])


def lifetimes(
    sockets: pa.Table,
    axes: Axes | None = None,
    *,
    irps: pa.Table | None = None,
    quality: pa.Table | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    most: int = 40,
) -> Axes:
    """Draw the life of each socket as a bar from its creation to the end of its close.

    Args:
        sockets: the table.
        axes: where to draw; a new pyplot figure where None.
        irps: the table; tells when a socket was first used whose creation is not in the trace.
        quality: the table; where events may be missing is shaded.
        start_ns: when the trace starts, ns UTC; the first time in the table where None.
        end_ns: when it ends; the last time where None.
        most: bars at most: those with IRPs that are still open, those not closed, then the longest.

    Returns:
        The axes: a thin line while a socket is created, a wide bar while it is open, coloured and hatched by
        category, a narrow one while it closes. An arrow at the end: not closed when the trace ended. A dotted line at
        the start: alive before its first use, creation not seen.
    """
    if not sockets.num_rows:
        return nothing(one_axes(axes, 9.5, 1.75), "no socket in this trace")
    create, opened = numbers(sockets, "create_time"), numbers(sockets, "open_time")
    close, closed = numbers(sockets, "close_time"), numbers(sockets, "closed_time")
    used = _first_use(sockets, irps)
    times = np.stack([create, opened, close, closed, used])
    known = [*times[times != UNKNOWN].tolist(), *(t for t in (start_ns, end_ns) if t is not None)] or [0]
    first, last = min(known), max(*known, min(known) + 1)
    end = np.where(closed != UNKNOWN, closed, last)
    begin = np.where(create != UNKNOWN, create, np.where(used != UNKNOWN, used, first))
    open_irps = numbers(sockets, "open_irps", 0)
    chosen = most_telling(open_irps, closed != UNKNOWN, end - begin, most)
    chosen = chosen[np.argsort(begin[chosen], kind="stable")]
    ax = one_axes(axes, 9.5, 1.5 + 0.2 * len(chosen))
    code, names = words_of(sockets.column("category"), "unknown")
    shown = {}
    for row, at in enumerate(chosen.tolist()):
        times_of = [int(v[at]) for v in (create, opened, close, closed)]
        life = [None if v == UNKNOWN else (v - first) / SECOND for v in times_of]
        name = names[code[at]]
        shown[name] = CATEGORIES.get(name, _UNKNOWN)
        _bar(ax, row, life, ((int(begin[at]) - first) / SECOND, (last - first) / SECOND), shown[name])
    _labels(ax, sockets, chosen, open_irps)
    tidy(ax)
    trace_axis(ax, first, last)
    gaps = shade_gaps(ax, quality, first, last)
    if len(chosen) < sockets.num_rows:
        told = f"{len(chosen):,} of {sockets.num_rows:,} sockets: with open IRPs or not closed first, then the longest"
        ax.set_title(told, loc="left", fontsize=9)
    legend(ax, [*_handles(ax, shown), *gaps])
    return ax


def most_telling(
    open_irps: NDArray[np.int64], closed: NDArray[np.bool_], length: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Return the rows of at most so many sockets: with open IRPs first, then those not closed, then the longest."""
    return np.lexsort([-length, closed, open_irps == 0])[:most]


def _first_use(sockets: pa.Table, irps: pa.Table | None) -> NDArray[np.int64]:
    """Return the first issue of an IRP on each socket, unknown where there is none."""
    ids = numbers(sockets, "socket_id")
    found = np.full(len(ids), np.iinfo(np.int64).max)
    if irps is not None and irps.num_rows and len(ids):
        order = np.argsort(ids, kind="stable")
        wanted = numbers(irps, "socket_id", -1)
        at = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
        hit = ids[at] == wanted
        np.minimum.at(found, at[hit], numbers(irps, "issue_time")[hit])
    return np.where(found == np.iinfo(np.int64).max, UNKNOWN, found)


def _bar(ax: Axes, row: int, life: list[float | None], ends: tuple[float, float], look: tuple[str, str]) -> None:
    """Draw one socket: (creation, open, close, closed) and (known begin, end of the trace), in seconds."""
    create, opened, close, closed = life
    begin, last = ends
    colour, hatch = look
    start = opened if opened is not None else begin
    ending = close if close is not None else closed if closed is not None else last
    if create is not None and opened is not None and opened > create:
        ax.plot([create, opened], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt")
    if create is None:
        ax.plot([0, begin], [row, row], color=colour, linewidth=1.2, linestyle=":")
        ax.plot([begin], [row], marker="$\\{$", color=colour, markersize=9, linestyle="none")
    # a bar shorter than a pixel is still seen by its outline
    more: dict[str, Any] = {"edgecolor": colour, "linewidth": 1.0}
    ax.barh(row, max(ending - start, 0), left=start, height=0.66, facecolor=f"{colour}55", hatch=hatch, **more)
    if close is not None:
        until = closed if closed is not None else last
        ax.barh(row, max(until - close, 0), left=close, height=0.26, facecolor=colour, **more)
    if closed is None:
        ax.plot([last], [row], marker=">", color=colour, markersize=6, linestyle="none", clip_on=False)


def _labels(ax: Axes, sockets: pa.Table, chosen: NDArray[np.int64], open_irps: NDArray[np.int64]) -> None:
    """Name each bar by the socket's address; the first at the top."""
    addresses = sockets.column("socket").to_pylist() if len(chosen) else []
    texts = [
        address_text(addresses[at]) + (f"  {open_irps[at]:,} open" if open_irps[at] else "") for at in chosen.tolist()
    ]
    ax.set_yticks(range(len(chosen)), texts, family="monospace")
    ax.set_ylim(len(chosen) - 0.4, -0.6)


def _handles(ax: Axes, shown: dict[str, tuple[str, str]]) -> list[Any]:
    """Return what the legend explains: only what is there to be seen."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch, Rectangle

    known = [name for name in (*CATEGORIES, *shown) if name in shown]
    bars: list[Any] = [
        Patch(facecolor=f"{shown[name][0]}55", edgecolor=shown[name][0], hatch=shown[name][1], label=label(name))
        for name in dict.fromkeys(known)
    ]
    ends = {line.get_marker() for line in ax.lines}
    heights = [bar.get_height() for bar in ax.patches if isinstance(bar, Rectangle)]
    more: list[tuple[bool, dict[str, Any]]] = [
        (min(heights, default=1) < 0.5, {"linewidth": 4, "label": "closing"}),
        (">" in ends, {"marker": ">", "linestyle": "none", "label": "not closed at the end"}),
        (any(line.get_linestyle() == ":" for line in ax.lines), {"linestyle": ":", "label": "creation not seen"}),
    ]
    return [*bars, *(Line2D([], [], color=OTHER, **look) for seen, look in more if seen)]
