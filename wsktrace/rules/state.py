"""What a socket has reached by a row (bound, connected, listening), its category, and what control requests ask.

For the rules about the order of calls on one socket. A call that may have succeeded unseen makes the state doubtful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from wsktrace.rules.facts import IRP, KINDS, NEVER_ROW, SOCKET, Facts, so
from wsktrace.rules.shapes import ALIAS, CAP, LOST, ORDER, START, Answer, doubt_if, precedence
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import CODES
from wsktrace.wsk.ops import KNOWN_SOCKET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.world import World

__all__ = [
    "BIND",
    "CONNECT",
    "LISTEN",
    "NO_CATEGORY",
    "UNKNOWN_CATEGORY",
    "Outcomes",
    "Reached",
    "Requests",
    "alive",
    "already",
    "apart",
    "at",
    "brought",
    "called",
    "categories",
    "control_requests",
    "enlisted",
    "lacking",
    "nameless",
    "on_listener",
    "reached",
    "whose",
    "words_of",
]

BIND, CONNECT, LISTEN = ("WskBind",), ("WskConnect", "WskConnectEx"), ("WskListen",)
#: Codes behind those of the categories, which are their places in ``CATEGORIES``.
NO_CATEGORY, UNKNOWN_CATEGORY = 5, 6
_NAMES = (*c.CATEGORIES.values(), "odd", "unknown")
_BEGIN_REACHED = tuple(so.ORIGINS.index(word) for word in ("socket_connect", "accept", "accept_event"))
#: Kinds of callbacks that come with conditional accept.
_CONDITIONAL = [number for number, (_, bit, _, _) in enumerate(KINDS) if not bit]
_ADOPTED = so.ORIGINS.index("adopted")


def at(column: NDArray[Any], k: NDArray[np.integer[Any]], otherwise: int) -> NDArray[Any]:
    """Return the values of a table's column, and another where the index is -1."""
    found: NDArray[Any] = np.append(column, np.array(otherwise, column.dtype))[k]
    return found


def apart(world: World, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return ``ORDER`` where row a exists and nothing says on which side of row b it is."""
    doubt = np.zeros(len(a), np.uint8)
    here = (a >= 0) & (a < len(world))
    doubt[here] = world.unordered(a[here], b[here])
    return doubt


# sockets -------------------------------------------------------------------------------------------------------------


def categories(f: Facts) -> NDArray[np.uint8]:
    """Return per socket its category: its place in ``CATEGORIES``, or one of the two codes behind them."""
    code = np.full(len(f.sockets), NO_CATEGORY, np.uint8)
    for number, flag in enumerate(c.CATEGORIES):
        code[f.traits.flags == flag] = number
    code[~f.traits.flags_known] = UNKNOWN_CATEGORY
    return code


def words_of(category: int | np.integer[Any]) -> str:
    """Print a category."""
    return _NAMES[int(category)]


def called(f: Facts, *names: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the entries of these calls and the socket that each was made on, -1 where it is none."""
    rows = f.enters(*names)
    return rows, (on_listener(f, rows) if "WskAccept" in names else f.socket_of(rows))


def on_listener(f: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the socket that each call was made on; of WskAccept, that is not the one which it brings."""
    k = f.socket_of(rows)
    accepts = f.op_is(rows, "WskAccept")
    if np.any(accepts):
        lane = f.sockets.lane
        mine = np.flatnonzero((f.ops.op[lane.lane.rows] == CODES["WskAccept"]) & (lane.kind == so.OP))
        mine = mine[np.argsort(lane.lane.rows[mine])]
        there = lane.lane.rows[mine]
        place = np.searchsorted(there, rows[accepts])
        found = np.append(there, -1)[place] == rows[accepts]
        k[accepts] = np.where(found, np.append(lane.generation[mine], -1)[place], -1)
    return k


def nameless(f: Facts, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return which calls do not say on which socket they were made."""
    unsaid: NDArray[np.bool_] = (f.ops.known[rows] & KNOWN_SOCKET) == 0
    return unsaid


def enlisted(f: Facts, k: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return which sockets were born in the trace; of others nothing is seen that could break a rule."""
    born: NDArray[np.bool_] = at(f.sockets.origin, k, _ADOPTED) != _ADOPTED
    return born


def alive(
    f: Facts, rows: NDArray[np.integer[Any]], k: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return whether each row stands before the close of its socket, and the doubt about that.

    What comes after it is USE-AFTER-CLOSE's, and may be about another socket.
    """
    close = at(f.sockets.close, k, -1)
    return (close < 0) | (close > rows), apart(f.world, close, rows)


# states --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """When each socket reached a state: rows of the world per socket, ``NEVER_ROW`` where there is none.

    ``done``: the first completion that certainly succeeded; ``firm``: the first of them whose call was certainly made
    on this socket, not on one that had the address before; ``told``: the first that succeeded, certainly its own or
    not; ``back``: the first return of success. ``begun``: the first entry of a call that is not known to have
    failed.
    ``unclear``: the first entry of a call whose outcome is not clear, ``doubt`` why. ``settled``: from there on every
    row is certainly after.
    """

    done: NDArray[np.int64]
    firm: NDArray[np.int64]
    told: NDArray[np.int64]
    back: NDArray[np.int64]
    begun: NDArray[np.int64]
    unclear: NDArray[np.int64]
    doubt: NDArray[np.uint8]
    settled: NDArray[np.int64]


_KNOWN: WeakKeyDictionary[Facts, dict[tuple[str, ...], Reached]] = WeakKeyDictionary()


def reached(f: Facts, names: tuple[str, ...]) -> Reached:
    """Return when each socket reached the state that a success of these calls brings.

    Sockets that were accepted, or created by WskSocketConnect, begin bound and connected.
    """
    held = _KNOWN.setdefault(f, {})
    if names not in held:
        held[names] = _reached(f, names)
    return held[names]


def _reached(f: Facts, names: tuple[str, ...]) -> Reached:
    rows, _ = called(f, *names)
    begins = np.zeros(len(f.sockets), np.bool_)
    if names != LISTEN:
        begins = np.isin(f.sockets.origin, _BEGIN_REACHED)
    return brought(f, rows, begins)


def brought(f: Facts, rows: NDArray[np.int64], begins: NDArray[np.bool_] | None = None) -> Reached:
    """Return when each socket reached the state that a success of these calls brings; some begin in it."""
    count = len(f.sockets)
    k = f.socket_of(rows)
    rows, k = rows[k >= 0], k[k >= 0]
    calls = Outcomes(f, rows)

    def first(which: NDArray[np.bool_], where: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        found = np.full(count, NEVER_ROW, np.int64)
        np.minimum.at(found, k[which], where[which].astype(np.int64))
        return found

    done = first(calls.good & (calls.link == 0), calls.complete)
    mine = apart(f.world, f.sockets.birth[k], rows) == 0
    firm = first(calls.good & (calls.link == 0) & mine, calls.complete)
    told = first(calls.good, calls.complete)
    back = first(calls.returned_good, calls.ret)
    if begins is not None:
        for part in (done, firm, told):
            part[begins] = f.sockets.birth[begins]
    doubt = np.zeros(count, np.uint8)
    np.bitwise_or.at(doubt, k, calls.unclear)
    sure = np.minimum(done, back)
    settled = np.where(sure < NEVER_ROW, sure + 1, NEVER_ROW)
    if not f.world.has_seq and len(f.world):
        time = f.ops.time
        there = sure < NEVER_ROW
        settled[there] = np.searchsorted(time, time[sure[there]] + f.world.tolerance_ns, side="right")
    return Reached(
        done=done,
        firm=firm,
        told=told,
        back=back,
        begun=first(~calls.failed, rows),
        unclear=first(calls.unclear != 0, rows),
        doubt=doubt,
        settled=settled,
    )


class Outcomes:
    """What became of calls: ``good`` and ``failed`` as far as it is known, ``unclear`` the doubt where it is not."""

    def __init__(self, f: Facts, rows: NDArray[np.int64]) -> None:
        irps = f.irps
        use = f.submission(rows)
        self.complete = at(irps.complete, use, -1)
        self.ret = f.world.mate[rows].astype(np.int64) if len(rows) else rows
        status, known = at(irps.status, use, 0), at(irps.status_known, use, 0)
        good = known & (status < 0x80000000) & (status != c.STATUS_PENDING)
        bad = known & (status >= 0x80000000)
        returned, returned_known = f.status(self.ret) if len(rows) else (status, known)
        returned_known = returned_known & (self.ret >= 0)
        returned_bad = returned_known & (returned >= 0x80000000)
        returned_doubt = f.world.touch(rows, np.where(self.ret >= 0, self.ret, len(f.world)))
        end = np.maximum(self.complete, rows)
        self.link = at(irps.link_doubt, use, 0) | f.unlogged(IRP, rows, end) | f.unlogged(SOCKET, rows, end)
        self.good = good
        #: not known to have ended, as far as the return says
        self.waiting = ~returned_known | (returned == c.STATUS_PENDING)
        self.returned_good = returned_known & (returned < 0x80000000) & (returned != c.STATUS_PENDING)
        self.failed = (bad & (self.link == 0)) | (returned_bad & (returned_doubt == 0) & ~good)
        again = (at(irps.next_enter, use, -1) >= 0) | (at(irps.reset, use, -1) >= 0)
        absent = at(irps.absent_doubt, use, 0) | returned_doubt | doubt_if(again, ALIAS)
        absent = absent | doubt_if(~returned_known, CAP)
        odd = self.link | doubt_if(~known, CAP) | doubt_if(known & ~good & ~bad, ALIAS)
        unclear = np.where(self.complete >= 0, odd, absent)
        # a call without an IRP ends when it returns
        unclear = np.where(use < 0, doubt_if(~self.returned_good, CAP), unclear)
        self.unclear = np.where(self.failed, 0, unclear).astype(np.uint8)


def lacking(f: Facts, rows: NDArray[np.int64], k: NDArray[np.integer[Any]], state: Reached) -> Answer:
    """P: had the socket not yet reached the state at each row?

    ``k`` -1 is no socket, of which nothing is said. A return of success stands for the success where no completion
    was before.
    """
    missing = Answer(np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.uint8))
    look = np.flatnonzero(rows < at(state.settled, k, 0))
    if len(look):
        found = _lacking(f, rows[look], k[look], state)
        missing.seen[look], missing.doubt[look] = found.seen, found.doubt
    return missing


def _lacking(f: Facts, q: NDArray[np.int64], k: NDArray[np.integer[Any]], state: Reached) -> Answer:
    world = f.world
    done, told, back = state.done[k], state.told[k], state.back[k]
    found = (told < q) | (back < q)
    unclear = _unclear(world, state, k, q)
    missing = precedence(
        world,
        found,
        q,
        f.sockets.birth[k],
        whose(f, q, k),
        unclear,
        apart(world, told, q),
        apart(world, back, q),
        np.where(state.begun[k] < q, _ahead(f, k, q), 0).astype(np.uint8),
    )
    sure = ((done < q) & (apart(world, done, q) == 0)) | ((back < q) & (apart(world, back, q) == 0))
    vague = apart(world, np.where(told < q, told, back), q) | unclear
    return missing.doubting(np.where(found & ~sure, vague, 0).astype(np.uint8))


def whose(f: Facts, rows: NDArray[np.int64], k: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether each call was made on that socket, all of whose calls until then are in the trace."""
    birth = at(f.sockets.birth, k, 0).astype(np.int64)
    doubt = at(f.sockets.doubt, k, 0) | apart(f.world, birth, rows)
    return np.where(k >= 0, doubt | f.world.touch(birth, rows) | _hidden(f, birth, rows), 0).astype(np.uint8)


def _hidden(f: Facts, since: NDArray[np.int64], q: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return why calls on a socket between two rows may not show, beside losses."""
    return f.unlogged(SOCKET, since, q) | f.unlogged(IRP, since, q) | f.blind_calls


def _unclear(world: World, state: Reached, k: NDArray[np.integer[Any]], q: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return why a call that may have been entered before each row may have succeeded before it."""
    first = state.unclear[k]
    return np.where((first < q) | (apart(world, first, q) != 0), state.doubt[k], 0).astype(np.uint8)


def _ahead(f: Facts, k: NDArray[np.integer[Any]], q: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the doubt that a callback may have told of the success before the completion of the pending call did.

    Only callbacks that are enabled before it can: statically, or by conditional accept.
    """
    t = f.traits
    first = np.minimum(t.enabled[_CONDITIONAL].min(axis=0), t.static.min(axis=0))[k]
    early = (first < q) | (apart(f.world, first, q) != 0)
    unknown = f.closed_from(q) | t.enable_doubt[k] | doubt_if(~t.client_known[k], CAP) | f.blind_enabling
    return np.where(early, ORDER, unknown).astype(np.uint8)


def already(
    f: Facts, rows: NDArray[np.int64], k: NDArray[np.integer[Any]], state: Reached, *, since_ever: bool = True
) -> Answer:
    """F: had the socket certainly reached the state at each row?

    Only a completion with success shows it; a mere return of success leaves it in doubt. ``k`` -1 is no socket. What
    sockets from before the trace had reached is not known; ``since_ever`` says whether that matters.
    """
    world = f.world
    some = k >= 0
    birth = at(f.sockets.birth, k, 0).astype(np.int64)
    done, firm = at(state.done, k, NEVER_ROW), at(state.firm, k, NEVER_ROW)
    told = at(state.told, k, NEVER_ROW)
    seen = firm < rows
    since = np.where(seen, firm, birth)
    doubt = at(f.sockets.doubt, k, 0)
    if not since_ever:
        doubt = np.where(enlisted(f, k), doubt, doubt & ~np.uint8(START | LOST)).astype(np.uint8)
    doubt = doubt | world.touch(since, rows) | _hidden(f, since, rows)
    doubt |= apart(world, firm, rows) | apart(world, told, rows)
    said = (told < rows) | (at(state.back, k, NEVER_ROW) < rows)
    maybe = np.where(done < rows, ORDER, doubt_if(said, CAP)).astype(np.uint8)
    maybe[some] |= _unclear(world, state, k[some], rows[some])
    doubt = np.where(some, doubt | np.where(seen, 0, maybe), 0).astype(np.uint8)
    return Answer(seen, doubt)


# control requests ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requests:
    """WskControlSocket entries that ask one of some things: ``hit``, or may, for they do not say all: ``blind``."""

    rows: NDArray[np.int64]
    k: NDArray[np.int64]
    code: NDArray[np.uint32]
    hit: NDArray[np.bool_]
    blind: NDArray[np.bool_]

    def one_of(self, *codes: int) -> NDArray[np.bool_]:
        """Return which ask one of these."""
        found: NDArray[np.bool_] = self.hit & np.isin(self.code, codes)
        return found


def control_requests(f: Facts, *, options: tuple[int, ...] = (), ioctls: tuple[int, ...] = ()) -> Requests:
    """Return the requests that set one of these options of SOL_SOCKET, or one of these controls."""
    rows = f.enters("WskControlSocket")
    request, k1 = f.arg("request_type", rows)
    code, k2 = f.arg("control_code", rows)
    level, k3 = f.arg("level", rows)
    is_option = ~k1 | (request == c.WSK_SET_OPTION)
    is_option &= ~k2 | np.isin(code, options)
    is_option &= ~k3 | (level == c.SOL_SOCKET)
    is_ioctl = (~k1 | (request == c.WSK_IOCTL)) & (~k2 | np.isin(code, ioctls))
    may = (is_option & bool(options)) | (is_ioctl & bool(ioctls))
    chosen = np.flatnonzero(may)
    known = k1 & k2 & (k3 | (k1 & (request == c.WSK_IOCTL)))
    rows, code, known = rows[chosen], code[chosen], known[chosen]
    k = f.socket_of(rows)
    known &= (k >= 0) | ~nameless(f, rows)
    return Requests(rows, k, code.astype(np.uint32), known & (k >= 0), ~known)
