"""Reading scattered, unaligned places of a block of bytes, many at once.

Every function takes ``data``, a one-dimensional uint8 array that ends in at least ``SPARE`` bytes beyond the last
place asked for (``Chunk.data`` promises that), so nothing here reads outside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["SPARE", "blocks", "extents", "numbers", "ranges", "terminators", "wbem_sids"]

#: Bytes that may be read at and after any place inside a chunk's payloads.
SPARE: Final = 64
#: Elements of one step where a step would else need memory without bound.
_STEP: Final = 1 << 18
_U8: Final = np.dtype("u1")
_U32: Final = np.dtype("<u4")


def blocks(data: NDArray[np.uint8], places: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Copy ``width`` bytes from each place; returns uint8 of shape (places, width)."""
    # one item per byte position, each overlapping the next: fancy indexing then copies whole items (10 ns each)
    windows: NDArray[np.void] = np.ndarray((len(data) - width + 1,), f"V{width}", data, 0, (1,))
    return windows[places].view(np.uint8).reshape(len(places), width)


def numbers(data: NDArray[np.uint8], places: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read one scalar of ``dtype`` at each place, whatever its alignment."""
    windows: NDArray[Any] = np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data, 0, (1,))
    return windows[places]


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64], stride: int = 1) -> NDArray[np.int64]:
    """Return ``starts[i] + stride * j`` for j < ``counts[i]``, row after row."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    inside = np.arange(total, dtype=np.int64) - np.repeat(ends - counts, counts)
    return np.repeat(starts, counts) + inside * stride


def extents(
    data: NDArray[np.uint8], starts: NDArray[np.int64], counts: NDArray[np.int64], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Read ``counts[i]`` packed scalars from ``starts[i]`` on; returns them all, row after row."""
    out = np.empty(int(counts.sum()), dtype)
    done = 0
    for part in _portions(counts):
        places = ranges(starts[part], counts[part], dtype.itemsize)
        out[done : done + len(places)] = numbers(data, places, dtype)
        done += len(places)
    return out


def _portions(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Cut rows such that the counts of a portion sum to about ``_STEP`` at most (a single row may exceed it)."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _STEP, side="right")))
        yield slice(first, last)
        first = last


def terminators(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], unit: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the first NUL unit (1 or 2 bytes, in steps of its width) of each row in [start, end).

    Returns its place and whether there is one; where there is none the place is the last whole unit's end.
    """
    stop = starts + (np.maximum(ends - starts, 0) // unit) * unit
    found = np.zeros(len(starts), np.bool_)
    active = np.flatnonzero(stop > starts)
    at = starts[active]
    count = 1
    last = len(data) - SPARE
    while len(active):
        going = np.ones(len(active), np.bool_)
        rows = max(1, (1 << 14) // count)
        steps = np.arange(count, dtype=np.int64) * SPARE
        for low in range(0, len(active), rows):
            part = slice(low, low + rows)
            here = at[part]
            places = np.minimum(here[:, None] + steps, last).ravel()
            lanes = blocks(data, places, SPARE).reshape(len(here), count * SPARE)
            zero = (lanes if unit == 1 else lanes.view("<u2")) == 0
            first = zero.argmax(axis=1)
            hit = zero[np.arange(len(here)), first]
            place = here + first * unit
            row = active[part]
            inside = hit & (place < stop[row])
            stop[row[inside]] = place[inside]
            found[row[inside]] = True
            going[part] = ~hit & (here + count * SPARE < stop[row])
        active, at = active[going], at[going] + count * SPARE
        count = min(count * 4, 1024)
    return stop, found


def wbem_sids(
    data: NDArray[np.uint8], at: NDArray[np.int64], end: NDArray[np.int64], before: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Find SIDs that have ``before`` bytes of a TOKEN_USER in front of them, or are four zero bytes.

    Where the first four bytes are zero, what lies behind a TOKEN_USER decides: a SID has revision 1 and at most 15
    sub-authorities, and it fits.

    Returns start and length of each SID (no bytes where there is none), the place after it, whether it fits.
    """
    room, start = end - at, np.minimum(at + before, end)
    revision, count = numbers(data, start, _U8), numbers(data, start + 1, _U8).astype(np.int64)
    length = 8 + 4 * count
    fits = room >= before + length
    none = (room >= 4) & (numbers(data, at, _U32) == 0) & ~(fits & (revision == 1) & (count <= 15))
    return np.where(none, at, start), np.where(none, 0, length), np.where(none, at + 4, start + length), fits | none
