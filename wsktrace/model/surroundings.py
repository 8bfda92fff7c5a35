"""What the kernel logger says beside the driver's own events: stacks of threads, pool, ends of processes, unloads.

``SurroundingsBook`` gathers it chunk by chunk while a file is read for its operations; a file without such records
costs a look at the kinds of its records. ``Surroundings`` answers for many addresses and moments at once.

Source: the kernel logger's classes as ``decode.kernel_layouts`` has them; wsk-contract 1.4 (order), 1.5 item 0 (edges).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np

from wsktrace.decode.kernel import KernelFormats
from wsktrace.decode.layout import decode
from wsktrace.model.doubt import CAP, END, LOST, ORDER, START
from wsktrace.model.filefacts import FOREVER, NEVER
from wsktrace.model.kernel_rows import kernel_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.decode.formats import RecordKey
    from wsktrace.etl.types import Chunk, GuidTable
    from wsktrace.model.filefacts import FileFacts

__all__ = ["MAX_RECORDS", "NONPAGED", "PAGED", "UNKNOWN", "Moments", "Surroundings", "SurroundingsBook"]

#: Records of one sort that are kept; what is beyond leaves its sort in doubt.
MAX_RECORDS: Final = 1 << 23
UNKNOWN, NONPAGED, PAGED = range(3)

_START, _END, _DC_START, _DC_END = 1, 2, 3, 4
_ALLOCATED, _FREED = (32, 33), (34, 35)
_UNLOAD: Final = 2
#: Base of a POOL_TYPE without the bits that say how it is aligned, charged or protected.
_POOL_BASE: Final = 0x23
_PAGED_TYPES: Final = (0x1, 0x21)
_NONPAGED_TYPES: Final = (0x0, 0x2, 0x20, 0x22)
#: Neighbours in time that are looked at, on each side; pairs of a block and an address in it that are.
_REACH: Final = 4
_MOST_PAIRS: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class _Sort:
    """One sort of records: which they are, and the fields that are kept, ``cpu`` and ``clock`` besides."""

    guid: UUID
    groups: tuple[int, ...]
    types: tuple[int, ...]
    fields: tuple[str, ...]


_SORTS: Final = {
    "threads": _Sort(
        UUID("3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c"), (5,), (1, 2, 3, 4), ("TThreadId", "StackBase", "StackLimit")
    ),
    "pool": _Sort(
        UUID("0268a8b6-74fd-4302-9dd0-6e8f1795c0cf"), (14,), (32, 33, 34, 35), ("Entry", "NumberOfBytes", "Type")
    ),
    "processes": _Sort(
        UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"), (3,), (1, 2, 3, 4), ("UniqueProcessKey", "ProcessId")
    ),
    "images": _Sort(UUID("2cb15d1d-5fc1-11d2-abe1-00a0c911f518"), (20,), (2,), ("ImageBase",)),
}


def _hooks() -> NDArray[np.bool_]:
    hooks = np.zeros(1 << 16, np.bool_)
    for sort in _SORTS.values():
        hooks[[group << 8 | kind for group in sort.groups for kind in sort.types]] = True
    return hooks


_HOOKS: Final = _hooks()
_CLASSES: Final = {sort.guid.bytes_le: sort.types for sort in _SORTS.values()}


@dataclass(frozen=True, slots=True)
class Moments:
    """Records of one sort in the order of time: when, on which processor, which type, and their fields (uint64)."""

    time: NDArray[np.int64]
    cpu: NDArray[np.uint16]
    what: NDArray[np.uint8]
    fields: dict[str, NDArray[np.uint64]]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(slots=True)
class SurroundingsBook:
    """Gathers the records of a trace; feed it every chunk."""

    _parts: dict[str, list[tuple[NDArray[Any], ...]]] = field(default_factory=dict, repr=False)
    _counts: dict[str, int] = field(default_factory=dict, repr=False)
    _dropped: set[str] = field(default_factory=set, repr=False)

    def add(self, chunk: Chunk, guids: GuidTable) -> None:
        """Take the records of one chunk."""
        for key, rows in kernel_rows(chunk, guids, _HOOKS, _CLASSES):
            name = _sort_of(key)
            found = KernelFormats().find(key)
            if found is None:
                continue
            room = MAX_RECORDS - self._counts.get(name, 0)
            if len(rows) > room:
                self._dropped.add(name)
                rows = rows[:room]
            self._take(name, key, chunk, rows)

    def _take(self, name: str, key: RecordKey, chunk: Chunk, rows: NDArray[np.int64]) -> None:
        layout, wanted = KernelFormats().find(key), _SORTS[name].fields
        if layout is None or not len(rows) or not set(wanted) <= {f.name for f in layout.layout.fields}:
            return
        done = decode(layout.layout, chunk, rows, wanted=wanted)
        columns = [done.columns.get(field_name) for field_name in wanted]
        good = done.ok.copy()
        values = []
        for column in columns:
            if column is None or column.values is None:
                return
            good &= column.valid
            values.append(column.values)
        rows = done.rows[good]
        r = chunk.records
        part = (r.clock[rows], r.cpu[rows], np.full(len(rows), key.opcode, np.uint8))
        self._parts.setdefault(name, []).append((*part, *(v[good].astype(np.uint64) for v in values)))
        self._counts[name] = self._counts.get(name, 0) + len(rows)

    def done(
        self, facts: FileFacts, to_ns: Callable[[NDArray[np.int64]], NDArray[np.int64]], tolerance_ns: int
    ) -> Surroundings:
        """Return what was gathered; ``to_ns`` turns the session clock into ns UTC."""
        sorts = {name: self._joined(name, to_ns) for name in _SORTS}
        return Surroundings(facts, frozenset(self._dropped), tolerance_ns, **sorts)

    def _joined(self, name: str, to_ns: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Moments:
        names, parts = _SORTS[name].fields, self._parts.pop(name, [])
        if not parts:
            none = np.zeros(0, np.int64)
            return Moments(none, none.astype(np.uint16), none.astype(np.uint8), {n: none.astype("u8") for n in names})
        clock, cpu, what, *fields = (np.concatenate(column) for column in zip(*parts, strict=True))
        time = to_ns(clock)
        by = np.argsort(time, kind="stable")
        return Moments(time[by], cpu[by], what[by], {n: v[by] for n, v in zip(names, fields, strict=True)})


def _sort_of(key: RecordKey) -> str:
    for name, sort in _SORTS.items():
        if key.guid == sort.guid.bytes_le or (key.family == "kernel" and key.id >> 8 in sort.groups):
            return name
    raise AssertionError(key)


_NOTHING: Final = Moments(np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.uint8), {})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a trace's operations. Times are ns UTC; ``cpu`` of a moment is its processor.

    ``dropped`` names the sorts of which not everything was kept; within ``tolerance_ns`` two processors are unordered.
    The sorts are empty where the file has none.
    """

    facts: FileFacts | None = None
    dropped: frozenset[str] = frozenset()
    tolerance_ns: int = 0
    threads: Moments = _NOTHING
    pool: Moments = _NOTHING
    processes: Moments = _NOTHING
    images: Moments = _NOTHING

    def gap(self, name: str, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return why records of a sort between two times may not be in the trace."""
        doubt = np.full(len(a), CAP if name in self.dropped else 0, np.uint8)
        if self.facts is None:
            return doubt
        gaps, end, reason = self.facts.gaps()
        for start, stop in gaps:
            doubt |= np.where((a <= stop) & (b >= start), LOST, 0).astype(np.uint8)
        before = self.facts.incomplete_before()
        if before is not None:
            doubt |= np.where(a < before, START, 0).astype(np.uint8)
        return doubt | np.where(b > end, reason or END, 0).astype(np.uint8)

    def stacks(self, tid: NDArray[np.integer[Any]], time: NDArray[np.int64]) -> Stacks:
        """Return the kernel stack of each thread at a time: low, high (0 and 0 where not known), doubt."""
        low, high = np.zeros(len(tid), np.uint64), np.zeros(len(tid), np.uint64)
        doubt = np.zeros(len(tid), np.uint8)
        lane = _Grouped(self.threads, "TThreadId")
        before, after = lane.around(tid.astype(np.uint64), time)
        t = self.threads
        alive = (before >= 0) & np.isin(np.append(t.what, 0)[before], (_START, _DC_START))
        # the end of a thread, or the rundown of those that are left, says the same of the time before
        told = (after >= 0) & np.isin(np.append(t.what, 0)[after], (_END, _DC_END)) & ~alive
        place = np.where(alive, before, np.where(told, after, -1))
        some = np.flatnonzero((place >= 0) & (tid != 0))
        at = place[some]
        if len(some):
            low[some], high[some] = t.fields["StackLimit"][at], t.fields["StackBase"][at]
            first, last = np.minimum(t.time[at], time[some]), np.maximum(t.time[at], time[some])
            doubt[some] = self.gap("threads", first, last)
        return Stacks(low, high, doubt)

    def thread_ends(self, tid: NDArray[np.integer[Any]], time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when each thread ended after a time, ``FOREVER`` where it is not seen to."""
        lane = _Grouped(self.threads, "TThreadId")
        _, after = lane.around(tid.astype(np.uint64), time)
        ended = (after >= 0) & (np.append(self.threads.what, 0)[after] == _END)
        return np.where(ended, np.append(self.threads.time, 0)[after], FOREVER)

    def pools(
        self, address: NDArray[np.uint64], time: NDArray[np.int64], cpu: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
        """Return the pool that each address lay in at a time on a processor, the doubt about it, since when.

        ``UNKNOWN`` where no allocation that was there then covers the address.
        """
        kind, doubt = np.zeros(len(address), np.uint8), np.zeros(len(address), np.uint8)
        since = np.full(len(address), NEVER, np.int64)
        p = self.pool
        if not len(p) or not len(address):
            return kind, doubt, since
        codes, places, number = _covering(p, address)
        key = codes * (len(p) + 1) + np.searchsorted(p.time, time, side="right")
        at = np.searchsorted(places, key, side="left")
        of = np.append(places // (len(p) + 1), -1)
        last = np.where((at > 0) & (of[at - 1] == codes), np.append(number, 0)[at - 1], -1)
        some = np.flatnonzero((last >= 0) & np.isin(p.what[last], _ALLOCATED))
        base = p.fields["Type"][last[some]] & np.uint64(_POOL_BASE)
        kind[some] = np.where(
            np.isin(base, _PAGED_TYPES), PAGED, np.where(np.isin(base, _NONPAGED_TYPES), NONPAGED, UNKNOWN)
        )
        since[some] = p.time[last[some]]
        doubt[some] = self.gap("pool", since[some], time[some])
        for step in range(-_REACH, _REACH):
            beside = np.clip(at + step, 0, len(places))
            there = (at + step >= 0) & (of[beside] == codes)
            moment = np.append(number, 0)[beside]
            near = (np.abs(p.time[moment] - time) <= self.tolerance_ns) & (p.cpu[moment] != cpu)
            # where there are more of them than are looked at, the outermost speaks for those beyond
            near |= (np.abs(p.time[moment] - time) <= self.tolerance_ns) & (step in (-_REACH, _REACH - 1))
            doubt |= np.where(there & near, ORDER, 0).astype(np.uint8)
        return kind, doubt, since

    def process_ended(
        self,
        key: NDArray[np.uint64],
        time: NDArray[np.int64],
        cpu: NDArray[np.integer[Any]],
        pid: NDArray[np.integer[Any]],
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return when the process at each address had ended before a time (``NEVER``: not seen to), and the doubt.

        The doubt is why another process may have begun at that address since, or the end may have come later. What
        still runs in the process itself (``pid``) closes down with it.
        """
        ended, doubt = np.full(len(key), NEVER, np.int64), np.zeros(len(key), np.uint8)
        lane = _Grouped(self.processes, "UniqueProcessKey")
        before, after = lane.around(key, time)
        p = self.processes
        some = np.flatnonzero((before >= 0) & (key != 0) & (np.append(p.what, 0)[before] == _END))
        if len(some):
            some = some[p.fields["ProcessId"][before[some]] != pid[some]]
        if not len(some):
            return ended, doubt
        at = before[some]
        ended[some] = p.time[at]
        near = (time[some] - p.time[at] <= self.tolerance_ns) & (p.cpu[at] != cpu[some])
        following = after[some]
        soon = (following >= 0) & (np.append(p.time, 0)[following] - time[some] <= self.tolerance_ns)
        # a rundown record of the address at the end of the trace is of a process whose beginning was lost
        unseen = (following >= 0) & np.isin(np.append(p.what, 0)[following], (_END, _DC_START, _DC_END))
        doubt[some] = self.gap("processes", p.time[at], time[some])
        doubt[some] |= np.where(near | soon, ORDER, 0).astype(np.uint8) | np.where(unseen, LOST, 0).astype(np.uint8)
        return ended, doubt

    def unloads(self, base: int) -> NDArray[np.int64]:
        """Return when the image at an address was unloaded, ascending."""
        if not len(self.images):
            return np.zeros(0, np.int64)
        found: NDArray[np.int64] = self.images.time[self.images.fields["ImageBase"] == np.uint64(base)]
        return found

    def unloaded(self, base: int, first_ns: int, next_ns: int = FOREVER) -> int | None:
        """Return when a load of an image that was there at ``first_ns`` was unloaded, None where that is not seen.

        ``next_ns``: when the next load of the image begins, where there is one.
        """
        times = self.unloads(base)
        times = times[(times >= first_ns) & (times < next_ns)]
        return int(times[0]) if len(times) else None


@dataclass(frozen=True, slots=True)
class Stacks:
    """Kernel stacks: lowest address, the address above the highest (0 and 0: not known), and the doubt about them."""

    low: NDArray[np.uint64]
    high: NDArray[np.uint64]
    doubt: NDArray[np.uint8]

    def hold(self, address: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of these addresses, one for each stack, lie in it."""
        found: NDArray[np.bool_] = (address >= self.low) & (address < self.high)
        return found


class _Grouped:
    """The moments of one sort by the value of a field."""

    def __init__(self, moments: Moments, name: str) -> None:
        self._keys = moments.fields.get(name, np.zeros(0, np.uint64))
        self._order = np.lexsort((np.arange(len(self._keys)), self._keys))
        self._sorted = self._keys[self._order]
        self._time = moments.time[self._order]

    def around(self, keys: NDArray[np.uint64], time: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the place of the last moment of each key until a time, and of the first after it; -1 for none."""
        first = np.searchsorted(self._sorted, keys, side="left")
        end = np.searchsorted(self._sorted, keys, side="right")
        low, high = first - 1, end.copy()
        while True:
            open_ = np.flatnonzero(high - low > 1)
            if not len(open_):
                break
            middle = (low[open_] + high[open_]) // 2
            earlier = self._time[middle] <= time[open_]
            low[open_[earlier]] = middle[earlier]
            high[open_[~earlier]] = middle[~earlier]
        order = np.append(self._order, -1).astype(np.int64)
        before: NDArray[np.int64] = np.where(low >= first, order[low], -1)
        after: NDArray[np.int64] = np.where(high < end, order[np.minimum(high, len(order) - 1)], -1)
        return before, after


def _covering(
    pool: Moments, address: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the allocations and frees of blocks that addresses lie in.

    Returns the number of each address among the distinct ones; for every pair of such a number and a moment the
    number times (moments + 1) plus the moment, ascending; and the moments of these pairs. A free names the block by
    its address, so those of the blocks that were allocated around an address count whatever size they tell.
    """
    entry, size, n = pool.fields["Entry"], pool.fields["NumberOfBytes"], len(pool) + 1
    asked, codes = np.unique(address, return_inverse=True)
    room = np.uint64(0xFFFFFFFFFFFFFFFF) - entry
    last = entry + np.minimum(np.maximum(size, np.uint64(1)) - np.uint64(1), room)
    low = np.searchsorted(asked, entry, side="left")
    count = np.searchsorted(asked, last, side="right") - low
    count[np.cumsum(count) > _MOST_PAIRS] = 0
    blocks = np.flatnonzero(count > 0)
    which, who = _spread(blocks, low[blocks], count[blocks])
    frees = np.flatnonzero(np.isin(pool.what, _FREED) & np.isin(entry, entry[blocks]))
    if len(frees):
        pairs = np.unique(np.stack([entry[which], who.astype(np.uint64)], axis=1), axis=0)
        first = np.searchsorted(pairs[:, 0], entry[frees], side="left")
        more, place = _spread(frees, first, np.searchsorted(pairs[:, 0], entry[frees], side="right") - first)
        which, who = np.concatenate([which, more]), np.concatenate([who, pairs[place, 1].astype(np.int64)])
    places = np.unique(who * n + which)
    return codes.astype(np.int64), places, places % n


def _spread(
    items: NDArray[np.int64], first: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each item as often as its count says, with the numbers from its first on."""
    repeated = np.repeat(items, count)
    offset = np.arange(len(repeated)) - np.repeat(np.cumsum(count) - count, count)
    return repeated, np.repeat(first, count) + offset
