"""Every fault is found in busy traffic, with the right IRP and socket, and nothing else; legal patterns stay silent.

Each fault alone: test_oracle.py.
"""

from __future__ import annotations

import pytest
from judging import as_expected, fails, judged, told

from wsktrace.rules.registry import RULES
from wsktrace.testing import legal
from wsktrace.testing.driver import busy
from wsktrace.testing.faults import FAULTS, inject

ONLY_12 = {12: ["WSK-TRANSPORT-COMBO"]}


def test_every_rule_has_a_fault() -> None:
    assert set(FAULTS) == {rule for rule, declared in RULES.items() if declared.family != "trace"}


def test_what_may_follow_from_a_fault_is_declared_by_the_rule_that_follows() -> None:
    def causes(rule: str) -> set[str]:
        own = set(RULES[rule].follows)
        return own.union(*(causes(cause) for cause in own))

    follows = {(rule, effect) for rule, ways in FAULTS.items() for way in ways for effect in way.follows}
    assert [(rule, effect) for rule, effect in sorted(follows) if rule not in causes(effect)] == []


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=[pytest.mark.long] * (at % 2)) for at, rule in enumerate(FAULTS)]
)
def test_fault_in_busy_traffic(rule: str) -> None:
    traffic, expected = inject(rule, seed=7)
    assert not as_expected(told(traffic.etl()), expected), "seed 7"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rule", FAULTS)
def test_fault_in_much_busy_traffic(rule: str, seed: int) -> None:
    traffic, expected = inject(rule, seed, seed % len(FAULTS[rule]), sockets=40, cpus=4)
    assert not as_expected(told(traffic.etl()), expected), f"seed {seed}"


@pytest.mark.parametrize("number", sorted(legal.PATTERNS))
def test_legal_pattern_alone(number: int) -> None:
    found = judged(legal.legal_trace(number).etl())
    broken = [f for f in found.findings if f.verdict != "note"]
    assert [f.rule for f in broken] == ONLY_12.get(number, [])
    if number == 12:
        assert broken[0].severity == "warning"


@pytest.mark.parametrize("number", range(len(legal.ORDERS)))
def test_legal_order(number: int) -> None:
    assert not [f for f in judged(legal.order_trace(number).etl()).findings if f.verdict != "note"]


@pytest.mark.parametrize("seq", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_legal_patterns_in_busy_traffic(seed: int, seq: bool) -> None:
    extras = [legal.legal_fragment(n) for n in legal.PATTERNS]
    traffic = busy(seed, sockets=20, extras=extras, seq=seq)
    assert {f.rule for f in fails(traffic.etl())} == {"WSK-TRANSPORT-COMBO"}, f"seed {seed}"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_clean_traffic(seed: int) -> None:
    how = {"drivers": 1 + seed % 2, "loads": 1 + seed % 3 // 2, "seq": seed % 5 != 0, "skew": 500_000 * (seed % 4 == 1)}
    extras = [legal.legal_fragment(n) for n in legal.PATTERNS if n != 12]
    assert not fails(busy(seed, extras=extras, **how).etl()), f"seed {seed}, {how}"
