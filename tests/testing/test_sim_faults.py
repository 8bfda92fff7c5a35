"""Faults, the oracle that finds them, and the samples' stories."""

from __future__ import annotations

import pytest
from test_sim_traffic import check_well_formed

from wsktrace.errors import UsageError
from wsktrace.rules.registry import RULES
from wsktrace.testing import scenario
from wsktrace.testing.faults import FAULTS, Expected, fault_script, inject, inject_many
from wsktrace.testing.oracle import Broken, judge

#: What is wrong with a trace, and not with a driver: tests/rules/test_trace_quality.py.
NOT_OF_A_DRIVER = {rule for rule, declared in RULES.items() if declared.family == "trace"}
WAYS = [(rule, number) for rule, ways in FAULTS.items() for number in range(len(ways))]


def check_found(expected: Expected, found: list[Broken]) -> None:
    mine = [b for b in found if b.rule == expected.rule]
    fitting = [b for b in mine if expected.fits(b.irp, b.socket, b.subject)]
    assert len(fitting) == 1, (expected, found)
    assert len(mine) == 1 or RULES[expected.rule].legal, found
    others = {b.rule for b in found} - {expected.rule} - {rule for rule, declared in RULES.items() if declared.legal}
    assert others <= expected.follows, found


def test_there_is_a_fault_for_each_rule() -> None:
    assert sorted(set(RULES) - set(FAULTS) - NOT_OF_A_DRIVER) == []
    assert sorted(set(FAULTS) - set(RULES)) == []


@pytest.mark.parametrize(("rule", "number"), WAYS)
def test_the_oracle_finds_each_fault_alone(rule: str, number: int) -> None:
    script, expected = fault_script(rule, number)
    check_found(expected, judge(script.events, script.options.end, build=script.build))


@pytest.mark.parametrize(
    ("rule", "number"), [pytest.param(*way, marks=[pytest.mark.long] * (way[1] > 0)) for way in WAYS]
)
def test_the_oracle_finds_each_fault_in_busy_traffic(rule: str, number: int) -> None:
    traffic, expected = inject(rule, number + 1, number)
    check_well_formed_but_for_stuck(traffic.events, unloads=traffic.closed)
    check_found(expected, judge(traffic.events, traffic.end, build=traffic.build))


def check_well_formed_but_for_stuck(events: list, *, unloads: bool) -> None:  # type: ignore[type-arg]
    check_well_formed(events)
    assert (events[-1].name == "DriverUnload") == unloads


@pytest.mark.long
@pytest.mark.parametrize("rule", FAULTS)
def test_the_oracle_finds_faults_in_much_traffic(rule: str) -> None:
    for seed in range(10):
        traffic, expected = inject(
            rule, seed, sockets=30, loads=1 + seed % 2, drivers=1 + seed % 3 // 2, cpus=3 + seed % 3
        )
        check_found(expected, judge(traffic.events, traffic.end, build=traffic.build))


def test_several_faults_at_once() -> None:
    chosen = [("WSK-SD-LEAK", 0), ("WSK-DOUBLE-CLOSE", 0), ("WSK-FLAGS-INVALID", 0)]
    traffic, expected = inject_many(chosen, 3)
    found = judge(traffic.events, traffic.end)
    for one in expected:
        assert sum(b.rule == one.rule and one.fits(b.irp, b.socket, b.subject) for b in found) == 1
    allowed = {rule for one in expected for rule in (one.rule, *one.follows)}
    assert {b.rule for b in found if not RULES[b.rule].legal} <= allowed


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(UsageError, match="no fault 0 of rule 'WSK-NOPE'"):
        fault_script("WSK-NOPE")
    with pytest.raises(UsageError, match="no fault 99"):
        fault_script("WSK-SD-LEAK", 99)


def test_expected_fits() -> None:
    expected = Expected("WSK-X", frozenset({5}), 7, 0, frozenset())
    assert expected.fits(5, 7)
    assert expected.fits(5, 0)
    assert expected.fits(0, 7)
    assert not expected.fits(5, 8)
    assert not expected.fits(6, 7)
    assert not expected.fits(0, 0)
    assert Expected("WSK-X", frozenset(), 0, 0, frozenset()).fits(3, 4)
    assert not Expected("WSK-X", frozenset(), 0, 9, frozenset()).fits(0, 0, 8)


def test_stories_of_the_samples() -> None:
    for name in ("clean", "early_release", "hang", "many_faults", "midway"):
        one = getattr(scenario, name)()
        assert one.events == getattr(scenario, name)().events
        data = one.etl()
        assert len(data) < 300_000
        assert data == getattr(scenario, name)().etl()
        rules = {b.rule for b in judge(one.events, one.end) if not RULES[b.rule].legal}
        if name == "clean":
            assert not rules
            check_well_formed(one.events)
        elif name == "early_release":
            assert rules == {"WSK-SD-EARLY-RELEASE"}
        elif name == "hang":
            assert rules == {"WSK-CLOSE-STUCK", "WSK-IRP-NEVER-COMPLETED"}
            assert one.end > 70_000_000_000
        elif name == "many_faults":
            assert len(rules) == 17
        else:
            assert one.lost == 7
            assert not any(e.name == "DriverEntry" for e in one.events)
