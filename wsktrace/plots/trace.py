"""Pictures of one trace: what ``trace.plot`` offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.plots.style import label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes

    from wsktrace.facts import TraceFacts

__all__ = ["Plots"]


class Plots:
    """Pictures of a trace; each method returns matplotlib axes and takes those to draw on.

    ``by`` is what ``wsktrace latency --by`` takes: op, status, outcome, completion, category, family, several, or
    ``all`` as one.
    """

    def __init__(self, tables: Callable[[str], pa.Table], facts: Callable[[], TraceFacts]) -> None:
        self._tables = tables
        self._facts = facts

    def latency(
        self,
        axes: Axes | Sequence[Axes] | None = None,
        *,
        op: str | Sequence[str] | None = None,
        by: str | Sequence[str] = ("op",),
        legs: Sequence[str] = ("total", "pending"),
    ) -> list[Axes]:
        """Draw how long uses of IRPs took, a histogram for each operation or group."""
        from wsktrace.plots.histograms import latency

        return self._trusted(latency(self.table(by), axes, op=op, legs=legs))

    def multiples(
        self, axes: Sequence[Axes] | None = None, *, by: str | Sequence[str] = ("op",), leg: str = "total"
    ) -> list[Axes]:
        """Draw a small histogram for each group, all to the same scales."""
        from wsktrace.plots.histograms import multiples

        return self._trusted(multiples(self.table(by), axes, leg=leg))

    def cumulative(self, axes: Axes | None = None, *, by: str | Sequence[str] = ("op",), leg: str = "total") -> Axes:
        """Draw which share of the uses of IRPs took no longer, a curve for each operation or group."""
        from wsktrace.plots.curves import cumulative

        return self._trusted([cumulative(self.table(by), axes, leg=leg)])[0]

    def outstanding(self, axes: Axes | None = None) -> Axes:
        """Draw how many IRPs were outstanding over time."""
        from wsktrace.plots.steps import outstanding

        return outstanding(self._tables("irps"), axes, **self._span())

    def heatmap(self, axes: Axes | None = None, *, op: str | None = None, leg: str = "total") -> Axes:
        """Draw how durations change over time."""
        from wsktrace.plots.heat import heatmap

        return heatmap(self._tables("irps"), axes, op=op, leg=leg, **self._span())

    def lifetimes(self, axes: Axes | None = None, *, most: int = 40) -> Axes:
        """Draw the lives of sockets, of at most so many."""
        from wsktrace.plots.gantt import lifetimes

        return lifetimes(self._tables("sockets"), axes, irps=self._tables("irps"), most=most, **self._span())

    def timeline(self, axes: Axes | None = None, *, socket: int | str | None = None, most: int = 12) -> Axes:
        """Draw the uses of IRPs of one socket (its id or address), or of the first so many."""
        from wsktrace.plots.lanes import timeline

        span = self._span() | {"start_ns": None}  # only the time of these IRPs
        return timeline(self._tables("irps"), axes, socket=socket, most=most, **span)

    def compare(
        self,
        other: Any,
        axes: Axes | Sequence[Axes] | None = None,
        *,
        by: str | Sequence[str] = ("op",),
        leg: str = "total",
    ) -> list[Axes]:
        """Draw this trace's durations and those of another trace over each other."""
        from wsktrace.plots.comparison import compare

        theirs: Plots = other.plot
        names = self._facts().file, theirs.file
        held = compare(self.table(by), theirs.table(by), axes, leg=leg, names=names)
        lost = [(name, text) for name, text in zip(names, (self.lost, theirs.lost), strict=True) if text]
        return _noted(held, "; ".join(f"{name}: {text}" for name, text in lost))

    @property
    def file(self) -> str:
        """Name of the trace."""
        return self._facts().file

    @property
    def lost(self) -> str:
        """What pictures say of losses and damage: ``7 events lost``; empty where nothing is known of any."""
        return ", ".join(self._facts().losses)

    def table(self, by: str | Sequence[str] = ("op",)) -> pa.Table:
        """Return the ``latency`` table that pictures are made of, grouped by any of ``stats.KEYS``."""
        from wsktrace.arrow import to_arrow
        from wsktrace.stats import keys_of, latency_columns

        keys = keys_of(by)
        if keys == ("op",):
            return self._tables("latency")
        sockets = self._tables("sockets") if {"category", "family"} & set(keys) else None
        return to_arrow("latency", latency_columns(self._tables("irps"), sockets, by=keys))

    def _trusted(self, axes: list[Axes]) -> list[Axes]:
        return _noted(axes, self.lost)

    def _span(self) -> dict[str, Any]:
        facts = self._facts()
        return {"quality": self._tables("quality"), "start_ns": facts.start_ns, "end_ns": facts.end_ns}


def _noted(axes: list[Axes], note: str) -> list[Axes]:
    """Write a note above the first axes, to the right."""
    if note:
        axes[0].set_title(label(note), loc="right", fontsize=8, style="italic")
    return axes
