"""The oracle's rules about socket state: one load at a time, naively."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from wsktrace.testing.events import START, STOP
from wsktrace.testing.oracle_load import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Socket, Submission
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_EVERY = {"WskControlSocket", "WskCloseSocket"}
_CONNECTING = {
    *("WskBind", "WskConnect", "WskConnectEx", "WskGetLocalAddress", "WskGetRemoteAddress", "WskSend", "WskReceive"),
    *("WskDisconnect", "WskRelease"),
}
_HAS: Final = {
    "basic": _EVERY,
    "listen": _EVERY | {"WskBind", "WskAccept", "WskInspectComplete", "WskGetLocalAddress"},
    "datagram": _EVERY
    | {"WskBind", "WskSendTo", "WskReceiveFrom", "WskRelease", "WskGetLocalAddress", "WskSendMessages"},
    "connection": _EVERY | _CONNECTING,
    "stream": _EVERY | _CONNECTING | {"WskAccept", "WskListen", "WskInspectComplete"},
}
_NEEDS_BIND = {
    *("WskConnect", "WskConnectEx", "WskListen", "WskAccept", "WskSendTo", "WskReceiveFrom", "WskSendMessages"),
    "WskGetLocalAddress",
}
_NEEDS_CONNECT = {"WskSend", "WskReceive", "WskDisconnect", "WskGetRemoteAddress"}
_BRINGS = {"WskBind": "bound", "WskConnect": "connected", "WskConnectEx": "connected", "WskListen": "listening"}
_ERROR, _PENDING = 0x80000000, 0x103
#: (request, code): of an option or a control
_SECURITY, _EVENTS, _CONDITIONAL = (0, 0x4001), (0, 0x4002), (0, 0x3002)
_PRE_BIND = {(0, 0x4), (0, 0xFFFFFFFB)}
_POST_BIND = {(2, 0x8F000001), (2, 0x8F000006)}
_POST_CONNECT = {(2, 0x4F000003), (2, 0x4F000004)}
_SILENT = (2, 0x2F000007)
_ACCEPT, _FOREIGN = 0x200, 1 << 63


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    life = _Life(load)
    for at, event in load.events.items():
        if event.opcode == START and at in load.uses:
            yield from life.called(at, event, load.uses[at])
        yield from life.ended(at, event)


class _Life:
    """What the sockets of a load have reached by now."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.place = {id(event): at for at, event in load.events.items()}
        self.completing = {id(use.completion): use for use in load.uses.values() if use.completion}
        #: socket → states that it has certainly reached, and those that a return of success spoke of
        self.state: dict[Socket, set[str]] = defaultdict(set)
        self.told: dict[Socket, set[str]] = defaultdict(set)
        self.closing: set[Socket] = set()
        self.here: dict[int, Socket] = {}
        self.ever: set[int] = set()
        self.early: set[int] = set()
        self.connects_later = {
            use.socket
            for use in load.uses.values()
            if use.socket and use.name in ("WskConnect", "WskConnectEx") and _succeeded(use)
        }

    # beginnings and ends --------------------------------------------------------------------------------------------

    def ended(self, at: int, event: Event) -> Iterator[Broken]:
        if event.name == "WskAcceptEvent" and event.opcode == START and event.fields["AcceptSocket"]:
            born = [socket for socket in self.load.sockets if socket.birth is event]
            yield from self._born(born, event, event.fields["AcceptSocket"])
        elif event.name == "WskAcceptEvent" and event.opcode == STOP and event.fields["Status"] >= _ERROR:
            address = self.load.events[self.load.start_of[at]].fields["AcceptSocket"]
            self.here.pop(address, None)
        elif event.opcode == STOP and event.fields.get("Status", _ERROR) == 0 and at in self.load.start_of:
            use = self.load.uses.get(self.load.start_of[at])
            if use and use.socket and use.name in _BRINGS:
                self.told[use.socket].add(_BRINGS[use.name])
        use = self.completing.get(id(event))
        if not use or not _succeeded(use):
            return
        if use.child and use.child.address:
            yield from self._born([use.child], event, use.child.address)
        elif use.socket and use.name in _BRINGS:
            self.state[use.socket].add(_BRINGS[use.name])
        elif use.socket and _asks(use.event) == _SILENT:
            self.state[use.socket].add("silent")

    def _born(self, born: list[Socket], event: Event, address: int) -> Iterator[Broken]:
        old = self.here.get(address)
        if old and old not in self.closing:
            yield Broken("WSK-SOCKET-PTR-DUPLICATE", event.fields.get("Irp", 0), address, event.time)
        self.ever.add(address)
        for socket in born:
            self.here[address] = socket
            if socket.birth.name != "WskSocket":
                self.state[socket] |= {"bound", "connected"}

    # calls ----------------------------------------------------------------------------------------------------------

    def called(self, at: int, event: Event, use: Submission) -> Iterator[Broken]:
        address, socket = event.fields.get("Socket", 0), use.socket

        def broken(rule: str) -> Broken:
            return Broken(f"WSK-{rule}", use.irp, address, event.time)

        if address and address not in self.ever and address not in self.early and self._being_made(at, address):
            self.early.add(address)
            yield broken("SOCKET-USE-BEFORE-CREATE")
        if not socket or socket in self.closing or socket not in self.here.values():
            return
        state, name = self.state[socket], event.name
        category = socket.category
        if name == "WskCloseSocket":
            self.closing.add(socket)
            return
        if category and name not in _HAS[category]:
            yield broken("CATEGORY-CALL")
        elif name in _NEEDS_BIND and "bound" not in state | self.told[socket]:
            yield broken("BIND-REQUIRED")
        elif name in _NEEDS_CONNECT and "connected" not in state | self.told[socket]:
            yield broken("CONNECT-REQUIRED")
        if category == "stream":
            opposite = "listening" if name.startswith("WskConnect") else "connected"
            if name in ("WskConnect", "WskConnectEx", "WskListen", "WskAccept") and opposite in state:
                yield broken("STREAM-ROLE")
        if "silent" in state:
            yield broken("SILENT-MODE-USE")
        if name == "WskControlSocket":
            for rule in self._control(at, event, socket):
                yield broken(rule)

    def _control(self, at: int, event: Event, socket: Socket) -> Iterator[str]:
        state, told = self.state[socket], self.told[socket] | self.state[socket]
        asked, category = _asks(event), socket.category
        bound, connected = "bound" in told, "connected" in told
        if asked == _SECURITY and "bound" in state:
            yield "SD-SET-AFTER-BIND"
        if asked == _CONDITIONAL and ("bound" in state or category not in ("listen", "stream", "")):
            yield "CONDACCEPT-AFTER-BIND"
        if asked in _PRE_BIND and "bound" in state:
            yield "OPT-ORDER"
        if asked in _POST_BIND and category == "datagram" and not bound:
            yield "OPT-ORDER"
        if asked in _POST_CONNECT and category in ("connection", "stream") and not connected:
            yield "OPT-ORDER"
        if asked == _EVENTS and not event.fields["InputValue"] & _FOREIGN:
            by_bind = category in ("listen", "datagram", "stream")
            accepting = bool(event.fields["InputValue"] & _ACCEPT)
            by_connect = category == "stream" and socket in self.connects_later and not accepting
            if (by_bind and not bound) or ((by_connect or category == "connection") and not connected):
                yield "EVENT-ENABLE-TOO-EARLY"
        if asked == _SILENT and any(self._pending(at, other, socket) for other in self.load.uses.items()):
            yield "SILENT-MODE-USE"

    def _pending(self, now: int, other: tuple[int, Submission], socket: Socket) -> bool:
        at, use = other
        if use.socket is not socket or use.name not in ("WskSend", "WskDisconnect") or not use.irp or at > now:
            return False
        if use.completion:
            return self.place[id(use.completion)] > now
        return use.returned in (None, _PENDING)

    def _being_made(self, now: int, address: int) -> bool:
        """Whether a creation is open that will bring the socket of that address."""
        return any(
            use.child is not None
            and use.child.address == address
            and use.completion is not None
            and at < now < self.place[id(use.completion)]
            for at, use in self.load.uses.items()
        )


def _succeeded(use: Submission) -> bool:
    status = use.completion.fields["Status"] if use.completion else _ERROR
    return status < _ERROR and status != _PENDING


def _asks(event: Event) -> tuple[int, int]:
    """Return (request, code) of a control request; options of other levels than SOL_SOCKET ask nothing here."""
    if event.name != "WskControlSocket":
        return (-1, 0)
    fields = event.fields
    if fields["RequestType"] != 2 and fields["Level"] != 0xFFFF:
        return (-1, 0)
    return fields["RequestType"], fields["ControlCode"]
