"""The oracle's rules about enabling: one load at a time, naively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.testing.draft import SECOND
from wsktrace.testing.events import START, STOP
from wsktrace.testing.oracle_load import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Socket, Submission
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_SUCCESS, _PENDING, _NOT_ACCEPTED, _REFUSED = 0, 0x103, 0xC000021B, 0xC00000D0
_DISABLE, _FOREIGN = 1 << 31, 1 << 63
_CONNECTION, _EVENTS = 0xD0, 0x3D0
_CATEGORY = {"basic": 0, "listen": 0x2D0, "connection": 0xD0, "datagram": 0x100, "stream": 0x2D0}
_MAY_RETURN = {
    "WskAcceptEvent": {_SUCCESS, _REFUSED},
    "WskReceiveEvent": {_SUCCESS, _PENDING, _NOT_ACCEPTED},
    "WskReceiveFromEvent": {_SUCCESS, _PENDING, _NOT_ACCEPTED},
    "WskDisconnectEvent": {_SUCCESS},
    "WskAbortEvent": {_SUCCESS},
    "WskSendBacklogEvent": {_SUCCESS},
}
_INSPECT_WITHIN = 60 * SECOND


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    yield from _masks(load)
    yield from _clients(load)
    yield from _returns(load)
    yield from _refused(load)
    yield from _inspections(load)
    yield from _retained(load)


def _well(load: Load, at: int, use: Submission) -> bool:
    """Tell whether a call succeeded."""
    if use.irp:
        return use.completion is not None and use.completion.fields["Status"] == _SUCCESS
    stop = load.stop_of.get(at)
    return stop is not None and load.events[stop].fields["Status"] == _SUCCESS


def _masks(load: Load) -> Iterator[Broken]:
    """SO_WSK_EVENT_CALLBACK: what a mask may hold."""
    inherited: dict[Socket, int] = {}
    listening: set[Socket] = set()
    for at, use in load.calls("WskControlSocket", "WskListen"):
        fields, socket = use.event.fields, use.socket
        if use.name == "WskListen":
            if socket and _well(load, at, use):
                listening.add(socket)
            continue
        mask = fields["InputValue"]
        if (fields["RequestType"], fields["ControlCode"], fields["Level"]) != (0, 0x4002, 0xFFFF) or mask & _FOREIGN:
            continue
        bits, address = mask & 0x7FFFFFFF, fields["Socket"]
        about = Broken("", use.irp, address, use.time)
        if not mask & _DISABLE and use.irp:
            yield about._replace(rule="WSK-EVENT-ENABLE-IRP")
        if mask & _DISABLE and bits.bit_count() != 1:
            yield about._replace(rule="WSK-EVENT-DISABLE-MULTI")
        if socket is None:
            continue
        if bits & ~_CATEGORY.get(socket.category, bits):
            yield about._replace(rule="WSK-EVENT-CATEGORY")
        listens = socket.category == "listen" or (socket.category == "stream" and socket in listening)
        if mask & _DISABLE and inherited.get(socket, 0) & bits & _CONNECTION:
            yield about._replace(rule="WSK-EVENT-INHERITED-DISABLE")
        elif not mask & _DISABLE and listens and _well(load, at, use):
            inherited[socket] = inherited.get(socket, 0) | bits


def _clients(load: Load) -> Iterator[Broken]:
    """Calls for a whole client, and what they forbid on its sockets."""
    static: dict[int, int] = {}  # client → events that are enabled for all of its sockets
    made: set[int] = set()  # clients that have created a socket
    fixed: dict[Socket, int] = {}  # socket → events that were enabled so when it was created
    fresh: set[int] = set()  # registrations whose client is yet to come
    born = {id(socket.birth): socket for socket in load.sockets}
    for at, event in load.events.items():
        fields = event.fields
        if (event.name, event.opcode) == ("WskRegister", START):
            fresh.add(fields["Registration"])
        elif (event.name, event.opcode) == ("WskCaptureProviderNPI", STOP) and fields["Status"] == _SUCCESS:
            if fields["Registration"] in fresh:
                static.pop(fields["Client"], None)
                made.discard(fields["Client"])
            fresh.discard(fields["Registration"])
        if event.opcode != START:
            continue
        if socket := born.get(id(event)):
            fixed[socket] = static.get(socket.client, 0)
        if event.name in ("WskSocket", "WskSocketConnect"):
            made.add(fields["Client"])
        elif event.name == "WskControlClient" and fields["ControlCode"] in (6, 7, 8) and fields["Client"]:
            if fields["Client"] in made:
                yield Broken("WSK-STATIC-AFTER-SOCKET", 0, 0, event.time, fields["Client"])
            if fields["ControlCode"] == 7 and _well(load, at, load.uses[at]) and not fields["InputValue"] & _FOREIGN:
                static[fields["Client"]] = static.get(fields["Client"], 0) | fields["InputValue"]
        elif event.name == "WskControlSocket" and (on := load.uses[at].socket):
            code, mask = (fields["RequestType"], fields["ControlCode"], fields["Level"]), fields["InputValue"]
            if code == (0, 0x4002, 0xFFFF) and not mask & _FOREIGN and mask & fixed.get(on, 0) & _EVENTS:
                yield Broken("WSK-EVENT-STATIC-CHANGE", load.uses[at].irp, fields["Socket"], event.time)


def _returns(load: Load) -> Iterator[Broken]:
    """What callbacks return."""
    for at, event in load.events.items():
        if event.opcode != STOP or not event.name.endswith("Event"):
            continue
        if event.name == "WskInspectEvent":
            fits = event.fields["Action"] in (0, 1, 2)
        else:
            fits = event.fields["Status"] in _MAY_RETURN[event.name]
        if not fits:
            begun = load.events[load.start_of[at]]
            on = _live(load, begun.fields["SocketContext"], begun.time)
            yield Broken("WSK-CALLBACK-RETVAL", 0, on[0].address if len(on) == 1 else 0, event.time)


def _refused(load: Load) -> Iterator[Broken]:
    """Calls on sockets that an accept callback refused."""
    brings = {id(use.completion): use.child for _, use in load.calls() if use.completion and use.child}
    refused: set[int] = set()
    for at, event in load.events.items():
        if event.name == "WskAcceptEvent" and event.opcode == START:
            refused.discard(event.fields["AcceptSocket"])
        elif event.name == "WskAcceptEvent" and event.fields["Status"] == _REFUSED:
            refused.add(load.events[load.start_of[at]].fields["AcceptSocket"])
        elif id(event) in brings and event.fields["Status"] == _SUCCESS:
            refused.discard(event.fields["Information"])
        elif at in load.uses and event.fields.get("Socket", 0) in refused - {0}:
            yield Broken("WSK-ACCEPT-REJECTED-USE", event.fields.get("Irp", 0), event.fields["Socket"], event.time)


def _live(load: Load, context: int, time: int) -> list[Socket]:
    """Return the sockets that have this context then; NULL is nobody's."""
    found = []
    for socket in load.sockets if context else ():
        closed = socket.close.completion.time if socket.close and socket.close.completion else None
        if socket.context == context and socket.birth.time <= time and (closed is None or closed >= time):
            found.append(socket)
    return found


def _inspections(load: Load) -> Iterator[Broken]:
    """Requests that were left pending."""
    for at, event in load.events.items():
        if event.name != "WskInspectEvent" or event.opcode != STOP or event.fields["Action"] != 2:
            continue
        begun = load.events[load.start_of[at]]
        request = _request(begun)
        on = _live(load, begun.fields["SocketContext"], begun.time)
        if len(on) != 1:
            continue
        times, anew = [on[0].close.time] if on[0].close else [], load.end + 2 * _INSPECT_WITHIN
        for other in load.events.values():
            if other.opcode != START or other.time <= begun.time or _request(other) != request:
                continue
            if other.name == "WskInspectEvent":
                anew = min(anew, other.time)
            elif other.time < anew:
                times.append(other.time)
        came = min(times, default=load.end)
        # the id of one that is over may be given to another, and nobody said how it ended
        if anew - event.time <= _INSPECT_WITHIN and (anew < came or not times):
            continue
        if came - event.time > _INSPECT_WITHIN or (not times and load.unloaded):
            yield Broken("WSK-INSPECT-NOT-COMPLETED", 0, on[0].address, event.time)


def _request(event: Event) -> tuple[int, int] | None:
    """Return the id of the connection request that an event speaks of."""
    fields = event.fields
    return (fields["InspectKey"], fields["InspectSerial"]) if "InspectKey" in fields else None


def _retained(load: Load) -> Iterator[Broken]:
    """Lists of data that were retained when their socket was closed."""
    held: dict[Socket, set[int]] = {}
    for at, event in load.events.items():
        fields = event.fields
        if event.name in ("WskReceiveEvent", "WskReceiveFromEvent") and event.opcode == STOP:
            begun = load.events[load.start_of[at]]
            on = _live(load, fields["SocketContext"], begun.time)
            if fields["Status"] == _PENDING and begun.fields["Indication"] and len(on) == 1 and fields["SocketContext"]:
                held.setdefault(on[0], set()).add(begun.fields["Indication"])
        elif event.name == "WskRelease" and event.opcode == START:
            # it may hold others of the socket, too, that were joined to it
            for socket, lists in held.items():
                if socket.address == fields["Socket"] or fields["Indication"] in lists:
                    lists.clear()
        elif event.name == "WskCloseSocket" and event.opcode == START:
            closed = load.uses[at].socket
            if closed and closed.close and closed.close.event is event and held.get(closed):
                yield Broken("WSK-INDICATION-RETAINED", fields["Irp"], closed.address, event.time)
