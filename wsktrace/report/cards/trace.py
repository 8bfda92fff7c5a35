"""The cards of a trace, of its findings as a whole, and of one finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.cards.parts import COLOURS, badge, card, cell, faint, grid, text
from wsktrace.report.cards.subject import story_details
from wsktrace.report.trust import trust
from wsktrace.report.words import by_rule, level, pending, reason_text, rows, worst
from wsktrace.units import address_text, bytes_text, clock_text, duration_text, span_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.story.told import Story

__all__ = ["finding_card", "findings_card", "trace_card"]

#: Rules and pending IRPs that a card lists before it says how many more there are.
MOST_ROWS = 8


def trace_card(facts: TraceFacts, tables: Tables) -> str:
    """Return the card of a trace: what hangs, what is broken or suspect, how far to trust it, how much there is."""
    found = rows(tables("findings"))
    span = "" if facts.span_ns is None else f" · {span_text(facts.span_ns)}"
    start = "" if facts.start_ns is None else f" · {clock_text(facts.start_ns, date=True)[:-3]} UTC"
    counts = {name: tables(name).num_rows for name in ("irps", "sockets", "descriptors", "registrations")}
    told = " · ".join(f"{count:,} {name}" for name, count in {"operations": facts.judged, **counts}.items())
    judged = (
        _pending(facts, tables),
        _rules("Broken rules", by_rule(found, "fail"), nothing="No broken rule"),
        _rules("Suspects: broken if nothing is hidden", by_rule(found, "suspect"), nothing=""),
    )
    return card(
        f"<div><b>{text(facts.file)}</b> {faint(bytes_text(facts.size) + start + span)}</div>",
        *(
            judged
            if facts.judged
            else ("<div><b>Nothing was judged: there is no WSK operation in this trace</b></div>",)
        ),
        f"<div>{faint(text(told))}</div>",
        f"<div>{faint('<br>'.join(map(text, trust(facts))))}</div>",
    )


def findings_card(findings: Iterable[Mapping[str, Any]], trusted: Iterable[str]) -> str:
    """Return the card of the findings as a whole: by verdict and rule, each with where to go on from.

    Args:
        findings: rows of ``findings``, their times as ns.
        trusted: sentences about what was lost.
    """
    held = [dict(finding) for finding in findings]
    counted = [finding for finding in held if finding["ignored"] is None]
    parts = [
        _rules("Broken rules", by_rule(counted, "fail"), nothing="No broken rule"),
        _rules("Suspects: broken if nothing is hidden", by_rule(counted, "suspect"), nothing=""),
        _rules("Undecided", by_rule(counted, "unknown"), nothing=""),
        _rules("Worth knowing", by_rule(counted, "note"), nothing=""),
    ]
    ignored = len(held) - len(counted)
    said = [f"{ignored:,} more do not count"] if ignored else []
    said += [*trusted, "trace.finding(ID) tells one; trace.findings is a data frame"]
    return card(*parts, f"<div>{faint('<br>'.join(map(text, said)))}</div>")


def finding_card(
    finding: Mapping[str, Any],
    *,
    sentence: str = "",
    evidence: Iterable[Mapping[str, Any]] = (),
    story: Story | None = None,
) -> str:
    """Return the card of a finding.

    Args:
        finding: a row of ``findings``, its time as ns.
        sentence: what the rule demands.
        evidence: the operations that show it, rows of ``operations`` with times as ns.
        story: what happened around it; folded away.
    """
    suspect = finding["verdict"] != "fail"
    colour = COLOURS["suspect" if suspect else finding["severity"]]
    named = finding["subject_address"] in (finding["irp"], finding["socket"])
    facts = {
        "when": clock_text(finding["time"], date=True) + " UTC",
        finding["subject_table"].removesuffix("s"): "" if named else _address(finding["subject_address"]),
        "IRP": _address(finding["irp"]),
        "socket": _address(finding["socket"]),
        "source": f"{finding['source_file']}:{finding['source_line']}" if finding["source_file"] else "",
        "not certain": reason_text(finding["reason"]) if finding["reason"] else "",
        "duty of": "" if finding["party"] == "client" else finding["party"],
    }
    lines = "".join(f"<tr>{cell(faint(text(k)))}{cell(text(v))}</tr>" for k, v in facts.items() if v)
    shown = [_operation(row) for row in evidence]
    return card(
        f"<div>{badge(level(finding), colour)} <b>{text(finding['rule'])}</b></div>",
        f"<div>{text(finding['message'])}</div>",
        f"<div>{faint(text(sentence))}</div>" if sentence else "",
        grid(lines),
        f"<div><b>Operations that show it</b></div>{grid(''.join(shown))}" if shown else "",
        "" if story is None else story_details(story),
        wide=story is not None,
    )


def _operation(row: Mapping[str, Any]) -> str:
    """Return one operation as a line of a grid."""
    thread = "" if row["tid"] is None else f"thread {row['tid']}"
    cpu = "" if row["cpu"] is None else f"CPU {row['cpu']}"
    texts = [cell(text(t), mono=True) for t in (row["operation_id"], clock_text(row["time"]))]
    texts += [cell(text(t)) for t in (f"{row['op']} {row['phase']}", row["status_name"] or "", thread, cpu)]
    return f"<tr>{''.join(texts)}</tr>"


def _pending(facts: TraceFacts, tables: Tables) -> str:
    opened = pending(tables, facts.end_ns)
    if not opened.num_rows:
        return f"<div>{badge('✓', COLOURS['good'])} Nothing is pending at the end of the trace</div>"
    lines = [
        f"<tr>{cell(text(duration_text(row['age_ns'])))}{cell(text(row['op']))}"
        f"{cell(text(address_text(row['irp'])), mono=True)}"
        f"{cell(text(clock_text(row['issue_time'])), mono=True)}</tr>"
        for row in rows(opened.slice(0, MOST_ROWS))
    ]
    return (
        f"<div><b>Still pending at the end: {opened.num_rows:,}</b></div>"
        f"{grid(''.join(lines))}{_more(opened.num_rows - MOST_ROWS)}"
    )


def _rules(title: str, groups: dict[str, list[dict[str, Any]]], *, nothing: str) -> str:
    if not groups:
        return f"<div>{badge('✓', COLOURS['good'])} {text(nothing)}</div>" if nothing else ""
    lines = []
    for rule, found in list(groups.items())[:MOST_ROWS]:
        verdict = found[0]["verdict"]
        word = worst(found) if verdict == "fail" else {"unknown": "undecided"}.get(verdict, verdict)
        coloured = badge(word, COLOURS[word]) if word in COLOURS else faint(text(word))
        cells = (coloured, f"<b>{text(rule)}</b>", f"{len(found):,}×")
        line = "".join(cell(html, fixed=True) for html in cells) + cell(text(found[0]["message"]))
        lines.append(f"<tr>{line}</tr>")
    total = sum(map(len, groups.values()))
    return f"<div><b>{text(title)}: {total:,}</b></div>{grid(''.join(lines))}{_more(len(groups) - MOST_ROWS, 'rules')}"


def _more(count: int, what: str = "") -> str:
    return f"<div>{faint(f'… and {count:,} more {what}')}</div>" if count > 0 else ""


def _address(address: int | None) -> str:
    return "" if not address else address_text(address)
