"""Rules about what a socket's category and state allow: bound, connected, in its role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, doubt_if, join
from wsktrace.rules.state import (
    BIND,
    CONNECT,
    LISTEN,
    NO_CATEGORY,
    UNKNOWN_CATEGORY,
    Reached,
    alive,
    already,
    at,
    called,
    categories,
    enlisted,
    lacking,
    nameless,
    on_listener,
    reached,
    whose,
    words_of,
)
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import OPS, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

FAMILY = "sockets"
_EVERY = ("WskControlSocket", "WskCloseSocket")
_CONNECTED_CALLS = ("WskConnect", "WskConnectEx", "WskSend", "WskReceive", "WskDisconnect", "WskRelease")
#: Category → the functions of its provider dispatch table beside the basic ones. WskInspectComplete is taken for one of
#: a stream socket too, which can listen with conditional accept.
_TABLES: dict[str, tuple[str, ...]] = {
    "basic": (),
    "listen": ("WskBind", "WskAccept", "WskInspectComplete", "WskGetLocalAddress"),
    "datagram": ("WskBind", "WskSendTo", "WskReceiveFrom", "WskRelease", "WskGetLocalAddress", "WskSendMessages"),
    "connection": ("WskBind", *_CONNECTED_CALLS, "WskGetLocalAddress", "WskGetRemoteAddress"),
    "stream": (
        *("WskBind", "WskListen", "WskAccept", "WskInspectComplete"),
        *(*_CONNECTED_CALLS, "WskGetLocalAddress", "WskGetRemoteAddress"),
    ),
}
_JUDGED = tuple(op.name for op in OPS if op.level == "socket" and op.name not in _EVERY)
#: Call → per code of a category whether it has the call; where the category is not known it may.
_HAS = {
    name: np.array([*(name in _TABLES[word] for word in c.CATEGORIES.values()), False, True], np.bool_)
    for name in _JUDGED
}


@rule(
    "CATEGORY-CALL",
    severity="error",
    party="client",
    shape="J",
    source="seed page, Flags (what a category of sockets is for); DDI wsk_provider_dispatch structures",
    needs="entries of calls on sockets, WskSocket entries with Flags and their completions",
    traced=("socket calls", "creations", "IrpComplete", "WskAcceptEvent"),
    advice=(
        "Cast Socket->Dispatch to the structure of the socket's category; "
        "through another one the call reaches some other function of the table."
    ),
    limits=(
        "A wrong cast means that the name in the trace is what the driver wrote, not what was called. "
        "Sockets from before the trace have no known category."
    ),
)
def category_call(f: Facts) -> Instances:
    """A function is called only on a socket whose category has it.

    Every socket can be controlled and closed; the rest stands in the provider dispatch structure of the category.
    Accepted sockets, and those of WskSocketConnect, are connection-oriented ones.
    """
    rows, k, kind = _calls(f, _JUDGED)
    wrong = np.concatenate([~_HAS[name][part] for name, part in zip(_JUDGED, kind, strict=True)])
    category = np.concatenate(kind)
    wrong &= category != NO_CATEGORY
    doubt = at(f.sockets.doubt, k, 0) if np.any(f.sockets.doubt) else np.zeros(len(rows), np.uint8)
    look = np.flatnonzero(wrong | (category == UNKNOWN_CATEGORY))
    q, on = rows[look], k[look]
    living, order = alive(f, q, on)
    doubt[look] |= order | np.where(wrong[look], whose(f, q, on), 0).astype(np.uint8)
    doubt |= doubt_if((category == UNKNOWN_CATEGORY) & (doubt == 0), CAP)
    unsaid = _unsaid(f, rows, k)
    applies = ((category != NO_CATEGORY) & (k >= 0)) | unsaid
    applies[look] &= living
    broken = join(wrong, ~unsaid, doubt)

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} was called on socket {f.say(f.sockets.address[k[i]])}"
        return f"{what}, which is a {words_of(category[i])} socket and has no such function"

    return _on_sockets(f, rows, k, applies, broken, tell, look)


def _calls(f: Facts, names: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int32], list[NDArray[np.uint8]]]:
    """Return the entries of calls, call by call, the sockets that they are on, and per call the categories of these."""
    category = np.append(categories(f), np.uint8(NO_CATEGORY))
    rows = [f.rows(name, Phase.ENTER) for name in names]
    sockets = [
        on_listener(f, part).astype(np.int32) if name == "WskAccept" else f.sockets.of_row[part]
        for name, part in zip(names, rows, strict=True)
    ]
    return np.concatenate(rows), np.concatenate(sockets), [category[k] for k in sockets]


def _unsaid(f: Facts, rows: NDArray[np.int64], k: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return which calls do not say on which socket they are."""
    return (k < 0) & nameless(f, rows) if f.blind_calls else np.zeros(len(rows), np.bool_)


def _spread(n: int, look: NDArray[np.integer[Any]], values: NDArray[Any], otherwise: int = 0) -> NDArray[Any]:
    """Return the values of those that were looked at, among all."""
    wide = np.full(n, otherwise, values.dtype)
    wide[look] = values
    return wide


def _on_sockets(
    f: Facts,
    rows: NDArray[np.int64],
    k: NDArray[np.integer[Any]],
    applies: NDArray[np.bool_],
    broken: Answer,
    tell: Callable[[int], str],
    look: NDArray[np.integer[Any]],
    before: NDArray[np.integer[Any]] | None = None,
) -> Instances:
    """Return instances that judge calls on sockets; only those that were looked at need more than their verdict.

    ``before``: for these, a row that shows why; where there is none, the birth of the socket does.
    """
    n = len(rows)
    use = _spread(n, look, f.submission(rows[look]), -1)
    born = at(f.sockets.birth, k[look], -1).astype(np.int64)
    shown = born if before is None else np.where((before >= 0) & (before < len(f.world)), before, born)
    return Instances(
        rows, applies, broken, "sockets", k, use, k, tell, (_spread(n, look, shown, -1), rows),
        suspect=_spread(n, look, enlisted(f, k[look])),
    )  # fmt: skip


# bound and connected -------------------------------------------------------------------------------------------------


def _too_early(f: Facts, names: tuple[str, ...], of: tuple[str, ...], state: Reached, lacks: str) -> Instances:
    """Judge calls that need a state of their socket, on sockets of these categories as far as they have the call."""
    wanted = np.array([*(word in of for word in c.CATEGORIES.values()), False, True], np.bool_)
    rows, k, kind = _calls(f, names)
    applies = np.concatenate([(wanted & _HAS[name])[part] for name, part in zip(names, kind, strict=True)])
    applies &= k >= 0
    broken = lacking(f, rows, k, state)
    look = np.flatnonzero(applies & (broken.seen | (broken.doubt != 0)))
    living, order = alive(f, rows[look], k[look])
    applies[look] = living
    unknown = (np.concatenate(kind)[look] == UNKNOWN_CATEGORY) & enlisted(f, k[look])
    broken.doubt[look] |= order | doubt_if(unknown, CAP)
    unsaid = _unsaid(f, rows, k)
    applies |= unsaid
    broken = broken.doubting(doubt_if(unsaid, CAP))

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} was called on socket {f.say(f.sockets.address[k[i]])}"
        begun = state.begun[k[i]]
        if begun < rows[i]:
            return f"{what} while its {f.op_name(begun)}, {f.since(begun, rows[i])} old, had not completed"
        return f"{what}, which had not been {lacks}"

    return _on_sockets(f, rows, k, applies, broken, tell, look, at(state.begun, k[look], -1))


@rule(
    "BIND-REQUIRED",
    severity="error",
    party="client",
    shape="P",
    source="DDI bind, connect, connect_ex, listen, accept, send_to, receive_from, send_messages, get_local_address",
    needs=(
        "entries of these calls, WskBind with its returns and completions, and the socket's creation with Flags and "
        "completion"
    ),
    traced=(
        *("WskConnect", "WskConnectEx", "WskListen", "WskAccept", "WskSendTo", "WskReceiveFrom", "WskSendMessages"),
        *("WskGetLocalAddress", "WskBind", "WskBind return", "creations", "IrpComplete", "WskAcceptEvent"),
    ),
    advice="Wait for the completion of WskBind, and see that it is a success, before the socket is used.",
    limits=(
        "A return of STATUS_SUCCESS stands for the completion. Where callbacks are enabled before the bind, one may "
        "tell the driver of it earlier than the completion does: not judged while the bind is pending. "
        "A bind that the driver does not trace looks like none."
    ),
)
def bind_required(f: Facts) -> Instances:
    """A socket connects, listens, accepts, exchanges datagrams and tells its local address only once it is bound.

    Bound is a socket whose WskBind has completed with success; accepted sockets and those of WskSocketConnect begin
    so. Windows answers STATUS_INVALID_DEVICE_STATE, which does not make the call right.
    """
    names = (
        *("WskConnect", "WskConnectEx", "WskListen", "WskAccept", "WskSendTo", "WskReceiveFrom"),
        *("WskSendMessages", "WskGetLocalAddress"),
    )
    return _too_early(f, names, ("listen", "datagram", "connection", "stream"), reached(f, BIND), "bound")


@rule(
    "CONNECT-REQUIRED",
    severity="error",
    party="client",
    shape="P",
    source="DDI send, receive, disconnect, get_remote_address (a socket that is connected)",
    needs=(
        "entries of these calls, WskConnect and WskConnectEx with their returns and completions, and the socket's "
        "creation with Flags and completion"
    ),
    traced=(
        *("WskSend", "WskReceive", "WskDisconnect", "WskGetRemoteAddress", "WskConnect", "WskConnect return"),
        *("WskConnectEx", "WskConnectEx return", "creations", "IrpComplete", "WskAcceptEvent"),
    ),
    follows={"BIND-REQUIRED": "socket", "STREAM-ROLE": "socket"},
    advice="Send, receive and disconnect only after WskConnect has completed with success; where it failed, close.",
    limits=(
        "A return of STATUS_SUCCESS stands for the completion. Where callbacks are enabled before the connect, one may "
        "tell the driver of it earlier than the completion does: not judged while the connect is pending. "
        "A connect that the driver does not trace looks like none."
    ),
)
def connect_required(f: Facts) -> Instances:
    """Data is sent and received, and a connection ended, only on a socket that has been connected.

    Connected is a socket whose WskConnect or WskConnectEx has completed with success; accepted sockets and those of
    WskSocketConnect begin so. What ended the connection later does not matter here.
    """
    names = ("WskSend", "WskReceive", "WskDisconnect", "WskGetRemoteAddress")
    return _too_early(f, names, ("connection", "stream"), reached(f, CONNECT), "connected")


@rule(
    "STREAM-ROLE",
    severity="error",
    party="client",
    shape="F",
    source="seed page, Flags (a stream socket listens, or connects); DDI listen, connect, connect_ex",
    needs="entries of WskListen, WskAccept, WskConnect and WskConnectEx with completions, WskSocket with Flags",
    traced=("WskListen", "WskAccept", "WskConnect", "WskConnectEx", "WskSocket", "IrpComplete"),
    advice="Use a second socket for the other role.",
)
def stream_role(f: Facts) -> Instances:
    """A stream socket that listens does not connect, and one that is connected does not listen or accept.

    The first WskListen or WskConnect that completes with success commits it for good.
    """
    listening, connected = reached(f, LISTEN), reached(f, CONNECT)
    stream = np.append(categories(f) == list(c.CATEGORIES.values()).index("stream"), False)
    r1, k1 = called(f, *CONNECT)
    r2, k2 = called(f, "WskListen", "WskAccept")
    c1, c2 = stream[k1], stream[k2]
    outside = int((~c1).sum() + (~c2).sum())
    r1, k1, r2, k2 = r1[c1], k1[c1], r2[c2], k2[c2]
    first, second = already(f, r1, k1, listening), already(f, r2, k2, connected)
    rows, k = np.concatenate([r1, r2]), np.concatenate([k1, k2])
    since = np.concatenate([listening.firm[k1], connected.firm[k2]])
    broken = Answer(np.concatenate([first.seen, second.seen]), np.concatenate([first.doubt, second.doubt]))
    living, order = alive(f, rows, k)

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} was called on stream socket {f.say(f.sockets.address[k[i]])}"
        role = "begun to listen" if i < len(r1) else "connected"
        return f"{what}, which had {role} {f.since(since[i], rows[i])} before"

    found = _on_sockets(f, rows, k, living, broken.doubting(order), tell, np.arange(len(rows)), since)
    found.outside = outside
    return found
