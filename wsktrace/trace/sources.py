"""Where a trace's tables come from: an analysis of an .etl, or a folder of Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from wsktrace.errors import UsageError
from wsktrace.facts import TraceFacts

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from wsktrace.decode.contents import Contents

__all__ = ["Loaded", "Source"]


class Source(Protocol):
    """What a trace asks of where it comes from."""

    def table(self, name: str) -> pa.Table:
        """Return a table of schema.py."""
        ...

    def facts(self) -> TraceFacts:
        """Return the facts of the trace as a whole."""
        ...

    def info(self) -> dict[str, Any]:
        """Return what ``wsktrace info --format json`` prints."""
        ...

    def events(self, **chosen: Any) -> pa.Table:
        """Return the events that are chosen (arguments of ``EventFilter.of``)."""
        ...

    @property
    def contents(self) -> Contents:
        """What the file holds by kind, and what describes it."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """The source of a trace that was loaded from Parquet."""

    stored: Any

    def table(self, name: str) -> pa.Table:
        """Return a table of schema.py."""
        found: pa.Table = self.stored.table(name)
        return found

    def dataset(self, name: str) -> ds.Dataset:
        """Return a table as a dataset, of which only what is asked for is read."""
        found: ds.Dataset = self.stored.dataset(name)
        return found

    def facts(self) -> TraceFacts:
        """Return the facts of the trace as a whole."""
        return TraceFacts.from_json(self.stored.facts)

    def info(self) -> dict[str, Any]:
        """Return what ``wsktrace info --format json`` prints."""
        return self.facts().to_json()

    def events(self, **chosen: Any) -> pa.Table:  # noqa: ARG002 -- there is no .etl to take them from
        """Return the events that are chosen (arguments of ``EventFilter.of``)."""
        raise UsageError("a loaded trace has its tables only; open the .etl to read its events: wsktrace.open")

    @property
    def contents(self) -> Contents:
        """What the file holds by kind, and what describes it."""
        raise UsageError("a loaded trace has its tables only; the driver's messages are in the .etl: wsktrace.open")

    def close(self) -> None:
        """Let go of the file."""
        # each table is read whole; no file stays open
