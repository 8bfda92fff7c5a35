"""Decoded events × profile → operations.

Fields are read by the names in the event's own metadata; a field that is not there, or is no number, leaves the fact
unknown (native-provider "For the reader").
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.decode.inventory import Inventory
from wsktrace.decode.layout import decode
from wsktrace.decode.tracelogging import SchemaBook
from wsktrace.schema import ARGUMENTS
from wsktrace.wsk.operations import CODES, OPS, phase_of
from wsktrace.wsk.ops import (
    KNOWN_IRP,
    KNOWN_IRQL,
    KNOWN_SEQ,
    KNOWN_SOCKET,
    KNOWN_STATUS,
    Gathering,
    Operations,
    Sparse,
    argument_dtype,
)
from wsktrace.wsk.profile import Profile, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.decode.columns import ColumnData
    from wsktrace.decode.contents import Contents
    from wsktrace.decode.tracelogging import Schema
    from wsktrace.etl.file import TraceFile
    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["Reading", "judged_schemas", "read"]

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DENSE = {
    "irp": KNOWN_IRP,
    "socket": KNOWN_SOCKET,
    "status": KNOWN_STATUS,
    "irql": KNOWN_IRQL,
    "seq": KNOWN_SEQ,
    "image": 0,
}
_RENAMED = {
    ("MemoryFree", "address"): "free_address",
    ("MemoryFree", "size"): "free_size",
    ("IrpSetCompletion", "context"): "routine_context",
    ("ProviderState", "level"): "trace_level",
    ("WskConnect", "remote_address"): "remote_address",
}
_SPARSE = {*ARGUMENTS, "client", "registration", "information"}
_OPCODE_PHASES = np.array(
    [[0xFF if (p := phase_of(op, o)) is None else int(p) for o in range(256)] for op in OPS], np.uint8
)


@dataclass(slots=True)
class Reading:
    """A whole file, read once: its operations (in file order), its schemas, and what is in it by provider."""

    file: TraceFile
    profile: Profile
    operations: Operations
    book: SchemaBook = field(default_factory=SchemaBook)
    inventory: Inventory = field(default_factory=Inventory)


def column_of(event: str, name: str) -> str | None:
    """Return the column that a native field of an event goes to, None where no column takes it."""
    snake = _WORD.sub("_", name).lower()
    snake = _RENAMED.get((event, snake), snake)
    return snake if snake in _DENSE or snake in _SPARSE else None


def judged_schemas(book: SchemaBook, guids: GuidTable, profile: Profile | None = None) -> NDArray[np.bool_]:
    """Return per schema of the book whether its events become operations under the profile."""
    chosen = profile or load_profile()
    raw = uuid.UUID(chosen.provider.guid).bytes_le
    code = guids.codes.get(raw, -1)
    return np.array([s.provider == code and s.event_name in CODES for s in book.schemas], np.bool_)


def read(
    file: TraceFile,
    *,
    profile: Profile | None = None,
    operations: bool = True,
    contents: Contents | None = None,
    beside: Callable[[Chunk, GuidTable], None] | None = None,
    chunk_bytes: int = 16 << 20,
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Read a file once, chunk by chunk: its operations, and the inventory of all that is in it.

    ``operations=False`` takes the inventory only; with ``contents`` it knows all that describes the file's records,
    else the self-describing ones. ``beside`` is given every chunk, too.
    """
    chosen = profile or load_profile()
    reading = Reading(file, chosen, Operations.empty())
    gathering = Gathering()
    for chunk in file.chunks(chunk_bytes=chunk_bytes, progress=progress):
        ids = reading.book.assign(chunk, file.guids)
        wanted = np.append(judged_schemas(reading.book, file.guids, chosen), False)
        judged = wanted[ids]
        judged[judged] = _OPCODE_PHASES[_op_codes(reading.book)[ids[judged]], chunk.records.opcode[judged]] != 0xFF
        described = None if contents is None else contents.describe(chunk, ids, reading.inventory.descriptions)
        reading.inventory.add(chunk, ids, judged, described)
        if beside is not None:
            beside(chunk, file.guids)
        if operations and np.any(judged):
            part = _operations(chunk, ids, judged, reading.book)
            part.time = file.clock.to_ns(part.clock)
            gathering.add(part)
    reading.operations = gathering.done()
    return reading


def _op_codes(book: SchemaBook) -> NDArray[np.int64]:
    return np.array([CODES.get(schema.event_name, 0) for schema in book.schemas], np.int64)


def _operations(chunk: Chunk, ids: NDArray[np.int32], judged: NDArray[np.bool_], book: SchemaBook) -> Operations:
    """Return the operations of one chunk, in file order."""
    rows = np.flatnonzero(judged)
    records = chunk.records
    ops = Operations.empty(len(rows))
    ops.clock = records.clock[rows]
    ops.cpu = records.cpu[rows]
    ops.tid, ops.pid = records.tid[rows], records.pid[rows]
    ops.record_buffer = records.buffer[rows].astype(np.uint32)
    ops.record_offset = records.buffer_offset[rows].astype(np.uint32)
    mine = ids[rows]
    ops.op = _op_codes(book)[mine].astype(np.uint8)
    ops.phase = _OPCODE_PHASES[ops.op, records.opcode[rows]]
    sparse: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
    for number in np.flatnonzero(np.bincount(mine, minlength=len(book.schemas))).tolist():
        places = np.flatnonzero(mine == number)
        _fill(ops, places, rows[places], chunk, book.schemas[number], sparse)
    for name, found in sparse.items():
        at = np.concatenate([place for place, _ in found])
        values = np.concatenate([value for _, value in found])
        by = np.argsort(at, kind="stable")
        ops.sparse[name] = Sparse(at[by].astype(np.int32), values[by])
    return ops


def _fill(
    ops: Operations,
    places: NDArray[np.int64],
    rows: NDArray[np.int64],
    chunk: Chunk,
    schema: Schema,
    sparse: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]],
) -> None:
    """Put the fields of all records of one schema where they belong."""
    names = {f.name: column for f in schema.layout.fields if (column := column_of(schema.event_name, f.name))}
    decoded = decode(schema.layout, chunk, rows, wanted=names)
    for name, column in names.items():
        data = decoded.columns.get(name)
        if data is None or not _is_number(data):
            continue
        values = data.values
        assert values is not None
        whole = bool(data.valid.all())
        at = places if whole else places[data.valid]
        kept = values if whole else values[data.valid]
        if column in _DENSE:
            target: NDArray[Any] = getattr(ops, column)
            target[at] = kept.astype(target.dtype)
            ops.known[at] |= np.uint8(_DENSE[column])
        else:
            sparse.setdefault(column, []).append((at, kept.astype(argument_dtype(column))))


def _is_number(data: ColumnData) -> bool:
    return data.values is not None and not data.lists and data.values.dtype.kind in "iub"
