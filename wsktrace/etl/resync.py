"""Looks for a buffer header where no stride leads to one: after a damaged header, a gap, or bytes that went missing.

A place is plausible when its header's fields can be true, its records begin with a known marker, and something speaks
for its stride: it is the session's, it leads to the end of the file or to another such header, or the bytes it spans
unpack to the length that the header declares. Places are tested by the megabyte, not one by one, and at every byte:
compressed buffers have any length.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wsktrace.etl.records import KIND_OF_MARKER
from wsktrace.etl.unpack import MAX_BUFFER, Unpacker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.source import Source

__all__ = ["MAX_STATE", "Finder"]

#: a header's State is below this: 3 (flush) in nearly all on disk, 0 in some header buffers, a format in packed files
MAX_STATE = 16

_HEADER = 0x48
_NEEDED = 0x50  # bytes from a header's start that the test looks at
_FIELDS = struct.Struct("<I40xIIHH18xH4x")  # BufferSize, State, Offset, BufferFlag, BufferType; upper half of a marker
_WINDOW = 1 << 20
_FLAG_COMPRESSED = 0x40
_CHECKS = 200_000  # places whose stride is followed, and one for each page; bytes made to be traps need more
_UNPACKED = 256 << 20  # bytes unpacked to find out whether a place is a buffer


class _Candidate(NamedTuple):
    """A place whose own fields can be true."""

    at: int
    stride: int
    offset: int
    packed: bool


def _u32(block: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(at.size, np.int64)
    for byte in range(4):
        total |= block[at + byte].astype(np.int64) << (8 * byte)
    return total


class Finder:
    """Finds plausible headers in one file.

    Args:
        source: the file.
        grid: buffer size of the session, 0 where it is not known.
        packed: whether compressed buffers are to be believed in.
        compression: format of compressed buffers, 0 where it is not known.
    """

    def __init__(self, source: Source, grid: int, *, packed: bool, compression: int = 0) -> None:
        self._source = source
        self._grid = grid
        self._packed = packed
        self._checks = _CHECKS + (source.size >> 12)
        self._unpacker = Unpacker(compression, 0)
        self._unpacker.budget = _UNPACKED

    def plausible(self, at: int) -> bool:
        """Tell whether a believable header is at a position."""
        candidate = self._candidate(at)
        return candidate is not None and self._speaks_for(candidate)

    def find(self, begin: int, end: int) -> int | None:
        """Return the first plausible header whose first byte is in [begin, end), None where there is none."""
        end = min(end, self._source.size)
        while begin < end:
            width = min(_WINDOW, end - begin)
            for candidate in self._candidates(begin, width):
                self._checks -= 1
                if self._checks < 0:
                    return None
                if self._speaks_for(candidate):
                    return candidate.at
            begin += width
        return None

    def _candidate(self, at: int) -> _Candidate | None:
        """Return the place if a header's own fields can be true there: `_candidates` for one byte of the file."""
        raw = self._source.read(at, _NEEDED)
        if len(raw) < _NEEDED:
            return None
        stride, state, offset, flags, kind, half = _FIELDS.unpack(raw)
        if kind >= 8 or flags >= 0x100 or state >= MAX_STATE or not _HEADER <= stride <= MAX_BUFFER:
            return None
        packed = bool(flags & _FLAG_COMPRESSED)
        if packed:
            good = self._packed and _HEADER <= offset <= MAX_BUFFER
        else:
            good = _HEADER <= offset <= stride and (offset == _HEADER or KIND_OF_MARKER[half] != 0)
        return _Candidate(at, stride, offset, packed) if good else None

    def _candidates(self, begin: int, width: int) -> list[_Candidate]:
        """Return all places in a window of the file where a header's own fields can be true."""
        block = np.frombuffer(self._source.read(begin, width + _NEEDED - 1), np.uint8)
        count = min(width, block.size - _NEEDED + 1)
        if count <= 0:
            return []
        possible = np.ones(count, np.bool_)
        for byte, below in (
            (0x37, 1),  # BufferType
            (0x36, 8),
            (0x35, 1),  # BufferFlag
            (0x2F, 1),  # State
            (0x2E, 1),
            (0x2D, 1),
            (0x2C, MAX_STATE),
            (0x03, (MAX_BUFFER >> 24) + 1),  # BufferSize
            (0x33, (MAX_BUFFER >> 24) + 1),  # Offset
        ):
            possible &= block[byte : byte + count] < below
        at = np.flatnonzero(possible)
        stride, offset = _u32(block, at), _u32(block, at + 0x30)
        packed = (block[at + 0x34] & _FLAG_COMPRESSED) != 0
        half = block[at + 0x4A].astype(np.int64) | block[at + 0x4B].astype(np.int64) << 8
        records = (offset == _HEADER) | (KIND_OF_MARKER[half] != 0)
        good = (stride >= _HEADER) & (stride <= MAX_BUFFER) & (offset >= _HEADER) & (offset <= MAX_BUFFER)
        good &= (packed & self._packed) | (~packed & (offset <= stride) & records)
        columns = (at[good] + begin, stride[good], offset[good], packed[good])
        return [_Candidate(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def _speaks_for(self, candidate: _Candidate) -> bool:
        """Tell whether more than its own fields speaks for a place."""
        after = candidate.at + candidate.stride
        if after == self._source.size:
            return True
        if after > self._source.size:
            return False
        if (candidate.stride == self._grid and not candidate.packed) or self._candidate(after):
            return True
        if candidate.packed:
            body = self._source.read(candidate.at + _HEADER, candidate.stride - _HEADER)
            out = self._unpacker.unpack(body, candidate.offset - _HEADER)
            return out is not None and KIND_OF_MARKER[int.from_bytes(out[2:4], "little")] != 0
        return False
