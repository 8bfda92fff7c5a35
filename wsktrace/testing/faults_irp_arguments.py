"""Faults against the rules of the modules about irp arguments: see ``fault_scripts``.

A place before IrpInitialize or IrpReuse keeps ``careful`` from setting a completion routine behind it.
"""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import CONNECTED, RUN, Variant, one

__all__ = ["FAULTS"]

_SENT = ("open S Flags=datagram", "run WskBind S", "run WskSendTo S")
_REFUSED = "-> INVALID_PARAMETER, complete INVALID_PARAMETER"
#: The completion that no routine tells is missed by these, too.
_UNSEEN = ("WSK-IRP-NEVER-COMPLETED", "WSK-CLOSE-NOT-DRAINED")

#: A client of its own, which has no socket yet.
_FRESH = "WskRegister R2 -> SUCCESS\nWskCaptureProviderNPI R2 -> SUCCESS Client=C2"
_DONE = "WskReleaseProviderNPI R2 ->\nWskDeregister R2 ->"

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-IRP-FORBIDDEN": (
        one(f"run WskControlClient WSK_TRANSPORT_LIST_QUERY {_REFUSED}", irps=RUN[1:2]),
        one(_FRESH, f"run WskControlClient WSK_TDI_BEHAVIOR Client=C2 {_REFUSED}", _DONE, irps=RUN[1:2]),
        one(_FRESH, f"run WskControlClient WSK_SET_STATIC_EVENT_CALLBACKS Client=C2 {_REFUSED}", _DONE, irps=RUN[1:2]),
        one(
            "open S Flags=listen", "run WskBind S",
            f"run WskControlSocket S ControlCode=SIO_WSK_QUERY_INSPECT_ID {_REFUSED}", "close S",
            irps=RUN[3:4], socket="S",
        ),
    ),
    "WSK-IRP-STACK": (
        one(
            "IrpAllocate A StackSize=0", "WskSocket A Flags=datagram -> complete INVALID_PARAMETER, INVALID_PARAMETER",
            "IrpFree A", irps=("A",),
        ),
        one(
            "open S Flags=datagram", "IrpInitialize A StackSize=0", "WskBind S A -> PENDING, complete SUCCESS",
            "close S", irps=("A",), socket="S",
        ),
        one("IrpAllocate A StackSize=0", "IrpFree A", subject="A"),
    ),
    "WSK-IRP-NO-COMPLETION-ROUTINE": (
        one(
            "open S Flags=datagram", "run WskBind S", "@cpu=0 IrpInitialize A", "WskSendTo S A -> PENDING",
            "close S", irps=("A",), socket="S", follows=_UNSEEN,
        ),
        one(
            "open S Flags=datagram", "run WskBind S", "IrpInitialize A",
            "WskSendTo S A -> PENDING, complete SUCCESS", "@cpu=0 IrpReuse A", "WskSendTo S A -> SUCCESS", "close S",
            irps=("A",), socket="S", follows=_UNSEEN,
        ),
    ),
    "WSK-IRP-INVOKE-FLAGS": (
        one(
            "open S Flags=datagram", "run WskBind S", "IrpAllocate A", "IrpSetCompletion A InvokeOnCancel=no",
            "WskReceiveFrom S A -> PENDING, complete SUCCESS", "IrpFree A", "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S", "IrpInitialize A", "WskReceiveFrom S A -> PENDING",
            "complete A SUCCESS", "IrpReuse A", "IrpSetCompletion A InvokeOnSuccess=no InvokeOnError=no",
            "WskSendTo S A -> PENDING, complete CANCELLED", "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S", "IrpInitialize A", "IrpSetCompletion A InvokeOnError=no",
            "WskSendTo S A -> PENDING", "close S", irps=("A",),
            socket="S", follows=("WSK-IRP-NEVER-COMPLETED", "WSK-CLOSE-NOT-DRAINED"),
        ),
    ),
    "WSK-IRP-COMPLETION-RETVAL": (
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskBind S A -> PENDING", "complete A SUCCESS -> SUCCESS",
            "IrpFree A", "close S", irps=("A",), socket="S",
        ),
        one(
            "IrpInitialize A", "WskSocket A Flags=datagram", "complete A NO_MEMORY -> NO_MEMORY",
            "return WskSocket PENDING", irps=("A",),
        ),
        one(
            CONNECTED, "IrpSetCompletion P", "IrpMarkPending P", "WskSend S P -> PENDING",
            "complete P CANCELLED -> CANCELLED", "close S", irps=("P",), socket="S",
        ),
    ),
    "WSK-IRP-PASSDOWN-PENDING": (
        one(
            CONNECTED, "IrpMarkPending Q", "WskSend S Q -> PENDING", "IrpSetCompletion X", "WskSend S X -> PENDING",
            "complete X SUCCESS -> SUCCESS", "close S", irps=("X",), socket="S",
        ),
        one(
            CONNECTED, "IrpSetCompletion X InvokeOnCancel=no", "WskReceive S X -> PENDING",
            "IrpComplete X SUCCESS Information=8", "@dpc=1 IrpMarkPending X", "return IrpComplete X SUCCESS",
            "IrpSetCompletion X", "WskReceive S X -> PENDING", "complete X SUCCESS -> SUCCESS",
            "close S", irps=("X",), socket="S",
        ),
    ),
    "WSK-IRP-COMPLETE-UNKNOWN": (
        one(*_SENT, "IrpAllocate A", "complete A SUCCESS", "IrpFree A", "close S", subject="A"),
        one(
            *_SENT, "IrpInitialize X", "WskGetLocalAddress S X -> PENDING, complete SUCCESS", "IrpReuse X",
            "complete X SUCCESS", "close S", subject="X",
        ),
    ),
    "WSK-CTRL-OUTSIZE": (
        one(
            "open S Flags=datagram",
            "run WskControlSocket S RequestType=get ControlCode=SO_RCVBUF OutputSizeReturned=size", "close S",
            irps=RUN[2:3], socket="S",
        ),
        one(
            "run WskControlClient WSK_TRANSPORT_LIST_CHANGE OutputSizeReturned=size -> PENDING, complete CANCELLED",
            irps=RUN[1:2],
        ),
    ),
    "WSK-STATUS-UNDOCUMENTED": (
        one(CONNECTED, "run WskReceive S -> PENDING, complete 0x4000000f", "close S", irps=RUN[4:5], socket="S"),
        one(
            CONNECTED, "run WskSend S -> SUCCESS, complete TIMEOUT", "close S", irps=RUN[4:5], socket="S",
            follows=("WSK-STATUS-MISMATCH",),
        ),
        one(CONNECTED, "run WskReceive S -> PENDING, complete 0x8000001a", "close S", irps=RUN[4:5], socket="S"),
        one("WskControlClient WSK_TRANSPORT_LIST_QUERY OutputSize=64 -> TIMEOUT"),
    ),
    "WSK-IRQL-PASSIVE": (
        one("run WskGetAddressInfo Irql=dispatch -> PENDING, complete NOT_FOUND", irps=RUN[1:2]),
        one("run WskGetNameInfo Irql=apc -> PENDING, complete NOT_FOUND", irps=RUN[1:2]),
        one(
            "open S Flags=datagram", "run WskControlSocket S ControlCode=SIO_ADDRESS_LIST_QUERY Irql=dispatch",
            "close S", irps=RUN[2:3], socket="S",
        ),
        one("WskCaptureProviderNPI R WaitTimeout=1000 Irql=dispatch -> SUCCESS Client=C", "WskReleaseProviderNPI R ->"),
        one("WskRegister R2 Irql=dispatch -> SUCCESS", "WskDeregister R2 ->"),
    ),
}  # fmt: skip
