"""Rules as SARIF's reporting descriptors: the pages of the rules, for whoever shows the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wsktrace.report.rules import explanation, head
from wsktrace.rules.registry import RULES, SHAPES

if TYPE_CHECKING:
    from wsktrace.rules.registry import Rule

__all__ = ["LEVELS", "descriptor", "text_message"]

#: Severity → level. Source: SARIF 2.1.0, 3.27.10.
LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}


def descriptor(row: dict[str, Any]) -> dict[str, Any]:
    """Return the descriptor of a rule, from its row of ``rules``; a rule of another version has no texts."""
    rule = RULES.get(row["rule"])
    level = "none" if rule is not None and rule.legal else LEVELS[row["severity"]]
    counts = {name: row[name] for name in ("fail", "pass", "unknown", "suspect", "not_applicable")}
    return {
        "id": row["rule"],
        **({} if rule is None else _texts(rule)),
        "defaultConfiguration": {"level": level},
        "properties": {
            "party": row["party"],
            **({} if rule is None else {"family": rule.family, "shape": SHAPES[rule.shape], "source": rule.source}),
            "verdicts": counts,
        },
    }


def text_message(text: str) -> str:
    """Return text such that it means itself: no placeholder, no embedded link (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "]\u200b(")


def _texts(rule: Rule) -> dict[str, Any]:
    whole = " ".join(f"{rule.sentence} {rule.doc}".split())
    return {
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": {"text": text_message(rule.sentence)},
        "fullDescription": {"text": text_message(whole)},
        "help": {"text": text_message(explanation(rule)), "markdown": text_message(head(rule))},
    }
