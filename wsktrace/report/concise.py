"""The account of a trace as one line per finding, for grep and for editors that jump to ``file:line:``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.verdict import counted, headline, place, root_of
from wsktrace.report.words import level
from wsktrace.units import clean, clock_text

if TYPE_CHECKING:
    import os

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot

__all__ = ["render"]


def render(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, source_root: str | os.PathLike[str] | None = None
) -> str:
    """Return the findings that count as lines, the worst first, and a last line with the verdict and the losses."""
    root = root_of(source_root)
    lines = [_line(facts, finding, root) for finding in counted(tables, unknown=unknown)]
    lost = ", ".join(facts.losses)
    lines.append(f"{clean(facts.file)}: {headline(facts, tables)}" + (f"; {lost}" if lost else ""))
    return "\n".join(lines) + "\n"


def _line(facts: TraceFacts, finding: dict[str, Any], root: SourceRoot | None) -> str:
    file = place(finding, root)
    where = f"{clean(file)}:{finding['source_line']}" if file else clean(facts.file)
    why = f" ({finding['reason']})" if finding["reason"] else ""
    head = f"{where}: {level(finding)}{why}"
    return f"{head} {clean(finding['rule'])} {clock_text(finding['time'])} {clean(finding['message'])}"
