"""Trace order: one stable sort, corrected by the driver's own counter; and the loads of each driver image.

Source: wsk-contract 1.4 (order), native-provider "Rules of emission" (Seq).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import codes_of, group_order
from wsktrace.wsk.operations import CODES, Phase
from wsktrace.wsk.ops import KNOWN_SEQ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.wsk.ops import Operations

__all__ = ["Load", "arrange"]

#: Time may run against Seq by as much as a thread can be preempted between counting and writing; more is no order.
_SEQ_SLACK_NS = 1_000_000_000
#: How far the processors' clocks may disagree.
_SKEW_NS = 1_000_000


#: More driver images, or loads of one, than any real trace has; what is beyond is judged as one load full of doubt.
_MOST_IMAGES = 32
_MOST_LOADS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """One load of one driver: its rows of the operations, ascending and in the load's own order."""

    number: int
    image: int
    rows: NDArray[np.integer[Any]]
    #: every row carries a number of the driver's counter and the numbers are sound: order is certain
    has_seq: bool
    #: rows of several drivers or loads that could not be told apart: nothing about them is certain
    mixed: bool = False


def arrange(ops: Operations) -> list[Load]:
    """Bring the operations into trace order, in place, and split them by driver load.

    Order: time, then file order; inside one load of one image, the driver's Seq where every row carries it. The load's
    rows keep the places that time gave them together, so that the whole table stays in time order but for inversions.
    """
    n = len(ops)
    if not n:
        return []
    order = np.argsort(ops.time, kind="stable").astype(np.int32)
    loads: list[tuple[int, NDArray[np.integer[Any]], bool, bool]] = []
    for image, places, mixed in _by_image(ops.image[order]):
        parts = [places] if mixed else _split_loads(ops, order, places)
        if len(parts) > _MOST_LOADS:
            parts, mixed = [places], True
        for part in parts:
            rows = order[part]
            sound = not mixed and _seq_is_sound(ops, rows)
            if sound:
                seq = ops.seq[rows]
                if not np.all(seq[1:] > seq[:-1]):
                    order[part] = rows[np.argsort(seq, kind="stable")]
            loads.append((image, part, sound, mixed))
    loads.sort(key=lambda load: int(load[1][0]))
    if not np.all(order[1:] > order[:-1]):
        ops.reorder(order)
    return [Load(number, *load) for number, load in enumerate(loads)]


def _by_image(images: NDArray[np.uint64]) -> list[tuple[int, NDArray[np.integer[Any]], bool]]:
    """Return (image, places in time order, whether several images are mixed) per image."""
    if np.all(images == images[0]):
        return [(int(images[0]), np.arange(len(images), dtype=np.int32), False)]
    codes, distinct = codes_of(images)
    by = group_order(codes)
    counts = np.bincount(codes)
    parts = np.split(by, np.cumsum(counts)[:-1])
    chosen = np.argsort(-counts, kind="stable")[:_MOST_IMAGES]
    found: list[tuple[int, NDArray[np.integer[Any]], bool]] = [
        (int(distinct[i]), parts[i], False) for i in chosen.tolist()
    ]
    rest = np.ones(len(distinct), np.bool_)
    rest[chosen] = False
    if np.any(rest):
        found.append((0, np.flatnonzero(rest[codes]), True))
    return found


def _split_loads(
    ops: Operations, order: NDArray[np.integer[Any]], places: NDArray[np.integer[Any]]
) -> list[NDArray[np.integer[Any]]]:
    """Split the places of one image where DriverEntry begins another load of it.

    Only ProviderState precedes DriverEntry in a load (native-provider, driver and registration), so anything else
    before it belongs to an earlier load; an event that the clocks' skew put before it is known by its Seq.
    """
    rows = order[places]
    entries = np.flatnonzero((ops.op[rows] == CODES["DriverEntry"]) & (ops.phase[rows] == Phase.ENTER))
    if not len(entries):
        return [places]
    others = np.flatnonzero(ops.op[rows] != CODES["ProviderState"])
    # without Seq, what stands before the entry by no more than the skew may come after it: no load follows so soon
    numbered = ops.has(KNOWN_SEQ)[rows[entries]]
    since = np.searchsorted(ops.time[rows], ops.time[rows[entries]] - _SKEW_NS)
    place = np.searchsorted(others, np.where(numbered, entries, since)) - 1
    entries, earlier = entries[place >= 0], others[np.maximum(place, 0)][place >= 0]
    here, there = rows[entries], rows[earlier]
    skewed = ops.has(KNOWN_SEQ)[here] & ops.has(KNOWN_SEQ)[there] & (ops.seq[there] > ops.seq[here])
    skewed &= ops.time[here] - ops.time[there] < _SKEW_NS
    cuts = np.unique(earlier[~skewed] + 1)
    return [part for part in np.split(places, cuts) if len(part)]


def _seq_is_sound(ops: Operations, rows: NDArray[np.integer[Any]]) -> bool:
    if not np.all(ops.has(KNOWN_SEQ)[rows]):
        return False
    seq, time = ops.seq[rows], ops.time[rows]
    if not np.all(seq[1:] > seq[:-1]):
        by = np.argsort(seq, kind="stable")
        seq, time = seq[by], time[by]
        if not np.all(seq[1:] > seq[:-1]):
            return False
    return bool(np.all(np.maximum.accumulate(time) - time <= _SEQ_SLACK_NS))
