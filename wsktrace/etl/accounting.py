"""Where every byte of the file went, and what was found wrong.

On disk, each byte is of one class: buffer headers, records (with their padding), filler, damaged; the sum is the file's
size. A compressed buffer's bytes are records; where part of what it unpacks to is filler or damage, its bytes on disk
are split in the same proportion, in whole bytes. A second sum counts the same classes after unpacking.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.etl.buffers import HEADER
from wsktrace.etl.types import KIND_NAMES, Buffers, concat_buffers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.types import Chunk

__all__ = ["MAX_PROBLEMS", "Ledger", "Problem", "Survey", "disk_shares", "padded_sizes"]

#: problems kept one by one; more are only counted
MAX_PROBLEMS = 10_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in the file.

    ``buffer``: ordinal of the buffer, -1 where it concerns none. ``file_offset``: byte of the file where it begins (in
    a compressed buffer, the buffer's). ``length``: bytes of the file lost by it, 0 where none is. ``what``: a sentence.
    """

    buffer: int
    file_offset: int
    length: int
    what: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What a whole file holds; the four ``*_bytes`` add up to its size.

    ``kinds``: records by the names of ``KIND_NAMES``. ``unpacked_*``: the same classes after decompression, where a
    buffer that cannot be unpacked counts as damaged with its bytes on disk.
    """

    buffers: Buffers
    kinds: dict[str, int]
    records: int
    headers_bytes: int
    record_bytes: int
    filler_bytes: int
    damaged_bytes: int
    unpacked_headers_bytes: int
    unpacked_record_bytes: int
    unpacked_filler_bytes: int
    unpacked_damaged_bytes: int
    problems: list[Problem]
    #: problems beyond ``MAX_PROBLEMS``, counted only
    problems_left_out: int


@dataclass(slots=True)
class Ledger:
    """Sums while the chunks of one file go by."""

    buffers: list[Buffers] = field(default_factory=list)
    kinds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    headers: int = 0
    records: int = 0
    filler: int = 0
    damaged: int = 0
    unpacked: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0

    def report(self, buffer: int, file_offset: int, length: int, what: str) -> None:
        """Note a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(buffer, file_offset, length, what))
        else:
            self.left_out += 1

    def add_filler(self, length: int) -> None:
        """Count bytes that belong to no buffer and hold nothing."""
        self.filler += length
        self.unpacked[2] += length

    def add(
        self,
        chunk: Chunk,
        head: NDArray[np.int64],
        recorded: NDArray[np.int64],
        broken: NDArray[np.int64],
        lost: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Count one chunk.

        Args:
            chunk: the chunk.
            head: bytes of each buffer that are a sound header (0x48 or 0).
            recorded: unpacked bytes of its records, with padding.
            broken: unpacked bytes from where its walk met what is no record to its end of data.
            lost: the buffer's body could not be read at all.

        Returns:
            Bytes on disk of each buffer that are damaged.
        """
        b = chunk.buffers
        self.buffers.append(b)
        self.kinds += np.bincount(chunk.records.kind, minlength=256)
        body = np.maximum(b.used - HEADER, 0)
        on_disk = np.maximum(b.disk_size - HEADER, 0)
        rest = body - recorded - broken
        # raw: classes as they are, and what is behind the end of data is filler; packed: in proportion
        packed = b.compressed & ~lost & (body > 0)
        whole = np.where(packed, body, 1)
        disk_records = np.where(packed, on_disk * recorded // whole, recorded)
        disk_damaged = np.where(packed, on_disk * (recorded + broken) // whole - disk_records, broken)
        disk_damaged = np.where(lost, on_disk, disk_damaged)
        beside = np.minimum(b.disk_size, HEADER) - head  # headers that cannot be believed
        damaged = disk_damaged + beside
        self.headers += int(head.sum())
        self.records += int(disk_records.sum())
        self.damaged += int(damaged.sum())
        self.filler += int((on_disk - disk_records - disk_damaged).sum())
        sums = (
            head,
            recorded,
            np.where(lost, 0, np.where(packed, rest, on_disk - recorded - broken)),
            beside + np.where(lost, on_disk, broken),
        )
        for index, column in enumerate(sums):
            self.unpacked[index] += int(column.sum())
        return damaged

    def survey(self) -> Survey:
        """Return the sums of a whole file."""
        kinds = {KIND_NAMES[code]: int(self.kinds[code]) for code in np.flatnonzero(self.kinds).tolist()}
        return Survey(
            buffers=concat_buffers(self.buffers),
            kinds=kinds,
            records=int(self.kinds.sum()),
            headers_bytes=self.headers,
            record_bytes=self.records,
            filler_bytes=self.filler,
            damaged_bytes=self.damaged,
            unpacked_headers_bytes=self.unpacked[0],
            unpacked_record_bytes=self.unpacked[1],
            unpacked_filler_bytes=self.unpacked[2],
            unpacked_damaged_bytes=self.unpacked[3],
            problems=self.problems,
            problems_left_out=self.left_out,
        )


def padded_sizes(chunk: Chunk) -> NDArray[np.int64]:
    """Return the bytes that each record takes after decompression, padding to 8 included (int64)."""
    r = chunk.records
    room = chunk.buffers.used[r.buffer - chunk.first_buffer] - r.buffer_offset
    padded: NDArray[np.int64] = np.minimum((r.size + 7) & ~7, room)
    return padded


def disk_shares(chunk: Chunk) -> NDArray[np.int64]:
    """Return the bytes of the file that each record stands for (int64); their sum is the chunk's record bytes.

    In a buffer that is not compressed these are its own bytes; in a compressed one its share of the bytes on disk, in
    whole bytes whose sum over the buffer is exact.
    """
    sizes = padded_sizes(chunk)
    b, owner = chunk.buffers, chunk.records.buffer - chunk.first_buffer
    if not b.compressed.any():
        return sizes
    total = np.cumsum(sizes)
    last = np.cumsum(b.records) - 1
    before = np.concatenate(([0], total))[np.maximum(last + 1 - b.records, 0)]
    within = total - before[owner]  # running sum inside the buffer, this record included
    body = np.maximum(b.used - HEADER, 1)[owner]
    disk = np.maximum(b.disk_size - HEADER, 0)[owner]
    share = within * disk // body - (within - sizes) * disk // body
    return np.where(b.compressed[owner], share, sizes)
