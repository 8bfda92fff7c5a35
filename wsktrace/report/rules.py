"""The rules as text, Markdown and JSON, from the registry that judges by them."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from wsktrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.rules.registry import Rule

__all__ = ["all_rules", "as_json", "explanation", "find", "head", "listing"]

_WIDTH = 96
_PREFIX = "WSK-"


def all_rules() -> list[Rule]:
    """Return every rule, by id."""
    from wsktrace.rules.registry import RULES

    return [RULES[name] for name in sorted(RULES)]


def find(name: str) -> Rule:
    """Return a rule by its id, in any case, with or without ``WSK-``; ``UsageError`` where there is none."""
    from difflib import get_close_matches

    from wsktrace.rules.registry import RULES

    wanted = name.strip().upper()
    for candidate in (wanted, _PREFIX + wanted):
        if candidate in RULES:
            return RULES[candidate]
    near = get_close_matches(wanted if wanted.startswith(_PREFIX) else _PREFIX + wanted, RULES, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"no rule named {name!r}{hint} 'wsktrace rule' lists them all")


def listing(rules: Sequence[Rule], *, markdown: bool = False) -> str:
    """Return one line a rule."""
    if markdown:
        lines = ["| rule | severity | whose duty | what must hold |", "|---|---|---|---|"]
        lines += [f"| {r.id} | {r.severity} | {r.party} | {_cell(r.sentence)} |" for r in rules]
        return "\n".join(lines) + "\n"
    width = max((len(r.id) for r in rules), default=0)
    indent = " " * (width + 26)
    return "".join(
        textwrap.fill(
            f"{r.id:<{width}}  {r.severity:<7}  {r.party:<15}{r.sentence}", _WIDTH + 24, subsequent_indent=indent
        )
        + "\n"
        for r in rules
    )


def explanation(rule: Rule, *, markdown: bool = False) -> str:
    """Return all that is to be said about a rule."""
    if markdown:
        return f"# {rule.id}\n\n{head(rule)}"
    parts = [f"{rule.id}  ({rule.severity}, a duty of the {rule.party})", "", _fill(rule.sentence)]
    if rule.doc:
        parts += ["", _fill(rule.doc)]
    for title, text in _sections(rule).items():
        parts += ["", title, _fill(text, "  ")]
    return "\n".join(parts) + "\n"


def head(rule: Rule) -> str:
    """Return the generated head of a rule's page, Markdown."""
    parts = [f"*{rule.severity}, a duty of the {rule.party}*", f"**{rule.sentence}**"]
    if rule.doc:
        parts.append(rule.doc.strip())
    parts += [f"**{title}.** {' '.join(text.split())}" for title, text in _sections(rule).items()]
    return "\n\n".join(parts) + "\n"


def as_json(rules: Sequence[Rule], *, whole: bool) -> str:
    """Return the rules as JSON: of one an object, of several a list."""
    objects = [_object(rule) for rule in rules]
    return json.dumps(objects[0] if whole else objects, indent=1, ensure_ascii=False) + "\n"


def _object(rule: Rule) -> dict[str, Any]:
    names = ("id", "severity", "party", "sentence", "doc", "source", "needs", "shape", "limits", "advice")
    return {name: getattr(rule, name) for name in names}


def _sections(rule: Rule) -> dict[str, str]:
    """Return the titled parts that are not empty."""
    titled = {
        "What to do": rule.advice,
        "What the trace must show": rule.needs,
        "How it is decided": rule.shape,
        "What it cannot tell": rule.limits,
        "Source": rule.source,
    }
    return {title: text for title, text in titled.items() if text}


def _fill(text: str, indent: str = "") -> str:
    paragraphs = textwrap.dedent(text).strip().split("\n\n")
    return "\n\n".join(
        textwrap.fill(" ".join(p.split()), _WIDTH, initial_indent=indent, subsequent_indent=indent) for p in paragraphs
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
