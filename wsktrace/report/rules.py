"""The rules as text, Markdown and JSON, from the registry that judges by them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from wsktrace.report.escaping import json_text
from wsktrace.rules.registry import FAMILIES, SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.rules.registry import Rule

__all__ = ["as_json", "explanation", "head", "listing", "sections"]

_WIDTH = 100
_FIELDS = (
    "id", "severity", "party", "sentence", "doc", "source", "needs", "shape", "limits", "advice", "family",
    "traced", "follows", "legal",
)  # fmt: skip


def listing(rules: Sequence[Rule], *, markdown: bool = False, link: str = "") -> str:
    """Return the rules by family, one entry each; ``link``: what an id links to, ``{id}`` in it stands for the id."""
    families: dict[str, list[Rule]] = {}
    for rule in rules:
        families.setdefault(FAMILIES.get(rule.family, rule.family), []).append(rule)
    return "\n".join(_table(t, held, link) if markdown else _list(t, held) for t, held in families.items())


def explanation(rule: Rule, *, markdown: bool = False) -> str:
    """Return all that is to be said about a rule."""
    if markdown:
        return f"# {rule.id}\n\n{head(rule)}"
    parts = [f"{rule.id}  ({_duty(rule)})", "", _fill(rule.sentence)]
    if rule.doc:
        parts += ["", _fill(rule.doc)]
    for title, text in sections(rule).items():
        parts += ["", title, _fill(text, "  ")]
    return "\n".join(parts) + "\n"


def head(rule: Rule) -> str:
    """Return the head of a rule's page, Markdown."""
    parts = [f"**{rule.sentence}**", f"*{_duty(rule)}*"]
    if rule.doc:
        parts.append(rule.doc.strip())
    parts += [f"**{title}:** {' '.join(text.split())}" for title, text in sections(rule).items()]
    return "\n\n".join(parts) + "\n"


def as_json(rules: Sequence[Rule]) -> str:
    """Return the rules as a JSON list."""
    held: list[dict[str, Any]] = [{name: getattr(rule, name) for name in _FIELDS} for rule in rules]
    return json_text(held)


def _list(title: str, rules: list[Rule]) -> str:
    lines = [title]
    for rule in rules:
        lines.append(f"  {rule.id:<34} {_duty(rule)}")
        lines.append(textwrap.fill(rule.sentence, _WIDTH, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines) + "\n"


def _table(title: str, rules: list[Rule], link: str) -> str:
    lines = [f"## {title}", "", "| rule | severity | whose duty | what must hold |", "|---|---|---|---|"]
    for rule in rules:
        name = f"[{rule.id}]({link.format(id=rule.id)})" if link else rule.id
        sentence = rule.sentence.replace("|", "\\|")
        lines.append(f"| {name} | {rule.severity} | {rule.party} | {sentence} |")
    return "\n".join(lines) + "\n"


def _duty(rule: Rule) -> str:
    if rule.legal:
        return "a note: legal, and worth knowing"
    return f"{rule.severity}, a duty of the {rule.party}"


def sections(rule: Rule) -> dict[str, str]:
    """Return the titled parts that are not empty."""
    titled = {
        "What to do": rule.advice,
        "What the trace must show": rule.needs,
        "How it is decided": SHAPES.get(rule.shape, rule.shape),
        "May follow from": ", ".join(rule.follows),
        "What can mislead it": rule.limits,
        "Source": rule.source,
    }
    return {title: text for title, text in titled.items() if text}


def _fill(text: str, indent: str = "") -> str:
    paragraphs = textwrap.dedent(text).strip().split("\n\n")
    return "\n\n".join(
        textwrap.fill(" ".join(p.split()), _WIDTH, initial_indent=indent, subsequent_indent=indent) for p in paragraphs
    )
