"""The canonical operations: every name that a row of ``operations`` can carry, and what is true of it.

Names are those of the native provider's events, which are those of the WSK functions, callbacks and IRP routines.
Source: wsk.h function tables; the native provider's event list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["CODES", "GROUPS", "OPS", "Group", "Op", "Phase", "phase_of"]


class Phase(IntEnum):
    """What moment of an operation a row is."""

    ENTER = 0
    RETURN = 1
    COMPLETE = 2
    COMPLETE_RETURN = 3
    CALLBACK = 4
    CALLBACK_RETURN = 5
    FACT = 6


@dataclass(frozen=True, slots=True)
class Group:
    """Events that are enabled together: a keyword of the native provider at a level."""

    name: str
    keyword: int
    level: int


REGISTRATION = Group("registration", 0x1, 4)
SOCKET = Group("socket", 0x2, 4)
DATA = Group("data", 0x4, 5)
IRP = Group("irp", 0x8, 4)
CALLBACK = Group("callback", 0x10, 4)
CALLBACK_DATA = Group("callback data", 0x10, 5)
GROUPS: tuple[Group, ...] = (REGISTRATION, SOCKET, DATA, IRP, CALLBACK, CALLBACK_DATA)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    ``level``: driver, registration, client, socket, irp or callback. ``deadline_s``: how long its IRP may stay
    pending before that is worth a finding, 0 without limit. ``creates``: its successful completion brings a socket.
    ``needs_irp``: the Irp argument is required whatever the other arguments say.
    """

    name: str
    level: str
    group: Group
    deadline_s: float = 0.0
    creates: bool = False
    needs_irp: bool = False


def _call(name: str, level: str, group: Group = SOCKET, deadline_s: float = 10.0, *, creates: bool = False) -> Op:
    return Op(name, level, group, deadline_s, creates, needs_irp=True)


OPS: tuple[Op, ...] = (
    Op("ProviderState", "driver", REGISTRATION),
    Op("DriverEntry", "driver", REGISTRATION),
    Op("DriverUnload", "driver", REGISTRATION),
    Op("WskRegister", "registration", REGISTRATION),
    Op("WskDeregister", "registration", REGISTRATION),
    Op("WskCaptureProviderNPI", "registration", REGISTRATION),
    Op("WskReleaseProviderNPI", "registration", REGISTRATION),
    Op("WskQueryProviderCharacteristics", "registration", REGISTRATION),
    _call("WskSocket", "client", creates=True),
    _call("WskSocketConnect", "client", deadline_s=60.0, creates=True),
    Op("WskControlClient", "client", SOCKET, 10.0),
    Op("WskTransport", "client", SOCKET),
    _call("WskGetAddressInfo", "client", deadline_s=60.0),
    _call("WskGetNameInfo", "client", deadline_s=60.0),
    Op("WskFreeAddressInfo", "client", SOCKET),
    Op("WskControlSocket", "socket", SOCKET, 10.0),
    _call("WskCloseSocket", "socket"),
    _call("WskListen", "socket"),
    _call("WskBind", "socket"),
    _call("WskConnect", "socket", deadline_s=60.0),
    _call("WskConnectEx", "socket", deadline_s=60.0),
    _call("WskAccept", "socket", deadline_s=0.0, creates=True),
    _call("WskDisconnect", "socket", deadline_s=0.0),
    _call("WskSend", "socket", DATA, 120.0),
    _call("WskReceive", "socket", DATA, 0.0),
    _call("WskSendTo", "socket", DATA, 120.0),
    _call("WskReceiveFrom", "socket", DATA, 0.0),
    _call("WskSendMessages", "socket", DATA, 120.0),
    _call("WskGetLocalAddress", "socket"),
    _call("WskGetRemoteAddress", "socket"),
    _call("WskInspectComplete", "socket"),
    Op("WskRelease", "socket", DATA),
    Op("IrpAllocate", "irp", IRP),
    Op("IrpInitialize", "irp", IRP),
    Op("IrpReuse", "irp", IRP),
    Op("IrpMarkPending", "irp", IRP),
    Op("IrpCancel", "irp", IRP),
    Op("IrpFree", "irp", IRP),
    Op("IrpSetCompletion", "irp", IRP),
    Op("IrpComplete", "irp", IRP),
    Op("IrpCompleteUp", "irp", IRP),
    Op("IrpWait", "irp", IRP),
    Op("MemoryFree", "irp", IRP),
    Op("WskAcceptEvent", "callback", CALLBACK),
    Op("WskInspectEvent", "callback", CALLBACK),
    Op("WskAbortEvent", "callback", CALLBACK),
    Op("WskReceiveEvent", "callback", CALLBACK_DATA),
    Op("WskReceiveFromEvent", "callback", CALLBACK_DATA),
    Op("WskDisconnectEvent", "callback", CALLBACK),
    Op("WskSendBacklogEvent", "callback", CALLBACK_DATA),
)

#: Name → code; the code is the position in ``OPS``.
CODES: dict[str, int] = {op.name: code for code, op in enumerate(OPS)}


def phase_of(op: Op, opcode: int) -> Phase | None:
    """Return the phase that an event of this operation with this opcode is; None where the provider has no such event.

    Opcode 1 (Start) is written before a call, first in a completion routine or callback; 2 (Stop) after it.
    """
    if opcode not in (0, 1, 2):
        return None
    if opcode == 0:
        return Phase.FACT
    if op.name == "IrpComplete":
        return Phase.COMPLETE if opcode == 1 else Phase.COMPLETE_RETURN
    if op.level == "callback":
        return Phase.CALLBACK if opcode == 1 else Phase.CALLBACK_RETURN
    return Phase.ENTER if opcode == 1 else Phase.RETURN
