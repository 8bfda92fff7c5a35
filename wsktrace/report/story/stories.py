"""What happened to one IRP or one socket, to a finding, or around a moment: lines in order, made from the tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.report.story import facts as story_facts
from wsktrace.report.story import notes as story_notes
from wsktrace.report.story.find import uses
from wsktrace.report.story.index import Index
from wsktrace.report.story.lines import lines, place
from wsktrace.report.story.rows import Operation, union
from wsktrace.report.story.told import Line, Story
from wsktrace.report.words import worst_first
from wsktrace.units import address_text, clean, clock_text, duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from wsktrace.arrow import Tables

__all__ = ["Stories"]

Rows = "NDArray[np.int64]"
#: Operations of one story, unless the caller wants another number.
MOST: Final = 200
#: Findings that one story tells, the worst first.
MOST_FINDINGS: Final = 20
#: Operations of the socket that the story of a finding shows before its first and behind its last evidence.
_BESIDE: Final = 8


class Stories:
    """Tells stories from the tables of a trace. Indexes are built once, when they are needed; a story reads few rows.

    Args:
        tables: gives a table of schema.py by its name.
        most: operations that a story of a socket, finding or moment shows before it leaves out what is between.
    """

    def __init__(self, tables: Tables, *, most: int = MOST) -> None:
        self._tables = tables
        self._most = max(most, 2)

    @cached_property
    def _index(self) -> Index:
        return Index(self._tables)

    # -- stories ------------------------------------------------------------------------------------------------------

    def irp(self, irp_id: int) -> Story:
        """Return the story of one use of an IRP; ``UsageError`` where there is none of that id."""
        index = self._index
        irp = index.irp(irp_id)
        own = index.of_irp(irp_id)
        findings = index.about.irp(irp_id)
        at = union(own, index.beside(irp), self._evidence(findings))
        at, left_out = self._cut(at, self._evidence(findings))
        more = [
            *self._findings(findings),
            *story_notes.outstanding(index, irp),
            *story_notes.gaps(index, irp["load"], irp["issue_time"], _end_of(index, irp)),
            *story_notes.irp_end(index, irp),
        ]
        return Story(
            f"{clean(irp['op'])} with IRP {address_text(irp['irp'])} (#{irp_id})",
            "irps",
            irp_id,
            irp["issue_time"],
            story_facts.irp_facts(index, irp),
            self._lines(at, more, irp=irp["irp"]),
            tuple(f["finding_id"] for f in findings),
            left_out,
        )

    def socket(self, socket_id: int) -> Story:
        """Return the story of a socket; ``UsageError`` where there is none of that id."""
        index = self._index
        socket = index.socket(socket_id)
        findings = index.about.socket(socket_id)
        evidence = self._evidence(findings)
        at, left_out = self._cut(union(index.of_socket(socket), evidence), evidence)
        at = union(at, index.more_of_irps(at))
        start = min(index.operations.take("time", at[:1]), default=0)
        end = socket["closed_time"] or index.extent.end_ns(socket["load"])
        more = [
            *self._findings(findings),
            *story_notes.gaps(index, socket["load"], start, end),
            *story_notes.socket_end(index, socket),
        ]
        return Story(
            f"socket {address_text(socket['socket'])} (#{socket_id})",
            "sockets",
            socket_id,
            start,
            story_facts.socket_facts(index, socket),
            self._lines(at, more, socket=socket["socket"]),
            tuple(f["finding_id"] for f in findings),
            left_out,
        )

    def finding(self, finding_id: int) -> Story:
        """Return the story of a finding; ``UsageError`` where there is none of that id."""
        index = self._index
        finding = index.finding(finding_id)
        evidence = index.rows_of(finding["evidence"] or [])
        parts = [evidence, index.rows_of((finding["outstanding"] or [])[: self._most])]
        end = index.extent.end_ns(0)
        if index.has("irps", finding["irp_id"]):
            irp = index.irp(finding["irp_id"])
            parts += [index.of_irp(irp["irp_id"]), index.beside(irp)]
            end = _end_of(index, irp)
            more = story_notes.irp_end(index, irp)
        else:
            more = []
        if index.has("sockets", finding["socket_id"]) and len(evidence):
            of = index.of_socket(index.socket(finding["socket_id"]))
            low = max(int(np.searchsorted(of, evidence[0])) - _BESIDE, 0)
            parts.append(of[low : int(np.searchsorted(of, evidence[-1], "right")) + _BESIDE])
        at, left_out = self._cut(union(*parts), evidence)
        at = union(at, index.more_of_irps(at))
        times = [*index.operations.take("time", at), finding["time"]]
        load = index.operations.value("load", int(at[0])) if len(at) else 0
        more += story_notes.gaps(index, load, min(times), max([*times, *([end] if more else [])]))
        more += story_notes.still_outstanding(index, finding)
        return Story(
            f"{clean(finding['rule'])} (finding {finding_id})",
            "findings",
            finding_id,
            finding["time"],
            story_facts.finding_facts(index, finding),
            self._lines(
                at,
                [*self._findings([finding]), *more],
                socket=finding["socket"],
                evidence=set(finding["evidence"] or ()),
            ),
            (finding_id, *(f["finding_id"] for f in index.about.effects(finding_id))),
            left_out,
        )

    def around(self, start_ns: int, end_ns: int) -> Story:
        """Return what happened from ``start_ns`` on and before ``end_ns`` (UTC), whatever it happened to."""
        index = self._index
        at = index.between(start_ns, end_ns)
        count, left_out = len(at), ""
        if count > self._most:
            middle = int(np.searchsorted(index.operations.values("time")[at], (start_ns + end_ns) // 2))
            low = min(max(middle - self._most // 2, 0), count - self._most)
            at = at[low : low + self._most]
            left_out = f"{count - self._most:,} of {count:,} operations: those farthest from the middle"
        findings = [f for f in index.findings if start_ns <= f["time"] < end_ns]
        findings = worst_first(findings)
        more = [*self._findings(findings), *story_notes.gaps(index, None, start_ns, end_ns)]
        middle_ns = (start_ns + end_ns) // 2
        return Story(
            f"{duration_text(end_ns - start_ns)} around {clock_text(middle_ns, date=True)} UTC",
            "moments",
            0,
            middle_ns,
            (("operations", f"{count:,}"), ("findings", f"{len(findings):,}")),
            self._lines(at, more),
            tuple(f["finding_id"] for f in findings),
            left_out,
            (start_ns, end_ns),
        )

    # -- what can be told ---------------------------------------------------------------------------------------------

    def uses(self, table: str, which: int | str) -> list[int]:
        """Return the ids that an id or address means, oldest first.

        Args:
            table: ``irps`` or ``sockets``.
            which: an id, ``#`` and an id, or an address as debuggers and traces write it.

        Raises:
            UsageError: neither, or nothing that bears it; the message says what comes near.
        """
        return uses(self._index, table, which)

    # -- their parts --------------------------------------------------------------------------------------------------

    def _lines(
        self,
        at: NDArray[np.int64],
        more: Iterable[tuple[int | None, Line]],
        *,
        irp: int | None = None,
        socket: int | None = None,
        evidence: set[int] | None = None,
    ) -> tuple[Line, ...]:
        rows = Operation.some(self._index.operations, at)
        told = lines(rows, issued=self._issued(rows), irp=irp, socket=socket, evidence=evidence or set())
        return tuple(place(told, list(more)))

    def _issued(self, rows: list[Operation]) -> dict[int, tuple[Operation, Operation | None]]:
        """Return place of a completion → the call whose IRP it completes, and that call's return."""
        places = [p for p, row in enumerate(rows) if row.phase == "complete" and self._index.has("irps", row.irp_id)]
        if not places:
            return {}
        index = self._index
        calls = index.irp_rows([rows[p].irp_id or 0 for p in places])
        begun, ended = index.irps.take("issue_operation", calls), index.irps.take("return_operation", calls)
        known = {row.id: row for row in rows}
        if missing := [n for n in (*begun, *ended) if n is not None and n not in known]:
            known |= {row.id: row for row in Operation.some(index.operations, index.rows_of(missing))}
        return {p: (known[i], known.get(r)) for p, i, r in zip(places, begun, ended, strict=True) if i in known}

    def _evidence(self, findings: list[dict[str, Any]]) -> NDArray[np.int64]:
        ids = [number for f in findings[:MOST_FINDINGS] for number in (f["evidence"] or [])[: self._most]]
        return self._index.rows_of(sorted(set(ids)))

    def _findings(self, findings: list[dict[str, Any]]) -> list[tuple[int | None, Line]]:
        return story_notes.findings(self._index, findings[:MOST_FINDINGS], len(findings) - MOST_FINDINGS)

    def _cut(self, at: NDArray[np.int64], kept: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
        """Leave out the middle of what is too long, but nothing that shows a finding."""
        if len(at) <= self._most:
            return at, ""
        half = self._most // 2
        short = union(at[:half], _shared(kept, at)[: self._most], at[-half:])
        left = len(at) - len(short)
        told = f"the first {half}, the last {half}" + (" and those of findings" if len(kept) else "")
        return short, f"{left:,} of {len(at):,} operations: shown are {told}" if left else ""


def _end_of(index: Index, irp: dict[str, Any]) -> int:
    """Return when a use of an IRP was over; the end of the trace where that is not seen."""
    if irp["complete_time"] is not None:
        return int(irp["complete_time"])
    return index.extent.end_ns(irp["load"])


def _shared(few: NDArray[np.int64], many: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of a few rows that are among many, both ascending."""
    spots = np.minimum(many.searchsorted(few), len(many) - 1)
    shared: NDArray[np.int64] = few[many[spots] == few]
    return shared
