"""Records of every header kind, byte by byte.

Each function returns a ``RawRecord``: the bytes as they stand in a buffer (without alignment), the raw clock by which
the writer places them, the CPU. Source: the design page on the ETL format, 1.5 (record markers, headers, extended
data items). A ``RawRecord`` may as well be made by hand, of any bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from wsktrace.errors import FormatError
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "RawRecord",
    "event",
    "ext_items",
    "full",
    "instance",
    "message",
    "opaque",
    "perfinfo",
    "system",
    "ulong32_time",
]

_NIL = UUID(int=0)
_EVENT = struct.Struct("<HBBHHIIq16sHBBBBHQQ16s")
_SYSTEM = struct.Struct("<HBBHBBIIq")
_PERFINFO = struct.Struct("<HBBHBBq")
_FULL = struct.Struct("<HBBBBHIIq16sQ")
_INSTANCE = struct.Struct("<II16s")
_EXT = struct.Struct("<HHHH")

#: Kinds of extended data items.
EXT_RELATED_ACTIVITY, EXT_SID, EXT_TS_ID, EXT_STACK64, EXT_SCHEMA_TL, EXT_PROV_TRAITS = 1, 2, 3, 6, 11, 12
EXTENDED_INFO = 0x0001


@dataclass(slots=True)
class RawRecord:
    """One record: its bytes, its raw session clock, its CPU."""

    data: bytes
    clock: int
    cpu: int = 0


def _size(size: int) -> int:
    if size > 0xFFFF:
        raise FormatError(f"a record of {size} bytes does not fit the header's 16-bit Size")
    return size


def ext_items(items: Sequence[tuple[int, bytes]]) -> bytes:
    """Encode (ExtType, data) pairs as they stand on disk: each padded to 8 bytes, Linkage set on all but the last."""
    out = []
    for n, (kind, data) in enumerate(items):
        padded = 8 + (len(data) + 7 & ~7)
        out.append(_EXT.pack(_size(padded), kind, int(n + 1 < len(items)), len(data)) + data.ljust(padded - 8, b"\0"))
    return b"".join(out)


def event(
    provider: UUID,
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    tid: int = 0,
    pid: int = 0,
    id: int = 0,  # noqa: A002 -- the header's name for it
    version: int = 0,
    channel: int = 0,
    level: int = 4,
    opcode: int = 0,
    task: int = 0,
    keyword: int = 0,
    activity: UUID = _NIL,
    ext: Sequence[tuple[int, bytes]] = (),
    flags: int = 0,
    event_property: int = 0,
    processor_time: int = 0,
    pointer_size: int = 8,
) -> RawRecord:
    """EVENT32 or EVENT64: EVENT_HEADER, extended data items, payload. Flag 1 is set where there are items."""
    extended = ext_items(ext)
    head = _EVENT.pack(
        _size(_EVENT.size + len(extended) + len(payload)),
        Kind.EVENT64 if pointer_size == 8 else Kind.EVENT32,
        0xC0,
        flags | (EXTENDED_INFO if ext else 0),
        event_property,
        tid,
        pid,
        clock,
        provider.bytes_le,
        id,
        version,
        channel,
        level,
        opcode,
        task,
        keyword,
        processor_time,
        activity.bytes_le,
    )
    return RawRecord(head + extended + payload, clock, cpu)


def _version_word(version: int, pebs: int | None, counters: Sequence[int]) -> tuple[int, bytes]:
    """Version word and the words it announces after the fixed header."""
    words = ([] if pebs is None else [pebs]) + list(counters)
    return version | len(counters) << 8 | (0 if pebs is None else 0x8000), struct.pack(f"<{len(words)}Q", *words)


def system(
    group: int,
    type: int,  # noqa: A002 -- the header's name for it
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    tid: int = 0,
    pid: int = 0,
    version: int = 2,
    kernel_time: int = 0,
    user_time: int = 0,
    pointer_size: int = 8,
    compact: bool = False,
    pebs: int | None = None,
    counters: Sequence[int] = (),
) -> RawRecord:
    """SYSTEM32/64, or COMPACT32/64, which ends after SystemTime. ``counters``: up to 7 PMC values."""
    word, extra = _version_word(version, pebs, counters)
    kind = (Kind.COMPACT32 if compact else Kind.SYSTEM32) + (pointer_size == 8)
    times = b"" if compact else struct.pack("<II", kernel_time, user_time)
    size = _size(_SYSTEM.size + len(times) + len(extra) + len(payload))
    head = _SYSTEM.pack(word, kind, 0xC0, size, type, group, tid, pid, clock)
    return RawRecord(head + times + extra + payload, clock, cpu)


def perfinfo(
    group: int,
    type: int,  # noqa: A002 -- the header's name for it
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    version: int = 2,
    pointer_size: int = 8,
    pebs: int | None = None,
    counters: Sequence[int] = (),
) -> RawRecord:
    """PERFINFO32/64: time, no thread. ``counters``: up to 7 PMC values."""
    word, extra = _version_word(version, pebs, counters)
    kind = Kind.PERFINFO64 if pointer_size == 8 else Kind.PERFINFO32
    size = _size(_PERFINFO.size + len(extra) + len(payload))
    return RawRecord(_PERFINFO.pack(word, kind, 0xC0, size, type, group, clock) + extra + payload, clock, cpu)


def _full(
    kind: int, size: int, guid: UUID, clock: int, type_: int, level: int, version: int, tid: int, pid: int, time: int
) -> bytes:
    return _FULL.pack(_size(size), kind, 0xC0, type_, level, version, tid, pid, clock, guid.bytes_le, time)


def full(
    guid: UUID,
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    type: int = 0,  # noqa: A002 -- the header's name for it
    level: int = 0,
    version: int = 0,
    tid: int = 0,
    pid: int = 0,
    processor_time: int = 0,
    pointer_size: int = 8,
) -> RawRecord:
    """FULL32/64: EVENT_TRACE_HEADER of the classic (MOF) events."""
    kind = Kind.FULL64 if pointer_size == 8 else Kind.FULL32
    head = _full(kind, _FULL.size + len(payload), guid, clock, type, level, version, tid, pid, processor_time)
    return RawRecord(head + payload, clock, cpu)


def instance(
    guid: UUID,
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    instance_id: int = 0,
    parent_id: int = 0,
    parent: UUID = _NIL,
    type: int = 0,  # noqa: A002 -- the header's name for it
    level: int = 0,
    version: int = 0,
    tid: int = 0,
    pid: int = 0,
    processor_time: int = 0,
    pointer_size: int = 8,
) -> RawRecord:
    """INSTANCE32/64: EVENT_TRACE_HEADER, then instance, parent instance and the parent's GUID."""
    kind = Kind.INSTANCE64 if pointer_size == 8 else Kind.INSTANCE32
    size = _FULL.size + _INSTANCE.size + len(payload)
    head = _full(kind, size, guid, clock, type, level, version, tid, pid, processor_time)
    return RawRecord(head + _INSTANCE.pack(instance_id, parent_id, parent.bytes_le) + payload, clock, cpu)


def message(
    number: int,
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    flags: int = 0xAA,
    guid: UUID = _NIL,
    component: int = 0,
    sequence: int = 0,
    tid: int = 0,
    pid: int = 0,
) -> RawRecord:
    """MESSAGE (WPP) with the optional fields that ``flags`` announces.

    Flags: 1 sequence, 2 GUID, 4 component (where 2 is clear), 8 time stamp, 0x10 performance time stamp, 0x20 thread
    and process, 0x40 POINTER32, 0x80 POINTER64. Without flag 8 the clock only places the record.
    """
    head = b""
    if flags & 0x01:
        head += struct.pack("<I", sequence)
    if flags & 0x02:
        head += guid.bytes_le
    elif flags & 0x04:
        head += struct.pack("<I", component)
    if flags & 0x08:
        head += struct.pack("<q", clock)
    if flags & 0x20:
        head += struct.pack("<II", tid, pid)
    fixed = struct.pack("<HBBHH", _size(8 + len(head) + len(payload)), 0, 0x90, number, flags)
    return RawRecord(fixed + head + payload, clock, cpu)


def ulong32_time(event_id: int, payload: bytes, clock: int, cpu: int = 0) -> RawRecord:
    """Marker 0xB0: Size at +0, event id at +4, time at +8 (as the vendor's TIMED_TRACE_HEADER has them)."""
    return RawRecord(struct.pack("<HBBIq", _size(16 + len(payload)), 0, 0xB0, event_id, clock) + payload, clock, cpu)


def opaque(kind: int, payload: bytes, clock: int, cpu: int = 0) -> RawRecord:
    """A typed header of which only Size (at +0) and marker are known: TIMED, ERROR, WNODE, or an unknown kind."""
    return RawRecord(struct.pack("<HBB", _size(4 + len(payload)), kind, 0xC0) + payload, clock, cpu)
