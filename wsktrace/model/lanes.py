"""Lanes: the rows of one kind of entity, grouped by entity and in trace order inside a group.

★ The primitives of everything that follows: turning addresses into small integers, a stable grouping sort, and
"last before", "next after", "how many before" inside a group, each a few passes over arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lane", "codes_of", "group_order"]

_SMALL = 1 << 16


def codes_of(values: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Turn values into small integers in order of first appearance.

    Returns (codes int32, one per value; the distinct values). Hash based: addresses are never sorted.
    """
    if not len(values):
        return np.zeros(0, np.int32), values[:0]
    import pyarrow as pa

    encoded = pa.array(values).dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int32)
    return codes, encoded.dictionary.to_numpy(zero_copy_only=False)


def group_order(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the stable order that groups equal codes: a radix sort on 16-bit digits (int64 indices)."""
    if not len(codes):
        return np.zeros(0, np.int64)
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable")
    if int(codes.max()) >= _SMALL:
        high = (codes >> 16).astype(np.uint16)[order]
        order = order[np.argsort(high, kind="stable")]
    return order


class Lane:
    """Rows of one kind, grouped by entity.

    Attributes:
        rows: rows of the world, int64, grouped, ascending inside a group.
        group: number of the group of each position, int32, ascending.
        head: position where the group of each position begins.
        keys: the distinct key of each group number.
    """

    __slots__ = ("group", "head", "keys", "order", "rows")

    def __init__(self, rows: NDArray[Any], keys: NDArray[Any]) -> None:
        """Group rows (in any order that is ascending per key) by key."""
        codes, self.keys = codes_of(keys)
        order = group_order(codes)
        self.order = order
        self.rows = np.asarray(rows, np.int64)[order]
        self.group = codes[order]
        n = len(order)
        starts = np.ones(n, np.bool_)
        if n:
            starts[1:] = self.group[1:] != self.group[:-1]
        self.head = np.maximum.accumulate(np.where(starts, np.arange(n), 0)) if n else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def last(self, mask: NDArray[np.bool_], *, inclusive: bool = False) -> NDArray[np.int64]:
        """Return for each position the last position before it (or at it) in its group where mask holds, else -1."""
        n = len(self)
        if not n:
            return np.zeros(0, np.int64)
        seen = np.maximum.accumulate(np.where(mask, np.arange(n), -1))
        if not inclusive:
            seen = np.concatenate([[-1], seen[:-1]])
        return np.where(seen >= self.head, seen, -1)

    def next(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return for each position the next position after it in its group where mask holds, else -1."""
        n = len(self)
        if not n:
            return np.zeros(0, np.int64)
        ahead = np.minimum.accumulate(np.where(mask, np.arange(n), n)[::-1])[::-1]
        ahead = np.concatenate([ahead[1:], [n]])
        same = ahead < n
        same[same] = self.group[ahead[same]] == self.group[same]
        return np.where(same, ahead, -1)

    def before(self, steps: NDArray[Any]) -> NDArray[np.int64]:
        """Return for each position the sum of ``steps`` over the earlier positions of its group."""
        if not len(self):
            return np.zeros(0, np.int64)
        total = np.cumsum(steps, dtype=np.int64) - steps
        return total - total[self.head]

    def row_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the world rows of positions, -1 where the position is -1."""
        if not len(self):
            return np.full(len(positions), -1, np.int64)
        return np.where(positions >= 0, self.rows[positions], -1)
