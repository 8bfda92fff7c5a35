"""Rules about the completion routine of an IRP: that one is set, and when it is invoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.irp_history import COMPLETE, ENTER, FREE, MADE, SET, History
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, END, Answer, doubt_if, local
from wsktrace.wsk.operations import CODES, OPS, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "irps"
_INVOKE = {
    "InvokeOnSuccess": "invoke_on_success",
    "InvokeOnError": "invoke_on_error",
    "InvokeOnCancel": "invoke_on_cancel",
}
_MAKES = np.isin(np.arange(len(OPS)), [CODES[name] for name in ("IrpAllocate", "IrpInitialize", "IrpReuse")])
#: Rows before a call in which its IrpSetCompletion is looked for before the IRP's whole history is.
_REACH = 16


@dataclass(frozen=True, slots=True)
class Prepared:
    """How the driver's own IRPs were prepared for their uses.

    ``set`` says per use whether a routine was set right before the call, and for which every flag is known to be TRUE.
    The other uses of IRPs that seem to be own are ``index``, with where each was made, where its routine was set since,
    and where it was made anew or freed (``over``) or used (``again``) afterwards: rows, -1. ``unplaced`` is doubt about
    a completion behind ``over``, ``strange`` doubt whether a use of an IRP that does not seem to be own is of one.
    """

    set: NDArray[np.bool_]
    index: NDArray[np.int64]
    made: NDArray[np.int32]
    routine: NDArray[np.int32]
    over: NDArray[np.int32]
    again: NDArray[np.int32]
    doubt: NDArray[np.uint8]
    unplaced: NDArray[np.uint8]
    strange: NDArray[np.uint8]


#: What both rules need of a load, made once.
_KNOWN: WeakKeyDictionary[Facts, Prepared] = WeakKeyDictionary()


def _prepared(f: Facts) -> Prepared:
    if f not in _KNOWN:
        _KNOWN[f] = _prepare(f)
    return _KNOWN[f]


def _prepare(f: Facts) -> Prepared:
    s = f.irps
    claimed = s.own | ((s.absent_doubt & CAP) == 0)
    settled = np.zeros(len(s), np.bool_)
    strange = np.zeros(len(s), np.uint8)
    foreign = np.flatnonzero(~claimed)
    strange[foreign] = f.closed_from(s.enter[foreign])
    index = np.flatnonzero(claimed)
    if f.unwitnessed("IrpSetCompletion"):
        index = index[:0]
    index = _set_before(f, index, settled)
    history = History(f, s.irp[index])
    at = history.at(s.enter[index])
    made, routine, over = history.made(at), history.last(SET, at), history.next(MADE | FREE, at)
    return Prepared(
        set=settled,
        index=index,
        made=history.rows(made),
        routine=history.rows(np.where((made >= 0) & (routine > made), routine, -1)),
        over=history.rows(over),
        again=history.rows(history.next(ENTER, at)),
        doubt=history.made_doubt(at, made),
        unplaced=f.world.loose(history.lane, over, history.is_(COMPLETE), ahead=True),
        strange=strange,
    )


def _lax(f: Facts) -> NDArray[np.int64]:
    """Return the rows of IrpSetCompletion whose flags are not all known to be TRUE."""
    rows = f.rows("IrpSetCompletion", Phase.FACT)
    found: list[NDArray[Any]] = []
    for name in _INVOKE.values():
        column = f.ops.sparse.get(name)
        if column is None:
            return rows
        found.append(column.rows[column.values == 0])
        if len(column.rows) != len(rows):
            found.append(np.setdiff1d(rows, column.rows))
    return np.unique(np.concatenate(found)).astype(np.int64)


def _set_before(f: Facts, uses: NDArray[np.int64], settled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Mark the uses that had a routine set with all flags, since their IRP was made, a few rows before the call.

    Returns the others.
    """
    s, op, irp = f.irps, f.ops.op, f.ops.irp
    left, others = uses, [uses[:0]]
    lax = np.zeros(len(op), np.bool_)
    lax[_lax(f)] = True
    for back in range(1, _REACH + 1):
        row = s.enter[left] - back
        same = (row >= 0) & (irp[row] == s.irp[left])
        sets = same & (op[row] == CODES["IrpSetCompletion"])
        settled[left[sets & ~lax[row]]] = True
        stop = sets | (same & _MAKES[op[row]])
        others.append(left[stop & ~(sets & ~lax[row])])
        left = left[~stop]
        if not len(left):
            break
    return np.sort(np.concatenate([*others, left]))


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
    p = _prepared(f)
    i = p.index
    lacking = (p.made >= 0) & (p.routine < 0)
    done = s.complete[i] >= 0
    gone, again, gone_doubt = _gone(f, p)
    doubt = p.doubt | np.where(done, s.link_doubt[i], s.absent_doubt[i] | gone_doubt)
    seen, doubts, made, after = np.zeros(n, bool), p.strange.copy(), np.full(n, -1), np.full(n, -1)
    seen[i], made[i], after[i] = lacking & ~done & ~again, p.made, gone
    doubts[i] = np.where(lacking, doubt, 0)
    doubts[s.own] |= f.unwitnessed("IrpSetCompletion")
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
        (made, s.enter, s.ret, after),
    )


def _gone(f: Facts, p: Prepared) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint8]]:
    """Return by which row each IRP's completion would have come, -1, whether it was used again, and the doubt.

    The IRP is made anew or freed, or its client is gone. Once it is used again, a completion may be either use's.
    """
    s, world = f.irps, f.world
    enter = s.enter[p.index].astype(np.int64)
    rows = np.stack([p.over.astype(np.int64), f.teardown_after(enter, f.client_of_irp[p.index])])
    none = np.int64(len(world))
    gone = np.where(rows >= 0, rows, none).min(axis=0, initial=none)
    there = gone < none
    doubt = p.unplaced | world.touch(enter, gone) | f.unlogged(IRP, enter, np.minimum(gone, f.last_row))
    doubt |= np.where(there, 0, world.coverage.end_doubt | END).astype(np.uint8)
    again = (p.again >= 0) & (p.again < gone)
    return np.where(there, gone, -1), again, doubt | doubt_if(again, ALIAS)


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
    p = _prepared(f)
    i = p.index
    given = p.routine >= 0
    flags = [f.arg(name, p.routine) for name in _INVOKE.values()]
    unset = np.any([known & (value == 0) for value, known in flags], axis=0)
    known = np.all([known for _, known in flags], axis=0)
    broken = local(unset, known | unset)
    seen, doubts = np.zeros(n, bool), p.strange.copy()
    made, routine = np.full(n, -1), np.full(n, -1)
    seen[i] = broken.seen & given
    # what is certainly in order needs no doubt; where none was set another rule asks
    doubts[i] = np.where(given, np.where(broken.seen | (broken.doubt != 0), p.doubt | broken.doubt, 0), p.doubt)
    made[i], routine[i] = p.made, p.routine
    applies = p.set & s.own
    applies[i] = given
    doubts[s.own] |= f.unwitnessed("IrpSetCompletion")
    index = np.arange(n)

    def tell(k: int) -> str:
        off = [word for word, name in _INVOKE.items() if not f.arg(name, routine[k : k + 1])[0][0]]
        return f"{f.irp_words(k)}: its completion routine was set without {' and '.join(off)}"

    return Instances(
        s.enter,
        applies | (doubts != 0),
        Answer(seen, doubts),
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (made, routine, s.enter),
    )
