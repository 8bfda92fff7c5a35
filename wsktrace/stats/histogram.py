"""Log-linear histograms of durations: percentiles exact to 1 %, and histograms of two traces add up.

A duration of v nanoseconds falls into bin v where v < 128; above, each octave has 128 bins of equal width, so a bin
is never wider than 1/128 of what it holds. The bins are the same for every trace, so merging is adding counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Binned", "Histogram", "bin_edges", "bin_of", "merge", "tells"]

#: Bins per octave, a power of two.
_SUB = 128
_BITS = 7
#: All bins that int64 durations can fall into.
BINS = (63 - _BITS + 1) * _SUB
#: Bits of a float64 below the seven highest of its mantissa.
_LOW_BITS = 52 - _BITS
#: From here on a float64 does not hold every integer.
_EXACT = 1 << 53
#: Cells of groups × bins that are counted in one array; beyond, only those that occur.
_CELLS = 1 << 24
#: Durations binned at once: what is in between stays in the processor's cache.
_BLOCK = 1 << 16


def bin_of(durations: ArrayLike) -> NDArray[np.int64]:
    """Return the bin number of each duration (int64 ns, not negative).

    The exponent and the seven highest bits of the mantissa of a float64, taken together, are the number of the bin.
    """
    v = np.asarray(durations, np.int64)
    exact = v if not v.size or int(v.max()) < _EXACT else np.where(v < _EXACT, v, v & ~np.int64(1023))
    high = (exact.astype(np.float64).view(np.int64) >> _LOW_BITS) - ((1023 + _BITS - 1) << _BITS)
    return np.where(v < _SUB, v, high)


def bin_edges(bins: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last duration (ns, both inclusive) that falls into each bin."""
    b = np.asarray(bins, np.int64)
    shift = np.maximum(b // _SUB - 1, 0)
    low = (b - shift * _SUB) << shift
    return low, low + ((np.int64(1) << shift) - 1)


def tells(count: int, fraction: float) -> bool:
    """Return whether so many durations tell a percentile: at least one of them lies beyond it; the median always.

    With fewer than 100, p99 is nothing but the longest of them, and pictures and pages do not show it as p99.
    """
    return count > 0 and (fraction <= 0.5 or round(count * (1 - fraction), 6) >= 1)


class _Cells:
    """Counts of cells, group · ``BINS`` + bin: in one array, or, where groups are too many, only those that occur."""

    def __init__(self, groups: int) -> None:
        self._dense = np.zeros(groups * BINS, np.int64) if groups * BINS <= _CELLS else None
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def add(self, group: NDArray[np.int64], bins: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        cells = group * BINS + bins
        if self._dense is not None:
            np.add.at(self._dense, cells, counts)
        else:
            self._parts.append(_summed(cells, counts))

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the cells that are not empty, ascending, and their counts."""
        if self._dense is not None:
            cells = np.flatnonzero(self._dense)
            return cells, self._dense[cells]
        parts = self._parts or [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        return _summed(*(np.concatenate(held) for held in zip(*parts, strict=True)))


def _summed(cells: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each cell once, ascending, with the sum of its counts."""
    found, where = np.unique(cells, return_inverse=True)
    total = np.zeros(len(found), np.int64)
    np.add.at(total, where.reshape(-1), counts)
    return found, total


@dataclass(frozen=True, slots=True)
class Binned:
    """Histograms of many groups, one behind the other.

    Group g has ``bins[offsets[g]:offsets[g + 1]]``, ascending, and as many ``counts`` of at least one; ``low`` and
    ``high`` are its exact extremes, 0 where it is empty. All int64.
    """

    offsets: NDArray[np.int64]
    bins: NDArray[np.int64]
    counts: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def of(cls, durations: NDArray[np.int64], group: NDArray[np.integer], groups: int) -> Binned:
        """Count durations (ns) by group number; what is negative raises ``ValueError``."""
        low, high = np.full(groups, np.iinfo(np.int64).max), np.full(groups, -1)
        total = _Cells(groups)
        for at in range(0, len(durations), _BLOCK):
            v, g = durations[at : at + _BLOCK], group[at : at + _BLOCK].astype(np.int64)
            if int(v.min()) < 0:
                raise ValueError("a duration is negative")
            np.minimum.at(low, g, v)
            np.maximum.at(high, g, v)
            total.add(g, bin_of(v), np.ones(len(v), np.int64))
        return cls._of_cells(total, low, high)

    @classmethod
    def added(
        cls,
        group: NDArray[np.int64],
        bins: NDArray[np.int64],
        counts: NDArray[np.int64],
        low: NDArray[np.int64],
        high: NDArray[np.int64],
    ) -> Binned:
        """Add counts that fall into bins of groups; ``low`` and ``high`` of each group are known."""
        total = _Cells(len(low))
        total.add(group, bins, counts)
        return cls._of_cells(total, low, high)

    @classmethod
    def _of_cells(cls, total: _Cells, low: NDArray[np.int64], high: NDArray[np.int64]) -> Binned:
        cells, counts = total.found()
        offsets = np.searchsorted(cells, np.arange(len(low) + 1) * BINS)
        empty = offsets[1:] == offsets[:-1]
        return cls(offsets, cells % BINS, counts, np.where(empty, 0, low), np.where(empty, 0, high))

    @property
    def count(self) -> NDArray[np.int64]:
        """How many durations each group has."""
        total = np.concatenate([[0], np.cumsum(self.counts)])
        return np.asarray(total[self.offsets[1:]] - total[self.offsets[:-1]], np.int64)

    def percentile(self, fraction: float) -> NDArray[np.int64]:
        """Return the duration (ns) that ``fraction`` of each group do not exceed, to 1 %; 0 where it is empty.

        It is what ``numpy.quantile(…, method="inverted_cdf")`` gives of the raw durations: one of them, the first
        whose rank is not below ``fraction`` of the count.
        """
        count, total = self.count, np.cumsum(self.counts)
        if not len(total):
            return np.zeros(len(count), np.int64)
        rank = np.clip(np.ceil(fraction * count - 1e-9).astype(np.int64), 1, np.maximum(count, 1))
        before = np.concatenate([[0], total])[self.offsets[:-1]]
        at = np.minimum(np.searchsorted(total, before + rank), len(total) - 1)
        first, last = bin_edges(self.bins[at])
        middle = np.clip(first + (last - first) // 2, self.low, self.high)
        return np.asarray(np.where(rank == count, self.high, np.where(count == 0, 0, middle)), np.int64)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often durations fell into each bin. ``bins`` ascend and hold at least one each; min and max are exact."""

    bins: NDArray[np.int64]
    counts: NDArray[np.int64]
    min_ns: int
    max_ns: int

    @classmethod
    def of(cls, durations: ArrayLike) -> Histogram:
        """Count durations (int64 ns). Negative ones are refused with ``ValueError``: no duration of wsktrace is."""
        v = np.asarray(durations, np.int64)
        held = Binned.of(v, np.zeros(len(v), np.int64), 1)
        return cls(held.bins, held.counts, int(held.low[0]), int(held.high[0]))

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return int(self.counts.sum())

    def percentile(self, fraction: float) -> int | None:
        """Return the duration (ns) that ``fraction`` of all do not exceed, to 1 %; None where none was counted.

        The value is that of ``numpy.quantile(…, method="inverted_cdf")`` on the raw durations.
        """
        if not self.count:
            return None
        ends = np.array([self.min_ns]), np.array([self.max_ns])
        held = Binned(np.array([0, len(self.bins)]), self.bins, self.counts, *ends)
        return int(held.percentile(fraction)[0])

    def cumulative(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return durations (ns, ascending) and which share of all does not exceed each; empty where none was counted.

        The durations are the last of each bin, the very last is the maximum.
        """
        if not self.count:
            return np.zeros(0, np.int64), np.zeros(0, np.float64)
        last = np.minimum(bin_edges(self.bins)[1], self.max_ns)
        return last, np.cumsum(self.counts) / self.count


def merge(parts: Iterable[Histogram]) -> Histogram:
    """Add histograms of disjoint sets of durations."""
    chosen = [p for p in parts if len(p.bins)]
    if not chosen:
        return Histogram.of([])
    bins, counts = _summed(*(np.concatenate([getattr(p, name) for p in chosen]) for name in ("bins", "counts")))
    return Histogram(bins, counts, min(p.min_ns for p in chosen), max(p.max_ns for p in chosen))
