from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.stats import Histogram, bin_edges, bin_of, merge

TOP = 2**63 - 1
DURATIONS = st.lists(st.one_of(st.integers(0, 5000), st.integers(0, TOP)), min_size=1, max_size=200)


def test_bins_hold_what_falls_into_them() -> None:
    powers = np.int64(1) << np.arange(63, dtype=np.int64)
    values = np.concatenate([np.arange(10_000), powers, powers - 1, powers[:-1] + 1, [TOP, TOP - 1, 2**53 + 1]])
    low, high = bin_edges(bin_of(values))
    assert np.all(low <= values)
    assert np.all(values <= high)
    assert np.all((high - low) <= values // 128)


def test_bins_follow_each_other_without_a_gap() -> None:
    low, high = bin_edges(np.arange(bin_of([TOP])[0] + 1))
    assert low[0] == 0
    assert np.array_equal(high[:-1] + 1, low[1:])
    assert high[-1] == TOP


@settings(derandomize=True, max_examples=150, deadline=None)
@given(DURATIONS, st.floats(0, 1))
def test_percentiles_are_exact_to_one_per_cent(values: list[int], fraction: float) -> None:
    exact = int(np.sort(values)[min(max(int(np.ceil(fraction * len(values) - 1e-9)), 1), len(values)) - 1])
    told = Histogram.of(values).percentile(fraction)
    assert told is not None
    assert abs(told - exact) <= exact / 100
    assert min(values) <= told <= max(values)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(DURATIONS, DURATIONS)
def test_merging_is_counting_together(a: list[int], b: list[int]) -> None:
    merged, whole = merge([Histogram.of(a), Histogram.of(b)]), Histogram.of(a + b)
    assert np.array_equal(merged.bins, whole.bins)
    assert np.array_equal(merged.counts, whole.counts)
    assert (merged.min_ns, merged.max_ns) == (whole.min_ns, whole.max_ns)


def test_nothing_has_no_percentile() -> None:
    empty = merge([Histogram.of([]), Histogram.of([])])
    assert empty.count == 0
    assert empty.percentile(0.5) is None


def test_negative_durations_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Histogram.of([3, -1])


FRACTIONS = (0.001, 0.25, 0.5, 0.9, 0.99, 0.999)


def _shapes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    two = np.where(rng.random(50_000) < 0.7, rng.normal(40_000, 3_000, 50_000), rng.normal(9e6, 4e5, 50_000))
    return {
        "two humps": np.abs(two).astype(np.int64),
        "heavy tail": np.minimum(rng.pareto(0.4, 100_000) * 1000, 2.0**62).astype(np.int64),
        "lognormal": rng.lognormal(11, 3, 100_000).astype(np.int64),
        "edges": np.array([0, 1, 2, 127, 128, 129, 255, 256, 2**53 - 1, 2**53 + 1, 2**62 - 1, 2**62, TOP]),
        "one value": np.full(70_000, 12_345),
        "zeros": np.zeros(10, np.int64),
    }


@pytest.mark.parametrize("shape", list(_shapes()))
def test_percentiles_against_numpy_on_raw_values(shape: str) -> None:
    values = _shapes()[shape]
    histogram = Histogram.of(values)
    assert histogram.count == len(values)
    for fraction in FRACTIONS:
        exact = int(np.quantile(values, fraction, method="inverted_cdf"))
        told = histogram.percentile(fraction)
        assert told is not None
        assert abs(told - exact) <= exact / 100


@pytest.mark.parametrize("shape", list(_shapes()))
def test_parts_merged_are_the_whole(shape: str) -> None:
    values = _shapes()[shape]
    whole = Histogram.of(values)
    parts = [Histogram.of(part) for part in np.array_split(np.random.default_rng(1).permutation(values), 7)]
    merged = merge(parts)
    assert np.array_equal(merged.bins, whole.bins)
    assert np.array_equal(merged.counts, whole.counts)
    assert [merged.percentile(f) for f in FRACTIONS] == [whole.percentile(f) for f in FRACTIONS]


def test_cumulative_curve() -> None:
    values = _shapes()["two humps"]
    ns, share = Histogram.of(values).cumulative()
    assert share[-1] == 1
    assert ns[-1] == values.max()
    assert np.allclose(share, [np.mean(values <= at) for at in ns])
    assert len(Histogram.of([]).cumulative()[0]) == 0
