"""The account of a trace as a person reads it: what still hangs, what is broken or suspect, how far to trust it."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from wsktrace.report.coverage import coverage_lines
from wsktrace.report.terminal import WIDTH, fitting, paint, wrapped
from wsktrace.report.trust import trust
from wsktrace.report.words import NOT_OWN, SIGNS, by_rule, pending, reason_text, rows, subjects, worst
from wsktrace.units import address_text, bytes_text, clean, clock_text, count_text, duration_text, span_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["render"]

#: What one list prints before it says how many more there are.
MOST_PENDING = 20
MOST_OF_A_RULE = 5
MOST_EVIDENCE = 6


class _Page:
    """Lines of text, with colours or without."""

    def __init__(self, *, colour: bool, width: int | None = None) -> None:
        self._colour = colour
        self.narrow = width is not None and width < WIDTH
        self._width = fitting(width)
        self.lines: list[str] = []

    def add(self, *parts: str) -> None:
        """Add a line."""
        self.lines.append("".join(parts).rstrip())

    def title(self, text: str) -> None:
        """Add a heading below an empty line."""
        self.lines += ["", self.paint(text, "title")]

    def told(self, text: str, indent: int, colour: str = "") -> None:
        """Add what is no sentence: on one line, but where the terminal is narrow."""
        if self.narrow:
            self.wrapped(text, indent, colour)
        else:
            self.add(self.paint(text, colour))

    def wrapped(self, text: str, indent: int, colour: str = "") -> None:
        """Add a sentence, on as many lines as it needs."""
        lines = wrapped(text, self._width, indent=indent)
        self.lines += [self.paint(line, colour) for line in lines]

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour, if there are any."""
        return paint(text, colour, colour=self._colour)


def render(
    facts: TraceFacts,
    tables: Tables,
    *,
    unknown: bool = False,
    coverage: bool = False,
    colour: bool = False,
    width: int | None = None,
    again: str | None = None,
) -> str:
    """Return the account as text.

    ``unknown`` lists the undecided findings that are no suspects as well, ``coverage`` how much the rules could decide.
    ``width``: columns of the terminal, where it is known. ``again``: how a command line names the trace and what it was
    judged by; the file's name where None.
    """
    page = _Page(colour=colour, width=width)
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
    for line in trust(facts):
        page.told(f"  {line}", 4)
    if facts.judged:
        _counts(page, facts, tables)
        if coverage:
            page.title("Coverage")
            page.lines += coverage_lines(rows(tables("rules")))
    page.lines += _next(again or shlex.quote(facts.file), findings)
    return "\n".join(page.lines) + "\n"


def _next(again: str, findings: list[dict[str, Any]]) -> list[str]:
    """Return the commands that tell more of the worst finding; nothing where there is none."""
    groups = by_rule(findings, "fail") or by_rule(findings, "suspect")
    if not groups:
        return []
    rule, found = next(iter(groups.items()))
    first = next((f for f in found if f["follows_from"] is None), found[0])
    commands = (
        (f"wsktrace show {clean(again)} --finding {first['finding_id']}", "tells the story of the first"),
        (f"wsktrace rule {rule}", "explains its rule"),
    )
    width = max(len(command) for command, _ in commands)
    return ["", *(f"{command:<{width}}   {what}" for command, what in commands)]


def _head(page: _Page, facts: TraceFacts) -> None:
    span = "" if facts.span_ns is None else f" ({span_text(facts.span_ns)})"
    when = "" if facts.start_ns is None else f"  {clock_text(facts.start_ns, date=True)[:-3]} UTC{span}"
    cpus = count_text(facts.cpus, "CPU")
    made = f"profile {clean(facts.profile)}  wsktrace {__version__}"
    name = page.paint(clean(facts.file), "title")
    page.add(name, f"  {bytes_text(facts.size)}{when}", "" if page.narrow else f"  {cpus}  {made}")
    if page.narrow:
        page.add(f"  {cpus}  {made}")


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
    last = f" {'issued at':<15}  by" if not page.narrow else ""
    page.add(page.paint(f"  {'for':>12}  {'call':<18} {'IRP':<18} {'socket':<18}{last}", "faint"))
    for row in rows(opened.slice(0, MOST_PENDING)):
        age = duration_text(row["age_ns"])
        what = f"  {age:>12}  {clean(row['op']):<18} {address_text(row['irp']):<18} {address_text(row['socket']):<18}"
        who = f"{clock_text(row['issue_time'])}  thread {_or_dash(row['tid'])} on CPU {_or_dash(row['cpu'])}"
        page.add(f"{what} {who}" if not page.narrow else what)
        if page.narrow:
            page.add(f"{'':>16}issued at {who}")
        doubts = [] if row["own"] else [NOT_OWN]
        if row["doubt"]:
            doubts.append(reason_text(row["doubt"]))
        if doubts:
            page.told(f"{'':>14}  {'; '.join(doubts)}", 16, "faint")
    if opened.num_rows > MOST_PENDING:
        page.add(f"  … and {opened.num_rows - MOST_PENDING:,} more")


def _followers(count: int) -> str:
    return "" if not count else f", {count:,} of which follow{'s from another' if count == 1 else ' from others'}"


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
    page.title(f"{title}: {len(chosen):,}" + _followers(follow))
    for rule, found in by_rule(roots, verdict).items():
        severity = worst(found)
        colour = {"fail": severity, "note": "info"}.get(verdict, "suspect")
        mark = {"fail": SIGNS[severity], "note": "·"}.get(verdict, "?")
        times = f"  {len(found):,}×" if len(found) > 1 else ""
        page.add("  ", page.paint(f"{mark} {severity:<7} {clean(rule)}", colour), times, _duty(found[0]))
        for finding in found[:MOST_OF_A_RULE]:
            page.wrapped(f"      {clock_text(finding['time'])}  {clean(finding['message'])}", 23)
            page.told(f"        {_where(finding)}", 8, "faint")
            if finding["reason"]:
                page.add(f"        {reason_text(finding['reason'])}")
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
    parts = subjects(finding)
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
    page.told(
        f"  {len(judged)} rules: {total['fail']:,} fail · {total['pass']:,} pass · {total['unknown']:,} unknown "
        f"({total['suspect']:,} of them suspect) · {total['not_applicable']:,} not applicable",
        4,
    )


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
