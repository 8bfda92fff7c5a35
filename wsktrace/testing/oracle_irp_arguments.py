"""The oracle's rules about irp arguments: one load at a time, naively."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsktrace.testing.events import INFO, START, STOP
from wsktrace.testing.native import DATA_CALLS, SOCKET_CALLS
from wsktrace.testing.oracle_load import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Submission
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_SUCCESS, _MORE_PROCESSING_REQUIRED = 0, 0xC0000016
_IOCTL, _QUERY_INSPECT_ID = 2, 0x4F000005
_WITHOUT_IRP = {2, 4, 5, 6, 7, 8}
_ADDRESS_LISTS = {0x48000016, 0x28000017, 0xC8000019}
_PASSIVE = {"WskRegister", "WskDeregister", "WskGetAddressInfo", "WskFreeAddressInfo", "WskGetNameInfo"}
_MAKES = {"IrpAllocate", "IrpInitialize", "IrpReuse"}
_INVOKE = ("InvokeOnSuccess", "InvokeOnError", "InvokeOnCancel")
_PENDING, _EVENT_PENDING, _BUFFER_OVERFLOW = 0x103, 0x40000013, 0x80000005


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    for at, event in load.events.items():
        for rule in _local(event):
            use = load.uses.get(at)
            subject = event.fields.get("Irp", 0) if rule == "IRP-STACK" else 0
            yield _broken(rule, event, use.address if use else 0, subject)
    yield from _irps(load)


def _broken(rule: str, event: Event, socket: int = 0, subject: int = 0) -> Broken:
    return Broken(f"WSK-{rule}", event.fields.get("Irp", 0), socket, event.time, subject)


def _local(event: Event) -> Iterator[str]:
    fields, name = event.fields, event.name
    if name in ("IrpAllocate", "IrpInitialize") and fields["StackSize"] == 0:
        yield "IRP-STACK"
    if event.opcode == START and name in ("WskControlClient", "WskControlSocket") and fields["Irp"]:
        if fields["OutputSizeReturned"]:
            yield "CTRL-OUTSIZE"
        asks = (fields.get("RequestType"), fields["ControlCode"]) == (_IOCTL, _QUERY_INSPECT_ID)
        if asks or (name == "WskControlClient" and fields["ControlCode"] in _WITHOUT_IRP):
            yield "IRP-FORBIDDEN"
    if event.opcode == START and fields.get("Irql", 0) > 0 and _is_passive(event):
        yield "IRQL-PASSIVE"
    status = fields.get("Status", _SUCCESS)
    if name == "IrpComplete" and event.opcode == START:
        odd = status not in (_SUCCESS, _PENDING, _BUFFER_OVERFLOW)
    else:
        called = name in SOCKET_CALLS or "Client" in fields or "Registration" in fields or "Irp" in fields
        odd = status not in (_SUCCESS, _PENDING, _EVENT_PENDING, _BUFFER_OVERFLOW)
        odd = odd and called and event.opcode == STOP and name.startswith("Wsk") and not name.endswith("Event")
    if odd and status >> 30 != 3:
        yield "STATUS-UNDOCUMENTED"


def _is_passive(event: Event) -> bool:
    if event.name == "WskCaptureProviderNPI":
        return event.fields["WaitTimeout"] != 0
    if event.name == "WskControlSocket":
        return event.fields["RequestType"] == _IOCTL and event.fields["ControlCode"] in _ADDRESS_LISTS
    return event.name in _PASSIVE


@dataclass
class _Irp:
    """What is known of the IRP at an address."""

    made: bool = False  # by the driver, and not given to a call since
    own: bool = False  # made by the driver, and not freed since
    routine: Event | None = None
    marked: bool = False
    use: Submission | None = None
    mine: bool = False  # the use is one of an IRP that the driver had made for it
    bare: Submission | None = None  # given to a call without a routine, and not completed yet
    open: bool = False  # given to a call, and not completed yet
    left: bool = False  # made ready anew while it was open


def _irps(load: Load) -> Iterator[Broken]:
    names = {(event.name, event.opcode) for event in load.events.values()}
    routines, marks = ("IrpSetCompletion", INFO) in names, ("IrpMarkPending", INFO) in names
    irps: dict[int, _Irp] = {}
    for at, event in load.events.items():
        address = event.fields.get("Irp", 0)
        irp = irps.setdefault(address, _Irp())
        if event.name == "IrpCompleteUp" or (event.name, event.opcode) == ("IrpComplete", STOP):
            irp.marked &= event.fields.get("Status", _SUCCESS) == _MORE_PROCESSING_REQUIRED
        if not address or event.opcode == STOP:
            continue
        if (event.name in _MAKES or event.name == "IrpFree") and irp.bare:
            yield _without_routine(irp.bare)
        if event.name in _MAKES:
            irps[address] = _Irp(made=True, own=True, left=irp.open or irp.left)
        elif event.name == "IrpFree":
            irps[address] = _Irp()
        elif event.name == "IrpSetCompletion":
            irp.routine = event
        elif event.name == "IrpMarkPending":
            irp.marked = True
        elif event.name == "IrpComplete":
            irp.open = False
            if irp.made and not irp.use and not irp.left and {name for name, _ in names} & DATA_CALLS:
                yield _broken("IRP-COMPLETE-UNKNOWN", event, subject=address)
            yield from _completed(load, at, event, irp, marks=marks)
        elif at in load.uses:
            irp.use, irp.mine, irp.bare, irp.open = load.uses[at], irp.made, None, True
            if irp.made and irp.routine and not all(irp.routine.fields[flag] for flag in _INVOKE):
                yield _broken("IRP-INVOKE-FLAGS", event, irp.use.address)
            if irp.made and not irp.routine and routines:
                irp.bare = irp.use
            irp.made = False
    if load.unloaded:
        yield from (_without_routine(irp.bare) for irp in irps.values() if irp.bare)


def _without_routine(use: Submission) -> Broken:
    return _broken("IRP-NO-COMPLETION-ROUTINE", use.event, use.address)


def _completed(load: Load, at: int, event: Event, irp: _Irp, *, marks: bool) -> Iterator[Broken]:
    irp.bare = None
    socket = irp.use.address if irp.use else 0
    stop = load.stop_of.get(at)
    returned = load.events[stop].fields["Status"] if stop in load.events else _MORE_PROCESSING_REQUIRED
    if returned not in (_SUCCESS, _MORE_PROCESSING_REQUIRED) or (returned == _SUCCESS and (irp.mine or irp.made)):
        yield _broken("IRP-COMPLETION-RETVAL", event, socket)
    if returned != _MORE_PROCESSING_REQUIRED and not irp.own and event.fields["PendingReturned"] and marks:
        inside = [
            e
            for place, e in load.events.items()
            if stop is not None
            and at < place < stop
            and e.name == "IrpMarkPending"
            and e.fields["Irp"] == event.fields["Irp"]
        ]
        if not inside and not irp.marked:
            yield _broken("IRP-PASSDOWN-PENDING", event, socket)
    irp.made = irp.mine = False
