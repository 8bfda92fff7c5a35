"""A trace as its tables: each built when it is first asked for and then kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from wsktrace.schema import table
from wsktrace.trace.sources import Loaded

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    from wsktrace.facts import TraceFacts
    from wsktrace.trace.sources import Source

__all__ = ["TraceTables"]


class TraceTables:
    """The tables and facts of a trace, from wherever they come."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._facts: TraceFacts | None = None
        self._arrow: dict[str, pa.Table] = {}
        self._frames: dict[str, pd.DataFrame] = {}
        self._findings: pd.DataFrame | None = None

    def arrow(self, name: str) -> pa.Table:
        """Return a table of schema.py; ``UsageError`` where there is none of that name."""
        table(name)
        if name not in self._arrow:
            self._arrow[name] = self._latency() if name == "latency" else self._source.table(name)
        return self._arrow[name]

    def frame(self, name: str) -> pd.DataFrame:
        """Return a table of schema.py as a pandas data frame with Arrow-backed types; words are strings in it."""
        if name not in self._frames:
            from wsktrace.arrow import to_pandas

            self._frames[name] = to_pandas(self.arrow(name))
        return self._frames[name]

    @property
    def operations(self) -> pd.DataFrame:
        """Canonical operations: one call, return, completion or callback a row."""
        return self.frame("operations")

    @property
    def irps(self) -> pd.DataFrame:
        """Uses of IRPs, with statuses, durations and outcome."""
        return self.frame("irps")

    @property
    def sockets(self) -> pd.DataFrame:
        """Sockets from creation to close."""
        return self.frame("sockets")

    @property
    def descriptors(self) -> pd.DataFrame:
        """Security descriptors that were cached, used or released."""
        return self.frame("descriptors")

    @property
    def registrations(self) -> pd.DataFrame:
        """Registrations of the driver with WSK."""
        return self.frame("registrations")

    @property
    def findings(self) -> pd.DataFrame:
        """Broken rules and suspects; a notebook shows the whole as a card, parts of it as the data frame they are."""
        if self._findings is None:
            from wsktrace.trace.frames import FindingsFrame

            self._findings = FindingsFrame.of(self.frame("findings"), lambda: self.summary)
        return self._findings

    @property
    def rules(self) -> pd.DataFrame:
        """How often each rule was judged how."""
        return self.frame("rules")

    @property
    def quality(self) -> pd.DataFrame:
        """What the file holds, what was lost, what is damaged."""
        return self.frame("quality")

    @property
    def latency(self) -> pd.DataFrame:
        """Percentiles and histograms of durations, by operation and leg."""
        return self.frame("latency")

    def relation(self, name: str) -> pa.Table | ds.Dataset:
        """Return a table of schema.py to be queried: of a loaded trace a data set, of which no row is read yet."""
        if isinstance(self._source, Loaded) and name not in self._arrow:
            return self._source.dataset(table(name).name)
        return self.arrow(name)

    def _latency(self) -> pa.Table:
        from wsktrace.arrow import to_arrow
        from wsktrace.stats import latency_columns

        return to_arrow("latency", latency_columns(self.arrow("irps")))

    @property
    def summary(self) -> TraceFacts:
        """Facts of the trace as a whole: name, hash, span, losses, bytes by class, providers."""
        if self._facts is None:
            self._facts = self._source.facts()
        return self._facts

    def info(self) -> dict[str, Any]:
        """Return what ``wsktrace info --format json`` prints; of a loaded trace, the facts that were kept."""
        return self._source.info()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
