"""Whether callbacks of a socket were enabled around a row: the calls that succeeded, and those that undid it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import KINDS, NEVER_ROW, Facts
from wsktrace.rules.freed import returned
from wsktrace.rules.shapes import CAP, ORDER, Answer, doubt_if
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["enabled_around", "may_be_enabled"]

_INHERITED = c.WSK_EVENT_RECEIVE | c.WSK_EVENT_DISCONNECT | c.WSK_EVENT_SEND_BACKLOG


def _of_category(f: Facts, sockets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (kinds, sockets): which callbacks sockets of their category have; all where that is not known."""
    t = f.traits
    found = np.zeros((len(KINDS), len(sockets)), np.bool_)
    for k, (_, _, _, categories) in enumerate(KINDS):
        flags = [flag for flag, name in c.CATEGORIES.items() if name in categories]
        found[k] = np.isin(t.flags[sockets], flags) | ~t.flags_known[sockets]
    return found


def may_be_enabled(f: Facts) -> Answer:
    """Answer for every socket whether a call asked for any of its callbacks, at whatever time."""
    t = f.traits
    everything = np.arange(len(f.sockets))
    asked = np.minimum(t.enabled, t.static) < NEVER_ROW
    seen: NDArray[np.bool_] = np.any(asked & _of_category(f, everything), axis=0)
    doubt = t.enable_doubt | f.blind_enabling | doubt_if(~t.client_known | ~t.flags_known, CAP)
    return Answer(seen, np.where(seen, 0, doubt).astype(np.uint8))


def enabled_around(f: Facts, sockets: NDArray[np.int64], at: NDArray[np.int64], until: NDArray[np.int64]) -> Answer:
    """Answer whether some callback of each socket was enabled at a row, or between it and another.

    Only calls that are known to have succeeded enable; whatever may have succeeded disables.
    """
    t = f.traits
    if not len(sockets):
        return Answer(np.zeros(0, np.bool_), np.zeros(0, np.uint8))
    calls = _Toggles(f, sockets)
    parent = t.parent[sockets]
    birth = f.sockets.birth[sockets].astype(np.int64)
    relevant = _of_category(f, sockets)
    seen, order = np.zeros(len(sockets), np.bool_), np.zeros(len(sockets), np.bool_)
    maybe = np.zeros(len(sockets), np.bool_)
    for k, (_, bit, _, _) in enumerate(KINDS):
        on = calls.last(calls.on, sockets, k, until)
        by_listener = np.full(len(sockets), -1, np.int64)
        if bit & _INHERITED:
            by_listener = np.where(parent >= 0, calls.last(calls.on, np.maximum(parent, 0), k, birth), -1)
            by_listener = np.where(by_listener >= 0, birth, -1)
            maybe |= relevant[k] & (parent >= 0) & (calls.last(calls.open, np.maximum(parent, 0), k, birth) >= 0)
        since = np.maximum(on, by_listener)
        off = calls.last(calls.off, sockets, k, np.maximum(at, since))
        static, unsure = _static(f, sockets, k)
        seen |= relevant[k] & (static | ((since >= 0) & (off < since)))
        maybe |= relevant[k] & (unsure | (calls.last(calls.open, sockets, k, until) >= 0))
        order |= calls.near(sockets, k, at) | calls.near(sockets, k, np.maximum(since, 0))
    doubt = t.enable_doubt[sockets] | f.blind_enabling | doubt_if(maybe | ~t.client_known[sockets], CAP)
    doubt = np.where(seen, 0, doubt).astype(np.uint8) | doubt_if(~t.flags_known[sockets], CAP)
    return Answer(seen, doubt | doubt_if(order, ORDER))


def _static(f: Facts, sockets: NDArray[np.int64], kind: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which sockets had that kind enabled for all of their client before them: certainly, and perhaps."""
    row = f.traits.static[kind, sockets]
    there = row < f.sockets.create[sockets]
    ends = np.where(there, f.world.mate[np.where(there, row, 0)], -1)
    status, known = returned(f, ends)
    return there & known & (status < 0x80000000), there & ~known


class _Toggles:
    """The calls that enabled or disabled callbacks of some sockets, by (socket, kind), ascending."""

    def __init__(self, f: Facts, sockets: NDArray[np.int64]) -> None:
        self._f = f
        self._n = np.int64(len(f.world) + 2)
        concerned = np.zeros(len(f.sockets) + 1, np.bool_)
        concerned[sockets] = True
        concerned[np.maximum(f.traits.parent[sockets], -1)] = True
        concerned[-1] = False
        rows = f.enters("WskControlSocket")
        rows = rows[concerned[f.socket_of(rows)]]
        request, _ = f.arg("request_type", rows)
        code, _ = f.arg("control_code", rows)
        value, known = f.arg("input_value", rows)
        events = (request == c.WSK_SET_OPTION) & (code == c.SO_WSK_EVENT_CALLBACK) & known
        events &= (value & np.uint64(c.FOREIGN_NPI)) == 0
        accepts = (request == c.WSK_SET_OPTION) & (code == c.SO_CONDITIONAL_ACCEPT)
        undone = (value & np.uint64(c.WSK_EVENT_DISABLE)) != 0
        good, bad = self._outcome(rows)
        on, off, unsure = [], [], []
        for k, (_, bit, _, _) in enumerate(KINDS):
            hit = (events & ((value & np.uint64(bit)) != 0)) if bit else accepts
            key = self._key(f.socket_of(rows), k, rows)
            on.append(key[hit & good & ~(undone & events)])
            unsure.append(key[hit & ~good & ~bad & ~(undone & events)])
            off.append(key[hit & ~bad & undone & events])
        self.on, self.off, self.open = (np.sort(np.concatenate(found)) for found in (on, off, unsure))

    def _key(self, sockets: NDArray[np.int64], kind: int, rows: NDArray[Any]) -> NDArray[np.int64]:
        key: NDArray[np.int64] = (sockets * len(KINDS) + kind) * self._n + rows
        return key

    def _outcome(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which calls are known to have succeeded, and which to have failed."""
        f, use = self._f, self._f.submission(rows)
        status, known = returned(f, f.world.mate[rows])
        done, failed = np.append(f.irps.succeeded(), False)[use], np.append(f.irps.failed(), False)[use]
        refused = known & (status >= 0x80000000)
        return np.where(use >= 0, done & ~refused, known & ~refused), refused | ((use >= 0) & failed)

    def last(
        self, keys: NDArray[np.int64], sockets: NDArray[np.int64], kind: int, before: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the row of the last of these calls before a row, -1 where there is none."""
        low, high = self._key(sockets, kind, np.zeros_like(before)), self._key(sockets, kind, before)
        place = np.searchsorted(keys, high, side="left") - 1
        got = np.append(keys, -1)[place]
        return np.where((place >= 0) & (got >= low), got - low, -1)

    def near(self, sockets: NDArray[np.int64], kind: int, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return where a call that disabled may stand on the other side of a row."""
        world = self._f.world
        if world.has_seq or not len(self.off):
            return np.zeros(len(at), np.bool_)
        time = world.ops.time
        low = np.searchsorted(time, time[at] - world.tolerance_ns, side="left")
        high = np.searchsorted(time, time[at] + world.tolerance_ns, side="right")
        first = np.searchsorted(self.off, self._key(sockets, kind, low), side="left")
        found: NDArray[np.bool_] = np.searchsorted(self.off, self._key(sockets, kind, high), side="left") > first
        return found
