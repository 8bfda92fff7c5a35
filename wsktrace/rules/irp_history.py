"""What happened at the addresses of some IRPs, each in its own order: whose an IRP is, and how it was prepared.

Source: NET using-irps-with-winsock-kernel-functions (own and passed-down IRPs); wsk-contract 1.5 item 10, 3.C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import Lane
from wsktrace.rules.shapes import CAP
from wsktrace.wsk.operations import CODES, IRP, OPS, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

__all__ = ["COMPLETE", "ENTER", "FREE", "MADE", "MARK", "SET", "UP", "History"]

ALLOCATE, INITIALIZE, REUSE, FREE, SET, MARK, UP, ENTER, COMPLETE = (1 << bit for bit in range(9))
#: What makes an IRP the driver's own, without a completion routine.
MADE = ALLOCATE | INITIALIZE | REUSE
_FACTS = {
    "IrpAllocate": ALLOCATE,
    "IrpInitialize": INITIALIZE,
    "IrpReuse": REUSE,
    "IrpFree": FREE,
    "IrpSetCompletion": SET,
    "IrpMarkPending": MARK,
    "IrpCompleteUp": UP,
}
_HASH_BITS = 20
#: Rows around an event in which another one of its IRP is looked for before the whole history is gathered.
_REACH = 16
_KIND = np.zeros((256, 8), np.uint16)
for _op in OPS:
    _KIND[CODES[_op.name], Phase.ENTER] = ENTER if _op.level in ("client", "socket") else 0
    _KIND[CODES[_op.name], Phase.FACT] = _FACTS.get(_op.name, 0)


class History:
    """The events of some IRPs' addresses; positions are positions of its lane."""

    def __init__(self, f: Facts, addresses: NDArray[np.uint64]) -> None:
        """Gather what happened to these addresses in the load."""
        self.f = f
        keys = np.unique(addresses)
        found = [(f.irps.enter.astype(np.int64), ENTER), (f.rows("IrpComplete", Phase.COMPLETE), COMPLETE)]
        found += [(f.rows(name, Phase.FACT), kind) for name, kind in _FACTS.items()]
        parts = [(rows[_among(f.ops.irp[rows] if len(keys) else keys, keys)], kind) for rows, kind in found]
        rows = np.concatenate([part for part, _ in parts])
        kinds = np.concatenate([np.full(len(part), kind, np.uint16) for part, kind in parts])
        order = np.argsort(rows, kind="stable")
        rows, kinds = rows[order], kinds[order]
        self.lane = Lane(rows, f.ops.irp[rows])
        self.kind = kinds[self.lane.order]
        self._rows, self._place = rows, np.empty(len(rows), np.int64)
        self._place[self.lane.order] = np.arange(len(rows))

    def at(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the positions of rows that are events of these addresses."""
        return self._place[np.searchsorted(self._rows, rows)]

    def is_(self, kinds: int) -> NDArray[np.bool_]:
        """Return per position whether it is of these kinds."""
        found: NDArray[np.bool_] = (self.kind & kinds) != 0
        return found

    def last(self, kinds: int, at: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Return the last position of these kinds before each, -1."""
        found: NDArray[np.int32] = self.lane.last(self.is_(kinds))[at]
        return found

    def next(self, kinds: int, at: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Return the next position of these kinds after each, -1."""
        found: NDArray[np.int32] = self.lane.next(self.is_(kinds))[at]
        return found

    def rows(self, positions: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Return the rows of positions, -1 for -1."""
        return self.lane.row_of(positions)

    def made(self, at: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Return the position of the event that made the IRP ready for this use as the driver's own, -1.

        It counts only where the address was neither used nor freed since: later it may be an IRP from above.
        """
        make = self.last(MADE, at)
        return np.where(make > self.last(FREE | ENTER | COMPLETE, at), make, np.int32(-1))

    def kept(self, at: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Return where an IRP was made at this address and not freed since, used or not."""
        own: NDArray[np.bool_] = self.last(MADE, at) > self.last(FREE, at)
        return own

    def made_doubt(self, at: NDArray[np.integer[Any]], made: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return the doubt about ``made``, where it is not -1, and about what was set in between.

        An IRP that was allocated may have been freed unseen, and its address come back from above, where the driver
        never traced an IrpFree.
        """
        world, f = self.f.world, self.f
        start, row = self.rows(made), self.lane.rows[at]
        doubt = world.touch(start, row) | f.unlogged(IRP, np.maximum(start, 0), row)
        facts = self.is_(MADE | FREE | SET)
        some = made >= 0
        doubt[some] |= world.unordered(start[some], row[some])
        doubt |= world.loose(self.lane, at, facts, ahead=False) | world.loose(self.lane, at, facts, ahead=True)
        doubt |= world.loose(self.lane, made, facts, ahead=False)
        fixed = self.last(INITIALIZE, at) > self.last(ALLOCATE, at)
        doubt |= np.where(fixed, 0, f.unwitnessed("IrpFree")).astype(np.uint8)
        return np.where(some, doubt, 0).astype(np.uint8)

    def foreign_doubt(self, at: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return the doubt about an IRP that was never made here being one that was passed down to the driver.

        That the driver itself completes it upwards settles it.
        """
        world, f = self.f.world, self.f
        row = self.lane.rows[at]
        doubt = f.closed_from(row) | f.unlogged(IRP, np.zeros(len(row), np.int64), row)
        doubt |= f.unwitnessed("IrpAllocate") & f.unwitnessed("IrpInitialize")
        facts = self.is_(MADE | FREE)
        doubt |= world.loose(self.lane, at, facts, ahead=False) | world.loose(self.lane, at, facts, ahead=True)
        up = self.next(UP, at)
        return np.where((up >= 0) & ~self._before(MADE | FREE | ENTER, at, up), 0, doubt).astype(np.uint8)

    def _before(self, kinds: int, at: NDArray[np.integer[Any]], limit: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        following = self.next(kinds, at)
        found: NDArray[np.bool_] = (following >= 0) & (following < limit)
        return found


def near(
    f: Facts, rows: NDArray[np.integer[Any]], step: int, *, wanted: int, until: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Look a few rows before (step -1) or behind (1) each row for an event of these kinds and of the row's IRP.

    Returns its row, -1 where none was met, and whether one of ``until`` was met instead.
    """
    op, phase, irp = f.ops.op, f.ops.phase, f.ops.irp
    found, blocked = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.bool_)
    left = np.flatnonzero(irp[rows] != 0)
    for away in range(1, _REACH + 1):
        row = rows[left].astype(np.int64) + step * away
        inside = (row >= 0) & (row < len(op))
        left, row = left[inside], row[inside]
        kind = np.where(irp[row] == irp[rows[left]], _KIND[op[row], phase[row]], 0)
        hit, stop = (kind & wanted) != 0, (kind & until) != 0
        found[left[hit]], blocked[left[stop]] = row[hit], True
        left = left[~(hit | stop)]
        if not len(left):
            break
    return found, blocked


def unnamed_calls(f: Facts) -> np.uint8:
    """Return ``CAP`` where some call does not say with which IRP it was made."""
    calls = f.level_enters("client", "socket")
    calls = calls[~f.op_is(calls, "WskFreeAddressInfo")]
    return np.uint8(CAP if bool(np.any(~f.irp(calls)[1])) else 0)


def _among(values: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places of the values that are among the keys: a table of hashes first, as most are not."""
    if not len(keys):
        return np.zeros(0, np.int64)
    table = np.zeros(1 << _HASH_BITS, np.bool_)
    table[_hash(keys)] = True
    maybe = np.flatnonzero(table[_hash(values)])
    found: NDArray[np.int64] = maybe[np.isin(values[maybe], keys)]
    return found


def _hash(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a few bits of each address that depend on all of its bits."""
    mixed: NDArray[np.uint64] = (values * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _HASH_BITS)
    return mixed
