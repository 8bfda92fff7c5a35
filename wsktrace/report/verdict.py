"""The verdict on a trace in one sentence, and the findings in the order in which they matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.words import SEVERITIES, VERDICTS, pending, rows, worst_first
from wsktrace.units import count_text

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot

__all__ = ["counted", "headline", "place", "root_of"]


def counted(tables: Tables, *, unknown: bool = False) -> list[dict[str, Any]]:
    """Return the findings that count, the worst first: fails, suspects, and undecided ones if ``unknown``."""
    shown = VERDICTS[: 3 if unknown else 2]
    return worst_first(f for f in rows(tables("findings")) if f["ignored"] is None and f["verdict"] in shown)


def headline(facts: TraceFacts, tables: Tables) -> str:
    """Return the verdict in a sentence: what is broken, what is suspect, what hangs."""
    if not facts.judged:
        return "Nothing was judged: there is no WSK operation in this trace"
    found = counted(tables)
    fails = [f for f in found if f["verdict"] == "fail"]
    parts = [count_text(len(fails), "broken rule") if fails else "no broken rule"]
    if fails:
        by = ((sum(f["severity"] == s for f in fails), s) for s in SEVERITIES)
        told = (
            f"{count:,} info" if severity == "info" else count_text(count, severity) for count, severity in by if count
        )
        parts[0] += f" ({', '.join(told)})"
    if len(found) > len(fails):
        parts.append(count_text(len(found) - len(fails), "suspect"))
    opened = pending(tables).num_rows
    parts.append(
        f"{opened:,} {'IRP is' if opened == 1 else 'IRPs are'} pending at the end" if opened else "none pending"
    )
    text = ", ".join(parts)
    return text[0].upper() + text[1:]


def place(finding: dict[str, Any], root: SourceRoot | None) -> str:
    """Return the source file of a finding, relative to the root where it is found there; empty where none is known."""
    name: str = finding["source_file"] or ""
    return (root.find(name) if root is not None and name else None) or name


def root_of(source_root: Any) -> SourceRoot | None:
    """Return the folder of source files that was given, if one was."""
    from wsktrace.report.source_paths import SourceRoot

    return None if source_root is None else SourceRoot(source_root)
