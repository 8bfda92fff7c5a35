"""The log header: first record of the first buffer, with the facts that all the rest depends on.

Format: etl-and-wpp-format, 1.3 (TRACE_LOGFILE_HEADER, both pointer sizes, two strings after it).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wsktrace.etl.types import Kind

__all__ = ["COMPRESSED_MODE", "LogHeader", "read_log_header"]

#: LogFileMode bit: buffers may be compressed; the format is in the first buffer's State
COMPRESSED_MODE = 0x0400_0000

_BUFFER_HEADER = 0x48
_RECORD_HEADER = 0x20
# BufferSize, 4 version bytes, ProviderVersion, NumberOfProcessors, EndTime, TimerResolution, MaximumFileSize,
# LogFileMode, BuffersWritten, StartBuffers, PointerSize, EventsLost, CpuSpeedInMHz
_HEAD_NAMES = (
    "buffer_size",
    "major_version",
    "minor_version",
    "sub_version",
    "sub_minor_version",
    "provider_version",
    "number_of_processors",
    "end_time",
    "timer_resolution",
    "maximum_file_size",
    "log_file_mode",
    "buffers_written",
    "start_buffers",
    "pointer_size",
    "events_lost",
    "cpu_speed_in_mhz",
)
_HEAD = struct.Struct("<I4BIIqIIIIIIII")
_ZONE = struct.Struct("<i64s16si64s16si")  # TIME_ZONE_INFORMATION
_TAIL = struct.Struct("<qqqII")  # BootTime, PerfFreq, StartTime, ReservedFlags, BuffersLost
_FIRST_YEAR, _LAST_YEAR = 119_600_064_000_000_000, 189_345_600_000_000_000  # FILETIME of 1980, 2201: a sane StartTime


@dataclass(frozen=True, slots=True)
class LogHeader:
    """TRACE_LOGFILE_HEADER with the vendor's field names in snake case, and what stands around it.

    Times are FILETIME (100 ns since 1601 UTC), ``end_time`` 0 where the session was not stopped. ``header_clock`` is
    the raw clock of the first record, which is ``start_time`` in the session clock. ``compression`` is the format of
    compressed buffers (2 LZNT1, 3 XPRESS, 4 XPRESS with Huffman), 0 where the file's mode knows none. ``damaged``
    names what made the header doubtful, empty where nothing did.
    """

    buffer_size: int = 0
    major_version: int = 0
    minor_version: int = 0
    sub_version: int = 0
    sub_minor_version: int = 0
    provider_version: int = 0
    number_of_processors: int = 0
    end_time: int = 0
    timer_resolution: int = 0
    maximum_file_size: int = 0
    log_file_mode: int = 0
    buffers_written: int = 0
    start_buffers: int = 0
    pointer_size: int = 8
    events_lost: int = 0
    cpu_speed_in_mhz: int = 0
    time_zone_bias: int = 0
    time_zone_standard_name: str = ""
    time_zone_daylight_name: str = ""
    boot_time: int = 0
    perf_freq: int = 0
    start_time: int = 0
    reserved_flags: int = 0
    buffers_lost: int = 0
    logger_name: str = ""
    log_file_name: str = ""
    header_clock: int = 0
    compression: int = 0
    damaged: str = ""

    @property
    def mode(self) -> int:
        """LogFileMode, a set of EVENT_TRACE_*_MODE bits."""
        return self.log_file_mode


def _text(raw: bytes) -> str:
    """Return a UTF-16 string up to its NUL."""
    raw = raw[: len(raw) & ~1]
    for at in range(0, len(raw), 2):
        if raw[at : at + 2] == b"\0\0":
            raw = raw[:at]
            break
    return raw.decode("utf-16-le", "replace")


def _sane_start(block: bytes, pointers: int) -> bool:
    at = _BUFFER_HEADER + _RECORD_HEADER + 0x38 + 2 * pointers + _ZONE.size + 4
    at = (at + 7) & ~7
    if len(block) < at + _TAIL.size:
        return False
    return bool(_FIRST_YEAR < _TAIL.unpack_from(block, at)[2] < _LAST_YEAR)


def read_log_header(block: bytes) -> LogHeader | None:
    """Read the log header from the first bytes of a header buffer.

    Args:
        block: the buffer from its first byte; what is behind the first record is not looked at.

    Returns:
        The header, with ``damaged`` set where its record is not marked as one; None where the block is too short.
    """
    if len(block) < _BUFFER_HEADER + _RECORD_HEADER:
        return None
    _, kind, flags, size, type_, group = struct.unpack_from("<HBBHBB", block, _BUFFER_HEADER)
    damaged = ""
    if flags != 0xC0 or kind not in (Kind.SYSTEM32, Kind.SYSTEM64) or type_ or group:
        damaged = "the first record is not marked as a log header"
        kind = Kind.SYSTEM64 if _sane_start(block, 8) or not _sane_start(block, 4) else Kind.SYSTEM32
        size = min(len(block) - _BUFFER_HEADER, 0x1000)
    pointers = 4 if kind == Kind.SYSTEM32 else 8
    at = _BUFFER_HEADER + _RECORD_HEADER
    tail = (at + _HEAD.size + 2 * pointers + _ZONE.size + 7) & ~7
    if len(block) < tail + _TAIL.size:
        return None
    head = _HEAD.unpack_from(block, at)
    zone = _ZONE.unpack_from(block, at + _HEAD.size + 2 * pointers)
    boot_time, perf_freq, start_time, reserved_flags, buffers_lost = _TAIL.unpack_from(block, tail)
    strings = block[tail + _TAIL.size : max(_BUFFER_HEADER + size, tail + _TAIL.size)]
    logger_name = _text(strings)
    log_file_name = _text(strings[2 * (len(logger_name.encode("utf-16-le", "replace")) // 2 + 1) :])
    (state,) = struct.unpack_from("<I", block, 0x2C)
    if not damaged and not _FIRST_YEAR < start_time < _LAST_YEAR:
        damaged = "the log header's StartTime is not a date"
    return LogHeader(
        **dict(zip(_HEAD_NAMES, head, strict=True)),
        time_zone_bias=zone[0],
        time_zone_standard_name=_text(zone[1]),
        time_zone_daylight_name=_text(zone[4]),
        boot_time=boot_time,
        perf_freq=perf_freq,
        start_time=start_time,
        reserved_flags=reserved_flags,
        buffers_lost=buffers_lost,
        logger_name=logger_name,
        log_file_name=log_file_name,
        header_clock=struct.unpack_from("<q", block, _BUFFER_HEADER + 0x10)[0],
        compression=state & 0xFFFF if head[_HEAD_NAMES.index("log_file_mode")] & COMPRESSED_MODE else 0,
        damaged=damaged,
    )
