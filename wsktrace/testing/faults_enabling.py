"""Faults against the rules of the modules about enabling: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import CONNECTED, RECEIVES, RUN, Variant, one

__all__ = ["FAULTS"]

_SET = "RequestType=set ControlCode=SO_WSK_EVENT_CALLBACK"
_LISTENING = """
open L Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept
run WskBind L
enable L accept
"""
_BOTH = """
open S Flags=connection SocketContext=ctx Dispatch=faulty DispatchMembers=receive|disconnect
run WskBind S
run WskConnect S
enable S receive|disconnect
"""
_DATAGRAM = """
open S Flags=datagram SocketContext=ctx Dispatch=faulty DispatchMembers=receive_from
run WskBind S
enable S receive_from
"""
_INSPECTING = """
open L Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers=accept|inspect|abort
run WskControlSocket L RequestType=set ControlCode=SO_CONDITIONAL_ACCEPT
run WskBind L
enable L accept
"""
_OWN_CLIENT = """
WskRegister R2 -> SUCCESS
WskCaptureProviderNPI R2 -> SUCCESS Client=C2
"""
_STATIC = """
WskControlClient WSK_SET_STATIC_EVENT_CALLBACKS Client=C2 InputValue=receive|receive_from -> SUCCESS
"""
_DONE = """
WskReleaseProviderNPI R2 ->
WskDeregister R2 ->
"""
_TAKEN = "AcceptSocketContext=ctx2 AcceptSocketDispatch=faulty2 DispatchMembers=receive"
_REJECTED = "WskAcceptEvent ctx X -> REQUEST_NOT_ACCEPTED"

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-EVENT-ENABLE-IRP": (
        one(
            "open S Flags=connection SocketContext=ctx Dispatch=faulty DispatchMembers=receive", "run WskBind S",
            "run WskConnect S", f"run WskControlSocket S {_SET} InputValue=receive", "close S",
            irps=RUN[4:5], socket="S",
        ),
        one(
            "open S Flags=datagram SocketContext=ctx Dispatch=faulty DispatchMembers=receive_from", "run WskBind S",
            f"run WskControlSocket S {_SET} InputValue=receive_from -> complete SUCCESS, SUCCESS", "close S",
            irps=RUN[3:4], socket="S",
        ),
    ),
    "WSK-EVENT-DISABLE-MULTI": (
        one(
            _BOTH, f"WskControlSocket S NULL {_SET} InputValue=receive|disconnect|disable -> SUCCESS", "close S",
            socket="S",
        ),
        one(
            _BOTH, f"run WskControlSocket S {_SET} InputValue=disable -> PENDING, complete INVALID_PARAMETER",
            "close S", irps=RUN[4:5], socket="S",
        ),
    ),
    "WSK-EVENT-CATEGORY": (
        one(_DATAGRAM, "enable S receive -> INVALID_PARAMETER", "close S", socket="S"),
        one(CONNECTED, "enable S accept -> INVALID_PARAMETER", "close S", socket="S"),
        one(_LISTENING, "enable L receive_from -> INVALID_PARAMETER", "close L", socket="L"),
        one(
            _LISTENING,
            f"WskAcceptEvent ctx X -> SUCCESS {_TAKEN}",
            f"WskControlSocket X NULL {_SET} InputValue=accept|disable -> INVALID_PARAMETER", "close X", "close L",
            socket="X",
        ),
    ),
    "WSK-EVENT-INHERITED-DISABLE": (
        one(
            _LISTENING, "enable L receive", f"WskControlSocket L NULL {_SET} InputValue=receive|disable -> SUCCESS",
            "close L", socket="L",
        ),
        one(
            _LISTENING, "enable L receive|disconnect",
            f"WskAcceptEvent ctx T -> SUCCESS {_TAKEN}",
            f"run WskControlSocket L {_SET} InputValue=disconnect|disable", "close T", "close L",
            irps=RUN[3:4], socket="L",
        ),
    ),
    "WSK-EVENT-STATIC-CHANGE": (
        one(
            _OWN_CLIENT, _STATIC,
            f"run WskSocket Client=C2 Flags=connection {RECEIVES} socket=S",
            "run WskBind S", "run WskConnect S", "enable S receive", "close S", _DONE, socket="S",
        ),
        one(
            _OWN_CLIENT, _STATIC,
            "run WskSocket Client=C2 Flags=datagram SocketContext=ctx Dispatch=faulty socket=S",
            "run WskBind S", f"WskControlSocket S NULL {_SET} InputValue=receive_from|disable -> SUCCESS", "close S",
            _DONE, socket="S",
        ),
    ),
    "WSK-STATIC-AFTER-SOCKET": (
        one(
            _OWN_CLIENT, "run WskSocket Client=C2 Flags=connection socket=S", "close S", _STATIC, _DONE, subject="C2",
        ),
        one(
            _OWN_CLIENT, "IrpAllocate A", "WskSocket A Client=C2 Flags=datagram -> PENDING",
            "@tid=9 @cpu=2 WskControlClient WSK_TDI_BEHAVIOR Client=C2 InputValue=1 -> SUCCESS",
            "complete A SUCCESS socket=S", "IrpFree A", "close S", _DONE, subject="C2",
        ),
        one(
            _OWN_CLIENT, "run WskSocketConnect Client=C2 socket=S",
            "WskControlClient WSK_TDI_DEVICENAME_MAPPING Client=C2 -> SUCCESS", "close S", _DONE, subject="C2",
        ),
    ),
    "WSK-CALLBACK-RETVAL": (
        one(CONNECTED, "WskReceiveEvent ctx -> BUFFER_TOO_SMALL", "close S", socket="S"),
        one(_BOTH, "WskDisconnectEvent ctx -> PENDING", "close S", socket="S"),
        one(_LISTENING, "WskAcceptEvent ctx T -> INSUFFICIENT_RESOURCES", "close L", socket="L"),
        one(_INSPECTING, "WskInspectEvent ctx -> Action=3", "close L", socket="L"),
    ),
    "WSK-ACCEPT-REJECTED-USE": (
        one(_LISTENING, _REJECTED, "close X", "close L", irps=RUN[3:4], socket="X"),
        one(
            _LISTENING, _REJECTED, "wait 20ms", "run WskReceive X -> complete INVALID_HANDLE, INVALID_HANDLE",
            "close L", irps=RUN[3:4], socket="X",
        ),
    ),
    "WSK-INSPECT-NOT-COMPLETED": (
        one(
            _INSPECTING, "WskInspectEvent ctx InspectKey=key -> Action=pend", "wait 65s", "close L",
            socket="L",
        ),
        one(
            _INSPECTING, "WskInspectEvent ctx InspectKey=key InspectSerial=7 -> Action=pend", "wait 70s",
            "run WskInspectComplete L InspectKey=key InspectSerial=7 Action=reject", "close L", socket="L",
        ),
        one(
            _INSPECTING, "WskInspectEvent ctx InspectKey=key InspectSerial=7 -> Action=pend",
            "run WskInspectComplete L InspectKey=key InspectSerial=8 Action=reject", "wait 64s",
            "WskAbortEvent ctx InspectKey=key InspectSerial=7 -> SUCCESS", "close L", socket="L",
        ),
    ),
    "WSK-INDICATION-RETAINED": (
        one(CONNECTED, "WskReceiveEvent ctx Indication=list -> PENDING", "close S", irps=RUN[4:5], socket="S"),
        one(
            _DATAGRAM, "WskReceiveFromEvent ctx Indication=one -> PENDING", "WskRelease S one -> SUCCESS",
            "WskReceiveFromEvent ctx Indication=two -> PENDING", "close S", irps=RUN[3:4], socket="S",
        ),
    ),
}  # fmt: skip
