"""The report: a trace's whole account as one HTML file that needs no network and, to be read, no script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.errors import UsageError
from wsktrace.files import whole
from wsktrace.report.html.findings import Found, choose
from wsktrace.report.html.lives import Lives, lives
from wsktrace.report.html.page import page
from wsktrace.report.provenance import Provenance, provenance
from wsktrace.report.words import REASONS, operations_by_id, rows

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.story.told import Story

__all__ = ["render", "write"]

#: Findings whose story is told, and lines of all these stories; the first has its own in any case.
MOST_STORIES = 200
MOST_LINES = 400
#: Classes of bytes in the order of the bar, with what they are.
_CLASSES = {
    "judged": "events that were judged",
    "readable": "other events that can be read",
    "no_format": "events without a format",
    "headers": "headers",
    "filler": "unused room in buffers",
    "damaged": "damaged",
}


def render(
    facts: TraceFacts,
    tables: Tables,
    *,
    made: Provenance | None = None,
    redact: bool = False,
    messages: Callable[[list[Story]], list[Story]] | None = None,
) -> str:
    """Return the report of a trace as HTML.

    Args:
        facts: of the trace.
        tables: gives its tables.
        made: how the report is made; what can be told of that from ``facts`` alone where None.
        redact: hide addresses, process and thread ids and names of files; equal ones stay equal.
        messages: puts the driver's own messages into stories.
    """
    made = made or provenance(facts)
    if not redact:
        return _page(facts, tables, made, messages)
    from wsktrace.report.redact import Redactor

    hidden = Redactor(facts, tables)
    if messages is None:
        return hidden.finish(_page(hidden.facts, hidden, hidden.provenance(made), redacted=True))

    def told(stories: list[Story]) -> list[Story]:
        from wsktrace.report.story.stories import Stories

        known = Stories(tables)  # messages are found by what they name, so by what is not hidden
        return [hidden.story(story) for story in messages([known.finding(story.row) for story in stories])]

    return hidden.finish(_page(hidden.facts, hidden, hidden.provenance(made), told, redacted=True))


def write(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a report to a file (UTF-8), whole or not at all, and return its path."""
    from pathlib import Path

    target = Path(path)
    with whole(target) as place:
        place.write_text(text, "utf-8", errors="replace", newline="\n")
    return target


def _page(
    facts: TraceFacts,
    tables: Tables,
    made: Provenance,
    messages: Callable[[list[Story]], list[Story]] | None = None,
    *,
    redacted: bool = False,
) -> str:
    from wsktrace.report.html.coverage import coverage
    from wsktrace.report.html.latency import latency
    from wsktrace.report.html.pictures import pictures
    from wsktrace.stats.latency import LEG_NAMES

    found = choose(tables("findings"))
    held = lives(tables, found.shown(), facts.end_ns)
    judged = rows(tables("rules"))
    shown = {
        "irps": frozenset(row["irp_id"] for row in (*held.told, *held.irps)),
        "sockets": frozenset(row["socket_id"] for row in held.sockets),
        "findings": frozenset(row["finding_id"] for row in found.shown()),
    }
    return page(
        "report.html.j2",
        facts=facts,
        made=made,
        redacted=redacted,
        found=found,
        lives=held,
        shown=shown,
        operations=_operations(tables, found),
        stories=_stories(tables, found, held, messages),
        about=_about(found),
        trust=_trust(facts),
        rules=coverage(judged, found.rules()),
        counts={name: tables(name).num_rows for name in ("irps", "sockets", "descriptors", "registrations")},
        quality=_quality(tables),
        latency=latency(tables),
        pictures=pictures(tables, facts),
        reasons=REASONS,
        legs=LEG_NAMES,
    )


def _operations(tables: Tables, found: Found) -> dict[int, dict[str, Any]]:
    """Return the operations that the findings name, by id."""
    from wsktrace.report.html.findings import MOST_EVIDENCE, MOST_OUTSTANDING

    wanted: set[int] = set()
    for row in found.shown():
        wanted.update((row["evidence"] or ())[:MOST_EVIDENCE], (row["outstanding"] or ())[:MOST_OUTSTANDING])
    names = ("operation_id", "time", "op", "phase", "irp", "irp_id", "socket", "socket_id", "status_name", "tid", "cpu")
    return operations_by_id(tables, wanted, names)


def _stories(
    tables: Tables, found: Found, held: Lives, messages: Callable[[list[Story]], list[Story]] | None
) -> dict[str, dict[int, Story]]:
    """Return the stories that the page tells, by table and row."""
    from wsktrace.report.story.stories import Stories

    told = Stories(tables)
    findings = _told(told.finding, [row["finding_id"] for row in found.shown()][:MOST_STORIES])
    findings = _limited(findings)
    if messages is not None:
        findings = {story.row: story for story in messages(list(findings.values()))}
    return {
        "findings": findings,
        "irps": _told(told.irp, (row["irp_id"] for row in held.told)),
        "sockets": _told(told.socket, sorted(held.sockets_told)),
    }


def _limited(stories: dict[int, Story]) -> dict[int, Story]:
    """Return the first stories, as many as a page has room for."""
    held: dict[int, Story] = {}
    lines = 0
    for number, story in stories.items():
        lines += min(len(story.lines), 60)
        if not held or lines <= MOST_LINES:
            held[number] = story
    return held


def _told(tell: Callable[[int], Story], ids: Iterable[int]) -> dict[int, Story]:
    """Return the stories by id, without those that tables from elsewhere name and do not hold."""
    from contextlib import suppress

    held = {}
    for number in ids:
        with suppress(UsageError):
            held[number] = tell(number)
    return held


def _about(found: Found) -> dict[str, dict[int, list[int]]]:
    """Return which findings are about each IRP and socket."""
    held: dict[str, dict[int, list[int]]] = {"irps": {}, "sockets": {}}
    for row in found.shown():
        for table, name in (("irps", "irp_id"), ("sockets", "socket_id")):
            if row[name] is not None:
                held[table].setdefault(row[name], []).append(row["finding_id"])
    return held


def _trust(facts: TraceFacts) -> dict[str, Any]:
    """Return what was lost or damaged in words, and the bytes by class for the bar."""
    from wsktrace.report.trust import trust
    from wsktrace.units import share_text

    x = 0.0
    parts = []
    known = {**dict.fromkeys(_CLASSES, 0), **facts.bytes}
    for name, size in known.items():
        if size and facts.size:
            width = 1000 * size / facts.size
            parts.append(
                {
                    "name": name if name in _CLASSES else "other",
                    "text": _CLASSES.get(name, name.replace("_", " ")),
                    "size": size,
                    "share": share_text(size, facts.size),
                    "x": round(x, 2),
                    "width": round(max(width, 1.5), 2),
                }
            )
            x += width
    return {"lines": trust(facts), "lost": bool(facts.losses), "parts": parts}


def _quality(tables: Tables) -> list[dict[str, Any]]:
    """Return the gaps and damage of the trace, as rows of ``quality``."""
    from wsktrace.arrow import matching

    return rows(matching(tables("quality"), "item", "damaged", "gap", "edge").slice(0, 60))
