"""Looks for a buffer header where no stride leads to one: after a damaged header, a gap, or bytes that went missing.

A place is plausible when its header's fields can be true, its records begin with a known marker, and its own stride
leads to the end of the file or to another header that can be true. Places are tested by the megabyte, not one by one,
and at every byte: compressed buffers have any length.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.etl.records import KIND_OF_MARKER
from wsktrace.etl.unpack import MAX_BUFFER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.source import Source

__all__ = ["MAX_STATE", "Finder"]

_HEADER = 0x48
_NEEDED = 0x50  # bytes from a header's start that the test looks at
_WINDOW = 1 << 20
_FLAG_COMPRESSED = 0x40
#: a header's State is below this: 3 (flush) in nearly all on disk, 0 in some header buffers, a format in packed files
MAX_STATE = 16
_CHECKS = 1_000_000  # places of one file whose stride is followed; only bytes made to look like headers need more


def _u32(block: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(at.size, np.int64)
    for byte in range(4):
        total |= block[at + byte].astype(np.int64) << (8 * byte)
    return total


class Finder:
    """Finds plausible headers in one file.

    Args:
        source: the file.
        grid: buffer size of the session, 0 where it is not known; a stride other than that must lead to a header that is
            plausible itself.
        packed: whether compressed buffers are to be believed in; nothing inside them tells them from noise.
    """

    def __init__(self, source: Source, grid: int, *, packed: bool) -> None:
        self._source = source
        self._grid = grid
        self._packed = packed
        self._checks = _CHECKS

    def plausible(self, at: int) -> bool:
        """Tell whether a believable header is at a position."""
        return self.find(at, at + 1) is not None

    def find(self, begin: int, end: int) -> int | None:
        """Return the first plausible header whose first byte is in [begin, end), None where there is none."""
        end = min(end, self._source.size)
        while begin < end:
            width = min(_WINDOW, end - begin)
            block = np.frombuffer(self._source.read(begin, width + _NEEDED - 1), np.uint8)
            for place, stride in self._candidates(block, width):
                self._checks -= 1
                if self._checks < 0:
                    return None
                if self._leads_on(begin + place, stride):
                    return begin + place
            begin += width
        return None

    def _candidates(self, block: NDArray[np.uint8], width: int) -> list[tuple[int, int]]:
        """Return place and stride of all headers in a window whose own fields can be true."""
        count = min(width, block.size - _NEEDED + 1)
        if count <= 0:
            return []
        possible = block[0x37 : 0x37 + count] == 0
        possible &= block[0x35 : 0x35 + count] == 0
        possible &= block[0x36 : 0x36 + count] < 8
        possible &= block[0x2F : 0x2F + count] == 0
        possible &= block[0x2E : 0x2E + count] == 0
        possible &= block[0x2D : 0x2D + count] == 0
        possible &= block[0x2C : 0x2C + count] < MAX_STATE
        possible &= block[0x03 : 0x03 + count] <= MAX_BUFFER >> 24
        possible &= block[0x33 : 0x33 + count] <= MAX_BUFFER >> 24
        at = np.flatnonzero(possible)
        stride, offset = _u32(block, at), _u32(block, at + 0x30)
        good = (stride >= _HEADER) & (stride <= MAX_BUFFER) & (offset >= _HEADER) & (offset <= MAX_BUFFER)
        at, stride, offset = at[good], stride[good], offset[good]
        packed = (block[at + 0x34] & _FLAG_COMPRESSED) != 0
        if not self._packed:
            at, stride, offset, packed = at[~packed], stride[~packed], offset[~packed], packed[~packed]
        half = block[at + 0x4A].astype(np.int64) | block[at + 0x4B].astype(np.int64) << 8
        good = packed | ((offset <= stride) & ((offset == _HEADER) | (KIND_OF_MARKER[half] != 0)))
        return list(zip(at[good].tolist(), stride[good].tolist(), strict=True))

    def _leads_on(self, at: int, stride: int) -> bool:
        after = at + stride
        if after >= self._source.size:
            return after == self._source.size
        raw = self._source.read(after, 0x38)
        if len(raw) < 0x38:
            return False
        (size,) = struct.unpack_from("<I", raw)
        state, _, flags, kind = struct.unpack_from("<IIHH", raw, 0x2C)
        if not (_HEADER <= size <= MAX_BUFFER and kind < 8 and flags < 0x100 and state < MAX_STATE):
            return False
        if stride == self._grid:
            return True
        block = np.frombuffer(self._source.read(after, _NEEDED), np.uint8)
        return bool(self._candidates(block, 1))
