"""Judging: each rule over each load; verdicts counted, findings gathered as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.model.doubt import CAP, reason_of
from wsktrace.rules.facts import Facts
from wsktrace.rules.registry import select
from wsktrace.rules.rule import SEVERITIES, Instances, Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.lives import Life, Lives

__all__ = ["Counts", "Finding", "Judgement", "judge"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule (``fail``), one that would be if nothing is hidden (``suspect``), or one that is ``unknown``.

    ``evidence`` are operation ids in order; ids are unique in the trace, None where there is none.
    """

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


@dataclass(slots=True)
class Counts:
    """How often a rule was judged how; ``suspect`` is part of ``unknown``."""

    fail: int = 0
    passed: int = 0
    unknown: int = 0
    suspect: int = 0
    not_applicable: int = 0


@dataclass(slots=True)
class Judgement:
    """The outcome: findings in the order of time, counts per rule in the order of the registry."""

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)


def judge(
    lives: Lives,
    *,
    chosen: tuple[str, ...] | None = None,
    ignored: tuple[str, ...] | None = None,
    unknown: bool = False,
    most_unknown: int = 10_000,
) -> Judgement:
    """Judge every chosen rule over every load.

    ``unknown`` lists the instances that cannot be decided too, at most ``most_unknown`` per rule and load (all are
    counted). Findings come in the order of time, then of the registry.
    """
    result = Judgement()
    facts = [Facts(life) for life in lives.lives]
    for number, rule in enumerate(select(chosen, ignored)):
        counts = result.counts[rule.id] = Counts()
        result.rules[rule.id] = rule
        del number
        for fact in facts:
            instances = rule.judge(fact)
            _tally(rule, fact, instances, counts, result.findings, most_unknown if unknown else 0)
    result.findings.sort(key=lambda f: (f.time_ns, f.evidence[-1:]))
    return result


def _tally(
    rule: Rule, fact: Facts, given: Instances, counts: Counts, findings: list[Finding], most_unknown: int
) -> None:
    seen, doubt, applies = given.broken.seen, given.broken.doubt, given.applies
    fails = applies & seen & (doubt == 0)
    doubtful = applies & (doubt != 0)
    suspects = doubtful & seen & ((doubt & CAP) == 0)
    if given.suspect is not None:
        suspects &= given.suspect
    counts.fail += int(fails.sum())
    counts.unknown += int(doubtful.sum())
    counts.suspect += int(suspects.sum())
    counts.passed += int((applies & ~seen & (doubt == 0)).sum())
    counts.not_applicable += int((~applies).sum()) + given.outside
    listed = np.flatnonzero(fails | suspects)
    if most_unknown:
        listed = np.union1d(listed, np.flatnonzero(doubtful & ~suspects)[:most_unknown])
    for i in listed.tolist():
        verdict = "fail" if fails[i] else ("suspect" if suspects[i] else "unknown")
        findings.append(_finding(rule, fact, given, i, verdict))


def _finding(rule: Rule, fact: Facts, given: Instances, i: int, verdict: str) -> Finding:
    life, doubt = fact.life, int(given.broken.doubt[i])
    base = life.world.base
    row = int(given.row[i])
    rows = [int(part[i]) for part in given.evidence]
    shown = sorted({r for r in rows if 0 <= r < len(base)})
    table, subject = given.table, int(given.subject[i])
    if table != "operations" and subject < 0:
        table, subject = "operations", row
    severity = rule.severity if given.severity is None else SEVERITIES[int(given.severity[i])]
    irp, socket = int(given.irp[i]), int(given.socket[i])
    return Finding(
        rule=rule.id,
        verdict=verdict,
        severity=severity,
        party=rule.party,
        reason=None if verdict == "fail" else reason_of(doubt),
        time_ns=int(life.world.ops.time[row]),
        subject_table=table,
        subject_id=subject_id(life, table, subject),
        subject_address=int(given.about[i]) if given.about is not None else _address(life, table, subject),
        irp_id=life.first_irp + irp if irp >= 0 else None,
        irp=int(life.irps.irp[irp]) if irp >= 0 else None,
        socket_id=life.first_socket + socket if socket >= 0 else None,
        socket=int(life.sockets.address[socket]) if socket >= 0 else None,
        message=given.tell(i) if verdict != "unknown" else f"cannot be decided: {rule.sentence}",
        evidence=tuple(int(base[r]) for r in shown),
    )


def subject_id(life: Life, table: str, subject: int) -> int:
    """Return the id in the whole trace of a row of a load's table."""
    if table == "operations":
        return int(life.world.base[subject])
    first = {
        "irps": life.first_irp,
        "sockets": life.first_socket,
        "descriptors": life.first_descriptor,
        "registrations": life.first_registration,
    }
    return first[table] + subject


def _address(life: Life, table: str, subject: int) -> int | None:
    columns: dict[str, NDArray[np.uint64]] = {
        "irps": life.irps.irp,
        "sockets": life.sockets.address,
        "descriptors": life.descriptors.lane.keys,
        "registrations": life.registrations.address,
    }
    return int(columns[table][subject]) if table in columns else None
