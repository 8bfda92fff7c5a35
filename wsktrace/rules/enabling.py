"""Rules about how event callbacks are enabled and disabled on a socket.

Those about callbacks that are enabled for all sockets of a client are in ``static_enabling``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.calls import of_calls
from wsktrace.rules.event_calls import CONNECTION_EVENTS, EVENTS, event_calls, event_words, outcome, socket_doubt
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, ORDER, Answer, doubt_if, forbidden_follow, join, local
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.event_calls import EventCalls
    from wsktrace.rules.facts import Facts

FAMILY = "callbacks"
_SOURCE = "NET so-wsk-event-callback"
#: Flags of the socket → events that can be enabled on it; a listener passes connection events on.
_ALLOWED = {
    c.WSK_FLAG_BASIC_SOCKET: 0,
    c.WSK_FLAG_LISTEN_SOCKET: c.WSK_EVENT_ACCEPT | CONNECTION_EVENTS,
    c.WSK_FLAG_CONNECTION_SOCKET: CONNECTION_EVENTS,
    c.WSK_FLAG_DATAGRAM_SOCKET: c.WSK_EVENT_RECEIVE_FROM,
    c.WSK_FLAG_STREAM_SOCKET: c.WSK_EVENT_ACCEPT | CONNECTION_EVENTS,
}


def _on(f: Facts, calls: EventCalls, i: int) -> str:
    return f"on socket {f.say(f.ops.socket[calls.rows[i]])}"


@rule(
    "EVENT-ENABLE-IRP",
    severity="warning",
    party="client",
    shape="L",
    source=_SOURCE,
    needs="WskControlSocket entries with RequestType, ControlCode, Level, InputValue and Irp",
    traced=("WskControlSocket",),
    advice="Pass NULL and take what the call returns: enabling is done when it is back.",
    limits="Calls for a NpiId other than WSK's own are not judged.",
)
def event_enable_irp(f: Facts) -> Instances:
    """No IRP is passed to the call that enables event callbacks on a socket.

    Only disabling may have to wait, for callbacks that are running; enabling never does, and nothing says that an IRP
    given to it would be completed.
    """
    calls = event_calls(f)
    irp, irp_known = f.irp(calls.rows)
    broken = local(irp != 0, calls.sure & irp_known)

    def tell(i: int) -> str:
        return f"{event_words(calls.bits[i])} was enabled {_on(f, calls, i)} with IRP {f.say(irp[i])}"

    return of_calls(f, calls.rows, ~(calls.sure & calls.disables), broken, tell, calls.others)


@rule(
    "EVENT-DISABLE-MULTI",
    severity="error",
    party="client",
    shape="L",
    source=_SOURCE,
    needs="WskControlSocket entries with RequestType, ControlCode, Level and InputValue",
    traced=("WskControlSocket",),
    advice="Call once per event, each time with WSK_EVENT_DISABLE and that one event.",
    limits="Calls for a NpiId other than WSK's own are not judged.",
)
def event_disable_multi(f: Facts) -> Instances:
    """A call that disables event callbacks names exactly one event.

    Several events may be enabled at once, but each of them is disabled by a call of its own, for each may have a
    callback running that must be waited for.
    """
    calls = event_calls(f)
    one = (calls.bits != 0) & ((calls.bits & (calls.bits - np.minimum(calls.bits, 1).astype(np.uint32))) == 0)

    def tell(i: int) -> str:
        return f"one call disabled {event_words(calls.bits[i])} {_on(f, calls, i)}; it must name exactly one event"

    return of_calls(f, calls.rows, ~calls.sure | calls.disables, local(~one, calls.sure), tell, calls.others)


@rule(
    "EVENT-CATEGORY",
    severity="error",
    party="client",
    shape="J",
    source=_SOURCE,
    needs="WskControlSocket entries with RequestType, ControlCode, Level and InputValue, creations with Flags, accepts",
    traced=("WskControlSocket", "creations", "IrpComplete", "WskAcceptEvent"),
    follows={"FLAGS-INVALID": "socket", "FLAGS-MULTIPLE": "socket"},
    advice="Enable what the category has: WSK_EVENT_RECEIVE_FROM on datagram, WSK_EVENT_RECEIVE on connection sockets.",
    limits=(
        "Calls for a NpiId other than WSK's own are not judged, nor sockets whose Flags name no category. Where the "
        "creation is not in the trace, only events are wrong that no category has together."
    ),
)
def event_category(f: Facts) -> Instances:
    """Only events of the socket's category are enabled or disabled on it.

    Datagram sockets have WSK_EVENT_RECEIVE_FROM; connection sockets, accepted ones too, WSK_EVENT_RECEIVE, DISCONNECT
    and SEND_BACKLOG; listening and stream sockets these and WSK_EVENT_ACCEPT; basic sockets none.
    """
    calls, t = event_calls(f), f.traits
    n, bits = len(calls.rows), calls.bits
    has = calls.socket >= 0
    k = np.where(has, calls.socket, len(f.sockets))
    flags, flags_known = np.append(t.flags, np.uint32(0))[k], np.append(t.flags_known, False)[k]
    allowed, category = np.zeros(n, np.uint32), ~flags_known
    for flag, events in _ALLOWED.items():
        allowed[flags == flag] = events
        category |= flags == flag
    # what no category has, whatever the socket is
    strange = (bits & ~np.uint32(sum(EVENTS))) != 0
    strange |= ((bits & c.WSK_EVENT_RECEIVE_FROM) != 0) & ((bits & ~np.uint32(c.WSK_EVENT_RECEIVE_FROM)) != 0)
    strange &= calls.sure
    doubt = doubt_if(~calls.sure, CAP)
    place = np.flatnonzero(has)
    doubt[place] |= socket_doubt(f, calls.rows[place], calls.socket[place])
    wrong = ((bits & ~allowed) != 0) & flags_known
    broken = join(wrong, flags_known, doubt)
    broken = Answer(broken.seen | strange, broken.doubt).settled_where(strange)

    def tell(i: int) -> str:
        verb = "disabled" if calls.disables[i] else "enabled"
        if strange[i]:
            return f"{event_words(bits[i])} was {verb} {_on(f, calls, i)}; no socket has that"
        what = f"{event_words(bits[i] & ~allowed[i])} was {verb} {_on(f, calls, i)}"
        return f"{what}, which is a {c.category_of(int(flags[i]))} socket and has no such event"

    applies = category & (has | ~calls.socket_known | strange)
    found = of_calls(f, calls.rows, applies, broken, tell, calls.others)
    found.evidence = (np.append(f.sockets.create, -1)[k], calls.rows)
    return found


def _first_listen(f: Facts) -> NDArray[np.int64]:
    """Return per socket the row of the first WskListen on it that did not fail, past the end where there is none."""
    rows = f.enters("WskListen")
    on, failed = f.socket_of(rows), outcome(f, rows)[1]
    first = np.full(len(f.sockets), len(f.world), np.int64)
    good = (on >= 0) & ~failed
    np.minimum.at(first, on[good], rows[good])
    return first


def _enabled_before(f: Facts, calls: EventCalls, chosen: NDArray[np.int64], listen: NDArray[np.int64]) -> Answer:
    """Tell of each chosen call whether a connection event that it names was enabled on its socket before."""
    of_same = np.flatnonzero(np.isin(calls.socket, calls.socket[chosen]))
    lane = f.lane(calls.rows[of_same], calls.socket[of_same])
    index = of_same[lane.order]
    place = np.full(len(calls.rows), -1, np.int64)
    place[index] = np.arange(len(index))
    good, bad = outcome(f, calls.rows[index])
    begun = listen[calls.socket[index]]
    late = calls.rows[index] > begun
    early = late & (begun >= 0)
    early[early] = f.world.unordered(begun[early], calls.rows[index][early]) != 0
    on = calls.sure[index] & ~calls.disables[index] & good & late & ~early
    maybe = (~calls.sure[index] | ~calls.disables[index]) & ~on & ~bad & (late | ~calls.sure[index])
    total = Answer(np.zeros(len(chosen), np.bool_), np.zeros(len(chosen), np.uint8))
    for bit in EVENTS:
        if not bit & CONNECTION_EVENTS:
            continue
        here = (calls.bits[index] & bit) != 0
        asked = Answer((calls.bits[chosen] & bit) != 0, np.zeros(len(chosen), np.uint8))
        enabled = forbidden_follow(
            f.world,
            lane,
            after=on & here,
            until=np.zeros(len(lane), np.bool_),
            at=place[chosen],
            maybe=maybe & (here | ~calls.sure[index]),
            since_ever=False,
        )
        total = total | (asked & enabled)
    return total


@rule(
    "EVENT-INHERITED-DISABLE",
    severity="error",
    party="client",
    shape="F",
    source=_SOURCE,
    needs=(
        "WskControlSocket entries and returns with RequestType, ControlCode, Level and InputValue, creations with "
        "Flags, WskListen entries"
    ),
    traced=("WskControlSocket", "WskControlSocket return", "creations", "IrpComplete", "WskListen"),
    advice="Disable the event on each accepted socket; on the listener it stays enabled until that is closed.",
    limits=(
        "An enabling call that failed does not count. "
        "A stream socket counts as listening from WskListen on, for events that are enabled after it."
    ),
)
def event_inherited_disable(f: Facts) -> Instances:
    """Connection events that were enabled on a listening socket are not disabled there.

    They are meant for the sockets that it accepts, which inherit them; each of these may disable them for itself.
    """
    calls, t, s = event_calls(f), f.traits, f.sockets
    wanted = ~calls.sure | (calls.disables & ((calls.bits & CONNECTION_EVENTS) != 0))
    k = np.where(calls.socket >= 0, calls.socket, len(s))
    flags, flags_known = np.append(t.flags, np.uint32(0))[k], np.append(t.flags_known, False)[k]
    listens = flags == c.WSK_FLAG_LISTEN_SOCKET
    stream = flags == c.WSK_FLAG_STREAM_SOCKET
    at = np.flatnonzero(wanted & (~flags_known | listens | stream) & (calls.socket >= 0))
    rows, on, stream = calls.rows[at], calls.socket[at], stream[at]
    listen = np.where(t.flags == c.WSK_FLAG_STREAM_SOCKET, _first_listen(f), -1)
    broken = _enabled_before(f, calls, at, listen)
    doubt = socket_doubt(f, rows, on) | doubt_if(~calls.sure[at], CAP)
    doubt |= doubt_if(~flags_known[at] & (doubt == 0), CAP)
    # not yet seen listening, and an entry may stand on the other side
    begun = listen[on]
    soon = np.flatnonzero(stream & (begun > rows) & (begun < len(f.world)))
    doubt[soon] |= np.where(f.world.unordered(rows[soon], begun[soon]) != 0, ORDER, 0).astype(np.uint8)
    doubt |= doubt_if(stream & (f.blind_calls != 0), ALIAS)
    known = flags_known[at] & calls.sure[at]
    broken = Answer(broken.seen & known, broken.doubt).doubting(doubt.astype(np.uint8))

    def tell(i: int) -> str:
        what = (
            f"{event_words(calls.bits[at[i]] & np.uint32(CONNECTION_EVENTS))} was disabled {_on(f, calls, int(at[i]))}"
        )
        return f"{what}, which listens and had it enabled for the sockets that it accepts"

    irp = f.submission(rows)
    outside = calls.others + len(calls.rows) - len(at)
    every: NDArray[np.integer[Any]] = s.create[on]
    return Instances(rows, np.ones(len(at), bool), broken, "irps", irp, irp, on, tell, (every, rows), outside=outside)
