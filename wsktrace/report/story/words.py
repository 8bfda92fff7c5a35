"""One sentence for each operation: what is called with what, what it returned, what a completion brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wsktrace.report.story.arguments import argument, irql_name
from wsktrace.units import address_text, duration_text
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from wsktrace.report.story.rows import Operation

__all__ = ["KINDS", "Surroundings", "sentence", "since"]

#: Phase of an operation → kind of a line.
KINDS: Final = {
    "enter": "call",
    "return": "return",
    "complete": "complete",
    "complete_return": "complete_return",
    "callback": "callback",
    "callback_return": "callback_return",
    "fact": "fact",
}

_CREATION: Final = (
    "flags", "socket_context", "dispatch", "dispatch_members", "owning_process", "owning_thread", "security_descriptor",
)  # fmt: skip
_DATA: Final = ("length", "buffer", "flags")
#: Operation → arguments that its entry (a callback's beginning, a fact) tells.
_BEGIN: Final[dict[str, tuple[str, ...]]] = {
    "DriverEntry": ("driver_object",),
    "DriverUnload": ("driver_object",),
    "WskRegister": ("registration", "client_dispatch"),
    "WskDeregister": ("registration",),
    "WskCaptureProviderNPI": ("registration", "wait_timeout"),
    "WskReleaseProviderNPI": ("registration",),
    "WskQueryProviderCharacteristics": ("registration",),
    "WskSocket": ("address_family", "socket_type", "protocol", *_CREATION),
    "WskSocketConnect": (
        "socket_type", "protocol", "local_family", "local_address", "remote_family", "remote_address", *_CREATION,
    ),
    "WskControlClient": ("control_code", "input_value", "output_size"),
    "WskTransport": ("address_family", "socket_type", "protocol", "client"),
    "WskGetAddressInfo": ("client",),
    "WskGetNameInfo": ("client",),
    "WskFreeAddressInfo": ("result",),
    "WskControlSocket": ("control_code", "input_value", "output_size"),
    "WskBind": ("address_family", "local_address", "flags"),
    "WskConnect": ("address_family", "remote_address", "flags"),
    "WskConnectEx": ("address_family", "remote_address", "length", "flags"),
    "WskAccept": ("flags", "accept_socket_context", "accept_socket_dispatch", "dispatch_members"),
    "WskDisconnect": ("flags", "buffer"),
    "WskSend": _DATA,
    "WskReceive": _DATA,
    "WskSendTo": _DATA,
    "WskReceiveFrom": _DATA,
    "WskSendMessages": _DATA,
    "WskGetLocalAddress": ("address",),
    "WskGetRemoteAddress": ("address",),
    "WskInspectComplete": ("inspect_key", "action"),
    "WskRelease": ("indication",),
    "WskAcceptEvent": ("accept_socket", "flags"),
    "WskInspectEvent": ("inspect_key",),
    "WskAbortEvent": ("inspect_key",),
    "WskReceiveEvent": ("length", "indication", "flags"),
    "WskReceiveFromEvent": ("indication", "flags"),
    "WskDisconnectEvent": ("flags",),
    "WskSendBacklogEvent": ("ideal_backlog_size",),
}  # fmt: skip
#: Operation → arguments that its return tells.
_END: Final[dict[str, tuple[str, ...]]] = {
    "WskCaptureProviderNPI": ("client",),
    "WskControlClient": ("output_value",),
    "WskGetAddressInfo": ("result",),
    "WskGetNameInfo": ("result",),
    "WskAcceptEvent": ("accept_socket_context", "accept_socket_dispatch", "dispatch_members"),
    "WskInspectEvent": ("action",),
}
#: Arguments that a return tells where its call is not shown.
_ON: Final = ("control_code", "registration", "client", "driver_object")
#: Routine of the I/O manager that a fact tells of, and what that means.
_FACTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "IrpAllocate": ("IoAllocateIrp gave the IRP", ("stack_size",)),
    "IrpInitialize": ("IoInitializeIrp prepares the IRP", ("stack_size",)),
    "IrpReuse": ("IoReuseIrp makes the IRP ready to be used again", ()),
    "IrpMarkPending": ("IoMarkIrpPending marks the IRP pending", ()),
    "IrpCancel": ("IoCancelIrp asks to cancel the IRP", ()),
    "IrpFree": ("IoFreeIrp frees the IRP", ()),
    "IrpSetCompletion": (
        "IoSetCompletionRoutine sets the completion routine", ("routine", "routine_context", "invoke_on_success"),
    ),
    "IrpCompleteUp": ("IoCompleteRequest: the driver completes the IRP itself, upwards", ()),
    "MemoryFree": ("memory is freed", ("free_address", "free_size")),
    "WskTransport": ("a transport that WSK offers", _BEGIN["WskTransport"]),
    "WskControlSocket": ("the output of WskControlSocket", ("control_code", "output_value")),
}  # fmt: skip


@dataclass(slots=True)
class Surroundings:
    """What a sentence may say beside the row itself.

    Attributes:
        begun: the entry that this return belongs to.
        issued: the entry of the call whose IRP is completed here.
        returned: the return of that call.
        inline: the completion came before that return.
        names_irp: the IRP's address is said.
        names_socket: the socket's address is said.
    """

    begun: Operation | None = None
    issued: Operation | None = None
    returned: Operation | None = None
    inline: bool = False
    names_irp: bool = True
    names_socket: bool = True


def sentence(row: Operation, around: Surroundings) -> str:
    """Return what an operation is, in words."""
    tellers = {
        "enter": _enter,
        "return": _return,
        "complete": _complete,
        "complete_return": _complete_return,
        "callback": _callback,
        "callback_return": _callback_return,
        "fact": _fact,
    }
    return tellers.get(row.phase, _fact)(row, around)


def _list(head: str, parts: list[str]) -> str:
    told = ", ".join(part for part in parts if part)
    return f"{head}: {told}" if told else head


def _arguments(row: Operation, names: tuple[str, ...]) -> list[str]:
    return [argument(row, name) for name in names]


def _objects(row: Operation, around: Surroundings) -> list[str]:
    told = []
    if around.names_socket and row.socket:
        told.append(f"socket {address_text(row.socket)}")
    if row.irp and around.names_irp:
        told.append(f"IRP {address_text(row.irp)}")
    elif row.irp == 0 and row.op != "WskRelease":
        told.append("no IRP")
    return told


def _at_irql(row: Operation) -> list[str]:
    """Tell an IRQL that is worth a word: PASSIVE_LEVEL is where everybody expects to be."""
    return [f"at {irql_name(row.irql)}"] if row.irql else []


def _enter(row: Operation, around: Surroundings) -> str:
    if row.op == "IrpWait":
        return _list("the driver waits for the IRP's completion", _objects(row, around))
    verb = "begins" if row.op in ("DriverEntry", "DriverUnload") else "is called"
    names = _BEGIN.get(row.op, ())
    return _list(f"{row.op} {verb}", _arguments(row, names) + _objects(row, around) + _at_irql(row))


def _after(row: Operation, begun: Operation | None) -> str:
    return "" if begun is None else f" after {duration_text(max(row.time - begun.time, 0))}"


def _return(row: Operation, around: Surroundings) -> str:
    head = "the wait ends" if row.op == "IrpWait" else f"{row.op} returns"
    status = f" {row.status_name}" if row.status_name else ""
    if row.op == "IrpWait" and status:
        status = f" with{status}"
    names = _END.get(row.op, ()) if row.status in (None, 0) else ()
    objects = []
    if around.begun is None:  # the call is not shown: say what it was on
        names = tuple(dict.fromkeys((*_ON, *names)))
        objects = _objects(row, around)
    return _list(f"{head}{status}{_after(row, around.begun)}", _arguments(row, names) + objects)


def since(ns: int) -> str:
    """Return how long after its call something happened; the clocks of two processors may disagree about that."""
    if ns < 0:
        return f"{duration_text(-ns)} before the call by the processors' clocks"
    return f"{duration_text(ns)} after the call"


def _complete(row: Operation, around: Surroundings) -> str:
    status = f" with {row.status_name}" if row.status_name else ""
    issued, returned = around.issued, around.returned
    when = ""
    if issued is not None:
        when = f" {since(row.time - issued.time)}"
        if around.inline:
            when += ", before that returned"
        elif returned is not None and returned.status == c.STATUS_PENDING:
            when += f", {duration_text(max(row.time - returned.time, 0))} after STATUS_PENDING"
    parts = []
    information = row.arg("information")
    if information is not None:
        parts.append(_information(row, information, issued))
    head = f"{'the IRP' if issued is None else issued.op} is completed{status}{when}"
    parts += _place(row, issued) + _at_irql(row)
    if row.arg("pending_returned"):
        parts.append("PendingReturned")
    return _list(head, parts + ([f"IRP {address_text(row.irp)}"] if around.names_irp and row.irp else []))


def _information(row: Operation, information: int, issued: Operation | None) -> str:
    if issued is not None and issued.op in ("WskSocket", "WskSocketConnect", "WskAccept"):
        return f"socket {address_text(information)}" if information and row.status == 0 else ""
    return f"Information {information:,}" if information else ""


def _place(row: Operation, issued: Operation | None) -> list[str]:
    """Tell where a completion runs, compared with its call."""
    if row.tid is None:
        return []
    if issued is None or issued.tid is None or row.cpu is None:
        return [] if row.tid else ["on an idle thread"]
    elsewhere = row.cpu != issued.cpu
    if row.tid == 0:
        return [f"on the idle thread of {'another' if elsewhere else 'the same'} CPU"]
    if row.tid == issued.tid:
        return ["on the calling thread" + (", on another CPU" if elsewhere else "")]
    return [f"on another thread{' and CPU' if elsewhere else ' of the same CPU'}"]


def _complete_return(row: Operation, around: Surroundings) -> str:
    status = f" {row.status_name}" if row.status_name else ""
    means = " (the IRP stays the driver's)" if row.status == c.STATUS_MORE_PROCESSING_REQUIRED else ""
    objects = [] if around.begun is not None else _objects(row, around)
    return _list(f"the completion routine returns{status}{means}{_after(row, around.begun)}", objects)


def _callback(row: Operation, around: Surroundings) -> str:
    context = [argument(row, "socket_context")] if around.names_socket else []
    return _list(f"{row.op} calls back", _arguments(row, _BEGIN.get(row.op, ())) + context + _at_irql(row))


def _callback_return(row: Operation, around: Surroundings) -> str:
    status = f" {row.status_name}" if row.status_name else ""
    context = [argument(row, "socket_context")] if around.names_socket and around.begun is None else []
    parts = _arguments(row, _END.get(row.op, ())) if row.status in (None, 0) else []
    return _list(f"the driver returns from {row.op}{status}{_after(row, around.begun)}", parts + context)


def _fact(row: Operation, around: Surroundings) -> str:
    if row.op == "ProviderState":
        level, keywords = row.arg("trace_level"), row.arg("match_any_keyword")
        told = [
            "" if level is None else f"level {level}",
            "" if keywords is None else f"keywords 0x{keywords:x}",
            "" if row.arg("header_version") is None else f"version {row.arg('header_version')} of its header",
        ]
        return _list("the provider says what is enabled", told)
    head, names = _FACTS.get(row.op, (f"{row.op} is traced", ()))
    return _list(head, _arguments(row, names) + _objects(row, around))
