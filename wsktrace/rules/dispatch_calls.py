"""The rule about dispatch tables that are not there when an event is enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import codes_of
from wsktrace.rules.calls import same_socket
from wsktrace.rules.facts import KINDS, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, join
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "creation"
_WARNING, _ERROR = 1, 2
_CONNECTION_EVENTS = c.WSK_EVENT_RECEIVE | c.WSK_EVENT_DISCONNECT | c.WSK_EVENT_SEND_BACKLOG
#: Members that conditional accept calls: inspect and abort.
_CONDITIONAL = 0x6


@rule(
    "DISPATCH-MISSING",
    severity="error",
    party="client",
    shape="J",
    source="seed page, Dispatch (members); NET creating-sockets, enabling-and-disabling-event-callback-functions",
    needs=(
        "WskControlSocket entries for SO_WSK_EVENT_CALLBACK and SO_CONDITIONAL_ACCEPT with InputValue, creations and "
        "accepts with Dispatch and DispatchMembers and their completions, WSK_SET_STATIC_EVENT_CALLBACKS"
    ),
    traced=(
        "WskControlSocket",
        "creations",
        "IrpComplete",
        "WskAcceptEvent",
        "WskAcceptEvent return",
        "WskControlClient",
        "WskControlClient return",
    ),
    advice="Give the socket a dispatch table whose member for the event is set, when it is created or accepted.",
    limits=(
        "DispatchMembers 0 of a table that is there says that nobody looked: the members are not judged. Connection "
        "events of a listening socket are for the sockets that it accepts, whose tables count. What WSK does with a "
        "statically enabled event and no table is not documented: a warning."
    ),
)
def dispatch_missing(f: Facts) -> Instances:
    """An event callback is enabled only on a socket whose dispatch table has the function.

    So for SO_WSK_EVENT_CALLBACK, for conditional accept, which calls WskInspectEvent and WskAbortEvent, and for the
    events that WSK_SET_STATIC_EVENT_CALLBACKS has enabled before the socket is created. WSK calls through the pointer
    that it was given.
    """
    s, t = f.sockets, f.traits
    rows, on, members, told = _enablings(f)
    outside = len(f.enters("WskControlSocket")) - len(rows)
    k = np.maximum(on, 0)
    doubt = same_socket(f, k, rows) if len(s) else np.zeros(len(rows), np.uint8)
    given, given_known = _of(t.dispatch, k), _of(t.dispatch_known, k)
    table, table_known = _of(t.members, k), _of(t.members_known, k)
    none = given_known & (given == 0)
    looked = table_known & (table != 0)
    lacks = members & ~table
    broken = join(
        none | (given_known & looked & (lacks != 0)),
        told & (none | (given_known & looked)),
        doubt,
    )

    made, static, missing, unsure = _static(f)
    every = np.concatenate([rows, made])
    broken = Answer(np.concatenate([broken.seen, missing]), np.concatenate([broken.doubt, unsure]))
    first = len(rows)
    use = f.submission(every)
    socket = np.concatenate([on, np.full(len(made), -1)])
    client = f.arg("client", made)[0]

    def tell(i: int) -> str:
        if i >= first:
            what = f"{f.op_name(made[i - first])} was given no Dispatch, and client {f.say(client[i - first])}"
            return (
                f"{what} had enabled events for all of its sockets {f.since(static[i - first], made[i - first])} before"
            )
        wanted = members[i] if none[i] else lacks[i]
        names = " and ".join(name for name, _, bit, _ in KINDS if int(wanted) >> bit & 1)
        which = f"{'were' if ' and ' in names else 'was'} enabled on socket {f.say(s.address[on[i]])}"
        if none[i]:
            return f"{names} {which}, which was given no dispatch table"
        return f"{names} {which}, whose dispatch table {f.say(given[i])} has no such member"

    return Instances(
        every,
        np.ones(len(every), bool),
        broken,
        "irps",
        use,
        use,
        socket,
        tell,
        (np.concatenate([_of(s.create, k), static]), every),
        severity=np.concatenate([np.full(first, _ERROR), np.full(len(made), _WARNING)]),
        outside=outside,
    )


def _of(column: NDArray[Any], k: NDArray[np.int64]) -> NDArray[Any]:
    """Return a column of the sockets for some of them; zeros where there are none at all."""
    return column[k] if len(column) else np.zeros(len(k), column.dtype)


def _enablings(
    f: Facts,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32], NDArray[np.bool_]]:
    """Return the calls that enable events on a socket: rows, sockets, members that are needed, whether all is told.

    Calls that may enable are among them where their arguments, or the socket's category, are not known.
    """
    rows = f.enters("WskControlSocket")
    code, k2 = f.arg("control_code", rows)
    rows = rows[~k2 | np.isin(code, (c.SO_WSK_EVENT_CALLBACK, c.SO_CONDITIONAL_ACCEPT))]
    code, k2 = f.arg("control_code", rows)
    request, k1 = f.arg("request_type", rows)
    level, k3 = f.arg("level", rows)
    value, k4 = f.arg("input_value", rows)
    on = f.socket_of(rows)
    k = np.maximum(on, 0)
    flags, k5 = _of(f.traits.flags, k), _of(f.traits.flags_known, k)
    mask = code == c.SO_WSK_EVENT_CALLBACK
    other = (k1 & (request != c.WSK_SET_OPTION)) | (k3 & (level != c.SOL_SOCKET))
    other |= k2 & k4 & mask & ((value & np.uint64(c.FOREIGN_NPI | c.WSK_EVENT_DISABLE)) != 0)
    other |= k2 & k4 & ~mask & (value == 0)
    told = k1 & k2 & k3 & k4 & k5
    members = np.where(mask, _needed(f, rows, k, value, flags), 0).astype(np.uint32)
    members[~mask & np.isin(flags, (c.WSK_FLAG_LISTEN_SOCKET, c.WSK_FLAG_STREAM_SOCKET))] = _CONDITIONAL
    kept = ~other & (on >= 0) & (~told | (members != 0))
    return rows[kept], on[kept], members[kept], told[kept]


def _needed(
    f: Facts, rows: NDArray[np.int64], k: NDArray[np.int64], value: NDArray[np.uint64], flags: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Return the members that the events of a mask call on a socket's own table.

    Connection events of a listening socket, and of a stream socket that was not seen to connect, are inherited.
    """
    members = np.zeros(len(rows), np.uint32)
    connects = np.concatenate([f.enters("WskConnect"), f.enters("WskConnectEx")])
    connecting = np.zeros(len(f.sockets), np.bool_)
    listening = np.zeros(len(f.sockets), np.bool_)
    for calls, seen in ((connects, connecting), (f.enters("WskListen"), listening)):
        sockets = f.socket_of(calls)
        seen[sockets[sockets >= 0]] = True
    connected = flags == c.WSK_FLAG_CONNECTION_SOCKET
    connected |= (flags == c.WSK_FLAG_STREAM_SOCKET) & _of(connecting, k) & ~_of(listening, k)
    for _, bit, member, categories in KINDS:
        fits = np.isin(flags, [flag for flag, name in c.CATEGORIES.items() if name in categories])
        fits &= connected if bit & _CONNECTION_EVENTS else fits
        members |= np.where(fits & ((value & np.uint64(bit)) != 0), 1 << member, 0).astype(np.uint32)
    return members


def _static(
    f: Facts,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint8]]:
    """Return creations of clients that had enabled events for all sockets: rows, that call, no table, the doubt.

    Creations whose category none of these events concerns are not among them.
    """
    calls = f.enters("WskControlClient")
    code, known = f.arg("control_code", calls)
    calls = calls[known & (code == c.WSK_SET_STATIC_EVENT_CALLBACKS)]
    made = f.enters("WskSocket", "WskSocketConnect")
    if not len(calls) or not len(made):
        empty = np.zeros(0, np.int64)
        return empty, empty, np.zeros(0, np.bool_), np.zeros(0, np.uint8)
    static, client_known = _last_static(f, calls, made)
    made, static, client_known = made[static >= 0], static[static >= 0], client_known[static >= 0]
    flags, k1 = f.arg("flags", made)
    connect = f.op_is(made, "WskSocketConnect")
    flags, k1 = np.where(connect, c.WSK_FLAG_CONNECTION_SOCKET, flags), k1 | connect
    mask, k2 = f.arg("input_value", static)
    dispatch, k3 = f.arg("dispatch", made)
    accepts, connects = (mask & np.uint64(c.WSK_EVENT_ACCEPT)) != 0, (mask & np.uint64(_CONNECTION_EVENTS)) != 0
    concerned = {
        c.WSK_FLAG_LISTEN_SOCKET: accepts,
        c.WSK_FLAG_CONNECTION_SOCKET: connects,
        c.WSK_FLAG_DATAGRAM_SOCKET: (mask & np.uint64(c.WSK_EVENT_RECEIVE_FROM)) != 0,
        c.WSK_FLAG_STREAM_SOCKET: accepts & connects,
    }
    fits = np.zeros(len(made), np.bool_)
    for flag, wanted in concerned.items():
        fits |= (flags == flag) & wanted
    fits &= (mask & np.uint64(c.FOREIGN_NPI)) == 0
    kept = fits | ~k1 | ~k2
    made, static, client_known, dispatch = made[kept], static[kept], client_known[kept], dispatch[kept]
    told = (k1 & k2 & k3)[kept] & client_known
    ends = f.world.mate[static].astype(np.int64)
    status, has = f.status(ends)
    doubt = doubt_if(~told | (ends < 0) | ~has, CAP) | f.world.touch(static, made)
    doubt |= f.world.unordered(static, made)
    back = ends > static
    doubt[back] |= f.world.touch(static[back], ends[back])
    # the client may have been given again by another registration
    client = f.arg("client", made)[0].astype(np.uint64)
    before, several = f.registrations.of_client(client, static)
    now, _ = f.registrations.of_client(client, made)
    doubt |= doubt_if(several | (before != now), ALIAS)
    refused = (ends >= 0) & has & (status >= 0x80000000)
    broken = (dispatch == 0) & told & ~refused
    doubt = np.where(refused | ((dispatch != 0) & k3[kept]), 0, doubt)
    return made, static, broken, doubt.astype(np.uint8)


def _last_static(
    f: Facts, calls: NDArray[np.int64], made: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the last call before each creation that was of the same client, -1; and whether the client is known.

    Where the client is not known any of the calls may be meant: the last of all.
    """
    owner, owner_known = f.arg("client", calls)
    client, known = f.arg("client", made)
    codes, _ = codes_of(np.concatenate([owner[owner_known], client]).astype(np.uint64))
    span = np.int64(len(f.world) + 1)
    key = np.sort(codes[: int(owner_known.sum())] * span + calls[owner_known])
    mine = codes[int(owner_known.sum()) :] * span
    place = np.searchsorted(key, mine + made) - 1
    last = np.where(place >= 0, np.append(key, -1)[place], -1)
    found = np.where(known & (last >= mine), last - mine, -1)
    place = np.searchsorted(calls, made) - 1
    blind = ~known | ((found < 0) & np.bool_(not np.all(owner_known)))
    return np.where(blind & (place >= 0), np.append(calls, -1)[place], found).astype(np.int64), ~blind
