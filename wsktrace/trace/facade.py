"""What is made of a trace's tables: pictures, stories, reports, files, SQL, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from wsktrace.schema import TABLES
from wsktrace.trace.subjects import Finding
from wsktrace.trace.tables import TraceTables

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from wsktrace.plots import Plots
    from wsktrace.report.comparison.difference import Difference
    from wsktrace.report.provenance import Provenance
    from wsktrace.report.story.stories import Stories
    from wsktrace.report.story.told import Story
    from wsktrace.trace.sources import Source
    from wsktrace.trace.subjects import IrpUse, Socket

__all__ = ["Trace"]


class Trace(TraceTables):
    """A trace as tables. Use it as a context manager, or ``close`` it; tables that were read stay readable.

    ``trace.irps`` and the other tables of schema.py are pandas data frames with Arrow-backed types; ``trace.arrow``
    gives them as Arrow tables, without a copy.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._stories: Stories | None = None

    @overload
    def sql(self, query: str, *, arrow: Literal[False] = False) -> pd.DataFrame: ...

    @overload
    def sql(self, query: str, *, arrow: Literal[True]) -> pa.Table: ...

    def sql(self, query: str, *, arrow: bool = False) -> pd.DataFrame | pa.Table:
        """Return the rows of the last statement, as a data frame with Arrow-backed types or as an Arrow table.

        ``trace.sql("SELECT op, count(*) FROM irps GROUP BY op")``; tables, types and functions: wsktrace/query.py.

        Raises:
            UsageError: a statement that duckdb refuses, or that reaches for files.
            MissingDependency: duckdb is not installed.
        """
        from wsktrace.arrow import to_pandas
        from wsktrace.query import last_result

        result = last_result(self.relation, query)
        return result if arrow else to_pandas(result)

    def diff(
        self, other: Trace, *, by: str | Sequence[str] = ("op",), op: str | Iterable[str] = (), margin: float = 1.05
    ) -> Difference:
        """Compare this trace, the reference, with another, the candidate; ``wsktrace.diff.compare`` says how.

        Args:
            other: the candidate.
            by: what latencies are split by: op, status, outcome, completion, category, family.
            op: operations to compare the latencies of; all where empty.
            margin: a quantile that moved by less than this factor is no shift.
        """
        from wsktrace.diff import Side, compare
        from wsktrace.report.comparison.difference import Difference

        sides = (Side(trace.summary, trace.arrow) for trace in (self, other))
        ops = (op,) if isinstance(op, str) else tuple(op)
        return Difference(compare(*sides, by=by, ops=ops, margin=margin))

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
        from wsktrace.arrow import to_pandas

        return to_pandas(
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

    # -- one of them ------------------------------------------------------------------------------------------------

    @property
    def stories(self) -> Stories:
        """What tells stories of this trace, its indexes kept: ``trace.stories.around(start_ns, end_ns)``."""
        from wsktrace.report.story.stories import Stories

        if self._stories is None:
            self._stories = Stories(self.arrow)
        return self._stories

    def irp(self, which: int | str) -> IrpUse:
        """Return one use of an IRP, by id (``17``) or address (``"ffff8001`23456780"``, 0xffff800123456780).

        Raises:
            UsageError: there is none, or an address that was used several times; the message names the uses.
        """
        from wsktrace.trace.subjects import IrpUse, single

        return IrpUse(self, single(self, "irps", which))

    def socket(self, which: int | str) -> Socket:
        """Return one socket, by id or address; errors as ``irp``."""
        from wsktrace.trace.subjects import Socket, single

        return Socket(self, single(self, "sockets", which))

    def finding(self, finding_id: int) -> Finding:
        """Return one finding as an object that shows itself in a notebook; ``UsageError`` where there is none."""
        return Finding(self, finding_id)

    def with_messages(
        self,
        stories: Sequence[Story],
        *,
        every: bool = False,
        most: int | None = 200,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Story]:
        """Return stories with the driver's own messages between their lines; the file is read once more for them.

        Args:
            stories: what ``trace.stories`` or ``.story`` gave.
            every: all messages of a story's time, not only those inside its calls or with its address.
            most: how many to show in each; None: all.
            progress: called with (done, total) bytes.

        Raises:
            UsageError: a trace that was loaded from Parquet, which has no messages.
        """
        from wsktrace.report.story import messages as story_messages

        contents = self._source.contents
        return story_messages.collect(contents, stories, every=every, most=most, progress=progress)

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

    def render(self, form: str = "text", *, redact: bool = False, **options: Any) -> str:
        """Return the account of the trace as ``wsktrace check`` writes it.

        Args:
            form: text, concise (a line per finding), json, jsonl, sarif, junit, github (annotations) or md.
            redact: hide addresses, process and thread ids, names of files and hosts; equal ones stay equal.
            options: those of ``wsktrace.report.formats`` that the format takes: ``unknown``, ``coverage``,
                ``source_root`` …; those that only others take are left out.

        Raises:
            UsageError: there is no such format, no such option, or no such folder of source files.
        """
        from wsktrace.report.formats import render

        if not redact:
            return render(form, self.summary, self.arrow, **options)
        from wsktrace.report.redact import Redactor

        hidden = Redactor(self.summary, self.arrow)
        options |= {"source_root": None, "command_line": ""}  # they name files
        return hidden.finish(render(form, hidden.facts, hidden, **options))

    def timeline(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        socket: int | str | None = None,
        since: str | None = None,
        until: str | None = None,
        redact: bool = False,
    ) -> bytes | Path:
        """Write the timeline for https://ui.perfetto.dev and return the path; without ``path``, return its bytes.

        ``socket``: only this one, by address or id; ``since``, ``until``: only what reaches into that time, written as
        for ``events``; ``redact``: with numbers that were made up in place of addresses, process and thread ids, and
        without names of files. It needs ``pip install "wsktrace[timeline]"``; ``UsageError`` where there is nothing to
        draw.
        """
        from wsktrace.report.perfetto import file as perfetto_file

        chosen = perfetto_file.choose(self.summary, socket=socket, since=since, until=until)
        if not redact:
            return perfetto_file.deliver(self.summary, self.arrow, path, **chosen)
        hidden, chosen = perfetto_file.redacted(self.summary, self.arrow, chosen)
        return perfetto_file.deliver(hidden.facts, hidden, path, **chosen)

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
    def report(self, path: None = None, *, redact: bool = False, made: Provenance | None = None) -> str: ...

    @overload
    def report(self, path: str | os.PathLike[str], *, redact: bool = False, made: Provenance | None = None) -> Path: ...

    def report(
        self, path: str | os.PathLike[str] | None = None, *, redact: bool = False, made: Provenance | None = None
    ) -> str | Path:
        """Return the report as HTML, or write it to a file and return its path.

        Args:
            path: where to write.
            redact: hide addresses, process and thread ids, names of files and hosts; equal ones stay equal.
            made: what it says of how it was made; that it was called from Python where None.
        """
        from wsktrace.report.html.report import render, write
        from wsktrace.report.provenance import provenance
        from wsktrace.report.story.messages import may_have

        made = made or provenance(self.summary, self.given)
        more = {"messages": self.with_messages} if self.given is not None and may_have(self.summary) else {}
        text = render(self.summary, self.arrow, made=made, redact=redact, **more)
        return text if path is None else write(text, path)

    def __repr__(self) -> str:
        if self._facts is None:
            return "<wsktrace.Trace, not read yet>"
        return f"<wsktrace.Trace {self._facts.file}: {self._facts.judged:,} operations>"

    def _repr_html_(self) -> str:
        from wsktrace.report.cards.trace import trace_card

        return trace_card(self.summary, self.arrow)
