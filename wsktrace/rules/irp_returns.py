"""Rules about what the completion routine of an IRP returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.irp_history import MARK, UP, History
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "irps"
_WARNING, _ERROR = 1, 2


@dataclass(frozen=True, slots=True)
class Routines:
    """The runs of completion routines: where each begins and returns, and what.

    ``absent``: doubt where the return or its status is not there. ``odd``: those that return something else than
    STATUS_MORE_PROCESSING_REQUIRED, with the history of their IRPs, where each was completed (``done``) and where it
    was given to the call (``at``; the completion where that is not known).
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    value: NDArray[np.uint32]
    absent: NDArray[np.uint8]
    odd: NDArray[np.int64]
    history: History
    done: NDArray[np.int64]
    at: NDArray[np.int64]


def _routines(f: Facts) -> Routines:
    start = f.rows("IrpComplete", Phase.COMPLETE)
    stop = f.world.mate[start].astype(np.int64)
    value, known = f.status(stop)
    value, known = np.where(stop >= 0, value, 0), known & (stop >= 0)
    absent = doubt_if(~known, CAP)
    open_ = np.flatnonzero(stop < 0)
    if not f.unwitnessed("IrpComplete", Phase.COMPLETE_RETURN):
        since = f.world.touch(start[open_], np.full(len(open_), len(f.world)))
        absent[open_] = np.where(since, since, CAP)
    odd = np.flatnonzero(known & (value != c.STATUS_MORE_PROCESSING_REQUIRED))
    unnamed = f.ops.irp[start[odd]] == 0
    absent[odd[unnamed]] = CAP
    odd = odd[~unnamed]
    history = History(f, f.ops.irp[start[odd]])
    done = history.at(start[odd])
    use = f.irps.of_row[start[odd]]
    at = np.where(use >= 0, history.at(np.append(f.irps.enter, 0)[use]), done)
    return Routines(start, stop, value, absent, odd, history, done, at)


def _marked(r: Routines) -> NDArray[np.bool_]:
    """Return which IRPs were marked as pending before their routine ran, since they came down.

    They came down after the address was last handed on: by IrpCompleteUp, or by a routine that did not keep its IRP.
    """
    h = r.history
    over = h.is_(UP)
    over[r.done] = True
    end = h.rows(np.arange(len(h.lane))).astype(np.int64)
    end[r.done] = r.stop[r.odd]
    last = h.lane.last(over)[r.done]
    since = np.where(last >= 0, np.append(end, -1)[last], -1)
    return h.rows(h.last(MARK, r.done)) > since


def _uses(f: Facts, r: Routines) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the use and the socket of each run that may be told about, -1 elsewhere."""
    use, socket = np.full(len(r.start), -1, np.int32), np.full(len(r.start), -1, np.int32)
    use[r.odd] = f.irps.of_row[r.start[r.odd]]
    socket[r.odd] = np.append(f.socket_of_irp, -1)[use[r.odd]]
    return use, socket


@rule(
    "IRP-COMPLETION-RETVAL",
    severity="error",
    party="client",
    shape="J",
    source="NET using-irps-with-winsock-kernel-functions (what the completion routine returns)",
    needs="IrpComplete and its return with Status, IrpAllocate, IrpInitialize, IrpReuse, IrpFree, calls with Irp",
    traced=(
        "IrpComplete",
        "IrpComplete return",
        "IrpCompleteUp",
        "IrpAllocate",
        "IrpInitialize",
        "IrpReuse",
        "IrpFree",
        "calls",
    ),
    advice="Return STATUS_MORE_PROCESSING_REQUIRED: after anything else the I/O manager goes on with the driver's IRP.",
    limits=(
        "Whose an IRP is must be in the trace: STATUS_SUCCESS is judged only where the driver made it for this use."
    ),
)
def irp_completion_retval(f: Facts) -> Instances:
    """The completion routine of a driver's own IRP returns STATUS_MORE_PROCESSING_REQUIRED.

    That of an IRP which was passed down may return STATUS_SUCCESS as well, and nothing else: a warning.
    """
    r = _routines(f)
    i, h = r.odd, r.history
    made = h.made(r.at)
    own, kept = made >= 0, h.kept(r.at)
    plain = r.value[i] == c.STATUS_SUCCESS
    use = f.irps.of_row[r.start[i]]
    run = f.world.touch(r.start[i], r.stop[i])
    link = np.append(f.irps.link_doubt, 0)[use] | run
    doubt = np.where(own, h.made_doubt(r.at, made) | link, np.where(kept, np.uint8(ALIAS), h.foreign_doubt(r.at)))
    seen, doubts = np.zeros(len(r.start), bool), r.absent.copy()
    seen[i], doubts[i] = ~plain | kept, np.where(plain, doubt, run)
    severity = np.full(len(seen), _ERROR)
    severity[i[~kept]] = _WARNING
    uses, sockets = _uses(f, r)

    def tell(k: int) -> str:
        which = f.irp_words(uses[k]) if uses[k] >= 0 else f"IRP {f.say(f.ops.irp[r.start[k]])}"
        return f"the completion routine of {which} returned {f.status_words(r.value[k])}"

    return Instances(
        r.start,
        np.ones(len(seen), bool),
        Answer(seen, doubts),
        "irps",
        uses,
        uses,
        sockets,
        tell,
        (r.start, r.stop),
        severity=severity,
        about=f.ops.irp[r.start],
    )


@rule(
    "IRP-PASSDOWN-PENDING",
    severity="warning",
    party="client",
    shape="J",
    source="NET using-irps-with-winsock-kernel-functions, Note (PendingReturned and IoMarkIrpPending)",
    needs="IrpComplete with PendingReturned and its return with Status, IrpMarkPending, and that the IRP is not own",
    traced=("IrpComplete", "IrpComplete return", "IrpMarkPending", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    advice="In the completion routine: if (Irp->PendingReturned) IoMarkIrpPending(Irp).",
    limits=(
        "Where the driver traces no IrpMarkPending at all, nothing is known. An IRP that was marked at any time since "
        "it came down is not judged."
    ),
)
def irp_passdown_pending(f: Facts) -> Instances:
    """The completion routine of an IRP that was passed down hands on that it is pending.

    Unless the routine keeps the IRP by returning STATUS_MORE_PROCESSING_REQUIRED.
    """
    r = _routines(f)
    i, h, world = r.odd, r.history, f.world
    done = r.done
    pending, known = f.arg("pending_returned", r.start[i])
    before = _marked(r)
    following = h.next(MARK, done)
    inside = (following >= 0) & (h.rows(following) < r.stop[i])
    doubt = h.foreign_doubt(r.at) | f.closed_from(r.stop[i]) | f.unlogged(IRP, np.zeros(len(i), np.int64), r.stop[i])
    doubt |= world.loose(h.lane, done, h.is_(MARK), ahead=True) | f.unwitnessed("IrpMarkPending")
    doubt |= doubt_if(~known, CAP)
    foreign = ~h.kept(r.at) & ((pending != 0) | ~known)
    missing = ~before & ~inside
    # what a routine returned that is not seen to return is not known; an own IRP's is another rule's
    mute = np.flatnonzero(r.absent != 0)
    mute = mute[~np.append(f.irps.own, False)[f.irps.of_row[r.start[mute]]]]
    start, stop = r.start[np.concatenate([i, mute])], r.stop[np.concatenate([i, mute])]
    none = np.zeros(len(mute), bool)
    use = f.irps.of_row[start]

    def tell(k: int) -> str:
        which = f.irp_words(use[k]) if use[k] >= 0 else f"IRP {f.say(f.ops.irp[start[k]])}"
        returned = f"returned {f.status_words(f.ops.status[stop[k]])} without IoMarkIrpPending"
        return f"{which}, passed down, came back with PendingReturned, and the completion routine {returned}"

    return Instances(
        start,
        np.concatenate([foreign, ~none]),
        Answer(
            np.concatenate([missing & known, none]),
            np.concatenate([np.where(missing, doubt, 0), r.absent[mute]]).astype(np.uint8),
        ),
        "irps",
        use,
        use,
        np.append(f.socket_of_irp, -1)[use],
        tell,
        (start, stop),
        outside=len(r.start) - len(start),
        about=f.ops.irp[start],
    )
