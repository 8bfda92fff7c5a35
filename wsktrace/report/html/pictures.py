"""The pictures of a page: how long each operation took; lifetimes of sockets; IRPs outstanding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.html.svg import svg_of

if TYPE_CHECKING:
    import pyarrow as pa

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["pictures"]

#: Operations that have a picture.
MOST_PANELS = 24


def pictures(tables: Tables, facts: TraceFacts) -> dict[str, list[str]]:
    """Return SVG elements by section: ``latency``, a small one for each operation, and ``lifetimes``."""
    return {"latency": _latency(tables("latency")), "lifetimes": _lifetimes(tables, facts)}


def _latency(latency: pa.Table) -> list[str]:
    """Return the histogram of each operation, all to the same scales."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    from wsktrace import plots

    names = plots.operations_of(latency)[:MOST_PANELS]
    figures = [Figure(figsize=(3.5, 1.9)) for _ in names]
    if not names:
        return []
    axes = plots.multiples(latency, [figure.subplots() for figure in figures])
    made = []
    for at, (ax, figure) in enumerate(zip(axes, figures, strict=False)):
        ax.set_ylabel("")
        ax.set_xlabel("")
        ax.xaxis.set_minor_locator(NullLocator())
        figure.subplots_adjust(left=0.1, right=0.97, bottom=0.14, top=0.78)
        made.append(svg_of(figure, title=f"{names[at]}: time until completion", prefix=f"p{at}"))
    return made


def _lifetimes(tables: Tables, facts: TraceFacts) -> list[str]:
    """Return the lives of sockets, and how many IRPs were outstanding."""
    from wsktrace import plots

    irps, sockets = tables("irps"), tables("sockets")
    more: dict[str, Any] = {"quality": tables("quality"), "start_ns": facts.start_ns, "end_ns": facts.end_ns}
    made = []
    if sockets.num_rows:
        figure = plots.figure_of(lambda: plots.lifetimes(sockets, irps=irps, **more))
        made.append(svg_of(figure, title="Lifetimes of sockets", prefix="lives"))
    if irps.num_rows:
        figure = plots.figure_of(lambda: plots.outstanding(irps, **more))
        made.append(svg_of(figure, title="IRPs outstanding over time", prefix="open"))
    return made
