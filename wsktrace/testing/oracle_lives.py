"""What the oracle remembers of one use of an IRP and of one socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsktrace.testing import oracle_local as local
from wsktrace.testing.events import START, STOP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.testing.events import Event

__all__ = ["Socket", "Submission", "pair", "unused"]

#: Callback → bit of the event mask; Inspect and Abort come with conditional accept.
_BITS = {
    "WskAcceptEvent": 0x200,
    "WskReceiveFromEvent": 0x100,
    "WskReceiveEvent": 0x40,
    "WskDisconnectEvent": 0x80,
    "WskSendBacklogEvent": 0x10,
}
#: Member of the dispatch table, by bit → bit of the event mask.
_MEMBER_EVENTS = {0x1: 0x200, 0x8: 0x100, 0x10: 0x40, 0x20: 0x80, 0x40: 0x10}
_CONDITIONAL_MEMBERS = 0x6
#: Category → events that sockets of it can have enabled, those inherited by accepted sockets included.
_RELEVANT = {"listen": 0x2D0, "datagram": 0x100, "connection": 0xD0, "stream": 0x2D0}


@dataclass(eq=False)
class Submission:
    """One call, with its IRP if it was given one."""

    event: Event
    socket: Socket | None
    creates: bool
    own: bool = False
    superseded: bool = False
    returned: int | None = None
    returned_at: int = 0
    completion: Event | None = None
    child: Socket | None = None

    @property
    def name(self) -> str:
        """The call's name."""
        return self.event.name

    @property
    def time(self) -> int:
        """When it was entered."""
        return self.event.time

    @property
    def irp(self) -> int:
        """Address of its IRP, 0 where it was given none."""
        return self.event.fields.get("Irp", 0)

    @property
    def client(self) -> int:
        """Client that the call, or its socket, belongs to."""
        return self.event.fields.get("Client", self.socket.client if self.socket else 0)

    @property
    def address(self) -> int:
        """Address of the socket it was made on, or that it created."""
        return self.event.fields.get("Socket", 0) or (self.child.address if self.child else 0)


@dataclass(eq=False)
class Socket:
    """One socket, from the call or callback that will bring it."""

    birth: Event
    listener: Socket | None
    address: int = 0
    context: int = field(init=False)
    dispatch: int = field(init=False)
    members: int = field(init=False)
    category: str = field(init=False)
    client: int = field(init=False)
    irp: int = field(init=False)
    enabled: int = 0
    conditional: bool = False
    failed: bool = False
    close: Submission | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        fields = self.birth.fields
        self.context = fields.get("AcceptSocketContext", 0)
        if self.birth.name in ("WskSocket", "WskSocketConnect"):
            self.context = fields["SocketContext"]
        self.dispatch = local.dispatch(self.birth)
        self.members = fields.get("DispatchMembers", 0)
        self.category = local.category(self.birth)
        self.client = fields.get("Client", self.listener.client if self.listener else 0)
        self.irp = fields.get("Irp", 0)

    def adopt(self, event: Event) -> None:
        """Take what the Stop of WskAcceptEvent says."""
        self.context = event.fields["AcceptSocketContext"]
        self.dispatch = event.fields["AcceptSocketDispatch"]
        self.members = event.fields["DispatchMembers"]

    def events(self, static: int) -> int:
        """Return the mask of what is or was enabled: on the socket, by its listener, statically."""
        inherited = self.listener.enabled & 0xD0 if self.listener else 0
        return (self.enabled | inherited | static) & _RELEVANT.get(self.category, 0)

    def may(self, callback: str, static: int) -> bool:
        """Tell whether a callback of that kind may come."""
        if callback in _BITS:
            return bool(self.events(static) & _BITS[callback])
        return self.conditional


def unused(socket: Socket, static: int) -> list[tuple[str, int]]:
    """Return (rule, subject) for what was given to a create, and was of no use until the socket's close.

    The reference page speaks of WskSocket only; what accepted sockets were given is not judged.
    """
    if socket.failed or socket.category == "basic" or socket.birth.name not in ("WskSocket", "WskSocketConnect"):
        return []
    events = socket.events(static)
    if not events and not socket.conditional:
        given = (("CONTEXT-UNUSED", socket.context), ("DISPATCH-UNUSED", socket.dispatch))
        return [(rule, address) for rule, address in given if address]
    idle = sum(member for member, event in _MEMBER_EVENTS.items() if not events & event)
    idle |= 0 if socket.conditional else _CONDITIONAL_MEMBERS
    return [("DISPATCH-MEMBER-UNUSED", socket.dispatch)] if socket.dispatch and socket.members & idle else []


def pair(events: Sequence[Event]) -> dict[int, int]:
    """Return index of every Stop → index of its Start: the latest open one of that thread, name and address."""
    stacks: dict[tuple[object, ...], list[int]] = {}
    out: dict[int, int] = {}
    for at, event in enumerate(events):
        thread = (event.image, event.tid, event.cpu if not event.tid else 0)
        fields = event.fields
        address = fields.get("Irp", 0) or next(
            (fields[n] for n in ("SocketContext", "Socket", "Registration", "Client", "DriverObject") if n in fields), 0
        )
        key = (*thread, event.name, address)
        if event.opcode == START:
            stacks.setdefault(key, []).append(at)
        elif event.opcode == STOP and stacks.get(key):
            out[at] = stacks[key].pop()
    return out
