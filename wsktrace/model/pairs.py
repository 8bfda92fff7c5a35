"""Entries and returns paired: which return belongs to which entry.

Source: native-provider "Rules of emission": a return belongs to the latest open entry of the same thread, event name
and Irp (where that is 0: Socket, Client or Registration; for completions and callbacks the address in the event).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import codes_of, group_order
from wsktrace.wsk.operations import CODES, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.wsk.ops import Operations

__all__ = ["pair", "threads"]

_OPENS = (Phase.ENTER, Phase.CALLBACK, Phase.COMPLETE)
_CLOSES = (Phase.RETURN, Phase.CALLBACK_RETURN, Phase.COMPLETE_RETURN)
_CREATIONS = (CODES["WskSocket"], CODES["WskSocketConnect"])
#: Nesting deeper than this is left to the second pass by key.
_DEPTH = 12


def threads(ops: Operations) -> NDArray[np.int32]:
    """Return a small integer per thread: tid, and for the idle threads (tid 0) tid and CPU."""
    idle = ops.tid == 0
    return codes_of(np.where(idle, ops.cpu.astype(np.uint64) | np.uint64(1 << 40), ops.tid.astype(np.uint64)))[0]


def pair(ops: Operations, thread: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each row the row of its other end (return of an entry, entry of a return), -1 where there is none.

    Calls nest on a thread, so neighbours on the thread's stack are peeled first; what a lost event left in between is
    paired by its full key afterwards.
    """
    mate = np.full(len(ops), -1, np.int32)
    opens = np.isin(ops.phase, _OPENS)
    rows: NDArray[np.integer[Any]] = np.flatnonzero(opens | np.isin(ops.phase, _CLOSES))
    if not len(rows):
        return mate
    rows = rows[group_order(thread[rows])]
    key = _keys(ops, thread, rows)
    rows, key = _peel(rows, key, opens, mate)
    if len(rows):
        by = np.lexsort((rows, key))
        _peel(rows[by], key[by], opens, mate, depth=None)
    return mate


def _keys(ops: Operations, thread: NDArray[np.int32], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return one number per (thread, operation, address in the event) for each row."""
    address: NDArray[np.uint64] = ops.irp[rows].copy()
    bare = np.flatnonzero(address == 0)
    address[bare] = ops.socket[rows[bare]]
    for name in ("registration", "client", "socket_context", "driver_object"):
        if name not in ops.sparse:
            continue
        bare = np.flatnonzero(address == 0)
        if name == "client":  # the returns of these two do not say it
            bare = bare[~np.isin(ops.op[rows[bare]], _CREATIONS)]
        address[bare] = ops.arg(name, rows[bare])[0].astype(np.uint64)
    # a callback's return may name other addresses than its entry: both carry the context
    callback = np.flatnonzero(np.isin(ops.phase[rows], (Phase.CALLBACK, Phase.CALLBACK_RETURN)))
    address[callback] = ops.arg("socket_context", rows[callback])[0]
    # one number per (thread, operation) and one per address: no two keys are the same by chance
    caller = codes_of((thread[rows].astype(np.int64) << 8) | ops.op[rows])[0]
    return (caller.astype(np.int64) << 32) | codes_of(address)[0]


def _peel(
    rows: NDArray[np.integer[Any]],
    key: NDArray[np.int64],
    opens: NDArray[np.bool_],
    mate: NDArray[np.int32],
    depth: int | None = _DEPTH,
) -> tuple[NDArray[np.integer[Any]], NDArray[np.int64]]:
    """Pair adjacent entry and return of one key, take them out, and again, until nothing is left to pair."""
    while len(rows) > 1 and (depth is None or depth > 0):
        begins = opens[rows]
        fits = begins[:-1] & ~begins[1:] & (key[:-1] == key[1:])
        first = np.flatnonzero(fits)
        if not len(first):
            break
        mate[rows[first]] = rows[first + 1]
        mate[rows[first + 1]] = rows[first]
        stay = np.ones(len(rows), np.bool_)
        stay[first] = False
        stay[first + 1] = False
        rows, key = rows[stay], key[stay]
        if depth is not None:
            depth -= 1
    return rows, key
