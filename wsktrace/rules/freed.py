"""Memory that the driver freed: which MemoryFree covers an address, before and after a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import ALIAS, CAP
from wsktrace.model.lanes import codes_of
from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.shapes import Answer, doubt_if, overlap
from wsktrace.wsk.operations import Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Frees", "hidden_free", "inside", "is_whole", "open_doubt", "returned"]

#: Pairs of a free and an address in it that are looked at; frees of more cover their first address only.
_MOST_PAIRS = 1 << 22


class Frees:
    """The frees of one load that cover some of the addresses asked about."""

    def __init__(self, f: Facts, addresses: NDArray[np.uint64]) -> None:
        """Look for frees of these addresses; each is asked about by its place in the array."""
        self._n = np.int64(len(f.world) + 2)
        self._code = np.full(len(addresses), -1, np.int64)
        self._keys = np.zeros(0, np.int64)
        rows = f.rows("MemoryFree", Phase.FACT)
        start, known = f.arg("free_address", rows)
        size, _ = f.arg("free_size", rows)
        some = known & (start != 0)
        rows, start, size = rows[some], start[some].astype(np.uint64), size[some].astype(np.uint64)
        # no size, or one of 0, is that of one byte
        room = np.uint64(0xFFFFFFFFFFFFFFFF) - start
        last = start + np.minimum(np.maximum(size, np.uint64(1)) - np.uint64(1), room)
        if len(rows):
            near = np.flatnonzero((addresses >= start.min()) & (addresses <= last.max()))
            self._pair(rows, start, last, near, addresses[near].astype(np.uint64))

    def _pair(
        self,
        rows: NDArray[np.int64],
        start: NDArray[np.uint64],
        last: NDArray[np.uint64],
        near: NDArray[np.int64],
        addresses: NDArray[np.uint64],
    ) -> None:
        """Pair the frees with the distinct addresses in them."""
        codes, distinct = codes_of(addresses)
        order = np.argsort(distinct)
        sorted_ = distinct[order]
        low = np.searchsorted(sorted_, start, side="left")
        count = np.searchsorted(sorted_, last, side="right") - low
        over = np.cumsum(count) > _MOST_PAIRS
        count[over] = np.minimum(count[over], np.append(sorted_, 0)[low[over]] == start[over])
        free = np.repeat(np.arange(len(rows)), count)
        place = np.repeat(low, count) + np.arange(len(free)) - np.repeat(np.cumsum(count) - count, count)
        hit = order[place]
        self._keys = np.sort(hit * self._n + rows[free])
        touched = np.zeros(len(distinct), np.bool_)
        touched[hit] = True
        self._code[near] = np.where(touched[codes], codes, -1)

    @property
    def any(self) -> bool:
        """Whether any of the addresses was ever freed."""
        return bool(len(self._keys))

    def after(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return for each address the first free of it after a row, -1 where none follows."""
        return self._find(rows, "right", 0)

    def before(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return for each address the last free of it before a row, -1 where there is none."""
        return self._find(rows, "left", -1)

    def _find(self, rows: NDArray[np.integer[Any]], side: Any, step: int) -> NDArray[np.int64]:
        found = np.full(len(self._code), -1, np.int64)
        at = np.flatnonzero(self._code >= 0)
        if not len(at):
            return found
        key = self._code[at] * self._n + rows[at]
        place = np.searchsorted(self._keys, key, side=side) + step
        there = (place >= 0) & (place < len(self._keys))
        got = self._keys[np.where(there, place, 0)]
        there &= got // self._n == self._code[at]
        found[at[there]] = (got % self._n)[there]
        return found


def hidden_free(f: Facts, start: NDArray[np.integer[Any]], end: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return why a free between two rows may not be in the trace, or may not tell what it frees."""
    rows = f.rows("MemoryFree", Phase.FACT)
    blind = CAP if len(rows) and not (_all(f, "free_address", rows) and _all(f, "free_size", rows)) else 0
    doubt = np.full(len(start), blind | int(f.unwitnessed("MemoryFree")), np.uint8)
    if not is_whole(f):
        doubt |= f.world.touch(start, end) | f.unlogged(IRP, start, np.minimum(end, f.last_row))
    return doubt


def is_whole(f: Facts) -> bool:
    """Return whether the load has no gap and all its events were enabled: nothing is hidden between two rows."""
    whole = f.world.coverage
    edges = whole.head > 0 or whole.tail <= len(f.world)
    return not len(whole.lo) and not edges and bool(np.all(whole.logged))


def returned(f: Facts, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return (status, known) of rows, -1 for none."""
    known = (rows >= 0) & ((f.ops.known[rows] & KNOWN_STATUS) != 0)
    return f.ops.status[rows], known


def _all(f: Facts, name: str, rows: NDArray[np.int64]) -> bool:
    return bool(np.all(f.arg(name, rows)[1]))


def inside(
    f: Facts,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    point: NDArray[np.int64],
    earlier: NDArray[np.int64],
    doubts: Callable[[NDArray[np.int64]], NDArray[np.uint8]],
) -> tuple[Answer, NDArray[np.int64]]:
    """Answer whether memory was freed (row ``point``, -1 never) while it was in use, between two rows.

    ``end`` is the number of rows where the use has none; ``earlier`` the last free before the use, -1 none;
    ``doubts`` says for the instances where it matters why the use may have ended before the free. Returns these, too.
    """
    world, n = f.world, len(f.world)
    order = np.zeros(len(start), np.uint8)
    ends = np.flatnonzero((point >= 0) & (end < n))
    order[ends] = world.unordered(np.minimum(point, end)[ends], np.maximum(point, end)[ends])
    matters = np.flatnonzero((point >= 0) & ((point < end) | (order != 0)))
    order[matters] |= world.unordered(start[matters], point[matters]) | doubts(matters)
    chosen = np.full(len(start), -1, np.int64)
    chosen[matters] = point[matters]
    hidden = hidden_free(f, start, end)
    was = np.flatnonzero(earlier >= 0)
    hidden[was] |= world.unordered(earlier[was], start[was])
    return overlap(world, start, end, chosen, order) | Answer(np.zeros(len(start), np.bool_), hidden), matters


def open_doubt(f: Facts, use: NDArray[np.integer[Any]], point: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return why uses of IRPs (-1: none) that were not seen to complete may have, before a row."""
    irps = f.irps
    here = use >= 0
    absent = here & (np.append(irps.complete, 0)[use] < 0)
    doubt = np.where(absent, np.append(irps.absent_doubt | irps.ret_doubt, 0)[use], 0).astype(np.uint8)
    again, reset = np.append(irps.next_enter, -1)[use], np.append(irps.reset, -1)[use]
    presumed = ((again >= 0) & (again < point)) | ((reset >= 0) & (reset < point))
    return doubt | doubt_if(absent & presumed, ALIAS)
