"""What looks like a violation and is legal: the fifteen patterns of the contract, 3.I, and the orders of 1.4.

Each is the body of a script: what the driver does between its load and its unload. ``legal_trace(n)`` plays one alone,
``legal_fragment(n)`` gives it to ``busy`` traffic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsktrace.testing.script import fragment, run_script

if TYPE_CHECKING:
    from wsktrace.testing.draft import Fragment
    from wsktrace.testing.script import Script

__all__ = ["ORDERS", "PATTERNS", "careful", "legal_fragment", "legal_trace", "order_trace", "whole"]

_CONNECTED = """
open S Flags=connection SocketContext=ctx Dispatch=table.receive DispatchMembers=receive
run WskBind S
run WskConnect S
enable S receive
"""
_CONNECTED_BARE = """
open S Flags=connection
run WskBind S
run WskConnect S
"""

#: Number in 3.I → what the driver does.
PATTERNS: Final[dict[int, str]] = {
    # The completion routine ran before the call returned, and the call still says PENDING.
    1: """
IrpAllocate A
WskSocket A Flags=connection -> complete SUCCESS socket=S, PENDING
IrpReuse A
WskBind S A -> complete SUCCESS, PENDING
IrpReuse A
WskConnect S A -> complete SUCCESS, PENDING
IrpReuse A
WskCloseSocket S A -> complete SUCCESS, PENDING
IrpFree A
""",
    # The call returned SUCCESS and the driver waits for the completion routine nevertheless.
    2: """
IrpAllocate A
WskSocket A Flags=datagram -> SUCCESS
IrpWait A
complete A SUCCESS socket=S
return IrpWait A SUCCESS
IrpReuse A
WskBind S A -> complete SUCCESS, SUCCESS
IrpWait A -> SUCCESS
IrpReuse A
WskCloseSocket S A -> SUCCESS
IrpWait A
complete A SUCCESS
return IrpWait A SUCCESS
IrpFree A
""",
    # The NPI is released while a socket is open; WskDeregister, called elsewhere than in DriverUnload, waits for it.
    3: """
WskRegister R2 -> SUCCESS
WskCaptureProviderNPI R2 WaitTimeout=5000 -> SUCCESS Client=C2
run WskSocket Client=C2 Flags=connection socket=S
WskReleaseProviderNPI R2 ->
run WskBind S
run WskConnect S
@tid=9 @cpu=2 WskDeregister R2
run WskSend S
close S
return WskDeregister R2
""",
    # Close with requests pending: they complete as cancelled, one of them seen after the close itself.
    4: _CONNECTED_BARE
    + """
IrpAllocate B
WskReceive S B -> PENDING
IrpInitialize D
WskReceive S D -> PENDING
IrpAllocate A
WskCloseSocket S A -> PENDING
complete B CANCELLED
complete A SUCCESS
@dpc=2 complete D CANCELLED
IrpFree B
IrpFree A
open L Flags=listen
run WskBind L
IrpAllocate E
WskAccept L E -> PENDING
IrpAllocate F
WskCloseSocket L F -> complete SUCCESS, PENDING
complete E CANCELLED
IrpFree E
IrpFree F
open K Flags=connection
run WskBind K
IrpAllocate G
WskConnect K G -> PENDING
IrpAllocate H
WskCloseSocket K H -> PENDING, complete SUCCESS
@dpc=2 complete G CANCELLED
IrpFree H
IrpFree G
""",
    # IRPs on the stack and inside objects, which IoAllocateIrp never saw.
    5: """
IrpInitialize stack
WskSocket stack Flags=connection -> PENDING, complete SUCCESS socket=S
IrpReuse embedded
WskBind S embedded -> PENDING, complete SUCCESS
IrpInitialize embedded
WskConnect S embedded -> PENDING, complete SUCCESS
IrpReuse stack
WskCloseSocket S stack -> PENDING, complete SUCCESS
""",
    # One IRP, inside the socket's object, for everything in turn.
    6: """
IrpInitialize A StackSize=2
WskSocket A Flags=datagram -> PENDING, complete SUCCESS socket=S
IrpReuse A
WskBind S A -> complete SUCCESS, SUCCESS
IrpReuse A
WskControlSocket S A set SO_RCVBUF -> PENDING, complete SUCCESS
IrpReuse A
WskSendTo S A -> PENDING, complete SUCCESS Information=1024
IrpReuse A
WskCloseSocket S A -> PENDING, complete SUCCESS
""",
    # Two WSK_CACHE_SD calls give the same pointer: two references, two releases.
    7: """
cache own1 sd
cache own2 sd
IrpAllocate A
WskSocket A Flags=datagram SecurityDescriptor=sd -> PENDING
release sd
complete A SUCCESS socket=S
release sd
IrpFree A
run WskBind S
close S
""",
    # A cancelled IRP completes with success; the socket it brought is closed.
    8: """
IrpAllocate A
WskSocket A Flags=connection -> PENDING
IrpCancel A
complete A SUCCESS socket=S
run WskBind S
IrpReuse A
WskConnect S A -> PENDING
IrpCancel A
complete A SUCCESS
IrpReuse A
WskReceive S A -> PENDING
IrpCancel A
complete A CANCELLED
IrpFree A
close S
""",
    # Events come although a WskAccept or WskReceive is pending.
    9: """
open L Flags=listen SocketContext=ctx Dispatch=table.accept DispatchMembers=accept
run WskBind L
enable L accept|receive
IrpAllocate A
WskAccept L A AcceptSocketContext=ctx2 AcceptSocketDispatch=table.receive DispatchMembers=receive -> PENDING
WskAcceptEvent ctx T -> SUCCESS AcceptSocketContext=ctx3 AcceptSocketDispatch=table.receive DispatchMembers=receive
complete A SUCCESS socket=U
IrpReuse A
WskReceive T A -> PENDING
WskReceiveEvent ctx3 -> SUCCESS
complete A SUCCESS Information=100
IrpFree A
WskReceiveEvent ctx2 -> DATA_NOT_ACCEPTED
close T
close U
close L
""",
    # Success with Information 0 wherever no socket is made.
    10: """
open S Flags=connection
run WskBind S -> PENDING, complete SUCCESS Information=0
run WskConnect S -> PENDING, complete SUCCESS Information=0
run WskDisconnect S -> PENDING, complete SUCCESS Information=0
run WskCloseSocket S -> PENDING, complete SUCCESS Information=0
""",
    # A callback between the call of WskCloseSocket and the completion of its IRP.
    11: _CONNECTED
    + """
IrpAllocate A
WskCloseSocket S A -> PENDING
WskReceiveEvent ctx -> SUCCESS
WskReceiveEvent ctx Indication=NULL -> SUCCESS
complete A SUCCESS
IrpFree A
""",
    # A combination that is not documented: creation succeeds, bind fails. Only TRANSPORT-COMBO has something to say.
    12: """
open S Flags=listen SocketType=SOCK_DGRAM Protocol=IPPROTO_UDP
run WskBind S -> PENDING, complete NOT_IMPLEMENTED
close S
""",
    # The next socket gets the address of the one just closed.
    13: """
open S Flags=datagram
run WskBind S
close S
open S Flags=connection SocketContext=ctx Dispatch=table.receive DispatchMembers=receive
run WskBind S
run WskConnect S
enable S receive
WskReceiveEvent ctx -> SUCCESS
close S
open S Flags=basic
close S
""",
    # Several sockets share one context; the driver is registered with several blocks.
    14: """
WskRegister R2 -> SUCCESS
WskCaptureProviderNPI R2 -> SUCCESS Client=C2
WskRegister R3 -> SUCCESS
WskCaptureProviderNPI R3 -> SUCCESS Client=C3
run WskSocket Client=C2 Flags=datagram SocketContext=ctx Dispatch=table.from DispatchMembers=receive_from socket=S
run WskSocket Client=C3 Flags=datagram SocketContext=ctx Dispatch=table.from DispatchMembers=receive_from socket=T
run WskBind S
run WskBind T
enable S receive_from
WskReceiveFromEvent ctx -> SUCCESS
enable T receive_from
WskReceiveFromEvent ctx -> SUCCESS
close S
WskReceiveFromEvent ctx -> SUCCESS
close T
WskReleaseProviderNPI R3 ->
WskDeregister R3 ->
WskReleaseProviderNPI R2 ->
WskDeregister R2 ->
""",
    # A basic socket, an IRP on the stack, one question, closed at once.
    15: """
IrpInitialize A
WskSocket A Flags=basic -> complete SUCCESS socket=S, SUCCESS
IrpReuse A
WskControlSocket S A ioctl SIO_QUERY_RSS_SCALABILITY_INFO OutputSize=16 -> PENDING, complete SUCCESS Information=16
IrpReuse A
WskCloseSocket S A -> complete SUCCESS, SUCCESS
""",
}


def _orders() -> tuple[str, ...]:
    """Return a body per legal order of entry, return and completion."""
    done = (
        "complete SUCCESS, SUCCESS",
        "complete SUCCESS, PENDING",
        "PENDING, complete SUCCESS",
        "SUCCESS, complete SUCCESS",
    )
    error = "ADDRESS_ALREADY_EXISTS"
    bodies = [f"open S Flags=datagram\nrun WskBind S -> {order}\nclose S -> {order}" for order in done]
    bodies += [
        f"open S Flags=datagram\nrun WskBind S -> {order}\nclose S"
        for order in (
            f"complete {error}, {error}",
            f"complete {error}, PENDING",
            f"PENDING, complete {error}",
            f"{error}, complete {error}",
        )
    ]
    # Refused for its parameters and never completed, as seen; the IRP is one that was passed down to the driver.
    return (*bodies, "open S Flags=datagram\nWskBind S P -> INVALID_PARAMETER\nwait 2s\nclose S")


#: A body per legal order of 1.4.
ORDERS: Final = _orders()


def careful(body: str) -> str:
    """Return the body with a completion routine set whenever an IRP was made ready for its next use."""
    out: list[str] = []
    for line in body.splitlines():
        out.append(line)
        verb, _, irp = line.partition(" ")
        if verb in ("IrpAllocate", "IrpInitialize", "IrpReuse"):
            out.append(f"IrpSetCompletion {irp.split()[0]}")
    return "\n".join(out)


def whole(body: str) -> str:
    """Return the script of a whole trace, from load to unload, in which the driver does this."""
    return f"driver\n{careful(body)}\nunload\n"


def legal_trace(number: int) -> Script:
    """Return the trace of a driver that does nothing but this pattern."""
    return run_script(whole(PATTERNS[number]))


def order_trace(number: int) -> Script:
    """Return the trace of a driver that does nothing but this order of 1.4, counted from 0."""
    return run_script(whole(ORDERS[number]))


def legal_fragment(number: int) -> Fragment:
    """Return this pattern to be played among other traffic."""
    return fragment(careful(PATTERNS[number]))
