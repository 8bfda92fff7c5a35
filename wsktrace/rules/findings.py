"""What judging brings: findings, and the verdicts counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsktrace.rules.rule import Rule

__all__ = ["Counts", "Finding", "Judgement"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule (``fail``), one that would be if nothing is hidden (``suspect``), one that is ``unknown``, or a
    ``note`` of what is legal.

    ``evidence`` and ``outstanding`` are operation ids in order; ids are unique in the trace, None where there is none.
    ``follows_from``: place in the findings of the one that this one follows from, None where it stands for itself.
    ``fingerprint``: rule and kinds of the operations that show it; ``ignored``: why it does not count, or None.
    """  # noqa: D205 -- one sentence

    rule: str
    verdict: str
    severity: str
    party: str
    reason: str | None
    time_ns: int
    subject_table: str
    subject_id: int
    subject_address: int | None
    irp_id: int | None
    irp: int | None
    socket_id: int | None
    socket: int | None
    message: str
    evidence: tuple[int, ...]
    fingerprint: str = ""
    outstanding: tuple[int, ...] = ()
    load: int = 0
    follows_from: int | None = None
    ignored: str | None = None


@dataclass(slots=True)
class Counts:
    """How often a rule was judged how.

    ``suspect`` is part of ``unknown``, ``note`` of ``passed``; ``reasons`` says why, U- reason → how often, one reason
    for each.
    """

    fail: int = 0
    passed: int = 0
    unknown: int = 0
    suspect: int = 0
    not_applicable: int = 0
    note: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Judgement:
    """The outcome: findings in the order of time, counts per rule in the order of the registry."""

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    #: kinds of events that the trace shows, by their names
    shown: frozenset[str] = frozenset()
