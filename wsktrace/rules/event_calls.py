"""Calls that enable or disable event callbacks on a socket, and how certain it is which socket they are on.

Source: NET so-wsk-event-callback; native-provider, InputValue (the event mask, bit 63 for a foreign NpiId).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from wsktrace.rules.facts import SOCKET, Facts, so
from wsktrace.rules.shapes import ALIAS, doubt_if
from wsktrace.wsk import constants as c
from wsktrace.wsk.ops import KNOWN_SOCKET

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONNECTION_EVENTS", "EVENTS", "EventCalls", "event_calls", "event_words", "outcome", "socket_doubt"]

#: Bit of the event mask → its public name.
EVENTS: dict[int, str] = {
    c.WSK_EVENT_SEND_BACKLOG: "WSK_EVENT_SEND_BACKLOG",
    c.WSK_EVENT_RECEIVE: "WSK_EVENT_RECEIVE",
    c.WSK_EVENT_DISCONNECT: "WSK_EVENT_DISCONNECT",
    c.WSK_EVENT_RECEIVE_FROM: "WSK_EVENT_RECEIVE_FROM",
    c.WSK_EVENT_ACCEPT: "WSK_EVENT_ACCEPT",
}
CONNECTION_EVENTS = c.WSK_EVENT_SEND_BACKLOG | c.WSK_EVENT_RECEIVE | c.WSK_EVENT_DISCONNECT
_BITS = c.WSK_EVENT_DISABLE - 1


@dataclass(frozen=True, slots=True)
class EventCalls:
    """Entry rows of the calls that set SO_WSK_EVENT_CALLBACK, or may: ``sure`` where it is one, with a known mask.

    ``bits`` is the mask without the bit that disables; ``socket`` the socket each is on, -1 where unknown. Calls for
    another NPI than WSK's own are not among them. ``others`` counts the calls of WskControlSocket that are none.
    """

    rows: NDArray[np.int64]
    sure: NDArray[np.bool_]
    bits: NDArray[np.uint32]
    disables: NDArray[np.bool_]
    socket: NDArray[np.int64]
    socket_known: NDArray[np.bool_]
    others: int


_known: WeakKeyDictionary[Facts, EventCalls] = WeakKeyDictionary()


def event_calls(f: Facts) -> EventCalls:
    """Return the calls of one load that enable or disable event callbacks on a socket; found once."""
    found = _known.get(f)
    if found is None:
        found = _known[f] = _find(f)
    return found


def _find(f: Facts) -> EventCalls:
    every = f.enters("WskControlSocket")
    code, code_known = f.arg("control_code", every)
    rows, code_known = _kept(~code_known | (code == c.SO_WSK_EVENT_CALLBACK), every, code_known)
    request, request_known = f.arg("request_type", rows)
    level, level_known = f.arg("level", rows)
    mask, mask_known = f.arg("input_value", rows)
    mask = mask.astype(np.uint64)
    stays = (~request_known | (request == c.WSK_SET_OPTION)) & (~level_known | (level == c.SOL_SOCKET))
    stays &= ~(mask_known & ((mask & np.uint64(c.FOREIGN_NPI)) != 0))
    sure = code_known & request_known & level_known & mask_known
    rows, sure, mask = _kept(stays, rows, sure, mask)
    return EventCalls(
        rows=rows,
        sure=sure,
        bits=(mask & np.uint64(_BITS)).astype(np.uint32),
        disables=(mask & np.uint64(c.WSK_EVENT_DISABLE)) != 0,
        socket=f.socket_of(rows),
        socket_known=(f.ops.known[rows] & KNOWN_SOCKET) != 0,
        others=len(every) - len(rows),
    )


def _kept(which: NDArray[np.bool_], *columns: NDArray[Any]) -> list[NDArray[Any]]:
    return [column[which] for column in columns]


def event_words(bits: int | np.integer[Any]) -> str:
    """Name the events of a mask, bits without a name in hexadecimal."""
    names = [name for bit, name in EVENTS.items() if int(bits) & bit]
    rest = int(bits) & ~sum(EVENTS)
    return " and ".join([*names, *([f"0x{rest:x}"] if rest else [])]) or "no event"


def outcome(f: Facts, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (succeeded, failed) of the calls entered at these rows; neither where that is not known.

    A call with an IRP has succeeded when that IRP completed so.
    """
    ends = f.world.mate[rows].astype(np.int64)
    status, known = f.status(ends)
    # a lost event may have paired the entry with another call's return
    known = known & (ends >= 0) & (f.world.touch(rows, ends) == 0)
    use = f.submission(rows)
    certain = np.append(f.irps.link_doubt == 0, False)
    ended_well = np.append(f.irps.succeeded(), False)[use] & certain[use]
    ended_badly = np.append(f.irps.failed(), False)[use] & certain[use]
    error = known & (status >= 0x80000000)
    good = known & ~error & (status != c.STATUS_PENDING)
    return np.where(use >= 0, ended_well & ~error, good), error | ended_badly


def socket_doubt(f: Facts, rows: NDArray[np.integer[Any]], socket: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether each call is on that socket (≥ 0), to which the trace gives it, and on no later one."""
    s = f.sockets
    birth: NDArray[np.integer[Any]] = s.birth[socket]
    doubt: NDArray[np.uint8] = s.doubt[socket] | f.world.touch(birth, rows) | f.unlogged(SOCKET, birth, rows)
    doubt |= f.world.unordered(birth, rows)
    # only a socket that has ended leaves its address to one that was born unseen
    ended = (s.close[socket] >= 0) & (s.close[socket] < rows)
    ended |= (s.rejected[socket] >= 0) & (s.rejected[socket] < rows)
    answer = f.world.mate[birth].astype(np.int64)
    by_event = s.origin[socket] == so.ORIGINS.index("accept_event")
    ended |= by_event & ((answer < 0) | ~f.status(answer)[1])
    ended |= f.blind_calls != 0
    after = np.flatnonzero(ended)
    doubt[after] |= f.hidden_birth(birth[after], rows[after]) | f.births_unlogged(birth[after], rows[after])
    doubt[after] |= f.closed_from(rows[after])
    # nor is a completion that may be any call's certain not to have brought one
    maybe = s.lane.kind == so.MAYBE
    if bool(np.any(maybe)):
        named = s.lane.lane.keys[np.unique(s.lane.lane.group[maybe])]
        doubt |= doubt_if(np.isin(s.address[socket], named), ALIAS)
    return doubt
