"""The account of a trace as one line per finding, for grep and for editors that jump to ``file:line:``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.verdict import counted, headline, losses, place, root_of
from wsktrace.units import clean, clock_text

if TYPE_CHECKING:
    import os

    from wsktrace.report.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot
    from wsktrace.report.words import Tables

__all__ = ["render"]


def render(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, source_root: str | os.PathLike[str] | None = None
) -> str:
    """Return the findings that count as lines, the worst first, and a last line with the verdict and the losses."""
    root = root_of(source_root)
    lines = [_line(facts, finding, root) for finding in counted(tables, unknown=unknown)]
    lost = losses(facts)
    lines.append(f"{clean(facts.file)}: {headline(facts, tables)}" + (f"; {lost}" if lost else ""))
    return "\n".join(lines) + "\n"


def _line(facts: TraceFacts, finding: dict[str, Any], root: SourceRoot | None) -> str:
    file = place(finding, root)
    where = f"{clean(file)}:{finding['source_line']}" if file else clean(facts.file)
    level = finding["severity"] if finding["verdict"] == "fail" else finding["verdict"]
    why = f" ({finding['reason']})" if finding["reason"] else ""
    return f"{where}: {level}{why} {clean(finding['rule'])} {clock_text(finding['time'])} {clean(finding['message'])}"
