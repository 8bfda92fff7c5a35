"""Whether a quantile shifted between two recordings: intervals that ask for no distribution, and no random numbers.

The method, in four steps:

1. The interval of a quantile lies between two order statistics (Woodruff, J. Am. Stat. Assoc. 47, 1952): how many
   of n values lie below the quantile is binomial, whatever their distribution.
2. Uses of IRPs are not independent: a burst or a slow minute moves many at once. Values are cut into 32 stretches of
   time, and into 10; where the share below the quantile varies more from stretch to stretch than it would by chance,
   n is divided by that excess (the design effect, Kish 1965), and the normal quantile becomes Student's.
3. The interval of the ratio B/A comes from both intervals, on the logarithm (MOVER, Zou and Donner, Stat. Med. 27,
   2008).
4. Of many comparisons, Holm's step-down keeps the chance of one false alarm among all below ``ALPHA``.

Its limits: dependence over longer than a stretch is not seen; the intervals speak of these two recordings, not of what
the next one would show; where few values lie beyond a quantile there is no limit on that side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, floor, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ALPHA", "BLOCKS", "FEWEST", "FRACTIONS", "Ratio", "Sample", "holm", "longer_chance", "ratio"]

#: The quantiles that are compared.
FRACTIONS = (0.5, 0.9, 0.99)
#: Chance of an error that is accepted: of an interval, and of a false alarm among all comparisons.
ALPHA = 0.05
#: How many stretches of time dependence is looked for in: short ones, and long ones.
BLOCKS = (32, 10)
#: Values of which less say nothing.
FEWEST = 20
#: Values of a stretch, at least.
_LEAST_OF_A_BLOCK = 4
_NORMAL = NormalDist()
_MOST_Z = 8.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Durations of one kind in one recording.

    Attributes:
        values: int64 ns, ascending.
        opened: uses that began and whose end was not seen; how long they took is unknown.
        effects: design effect at each of ``FRACTIONS``, at least 1.
        blocks: stretches of time that each of these comes from.
    """

    values: NDArray[np.int64]
    opened: int
    effects: tuple[float, ...]
    blocks: tuple[int, ...]

    @classmethod
    def of(cls, durations: ArrayLike, *, opened: int = 0) -> Sample:
        """Make a sample of durations (ns) in the order in which they began."""
        held = np.asarray(durations, np.int64)
        values = np.sort(held)
        count = len(values)
        if count < FEWEST:
            return cls(values, opened, (1.0,) * len(FRACTIONS), (0,) * len(FRACTIONS))
        found = [_effect(held <= values[_rank(fraction, count)]) for fraction in FRACTIONS]
        return cls(values, opened, tuple(effect for effect, _ in found), tuple(blocks for _, blocks in found))

    @property
    def count(self) -> int:
        """How many durations there are."""
        return len(self.values)

    def quantile(self, fraction: float) -> int | None:
        """Return the duration (ns) that ``fraction`` of all do not exceed; None where there is none."""
        return int(self.values[_rank(fraction, self.count)]) if self.count else None

    def limits(self, fraction: float, z: float, *, opened: bool = False) -> tuple[float, float]:
        """Return the interval of a quantile (ns), ``z`` standard errors to each side; infinite where there is no limit.

        ``opened`` widens it by what is not known: the uses whose end was not seen may have taken however long.
        """
        at = FRACTIONS.index(fraction)
        effect = self.effects[at]
        level = _NORMAL.cdf(-_student(z, self.blocks[at] - 1))
        low, _ = _between(self.values, self.count, fraction, effect, level)
        total = self.count + self.opened if opened else self.count
        _, high = _between(self.values, total, fraction, effect, level)
        return low, high


@dataclass(frozen=True, slots=True)
class Ratio:
    """One quantile of B over that of A.

    Attributes:
        value: the ratio of the two quantiles; None where one of them does not exist.
        low: lower limit of its 95 % interval, 0 where there is none.
        high: upper limit, inf where there is none.
        p: chance of such a shift, or a larger one, where there is none beyond the margin; it holds whatever the uses
            took whose end was not seen; None where there are too few values.
        p_ended: the same if those are left out.
    """

    value: float | None
    low: float
    high: float
    p: float | None
    p_ended: float | None


def ratio(a: Sample, b: Sample, fraction: float, *, margin: float = 1.0) -> Ratio:
    """Compare one of ``FRACTIONS`` of two samples; shifts by less than the factor ``margin`` are none."""
    if a.count < FEWEST or b.count < FEWEST:
        at_a, at_b = a.quantile(fraction), b.quantile(fraction)
        held = None if at_a is None or at_b is None else max(at_b, 1) / max(at_a, 1)
        return Ratio(held, 0.0, inf, None, None)
    centre = _centre(a, b, fraction)
    low, high = _log_limits(a, b, fraction, _NORMAL.inv_cdf(1 - ALPHA / 2), opened=False)
    if low == -inf and high == inf:
        return Ratio(exp(centre), 0.0, inf, None, None)
    ended = _p_value(a, b, fraction, log(margin), opened=False)
    whatever = _p_value(a, b, fraction, log(margin), opened=True) if a.opened or b.opened else ended
    return Ratio(exp(centre), exp(low), exp(high) if high < inf else inf, whatever, ended)


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """Return p values adjusted for all comparisons (Holm, Scand. J. Stat. 6, 1979); None stays None and counts not."""
    order = sorted((p, at) for at, p in enumerate(chances) if p is not None)
    adjusted: list[float | None] = [None] * len(chances)
    worst = 0.0
    for rank, (p, at) in enumerate(order):
        worst = max(worst, min(p * (len(order) - rank), 1.0))
        adjusted[at] = worst
    return adjusted


def longer_chance(a: Sample, b: Sample) -> float | None:
    """Return the chance that a use of B took longer than one of A, ties counted half (1/2 where nothing shifted)."""
    if not a.count or not b.count:
        return None
    below = np.searchsorted(a.values, b.values, "left").sum() + np.searchsorted(a.values, b.values, "right").sum()
    return float(below) / (2 * a.count * b.count)


def _centre(a: Sample, b: Sample, fraction: float) -> float:
    at_a, at_b = a.quantile(fraction), b.quantile(fraction)
    assert at_a is not None
    assert at_b is not None
    return log(max(at_b, 1)) - log(max(at_a, 1))


def _log_limits(a: Sample, b: Sample, fraction: float, z: float, *, opened: bool) -> tuple[float, float]:
    """Return the interval of the logarithm of the ratio."""
    below_a, above_a = _arms(a, fraction, z, opened=opened)
    below_b, above_b = _arms(b, fraction, z, opened=opened)
    centre = _centre(a, b, fraction)
    return centre - sqrt(below_b**2 + above_a**2), centre + sqrt(above_b**2 + below_a**2)


def _arms(one: Sample, fraction: float, z: float, *, opened: bool) -> tuple[float, float]:
    """Return how far the interval of a quantile reaches down and up, on the logarithm."""
    at = one.quantile(fraction)
    assert at is not None
    low, high = one.limits(fraction, z, opened=opened)
    middle = log(max(at, 1))
    return inf if low == -inf else middle - log(max(low, 1)), inf if high == inf else log(max(high, 1)) - middle


def _p_value(a: Sample, b: Sample, fraction: float, margin: float, *, opened: bool) -> float:
    """Return the smallest error at which the interval still leaves out all shifts up to the margin."""

    def leaves_out(z: float) -> bool:
        low, high = _log_limits(a, b, fraction, z, opened=opened)
        return low > margin or high < -margin

    if not leaves_out(0.0):
        return 1.0
    low, high = 0.0, _MOST_Z
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if leaves_out(middle) else (low, middle)
    return 2 * _NORMAL.cdf(-low)


def _effect(below: NDArray[np.bool_]) -> tuple[float, int]:
    """Return the design effect of values being below a quantile, in the order of time, and the stretches it is from.

    Of short and of long stretches, those count that give the wider interval.
    """
    share = float(below.mean())
    if share == 1.0:
        return 1.0, 0
    found = []
    for blocks in BLOCKS:
        blocks = min(blocks, len(below) // _LEAST_OF_A_BLOCK)
        starts = np.arange(blocks) * len(below) // blocks
        sizes = np.diff(np.append(starts, len(below)))
        shares = np.add.reduceat(below, starts, dtype=np.int64) / sizes
        between = float(np.sum(sizes * (shares - share) ** 2)) / (blocks - 1)
        found.append((max(between / (share * (1 - share)), 1.0), blocks))
    return max(found, key=lambda pair: sqrt(pair[0]) * _student(2.0, pair[1] - 1))


def _rank(fraction: float, count: int) -> int:
    """Return which of ``count`` ascending values is the quantile, from 0."""
    return min(max(ceil(fraction * count - 1e-9), 1), count) - 1


def _between(
    values: NDArray[np.int64], count: int, fraction: float, effect: float, level: float
) -> tuple[float, float]:
    """Return the order statistics between which the quantile lies; errors of ``level`` on each side.

    ``count`` is at least the number of values; those that are missing are longer than all others.
    """
    effective = max(int(count / effect), 1)
    first, cumulative = _binomial(effective, fraction)
    below = int(np.searchsorted(cumulative, level, "right"))
    lower = first + below
    upper = first + int(np.searchsorted(cumulative, 1 - level, "left")) + 1
    scale = count / effective
    at_low, at_high = floor(lower * scale), ceil(upper * scale)
    low = -inf if lower < 1 else float(values[min(at_low, len(values)) - 1])
    return low, inf if upper > effective or at_high > len(values) else float(values[at_high - 1])


@lru_cache(maxsize=512)
def _binomial(n: int, p: float) -> tuple[int, NDArray[np.float64]]:
    """Return (k, cumulative chances of k, k + 1 …) where they differ from 0 and 1."""
    spread = 10 * sqrt(n * p * (1 - p)) + 20
    first, last = max(floor(n * p - spread), 0), min(ceil(n * p + spread), n)
    k = np.arange(first, last, dtype=np.float64)
    start = lgamma(n + 1) - lgamma(first + 1) - lgamma(n - first + 1) + first * log(p) + (n - first) * log1p(-p)
    steps = np.log((n - k) / (k + 1)) + (log(p) - log1p(-p))
    cumulative = np.cumsum(np.exp(start + np.concatenate(([0.0], np.cumsum(steps)))))
    return first, np.minimum(cumulative, 1.0)


def _student(z: float, freedom: int) -> float:
    """Return the quantile of Student's t that a normal quantile has (Abramowitz and Stegun 26.7.5)."""
    if freedom < 1:
        return z
    z3, z5, z7 = z**3, z**5, z**7
    return (
        z
        + (z3 + z) / (4 * freedom)
        + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom**2)
        + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom**3)
    )
