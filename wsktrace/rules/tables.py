"""Findings and verdict counts as the columns of schema.py."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import REASONS
from wsktrace.wsk.event_kinds import EVENT_KINDS, expand, kind_name

if TYPE_CHECKING:
    from wsktrace.rules.findings import Judgement
    from wsktrace.rules.rule import Rule

__all__ = ["finding_columns", "never_seen", "rule_columns"]

_REASON_COLUMNS = {reason: reason.lower().replace("-", "_") for reason in REASONS.values()}


def never_seen(rule: Rule, shown: frozenset[str]) -> list[str]:
    """Return the kinds of events that a rule needs and that the trace never shows, in the provider's order."""
    return [name for name in _names(rule.traced) if name not in shown]


@functools.cache
def _names(traced: tuple[str, ...]) -> tuple[str, ...]:
    wanted = expand(traced)
    return tuple(kind_name(*kind) for kind in EVENT_KINDS if kind in wanted)


def finding_columns(judgement: Judgement) -> dict[str, Any]:
    """Return the columns of ``findings``."""
    found = judgement.findings
    return {
        "finding_id": np.arange(len(found), dtype=np.uint64),
        "rule": [f.rule for f in found],
        "verdict": [f.verdict for f in found],
        "severity": [f.severity for f in found],
        "party": [f.party for f in found],
        "reason": [f.reason for f in found],
        "time": np.array([f.time_ns for f in found], np.int64),
        "subject_table": [f.subject_table for f in found],
        "subject_id": [f.subject_id for f in found],
        "subject_address": [f.subject_address for f in found],
        "irp_id": [f.irp_id for f in found],
        "irp": [f.irp for f in found],
        "socket_id": [f.socket_id for f in found],
        "socket": [f.socket for f in found],
        "message": [f.message for f in found],
        "evidence": [list(f.evidence) for f in found],
        "outstanding": [list(f.outstanding) for f in found],
        "follows_from": [f.follows_from for f in found],
        "fingerprint": [f.fingerprint for f in found],
        "ignored": [f.ignored for f in found],
    }


def rule_columns(judgement: Judgement) -> dict[str, Any]:
    """Return the columns of ``rules``."""
    rules, counts = list(judgement.rules.values()), list(judgement.counts.values())
    return {
        "rule": [r.id for r in rules],
        "severity": [r.severity for r in rules],
        "party": [r.party for r in rules],
        "fail": [c.fail for c in counts],
        "pass": [c.passed for c in counts],
        "unknown": [c.unknown for c in counts],
        "suspect": [c.suspect for c in counts],
        "not_applicable": [c.not_applicable for c in counts],
        "checked": [c.fail + c.passed + c.unknown for c in counts],
        "note": [c.note for c in counts],
        **{name: [c.reasons.get(reason, 0) for c in counts] for reason, name in _REASON_COLUMNS.items()},
        "never_seen": [", ".join(never_seen(rule, judgement.shown)) or None for rule in rules],
    }
