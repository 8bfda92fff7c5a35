"""Stories as people and programs read them: text in columns, Markdown, JSON, JSON lines."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from wsktrace.report import escaping
from wsktrace.report.terminal import paint, wrapped
from wsktrace.report.words import SIGNS
from wsktrace.schema import SCHEMA_VERSION
from wsktrace.units import clean, clock_text, duration_text, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsktrace.report.story.told import Line, Story

__all__ = ["as_object", "elapsed", "json_lines", "json_text", "mark", "markdown", "severity", "text"]

#: Columns in front of what happened: time, elapsed, CPU, thread, sign.
_BEFORE_TEXT: Final = 2 + 15 + 1 + 10 + 2 + 3 + 2 + 6 + 2 + 2
_NARROWEST: Final = 30


def elapsed(line: Line, story: Story) -> str:
    """Return how long after the story's start a line is: ``+5.8 µs``, ``-22.6 µs``, ``0``."""
    span = line.time_ns - story.start_ns
    return "0" if not span else f"{'+' if span > 0 else '-'}{duration_text(abs(span))}"


def severity(line: Line) -> str:
    """Return what a finding's line begins with: error, warning, info, suspect and so on."""
    return line.text.partition(" ")[0]


def mark(line: Line) -> str:
    """Return the sign in front of a line: of findings by severity, of notes and messages, of evidence."""
    if line.kind == "finding":
        return {**SIGNS, "note": "·"}.get(severity(line), "?")
    return {"note": "·", "message": "|"}.get(line.kind, "*" if line.evidence else "")


def text(stories: Sequence[Story], *, width: int | None = None, colour: bool = False) -> str:
    """Return stories one below the other.

    Args:
        stories: in order.
        width: columns of the terminal; None: each line of a story stays one line.
        colour: whether to use the terminal's colours.
    """
    return "\n".join(_text(story, width, colour=colour) for story in stories)


def _text(story: Story, width: int | None, *, colour: bool) -> str:
    painted = partial(paint, colour=colour)
    out = [painted(clean(story.title), "title")]
    label_width = max((len(label) for label, _ in story.facts), default=0)
    for label, value in story.facts:
        first, *rest = _wrapped(value, None if width is None else max(width - label_width - 4, _NARROWEST))
        out.append(f"  {painted(f'{label:<{label_width}}', 'faint')}  {first}")
        out += [" " * (label_width + 4) + more for more in rest]
    out.append("")
    out.append(painted(f"  {'time (UTC)':<15} {'elapsed':>10}  {'CPU':>3}  {'thread':>6}", "faint"))
    room = None if width is None else max(width - _BEFORE_TEXT, _NARROWEST)
    for line in story.lines:
        out += _line(line, story, room, painted)
    if story.left_out:
        out.append(painted(f"  left out: {clean(story.left_out)}", "faint"))
    if any(line.evidence for line in story.lines):
        out.append(painted("  * operations that show the finding", "faint"))
    return "\n".join(out) + "\n"


def _line(line: Line, story: Story, room: int | None, painted: Callable[[str, str], str]) -> list[str]:
    cpu = "" if line.cpu is None else str(line.cpu)
    thread = "" if line.tid is None else "idle" if line.tid == 0 else str(line.tid)
    head = f"  {clock_text(line.time_ns):<15} {elapsed(line, story):>10}  {cpu:>3}  {thread:>6}"
    how = {"finding": severity(line), "note": "faint", "message": "message"}.get(line.kind, "")
    indent = "  " * min(line.depth, 8)
    first, *rest = _wrapped(line.text, None if room is None else max(room - len(indent), _NARROWEST))
    sign = painted(f"{mark(line):<1}", how if line.kind == "finding" else "title")
    out = [f"{head}  {sign} {indent}{painted(first, how)}"]
    return out + [" " * (len(head) + 4) + indent + painted(more, how) for more in rest]


def _wrapped(value: str, width: int | None) -> list[str]:
    """Return a sentence on as many lines as it needs; figures stay with their unit."""
    value = clean(value)
    if width is None or len(value) <= width:
        return [value]
    return wrapped(value, width, break_words=True) or [""]


# -- for programs -----------------------------------------------------------------------------------------------------


def as_object(story: Story) -> dict[str, Any]:
    """Return a story as an object that JSON can hold; times in ISO 8601 with nine digits."""
    return {
        "title": story.title,
        "table": story.table,
        "row": story.row,
        "start": time_text(story.start_ns),
        "facts": dict(story.facts),
        "findings": list(story.findings),
        "left_out": story.left_out,
        "lines": [_line_object(line, story) for line in story.lines],
    }


def _line_object(line: Line, story: Story) -> dict[str, Any]:
    return {
        "time": time_text(line.time_ns),
        "elapsed_ns": line.time_ns - story.start_ns,
        "kind": line.kind,
        "text": line.text,
        "cpu": line.cpu,
        "tid": line.tid,
        "pid": line.pid,
        "operation_id": line.operation_id,
        "irp_id": line.irp_id,
        "socket_id": line.socket_id,
        "finding_id": line.finding_id,
        "depth": line.depth,
        "evidence": line.evidence,
    }


def json_text(stories: Sequence[Story], *, file: str, trust: Sequence[str]) -> str:
    """Return stories as one JSON object."""
    held = {
        "schema_version": SCHEMA_VERSION,
        "file": file,
        "trust": list(trust),
        "stories": [as_object(story) for story in stories],
    }
    return escaping.json_text(held)


def json_lines(stories: Sequence[Story]) -> str:
    """Return each line of each story as one JSON object on a line of its own."""
    out = []
    for story in stories:
        head = {"story": story.title, "table": story.table, "row": story.row}
        out += [escaping.json_line(head | _line_object(line, story)) for line in story.lines]
    return "\n".join(out) + ("\n" if out else "")


# -- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(stories: Sequence[Story], *, trust: Sequence[str]) -> str:
    """Return stories as Markdown with tables."""
    out = []
    for story in stories:
        out += [f"## {escaping.markdown(story.title)}", ""]
        out += [f"- **{escaping.markdown(label)}**: {escaping.markdown(value)}" for label, value in story.facts]
        out += ["", "| time (UTC) | elapsed | CPU | thread | | what |", "|---|---:|---:|---:|---|---|"]
        for line in story.lines:
            cpu, thread = ("" if value is None else str(value) for value in (line.cpu, line.tid))
            what = "&nbsp;&nbsp;" * line.depth + escaping.markdown(line.text)
            cells = (clock_text(line.time_ns), elapsed(line, story), cpu, thread, escaping.markdown(mark(line)), what)
            out.append(f"| {' | '.join(cells)} |")
        out += ["", *([f"Left out: {escaping.markdown(story.left_out)}", ""] if story.left_out else [])]
    out += [escaping.markdown(sentence) for sentence in trust]
    return "\n".join(out) + "\n"
