"""The native provider ``WskTrace``: every event with its fields, types, keyword and level.

Source: the design page "The native provider: what a driver should emit", sections "Driver and registration",
"Client level", "Socket level", "IRP and memory" and "Callbacks".
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import UUID

from wsktrace.errors import FormatError
from wsktrace.testing.events import START, STOP, Event

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CHANNEL",
    "COMMON_FIELDS",
    "DATA_CALLS",
    "EVENTS",
    "PROVIDER_GUID",
    "PROVIDER_NAME",
    "SOCKET_CALLS",
    "NativeEvent",
    "NativeField",
    "complete",
    "native_event",
]

PROVIDER_NAME: Final = "WskTrace"
PROVIDER_GUID: Final = UUID("f406ddb2-df7b-5f2c-54db-fa7d1cd56442")
#: ETW channel of self-describing events; event id and task are 0.
CHANNEL: Final = 11

REGISTRATION, SOCKET, DATA, IRP, CALLBACK = 0x1, 0x2, 0x4, 0x8, 0x10

#: Type word → (in-type in 64-bit images, in-type in 32-bit images, out-type or 0).
_TYPES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "u8": (4, 4, 0),
        "u16": (6, 6, 0),
        "u32": (8, 8, 0),
        "u64": (10, 10, 0),
        "ptr": (21, 20, 0),
        "size": (10, 8, 0),
        "st": (20, 20, 14),
    }
)
_WIDTHS: Mapping[str, int] = MappingProxyType({"u8": 1, "u16": 2, "u32": 4, "u64": 8, "st": 4})


@dataclass(frozen=True, slots=True)
class NativeField:
    """One field: its name and its type word (``u8 u16 u32 u64 ptr size st``)."""

    name: str
    type: str

    def in_type(self, pointer_size: int = 8) -> int:
        """TraceLogging in-type for an image of that pointer size (4 or 8 bytes)."""
        return _TYPES[self.type][0 if pointer_size == 8 else 1]

    @property
    def out_type(self) -> int:
        """TraceLogging out-type; 0 where the event names none."""
        return _TYPES[self.type][2]

    def width(self, pointer_size: int = 8) -> int:
        """Bytes of the value in the payload, little endian."""
        return _WIDTHS.get(self.type, pointer_size)


#: Every event begins with these.
COMMON_FIELDS: Final = (NativeField("Image", "ptr"), NativeField("Seq", "u64"))


@dataclass(frozen=True, slots=True)
class NativeEvent:
    """One (name, opcode): its own fields in payload order (without ``COMMON_FIELDS``), keyword and level."""

    name: str
    opcode: int
    fields: tuple[NativeField, ...]
    keyword: int
    level: int

    @property
    def all_fields(self) -> tuple[NativeField, ...]:
        """``Image``, ``Seq`` and the event's own fields, in payload order."""
        return COMMON_FIELDS + self.fields


_CREATE_TAIL = (
    "SocketContext ptr, Dispatch ptr, DispatchMembers u32, OwningProcess ptr, OwningThread ptr, "
    "SecurityDescriptor ptr, Irp ptr, Irql u8"
)
_REGISTRATION_EVENTS = """
ProviderState 0: HeaderVersion u16, Level u8, MatchAnyKeyword u64
DriverEntry 1: DriverObject ptr
DriverEntry 2: DriverObject ptr, Status st
DriverUnload 1: DriverObject ptr
DriverUnload 2: DriverObject ptr
WskRegister 1: Registration ptr, ClientDispatch ptr, Irql u8
WskRegister 2: Registration ptr, Status st
WskDeregister 1: Registration ptr, Irql u8
WskDeregister 2: Registration ptr
WskCaptureProviderNPI 1: Registration ptr, WaitTimeout u32, Irql u8
WskCaptureProviderNPI 2: Registration ptr, Client ptr, Status st
WskReleaseProviderNPI 1: Registration ptr, Irql u8
WskReleaseProviderNPI 2: Registration ptr
WskQueryProviderCharacteristics 1: Registration ptr, Irql u8
WskQueryProviderCharacteristics 2: Registration ptr, Status st
"""
_CLIENT_EVENTS = f"""
WskSocket 1: Client ptr, AddressFamily u16, SocketType u16, Protocol u32, Flags u32, {_CREATE_TAIL}
WskSocket 2: Irp ptr, Status st
WskSocketConnect 1: Client ptr, SocketType u16, Protocol u32, LocalAddress ptr, LocalFamily u16, RemoteAddress ptr, \
RemoteFamily u16, Flags u32, {_CREATE_TAIL}
WskSocketConnect 2: Irp ptr, Status st
WskControlClient 1: Client ptr, ControlCode u32, InputSize size, InputBuffer ptr, InputValue u64, OutputSize size, \
OutputBuffer ptr, OutputSizeReturned ptr, Irp ptr, Irql u8
WskControlClient 2: Client ptr, ControlCode u32, Irp ptr, OutputValue u64, Status st
WskTransport 0: Client ptr, AddressFamily u16, SocketType u16, Protocol u32
WskGetAddressInfo 1: Client ptr, Irp ptr, Irql u8
WskGetAddressInfo 2: Client ptr, Irp ptr, Result ptr, Status st
WskGetNameInfo 1: Client ptr, Irp ptr, Irql u8
WskGetNameInfo 2: Client ptr, Irp ptr, Result ptr, Status st
WskFreeAddressInfo 1: Client ptr, Result ptr, Irql u8
WskFreeAddressInfo 2: Client ptr
WskControlSocket 0: Socket ptr, Irp ptr, ControlCode u32, Level u32, OutputValue u64
"""
#: Socket call → the fields of its Start between Socket and Irp.
_SOCKET_STARTS: Mapping[str, str] = MappingProxyType(
    {
        "WskControlSocket": "RequestType u32, ControlCode u32, Level u32, InputSize size, InputBuffer ptr, "
        "InputValue u64, OutputSize size, OutputBuffer ptr, OutputSizeReturned ptr",
        "WskCloseSocket": "",
        "WskListen": "",
        "WskBind": "AddressFamily u16, LocalAddress ptr, Flags u32",
        "WskConnect": "AddressFamily u16, RemoteAddress ptr, Flags u32",
        "WskConnectEx": "AddressFamily u16, RemoteAddress ptr, Flags u32, Length size",
        "WskAccept": "Flags u32, AcceptSocketContext ptr, AcceptSocketDispatch ptr, DispatchMembers u32",
        "WskDisconnect": "Buffer ptr, Flags u32",
        "WskSend": "Buffer ptr, Length size, Flags u32",
        "WskReceive": "Buffer ptr, Length size, Flags u32",
        "WskSendTo": "Buffer ptr, Length size, Flags u32",
        "WskReceiveFrom": "Buffer ptr, Length size, Flags u32",
        "WskSendMessages": "Buffer ptr, Length size, Flags u32",
        "WskGetLocalAddress": "Address ptr",
        "WskGetRemoteAddress": "Address ptr",
        "WskInspectComplete": "InspectKey ptr, InspectSerial u32, Action u32",
        "WskRelease": "Indication ptr",
    }
)
SOCKET_CALLS: Final = frozenset(_SOCKET_STARTS)
#: The calls of keyword 0x4, level 5.
DATA_CALLS: Final = frozenset({"WskSend", "WskReceive", "WskSendTo", "WskReceiveFrom", "WskSendMessages", "WskRelease"})
_IRP_EVENTS = """
IrpAllocate 0: Irp ptr, StackSize u8
IrpInitialize 0: Irp ptr, StackSize u8
IrpReuse 0: Irp ptr
IrpMarkPending 0: Irp ptr
IrpCancel 0: Irp ptr
IrpFree 0: Irp ptr
IrpSetCompletion 0: Irp ptr, Routine ptr, Context ptr, InvokeOnSuccess u8, InvokeOnError u8, InvokeOnCancel u8
IrpComplete 1: Irp ptr, Status st, Information u64, PendingReturned u8, Irql u8
IrpComplete 2: Irp ptr, Status st
IrpCompleteUp 0: Irp ptr
IrpWait 1: Irp ptr
IrpWait 2: Irp ptr, Status st
MemoryFree 0: Address ptr, Size size
"""
_CALLBACK_EVENTS = """
WskAcceptEvent 1: SocketContext ptr, Flags u32, AcceptSocket ptr, Irql u8
WskAcceptEvent 2: SocketContext ptr, AcceptSocketContext ptr, AcceptSocketDispatch ptr, DispatchMembers u32, Status st
WskInspectEvent 1: SocketContext ptr, InspectKey ptr, InspectSerial u32, Irql u8
WskInspectEvent 2: SocketContext ptr, Action u32
WskAbortEvent 1: SocketContext ptr, InspectKey ptr, InspectSerial u32, Irql u8
WskReceiveEvent 1: SocketContext ptr, Flags u32, Indication ptr, Length size, Irql u8
WskReceiveFromEvent 1: SocketContext ptr, Flags u32, Indication ptr, Irql u8
WskDisconnectEvent 1: SocketContext ptr, Flags u32, Irql u8
WskSendBacklogEvent 1: SocketContext ptr, IdealBacklogSize size, Irql u8
WskAbortEvent 2: SocketContext ptr, Status st
WskReceiveEvent 2: SocketContext ptr, Status st
WskReceiveFromEvent 2: SocketContext ptr, Status st
WskDisconnectEvent 2: SocketContext ptr, Status st
WskSendBacklogEvent 2: SocketContext ptr, Status st
"""
_VERBOSE_CALLBACKS = frozenset({"WskReceiveEvent", "WskReceiveFromEvent", "WskSendBacklogEvent"})


def _fields(text: str) -> tuple[NativeField, ...]:
    return tuple(NativeField(*part.split()) for part in text.split(",") if part.strip())


def _build() -> dict[tuple[str, int], NativeEvent]:
    out: dict[tuple[str, int], NativeEvent] = {}

    def add(name: str, opcode: int, fields: str, keyword: int) -> None:
        verbose = keyword == DATA or name in _VERBOSE_CALLBACKS
        out[name, opcode] = NativeEvent(name, opcode, _fields(fields), keyword, 5 if verbose else 4)

    sections = (
        (_REGISTRATION_EVENTS, REGISTRATION),
        (_CLIENT_EVENTS, SOCKET),
        (_IRP_EVENTS, IRP),
        (_CALLBACK_EVENTS, CALLBACK),
    )
    for block, keyword in sections:
        for line in block.strip().splitlines():
            head, fields = line.split(":")
            name, opcode = head.split()
            add(name, int(opcode), fields, keyword)
    for name, between in _SOCKET_STARTS.items():
        keyword = DATA if name in DATA_CALLS else SOCKET
        add(name, START, f"Socket ptr, {between}, Irp ptr, Irql u8", keyword)
        add(name, STOP, "Socket ptr, Irp ptr, Status st", keyword)
    return out


#: (event name, opcode) → the event's declaration.
EVENTS: Mapping[tuple[str, int], NativeEvent] = MappingProxyType(_build())


def native_event(name: str, opcode: int) -> NativeEvent:
    """Return the declaration of an event; ``FormatError`` where the provider has none of that name and opcode."""
    try:
        return EVENTS[name, opcode]
    except KeyError:
        known = {n for n, _ in EVENTS}
        what = f"event {name!r}" if name not in known else f"opcode {opcode} of event {name!r}"
        raise FormatError(f"the native provider has no {what}; it has {', '.join(sorted(known))}") from None


def complete(event: Event) -> Event:
    """Fill an event in place: missing fields become 0, fields get payload order, keyword and level the declared ones.

    Values are reduced to the width of a 64-bit image. Returns the same object. ``FormatError`` for a field that the
    event does not have.
    """
    declared = native_event(event.name, event.opcode)
    names = {f.name for f in declared.fields}
    for name in event.fields:
        if name not in names:
            raise FormatError(
                f"{event.name} (opcode {event.opcode}) has no field {name!r}; it has {', '.join(sorted(names))}"
            )
    event.fields = {f.name: event.fields.get(f.name, 0) & ((1 << 8 * f.width()) - 1) for f in declared.fields}
    event.keyword, event.level = declared.keyword, declared.level
    return event
