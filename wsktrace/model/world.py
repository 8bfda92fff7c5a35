"""One load of one driver with all that its lives are built from: operations, coverage, pairs, certain order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.coverage import Coverage, cover
from wsktrace.model.doubt import ORDER
from wsktrace.model.pairs import pair, threads
from wsktrace.wsk.operations import CODES, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.filefacts import FileFacts
    from wsktrace.model.lanes import Lane
    from wsktrace.model.order import Load
    from wsktrace.wsk.ops import Operations

__all__ = ["World", "make_world"]

_NO_PER_PROCESSOR = 0x10000000
#: Elements of one entity within the tolerance that are looked at one by one; where there are more, order is uncertain.
_REACH = 64


@dataclass(slots=True)
class World:
    """Operations of one load in order, and what is known about their completeness and order.

    ``base`` gives the row in the whole trace of each row here; ``mate`` the other end of an entry or return;
    ``os_build`` the build number of Windows, 0 where the file does not tell.
    """

    load: int
    image: int
    ops: Operations
    base: NDArray[np.integer[Any]]
    coverage: Coverage
    mate: NDArray[np.int32]
    thread: NDArray[np.int32]
    has_seq: bool
    cpu_orders: bool
    tolerance_ns: int
    pointer_size: int
    os_build: int = 0

    def __len__(self) -> int:
        return len(self.ops)

    def rows(self, name: str, phase: Phase) -> NDArray[np.int64]:
        """Return the rows of one operation in one phase."""
        return np.flatnonzero((self.ops.op == CODES[name]) & (self.ops.phase == phase))

    def is_(self, names: tuple[str, ...], phase: Phase) -> NDArray[np.bool_]:
        """Return per row whether it is one of these operations in that phase."""
        wanted = np.zeros(256, np.bool_)
        wanted[[CODES[name] for name in names]] = True
        found: NDArray[np.bool_] = wanted[self.ops.op] & (self.ops.phase == phase)
        return found

    def unordered(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint8]:
        """Return ``ORDER`` where row a, which stands before row b, is not certainly before it (wsk-contract 1.4)."""
        if self.has_seq:
            return np.zeros(len(a), np.uint8)
        ops = self.ops
        certain = self.thread[a] == self.thread[b]
        if self.cpu_orders:
            certain |= ops.cpu[a] == ops.cpu[b]
        certain |= np.abs(ops.time[b] - ops.time[a]) > self.tolerance_ns
        return np.where(certain, 0, ORDER).astype(np.uint8)

    def loose(
        self,
        lane: Lane,
        at: NDArray[Any],
        mask: NDArray[np.bool_],
        *,
        ahead: bool,
        skip: NDArray[Any] | None = None,
    ) -> NDArray[np.uint8]:
        """Return ``ORDER`` where an element of ``mask`` stands ahead of (or behind) a position, and may not.

        The clocks of two processors may differ by the tolerance, so every element within it counts, not the next one
        only. ``at`` -1 is no position; ``skip`` is an element of each that does not count.
        """
        doubt = np.zeros(len(at), np.uint8)
        if self.has_seq or not len(lane):
            return doubt
        time = self.ops.time[lane.rows]
        left = np.flatnonzero(at >= 0)
        for step in range(1, _REACH + 1):
            here = at[left]
            there = here + step if ahead else here - step
            inside = (there >= 0) & (there < len(lane))
            left, here, there = left[inside], here[inside], there[inside]
            near = (lane.head[there] == lane.head[here]) & (np.abs(time[there] - time[here]) <= self.tolerance_ns)
            left, here, there = left[near], here[near], there[near]
            if not len(left):
                return doubt
            counts = mask[there] if skip is None else mask[there] & (there != skip[left])
            hit = counts & (self.unordered(lane.rows[here], lane.rows[there]) != 0)
            doubt[left[hit]] = ORDER
            left = left[~hit]
        doubt[left] = ORDER
        return doubt

    def touch(self, a: NDArray[Any], b: NDArray[Any], *, tail: bool = True) -> NDArray[np.uint8]:
        """Return the doubt about what lies between rows a and b; a = -1 stands for the load's beginning."""
        a = np.asarray(a, np.int64)
        if self.coverage.birth >= 0:
            a = np.where(a < 0, self.coverage.birth, a)
        return self.coverage.touch(a, b, tail=tail)

    def closed(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the doubt whether all since the driver's entry is seen (closed world, 1.5 item 11)."""
        return self.touch(np.full(len(rows), -1, np.int64), rows)


def make_world(load: Load, ops: Operations, facts: FileFacts, *, tolerance_ns: int, pointer_size: int) -> World:
    """Build the world of one load from the operations of the whole trace, which are in order."""
    part = ops if len(load.rows) == len(ops) else ops.take(load.rows)
    thread = threads(part)
    return World(
        load=load.number,
        image=load.image,
        ops=part,
        base=load.rows,
        coverage=cover(part, facts, has_seq=load.has_seq, mixed=load.mixed, tolerance_ns=tolerance_ns),
        mate=pair(part, thread),
        thread=thread,
        has_seq=load.has_seq,
        cpu_orders=not facts.mode & _NO_PER_PROCESSOR,
        tolerance_ns=0 if load.has_seq else tolerance_ns,
        pointer_size=pointer_size,
        os_build=facts.os_build,
    )
