"""Durations with known quantiles, drawn with a seed: one after the other, or each like the one before."""

from __future__ import annotations

from math import exp, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_N = NormalDist()


def lognormal(u: float) -> float:
    """Median 60 µs, spread as I/O has it."""
    return exp(log(60_000) + 1.2 * _N.inv_cdf(u))


def bimodal(u: float) -> float:
    """Six of ten about 5 µs, the others about 900 µs: the median stands at the edge of the first."""
    return 5_000 * exp(0.3 * _N.inv_cdf(u / 0.6)) if u < 0.6 else 900_000 * exp(0.3 * _N.inv_cdf((u - 0.6) / 0.4))


def heavy(u: float) -> float:
    """Pareto with exponent 1.1: no variance."""
    return float(20_000 * (1 - u) ** (-1 / 1.1))


def ticks(u: float) -> float:
    """A clock of 100 ns under durations of a few of its ticks."""
    return round(400 * exp(_N.inv_cdf(u)) / 100) * 100


SHAPES: dict[str, Callable[[float], float]] = {f.__name__: f for f in (lognormal, bimodal, heavy, ticks)}
#: u of a fine grid → quantile of each shape; draws interpolate nothing, they take the nearest.
_GRID = 20_000
_TABLES = {name: np.array([f((at + 0.5) / _GRID) for at in range(_GRID)], np.int64) for name, f in SHAPES.items()}
_NORMALS = np.array([_N.inv_cdf((at + 0.5) / _GRID) for at in range(_GRID)])


def quantile(shape: str, fraction: float) -> int:
    """Return the true quantile of what ``draw`` gives."""
    return int(_TABLES[shape][int(np.ceil(fraction * _GRID)) - 1])


def draw(random: np.random.Generator, shape: str, count: int, phi: float = 0.0) -> NDArray[np.int64]:
    """Draw durations; with ``phi`` each depends on the one before (autoregressive on the normal scale)."""
    if not phi:
        return _TABLES[shape][random.integers(0, _GRID, count)]
    steps = random.normal(size=count) * sqrt(1 - phi * phi)
    steps[0] = random.normal()
    held = np.empty(count)
    last = 0.0
    for at, step in enumerate(steps.tolist()):
        last = step if not at else phi * last + step
        held[at] = last
    ranks = np.searchsorted(_NORMALS, held)
    return _TABLES[shape][np.minimum(ranks, _GRID - 1)]
