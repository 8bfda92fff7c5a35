"""Rules about memory that WSK was given for long: contexts, dispatch tables, registration blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.model.irps import PENDING
from wsktrace.model.surroundings import NONPAGED, PAGED, UNKNOWN
from wsktrace.rules.enabled import enabled_around, may_be_enabled
from wsktrace.rules.facts import IRP, REGISTRATION, SOCKET, Facts, duration, so
from wsktrace.rules.freed import Frees, inside, open_doubt, returned
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, local

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "memory"
_WARNING, _ERROR = 1, 2


def _given_at(f: Facts) -> NDArray[np.int64]:
    """Return the row at which each socket was given its context: the call, or the return of the accept callback."""
    s = f.sockets
    ends = f.world.mate[s.birth].astype(np.int64)
    by_event = (s.origin == so.ORIGINS.index("accept_event")) & (ends >= 0)
    return np.where(by_event, ends, s.create).astype(np.int64)


def _closed_at(f: Facts) -> NDArray[np.int64]:
    """Return the row from which on each socket is certainly out of use, the number of rows where there is none.

    Its close completed, returned with anything but STATUS_PENDING, or WSK itself took it back.
    """
    s, n = f.sockets, np.int64(len(f.world))
    use = np.where(s.close >= 0, f.irps.of_row[s.close], -1) if len(s) else s.close
    complete = np.append(f.irps.complete, -1)[use].astype(np.int64)
    ret = np.where(s.close >= 0, f.world.mate[s.close], -1).astype(np.int64) if len(s) else s.close
    status, known = returned(f, ret)
    end = np.full(len(s), n)
    for row in (complete, s.closed, s.rejected, np.where(known & (status != PENDING), ret, -1)):
        end = np.where(row >= 0, np.minimum(end, row), end)
    return end


def _close_doubt(f: Facts, at: NDArray[np.int64], point: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return why the close of these sockets may have ended before a row, though it is not seen to."""
    s, irps = f.sockets, f.irps
    close = s.close[at]
    begun = (close >= 0) & (close < point)
    use = np.where(begun, irps.of_row[close], -1) if len(f.world) else close
    doubt = np.where(begun, f.link_of_close(close), 0).astype(np.uint8)
    ret = np.where(begun, f.world.mate[close], -1)
    unread = begun & (ret >= 0) & (ret < point) & ~returned(f, ret)[1]
    # a free that stands shortly before the close may come after it, and after its completion
    ahead = np.flatnonzero((close >= 0) & ~begun)
    doubt[ahead] |= f.world.unordered(point[ahead], close[ahead])
    return doubt | doubt_if(unread, CAP) | open_doubt(f, use, point) | doubt_if(begun & (use < 0), CAP)


@rule(
    "CONTEXT-PAGED",
    severity="error",
    party="client",
    shape="L",
    source="seed page, SocketContext (must be in nonpaged memory)",
    needs=(
        "creations and accepts with SocketContext, and in the same file the kernel logger's pool events (the "
        "allocation of the context) or thread events (limits of stacks)"
    ),
    traced=("creations", "WskAcceptEvent return"),
    advice="Allocate the context from nonpaged pool, and free it after the close has completed.",
    limits=(
        "The native provider does not say where an address lies: without pool or thread events of the kernel logger "
        "nothing is decided, nor for memory that was allocated before these were traced. A stack is a warning: it may "
        "be paged out while its thread waits, and is gone when the function returns."
    ),
)
def context_paged(f: Facts) -> Instances:
    """The context of a socket lies in nonpaged memory.

    WSK hands it to callbacks that run at up to DISPATCH_LEVEL, where a page fault is fatal.
    """
    rows = f.dispatch_givers
    given, has_given = f.arg("socket_context", rows)
    accepted, has_accepted = f.arg("accept_socket_context", rows)
    accepts = ~f.op_is(rows, "WskSocket", "WskSocketConnect")
    context = np.where(accepts, accepted, given).astype(np.uint64)
    known = np.where(accepts, has_accepted, has_given)
    some = ~known | (context != 0)
    rows, context, known = rows[some], context[some], known[some]
    around, ops = f.life.surroundings, f.ops
    time = ops.time[rows]
    pool, doubt, since = around.pools(context, time, ops.cpu[rows])
    stack = around.stacks(ops.tid[rows], time)
    inside = stack.hold(context) & known
    paged = pool == PAGED
    broken = local((paged | inside) & (pool != NONPAGED), known & ((pool != UNKNOWN) | inside))
    broken = broken.doubting(doubt, doubt_if(inside & (pool == NONPAGED), ALIAS))
    broken = broken.doubting(np.where(inside & (pool == UNKNOWN), stack.doubt, 0).astype(np.uint8))

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} was given context {f.say(context[i])}"
        if paged[i]:
            return f"{what}, which was allocated from paged pool {duration(int(time[i]) - int(since[i]))} before"
        return f"{what}, which lies in the stack of the calling thread"

    use, on = f.submission(rows), f.socket_of(rows)
    return Instances(
        rows,
        np.ones(len(rows), bool),
        broken,
        "operations",
        rows,
        use,
        on,
        tell,
        (rows,),
        about=context,
        severity=np.where(paged, _ERROR, _WARNING),
        outside=int((~some).sum()),
    )


@rule(
    "CONTEXT-LIFETIME",
    severity="error",
    party="client",
    shape="I",
    source="seed page, SocketContext and Dispatch; DDI close_socket (callbacks run until the close has completed)",
    needs=(
        "MemoryFree with Address and Size, creations and accepts with SocketContext and Dispatch, closes with their "
        "completions, WskControlSocket and WskControlClient entries and returns"
    ),
    traced=(
        "MemoryFree",
        "creations",
        "WskAcceptEvent",
        "WskAcceptEvent return",
        "WskCloseSocket",
        "WskCloseSocket return",
        "IrpComplete",
        "WskControlSocket",
        "WskControlSocket return",
        "WskControlClient",
        "WskControlClient return",
    ),
    advice="Free the context in or after the completion routine of WskCloseSocket, not when the close is called.",
    limits=(
        "MemoryFree is optional: a driver that never traces one says nothing. "
        "A block is known only as far as its Size; without it only the exact address counts."
    ),
)
def context_lifetime(f: Facts) -> Instances:
    """The context and the dispatch table of a socket stay valid until its close has completed.

    Judged where a callback of the socket was enabled, on it, by its listener or for all sockets of its client, and not
    disabled again before the memory was freed: WSK may then call through the table with the context at any time, also
    between the call of WskCloseSocket and its completion.
    """
    s, t = f.sockets, f.traits
    start, end = _given_at(f), _closed_at(f)
    frees = Frees(f, np.concatenate([t.context, t.dispatch]))
    after, before = (np.reshape(found, (2, -1)) for found in (frees.after(_twice(start)), frees.before(_twice(start))))
    none = np.int64(len(f.world) + 1)
    first = np.where(after >= 0, after, none)
    table = first[1] < first[0]
    point = np.minimum(first[0], first[1])
    point = np.where(point < none, point, -1)

    def doubts(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        rows = start[at], point[at]
        hidden = s.doubt[at] | f.unlogged(SOCKET, *rows) | f.unlogged(IRP, *rows) | f.blind_calls
        return hidden | _close_doubt(f, at, point[at])

    freed, seen = inside(f, start, end, point, before.max(axis=0), doubts)
    freed = freed.doubting(doubt_if(~freed.seen & ~(t.context_known & t.dispatch_known), CAP))
    asked = may_be_enabled(f)
    enabled = Answer(asked.seen.copy(), asked.doubt.copy())
    sharp = enabled_around(f, seen, point[seen], end[seen])
    enabled.seen[seen], enabled.doubt[seen] = sharp.seen, sharp.doubt
    has = (t.context != 0) | (t.dispatch != 0) | ~(t.context_known & t.dispatch_known)
    index = np.arange(len(s))

    def tell(i: int) -> str:
        address = f.say((t.dispatch if table[i] else t.context)[i])
        what = f"{'dispatch table' if table[i] else 'context'} {address} of socket {f.say(s.address[i])} was freed"
        if end[i] < len(f.world):
            return f"{what} {f.since(point[i], end[i])} before its close had completed"
        return f"{what}, and its close had not completed"

    return Instances(
        np.where(point >= 0, point, s.birth),
        has & (s.rejected < 0) & (asked.seen | (asked.doubt != 0)),
        enabled & freed,
        "sockets",
        index,
        s.submission,
        index,
        tell,
        (start, point, np.where(end < len(f.world), end, -1)),
    )


def _twice(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([rows, rows])


@rule(
    "REG-BLOCK-LIFETIME",
    severity="error",
    party="client",
    shape="I",
    source="DDI wskregister, wskderegister, _wsk_registration, _wsk_client_dispatch (resident until deregistered)",
    needs=(
        "MemoryFree with Address and Size, WskRegister entries and returns with Registration and ClientDispatch, "
        "WskDeregister returns"
    ),
    traced=("MemoryFree", "WskRegister", "WskRegister return", "WskDeregister", "WskDeregister return"),
    advice="Keep both structures in the driver's image, or free them after WskDeregister has returned.",
    limits=(
        "MemoryFree is optional: a driver that never traces one says nothing. "
        "A registration from before the trace is not judged."
    ),
)
def reg_block_lifetime(f: Facts) -> Instances:
    """The registration block and the client's dispatch structure stay valid until WskDeregister has returned."""
    regs, n = f.registrations, np.int64(len(f.world))
    begun = np.flatnonzero((regs.register >= 0) & ~(regs.status_known & (regs.register_status >= 0x80000000)))
    start = regs.register[begun]
    table, known = f.arg("client_dispatch", start)
    # a second registration of the block ends what is known of the first
    again = np.append(np.where(regs.address[1:] == regs.address[:-1], regs.first[1:], n), n).astype(np.int64)[begun]
    end = np.where(regs.deregistered[begun] >= 0, np.minimum(regs.deregistered[begun], again), again)
    frees = Frees(f, np.concatenate([regs.address[begun], table]))
    after, before = (np.reshape(found, (2, -1)) for found in (frees.after(_twice(start)), frees.before(_twice(start))))
    first = np.where(after >= 0, after, n)
    by_table = first[1] < first[0]
    point = np.minimum(first[0], first[1])
    point = np.where(point < n, point, -1)
    unsure = ~regs.status_known[begun]

    def doubts(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        return f.unlogged(REGISTRATION, start[at], point[at]) | doubt_if(unsure[at], CAP)

    broken, _ = inside(f, start, end, point, before.max(axis=0), doubts)
    broken = broken.doubting(doubt_if(~broken.seen & ~known, CAP))

    def tell(i: int) -> str:
        block = f.say(regs.address[begun[i]])
        what = (
            f"the client dispatch {f.say(table[i])} of registration {block}" if by_table[i] else f"registration {block}"
        )
        left = f"{f.since(point[i], end[i])} before" if end[i] < n else "before"
        return f"{what} was freed {left} WskDeregister had returned"

    none = np.full(len(begun), -1)
    return Instances(
        np.where(point >= 0, point, start),
        np.ones(len(begun), bool),
        broken,
        "registrations",
        begun,
        none,
        none,
        tell,
        (start, point, np.where(end < n, end, -1)),
        outside=len(regs) - len(begun),
    )
