"""The stages in a row: a file is read, lives are rebuilt, rules judged, tables made; each once, when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.etl.file import open_trace
from wsktrace.facts import TraceFacts
from wsktrace.report.baseline import read_baseline
from wsktrace.schema import TABLES
from wsktrace.wsk.profile import load_profile, with_limits

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    import pyarrow as pa

    from wsktrace.decode.contents import Contents
    from wsktrace.decode.symbols import Symbols
    from wsktrace.model.lives import Lives
    from wsktrace.model.surroundings import SurroundingsBook
    from wsktrace.rules.findings import Judgement
    from wsktrace.wsk.mapping import Reading

__all__ = ["Analysis"]


class Analysis:
    """One trace being analysed.

    Args and errors are those of ``wsktrace.open``. The file is opened at once (so that a wrong file is told at once)
    and read when the first stage is asked for.
    """

    def __init__(
        self,
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
        symbols: Iterable[str | os.PathLike[str]] = (),
        download: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.profile = with_limits(load_profile(profile), limits or {})
        #: what was asked for, by the names of the arguments
        self.given: dict[str, Any] = {
            "profile": profile,
            "select": None if select is None else tuple(select),
            "ignore": None if ignore is None else tuple(ignore),
            "unknown": unknown,
            "notes": notes,
            "limits": dict(limits or {}),
            "baseline": baseline,
            "symbols": tuple(symbols),
        }
        self._chosen, self._ignored = self.given["select"], self.given["ignore"]
        self._unknown = unknown
        self._notes = notes
        self._baseline = None if baseline is None else read_baseline(baseline)
        self._progress = progress
        self._check_rules()
        self._with_symbols = bool(self.given["symbols"]) or download
        self._symbols = self._open_symbols(self.given["symbols"], download=download)
        self._contents: Contents | None = None
        self.file = open_trace(source, member=member)
        self._reading: Reading | None = None
        self._beside: SurroundingsBook | None = None
        self._lives: Lives | None = None
        self._judgement: Judgement | None = None
        self._sha256: str | None = None

    @staticmethod
    def _open_symbols(paths: tuple[str | os.PathLike[str], ...], *, download: bool) -> Callable[[], Symbols]:
        """Return what gives the symbols; files that are named are looked at now, search paths when they are needed."""
        from functools import cache

        def make() -> Symbols:
            from wsktrace.decode.symbols import Symbols

            return Symbols(paths, download=download)

        made = cache(make)
        if paths or download:
            made()
        return made

    def _check_rules(self) -> None:
        if self.profile.ignore:
            from wsktrace.rules.ignoring import mark

            mark([], self.profile.ignore, None)
        if self._chosen or self._ignored:
            from wsktrace.rules.registry import select

            if not list(select(self._chosen, self._ignored)):
                raise UsageError("no rule is left to judge by; `wsktrace rule` lists them")

    def _say(self, stage: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(stage, done, total)

    @property
    def reading(self) -> Reading:
        """The file, read once: operations and inventory."""
        if self._reading is None:
            from wsktrace.model.surroundings import SurroundingsBook
            from wsktrace.wsk.mapping import read

            self._beside = SurroundingsBook()
            self._reading = read(
                self.file,
                profile=self.profile,
                beside=self._beside.add,
                progress=lambda done, total: self._say("reading", done, total),
            )
        return self._reading

    @property
    def lives(self) -> Lives:
        """The lives of IRPs, sockets, descriptors and registrations."""
        if self._lives is None:
            from wsktrace.model.filefacts import facts_of
            from wsktrace.model.lives import build

            reading = self.reading
            self._say("rebuilding lives", 0, 0)
            size = self.file.header.pointer_size
            facts, tolerance = facts_of(self.file), round(self.profile.order_tolerance_ms * 1e6)
            self._lives = build(
                reading.operations,
                facts,
                self.profile,
                pointer_size=size if size in (4, 8) else 8,
                surroundings=self._beside.done(facts, self.file.clock.to_ns, tolerance) if self._beside else None,
            )
        return self._lives

    @property
    def judgement(self) -> Judgement:
        """The findings, and the verdicts counted per rule."""
        if self._judgement is None:
            from wsktrace.rules.engine import judge
            from wsktrace.rules.ignoring import mark

            lives = self.lives
            self._say("judging", 0, 0)
            self._judgement = judge(
                lives, chosen=self._chosen, ignored=self._ignored, unknown=self._unknown, notes=self._notes
            )
            found = self._judgement.findings
            self._judgement.findings = mark(found, self.profile.ignore, self._baseline)
        return self._judgement

    @property
    def contents(self) -> Contents:
        """What the file holds by kind, and what describes it."""
        if self._contents is None:
            from wsktrace.decode.contents import gather

            self._contents = gather(
                self.file, self._symbols(), progress=lambda done, total: self._say("looking", done, total)
            )
        return self._contents

    def events(self, **chosen: Any) -> pa.Table:
        """Return the events that are chosen (arguments of ``EventFilter.of``) as one table of typed columns."""
        from wsktrace.decode.event_filter import EventFilter
        from wsktrace.decode.events import read_events
        from wsktrace.report.events.table import events_table

        wanted = EventFilter.of(start_ns=self.file.clock.start_ns, **chosen)

        def say(done: int, total: int) -> None:
            self._say("decoding", done, total)

        return events_table(read_events(self.contents, wanted, progress=say))

    def table(self, name: str) -> pa.Table:
        """Return a table of schema.py as Arrow."""
        from wsktrace.arrow import arrow_schema, to_arrow

        columns = self._columns(name)
        return to_arrow(name, columns) if columns else arrow_schema(name).empty_table()

    def _columns(self, name: str) -> dict[str, Any]:
        from wsktrace.model import tables
        from wsktrace.rules.tables import finding_columns, rule_columns

        if name == "findings":
            return finding_columns(self.judgement) | self._places()
        if name == "rules":
            return rule_columns(self.judgement)
        if name == "quality":
            from wsktrace.model.quality import quality_columns

            return quality_columns(self.reading, self.lives)
        makers: dict[str, Callable[[Lives], dict[str, Any]]] = {
            "operations": tables.operation_columns,
            "irps": tables.irp_columns,
            "sockets": tables.socket_columns,
            "descriptors": tables.descriptor_columns,
            "registrations": tables.registration_columns,
        }
        if name not in makers:
            raise UsageError(f"no table named {name!r}; the tables are {', '.join(TABLES)}")
        return makers[name](self.lives)

    def _places(self) -> dict[str, Any]:
        """Return the places of findings in the driver's source; none where no symbols were given."""
        evidence = [finding.evidence for finding in self.judgement.findings]
        if not self._with_symbols or not evidence:
            return {}
        from wsktrace.report.places import driver_messages, place_columns

        lives = self.lives
        rows = sorted({row for rows in evidence for row in rows})

        def say(done: int, total: int) -> None:
            self._say("looking for places", done, total)

        messages = driver_messages(self.contents, np.unique(lives.ops.tid[rows]), progress=say)
        gaps, _, _ = lives.facts.gaps()
        return place_columns(evidence, lives.ops, messages, gaps)

    def sha256(self) -> str:
        """Return the SHA-256 of the .etl's bytes, in hexadecimal."""
        if self._sha256 is None:
            self._sha256 = self.file.sha256()
        return self._sha256

    def facts(self) -> TraceFacts:
        """Return the facts of the trace as a whole."""
        from wsktrace.model.filefacts import facts_of

        reading, survey = self.reading, self.file.survey
        assert survey is not None
        header = self.file.header
        return TraceFacts(
            file=self.file.name,
            size=self.file.size,
            sha256=self.sha256(),
            start_ns=self.file.clock.start_ns if header.start_time > 0 else None,
            end_ns=facts_of(self.file).shown_until_ns,
            profile=self.profile.name,
            events_lost=header.events_lost,
            buffers_lost=header.buffers_lost,
            buffers=len(survey.buffers),
            damaged_buffers=int((survey.buffers.state != 0).sum()),
            records=survey.records,
            cpus=header.number_of_processors,
            judged=len(reading.operations),
            bytes=reading.inventory.bytes(survey),
            providers=reading.inventory.providers(reading.book, self.file.guids),
        )

    def info(self) -> dict[str, Any]:
        """Return what ``wsktrace info --format json`` prints."""
        from wsktrace.report.info import info
        from wsktrace.wsk.mapping import read

        contents = self.contents
        return info(read(self.file, profile=self.profile, operations=False, contents=contents), contents)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
