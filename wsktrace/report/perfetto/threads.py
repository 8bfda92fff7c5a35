"""The tracks of threads: calls from entry to return, completion routines and callbacks, as they nest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import among
from wsktrace.report.perfetto.lanes import FOREVER, interleaved, lanes, match
from wsktrace.report.perfetto.layers import BEGIN, END, INSTANT, Layer, Note, Shown, column, status_texts, taken, words
from wsktrace.units import address_text

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.report.perfetto.layers import Tracks, Window

__all__ = ["thread_layers"]

_OPENS = {"enter": "call", "complete": "completion", "callback": "callback"}
_CLOSES = {"return": "call", "complete_return": "completion", "callback_return": "callback"}
#: What a call or callback is known by where it has no IRP, the first that is there.
_KEYS = ("irp", "socket", "registration", "client", "socket_context", "driver_object")
_COLUMNS = [
    "operation_id",
    "time",
    "cpu",
    "tid",
    "pid",
    "op",
    "phase",
    "status",
    "status_name",
    "irql",
    "irp_id",
    *_KEYS,
]
#: Greatest number that Perfetto takes for a process or thread.
_MOST_ID = (1 << 31) - 1


def thread_layers(operations: pa.Table, irps: pa.Table, tracks: Tracks, window: Window) -> list[Layer]:
    """Add a track per thread below its process, and return the layers of what ran there.

    ``operations`` are those to be drawn. A call whose return was not seen is drawn until the next call of its thread;
    one that is its thread's last has no end. What does not nest (clocks of two processors, losses) gets lanes of its
    own beside the thread.
    """
    import pyarrow as pa

    rows = np.flatnonzero(among(operations, "phase", (*_OPENS, *_CLOSES)))
    if not len(rows):
        return []
    index: Any = pa.array(rows)
    held = operations.select(_COLUMNS).take(index)
    opens = among(held, "phase", _OPENS)
    thread, owners = _threads(held)
    time = column(held, "time")[0]
    mate = _mates(held, thread, opens)
    end = np.full(len(rows), FOREVER, np.int64)
    paired = opens & (mate >= 0)
    end[paired] = np.maximum(time[mate[paired]], time[paired])
    cut = opens & (mate < 0)
    end[cut] = _next_call(thread, time, among(held, "phase", ["enter"]))[cut]
    shown = np.flatnonzero(opens & window.overlaps(time, end))
    strange = np.flatnonzero(~opens & (mate < 0) & window.overlaps(time, time))
    nests = _nests(thread, time, end, mate, shown)
    uuids = _add(tracks, held, owners, np.unique(thread[np.r_[shown, strange]]))
    track = np.zeros(len(rows), np.int64)
    track[:] = uuids[thread]
    aside = shown[~nests[shown]]
    if len(aside):
        lane = lanes(thread[aside], time[aside], end[aside])
        pairs, place = np.unique(np.column_stack((thread[aside], lane)), axis=0, return_inverse=True)
        extra = [
            tracks.add("does not nest", parent=int(uuids[t]), lane=True, about="Order uncertain: clocks, or losses")
            for t, _ in pairs.tolist()
        ]
        track[aside] = np.array(extra, np.int64)[place.ravel()]
    flows = _flows(held, irps)

    def show(at: NDArray[np.int64]) -> Shown:
        return _show(held, at, mate[at], irps, flows[at])

    laid = shown[nests[shown]]
    return [
        *_slices(laid, time, end, mate, track, show),
        *_apart(aside, time, end, track, show),
        Layer(time[strange], track[strange], np.full(len(strange), INSTANT, np.uint8), strange, show),
    ]


def _threads(held: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a small number per row's thread, and per number a row of it, one that knows its process where any does.

    A tid is one thread's at a time, whatever process it works for; the idle threads, tid 0, are one per processor.
    """
    tid, pid, cpu = (column(held, name)[0].astype(np.int64) for name in ("tid", "pid", "cpu"))
    known = column(held, "tid")[1]
    key = np.where(known & (tid != 0), tid, np.where(known, -1 - cpu, np.int64(-1) << 32))
    thread = np.unique(key, return_inverse=True)[1].ravel().astype(np.int64)
    order = np.lexsort((pid == 0, thread))
    first = order[np.flatnonzero(np.r_[True, np.diff(thread[order]) > 0])]
    return thread, first


def _mates(held: pa.Table, thread: NDArray[np.int64], opens: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the row of each row's other end: of the same thread, call and address, the latest that is open."""
    codes = _codes(held.column("op"))
    address = np.zeros(held.num_rows, np.uint64)
    callback = among(held, "phase", ("callback", "callback_return"))
    creation = among(held, "op", ("WskSocket", "WskSocketConnect"))
    context = column(held, "socket_context")[0]
    for name in _KEYS:
        values = column(held, name)[0].astype(np.uint64)
        if name == "client":  # a creation's return does not say it
            values = np.where(creation, np.uint64(0), values)
        address = np.where(address == 0, values, address)
    # a callback's return may name other addresses than its entry: both carry the context
    address = np.where(callback, context, address)
    number = np.unique(address, return_inverse=True)[1].ravel().astype(np.int64)
    key = np.unique((thread << 8) | codes, return_inverse=True)[1].ravel().astype(np.int64)
    return match(key * (int(number.max()) + 1) + number, opens)


def _codes(words: Any) -> NDArray[np.int64]:
    """Return a small number per word of a column."""
    encoded = words.unify_dictionaries().combine_chunks()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)


def _next_call(thread: NDArray[np.int64], time: NDArray[np.int64], call: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return per row the time of the next call's entry on its thread, ``FOREVER`` where there is none."""
    order = np.argsort(thread, kind="stable")
    at = np.where(call[order], np.arange(len(order)), len(order))
    following = np.r_[np.minimum.accumulate(at[::-1])[::-1][1:], len(order)] if len(order) else at
    known = following < len(order)
    target = order[np.where(known, following, 0)]
    known &= thread[target] == thread[order]
    found = np.full(len(order), FOREVER, np.int64)
    found[order] = np.where(known, np.maximum(time[target], time[order]), FOREVER)
    return found


def _marks(
    rows: NDArray[np.int64], time: NDArray[np.int64], end: NDArray[np.int64], mate: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return (slice, whether it begins, time) in the order of time, at one time in the order of the trace."""
    ends = rows[end[rows] != FOREVER]
    # an end stands where its return stands; one that was not seen, before the call that shows it
    place = np.where(mate[ends] >= 0, 2.0 * mate[ends], np.inf)
    unseen = np.flatnonzero(mate[ends] < 0)
    place[unseen] = 2.0 * ends[unseen] + 1
    slices = np.r_[rows, ends]
    begins = np.r_[np.ones(len(rows), np.bool_), np.zeros(len(ends), np.bool_)]
    at = np.r_[time[rows], end[ends]]
    by = np.lexsort((np.r_[2.0 * rows, place], at))
    return slices[by], begins[by], at[by]


def _nests(
    thread: NDArray[np.int64],
    time: NDArray[np.int64],
    end: NDArray[np.int64],
    mate: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return per row whether its slice nests with the others of its thread."""
    slices, begins, _ = _marks(rows, time, end, mate)
    found = match(thread[slices], begins)
    fits = np.zeros(len(time), np.bool_)
    first = np.flatnonzero(begins)
    other = found[first]
    fits[slices[first]] = np.where(other >= 0, slices[other] == slices[first], end[slices[first]] == FOREVER)
    return fits


def _slices(
    rows: NDArray[np.int64],
    time: NDArray[np.int64],
    end: NDArray[np.int64],
    mate: NDArray[np.int64],
    track: NDArray[np.int64],
    show: Any,
) -> list[Layer]:
    slices, begins, at = _marks(rows, time, end, mate)
    return [Layer(at, track[slices], np.where(begins, BEGIN, END).astype(np.uint8), slices, show)]


def _apart(
    rows: NDArray[np.int64], time: NDArray[np.int64], end: NDArray[np.int64], track: NDArray[np.int64], show: Any
) -> list[Layer]:
    """Return the layer of slices that follow each other on lanes."""
    place, begins, at = interleaved(time[rows], end[rows])
    keep = at != FOREVER
    slices, begins, at = rows[place[keep]], begins[keep], at[keep]
    return [Layer(at, track[slices], np.where(begins, BEGIN, END).astype(np.uint8), slices, show)]


def _add(tracks: Tracks, held: pa.Table, owners: NDArray[np.int64], used: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add the tracks of threads that are drawn; return the uuid of each thread, 0 for the others."""
    uuids = np.zeros(len(owners), np.int64)
    processes: dict[int | None, int] = {}
    values = taken(held, owners[used])
    for thread, pid, tid, cpu in zip(used.tolist(), values("pid"), values("tid"), values("cpu"), strict=True):
        fits = bool(tid and pid and pid <= _MOST_ID and tid <= _MOST_ID)
        if not fits and None not in processes:
            processes[None] = tracks.add("idle and unknown threads", about="DPCs run on a processor's idle thread, too")
        if not tid:
            uuids[thread] = tracks.add("thread unknown" if tid is None else f"CPU {cpu}", parent=processes[None])
            continue
        if fits and pid not in processes:
            processes[pid] = tracks.add("System" if pid == 4 else "", process=pid)
        if fits:
            uuids[thread] = tracks.add("", parent=processes[pid], thread=(pid, tid))  # the page names it by its number
        else:
            uuids[thread] = tracks.add(f"thread {tid}" + (f" of process {pid}" if pid else ""), parent=processes[None])
    return uuids


def _flows(held: pa.Table, irps: pa.Table) -> NDArray[np.int64]:
    """Return per operation the use of an IRP that it issues or completes, -1 for all others."""
    numbers = column(held, "operation_id")[0]
    ids = column(irps, "irp_id")[0].astype(np.int64)
    found = np.full(len(numbers), -1, np.int64)
    for name in ("issue_operation", "complete_operation"):
        ends, known = column(irps, name)
        ends, of = ends[known], ids[known]
        order = np.argsort(ends)
        if not len(order):
            continue
        at = np.minimum(np.searchsorted(ends[order], numbers), len(order) - 1)
        hit = ends[order][at] == numbers
        found[hit] = of[order][at][hit]
    return found


def _show(
    held: pa.Table, rows: NDArray[np.int64], mates: NDArray[np.int64], irps: pa.Table, flows: NDArray[np.int64]
) -> Shown:
    """Return what stands on operations; ``mates``: the row of the other end of each, -1 where it was not seen."""
    values, others = taken(held, rows), taken(held, np.where(mates < 0, rows, mates))
    unseen = mates < 0
    phases, ops = values("phase"), values("op")
    kinds = [_OPENS.get(phase) or _CLOSES[phase] for phase in phases]
    issued = _issued(irps, flows)
    names = [
        _name(*told)
        for told in zip(words(ops), kinds, issued, (p in _CLOSES for p in phases), unseen.tolist(), strict=True)
    ]
    own, later = (status_texts(get("status"), get("status_name")) for get in (values, others))
    ends = [None if gone else number for gone, number in zip(unseen.tolist(), others("operation_id"), strict=True)]
    notes = [Note("operation", values("operation_id")), Note("end_operation", ends)]
    notes += [Note(name, [address_text(v) if v else None for v in values(name)]) for name in ("irp", "socket")]
    notes += [Note("irp_id", values("irp_id"))]
    notes += [Note("status", [a or b for a, b in zip(own, later, strict=True)], word=True)]
    notes += [Note("irql", values("irql")), Note("cpu", values("cpu"))]
    return Shown(names, kinds, tuple(notes), [None if f < 0 else f + 1 for f in flows.tolist()])


def _issued(irps: pa.Table, flows: NDArray[np.int64]) -> list[str | None]:
    """Return the call of each use of an IRP, None for -1."""
    if not irps.num_rows:
        return [None] * len(flows)
    ids = column(irps, "irp_id")[0].astype(np.int64)
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids[order], flows), len(ids) - 1)
    ops = words(taken(irps, order[at])("op"))
    return [op if flow >= 0 else None for op, flow in zip(ops, flows.tolist(), strict=True)]


def _name(op: str, kind: str, issued: str | None, closes: bool, unseen: bool) -> str:
    name = f"{issued} completes" if kind == "completion" and issued else op
    if closes:
        return f"{name} returns (entry not seen)"
    return f"{name} (return not seen)" if unseen else name
