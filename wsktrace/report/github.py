"""Findings as annotations of a GitHub Actions run: workflow commands on stdout.

Source: the platform's documentation of workflow commands (``::error file=…,line=…,title=…::message``); the toolkit's
escaping of data (%, CR, LF) and of properties (these, colon and comma).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.trust import CONSEQUENCE
from wsktrace.report.verdict import counted, headline, place, root_of
from wsktrace.report.words import REASONS, subjects
from wsktrace.units import clean, clock_text

if TYPE_CHECKING:
    import os

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.source_paths import SourceRoot

__all__ = ["MOST", "render"]

#: Annotations of one type and step that the platform shows (its own limit, told by its maintainers).
MOST = 10

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, source_root: str | os.PathLike[str] | None = None
) -> str:
    """Return the findings that count as annotations, the worst first, and a last line with the verdict.

    Suspects and undecided findings are notices. Where there are more of a type than the platform shows, the last one
    says how many more.
    """
    root = root_of(source_root)
    by: dict[str, list[dict[str, Any]]] = {"error": [], "warning": [], "notice": []}
    for finding in counted(tables, unknown=unknown):
        by[_COMMANDS[finding["severity"]] if finding["verdict"] == "fail" else "notice"].append(finding)
    lost = ", ".join(facts.losses)
    lines = []
    for command, found in by.items():
        shown = found if len(found) <= MOST else found[: MOST - 1]
        lines += [_annotation(command, finding, root) for finding in shown]
        if len(found) > len(shown):
            more = f"{len(found) - len(shown):,} more of this type are not shown; wsktrace check prints them all"
            lines.append(_command(command, {"title": "wsktrace"}, more))
    if not facts.judged:
        lines.append(_command("warning", {"title": "wsktrace"}, headline(facts, tables)))
    if lost:
        lines.append(f"{lost}: {CONSEQUENCE}")
    lines.append(f"wsktrace: {clean(facts.file)}: {headline(facts, tables)}".replace("##[", "##\\["))
    return "\n".join(lines) + "\n"


def _annotation(command: str, finding: dict[str, Any], root: SourceRoot | None) -> str:
    properties = {}
    if file := place(finding, root):
        properties = {"file": file, "line": str(finding["source_line"])}
    verdict = "" if finding["verdict"] == "fail" else f" ({finding['verdict']}: {REASONS.get(finding['reason'], '')})"
    properties["title"] = f"{finding['rule']}{verdict}"
    about = [f"{clock_text(finding['time'], date=True)} UTC"]
    about += subjects(finding)
    if file:
        about.append("the place is that of the last message that the thread traced before")
    return _command(command, properties, f"{clean(finding['message'])}\n{', '.join(about)}")


def _command(command: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{name}={_property(clean(value))}" for name, value in properties.items())
    return f"::{command} {told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
