"""Rules about disconnecting: one that never ends, and a close that disconnects by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.facts import CALLBACK, DATA, IRP, KINDS, SOCKET, Facts, so
from wsktrace.rules.lookups import first_of, next_of, order_of, ordered
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, ORDER, Answer, doubt_if, liveness, never
from wsktrace.wsk.operations import CODES, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.wsk.operations import Group

FAMILY = "sockets"
_ABORTIVE = 1
_DISCONNECT = [name for name, _, _, _ in KINDS].index("WskDisconnectEvent")
_ALL = np.iinfo(np.int64).max
#: Statuses by which a call tells that the connection is over, in both directions.
_CONNECTION_LOST = (
    0xC00000B5, 0xC00000B6, 0xC000013C, 0xC000020C, 0xC000020D, 0xC000023A, 0xC0000241,
)  # fmt: skip
_PEER_IS_DONE = 0xC0000237


@rule(
    "DISCONNECT-STUCK",
    severity="warning",
    party="client",
    shape="V",
    source="DDI disconnect (a graceful disconnect may never complete; how to recover)",
    needs=(
        "WskDisconnect entries with Flags and returns, WskCloseSocket, IrpComplete, "
        "and that the IRP is the driver's own"
    ),
    traced=(
        "WskDisconnect",
        "WskDisconnect return",
        "WskCloseSocket",
        "IrpComplete",
        "IrpAllocate",
        "IrpInitialize",
        "IrpReuse",
    ),
    advice="Give a graceful disconnect a time limit; behind it disconnect abortively or close the socket.",
    limits="How long a peer may take is the profile's choice, thirty seconds where it says nothing.",
)
def disconnect_stuck(f: Facts) -> Instances:
    """A graceful disconnect that does not complete is ended by an abortive one or by the close of the socket."""
    s, irps = f.sockets, f.irps
    rows = f.enters("WskDisconnect")
    flags, known = f.arg("flags", rows)
    abortive = known & ((flags & _ABORTIVE) != 0)
    on_all = f.socket_of(rows)
    use_all = f.submission(rows)
    mine = np.flatnonzero(~abortive & (use_all >= 0))
    use, on, enter = use_all[mine], on_all[mine], rows[mine]
    done = irps.complete[use].astype(np.int64)
    close = np.append(s.close, -1)[on]
    harsh = np.flatnonzero(abortive | ~known)
    forced = next_of(on_all[harsh], rows[harsh], on, enter)
    vague = (forced >= 0) & ~np.isin(forced, rows[abortive])
    then = np.full(len(use), _ALL, np.int64)
    for ends in (done, forced, np.where(close > enter, close, -1)):
        then = np.where(ends >= 0, np.minimum(then, ends), then)
    then = np.where(then == _ALL, -1, then)
    within = np.full(len(use), round(f.profile.thresholds.disconnect_s * 1e9), np.int64)
    doubt = irps.absent_doubt[use] | irps.ret_doubt[use] | order_of(f, on) | f.blind_calls
    last = np.full(len(use), f.last_row)
    doubt |= f.unlogged(IRP, enter, last) | f.unlogged(SOCKET, enter, last)
    doubt |= doubt_if((on < 0) | vague | ~known[mine] | (~irps.ret_known[use] & (done < 0)), CAP)
    link = np.where(done == then, irps.link_doubt[use], 0).astype(np.uint8)
    broken = liveness(f.world, enter, then, within_ns=within, teardown=never(len(use)), doubt=doubt, link=link)
    renewed = (done < 0) & (f.soon(enter, irps.next_enter[use], within) | f.soon(enter, irps.reset[use], within))
    broken = Answer(broken.seen & ~renewed, broken.doubt | doubt_if(renewed, ALIAS))
    waiting = ~irps.ret_known[use] | (irps.ret_status[use] < 0x80000000)

    def tell(i: int) -> str:
        what = f"the graceful {f.irp_words(use[i])} on socket {f.say(f.ops.socket[enter[i]])}"
        if then[i] < 0:
            return (
                f"{what} was pending for the {f.until_end(enter[i])} until the end of the trace, and nothing ended it"
            )
        took = f.since(enter[i], then[i])
        if then[i] == done[i]:
            return f"{what} was completed only {took} after the call"
        return f"{what} was pending for {took} before {f.op_name(then[i])} ended it"

    return Instances(
        enter,
        waiting & ((close < 0) | (close > enter)),
        broken,
        "irps",
        use,
        use,
        on,
        tell,
        (enter, irps.ret[use], then),
        outside=len(rows) - len(use),
        outstanding=lambda i: [int(enter[i])],
    )


def _connected_since(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return per socket the row since which it is connected (-1: not that is seen), and the doubt about it."""
    s, irps = f.sockets, f.irps
    names = ("socket_connect", "accept", "accept_event")
    by_birth = np.isin(s.origin, [so.ORIGINS.index(name) for name in names]) & (s.rejected < 0)
    use = np.flatnonzero(((irps.op == CODES["WskConnect"]) | (irps.op == CODES["WskConnectEx"])) & irps.succeeded())
    on = s.of_row[irps.enter[use]].astype(np.int64)
    since = first_of(on, irps.complete[use], len(s))
    found = np.where(by_birth, s.birth, since)
    at = f.submission(np.maximum(found, 0)) if len(f.world) else found
    return found, np.where(found >= 0, np.append(irps.link_doubt, np.uint8(0))[at], 0).astype(np.uint8)


def _ends_of_connections(f: Facts) -> tuple[NDArray[np.int64], ...]:
    """Return rows and sockets of the ends of connections that the driver saw, and which end each is.

    1: its own, graceful; 2: the peer's, graceful; 3: both, by whatever reset the connection.
    """
    irps, of_row = f.irps, f.sockets.of_row
    good = irps.succeeded()
    own = np.flatnonzero((irps.op == CODES["WskDisconnect"]) & good)
    flags, _ = f.arg("flags", irps.enter[own])
    own_kind = np.where((flags & _ABORTIVE) != 0, 3, 1)
    drained = np.flatnonzero((irps.op == CODES["WskReceive"]) & good & irps.information_known & (irps.information == 0))
    length, length_known = f.arg("length", irps.enter[drained])
    drained = drained[(length != 0) | ~length_known]
    failed = np.flatnonzero(irps.failed())
    done = failed[irps.status[failed] == _PEER_IS_DONE]
    lost = failed[np.isin(irps.status[failed], _CONNECTION_LOST)]
    use = np.concatenate([own, drained, done, lost])
    kind = np.concatenate([own_kind, np.full(len(drained) + len(done), 2), np.full(len(lost), 3)])
    calls = f.traits.callbacks
    events = f.rows("WskDisconnectEvent", Phase.CALLBACK)
    place = np.searchsorted(calls.rows, events)
    flags, _ = f.arg("flags", events)
    rows = np.concatenate([irps.complete[use], events]).astype(np.int64)
    sockets = np.concatenate([of_row[irps.enter[use]], calls.socket[place]]).astype(np.int64)
    return rows, sockets, np.concatenate([kind, np.where((flags & _ABORTIVE) != 0, 3, 2)])


def _hidden_ends(f: Facts, on: NDArray[np.int64], since: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the doubt whether all that ended these sockets' connections before their close is in the trace."""
    s, t, calls, irps = f.sockets, f.traits, f.traits.callbacks, f.irps
    close = s.close[on]
    doubt = f.world.touch(since, close) | f.blind_calls | order_of(f, on)
    groups: tuple[Group, ...] = (SOCKET, DATA, IRP)
    for group in groups:
        doubt |= f.unlogged(group, since, close)
    # the callback comes only where it is enabled
    enabled = np.minimum(t.enabled[_DISCONNECT, on], t.static[_DISCONNECT, on]) < close
    told = enabled | ((t.enable_doubt[on] | f.blind_enabling) != 0) | ~t.client_known[on]
    doubt |= np.where(told, f.unlogged(CALLBACK, since, close) | f.blind_contexts, 0).astype(np.uint8)
    events = np.searchsorted(calls.rows, f.rows("WskDisconnectEvent", Phase.CALLBACK))
    shared = calls.context[events[calls.socket[events] < 0]]
    named = t.context_known[on]
    doubt |= doubt_if(np.isin(t.context[on], shared) | (~named & bool(len(events))), ALIAS)
    open_ = np.flatnonzero((irps.op == CODES["WskDisconnect"]) | (irps.op == CODES["WskReceive"]))
    # what was passed down to the driver may have completed unseen
    open_ = open_[(irps.complete[open_] < 0) & ~irps.own[open_] & ~irps.ret_is("error")[open_]]
    return doubt | doubt_if(np.isin(on, s.of_row[irps.enter[open_]]), CAP)


@rule(
    "ABORTIVE-CLOSE",
    severity="info",
    party="client",
    shape="F",
    source="DDI close_socket (a close disconnects abortively unless both directions are disconnected)",
    needs=(
        "connects, creations and accepts with their completions, WskDisconnect, WskReceive, WskDisconnectEvent, "
        "WskCloseSocket"
    ),
    traced=(
        "creations",
        "WskConnect",
        "WskConnectEx",
        "WskDisconnect",
        "WskReceive",
        "IrpComplete",
        "WskAcceptEvent",
        "WskDisconnectEvent",
        "WskCloseSocket",
    ),
    advice=(
        "Where the peer must get all that was sent: disconnect gracefully, wait until its own end has come, "
        "and close only then."
    ),
    limits="That both directions are closed shows only where the driver asks: it may have happened unseen.",
    legal=True,
)
def abortive_close(f: Facts) -> Instances:
    """A connected socket was closed before both directions were disconnected, which resets the connection.

    A direction ends by a graceful WskDisconnect that succeeded, the other by WskDisconnectEvent or a WskReceive that
    brings nothing; an abortive disconnect of either side, or an error that says so, ends both.
    """
    s = f.sockets
    since, link = _connected_since(f)
    on = np.flatnonzero((since >= 0) & (s.close > since))
    close = s.close[on]
    rows, of, kind = _ends_of_connections(f)
    before = (of >= 0) & (rows < np.append(s.close, -1)[of]) & (rows > np.append(since, -1)[of])
    ended = [np.zeros(len(s), bool) for _ in range(2)]
    for bit, one in enumerate(ended):
        one[of[before & ((kind & (1 << bit)) != 0)]] = True
    own, peer = ended[0][on], ended[1][on]
    # an end that stands close to the close, on another processor, may be on its other side
    near = np.flatnonzero((of >= 0) & np.isin(of, on))
    near = near[ordered(f, rows[near], s.close[of[near]]) != 0]
    doubt = link[on] | _hidden_ends(f, on, since[on]) | doubt_if(np.isin(on, of[near]), ORDER)

    def tell(i: int) -> str:
        lacks = [word for word, there in (("WskDisconnect", own[i]), ("the peer's end", peer[i])) if not there]
        age = f"{f.since(since[on[i]], close[i])} after it was connected"
        what = f"socket {f.say(s.address[on[i]])} was closed {age} without {' and '.join(lacks)}"
        return f"{what}: that resets the connection"

    return Instances(
        close,
        np.ones(len(on), bool),
        Answer(~(own & peer), doubt),
        "sockets",
        on,
        f.submission(close),
        on,
        tell,
        (since[on], close),
        outside=len(s) - len(on),
    )
