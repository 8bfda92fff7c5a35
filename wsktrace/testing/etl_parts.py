"""A written trace taken apart into its buffers, so that losses and damage can be done to them.

Reads well-formed files only, such as the writer makes. Source: the design page on the ETL format, 1.1, 1.3, 1.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from wsktrace.errors import UsageError
from wsktrace.etl.types import Kind
from wsktrace.testing.etl_header import BUFFER_HEADER, COMPRESSED

__all__ = ["LogFields", "Part", "join", "log_fields", "patch_log", "record_sizes", "split"]

_HEAD: Final = BUFFER_HEADER.size
_LOG: Final = _HEAD + 0x20
#: Field of the log header → (offset where pointers have 8 bytes, offset where they have 4, struct code).
_FIELDS: Final[dict[str, tuple[tuple[int, int], str]]] = {
    "end_time": ((0x10, 0x10), "<q"),
    "max_file_size": ((0x1C, 0x1C), "<I"),
    "mode": ((0x20, 0x20), "<I"),
    "buffers_written": ((0x24, 0x24), "<I"),
    "events_lost": ((0x30, 0x30), "<I"),
    "cpu_mhz": ((0x34, 0x34), "<I"),
    "frequency": ((0x100, 0xF8), "<q"),
    "start_time": ((0x108, 0x100), "<q"),
    "clock": ((0x110, 0x108), "<I"),
    "buffers_lost": ((0x114, 0x10C), "<I"),
}
#: Header types whose Size stands at +4; of all others at +0.
_SIZE_AT_4: Final = (
    Kind.SYSTEM32,
    Kind.SYSTEM64,
    Kind.COMPACT32,
    Kind.COMPACT64,
    Kind.PERFINFO32,
    Kind.PERFINFO64,
)


@dataclass(slots=True, eq=False)
class Part:
    """One buffer of a file, bytes as on disk."""

    data: bytearray

    def get(self, offset: int, code: str) -> int:
        """Return the integer of that ``struct`` code at an offset."""
        return int(struct.unpack_from(code, self.data, offset)[0])

    @property
    def used(self) -> int:
        """Bytes of header and records, uncompressed."""
        return self.get(0x30, "<I")

    @property
    def flush(self) -> int:
        """Raw clock at which the buffer was flushed."""
        return self.get(0x10, "<q")

    @property
    def sequence(self) -> int:
        """SequenceNumber."""
        return self.get(0x18, "<q")

    @sequence.setter
    def sequence(self, number: int) -> None:
        struct.pack_into("<q", self.data, 0x18, number)

    @property
    def flags(self) -> int:
        """BufferFlag."""
        return self.get(0x34, "<H")

    @flags.setter
    def flags(self, flags: int) -> None:
        struct.pack_into("<H", self.data, 0x34, flags)

    @property
    def cpu(self) -> int:
        """Processor of a data buffer."""
        index = self.get(0x28, "<H")
        return index & 0x7FF if self.flags & 0x20 else index & 0xFF


@dataclass(frozen=True, slots=True)
class LogFields:
    """Fields of the log header that losses change or need; ``header_clock`` is the raw clock at StartTime."""

    end_time: int
    max_file_size: int
    mode: int
    buffers_written: int
    events_lost: int
    cpu_mhz: int
    frequency: int
    start_time: int
    clock: int
    buffers_lost: int
    header_clock: int

    def filetime(self, clock: int) -> int:
        """FILETIME at a raw clock, rounded down."""
        delta = clock - self.header_clock
        if self.clock == 1:
            delta = delta * 10_000_000 // self.frequency
        elif self.clock == 3:
            delta = delta * 10 // self.cpu_mhz
        return self.start_time + delta


def split(data: bytes) -> list[Part]:
    """Cut a file into its buffers, the header buffer first. Bytes after the last whole buffer are left out."""
    parts, at = [], 0
    while at + _HEAD <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if size < _HEAD or at + size > len(data):
            break
        parts.append(Part(bytearray(data[at : at + size])))
        at += size
    if not parts:
        raise UsageError("the file does not begin with a whole buffer")
    return parts


def join(parts: list[Part]) -> bytes:
    """Put buffers together as a file."""
    return b"".join(bytes(part.data) for part in parts)


def _column(header: Part) -> int:
    return 0 if header.data[_HEAD + 2] == Kind.SYSTEM64 else 1


def log_fields(header: Part) -> LogFields:
    """Read the log header of the first buffer."""
    column = _column(header)
    values = {name: header.get(_LOG + places[column], code) for name, (places, code) in _FIELDS.items()}
    return LogFields(**values, header_clock=header.get(_HEAD + 0x10, "<q"))


def patch_log(header: Part, **values: int) -> None:
    """Overwrite fields of the log header by name."""
    column = _column(header)
    for name, value in values.items():
        places, code = _FIELDS[name]
        struct.pack_into(code, header.data, _LOG + places[column], value)


def records(part: Part, compression: int = 0) -> bytes:
    """Return a buffer's records, uncompressed. ``compression``: the RTL COMPRESSION_FORMAT of the file."""
    size = part.used - _HEAD
    if not part.flags & COMPRESSED:
        return bytes(part.data[_HEAD : part.used])
    import pyfwnt

    decoders = {2: pyfwnt.lznt1_decompress, 3: pyfwnt.lzxpress_decompress, 4: pyfwnt.lzxpress_huffman_decompress}
    plain: bytes = decoders[compression](bytes(part.data[_HEAD:]), size)
    return plain


def record_sizes(part: Part, compression: int = 0) -> list[int]:
    """Return the bytes that each record of a buffer takes, padding included."""
    data, sizes, at = records(part, compression), [], 0
    while at + 8 <= len(data):
        typed = data[at + 3] == 0xC0 and data[at + 2] in _SIZE_AT_4
        size = int.from_bytes(data[at + 4 : at + 6] if typed else data[at : at + 2], "little")
        sizes.append(size + 7 & ~7)
        at += sizes[-1]
    return sizes
