"""Judging: each rule over each load; verdicts counted, findings gathered as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.model.doubt import CAP, reason_of
from wsktrace.rules.causes import linked
from wsktrace.rules.facts import Facts
from wsktrace.rules.findings import Counts, Finding, Judgement
from wsktrace.rules.registry import select
from wsktrace.rules.rule import SEVERITIES, Instances, Rule
from wsktrace.wsk.constants import status_name
from wsktrace.wsk.event_kinds import EVENT_KINDS, kind_name
from wsktrace.wsk.operations import Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.lives import Life, Lives

__all__ = ["Counts", "Finding", "Judgement", "judge"]


def judge(
    lives: Lives,
    *,
    chosen: tuple[str, ...] | None = None,
    ignored: tuple[str, ...] | None = None,
    unknown: bool = False,
    notes: bool = False,
    most_unknown: int = 10_000,
) -> Judgement:
    """Judge every chosen rule over every load.

    ``unknown`` lists the instances that cannot be decided too, ``notes`` what is legal and worth knowing; at most
    ``most_unknown`` of each per rule and load (all are counted). Findings come in the order of time, then of the
    registry, those that are listed only where asked for behind the others; those that follow from others say from
    which.
    """
    result = Judgement()
    facts = [Facts(life) for life in lives.lives]
    listed = Listed(most_unknown if unknown else 0, most_unknown if notes else 0)
    for rule in select(chosen, ignored):
        counts = result.counts[rule.id] = Counts()
        result.rules[rule.id] = rule
        for fact in facts:
            _tally(rule, fact, rule.judge(fact), counts, result.findings, listed)
    result.findings.sort(key=lambda f: (_listing(f, result.rules[f.rule]), f.time_ns, f.evidence[-1:]))
    result.findings = linked(result.findings, result.rules)
    result.shown = frozenset().union(*(_kinds(fact) for fact in facts))
    return result


def _listing(finding: Finding, rule: Rule) -> int:
    """Return where a finding stands, such that asking for more findings does not change the numbers of the others."""
    if finding.verdict in ("fail", "suspect"):
        return 0
    return 3 if finding.verdict == "unknown" else 2 if rule.family != "trace" else 1


def _kinds(fact: Facts) -> frozenset[str]:
    return frozenset(kind_name(name, phase) for name, phase in EVENT_KINDS if len(fact.rows(name, phase)))


def _kind(fact: Facts, row: int) -> str:
    """Return what an operation is, without addresses and times: its name, its end, a status that is an error."""
    name = fact.op_name(row).replace(" ", "")
    end = _ENDS.get(Phase(int(fact.ops.phase[row])), "")
    status, known = int(fact.ops.status[row]), int(fact.ops.known[row]) & KNOWN_STATUS
    return f"{name}{end}" + (f"={status_name(status)}" if known and status >= _ERROR else "")


#: Notes about the trace itself are always listed; they are few where all is well.
_MOST_TRACE_NOTES = 100
_ERROR = 0x80000000
_ENDS = {Phase.RETURN: ".return", Phase.COMPLETE_RETURN: ".return", Phase.CALLBACK_RETURN: ".return"}


@dataclass(frozen=True, slots=True)
class Listed:
    """How many instances that are no fails and no suspects are listed, per rule and load."""

    unknown: int
    notes: int


def _tally(rule: Rule, fact: Facts, given: Instances, counts: Counts, findings: list[Finding], most: Listed) -> None:
    counts.passed += given.kept
    counts.not_applicable += given.outside
    if not len(given.row):
        return
    seen, doubt, applies = given.broken.seen, given.broken.doubt, given.applies
    certain = applies & (doubt == 0)
    shown = certain & seen
    fails = np.zeros(len(seen), np.bool_) if rule.legal else shown
    doubtful = applies & (doubt != 0)
    suspects = doubtful & seen & ((doubt & CAP) == 0)
    if given.suspect is not None:
        suspects &= given.suspect
    if rule.legal:
        suspects[:] = False
    counts.fail += int(fails.sum())
    counts.unknown += int(doubtful.sum())
    counts.suspect += int(suspects.sum())
    counts.passed += int((certain & ~fails).sum())
    counts.note += int(shown.sum()) if rule.legal else 0
    counts.not_applicable += int((~applies).sum())
    for kind, number in enumerate(np.bincount(doubt[doubtful]).tolist()):
        if number:
            reason = reason_of(kind) or ""
            counts.reasons[reason] = counts.reasons.get(reason, 0) + number
    verdicts = [("fail", fails), ("suspect", suspects)]
    if most.unknown:
        verdicts.append(("unknown", _first(doubtful & ~suspects, most.unknown)))
    notes = most.notes if rule.family != "trace" else _MOST_TRACE_NOTES
    if notes and rule.legal:
        verdicts.append(("note", _first(shown, notes)))
    for verdict, chosen in verdicts:
        findings += [_finding(rule, fact, given, i, verdict) for i in np.flatnonzero(chosen).tolist()]


def _first(chosen: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Return the first of those chosen."""
    few = np.zeros_like(chosen)
    few[np.flatnonzero(chosen)[:most]] = True
    return few


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
        reason=reason_of(doubt) if doubt else None,
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
        fingerprint=" ".join([rule.id, *(_kind(fact, r) for r in shown)]),
        outstanding=tuple(int(base[r]) for r in given.outstanding(i)) if given.outstanding else (),
        load=life.world.load,
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
