"""Buffer headers, walked by stride; where a header is nonsense, the next plausible one is looked for.

Format: etl-and-wpp-format, 1.1. A stride is believed where it leads to the end of the file or to another header. What
lies between two headers that no stride connects becomes a buffer of its own, whose state says that it is lost.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wsktrace.etl.resync import MAX_STATE, Finder
from wsktrace.etl.unpack import MAX_BUFFER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.source import Source

__all__ = [
    "BAD_END",
    "BAD_HEADER",
    "BAD_PACKING",
    "BAD_RECORD",
    "COMPRESSED",
    "CUT",
    "HEADER",
    "LOST",
    "PLACE",
    "PROC_INDEX",
    "WMI_BUFFER_HEADER",
    "Head",
    "HeaderWalk",
    "Place",
    "as_places",
]

#: bits of ``Buffers.state``
BAD_HEADER, BAD_PACKING, BAD_RECORD, CUT, BAD_END = 1, 2, 4, 8, 16

#: bytes of a buffer header
HEADER = 0x48

#: the header's fields in the vendor's order and names (what follows them is stale on disk)
WMI_BUFFER_HEADER = np.dtype(
    [
        ("BufferSize", "<u4"),
        ("SavedOffset", "<u4"),
        ("CurrentOffset", "<u4"),
        ("ReferenceCount", "<i4"),
        ("TimeStamp", "<i8"),
        ("SequenceNumber", "<i8"),
        ("Clock", "<u8"),  # ClockType and Frequency
        ("ProcessorIndex", "<u2"),
        ("LoggerId", "<u2"),
        ("State", "<u4"),
        ("Offset", "<u4"),
        ("BufferFlag", "<u2"),
        ("BufferType", "<u2"),
    ]
)
_STRUCT = struct.Struct("<IIIiqqQHHIIHH")

#: one buffer: where it is, its bytes on disk, the bits of ``Buffers.state`` so far, whether it has no header
PLACE = np.dtype(
    [("at", np.int64), ("length", np.int64), ("state", np.uint8), ("lost", np.bool_), ("head", WMI_BUFFER_HEADER)]
)

#: bits of BufferFlag
PROC_INDEX, COMPRESSED = 0x20, 0x40
_AHEAD = 8  # headers looked for on the session's grid


class Head(NamedTuple):
    """The fields of WMI_BUFFER_HEADER in the vendor's order."""

    buffer_size: int
    saved_offset: int
    current_offset: int
    reference_count: int
    time_stamp: int
    sequence_number: int
    clock: int
    processor: int
    logger_id: int
    state: int
    offset: int
    buffer_flag: int
    buffer_type: int

    def sound(self) -> bool:
        """Tell whether the fields that steer the walk can be true."""
        return (
            HEADER <= self.buffer_size <= MAX_BUFFER
            and self.buffer_type < 8
            and self.buffer_flag < 0x100
            and self.state < MAX_STATE
        )

    def credible(self) -> bool:
        """Tell whether the declared end of data can be true, too: the header speaks for the stride that led to it."""
        limit = MAX_BUFFER if self.compressed else self.buffer_size
        return self.sound() and HEADER <= self.offset <= limit

    @property
    def compressed(self) -> bool:
        """The buffer says of itself that it is compressed."""
        return bool(self.buffer_flag & COMPRESSED)


#: stands for the header of a lost range
LOST = Head(0, 0, 0, 0, 0, 0, 0, 0xFFFF, 0, 0, 0, PROC_INDEX, 0)


class Place(NamedTuple):
    """One row of ``PLACE``, as long as it is looked at alone."""

    at: int
    length: int
    state: int
    head: Head


def as_places(places: list[Place]) -> NDArray[Any]:
    """Return rows of ``PLACE``."""
    return np.array([(p.at, p.length, p.state, p.head is LOST, tuple(p.head)) for p in places], PLACE)


class HeaderWalk:
    """Walks the headers of a file from its beginning.

    Args:
        source: the file.
        grid: buffer size of the session, at whose multiples headers are looked for first; 0 where it is not known.
        packed: whether the file may hold compressed buffers.
        compression: their format, 0 where it is not known.
    """

    def __init__(self, source: Source, grid: int, *, packed: bool, compression: int = 0) -> None:
        self._source = source
        # compressed buffers stand on no grid
        self._grid = grid if HEADER < grid <= MAX_BUFFER and not compression else 0
        self._finder = Finder(source, self._grid, packed=packed, compression=compression)
        self._block: memoryview = memoryview(b"")
        self._block_at = 0
        self.at = 0

    def use_block(self, block: memoryview, at: int) -> None:
        """Let headers be read from a block of the file that is in memory anyway."""
        self._block, self._block_at = block, at

    def head(self, at: int) -> Head | None:
        """Return the header at a position, None where the file ends before its steering fields do."""
        inside = at - self._block_at
        if 0 <= inside <= len(self._block) - _STRUCT.size:
            return Head._make(_STRUCT.unpack_from(self._block, inside))
        raw = self._source.read(at, _STRUCT.size)
        return Head._make(_STRUCT.unpack(raw)) if len(raw) == _STRUCT.size else None

    def run(self, most: int) -> NDArray[Any]:
        """Pass the next buffers as far as they stand on the session's grid beyond doubt; return them, ``PLACE``.

        Only headers of the block in memory are looked at, and no more than ``most`` buffers are passed.
        """
        grid, inside = self._grid, self.at - self._block_at
        if not grid or not 0 <= inside < len(self._block) - HEADER:
            return np.zeros(0, PLACE)
        count = (len(self._block) - inside - HEADER) // grid + 1
        heads: NDArray[Any] = np.ndarray((count,), WMI_BUFFER_HEADER, self._block, inside, (grid,))
        sound = (heads["BufferSize"] == grid) & (heads["BufferType"] < 8) & (heads["BufferFlag"] < 0x100)
        sound &= (heads["State"] < MAX_STATE) & (heads["Offset"] >= HEADER) & (heads["Offset"] <= grid)
        sound &= (heads["BufferFlag"] & COMPRESSED) == 0
        good = count if sound.all() else int(np.argmin(sound))
        # each needs the next one to speak for it, the file's last one its end
        if not (good == count and self.at + count * grid == self._source.size):
            good -= 1
        places = np.zeros(max(min(good, most), 0), PLACE)
        places["at"] = self.at + grid * np.arange(places.size)
        places["length"] = grid
        places["head"] = heads[: places.size]
        self.at += grid * places.size
        return places

    def peek(self) -> Place | None:
        """Return the buffer at the current position without passing it; None at the end of the file."""
        at, size = self.at, self._source.size
        if at >= size:
            return None
        head = self.head(at)
        if head is None:
            return Place(at, size - at, BAD_HEADER | CUT, LOST)
        if not head.sound():
            return self._doubtful_header(at, head)
        after = at + head.buffer_size
        if head.compressed or head.buffer_size == self._grid:
            if after == size:
                return Place(at, head.buffer_size, 0, head)
            following = self.head(after) if after < size else None
            if following is not None and following.credible():
                return Place(at, head.buffer_size, 0, head)
        return self._doubtful_stride(at, head)

    def passed(self, place: Place) -> None:
        """Move on to what follows a buffer."""
        self.at = place.at + place.length

    def _on_grid(self, at: int, end: int) -> bool:
        """Tell whether a believable header stands on one of the next multiples of the session's buffer size.

        The first of them suffices mostly; the next ones are asked because damage can hit several headers in a row.
        """
        grid = self._grid
        if not grid or at + grid > end:
            return False
        ahead = range(at + grid, min(end, at + _AHEAD * grid) + 1, grid)
        return any(place == self._source.size or self._finder.plausible(place) for place in ahead)

    def _doubtful_stride(self, at: int, head: Head) -> Place:
        """A sound header whose stride is not the session's or does not lead to a sound one."""
        size, stride, grid = self._source.size, head.buffer_size, self._grid
        after = at + stride
        if not head.compressed and stride != grid and self._on_grid(at, min(size, after) - 1):
            return Place(at, grid, BAD_HEADER, head)  # the session's stride leads on, so this one is damaged
        following = self.head(after) if after < size else None
        if after == size or (following is not None and following.credible()):
            return Place(at, stride, 0, head)
        # the next header is damaged, or bytes are missing and it comes earlier
        believed = head.credible() and (head.compressed or stride == grid or after <= size)
        earlier = self._finder.find(at + (HEADER if believed else 1), min(after, size))
        if earlier is not None:
            return Place(at, earlier - at, BAD_HEADER, head if earlier - at >= HEADER else LOST)
        if after <= size:
            return Place(at, stride, 0, head)
        if stride != grid and self._on_grid(at, size):
            return Place(at, grid, BAD_HEADER, head)
        return Place(at, size - at, CUT, head)

    def _doubtful_header(self, at: int, head: Head) -> Place:
        """A header that cannot be true: believe its stride or the session's where one leads on, else search."""
        size, stride = self._source.size, head.buffer_size
        after = at + stride
        if self._source.uniform(at):
            return Place(at, size - at, BAD_HEADER, LOST)  # room that was never written
        if self._on_grid(at, size):
            return Place(at, self._grid, BAD_HEADER, head)
        if HEADER <= stride <= MAX_BUFFER and (after == size or (after < size and self._finder.plausible(after))):
            return Place(at, stride, BAD_HEADER, head)
        found = self._finder.find(at + 1, size)
        return Place(at, (size if found is None else found) - at, BAD_HEADER, LOST)
