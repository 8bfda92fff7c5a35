"""Rules about the completion routine of an IRP: that one is set, and when it is invoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.irp_history import COMPLETE, ENTER, FREE, MADE, SET, History, near
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, END, Answer, doubt_if, local
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "irps"
_INVOKE = {
    "InvokeOnSuccess": "invoke_on_success",
    "InvokeOnError": "invoke_on_error",
    "InvokeOnCancel": "invoke_on_cancel",
}


@rule(
    "IRP-NO-COMPLETION-ROUTINE",
    severity="error",
    party="client",
    shape="P",
    source="NET using-irps-with-winsock-kernel-functions (a driver's own IRP has a completion routine)",
    needs="IrpAllocate, IrpInitialize, IrpReuse, IrpFree, IrpSetCompletion, entries of calls with Irp, IrpComplete",
    traced=("IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree", "IrpSetCompletion", "calls", "IrpComplete"),
    advice=(
        "Call IoSetCompletionRoutine, with TRUE three times, before each call: IoAllocateIrp, IoInitializeIrp and "
        "IoReuseIrp leave the IRP without one."
    ),
    limits=(
        "Where a driver traces no IrpSetCompletion at all, nothing is known. An IRP that reached the driver's "
        "completion routine had one, traced or not; as long as it may still reach it, it is only suspected."
    ),
)
def irp_no_completion_routine(f: Facts) -> Instances:
    """A driver's own IRP has a completion routine, set since it was made or reused, before it is given to a call.

    IRPs that were passed down to the driver need none.
    """
    s = f.irps
    n = len(s)
    claimed, doubts = _claimed(f)
    made, gone, seen = np.full(n, -1), np.full(n, -1), np.zeros(n, bool)
    # what was completed had a routine
    open_ = np.flatnonzero(claimed & ((s.complete < 0) | (s.link_doubt != 0)) & (doubts == 0))
    found, _ = near(f, s.enter[open_], -1, wanted=SET, until=MADE)
    open_ = open_[found < 0]
    done = s.complete[open_] >= 0
    doubts[open_[done]] = s.link_doubt[open_[done]]
    i = open_[~done]
    if len(i):
        h = History(f, s.irp[i])
        at = h.at(s.enter[i])
        make = h.made(at)
        lacking = (make >= 0) & (h.last(SET, at) < make)
        gone[i], again, late = _gone(f, i, h, at)
        doubt = h.made_doubt(at, make) | s.absent_doubt[i] | late
        made[i], seen[i], doubts[i] = h.rows(make), lacking & ~again, np.where(lacking, doubt, 0)
    index = np.arange(n)

    def tell(k: int) -> str:
        last = f"{f.op_name(made[k])} {f.since(made[k], s.enter[k])} before"
        return f"{f.irp_words(k)}: no completion routine was set since {last}, and none has run"

    return Instances(
        s.enter,
        s.own | (doubts != 0),
        Answer(seen, doubts),
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (made, s.enter, s.ret, gone),
    )


def _claimed(f: Facts) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return which uses seem to be of the driver's own IRPs, and the doubts that all uses begin with.

    Those that do not may be, where not everything from before is in the trace.
    """
    s = f.irps
    claimed = s.own | ((s.absent_doubt & CAP) == 0)
    doubts = np.where(claimed, f.unwitnessed("IrpSetCompletion"), 0).astype(np.uint8)
    foreign = np.flatnonzero(~claimed)
    doubts[foreign] = f.closed_from(s.enter[foreign])
    return claimed, doubts


def _gone(
    f: Facts, i: NDArray[np.int64], h: History, at: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint8]]:
    """Return by which row each IRP's completion would have come, -1, whether it was used again, and the doubt.

    The IRP is made anew or freed, or its client is gone. Once it is used again, a completion may be either use's.
    """
    world, enter = f.world, f.irps.enter[i].astype(np.int64)
    over, entered = h.next(MADE | FREE, at), h.rows(h.next(ENTER, at))
    rows = np.stack([h.rows(over).astype(np.int64), f.teardown_after(enter, f.client_of_irp[i])])
    none = np.int64(len(world))
    gone = np.where(rows >= 0, rows, none).min(axis=0, initial=none)
    there, again = gone < none, (entered >= 0) & (entered < gone)
    doubt = world.touch(enter, gone) | f.unlogged(IRP, enter, np.minimum(gone, f.last_row)) | doubt_if(again, ALIAS)
    doubt |= world.loose(h.lane, over, h.is_(COMPLETE), ahead=True)
    doubt |= np.where(there, 0, world.coverage.end_doubt | END).astype(np.uint8)
    return np.where(there, gone, -1), again, doubt


@rule(
    "IRP-INVOKE-FLAGS",
    severity="error",
    party="client",
    shape="P",
    source="NET using-irps-with-winsock-kernel-functions (InvokeOnSuccess, InvokeOnError, InvokeOnCancel)",
    needs="IrpAllocate, IrpInitialize, IrpReuse, IrpFree, IrpSetCompletion with its flags, entries of calls with Irp",
    traced=("IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree", "IrpSetCompletion", "calls"),
    advice="Pass TRUE three times: whichever outcome is left out, the IRP is lost to the driver with it.",
    limits="Where the driver traces no IrpFree, an allocated IRP's address may since be that of an IRP from above.",
)
def irp_invoke_flags(f: Facts) -> Instances:
    """The completion routine of a driver's own IRP is invoked on success, on error and on cancel.

    IRPs that were passed down to the driver may choose.
    """
    s = f.irps
    n = len(s)
    claimed, doubts = _claimed(f)
    made, routine, seen = np.full(n, -1), np.full(n, -1), np.zeros(n, bool)
    lax, blind = _lax(f)
    lax = lax[f.ops.irp[lax] != 0]
    doubts[claimed] |= blind
    enter, superseded = near(f, lax, 1, wanted=ENTER, until=MADE | FREE | SET)
    far = lax[(enter < 0) & ~superseded]
    called = s.of_row[enter[enter >= 0]]
    called = called[claimed[called]]
    if len(far) or len(called):
        h = History(f, np.concatenate([f.ops.irp[far], s.irp[called]]))
        following = h.next(ENTER | MADE | FREE | SET, h.at(far))
        found = s.of_row[h.rows(following[(following >= 0) & h.is_(ENTER)[following]])]
        i = np.unique(np.concatenate([called, found[claimed[found]]]))
        at = h.at(s.enter[i])
        make, last = h.made(at), h.last(SET, at)
        given = (make >= 0) & (last > make)
        made[i], routine[i] = h.rows(make), h.rows(last)
        flags = [f.arg(name, routine[i]) for name in _INVOKE.values()]
        off = np.any([known & (value == 0) for value, known in flags], axis=0)
        broken = local(off, off | np.all([known for _, known in flags], axis=0))
        seen[i] = broken.seen & given
        doubts[i] = np.where(given, h.made_doubt(at, make) | broken.doubt, doubts[i] & ~blind)
    index = np.arange(n)

    def tell(k: int) -> str:
        off = [word for word, name in _INVOKE.items() if not f.arg(name, routine[k : k + 1])[0][0]]
        return f"{f.irp_words(k)}: its completion routine was set without {' and '.join(off)}"

    return Instances(
        s.enter,
        s.own | (doubts != 0),
        Answer(seen, doubts),
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (made, routine, s.enter),
    )


def _lax(f: Facts) -> tuple[NDArray[np.int64], np.uint8]:
    """Return the rows of IrpSetCompletion that leave out an outcome, or do not tell, and why none of all does."""
    rows = f.rows("IrpSetCompletion", Phase.FACT)
    found: list[NDArray[Any]] = [rows[:0]]
    blind = 0
    for name in _INVOKE.values():
        column = f.ops.sparse.get(name)
        if column is None:
            blind = CAP
            continue
        found.append(column.rows[column.values == 0])
        if len(column.rows) != len(rows):
            found.append(np.setdiff1d(rows, column.rows))
    return np.unique(np.concatenate(found)).astype(np.int64), np.uint8(blind)
