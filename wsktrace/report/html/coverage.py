"""How much the rules could decide, and the rules that findings name, as a page tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.coverage import ADVICE, reasons, undecided, wanted_events
from wsktrace.report.rules import sections
from wsktrace.report.words import REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["coverage"]


def coverage(judged: list[dict[str, Any]], named: Sequence[str]) -> dict[str, Any]:
    """Return what the page says of the rules.

    Args:
        judged: rows of ``rules``.
        named: rules of the findings that are shown; these are explained.
    """
    from wsktrace.rules.registry import RULES

    wanted, others = wanted_events(judged)
    left: dict[str, list[str]] = {}
    for row in judged:
        for reason in reasons(row):
            left.setdefault(reason, []).append(row["rule"])
    texts = {rule: RULES[rule].sentence for row in judged if (rule := row["rule"]) in RULES}
    return {
        "rows": [{**row, "why": list(reasons(row).items()), "sentence": texts.get(row["rule"], "")} for row in judged],
        "total": {name: sum(row[name] for row in judged) for name in ("fail", "pass", "unknown", "not_applicable")},
        "decided": sum(1 for row in judged if not undecided(row)),
        "open": sum(1 for row in judged if row["checked"] and row["unknown"]),
        "idle": sum(1 for row in judged if not row["checked"]),
        "left": [
            {"reason": reason, "rules": held, "text": REASONS[reason], "advice": ADVICE[reason]}
            for reason, held in sorted(left.items(), key=lambda pair: -len(pair[1]))
        ],
        "wanted": wanted,
        "others": others,
        "sentences": texts,
        "explained": [_explained(rule) for rule in named if rule in RULES],
        "ids": frozenset(rule for rule in named if rule in RULES),
    }


def _explained(name: str) -> dict[str, Any]:
    from wsktrace.rules.registry import RULES

    rule = RULES[name]
    return {
        "id": rule.id,
        "severity": "note" if rule.legal else rule.severity,
        "party": rule.party,
        "sentence": rule.sentence,
        "paragraphs": [" ".join(part.split()) for part in rule.doc.split("\n\n") if part.strip()],
        "sections": sections(rule),
    }
