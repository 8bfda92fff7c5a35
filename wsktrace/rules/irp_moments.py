"""What the rules about IRPs between calls ask: was it still in use at this moment, whose was it, is its memory gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from wsktrace.model.lanes import Lane
from wsktrace.rules.facts import IRP
from wsktrace.rules.shapes import CAP, Answer, doubt_if
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

__all__ = [
    "COMPLETIONS", "RESETS", "among", "blind_resets", "freed_memory", "in_use", "latest_use", "strays",
]  # fmt: skip

COMPLETIONS = (("IrpComplete", Phase.COMPLETE),)
#: What makes an IRP ready for its next use, or ends it.
RESETS = tuple((name, Phase.FACT) for name in ("IrpAllocate", "IrpInitialize", "IrpReuse", "IrpFree"))
#: Pairs of an IRP and a freed piece of memory that holds it; more than that is no driver's memory.
_MOST_PAIRS = 1 << 20


def among(values: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which values are among the ascending ``wanted``."""
    if not len(wanted):
        return np.zeros(len(values), np.bool_)
    place = np.searchsorted(wanted, values)
    found: NDArray[np.bool_] = wanted[np.minimum(place, len(wanted) - 1)] == values
    return found


def latest_use(f: Facts, irps: NDArray[np.uint64], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return the latest use of each address that was entered before each row, -1 where there is none."""
    s = f.irps
    mine = np.flatnonzero(among(s.irp, np.unique(irps)))
    lane, pick = _lane([s.enter[mine], rows], [s.irp[mine], irps])
    use = np.concatenate([mine, np.full(len(rows), -1)])[pick]
    last = lane.last(use >= 0)
    found = np.full(len(pick), -1, np.int64)
    found[pick] = np.where(last >= 0, use[last], -1) if len(pick) else last
    return found[len(mine) :]


def _lane(
    rows: list[NDArray[np.integer[Any]]], keys: list[NDArray[np.uint64]]
) -> tuple[Lane, NDArray[np.integer[Any]]]:
    """Return the lane of rows in any order, and for each of its positions the place in them, one after the other."""
    all_rows, all_keys = np.concatenate(rows), np.concatenate(keys)
    by = np.argsort(all_rows, kind="stable")
    lane = Lane(all_rows[by], all_keys[by])
    return lane, by[lane.order]


def strays(
    f: Facts,
    irps: NDArray[np.uint64],
    kinds: tuple[tuple[str, Phase], ...],
    *moments: NDArray[np.integer[Any]],
) -> NDArray[np.uint8]:
    """Return ``ORDER`` where an event of these kinds, of that IRP, is not certainly on one side of a row of these."""
    count = len(irps)
    if f.world.has_seq or not count:
        return np.zeros(count, np.uint8)
    irps, rows = np.tile(irps, len(moments)), np.concatenate(moments)
    wanted = np.unique(irps)
    near = np.concatenate([f.rows(*kind) for kind in kinds])
    near = near[among(f.ops.irp[near], wanted)]
    lane, pick = _lane([near, rows], [f.ops.irp[near], irps])
    places = np.empty(len(pick), np.int64)
    places[pick] = np.arange(len(pick))
    at, mask = places[len(near) :], pick < len(near)
    doubt = f.world.loose(lane, at, mask, ahead=True) | f.world.loose(lane, at, mask, ahead=False)
    total: NDArray[np.uint8] = np.bitwise_or.reduce(doubt.reshape(len(moments), count))
    return total


def blind_resets(f: Facts) -> np.uint8:
    """Return ``CAP`` where an event that allocates, initializes, reuses or frees an IRP does not say which."""
    return np.uint8(CAP if any(not bool(np.all(f.irp(f.rows(*kind))[1])) for kind in RESETS) else 0)


_freed: WeakKeyDictionary[Facts, tuple[NDArray[np.int64], NDArray[np.int64]]] = WeakKeyDictionary()


def freed_memory(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the uses of IRPs whose memory is freed (MemoryFree) before anything else becomes of them, and where.

    One row per use, ascending by use.
    """
    found = _freed.get(f)
    if found is None:
        found = _freed[f] = _find_freed(f)
    return found


def _find_freed(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    s = f.irps
    rows = f.rows("MemoryFree", Phase.FACT)
    address, known = f.arg("free_address", rows)
    size, size_known = f.arg("free_size", rows)
    rows, begin = rows[known & size_known], address[known & size_known].astype(np.uint64)
    end = begin + size[known & size_known].astype(np.uint64)
    none = np.zeros(0, np.int64)
    if not len(rows) or not len(s):
        return none, none
    irps = np.sort(s.addresses)
    low, high = np.searchsorted(irps, begin), np.searchsorted(irps, end)
    count = np.maximum(high - low, 0)
    count[np.cumsum(count) > _MOST_PAIRS] = 0
    rows = np.repeat(rows, count)
    if not len(rows):
        return none, none
    inside = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    use = latest_use(f, irps[np.repeat(low, count) + inside], rows)
    # the address may be something else's since it was freed or made ready
    mine = (use >= 0) & ((s.touched[use] < 0) | (s.touched[use] > rows))
    use, rows = use[mine], rows[mine]
    first, place = np.unique(use, return_index=True)
    return first, rows[place]


def in_use(f: Facts, use: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.bool_], Answer]:
    """Return (refused, whether it had not been completed) of uses at rows behind their calls.

    ``refused``: the call had returned an error. Where it is not known what it returned, the answer has ``CAP``.
    """
    s = f.irps
    done = s.complete[use]
    over = (done >= 0) & (done < rows)
    doubt = np.where(over, s.link_doubt[use], 0).astype(np.uint8)
    if not f.world.has_seq:
        doubt[over] |= f.world.unordered(done[over], rows[over])
    left = np.flatnonzero(~over)
    doubt[left] = _open_doubt(f, use[left], rows[left])
    failed = s.ret_is("error")[use]
    refused = failed & (s.ret[use] < rows)
    return refused, Answer(~over, doubt)


def _open_doubt(f: Facts, use: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return why uses that do not seem to be completed at rows may have been, or may have been refused."""
    s = f.irps
    enter, irp, ret = s.enter[use], s.irp[use], s.ret[use]
    doubt: NDArray[np.uint8] = f.world.touch(enter, rows) | s.absent_doubt[use] | f.unlogged(IRP, enter, rows)
    doubt |= f.unwitnessed(*COMPLETIONS[0]) | f.world.unordered(enter, rows) | s.ret_doubt[use]
    doubt |= strays(f, irp, COMPLETIONS, rows, enter)
    doubt |= doubt_if(~s.ret_known[use] & (ret <= rows), CAP)
    failed = np.flatnonzero(s.ret_is("error")[use] & (ret >= 0))
    doubt[failed] |= f.world.unordered(ret[failed], rows[failed])
    return doubt
