"""★ Header fields of all records of a chunk, as the columns of `Records`.

One pass per header family that occurs: gather the words that hold the fields asked for, spread them to the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.etl import headers as h
from wsktrace.etl.extended import after_counters, after_items
from wsktrace.etl.records import MIN_SIZE
from wsktrace.etl.types import Records

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.etl.guids import GuidIndex
    from wsktrace.etl.records import Walk

__all__ = ["read_columns"]

# OptionFlags of a MESSAGE and the bytes they add, in the order on disk; 2 excludes 4
_SEQUENCE, _GUID, _COMPONENT, _TIME, _SYSTEM_INFO = 1, 2, 4, 8, 0x20


class _Columns:
    """The columns while they are filled."""

    def __init__(self, data: NDArray[np.uint8], walk: Walk) -> None:
        n = walk.slot.size
        self.data = data
        self.words: NDArray[np.int64] = data.view("<i8")
        self.slot, self.size, self.kind = walk.slot, walk.size, walk.kind
        self.offset = walk.slot << 3
        self.end = self.offset + walk.size
        self.payload = self.offset + MIN_SIZE.take(walk.kind)
        self.ext = np.zeros(n, np.int64)
        self.clock = np.zeros(n, np.int64)
        self.tid, self.pid = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
        self.has_time, self.has_thread = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        self.guid_low, self.guid_high = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
        self.has_guid = np.zeros(n, np.bool_)
        self.id, self.task, self.flags = np.zeros(n, np.uint16), np.zeros(n, np.uint16), np.zeros(n, np.uint16)
        self.version, self.channel = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        self.level, self.opcode = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        self.keyword = np.zeros(n, np.uint64)
        self.sequence, self.component = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
        self.damaged: list[NDArray[np.int64]] = []

    def header(self, rows: Any, struct: np.dtype[np.void], last: str) -> NDArray[Any]:
        return h.gather(self.data, self.slot[rows], struct, last)


def _system(c: _Columns, rows: Any) -> None:
    head = c.header(rows, h.SYSTEM_TRACE_HEADER, "SystemTime")
    c.id[rows] = head["HookId"]
    c.version[rows] = head["Version"]
    c.tid[rows], c.pid[rows] = head["ThreadId"], head["ProcessId"]
    c.clock[rows] = head["SystemTime"]
    c.has_time[rows] = c.has_thread[rows] = True
    c.payload[rows] += after_counters(head["Version"])


def _perfinfo(c: _Columns, rows: Any) -> None:
    head = c.header(rows, h.PERFINFO_TRACE_HEADER, "TimeStamp")
    c.id[rows] = head["HookId"]
    c.version[rows] = head["Version"]
    c.clock[rows] = head["TimeStamp"]
    c.has_time[rows] = True
    c.payload[rows] += after_counters(head["Version"])


def _classic(c: _Columns, rows: Any) -> None:
    head = c.header(rows, h.EVENT_TRACE_HEADER, "GuidHigh")
    c.opcode[rows], c.level[rows], c.version[rows] = head["Type"], head["Level"], head["Version"]
    c.tid[rows], c.pid[rows] = head["ThreadId"], head["ProcessId"]
    c.clock[rows] = head["TimeStamp"]
    c.guid_low[rows], c.guid_high[rows] = head["GuidLow"], head["GuidHigh"]
    c.has_time[rows] = c.has_thread[rows] = c.has_guid[rows] = True


def _event(c: _Columns, rows: Any) -> None:
    head = c.header(rows, h.EVENT_HEADER, "Keyword")
    flags = head["Flags"]
    c.flags[rows] = flags
    c.tid[rows], c.pid[rows] = head["ThreadId"], head["ProcessId"]
    c.clock[rows] = head["TimeStamp"]
    c.guid_low[rows], c.guid_high[rows] = head["ProviderLow"], head["ProviderHigh"]
    c.id[rows], c.version[rows], c.channel[rows] = head["Id"], head["Version"], head["Channel"]
    c.level[rows], c.opcode[rows], c.task[rows] = head["Level"], head["Opcode"], head["Task"]
    c.keyword[rows] = head["Keyword"]
    c.has_time[rows] = c.has_thread[rows] = c.has_guid[rows] = True
    extended = np.flatnonzero(flags & 1)
    if extended.size:
        chosen = extended if isinstance(rows, slice) else rows[extended]
        begin = c.payload[chosen]
        c.ext[chosen] = begin
        c.payload[chosen], damaged = after_items(c.words, begin, c.end[chosen])
        if damaged.any():
            c.damaged.append(chosen[damaged])


def _message(c: _Columns, rows: Any) -> None:
    head = c.header(rows, h.MESSAGE_TRACE_HEADER, "OptionFlags")
    flags = head["OptionFlags"]
    c.id[rows], c.flags[rows] = head["MessageNumber"], flags
    chosen = np.arange(c.slot.size) if isinstance(rows, slice) else rows
    halves: NDArray[np.uint32] = c.words.view("<u4")
    shape = flags & (_SEQUENCE | _GUID | _COMPONENT | _TIME | _SYSTEM_INFO)
    for form in np.unique(shape).tolist():
        _message_form(c, halves, chosen[shape == form], form)


def _message_form(c: _Columns, halves: NDArray[np.uint32], rows: NDArray[np.int64], form: int) -> None:
    """Read the messages that have the same optional fields, which then lie at the same places."""
    at = 8
    sequence = guid = component = time = thread = 0
    if form & _SEQUENCE:
        sequence, at = at, at + 4
    if form & _GUID:
        guid, at = at, at + 16
    elif form & _COMPONENT:
        component, at = at, at + 4
    if form & _TIME:
        time, at = at, at + 8
    if form & _SYSTEM_INFO:
        thread, at = at, at + 8
    whole = c.size[rows] >= at
    if not whole.all():
        c.damaged.append(rows[~whole])
        c.payload[rows[~whole]] = c.end[rows[~whole]]
        rows = rows[whole]
    c.payload[rows] = c.offset[rows] + at
    base = c.slot[rows] << 1

    def half(byte: int) -> NDArray[np.uint32]:
        return halves.take(base + (byte >> 2))

    def word(byte: int) -> NDArray[np.uint64]:
        return half(byte) | half(byte + 4).astype(np.uint64) << np.uint64(32)

    if sequence:
        c.sequence[rows] = half(sequence)
    if component:
        c.component[rows] = half(component)
    if guid:
        c.guid_low[rows], c.guid_high[rows], c.has_guid[rows] = word(guid), word(guid + 8), True
    if time:
        c.clock[rows], c.has_time[rows] = word(time).view(np.int64), True
    if thread:
        c.tid[rows], c.pid[rows], c.has_thread[rows] = half(thread), half(thread + 4), True


def _timed(c: _Columns, rows: Any) -> None:
    head = c.header(rows, h.TIMED_TRACE_HEADER, "TimeStamp")
    c.id[rows] = head["EventId"]
    c.clock[rows] = head["TimeStamp"]
    c.has_time[rows] = True


_READERS: dict[int, Callable[[_Columns, Any], None]] = {
    h.Family.SYSTEM: _system,
    h.Family.PERFINFO: _perfinfo,
    h.Family.CLASSIC: _classic,
    h.Family.EVENT: _event,
    h.Family.MESSAGE: _message,
    h.Family.TIMED: _timed,
}


def read_columns(
    data: NDArray[np.uint8],
    walk: Walk,
    start: NDArray[np.int64],
    cpu: NDArray[np.uint16],
    first_buffer: int,
    guids: GuidIndex,
) -> tuple[Records, NDArray[np.int64]]:
    """Read the header fields of all records of a chunk.

    Args:
        data: the chunk's block.
        walk: what `find_records` found in it.
        start: byte position of each buffer in the block.
        cpu: processor of each buffer.
        first_buffer: ordinal in the file of the chunk's first buffer.
        guids: the trace's GUIDs.

    Returns:
        The records, and the rows whose header or extended items are damaged, ascending.
    """
    c = _Columns(data, walk)
    family = h.FAMILY.take(walk.kind)
    present = np.bincount(family, minlength=7)
    for code, reader in _READERS.items():
        if present[code]:
            reader(c, slice(None) if present[code] == family.size else np.flatnonzero(family == code))
    over = c.payload > c.end
    if over.any():
        c.damaged.append(np.flatnonzero(over))
        c.payload[over] = c.end[over]
    guid = np.full(c.slot.size, -1, np.int32)
    rows: Any = slice(None) if c.has_guid.all() else np.flatnonzero(c.has_guid)
    guid[rows] = guids.codes(c.guid_low[rows], c.guid_high[rows])
    records = Records(
        offset=c.offset,
        size=c.size,
        kind=c.kind,
        buffer=np.repeat(np.arange(first_buffer, first_buffer + start.size, dtype=np.int32), walk.count),
        buffer_offset=(c.offset - np.repeat(start, walk.count)).astype(np.int32),
        cpu=np.repeat(cpu, walk.count),
        clock=c.clock,
        has_time=c.has_time,
        tid=c.tid,
        pid=c.pid,
        has_thread=c.has_thread,
        guid=guid,
        id=c.id,
        version=c.version,
        channel=c.channel,
        level=c.level,
        opcode=c.opcode,
        task=c.task,
        keyword=c.keyword,
        flags=c.flags,
        payload=c.payload,
        end=c.end,
        ext=c.ext,
        sequence=c.sequence,
        component=c.component,
    )
    damaged = np.sort(np.concatenate(c.damaged)) if c.damaged else np.zeros(0, np.int64)
    return records, damaged
