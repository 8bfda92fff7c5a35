"""Judges traces in tests: from events or bytes to findings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from wsktrace.rules.registry import RULES
from wsktrace.trace.analysis import Analysis

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsktrace.rules.findings import Finding, Judgement
    from wsktrace.testing.faults import Expected


def judged(data: bytes) -> Judgement:
    """Judge a trace file."""
    return Analysis(io.BytesIO(data), notes=True).judgement


def fails(data: bytes) -> list[Finding]:
    """Return the broken rules of a trace file."""
    return [f for f in judged(data).findings if f.verdict == "fail"]


def keys(finding: Finding) -> set[tuple[object, ...]]:
    """Return what makes a finding the same in a trace and in what is left of it: its moment, or what it is about."""
    return {(finding.rule, finding.time_ns), (finding.rule, finding.irp, finding.socket)}


def fits(finding: Finding, expected: Expected) -> bool:
    """Whether a finding names what a fault expects."""
    own = finding.subject_table in ("descriptors", "operations", "registrations")
    subject = finding.subject_address or 0 if own else 0
    return expected.fits(finding.irp or 0, finding.socket or 0, subject)


def told(data: bytes) -> list[Finding]:
    """Return the broken rules and the notes of a trace file."""
    return [f for f in judged(data).findings if f.verdict in ("fail", "note")]


def as_expected(found: Iterable[Finding], expected: Expected) -> str:
    """Return what is wrong with what is told of a trace with one fault, empty where nothing is.

    A note that is expected may be one of many.
    """
    mine = [f for f in found if f.rule == expected.rule]
    others = [f for f in found if f.verdict == "fail" and f.rule not in {expected.rule, *expected.follows}]
    if RULES[expected.rule].legal:
        mine = [f for f in mine if fits(f, expected)]
    if len(mine) != 1 or not fits(mine[0], expected):
        return f"{expected} was found as {mine}"
    return f"beside {expected.rule}: {others}" if others else ""
