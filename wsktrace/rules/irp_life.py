"""Rules about what a driver does with an IRP between its calls: reuse, free, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.irp_moments import (
    COMPLETIONS,
    RESETS,
    among,
    blind_resets,
    freed_memory,
    in_use,
    strays,
)
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, END, Answer, doubt_if
from wsktrace.wsk.operations import CODES, OPS, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "irps"
_CALLS = tuple((op.name, Phase.ENTER) for op in OPS if op.level in ("client", "socket"))
_ACTS = {"IrpReuse": "reset by IoReuseIrp", "IrpInitialize": "initialized again", "IrpFree": "freed"}
_ACTS["MemoryFree"] = "freed with the memory it stands in"
#: So many calls with one IRP are looked at for what becomes of it behind them.
_MOST_CALLS = 64
_PAGE = "NET using-irps-with-winsock-kernel-functions"


def _act_words(f: Facts, row: int | np.integer[Any]) -> str:
    return _ACTS.get(f.op_name(row), f"given to {f.op_name(row)}")


def _touched_by(f: Facts, *names: str) -> NDArray[np.int64]:
    """Return the uses of IRPs after which one of these events came first."""
    s = f.irps
    wanted = np.zeros(256, np.bool_)
    wanted[[CODES[name] for name in names]] = True
    found = np.flatnonzero(s.touched >= 0)
    return found[wanted[f.ops.op[s.touched[found]]]]


def _frees(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the uses of IRPs that were freed next, and where: by IrpFree, or with the memory around the IRP."""
    memory, at = freed_memory(f)
    use = _touched_by(f, "IrpFree")
    if not len(memory):
        return use, f.irps.touched[use].astype(np.int64)
    use = use[~among(use.astype(np.uint64), memory.astype(np.uint64))]
    return np.concatenate([use, memory]), np.concatenate([f.irps.touched[use].astype(np.int64), at])


def _of_uses(
    f: Facts,
    use: NDArray[np.integer[Any]],
    rows: NDArray[np.integer[Any]],
    applies: NDArray[np.bool_],
    broken: Answer,
) -> Instances:
    """Return the instances of what was done at rows to IRPs that may have been in use."""
    s = f.irps
    done = s.complete[use]

    def tell(i: int) -> str:
        u = use[i]
        words = f"{f.irp_words(u)} was {_act_words(f, rows[i])} {f.since(s.enter[u], rows[i])} after the call"
        if s.ret_is("error")[u]:
            words += f", which had returned {f.status_words(s.ret_status[u])}"
        if done[i] > rows[i]:
            return f"{words}, and completed {f.since(rows[i], done[i])} later"
        return f"{words}, and had not been completed"

    return Instances(
        rows,
        applies,
        broken,
        "irps",
        use,
        use,
        f.socket_of_irp[use],
        tell,
        (s.enter[use], s.ret[use], rows, np.where(done > rows, done, -1)),
        outside=len(s) - len(use),
        outstanding=lambda i: [int(s.enter[use[i]])],
    )


@rule(
    "IRP-NOT-REINITIALIZED",
    severity="error",
    party="client",
    shape="P",
    source=f"{_PAGE} (reuse); wdm IoReuseIrp",
    needs=(
        "entries of calls, IrpComplete, IrpAllocate or IrpInitialize of the IRP before, IrpReuse or IrpFree of it later"
    ),
    traced=("calls", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree"),
    advice="Call IoReuseIrp (or IoInitializeIrp, for an IRP in memory of your own) before the IRP's next call.",
    limits=(
        "Only IRPs that the trace shows the driver making before, and reusing or freeing later, in a driver that is "
        "seen to trace IrpReuse: the address may have come back as that of an IRP from above."
    ),
)
def irp_not_reinitialized(f: Facts) -> Instances:
    """An IRP of the driver's own is made ready again between its completion and the next call that it is given to.

    By IoReuseIrp; one that the driver keeps in its own memory may be initialized anew instead.
    """
    s = f.irps
    again = np.flatnonzero((s.previous >= 0) & (s.made >= 0))
    before, enter = s.previous[again], s.enter[again]
    done = s.complete[before]
    kept = (done >= 0) & (done < enter) & (s.reset[before] < 0)
    gone, at = freed_memory(f)
    if len(gone):
        place = np.minimum(np.searchsorted(gone, before), len(gone) - 1)
        kept &= (gone[place] != before) | (at[place] > enter)
    again, before = again[kept], before[kept]
    raw = s.touched[before] < 0
    doubt = np.zeros(len(again), np.uint8)
    doubt[raw] = _reinit_doubt(f, again[raw], before[raw])

    def tell(i: int) -> str:
        words = f"{f.irp_words(again[i])} was entered {f.since(s.complete[before[i]], s.enter[again[i]])} after"
        return f"{words} {f.irp_words(before[i])} had completed, with nothing that made the IRP ready again"

    return Instances(
        s.enter[again],
        np.ones(len(again), bool),
        Answer(raw, doubt),
        "irps",
        again,
        again,
        f.socket_of_irp[again],
        tell,
        (s.made[again], s.enter[before], s.complete[before], s.enter[again]),
        # an address that comes back with an IRP from above is the usual reason, and no suspicion
        suspect=(doubt & ALIAS) == 0,
        outside=len(s) - len(again),
    )


def _reinit_doubt(f: Facts, again: NDArray[np.integer[Any]], before: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return why an IRP that nothing seems to have made ready between two uses may have been, or be another one."""
    s = f.irps
    enter, irp, done, made = s.enter[again], s.irp[again], s.complete[before], s.made[again]
    doubt = s.link_doubt[before] | f.unlogged(IRP, s.enter[before], enter) | f.world.unordered(done, enter)
    allocated = f.op_is(made, "IrpAllocate")
    # freed and allocated again, or its memory allocated as another IRP, it needs no reset
    other = np.where(allocated, f.unwitnessed("IrpFree"), f.unwitnessed("IrpAllocate")).astype(np.uint8)
    doubt |= f.unwitnessed("IrpReuse") | other
    shown = _next_touched(f, again)
    proof = np.maximum(shown, 0)
    still = (shown >= 0) & (f.op_is(proof, "IrpReuse") | (allocated & f.op_is(proof, "IrpFree")))
    doubt |= strays(f, irp, RESETS, made, enter, done, proof) | blind_resets(f) | doubt_if(~still, ALIAS)
    total: NDArray[np.uint8] = doubt | f.world.touch(made, np.maximum(enter, proof))
    return total


def _next_touched(f: Facts, use: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return what next became of the IRP of each use, further calls left aside; -1 where that is far away."""
    s = f.irps
    found: NDArray[np.int64] = s.touched[use].astype(np.int64)
    ahead = s.next_enter[use]
    for _ in range(_MOST_CALLS):
        left = np.flatnonzero((found < 0) & (ahead >= 0))
        if not len(left):
            break
        following = s.of_row[ahead[left]]
        found[left], ahead[left] = s.touched[following], s.next_enter[following]
    return found


@rule(
    "IRP-REINIT-PENDING",
    severity="error",
    party="client",
    shape="F",
    source=f"{_PAGE}; wdm IoReuseIrp",
    needs="entries and returns of calls, IrpComplete, IrpReuse and IrpInitialize, and that the IRP is the driver's own",
    traced=("calls", "calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    follows={"IRP-CANCEL-NO-WAIT": "irp"},
    advice="Reset the IRP in or after its completion routine, whatever the call returned.",
    limits="After an error return nothing is demanded: whether a completion still comes is known to differ.",
)
def irp_reinit_pending(f: Facts) -> Instances:
    """An IRP that was given to a WSK function is not reset or initialized before it has completed."""
    use = _touched_by(f, "IrpReuse", "IrpInitialize")
    rows = f.irps.touched[use]
    refused, broken = in_use(f, use, rows)
    return _of_uses(f, use, rows, ~refused, broken)


@rule(
    "IRP-FREE-PENDING",
    severity="error",
    party="client",
    shape="F",
    source=f"{_PAGE}; wdm IoFreeIrp",
    needs=(
        "entries and returns of calls, IrpComplete, IrpFree or MemoryFree with its size, "
        "and that the IRP is the driver's own"
    ),
    traced=(
        "calls", "calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree", "MemoryFree",
    ),
    follows={"IRP-CANCEL-NO-WAIT": "irp"},
    advice="Free the IRP, and the memory that it stands in, in or after its completion routine.",
    limits="After an error return IRP-FREE-ON-ERROR speaks.",
)  # fmt: skip
def irp_free_pending(f: Facts) -> Instances:
    """An IRP that was given to a WSK function is not freed before it has completed.

    Nor is the memory freed that it stands in. The completion routine itself may do both.
    """
    use, rows = _frees(f)
    refused, broken = in_use(f, use, rows)
    return _of_uses(f, use, rows, ~refused, broken)


@rule(
    "IRP-FREE-ON-ERROR",
    severity="warning",
    party="client",
    shape="F",
    source="seed page, Return value (on an error the IRP is completed with failure); wdm IoFreeIrp",
    needs=(
        "entries and error returns of calls, IrpComplete, IrpFree or MemoryFree with its size, "
        "and that the IRP is the driver's own"
    ),
    traced=(
        "calls", "calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree", "MemoryFree",
    ),
    advice="Wait for the completion routine after an error return, too; it frees the IRP.",
    limits=(
        "Windows is known to leave out the completion for invalid handles and parameters; hence a warning only. "
        "What comes after the free does not count."
    ),
)  # fmt: skip
def irp_free_on_error(f: Facts) -> Instances:
    """After an error return the IRP is not freed until its completion routine has run.

    The reference says that such an IRP is completed, too: a driver that frees it at once, and gets the completion
    nevertheless, works on freed memory.
    """
    use, rows = _frees(f)
    failed = f.irps.ret_is("error")[use]
    use, rows = use[failed], rows[failed]
    refused, broken = in_use(f, use, rows)
    return _of_uses(f, use, rows, refused, broken)


@rule(
    "IRP-CANCEL-NO-WAIT",
    severity="error",
    party="client",
    shape="F",
    source="wdm IoCancelIrp (cancelling does not give the IRP back)",
    needs=(
        "entries and returns of calls, IrpComplete, IrpCancel, IrpFree, IrpReuse and IrpInitialize, "
        "and that the IRP is the driver's own"
    ),
    traced=(
        "calls", "calls return", "IrpComplete", "IrpCancel", "IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree",
        "MemoryFree",
    ),
    advice="After IoCancelIrp wait for the completion routine; free or reuse the IRP then.",
)  # fmt: skip
def irp_cancel_no_wait(f: Facts) -> Instances:
    """A cancelled IRP is not freed, reset or used again before its completion routine has run."""
    s = f.irps
    known = np.flatnonzero(s.cancelled >= 0)
    use, first = np.unique(s.cancelled[known], return_index=True)
    cancel = s.cancels[known][first].astype(np.int64)
    gone, at = freed_memory(f)
    none = np.int64(len(f.world))
    memory = np.full(len(s), none)
    memory[gone] = at
    touched, following = s.touched[use].astype(np.int64), s.next_enter[use].astype(np.int64)
    acts = [memory[use], *(np.where(row >= 0, row, none) for row in (touched, following))]
    act = np.minimum.reduce(acts) if len(use) else cancel
    never = act >= none
    rows = np.where(never, f.last_row, act)
    refused, broken = in_use(f, use, rows)
    done = s.complete[use]
    waiting = ~((done >= 0) & (done < cancel)) & (act > cancel)
    applies = waiting & ~refused & ~f.op_is(rows, "IrpAllocate")
    seen = broken.seen & ~never
    doubt = broken.doubt | doubt_if(never & broken.seen, f.world.coverage.end_doubt or END)
    left = np.flatnonzero(applies & seen)
    irp = s.irp[use[left]]
    doubt[left] |= f.world.unordered(cancel[left], rows[left]) | f.world.touch(s.enter[use[left]], rows[left])
    doubt[left] |= strays(f, irp, _CALLS + COMPLETIONS, cancel[left])

    def tell(i: int) -> str:
        words = f"{f.irp_words(use[i])} was cancelled, and {_act_words(f, rows[i])} {f.since(cancel[i], rows[i])} later"
        return f"{words}, before it had been completed"

    return Instances(
        np.where(seen, rows, cancel),
        applies,
        Answer(seen, doubt),
        "irps",
        use,
        use,
        f.socket_of_irp[use],
        tell,
        (s.enter[use], cancel, np.where(seen, rows, -1)),
        outside=len(s.cancels) - len(use),
        outstanding=lambda i: [int(s.enter[use[i]])],
    )


@rule(
    "IRP-LEAK",
    severity="warning",
    party="client",
    shape="V",
    source=f"{_PAGE}; wdm IoAllocateIrp (freed by IoFreeIrp)",
    needs="IrpAllocate and IrpFree, entries of calls, IrpComplete, DriverUnload",
    traced=("calls", "IrpComplete", "IrpAllocate", "IrpReuse", "IrpFree", "DriverUnload return"),
    advice="Free each IRP with its owner; after DriverUnload nobody can.",
    limits=(
        "Judged at unload only, for IRPs that were given to WSK and came back, "
        "in a driver of which all that is allocated is seen to be freed by traced calls."
    ),
)
def irp_leak(f: Facts) -> Instances:
    """Every IRP that the driver allocated and used is freed before it is unloaded."""
    s = f.irps
    last = np.flatnonzero((s.made >= 0) & ((s.reset >= 0) | (s.next_enter < 0)))
    last = last[(f.ops.op[s.made[last]] == CODES["IrpAllocate"])]
    reset, made, enter = s.reset[last], s.made[last], s.enter[last]
    freed = reset >= 0
    anew = np.zeros(len(last), bool)
    anew[freed] = f.op_is(reset[freed], "IrpAllocate")
    freed &= ~anew
    unload = f.rows("DriverUnload", Phase.RETURN)
    end = np.append(unload, -1)[np.searchsorted(unload, enter, side="right")]
    torn = ~freed & ~anew & (end >= 0)
    back = freed | anew | (s.complete[last] >= 0) | s.ret_is("error")[last]
    doubt = np.where(anew, CAP, np.where(freed, 0, END)).astype(np.uint8)
    left = np.flatnonzero(torn)
    mine = last[left]
    doubt[left] = f.world.touch(made[left], end[left]) | f.unlogged(IRP, made[left], end[left])
    doubt[left] |= f.unwitnessed("IrpFree") | blind_resets(f) | doubt_if(~s.own[mine], ALIAS)
    doubt[left] |= strays(f, s.irp[mine], RESETS, made[left], enter[left])
    # an address that is allocated twice was freed in between by a call that is not traced
    doubt[left] |= np.uint8(CAP if bool(np.any(anew)) else 0)

    def tell(i: int) -> str:
        words = f"IRP {f.say(s.irp[last[i]])}, allocated {f.since(made[i], end[i])} before"
        return f"{words} and last given to {f.op_name(enter[i])}, was not freed when the driver was unloaded"

    return Instances(
        np.where(torn, end, enter),
        back,
        Answer(torn, doubt),
        "irps",
        last,
        last,
        f.socket_of_irp[last],
        tell,
        (made, enter, end),
        outside=len(s) - len(last),
    )
