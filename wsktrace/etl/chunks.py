"""The file in chunks of whole buffers: read, unpacked, walked, and turned into columns.

A chunk's memory is bounded by what was asked for (or by one buffer, which is bounded itself); nothing of it is kept
once it was handed on, except some numbers per buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.etl import buffers as bf
from wsktrace.etl.columns import read_columns
from wsktrace.etl.records import KIND_OF_MARKER, find_records
from wsktrace.etl.resync import MAX_STATE
from wsktrace.etl.types import Buffers, Chunk, Records
from wsktrace.etl.unpack import MAX_BUFFER, Unpacker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wsktrace.etl.accounting import Ledger
    from wsktrace.etl.buffers import Place
    from wsktrace.etl.guids import GuidIndex
    from wsktrace.etl.logheader import LogHeader
    from wsktrace.etl.source import Source

__all__ = ["MAX_CHUNK", "read_chunks"]

#: largest chunk that can be asked for
MAX_CHUNK = 1 << 30

_SPARE = 64  # zero bytes behind a chunk's last buffer
_LEAST = 1 << 20
_PACKED_PART = 4  # of a file with compressed buffers, a block of a quarter of the chunk is read at once


def _aligned(length: int) -> int:
    return (length + 7) & ~7


class _Block:
    """A piece of the file in memory, at the beginning of an array with room for the spare bytes."""

    def __init__(self) -> None:
        self.data: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.at = 0
        self.length = 0

    def load(self, source: Source, at: int, length: int) -> None:
        self.length = 0
        self.data = np.empty(_aligned(length) + _SPARE, np.uint8)
        got = source.read_into(at, memoryview(self.data)[:length])  # type: ignore[arg-type]
        self.data[got:] = 0  # a file that shrank while it was read ends in zeros
        self.at, self.length = at, length

    def holds(self, at: int, length: int) -> bool:
        return self.at <= at and at + length <= self.at + self.length


class _Reader:
    """Reads one file from beginning to end."""

    def __init__(self, source: Source, header: LogHeader, guids: GuidIndex, ledger: Ledger, chunk_bytes: int) -> None:
        self._source, self._header, self._guids, self._ledger = source, header, guids, ledger
        self._limit = min(max(chunk_bytes, 1), MAX_CHUNK)
        packed = header.compression != 0 or bool(header.damaged)
        self._walk = bf.HeaderWalk(source, header.buffer_size, packed=packed, compression=header.compression)
        self._unpacker = Unpacker(header.compression, source.size)
        self._block = _Block()
        self._ordinal = 0

    def chunks(self, progress: Callable[[int, int], None] | None) -> Iterator[Chunk]:
        total = self._source.size
        while (place := self._walk.peek()) is not None:
            places = self._collect(place)
            if places.size:
                yield self._chunk(places)
            if progress is not None:
                progress(self._walk.at, total)

    def _must_unpack(self, place: Place) -> bool:
        head = place.head
        return head.compressed or (self._header.compression != 0 and head.offset > place.length)

    def _room(self, place: Place) -> int:
        if place.head is bf.LOST:
            return 0
        return _aligned(min(place.head.offset, MAX_BUFFER) if self._must_unpack(place) else place.length)

    def _collect(self, place: Place) -> NDArray[Any]:
        """Load a block and pass all buffers that lie in it whole and fit into the chunk; rows of ``PLACE``."""
        block, walk, size, grid = self._block, self._walk, self._source.size, self._header.buffer_size
        if not block.holds(place.at, place.length):
            want = self._limit // _PACKED_PART if self._header.compression else self._limit
            body = 0 if place.head is bf.LOST else place.length
            block.load(self._source, place.at, min(max(want, min(_LEAST, self._limit), body), size - place.at))
            walk.use_block(memoryview(block.data)[: block.length], block.at)  # type: ignore[arg-type]
        parts = [walk.run(self._limit // max(grid, 1))]
        room = int(parts[0]["length"].sum())
        single: list[Place] = []
        while (upcoming := walk.peek()) is not None:
            room += self._room(upcoming)
            inside = block.holds(upcoming.at, upcoming.length)
            if (single or parts[0].size) and (room > self._limit or not inside):
                break
            walk.passed(upcoming)
            if self._is_filler(upcoming):
                self._ledger.add_filler(upcoming.length)
                break
            single.append(upcoming)
            if not inside:
                break
        parts.append(bf.as_places(single))
        return np.concatenate(parts)

    def _is_filler(self, place: Place) -> bool:
        """Tell whether a nonsense header at the end of the file is really room that was never written."""
        if not place.state & bf.BAD_HEADER or place.at + place.length != self._source.size:
            return False
        return self._source.uniform(place.at)

    def _chunk(self, places: NDArray[Any]) -> Chunk:
        head = places["head"]
        at, length, lost = places["at"].copy(), places["length"].copy(), places["lost"].copy()
        state, offset = places["state"].copy(), head["Offset"].astype(np.int64)
        flags = head["BufferFlag"].copy()
        to_unpack = (flags & bf.COMPRESSED) != 0
        if self._header.compression:
            to_unpack |= ~lost & (offset > length)
        # a declared end of data that cannot be is replaced by the end of the buffer
        outside = (offset < bf.HEADER) | (~to_unpack & (offset > length)) | (to_unpack & (offset > MAX_BUFFER))
        cut = (state & bf.CUT) != 0
        state[outside & ~lost & ~(cut & (offset >= bf.HEADER))] |= bf.BAD_END
        used = np.where(outside, length, offset)
        used[lost] = 0
        block = self._block
        in_place = block.at == at[0] and not to_unpack.any() and not ((at - block.at)[~lost] & 7).any()
        if in_place and block.holds(int(at[-1]), int(length[-1])):
            start = at - block.at
            end = int(start[-1] + length[-1])
            data = block.data[: _aligned(end) + _SPARE]
            block.length = 0  # handed on, and what follows its last buffer is overwritten
            self._walk.use_block(memoryview(b""), 0)
            data[end:] = 0
        elif len(at) == 1 and lost[0]:  # one lost range, larger than a block
            start, data = np.zeros(1, np.int64), np.zeros(_SPARE, np.uint8)
        else:
            start, data = self._copy(places, used, to_unpack, state)
        stop = start + used
        first = np.minimum(start + bf.HEADER, np.maximum(stop, start) & ~7)
        walk = find_records(data, first, stop)
        cpu = np.where(flags & bf.PROC_INDEX, head["ProcessorIndex"] & 0x7FF, head["ProcessorIndex"] & 0xFF)
        unsound = lost | (head["BufferType"] >= 8) | (flags >= 0x100) | (head["State"] >= MAX_STATE)
        cpu = np.where(unsound, 0xFFFF, cpu).astype(np.uint16)
        records, damaged_rows = read_columns(data, walk, start, cpu, self._ordinal, self._guids)
        # zeros where records were declared are lost records, unless only the declared end was nonsense
        broken = walk.broken | (walk.zeros & ~(outside & ((state & bf.BAD_HEADER) == 0)))
        state[broken] |= bf.BAD_RECORD
        first_clock, last_clock = _clocks(records, self._ordinal, len(places))
        chunk = Chunk(
            data,
            self._ordinal,
            Buffers(
                file_offset=at,
                disk_size=length,
                used=used,
                cpu=cpu,
                flags=flags,
                type=head["BufferType"].copy(),
                sequence=head["SequenceNumber"].copy(),
                flush=head["TimeStamp"].copy(),
                compressed=to_unpack,
                state=state,
                records=walk.count,
                first_clock=first_clock,
                last_clock=last_clock,
            ),
            records,
        )
        self._account(chunk, walk.end - first, np.where(broken, stop - walk.end, 0), walk.end - start)
        self._report_rows(chunk, damaged_rows)
        self._ordinal += len(places)
        return chunk

    def _copy(
        self,
        places: NDArray[Any],
        used: NDArray[np.int64],
        to_unpack: NDArray[np.bool_],
        state: NDArray[np.uint8],
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Lay buffers out one after the other, unpacked; corrects ``used``, ``to_unpack`` and ``state``."""
        room = (np.where(to_unpack & ~places["lost"], np.maximum(used, bf.HEADER), used) + 7) & ~7
        start = np.cumsum(room) - room
        data = np.zeros(int(room.sum()) + _SPARE, np.uint8)
        target = memoryview(data)  # type: ignore[arg-type]
        block = self._block
        raw = memoryview(block.data)  # type: ignore[arg-type]
        rows = zip(places["at"].tolist(), places["length"].tolist(), start.tolist(), used.tolist(), strict=True)
        for i, (at, length, to, want) in enumerate(rows):
            if not want:
                continue
            begin = at - block.at
            if not to_unpack[i]:
                target[to : to + want] = raw[begin : begin + want]
                continue
            head = min(bf.HEADER, length)
            target[to : to + head] = raw[begin : begin + head]
            body = bytes(raw[begin + head : begin + length])
            cut = bool(state[i] & bf.CUT)
            out = None if state[i] & bf.BAD_END else self._unpacker.unpack(body, want - bf.HEADER, cut=cut)
            if out is not None:
                used[i] = head + len(out)
                target[to + head : to + head + len(out)] = out
                continue
            state[i] |= bf.BAD_PACKING
            used[i] = head
            if bf.HEADER <= want <= length and KIND_OF_MARKER[int.from_bytes(body[2:4], "little")]:
                used[i], to_unpack[i] = want, False  # its records stand there as they are
                target[to : to + want] = raw[begin : begin + want]
        return start, data

    def _account(
        self, chunk: Chunk, recorded: NDArray[np.int64], broken: NDArray[np.int64], reached: NDArray[np.int64]
    ) -> None:
        b, ledger = chunk.buffers, self._ledger
        sound = (b.state & bf.BAD_HEADER) == 0
        lost = ((b.state & bf.BAD_PACKING) != 0) & b.compressed | (b.used == 0)
        head = np.where(sound, np.minimum(b.disk_size, bf.HEADER), 0)
        damaged = ledger.add(chunk, head, recorded, broken, lost)
        for i in np.flatnonzero(b.state).tolist():
            state, at = int(b.state[i]), int(b.file_offset[i])
            inside = at if b.compressed[i] else at + int(reached[i])
            for bit, where, what in (
                (bf.BAD_HEADER, at, "the buffer header is nonsense" if b.used[i] else "no buffer header is found here"),
                (bf.BAD_PACKING, at, "the buffer cannot be unpacked"),
                (bf.BAD_RECORD, inside, "no record begins here; the rest of the buffer is skipped"),
                (bf.CUT, at, "the file ends inside this buffer"),
                (bf.BAD_END, at, "the declared end of data lies outside the buffer"),
            ):
                if state & bit:
                    ledger.report(chunk.first_buffer + i, where, int(damaged[i]), what)
                    damaged[i] = 0  # the loss is named once

    def _report_rows(self, chunk: Chunk, rows: NDArray[np.int64]) -> None:
        r, b = chunk.records, chunk.buffers
        for row in rows.tolist():
            owner = int(r.buffer[row])
            i = owner - chunk.first_buffer
            at = int(b.file_offset[i]) + (0 if b.compressed[i] else int(r.buffer_offset[row]))
            self._ledger.report(
                owner, at, 0, "a record is too short for its optional header parts; no user data is read"
            )


def _clocks(r: Records, first_buffer: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the raw clock of the first and the last record with a time in each buffer, 0 where there is none."""
    timed = np.flatnonzero(r.has_time)
    ordinals = np.arange(first_buffer, first_buffer + count)
    owner = r.buffer[timed]
    low, high = np.searchsorted(owner, ordinals, "left"), np.searchsorted(owner, ordinals, "right")
    some = high > low
    first, last = np.zeros(count, np.int64), np.zeros(count, np.int64)
    first[some] = r.clock[timed[low[some]]]
    last[some] = r.clock[timed[high[some] - 1]]
    return first, last


def read_chunks(
    source: Source,
    header: LogHeader,
    guids: GuidIndex,
    ledger: Ledger,
    *,
    chunk_bytes: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Chunk]:
    """Read a file from beginning to end in chunks of whole buffers.

    Args:
        source: the file.
        header: its log header (buffer size of the session, format of compressed buffers).
        guids: takes the GUIDs met.
        ledger: takes the sums and the problems.
        chunk_bytes: unpacked bytes of a chunk; one buffer that is larger makes a chunk of its own.
        progress: called after each chunk with the bytes done and the bytes in all.
    """
    yield from _Reader(source, header, guids, ledger, chunk_bytes).chunks(progress)
