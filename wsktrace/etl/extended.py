"""Where a record's user data begins: behind extended data items, performance counters, optional message fields.

Format: etl-and-wpp-format, 1.5 (EXT_ITEM; Version word of SYSTEM and PERFINFO; MESSAGE_TRACE option flags).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["after_counters", "after_items"]

_PEBS_INDEX = np.uint16(0x8000)


def after_counters(version: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the bytes that a SYSTEM or PERFINFO header's Version word says follow the fixed header.

    8 for an index of processor event based sampling (0x8000), 8 for each performance counter (bits 8 to 10).
    """
    extra: NDArray[np.int64] = ((version >> 8) & 7).astype(np.int64) + ((version & _PEBS_INDEX) != 0)
    return extra * 8


def after_items(
    words: NDArray[np.uint64], begin: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Walk the extended data items of some records side by side.

    Args:
        words: the chunk as 64-bit words.
        begin: byte position of each record's first item, multiples of 8.
        end: byte position after each record.

    Returns:
        The byte position after each record's last item, and whether its chain is damaged (then that is its end).
    """
    at = begin.copy()
    damaged = np.zeros(at.size, np.bool_)
    rows = np.arange(at.size)
    while rows.size:
        place, limit = at[rows], end[rows]
        item = words.take(place >> 3, mode="clip")
        size = (item & np.uint64(0xFFFF)).astype(np.int64)
        data = (item >> np.uint64(48)).astype(np.int64)
        more = (item & np.uint64(1 << 32)) != 0
        # an item is whole words, holds its data, and ends before the record does (the last one's padding may be cut)
        bad = (place + 8 + data > limit) | (size < 8 + data) | ((size & 7) != 0) | (more & (place + size + 8 > limit))
        at[rows] = np.where(bad, limit, np.minimum(place + size, limit))
        damaged[rows] = bad
        rows = rows[more & ~bad]
    return at, damaged
