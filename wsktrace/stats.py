"""Log-linear histograms of durations: percentiles exact to 1 %, and histograms of two traces add up.

A duration of v nanoseconds falls into bin v where v < 128; above, each octave has 128 bins of equal width, so a bin
is never wider than 1/128 of what it holds. The bins are the same for every trace, so merging is adding counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LEGS", "Histogram", "bin_edges", "bin_of", "latency_columns", "merge"]

#: Bins per octave, a power of two.
_SUB = 128
_BITS = 7

#: Leg of a call's way → the column of ``irps`` that holds its duration.
LEGS: dict[str, str] = {"pending": "pending_ns", "total": "total_ns"}

_PERCENTILES = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99, "p999_ns": 0.999}


def bin_of(durations: ArrayLike) -> NDArray[np.int64]:
    """Return the bin number of each duration (int64 ns, not negative)."""
    v = np.asarray(durations, np.int64)
    exponent = np.frexp(v.astype(np.float64))[1].astype(np.int64) - 1
    exponent -= (v >> np.maximum(exponent, 0)) == 0  # float64 rounded up to the next power of two
    shift = np.maximum(exponent - _BITS, 0)
    return np.asarray(shift * _SUB + (v >> shift), np.int64)


def bin_edges(bins: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last duration (ns, both inclusive) that falls into each bin."""
    b = np.asarray(bins, np.int64)
    shift = np.maximum(b // _SUB - 1, 0)
    low = (b - shift * _SUB) << shift
    return low, low + ((np.int64(1) << shift) - 1)


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
        if not len(v):
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0)
        if int(v.min()) < 0:
            raise ValueError("a duration is negative")
        counts = np.bincount(bin_of(v))
        bins = np.flatnonzero(counts)
        return cls(bins.astype(np.int64), counts[bins].astype(np.int64), int(v.min()), int(v.max()))

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return int(self.counts.sum())

    def percentile(self, fraction: float) -> int | None:
        """Return the duration (ns) that ``fraction`` of all do not exceed, to 1 %; None where none was counted."""
        if not self.count:
            return None
        rank = min(max(int(np.ceil(fraction * self.count - 1e-9)), 1), self.count)
        if rank == self.count:
            return self.max_ns
        at = int(np.searchsorted(np.cumsum(self.counts), rank))
        low, high = bin_edges(self.bins[at])
        return int(np.clip((int(low) + int(high)) // 2, self.min_ns, self.max_ns))


def merge(parts: Iterable[Histogram]) -> Histogram:
    """Add histograms of disjoint sets of durations."""
    chosen = [p for p in parts if len(p.bins)]
    if not chosen:
        return Histogram.of([])
    bins, where = np.unique(np.concatenate([p.bins for p in chosen]), return_inverse=True)
    counts = np.zeros(len(bins), np.int64)
    np.add.at(counts, where.reshape(-1), np.concatenate([p.counts for p in chosen]))
    return Histogram(bins, counts, min(p.min_ns for p in chosen), max(p.max_ns for p in chosen))


def latency_columns(irps: pa.Table, *, pooled: bool = False) -> dict[str, list[object]]:
    """Return the columns of the table ``latency`` (schema.py) from ``irps``: operations by count, then legs.

    An operation of which no use has a duration on a leg has no row for that leg. ``pooled`` takes all operations as
    one, called ``all``.
    """
    import pyarrow as pa

    held: Any = irps.column("op").combine_chunks()
    op = held if isinstance(held, pa.DictionaryArray) else held.dictionary_encode()
    names = [str(name) for name in op.dictionary.to_pylist()]
    code = np.asarray(op.indices.to_numpy(zero_copy_only=False), np.int64)
    if pooled:
        names, code = ["all"], np.zeros_like(code)
    rows: list[tuple[str, str, Histogram]] = []
    for leg, column in LEGS.items():
        values: Any = irps.column(column)
        valid = np.asarray(values.is_valid().combine_chunks().to_numpy(zero_copy_only=False), bool)
        ns = values.fill_null(0).combine_chunks().to_numpy(zero_copy_only=False)
        valid &= ns >= 0
        rows += [
            (name, leg, Histogram.of(ns[chosen]))
            for at, name in enumerate(names)
            if (chosen := valid & (code == at)).any()
        ]
    busiest: dict[str, int] = {}
    for name, _, histogram in rows:
        busiest[name] = max(busiest.get(name, 0), histogram.count)
    rows.sort(key=lambda row: (-busiest[row[0]], row[0], row[1]))
    columns: dict[str, list[object]] = {
        "op": [r[0] for r in rows],
        "leg": [r[1] for r in rows],
        "count": [r[2].count for r in rows],
        "min_ns": [r[2].min_ns for r in rows],
        **{name: [r[2].percentile(f) for r in rows] for name, f in _PERCENTILES.items()},
        "max_ns": [r[2].max_ns for r in rows],
        "bins": [bin_edges(r[2].bins)[0] for r in rows],
        "counts": [r[2].counts for r in rows],
    }
    return columns
