"""The starred modules of ``etl`` and ``decode``, each on its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.micro import timed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.types import Chunk

__all__ = ["schema", "walk"]

_ALWAYS = 1 << 40  # more lanes than there can be: chase has them all
_HEADER = 0x48  # bytes of a buffer's header
_FIELDS = 12


def walk(native: str, one_buffer: str) -> dict[str, Any]:
    """Measure the walk by both algorithms, and what turns its places into columns and times."""
    from wsktrace.etl.file import open_trace
    from wsktrace.etl.records import find_records

    found: dict[str, Any] = {}
    for name, path in (("many buffers", native), ("one 16 MiB buffer", one_buffer)):
        with open_trace(path) as file:
            chunks = list(file.chunks())
            chunk = max(chunks, key=lambda c: len(c.records))
            first, stop = _bounds(chunk)
            for algorithm, lanes in (("lockstep", 0), ("chase", _ALWAYS)):
                work = partial(find_records, chunk.data, first, stop, lanes=lanes)
                found[f"walk by {algorithm}, {name}"] = timed(len(chunk.records), work)
            total = sum(len(c.records) for c in chunks)
            clocks = [c.records.clock for c in chunks]
            found[f"file to header columns, {name}"] = timed(total, lambda file=file: [None for _ in file.chunks()])
            found[f"clock to UTC, {name}"] = timed(
                total, lambda file=file, clocks=clocks: [file.clock.to_ns(c) for c in clocks]
            )
    return {"unit": "records", "rows": found}


def _bounds(chunk: Chunk) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the data of each of the chunk's buffers begins and ends, of those that have records."""
    records = chunk.records
    buffers, rows = np.unique(records.buffer, return_index=True)
    begin = records.offset[rows] - records.buffer_offset[rows]
    return begin + _HEADER, begin + chunk.buffers.used[buffers - chunk.first_buffer]


def schema(native: str, wide: str) -> dict[str, Any]:
    """Measure the schema of every record, the inventory, and the decoding of a layout of 12 fields."""
    from wsktrace.decode.inventory import Inventory
    from wsktrace.decode.layout import decode
    from wsktrace.decode.tracelogging import SchemaBook
    from wsktrace.etl.file import open_trace

    found: dict[str, Any] = {}
    with open_trace(native) as file:
        chunk = max(file.chunks(), key=lambda c: len(c.records))
        count = len(chunk.records)
        book = SchemaBook()
        ids = book.assign(chunk, file.guids)
        found["SchemaBook.assign, new book"] = timed(count, lambda: SchemaBook().assign(chunk, file.guids))
        found["SchemaBook.assign, known schemas"] = timed(count, lambda: book.assign(chunk, file.guids))
        found["Inventory.add"] = timed(count, lambda: Inventory().add(chunk, ids, ids >= 0))
    with open_trace(wide) as file:
        chunk = max(file.chunks(), key=lambda c: len(c.records))
        book = SchemaBook()
        ids = book.assign(chunk, file.guids)
        (layout,) = (s.layout for s in book.schemas if s.event_name == "WskControlClient")
        assert len(layout.fields) == _FIELDS
        rows = np.flatnonzero(ids >= 0)
        three = ("Image", "Irp", "OutputSizeReturned")
        found["decode, 12 of 12 fields"] = timed(len(rows), lambda: decode(layout, chunk, rows))
        found["decode, 3 of 12 fields"] = timed(len(rows), lambda: decode(layout, chunk, rows, wanted=three))
    return {"unit": "records", "rows": found}
