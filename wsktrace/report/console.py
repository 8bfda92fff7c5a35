"""The account of a trace as a person reads it: what still hangs, what is broken or suspect, how far to trust it."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

from wsktrace.report.coverage import coverage_lines
from wsktrace.report.words import REASONS, SEVERITIES, by_rule, pending, rows
from wsktrace.units import address_text, bytes_text, clean, clock_text, duration_text, span_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    from wsktrace.report.facts import TraceFacts
    from wsktrace.report.words import Tables

__all__ = ["render", "share", "trust"]

#: What one list prints before it says how many more there are.
MOST_PENDING = 20
MOST_OF_A_RULE = 5
MOST_EVIDENCE = 6

#: Characters of a line, where it is a sentence.
_WIDTH = 110
_FIGURE = re.compile(r"(\d) (ns|µs|ms|s|min|h|d|bytes)\b")
_MARKS = {"error": "✖", "warning": "▲", "info": "●"}
_COLOURS = {"error": "31", "warning": "33", "info": "36", "suspect": "35", "title": "1", "faint": "2", "good": "32"}


class _Page:
    """Lines of text, with colours or without."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self.lines: list[str] = []

    def add(self, *parts: str) -> None:
        """Add a line."""
        self.lines.append("".join(parts).rstrip())

    def title(self, text: str) -> None:
        """Add a heading below an empty line."""
        self.lines += ["", self.paint(text, "title")]

    def wrapped(self, text: str, indent: int) -> None:
        """Add a sentence, on as many lines as it needs."""
        held = _FIGURE.sub("\\1\u00a0\\2", text)  # a figure stays with its unit
        lines = textwrap.wrap(
            held, _WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
        self.lines += [line.replace("\u00a0", " ") for line in lines]

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour of ``_COLOURS``."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour else text


def render(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, coverage: bool = False, colour: bool = False
) -> str:
    """Return the account as text.

    ``unknown`` lists the undecided findings that are no suspects as well, ``coverage`` how much the rules could decide.
    """
    page = _Page(colour=colour)
    found = rows(tables("findings"))
    findings = [f for f in found if f["ignored"] is None]
    _head(page, facts)
    if facts.judged:
        _pending(page, facts, tables)
        _findings(page, "Broken rules", findings, "fail")
        _findings(page, "Suspects: broken if nothing is hidden", findings, "suspect")
        _ignored(page, found)
    else:
        _nothing(page, facts)
    if unknown:
        _findings(page, "Undecided", findings, "unknown")
    _findings(page, "Worth knowing", findings, "note")
    page.title("Trust")
    page.lines += [f"  {line}" for line in trust(facts)]
    if facts.judged:
        _counts(page, facts, tables)
        if coverage:
            page.title("Coverage")
            page.lines += coverage_lines(rows(tables("rules")))
    broken = [f["rule"] for f in findings if f["verdict"] in ("fail", "suspect")]
    if broken:
        page.lines += ["", f"wsktrace rule {next(iter(by_rule(findings, 'fail')), broken[0])}   explains a rule"]
    return "\n".join(page.lines) + "\n"


def trust(facts: TraceFacts) -> list[str]:
    """Return what was lost or damaged, and what became of the file's bytes, in two or three lines."""
    lost = []
    if facts.events_lost:
        lost.append(f"{facts.events_lost:,} events lost")
    if facts.buffers_lost:
        lost.append(f"{facts.buffers_lost:,} buffers lost")
    if facts.damaged_bytes or facts.damaged_buffers:
        lost.append(
            f"{bytes_text(facts.damaged_bytes)} damaged in {facts.damaged_buffers:,} of {facts.buffers:,} buffers"
        )
    if not facts.size:
        return [" · ".join(lost) or "nothing is known to be lost"]
    parts = sorted(((n, s) for n, s in facts.bytes.items() if s), key=lambda pair: -pair[1])
    shares = " · ".join(f"{name.replace('_', ' ')} {share(size, facts.size)}" for name, size in parts)
    explained = sum(facts.bytes.values()) - facts.damaged_bytes
    lines = [
        " · ".join(lost) if lost else "nothing lost, nothing damaged",
        f"{share(explained, facts.size)} of {facts.size:,} bytes explained: {shares}",
    ]
    if lost:
        lines.insert(1, "what is missing can turn a verdict into unknown or suspect, never into a broken rule")
    return lines


def share(part: int, whole: int) -> str:
    """Return a share in per cent that never rounds up to all or down to nothing."""
    value = 100 * part / whole
    if part not in (0, whole):
        value = min(max(value, 0.01), 99.99)
    return f"{value:.2f}".rstrip("0").rstrip(".") + " %"


def _head(page: _Page, facts: TraceFacts) -> None:
    span = "" if facts.span_ns is None else f" ({span_text(facts.span_ns)})"
    when = "" if facts.start_ns is None else f"  {clock_text(facts.start_ns, date=True)[:-3]} UTC{span}"
    cpus = f"{facts.cpus} CPU{'s' if facts.cpus != 1 else ''}"
    name = page.paint(clean(facts.file), "title")
    page.add(name, f"  {bytes_text(facts.size)}{when}  {cpus}  profile {clean(facts.profile)}  wsktrace {__version__}")


def _nothing(page: _Page, facts: TraceFacts) -> None:
    """Say that there was nothing to judge, and what the trace holds instead."""
    page.title("Nothing was judged: there is no WSK operation in this trace")
    for name, events in facts.providers[:MOST_PENDING]:
        page.add(f"  {events:>12,} events of {clean(name)}")
    if len(facts.providers) > MOST_PENDING:
        page.add(f"  … and of {len(facts.providers) - MOST_PENDING:,} more")


def _pending(page: _Page, facts: TraceFacts, tables: Tables) -> None:
    """List the IRPs that are still open at the end of the trace, oldest first."""
    opened = pending(tables, facts.end_ns)
    if not opened.num_rows:
        page.title("Nothing is pending at the end of the trace")
        return
    page.title(f"Still pending at the end of the trace: {opened.num_rows:,} (oldest first)")
    page.add(page.paint(f"  {'for':>12}  {'call':<18} {'IRP':<18} {'socket':<18} {'issued at':<15}  by", "faint"))
    for row in rows(opened.slice(0, MOST_PENDING)):
        age = duration_text(row["age_ns"])
        page.add(
            f"  {age:>12}  {clean(row['op']):<18} {address_text(row['irp']):<18} {address_text(row['socket']):<18} "
            f"{clock_text(row['issue_time'])}  thread {_or_dash(row['tid'])} on CPU {_or_dash(row['cpu'])}",
        )
        doubts = [] if row["own"] else ["perhaps not the driver's own IRP: its completion may go unseen"]
        if row["doubt"]:
            doubts.append(f"{row['doubt']}: {REASONS.get(row['doubt'], 'doubtful')}")
        if doubts:
            page.add(page.paint(f"{'':>14}  {'; '.join(doubts)}", "faint"))
    if opened.num_rows > MOST_PENDING:
        page.add(f"  … and {opened.num_rows - MOST_PENDING:,} more")


def _findings(page: _Page, title: str, findings: list[dict[str, Any]], verdict: str) -> None:
    """List the findings of a verdict by rule, each with those that follow from it below it."""
    chosen = [f for f in findings if f["verdict"] == verdict]
    if not chosen:
        if verdict == "fail":
            page.title("No broken rule")
        return
    effects = _effects(chosen)
    roots = [f for f in chosen if f["finding_id"] not in {e["finding_id"] for held in effects.values() for e in held}]
    follow = len(chosen) - len(roots)
    page.title(f"{title}: {len(chosen):,}" + (f", {follow:,} of which follow from others" if follow else ""))
    for rule, found in by_rule(roots, verdict).items():
        worst = min(found, key=lambda f: SEVERITIES.index(f["severity"]))
        colour = {"fail": worst["severity"], "note": "info"}.get(verdict, "suspect")
        mark = {"fail": _MARKS[worst["severity"]], "note": "·"}.get(verdict, "?")
        times = f"  {len(found):,}×" if len(found) > 1 else ""
        page.add("  ", page.paint(f"{mark} {worst['severity']:<7} {clean(rule)}", colour), times, _duty(worst))
        for finding in found[:MOST_OF_A_RULE]:
            page.wrapped(f"      {clock_text(finding['time'])}  {clean(finding['message'])}", 23)
            page.add("        ", page.paint(_where(finding), "faint"))
            if finding["reason"]:
                page.add(f"        {finding['reason']}: {REASONS.get(finding['reason'], '')}")
            _below(page, finding, effects)
        if len(found) > MOST_OF_A_RULE:
            page.add(f"      … and {len(found) - MOST_OF_A_RULE:,} more (all of them: --format json)")


def _duty(finding: dict[str, Any]) -> str:
    return "" if finding["party"] == "client" else f" (a duty of the {finding['party']})"


def _effects(chosen: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Return id of a finding → those among the chosen that follow from it, directly or by others of them."""
    by_id = {f["finding_id"]: f for f in chosen}
    effects: dict[int, list[dict[str, Any]]] = {}
    for finding in chosen:
        cause, passed = finding, {finding["finding_id"]}
        # tables from elsewhere may go round in circles
        while cause["follows_from"] in by_id and cause["follows_from"] not in passed:
            cause = by_id[cause["follows_from"]]
            passed.add(cause["finding_id"])
        if cause is not finding:
            effects.setdefault(cause["finding_id"], []).append(finding)
    return effects


def _below(page: _Page, finding: dict[str, Any], effects: dict[int, list[dict[str, Any]]]) -> None:
    """List what follows from a finding."""
    held = effects.get(finding["finding_id"], [])
    for effect in held[:MOST_OF_A_RULE]:
        head = f"        └ {effect['severity']} {clean(effect['rule'])}: "
        page.wrapped(head + clean(effect["message"]), 10)
    if len(held) > MOST_OF_A_RULE:
        page.add(f"        └ and {len(held) - MOST_OF_A_RULE:,} more that follow from it")


def _ignored(page: _Page, found: list[dict[str, Any]]) -> None:
    """Say which findings do not count, and why."""
    held = Counter((f["rule"], f["ignored"]) for f in found if f["ignored"] is not None)
    if not held:
        return
    page.title(f"Not counted: {sum(held.values()):,}")
    page.lines += [f"  {count:>6,} of {clean(rule)}: {clean(reason)}" for (rule, reason), count in held.most_common()]


def _where(finding: dict[str, Any]) -> str:
    """Return what a finding is about and which operations show it."""
    parts = []
    if finding["irp"]:
        parts.append(f"IRP {address_text(finding['irp'])}")
    if finding["socket"]:
        parts.append(f"socket {address_text(finding['socket'])}")
    subject, address = finding["subject_table"].removesuffix("s"), finding["subject_address"]
    if address is not None and address not in (finding["irp"], finding["socket"]):
        parts.append(f"{clean(subject)} {address_text(address)}")
    evidence = finding["evidence"] or []
    if finding["outstanding"]:
        parts.append(f"{len(finding['outstanding'])} outstanding")
    if evidence:
        more = f" … ({len(evidence)} in all)" if len(evidence) > MOST_EVIDENCE else ""
        parts.append(f"operations {', '.join(map(str, evidence[:MOST_EVIDENCE]))}{more}")
    if finding["source_file"]:
        parts.append(f"after the message at {clean(finding['source_file'])}:{finding['source_line']}")
    return " · ".join(parts)


def _counts(page: _Page, facts: TraceFacts, tables: Tables) -> None:
    page.title("Counts")
    lives = {name: tables(name).num_rows for name in ("irps", "sockets", "descriptors", "registrations")}
    page.add(f"  {facts.judged:,} operations · ", " · ".join(f"{count:,} {name}" for name, count in lives.items()))
    judged = rows(tables("rules"))
    total = {name: sum(r[name] for r in judged) for name in ("fail", "pass", "unknown", "suspect", "not_applicable")}
    page.add(
        f"  {len(judged)} rules: {total['fail']:,} fail · {total['pass']:,} pass · {total['unknown']:,} unknown "
        f"({total['suspect']:,} of them suspect) · {total['not_applicable']:,} not applicable"
    )


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
