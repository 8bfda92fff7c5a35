"""Faults against the rules of the modules about creation calls: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.stories import TRANSPORTS
from wsktrace.testing.variants import CONNECTED, REFUSED, RUN, Variant, one

__all__ = ["FAULTS"]

_LISTENER = "open S Flags=listen SocketContext=ctx Dispatch=faulty DispatchMembers"
_WINDOWS_10_1607, _WINDOWS_7 = {"build": 14393}, {"build": 7601}
#: A second client, with events enabled for all of its sockets, and what ends it.
_STATIC = (
    "WskRegister R2 -> SUCCESS",
    "WskCaptureProviderNPI R2 -> SUCCESS Client=C2",
    "WskControlClient WSK_SET_STATIC_EVENT_CALLBACKS Client=C2 InputValue=receive|receive_from -> SUCCESS",
)
_STATIC_END = ("WskReleaseProviderNPI R2 ->", "WskDeregister R2 ->")

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-SD-CTRL-PARAMS": (
        one("WskControlClient WSK_CACHE_SD InputValue=own InputSize=20 -> INVALID_PARAMETER"),
        one("WskControlClient WSK_CACHE_SD InputValue=own OutputBuffer=NULL OutputSize=0 -> INVALID_PARAMETER"),
        one(
            "cache own sd",
            "WskControlClient WSK_RELEASE_SD InputValue=sd OutputSize=8 OutputBuffer=out -> INVALID_PARAMETER",
            "release sd",
        ),
        one("WskControlClient WSK_CACHE_SD InputValue=own OutputSizeReturned=size -> SUCCESS OutputValue=sd",
            "release sd"),
        one("cache own sd", "WskControlClient WSK_RELEASE_SD InputValue=sd InputSize=4 -> SUCCESS"),
    ),
    "WSK-SD-BASIC": (
        one(
            "cache own sd", "open S Flags=basic SecurityDescriptor=sd", "release sd", "close S",
            irps=RUN[1:2], socket="S",
        ),
        one(
            "cache own sd", f"run WskSocket Flags=basic SecurityDescriptor=sd {REFUSED}", "release sd",
            irps=RUN[1:2],
        ),
    ),
    "WSK-FLAGS-VERSION": (
        one("open S Flags=stream", "close S", irps=RUN[1:2], socket="S", settings=_WINDOWS_10_1607),
        one(f"run WskSocket Flags=stream {REFUSED}", irps=RUN[1:2], settings=_WINDOWS_7),
    ),
    "WSK-SOCKCONN-PARAMS": (
        one(f"run WskSocketConnect LocalAddress=NULL LocalFamily=0 {REFUSED}", irps=RUN[1:2]),
        one(
            "run WskSocketConnect RemoteAddress=NULL RemoteFamily=0 -> PENDING, complete INVALID_PARAMETER",
            irps=RUN[1:2],
        ),
    ),
    "WSK-RESERVED-FLAGS": (
        one("run WskSocketConnect Flags=2 socket=S", "close S", irps=RUN[1:2], socket="S"),
        one("open S Flags=datagram", "run WskBind S Flags=1", "close S", irps=RUN[2:3], socket="S"),
        one(
            "open S Flags=connection", "run WskBind S", f"run WskConnectEx S Flags=1 {REFUSED}", "close S",
            irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S", "run WskSendTo S Flags=0x80000000", "close S",
            irps=RUN[3:4], socket="S",
        ),
    ),
    "WSK-AF-MISMATCH": (
        one(
            "run WskSocketConnect LocalFamily=AF_INET RemoteFamily=AF_INET6 -> PENDING, complete INVALID_PARAMETER",
            irps=RUN[1:2],
        ),
        one(
            "open S AddressFamily=AF_INET6 Flags=datagram", f"run WskBind S AddressFamily=AF_INET {REFUSED}", "close S",
            irps=RUN[2:3], socket="S",
        ),
        one(
            "open S Flags=connection", "run WskBind S", f"run WskConnect S AddressFamily=AF_INET6 {REFUSED}", "close S",
            irps=RUN[3:4], socket="S",
        ),
        one(
            "open S Flags=connection", "run WskBind S", "run WskConnectEx S AddressFamily=0 -> INVALID_PARAMETER, "
            "complete INVALID_PARAMETER", "close S", irps=RUN[3:4], socket="S",
        ),
    ),
    "WSK-TRANSPORT-UNLISTED": (
        one(
            TRANSPORTS, f"run WskSocket AddressFamily=AF_HYPERV Flags=connection Protocol=1 {REFUSED}",
            irps=RUN[1:2],
        ),
        one(
            TRANSPORTS, "run WskSocketConnect LocalFamily=34 RemoteFamily=34 Protocol=1 -> PENDING, "
            "complete PROTOCOL_UNREACHABLE", irps=RUN[1:2],
        ),
        one(
            TRANSPORTS, "run WskSocket AddressFamily=AF_UNIX Flags=datagram SocketType=SOCK_RAW Protocol=1 "
            "-> PROTOCOL_NOT_SUPPORTED, complete PROTOCOL_NOT_SUPPORTED", irps=RUN[1:2],
        ),
    ),
    "WSK-DISPATCH-MISSING": (
        one(
            "open S Flags=connection", "run WskBind S", "run WskConnect S", "enable S receive|disconnect", "close S",
            socket="S",
        ),
        one(CONNECTED, "enable S disconnect", "close S", socket="S"),
        one("open S Flags=listen", "run WskBind S", "enable S accept", "close S", socket="S"),
        one(
            f"{_LISTENER}=accept", "run WskControlSocket S RequestType=set ControlCode=SO_CONDITIONAL_ACCEPT",
            "run WskBind S", "enable S accept", "close S", irps=RUN[2:3], socket="S",
        ),
        one(
            "open L Flags=listen", "run WskBind L", "run WskAccept L socket=S", "enable S receive", "close S",
            "close L", socket="S",
        ),
        one(*_STATIC, "run WskSocket Client=C2 Flags=datagram socket=S", "close S", *_STATIC_END, irps=RUN[1:2]),
        one(*_STATIC, "run WskSocketConnect Client=C2 socket=S", "close S", *_STATIC_END, irps=RUN[1:2]),
    ),
    "WSK-OP-FLAGS": (
        one(CONNECTED, f"run WskReceive S Flags=6 {REFUSED}", "close S", irps=RUN[4:5], socket="S"),
        one(CONNECTED, "run WskDisconnect S Flags=abortive Buffer=last", "close S", irps=RUN[4:5], socket="S"),
        one(
            "open S Flags=connection", "run WskBind S", f"run WskConnectEx S Length=65536 {REFUSED}", "close S",
            irps=RUN[3:4], socket="S",
        ),
    ),
}  # fmt: skip
