"""The buffers of a tracing session: records of every CPU are packed into buffers, buffers are flushed in order of time.

Each CPU has one open buffer. A record that does not fit flushes it and takes a new one; the new buffer gets the
session's next SequenceNumber. So numbers follow the order in which buffers were taken, the file the order in which
they were flushed. Source: the design page on the ETL format, 1.1 and 1.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from wsktrace.errors import FormatError
from wsktrace.testing.etl_header import BUFFER_HEADER, COMPRESSED, FLUSH_MARKER, BufferHeader, header_buffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from wsktrace.testing.etl_options import TraceOptions
    from wsktrace.testing.etl_records import RawRecord

__all__ = ["Session", "Stream", "Summary", "streams"]

_HEAD = BUFFER_HEADER.size
#: Deadline where no timer runs.
_NEVER = 2**63 - 1


@dataclass(slots=True)
class Stream:
    """Records of one CPU in order of time: their bytes (each record padded to 8), where each ends, clock, position.

    ``data`` uint8; ``ends``, ``clocks``, ``positions`` int64, one per record. A position is the record's place among
    all records of the session in order of time.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    clocks: NDArray[np.int64]
    positions: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written: data buffers, records in them, bytes of the file, raw clock of the session's end."""

    buffers: int
    records: int
    size: int
    end_clock: int


@dataclass(slots=True, eq=False)
class _Open:
    """A buffer that has been taken; ``deadline`` is the raw clock of the next flush by the timer."""

    cpu: int
    taken: int
    deadline: int
    sequence: int = 0
    used: int = 0
    parts: list[NDArray[np.uint8]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Flush:
    """A buffer that is flushed: when, in which order among flushes of one clock, and how far CurrentOffset overshot."""

    key: tuple[int, int, int]
    buffer: _Open
    over: int


def streams(records: Iterable[RawRecord]) -> dict[int, Stream]:
    """Sort records by time (those of one clock keep their order) and join those of each CPU."""
    ordered = sorted(records, key=lambda r: r.clock)
    by_cpu: dict[int, list[int]] = {}
    for position, record in enumerate(ordered):
        by_cpu.setdefault(record.cpu, []).append(position)
    out = {}
    for cpu in sorted(by_cpu):
        positions = by_cpu[cpu]
        chosen = [ordered[p].data for p in positions]
        sizes = np.fromiter((len(d) + 7 & ~7 for d in chosen), np.int64, len(chosen))
        joined = b"".join(d + bytes(-len(d) % 8) for d in chosen)
        clocks = np.fromiter((ordered[p].clock for p in positions), np.int64, len(chosen))
        out[cpu] = Stream(np.frombuffer(joined, np.uint8), np.cumsum(sizes), clocks, np.array(positions, np.int64))
    return out


class Session:
    """Writes a trace file. ``feed`` it batches of records, each later than the one before, then ``close`` it."""

    def __init__(self, options: TraceOptions, out: BinaryIO) -> None:
        """Begin the file at the present position of ``out``, which must be seekable."""
        self._options = options
        self._out = out
        self._begin = out.tell()
        self._open: dict[int, _Open] = {}
        self._sequence = options.first_sequence
        self._flush_ticks = 0 if options.flush_ns is None else max(1, options.ticks(options.flush_ns))
        self._records = 0
        self._buffers = 0
        self._last = options.origin
        self._processors = 1
        self._filler = b"\xff" * options.buffer_size
        out.write(bytes(len(header_buffer(options, 1, options.origin, 0))))

    def feed(self, batch: Mapping[int, Stream]) -> None:
        """Place the records of a batch. The arrays may be changed afterwards."""
        taken: list[_Open] = []
        flushed: list[_Flush] = []
        for cpu in sorted(batch):
            stream = batch[cpu]
            if len(stream.ends):
                self._place(cpu, stream, taken, flushed)
                self._records += len(stream.ends)
                self._last = max(self._last, int(stream.clocks[-1]))
                self._processors = max(self._processors, cpu + 1)
        self._timer(self._last, flushed)
        self._settle(taken, flushed)
        for held in self._open.values():
            held.parts = [np.concatenate(held.parts)]

    def close(self) -> Summary:
        """Flush what is open, write the header buffer and the trailing bytes."""
        options = self._options
        end = options.clock_at(options.end) if options.end is not None else self._last + max(1, options.ticks(10**6))
        flushed: list[_Flush] = []
        self._timer(end, flushed)
        self._settle([], flushed)
        rest = [_Flush((end, 2, cpu), self._open[cpu], options.buffer_size) for cpu in sorted(self._open)]
        self._open = {}
        for n, flush in enumerate(rest):
            self._write(flush, FLUSH_MARKER if n + 1 == len(rest) else 0)
        self._out.write(options.trailing)
        finish = self._out.tell()
        count = options.buffers_written
        if count is None:
            count = self._buffers + 1 if options.stopped else 1
        self._out.seek(self._begin)
        self._out.write(header_buffer(options, options.processors or self._processors, end, count))
        self._out.seek(finish)
        return Summary(self._buffers, self._records, finish - self._begin, end)

    def _place(self, cpu: int, stream: Stream, taken: list[_Open], flushed: list[_Flush]) -> None:
        """Pack one CPU's records; note which buffers are taken and flushed by it."""
        capacity = self._options.buffer_size - _HEAD
        begin, offset, count = 0, 0, len(stream.ends)
        held = self._open.pop(cpu, None)
        while begin < count:
            if held is None:
                held = _Open(cpu, int(stream.positions[begin]), self._deadline(int(stream.clocks[begin])))
                taken.append(held)
            stop = int(np.searchsorted(stream.ends, offset + capacity - held.used, "right"))
            if int(stream.clocks[min(stop, count - 1)]) >= held.deadline:
                stop = min(stop, int(np.searchsorted(stream.clocks, held.deadline, "left")))
            if stop > begin:
                end = int(stream.ends[stop - 1])
                held.parts.append(stream.data[offset:end])
                held.used += end - offset
                begin, offset = stop, end
            elif not held.used:
                size = int(stream.ends[begin]) - offset
                raise FormatError(f"a record of {size} bytes does not fit a buffer of {self._options.buffer_size}")
            if begin == count:
                break
            if int(stream.clocks[begin]) >= held.deadline:
                flushed.append(_Flush((held.deadline, 0, cpu), held, 0))
            else:
                key = (int(stream.clocks[begin]), 1, int(stream.positions[begin]))
                flushed.append(_Flush(key, held, int(stream.ends[begin]) - offset))
            held = None
        if held is not None:
            self._open[cpu] = held

    def _deadline(self, clock: int) -> int:
        """Return the raw clock of the first flush by the timer after ``clock``."""
        ticks, origin = self._flush_ticks, self._options.origin
        return origin + ((clock - origin) // ticks + 1) * ticks if ticks else _NEVER

    def _timer(self, until: int, flushed: list[_Flush]) -> None:
        """Flush the open buffers whose timer runs out up to ``until``."""
        for cpu, held in list(self._open.items()):
            if held.deadline <= until:
                flushed.append(_Flush((held.deadline, 0, cpu), held, 0))
                del self._open[cpu]

    def _settle(self, taken: list[_Open], flushed: list[_Flush]) -> None:
        """Number the buffers in the order they were taken, write them in the order they were flushed."""
        for held in sorted(taken, key=lambda b: b.taken):
            held.sequence = self._sequence
            self._sequence += 1
        for flush in sorted(flushed, key=lambda f: f.key):
            self._write(flush, 0)

    def _write(self, flush: _Flush, flags: int) -> None:
        options, held = self._options, flush.buffer
        used = _HEAD + held.used
        size = options.buffer_size
        parts: list[bytes | memoryview] = [part.data for part in held.parts]
        if options.compression != "none":
            from wsktrace.testing.compress import compress

            plain = b"".join(parts)
            packed = compress(options.compression, plain)
            flags |= COMPRESSED if len(packed) < len(plain) else 0
            stored = min(packed, plain, key=len)
            parts, size = [stored], _HEAD + len(stored)
        else:
            parts.append(self._filler[used:])
        current = used + flush.over
        head = BufferHeader(size, used, current, flush.key[0], held.sequence, held.cpu, flags)
        self._out.write(head.pack(options))
        for part in parts:
            self._out.write(part)
        self._buffers += 1
