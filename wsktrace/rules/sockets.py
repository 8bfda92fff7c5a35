"""Rules about the life of a socket: used only while it lives, closed once, closed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import IRP, SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, forbidden_follow, liveness

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WARNING, _ERROR = 1, 2
FAMILY = "sockets"
_LONG_NS = 60_000_000_000


def _after_close(f: Facts, judged: int) -> Instances:
    s = f.sockets
    element = s.lane
    lane, kind = element.lane, element.kind
    at = np.flatnonzero(kind == judged)
    rows = lane.rows[at]
    close = (kind == so.CLOSE) & ~f.close_failed(lane.rows)
    broken = forbidden_follow(f.world, lane, after=close, until=kind == so.BIRTH, at=at, maybe=kind == so.MAYBE)
    closed_at = lane.last(close)[at]
    begun = np.where(closed_at >= 0, lane.rows[np.maximum(closed_at, 0)], rows)
    # what may hide a new socket of that address can only excuse, so it matters where a break is seen
    excuse = f.hidden_birth(begun, rows) | f.births_unlogged(begun, rows)
    broken = broken.doubting(np.where(broken.seen, excuse, 0).astype(np.uint8))
    # between the close and its completion no new socket can have the address
    end = f.certain_end(begun)
    firm = broken.seen & (end > rows) & (f.world.unordered(begun, rows) == 0)
    firm[firm] = f.world.unordered(rows[firm], end[firm]) == 0
    broken = broken.settled_where(firm)
    # an address that was never seen closed is judged only as far as something was seen
    known = closed_at >= 0
    broken = Answer(broken.seen & known, np.where(known | (broken.doubt != 0), broken.doubt, 0).astype(np.uint8))
    subject = np.maximum(element.generation[at], 0)
    use = f.submission(rows)

    def tell(i: int) -> str:
        what = "closed again" if judged == so.CLOSE else f"used by {f.op_name(rows[i])}"
        after = f"{f.since(begun[i], rows[i])} after WskCloseSocket was called on it"
        return f"socket {f.say(lane.keys[lane.group[at[i]]])} was {what} {after}"

    return Instances(
        rows, np.ones(len(at), bool), broken, "sockets", subject, use, subject, tell, (np.where(known, begun, -1), rows)
    )


@rule(
    "USE-AFTER-CLOSE",
    severity="error",
    party="client",
    shape="F",
    source="DDI close_socket; NET closing-a-socket",
    needs="entries of calls on sockets, creations and accepts with their completions, accept callbacks",
    traced=("socket calls", "creations", "IrpComplete", "WskAcceptEvent"),
    follows={"DOUBLE-CLOSE": "socket"},
    advice="Stop every user of the socket before WskCloseSocket is called; rundown protection does it.",
    limits=(
        "After the close has completed the address may belong to a new socket; "
        "where its creation may be hidden this is unknown."
    ),
)
def use_after_close(f: Facts) -> Instances:
    """Once WskCloseSocket has been called, no other function may be called on the socket."""
    return _after_close(f, so.OP)


@rule(
    "DOUBLE-CLOSE",
    severity="error",
    party="client",
    shape="F",
    source="DDI close_socket; NET closing-a-socket",
    needs="entries of WskCloseSocket, creations and accepts with their completions, accept callbacks",
    traced=("WskCloseSocket", "creations", "IrpComplete", "WskAcceptEvent"),
    advice=(
        "Let one place own the close, and take the socket out of reach (exchange the pointer with NULL) "
        "before calling it."
    ),
    limits="What a second try after a close that failed means, the contract leaves open: not judged.",
)
def double_close(f: Facts) -> Instances:
    """WskCloseSocket is called once per socket."""
    return _after_close(f, so.CLOSE)


@rule(
    "SOCKET-FROM-FAILED-CREATE",
    severity="error",
    party="client",
    shape="F",
    source="seed page, Remarks (Information holds the socket when the IRP completed with success)",
    needs="completions of creations with Status and Information, entries of calls on sockets",
    traced=("creations", "IrpComplete", "socket calls"),
    advice="Read IoStatus.Information only after IoStatus.Status was found to be a success.",
)
def socket_from_failed_create(f: Facts) -> Instances:
    """Information of a creation or accept that failed is no socket and must not be used as one."""
    irps, s = f.irps, f.sockets
    bad = np.flatnonzero(f.creates & irps.failed() & irps.information_known & (irps.information != 0))
    element = s.lane
    concerned = np.isin(element.lane.keys, irps.information[bad])
    mine = np.flatnonzero(concerned[element.lane.group]) if len(element.lane) else np.zeros(0, np.int64)
    rows = np.concatenate([element.lane.rows[mine], irps.complete[bad]])
    keys = np.concatenate(
        [
            element.lane.keys[element.lane.group[mine]] if len(mine) else rows[:0].astype(np.uint64),
            irps.information[bad],
        ]
    )
    kinds = np.concatenate([element.kind[mine], np.full(len(bad), 255, np.uint8)])
    source = np.concatenate([np.full(len(mine), -1), bad])
    by = np.argsort(rows, kind="stable")
    lane = f.lane(rows[by], keys[by])
    pick = by[lane.order]
    kind, source = kinds[pick], source[pick]
    at = np.flatnonzero((kind == so.OP) | (kind == so.CLOSE))
    failure = lane.last(kind == 255)[at]
    at, failure = at[failure >= 0], failure[failure >= 0]
    q = lane.rows[at]
    broken = forbidden_follow(f.world, lane, after=kind == 255, until=kind == so.BIRTH, at=at, maybe=kind == so.MAYBE)
    born, gone = lane.last(kind == so.BIRTH)[at], lane.last((kind == so.CLOSED) | (kind == so.REJECT))[at]
    broken = Answer(broken.seen & ~(born > gone), broken.doubt)
    broken = broken.doubting(
        f.closed_from(q),
        f.hidden_birth(q, q),
        f.births_unlogged(np.zeros(len(q), np.int64), q),
        irps.link_doubt[source[failure]],
    )
    total = int(((element.kind == so.OP) | (element.kind == so.CLOSE)).sum())
    use, subject = f.submission(q), np.maximum(f.socket_of(q), 0)
    origin = source[failure]

    def tell(i: int) -> str:
        what = f"{f.op_name(q[i])} was called on {f.say(lane.keys[lane.group[at[i]]])}"
        why = f"it failed with {f.status_words(irps.status[origin[i]])}"
        return f"{what}, which {f.irp_words(origin[i])} left in Information when {why}"

    return Instances(
        q,
        np.ones(len(at), bool),
        broken,
        "sockets",
        subject,
        use,
        f.socket_of(q),
        tell,
        (lane.rows[failure], q),
        outside=total - len(at),
    )


@rule(
    "CLOSE-STUCK",
    severity="error",
    party="client",
    shape="V",
    source="DDI close_socket; Windows' own live dump 0x156 WINSOCK_DETECTED_HUNG_CLOSESOCKET",
    needs="WskCloseSocket entries and returns, IrpComplete, and that the IRP is the driver's own",
    traced=("WskCloseSocket", "WskCloseSocket return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    follows={"INDICATION-RETAINED": "socket", "WAIT-IN-CALLBACK": "socket", "CLOSE-CALL-IN-PROGRESS": "socket"},
    advice=(
        "See what is outstanding on the socket: a callback that does not return, "
        "or an IRP whose owner waits for the thread that closes."
    ),
    limits=(
        "A warning while nothing shows why; an error where IRPs or callbacks are outstanding on the socket, "
        "after a minute, or at unload."
    ),
)
def close_stuck(f: Facts) -> Instances:
    """A close completes within ten seconds.

    WSK completes the close after all pending IRPs and running callbacks of the socket; a callback that waits for
    the closing thread never lets it.
    """
    s = f.irps
    index = np.flatnonzero(f.op_is(s.enter, "WskCloseSocket"))
    enter, complete = s.enter[index], s.complete[index]
    waiting = s.ret_known[index] & (s.ret_status[index] < 0x80000000)
    within = np.full(len(index), round(f.profile.thresholds.close_s * 1e9), np.int64)
    teardown = f.teardown_after(enter, f.client_of_irp[index])
    doubt = s.absent_doubt[index] | s.ret_doubt[index] | f.unlogged(IRP, enter, np.full(len(index), f.last_row))
    broken = liveness(
        f.world, enter, complete, within_ns=within, teardown=teardown, doubt=doubt, link=s.link_doubt[index]
    )
    again = (complete < 0) & f.soon(enter, s.next_enter[index], within)
    unknown = ~s.ret_known[index] & (complete < 0)
    broken = Answer(broken.seen & ~again & waiting, broken.doubt | doubt_if(again, ALIAS) | doubt_if(unknown, CAP))
    on = f.socket_of_irp[index]
    torn = (teardown >= 0) & ((complete < 0) | (complete > teardown))
    age = (
        np.where(complete >= 0, f.ops.time[complete] - f.ops.time[enter], f.world.coverage.end_ns - f.ops.time[enter])
        if len(index)
        else within
    )
    severity = np.where(torn | (age > _LONG_NS), _ERROR, _WARNING)
    for i in np.flatnonzero(broken.seen & (on >= 0))[:_MOST_LOOKED_AT].tolist():
        if any(f.outstanding(int(on[i]), int(enter[i]))):
            severity[i] = _ERROR

    def outstanding(i: int) -> list[int]:
        pending, running = f.outstanding(int(on[i]), int(enter[i])) if on[i] >= 0 else ([], [])
        return [*s.enter[pending].tolist(), *running]

    def tell(i: int) -> str:
        took = (
            f"took {f.since(enter[i], complete[i])}"
            if complete[i] >= 0
            else f"was not completed in {f.until_end(enter[i])}"
        )
        words = f"WskCloseSocket of {f.say(f.ops.socket[enter[i]])} with IRP {f.say(s.irp[index[i]])} {took}"
        pending, running = f.outstanding(int(on[i]), int(enter[i])) if on[i] >= 0 else ([], [])
        parts = [f.irp_words(p) for p in pending[:3]] + [f"a running {f.op_name(r)}" for r in running[:3]]
        more = len(pending) + len(running) - len(parts)
        if parts:
            words += "; outstanding on the socket: " + ", ".join(parts) + (f" and {more} more" if more else "")
        return words

    return Instances(
        enter,
        waiting | unknown,
        broken,
        "irps",
        index,
        index,
        on,
        tell,
        (enter, s.ret[index], complete),
        severity=severity,
        outstanding=outstanding,
    )


#: How many stuck closes are looked at for what is outstanding; a trace with more has bigger trouble.
_MOST_LOOKED_AT = 256


def left_open(f: Facts, index: NDArray[np.integer[Any]]) -> tuple[Answer, NDArray[np.int64]]:
    """Return for some sockets whether their driver tore down without closing them, and the row at which it did."""
    s, n = f.sockets, len(index)
    birth, close, client = s.birth[index], s.close[index], f.traits.client[index]
    left = f.teardown_after(birth, client)
    closed_in_time = (close >= 0) & ((left < 0) | (close < left))
    stuck = f.blocked_deregister(birth, client)
    stuck = np.where((left < 0) & (close < 0), stuck, -1)
    doubt = s.doubt[index] | f.unlogged(SOCKET, birth, np.where(left >= 0, left, f.last_row)) | f.blind_calls
    # an accept callback that does not say whether it took the socket or refused it
    ends = f.world.mate[birth].astype(np.int64)
    asked = (s.origin[index] == so.ORIGINS.index("accept_event")) & (ends >= 0)
    doubt |= doubt_if(asked & ~f.status(ends)[1], CAP)
    doubt |= np.where(stuck >= 0, f.world.touch(birth, np.full(n, len(f.world))), 0).astype(np.uint8)
    # another socket of that address presumes the close; SOCKET-PTR-DUPLICATE asks about that
    again = np.append(s.address[1:] == s.address[:-1], np.zeros(min(len(s), 1), bool))
    doubt |= doubt_if(again[index], ALIAS)
    left = np.where(stuck >= 0, stuck, left)
    broken = liveness(
        f.world,
        birth,
        np.where(closed_in_time, close, -1),
        within_ns=np.zeros(n, np.int64),
        teardown=left,
        doubt=doubt,
    )
    return broken, left


@rule(
    "SOCKET-LEAK",
    severity="error",
    party="client",
    shape="V",
    source="NET closing-a-socket, unregistering-a-winsock-kernel-application",
    needs="creations, accepts and accept callbacks, WskCloseSocket entries, WskDeregister, DriverUnload",
    traced=(
        "creations",
        "IrpComplete",
        "WskAcceptEvent",
        "WskAcceptEvent return",
        "WskCloseSocket",
        "WskDeregister",
        "DriverUnload return",
    ),
    follows={"CANCELLED-CREATE-DROPPED": "socket", "FORCED-CLOSED-NOT-CLOSED": "socket"},
    advice="Close every socket before WskDeregister, accepted ones that nobody adopted included.",
    limits="A socket that is open at the end of the trace is no leak as long as the driver runs.",
)
def socket_leak(f: Facts) -> Instances:
    """Every socket is closed before the driver deregisters and unloads."""
    s = f.sockets
    index = np.arange(len(s))
    mine = s.rejected < 0
    broken, left = left_open(f, index)

    def tell(i: int) -> str:
        end = f.op_name(left[i]) if left[i] >= 0 else "the end"
        return f"socket {f.say(s.address[i])} ({so.ORIGINS[s.origin[i]]}) was not closed before {end}"

    return Instances(
        np.where(left >= 0, left, s.birth),
        mine,
        broken,
        "sockets",
        index,
        s.submission,
        index,
        tell,
        (s.birth, left),
        suspect=left >= 0,
    )
