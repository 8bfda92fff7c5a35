"""The oracle's rules that look at one event only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.testing.events import START, STOP
from wsktrace.testing.native import SOCKET_CALLS

if TYPE_CHECKING:
    from wsktrace.testing.events import Event

__all__ = ["category", "dispatch", "is_socket", "rules"]

_CATEGORIES = {0: "basic", 1: "listen", 2: "connection", 4: "datagram", 8: "stream"}
_TCP, _UDP = (1, 6), (2, 17)
#: Control code of WskControlSocket at (request, level) that needs an IRP.
_SOL_SOCKET = 0xFFFF
_OPTIONS_WITH_IRP = {0x4001, 0x3002, 0x4, 0xFFFFFFFB, 0x1002, 0x8}
_IOCTLS_WITH_IRP = {0x4F000003, 0x4F000004, 0x8F000001, 0x8F000006, 0x2F000007}
_TRANSPORT_LIST_CHANGE = 3
_AT_ANY_LEVEL = {"DriverEntry", "DriverUnload", "WskRegister", "WskDeregister", "WskCaptureProviderNPI"}


def is_socket(information: int) -> bool:
    """Tell whether a value can be the address of a socket object: aligned, in the kernel's half."""
    wide = information >> 32 != 0
    return information % (8 if wide else 4) == 0 and information >> (63 if wide else 31) == 1


def dispatch(event: Event) -> int:
    """Return the dispatch table that a create, an accept or an accept callback's return gives."""
    if event.name == "WskAcceptEvent" and event.opcode == START:
        return 0
    return event.fields.get("Dispatch", event.fields.get("AcceptSocketDispatch", 0))


def category(event: Event) -> str:
    """Return the category of the socket that an event creates."""
    if event.name == "WskSocket":
        return _CATEGORIES.get(event.fields["Flags"], "")
    return "connection"


def _needs_irp(event: Event) -> bool:
    fields, code = event.fields, event.fields.get("ControlCode", 0)
    if event.name == "WskControlClient":
        return code == _TRANSPORT_LIST_CHANGE
    if event.name == "WskControlSocket":
        if fields["RequestType"] == 2:
            return code in _IOCTLS_WITH_IRP
        return fields["Level"] == _SOL_SOCKET and code in _OPTIONS_WITH_IRP
    return event.name not in ("WskRelease", "WskFreeAddressInfo")


def _combination_fits(event: Event) -> bool:
    fields = event.fields
    family = fields["AddressFamily"] if event.name == "WskSocket" else fields["LocalFamily"]
    kind = category(event)
    if family not in (2, 23) or not kind:
        return True
    pair = (fields["SocketType"], fields["Protocol"])
    if kind in ("basic", "datagram") and (pair[0] == 3 or pair == _UDP):
        return True
    return pair == _TCP and kind != "datagram"


def rules(event: Event) -> list[str]:
    """Return the rules that this event breaks by itself, without their prefix."""
    fields, name = event.fields, event.name
    out: list[str] = []
    if event.opcode == STOP:
        return out
    if fields.get("Irql", 0) > 2 and name not in _AT_ANY_LEVEL:
        out.append("IRQL-DISPATCH")
    if "Registration" in fields:
        return out
    if (name in SOCKET_CALLS or "Client" in fields) and not fields.get("Irp", 0) and _needs_irp(event):
        out.append("IRP-REQUIRED")
    if fields.get("Client", 1) == 0:
        out.append("CLIENT-NULL")
    if name not in ("WskSocket", "WskSocketConnect"):
        return out
    flags = fields["Flags"] if name == "WskSocket" else 2
    if not _combination_fits(event):
        out.append("TRANSPORT-COMBO")
    if flags & ~0xF:
        out.append("FLAGS-INVALID")
    if flags & (flags - 1):
        out.append("FLAGS-MULTIPLE")
    if flags == 0 and fields["SocketContext"]:
        out.append("BASIC-CONTEXT")
    if flags == 0 and fields["Dispatch"]:
        out.append("BASIC-DISPATCH")
    if fields["OwningThread"] and not fields["OwningProcess"]:
        out.append("OWNER-CONTEXT")
    return out
