"""Rules about memory that WSK was given: contexts, tables, buffers, registration blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.irps import PENDING
from wsktrace.rules.enabled import enabled_around, may_be_enabled
from wsktrace.rules.facts import IRP, REGISTRATION, SOCKET, Facts, so
from wsktrace.rules.freed import Frees, inside
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, doubt_if

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "memory"
#: Arguments that point at memory of the caller, and whether WSK uses it until the IRP has completed.
_BUFFERS = {
    "input_buffer": True,
    "output_buffer": True,
    "address": True,
    "buffer": False,
    "local_address": False,
    "remote_address": False,
}
_WORDS = {
    "input_buffer": "InputBuffer",
    "output_buffer": "OutputBuffer",
    "address": "Address",
    "buffer": "Buffer",
    "local_address": "LocalAddress",
    "remote_address": "RemoteAddress",
}


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
    status, known = f.status(np.maximum(ret, 0)) if len(s) else (ret, ret >= 0)
    returned = (ret >= 0) & known & (status != PENDING)
    end = np.full(len(s), n)
    for row in (complete, s.closed, s.rejected, np.where(returned, ret, -1)):
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
    unread = begun & (ret < point) & ((ret < 0) | ~f.status(np.maximum(ret, 0))[1])
    return doubt | doubt_if(unread & (ret >= 0), CAP) | open_doubt(f, use, point) | doubt_if(begun & (use < 0), CAP)


def open_doubt(f: Facts, use: NDArray[np.integer[Any]], point: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return why uses of IRPs (-1: none) that were not seen to complete may have, before a row."""
    irps = f.irps
    here = use >= 0
    absent = here & (np.append(irps.complete, 0)[use] < 0)
    doubt = np.where(absent, np.append(irps.absent_doubt | irps.ret_doubt, 0)[use], 0).astype(np.uint8)
    again, reset = np.append(irps.next_enter, -1)[use], np.append(irps.reset, -1)[use]
    presumed = ((again >= 0) & (again < point)) | ((reset >= 0) & (reset < point))
    return doubt | doubt_if(absent & presumed, ALIAS)


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
    enabled = may_be_enabled(f)
    sharp = enabled_around(f, seen, point[seen], end[seen])
    enabled.seen[seen], enabled.doubt[seen] = sharp.seen, sharp.doubt
    has = (t.context != 0) | (t.dispatch != 0) | ~(t.context_known & t.dispatch_known)
    asked = may_be_enabled(f)
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
    "BUFFER-LIFETIME",
    severity="error",
    party="client",
    shape="I",
    source="DDI control_client, control_socket, get_local_address, get_remote_address (valid until completion)",
    needs=(
        "MemoryFree with Address and Size, entries and returns of calls with the addresses of their buffers, "
        "IrpComplete, and that the IRP is the driver's own"
    ),
    traced=("MemoryFree", "calls", "calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    advice="Free the buffers of a call in or after the completion routine of its IRP.",
    limits=(
        "How long WSK reads a WSK_BUF, or the address given to a bind or connect, after the call has returned is not "
        "documented, and the memory that a WSK_BUF describes is not traced: freed while only the IRP is pending is "
        "unknown. MemoryFree is optional: a driver that never traces one says nothing."
    ),
)
def buffer_lifetime(f: Facts) -> Instances:
    """The buffers of a call stay valid until it has returned, and where it is pending until the IRP has completed.

    Buffers of control calls and of queries for an address are filled or read as long as the IRP is pending. Every other
    buffer, and those of calls without an IRP, WSK may touch at least until the call returns.
    """
    rows, point, before, soft, field = _buffers(f)
    irps, n = f.irps, np.int64(len(f.world))
    use = f.submission(rows)
    ret = f.world.mate[rows].astype(np.int64)
    complete = np.append(irps.complete, -1)[use].astype(np.int64)
    status, known = f.status(ret)
    pending = (ret >= 0) & known & (status == PENDING) & (use >= 0)
    firm = np.where((ret >= 0) & (soft | ~pending), ret, n)
    firm = np.where(complete >= 0, np.minimum(firm, complete), firm)
    unread = (ret >= 0) & ~known & (use >= 0)

    def doubts(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        span = rows[at], point[at]
        doubt = f.unlogged(IRP, *span) | doubt_if(unread[at] & (ret[at] < point[at]), CAP)
        linked = np.append(irps.link_doubt, 0)[use[at]]
        return doubt | np.where(complete[at] >= 0, linked, 0).astype(np.uint8) | open_doubt(f, use[at], point[at])

    broken, _ = inside(f, rows, firm, point, before, doubts)
    later = soft & pending & (point > ret) & ((complete < 0) | (point < complete))
    broken = broken.doubting(doubt_if(later, CAP))
    names = list(_BUFFERS)

    def tell(i: int) -> str:
        name = _WORDS[names[field[i]]]
        what = f"{name} {f.say(f.arg(names[field[i]], rows[i : i + 1])[0][0])} of {f.op_name(rows[i])}"
        if ret[i] < 0 or point[i] < ret[i]:
            return f"{what} was freed before the call had returned"
        when = f"{f.since(point[i], complete[i])} before" if complete[i] >= 0 else "before"
        return f"{what} was freed {when} IRP {f.say(irps.irp[use[i]])} had completed"

    return Instances(
        np.where(point >= 0, point, rows),
        np.ones(len(rows), bool),
        broken,
        "irps",
        use,
        use,
        f.socket_of(rows),
        tell,
        (rows, ret, point, complete),
    )


def _buffers(
    f: Facts,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return the calls with buffers, with the first free after each, the last before it, and which buffer that is.

    The third is whether it is of no use to WSK once the call has returned, as far as documented.
    """
    n = len(f.world)
    found = []
    calls = np.zeros(n, np.bool_)
    for name in _BUFFERS:
        column = f.ops.sparse.get(name)
        rows = column.rows[column.values != 0] if column is not None else np.zeros(0, np.int32)
        calls[rows] = True
        found.append(rows)
    rows = np.flatnonzero(calls)
    first, last = np.full(len(rows), n, np.int64), np.full(len(rows), -1, np.int64)
    which = np.zeros(len(rows), np.int64)
    soft = np.ones(len(rows), np.bool_)
    for number, name in enumerate(_BUFFERS):
        place = np.searchsorted(rows, found[number])
        soft[place] &= not _BUFFERS[name]
        frees = Frees(f, f.arg(name, found[number])[0])
        if not frees.any:
            continue
        after, before = frees.after(found[number]), frees.before(found[number])
        nearer = (after >= 0) & (after < first[place])
        first[place[nearer]], which[place[nearer]] = after[nearer], number
        last[place] = np.maximum(last[place], before)
    return rows, np.where(first < n, first, -1), last, soft, which


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
