"""An .etl file: its log header, its clock, and its records by the chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wsktrace.errors import InputError, NotAnEtlFile
from wsktrace.etl.accounting import Ledger, Problem, Survey
from wsktrace.etl.buffers import HeaderWalk
from wsktrace.etl.chunks import read_chunks
from wsktrace.etl.clock import Clock
from wsktrace.etl.guids import GuidIndex
from wsktrace.etl.logheader import LogHeader, read_log_header
from wsktrace.etl.resync import Finder
from wsktrace.etl.sniff import HEADER_BYTES, describe, looks_like_etl
from wsktrace.etl.source import Source, open_source
from wsktrace.etl.types import GuidTable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import BinaryIO

    from wsktrace.etl.types import Chunk

__all__ = ["LogHeader", "Problem", "Survey", "TraceFile", "open_trace"]

_HEAD_BYTES = 1 << 16  # bytes read of a file to find its log header
_SEARCHED = 16 << 20  # where the beginning is damaged, a buffer is looked for in so many bytes
_HEADER_TYPE = 4
_TRIES = 1024  # and a header buffer among so many buffers


class TraceFile:
    """One .etl, opened; use it as a context manager or close it.

    Attributes:
        name: its name, ``net.zip!inner.etl`` for a member of an archive.
        size: bytes of the .etl itself, unpacked from what it came in.
        header: the log header.
        clock: converts raw clock values to ns UTC.
        guids: the GUIDs met so far; filled while chunks are read.
        survey: what the whole file holds; None until the chunks were read to the end once.
    """

    def __init__(self, source: Source, header: LogHeader) -> None:
        self._source = source
        self.name = source.name
        self.size = source.size
        self.header = header
        self.clock = Clock.from_header(
            clock_type=header.reserved_flags,
            origin=header.header_clock,
            start_time=header.start_time,
            end_time=header.end_time,
            perf_freq=header.perf_freq,
            cpu_mhz=header.cpu_speed_in_mhz,
        )
        self.guids = GuidTable()
        self.survey: Survey | None = None

    def chunks(
        self, *, chunk_bytes: int = 16 << 20, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Chunk]:
        """Read the file's buffers and records, in file order.

        Args:
            chunk_bytes: unpacked bytes of one chunk, which holds whole buffers; memory follows it, not the file.
            progress: called after each chunk with the bytes of the file done and in all.

        Yields:
            The chunks. May be called again; the file is then read again.

        Raises:
            InputError: the operating system refuses to read. Damage in the file is no error: see ``survey``.
        """
        ledger = Ledger()
        if self.header.damaged:
            ledger.report(0, 0, 0, self.header.damaged)
        index = GuidIndex(self.guids)
        yield from read_chunks(self._source, self.header, index, ledger, chunk_bytes=chunk_bytes, progress=progress)
        if index.overflow:
            ledger.report(-1, 0, 0, "more distinct GUIDs than a trace can have; the last ones have no code")
        self.survey = ledger.survey()

    def sha256(self) -> str:
        """Return the SHA-256 of the .etl's bytes, in hexadecimal."""
        return self._source.sha256()

    def close(self) -> None:
        """Close the file (a caller's own file object stays open)."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _find_header(source: Source, head: bytes) -> LogHeader | None:
    """Look for the log header of a file that does not begin with one; None where it is no ETL at all."""
    begin = Finder(source, 0, packed=True).find(0, min(source.size, _SEARCHED))
    if begin is None:
        return None
    walk = HeaderWalk(source, 0, packed=True)
    walk.at = begin
    good = 0
    for _ in range(_TRIES):
        place = walk.peek()
        if place is None:
            break
        good += place.state == 0
        if place.state == 0 and place.head.buffer_type == _HEADER_TYPE:
            header = read_log_header(source.read(place.at, min(place.length, _HEAD_BYTES)))
            if header is not None and not header.damaged:
                return header
        walk.passed(place)
    if good < 2:
        return None
    stride = int.from_bytes(head[:4], "little")
    return LogHeader(buffer_size=stride, damaged="the log header is missing; times and losses are not known")


def _read_header(source: Source) -> LogHeader:
    head = source.read(0, _HEAD_BYTES)
    if looks_like_etl(head):
        header = read_log_header(head)
        if header is not None:
            return header
        raise InputError(
            f"{source.name}: an ETL trace cut after {source.size} bytes, before its log header ends"
            f" ({HEADER_BYTES} bytes); capture or copy it again"
        )
    found = _find_header(source, head)
    if found is None:
        raise NotAnEtlFile(f"{source.name}: {describe(head, source.size)}")
    return found


def open_trace(source: str | os.PathLike[str] | BinaryIO, *, member: str | None = None) -> TraceFile:
    """Open an .etl trace.

    Args:
        source: a path, also of a .gz or of a .zip that holds one .etl, also ``net.zip!inner.etl`` or
            ``net.zip/inner.etl``; or a file object opened in binary mode, seekable or not.
        member: name of the .etl in a .zip that holds several.

    Raises:
        InputError: it does not exist, cannot be read or unpacked, or ends inside its log header.
        NotAnEtlFile: it is something else; the message says what, and what to do.
    """
    opened = open_source(source, member=member)
    try:
        return TraceFile(opened, _read_header(opened))
    except BaseException:  # whatever ends it, nothing stays open
        opened.close()
        raise
