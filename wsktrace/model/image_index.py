"""★ Addresses to images: ranges that come and go, looked up many at once.

Ranges of one process are sorted by base and time of load. An address belongs to the last base at or below it, and there
to the range that was loaded last at that time; where that one does not reach it or was gone, an earlier base may still
cover it (another image lay there at another time), so the search steps back while some earlier range is long enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_STEPS", "AddressIndex"]

#: Bases that are tried for one address; images of real traces never overlap this deep.
MAX_STEPS: Final = 32


class AddressIndex:
    """Address ranges of processes in time. All arrays have one length.

    Args:
        pid: int64, the process of each range.
        base: uint64, its first address.
        size: uint64, its bytes.
        load: int64, from when on it is there.
        unload: int64, until when, that moment included.
    """

    def __init__(
        self,
        pid: NDArray[np.int64],
        base: NDArray[np.uint64],
        size: NDArray[np.uint64],
        load: NDArray[np.int64],
        unload: NDArray[np.int64],
    ) -> None:
        order = np.lexsort((load, base, pid))
        self._order = order[size[order] > 0]
        pid, base, self._load = pid[self._order], base[self._order], load[self._order]
        self._unload = unload[self._order]
        # last address of each; a range never wraps
        self._last = base + np.minimum(size[self._order] - np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF) - base)
        fresh = np.ones(len(base), np.bool_)
        fresh[1:] = (base[1:] != base[:-1]) | (pid[1:] != pid[:-1])
        #: places of the ranges of one base: _first[g] to _first[g + 1]
        self._first = np.append(np.flatnonzero(fresh), len(base))
        self._base = base[fresh]
        group_pid = pid[fresh]
        self._pids, first = np.unique(group_pid, return_index=True)
        self._pid_first = np.append(first, len(group_pid)).astype(np.int64)
        #: the furthest address that this base or an earlier one of the process reaches
        reach = np.maximum.reduceat(self._last, self._first[:-1]) if len(base) else self._last
        for a, b in zip(self._pid_first[:-1].tolist(), self._pid_first[1:].tolist(), strict=True):
            reach[a:b] = np.maximum.accumulate(reach[a:b])
        self._reach = reach

    def find(
        self, address: NDArray[np.uint64], pid: NDArray[np.int64], clock: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Return the place of the range that holds each address of a process at a time, -1 where there is none.

        Without ``clock`` the range that was loaded last at its base, be it there still or not.
        """
        found = np.full(len(address), -1, np.int64)
        group, floor = self._groups(address, pid)
        active = np.flatnonzero(group >= floor)
        for _ in range(MAX_STEPS):
            g = group[active]
            active = active[self._reach[g] >= address[active]]
            if not len(active):
                break
            g = group[active]
            first, end = self._first[g], self._first[g + 1]
            place = end - 1 if clock is None else self._loaded(first, end, clock[active])
            at = np.maximum(place, 0)
            hit = (place >= first) & (self._last[at] >= address[active])
            if clock is not None:
                hit &= self._unload[at] >= clock[active]
            found[active[hit]] = self._order[place[hit]]
            active = active[~hit]
            group[active] -= 1
            active = active[group[active] >= floor[active]]
        return found

    def _groups(
        self, address: NDArray[np.uint64], pid: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the last base at or below each address in its process, and the first one of that process."""
        group, floor = np.full(len(address), -1, np.int64), np.zeros(len(address), np.int64)
        which = np.searchsorted(self._pids, pid)
        known = which < len(self._pids)
        known[known] = self._pids[which[known]] == pid[known]
        rows = np.flatnonzero(known)
        rows = rows[np.argsort(which[rows], kind="stable")]
        cuts = np.flatnonzero(np.diff(which[rows])) + 1
        for part in np.split(rows, cuts) if len(rows) else ():
            a, b = self._pid_first[which[part[0]]], self._pid_first[which[part[0]] + 1]
            group[part] = a + np.searchsorted(self._base[a:b], address[part], side="right") - 1
            floor[part] = a
        return group, floor

    def _loaded(self, first: NDArray[np.int64], end: NDArray[np.int64], clock: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the last place of [first, end) that was loaded at ``clock`` or before; first - 1 where none was."""
        low, high = first - 1, end.copy()
        while True:
            open_ = np.flatnonzero(high - low > 1)
            if not len(open_):
                return low
            middle = (low[open_] + high[open_]) // 2
            before = self._load[middle] <= clock[open_]
            low[open_[before]] = middle[before]
            high[open_[~before]] = middle[~before]
