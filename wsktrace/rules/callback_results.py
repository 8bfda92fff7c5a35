"""Rules about what callbacks return, and what their returns oblige to.

What a list of data that a callback retained obliges to is in ``indications``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import codes_of
from wsktrace.rules.facts import CALLBACK, SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, END, Answer, doubt_if, forbidden_follow, liveness, local
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["context_doubt"]

FAMILY = "callbacks"
_OK, _NOT_ACCEPTED = c.STATUS_SUCCESS, 0xC000021B
#: Callback → the statuses that it may return.
_MAY_RETURN: dict[str, tuple[int, ...]] = {
    "WskAcceptEvent": (_OK, c.STATUS_REQUEST_NOT_ACCEPTED),
    "WskReceiveEvent": (_OK, c.STATUS_PENDING, _NOT_ACCEPTED),
    "WskReceiveFromEvent": (_OK, c.STATUS_PENDING, _NOT_ACCEPTED),
    "WskDisconnectEvent": (_OK,),
    "WskAbortEvent": (_OK,),
    "WskSendBacklogEvent": (_OK,),
}
_PEND = 2
_ACTIONS = (0, 1, _PEND)
#: What InspectKey holds where the callback was given no id.
_NO_ID = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def context_doubt(f: Facts, place: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether callbacks, places in the life's callbacks, are of the one socket that they name.

    Another socket with this context may be older than the trace, or have been born unseen.
    """
    calls, s = f.traits.callbacks, f.sockets
    rows, k, upcoming = calls.rows[place], calls.socket[place], calls.upcoming[place]
    doubt: NDArray[np.uint8] = s.doubt[k] | f.closed_from(rows) | f.hidden_birth(rows, rows) | f.blind_contexts
    doubt |= f.births_unlogged(np.zeros(len(rows), np.int64), rows) | f.world.unordered(s.create[k], rows)
    doubt |= doubt_if(np.isin(calls.context[place], f.contexts_in_creation), ALIAS)
    next_one = np.flatnonzero(upcoming >= 0)
    doubt[next_one] |= f.world.unordered(rows[next_one], upcoming[next_one])
    return doubt


@rule(
    "CALLBACK-RETVAL",
    severity="error",
    party="client",
    shape="L",
    source="the Return value section of each callback's page, DDI accept_event to send_backlog_event",
    needs="returns of callbacks with Status, of WskInspectEvent with Action",
    traced=("callbacks return",),
    advice="Return what the callback's page lists; handle failures inside, there is nobody above to tell.",
)
def callback_retval(f: Facts) -> Instances:
    """A callback returns one of the values that its page lists.

    WskAcceptEvent: STATUS_SUCCESS or STATUS_REQUEST_NOT_ACCEPTED. WskReceiveEvent and WskReceiveFromEvent:
    STATUS_SUCCESS, STATUS_PENDING to retain the data, or STATUS_DATA_NOT_ACCEPTED. WskInspectEvent: WskInspectReject,
    WskInspectAccept or WskInspectPend. All others: STATUS_SUCCESS.
    """
    rows, wrong, known = [], [], []
    for name, good in _MAY_RETURN.items():
        ends = f.rows(name, Phase.CALLBACK_RETURN)
        status = f.ops.status[ends]
        bad = np.ones(len(ends), np.bool_)
        for value in good:
            bad &= status != value
        rows.append(ends)
        wrong.append(bad)
        known.append((f.ops.known[ends] & KNOWN_STATUS) != 0)
    inspected = f.rows("WskInspectEvent", Phase.CALLBACK_RETURN)
    action, told = f.arg("action", inspected)
    row = np.concatenate([*rows, inspected])
    broken = local(np.concatenate([*wrong, ~np.isin(action, _ACTIONS)]), np.concatenate([*known, told]))
    socket = np.full(len(row), -1, np.int64)
    show = np.flatnonzero(broken.seen)
    begun = f.world.mate[row[show]].astype(np.int64)
    paired = (begun >= 0) & (f.world.touch(begun, row[show]) == 0)
    calls = f.traits.callbacks
    socket[show[paired]] = calls.socket[np.searchsorted(calls.rows, begun[paired])]

    def tell(i: int) -> str:
        name = f.op_name(row[i])
        if name == "WskInspectEvent":
            return f"{name} returned action {int(f.arg('action', row[i : i + 1])[0][0])}, which is none"
        may = " or ".join(f.status_words(status) for status in _MAY_RETURN[name])
        return f"{name} returned {f.status_words(f.ops.status[row[i]])}; it may return {may}"

    return Instances(
        row,
        np.ones(len(row), bool),
        broken,
        "sockets",
        socket,
        np.full(len(row), -1),
        socket,
        tell,
        (f.world.mate[row], row),
    )


@rule(
    "ACCEPT-REJECTED-USE",
    severity="error",
    party="client",
    shape="F",
    source="DDI accept_event (WSK itself closes a socket that was not accepted)",
    needs=(
        "WskAcceptEvent with AcceptSocket and its Status, entries of calls on sockets, creations and accepts with "
        "their completions"
    ),
    traced=("WskAcceptEvent", "WskAcceptEvent return", "socket calls", "creations", "IrpComplete"),
    advice="Forget the socket when the callback returns STATUS_REQUEST_NOT_ACCEPTED: WSK closes it.",
    limits="The address may belong to a new socket at once; where its creation may be hidden this is unknown.",
)
def accept_rejected_use(f: Facts) -> Instances:
    """A socket that WskAcceptEvent refused is neither used nor closed by the driver afterwards.

    The callback's return of STATUS_REQUEST_NOT_ACCEPTED hands it back. Judged are the calls on addresses that were
    refused at least once.
    """
    element = f.sockets.lane
    turned = np.flatnonzero(element.kind == so.REJECT)
    groups = np.unique(element.lane.group[turned])
    first = np.searchsorted(element.lane.group, groups, side="left")
    sizes = np.searchsorted(element.lane.group, groups, side="right") - first
    mine = np.repeat(first - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
    kind = element.kind[mine]
    lane = f.lane(element.lane.rows[mine], element.lane.group[mine])
    refused = (kind == so.REJECT) & (f.ops.status[lane.rows] == c.STATUS_REQUEST_NOT_ACCEPTED)
    at = np.flatnonzero((kind == so.OP) | (kind == so.CLOSE))
    rows = lane.rows[at].astype(np.int64)
    birth = kind == so.BIRTH
    broken = forbidden_follow(f.world, lane, after=refused, until=birth, at=at, maybe=kind == so.MAYBE)
    begun = lane.row_of(lane.last(refused)[at]).astype(np.int64)
    came = np.where(begun >= 0, f.world.mate[begun], rows) if len(f.world) else rows
    excuse = f.hidden_birth(came, rows) | f.births_unlogged(came, rows) | f.world.touch(came, rows)
    broken = broken.doubting(np.where(broken.seen, excuse, 0).astype(np.uint8))
    # an address that was not refused before is judged only as far as something was seen
    known = begun >= 0
    broken = Answer(broken.seen & known, np.where(known, broken.doubt, 0).astype(np.uint8))
    subject = element.generation[mine][at]
    total = int(((element.kind == so.OP) | (element.kind == so.CLOSE)).sum())

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} was called on {f.say(f.ops.socket[rows[i]])}"
        return f"{what}, {f.since(begun[i], rows[i])} after WskAcceptEvent had refused that socket"

    return Instances(
        rows,
        np.ones(len(at), bool),
        broken,
        "sockets",
        subject,
        f.submission(rows),
        subject,
        tell,
        (begun, rows),
        outside=total - len(at),
    )


@dataclass(frozen=True, slots=True)
class _Requests:
    """Connection requests that WskInspectEvent was asked about, by the entry of the callback.

    ``ended``: row at which the request was decided or taken back, or its listener closed; -1. ``again``: whether its
    id was given to another request before that, and in time. ``pends``: certainly left pending; ``told``: whether that
    is known.
    """

    enter: NDArray[np.int64]
    start: NDArray[np.int64]
    ended: NDArray[np.int64]
    again: NDArray[np.bool_]
    pends: NDArray[np.bool_]
    told: NDArray[np.bool_]
    listener: NDArray[np.int64]
    doubt: NDArray[np.uint8]


def _within(f: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.full(len(rows), round(f.profile.thresholds.inspect_s * 1e9), np.int64)


def _requests(f: Facts) -> _Requests:
    enter = f.rows("WskInspectEvent", Phase.CALLBACK)
    ends = [f.enters("WskInspectComplete"), f.rows("WskAbortEvent", Phase.CALLBACK)] if len(enter) else []
    rows = np.sort(np.concatenate([enter, *ends]))
    key, key_known = f.arg("inspect_key", rows)
    serial, serial_known = f.arg("inspect_serial", rows)
    known = key_known & serial_known
    number = (codes_of(key)[0].astype(np.uint64) << np.uint64(32)) | serial.astype(np.uint64)
    lane = f.lane(rows[known], number[known])
    begins = f.op_is(lane.rows, "WskInspectEvent")
    at = np.full(len(enter), -1, np.int64)
    at[np.searchsorted(enter, lane.rows[begins])] = np.flatnonzero(begins)
    ended = lane.row_of(np.append(lane.next(~begins), -1)[at]).astype(np.int64)
    again = lane.row_of(np.append(lane.next(begins), -1)[at]).astype(np.int64)
    ended = np.where((again >= 0) & (ended > again), -1, ended)
    doubt = f.world.loose(lane, at, np.ones(len(lane), np.bool_), ahead=False)
    ended_unnamed = bool(np.any(~known & ~np.isin(rows, enter)))
    doubt |= doubt_if((at < 0) | ended_unnamed, CAP)

    ret = f.world.mate[enter].astype(np.int64)
    start = np.where(ret >= 0, ret, enter)
    action, told = f.arg("action", np.maximum(ret, 0))
    told = told & (ret >= 0)
    listener = f.traits.callbacks.socket[np.searchsorted(f.traits.callbacks.rows, enter)]
    close = np.append(f.sockets.close, -1)[listener]
    # a listener whose close had begun before ends the request all the same
    close = np.where((listener >= 0) & (close >= 0), np.maximum(close, enter), -1)
    ended = np.where(ended < 0, close, np.where(close < 0, ended, np.minimum(ended, close)))
    without_id = np.isin(f.arg("inspect_key", enter)[0], _NO_ID)
    return _Requests(
        enter=enter,
        start=start,
        ended=ended,
        again=f.soon(start, again, _within(f, start)) & ((ended < 0) | (ended > again)),
        pends=told & (action == _PEND) & (at >= 0) & ~without_id,
        told=(told & (at >= 0)) | without_id,
        listener=listener,
        doubt=doubt | doubt_if(ret < 0, END),
    )


def _undecided(f: Facts, r: _Requests, at: NDArray[np.int64], teardown: NDArray[np.int64]) -> Answer:
    """Tell of these requests whether they stayed undecided for too long."""
    enter, start, then, listener = r.enter[at], r.start[at], r.ended[at], r.listener[at]
    last = np.where(teardown >= 0, teardown, f.last_row)
    doubt = r.doubt[at] | f.world.touch(enter, start) | f.unlogged(SOCKET, enter, last)
    doubt |= f.unlogged(CALLBACK, enter, last) | f.blind_calls
    doubt |= doubt_if(listener < 0, ALIAS) | doubt_if(~r.told[at], CAP) | doubt_if(r.again[at], ALIAS)
    one = np.flatnonzero(listener >= 0)
    doubt[one] |= context_doubt(f, np.searchsorted(f.traits.callbacks.rows, enter[one]))
    broken = liveness(
        f.world, start, then, within_ns=_within(f, start), teardown=teardown, doubt=doubt.astype(np.uint8)
    )
    return Answer(broken.seen & r.pends[at] & ~r.again[at], broken.doubt)


@rule(
    "INSPECT-NOT-COMPLETED",
    severity="warning",
    party="client",
    shape="V",
    source="DDI inspect_event (WskInspectPend), inspect_complete, abort_event",
    needs=(
        "WskInspectEvent with its id and Action, WskInspectComplete and WskAbortEvent with theirs, creations with "
        "SocketContext, WskCloseSocket entries"
    ),
    traced=(
        "WskInspectEvent",
        "WskInspectEvent return",
        "WskInspectComplete",
        "WskAbortEvent",
        "creations",
        "IrpComplete",
        "WskCloseSocket",
        "WskDeregister return",
        "DriverUnload return",
    ),
    follows={"SOCKET-LEAK": "socket"},
    advice="Call WskInspectComplete on every path after WskInspectPend; the client of the connection waits for it.",
    limits="The contract names no time; the profile's inspect_s is one that no client of a connection waits for.",
)
def inspect_not_completed(f: Facts) -> Instances:
    """A connection request that WskInspectEvent left pending is decided within a minute.

    By WskInspectComplete with the same id, unless WskAbortEvent takes the request back or the listener is closed, and
    in any case before the driver is torn down.
    """
    r = _requests(f)
    n = len(r.enter)
    client = np.append(f.traits.client, np.uint64(0))[r.listener]
    teardown = f.teardown_after(r.start, np.where(r.listener >= 0, client, np.uint64(0)))
    in_time = f.soon(r.start, r.ended, _within(f, r.start))
    torn = (teardown >= 0) & ((r.ended < 0) | (r.ended > teardown))
    at = np.flatnonzero((r.pends | ~r.told) & (~in_time | torn))
    broken = Answer(np.zeros(n, np.bool_), np.zeros(n, np.uint8))
    if len(at):
        late = _undecided(f, r, at, teardown[at])
        broken.seen[at], broken.doubt[at] = late.seen, late.doubt

    def tell(i: int) -> str:
        key = f.arg("inspect_key", r.enter[i : i + 1])[0][0]
        what = f"the request {f.say(key)} that WskInspectEvent left pending"
        if torn[i]:
            return f"{what} was not decided before {f.op_name(teardown[i])} returned"
        if r.ended[i] >= 0:
            return f"{what} was decided only {f.since(r.start[i], r.ended[i])} later, by {f.op_name(r.ended[i])}"
        return f"{what} was not decided in the {f.until_end(r.start[i])} until the end of the trace"

    return Instances(
        r.start,
        r.pends | (~r.told & (r.ended < 0)),
        broken,
        "sockets",
        r.listener,
        np.full(n, -1),
        r.listener,
        tell,
        (r.enter, r.start, np.where(torn, teardown, r.ended)),
        suspect=r.listener >= 0,
    )
