"""A comparison of two traces as text, as Markdown, as JSON and as a card for notebooks."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from wsktrace.report.comparison.parts import method, sections, summary
from wsktrace.report.escaping import html, json_text, markdown, markdown_row
from wsktrace.report.json import trace_object
from wsktrace.report.terminal import WIDTH, wrapped
from wsktrace.schema import SCHEMA_VERSION
from wsktrace.units import clean

if TYPE_CHECKING:
    from wsktrace.diff import Comparison, Shift, Side
    from wsktrace.report.comparison.parts import Section

__all__ = ["as_object", "card", "render_json", "render_markdown", "render_text"]

_BORDER = "border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:10px 14px;max-width:72em;overflow-x:auto"
_FONT = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.45"


def render_text(found: Comparison, *, width: int | None = None) -> str:
    """Return the comparison as text.

    ``width``: columns of the terminal, where it is known; a row of a table that is wider goes on in the next line.
    """
    wide = WIDTH if width is None else min(max(width, 60), WIDTH)
    lines = [summary(found)] if width is None else wrapped(summary(found), wide, indent=2)
    for section in sections(found):
        lines += ["", section.title]
        lines += [f"  {line}" for line in _aligned(section, None if width is None else width - 2)]
        for note in section.notes:
            lines += wrapped(f"  {clean(note)}", wide, indent=4)
    return "\n".join(lines) + "\n"


def _aligned(section: Section, width: int | None) -> list[str]:
    """Return head and rows in columns; what a narrow terminal has no room for stands indented below its row."""
    if not section.rows:
        return []
    table = [[clean(cell) for cell in row] for row in (section.head, *section.rows)]
    sizes = [max(len(row[at]) for row in table) for at in range(len(section.head))]

    split, room = len(sizes), -2
    for at, size in enumerate(sizes):
        room += size + 2
        if width is not None and at and room > width:
            split = at
            break
    parts = [("", slice(0, split)), ("      ", slice(split, None))]
    told = [indent + _cells(row[part], sizes[part], part.start, section) for row in table for indent, part in parts]
    return [line.rstrip() for line in told if line.strip()]


def _cells(row: list[str], sizes: list[int], first: int, section: Section) -> str:
    """Return cells in columns; ``first``: number of the first of them."""
    held = enumerate(zip(row, sizes, strict=True), first)
    return "  ".join(c.rjust(w) if at in section.right else c.ljust(w) for at, (c, w) in held)


def render_markdown(found: Comparison) -> str:
    """Return the comparison as Markdown."""
    lines = [f"**{markdown(summary(found))}**"]
    for section in sections(found):
        lines += ["", f"## {markdown(section.title)}"]
        if section.rows:
            lines += ["", markdown_row(section.head)]
            lines.append(f"|{'|'.join('--:' if at in section.right else '---' for at in range(len(section.head)))}|")
            lines += [markdown_row(row) for row in section.rows]
        if section.notes:
            lines += ["", *(f"- {markdown(note)}" for note in section.notes)]
    return "\n".join(lines) + "\n"


def card(found: Comparison) -> str:
    """Return the comparison as static HTML, every text escaped; the counts are left out."""
    parts = [f"<div><b>{html(summary(found))}</b></div>"]
    for section in sections(found)[:-1]:
        parts.append(f'<div style="margin-top:6px"><b>{html(section.title)}</b></div>')
        if section.rows:
            cells = "".join(_row(row, section, head=row is section.head) for row in (section.head, *section.rows))
            parts.append(f'<table style="border-collapse:collapse;border:0;color:inherit;font:inherit">{cells}</table>')
        parts += [f'<div style="opacity:.7">{html(note)}</div>' for note in section.notes]
    return f'<div style="{_BORDER};{_FONT}">{"".join(parts)}</div>'


def _row(row: Any, section: Section, *, head: bool) -> str:
    cells = []
    for at, text in enumerate(row):
        align = "right" if at in section.right else "left"
        faint = ";opacity:.7" if head else ""
        style = f"padding:1px 14px 1px 0;border:0;vertical-align:top;white-space:nowrap;text-align:{align}{faint}"
        cells.append(f'<td style="{style}">{html(text)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def render_json(found: Comparison) -> str:
    """Return the comparison as JSON."""
    return json_text(as_object(found))


def as_object(found: Comparison) -> dict[str, Any]:
    """Return the comparison as a dictionary that JSON can hold; limits that do not exist are None."""
    return {
        "schema_version": SCHEMA_VERSION,
        "a": _side(found.a),
        "b": _side(found.b),
        "by": list(found.by),
        "margin": found.margin,
        "cautions": list(found.cautions),
        "method": method(found.margin),
        "findings": [
            {name: getattr(c, name) for name in ("rule", "verdict", "severity", "party", "fingerprint", "a", "b")}
            | {"change": c.change, "why": c.why or None, "message": c.message}
            for c in found.changes
        ],
        "rules": {r.rule: {side: _verdicts(counts) for side, counts in (("a", r.a), ("b", r.b))} for r in found.rules},
        "latency": [_shift_object(s, found.by) for s in found.latency],
        "sockets": [_shift_object(s, ("category",)) for s in found.lifetimes],
        "counts": [
            {"kind": c.kind, "name": c.name, "a": c.a, "b": c.b, "a_per_s": c.a_per_s, "b_per_s": c.b_per_s}
            for c in found.counts
        ],
    }


def _shift_object(s: Shift, names: tuple[str, ...]) -> dict[str, Any]:
    """Return one shift; ``names`` says what its key holds."""
    return {
        **dict(zip(names, s.key, strict=True)),
        "leg": s.leg,
        "quantile": s.fraction,
        "a_count": s.a_count,
        "b_count": s.b_count,
        "a_open": s.a_open,
        "b_open": s.b_open,
        "a_ns": s.a_ns,
        "b_ns": s.b_ns,
        "ratio": s.ratio.value,
        "low": s.ratio.low if s.ratio.low > 0 else None,
        "high": s.ratio.high if isfinite(s.ratio.high) else None,
        "p": s.p,
        "longer": s.longer,
        "verdict": s.verdict,
        "hidden_by_open": s.hidden,
    }


def _verdicts(counts: tuple[int, int, int] | None) -> dict[str, int] | None:
    return None if counts is None else dict(zip(("fail", "pass", "unknown"), counts, strict=True))


def _side(side: Side) -> dict[str, Any]:
    f = side.facts
    return {
        **trace_object(f),
        "cpus": f.cpus,
        "judged": f.judged,
        "trust": " · ".join(f.losses) or "nothing lost, nothing damaged",
    }
