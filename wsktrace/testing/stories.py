"""What legal drivers do all day, told in the script notation with chance deciding the details.

A story is the life of one object of a driver (a connection, a listener …): which IRPs it uses, in which of the legal
orders they complete, on which processors. Every story closes its sockets, frees its IRPs and releases its descriptors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsktrace.testing.pen import Pen

__all__ = ["LOAD", "STORIES", "TRANSPORTS", "UNLOAD", "streams"]

#: WSK_TRANSPORT_LIST_QUERY, and what it brings.
TRANSPORTS: Final = "\n".join(
    ["WskControlClient WSK_TRANSPORT_LIST_QUERY OutputSize=192 -> SUCCESS"]
    + [
        f"WskTransport AddressFamily={family} SocketType={kind} Protocol={protocol}"
        for family in ("AF_INET", "AF_INET6")
        for kind, protocol in (("SOCK_STREAM", "IPPROTO_TCP"), ("SOCK_DGRAM", "IPPROTO_UDP"), ("SOCK_RAW", 0))
    ]
)

#: A second registration whose sockets have their callbacks enabled statically; before the first story.
LOAD: Final = f"""
driver
WskQueryProviderCharacteristics R -> SUCCESS
WskCaptureProviderNPI R -> SUCCESS Client=C
WskRegister table.R2 -> SUCCESS
WskCaptureProviderNPI table.R2 WaitTimeout=1000 -> SUCCESS Client=table.C2
WskControlClient WSK_SET_STATIC_EVENT_CALLBACKS Client=table.C2 InputValue=receive|disconnect|receive_from -> SUCCESS
{TRANSPORTS}
"""
#: After the last story.
UNLOAD: Final = """
@tid=2
DriverUnload DriverObject
WskReleaseProviderNPI table.R2 ->
WskDeregister table.R2 ->
WskReleaseProviderNPI R ->
WskReleaseProviderNPI R ->
WskDeregister R ->
return DriverUnload
"""


def _given(kinds: list[str], context: str) -> str:
    return f"SocketContext={context} Dispatch=table.{'.'.join(kinds)} DispatchMembers={'|'.join(kinds)}"


def _accepted(kinds: list[str], context: str) -> str:
    return (
        _given(kinds, context)
        .replace("SocketContext", "AcceptSocketContext")
        .replace(" Dispatch=", " AcceptSocketDispatch=")
    )


def _traffic(pen: Pen, socket: str, context: str, kinds: list[str]) -> None:
    """Write data calls and callbacks of a connected socket."""
    rng = pen.rng
    for _ in range(rng.randrange(1, 7)):
        choice = rng.random()
        length = rng.choice((64, 512, 1460, 65536))
        if choice < 0.35:
            pen.call(f"WskSend {socket} Length={length} Flags={rng.choice((0, 0, 2))}", brings=f"Information={length}")
        elif choice < 0.6 or not kinds:
            pen.call(f"WskReceive {socket} Length={length}", brings=f"Information={length // 2}", longest_ms=200)
        elif "receive" in kinds and choice < 0.85:
            retain = rng.random() < 0.3
            indication = pen.name("data")
            pen.event(f"WskReceiveEvent {context}", "PENDING" if retain else "SUCCESS", f"Indication={indication}")
            if retain:
                pen.write(f"WskRelease {socket} {indication} -> SUCCESS")
        elif "send_backlog" in kinds:
            pen.event(f"WskSendBacklogEvent {context}")


def _close(pen: Pen, socket: str) -> None:
    pen.call(f"WskCloseSocket {socket}", longest_ms=100)


def connection(pen: Pen) -> None:
    """A client's connection: create, bind, connect, enable events, send and receive, disconnect, close."""
    socket, context = pen.name("S"), pen.name("ctx")
    kinds = pen.kinds() if pen.rng.random() < 0.7 else []
    given = _given(kinds, context) if kinds else ""
    family = f"AddressFamily={pen.rng.choice((2, 23))}"
    pen.call(f"WskSocket {family} Flags=connection {given}", brings=f"socket={socket}")
    pen.call(f"WskBind {socket} {family}")
    pen.call(f"{pen.rng.choice(('WskConnect', 'WskConnect', 'WskConnectEx'))} {socket} {family}", longest_ms=3000)
    if kinds:
        pen.write(f"enable {socket} {'|'.join(kinds)}")
    if pen.rng.random() < 0.3:
        pen.call(f"WskGetRemoteAddress {socket}")
    _traffic(pen, socket, context, kinds)
    if "disconnect" in kinds and pen.rng.random() < 0.5:
        pen.event(f"WskDisconnectEvent {context}")
    if kinds and pen.rng.random() < 0.3:
        pen.write(
            f"WskControlSocket {socket} NULL set SO_WSK_EVENT_CALLBACK InputValue={kinds[0]}|disable -> EVENT_PENDING"
        )
    if pen.rng.random() < 0.7:
        pen.call(f"WskDisconnect {socket}", longest_ms=500)
    _close(pen, socket)
    if kinds:
        pen.write(f"MemoryFree {context}")


def listener_by_event(pen: Pen) -> None:
    """A listener whose connections come by WskAcceptEvent and inherit its connection events."""
    listener, context = pen.name("L"), pen.name("ctx")
    kinds = pen.kinds()
    pen.call(f"WskSocket Flags=listen {_given(['accept'], context)}", brings=f"socket={listener}")
    pen.call(f"WskBind {listener}")
    pen.write(f"enable {listener} {'|'.join(['accept', *kinds])}")
    for _ in range(pen.rng.randrange(1, 4)):
        socket, child = pen.name("T"), pen.name("ctx")
        if pen.rng.random() < 0.2:
            pen.event(f"WskAcceptEvent {context} {socket}", "REQUEST_NOT_ACCEPTED")
            continue
        pen.event(f"WskAcceptEvent {context} {socket}", returns=_accepted(kinds, child))
        _traffic(pen, socket, child, kinds)
        if "disconnect" in kinds:
            pen.event(f"WskDisconnectEvent {child}")
        _close(pen, socket)
    _close(pen, listener)


def listener_by_call(pen: Pen) -> None:
    """A listener that calls WskAccept; the last call is cancelled by the close, sometimes seen after it."""
    listener = pen.name("L")
    inherit = pen.rng.random() < 0.5
    context = pen.name("ctx")
    pen.call(f"WskSocket Flags=listen {_given(['accept'], context) if inherit else ''}", brings=f"socket={listener}")
    pen.call(f"WskBind {listener}")
    if inherit:
        pen.write(f"enable {listener} accept|receive|disconnect")
    for _ in range(pen.rng.randrange(1, 3)):
        socket, child = pen.name("T"), pen.name("ctx")
        kinds = ["receive", "disconnect"] if inherit else pen.kinds()
        pen.call(f"WskAccept {listener} {_accepted(kinds, child)}", brings=f"socket={socket}", longest_ms=100)
        if not inherit:
            pen.write(f"enable {socket} {'|'.join(kinds)}")
        _traffic(pen, socket, child, kinds)
        _close(pen, socket)
    _cancelled_by_close(pen, listener, f"WskAccept {listener}")


def _cancelled_by_close(pen: Pen, socket: str, call: str) -> None:
    waiting, closing = pen.irp(), pen.irp()
    pen.write(f"{call} Irp={waiting} -> PENDING")
    dpc = f"@dpc={pen.rng.randrange(pen.cpus)}"
    pen.write(f"{pen.delay()} WskCloseSocket {socket} {closing} -> PENDING")
    ends = [f"{dpc} complete {waiting} CANCELLED", f"complete {closing} SUCCESS"]
    for line in ends if pen.rng.random() < 0.6 else reversed(ends):
        pen.write(line)
    pen.done(waiting)
    pen.done(closing)


def datagrams(pen: Pen) -> None:
    """A datagram socket: options, bind, datagrams by event and by call, a pending receive cancelled by the close."""
    socket, context = pen.name("S"), pen.name("ctx")
    by_event = pen.rng.random() < 0.6
    given = _given(["receive_from"], context) if by_event else ""
    kind = pen.rng.choice(("", "", "SocketType=SOCK_RAW Protocol=IPPROTO_ICMP "))
    pen.call(f"WskSocket Flags=datagram {kind}{given}", brings=f"socket={socket}")
    option = pen.rng.choice(("SO_REUSEADDR", "SO_RCVBUF"))
    pen.call(f"WskControlSocket {socket} RequestType=set ControlCode={option}")
    pen.call(f"WskBind {socket}")
    if by_event:
        pen.write(f"enable {socket} receive_from")
        for _ in range(pen.rng.randrange(4)):
            pen.event(f"WskReceiveFromEvent {context}")
    for _ in range(pen.rng.randrange(1, 5)):
        call = pen.rng.choice(("WskSendTo", "WskSendTo", "WskSendMessages"))
        pen.call(f"{call} {socket} Length=512", brings="Information=512")
    pen.call(f"WskGetLocalAddress {socket}")
    if pen.rng.random() < 0.5:
        _cancelled_by_close(pen, socket, f"WskReceiveFrom {socket}")
    else:
        _close(pen, socket)


def question(pen: Pen) -> None:
    """A basic socket, asked one thing and closed."""
    socket = pen.name("S")
    pen.call(
        f"WskSocket {pen.rng.choice(('', 'SocketType=SOCK_STREAM Protocol=IPPROTO_TCP'))}", brings=f"socket={socket}"
    )
    pen.call(
        f"WskControlSocket {socket} ControlCode=SIO_QUERY_RSS_SCALABILITY_INFO OutputSize=16", brings="Information=16"
    )
    _close(pen, socket)


def secured(pen: Pen) -> None:
    """Sockets with cached security descriptors; SO_WSK_SECURITY set and got before bind."""
    own, sd, socket = pen.name("own"), pen.name("sd"), pen.name("S")
    pen.write(f"cache {own} {sd}")
    twice = pen.rng.random() < 0.4
    if twice:
        pen.write(f"cache {own} {sd}")
    if pen.rng.random() < 0.4:
        text = f"WskSocketConnect SecurityDescriptor={sd} LocalAddress=here RemoteAddress=there"
        pen.call(text, brings=f"socket={socket}", longest_ms=2000)
    else:
        pen.call(f"WskSocket Flags=datagram SecurityDescriptor={sd}", brings=f"socket={socket}")
        if pen.rng.random() < 0.5:
            pen.call(f"WskControlSocket {socket} RequestType=set ControlCode=SO_WSK_SECURITY InputValue={sd}")
        if pen.rng.random() < 0.5:
            _get_security(pen, socket)
        pen.call(f"WskBind {socket}")
    pen.write(f"release {sd}")
    _close(pen, socket)
    if twice:
        pen.write(f"release {sd}")


def _get_security(pen: Pen, socket: str) -> None:
    irp, got = pen.irp(), pen.name("got")
    dpc = f"@dpc={pen.rng.randrange(pen.cpus)}"
    pen.write(f"WskControlSocket {socket} {irp} get SO_WSK_SECURITY -> PENDING")
    pen.write(f"{pen.delay()} {dpc} IrpComplete {irp} SUCCESS Information=8")
    pen.write(f"{dpc} output {socket} {irp} SO_WSK_SECURITY {got}")
    pen.write(f"return IrpComplete {irp} MORE_PROCESSING_REQUIRED")
    pen.done(irp)
    pen.write(f"release {got}")


def inspected(pen: Pen) -> None:
    """A listener with conditional accept: requests are inspected, some pended, one aborted."""
    listener, context = pen.name("L"), pen.name("ctx")
    pen.call(f"WskSocket Flags=listen {_given(['accept', 'inspect', 'abort'], context)}", brings=f"socket={listener}")
    pen.call(f"WskControlSocket {listener} RequestType=set ControlCode=SO_CONDITIONAL_ACCEPT")
    pen.call(f"WskBind {listener}")
    pen.write(f"enable {listener} accept")
    for serial in range(pen.rng.randrange(1, 4)):
        about = f"InspectKey=key InspectSerial={serial + 1}"
        pend = pen.rng.random() < 0.5
        pen.write(f"{pen.delay()} WskInspectEvent {context} {about} -> Action={'pend' if pend else 'reject'}")
        if pend and pen.rng.random() < 0.3:
            pen.event(f"WskAbortEvent {context}", more=about)
        elif pend:
            socket = pen.name("T")
            pen.call(f"WskInspectComplete {listener} {about} Action=accept")
            pen.event(f"WskAcceptEvent {context} {socket}")
            _close(pen, socket)
    _close(pen, listener)


def unlucky(pen: Pen) -> None:
    """Creations, binds and connects that fail, in every order in which failures come."""
    pen.call("WskSocket Flags=connection", "INSUFFICIENT_RESOURCES")
    pen.call("WskSocketConnect LocalAddress=here RemoteAddress=there", "CONNECTION_REFUSED", longest_ms=2000)
    socket, context = pen.name("S"), pen.name("ctx")
    pen.call(f"WskSocket Flags=connection {_given(['receive'], context)}", brings=f"socket={socket}")
    pen.call(f"WskBind {socket}", "ADDRESS_ALREADY_EXISTS")
    pen.call(f"WskBind {socket}")
    pen.call(f"WskConnect {socket}", "CONNECTION_REFUSED", longest_ms=3000)
    _close(pen, socket)


def passed_down(pen: Pen) -> None:
    """IRPs that came from above: with a completion routine for some outcomes, or none at all."""
    socket = pen.name("S")
    pen.call("WskSocket Flags=connection", brings=f"socket={socket}")
    pen.call(f"WskBind {socket}")
    pen.call(f"WskConnect {socket}", longest_ms=1000)
    for _ in range(pen.rng.randrange(1, 5)):
        irp, choice = pen.name("down"), pen.rng.random()
        if choice < 0.3:
            pen.write(f"IrpMarkPending {irp}")
            pen.write(f"WskSend {socket} {irp} -> PENDING")
        elif choice < 0.5:
            pen.write(f"WskReceive {socket} {irp} -> INVALID_DEVICE_STATE")
        elif choice < 0.75:
            pen.write(f"IrpSetCompletion {irp} InvokeOnCancel=no")
            pen.write(f"WskSend {socket} {irp} -> PENDING, {pen.delay()} complete SUCCESS Information=100")
            pen.write(f"IrpCompleteUp {irp}")
        else:
            pen.write(f"IrpSetCompletion {irp} InvokeOnSuccess=no")
            pen.write(f"WskReceive {socket} {irp} -> PENDING")
    _close(pen, socket)


def impatient(pen: Pen) -> None:
    """A driver that cancels: what was cancelled completes as cancelled or with success all the same."""
    socket = pen.name("S")
    create = pen.irp()
    pen.write(f"WskSocket {create} Flags=connection -> PENDING")
    pen.write(f"{pen.delay()} IrpCancel {create}")
    pen.write(f"{pen.delay()} complete {create} SUCCESS socket={socket}")
    pen.done(create)
    pen.call(f"WskBind {socket}")
    pen.call(f"WskConnect {socket}", longest_ms=3000)
    for _ in range(pen.rng.randrange(1, 4)):
        irp = pen.irp()
        pen.write(f"WskReceive {socket} {irp} -> PENDING")
        pen.write(f"{pen.delay()} IrpCancel {irp}")
        pen.write(f"{pen.delay()} complete {irp} {pen.rng.choice(('CANCELLED', 'SUCCESS'))}")
        pen.done(irp)
    _close(pen, socket)


def static_callbacks(pen: Pen) -> None:
    """Sockets of the client that enabled its callbacks statically; some come before the creation's completion."""
    client, socket, context = "Client=table.C2", pen.name("S"), pen.name("ctx")
    if pen.rng.random() < 0.5:
        irp = pen.irp()
        pen.write(f"WskSocket {irp} {client} Flags=datagram {_given(['receive_from'], context)} -> PENDING")
        pen.event(f"WskReceiveFromEvent {context}")
        pen.write(f"{pen.delay()} complete {irp} SUCCESS socket={socket}")
        pen.done(irp)
        pen.call(f"WskBind {socket}")
        pen.event(f"WskReceiveFromEvent {context}")
    else:
        kinds = ["receive", "disconnect"]
        pen.call(
            f"WskSocketConnect {client} LocalAddress=here RemoteAddress=there {_given(kinds, context)}",
            brings=f"socket={socket}",
        )
        _traffic(pen, socket, context, kinds)
        pen.event(f"WskDisconnectEvent {context}")
    _close(pen, socket)


def names(pen: Pen) -> None:
    """Names and addresses resolved; a list of transports queried."""
    pen.call("WskGetAddressInfo", longest_ms=2000)
    pen.write("WskFreeAddressInfo result ->")
    pen.call("WskGetNameInfo", longest_ms=2000)
    for line in TRANSPORTS.splitlines():
        pen.write(line)


def streams(pen: Pen) -> None:
    """Stream sockets in both roles."""
    socket, context = pen.name("S"), pen.name("ctx")
    pen.call(
        f"WskSocket Flags=stream {_given(['receive', 'disconnect'], context).replace('table.', 'table.stream.')}",
        brings=f"socket={socket}",
    )
    pen.call(f"WskBind {socket}")
    pen.call(f"WskConnect {socket}", longest_ms=1000)
    pen.write(f"enable {socket} receive|disconnect")
    _traffic(pen, socket, context, ["receive", "disconnect"])
    _close(pen, socket)
    listener, accepted = pen.name("L"), pen.name("T")
    pen.call("WskSocket Flags=stream", brings=f"socket={listener}")
    pen.call(f"WskBind {listener}")
    pen.call(f"WskListen {listener}")
    pen.call(f"WskAccept {listener}", brings=f"socket={accepted}")
    _traffic(pen, accepted, "", [])
    _close(pen, accepted)
    _close(pen, listener)


#: The stories, with how often each is told.
STORIES: Final[tuple[tuple[Callable[[Pen], None], int], ...]] = (
    (connection, 6),
    (listener_by_event, 3),
    (listener_by_call, 2),
    (datagrams, 4),
    (question, 2),
    (secured, 3),
    (inspected, 2),
    (unlucky, 2),
    (passed_down, 2),
    (impatient, 2),
    (static_callbacks, 2),
    (names, 1),
    (streams, 2),
)
