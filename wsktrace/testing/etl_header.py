"""The header buffer of a trace file, and the header of every buffer.

Source: the design page on the ETL format, 1.1 (WMI_BUFFER_HEADER), 1.3 (log header) and 1.7 (group 0 records of the
header buffer's tail).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wsktrace.errors import UsageError
from wsktrace.testing import etl_records
from wsktrace.testing.etl_options import FORMATS, MODE_COMPRESSED

if TYPE_CHECKING:
    from wsktrace.testing.etl_options import TraceOptions

__all__ = ["BUFFER_HEADER", "BufferHeader", "header_buffer"]

#: BufferSize, SavedOffset, CurrentOffset, ReferenceCount, TimeStamp, SequenceNumber, Clock, ProcessorIndex, LoggerId,
#: State, Offset, BufferFlag, BufferType, ReferenceTime.
BUFFER_HEADER: Final = struct.Struct("<IIIiqqQHHIIHHQQ")
FLUSH_MARKER, EVENTS_LOST, BUFFER_LOST, PROC_INDEX, COMPRESSED = 0x01, 0x02, 0x04, 0x20, 0x40
TYPE_GENERIC, TYPE_HEADER = 0, 4
_FLUSHED: Final = 3
#: Zone names, dates (month, week day, week of the month, hour) and biases of Central Europe, bias -60 minutes.
_ZONE: Final = struct.pack("<i", -60) + b"".join(
    struct.pack("<64s8Hi", name.encode("utf-16-le"), 0, month, 0, 5, hour, 0, 0, 0, bias)
    for name, month, hour, bias in (("@tzres.dll,-322", 10, 3, 0), ("@tzres.dll,-321", 3, 2, -60))
)


@dataclass(frozen=True, slots=True)
class BufferHeader:
    """What differs from one data buffer to the next; ``used`` counts header and records, uncompressed."""

    disk_size: int
    used: int
    current: int
    flush: int
    sequence: int
    cpu: int
    flags: int

    def pack(self, options: TraceOptions) -> bytes:
        """Return the 0x48 bytes."""
        stale = (0, 0, 0)
        if options.stale and self.sequence % 4:
            heap = 0xFFFFAC8598000000 + (self.sequence << 16)
            stale = (heap | 0x20, heap + 0x10038, heap - 0xFFC8)
        return BUFFER_HEADER.pack(
            self.disk_size,
            self.used,
            self.current & 0xFFFFFFFF,
            0,
            self.flush,
            self.sequence,
            stale[0],
            processor(options, self.cpu),
            options.logger_id,
            _FLUSHED,
            self.used,
            self.flags | (PROC_INDEX if options.processor_index else 0),
            TYPE_GENERIC,
            *stale[1:],
        )


def processor(options: TraceOptions, cpu: int) -> int:
    """Return the 16 bits of ProcessorIndex: 11 bits, or the Windows 7 form (number, alignment 8)."""
    limit = 0x7FF if options.processor_index else 0xFF
    if not 0 <= cpu <= limit:
        raise UsageError(f"CPU {cpu} does not fit the buffer header; the highest is {limit}")
    return cpu if options.processor_index else cpu | 0x0800


def _log_header(options: TraceOptions, processors: int, end_clock: int, buffers_written: int) -> bytes:
    """Return TRACE_LOGFILE_HEADER and the two names."""
    compressed = options.compression != "none"
    layout = options.layout or ((2, 0) if compressed else (1, 5))
    head = struct.pack(
        "<IBBBBIIqIIIIIIII",
        options.buffer_size,
        *options.os,
        *layout,
        options.build,
        processors,
        options.filetime_at(end_clock) if options.stopped else 0,
        156250,
        options.max_file_size,
        options.mode | (MODE_COMPRESSED if compressed else 0),
        buffers_written,
        1,
        options.pointer_size,
        options.events_lost,
        options.cpu_mhz,
    )
    # since Windows 7 the two name pointers hold small numbers (timer source of the HAL)
    pointers = struct.pack("<QQ" if options.pointer_size == 8 else "<II", 10, 7)
    tail = struct.pack(
        "<IqqqII",
        0,
        options.boot_time,
        options.frequency,
        options.start,
        options.clock,
        options.buffers_lost,
    )
    names = "".join(name + "\0" for name in (options.logger_name, options.log_file_name)).encode("utf-16-le")
    return head + pointers + _ZONE + tail + names


def header_buffer(options: TraceOptions, processors: int, end_clock: int, buffers_written: int) -> bytes:
    """Return the first buffer of the file.

    Its records are the log header, the extension record, and the tail that ETW writes when the session stops; the
    tail lies after SavedOffset, as in files of Windows 10 and later. It is never compressed; in a compressed file it
    is as short as its records allow and State names the compression format.
    """
    width, clock = options.pointer_size, options.origin
    log = _log_header(options, processors, end_clock, buffers_written)
    parts = [(0, log), (5, bytes(0x30))] if options.extension else [(0, log)]
    records = [
        etl_records.system(0, kind, data, clock, tid=options.tid, pid=options.pid, pointer_size=width)
        for kind, data in parts
    ]
    tail = []
    if options.stopped and options.build_lab:
        lab = options.build_lab.encode() + b"\0"
        tail.append(etl_records.perfinfo(0, 66, lab, clock, version=0x2000, pointer_size=width))
    if options.stopped:
        for guid, age, path in options.pdbs:
            rsds = guid + struct.pack("<I", age) + path.encode() + b"\0"
            tail.append(etl_records.perfinfo(0, 64, rsds, clock, version=0x2000, pointer_size=width))
    first = b"".join(pad(r.data) for r in records)
    body = first + b"".join(pad(r.data) for r in tail)
    saved, used = BUFFER_HEADER.size + len(first), BUFFER_HEADER.size + len(body)
    compressed = options.compression != "none"
    size = min(options.buffer_size, used + 0x3FF & ~0x3FF) if compressed else options.buffer_size
    if used > size:
        raise UsageError(f"the header buffer needs {used} bytes: a buffer size of {size} is too small")
    head = BUFFER_HEADER.pack(
        size,
        saved if options.processor_index else 0,
        saved,
        0,
        0,
        0,
        0,
        processor(options, 0),
        options.logger_id,
        FORMATS[options.compression] or _FLUSHED,
        used,
        FLUSH_MARKER | (PROC_INDEX if options.processor_index else 0),
        TYPE_HEADER,
        0,
        0,
    )
    return (head + body).ljust(size, b"\xff")


def pad(data: bytes) -> bytes:
    """Append zeros up to a multiple of 8."""
    return data + bytes(-len(data) % 8)
