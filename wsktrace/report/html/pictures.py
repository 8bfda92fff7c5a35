"""The pictures of a page: how long each operation took; lifetimes of sockets; IRPs outstanding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from wsktrace.report.html.latency import by_outcome
from wsktrace.report.html.svg import svg_of
from wsktrace.stats.latency import histograms_of

if TYPE_CHECKING:
    import pyarrow as pa

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["pictures"]

#: Operations that have a picture of their own: those with the most uses.
MOST_PANELS = 16


def pictures(tables: Tables, facts: TraceFacts) -> dict[str, list[str]]:
    """Return SVG elements by place.

    ``over_time``: a heat map; ``latency``: a small histogram for each operation; ``cumulative``: curves by operation
    and by outcome; ``lifetimes``: of sockets, and how many IRPs were outstanding.
    """
    latency = tables("latency")
    return {
        "over_time": _over_time(tables, facts),
        "latency": _latency(latency),
        "cumulative": _cumulative(latency, by_outcome(tables, ops=False)),
        "lifetimes": _lifetimes(tables, facts),
    }


def _over_time(tables: Tables, facts: TraceFacts) -> list[str]:
    """Return the heat map of all operations."""
    from wsktrace import plots

    irps = tables("irps")
    if irps.column("total_ns").null_count == irps.num_rows:
        return []
    more: dict[str, Any] = {"quality": tables("quality"), "start_ns": facts.start_ns, "end_ns": facts.end_ns}
    figure = plots.figure_of(lambda: plots.heatmap(irps, **more))
    return [svg_of(figure, title="Time until completion over the time of the trace", prefix="heat")]


def _cumulative(by_op: pa.Table, by_outcome: pa.Table) -> list[str]:
    """Return the curves of the operations, and those of outcomes where there are several."""
    from wsktrace import plots

    made = []
    for name, table in (("operation", by_op), ("outcome", by_outcome)):
        groups = {group.name for group, held in histograms_of(table).items() if group.leg == "total" and held.count}
        if len(groups) > (name == "outcome"):
            figure = plots.figure_of(partial(plots.cumulative, table))
            figure.axes[0].set_title(f"by {name}", loc="left", fontsize=10, fontweight="bold")
            made.append(svg_of(figure, title=f"Which share took no longer, by {name}", prefix=f"sum-{name}"))
    return made


def _latency(latency: pa.Table) -> list[str]:
    """Return the histogram of each operation, all to the same scales."""
    import pyarrow.compute as pc
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    from wsktrace import plots
    from wsktrace.arrow import matching

    timed = matching(latency, "leg", "total")
    timed = timed.filter(pc.field("count") > 0).slice(0, MOST_PANELS)
    names = plots.operations_of(timed)
    figures = [Figure(figsize=(3.5, 1.9)) for _ in names]
    if not names:
        return []
    axes = plots.multiples(timed, [figure.subplots() for figure in figures])
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
