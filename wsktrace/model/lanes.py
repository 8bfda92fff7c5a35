"""Lanes: the rows of one kind of entity, grouped by entity and in trace order inside a group.

★ The primitives of everything that follows: turning addresses into small integers, a stable grouping sort, and
"last before", "next after", "how many before" inside a group, each a few passes over arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lane", "codes_of", "group_order"]

_SMALL = 1 << 16
_Scalar = TypeVar("_Scalar", bound=np.generic)


def codes_of(values: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Turn values into small integers in order of first appearance.

    Returns (codes int32, one per value; the distinct values). Hash based: addresses are never sorted.
    """
    if not len(values):
        return np.zeros(0, np.int32), values[:0]
    if bool(np.all(values == values[0])):
        return np.zeros(len(values), np.int32), values[:1]
    import pyarrow as pa

    # from buffers and back: pa.array and to_numpy would import pandas
    plain = np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(plain.dtype)
    encoded = pa.Array.from_buffers(kind, len(plain), [None, pa.py_buffer(plain.data)]).dictionary_encode()
    codes = _view(encoded.indices.buffers()[1], np.dtype(np.int32), len(plain))
    return codes, _view(encoded.dictionary.buffers()[1], plain.dtype, len(encoded.dictionary))


def _view(buffer: Any, dtype: np.dtype[_Scalar], count: int) -> NDArray[_Scalar]:
    """Return a buffer of pyarrow as an array, not copied; its stubs do not say that it has the buffer protocol."""
    return np.frombuffer(buffer, dtype, count)


def group_order(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the stable order that groups equal codes: a radix sort on 16-bit digits (int32 indices)."""
    if not len(codes):
        return np.zeros(0, np.int32)
    order = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable").astype(np.int32)
    if int(codes.max()) >= _SMALL:
        high = (codes >> 16).astype(np.uint16)[order]
        order = order[np.argsort(high, kind="stable")]
    return order


class Lane:
    """Rows of one kind, grouped by entity. Positions and rows are int32.

    Attributes:
        rows: rows of the world, grouped, ascending inside a group.
        group: number of the group of each position, ascending.
        head: position where the group of each position begins.
        keys: the distinct key of each group number.
    """

    __slots__ = ("_places", "group", "head", "keys", "order", "rows")

    def __init__(self, rows: NDArray[Any], keys: NDArray[Any]) -> None:
        """Group rows (in any order that is ascending per key) by key."""
        codes, self.keys = codes_of(keys)
        self.order = order = group_order(codes)
        self.rows = rows.astype(np.int32)[order]
        self.group = codes[order]
        n = len(order)
        self._places = np.arange(n, dtype=np.int32)
        starts = np.ones(n, np.bool_)
        starts[1:] = self.group[1:] != self.group[:-1]
        self.head = np.maximum.accumulate(np.where(starts, self._places, np.int32(0))) if n else self._places

    def __len__(self) -> int:
        return len(self.rows)

    def last(self, mask: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return for each position the last position before it in its group where mask holds, else -1."""
        n = len(self)
        seen = np.empty(n, np.int32)
        if n:
            seen[0] = -1
            np.maximum.accumulate(np.where(mask[:-1], self._places[:-1], np.int32(-1)), out=seen[1:])
            seen[seen < self.head] = -1
        return seen

    def next(self, mask: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return for each position the next position after it in its group where mask holds, else -1."""
        n = len(self)
        ahead = np.empty(n, np.int32)
        if n:
            ahead[-1] = n
            there = np.where(mask[1:], self._places[1:], np.int32(n))
            np.minimum.accumulate(there[::-1], out=ahead[-2::-1] if n > 1 else ahead[:0])
            # a position of a later group begins at another head
            other = ahead == n
            ahead[other] = 0
            other |= self.head[ahead] != self.head
            ahead[other] = -1
        return ahead

    def before(self, steps: NDArray[Any]) -> NDArray[np.int64]:
        """Return for each position the sum of ``steps`` over the earlier positions of its group."""
        if not len(self):
            return np.zeros(0, np.int64)
        total: NDArray[np.int64] = np.cumsum(steps, dtype=np.int64) - steps
        return total - total[self.head]

    def row_of(self, positions: NDArray[Any]) -> NDArray[np.int32]:
        """Return the world rows of positions, -1 where the position is -1."""
        if not len(self):
            return np.full(len(positions), -1, np.int32)
        return np.where(positions >= 0, self.rows[positions], np.int32(-1))
