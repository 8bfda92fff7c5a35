"""The façade: a trace as its tables, each built when it is first asked for and then kept.

``open`` reads an .etl; ``load`` reads what ``Trace.to_parquet`` wrote, without the .etl; both give a ``Trace``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self, overload

from wsktrace.errors import UsageError
from wsktrace.report.facts import TraceFacts
from wsktrace.schema import TABLES, table

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import pandas as pd
    import pyarrow as pa

    from wsktrace.plots import Plots

__all__ = ["Finding", "Trace", "load", "open"]


class _Source(Protocol):
    """Where a trace's tables come from: an analysis of an .etl, or a folder of Parquet files."""

    def table(self, name: str) -> pa.Table: ...

    def facts(self) -> TraceFacts: ...

    def info(self) -> dict[str, Any]: ...

    def events(self, **chosen: Any) -> pa.Table: ...

    def close(self) -> None: ...


def open(  # noqa: A001 -- wsktrace.open reads as it should
    source: str | os.PathLike[str] | BinaryIO,
    *,
    member: str | None = None,
    profile: str = "native",
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    unknown: bool = False,
    notes: bool = False,
    limits: Mapping[str, float] | None = None,
    baseline: str | os.PathLike[str] | None = None,
    symbols: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    download: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Trace:
    """Open an ETL trace; it is read when its first table is asked for.

    Args:
        source: a path to an .etl, .etl.gz or .zip, or a file object opened in binary mode.
        member: which file of a .zip, where it holds several.
        profile: how the driver's events map to operations; ``native`` is the provider of ``wsktrace.h``.
        select: ids of the rules to judge by (``SD-LEAK`` or ``WSK-SD-LEAK``); all where None.
        ignore: ids of the rules to leave out.
        unknown: whether ``findings`` lists what the trace cannot decide, too.
        notes: whether ``findings`` lists what is legal and worth knowing, too.
        limits: other limits than the profile's: ``{"close_s": 20, "WskConnect": 90, "order_tolerance_ms": 5}``.
        baseline: JSON or SARIF of an earlier run; findings that it has are marked in the column ``ignored``.
        symbols: what describes events for ``Trace.events``: PDBs, TMF files, manifests, binaries, folders of them.
        download: whether the servers of ``_NT_SYMBOL_PATH`` may be asked for PDBs.
        progress: called with (stage, done, total); a total of 0 where it is not known.

    Raises:
        NotAnEtlFile: it is something else; the message says what and what to do.
        UsageError: no profile, rule or limit of that name, no such symbol file or baseline.
        FormatError: a symbol file or baseline that is named is damaged.
    """
    import os

    from wsktrace.analysis import Analysis

    return Trace(
        Analysis(
            source,
            member=member,
            profile=profile,
            select=select,
            ignore=ignore,
            unknown=unknown,
            notes=notes,
            limits=limits,
            baseline=baseline,
            symbols=(symbols,) if isinstance(symbols, (str, os.PathLike)) else tuple(symbols),
            download=download,
            progress=progress,
        )
    )


def load(directory: str | os.PathLike[str]) -> Trace:
    """Open a folder that ``Trace.to_parquet`` or ``wsktrace export`` wrote; ``FormatError`` where it is none."""
    from wsktrace import store

    return Trace(_Loaded(store.read(directory)))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The source of a trace that was loaded from Parquet."""

    stored: Any

    def table(self, name: str) -> pa.Table:
        found: pa.Table = self.stored.table(name)
        return found

    def facts(self) -> TraceFacts:
        return TraceFacts.from_json(self.stored.facts)

    def info(self) -> dict[str, Any]:
        return self.facts().to_json()

    def events(self, **chosen: Any) -> pa.Table:  # noqa: ARG002 -- there is no .etl to take them from
        raise UsageError("a loaded trace has its tables only; open the .etl to read its events: wsktrace.open")

    def close(self) -> None:
        pass  # each table is read whole; no file stays open


class Trace:
    """A trace as tables. Use it as a context manager, or ``close`` it; tables that were read stay readable.

    ``trace.irps`` and the other tables of schema.py are pandas data frames with Arrow-backed types; ``trace.arrow``
    gives them as Arrow tables, without a copy.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._facts: TraceFacts | None = None
        self._arrow: dict[str, pa.Table] = {}
        self._frames: dict[str, pd.DataFrame] = {}

    # -- tables ---------------------------------------------------------------------------------------------------

    def arrow(self, name: str) -> pa.Table:
        """Return a table of schema.py; ``UsageError`` where there is none of that name."""
        table(name)
        if name not in self._arrow:
            self._arrow[name] = self._latency() if name == "latency" else self._source.table(name)
        return self._arrow[name]

    def frame(self, name: str) -> pd.DataFrame:
        """Return a table of schema.py as a pandas data frame with Arrow-backed types; words are strings in it."""
        if name not in self._frames:
            self._frames[name] = _to_pandas(self.arrow(name))
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
        """Broken rules and suspects."""
        return self.frame("findings")

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

    def _latency(self) -> pa.Table:
        from wsktrace.arrow import to_arrow
        from wsktrace.stats import latency_columns

        return to_arrow("latency", latency_columns(self.arrow("irps")))

    def events(
        self,
        provider: str | Sequence[str] = (),
        name: str | Sequence[str] = (),
        *,
        id: int | Sequence[int] = (),  # noqa: A002 -- what events call it
        level: int | None = None,
        since: str | None = None,
        until: str | None = None,
        pid: int | Sequence[int] = (),
        tid: int | Sequence[int] = (),
        grep: str | None = None,
    ) -> pd.DataFrame:
        """Return the events of the trace, whatever describes them, in the order of time with typed columns.

        Each has time, cpu, pid, tid, provider, guid, event, id, version, opcode, level, keyword, message, file, line,
        function and format (what described it), and one column per field, null for events that have none of this name.
        What is chosen by must all fit; of several values of one, any.

        Args:
            provider: names or GUIDs of providers; * and ? stand for others, case does not count.
            name: names of events, functions of WPP messages, likewise.
            id: event ids, message numbers, types of classic and kernel events.
            level: this level and the more severe ones (1 critical to 5 verbose).
            since: ISO time (UTC), time of day, or ``+1.5`` seconds from the start.
            until: likewise; that time itself is not included.
            pid: processes.
            tid: threads.
            grep: regular expression that must be found in the message.

        Raises:
            UsageError: a time or expression that is none; a trace that was loaded from Parquet.
        """
        return _to_pandas(
            self._source.events(
                providers=provider,
                names=name,
                ids=id,
                level=level,
                since=since,
                until=until,
                pids=pid,
                tids=tid,
                grep=grep,
            )
        )

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    def summary(self) -> TraceFacts:
        """Facts of the trace as a whole: name, hash, span, losses, bytes by class, providers."""
        if self._facts is None:
            self._facts = self._source.facts()
        return self._facts

    def info(self) -> dict[str, Any]:
        """Return what ``wsktrace info --format json`` prints; of a loaded trace, the facts that were kept."""
        return self._source.info()

    def finding(self, finding_id: int) -> Finding:
        """Return one finding as an object that shows itself in a notebook; ``UsageError`` where there is none."""
        from wsktrace.arrow import matching
        from wsktrace.report.words import rows

        held = self.arrow("findings")
        chosen = rows(matching(held, "finding_id", finding_id))
        if not chosen:
            raise UsageError(f"no finding {finding_id}; there are {held.num_rows}, see trace.findings.finding_id")
        return Finding(self, chosen[0])

    @property
    def given(self) -> dict[str, Any] | None:
        """The arguments of ``wsktrace.open``; None where they are not known, as of a loaded trace."""
        held: dict[str, Any] | None = getattr(self._source, "given", None)
        return held

    # -- out ------------------------------------------------------------------------------------------------------

    @property
    def plot(self) -> Plots:
        """Pictures of the trace."""
        from wsktrace.plots import Plots

        return Plots(self.arrow, lambda: self.summary)

    def to_parquet(self, directory: str | os.PathLike[str], *, force: bool = False) -> list[Path]:
        """Write every table to a folder of Parquet files, which ``wsktrace.load`` reads; return the files.

        Raises:
            UsageError: the folder holds files that wsktrace did not write, and ``force`` is not given.
        """
        from pathlib import Path

        from wsktrace import store

        store.check_target(Path(directory), force=force)  # before the work, not after it
        tables = {name: self.arrow(name) for name in TABLES}
        return store.write(tables, directory, facts=self.summary.to_json(), force=force)

    @overload
    def report(self, path: None = None, *, redact: bool = False) -> str: ...

    @overload
    def report(self, path: str | os.PathLike[str], *, redact: bool = False) -> Path: ...

    def report(self, path: str | os.PathLike[str] | None = None, *, redact: bool = False) -> str | Path:
        """Return the report as HTML, or write it to a file and return its path.

        ``redact`` hides addresses, process and thread ids and names of files; equal ones stay equal.
        """
        from wsktrace.report.html import render, write
        from wsktrace.report.provenance import provenance

        made = provenance(self.summary, self.given)
        text = render(self.summary, self.arrow, made=made, redact=redact)
        return text if path is None else write(text, path)

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._facts is None:
            return "<wsktrace.Trace, not read yet>"
        return f"<wsktrace.Trace {self._facts.file}: {self._facts.judged:,} operations>"

    def _repr_html_(self) -> str:
        from wsktrace.report.card import trace_card

        return trace_card(self.summary, self.arrow)


def _to_pandas(held: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a data frame; dictionaries become strings, which pandas can sort and match."""
    import pandas as pd
    import pyarrow as pa

    for at, field in enumerate(held.schema):
        if pa.types.is_dictionary(field.type):
            held = held.set_column(at, field.name, held.column(at).cast(pa.string()))
    return held.to_pandas(types_mapper=pd.ArrowDtype)


class Finding:
    """One broken rule or suspect, with the operations that show it. ``finding["rule"]`` and so on give its columns."""

    def __init__(self, trace: Trace, row: dict[str, Any]) -> None:
        self._trace = trace
        self._row = row

    def __getitem__(self, column: str) -> Any:
        """Return the value of a column of the table ``findings``; times are ns UTC."""
        return self._row[column]

    @property
    def evidence(self) -> pd.DataFrame:
        """The operations that show it, in order."""
        return _to_pandas(self._evidence())

    def _evidence(self) -> pa.Table:
        from wsktrace.arrow import matching

        return matching(self._trace.arrow("operations"), "operation_id", *self._row["evidence"])

    def __repr__(self) -> str:
        return f"<wsktrace.Finding {self._row['rule']} {self._row['verdict']}: {self._row['message']}>"

    def _repr_html_(self) -> str:
        from wsktrace.report.card import finding_card
        from wsktrace.report.words import rows
        from wsktrace.rules.registry import RULES

        rule = RULES.get(self._row["rule"])
        sentence = rule.sentence if rule is not None else ""
        return finding_card(self._row, sentence=sentence, evidence=rows(self._evidence()))
