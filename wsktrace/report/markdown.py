"""The account of a trace as GitHub-flavoured Markdown, for a comment on a pull request or the summary of a run.

What comes from the trace is escaped such that it is text: no markup, no HTML, no link, no mention of anybody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wsktrace.report.verdict import LOSSES, counted, headline, losses, place, root_of
from wsktrace.report.words import REASONS, pending, rows
from wsktrace.rules.registry import RULES
from wsktrace.units import address_text, bytes_text, clean, clock_text, duration_text, span_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from wsktrace.report.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot
    from wsktrace.report.words import Tables

__all__ = ["escape", "render"]

#: Rows of the table of what is pending, of a finding's evidence.
MOST_PENDING, MOST_EVIDENCE = 10, 12
#: Characters; a comment may have 65,536.
MOST_TEXT = 60_000

_ICONS = {"error": "❌", "warning": "⚠️", "info": "ℹ️", "suspect": "❓", "unknown": "·"}
_SPECIAL = {ord(c): f"&#{ord(c)};" for c in "\\`*_{}[]()<>!|~&\"'$"}
#: mentions and issues are looked for in what has been rendered, so an entity alone would not do
_SPECIAL |= {ord(c): f"&#{ord(c)};\u200b" for c in "@#"}
#: what makes a link of a word
_LINKS = re.compile(r"(?<=www)\.|:(?=//)", re.IGNORECASE)


def render(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, source_root: str | os.PathLike[str] | None = None
) -> str:
    """Return the verdict, what is pending, and the findings that count as sections that open."""
    root = root_of(source_root)
    found = counted(tables, unknown=unknown)
    parts = [*_head(facts, tables), *(_pending(facts, tables) if facts.judged else [])]
    length, shown = sum(map(len, parts)), 0
    operations = _operations(tables, found[:500])  # that many sections are longer than the text may be
    for finding in found:
        section = _section(finding, operations, root)
        length += len(section)
        if length > MOST_TEXT:
            break
        parts.append(section)
        shown += 1
    if shown < len(found):
        parts.append(f"… and {len(found) - shown:,} more findings, which do not fit here.\n")
    ignored = sum(f["ignored"] is not None for f in rows(tables("findings")))
    if ignored:
        what = "finding does" if ignored == 1 else "findings do"
        parts.append(f"{ignored:,} {what} not count: excused by the profile or the baseline.\n")
    return "\n".join(parts)


def escape(text: object) -> str:
    """Return text for Markdown and HTML alike: special characters as entities, control characters as escapes."""
    return _LINKS.sub(lambda found: f"&#{ord(found[0])};", clean(text).translate(_SPECIAL))


def _head(facts: TraceFacts, tables: Tables) -> list[str]:
    lost = losses(facts)
    span = "" if facts.span_ns is None else f", {span_text(facts.span_ns)}"
    start = "" if facts.start_ns is None else f", {clock_text(facts.start_ns, date=True)[:-7]} UTC"
    trust = f"⚠️ {escape(lost)}: {LOSSES}." if lost else "Nothing lost, nothing damaged."
    about = f"Trace {escape(facts.file)}: {bytes_text(facts.size)}{start}{span}, {facts.judged:,} operations"
    return [f"### {escape(headline(facts, tables))}\n", f"{trust}\n", f"{about} (wsktrace {__version__})\n"]


def _pending(facts: TraceFacts, tables: Tables) -> list[str]:
    opened = pending(tables, facts.end_ns)
    if not opened.num_rows:
        return []
    lines = [f"**Still pending at the end of the trace: {opened.num_rows:,}**, oldest first\n"]
    lines += ["| for | call | IRP | socket | issued at (UTC) |", "|--:|---|---|---|---|"]
    for row in rows(opened.slice(0, MOST_PENDING)):
        age = duration_text(row["age_ns"])
        cells = (age, row["op"], address_text(row["irp"]), address_text(row["socket"]), clock_text(row["issue_time"]))
        lines.append(_row(cells))
    if opened.num_rows > MOST_PENDING:
        lines.append(f"\n… and {opened.num_rows - MOST_PENDING:,} more")
    return [*lines, ""]


def _section(finding: dict[str, Any], operations: dict[int, dict[str, Any]], root: SourceRoot | None) -> str:
    """Return a finding as a section that opens."""
    level = finding["severity"] if finding["verdict"] == "fail" else finding["verdict"]
    rule = RULES.get(finding["rule"])
    title = f"{_ICONS[level]} {escape(level)} <b>{escape(finding['rule'])}</b> {escape(finding['message'])}"
    lines = [f"<details><summary>{title}</summary>\n"]
    if rule is not None:
        lines.append(f"> {escape(rule.sentence)}\n")
    about = [f"{clock_text(finding['time'], date=True)} UTC"]
    about += [
        f"{name} {address_text(finding[key])}" for name, key in (("IRP", "irp"), ("socket", "socket")) if finding[key]
    ]
    if finding["party"] != "client":
        about.append(f"a duty of the {finding['party']}")
    if finding["reason"]:
        about.append(f"{finding['reason']}: {REASONS.get(finding['reason'], '')}")
    if file := place(finding, root):
        about.append(f"after the message at {file}:{finding['source_line']}")
    lines.append(f"{' · '.join(map(escape, about))}\n")
    shown = [operations[row] for row in finding["evidence"][:MOST_EVIDENCE] if row in operations]
    if shown:
        lines += ["| operation | time | | status | thread | CPU |", "|--:|---|---|---|--:|--:|"]
        lines += [
            _row(
                (
                    row["operation_id"],
                    clock_text(row["time"]),
                    f"{row['op']} {row['phase']}",
                    *("" if row[name] is None else row[name] for name in ("status_name", "tid", "cpu")),
                )
            )
            for row in shown
        ]
        if len(finding["evidence"]) > len(shown):
            lines.append(f"\n… and {len(finding['evidence']) - len(shown):,} more")
        lines.append("")
    return "\n".join([*lines, "</details>\n"])


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"


def _operations(tables: Tables, findings: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the operations that show the findings, by id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = sorted({row for finding in findings for row in finding["evidence"][:MOST_EVIDENCE]})
    if not wanted:
        return {}
    held = tables("operations").select(["operation_id", "time", "cpu", "tid", "op", "phase", "status_name"])
    chosen = held.filter(pc.is_in(held.column("operation_id"), value_set=pa.array(wanted, pa.uint64())))
    return {row["operation_id"]: row for row in rows(chosen)}
