"""``wsktrace schema``: the tables and their columns, from the one place that declares them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from wsktrace.cli import options
from wsktrace.schema import SCHEMA_VERSION, TABLES, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsktrace.schema import Column, Table

__all__ = ["as_json", "as_markdown", "as_text", "command"]

#: Ending of -o → format.
ENDINGS = {".json": "json", ".md": "md", ".txt": "text"}


@click.command("schema", cls=options.Verb)
@click.argument("name", metavar="[TABLE]", required=False)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "md"]), help="Default: by the ending of -o, else text."
)
@options.output_file(endings=ENDINGS)
def command(name: str | None, form: str | None, target: Path | None) -> int:
    """Describe the tables and their columns.

    Without TABLE, all tables are listed; as json and md, with their columns.
    """
    from wsktrace.cli.output import emit, format_for

    form = format_for(target, form, ENDINGS, "text")
    chosen = [table(name)] if name else list(TABLES.values())
    if form == "json":
        emit(as_json(chosen), target)
    elif form == "md":
        emit(as_markdown(chosen), target)
    else:
        emit(as_text(chosen, columns=name is not None), target)
    return 0


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
    return json.dumps(held, indent=1, ensure_ascii=False)


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
