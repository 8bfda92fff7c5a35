from __future__ import annotations

from math import inf, log
from statistics import NormalDist

import numpy as np
import pytest
from draws import SHAPES, draw, quantile

from wsktrace.diff.quantiles import (
    ALPHA,
    FRACTIONS,
    Sample,
    _binomial,
    _log_limits,
    _student,
    holm,
    longer_chance,
    ratio,
)
from wsktrace.diff.shifts import shifts

Z = NormalDist().inv_cdf(1 - ALPHA / 2)


def covered(shape: str, count: int, draws: int, *, phi: float = 0.0, factor: float = 1.5, seed: int = 1) -> list[float]:
    """Return how often the interval of the ratio of each quantile holds the true ratio."""
    random = np.random.default_rng(seed)
    hit = np.zeros(len(FRACTIONS))
    for _ in range(draws):
        a = Sample.of(draw(random, shape, count, phi))
        b = Sample.of((draw(random, shape, count, phi) * factor).astype(np.int64))
        for at, fraction in enumerate(FRACTIONS):
            low, high = _log_limits(a, b, fraction, Z, opened=False)
            true = log(int(quantile(shape, fraction) * factor) / quantile(shape, fraction))
            hit[at] += low - 1e-6 <= true <= high + 1e-6
    return list(hit / draws)


@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_hold_what_they_promise(shape: str) -> None:
    """95 % of them hold the truth; of 120 draws at least 90 % do but for one time in a hundred."""
    assert min(covered(shape, 400, 120)) >= 0.9


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [60, 1000, 5000])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_intervals_hold_what_they_promise_at_length(shape: str, count: int, factor: float) -> None:
    assert min(covered(shape, count, 500, factor=factor)) >= 0.93


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("phi", "count", "least"), [(0.9, 400, 0.88), (0.9, 4000, 0.92), (0.99, 10_000, 0.88)])
def test_intervals_of_values_that_follow_each_other(shape: str, phi: float, count: int, least: float) -> None:
    """Neighbours alike over some 20 (200) values: the plain interval would hold the truth in less than half of all."""
    assert min(covered(shape, count, 200, phi=phi)) >= least


def test_values_that_follow_each_other_widen_the_interval() -> None:
    random = np.random.default_rng(7)
    values = np.sort(draw(random, "lognormal", 4000))
    mixed, sorted_ = Sample.of(random.permutation(values)), Sample.of(values)
    assert sorted_.effects[0] > 20 * mixed.effects[0]
    assert mixed.effects[0] < 3
    low, high = mixed.limits(0.5, Z)
    wide_low, wide_high = sorted_.limits(0.5, Z)
    assert wide_low < low < quantile("lognormal", 0.5) < high < wide_high


def false_alarms(count: int, families: int, *, phi: float = 0.0, margin: float = 1.0) -> float:
    random = np.random.default_rng(11)
    names = list(SHAPES)

    def recording() -> dict[tuple[tuple[str, ...], str], Sample]:
        return {((name,), "total"): Sample.of(draw(random, name, count, phi)) for name in names}

    wrong = 0
    for _ in range(families):
        wrong += any(s.verdict in ("slower", "faster") for s in shifts(recording(), recording(), margin=margin))
    return wrong / families


def test_equal_traces_raise_no_alarm() -> None:
    """At most one table of twenty may have one; of 40 tables that is at most five, but for one time in thirty."""
    assert false_alarms(300, 40) <= 5 / 40


@pytest.mark.long
@pytest.mark.parametrize(("count", "phi"), [(100, 0.0), (1000, 0.0), (1000, 0.9)])
def test_equal_traces_raise_no_alarm_at_length(count: int, phi: float) -> None:
    assert false_alarms(count, 300, phi=phi) <= ALPHA


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shift_is_found_and_has_its_direction(shape: str) -> None:
    random = np.random.default_rng(5)
    a, b = draw(random, shape, 3000), draw(random, shape, 3000) * 2
    key = (("WskSend",), "total")
    for one, other, word, wrong in ((a, b, "slower", "faster"), (b, a, "faster", "slower")):
        found = [s.verdict for s in shifts({key: Sample.of(one)}, {key: Sample.of(other)}, margin=1.05)]
        assert found[0] == word
        assert wrong not in found


def test_a_shift_below_the_margin_is_none() -> None:
    random = np.random.default_rng(5)
    values = draw(random, "lognormal", 200_000)
    key = (("WskSend",), "total")
    a, b = {key: Sample.of(values)}, {key: Sample.of((random.permutation(values) * 1.03).astype(np.int64))}
    assert shifts(a, b, margin=1.0)[0].verdict == "slower"
    assert {s.verdict for s in shifts(a, b, margin=1.05)} == {"no shift shown"}


def test_few_values_tell_nothing() -> None:
    few, many = Sample.of(range(1, 20)), Sample.of(range(1, 2000))
    assert ratio(few, many, 0.5).p is None
    assert ratio(Sample.of([]), many, 0.5).value is None
    found = ratio(Sample.of(range(1, 101)), Sample.of(range(1, 101)), 0.99)
    assert found.high == inf
    assert found.p is None
    low, high = Sample.of(range(1, 101)).limits(0.99, Z)
    assert high == inf
    assert low < 99


def test_what_is_open_may_take_for_ever() -> None:
    """Two of ten never ended in B: its 90th percentile may be anything, and is not faster."""
    random = np.random.default_rng(3)
    a = draw(random, "lognormal", 2000)
    key = (("WskReceive",), "total")
    slow = {key: Sample.of(a * 3)}
    found = {s.fraction: s for s in shifts(slow, {key: Sample.of(a, opened=500)}, margin=1.05)}
    assert (found[0.9].verdict, found[0.9].hidden) == ("no shift shown", True)
    assert found[0.5].verdict == "faster"
    closed = {s.fraction: s for s in shifts(slow, {key: Sample.of(a)}, margin=1.05)}
    assert closed[0.9].verdict == "faster"
    back = {
        s.fraction: s.verdict for s in shifts({key: Sample.of(a)}, {key: Sample.of(a * 3, opened=500)}, margin=1.05)
    }
    assert back[0.9] == "slower"  # whatever they took, they took longer


def test_ends_of_the_scale() -> None:
    zero = Sample.of([0] * 100)
    found = ratio(zero, zero, 0.5)
    assert (found.value, found.low, found.high, found.p) == (1.0, 1.0, 1.0, 1.0)
    same = Sample.of([100] * 500)
    assert ratio(same, Sample.of([200] * 500), 0.5).p == pytest.approx(0, abs=1e-6)


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [0.03, None, 0.06, 0.06]
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_chance_that_one_takes_longer_by_brute_force() -> None:
    random = np.random.default_rng(2)
    a, b = random.integers(0, 30, 70), random.integers(5, 35, 50)
    pairs = [(x < y) + (x == y) / 2 for x in a for y in b]
    assert longer_chance(Sample.of(a), Sample.of(b)) == pytest.approx(sum(pairs) / len(pairs))
    assert longer_chance(Sample.of([]), Sample.of(b)) is None


def test_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n, p in ((1, 0.5), (30, 0.9), (1000, 0.99), (1_000_000, 0.5), (777_777, 0.99)):
        first, cumulative = _binomial(n, p)
        k = np.arange(first, first + len(cumulative))
        assert np.abs(cumulative - stats.binom.cdf(k, n, p)).max() < 1e-7
    for freedom in (4, 9, 31):
        for z in (0.5, 1.0, 1.96, 3.0, 4.0):
            exact = stats.t.isf(stats.norm.sf(z), freedom)
            assert _student(z, freedom) == pytest.approx(exact, rel=0.03 if freedom > 4 else 0.2)
    a, b = draw(np.random.default_rng(1), "lognormal", 500), draw(np.random.default_rng(2), "lognormal", 400)
    wanted = stats.mannwhitneyu(b, a).statistic / (len(a) * len(b))
    assert longer_chance(Sample.of(a), Sample.of(b)) == pytest.approx(wanted)


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_order_statistics_are_those_of_scipy(fraction: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = draw(np.random.default_rng(4), "heavy", 3001)
    alone = Sample(np.sort(values), 0, (1.0, 1.0, 1.0), (0, 0, 0))
    wanted = stats.quantile_test(values, p=fraction).confidence_interval(0.95)
    assert alone.limits(fraction, Z) == (wanted.low, wanted.high)
