"""The registration blocks of a load: who registered, captured, released and deregistered when.

Source: wsk-contract 1.3 (client), 1.5 item 11, 3.H. A registration is what one WskRegister that did not fail began on
its block; a failed one begins none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import CAP
from wsktrace.model.lanes import Lane, codes_of
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

__all__ = ["Blocks", "before", "blocks"]

# kinds of elements of the lane of blocks; PERHAPS: a capture that does not say how it ended
REGISTER, FAILED, ASK, CAPTURE, PERHAPS, RELEASE, DEREGISTER, DEREGISTERED = range(8)
_WIDE = np.int64(1) << np.int64(40)


@dataclass(slots=True)
class Registered:
    """One row per registration; rows of the load, -1 where there is none.

    ``register``: the entry of its WskRegister. ``vague``: that call may have failed. ``replaced``: the block was
    registered again before it was deregistered. ``subject``: its row in the table of registrations.
    """

    address: NDArray[np.uint64]
    first: NDArray[np.int64]
    register: NDArray[np.int64]
    vague: NDArray[np.bool_]
    replaced: NDArray[np.bool_]
    deregister: NDArray[np.int64]
    deregistered: NDArray[np.int64]
    subject: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.address)


class Blocks:
    """Registration calls by block. ``kind`` and ``number`` (of the registration) are per element of the lane."""

    def __init__(self, f: Facts) -> None:
        """Sort the registration calls of a load by block."""
        self._f = f
        rows, kinds, keys, self.blind = _elements(f)
        by = np.argsort(rows, kind="stable")
        self.lane = Lane(rows[by], keys[by])
        self.kind = kinds[by][self.lane.order]
        mate = f.world.mate[self.lane.rows].astype(np.int64)
        status, known = f.status(mate)
        self.vague = (self.kind == REGISTER) & ~((mate >= 0) & known & (status == 0))
        begins = self.kind == REGISTER
        if len(self.lane):
            begins |= self.lane.head == np.arange(len(self.lane))
        self.starts = np.flatnonzero(begins)
        self.number = np.cumsum(begins) - 1

    @cached_property
    def each(self) -> Registered:
        """Return the registrations."""
        lane, starts, count = self.lane, self.starts, len(self.starts)
        real = self.kind[starts] == REGISTER
        group = lane.group[starts]
        address = lane.keys[group].astype(np.uint64) if count else np.zeros(0, np.uint64)
        replaced = np.zeros(count, np.bool_)
        replaced[:-1] = (group[1:] == group[:-1]) & real[1:]
        first, back = lane.rows[starts].astype(np.int64), self._first(DEREGISTERED)
        return Registered(
            address=address,
            first=first,
            register=np.where(real, first, -1),
            vague=self.vague[starts],
            replaced=replaced & (back < 0),
            deregister=self._first(DEREGISTER),
            deregistered=back,
            subject=self.subject(address, first),
        )

    def _first(self, kind: int) -> NDArray[np.int64]:
        p = np.flatnonzero(self.kind == kind)[::-1]
        found = np.full(len(self.starts), -1, np.int64)
        found[self.number[p]] = self.lane.rows[p]
        return found

    def subject(self, address: NDArray[np.uint64], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the row in the table of registrations of each block at a row of the load."""
        regs = self._f.registrations
        if not len(regs) or not len(address):
            return np.full(len(address), -1, np.int64)
        codes, _ = codes_of(np.concatenate([regs.address, address]))
        key = codes[: len(regs)].astype(np.int64) * _WIDE + regs.first
        by = np.argsort(key, kind="stable")
        wanted = codes[len(regs) :].astype(np.int64) * _WIDE + rows
        found: NDArray[np.int64] = by[np.maximum(np.searchsorted(key[by], wanted, side="right") - 1, 0)]
        return found

    @cached_property
    def level(self) -> NDArray[np.int64]:
        """Return the captures that each element's registration holds after it, never below none."""
        return self._level(0)

    @cached_property
    def most(self) -> NDArray[np.int64]:
        """Return the same, with every capture that may have succeeded."""
        return self._level(1)

    def _level(self, perhaps: int) -> NDArray[np.int64]:
        steps = np.zeros(8, np.int64)
        steps[[CAPTURE, RELEASE, PERHAPS]] = 1, -1, perhaps
        step = steps[self.kind]
        total = np.cumsum(step)
        inside = total - (total - step)[self.starts][self.number]
        # numbers ascend: what is far below all of the earlier registrations' sums forgets these
        far = self.number * np.int64(2 * len(step) + 2)
        lowest = np.minimum.accumulate(inside - far) + far if len(step) else inside
        held: NDArray[np.int64] = inside - np.minimum(lowest, 0)
        return held

    def position(self, number: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the last position of a registration before each row, -1."""
        key = self.number * _WIDE + self.lane.rows
        place = np.searchsorted(key, number * _WIDE + rows, side="left") - 1
        return np.where(np.append(self.number, -1)[place] == number, place, -1)

    def level_at(
        self, number: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]], *, most: bool = False
    ) -> NDArray[np.int64]:
        """Return the captures that a registration holds just before each row."""
        p, level = self.position(number, rows), self.most if most else self.level
        return np.where(p >= 0, np.append(level, 0)[p], 0)

    def crossing(
        self, number: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]], *kinds: int
    ) -> NDArray[np.uint8]:
        """Return ``ORDER`` where an element of the registration (-1: of any) may stand on the other side of a row."""
        world, doubt = self._f.world, np.zeros(len(rows), np.uint8)
        asked = np.flatnonzero(rows >= 0)
        if world.has_seq or not len(asked):
            return doubt
        p = np.flatnonzero(np.isin(self.kind, kinds))
        of = np.where(number.max(initial=-1) < 0, -1, self.number[p])
        every, keys = np.concatenate([rows[asked], self.lane.rows[p]]), np.concatenate([number[asked], of])
        own = np.concatenate([asked, np.full(len(p), -1)])
        by = np.argsort(every, kind="stable")
        lane = Lane(every[by], keys[by])
        own = own[by][lane.order]
        at, others = np.flatnonzero(own >= 0), own < 0
        doubt[own[at]] = world.loose(lane, at, others, ahead=True) | world.loose(lane, at, others, ahead=False)
        return doubt

    def edge(self, *kinds: int) -> NDArray[np.uint8]:
        """Return ``ORDER`` per registration where an element of the kinds may belong to its neighbour on the block."""
        world, moves = self._f.world, np.isin(self.kind, (REGISTER, *kinds))
        own = world.loose(self.lane, self.starts, moves, ahead=False)
        own |= world.loose(self.lane, self.starts, moves, ahead=True)
        later = np.zeros_like(own)
        later[:-1] = np.where(self.lane.group[self.starts[1:]] == self.lane.group[self.starts[:-1]], own[1:], 0)
        return own | later

    @cached_property
    def last_releases(self) -> NDArray[np.int64]:
        """Return the positions of the releases that take a registration's last capture."""
        at = np.flatnonzero((self.kind == RELEASE) & (self.level <= 0))
        return at[self.level_at(self.number[at], self.lane.rows[at]) > 0]

    @cached_property
    def empty(self) -> NDArray[np.int64]:
        """Return the rows of the releases after which the driver holds no capture at all, ascending."""
        number, rows = self.number, self.lane.rows
        change = self.level - self.level_at(number, rows)
        by = np.argsort(rows, kind="stable")
        held = np.cumsum(change[by])
        none: NDArray[np.int64] = rows[by][(held == 0) & (change[by] < 0)].astype(np.int64)
        return none

    # -- clients

    @cached_property
    def _captures(self) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
        """Return (row, client, registration) of every successful capture, in order."""
        p = np.flatnonzero(self.kind == CAPTURE)
        p = p[np.argsort(self.lane.rows[p], kind="stable")]
        rows = self.lane.rows[p].astype(np.int64)
        return rows, self._f.arg("client", rows)[0].astype(np.uint64), self.number[p].astype(np.int64)

    @cached_property
    def unnamed(self) -> np.uint8:
        """Return ``CAP`` where a capture does not say which client it gave, or whether it did."""
        mute = bool(np.any(self._captures[1] == 0)) or bool(np.any(self.kind == PERHAPS))
        return np.uint8(CAP if mute else 0) | self.blind

    @cached_property
    def clients(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return (client, row of the first capture that gave it), clients ascending."""
        rows, client, _ = self._captures
        found, first = np.unique(client, return_index=True)
        return found, rows[first]

    def given(self, client: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of the first capture that gave each client, one more than the rows where none did."""
        never = np.int64(len(self._f.world) + 1)
        known, first = self.clients
        if not len(known):
            return np.full(len(client), never)
        place = np.minimum(np.searchsorted(known, client), len(known) - 1)
        return np.where((known[place] == client) & (client != 0), first[place], never)

    def of_client(
        self, client: NDArray[np.uint64], rows: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return (registration whose latest capture before the row gave the client, or -1; whether others did too)."""
        at, given, number = self._captures
        known, _ = self.clients
        if not len(known) or not len(client):
            return np.full(len(client), -1, np.int64), np.zeros(len(client), np.bool_)
        place = np.minimum(np.searchsorted(known, client), len(known) - 1)
        mine = np.searchsorted(known, given)
        key = mine * _WIDE + at
        by = np.argsort(key, kind="stable")
        low = np.searchsorted(key[by], place * _WIDE, side="left")
        found = np.searchsorted(key[by], place * _WIDE + rows, side="left") - 1
        has = (known[place] == client) & (client != 0) & (found >= low)
        least, most = np.full(len(known), len(self.starts)), np.full(len(known), -1)
        np.minimum.at(least, mine, number)
        np.maximum.at(most, mine, number)
        return np.where(has, number[by][np.maximum(found, 0)], -1), has & (least[place] != most[place])

    def latest(self, number: NDArray[Any], rows: NDArray[Any], kind: int) -> NDArray[np.int64]:
        """Return the row of the latest element of a kind that a registration has before each row, -1."""
        p = np.flatnonzero(self.kind == kind)
        key = np.sort(self.number[p] * _WIDE + self.lane.rows[p])
        place = np.searchsorted(key, number * _WIDE + rows, side="left") - 1
        got = key[np.maximum(place, 0)] if len(key) else np.full(len(number), -1, np.int64)
        return np.where((place >= 0) & (got // _WIDE == number), got % _WIDE, -1)


def before(
    of: NDArray[Any], rows: NDArray[Any], asked: NDArray[Any], until: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Return how many of the rows of an entity stand before each ``until``."""
    key = np.sort(of.astype(np.int64) * _WIDE + rows)
    wanted = asked.astype(np.int64) * _WIDE
    low = np.searchsorted(key, wanted, side="left")
    return (np.searchsorted(key, wanted + until, side="left") - low).astype(np.int64)


def blocks(f: Facts) -> Blocks:
    """Return the blocks of a load, sorted once."""
    found: Blocks | None = f.__dict__.get("_blocks")
    if found is None:
        found = f.__dict__["_blocks"] = Blocks(f)
    return found


def _elements(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint64], np.uint8]:
    """Return (rows, kinds, blocks, ``CAP`` where a call does not say which block it is about)."""
    register, asks = f.enters("WskRegister"), f.enters("WskCaptureProviderNPI")
    captured = f.rows("WskCaptureProviderNPI", Phase.RETURN)
    mate = f.world.mate[register].astype(np.int64)
    status, known = f.status(mate)
    failed = (mate >= 0) & known & (status >= 0x80000000)
    ended, told = f.status(captured)
    good, mute = captured[told & (ended == 0)], captured[~told | ((ended != 0) & (ended < 0x80000000))]
    parts = (
        (register[~failed], REGISTER),
        (register[failed], FAILED),
        (asks, ASK),
        (good, CAPTURE),
        (mute, PERHAPS),
        (f.enters("WskReleaseProviderNPI"), RELEASE),
        (f.enters("WskDeregister"), DEREGISTER),
        (f.rows("WskDeregister", Phase.RETURN), DEREGISTERED),
    )
    rows = np.concatenate([part for part, _ in parts])
    kinds = np.repeat(np.array([kind for _, kind in parts], np.uint8), [len(part) for part, _ in parts])
    address, named = f.arg("registration", rows)
    usable = named & (address != 0)
    blind = np.uint8(CAP if bool(np.any(~named)) else 0)
    return rows[usable], kinds[usable], address[usable].astype(np.uint64), blind
