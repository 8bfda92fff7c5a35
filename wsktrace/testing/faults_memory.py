"""Faults against the rules of the modules about memory: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import CONNECTED, RUN, SECOND_CLIENT, Variant, one

__all__ = ["FAULTS"]

_SECOND = "WskRegister R2 ClientDispatch=own -> SUCCESS"

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-CONTEXT-PAGED": (
        one("pool paged ctx 64", CONNECTED, "close S", "pool free ctx", irps=RUN[1:2], socket="S", subject="ctx"),
        one("stack ctx", CONNECTED, "close S", irps=RUN[1:2], socket="S", subject="ctx"),
        one(
            "open L Flags=listen SocketContext=ctx Dispatch=listening DispatchMembers=accept", "run WskBind L",
            "enable L accept|receive", "pool nonpaged ctx2", "pool free ctx2", "pool paged ctx2", "wait 5ms",
            "WskAcceptEvent ctx S -> SUCCESS AcceptSocketContext=ctx2 AcceptSocketDispatch=faulty"
            " DispatchMembers=receive",
            "close S", "close L", socket="S", subject="ctx2",
        ),
    ),
    "WSK-CONTEXT-LIFETIME": (
        one(CONNECTED, "MemoryFree ctx", "close S", irps=RUN[1:2], socket="S"),
        one(
            CONNECTED, "IrpAllocate A", "WskCloseSocket S A -> PENDING", "MemoryFree ctx", "complete A SUCCESS",
            "IrpFree A", irps=RUN[1:2], socket="S",
        ),
        one(CONNECTED, "@tid=9 @cpu=2 MemoryFree faulty 64", "wait 5ms", "close S", irps=RUN[1:2], socket="S"),
        one(
            "WskRegister R2 -> SUCCESS", "WskCaptureProviderNPI R2 -> SUCCESS Client=C2",
            "WskControlClient WSK_SET_STATIC_EVENT_CALLBACKS Client=C2 InputValue=receive_from -> SUCCESS",
            "run WskSocket Client=C2 Flags=datagram SocketContext=ctx Dispatch=faulty DispatchMembers=receive_from"
            " socket=S",
            "run WskBind S", "MemoryFree ctx", "close S", "WskReleaseProviderNPI R2 ->", "WskDeregister R2 ->",
            irps=RUN[1:2], socket="S",
        ),
        one(
            "open L Flags=listen SocketContext=ctx Dispatch=listening DispatchMembers=accept", "run WskBind L",
            "enable L accept|receive",
            "WskAcceptEvent ctx S -> SUCCESS AcceptSocketContext=ctx2 AcceptSocketDispatch=faulty"
            " DispatchMembers=receive",
            "MemoryFree ctx2", "close S", "close L", socket="S",
        ),
    ),
    "WSK-BUFFER-LIFETIME": (
        one(
            "open S Flags=datagram", "IrpAllocate A",
            "WskControlSocket S A get SO_WSK_SECURITY OutputBuffer=answer -> PENDING", "MemoryFree answer",
            "complete A ACCESS_DENIED", "IrpFree A", "close S", irps=("A",), socket="S",
        ),
        one(
            "open S Flags=datagram", "run WskBind S", "IrpInitialize A",
            "WskGetLocalAddress S A Address=answer -> PENDING", "+5ms @tid=9 @cpu=2 MemoryFree answer",
            "+1s complete A SUCCESS", "close S", irps=("A",), socket="S",
        ),
        one(
            CONNECTED, "IrpAllocate A", "WskSend S A Buffer=data", "+2ms @tid=9 @cpu=2 MemoryFree data",
            "+2ms return WskSend A PENDING", "complete A SUCCESS", "IrpFree A", "close S", irps=("A",), socket="S",
        ),
        one(
            "WskControlClient WSK_TRANSPORT_LIST_QUERY NULL OutputBuffer=answer OutputSize=64",
            "+2ms @tid=9 @cpu=2 MemoryFree answer", "+2ms return WskControlClient SUCCESS",
        ),
    ),
    "WSK-REG-BLOCK-LIFETIME": (
        one(_SECOND, "MemoryFree R2 64", "WskDeregister R2 ->"),
        one(_SECOND, "WskDeregister R2", "+2ms @tid=9 @cpu=2 MemoryFree R2 64", "+2ms return WskDeregister R2"),
        one(SECOND_CLIENT, "MemoryFree R2 32", "WskDeregister R2 ->"),
        one(_SECOND, "MemoryFree own 64", "WskDeregister R2 ->"),
    ),
}  # fmt: skip
