"""``wsktrace rule``: list the rules, or explain one, from the registry that judges by them."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("rule")
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json", "md"]), default="text", show_default=True)
def command(names: tuple[str, ...], form: str) -> int:
    """List the rules, or explain one.

    ID is a rule's name with or without WSK- before it, such as SD-LEAK; or how several begin: SD lists all of
    security descriptors.
    """
    from wsktrace.cli.output import emit
    from wsktrace.report import rules
    from wsktrace.rules.registry import select

    chosen = list(select(names or None))
    if form == "json":
        emit(rules.as_json(chosen))
    elif len(chosen) == 1:
        emit(rules.explanation(chosen[0], markdown=form == "md"))
    else:
        emit(rules.listing(chosen, markdown=form == "md"))
    return 0
