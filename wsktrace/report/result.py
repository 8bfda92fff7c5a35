"""The rows of an SQL statement, written: a table for people, or CSV, JSON, JSON lines, Markdown and Parquet.

A column that is called as one of schema.py and has its type is written as that one is: addresses as WinDbg prints them,
statuses in hexadecimal (``0x…`` in CSV and JSON). Times are UTC with nine digits.
"""

from __future__ import annotations

import json
import math
from typing import IO, TYPE_CHECKING, Any

from wsktrace.query import table_columns
from wsktrace.report.escaping import json_line, markdown_row
from wsktrace.units import address_text, clean, count_text, duration_text, hex_text, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

__all__ = ["FORMATS", "plain", "shown", "text_table", "write"]

#: What ``write`` knows.
FORMATS = ("csv", "json", "jsonl", "md", "parquet")
#: Characters of a cell and of a line of the table for people, where a terminal is narrow.
_CELL = 60
_MORE = "…"


def shown(value: Any, kind: str) -> str:
    """Return a value as people read it; ``kind`` is one of ``_kinds``."""
    if value is None:
        return "null"
    if kind == "address":
        return address_text(value)
    if kind in ("time", "status"):
        return str(plain(value, kind))
    if kind == "duration":
        return duration_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.hex()
    return clean(value)


def plain(value: Any, kind: str) -> Any:
    """Return a value as machines read it, such as JSON can hold: no NaN, nothing that loses digits."""
    if value is None or isinstance(value, (bool, int, str)):
        if kind in ("address", "status") and isinstance(value, int):
            return hex_text(value)
        return time_text(value) if kind == "time" and isinstance(value, int) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(held, "") for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(held, "") for held in value]
    whole = getattr(value, "as_integer_ratio", None)
    if whole is not None and value == value.to_integral_value():
        return int(value)
    return str(value)


def text_table(reader: pa.RecordBatchReader, *, most: int | None, width: int | None) -> str:
    """Return the first ``most`` rows (all where None) as an aligned table, and how many there are.

    ``width`` is that of the terminal; None where nothing needs to be shortened.
    """
    kinds = _kinds(reader.schema)
    names = [clean(name) for name in reader.schema.names]
    lines: list[list[str]] = []
    total = 0
    for batch in reader:
        room = batch.num_rows if most is None else max(most - total, 0)
        lines += [[shown(v, k) for v, k in zip(row, kinds, strict=True)] for row in _rows(batch.slice(0, room))]
        total += batch.num_rows
    if width is not None:
        lines = [[cell if len(cell) <= _CELL else cell[: _CELL - 1] + _MORE for cell in line] for line in lines]
    right = [kind in ("number", "duration") for kind in kinds]
    sizes = [max([len(name), *(len(line[at]) for line in lines)]) for at, name in enumerate(names)]
    kept = _fitting(sizes, width)
    out = [_line(names, sizes, right, kept), _line(["─" * size for size in sizes], sizes, right, kept)]
    out += [_line(line, sizes, right, kept) for line in lines]
    told = count_text(total, "row")
    if total > len(lines):
        told += f", {total - len(lines):,} of them not shown (--rows 0 shows all)"
    if hidden := len(names) - len(kept):
        gone = ", ".join(name for at, name in enumerate(names) if at not in kept)
        told += f"; {hidden} columns do not fit: {gone}"
    return "\n".join([*out, told]) + "\n"


def _fitting(sizes: list[int], width: int | None) -> list[int]:
    """Return the columns that a line has room for: the first ones and the last."""
    if width is None or not sizes or sum(sizes) + 2 * (len(sizes) - 1) <= width:
        return list(range(len(sizes)))
    room = width - sizes[-1] - 2 - len(_MORE) - 2
    kept: list[int] = []
    for at, size in enumerate(sizes[:-1]):
        room -= size + 2
        if room < 0 and kept:
            break
        kept.append(at)
    return [*kept, len(sizes) - 1]


def _line(cells: list[str], sizes: list[int], right: list[bool], kept: list[int]) -> str:
    parts = []
    last = -1
    for at in kept:
        if at != last + 1:
            parts.append(_MORE)
        parts.append(cells[at].rjust(sizes[at]) if right[at] else cells[at].ljust(sizes[at]))
        last = at
    return "  ".join(parts).rstrip()


def write(reader: pa.RecordBatchReader, form: str, out: IO[bytes]) -> None:
    """Write all rows in a format of ``FORMATS``; as text in UTF-8. Memory holds one batch of rows at a time."""
    if form == "parquet":
        _write_parquet(reader, out)
        return
    writers: dict[str, Callable[[pa.RecordBatchReader], Iterator[str]]] = {
        "csv": _csv,
        "json": _json,
        "jsonl": _json_lines,
        "md": _markdown,
    }
    for text in writers[form](reader):
        out.write(text.encode("utf-8", "replace"))


def _write_parquet(reader: pa.RecordBatchReader, out: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _csv(reader: pa.RecordBatchReader) -> Iterator[str]:
    import csv
    import io

    kinds = _kinds(reader.schema)
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(reader.schema.names)
    for batch in reader:
        writer.writerows(zip(*(_flat(values) for values in _plain_columns(batch, kinds)), strict=True))
        yield held.getvalue()
        held.seek(0)
        held.truncate()
    yield held.getvalue()


def _flat(values: list[Any]) -> list[Any]:
    """Return the values of a column such that a cell can hold each."""
    kind = type(next((value for value in values if value is not None), None))
    if kind in (bool, dict, list):
        return [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return values


def _objects(reader: pa.RecordBatchReader) -> Iterator[str]:
    kinds = _kinds(reader.schema)
    names = _unique(reader.schema.names)
    for batch in reader:
        for row in zip(*_plain_columns(batch, kinds), strict=True):
            yield json_line(dict(zip(names, row, strict=True)))


def _plain_columns(batch: pa.RecordBatch, kinds: list[str]) -> list[list[Any]]:
    """Return the columns as lists of ``plain`` values; kinds that occur in millions by the column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held: list[list[Any]] = []
    for column, kind in zip(batch.columns, kinds, strict=True):
        if kind == "time":
            texts: Any = pc.replace_substring(column.cast(pa.timestamp("ns")).cast(pa.string()), " ", "T")
            held.append([None if text is None else f"{text}Z" for text in texts.to_pylist()])
        elif kind in ("address", "status"):
            held.append([None if value is None else f"0x{value:x}" for value in column.to_pylist()])
        elif kind == "duration":
            held.append(column.cast(pa.int64()).to_pylist())
        elif pa.types.is_integer(column.type) or pa.types.is_string(column.type):
            held.append(column.to_pylist())
        else:
            held.append([plain(value, kind) for value in column.to_pylist()])
    return held


def _json_lines(reader: pa.RecordBatchReader) -> Iterator[str]:
    for text in _objects(reader):
        yield text + "\n"


def _json(reader: pa.RecordBatchReader) -> Iterator[str]:
    before = "["
    for text in _objects(reader):
        yield f"{before}\n{text}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _markdown(reader: pa.RecordBatchReader) -> Iterator[str]:
    kinds = _kinds(reader.schema)
    yield markdown_row(reader.schema.names) + "\n"
    yield f"| {' | '.join('--:' if kind in ('number', 'duration') else '---' for kind in kinds)} |\n"
    for batch in reader:
        for row in _rows(batch):
            yield markdown_row(shown(value, kind) for value, kind in zip(row, kinds, strict=True)) + "\n"


def _unique(names: list[str]) -> list[str]:
    """Return names of which none occurs twice, as an object's keys must be."""
    held: dict[str, None] = {}
    for name in names:
        at, unique = 1, name
        while unique in held:
            at, unique = at + 1, f"{name}_{at}"
        held[unique] = None
    return list(held)


def _kinds(schema: pa.Schema) -> list[str]:
    """Return how the values of each column are written: address, status, time, duration, number or other."""
    import pyarrow as pa

    addresses, statuses = table_columns("address"), table_columns("status")

    def kind(field: pa.Field[Any]) -> str:
        if field.type == pa.uint64() and field.name in addresses:
            return "address"
        if field.type == pa.uint32() and field.name in statuses:
            return "status"
        if pa.types.is_timestamp(field.type):
            return "time"
        if pa.types.is_duration(field.type):
            return "duration"
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        return "number" if number or pa.types.is_decimal(field.type) else "other"

    return [kind(field) for field in schema]


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Yield the rows; times and durations are ns."""
    import pyarrow as pa

    columns = []
    for column in batch.columns:
        as_ns = pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type)
        columns.append((column.cast(pa.int64()) if as_ns else column).to_pylist())
    return zip(*columns, strict=True) if columns else iter(())
