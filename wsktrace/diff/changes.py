"""Findings of two traces side by side. What is not seen is "gone" only where the other trace could have shown it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsktrace.rules.rule import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsktrace.diff.sides import Side

__all__ = ["CHANGES", "Change", "RuleCounts", "changes", "rule_counts"]

#: ``new``: B breaks it, A provably did not · ``first seen``: B breaks it, A could not have shown it, or it may look so
#: because of what B lost (with less evidence the same fault has another fingerprint) · ``kept``: both ·
#: ``not seen``: A breaks it, B cannot tell · ``gone``: A breaks it, B provably does not.
CHANGES = ("new", "first seen", "kept", "not seen", "gone")
_VERDICTS = ("fail", "suspect")
#: Most severe first.
_SEVERITIES = SEVERITIES[::-1]


@dataclass(frozen=True, slots=True)
class Change:
    """The findings of one fingerprint and verdict (fail or suspect) in both traces; ``why`` says what is uncertain."""

    rule: str
    verdict: str
    severity: str
    party: str
    fingerprint: str
    a: int
    b: int
    change: str
    why: str
    #: message of the first one, of B where there is one
    message: str


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """How often both traces judged a rule how: (fail, pass, unknown); None where it was not judged."""

    rule: str
    a: tuple[int, int, int] | None
    b: tuple[int, int, int] | None


def changes(a: Side, b: Side) -> list[Change]:
    """Return what changed, worst first: proven before suspect, new before kept, errors before warnings."""
    found_a, found_b = _groups(a), _groups(b)
    rules_a, rules_b = _rules(a), _rules(b)
    lossy_a, lossy_b = a.lossy(), b.lossy()
    late_a, late_b = a.late(), b.late()
    short_a, short_b = late_a and not late_b, late_b and not late_a
    broken_a, broken_b = ({rule for _, rule, _ in found} for found in (found_a, found_b))
    held = []
    for verdict, rule, fingerprint in found_a.keys() | found_b.keys():
        key, other = (verdict, rule, fingerprint), (_other(verdict), rule, fingerprint)
        in_a, in_b = found_a.get(key, []), found_b.get(key, [])
        if in_a and in_b:
            change, why = "kept", ""
        elif in_b:
            change, why = _appeared(verdict, other in found_a, _blind(lossy_a, short_a, rules_a.get(rule), fingerprint))
            if change == "new" and lossy_b and (verdict == "suspect" or rule in broken_a):
                change, why = "first seen", "events are missing in B, which may make it look so"
            elif change == "new" and short_b and verdict == "suspect":
                change, why = "first seen", "B began when the driver was running, which may make it look so"
        else:
            row = rules_b.get(rule)
            change, why = _disappeared(verdict, other in found_b, _blind(lossy_b, short_b, row, fingerprint))
            if change == "gone" and lossy_a and rule in broken_b:
                change, why = "not seen", "events are missing in A: B may show it otherwise"
            elif change == "gone" and row is not None:
                why = f"kept in all {row['pass']:,} instances"
        shown = (in_b or in_a)[0]
        held.append(
            Change(
                rule,
                verdict,
                min((f["severity"] for f in (in_b or in_a)), key=_SEVERITIES.index),
                shown["party"],
                fingerprint,
                len(in_a),
                len(in_b),
                change,
                why,
                shown["message"],
            )
        )
    held.sort(
        key=lambda c: (
            _VERDICTS.index(c.verdict),
            CHANGES.index(c.change),
            _SEVERITIES.index(c.severity),
            -c.b,
            -c.a,
            c.rule,
            c.fingerprint,
        )
    )
    return held


def rule_counts(a: Side, b: Side) -> list[RuleCounts]:
    """Return how often each rule was judged how in both traces."""
    rules_a, rules_b = _rules(a), _rules(b)
    return [RuleCounts(rule, _verdicts(rules_a.get(rule)), _verdicts(rules_b.get(rule))) for rule in rules_a | rules_b]


def _verdicts(row: Mapping[str, Any] | None) -> tuple[int, int, int] | None:
    return None if row is None else (int(row["fail"]), int(row["pass"]), int(row["unknown"]))


def _other(verdict: str) -> str:
    return _VERDICTS[1 - _VERDICTS.index(verdict)]


def _appeared(verdict: str, otherwise: bool, blind: str) -> tuple[str, str]:
    if otherwise:
        return "kept", "only suspect in A" if verdict == "fail" else "proven in A"
    return ("first seen", f"A cannot tell: {blind}") if blind else ("new", "")


def _disappeared(verdict: str, otherwise: bool, blind: str) -> tuple[str, str]:
    if otherwise:
        return "kept", "only suspect in B" if verdict == "fail" else "proven in B"
    return ("not seen", f"B cannot tell: {blind}") if blind else ("gone", "")


def _blind(lossy: bool, short: bool, row: Mapping[str, Any] | None, fingerprint: str) -> str:
    """Return why a trace cannot show that a rule is kept where a finding of that fingerprint would be; "" if it can."""
    if lossy:
        return "events are missing"
    if short:
        return "it began when the driver was running, the other before"
    if row is None:
        return "the rule was not judged"
    kinds = {word.partition("=")[0] for word in fingerprint.split()[1:]}
    missing = (row["never_seen"] or "").split(", ")
    absent = [kind for kind in missing if kind.replace(" output", ".fact").replace(" ", ".") in kinds]
    if absent:
        return f"it never shows {', '.join(absent)}"
    if not row["checked"]:
        return "nothing in it that the rule is about"
    return f"{row['unknown']:,} of {row['checked']:,} undecided" if row["unknown"] else ""


def _rules(side: Side) -> dict[str, dict[str, Any]]:
    return {row["rule"]: row for row in side.tables("rules").to_pylist()}


def _groups(side: Side) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Return the findings that count by verdict, rule and fingerprint, in the order of time."""
    wanted = ["rule", "verdict", "severity", "party", "fingerprint", "message", "ignored"]
    held: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in side.tables("findings").sort_by("time").select(wanted).to_pylist():
        if row["verdict"] in _VERDICTS and row["ignored"] is None:
            held.setdefault((row["verdict"], row["rule"], row["fingerprint"]), []).append(row)
    return held
