"""Rules about sockets that must be closed: no longer functional, or brought by a call that was cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import SOCKET, Facts, so
from wsktrace.rules.lookups import first_of, next_of, order_of
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, Answer, doubt_if, liveness, never
from wsktrace.rules.sockets import left_open
from wsktrace.wsk.operations import OPS, Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WARNING, _ERROR = 1, 2
FAMILY = "sockets"
_FORCED_CLOSED = 0xC00000B6
_SOCKET_OPS = np.array([op.level == "socket" for op in OPS])


# forced closed -------------------------------------------------------------------------------------------------------


def _told_by_status(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return (row, socket, doubt) of every return and completion with STATUS_FILE_FORCED_CLOSED."""
    ops = f.ops
    rows = np.flatnonzero(ops.status == _FORCED_CLOSED)
    called = _SOCKET_OPS[ops.op[rows]] & (ops.phase[rows] == Phase.RETURN)
    ended = ops.phase[rows] == Phase.COMPLETE
    rows = rows[(called | ended) & ((ops.known[rows] & KNOWN_STATUS) != 0)]
    ended = ops.phase[rows] == Phase.COMPLETE
    use = f.submission(rows)
    link = np.where(ended, np.append(f.irps.link_doubt, 0)[use], 0).astype(np.uint8)
    entered = np.where(ended, np.append(f.irps.enter, -1)[use], f.world.mate[rows] if len(rows) else rows)
    socket = np.where(entered >= 0, f.socket_of(entered), -1) if len(rows) else rows
    # between the call and its end a loss may have spoilt the pair
    doubt = link | np.where(entered >= 0, f.world.touch(entered, rows), 0).astype(np.uint8)
    return rows, socket, doubt


def _told_by_callback(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return (row, socket, doubt) of every callback that says by a NULL argument that its socket is dead."""
    ops, calls = f.ops, f.traits.callbacks
    found = []
    full = np.uint64((1 << (8 * f.world.pointer_size)) - 1)
    for name, value, names in (
        ("accept_socket", 0, ("WskAcceptEvent",)),
        ("inspect_key", full, ("WskInspectEvent",)),
        ("indication", 0, ("WskReceiveEvent", "WskReceiveFromEvent")),
    ):
        column = ops.sparse.get(name)
        if column is not None:
            rows = column.rows[column.values == value]
            found.append(rows[(ops.phase[rows] == Phase.CALLBACK) & f.op_is(rows, *names)])
    rows = np.sort(np.concatenate(found)).astype(np.int64) if found else np.zeros(0, np.int64)
    serial, known = f.arg("inspect_serial", rows)
    rows = rows[~f.op_is(rows, "WskInspectEvent") | (known & (serial == 0xFFFFFFFF))]
    place = np.searchsorted(calls.rows, rows)
    socket = calls.socket[place]
    doubt = f.closed_from(rows) | f.blind_contexts
    doubt |= doubt_if(np.isin(calls.context[place], f.contexts_in_creation), ALIAS)
    doubt |= np.where(socket >= 0, np.append(f.sockets.doubt, 0)[socket], 0).astype(np.uint8)
    return rows, socket, doubt


def _used_after(f: Facts, socket: NDArray[np.int64], since: NDArray[np.int64], until: NDArray[np.int64]) -> Any:
    """Return per (socket, row, row) the first other call than a close or a release certainly between them, -1."""
    s, element = f.sockets, f.sockets.lane
    place = np.full(len(s) + 1, -1, np.int64)
    place[socket] = np.arange(len(socket))
    at = np.flatnonzero((place[element.generation] >= 0) & (element.kind == so.OP))
    rows, of = element.lane.rows[at].astype(np.int64), place[element.generation[at]]
    apart = round(f.profile.order_tolerance_ms * 1e6)
    late = (rows > since[of]) & (f.ops.time[rows] - f.ops.time[since[of]] > apart)
    late &= ((until[of] < 0) | (rows < until[of])) & ~f.op_is(rows, "WskRelease")
    return first_of(of[late], rows[late], len(socket))


@rule(
    "FORCED-CLOSED-NOT-CLOSED",
    severity="error",
    party="client",
    shape="V",
    source="STATUS_FILE_FORCED_CLOSED on the socket functions' pages; DDI accept_event, inspect_event, receive_event",
    needs=(
        "returns and completions of calls on sockets with Status, callbacks with AcceptSocket, InspectKey and "
        "Indication, WskCloseSocket"
    ),
    traced=("socket calls", "socket calls return", "IrpComplete", "callbacks", "creations"),
    advice="Close the socket as soon as any of these is seen, from a work item where the callback cannot.",
    limits=(
        "A warning where the socket is only not closed in time; an error where another call on it follows. Calls that "
        "other threads make at the same moment do not count, nor does WskRelease, which gives back what is held."
    ),
)
def forced_closed_not_closed(f: Facts) -> Instances:
    """A socket that is no longer functional is closed within five seconds, and nothing else is called on it.

    STATUS_FILE_FORCED_CLOSED says so, and a callback without its argument: WskAcceptEvent without AcceptSocket,
    WskInspectEvent without InspectID, WskReceiveEvent or WskReceiveFromEvent without DataIndication.
    """
    s, n = f.sockets, len(f.sockets)
    status, callback = _told_by_status(f), _told_by_callback(f)
    rows, of, vague = (np.concatenate([a, b]) for a, b in zip(status, callback, strict=True))
    # what is certain counts, however early something doubtful stands
    firm = first_of(np.where(vague == 0, of, -1), rows, n)
    first = np.where(firm >= 0, firm, first_of(of, rows, n))
    told = np.flatnonzero((first >= 0) & ((s.close < 0) | (s.close > first)))
    since, close = first[told], s.close[told]
    by = np.argsort(rows, kind="stable")
    doubt = vague[by][np.searchsorted(rows[by], since)] | order_of(f, told)
    used = _used_after(f, told, since, close)
    blind = f.blind_calls
    within = np.full(len(told), round(f.profile.thresholds.forced_close_s * 1e9), np.int64)
    unclosed = liveness(
        f.world,
        since,
        close,
        within_ns=within,
        teardown=never(len(told)),
        doubt=doubt | f.unlogged(SOCKET, since, np.full(len(told), f.last_row)) | blind,
        link=doubt,
    )
    has = used >= 0
    end = np.where(has, used, since)
    again = Answer(has, np.where(has, doubt | f.world.touch(since, end) | f.unlogged(SOCKET, since, end), 0))
    again = Answer(again.seen, again.doubt.astype(np.uint8))
    broken = again | unclosed
    fatal = has & ((again.doubt == 0) | (broken.doubt != 0))

    def tell(i: int) -> str:
        what = f"socket {f.say(s.address[told[i]])} is no longer functional since {_words(f, int(since[i]))}"
        if fatal[i]:
            return f"{what}, and {f.op_name(used[i])} was called on it {f.since(since[i], used[i])} later"
        if close[i] >= 0:
            return f"{what}, and was closed only {f.since(since[i], close[i])} later"
        return f"{what}, and was not closed in the {f.until_end(since[i])} until the end of the trace"

    return Instances(
        np.where(fatal, end, since),
        np.ones(len(told), bool),
        broken,
        "sockets",
        told,
        np.where(fatal, f.submission(end), f.submission(since)),
        told,
        tell,
        (since, np.where(fatal, used, -1), close),
        severity=np.where(fatal, _ERROR, _WARNING),
        outside=n - len(told),
    )


def _words(f: Facts, row: int) -> str:
    """Return what told that a socket is dead."""
    if f.ops.phase[row] == Phase.CALLBACK:
        return f"{f.op_name(row)} came without its argument"
    use = int(f.irps.of_row[row])
    name = f.irp_words(use) if use >= 0 else f.op_name(row)
    ended = "was completed with" if f.ops.phase[row] == Phase.COMPLETE else "returned"
    return f"{name} {ended} {f.status_words(f.ops.status[row])}"


# cancelled -----------------------------------------------------------------------------------------------------------


@rule(
    "CANCELLED-CREATE-DROPPED",
    severity="error",
    party="client",
    shape="V",
    source="WDM IoCancelIrp (a cancelled IRP may complete as if it were not); NET closing-a-socket",
    needs="creations and accepts, IrpCancel, IrpComplete with Information, WskCloseSocket, WskDeregister, DriverUnload",
    traced=("creations", "IrpCancel", "IrpComplete", "WskCloseSocket", "WskDeregister", "DriverUnload return"),
    advice="Look at the status after a cancelled creation all the same, and close the socket that it brought.",
    limits="Only where the driver unloads or deregisters in the trace: until then the socket may still be closed.",
)
def cancelled_create_dropped(f: Facts) -> Instances:
    """A socket that a creation brought although its IRP was cancelled is closed like any other."""
    s, irps = f.sockets, f.irps
    cancels = f.rows("IrpCancel", Phase.FACT)
    address, known = f.irp(cancels)
    made = s.submission
    # the socket of each creation whose IRP was cancelled
    k = np.flatnonzero(made >= 0)
    k = k[np.isin(irps.irp[made[k]], address[known])]
    use = made[k]
    names, number = np.unique(np.concatenate([address[known], irps.irp[use]]), return_inverse=True)
    del names
    count = int(known.sum())
    cancel = next_of(number[:count], cancels[known], number[count:], irps.enter[use])
    done = irps.complete[use]
    mine = (cancel >= 0) & (cancel < done)
    k, use, cancel, done = k[mine], use[mine], cancel[mine], done[mine].astype(np.int64)
    broken, left = left_open(f, k)
    certain = irps.link_doubt[use] | f.world.unordered(irps.enter[use], cancel) | f.world.unordered(cancel, done)
    broken = broken.doubting(np.where(broken.seen, certain, 0).astype(np.uint8))

    def tell(i: int) -> str:
        what = f"{f.irp_words(use[i])} was cancelled and brought socket {f.say(s.address[k[i]])} all the same"
        end = f.op_name(left[i]) if left[i] >= 0 else "the end"
        return f"{what}, which was not closed before {end}"

    return Instances(
        np.where(left >= 0, left, done),
        np.ones(len(k), bool),
        broken,
        "sockets",
        k,
        use,
        k,
        tell,
        (cancel, done, left),
        suspect=left >= 0,
        outside=int(f.creates.sum()) - len(k),
    )
