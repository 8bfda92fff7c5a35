"""``wsktrace schema``: the tables and their columns, from the one place that declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsktrace.cli import options
from wsktrace.schema import TABLES, table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]

#: Ending of -o → format.
ENDINGS = options.endings("text", "json", "md")


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
    from wsktrace.report import schema

    form = format_for(target, form, ENDINGS, "text")
    chosen = [table(name)] if name else list(TABLES.values())
    if form == "json":
        emit(schema.as_json(chosen), target)
    elif form == "md":
        emit(schema.as_markdown(chosen), target)
    else:
        emit(schema.as_text(chosen, columns=name is not None), target)
    return 0
