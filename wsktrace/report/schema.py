"""The tables and their columns as text, Markdown and JSON, from the one place that declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.escaping import json_text
from wsktrace.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.schema import Column, Table

__all__ = ["as_json", "as_markdown", "as_text"]


def as_json(tables: Sequence[Table]) -> str:
    """Return tables with their columns as JSON."""

    def column(one: Column) -> dict[str, Any]:
        return {
            "name": one.name,
            "type": one.type,
            "unit": one.unit or None,
            "nullable": one.nullable,
            "meaning": one.meaning,
        }

    held = {
        "schema_version": SCHEMA_VERSION,
        "tables": {t.name: {"row": t.row, "columns": [column(c) for c in t.columns]} for t in tables},
    }
    return json_text(held)


def as_markdown(tables: Sequence[Table]) -> str:
    """Return tables with their columns as Markdown."""
    parts = []
    for one in tables:
        rows = [
            f"| `{c.name}` | {c.type} | {c.unit} | {'yes' if c.nullable else 'no'} | {_cell(c.meaning)} |"
            for c in one.columns
        ]
        head = ["| column | type | unit | null | meaning |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"## {one.name}", "", one.row, "", *head, *rows]))
    return "\n\n".join(parts)


def as_text(tables: Sequence[Table], *, columns: bool) -> str:
    """Return tables as lines: their sentences, or the columns of each."""
    if not columns:
        width = max(len(t.name) for t in tables)
        lines = [f"{t.name:<{width}}  {len(t.columns):>3} columns  {t.row}" for t in tables]
        return "\n".join([*lines, "", "wsktrace schema TABLE   describes its columns"])
    out = []
    for one in tables:
        out += [f"{one.name}: {one.row}", ""]
        kinds = [c.type + (f" [{c.unit}]" if c.unit else "") + ("" if c.nullable else " *") for c in one.columns]
        wide = max(len(c.name) for c in one.columns), max(len(k) for k in kinds)
        out += [
            f"  {c.name:<{wide[0]}}  {kind:<{wide[1]}}  {c.meaning}" for c, kind in zip(one.columns, kinds, strict=True)
        ]
        out += ["", "  * never null"]
    return "\n".join(out)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
