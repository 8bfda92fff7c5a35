"""Findings that do not count: those that the profile ignores with a reason, and those that a baseline knows.

Nothing is dropped: such a finding keeps its verdict and says why it does not count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from wsktrace.rules.rule import matching_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsktrace.rules.findings import Finding
    from wsktrace.wsk.profile import Ignore

__all__ = ["BASELINE", "mark"]

#: What ``ignored`` says of a finding that the baseline knows.
BASELINE = "in the baseline"


def mark(findings: Sequence[Finding], ignores: Sequence[Ignore], baseline: Mapping[str, int] | None) -> list[Finding]:
    """Return the findings, in their order, with ``ignored`` where they do not count.

    Args:
        findings: of one trace.
        ignores: the profile's entries; an unknown rule in one is a ``UsageError``.
        baseline: fingerprint → how many findings with it were known; further ones count. None: there is no baseline.
    """
    reasons: dict[str, list[Ignore]] = {}
    for entry in ignores:
        for rule in matching_rules((entry.rule,)):
            reasons.setdefault(rule, []).append(entry)
    left = Counter(baseline or {})
    return [_mark(found, reasons.get(found.rule, []), left) for found in findings]


def _mark(found: Finding, entries: Sequence[Ignore], left: Counter[str]) -> Finding:
    calls = {word.partition(".")[0].partition("=")[0] for word in found.fingerprint.split()[1:]}
    for entry in entries:
        if not entry.call or entry.call in calls:
            return replace(found, ignored=entry.reason)
    if found.verdict in ("fail", "suspect") and left[found.fingerprint] > 0:
        left[found.fingerprint] -= 1
        return replace(found, ignored=BASELINE)
    return found
