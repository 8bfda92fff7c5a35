from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.stats import Histogram, bin_edges, bin_of, latency_columns, merge

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


def test_latency_table(faked: Any) -> None:
    trace = faked()
    rows = trace.arrow("latency").to_pylist()
    assert [(r["op"], r["leg"], r["count"]) for r in rows] == [("WskReceive", "pending", 2), ("WskReceive", "total", 2)]
    total = rows[1]
    assert (total["min_ns"], total["max_ns"], total["p99_ns"]) == (41_000, 1_930_000, 1_930_000)
    assert abs(total["p50_ns"] - 41_000) <= 410
    assert total["counts"] == [1, 1]
    assert all(start <= value <= start * 1.01 for start, value in zip(total["bins"], (41_000, 1_930_000), strict=True))


def test_latency_of_all_operations_together(faked: Any) -> None:
    columns = latency_columns(faked().arrow("irps"), pooled=True)
    assert columns["op"] == ["all", "all"]


def test_latency_of_nothing(faked: Any) -> None:
    assert faked({}).arrow("latency").num_rows == 0
