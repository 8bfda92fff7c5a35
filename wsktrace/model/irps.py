"""Uses of IRPs: every call that was given one, with its return and its completion.

★ Identity is (address, use). Source: wsk-contract 1.3, 1.4, 1.5 items 4, 9, 10; shapes "Identity".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import ALIAS, CAP
from wsktrace.model.lanes import Lane
from wsktrace.wsk.operations import CODES, DATA, OPS, SOCKET, Phase
from wsktrace.wsk.ops import KNOWN_IRP, KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.world import World

__all__ = ["PENDING", "Submissions", "submissions"]

PENDING = 0x103
#: Operations that are calls into WSK (they can be given an IRP); IrpWait is not one.
CALLS = np.array([op.level in ("client", "socket") for op in OPS])
_FACTS = (
    "IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree", "IrpSetCompletion", "IrpCancel", "IrpCompleteUp",
)  # fmt: skip


@dataclass(slots=True)
class Submissions:
    """One row per use of an IRP, in the order of the calls. Rows are rows of the world, -1 where there is none.

    ``ret_doubt`` is the doubt about the return (or its absence), ``link_doubt`` about the completion being this
    use's own, ``open_before`` whether the previous use of the address was still open. ``own``: certainly the
    driver's own IRP with a completion routine that always runs, so that a missing completion means something.
    ``touched``: the first IrpAllocate, IrpInitialize, IrpReuse or IrpFree between the call and the next one with the
    address; ``reset`` the first IrpAllocate or IrpFree there. ``made``: the IrpAllocate or IrpInitialize before the
    call that made the IRP the driver's own, where no IrpFree followed.
    """

    enter: NDArray[np.int32]
    op: NDArray[np.uint8]
    irp: NDArray[np.uint64]
    ret: NDArray[np.int32]
    complete: NDArray[np.int32]
    next_enter: NDArray[np.int32]
    previous: NDArray[np.int32]
    second: NDArray[np.int32]
    reset: NDArray[np.int32]
    touched: NDArray[np.int32]
    made: NDArray[np.int32]
    own: NDArray[np.bool_]
    open_before: NDArray[np.bool_]
    ret_status: NDArray[np.uint32]
    ret_known: NDArray[np.bool_]
    status: NDArray[np.uint32]
    status_known: NDArray[np.bool_]
    information: NDArray[np.uint64]
    information_known: NDArray[np.bool_]
    ret_doubt: NDArray[np.uint8]
    link_doubt: NDArray[np.uint8]
    absent_doubt: NDArray[np.uint8]
    second_doubt: NDArray[np.uint8]
    #: completions that are the first of no call in the trace
    orphans: NDArray[np.int32]
    #: row of the world → use of an IRP (calls, their returns and completions), -1 elsewhere
    of_row: NDArray[np.int32]
    #: every address of an IRP, once
    addresses: NDArray[np.uint64]
    #: rows of IrpCancel, ascending, and the latest use of the address before each (-1)
    cancels: NDArray[np.int32]
    cancelled: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.enter)

    def ret_is(self, kind: str) -> NDArray[np.bool_]:
        """Return where the call is known to have returned ``pending``, ``success`` or ``error``."""
        found: NDArray[np.bool_]
        if kind == "pending":
            found = self.ret_status == PENDING
        elif kind == "success":
            found = self.ret_status == 0
        else:
            found = self.ret_status >= 0x80000000
        return self.ret_known & found

    def succeeded(self) -> NDArray[np.bool_]:
        """Return where the completion is known to be a success (NT_SUCCESS and not PENDING)."""
        found: NDArray[np.bool_] = (self.status < 0x80000000) & (self.status != PENDING)
        return self.status_known & found

    def failed(self) -> NDArray[np.bool_]:
        """Return where the completion is known to be an error."""
        return self.status_known & (self.status >= 0x80000000)


def submissions(world: World) -> Submissions:
    """Rebuild the uses of IRPs of one load."""
    ops = world.ops
    n = len(ops)
    known = ops.has(KNOWN_IRP)
    calls = CALLS[ops.op] & (ops.phase == Phase.ENTER)
    completions = (ops.op == CODES["IrpComplete"]) & (ops.phase == Phase.COMPLETE)
    facts = world.is_(_FACTS, Phase.FACT)
    rows = np.flatnonzero((calls | completions | facts) & known & (ops.irp != 0))
    # a call or completion whose IRP is not told may be of any IRP; WskFreeAddressInfo is given none
    blind = CAP if bool(np.any((calls | completions) & ~known & (ops.op != CODES["WskFreeAddressInfo"]))) else 0
    lane = Lane(rows, ops.irp[rows])
    code = ops.op[lane.rows]
    is_enter, is_complete = calls[lane.rows], completions[lane.rows]
    fresh = code == CODES["IrpAllocate"]
    freed = code == CODES["IrpFree"]
    made = fresh | (code == CODES["IrpInitialize"])
    ready = made | (code == CODES["IrpReuse"])
    owned = ready | _always_invoked(world, lane.rows)

    # only what the calls' own positions need is kept: the peak of a large trace's memory is here
    del calls, facts, rows, known
    p = np.flatnonzero(is_enter).astype(np.int32)
    p = p[np.argsort(lane.rows[p], kind="stable")]
    earlier, cancel = lane.last(is_enter), np.flatnonzero(code == CODES["IrpCancel"])
    last_complete, last_enter, cancelled = lane.last(is_complete)[p], earlier[p], earlier[cancel]
    del earlier
    np_, next_complete = lane.next(is_enter)[p], lane.next(is_complete)
    last_fresh, last_free, last_own = lane.last(fresh)[p], lane.last(freed)[p], lane.last(owned)[p]
    last_made = lane.last(made)[p]
    reset, touched = lane.next(fresh | freed)[p], lane.next(ready | freed)[p]
    unsettled = lane.next(owned | freed)
    up = lane.next(code == CODES["IrpCompleteUp"])

    enter = lane.rows[p]
    nc = next_complete[p]
    complete = np.where((nc >= 0) & ((np_ < 0) | (nc < np_)), nc, -1)
    second = np.where(complete >= 0, next_complete[complete], -1)
    second = np.where((second >= 0) & ((np_ < 0) | (second < np_)), second, -1)

    claimed = (last_own >= 0) & (last_own > last_complete) & (last_own > last_free)
    claim_doubt = world.touch(lane.row_of(last_own), enter)
    # made ready for a call before this one, or freed before it, as far as the clocks can tell
    claim_doubt[claimed] |= world.unordered(lane.rows[last_own[claimed]], enter[claimed])
    claim_doubt |= world.loose(lane, np.where(claimed, last_own, -1), is_complete | freed, ahead=False)
    claim_doubt |= world.loose(lane, np.where(claimed, p, -1), fresh | freed, ahead=True)
    own = claimed & (claim_doubt == 0)
    idle = np.maximum(last_complete, last_fresh)
    open_before = (last_enter >= 0) & (last_enter > idle) & (last_enter > last_free)

    c_row = lane.row_of(complete)
    ret = world.mate[enter]
    has_ret = ret >= 0
    ret_known = has_ret & ops.has(KNOWN_STATUS)[ret]
    ret_doubt = world.touch(enter, np.where(has_ret, ret, n))

    link = world.touch(lane.row_of(idle), enter) | np.where(open_before, ALIAS, 0).astype(np.uint8)
    link |= np.where(complete >= 0, world.touch(enter, c_row), 0).astype(np.uint8)
    between = (complete >= 0) & (unsettled[p] >= 0) & (unsettled[p] < complete)
    link |= np.where(between, ALIAS, 0).astype(np.uint8)
    events = is_enter | is_complete
    link |= world.loose(lane, p, events, ahead=False) | world.loose(lane, p, events, ahead=True, skip=complete)
    link |= world.loose(lane, complete, events, ahead=True)
    link |= _shifted(world, lane, p, complete)
    link |= np.uint8(blind)

    absent = np.where(claimed, claim_doubt, CAP).astype(np.uint8) | np.uint8(blind)
    # a completion that stands before its call, or behind the next one, is not absent
    late = complete < 0
    absent[late] |= world.loose(lane, p[late], is_complete, ahead=False)
    absent[late] |= world.loose(lane, p[late], events, ahead=True)
    absent[late] |= world.loose(lane, np_[late], is_complete, ahead=True)

    s_row = lane.row_of(second)
    twice = world.touch(lane.row_of(idle), np.where(second >= 0, s_row, enter)) | link
    twice |= world.loose(lane, second, is_enter, ahead=True)
    twice[second >= 0] |= world.unordered(enter[second >= 0], lane.rows[complete[second >= 0]])
    explained = (second >= 0) & (up[np.maximum(complete, 0)] >= 0) & (up[np.maximum(complete, 0)] < second)
    second = np.where(explained, -1, second)
    s_row = lane.row_of(second)
    again = (second >= 0) & (unsettled[np.maximum(complete, 0)] >= 0) & (unsettled[np.maximum(complete, 0)] < second)
    twice |= np.where(again, ALIAS, 0).astype(np.uint8)
    for group in (DATA, SOCKET):
        off = world.coverage.unlogged(group, np.maximum(c_row, 0), np.maximum(s_row, 0))
        twice |= np.where(second >= 0, off, 0).astype(np.uint8)
        pending = np.where(between, world.coverage.unlogged(group, enter, np.maximum(c_row, 0)), 0)
        link |= pending.astype(np.uint8)

    information, information_known = ops.arg("information", np.maximum(c_row, 0))
    has_complete = c_row >= 0
    of_row = np.full(n, -1, np.int32)
    index = np.arange(len(enter), dtype=np.int32)
    of_row[enter] = index
    of_row[ret[has_ret]] = index[has_ret]
    of_row[c_row[has_complete]] = index[has_complete]
    stops = world.mate[c_row[has_complete]]
    of_row[stops[stops >= 0]] = index[has_complete][stops >= 0]
    orphan = is_complete.copy()
    orphan[complete[complete >= 0]] = False
    reset, touched = (np.where((at >= 0) & ((np_ < 0) | (at < np_)), at, -1) for at in (reset, touched))
    last_made = np.where(last_made > last_free, last_made, -1)
    by = np.argsort(lane.rows[cancel])
    number = np.full(len(lane), -1, np.int32)
    number[p] = index
    return Submissions(
        enter=enter,
        op=ops.op[enter],
        irp=ops.irp[enter],
        ret=ret,
        complete=c_row,
        next_enter=lane.row_of(np_),
        previous=np.where(last_enter >= 0, number[last_enter], np.int32(-1)),
        second=s_row,
        reset=lane.row_of(reset),
        touched=lane.row_of(touched),
        made=lane.row_of(last_made),
        own=own,
        open_before=open_before,
        ret_status=np.where(has_ret, ops.status[ret], 0).astype(np.uint32),
        ret_known=ret_known,
        status=np.where(has_complete, ops.status[c_row], 0).astype(np.uint32),
        status_known=has_complete & ops.has(KNOWN_STATUS)[c_row],
        information=information,
        information_known=information_known & has_complete,
        ret_doubt=ret_doubt,
        link_doubt=link,
        absent_doubt=absent,
        second_doubt=twice,
        orphans=np.sort(lane.rows[orphan]),
        of_row=of_row,
        addresses=lane.keys.astype(np.uint64, copy=False),
        cancels=lane.rows[cancel][by],
        cancelled=np.where(cancelled >= 0, number[cancelled], np.int32(-1))[by],
    )


def _always_invoked(world: World, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return which rows set a completion routine that always runs."""
    always: NDArray[np.bool_] = world.ops.op[rows] == CODES["IrpSetCompletion"]
    chosen = rows[always]
    for name in ("invoke_on_success", "invoke_on_error", "invoke_on_cancel"):
        value, known = world.ops.arg(name, chosen)
        always[np.flatnonzero(always)[~((value != 0) & known)]] = False
        chosen = rows[always]
    return always


def _shifted(
    world: World, lane: Lane, p: NDArray[np.integer[Any]], complete: NDArray[np.integer[Any]]
) -> NDArray[np.uint8]:
    """Return ``ORDER`` where the completion may stand before its call, and be that of an earlier use which has none."""
    has = complete >= 0
    doubt = np.zeros(len(p), np.uint8)
    if world.has_seq:
        return doubt
    doubt[has] = world.unordered(lane.rows[p[has]], lane.rows[complete[has]])
    opened = np.zeros(len(lane), np.bool_)
    opened[p[~has]] = True
    earlier = lane.last(opened)[p] >= 0
    # or of one whose call was not traced
    near = np.flatnonzero((doubt != 0) & ~earlier)
    rows = lane.rows[p[near]]
    for group in (DATA, SOCKET):
        earlier[near] |= world.coverage.unlogged(group, np.zeros(len(near), np.int64), rows) != 0
    return np.where(earlier, doubt, 0).astype(np.uint8)
