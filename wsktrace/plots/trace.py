"""Pictures of one trace: what ``trace.plot`` offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes

__all__ = ["Facts", "Plots"]


class Facts(Protocol):
    """What pictures need to know of a trace as a whole; times are ns UTC."""

    @property
    def file(self) -> str:
        """Its name."""
        ...

    @property
    def start_ns(self) -> int | None:
        """Its start."""
        ...

    @property
    def end_ns(self) -> int | None:
        """Its end."""
        ...


class Plots:
    """Pictures of a trace; each method returns matplotlib axes and takes those to draw on.

    ``by`` of several is what ``wsktrace latency --by`` takes: op, status, outcome, completion, category, family.
    """

    def __init__(self, tables: Callable[[str], pa.Table], facts: Callable[[], Facts]) -> None:
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
        from wsktrace.plots.latency import latency

        return latency(self._latency(by), axes, op=op, legs=legs)

    def multiples(
        self, axes: Sequence[Axes] | None = None, *, by: str | Sequence[str] = ("op",), leg: str = "total"
    ) -> list[Axes]:
        """Draw a small histogram for each group, all to the same scales."""
        from wsktrace.plots.latency import multiples

        return multiples(self._latency(by), axes, leg=leg)

    def cumulative(self, axes: Axes | None = None, *, by: str | Sequence[str] = ("op",), leg: str = "total") -> Axes:
        """Draw which share of the uses of IRPs took no longer, a curve for each operation or group."""
        from wsktrace.plots.cumulative import cumulative

        return cumulative(self._latency(by), axes, leg=leg)

    def outstanding(self, axes: Axes | None = None) -> Axes:
        """Draw how many IRPs were outstanding over time."""
        from wsktrace.plots.outstanding import outstanding

        return outstanding(self._tables("irps"), axes, **self._span())

    def heatmap(self, axes: Axes | None = None, *, op: str | None = None, leg: str = "total") -> Axes:
        """Draw how durations change over time."""
        from wsktrace.plots.heatmap import heatmap

        return heatmap(self._tables("irps"), axes, op=op, leg=leg, **self._span())

    def lifetimes(self, axes: Axes | None = None, *, most: int = 40) -> Axes:
        """Draw the lives of sockets, of at most so many."""
        from wsktrace.plots.lifetimes import lifetimes

        return lifetimes(self._tables("sockets"), axes, irps=self._tables("irps"), most=most, **self._span())

    def timeline(self, axes: Axes | None = None, *, socket: int | None = None, most: int = 12) -> Axes:
        """Draw the uses of IRPs of one socket (its id or address), or of the first so many."""
        from wsktrace.plots.timeline import timeline

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
        return compare(self._latency(by), theirs.table(by), axes, leg=leg, names=names)

    @property
    def file(self) -> str:
        """Name of the trace."""
        return self._facts().file

    def table(self, by: str | Sequence[str] = ("op",)) -> pa.Table:
        """Return the ``latency`` table that pictures are made of, grouped by any of ``stats.KEYS``."""
        return self._latency(by)

    def _latency(self, by: str | Sequence[str]) -> pa.Table:
        from wsktrace.arrow import to_arrow
        from wsktrace.stats import latency_columns

        keys = (by,) if isinstance(by, str) else tuple(by)
        if keys == ("op",):
            return self._tables("latency")
        sockets = self._tables("sockets") if {"category", "family"} & set(keys) else None
        return to_arrow("latency", latency_columns(self._tables("irps"), sockets, by=keys))

    def _span(self) -> dict[str, Any]:
        facts = self._facts()
        return {"quality": self._tables("quality"), "start_ns": facts.start_ns, "end_ns": facts.end_ns}
