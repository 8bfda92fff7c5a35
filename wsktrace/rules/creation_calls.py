"""Rules about arguments of creation and of the calls that follow: flags, addresses, families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.calls import entries, of_calls, same_socket
from wsktrace.rules.facts import Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, doubt_if, join, local
from wsktrace.wsk import constants as c
from wsktrace.wsk.constants import family_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "creation"
_FIRST_WITH_STREAMS = 15063
_RESERVED = (
    "WskSocketConnect", "WskBind", "WskAccept", "WskConnect", "WskConnectEx", "WskSendTo", "WskReceiveFrom",
    "WskSendMessages",
)  # fmt: skip
_WAITALL_AND_DRAIN = 0x6
_ABORTIVE = 0x1
_MOST_CONNECT_DATA = 65535


@rule(
    "FLAGS-VERSION",
    severity="info",
    party="client",
    shape="L",
    source="seed page, Flags (a stream socket); wsk.h (stream sockets since Windows 10, version 1703)",
    needs="WskSocket entries with Flags, the build number of Windows in the header of the file",
    traced=("WskSocket",),
    advice="Create a listening or a connection socket there, by the version that RtlGetVersion tells.",
    limits="The build number is that of the machine on which the session ran.",
)
def flags_version(f: Facts) -> Instances:
    """WSK_FLAG_STREAM_SOCKET needs Windows 10, version 1703 (build 15063), or later.

    An older version knows no such category. A driver that is to run there, too, has to do without it.
    """
    rows = f.enters("WskSocket")
    flags, known = f.arg("flags", rows)
    build = f.world.os_build
    old = np.full(len(rows), build < _FIRST_WITH_STREAMS)
    stream = flags == c.WSK_FLAG_STREAM_SOCKET
    broken = local(stream & old, known & (build != 0))
    return of_calls(
        f,
        rows,
        np.where(known, stream, old),
        broken,
        lambda _: f"WskSocket was asked for a stream socket on build {build} of Windows, which has none before 15063",
    )


@rule(
    "SOCKCONN-PARAMS",
    severity="error",
    party="client",
    shape="L",
    source="DDI socket_connect, LocalAddress and RemoteAddress",
    needs="WskSocketConnect entries with LocalAddress and RemoteAddress",
    traced=("WskSocketConnect",),
    advice="Pass the wildcard address of the family (all zero but for sa_family) where any local address will do.",
    limits=(
        "Type and protocol are judged by WSK-TRANSPORT-COMBO, the family of the addresses by WSK-AF-MISMATCH, the "
        "dispatch table by WSK-DISPATCH-KIND, options that come too late by WSK-OPT-ORDER."
    ),
)
def sockconn_params(f: Facts) -> Instances:
    """WskSocketConnect is given a local and a remote address, neither of them NULL.

    It creates, binds and connects in one call, so it needs what WskBind and WskConnect are given.
    """
    rows = f.enters("WskSocketConnect")
    here, k1 = f.arg("local_address", rows)
    there, k2 = f.arg("remote_address", rows)
    no_local, no_remote = local(here == 0, k1), local(there == 0, k2)

    def tell(i: int) -> str:
        names = [name for name, part in (("LocalAddress", no_local), ("RemoteAddress", no_remote)) if part.seen[i]]
        return f"WskSocketConnect was given a NULL {' and a NULL '.join(names)}"

    return of_calls(f, rows, np.ones(len(rows), bool), no_local | no_remote, tell)


@rule(
    "RESERVED-FLAGS",
    severity="error",
    party="client",
    shape="L",
    source=(
        "DDI socket_connect, bind, accept, connect, connect_ex, send_to, receive_from, send_messages, "
        "Flags (reserved, zero)"
    ),
    needs="entries of these calls with Flags",
    traced=_RESERVED,
    advice="Pass 0. WskSocketConnect needs no category: it always creates a connection socket.",
    limits="Flags of WskSend, WskReceive and WskDisconnect mean something and are not judged here.",
)
def reserved_flags(f: Facts) -> Instances:
    """Flags of the calls that reserve it is 0.

    These are WskSocketConnect, WskBind, WskAccept, WskConnect, WskConnectEx, WskSendTo, WskReceiveFrom and
    WskSendMessages. WskConnectEx is documented to refuse anything else.
    """
    rows = entries(f, *_RESERVED)
    flags, known = f.arg("flags", rows)
    return of_calls(
        f,
        rows,
        np.ones(len(rows), bool),
        local(flags != 0, known),
        lambda i: f"{f.op_name(rows[i])} was given Flags 0x{int(flags[i]):x}, which are reserved",
    )


@rule(
    "AF-MISMATCH",
    severity="error",
    party="client",
    shape="J",
    source="DDI bind, connect, connect_ex, socket_connect (sa_family of the addresses)",
    needs=(
        "WskSocketConnect entries with both families; WskBind, WskConnect and WskConnectEx entries with AddressFamily, "
        "creations with AddressFamily and their completions"
    ),
    traced=("WskSocketConnect", "WskBind", "WskConnect", "WskConnectEx", "creations", "IrpComplete"),
    advice="Fill sa_family in from the family that the socket was created with.",
    limits=(
        "Sockets of other families than AF_INET and AF_INET6 are not judged. That an address is missing is the matter "
        "of WSK-SOCKCONN-PARAMS."
    ),
)
def af_mismatch(f: Facts) -> Instances:
    """An address given to a socket is of the socket's own family, and both addresses of WskSocketConnect of one.

    A socket that was accepted has the family of its listener, one of WskSocketConnect that of its local address. An
    IPv6 socket takes IPv4 addresses only in their mapped form, as AF_INET6.
    """
    both = f.enters("WskSocketConnect")
    here, null_here, known_here = _family(f, both, "local_family", "local_address")
    there, null_there, known_there = _family(f, both, "remote_family", "remote_address")
    apart = local(here != there, known_here & known_there)
    apart_applies = ~null_here & ~null_there

    rows, given, null, known, on = _addressed(f)
    own, own_known, doubt = _own_family(f, on, rows)
    differs = join(own_known & known & (given != own), own_known & known, doubt)
    judged = ~null & (~own_known | np.isin(own, (c.AF_INET, c.AF_INET6)))

    every = np.concatenate([both, rows])
    broken = Answer(np.concatenate([apart.seen, differs.seen]), np.concatenate([apart.doubt, differs.doubt]))
    first = len(both)

    def tell(i: int) -> str:
        if i < first:
            pair = f"{family_name(here[i])} address and a remote {family_name(there[i])} address"
            return f"WskSocketConnect was given a local {pair}"
        i -= first
        what = f"{f.op_name(rows[i])} was given an {family_name(given[i])} address"
        return f"{what} on socket {f.say(f.sockets.address[on[i]])}, which is of {family_name(own[i])}"

    found = of_calls(f, every, np.concatenate([apart_applies, judged]), broken, tell)
    create = np.append(f.sockets.create, -1)[on]
    found.evidence = (np.concatenate([np.full(first, -1), create]), every)
    return found


def _family(
    f: Facts, rows: NDArray[np.integer[Any]], name: str, address: str
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the family of an address argument, where the address is NULL, and where the family is known.

    A family of 0 may stand for an address that is not there, so it is known only with the address.
    """
    family, known = f.arg(name, rows)
    pointer, has = f.arg(address, rows)
    return family, has & (pointer == 0), known & (has | (family != 0))


def _addressed(
    f: Facts,
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Return the calls that give a socket an address: rows, family, whether NULL, whether known, the socket (-1)."""
    parts = []
    for name, address in (
        ("WskBind", "local_address"),
        ("WskConnect", "remote_address"),
        ("WskConnectEx", "remote_address"),
    ):
        rows = f.enters(name)
        parts.append((rows, *_family(f, rows, "address_family", address), f.socket_of(rows)))
    rows, given, null, known, on = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, given, null, known, on


def _own_family(
    f: Facts, on: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_], NDArray[np.uint8]]:
    """Return the family of the socket of each call, whether it is known, and the doubt about both."""
    s, t = f.sockets, f.traits
    has = on >= 0
    k = np.maximum(on, 0)
    if not len(s):
        return np.zeros(len(rows), np.uint16), has, doubt_if(~has, CAP)
    doubt = np.where(has, same_socket(f, k, rows), CAP).astype(np.uint8)
    child = np.flatnonzero(t.parent >= 0)
    if len(child):
        inherited = np.zeros(len(s), np.uint8)
        born = s.create[child]
        inherited[child] = same_socket(f, t.parent[child], born)
        by_event = s.origin[child] == so.ORIGINS.index("accept_event")
        context = f.closed_from(born) | f.blind_contexts
        inherited[child] |= np.where(by_event, context, 0).astype(np.uint8)
        doubt |= inherited[k]
    return t.family[k], t.family_known[k] & has, doubt


@rule(
    "OP-FLAGS",
    severity="error",
    party="client",
    shape="L",
    source="DDI receive, Flags; disconnect, Buffer; connect_ex, Buffer",
    needs="WskReceive entries with Flags, WskDisconnect entries with Buffer and Flags, WskConnectEx with Length",
    traced=("WskReceive", "WskDisconnect", "WskConnectEx"),
    advice=(
        "Drain after a receive that waits for all, not by it; pass a NULL Buffer to an abortive disconnect; send what "
        "is too long for WskConnectEx by WskSend once it is connected."
    ),
    limits="Bits of Flags that no page defines are not judged here.",
)
def op_flags(f: Facts) -> Instances:
    """Flags and buffers that exclude each other are not given at once.

    WskReceive waits for all (WSK_FLAG_WAITALL) or drains (WSK_FLAG_DRAIN). An abortive WskDisconnect sends nothing, so
    it takes no buffer. WskConnectEx sends at most 65535 bytes.
    """
    receives, disconnects, connects = (f.enters(name) for name in ("WskReceive", "WskDisconnect", "WskConnectEx"))
    flags, k1 = f.arg("flags", receives)
    how, k2 = f.arg("flags", disconnects)
    buffer, k3 = f.arg("buffer", disconnects)
    length, k4 = f.arg("length", connects)
    parts = (
        local((flags & np.uint32(_WAITALL_AND_DRAIN)) == _WAITALL_AND_DRAIN, k1),
        local((how & np.uint32(_ABORTIVE)) != 0, k2) & local(buffer != 0, k3),
        local(length > _MOST_CONNECT_DATA, k4),
    )
    rows = np.concatenate([receives, disconnects, connects])
    broken = Answer(np.concatenate([p.seen for p in parts]), np.concatenate([p.doubt for p in parts]))

    def tell(i: int) -> str:
        if i < len(receives):
            return f"WskReceive was given Flags 0x{int(flags[i]):x}: WSK_FLAG_WAITALL and WSK_FLAG_DRAIN at once"
        i -= len(receives)
        if i < len(disconnects):
            return f"an abortive WskDisconnect was given Buffer {f.say(buffer[i])}; it must be NULL"
        sent = int(length[i - len(disconnects)])
        return f"WskConnectEx was given {sent} bytes to send; it takes {_MOST_CONNECT_DATA} at most"

    return of_calls(f, rows, np.ones(len(rows), bool), broken, tell)
