"""Rules about the buffers of calls: memory that WSK uses until the call or its IRP is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.model.irps import PENDING
from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.freed import Frees, hidden_free, inside, is_whole, open_doubt, returned
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, doubt_if
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "memory"
#: Arguments that point at memory of the caller: their names, and whether WSK uses it until the IRP has completed.
_BUFFERS = {
    "input_buffer": ("InputBuffer", True),
    "output_buffer": ("OutputBuffer", True),
    "address": ("Address", True),
    "buffer": ("Buffer", False),
    "local_address": ("LocalAddress", False),
    "remote_address": ("RemoteAddress", False),
}
_NAMES = tuple(_BUFFERS)


@rule(
    "BUFFER-LIFETIME",
    severity="error",
    party="client",
    shape="I",
    source="DDI control_client, control_socket, get_local_address, get_remote_address (valid until completion)",
    needs=(
        "MemoryFree with Address and Size, entries and returns of calls with the addresses of their buffers, "
        "IrpComplete, and that the IRP is the driver's own; for buffers on a stack DriverEntry and DriverUnload with "
        "their returns, and the kernel logger's thread events in the same file"
    ),
    traced=(
        "MemoryFree",
        "calls",
        "calls return",
        "IrpComplete",
        "IrpAllocate",
        "IrpInitialize",
        "IrpReuse",
        "DriverEntry return",
        "DriverUnload return",
    ),
    advice="Free the buffers of a call in or after the completion routine of its IRP.",
    limits=(
        "How long WSK reads a WSK_BUF, or the address given to a bind or connect, after the call has returned is not "
        "documented, and the memory that a WSK_BUF describes is not traced: freed while only the IRP is pending is "
        "unknown. MemoryFree is optional: a driver that never traces one says nothing. When a function returns is not "
        "traced but for DriverEntry and DriverUnload."
    ),
)
def buffer_lifetime(f: Facts) -> Instances:
    """The buffers of a call stay valid until it has returned, and where it is pending until the IRP has completed.

    Buffers of control calls and of queries for an address are filled or read as long as the IRP is pending. Every other
    buffer, and those of calls without an IRP, WSK may touch at least until the call returns. Memory ends with
    MemoryFree, or, where it lies on the stack of DriverEntry or DriverUnload, when that returns.
    """
    found = _buffers(f)
    rows, point, irps = found.rows, found.point, f.irps
    # where nothing can be hidden, only calls whose memory ended need a closer look
    at = np.flatnonzero(point >= 0) if is_whole(f) else np.arange(len(rows))
    legs = _Legs(f, found, at)
    near, _ = inside(f, rows[at], legs.firm, point[at], found.before[at], legs.doubts)
    hidden = hidden_free(f, rows, rows)
    broken = Answer(np.zeros(len(rows), np.bool_), hidden)
    broken.seen[at], broken.doubt[at] = near.seen, near.doubt | doubt_if(legs.later, CAP)
    use = f.submission(rows)

    def tell(i: int) -> str:
        name = _NAMES[found.which[i]]
        address = f.say(f.arg(name, rows[i : i + 1])[0][0])
        what = f"{_BUFFERS[name][0]} {address} of {f.op_name(rows[i])}"
        if found.left[i]:
            what = f"{what} lies on the stack of {f.op_name(point[i])}, which returned"
        else:
            what = f"{what} was freed"
        ret = int(f.world.mate[rows[i]])
        if ret < 0 or point[i] < ret:
            return f"{what} before the call had returned"
        complete = int(irps.complete[use[i]])
        when = f"{f.since(point[i], complete)} before" if complete >= 0 else "before"
        return f"{what} {when} IRP {f.say(irps.irp[use[i]])} had completed"

    return Instances(
        np.where(point >= 0, point, rows),
        np.ones(len(rows), bool),
        broken,
        "irps",
        use,
        use,
        f.socket_of(rows),
        tell,
        (rows, f.world.mate[rows], point, np.append(irps.complete, -1)[use]),
    )


class _Legs:
    """When some of the calls were over: ``firm`` until when WSK certainly uses their memory.

    ``later``: it ended while only the IRP was pending, which is not documented for that buffer.
    """

    def __init__(self, f: Facts, found: _Found, at: NDArray[np.int64]) -> None:
        self._f, self._rows, self._point, self._stack = f, found.rows[at], found.point[at], found.stack_doubt[at]
        self._use = use = f.submission(self._rows)
        self._ret = ret = f.world.mate[self._rows].astype(np.int64)
        self._complete = complete = np.append(f.irps.complete, -1)[use].astype(np.int64)
        status, known = returned(f, ret)
        soft, point = found.soft[at], self._point
        pending = known & (status == PENDING) & (use >= 0)
        firm = np.where((ret >= 0) & (soft | ~pending), ret, len(f.world))
        self.firm = np.where(complete >= 0, np.minimum(firm, complete), firm)
        self.later = soft & pending & (point > ret) & ((complete < 0) | (point < complete))
        self._unread = (ret >= 0) & ~known & (use >= 0)

    def doubts(self, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return why these of the calls may have been over before their memory ended."""
        f, use, point = self._f, self._use[at], self._point[at]
        doubt = f.unlogged(IRP, self._rows[at], point) | doubt_if(self._unread[at] & (self._ret[at] < point), CAP)
        linked = np.append(f.irps.link_doubt, 0)[use]
        doubt |= np.where(self._complete[at] >= 0, linked, 0).astype(np.uint8) | open_doubt(f, use, point)
        return doubt | self._stack[at]


@dataclass(slots=True)
class _Found:
    """The calls with buffers, and how the memory of one of them ended.

    ``point`` is the first end after the call, ``before`` the last free before it, -1 for none; ``which`` buffer it is;
    ``left`` that it was not freed but lay on a stack that was left. ``soft``: after the call has returned WSK does not
    use any of them, as far as documented.
    """

    rows: NDArray[np.int64]
    point: NDArray[np.int64]
    before: NDArray[np.int64]
    which: NDArray[np.int64]
    soft: NDArray[np.bool_]
    left: NDArray[np.bool_]
    stack_doubt: NDArray[np.uint8]


def _buffers(f: Facts) -> _Found:
    n = len(f.world)
    calls = np.zeros(n, np.bool_)
    given = []
    for name in _NAMES:
        column = f.ops.sparse.get(name)
        some = column.values != 0 if column is not None else np.zeros(0, np.bool_)
        rows = column.rows[some] if column is not None else np.zeros(0, np.int32)
        calls[rows] = True
        given.append((rows, column.values[some] if column is not None else np.zeros(0, np.uint64)))
    count = int(np.count_nonzero(calls))
    found = _Found(
        rows=np.flatnonzero(calls),
        point=np.full(count, n, np.int64),
        before=np.full(count, -1, np.int64),
        which=np.zeros(count, np.int64),
        soft=np.ones(count, np.bool_),
        left=np.zeros(count, np.bool_),
        stack_doubt=np.zeros(count, np.uint8),
    )
    freed = bool(len(f.rows("MemoryFree", Phase.FACT)))
    for number, (name, (rows, values)) in enumerate(zip(_NAMES, given, strict=True)):
        if _BUFFERS[name][1] and (freed or len(f.life.surroundings.threads)):
            found.soft[np.searchsorted(found.rows, rows)] = False
            _left(f, found, number, rows, values)
        if freed:
            _freed(f, found, number, rows, values)
    found.point = np.where(found.point < n, found.point, -1)
    return found


def _freed(f: Facts, found: _Found, number: int, rows: NDArray[np.int32], values: NDArray[np.uint64]) -> None:
    """Enter the frees of one buffer of some calls."""
    frees = Frees(f, values)
    if not frees.any:
        return
    after, before = frees.after(rows), frees.before(rows)
    hit = np.flatnonzero((after >= 0) | (before >= 0))
    place = np.searchsorted(found.rows, rows[hit])
    found.before[place] = np.maximum(found.before[place], before[hit])
    nearer = (after[hit] >= 0) & (after[hit] < found.point[place])
    chosen = place[nearer]
    found.point[chosen], found.which[chosen], found.left[chosen] = after[hit][nearer], number, False
    found.stack_doubt[chosen] = 0


def _left(f: Facts, found: _Found, number: int, rows: NDArray[np.int32], values: NDArray[np.uint64]) -> None:
    """Enter the returns of DriverEntry and DriverUnload on whose stack one buffer of some calls lies.

    Whatever of the driver's is on that thread's stack was called by them; any other function may have a caller whose
    buffer it uses.
    """
    world = f.world
    begins = f.enters("DriverEntry", "DriverUnload")
    if not len(begins) or not len(f.life.surroundings.threads):
        return
    around = begins[np.maximum(np.searchsorted(begins, rows) - 1, 0)]
    ends = world.mate[around].astype(np.int64)
    within = (around < rows) & (ends > rows) & (world.thread[around] == world.thread[rows])
    rows, values, ends = rows[within], values[within], ends[within]
    place = np.searchsorted(found.rows, rows)
    stacks = f.life.surroundings.stacks(f.ops.tid[rows], f.ops.time[rows])
    held = stacks.hold(values.astype(np.uint64)) & (ends < found.point[place])
    chosen = place[held]
    found.point[chosen], found.which[chosen], found.left[chosen] = ends[held], number, True
    found.stack_doubt[chosen] = stacks.doubt[held]
