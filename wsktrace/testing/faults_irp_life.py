"""Faults against the rules of the modules about irp life: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import CONNECTED, Variant, one

__all__ = ["FAULTS"]

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-IRP-NOT-REINITIALIZED": (
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskBind S A -> PENDING, complete SUCCESS",
            "IrpSetCompletion A",
            "WskSendTo S A -> PENDING, complete SUCCESS Information=1024", "IrpReuse A",
            "WskCloseSocket S A -> PENDING, complete SUCCESS", "IrpFree A", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "IrpInitialize A", "WskBind S A -> complete SUCCESS, PENDING",
            "IrpSetCompletion A", "WskGetLocalAddress S A -> complete SUCCESS, SUCCESS", "IrpReuse A",
            "WskCloseSocket S A -> PENDING, complete SUCCESS", irps=("A",), socket="S",
        ),
    ),
    "WSK-IRP-REINIT-PENDING": (
        one(
            CONNECTED, "IrpAllocate A", "WskReceive S A -> PENDING", "IrpReuse A", "complete A SUCCESS", "IrpFree A",
            "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "IrpInitialize A", "WskBind S A -> SUCCESS", "IrpInitialize A",
            "complete A SUCCESS", "close S", irps=("A",), socket="S",
        ),
    ),
    "WSK-IRP-FREE-PENDING": (
        one(
            CONNECTED, "IrpAllocate A", "WskReceive S A -> PENDING", "IrpFree A", "complete A SUCCESS", "close S",
            irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskBind S A -> SUCCESS", "@tid=9 @cpu=2 IrpFree A",
            "complete A SUCCESS", "close S", irps=("A",), socket="S",
        ),
        one(
            CONNECTED, "IrpInitialize A", "WskSend S A -> PENDING", "MemoryFree A Size=224", "complete A SUCCESS",
            "close S", irps=("A",), socket="S",
        ),
    ),
    "WSK-IRP-FREE-ON-ERROR": (
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskBind S A -> INVALID_PARAMETER", "IrpFree A",
            "+3ms complete A INVALID_PARAMETER", "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskBind S A -> ADDRESS_ALREADY_EXISTS", "IrpFree A", "close S",
            irps=("A",), socket="S", follows=("WSK-STATUS-ERROR-NO-COMPLETION",),
        ),
        one(
            "open S Flags=datagram", "run WskBind S", "IrpInitialize A", "WskSendTo S A -> INSUFFICIENT_RESOURCES",
            "MemoryFree A Size=224", "complete A INSUFFICIENT_RESOURCES", "close S", irps=("A",), socket="S",
        ),
    ),
    "WSK-IRP-CANCEL-NO-WAIT": (
        one(
            CONNECTED, "IrpAllocate A", "WskReceive S A -> PENDING", "wait 5ms", "IrpCancel A", "IrpFree A",
            "complete A CANCELLED", "close S", irps=("A",), socket="S", follows=("WSK-IRP-FREE-PENDING",),
        ),
        one(
            "open S Flags=connection", "run WskBind S", "IrpInitialize A", "WskConnect S A -> PENDING", "IrpCancel A",
            "IrpReuse A", "complete A CANCELLED", "close S", irps=("A",), socket="S",
            follows=("WSK-IRP-REINIT-PENDING",),
        ),
        one(
            CONNECTED, "IrpAllocate A", "WskReceive S A -> PENDING", "@tid=9 @cpu=2 IrpCancel A",
            "WskReceive S A -> PENDING", "complete A CANCELLED", "@dpc=2 complete A SUCCESS", "IrpFree A", "close S",
            irps=("A",), socket="S", follows=("WSK-IRP-REUSE-PENDING", "WSK-IRP-DOUBLE-COMPLETE"),
        ),
    ),
    "WSK-IRP-LEAK": (
        one("IrpAllocate A", "WskSocket A Flags=datagram -> PENDING, complete SUCCESS socket=S", "close S",
            irps=("A",), socket="S"),
        one(
            CONNECTED, "IrpAllocate A", "WskSend S A -> complete SUCCESS, SUCCESS", "IrpReuse A",
            "WskReceive S A -> PENDING, complete CANCELLED", "close S", irps=("A",), socket="S",
        ),
    ),
    "WSK-CALL-IN-COMPLETION": (
        one(
            CONNECTED, "IrpAllocate A", "IrpAllocate B", "WskReceive S A -> PENDING", "IrpComplete A SUCCESS",
            "@dpc=1 WskReceive S B -> PENDING", "return IrpComplete A", "complete B SUCCESS", "IrpFree A",
            "IrpFree B", "close S", irps=("B",), socket="S",
        ),
        one(
            CONNECTED, "IrpAllocate A", "WskSend S A -> PENDING", "@tid=9 @cpu=2 IrpComplete A SUCCESS",
            "@tid=9 @cpu=2 IrpReuse A", "@tid=9 @cpu=2 IrpSetCompletion A",
            "@tid=9 @cpu=2 WskDisconnect S A -> PENDING", "return IrpComplete A", "complete A SUCCESS",
            "IrpFree A", "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", *(f"IrpAllocate {irp}" for irp in "ABDE"), "WskControlSocket S A set SO_RCVBUF",
            "IrpComplete A SUCCESS", "WskControlSocket S B set SO_RCVBUF", "IrpComplete B SUCCESS",
            "WskControlSocket S D set SO_RCVBUF", "IrpComplete D SUCCESS",
            "WskControlSocket S E set SO_RCVBUF -> PENDING", "return IrpComplete D",
            "return WskControlSocket D PENDING", "return IrpComplete B", "return WskControlSocket B PENDING",
            "return IrpComplete A", "return WskControlSocket A PENDING",
            "complete E SUCCESS", *(f"IrpFree {irp}" for irp in "ABDE"), "close S",
            irps=("E",), socket="S",
        ),
    ),
    "WSK-WAIT-IN-CALLBACK": (
        one(
            CONNECTED, "@tid=9 @cpu=2 WskReceiveEvent ctx", "@tid=9 @cpu=2 IrpAllocate A",
            "@tid=9 @cpu=2 IrpSetCompletion A", "@tid=9 @cpu=2 WskSend S A -> PENDING", "@tid=9 @cpu=2 IrpWait A",
            "complete A SUCCESS", "return IrpWait A SUCCESS", "@tid=9 @cpu=2 IrpFree A",
            "return WskReceiveEvent SUCCESS", "close S", irps=("A",), socket="S",
        ),
        one(
            CONNECTED, "IrpAllocate A", "WskSend S A -> PENDING", "WskReceiveEvent ctx", "@dpc=1 IrpWait A",
            "@tid=9 @cpu=2 complete A SUCCESS", "return IrpWait A SUCCESS", "return WskReceiveEvent SUCCESS",
            "IrpFree A", "close S", irps=("A",), socket="S",
        ),
    ),
}  # fmt: skip
