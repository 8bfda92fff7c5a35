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
_LINKAGE = 1 << 32  # the item word's bit that says that another one follows


def after_counters(version: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the bytes that a SYSTEM or PERFINFO header's Version word says follow the fixed header.

    8 for an index of processor event based sampling (0x8000), 8 for each performance counter (bits 8 to 10).
    """
    extra: NDArray[np.int64] = ((version >> 8) & 7).astype(np.int64) + ((version & _PEBS_INDEX) != 0)
    return extra * 8


def after_items(
    words: NDArray[np.int64], begin: NDArray[np.int64], end: NDArray[np.int64]
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
    rows: NDArray[np.int64] | slice = slice(None)
    place, limit = begin, end
    while place.size:
        item = words.take(place >> 3, mode="clip")
        size = item & 0xFFFF
        filled = ((item >> 48) & 0xFFFF) + 8  # of Size: the item's own header and its data
        more = (item & _LINKAGE) != 0
        after = place + size
        # an item is whole words, holds its data, and ends before the record does (the last one's padding may be cut)
        bad = (filled > size) | ((size & 7) != 0) | (place + filled > limit) | (more & (after + 8 > limit))
        if bad.any():
            damaged[rows] = bad
            after[bad] = limit[bad]
            more &= ~bad
        at[rows] = np.minimum(after, limit)
        if not more.all():
            rows = np.flatnonzero(more) if isinstance(rows, slice) else rows[more]
            after, limit = after[more], limit[more]
        place = after
    return at, damaged
