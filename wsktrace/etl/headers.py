"""The header kinds, one NumPy dtype each, written like the vendor's struct, and how they are taken out of a chunk.

Format: etl-and-wpp-format, 1.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "EVENT_HEADER",
    "EVENT_INSTANCE_GUID_HEADER",
    "EVENT_TRACE_HEADER",
    "FAMILY",
    "MESSAGE_TRACE_HEADER",
    "PERFINFO_TRACE_HEADER",
    "SYSTEM_TRACE_HEADER",
    "TIMED_TRACE_HEADER",
    "Family",
    "gather",
]

#: kinds 1, 2; kinds 3, 4 end before KernelTime
SYSTEM_TRACE_HEADER = np.dtype(
    [
        ("Version", "<u2"),
        ("HeaderType", "u1"),
        ("Flags", "u1"),
        ("Size", "<u2"),
        ("HookId", "<u2"),  # Group << 8 | Type
        ("ThreadId", "<u4"),
        ("ProcessId", "<u4"),
        ("SystemTime", "<i8"),
        ("KernelTime", "<u4"),
        ("UserTime", "<u4"),
    ]
)

#: kinds 16, 17
PERFINFO_TRACE_HEADER = np.dtype(
    [
        ("Version", "<u2"),
        ("HeaderType", "u1"),
        ("Flags", "u1"),
        ("Size", "<u2"),
        ("HookId", "<u2"),
        ("TimeStamp", "<i8"),
    ]
)

#: kinds 10, 20
EVENT_TRACE_HEADER = np.dtype(
    [
        ("Size", "<u2"),
        ("HeaderType", "u1"),
        ("MarkerFlags", "u1"),
        ("Type", "u1"),
        ("Level", "u1"),
        ("Version", "<u2"),
        ("ThreadId", "<u4"),
        ("ProcessId", "<u4"),
        ("TimeStamp", "<i8"),
        ("GuidLow", "<u8"),
        ("GuidHigh", "<u8"),
        ("KernelTime", "<u4"),
        ("UserTime", "<u4"),
    ]
)

#: kinds 11, 21
EVENT_INSTANCE_GUID_HEADER = np.dtype(
    [
        *((name, EVENT_TRACE_HEADER[name]) for name in EVENT_TRACE_HEADER.names or ()),
        ("InstanceId", "<u4"),
        ("ParentInstanceId", "<u4"),
        ("ParentGuidLow", "<u8"),
        ("ParentGuidHigh", "<u8"),
    ]
)

#: kinds 18, 19
EVENT_HEADER = np.dtype(
    [
        ("Size", "<u2"),
        ("HeaderType", "u1"),
        ("MarkerFlags", "u1"),
        ("Flags", "<u2"),
        ("EventProperty", "<u2"),
        ("ThreadId", "<u4"),
        ("ProcessId", "<u4"),
        ("TimeStamp", "<i8"),
        ("ProviderLow", "<u8"),
        ("ProviderHigh", "<u8"),
        ("Id", "<u2"),
        ("Version", "u1"),
        ("Channel", "u1"),
        ("Level", "u1"),
        ("Opcode", "u1"),
        ("Task", "<u2"),
        ("Keyword", "<u8"),
        ("ProcessorTime", "<u8"),
        ("ActivityLow", "<u8"),
        ("ActivityHigh", "<u8"),
    ]
)

#: marker byte 0x90; optional fields follow by OptionFlags
MESSAGE_TRACE_HEADER = np.dtype(
    [("Size", "<u2"), ("Reserved", "u1"), ("Version", "u1"), ("MessageNumber", "<u2"), ("OptionFlags", "<u2")]
)

#: marker byte 0xB0 (ntwmi.h)
TIMED_TRACE_HEADER = np.dtype([("Size", "<u2"), ("Marker", "<u2"), ("EventId", "<u4"), ("TimeStamp", "<i8")])


class Family:
    """Kinds that share a header, as small integers."""

    OPAQUE = 0
    SYSTEM = 1
    PERFINFO = 2
    CLASSIC = 3
    EVENT = 4
    MESSAGE = 5
    TIMED = 6


_FAMILIES = {
    Kind.SYSTEM32: Family.SYSTEM,
    Kind.SYSTEM64: Family.SYSTEM,
    Kind.COMPACT32: Family.SYSTEM,
    Kind.COMPACT64: Family.SYSTEM,
    Kind.PERFINFO32: Family.PERFINFO,
    Kind.PERFINFO64: Family.PERFINFO,
    Kind.FULL32: Family.CLASSIC,
    Kind.FULL64: Family.CLASSIC,
    Kind.INSTANCE32: Family.CLASSIC,
    Kind.INSTANCE64: Family.CLASSIC,
    Kind.EVENT32: Family.EVENT,
    Kind.EVENT64: Family.EVENT,
    Kind.MESSAGE: Family.MESSAGE,
    Kind.ULONG32_TIME: Family.TIMED,
}

#: ``Kind`` → ``Family``
FAMILY: NDArray[np.uint8] = np.zeros(256, np.uint8)
FAMILY[list(_FAMILIES)] = list(_FAMILIES.values())


def gather(data: NDArray[np.uint8], slot: NDArray[np.int64], struct: np.dtype[np.void], last: str) -> NDArray[np.void]:
    """Return the headers of some records as a structured array, from ``struct``'s first field to ``last``.

    One pass over the chunk: each record's memory is touched once, however many fields are asked for.

    Args:
        data: the chunk.
        slot: position of each record, in 64-bit words; there are spare bytes behind the last one.
        struct: one of the dtypes of this module.
        last: the last field that is needed.
    """
    part = _PARTS.get((struct, last))
    if part is None:
        names = struct.names or ()
        fields = [(name, struct[name]) for name in names[: names.index(last) + 1]]
        part = _PARTS[struct, last] = np.dtype(fields)
    size = part.itemsize
    # overlapping opaque items, one at each word: copied as plain memory
    items: NDArray[np.void] = np.ndarray(((data.size - size) // 8 + 1,), f"V{size}", data, 0, (8,))
    return items[slot].view(part)


_PARTS: dict[tuple[np.dtype[np.void], str], np.dtype[np.void]] = {}
