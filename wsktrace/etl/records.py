"""★ The walk: from the first record of every buffer to the offsets, sizes and kinds of all of them.

Two walkers follow the chains of records and give the same answer. `lockstep` advances every buffer by one record per
NumPy step; it is the fast one while some dozens of buffers are alive. `chase` follows one buffer after the other in a
tight loop; it takes over where few are left (one 16 MiB buffer is 160,000 steps of lockstep, but one loop).

Neither judges what it meets: a chain stops at its buffer's end or at a marker it does not know, and that last place is
visited too. `find_records` judges all places at once: the first one in a buffer that is not a whole record ends it.

Format: etl-and-wpp-format, 1.5 (markers, where Size is, 8-byte alignment).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KIND_OF_MARKER", "LOCKSTEP_LANES", "MIN_SIZE", "Walk", "chase", "find_records", "lockstep"]

#: header kinds that keep Size at byte 4; all others keep it at byte 0
_SIZE_AT_4 = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)
_SIZE_AT_0 = (
    Kind.FULL32,
    Kind.INSTANCE32,
    Kind.TIMED,
    Kind.ERROR,
    Kind.WNODE,
    Kind.EVENT32,
    Kind.EVENT64,
    Kind.FULL64,
    Kind.INSTANCE64,
)

#: below this number of live buffers the loop is faster than lockstep (measured: 7 against 10 M records/s at 49 lanes)
LOCKSTEP_LANES = 32
_STEPS = 16  # lockstep looks for finished lanes once in so many steps
_FAR = 1 << 40  # an index that `take` clips to the block's last half word, which is zero


def _tables() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    kind = np.zeros(1 << 16, np.uint8)
    size_at = np.full(1 << 16, _FAR, np.int64)
    for code in _SIZE_AT_4 + _SIZE_AT_0:
        kind[0xC000 | code] = code
        size_at[0xC000 | code] = 2 if code in _SIZE_AT_4 else 0
    for first, code in ((0x9000, Kind.MESSAGE), (0xB000, Kind.ULONG32_TIME)):
        kind[first : first + 256] = code
        size_at[first : first + 256] = 0
    step = ((np.arange(1 << 16, dtype=np.int64) + 7) >> 3) << 2
    least = np.full(256, 8, np.uint8)
    for code, size in (
        (Kind.SYSTEM32, 0x20),
        (Kind.SYSTEM64, 0x20),
        (Kind.COMPACT32, 0x18),
        (Kind.COMPACT64, 0x18),
        (Kind.PERFINFO32, 0x10),
        (Kind.PERFINFO64, 0x10),
        (Kind.FULL32, 0x30),
        (Kind.FULL64, 0x30),
        (Kind.INSTANCE32, 0x48),
        (Kind.INSTANCE64, 0x48),
        (Kind.EVENT32, 0x50),
        (Kind.EVENT64, 0x50),
        (Kind.ULONG32_TIME, 0x10),
    ):
        least[code] = size
    return kind, size_at, step, least


#: upper half of the marker → ``Kind``, 0 where no record begins like that
KIND_OF_MARKER: NDArray[np.uint8]
#: fixed part of the header by ``Kind``; a record that is shorter is none
MIN_SIZE: NDArray[np.uint8]
# _SIZE_AT: upper half of the marker → half words from the record's start to its Size
# _STEP: Size → half words to the next record
KIND_OF_MARKER, _SIZE_AT, _STEP, MIN_SIZE = _tables()
_SIZE_AT_LIST = [None if at == _FAR else int(at) for at in _SIZE_AT]
_STEP_LIST = [int(step) or None for step in _STEP]


def lockstep(
    halves: NDArray[np.uint16],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
    visited: NDArray[np.bool_],
    *,
    lanes_left: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk all buffers side by side until at most ``lanes_left`` of them are alive.

    Args:
        halves: the block as 16-bit words; its last word is zero.
        first: where each buffer's walk begins, in half words, a multiple of 4.
        stop: one past each buffer's last half word.
        visited: one flag per 8-byte slot of the block; set at each place that a walk passes.
        lanes_left: how many live buffers to leave to another walker.

    Returns:
        Place and stop of the buffers that are still alive.
    """
    alive = first < stop
    place, stop = first[alive], stop[alive]
    while place.size > lanes_left:
        rows = np.empty((_STEPS, place.size), np.int64)
        for row in rows:
            row[:] = place
            size = halves.take(place + _SIZE_AT.take(halves.take(place + 1, mode="clip")), mode="clip")
            place = place + _STEP.take(size)
        visited[rows[rows < stop] >> 2] = True
        alive = (place < stop) & (place != rows[-1])  # a lane that stands still met no marker
        if not alive.all():
            place, stop = place[alive], stop[alive]
    return place, stop


def chase(
    halves: NDArray[np.uint16], first: NDArray[np.int64], stop: NDArray[np.int64], visited: NDArray[np.bool_]
) -> None:
    """Walk one buffer after the other; arguments as for `lockstep`."""
    view = memoryview(halves)  # type: ignore[arg-type]
    marks = memoryview(visited.view(np.uint8))  # type: ignore[arg-type]
    size_at, step = _SIZE_AT_LIST, _STEP_LIST
    for begin, end in zip(first.tolist(), stop.tolist(), strict=True):
        place = begin
        try:
            while place < end:
                marks[place >> 2] = 1
                place += step[view[place + size_at[view[place + 1]]]]
        except TypeError:  # None: no marker that is known, or a Size of zero
            continue


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk found: records, and for each buffer where its records ended and why.

    ``slot``: position of each record in 8-byte words; ``size`` and ``kind`` of the same length.
    ``count``: records per buffer. ``end``: byte position after each buffer's last record (with its padding).
    ``broken``: the buffer's walk stopped at something that is no record and no end marker; ``zeros``: at zeros, which
    end a buffer too, but stand for lost records where more was declared.
    """

    slot: NDArray[np.int64]
    size: NDArray[np.int64]
    kind: NDArray[np.uint8]
    count: NDArray[np.int64]
    end: NDArray[np.int64]
    broken: NDArray[np.bool_]
    zeros: NDArray[np.bool_]


def find_records(
    data: NDArray[np.uint8], first: NDArray[np.int64], stop: NDArray[np.int64], *, lanes: int = LOCKSTEP_LANES
) -> Walk:
    """Find all records of some buffers.

    Args:
        data: the block; at least 8 spare zero bytes after the last buffer.
        first: byte position of each buffer's first record, ascending, multiples of 8.
        stop: byte position after each buffer's last byte of data.
        lanes: number of live buffers at which `chase` takes over from `lockstep`.

    Returns:
        The records in the order of their positions. A record never crosses ``stop``.
    """
    halves = data.view("<u2")
    visited = np.zeros(data.size >> 3, np.bool_)
    # a marker needs 8 bytes: places nearer to the end than that are no places
    last = (stop - 6) >> 1
    chase(halves, *lockstep(halves, first >> 1, last, visited, lanes_left=lanes), visited)
    slot = np.flatnonzero(visited)
    word = data.view("<u8").take(slot)
    marker = ((word >> np.uint64(16)) & np.uint64(0xFFFF)).astype(np.uint16)
    kind = KIND_OF_MARKER.take(marker)
    size = np.where(_SIZE_AT.take(marker) == 2, word >> np.uint64(32), word).astype(np.uint16).astype(np.int64)
    bounds = np.append(np.searchsorted(slot, first >> 3), slot.size)
    wrong = (kind == 0) | (size < MIN_SIZE.take(kind))
    # only the last place of a buffer can reach over its end
    tail = bounds[1:] - 1
    full = np.flatnonzero(bounds[1:] > bounds[:-1])
    wrong[tail[full]] |= (slot[tail[full]] << 3) + size[tail[full]] > stop[full]
    count = np.diff(bounds)
    broken, zeros = np.zeros(first.size, np.bool_), np.zeros(first.size, np.bool_)
    bad = np.flatnonzero(wrong)
    if bad.size:
        owner = np.searchsorted(bounds, bad, side="right") - 1
        owner, place = np.unique(owner, return_index=True)
        bad = bad[place]
        marker32 = word[bad] & np.uint64(0xFFFFFFFF)
        zeros[owner] = word[bad] == 0
        broken[owner] = (marker32 != np.uint64(0xFFFFFFFF)) & (word[bad] != 0)
        keep = np.ones(slot.size, np.bool_)
        for begin, end in zip(bad.tolist(), bounds[owner + 1].tolist(), strict=True):
            keep[begin:end] = False
        count[owner] = bad - bounds[owner]
        slot, size, kind = slot[keep], size[keep], kind[keep]
    end = first.copy()
    some = np.flatnonzero(count)
    final = np.cumsum(count)[some] - 1
    end[some] = np.minimum((slot[final] << 3) + ((size[final] + 7) & ~7), stop[some])
    return Walk(slot, size, kind, count, end, broken, zeros)
