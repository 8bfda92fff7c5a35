"""The account of a trace as GitHub-flavoured Markdown, for a comment on a pull request or the summary of a run.

What comes from the trace is escaped such that it is text: no markup, no HTML, no link, no mention of anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.escaping import markdown, markdown_row
from wsktrace.report.trust import CONSEQUENCE
from wsktrace.report.verdict import counted, headline, place, root_of
from wsktrace.report.words import level, operations_by_id, pending, reason_text, rows, subjects
from wsktrace.rules.registry import RULES
from wsktrace.units import address_text, bytes_text, clock_text, duration_text, span_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    import os

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot

__all__ = ["render"]

#: Rows of the table of what is pending, of a finding's evidence.
MOST_PENDING, MOST_EVIDENCE = 10, 12
#: Characters; a comment may have 65,536.
MOST_TEXT = 60_000

_ICONS = {"error": "❌", "warning": "⚠️", "info": "ℹ️", "suspect": "❓", "unknown": "·"}


def render(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, source_root: str | os.PathLike[str] | None = None
) -> str:
    """Return the verdict, what is pending, and the findings that count as sections that open."""
    root = root_of(source_root)
    found = counted(tables, unknown=unknown)
    parts = [*_head(facts, tables), *(_pending(facts, tables) if facts.judged else [])]
    length, shown = sum(map(len, parts)), 0
    # that many sections are longer than the text may be
    evidence = (row for finding in found[:500] for row in finding["evidence"][:MOST_EVIDENCE])
    operations = operations_by_id(
        tables, evidence, ("operation_id", "time", "cpu", "tid", "op", "phase", "status_name")
    )
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


def _head(facts: TraceFacts, tables: Tables) -> list[str]:
    lost = ", ".join(facts.losses)
    span = "" if facts.span_ns is None else f", {span_text(facts.span_ns)}"
    start = "" if facts.start_ns is None else f", {clock_text(facts.start_ns, date=True)[:-7]} UTC"
    trust = f"⚠️ {markdown(lost)}: {CONSEQUENCE}." if lost else "Nothing lost, nothing damaged."
    about = f"Trace {markdown(facts.file)}: {bytes_text(facts.size)}{start}{span}, {facts.judged:,} operations"
    return [f"### {markdown(headline(facts, tables))}\n", f"{trust}\n", f"{about} (wsktrace {__version__})\n"]


def _pending(facts: TraceFacts, tables: Tables) -> list[str]:
    opened = pending(tables, facts.end_ns)
    if not opened.num_rows:
        return []
    lines = [f"**Still pending at the end of the trace: {opened.num_rows:,}**, oldest first\n"]
    lines += ["| for | call | IRP | socket | issued at (UTC) |", "|--:|---|---|---|---|"]
    for row in rows(opened.slice(0, MOST_PENDING)):
        age = duration_text(row["age_ns"])
        cells = (age, row["op"], address_text(row["irp"]), address_text(row["socket"]), clock_text(row["issue_time"]))
        lines.append(markdown_row(cells))
    if opened.num_rows > MOST_PENDING:
        lines.append(f"\n… and {opened.num_rows - MOST_PENDING:,} more")
    return [*lines, ""]


def _section(finding: dict[str, Any], operations: dict[int, dict[str, Any]], root: SourceRoot | None) -> str:
    """Return a finding as a section that opens."""
    word = level(finding)
    rule = RULES.get(finding["rule"])
    title = f"{_ICONS[word]} {markdown(word)} <b>{markdown(finding['rule'])}</b> {markdown(finding['message'])}"
    lines = [f"<details><summary>{title}</summary>\n"]
    if rule is not None:
        lines.append(f"> {markdown(rule.sentence)}\n")
    about = [f"{clock_text(finding['time'], date=True)} UTC"]
    about += subjects(finding)
    if finding["party"] != "client":
        about.append(f"a duty of the {finding['party']}")
    if finding["reason"]:
        about.append(reason_text(finding["reason"]))
    if file := place(finding, root):
        about.append(f"after the message at {file}:{finding['source_line']}")
    lines.append(f"{' · '.join(map(markdown, about))}\n")
    shown = [operations[row] for row in finding["evidence"][:MOST_EVIDENCE] if row in operations]
    if shown:
        lines += ["| operation | time | | status | thread | CPU |", "|--:|---|---|---|--:|--:|"]
        lines += [
            markdown_row(
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
