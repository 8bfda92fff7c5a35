"""Faults against the rules of the modules about socket state: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import RECEIVES, RUN, Variant, one

__all__ = ["FAULTS"]

_CONNECTED = ("open S Flags=connection", "run WskBind S", "run WskConnect S")
_INVALID = "-> complete INVALID_DEVICE_STATE, INVALID_DEVICE_STATE"
_LISTENS = "SocketContext=ctx Dispatch=faulty DispatchMembers=accept"

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-SD-SET-AFTER-BIND": (
        one(
            "cache own sd", "open S Flags=datagram", "run WskBind S",
            "run WskControlSocket S RequestType=set ControlCode=SO_WSK_SECURITY InputValue=sd", "release sd", "close S",
            irps=RUN[3:4], socket="S",
        ),
        one(
            "cache own sd", "run WskSocketConnect socket=S",
            "run WskControlSocket S RequestType=set ControlCode=SO_WSK_SECURITY InputValue=sd"
            " -> INVALID_DEVICE_STATE, complete INVALID_DEVICE_STATE",
            "release sd", "close S", irps=RUN[2:3], socket="S",
        ),
    ),
    "WSK-EVENT-ENABLE-TOO-EARLY": (
        one(
            f"open S Flags=connection {RECEIVES}", "run WskBind S", "enable S receive", "run WskConnect S", "close S",
            socket="S",
        ),
        one(f"open S Flags=listen {_LISTENS}", "enable S accept", "run WskBind S", "close S", socket="S"),
        one(
            "open S Flags=datagram SocketContext=ctx Dispatch=faulty DispatchMembers=receive_from", "IrpAllocate A",
            "WskBind S A -> PENDING", "enable S receive_from", "complete A SUCCESS", "IrpFree A", "close S",
            socket="S",
        ),
        one(
            f"open S Flags=stream {RECEIVES}", "run WskBind S", "enable S receive", "run WskConnectEx S", "close S",
            socket="S",
        ),
    ),
    "WSK-CONDACCEPT-AFTER-BIND": (
        one(
            "open S Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=inspect|abort", "run WskBind S",
            "run WskControlSocket S RequestType=set ControlCode=SO_CONDITIONAL_ACCEPT", "close S",
            irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=connection", "run WskControlSocket S RequestType=set ControlCode=SO_CONDITIONAL_ACCEPT",
            "close S", irps=RUN[2:3], socket="S",
        ),
    ),
    "WSK-SOCKET-USE-BEFORE-CREATE": (
        one(
            "IrpAllocate A", "WskSocket A Flags=datagram -> PENDING",
            "+5ms run WskBind X -> complete INVALID_HANDLE, INVALID_HANDLE", "+5ms complete A SUCCESS socket=X",
            "IrpFree A", "close X", irps=RUN[1:2], socket="X",
        ),
        one(
            "open L Flags=listen", "run WskBind L", "IrpAllocate A", "WskAccept L A -> PENDING",
            "+5ms WskRelease X NULL -> INVALID_HANDLE", "+5ms complete A SUCCESS socket=X", "IrpFree A", "close X",
            "close L", socket="X",
        ),
    ),
    "WSK-SOCKET-PTR-DUPLICATE": (
        one("open X Flags=datagram", "run WskSocketConnect socket=X", "close X", irps=RUN[2:3], socket="X"),
        one(
            "open L Flags=listen", "run WskBind L", "run WskAccept L socket=X", "+5ms run WskAccept L socket=X",
            "close X", "close L", irps=RUN[4:5], socket="X",
        ),
    ),
    "WSK-CATEGORY-CALL": (
        one("open S Flags=basic", f"run WskBind S {_INVALID}", "close S", irps=RUN[2:3], socket="S"),
        one(
            "open S Flags=datagram", "run WskBind S", "run WskSend S -> NOT_SUPPORTED, complete NOT_SUPPORTED",
            "close S", irps=RUN[3:4], socket="S",
        ),
        one(
            "run WskSocketConnect socket=S", "run WskListen S -> PENDING, complete NOT_SUPPORTED", "close S",
            irps=RUN[2:3], socket="S",
        ),
    ),
    "WSK-BIND-REQUIRED": (
        one("open S Flags=connection", f"run WskConnect S {_INVALID}", "close S", irps=RUN[2:3], socket="S"),
        one("open S Flags=datagram", "run WskSendTo S", "run WskBind S", "close S", irps=RUN[2:3], socket="S"),
        one(
            "open S Flags=stream", "run WskBind S -> PENDING, complete ADDRESS_ALREADY_EXISTS",
            "run WskListen S -> PENDING, complete INVALID_DEVICE_STATE", "close S", irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=listen", "IrpAllocate A", "IrpAllocate B", "WskBind S A -> PENDING",
            "@tid=9 @cpu=2 WskAccept S B -> INVALID_DEVICE_STATE, complete INVALID_DEVICE_STATE",
            "complete A SUCCESS", "IrpFree A", "IrpFree B", "close S", irps=("B",), socket="S",
        ),
    ),
    "WSK-CONNECT-REQUIRED": (
        one(
            "open S Flags=connection", "run WskBind S", f"run WskSend S {_INVALID}", "close S",
            irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=connection", "run WskBind S", "run WskConnect S -> PENDING, complete CONNECTION_REFUSED",
            "run WskDisconnect S -> PENDING, complete INVALID_DEVICE_STATE", "close S", irps=RUN[4:5], socket="S",
        ),
        one(
            "open S Flags=stream", "run WskBind S", "IrpAllocate A", "IrpAllocate B", "WskConnect S A -> PENDING",
            "WskReceive S B -> PENDING", "+20ms complete A SUCCESS", "complete B SUCCESS", "IrpFree A", "IrpFree B",
            "close S", irps=("B",), socket="S",
        ),
    ),
    "WSK-STREAM-ROLE": (
        one(
            "open S Flags=stream", "run WskBind S", "run WskListen S", f"run WskConnect S {_INVALID}", "close S",
            irps=RUN[4:5], socket="S",
        ),
        one(
            "open S Flags=stream", "run WskBind S", "run WskConnectEx S", f"run WskListen S {_INVALID}", "close S",
            irps=RUN[4:5], socket="S",
        ),
    ),
    "WSK-OPT-ORDER": (
        one(
            "open S Flags=datagram", "run WskBind S",
            "run WskControlSocket S RequestType=set ControlCode=SO_REUSEADDR", "close S", irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskControlSocket S ControlCode=SIO_WSK_SET_REMOTE_ADDRESS", "run WskBind S",
            "close S", irps=RUN[2:3], socket="S",
        ),
        one(
            "open S Flags=connection", "run WskBind S",
            "run WskControlSocket S ControlCode=SIO_WSK_QUERY_RECEIVE_BACKLOG", "run WskConnect S", "close S",
            irps=RUN[3:4], socket="S",
        ),
    ),
    "WSK-SILENT-MODE-USE": (
        one(
            *_CONNECTED, "run WskControlSocket S ControlCode=SIO_WSK_SET_TCP_SILENT_MODE", "+5ms run WskDisconnect S",
            "close S", irps=RUN[5:6], socket="S",
        ),
        one(
            *_CONNECTED, "IrpAllocate A", "WskSend S A -> PENDING",
            "+5ms run WskControlSocket S ControlCode=SIO_WSK_SET_TCP_SILENT_MODE", "+5ms complete A CANCELLED",
            "IrpFree A", "close S", irps=RUN[4:5], socket="S",
        ),
    ),
}  # fmt: skip
