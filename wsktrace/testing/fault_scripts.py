"""One broken rule each: what a faulty driver (or provider) does, in the script notation.

Everything else in these scripts is legal, so that exactly the named rule is broken, once.
"""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import CONNECTED, RECEIVES, REFUSED, RUN, SECOND_CLIENT, Variant, one

__all__ = ["FAULTS"]

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-TRANSPORT-COMBO": (
        one("open S Flags=listen SocketType=SOCK_DGRAM Protocol=IPPROTO_UDP", "close S", irps=RUN[1:2], socket="S"),
        one(
            "run WskSocketConnect Protocol=IPPROTO_UDP -> PENDING, complete PROTOCOL_UNREACHABLE",
            irps=RUN[1:2], follows=("WSK-TRANSPORT-UNLISTED",),
        ),
        one(
            "run WskSocket AddressFamily=AF_INET6 Flags=datagram SocketType=SOCK_STREAM Protocol=IPPROTO_TCP"
            " -> PROTOCOL_NOT_SUPPORTED, complete PROTOCOL_NOT_SUPPORTED",
            irps=RUN[1:2],
        ),
    ),
    "WSK-FLAGS-INVALID": (
        one(f"run WskSocket Flags=0x10 {REFUSED}", irps=RUN[1:2]),
        one("run WskSocket Flags=0x80000000 -> PENDING, complete INVALID_PARAMETER", irps=RUN[1:2]),
    ),
    "WSK-FLAGS-MULTIPLE": (
        one(f"run WskSocket Flags=listen|connection {REFUSED}", irps=RUN[1:2]),
        one(f"run WskSocket Flags=datagram|stream {REFUSED}", irps=RUN[1:2]),
    ),
    "WSK-BASIC-CONTEXT": (
        one(f"run WskSocket Flags=basic SocketContext=ctx {REFUSED}", irps=RUN[1:2]),
        one("open S Flags=basic SocketContext=ctx", "close S", irps=RUN[1:2], follows=("WSK-CONTEXT-UNUSED",)),
    ),
    "WSK-BASIC-DISPATCH": (
        one(f"run WskSocket Flags=basic Dispatch=faulty DispatchMembers=0 {REFUSED}", irps=RUN[1:2]),
        one(
            "open S Flags=basic Dispatch=faulty DispatchMembers=0", "close S",
            irps=RUN[1:2], follows=("WSK-DISPATCH-UNUSED",),
        ),
    ),
    "WSK-CONTEXT-UNUSED": (
        one("open S Flags=connection SocketContext=ctx", "run WskBind S", "close S", irps=RUN[1:2], socket="S"),
        one("run WskSocketConnect SocketContext=ctx socket=S", "close S", irps=RUN[1:2], socket="S"),
    ),
    "WSK-DISPATCH-UNUSED": (
        one("open S Flags=listen Dispatch=faulty DispatchMembers=0", "close S", irps=RUN[1:2], socket="S"),
        one(
            "open S Flags=connection Dispatch=faulty DispatchMembers=receive", "run WskBind S", "close S",
            irps=RUN[1:2], socket="S",
        ),
    ),
    "WSK-DISPATCH-MEMBER-UNUSED": (
        one(
            "open S Flags=connection SocketContext=ctx Dispatch=faulty DispatchMembers=receive|disconnect",
            "run WskBind S", "run WskConnect S", "enable S receive", "WskReceiveEvent ctx -> SUCCESS", "close S",
            irps=RUN[1:2], socket="S",
        ),
        one(
            "open S Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept|inspect", "run WskBind S",
            "enable S accept", "close S", irps=RUN[1:2], socket="S",
        ),
    ),
    "WSK-DISPATCH-KIND": (
        one(
            CONNECTED, "open T Flags=datagram SocketContext=ctx2 Dispatch=faulty DispatchMembers=receive_from",
            "run WskBind T", "enable T receive_from", "close T", "close S",
            irps=(RUN[1], RUN[4]), subject="faulty",
        ),
        one(
            "open L Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept", "run WskBind L",
            "enable L accept",
            "run WskSocketConnect SocketContext=ctx2 Dispatch=faulty DispatchMembers=receive socket=S",
            "enable S receive", "close S", "close L", irps=(RUN[1], RUN[3]), subject="faulty",
        ),
    ),
    "WSK-OWNER-CONTEXT": (
        one("open S Flags=connection OwningThread=thread", "close S", irps=RUN[1:2], socket="S"),
        one("run WskSocketConnect OwningThread=thread -> PENDING, complete CONNECTION_REFUSED", irps=RUN[1:2]),
        one(
            "process starts P", "run WskSocket Flags=datagram OwningProcess=P socket=S", "close S", "process ends P",
            "run WskSocket Flags=datagram OwningProcess=P socket=T", "close T", irps=RUN[3:4], socket="T",
        ),
    ),
    "WSK-CLIENT-NULL": (
        one(
            "run WskSocket Client=NULL Flags=connection -> complete INVALID_HANDLE, INVALID_HANDLE", irps=RUN[1:2]
        ),
        one("run WskSocketConnect Client=NULL -> INVALID_HANDLE, complete INVALID_HANDLE", irps=RUN[1:2]),
    ),
    "WSK-CLIENT-STALE": (
        one(
            "run WskSocket Client=C2 Flags=datagram -> complete INVALID_HANDLE, INVALID_HANDLE",
            irps=RUN[1:2], subject="C2",
        ),
        one(
            SECOND_CLIENT, "WskDeregister R2 ->",
            "run WskSocketConnect Client=C3 -> PENDING, complete DEVICE_NOT_READY", irps=RUN[3:4], subject="C3",
        ),
    ),
    "WSK-IRQL-DISPATCH": (
        one("open S Flags=connection", "run WskBind S Irql=3", "close S", irps=RUN[2:3], socket="S"),
        one("open S Flags=connection", "run WskCloseSocket S Irql=15", irps=RUN[2:3], socket="S"),
        one("run WskSocket Flags=datagram Irql=5 socket=S", "close S", irps=RUN[1:2], socket="S"),
    ),
    "WSK-IRP-REQUIRED": (
        one("open S Flags=connection", "WskBind S NULL -> INVALID_PARAMETER", "close S", socket="S"),
        one(
            "open S Flags=datagram", "WskControlSocket S NULL set SO_REUSEADDR -> INVALID_PARAMETER", "close S",
            socket="S",
        ),
        one("WskSocket NULL Flags=connection -> INVALID_PARAMETER"),
        one("WskControlClient WSK_TRANSPORT_LIST_CHANGE NULL -> INVALID_PARAMETER"),
    ),
    "WSK-SD-NOT-CACHED": (
        one("open S Flags=datagram SecurityDescriptor=own", "close S", irps=RUN[1:2], socket="S", subject="own"),
        one(
            "cache own sd", "open S Flags=datagram SecurityDescriptor=own", "release sd", "close S",
            irps=RUN[1:2], socket="S", subject="own",
        ),
        one(
            "open S Flags=listen", "run WskControlSocket S ControlCode=SO_WSK_SECURITY InputValue=own", "close S",
            irps=RUN[2:3], socket="S", subject="own",
        ),
    ),
    "WSK-SD-EARLY-RELEASE": (
        one(
            "cache own sd", "IrpAllocate A", "WskSocket A Flags=listen SecurityDescriptor=sd -> PENDING", "release sd",
            "complete A SUCCESS socket=S", "IrpFree A", "close S", irps=("A",), subject="sd",
        ),
        one(
            "cache own sd", "IrpInitialize A", "WskSocketConnect A SecurityDescriptor=sd -> PENDING",
            "+20ms @tid=9 @cpu=2 release sd", "+1s complete A CONNECTION_REFUSED", irps=("A",), subject="sd",
        ),
        one(
            "cache own sd", "cache own sd", "IrpAllocate A",
            "WskSocket A Flags=datagram SecurityDescriptor=sd -> PENDING", "release sd", "release sd",
            "complete A SUCCESS socket=S", "IrpFree A", "close S", irps=("A",), subject="sd",
        ),
        one(
            "cache own sd", "open S Flags=datagram", "IrpAllocate A",
            "WskControlSocket S A set SO_WSK_SECURITY InputValue=sd -> PENDING", "release sd", "complete A SUCCESS",
            "IrpFree A", "close S", irps=("A",), subject="sd",
        ),
    ),
    "WSK-SD-USE-AFTER-RELEASE": (
        one(
            "cache own sd", "release sd", "open S Flags=datagram SecurityDescriptor=sd", "close S",
            irps=RUN[1:2], socket="S", subject="sd",
        ),
        one(
            "cache own sd", "open S Flags=datagram SecurityDescriptor=sd", "close S", "release sd",
            "run WskSocketConnect SecurityDescriptor=sd -> PENDING, complete ACCESS_DENIED",
            irps=RUN[3:4], subject="sd",
        ),
    ),
    "WSK-SD-DOUBLE-RELEASE": (
        one("cache own sd", "release sd", "release sd", subject="sd"),
        one("cache own sd", "release own", "release sd", subject="own"),
        one("cache own sd", "cache own sd", "release sd", "release sd", "release sd", subject="sd"),
    ),
    "WSK-SD-LEAK": (
        one("cache own sd", subject="sd"),
        one(
            "cache own sd", "cache own sd", "open S Flags=datagram SecurityDescriptor=sd", "close S", "release sd",
            subject="sd",
        ),
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskControlSocket S A get SO_WSK_SECURITY -> PENDING",
            "IrpComplete A SUCCESS Information=8", "@dpc=1 output S A SO_WSK_SECURITY got",
            "return IrpComplete A MORE_PROCESSING_REQUIRED", "IrpFree A", "close S", subject="got",
        ),
    ),
    "WSK-STATUS-MISMATCH": (
        one(
            "open S Flags=datagram", "run WskBind S -> SUCCESS, complete ADDRESS_ALREADY_EXISTS", "close S",
            irps=RUN[2:3], socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S -> INVALID_PARAMETER, complete SUCCESS", "close S",
            irps=RUN[2:3], socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S -> complete SUCCESS, ACCESS_DENIED", "close S",
            irps=RUN[2:3], socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S -> ACCESS_DENIED, complete INVALID_PARAMETER", "close S",
            irps=RUN[2:3], socket="S",
        ),
    ),
    "WSK-STATUS-ERROR-NO-COMPLETION": (
        one(
            "open S Flags=datagram", "IrpInitialize A", "WskBind S A -> INVALID_PARAMETER", "wait 2s", "close S",
            irps=("A",), socket="S",
        ),
        one(
            "IrpInitialize A", "WskSocket A Flags=connection -> INSUFFICIENT_RESOURCES", "wait 3s",
            irps=("A",),
        ),
    ),
    "WSK-IRP-COMPLETED-WITH-PENDING": (
        one(
            "open S Flags=datagram", "run WskBind S -> PENDING, complete PENDING", "close S",
            irps=RUN[2:3], socket="S", follows=("WSK-STATUS-MISMATCH",),
        ),
        one(
            CONNECTED, "run WskReceive S -> complete PENDING, PENDING", "close S",
            irps=RUN[4:5], socket="S", follows=("WSK-STATUS-MISMATCH",),
        ),
    ),
    "WSK-IRP-NEVER-COMPLETED": (
        one("IrpAllocate A", "WskSocket A Flags=connection -> PENDING", "wait 13s", irps=("A",), unloads=False),
        one("IrpAllocate A", "WskSocket A Flags=connection -> PENDING", "wait 13s", irps=("A",)),
        one(
            "open S Flags=connection", "IrpAllocate A", "WskBind S A -> SUCCESS", "wait 15s",
            irps=("A",), socket="S", unloads=False,
        ),
        one(
            "open S Flags=connection", "run WskBind S", "IrpInitialize A", "WskConnect S A -> PENDING", "wait 65s",
            irps=("A",), socket="S", unloads=False,
        ),
        one(
            "open S Flags=connection", "run WskBind S", "run WskConnect S", "IrpAllocate A", "WskSend S A -> PENDING",
            "wait 130s", irps=("A",), socket="S", unloads=False,
        ),
    ),
    "WSK-IRP-REUSE-PENDING": (
        one(
            "open S Flags=connection", "run WskBind S", "run WskConnect S", "IrpAllocate A",
            "WskReceive S A -> PENDING", "WskSend S A -> PENDING", "complete A SUCCESS", "IrpReuse A",
            "WskCloseSocket S A -> PENDING, complete SUCCESS", "IrpFree A", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "open T Flags=datagram", "IrpInitialize A", "WskBind S A -> PENDING",
            "@tid=9 @cpu=2 WskBind T A -> PENDING", "complete A SUCCESS", "@dpc=2 complete A SUCCESS", "close S",
            "close T", irps=("A",), socket="T", follows=("WSK-IRP-DOUBLE-COMPLETE",),
        ),
    ),
    "WSK-IRP-DOUBLE-COMPLETE": (
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskBind S A -> PENDING, complete SUCCESS, complete SUCCESS",
            "IrpFree A", "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "IrpAllocate A",
            "WskBind S A -> complete SUCCESS, PENDING, @dpc=2 complete SUCCESS",
            "IrpFree A", "close S", irps=("A",), socket="S",
        ),
    ),
    "WSK-INFO-NOT-SOCKET": (
        one("run WskSocket Flags=connection -> PENDING, complete SUCCESS Information=0", irps=RUN[1:2]),
        one("run WskSocket Flags=datagram -> PENDING, complete SUCCESS Information=0x7ff012345670", irps=RUN[1:2]),
        one("run WskSocketConnect -> complete SUCCESS Information=0xffffb10a2d003a53, SUCCESS", irps=RUN[1:2]),
        one(
            "open L Flags=listen", "run WskBind L", "run WskAccept L -> PENDING, complete SUCCESS Information=0",
            "close L", irps=RUN[3:4],
        ),
    ),
    "WSK-SOCKET-FROM-FAILED-CREATE": (
        one(
            "run WskSocketConnect -> PENDING, complete CONNECTION_REFUSED socket=X",
            "run WskCloseSocket X -> complete INVALID_HANDLE, INVALID_HANDLE", irps=RUN[1:3], socket="X",
            follows=("WSK-CLOSE-FAILED",),
        ),
        one(
            "run WskSocket Flags=datagram -> complete NO_MEMORY socket=X, PENDING",
            "run WskCloseSocket X -> PENDING, complete INVALID_PARAMETER", irps=RUN[1:3], socket="X",
            follows=("WSK-CLOSE-FAILED",),
        ),
    ),
    "WSK-EVENT-NOT-ENABLED": (
        one(
            f"open S Flags=connection {RECEIVES}", "run WskBind S", "run WskConnect S",
            "WskReceiveEvent ctx -> SUCCESS", "enable S receive", "close S", socket="S", subject="ctx",
        ),
        one(CONNECTED, "WskDisconnectEvent ctx -> SUCCESS", "close S", socket="S", subject="ctx"),
        one(
            "open S Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept", "run WskBind S",
            "WskInspectEvent ctx -> Action=reject", "enable S accept", "close S", socket="S", subject="ctx",
        ),
    ),
    "WSK-EVENT-CONTEXT-UNKNOWN": (
        one("WskReceiveEvent nobody -> SUCCESS", subject="nobody"),
        one("WskReceiveFromEvent nobody -> DATA_NOT_ACCEPTED", subject="nobody"),
        one("WskDisconnectEvent nobody -> SUCCESS", subject="nobody"),
    ),
    "WSK-EVENT-AFTER-CLOSE": (
        one(
            CONNECTED, "close S", "wait 100ms", "WskReceiveEvent ctx -> SUCCESS", socket="S", subject="ctx",
            follows=("WSK-EVENT-CONTEXT-UNKNOWN",),
        ),
        one(
            CONNECTED, "@tid=9 @cpu=2 WskReceiveEvent ctx", "close S", "return WskReceiveEvent SUCCESS",
            irps=("", RUN[4]), socket="S", subject="ctx",
        ),
    ),
    "WSK-USE-AFTER-CLOSE": (
        one(
            CONNECTED, "IrpAllocate A", "WskCloseSocket S A -> PENDING", "IrpAllocate B",
            "WskSend S B -> complete FILE_FORCED_CLOSED, FILE_FORCED_CLOSED", "complete A SUCCESS", "IrpFree A",
            "IrpFree B", irps=("B",), socket="S",
        ),
        one(
            "open S Flags=datagram", "close S", "wait 50ms", "run WskBind S -> complete INVALID_HANDLE, INVALID_HANDLE",
            irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskCloseSocket S A -> complete SUCCESS, PENDING", "IrpFree A",
            "WskControlSocket S NULL ioctl SIO_WSK_QUERY_INSPECT_ID -> INVALID_HANDLE", socket="S",
        ),
    ),
    "WSK-DOUBLE-CLOSE": (
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskCloseSocket S A -> PENDING", "IrpAllocate B",
            "@tid=9 @cpu=2 WskCloseSocket S B -> complete INVALID_HANDLE, INVALID_HANDLE", "complete A SUCCESS",
            "IrpFree A", "IrpFree B", irps=("B",), socket="S",
            follows=("WSK-USE-AFTER-CLOSE", "WSK-CLOSE-FAILED"),
        ),
        one(
            "open S Flags=connection", "close S", "wait 50ms", "close S -> INVALID_HANDLE, complete INVALID_HANDLE",
            irps=RUN[3:4], socket="S", follows=("WSK-USE-AFTER-CLOSE", "WSK-CLOSE-FAILED"),
        ),
    ),
    "WSK-CLOSE-STUCK": (
        one(
            "open S Flags=datagram", "IrpAllocate A", "WskCloseSocket S A -> PENDING", "wait 13s",
            irps=("A",), socket="S", follows=("WSK-IRP-NEVER-COMPLETED",), unloads=False,
        ),
        one(
            CONNECTED, "IrpInitialize A", "WskCloseSocket S A -> SUCCESS", "wait 14s",
            irps=("A",), socket="S", follows=("WSK-IRP-NEVER-COMPLETED",), unloads=False,
        ),
    ),
    "WSK-SOCKET-LEAK": (
        one("open S Flags=connection", "run WskBind S", irps=RUN[1:2], socket="S"),
        one("run WskSocketConnect socket=S", "run WskSend S", irps=RUN[1:2], socket="S"),
        one("open L Flags=listen", "run WskBind L", "run WskAccept L socket=S", "close L", irps=RUN[3:4], socket="S"),
    ),
}  # fmt: skip
