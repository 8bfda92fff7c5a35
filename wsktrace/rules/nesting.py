"""Rules about what runs inside completion routines and callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import KINDS, Facts
from wsktrace.rules.frames import Frames, caused, ended_frames
from wsktrace.rules.irp_moments import in_use, latest_use
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, ORDER, Answer, doubt_if
from wsktrace.wsk.operations import OPS, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "irps"
_INFO, _WARNING = 0, 1
#: From so many completion routines on top of each other on, it is no longer a matter of taste.
_DEEP = 3
_IS_CONTROL = np.array([op.name in ("WskControlSocket", "WskControlClient") for op in OPS])


@rule(
    "CALL-IN-COMPLETION",
    severity="warning",
    party="client",
    shape="I",
    source="NET using-irps-with-winsock-kernel-functions (note on nested calls)",
    needs="entries of calls with Irp and Irql, IrpComplete with Irql and its return",
    traced=("calls", "IrpComplete", "IrpComplete return"),
    follows={"CLOSE-CALL-IN-PROGRESS": "socket"},
    advice="Queue the next call to a worker, or make it where the first one's completion is waited for.",
    limits=(
        "Information only, and not for control calls, up to two completion routines on top of each other; "
        "a warning from the third on. A call at a higher IRQL than the routine's may be that of an interrupt."
    ),
)
def call_in_completion(f: Facts) -> Instances:
    """A completion routine should not call into WSK again with an IRP that may complete at once, inside it.

    Completion inside call inside completion: each round takes stack, and nothing bounds their number.
    """
    s = f.irps
    index = np.arange(len(s))
    frames = _routines(f)
    inner = frames.around(f, s.enter)
    nested = np.flatnonzero(inner >= 0)
    nested = nested[f.op_is(frames.begin[inner[nested]], "IrpComplete")]
    depth, within = np.zeros(len(s), np.uint8), np.full(len(s), -1, np.int32)
    within[nested] = frames.begin[inner[nested]]
    depth[nested] = _depths(f, frames, inner[nested])
    doubt = np.zeros(len(s), np.uint8)
    doubt[nested] = caused(f, within[nested], s.enter[nested])

    def tell(i: int) -> str:
        routine = f"inside the completion routine of IRP {f.say(f.ops.irp[within[i]])}"
        return f"{f.irp_words(i)} was called {routine}{', which ran inside two others' if depth[i] >= _DEEP else ''}"

    return Instances(
        s.enter,
        ~_IS_CONTROL[s.op] | (depth >= _DEEP),
        Answer(within >= 0, doubt),
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (within, s.enter),
        severity=np.where(depth >= _DEEP, _WARNING, _INFO),
        suspect=(doubt & ORDER) == 0,
    )


def _routines(f: Facts) -> Frames:
    """Return the completion routines and callbacks that came to their end."""
    rows = [f.rows("IrpComplete", Phase.COMPLETE), *(f.rows(name, Phase.CALLBACK) for name, _, _, _ in KINDS)]
    return ended_frames(f, np.sort(np.concatenate(rows), kind="stable"))


def _depths(f: Facts, frames: Frames, inner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many completion routines, up to ``_DEEP``, certainly stand on top of each other; at least one."""
    depth = np.ones(len(inner), np.int64)
    here, left = inner.copy(), np.arange(len(inner))
    for _ in range(_DEEP - 1):
        row = frames.begin[here]
        around = frames.around(f, row)
        outer = np.where(around >= 0, frames.begin[around], -1) if len(frames.begin) else around
        certain = (around >= 0) & f.op_is(np.maximum(outer, 0), "IrpComplete")
        chain = np.flatnonzero(certain)
        use = f.submission(row[chain])
        enter = f.irps.enter[use] if len(f.irps) else use
        own = (use >= 0) & (enter > outer[chain]) & (f.world.thread[enter] == f.world.thread[row[chain]])
        own &= (f.irps.ret[use] > row[chain]) & (f.irps.link_doubt[use] == 0)
        why = caused(f, outer[chain], row[chain])
        certain[chain] &= (why == 0) | (own & ((why & ~np.uint8(ORDER)) == 0))
        left, here = left[certain], around[certain]
        depth[left] += 1
        if not len(left):
            break
    return depth


@rule(
    "WAIT-IN-CALLBACK",
    severity="error",
    party="client",
    shape="I",
    source="DDI and NET pages of the event callbacks (remarks: no waiting for other WSK requests)",
    needs="callbacks with Irql and their returns, IrpWait, entries of calls with Irql, IrpComplete",
    traced=("callbacks", "callbacks return", "IrpWait", "IrpWait return", "calls", "calls return", "IrpComplete"),
    advice="Start the request in the callback and let its completion routine go on, or queue the work to a thread.",
    limits=(
        "Below DISPATCH_LEVEL a wait inside a callback may be that of an interrupt, "
        "unless the request was made in the callback, too. A question without waiting is not to be traced as IrpWait."
    ),
)
def wait_in_callback(f: Facts) -> Instances:
    """An event callback does not wait for the completion of a WSK request, not even at PASSIVE_LEVEL.

    It may start requests. WSK calls the next callbacks, and completes requests, perhaps from the thread that waits.
    """
    s = f.irps
    waits = f.rows("IrpWait", Phase.ENTER)
    frames, inner = _callbacks_around(f, waits)
    n = len(waits)
    within, use = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    nested = np.flatnonzero(inner >= 0)
    within[nested] = frames.begin[inner[nested]]
    use[nested] = latest_use(f, f.ops.irp[waits[nested]], waits[nested])
    seen, doubt, applies = np.zeros(n, bool), np.zeros(n, np.uint8), np.ones(n, bool)
    named = f.irp(waits)[1]
    blind = nested[(use[nested] < 0) | ~named[nested]]
    # an IRP without a call may be no request of WSK at all
    doubt[blind] = np.where(named[blind], f.closed_from(waits[blind]), CAP)
    applies[blind] = doubt[blind] != 0
    known = np.setdiff1d(nested, blind)
    rows, mine, callback = waits[known], use[known], within[known]
    refused, broken = in_use(f, mine, rows)
    applies[known] = ~refused
    seen[known] = broken.seen
    doubt[known] = broken.doubt | np.where(broken.seen, _blame(f, callback, rows, s.enter[mine]), 0).astype(np.uint8)

    def tell(i: int) -> str:
        what = f"{f.op_name(within[i])} waited for {f.irp_words(use[i])}"
        return f"{what}, entered {f.since(s.enter[use[i]], waits[i])} before and not completed"

    has = use >= 0
    return Instances(
        waits,
        applies,
        Answer(seen, doubt),
        "irps",
        use,
        use,
        np.where(has, f.socket_of_irp[np.maximum(use, 0)], -1) if len(s) else use,
        tell,
        (within, np.where(has, s.enter[np.maximum(use, 0)], -1) if len(s) else use, waits),
        outstanding=lambda i: [int(s.enter[use[i]])] if has[i] else [],
    )


def _callbacks_around(f: Facts, waits: NDArray[np.int64]) -> tuple[Frames, NDArray[np.int64]]:
    """Return the callbacks, and for each wait the one that it is in.

    A callback whose end is not in the trace is one only for a wait without an end: it may have hung there.
    """
    rows = np.sort(np.concatenate([f.rows(name, Phase.CALLBACK) for name, _, _, _ in KINDS]), kind="stable")
    ended = ended_frames(f, rows)
    inner = ended.around(f, waits)
    hung = np.flatnonzero((f.world.mate[waits] < 0) & (inner < 0))
    open_ = rows[f.world.mate[rows] < 0]
    if not len(hung) or not len(open_):
        return ended, inner
    frames = Frames(
        np.concatenate([ended.begin, open_]), np.concatenate([ended.end, np.full(len(open_), len(f.world))])
    )
    inner[hung] = Frames(open_, np.full(len(open_), len(f.world))).around(f, waits[hung])
    inner[hung] = np.where(inner[hung] >= 0, inner[hung] + len(ended.begin), -1)
    return frames, inner


def _blame(
    f: Facts, callback: NDArray[np.int64], waits: NDArray[np.int64], enter: NDArray[np.integer[Any]]
) -> NDArray[np.uint8]:
    """Return the doubt whether it was the callback that waited: the Irql of a wait is not traced, that of a call is."""
    inside = (enter > callback) & (f.world.thread[enter] == f.world.thread[callback])
    by_call = caused(f, callback, np.where(inside, enter, waits))
    level, known = f.irql(callback)
    alone = doubt_if(~known, CAP) | doubt_if(known & (level < 2), ORDER)
    doubt = np.where(inside, by_call, (by_call & ~np.uint8(CAP)) | alone)
    hung = f.world.mate[callback] < 0
    doubt[hung] |= f.world.touch(callback[hung], np.full(int(hung.sum()), len(f.world)))
    for code in np.unique(f.ops.op[callback[hung]]).tolist():
        doubt[hung] |= f.unwitnessed(OPS[code].name, Phase.CALLBACK_RETURN)
    return (doubt | f.world.touch(callback, waits)).astype(np.uint8)
