"""The primitives: small integers for addresses, the stable grouping, last before, next after, sums before."""

from __future__ import annotations

import random

import numpy as np
import pytest

from wsktrace.model.lanes import Lane, codes_of, group_order


def test_codes_in_order_of_first_appearance() -> None:
    codes, keys = codes_of(np.array([9, 5, 9, 1 << 63, 5], np.uint64))
    assert codes.tolist() == [0, 1, 0, 2, 1]
    assert keys.tolist() == [9, 5, 1 << 63]
    for values in ([], [7], [7, 7, 7]):
        codes, keys = codes_of(np.array(values, np.uint64))
        assert codes.tolist() == [0] * len(values)
        assert keys.tolist() == values[:1]


@pytest.mark.parametrize("top", [3, 70_000, 300_000])
def test_grouping_is_stable_beyond_sixteen_bits(top: int) -> None:
    rng = np.random.default_rng(top)
    codes = rng.integers(0, top, 400_000 if top > 3 else 50).astype(np.int32)
    codes[0] = top - 1
    assert np.array_equal(group_order(codes), np.argsort(codes, kind="stable"))


def naive(rows: list[int], keys: list[int], marks: list[bool], steps: list[int]) -> dict[int, tuple[int, int, int]]:
    """Return row → (last marked row before it in its group, next one after it, sum of steps before it)."""
    found = {}
    for at, row in enumerate(rows):
        mine = [n for n in range(len(rows)) if keys[n] == keys[at]]
        before = [rows[n] for n in mine if n < at and marks[n]]
        after = [rows[n] for n in mine if n > at and marks[n]]
        found[row] = (before[-1] if before else -1, after[0] if after else -1, sum(steps[n] for n in mine if n < at))
    return found


def test_lane_agrees_with_looking_at_every_row() -> None:
    for seed in range(80):
        rng = random.Random(seed)
        n = rng.randrange(40)
        rows = sorted(rng.sample(range(200), n))
        keys = [rng.choice((3, 1 << 63, 7, 11)) for _ in range(n)]
        marks = [rng.random() < 0.4 for _ in range(n)]
        steps = [rng.randint(-2, 2) for _ in range(n)]
        lane = Lane(np.array(rows, np.int64), np.array(keys, np.uint64))
        mask = np.array(marks, np.bool_)[lane.order]
        last, ahead = lane.row_of(lane.last(mask)), lane.row_of(lane.next(mask))
        level = lane.before(np.array(steps, np.int64)[lane.order])
        triples = zip(last.tolist(), ahead.tolist(), level.tolist(), strict=True)
        assert dict(zip(lane.rows.tolist(), triples, strict=True)) == naive(rows, keys, marks, steps), f"seed {seed}"
        of = dict(zip(rows, keys, strict=True))
        assert [int(lane.keys[g]) for g in lane.group] == [of[r] for r in lane.rows.tolist()]
        assert np.all(np.diff(lane.group) >= 0)


def test_rows_of_positions() -> None:
    lane = Lane(np.array([4, 6, 9]), np.array([1, 2, 1], np.uint64))
    assert lane.row_of(np.array([0, 1, 2, -1])).tolist() == [4, 9, 6, -1]
    empty = Lane(np.zeros(0, np.int64), np.zeros(0, np.uint64))
    assert empty.row_of(np.array([-1, -1])).tolist() == [-1, -1]
    assert len(empty.last(np.zeros(0, np.bool_))) == len(empty.next(np.zeros(0, np.bool_))) == 0
