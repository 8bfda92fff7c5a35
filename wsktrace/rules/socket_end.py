"""Rules about the close of a socket: what is in progress or pending when it is called, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import DATA, IRP, SOCKET, Facts, so
from wsktrace.rules.lookups import leading, order_of, ordered
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, END, ORDER, Answer, doubt_if, join, liveness, never
from wsktrace.wsk.operations import CODES, OPS, Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WARNING, _ERROR = 1, 2
FAMILY = "sockets"
_NEVER = np.uint32(0xFFFFFFFF)
_CLOSE = CODES["WskCloseSocket"]
_DISPATCH_LEVEL = 2


def _not_before_close(f: Facts, rows: NDArray[np.int32], socket: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return where these rows (-1: there is none) are not certainly before the close of their socket.

    One comparison per row: as unsigned numbers -1 is later than every row, and a socket that is not closed (or -1) has
    a limit that nothing exceeds.
    """
    close = f.sockets.close
    limit = close.copy()
    closed = close >= 0
    if not f.world.has_seq and len(close):
        near = np.searchsorted(f.ops.time, f.ops.time[close[closed]] - f.world.tolerance_ns) - 1
        limit[closed] = np.minimum(close[closed], np.maximum(near, 0))
    bound = np.append(np.where(closed, limit, _NEVER).astype(np.uint32), _NEVER)
    return np.flatnonzero(rows.view(np.uint32) > bound[socket])


def _unseen_before_close(f: Facts, closed: NDArray[np.int64], *groups: Any) -> NDArray[np.uint8]:
    """Return the doubt whether every call on a socket before its close is in the trace."""
    s = f.sockets
    close = s.close[closed]
    since = np.where(s.origin[closed] == so.ORIGINS.index("adopted"), -1, s.birth[closed]).astype(np.int64)
    doubt = f.world.touch(since, close) | f.blind_calls
    for group in groups:
        doubt |= f.unlogged(group, np.maximum(since, 0), close)
    return doubt


@rule(
    "CLOSE-CALL-IN-PROGRESS",
    severity="error",
    party="client",
    shape="I",
    source="DDI close_socket; NET closing-a-socket",
    needs="entries and returns of calls on sockets, with their threads; Irql where both are on one thread",
    traced=("socket calls", "socket calls return"),
    advice=(
        "Let WskCloseSocket wait until every other thread is back from its calls on the socket: "
        "a rundown reference around each call does it. Pending IRPs need no such care."
    ),
    limits=(
        "A close from a completion routine that runs inside the call is a warning. On one thread it may also be a DPC "
        "that interrupted the call: only their IRQLs can tell. A call that never returned in the trace is doubtful."
    ),
)
def close_call_in_progress(f: Facts) -> Instances:
    """While WskCloseSocket is called no other call on the socket is still executing.

    A call whose IRP is pending has returned and is none; what counts is the time between entry and return. Calls that
    take no IRP count too.
    """
    s, element = f.sockets, f.sockets.lane
    closed = np.flatnonzero(s.close >= 0)
    close = s.close[closed]
    place = np.full(len(s) + 1, -1, np.int64)
    place[closed] = np.arange(len(closed))
    at = np.flatnonzero(element.kind == so.OP)
    calls = element.lane.rows[at]
    at = at[_not_before_close(f, f.world.mate[calls], element.generation[at])]
    call, on = element.lane.rows[at].astype(np.int64), element.generation[at]
    back, until = f.world.mate[call].astype(np.int64), s.close[on]
    seen = (call < until) & ((back < 0) | (back > until))
    same = f.world.thread[call] == f.world.thread[until]
    doubt = _return_doubt(f, call, back) | ordered(f, call, until) | order_of(f, on)
    has = back >= 0
    doubt[has] |= ordered(f, until[has], back[has])
    doubt[same & seen] |= _containment(f, call[same & seen], until[same & seen])
    kept = seen | ((doubt & ORDER) != 0)
    call, on, back, seen, same, doubt = (part[kept] for part in (call, on, back, seen, same, doubt))
    leads = leading(np.where(seen, 2 * (doubt != 0) + same, 4), place[on], len(closed))
    some = leads >= 0
    shown = np.append(seen, False)[leads]
    unseen = _unseen_before_close(f, closed, SOCKET, DATA)
    broken = Answer(shown, np.where(shown, 0, unseen).astype(np.uint8))
    broken = broken.doubting(np.append(doubt, np.uint8(0))[leads])
    inside = np.append(same, False)[leads]
    which, end = np.append(call, -1)[leads], np.append(back, -1)[leads]

    def tell(i: int) -> str:
        row = int(which[i])
        use = int(f.irps.of_row[row])
        name = f.irp_words(use) if use >= 0 else f.op_name(row)
        where = "" if inside[i] else f" on thread {int(f.ops.tid[row])}"
        words = f"socket {f.say(s.address[closed[i]])} was closed while {name}, entered {f.since(row, close[i])} before"
        return f"{words}{where}, had not returned" + ("; the close is inside that call" if inside[i] else "")

    return Instances(
        close,
        np.ones(len(closed), bool),
        broken,
        "sockets",
        closed,
        f.submission(close),
        closed,
        tell,
        (np.where(some, which, -1), close, end),
        severity=np.where(inside, _WARNING, _ERROR),
        outstanding=lambda i: call[(on == closed[i]) & seen].tolist(),
    )


def _return_doubt(f: Facts, call: NDArray[np.int64], back: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the doubt about the return of each call; one that is not in the trace is never certain."""
    n = len(f.world)
    doubt = f.world.touch(call, np.where(back >= 0, back, n))
    missing = np.flatnonzero(back < 0)
    doubt[missing] |= doubt_if(doubt[missing] == 0, END)
    if len(missing) and not any(len(f.rows(op.name, Phase.RETURN)) for op in OPS if op.level == "socket"):
        doubt[missing] |= np.uint8(CAP)
    return doubt


def _containment(f: Facts, call: NDArray[np.int64], close: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the doubt whether a close lies in a call of its own thread, not in a DPC that interrupted it.

    Certain where the outer one's IRQL lets no DPC in, or equals the inner one's; the outer one is the call, or the
    completion routine of its IRP that runs inside it.
    """
    inner, inner_known = f.irql(close)
    doubt = np.full(len(call), CAP, np.uint8)
    use = f.submission(call)
    done = np.append(f.irps.complete, -1).astype(np.int64)[use]
    within = (done > call) & (done < close) & (np.append(f.irps.link_doubt, 0)[use] == 0)
    if len(call):
        ends = f.world.mate[done].astype(np.int64)
        within &= (f.world.thread[done] == f.world.thread[close]) & ((ends < 0) | (ends > close))
    for outer in (call, np.where(within, done, call)):
        level, known = f.irql(outer)
        certain = known & ((level >= _DISPATCH_LEVEL) | (inner_known & (level == inner)))
        doubt[known & inner_known & (doubt != 0)] = ORDER
        doubt[certain] = 0
    return doubt


def _pending_at_close(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (use of an IRP, socket) of what was not certainly over when its socket was closed."""
    on = f.sockets.of_row[f.irps.enter]
    found = _not_before_close(f, f.irps.complete, on)
    found = found[f.irps.op[found] != _CLOSE]
    sockets = on[found].astype(np.int64)
    refused = f.irps.ret_is("error")[found] & (f.irps.complete[found] < 0)
    mine = (f.irps.enter[found] < f.sockets.close[sockets]) & ~refused
    return found[mine], sockets[mine]


@rule(
    "CLOSE-PENDING",
    severity="info",
    party="client",
    shape="I",
    source="DDI close_socket (pending IRPs are cancelled and completed)",
    needs="entries of calls on sockets, IrpComplete, and that the IRPs are the driver's own",
    traced=("socket calls", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    advice="Nothing is wrong; expect the completions with STATUS_CANCELLED, perhaps behind that of the close.",
    limits="An IRP that was passed down from above may have completed unseen: not counted.",
    legal=True,
)
def close_pending(f: Facts) -> Instances:
    """A socket was closed while IRPs of it were pending, which WSK then cancels and completes."""
    s, irps = f.sockets, f.irps
    closed = np.flatnonzero(s.close >= 0)
    close = s.close[closed]
    place = np.full(len(s) + 1, -1, np.int64)
    place[closed] = np.arange(len(closed))
    use, on = _pending_at_close(f)
    until, done, enter = s.close[on], irps.complete[use], irps.enter[use]
    open_ = done < 0
    renewed = _between(irps.next_enter[use], enter, until) | _between(irps.reset[use], enter, until)
    seen = (open_ & ~renewed) | (done > until)
    absent = irps.absent_doubt[use] | f.world.touch(enter, until) | f.unlogged(IRP, enter, until)
    absent |= doubt_if(renewed, ALIAS) | doubt_if(~irps.ret_known[use], CAP)
    doubt = np.where(open_, absent, irps.link_doubt[use]).astype(np.uint8) | order_of(f, on)
    doubt |= ordered(f, enter, until)
    doubt[~open_] |= ordered(f, until[~open_], done[~open_])
    sure = seen & (doubt == 0)
    leads = leading(np.where(sure, 0, np.where(seen, 1, 2)), place[on], len(closed))
    shown, certain = np.append(seen, False)[leads], np.append(sure, False)[leads]
    broken = Answer(shown, np.append(doubt, np.uint8(0))[leads])
    broken = broken.doubting(np.where(certain, 0, _unseen_before_close(f, closed, SOCKET, DATA)).astype(np.uint8))

    def pending(i: int) -> NDArray[np.int64]:
        chosen: NDArray[np.int64] = use[(on == closed[i]) & (sure if certain[i] else seen)]
        return chosen

    def tell(i: int) -> str:
        mine = pending(i)
        names = ", ".join(f.irp_words(p) for p in mine[:3].tolist())
        more = f" and {len(mine) - 3} more" if len(mine) > 3 else ""
        what = "one request" if len(mine) == 1 else f"{len(mine)} requests"
        return f"socket {f.say(s.address[closed[i]])} was closed with {what} pending: {names}{more}"

    return Instances(
        close,
        np.ones(len(closed), bool),
        broken,
        "sockets",
        closed,
        f.submission(close),
        closed,
        tell,
        (close,),
        outstanding=lambda i: irps.enter[pending(i)].tolist(),
    )


def _between(
    rows: NDArray[np.integer[Any]], a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (rows > a) & (rows < b)
    return found


@rule(
    "CLOSE-NOT-DRAINED",
    severity="error",
    party="provider",
    shape="V",
    source="DDI close_socket (all pending IRPs are completed before the socket is closed)",
    needs="calls on sockets, WskCloseSocket, IrpComplete, and that the IRPs are the driver's own",
    traced=("socket calls", "socket calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    follows={"IRP-NO-COMPLETION-ROUTINE": "use", "IRP-INVOKE-FLAGS": "use"},
    advice=(
        "Look for a completion routine that traces late or not at all, "
        "for an IRP that was freed or used again while it was pending, and for a filter that holds it."
    ),
    limits=(
        "The routine of a cancelled IRP may run behind that of the close on another processor; "
        "a twentieth of a second is left for that. IRPs that were passed down are not judged."
    ),
)
def close_not_drained(f: Facts) -> Instances:
    """Once the close of a socket has completed no IRP of that socket is still pending."""
    s, irps = f.sockets, f.irps
    use, on = _pending_at_close(f)
    enter, close, closed, done = irps.enter[use], s.close[on], s.closed[on], irps.complete[use].astype(np.int64)
    over = closed >= 0
    start = np.where(over, closed, enter)
    within = np.full(len(use), round(f.profile.thresholds.drained_s * 1e9), np.int64)
    doubt = irps.absent_doubt[use] | irps.ret_doubt[use] | doubt_if(~irps.ret_known[use] & (done < 0), CAP)
    doubt |= f.world.touch(enter, start) | f.unlogged(SOCKET, enter, start) | order_of(f, on)
    doubt |= f.unlogged(IRP, enter, np.full(len(use), f.last_row))
    link = np.where(done >= 0, irps.link_doubt[use], 0).astype(np.uint8)
    # the completion of another close than the first, or one that may not be its own, may have come early
    doubt |= f.link_of_close(close) | doubt_if(f.certain_end(close) != closed, ALIAS) | doubt_if(~irps.own[use], CAP)
    broken = liveness(
        f.world,
        start,
        done,
        within_ns=within,
        teardown=never(len(use)),
        doubt=doubt,
        link=link | f.link_of_close(close),
    )
    renewed = (done < 0) & (f.soon(start, irps.next_enter[use], within) | f.soon(start, irps.reset[use], within))
    broken = Answer(broken.seen & ~renewed, broken.doubt | doubt_if(renewed, ALIAS))

    def tell(i: int) -> str:
        what = f"{f.irp_words(use[i])} was still pending when the close of socket {f.say(s.address[on[i]])} completed"
        if done[i] >= 0:
            return f"{what}, and was completed {f.since(closed[i], done[i])} later"
        return f"{what}, and was not completed in the {f.until_end(closed[i])} until the end of the trace"

    return Instances(
        start,
        over,
        broken,
        "irps",
        use,
        use,
        on,
        tell,
        (enter, close, closed, done),
        outside=len(irps) - len(use),
        outstanding=lambda i: [int(enter[i])],
    )


@rule(
    "CLOSE-FAILED",
    severity="info",
    party="provider",
    shape="J",
    source="DDI close_socket, Return value; Microsoft's echosrv sample, which takes for granted that none fails",
    needs="WskCloseSocket entries and returns with Status, IrpComplete with Status",
    traced=("WskCloseSocket", "WskCloseSocket return", "IrpComplete"),
    follows={
        "DOUBLE-CLOSE": "socket",
        "USE-AFTER-CLOSE": "socket",
        "SOCKET-FROM-FAILED-CREATE": "socket",
        "ACCEPT-REJECTED-USE": "socket",
        "STATUS-MISMATCH": "use",
    },
    advice="Look for an address that is no socket, or one that was closed already.",
    limits="Whether the socket may be closed again is not documented: not judged.",
)
def close_failed(f: Facts) -> Instances:
    """A close does not fail, by its return or by its completion.

    The documentation allows an error and does not say what the driver could do then; the socket counts as closing.
    """
    irps, rows = f.irps, f.enters("WskCloseSocket")
    use = f.submission(rows)
    back = f.world.mate[rows].astype(np.int64) if len(rows) else rows
    status = f.ops.status[back] if len(rows) else np.zeros(0, np.uint32)
    known = (back >= 0) & ((f.ops.known[back] & KNOWN_STATUS) != 0 if len(rows) else np.zeros(0, bool))
    by_return = join(status >= 0x80000000, known, f.world.touch(rows, np.where(back >= 0, back, len(f.world))))
    done = np.append(irps.complete, -1).astype(np.int64)[use]
    has = (use >= 0) & (done >= 0)
    link = np.append(irps.link_doubt, np.uint8(0))[use]
    ended = np.append(irps.status, np.uint32(0))[use]
    by_end = join(ended >= 0x80000000, np.append(irps.status_known, False)[use], link)
    either = by_return | by_end
    broken = Answer(
        np.where(has, either.seen, by_return.seen), np.where(has, either.doubt, by_return.doubt).astype(np.uint8)
    )
    # pending without an end: others ask for its completion
    applies = has | ~known | (status >= 0x80000000) | ((use < 0) & (status == 0))
    bad_end = has & by_end.seen

    def tell(i: int) -> str:
        socket = f"WskCloseSocket of {f.say(f.ops.socket[rows[i]])}"
        if bad_end[i]:
            return f"{socket} was completed with {f.status_words(ended[i])}"
        return f"{socket} returned {f.status_words(status[i])}"

    return Instances(
        np.where(has, np.maximum(done, rows), np.maximum(back, rows)),
        applies,
        broken,
        "irps",
        use,
        use,
        f.socket_of(rows),
        tell,
        (rows, back, np.where(has, done, -1)),
    )
