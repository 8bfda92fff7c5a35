"""The column sets that the ETL layer hands on: buffers, records, chunks.

A column set is a frozen dataclass of NumPy arrays of one length. No object exists per buffer or per record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["KIND_NAMES", "Buffers", "Chunk", "GuidTable", "Kind", "Records"]


class Kind:
    """Codes of ``Records.kind``: the header type byte of the marker, and two codes for untyped markers.

    Source: the marker table of the format (typed headers ``C0 xx``; 0x90 message; 0xB0 ULONG32 time).
    """

    SYSTEM32 = 1
    SYSTEM64 = 2
    COMPACT32 = 3
    COMPACT64 = 4
    FULL32 = 10
    INSTANCE32 = 11
    TIMED = 12
    ERROR = 13
    WNODE = 14
    MESSAGE = 15  # marker byte 0x90; the value is the vendor's WmiHeader type of a message
    PERFINFO32 = 16
    PERFINFO64 = 17
    EVENT32 = 18
    EVENT64 = 19
    FULL64 = 20
    INSTANCE64 = 21
    ULONG32_TIME = 0xB0


#: Names of the kinds as ``info`` prints them.
KIND_NAMES: dict[int, str] = {
    Kind.SYSTEM32: "System32",
    Kind.SYSTEM64: "System64",
    Kind.COMPACT32: "Compact32",
    Kind.COMPACT64: "Compact64",
    Kind.FULL32: "Full32",
    Kind.INSTANCE32: "Instance32",
    Kind.TIMED: "Timed",
    Kind.ERROR: "Error",
    Kind.WNODE: "Wnode",
    Kind.MESSAGE: "Message(WPP)",
    Kind.PERFINFO32: "PerfInfo32",
    Kind.PERFINFO64: "PerfInfo64",
    Kind.EVENT32: "Event32",
    Kind.EVENT64: "Event64",
    Kind.FULL64: "Full64",
    Kind.INSTANCE64: "Instance64",
    Kind.ULONG32_TIME: "Ulong32Time",
}


@dataclass(slots=True)
class GuidTable:
    """GUIDs met in a trace, as small integers in order of first appearance.

    ``codes`` maps the 16 raw little-endian bytes to the code; ``raw`` is the inverse.
    """

    codes: dict[bytes, int] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)

    def code(self, guid: bytes) -> int:
        """Return the code of 16 raw bytes, a new one where they are met for the first time."""
        known = self.codes.get(guid)
        if known is None:
            known = self.codes[guid] = len(self.raw)
            self.raw.append(guid)
        return known

    def __len__(self) -> int:
        return len(self.raw)

    def text(self, code: int) -> str:
        """Return the GUID in its usual form, lower case without braces."""
        import uuid

        return str(uuid.UUID(bytes_le=self.raw[code]))


@dataclass(frozen=True, slots=True)
class Buffers:
    """The buffers of a file or chunk, in file order. All arrays have one length.

    ``state``: 0 whole; bits: 1 header is nonsense, 2 decompression failed, 4 an unknown marker or size stopped
    the walk, 8 the file ends inside the buffer, 16 the declared end of data lies outside the buffer.
    """

    file_offset: NDArray[np.int64]
    #: bytes of the buffer on disk, header included (its stride)
    disk_size: NDArray[np.int64]
    #: bytes of header plus records after decompression (the header's Offset, clipped to what is there)
    used: NDArray[np.int64]
    #: processor that wrote it; 0xFFFF where the header that says so cannot be believed
    cpu: NDArray[np.uint16]
    flags: NDArray[np.uint16]
    type: NDArray[np.uint16]
    sequence: NDArray[np.int64]
    #: flush time, raw session clock as the header holds it
    flush: NDArray[np.int64]
    compressed: NDArray[np.bool_]
    state: NDArray[np.uint8]
    #: number of records found; raw clock of the first and last record that has a time (0 where none)
    records: NDArray[np.int64]
    first_clock: NDArray[np.int64]
    last_clock: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.file_offset)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one chunk in file order, one array per header field. All arrays have one length.

    Fields that a record's header kind does not have are 0; ``has_thread`` and ``has_time`` say which of the two
    facts exist at all. ``guid`` is a code of the trace's ``GuidTable`` (provider of EVENT, class of FULL and
    INSTANCE, message GUID of MESSAGE), -1 where the header has none.
    """

    #: byte position of the record in ``Chunk.data``
    offset: NDArray[np.int64]
    #: Size of the header, without alignment padding
    size: NDArray[np.int64]
    kind: NDArray[np.uint8]
    #: ordinal of the buffer in the file (the header buffer is 0)
    buffer: NDArray[np.int32]
    #: byte offset of the record in its buffer after decompression
    buffer_offset: NDArray[np.int32]
    cpu: NDArray[np.uint16]
    #: raw session clock
    clock: NDArray[np.int64]
    has_time: NDArray[np.bool_]
    tid: NDArray[np.uint32]
    pid: NDArray[np.uint32]
    has_thread: NDArray[np.bool_]
    guid: NDArray[np.int32]
    #: EVENT id; MESSAGE number; SYSTEM, COMPACT, PERFINFO hook id (group << 8 | type)
    id: NDArray[np.uint16]
    version: NDArray[np.uint8]
    channel: NDArray[np.uint8]
    level: NDArray[np.uint8]
    #: EVENT opcode; FULL and INSTANCE type
    opcode: NDArray[np.uint8]
    task: NDArray[np.uint16]
    keyword: NDArray[np.uint64]
    #: EVENT header Flags; MESSAGE option flags; else 0
    flags: NDArray[np.uint16]
    #: first and one-past-last byte of the user data in ``Chunk.data`` (after extended items, PEBS and PMC words)
    payload: NDArray[np.int64]
    end: NDArray[np.int64]
    #: first byte of the extended data items in ``Chunk.data``, 0 where there are none
    ext: NDArray[np.int64]
    #: MESSAGE with option flag 1: its sequence number in the session; else 0
    sequence: NDArray[np.uint32]
    #: MESSAGE with option flag 4 and not 2: the component id that stands in the GUID's place; else 0
    component: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive buffers of a file, decompressed, with their records.

    ``data`` is one 8-byte-aligned block whose length is a multiple of 8 and which ends in at least 64 spare zero
    bytes, so that a gather of whole words near the end stays inside. Buffers begin at multiples of 8, so records do.
    """

    data: NDArray[np.uint8]
    #: ordinal in the file of the chunk's first buffer
    first_buffer: int
    buffers: Buffers
    records: Records

    def words(self) -> NDArray[np.uint64]:
        """Return the chunk's bytes as little-endian 64-bit words."""
        return self.data.view("<u8")


def concat_buffers(parts: Iterator[Buffers] | list[Buffers]) -> Buffers:
    """Join column sets of buffers; no parts give an empty set."""
    chosen = list(parts)
    if not chosen:
        return Buffers(
            *(np.zeros(0, d) for d in ("i8", "i8", "i8", "u2", "u2", "u2", "i8", "i8", "?", "u1", "i8", "i8", "i8"))
        )
    names = Buffers.__slots__
    return Buffers(*(np.concatenate([getattr(p, n) for p in chosen]) for n in names))
