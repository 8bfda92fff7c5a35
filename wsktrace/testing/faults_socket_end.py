"""Faults against the rules of the modules about socket end: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import CONNECTED, RUN, Variant, one

__all__ = ["FAULTS"]

_CONNECTED_BARE = ("open S Flags=connection", "run WskBind S", "run WskConnect S")
_LISTENER = "open S Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept"
_DATAGRAMS = "open S Flags=datagram SocketContext=ctx Dispatch=faulty DispatchMembers=receive_from"
_INSPECTS = "open S Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept|inspect|abort"
_LEAK = ("WSK-SOCKET-LEAK",)

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-CLOSE-CALL-IN-PROGRESS": (
        one(
            *_CONNECTED_BARE, "IrpAllocate B", "@tid=9 @cpu=2 WskSend S B", "IrpAllocate A",
            "WskCloseSocket S A -> PENDING", "@cpu=2 complete B CANCELLED", "return WskSend B PENDING",
            "complete A SUCCESS", "IrpFree B", "IrpFree A", irps=("A", "B"), socket="S",
        ),
        one(
            CONNECTED, "WskReceiveEvent ctx Indication=data -> PENDING", "@tid=9 @cpu=2 WskRelease S data",
            "+30us IrpAllocate A", "WskCloseSocket S A", "return WskRelease SUCCESS",
            "return WskCloseSocket PENDING", "complete A SUCCESS", "IrpFree A", irps=("A",), socket="S",
        ),
        # in a callback that runs inside the call
        one(
            CONNECTED, "IrpAllocate A", "IrpAllocate B", "WskSend S B", "@tid=4120 @cpu=0 WskReceiveEvent ctx",
            "WskCloseSocket S A -> PENDING", "return WskReceiveEvent SUCCESS", "@tid=4120 complete B SUCCESS",
            "return WskSend B PENDING", "complete A SUCCESS", "IrpFree B", "IrpFree A",
            irps=("A", "B"), socket="S",
        ),
    ),
    "WSK-CLOSE-PENDING": (
        one(
            "open X Flags=connection", "run WskBind X", "run WskConnect X", "IrpAllocate B",
            "WskReceive X B -> PENDING", "IrpAllocate A", "WskCloseSocket X A -> PENDING", "complete B CANCELLED",
            "complete A SUCCESS", "IrpFree B", "IrpFree A", irps=("A",), socket="X",
        ),
        one(
            "open X Flags=listen", "run WskBind X", "IrpInitialize B", "WskAccept X B -> PENDING", "IrpAllocate A",
            "WskCloseSocket X A -> complete SUCCESS, PENDING", "complete B CANCELLED", "IrpFree A",
            irps=("A",), socket="X",
        ),
    ),
    "WSK-CLOSE-NOT-DRAINED": (
        one(
            *_CONNECTED_BARE, "IrpAllocate B", "WskReceive S B -> PENDING", "close S", "wait 200ms",
            "complete B CANCELLED", "IrpFree B", irps=("B",), socket="S",
        ),
        one(
            "open S Flags=listen", "run WskBind S", "IrpInitialize B", "WskAccept S B -> PENDING", "close S",
            "wait 1s", irps=("B",), socket="S", unloads=False,
        ),
    ),
    "WSK-CLOSE-FAILED": (
        one(
            "open S Flags=datagram", "run WskCloseSocket S -> PENDING, complete DEVICE_NOT_READY",
            irps=RUN[2:3], socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskCloseSocket S -> complete INVALID_DEVICE_STATE, INVALID_DEVICE_STATE",
            irps=RUN[2:3], socket="S",
        ),
    ),
    "WSK-FORCED-CLOSED-NOT-CLOSED": (
        one(
            *_CONNECTED_BARE, "run WskReceive S -> PENDING, complete FILE_FORCED_CLOSED", "wait 7s", "close S",
            irps=RUN[4:5], socket="S",
        ),
        one(
            *_CONNECTED_BARE, "run WskReceive S -> PENDING, complete FILE_FORCED_CLOSED", "wait 20ms",
            "run WskSend S -> complete FILE_FORCED_CLOSED, FILE_FORCED_CLOSED", "close S",
            irps=RUN[5:6], socket="S",
        ),
        one(
            _LISTENER, "run WskBind S", "enable S accept", "WskAcceptEvent ctx NULL -> REQUEST_NOT_ACCEPTED",
            "wait 6s", "close S", socket="S",
        ),
        one(
            _DATAGRAMS, "run WskBind S", "enable S receive_from", "WskReceiveFromEvent ctx Indication=NULL -> SUCCESS",
            "wait 10ms", "run WskSendTo S", "close S", irps=RUN[3:4], socket="S",
        ),
        one(
            _INSPECTS, "run WskControlSocket S RequestType=set ControlCode=SO_CONDITIONAL_ACCEPT", "run WskBind S",
            "enable S accept", "WskInspectEvent ctx InspectKey=0xffffffffffffffff InspectSerial=0xffffffff"
            " -> Action=reject", "wait 6s", "close S", socket="S",
        ),
        one(
            *_CONNECTED_BARE, "WskControlSocket S NULL ioctl SIO_WSK_QUERY_INSPECT_ID -> FILE_FORCED_CLOSED",
            "wait 6s", socket="S", follows=_LEAK,
        ),
    ),
    "WSK-DISCONNECT-STUCK": (
        one(
            *_CONNECTED_BARE, "IrpAllocate A", "WskDisconnect S A -> PENDING", "wait 40s", "close S",
            "complete A CANCELLED", "IrpFree A", irps=("A",), socket="S",
        ),
        one(
            *_CONNECTED_BARE, "IrpInitialize A", "WskDisconnect S A -> PENDING", "wait 33s", "complete A SUCCESS",
            "close S", irps=("A",), socket="S",
        ),
        one(
            *_CONNECTED_BARE, "IrpAllocate A", "WskDisconnect S A Buffer=last -> PENDING", "wait 35s",
            irps=("A",), socket="S", unloads=False,
        ),
    ),
    "WSK-ABORTIVE-CLOSE": (
        one("open X Flags=connection", "run WskBind X", "run WskConnect X", "close X", irps=RUN[4:5], socket="X"),
        one(
            "run WskSocketConnect socket=X", "run WskSend X", "run WskDisconnect X", "close X",
            irps=RUN[4:5], socket="X",
        ),
        one(
            "open L Flags=listen", "run WskBind L", "run WskAccept L socket=X",
            "run WskReceive X -> PENDING, complete SUCCESS Information=0", "close X", "close L",
            irps=RUN[5:6], socket="X",
        ),
    ),
    "WSK-CANCELLED-CREATE-DROPPED": (
        one(
            "IrpAllocate A", "WskSocket A Flags=connection -> PENDING", "IrpCancel A", "complete A SUCCESS socket=S",
            "IrpFree A", irps=("A",), socket="S", follows=_LEAK,
        ),
        one(
            "IrpInitialize A", "WskSocketConnect A -> PENDING", "+3s @tid=9 @cpu=2 IrpCancel A",
            "complete A SUCCESS socket=S", irps=("A",), socket="S", follows=_LEAK,
        ),
        one(
            "open L Flags=listen", "run WskBind L", "IrpAllocate A", "WskAccept L A -> PENDING", "IrpCancel A",
            "complete A SUCCESS socket=S", "IrpFree A", "close L", irps=("A",), socket="S", follows=_LEAK,
        ),
    ),
}  # fmt: skip
