"""What of a trace can be shown: counts, and the oldest pending IRPs and the findings as command lines to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.report.words import level, pending, providers_seen, rows, worst_first
from wsktrace.units import address_text, clean, clock_text, duration_text

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["menu"]

_MOST = 8


def menu(facts: TraceFacts, tables: Tables, command: str) -> str:
    """Return what can be shown as text; ``command`` begins each line that is to be copied."""
    counts = {name: tables(name).num_rows for name in ("operations", "irps", "sockets", "findings")}
    out = [f"{clean(facts.file)}: " + " · ".join(f"{count:,} {name}" for name, count in counts.items())]
    if not counts["operations"]:
        out.append(f"There is no WSK operation in this trace; providers seen (events): {providers_seen(facts)}")
    opened = pending(tables, facts.end_ns)
    if opened.num_rows:
        out += ["", f"Still pending at the end of the trace: {opened.num_rows:,} (oldest first)"]
        for row in rows(opened.slice(0, _MOST)):
            what = f"{clean(row['op'])} {address_text(row['irp'])}, pending {duration_text(row['age_ns'])}"
            out.append(f"  {command} --irp '#{row['irp_id']}'   {what}")
    found = worst_first(rows(tables("findings")))
    if found:
        out += ["", f"Findings: {len(found):,} (worst first)"]
        for finding in found[:_MOST]:
            out.append(f"  {command} --finding {finding['finding_id']}   {level(finding)} {clean(finding['rule'])}")
        if len(found) > _MOST:
            out.append(f"  … and {len(found) - _MOST:,} more: --finding N; wsktrace check lists them")
    out += ["", "By address or time" if counts["irps"] else "By time"]
    irps, sockets = tables("irps").slice(0, 1), tables("sockets").slice(0, 1)
    for row in rows(irps):
        out.append(f"  {command} --irp '{address_text(row['irp'])}'")
    for row in rows(sockets):
        out.append(f"  {command} --socket '{address_text(row['socket'])}'")
    if facts.start_ns is not None:
        middle = facts.start_ns + (facts.span_ns or 0) // 2
        out.append(f"  {command} --around {clock_text(middle)} --window 10ms")
    return "\n".join(out) + "\n"
