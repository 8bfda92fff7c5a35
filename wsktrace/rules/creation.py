"""Rules about how sockets are asked for: parameters of creation, clients, contexts, dispatch tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.filefacts import NEVER
from wsktrace.rules.blocks import CAPTURE, RELEASE, blocks
from wsktrace.rules.calls import of_calls
from wsktrace.rules.facts import REGISTRATION, Facts, duration
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, Answer, doubt_if, local, never, precedence
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "creation"
_INFO, _WARNING, _ERROR = range(3)
_FLAG_NAMES = {
    0: "WSK_FLAG_BASIC_SOCKET",
    1: "WSK_FLAG_LISTEN_SOCKET",
    2: "WSK_FLAG_CONNECTION_SOCKET",
    4: "WSK_FLAG_DATAGRAM_SOCKET",
    8: "WSK_FLAG_STREAM_SOCKET",
}


@rule(
    "CLIENT-NULL",
    severity="error",
    party="client",
    shape="L",
    source="seed page, Client; DDI socket, socket_connect, control_client",
    needs="entries of client-level calls with Client",
    traced=("client calls",),
    advice="Pass the Client member of the WSK_PROVIDER_NPI that WskCaptureProviderNPI filled in.",
)
def client_null(f: Facts) -> Instances:
    """Client must not be NULL in a call of the provider's dispatch table.

    Windows answers STATUS_INVALID_HANDLE, or STATUS_INVALID_PARAMETER where the IRP is missing too. Usually the
    capture failed, or the NPI was cleared by the release before a late caller read it.
    """
    rows = f.level_enters("client")
    client, known = f.arg("client", rows)
    return of_calls(
        f,
        rows,
        np.ones(len(rows), bool),
        local(client == 0, known),
        lambda i: f"{f.op_name(rows[i])} was given a NULL Client",
    )


@rule(
    "CLIENT-STALE",
    severity="error",
    party="client",
    shape="P",
    source="seed page, Client; NET unregistering-a-winsock-kernel-application",
    needs="WskRegister, WskCaptureProviderNPI returns, WskReleaseProviderNPI entries, entries of client-level calls",
    traced=("WskRegister", "WskCaptureProviderNPI return", "WskReleaseProviderNPI", "client calls"),
    follows={"CALL-BEFORE-CAPTURE": "subject", "NPI-CALL-AFTER-RELEASE": "subject"},
    advice="Make no call through the provider dispatch table after the last WskReleaseProviderNPI of its registration.",
    limits="A client that was captured before the trace began, or through NMR directly, cannot be judged.",
)
def client_stale(f: Facts) -> Instances:
    """Client must be one that WskCaptureProviderNPI delivered and that has not been released since.

    The captures of a registration are counted from its WskRegister on; a client whose registration has no capture left
    is stale. In a closed world that shows captures, a client that none of them delivered is as wrong.
    """
    rows = f.level_enters("client")
    client, known = f.arg("client", rows)
    client = client.astype(np.uint64)
    regs = f.registrations
    of, several = regs.of_client(client, rows)
    last = regs.last_release(of, rows)
    since = f.client_since(client, rows)
    gone = (of >= 0) & (last >= 0) & (regs.held(of, rows) <= 0)
    held = blocks(f)
    blind = np.full(len(rows), held.unnamed)
    released = Answer(gone, f.world.touch(since, rows)).doubting(
        doubt_if(several, ALIAS), f.unlogged(REGISTRATION, since, rows), blind
    )
    captured = bool(np.any(regs.capture_client != 0))
    stranger = precedence(f.world, of >= 0, rows, np.full(len(rows), -1), blind)
    broken = stranger | released.settled_where((of >= 0) & (last < 0))
    broken = broken.doubting(f.blind_arguments(known))
    sure = np.flatnonzero(broken.seen & (broken.doubt == 0))
    broken.doubt[sure] = held.crossing(never(len(sure)), rows[sure], CAPTURE, RELEASE)
    applies = ~known | ((client != 0) & ((of >= 0) | captured | (stranger.doubt != 0)))

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} used client {f.say(client[i])}"
        if last[i] >= 0:
            return f"{what}, whose last capture had been released {f.since(last[i], rows[i])} before"
        return f"{what}, which no WskCaptureProviderNPI delivered"

    found = of_calls(f, rows, applies, broken, tell)
    found.evidence = (last, rows)
    found.suspect = of >= 0
    # calls without an IRP are about their client
    with_irp = found.irp >= 0
    found.about = client.copy()
    found.about[with_irp] = f.irps.irp[found.irp[with_irp]]
    return found


@rule(
    "FLAGS-INVALID",
    severity="error",
    party="client",
    shape="L",
    source="seed page, Flags",
    needs="WskSocket entries with Flags",
    traced=("WskSocket",),
    advice="Pass one of the WSK_FLAG_ socket categories, nothing else.",
)
def flags_invalid(f: Facts) -> Instances:
    """Flags of WskSocket may hold no bit that is not a socket category.

    The categories are basic (0), listen (1), connection (2), datagram (4) and stream (8).
    """
    rows = f.enters("WskSocket")
    flags, known = f.arg("flags", rows)
    return of_calls(
        f,
        rows,
        np.ones(len(rows), bool),
        local((flags & ~np.uint32(0xF)) != 0, known),
        lambda i: f"WskSocket was given Flags 0x{int(flags[i]):x}, which has bits that mean nothing",
    )


@rule(
    "FLAGS-MULTIPLE",
    severity="error",
    party="client",
    shape="L",
    source="seed page, Flags (one of the following)",
    needs="WskSocket entries with Flags",
    traced=("WskSocket",),
    advice="Choose one category. A socket that listens and connects is WSK_FLAG_STREAM_SOCKET.",
)
def flags_multiple(f: Facts) -> Instances:
    """Flags of WskSocket names exactly one socket category.

    Two category bits at once leave open which dispatch table the socket has, so every later call through it may be a
    call of some other function.
    """
    rows = f.enters("WskSocket")
    flags, known = f.arg("flags", rows)
    low = flags & np.uint32(0xF)
    broken = local((low & (low - np.minimum(low, 1).astype(np.uint32))) != 0, known)

    def tell(i: int) -> str:
        names = " and ".join(name for bit, name in _FLAG_NAMES.items() if bit & int(flags[i]))
        return f"WskSocket was given {names} at once"

    return of_calls(f, rows, np.ones(len(rows), bool), broken, tell)


def _basic(f: Facts, argument: str, name: str) -> Instances:
    rows = f.enters("WskSocket")
    flags, flags_known = f.arg("flags", rows)
    value, known = f.arg(argument, rows)
    broken = local(value != 0, known & flags_known)
    applies = ~flags_known | (flags == c.WSK_FLAG_BASIC_SOCKET)
    return of_calls(
        f, rows, applies, broken, lambda i: f"a basic socket was given {name} {f.say(value[i])}; it must be NULL"
    )


@rule(
    "BASIC-CONTEXT",
    severity="error",
    party="client",
    shape="L",
    source="seed page, SocketContext",
    needs="WskSocket entries with Flags and SocketContext",
    traced=("WskSocket",),
    advice="Pass NULL: a basic socket has no callbacks that could receive the context.",
)
def basic_context(f: Facts) -> Instances:
    """SocketContext of a basic socket is always NULL.

    A basic socket has no event callbacks; a context given to it is a sign of a wrapper that forwards what it gets, or
    of Flags that were forgotten.
    """
    return _basic(f, "socket_context", "SocketContext")


@rule(
    "BASIC-DISPATCH",
    severity="error",
    party="client",
    shape="L",
    source="seed page, Dispatch",
    needs="WskSocket entries with Flags and Dispatch",
    traced=("WskSocket",),
    advice="Pass NULL: a basic socket has no callbacks.",
)
def basic_dispatch(f: Facts) -> Instances:
    """Dispatch of a basic socket is always NULL.

    There is no client dispatch structure for basic sockets; a pointer here is a table of the wrong type.
    """
    return _basic(f, "dispatch", "Dispatch")


@rule(
    "TRANSPORT-COMBO",
    severity="warning",
    party="client",
    shape="L",
    source="NET af-inet, af-inet6, Combinations; seed page, SocketType and Protocol",
    needs="WskSocket and WskSocketConnect entries with family, type, protocol and Flags",
    traced=("WskSocket", "WskSocketConnect"),
    advice=(
        "Use SOCK_STREAM with IPPROTO_TCP, SOCK_DGRAM with IPPROTO_UDP, or SOCK_RAW, in the category that takes them. "
        "Protocol 0 is no default."
    ),
    limits=(
        "Windows may create the socket all the same and fail the bind later. "
        "Families other than AF_INET and AF_INET6 are not judged."
    ),
)
def transport_combo(f: Facts) -> Instances:
    """Address family, socket type, protocol and category must be a documented combination.

    Listening, connection and stream sockets are SOCK_STREAM over IPPROTO_TCP; datagram sockets SOCK_DGRAM over
    IPPROTO_UDP or SOCK_RAW; basic sockets any of these. A creation that ends in STATUS_PROTOCOL_UNREACHABLE or
    STATUS_PROTOCOL_NOT_SUPPORTED, or a bind in STATUS_NOT_IMPLEMENTED, is what follows.
    """
    rows = f.enters("WskSocket", "WskSocketConnect")
    connect = f.op_is(rows, "WskSocketConnect")
    flags, k1 = f.arg("flags", rows)
    family, k2 = f.arg("address_family", rows)
    local_family, k3 = f.arg("local_family", rows)
    kind, k4 = f.arg("socket_type", rows)
    protocol, k5 = f.arg("protocol", rows)
    flags = np.where(connect, c.WSK_FLAG_CONNECTION_SOCKET, flags)
    family = np.where(connect, local_family, family)
    flags_known, family_known = k1 | connect, np.where(connect, k3, k2)
    documented = np.zeros(len(rows), bool)
    for flag, pairs in c.COMBINATIONS.items():
        for wanted_kind, wanted_protocol in pairs:
            fits = (flags == flag) & (kind == wanted_kind)
            documented |= fits if wanted_protocol is None else fits & (protocol == wanted_protocol)
    judged = np.isin(family, (c.AF_INET, c.AF_INET6)) & np.isin(flags, list(c.CATEGORIES))
    broken = local(~documented, flags_known & family_known & k4 & k5)
    applies = ~(flags_known & family_known) | judged

    def tell(i: int) -> str:
        category = c.category_of(int(flags[i])) or f"Flags 0x{int(flags[i]):x}"
        what = f"{category} socket of type {int(kind[i])} with protocol {int(protocol[i])}"
        return f"{f.op_name(rows[i])} asked for a {what}, which is no documented combination"

    return of_calls(f, rows, applies, broken, tell)


@rule(
    "OWNER-CONTEXT",
    severity="warning",
    party="client",
    shape="L",
    source="seed page, OwningProcess and OwningThread",
    needs=(
        "entries of creations with OwningProcess and OwningThread; "
        "for processes that had ended the kernel logger's process events in the same file"
    ),
    traced=("WskSocket", "WskSocketConnect"),
    advice="Give the process of that thread too, or neither; and no process that has ended.",
    limits=(
        "Nothing can be proven wrong from the pointers; this is worth a look, no more. "
        "A process that had ended is a warning; whether its object was kept by a reference is not traced."
    ),
)
def owner_context(f: Facts) -> Instances:
    """OwningThread picks a thread's security context inside OwningProcess, so it comes with a process.

    With OwningProcess NULL the current process is meant, which in a worker or DPC is not the thread's own. A process
    that ended before the call has no security context to give, and its address may be that of another one soon.
    """
    rows = f.enters("WskSocket", "WskSocketConnect")
    process, k1 = f.arg("owning_process", rows)
    thread, k2 = f.arg("owning_thread", rows)
    ops = f.ops
    ended, doubt = f.life.surroundings.process_ended(
        process.astype(np.uint64), ops.time[rows], ops.cpu[rows], ops.pid[rows]
    )
    gone = (ended > NEVER) & k1
    broken = local((thread != 0) & (process == 0), k1 & k2) | Answer(gone, np.where(gone, doubt, 0).astype(np.uint8))

    def tell(i: int) -> str:
        if gone[i]:
            since = duration(int(ops.time[rows[i]]) - int(ended[i]))
            return f"{f.op_name(rows[i])} was given OwningProcess {f.say(process[i])}, which had ended {since} before"
        return f"{f.op_name(rows[i])} was given OwningThread {f.say(thread[i])} without an OwningProcess"

    found = of_calls(f, rows, np.ones(len(rows), bool), broken, tell)
    found.severity = np.where(gone, _WARNING, _INFO)
    return found


@rule(
    "DISPATCH-KIND",
    severity="error",
    party="client",
    shape="F",
    source="seed page, Dispatch (structure by category)",
    needs=(
        "entries of creations and accepts with Flags and Dispatch; "
        "for a table's own kind the profile's [dispatch] and the driver's image base"
    ),
    traced=("creations", "WskAcceptEvent return"),
    advice="Keep one client dispatch structure per socket category and pass the one of the socket's category.",
    limits=(
        "A trace does not show a table's type. That one table serves two categories says that one of the two is wrong, "
        "not which: a warning. An error is what a profile names: offsets in the driver's image and their kinds."
    ),
)
def dispatch_kind(f: Facts) -> Instances:
    """Dispatch must point at the client dispatch structure of the socket's category.

    Learned: one driver load gave the same table to sockets of two categories, and their structures differ, so for one
    of them WSK calls through a table of the wrong type. Known: the profile says which table lies at that offset of the
    driver's image.
    """
    rows = f.dispatch_givers
    accepts = ~f.op_is(rows, "WskSocket", "WskSocketConnect")
    always = accepts | f.op_is(rows, "WskSocketConnect")
    flags, known = f.arg("flags", rows)
    flags = np.where(always, c.WSK_FLAG_CONNECTION_SOCKET, flags)
    given, has_given = f.arg("dispatch", rows)
    accepted, has_accepted = f.arg("accept_socket_dispatch", rows)
    dispatch, has = np.where(accepts, accepted, given), np.where(accepts, has_accepted, has_given)
    usable = (known | always) & has & (dispatch != 0) & np.isin(flags, (1, 2, 4, 8))
    lane = f.lane(rows[usable], dispatch[usable])
    kind = flags[usable][lane.order]
    table = dispatch[usable][lane.order]
    named = _named_kinds(f, lane.rows, table)
    earlier = lane.last(named < 0)
    other = lane.row_of(earlier)
    differs = (earlier >= 0) & (kind[np.maximum(earlier, 0)] != kind) if len(lane) else np.zeros(0, bool)
    learned = Answer(differs, np.where(earlier >= 0, f.world.touch(other, lane.rows), 0).astype(np.uint8))
    wrong = (named >= 0) & (named != kind)
    broken = Answer(np.where(named >= 0, wrong, learned.seen), np.where(named >= 0, 0, learned.doubt).astype(np.uint8))

    def tell(i: int) -> str:
        now = c.category_of(int(kind[i]))
        if wrong[i]:
            of = c.category_of(int(named[i]))
            return f"dispatch table {f.say(table[i])}, which is one for {of} sockets, was given to a {now} socket"
        before = c.category_of(int(kind[earlier[i]]))
        return f"dispatch table {f.say(table[i])} was given to a {now} socket after a {before} socket"

    found = of_calls(f, lane.rows, np.ones(len(lane), bool), broken, tell, outside=int((~usable).sum()))
    found.evidence = (np.where(named >= 0, -1, other), lane.rows)
    found.severity = np.where(wrong, _ERROR, _WARNING)
    return found


def _named_kinds(f: Facts, rows: NDArray[np.integer[Any]], table: NDArray[Any]) -> NDArray[np.int64]:
    """Return the Flags of the category that the profile says each table is of, -1 where it says nothing."""
    named = np.full(len(rows), -1, np.int64)
    if not f.profile.dispatch_kinds:
        return named
    offset = table.astype(np.uint64) - f.ops.image[rows]
    for place, flags in f.profile.dispatch_kinds.items():
        named[offset == np.uint64(place)] = flags
    return named
