"""GUIDs of a chunk's records become codes of the trace's `GuidTable`, without a Python step per record.

A direct-mapped table of the GUIDs met before answers for nearly all records; the few that it cannot are sorted, and
only each distinct one is looked up by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.types import GuidTable

__all__ = ["MAX_GUIDS", "GuidIndex"]

#: distinct GUIDs kept; a trace has some hundreds, more than this is noise and gets code -1
MAX_GUIDS = 1 << 20

_BITS = 14
_SHIFT = np.uint64(64 - _BITS)
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)


def _slots(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return ((low ^ (high * _MIX)) * _MIX) >> _SHIFT


class GuidIndex:
    """Maps GUIDs, given as their two little-endian 64-bit halves, to codes of one `GuidTable`."""

    def __init__(self, table: GuidTable) -> None:
        self._table = table
        self._slot = np.full(1 << _BITS, -1, np.int32)
        self._low = self._high = np.zeros(0, np.uint64)
        self.overflow = False
        self._refresh()

    def _refresh(self) -> None:
        halves = np.frombuffer(b"".join(self._table.raw), "<u8").reshape(-1, 2)
        self._low, self._high = np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1])
        # of several in one slot the first stays: it was met earlier and is met more often
        self._slot[_slots(self._low, self._high)[::-1]] = np.arange(len(halves), dtype=np.int32)[::-1]

    def codes(self, low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the code of each GUID (int32); new ones enter the table in order of first appearance."""
        out = np.full(low.size, -1, np.int32)
        rest: NDArray[np.int64] | None = None
        sample = 256
        while rest is None or rest.size:
            part = (low, high) if rest is None else (low[rest], high[rest])
            found = self._known(*part)
            if rest is None:
                out = found
                rest = np.flatnonzero(found < 0)
            else:
                out[rest] = found
                rest = rest[found < 0]
            # learn from some, then ask again for the others
            out[rest[:sample]] = self._learn(low[rest[:sample]], high[rest[:sample]])
            rest = rest[sample:]
            sample *= 16
        return out

    def _known(self, low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.int32]:
        code = self._slot.take(_slots(low, high))
        if not self._low.size:
            return code
        # a slot of -1 is answered with the last GUID's halves; the sign stays
        same = (self._low.take(code, mode="wrap") == low) & (self._high.take(code, mode="wrap") == high)
        code[~same] = -1
        return code

    def _learn(self, low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.int32]:
        if not low.size:
            return np.zeros(0, np.int32)
        order = np.lexsort((high, low))
        new = np.ones(low.size, np.bool_)
        new[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
        group = np.empty(low.size, np.int64)
        group[order] = np.cumsum(new) - 1
        first = order[new]  # a stable sort: the first of each group is the earliest
        code = np.full(first.size, -1, np.int32)
        known = len(self._table)
        for index in np.argsort(first).tolist():
            raw = low[first[index]].tobytes() + high[first[index]].tobytes()
            if len(self._table) < MAX_GUIDS or raw in self._table.codes:
                code[index] = self._table.code(raw)
            else:
                self.overflow = True
        if len(self._table) > known:
            self._refresh()
        return code.take(group)
