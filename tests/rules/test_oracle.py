"""The engine against the oracle, which judges whole traces one event at a time (wsktrace.testing.oracle).

Where both know better than each other they differ, and these differences are named here:

* IRP-COMPLETED-WITH-PENDING: the contract's table of statuses makes such a completion a STATUS-MISMATCH too; the oracle
  tells the former only.
* IRP-REUSE-PENDING: whose completion is whose is ambiguous from there on, so what the oracle tells about the reused IRP
  (STATUS-MISMATCH, DOUBLE-COMPLETE, NEVER-COMPLETED …) is a suspect or unknown (U-ALIAS) for the engine.
* EVENT-CONTEXT-UNKNOWN: where a socket was adopted (used without a creation in the trace) the context may be its own:
  unknown for the engine.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from judging import as_expected

from wsktrace.testing.driver import busy
from wsktrace.testing.faults import FAULTS, fault_script, inject, inject_many
from wsktrace.testing.legal import ORDERS, PATTERNS, legal_fragment, legal_trace, order_trace
from wsktrace.testing.oracle import judge as oracle
from wsktrace.testing.script import run_script
from wsktrace.trace.analysis import Analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.testing.events import Event

VARIANTS = [(rule, number) for rule, ways in FAULTS.items() for number in range(len(ways))]
REUSE, MISMATCH, PENDING_END = "WSK-IRP-REUSE-PENDING", "WSK-STATUS-MISMATCH", "WSK-IRP-COMPLETED-WITH-PENDING"
CONTEXT = "WSK-EVENT-CONTEXT-UNKNOWN"
#: Which of several events shows it is a matter of taste: the call or its completion, the beginning or the end.
SPAN = 15_000_000_000


def opened(data: bytes) -> Analysis:
    """Return the analysis of a trace that lists unknowns and notes, too."""
    return Analysis(io.BytesIO(data), unknown=True, notes=True)


def disagreements(data: bytes, events: Sequence[Event], end: int) -> list[str]:
    """Return what one of the two tells and the other does not, but for the differences that are named above."""
    return compared(opened(data), events, end)


def compared(analysis: Analysis, events: Sequence[Event], end: int) -> list[str]:
    """Return the disagreements about a trace that is opened."""
    judgement, sockets = analysis.judgement, analysis.table("sockets")
    start = analysis.file.clock.start_ns
    adopted = "adopted" in set(sockets.column("origin").to_pylist())
    told = oracle(events, end, build=analysis.file.header.provider_version)
    # what is wrong with the trace itself the engine alone tells
    told_of = {rule for rule, declared in judgement.rules.items() if declared.family != "trace"}
    fails = [f for f in judgement.findings if f.verdict in ("fail", "note") and f.rule in told_of]
    doubtful = [f for f in judgement.findings if f.verdict not in ("fail", "note")]
    reused = {b.irp for b in told if b.rule == REUSE}
    wrong = []
    mine = Counter(f.rule for f in fails)
    theirs = Counter(b.rule for b in told)
    for rule in sorted(mine | theirs):
        extra, lacking = mine[rule] - theirs[rule], theirs[rule] - mine[rule]
        if extra > 0 and rule == MISMATCH:
            extra -= theirs[PENDING_END]
        if lacking > 0 and reused:
            lacking -= sum(f.rule == rule and f.irp in reused for f in doubtful)
        if lacking > 0 and rule == CONTEXT and adopted:
            lacking -= sum(f.rule == rule for f in doubtful)
        if extra > 0 or lacking > 0:
            wrong.append(f"{rule}: the engine tells {mine[rule]}, the oracle {theirs[rule]}")
    for rule in sorted(set(mine) & set(theirs)):
        if mine[rule] != theirs[rule]:
            continue
        left = [b for b in told if b.rule == rule]
        for found in (f for f in fails if f.rule == rule):
            fits = [
                b
                for b in left
                if abs(b.time - (found.time_ns - start)) <= SPAN
                and (not b.irp or found.irp in (None, b.irp))
                and (not b.socket or found.socket in (None, b.socket))
            ]
            if not fits:
                wrong.append(f"{rule}: the oracle does not tell {found}")
                continue
            left.remove(min(fits, key=lambda b: abs(b.time - (found.time_ns - start))))
    return wrong


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_legal_patterns(number: int) -> None:
    script = legal_trace(number)
    assert not disagreements(script.etl(), script.events, script.options.end)


@pytest.mark.parametrize("number", range(len(ORDERS)))
def test_legal_orders(number: int) -> None:
    script = order_trace(number)
    assert not disagreements(script.etl(), script.events, script.options.end)


@pytest.mark.parametrize(
    ("rule", "number"), [pytest.param(*one, marks=[pytest.mark.long] * (one[1] > 0)) for one in VARIANTS]
)
def test_faults(rule: str, number: int) -> None:
    """The fault is found as it is expected, and nothing else; both judges tell the same."""
    script, expected = fault_script(rule, number)
    analysis = opened(script.etl())
    told = [f for f in analysis.judgement.findings if f.verdict in ("fail", "note")]
    assert not as_expected(told, expected)
    assert not compared(analysis, script.events, script.options.end)


@pytest.mark.parametrize("seed", range(4))
def test_busy_traffic(seed: int) -> None:
    extras = [legal_fragment(n) for n in PATTERNS]
    traffic = busy(seed, sockets=20, extras=extras, drivers=1 + seed % 2, loads=1 + seed // 2)
    assert not disagreements(traffic.etl(), traffic.events, traffic.end), f"seed {seed}"


@pytest.mark.parametrize("first", range(0, len(FAULTS), 4))
def test_several_faults_in_busy_traffic(first: int) -> None:
    chosen = [(rule, first % len(FAULTS[rule])) for rule in list(FAULTS)[first : first + 4]]
    traffic, _ = inject_many(chosen, first, sockets=8)
    assert not disagreements(traffic.etl(), traffic.events, traffic.end), chosen


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rule", FAULTS)
def test_faults_in_much_busy_traffic(rule: str, seed: int) -> None:
    traffic, _ = inject(rule, 1000 + seed, sockets=25, drivers=1 + seed % 2, loads=1 + seed % 3 // 2)
    assert not disagreements(traffic.etl(), traffic.events, traffic.end), f"seed {1000 + seed}"


def test_a_disagreement_is_noticed() -> None:
    """The comparison itself: an event that only one of the two sees."""
    script, expected = fault_script("WSK-SD-LEAK")
    without = [e for e in script.events if e.fields.get("ControlCode") != 4]
    assert oracle(script.events, script.options.end)
    wrong = disagreements(script.etl(), without, script.options.end)
    assert any(expected.rule in one for one in wrong)


# the differences that are named above, each by itself ----------------------------------------------------------------


def both(text: str) -> tuple[list[tuple[str, str, str | None]], list[str]]:
    """Return what the engine finds, but for what the driver does not trace at all, and what the oracle tells."""
    script = run_script(f"driver\n{text}\nunload")
    findings = Analysis(io.BytesIO(script.etl()), unknown=True).judgement.findings
    found = [f for f in findings if f.reason != "U-CAP"]
    return [(f.rule, f.verdict, f.reason) for f in found], [b.rule for b in oracle(script.events, script.options.end)]


@pytest.mark.parametrize("returned", ["SUCCESS", "PENDING", "ACCESS_DENIED"])
def test_difference_a_completion_with_pending_is_a_mismatch_too(returned: str) -> None:
    """3.B, the table: PENDING as completion is FAIL whatever was returned."""
    call = f"IrpAllocate A\nWskBind S A -> {returned}, complete PENDING\nIrpFree A"
    mine, theirs = both(f"open S Flags=datagram\n{call}\nclose S")
    assert sorted(mine) == [(PENDING_END, "fail", None), (MISMATCH, "fail", None)]
    assert theirs == [PENDING_END]


def test_difference_a_second_completion_of_a_reused_irp_is_suspect() -> None:
    mine, theirs = both(
        "open S Flags=datagram\nrun WskBind S\nIrpAllocate A\nWskSendTo S A -> PENDING\nWskSendTo S A -> PENDING\n"
        "complete A SUCCESS\ncomplete A SUCCESS\nIrpFree A\nclose S"
    )
    double = "WSK-IRP-DOUBLE-COMPLETE"
    assert [f for f in mine if f[1] != "unknown"] == [(REUSE, "fail", None), (double, "suspect", "U-ALIAS")]
    assert theirs == [REUSE, double]


def test_difference_a_context_may_be_that_of_an_adopted_socket() -> None:
    mine, theirs = both("run WskBind T\nWskReceiveFromEvent ctx -> SUCCESS\nclose T")
    assert [f for f in mine if f[0] == CONTEXT or f[1] == "fail"] == [(CONTEXT, "unknown", "U-ALIAS")]
    assert theirs == [CONTEXT]
