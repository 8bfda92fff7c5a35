"""What a written trace says about itself: clock, machine, session, losses.

Source: the design page on the ETL format, 1.1 (buffer header), 1.3 (log header) and 1.4 (clocks).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from wsktrace.errors import UsageError

__all__ = ["CYCLES", "DEFAULT", "FORMATS", "MODE_CIRCULAR", "MODE_SEQUENTIAL", "QPC", "SYSTEM_TIME", "TraceOptions"]

#: Clock types as the log header's ReservedFlags holds them.
QPC, SYSTEM_TIME, CYCLES = 1, 2, 3

MODE_SEQUENTIAL: Final = 0x1
MODE_CIRCULAR: Final = 0x2
MODE_APPEND: Final = 0x4
MODE_NEWFILE: Final = 0x8
MODE_BUFFERING: Final = 0x400
MODE_KILOBYTES: Final = 0x2000
MODE_COMPRESSED: Final = 0x04000000

Compression = Literal["none", "lznt1", "xpress", "xpress_huff"]
#: Compression → RTL COMPRESSION_FORMAT, as the header buffer of a compressed file holds it in State.
FORMATS: Final[dict[str, int]] = {"none": 0, "lznt1": 2, "xpress": 3, "xpress_huff": 4}

#: 2026-11-20 14:00 UTC as FILETIME.
_START: Final = 134_396_568_000_000_000


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Everything about a trace file that is not an event. Equal options and events give equal bytes.

    Attributes:
        start: StartTime, FILETIME (100 ns since 1601, UTC).
        clock: ``QPC``, ``SYSTEM_TIME`` or ``CYCLES``.
        frequency: PerfFreq, ticks per second; the unit of the QPC clock.
        cpu_mhz: CpuSpeedInMHz; the unit of the cycle clock.
        start_clock: raw clock at ``start`` (QPC and cycles; system time starts at ``start`` itself).
        boot_time: BootTime, FILETIME; deliberately not what the raw clock would give, as in real files.
        end: ns after the start at which the session stopped; None: one millisecond after the last record.
        pointer_size: 8 or 4: form of the log header record (SYSTEM64 or SYSTEM32) and PointerSize.
        image_pointer_size: 8 or 4: width of native events, EVENT64 or EVENT32; None: ``pointer_size``.
        buffer_size: bytes of a buffer, header included; a multiple of 8.
        processors: NumberOfProcessors; None: the highest CPU of any record plus one.
        compression: ``none``, ``lznt1``, ``xpress`` or ``xpress_huff``; sets layout 2.0 and the mode bit.
        mode: LogFileMode.
        os: MajorVersion and MinorVersion of the system.
        layout: SubVersion and SubMinorVersion; None: (1, 5), or (2, 0) where the file is compressed.
        build: ProviderVersion, the system's build number.
        processor_index: True: CPU as 11 bits under buffer flag 0x20; False: the Windows 7 form, one byte.
        flush_ns: every so many ns all buffers with records are flushed (the session's flush timer); None: never.
        first_sequence: SequenceNumber of the first data buffer.
        stopped: False leaves EndTime 0 and BuffersWritten stale.
        buffers_written: BuffersWritten; None: what was written, header buffer included (1 where not stopped).
        events_lost: EventsLost of the log header.
        buffers_lost: BuffersLost of the log header.
        max_file_size: MaximumFileSize of the log header, MB (KB under mode bit 0x2000).
        logger_name: name of the session.
        log_file_name: path of the file as the session knew it.
        logger_id: LoggerId in the buffer headers.
        tid: thread that started the session; 0 to 2**32-1.
        pid: its process.
        extension: write the second record of the header buffer (group 0 type 5).
        build_lab: text of the BUILD_LAB record in the header buffer's tail; empty: none.
        pdbs: (PDB GUID as 16 raw bytes, age, path) of the DBGID_RSDS records in the tail.
        stale: leave stale pointers in header words that real files fill with them.
        trailing: bytes after the last buffer.
    """

    start: int = _START
    clock: int = QPC
    frequency: int = 10_000_000
    cpu_mhz: int = 2904
    start_clock: int = 5_813_931_457_401
    boot_time: int = _START - 1_234_567_890_123
    end: int | None = None
    pointer_size: int = 8
    image_pointer_size: int | None = None
    buffer_size: int = 0x10000
    processors: int | None = None
    compression: Compression = "none"
    mode: int = MODE_SEQUENTIAL
    os: tuple[int, int] = (10, 0)
    layout: tuple[int, int] | None = None
    build: int = 26100
    processor_index: bool = True
    flush_ns: int | None = None
    first_sequence: int = 1
    stopped: bool = True
    buffers_written: int | None = None
    events_lost: int = 0
    buffers_lost: int = 0
    max_file_size: int = 0
    logger_name: str = "wsktrace"
    log_file_name: str = "C:\\traces\\wsk.etl"
    logger_id: int = 21
    tid: int = 7204
    pid: int = 5680
    extension: bool = True
    build_lab: str = "26100.1.amd64fre.ge_release.240331-1435"
    pdbs: tuple[tuple[bytes, int, str], ...] = ()
    stale: bool = True
    trailing: bytes = b""

    def __post_init__(self) -> None:
        if self.clock not in (QPC, SYSTEM_TIME, CYCLES):
            raise UsageError(f"clock {self.clock} is none of 1 (QPC), 2 (system time), 3 (cycles)")
        if {self.pointer_size, self.image_pointer_size or self.pointer_size} - {4, 8}:
            raise UsageError("a pointer has 4 or 8 bytes")
        if self.compression not in FORMATS:
            raise UsageError(f"compression {self.compression!r} is none of {', '.join(FORMATS)}")
        if self.buffer_size % 8 or self.buffer_size < 0x400:
            raise UsageError(f"buffer size {self.buffer_size} is not a multiple of 8 of at least 1024 bytes")
        if self.frequency <= 0 or self.cpu_mhz <= 0 or (self.flush_ns is not None and self.flush_ns <= 0):
            raise UsageError("frequency, cpu_mhz and flush_ns must be positive")

    @property
    def origin(self) -> int:
        """Raw clock at the start of the trace."""
        return self.start if self.clock == SYSTEM_TIME else self.start_clock

    @property
    def image_bytes(self) -> int:
        """Pointer width of native events."""
        return self.image_pointer_size or self.pointer_size

    def _ticks(self) -> tuple[int, int]:
        """(ticks, per how many ns) of the session clock."""
        if self.clock == QPC:
            return self.frequency, 1_000_000_000
        return (1, 100) if self.clock == SYSTEM_TIME else (self.cpu_mhz, 1000)

    def ticks(self, ns: int) -> int:
        """Ticks of the session clock in so many ns, rounded down."""
        per, unit = self._ticks()
        return ns * per // unit

    def clock_at(self, ns: int) -> int:
        """Raw clock at ``ns`` after the start, rounded down to a tick."""
        return self.origin + self.ticks(ns)

    def ns_at(self, clock: int) -> int:
        """Return the ns after the start at a raw clock, rounded down; what a reader gets back."""
        per, unit = self._ticks()
        return (clock - self.origin) * unit // per

    def filetime_at(self, clock: int) -> int:
        """FILETIME at a raw clock, rounded down."""
        per, unit = self._ticks()
        return self.start + (clock - self.origin) * unit // (per * 100)


#: A stopped, uncompressed 64-bit trace on the QPC clock in buffers of 64 KiB.
DEFAULT: Final = TraceOptions()
