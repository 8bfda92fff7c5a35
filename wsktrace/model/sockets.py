"""Sockets: one life per (address, generation), from the completion that brought the address to the end of its close.

★ Source: wsk-contract 1.3 (socket generation), 1.5 items 1, 3, 11; shapes "Identity".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import ALIAS
from wsktrace.model.lanes import Lane
from wsktrace.wsk.operations import CODES, OPS, Phase
from wsktrace.wsk.ops import KNOWN_SOCKET, KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.irps import Submissions
    from wsktrace.model.world import World

__all__ = [
    "BIRTH",
    "CLOSE",
    "CLOSED",
    "MAYBE",
    "OP",
    "ORIGINS",
    "REJECT",
    "SocketLane",
    "Sockets",
    "looks_like_socket",
    "sockets",
]

# kinds of elements of the socket lane
BIRTH, MAYBE, OP, CLOSE, CLOSED, REJECT = range(6)
ORIGINS = ("socket", "socket_connect", "accept", "accept_event", "adopted")
_SOCKET_OPS = np.array([op.level == "socket" for op in OPS])
_CREATES = np.array([op.creates for op in OPS])


@dataclass(slots=True)
class SocketLane:
    """Everything that concerns a socket address, grouped by address: kind, doubt and generation per element."""

    lane: Lane
    kind: NDArray[np.uint8]
    doubt: NDArray[np.uint8]
    generation: NDArray[np.int64]


@dataclass(slots=True)
class Sockets:
    """One row per socket.

    Rows are rows of the world, -1 where there is none; unknown arguments have ``_known`` False.
    """

    address: NDArray[np.uint64]
    origin: NDArray[np.uint8]
    #: row that brought it (completion, callback) or that first named it; and the entry of the call that creates it
    birth: NDArray[np.int32]
    create: NDArray[np.int32]
    #: use of an IRP that created it, -1 where there is none
    submission: NDArray[np.int64]
    doubt: NDArray[np.uint8]
    close: NDArray[np.int64]
    closed: NDArray[np.int64]
    #: row at which WSK itself took it back (a rejected accept callback), -1
    rejected: NDArray[np.int64]
    #: generation of each row of the world that is a call on a socket, its return or completion; -1 elsewhere
    of_row: NDArray[np.int32]
    lane: SocketLane

    def __len__(self) -> int:
        return len(self.address)


def looks_like_socket(world: World, value: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which values can be kernel addresses of an object: aligned, and in the upper half where 64-bit."""
    bits = np.uint64(world.pointer_size - 1)
    half = np.uint64(1) << np.uint64(63 if world.pointer_size == 8 else 31)
    likely: NDArray[np.bool_] = (value != 0) & ((value & bits) == 0) & ((value & half) != 0)
    return likely


def sockets(world: World, subs: Submissions) -> Sockets:
    """Rebuild the sockets of one load."""
    ops = world.ops
    n = len(ops)
    creating = _CREATES[subs.op]
    born = np.flatnonzero(
        creating & subs.succeeded() & subs.information_known & looks_like_socket(world, subs.information)
    )
    events = world.rows("WskAcceptEvent", Phase.CALLBACK)
    brought, known = ops.arg("accept_socket", events)
    events, brought = events[known & (brought != 0)], brought[known & (brought != 0)]
    ends = world.mate[events].astype(np.int64)
    turned = (ends >= 0) & ops.has(KNOWN_STATUS)[ends] & (ops.status[ends] >= 0x80000000)

    completions = np.flatnonzero((subs.complete >= 0) & (subs.link_doubt != 0) & subs.information_known)
    vague = np.concatenate([subs.complete[completions], subs.orphans])
    value, has = ops.arg("information", vague)
    fits = has & looks_like_socket(world, value.astype(np.uint64))
    vague, value = vague[fits], value[fits].astype(np.uint64)

    used = np.flatnonzero(_SOCKET_OPS[ops.op] & (ops.phase == Phase.ENTER) & ops.has(KNOWN_SOCKET) & (ops.socket != 0))
    closing = ops.op[used] == CODES["WskCloseSocket"]
    done = np.flatnonzero((subs.op == CODES["WskCloseSocket"]) & (subs.complete >= 0) & subs.succeeded())
    done = done[ops.socket[subs.enter[done]] != 0]

    rows = np.concatenate([subs.complete[born], events, vague, used, subs.complete[done], ends[turned]])
    keys = np.concatenate(
        [subs.information[born], brought, value, ops.socket[used], ops.socket[subs.enter[done]], brought[turned]]
    )
    kinds = np.repeat(
        np.array([BIRTH, BIRTH, MAYBE, OP, CLOSED, REJECT], np.uint8),
        [len(born), len(events), len(vague), len(used), len(done), int(turned.sum())],
    )
    kinds[len(born) + len(events) + len(vague) :][: len(used)][closing] = CLOSE
    doubts = np.zeros(len(rows), np.uint8)
    doubts[: len(born)] = subs.link_doubt[born]
    first_done = len(rows) - int(turned.sum()) - len(done)
    doubts[first_done : first_done + len(done)] = subs.link_doubt[done]
    source = np.full(len(rows), -1, np.int64)
    source[: len(born)] = born

    by = np.argsort(rows, kind="stable")
    lane = Lane(rows[by], keys[by])
    pick = by[lane.order]
    kind, doubt, source = kinds[pick], doubts[pick], source[pick]
    generation, starts = _generations(world, subs, lane, kind)
    gen = _Builder(world, subs, lane, kind, doubt, source, generation, starts)
    return gen.build(n)


def _generations(
    world: World, subs: Submissions, lane: Lane, kind: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the generation of each element (-1 before any) and the positions where generations begin."""
    n = len(lane)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    birth = kind == BIRTH
    use = (kind == OP) | (kind == CLOSE)
    begun = lane.last(birth | use)
    start = birth | (use & (begun < 0))
    # an op after a close whose end may have been followed by an unseen creation: another socket, adopted
    last_close, last_birth = lane.last(kind == CLOSE), lane.last(birth)
    p = np.flatnonzero(use & (last_close > last_birth))
    closing = subs.of_row[lane.rows[last_close[p]]]
    ends = np.append(np.where(subs.link_doubt == 0, subs.complete, -1), -1)[closing]
    p = p[ends < lane.rows[p]]
    p = p[world.touch(lane.rows[last_close[p]], lane.rows[p]) != 0]
    start[p[np.concatenate([[True], last_close[p][1:] != last_close[p][:-1]])] if len(p) else p] = True
    begins = np.maximum.accumulate(np.where(start, np.arange(n), -1))
    number = np.cumsum(start) - 1
    return np.where(begins >= lane.head, number, -1), np.flatnonzero(start)


@dataclass(slots=True)
class _Builder:
    world: World
    subs: Submissions
    lane: Lane
    kind: NDArray[np.uint8]
    doubt: NDArray[np.uint8]
    source: NDArray[np.int64]
    generation: NDArray[np.int64]
    starts: NDArray[np.int64]

    def build(self, n: int) -> Sockets:
        world, subs, lane = self.world, self.subs, self.lane
        count = len(self.starts)
        birth = lane.rows[self.starts]
        source = self.source[self.starts]
        real = self.kind[self.starts] == BIRTH
        origin = np.full(count, ORIGINS.index("adopted"), np.uint8)
        origin[real] = ORIGINS.index("accept_event")
        made = source >= 0
        by_op = {"WskSocket": "socket", "WskSocketConnect": "socket_connect", "WskAccept": "accept"}
        for name, word in by_op.items():
            origin[made & (np.append(subs.op, 0)[source] == CODES[name])] = ORIGINS.index(word)
        doubt = self.doubt[self.starts].copy()
        adopted = ~real
        since = world.closed(birth[adopted])
        doubt[adopted] |= np.where(since == 0, ALIAS, since).astype(np.uint8)
        doubt |= self._order_doubt()
        close = self._first(CLOSE, count)
        closed = self._first(CLOSED, count)
        of_row = np.full(n, -1, np.int32)
        some = self.generation >= 0
        use = some & ((self.kind == OP) | (self.kind == CLOSE))
        of_row[lane.rows[use]] = self.generation[use]
        sub_gen = of_row[subs.enter].copy()
        sub_gen[source[made]] = np.flatnonzero(made)
        for rows in (subs.enter, subs.ret, subs.complete):
            here = (rows >= 0) & (sub_gen >= 0)
            of_row[rows[here]] = sub_gen[here]
        returned = world.mate[lane.rows[use]]
        of_row[returned[returned >= 0]] = self.generation[use][returned >= 0]
        return Sockets(
            address=lane.keys[lane.group[self.starts]].astype(np.uint64) if count else np.zeros(0, np.uint64),
            origin=origin,
            birth=birth,
            create=np.where(made, subs.enter[source], birth) if len(subs) else birth,
            submission=source,
            doubt=doubt,
            close=close,
            closed=closed,
            rejected=self._first(REJECT, count),
            of_row=of_row,
            lane=SocketLane(lane, self.kind, self.doubt, self.generation),
        )

    def _order_doubt(self) -> NDArray[np.uint8]:
        """Return ``ORDER`` for lives whose beginning, or the next one's, may stand on the other side of an event."""
        lane, starts = self.lane, self.starts
        everything = np.ones(len(lane), np.bool_)
        ends = np.isin(self.kind, (BIRTH, CLOSE, CLOSED, REJECT))
        doubt = self.world.loose(lane, starts, everything, ahead=False)
        doubt |= self.world.loose(lane, starts, ends, ahead=True)
        follows = lane.group[starts[1:]] == lane.group[starts[:-1]]
        doubt[:-1] |= np.where(follows, doubt[1:], 0).astype(np.uint8)
        return doubt

    def _first(self, kind: int, count: int) -> NDArray[np.int64]:
        """Return per generation the row of its first element of that kind, -1 where there is none."""
        p = np.flatnonzero((self.kind == kind) & (self.generation >= 0))[::-1]
        first: NDArray[Any] = np.full(count, -1, np.int64)
        first[self.generation[p]] = self.lane.rows[p]
        return first
