"""Take every kind of event away in turn: the coverage names it, and no rule fails for want of it where Seq tells."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from wsktrace.model.filefacts import facts_of
from wsktrace.model.lives import build
from wsktrace.report.coverage import wanted_events
from wsktrace.rules.engine import judge
from wsktrace.rules.registry import RULES
from wsktrace.rules.tables import rule_columns
from wsktrace.testing.driver import busy
from wsktrace.testing.legal import PATTERNS, legal_fragment
from wsktrace.testing.native import EVENTS
from wsktrace.trace.analysis import Analysis
from wsktrace.wsk.event_kinds import EVENT_KINDS, expand, kind_name
from wsktrace.wsk.operations import CODES, OPS, Phase, phase_of

if TYPE_CHECKING:
    from wsktrace.model.filefacts import FileFacts
    from wsktrace.wsk.ops import Operations
    from wsktrace.wsk.profile import Profile

NAMES = [kind_name(*kind) for kind in EVENT_KINDS]
NEEDED = {kind_name(*kind) for rule in RULES.values() for kind in expand(rule.traced)}
#: What only says what else there is, or is asked of no rule.
NOT_NEEDED = {"ProviderState"}
#: It only excuses: its rule stays decided where nothing was to be excused.
DECIDED_ALL_THE_SAME = {"IrpCompleteUp"}


@functools.cache
def whole() -> tuple[Operations, FileFacts, Profile]:
    """Return the operations of a busy driver that shows every kind of event."""
    extras = [legal_fragment(n) for n in PATTERNS if n != 12]
    analysis = Analysis(io.BytesIO(busy(1, sockets=40, extras=extras).etl()))
    return analysis.reading.operations, facts_of(analysis.file), analysis.profile


def without(name: str, phase: Phase) -> list[dict[str, Any]]:
    """Return the rows of ``rules`` for the trace that lacks that kind, as though the session had lost each of it."""
    ops, facts, profile = whole()
    left = np.flatnonzero((ops.op != CODES[name]) | (ops.phase != phase))
    assert len(left) < len(ops), "the traffic has none of it"
    judgement = judge(build(ops.take(left), facts, profile))
    assert [f.rule for f in judgement.findings if f.verdict == "fail"] == []
    columns = rule_columns(judgement)
    return [{name: values[n] for name, values in columns.items()} for n in range(len(columns["rule"]))]


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=NAMES)
def test_what_is_taken_away_is_named(kind: tuple[str, Phase]) -> None:
    wanted, others = wanted_events(without(*kind))
    name = kind_name(*kind)
    if name in NOT_NEEDED:
        assert name not in NEEDED
        return
    assert name in wanted or name in others
    # with one exception, what is gone has left something undecided
    assert name in wanted or name in DECIDED_ALL_THE_SAME, f"{name} is gone, and everything is decided"
    assert all(kind in expand(RULES[rule].traced) for rule in wanted.get(name, ()))


def test_the_kinds_are_those_of_the_provider_and_every_one_serves_a_rule() -> None:
    assert {(name, phase_of(OPS[CODES[name]], opcode)) for name, opcode in EVENTS} == set(EVENT_KINDS)
    assert sorted(set(NAMES) - NEEDED - NOT_NEEDED) == []


def test_a_whole_trace_wants_little() -> None:
    ops, facts, profile = whole()
    columns = rule_columns(judge(build(ops.take(np.arange(len(ops))), facts, profile)))
    assert [names for names in columns["never_seen"] if names] == []
