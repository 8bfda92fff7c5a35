"""``wsktrace rule``: list the rules, or explain one, from the registry that judges by them."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("rule")
@click.argument("rule_id", metavar="[ID]", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "md"]), default="text", show_default=True)
def command(rule_id: str | None, form: str) -> int:
    """List the rules, or explain one.

    ID is a rule's name, with or without WSK- before it: SD-LEAK.
    """
    from wsktrace.cli.output import emit
    from wsktrace.report import rules

    chosen = rules.all_rules() if rule_id is None else [rules.find(rule_id)]
    if form == "json":
        emit(rules.as_json(chosen, whole=rule_id is not None))
    elif rule_id is None:
        emit(rules.listing(chosen, markdown=form == "md"))
    else:
        emit(rules.explanation(chosen[0], markdown=form == "md"))
    return 0
