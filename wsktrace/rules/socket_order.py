"""Rules about control requests that belong before or after something else in the life of a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.facts import DATA, NEVER_ROW, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, doubt_if, overlap
from wsktrace.rules.state import (
    BIND,
    CONNECT,
    NO_CATEGORY,
    UNKNOWN_CATEGORY,
    Outcomes,
    alive,
    already,
    apart,
    at,
    brought,
    categories,
    control_requests,
    enlisted,
    lacking,
    on_listener,
    reached,
    whose,
)
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import OPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "sockets"
_BEFORE_BIND = {c.SO_REUSEADDR: "SO_REUSEADDR", c.SO_EXCLUSIVEADDRUSE: "SO_EXCLUSIVEADDRUSE"}
_AFTER_BIND = {
    c.SIO_WSK_SET_REMOTE_ADDRESS: "SIO_WSK_SET_REMOTE_ADDRESS",
    c.SIO_WSK_SET_SENDTO_ADDRESS: "SIO_WSK_SET_SENDTO_ADDRESS",
}
_AFTER_CONNECT = {
    c.SIO_WSK_QUERY_IDEAL_SEND_BACKLOG: "SIO_WSK_QUERY_IDEAL_SEND_BACKLOG",
    c.SIO_WSK_QUERY_RECEIVE_BACKLOG: "SIO_WSK_QUERY_RECEIVE_BACKLOG",
}
_WORDS = _BEFORE_BIND | _AFTER_BIND | _AFTER_CONNECT
_CALLS = tuple(op.name for op in OPS if op.level == "socket")
_CATEGORIES = list(c.CATEGORIES.values())


@rule(
    "OPT-ORDER",
    severity="error",
    party="client",
    shape="F",
    source=(
        "NET so-reuseaddr, so-exclusiveaddruse, sio-wsk-set-remote-address, sio-wsk-set-sendto-address, "
        "sio-wsk-query-ideal-send-backlog, sio-wsk-query-receive-backlog"
    ),
    needs=(
        "WskControlSocket entries with request, code and level, WskBind, WskConnect and WskConnectEx with returns and "
        "completions, the socket's creation with Flags and completion"
    ),
    traced=(
        *("WskControlSocket", "WskBind", "WskBind return", "WskConnect", "WskConnect return", "WskConnectEx"),
        *("WskConnectEx return", "creations", "IrpComplete", "WskAcceptEvent"),
    ),
    advice="Set before WskBind how the address is shared, and ask afterwards what needs an address or a peer.",
    limits="SO_WSK_SECURITY is judged by WSK-SD-SET-AFTER-BIND, SO_CONDITIONAL_ACCEPT by WSK-CONDACCEPT-AFTER-BIND.",
)
def opt_order(f: Facts) -> Instances:
    """Options of a socket are set, and its controls used, in the state that they are for.

    Before the bind: SO_REUSEADDR and SO_EXCLUSIVEADDRUSE. After it, on a datagram socket: SIO_WSK_SET_REMOTE_ADDRESS
    and SIO_WSK_SET_SENDTO_ADDRESS. After the connect: SIO_WSK_QUERY_IDEAL_SEND_BACKLOG and
    SIO_WSK_QUERY_RECEIVE_BACKLOG.
    """
    asked = control_requests(f, options=tuple(_BEFORE_BIND), ioctls=(*_AFTER_BIND, *_AFTER_CONNECT))
    rows, k = asked.rows, asked.k
    category = np.append(categories(f), np.uint8(NO_CATEGORY))[k]
    odd = category == UNKNOWN_CATEGORY
    before = asked.one_of(*_BEFORE_BIND)
    bound = asked.one_of(*_AFTER_BIND) & (odd | (category == _CATEGORIES.index("datagram")))
    connected = asked.one_of(*_AFTER_CONNECT)
    connected &= odd | np.isin(category, [_CATEGORIES.index("connection"), _CATEGORIES.index("stream")])
    answers = [
        (before, already(f, rows, k, reached(f, BIND))),
        (bound, lacking(f, rows, k, reached(f, BIND))),
        (connected, lacking(f, rows, k, reached(f, CONNECT))),
    ]
    broken = Answer(np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.uint8))
    for asks, answer in answers:
        broken.seen[asks], broken.doubt[asks] = answer.seen[asks], answer.doubt[asks]
    living, order = alive(f, rows, k)
    applies = ((before | bound | connected) & living) | asked.blind
    broken = broken.doubting(order, doubt_if(asked.blind | (odd & ~before & enlisted(f, k)), CAP))

    def tell(i: int) -> str:
        what = f"{_WORDS[int(asked.code[i])]} was requested on socket {f.say(f.sockets.address[k[i]])}"
        if before[i]:
            return f"{what}, which had been bound already"
        return f"{what}, which had not been {'bound' if bound[i] else 'connected'}"

    use = f.submission(rows)
    state = np.where(before, at(reached(f, BIND).firm, k, NEVER_ROW), NEVER_ROW)
    shown = np.where(state < rows, state, at(f.sockets.birth, k, -1))
    outside = len(f.enters("WskControlSocket")) - len(rows)
    return Instances(
        rows, applies, broken, "sockets", k, use, k, tell, (shown, rows), suspect=enlisted(f, k), outside=outside
    )


@rule(
    "SILENT-MODE-USE",
    severity="error",
    party="client",
    shape="F",
    source="NET sio-wsk-set-tcp-silent-mode",
    needs=(
        "entries of calls on sockets, WskControlSocket entries with request and code, returns and completions of these "
        "and of WskSend and WskDisconnect"
    ),
    traced=("socket calls", "WskControlSocket return", "WskSend return", "WskDisconnect return", "IrpComplete"),
    follows={"OPT-ORDER": "use"},
    advice="Let all sends and disconnects complete first, and only close the socket afterwards.",
    limits="That the connection must be TCP, and not to this computer itself, does not show in a trace of calls.",
)
def silent_mode_use(f: Facts) -> Instances:
    """No send or disconnect is pending when a socket is put into TCP silent mode, and afterwards it is only closed.

    SIO_WSK_SET_TCP_SILENT_MODE makes the connection end without a packet; what would send one has no place any more.
    """
    asked = control_requests(f, ioctls=(c.SIO_WSK_SET_TCP_SILENT_MODE,))
    calls = sum(len(f.enters(name)) for name in _CALLS)
    hit, blind = np.flatnonzero(asked.hit), np.flatnonzero(asked.blind)
    later, k, after, done = _used_after(f, asked.rows[hit])
    pending, sent = _sending(f, asked.rows[hit], asked.k[hit])
    rows = np.concatenate([later, asked.rows[hit], asked.rows[blind]])
    k = np.concatenate([k, asked.k[hit], asked.k[blind]])
    unsaid = np.arange(len(rows)) >= len(later) + len(hit)
    nothing = Answer(np.zeros(len(blind), np.bool_), np.full(len(blind), CAP, np.uint8))
    parts = (after, pending, nothing)
    broken = Answer(np.concatenate([p.seen for p in parts]), np.concatenate([p.doubt for p in parts]))
    living, order = alive(f, rows, k)
    before = np.concatenate([done, sent, np.full(len(blind), -1)])

    def tell(i: int) -> str:
        on = f"socket {f.say(f.sockets.address[k[i]])}"
        if i < len(later):
            what = f"{f.op_name(rows[i])} was called on {on}"
            return f"{what} {f.since(done[i], rows[i])} after SIO_WSK_SET_TCP_SILENT_MODE had completed"
        sending = f.irp_words(f.submission(before[i : i + 1])[0])
        return f"SIO_WSK_SET_TCP_SILENT_MODE was requested on {on} while {sending} was pending"

    use = f.submission(rows)
    shown = np.where((before >= 0) & (before < len(f.world)), before, -1)
    return Instances(
        rows, living | unsaid, broken.doubting(order), "sockets", k, use, k, tell, (shown, rows),
        outside=calls - len(rows),
    )  # fmt: skip


def _used_after(
    f: Facts, silenced: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Answer, NDArray[np.int64]]:
    """Return calls behind the request on its socket, their sockets, the answer, and when the request succeeded."""
    if not len(silenced):
        none = np.zeros(0, np.int64)
        return none, none, Answer(np.zeros(0, np.bool_), np.zeros(0, np.uint8)), none
    state = brought(f, silenced)
    rows = f.enters(*(name for name in _CALLS if name != "WskCloseSocket"))
    k = on_listener(f, rows)
    behind = rows > at(state.begun, k, NEVER_ROW)
    rows, k = rows[behind], k[behind]
    return rows, k, already(f, rows, k, state, since_ever=False), state.firm[k]


def _sending(f: Facts, rows: NDArray[np.int64], k: NDArray[np.int64]) -> tuple[Answer, NDArray[np.int64]]:
    """Return whether a WskSend or WskDisconnect was pending on the socket at each row, and the entry of it, -1."""
    sent = f.enters("WskSend", "WskDisconnect") if len(rows) else rows
    of = f.sockets.of_row[sent].astype(np.int64)
    mine = np.isin(of, k) & (f.submission(sent) >= 0)
    sent, of = sent[mine], of[mine]
    calls = Outcomes(f, sent)
    n = len(f.world) + 1
    ends = np.where(calls.complete >= 0, calls.complete, np.where(calls.waiting, n - 1, calls.ret))
    by = np.argsort(of, kind="stable")
    sent, of, ends = sent[by], of[by], ends[by]
    doubt = np.where(calls.complete >= 0, calls.link, calls.unclear)[by]
    # of the calls before each row, the one that ends last
    high = np.maximum.accumulate(of * n + ends) if len(sent) else sent
    latest = np.maximum.accumulate(np.where(of * n + ends == high, np.arange(len(sent)), 0)) if len(sent) else sent
    place = np.searchsorted(of * n + sent, k * n + rows, side="left") - 1
    there = place >= 0
    there[there] = of[place[there]] == k[there]
    last = np.where(there, np.append(latest, -1)[place], -1)
    begin, end = np.append(sent, -1)[last], np.append(ends, -1)[last]
    order = apart(f.world, begin, rows) | apart(f.world, end, rows)
    broken = overlap(f.world, begin, end, np.where(there, rows, -1), np.append(doubt, np.uint8(0))[last], order)
    born = f.sockets.birth[k].astype(np.int64)
    mixed = apart(f.world, born, rows) | apart(f.world, born, begin)
    hidden = whose(f, rows, k) | f.unlogged(DATA, born, rows)
    return broken.doubting(np.where(broken.seen, mixed, hidden).astype(np.uint8)), begin
