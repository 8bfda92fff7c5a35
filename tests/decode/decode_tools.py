"""Chunks made by hand, for tests of the decode layer: no file, no ETL reader in between."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.etl.types import Buffers, Chunk, GuidTable, Kind, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVIDER = bytes(range(16))
HEADER = 0x50


@dataclass
class Made:
    """One record to be: its payload, its extended data items as (type, data), and what matters of its header."""

    payload: bytes = b""
    items: Sequence[tuple[int, bytes]] = ()
    kind: int = Kind.EVENT64
    provider: bytes = PROVIDER
    #: bytes to use as extended data instead of ``items``
    raw_items: bytes | None = None
    #: what stands in the padding behind an item's data
    padding: bytes = b"\0"
    #: option flags of a message, Flags of an event
    flags: int = 0

    def extended(self) -> bytes:
        if self.raw_items is not None:
            return self.raw_items
        out = []
        for n, (kind, data) in enumerate(self.items):
            size = 8 + (len(data) + 7 & ~7)
            head = struct.pack("<HHHH", size, kind, n + 1 < len(self.items), len(data))
            out.append(head + data + self.padding * (size - 8 - len(data)))
        return b"".join(out)


def chunk_of(records: Sequence[Made], guids: GuidTable, first: int = 0) -> Chunk:
    """Lay the records out one behind the other, as the ETL reader would hand them on."""
    columns: dict[str, list[Any]] = {f.name: [] for f in fields(Records)}
    data = bytearray(b"\xee" * (8 * first))
    for one in records:
        extended = one.extended()
        size = HEADER + len(extended) + len(one.payload)
        row = dict.fromkeys(columns, 0)
        row |= {"offset": len(data), "size": size, "kind": one.kind, "guid": guids.code(one.provider)}
        row["flags"] = one.flags
        row |= {"ext": len(data) + HEADER if extended else 0, "payload": len(data) + HEADER + len(extended)}
        row["end"] = len(data) + size
        for name, value in row.items():
            columns[name].append(value)
        # padding is not zero: what is read beyond a payload must not pass for a fact
        data += b"\xa5" * HEADER + extended + one.payload
        data += b"\xee" * (-len(data) % 8)
    data += bytes(64)
    types = {"kind": "u1", "guid": "i4", "has_time": "?", "has_thread": "?", "cpu": "u2", "tid": "u4", "pid": "u4"}
    arrays = {n: np.array(v, types.get(n, "i8")) for n, v in columns.items()}
    whole = np.array([len(data)])
    zero = np.zeros(1, np.int64)
    buffers = Buffers(zero, whole, whole, *([zero] * 5), np.zeros(1, np.bool_), zero.astype("u1"), *([zero] * 3))  # type: ignore[arg-type]
    return Chunk(np.frombuffer(bytes(data), np.uint8), 0, buffers, Records(**arrays))


def payloads(*parts: bytes, kind: int = Kind.EVENT64) -> Chunk:
    """A chunk of records that have only payloads."""
    return chunk_of([Made(p, kind=kind) for p in parts], GuidTable())


def all_rows(chunk: Chunk) -> Any:
    return np.arange(len(chunk.records), dtype=np.int64)
