"""Events as Arrow tables of typed columns: what is known of every event, then one column per field."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.decode.intypes import InType, OutType
from wsktrace.report.events.lines import columns
from wsktrace.report.events.order import windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.decode.columns import ColumnData
    from wsktrace.decode.events import EventBatch
    from wsktrace.decode.fields import Field

__all__ = ["events_table", "ordered_tables"]

#: Events of one table with a hundred columns that are made at a time.
_CELLS: Final = 4_000_000
_EPOCH: Final = 116_444_736_000_000_000
#: FILETIMEs that a count of ns since 1970 in 64 bits can hold
_FIRST_TIME: Final = _EPOCH - (1 << 63) // 100 + 1
_LAST_TIME: Final = _EPOCH + (1 << 63) // 100 - 1
_SHOWN_AS_VALUES: Final = (OutType.STRING, OutType.BOOLEAN, OutType.PORT, OutType.IPV4, OutType.DATETIME)


def events_table(batches: Iterable[EventBatch]) -> pa.Table:
    """Return all events as one table in the order of time; fields of one name and several types become strings."""
    import pyarrow as pa

    parts = [_batch_table(batch) for batch in batches]
    if not parts:
        return _base_schema().empty_table()
    schema = _union([part.schema for part in parts])
    whole = pa.concat_tables([_cast(part, schema) for part in parts])
    if len(parts) == 1:
        return whole
    order = np.argsort(np.concatenate([_keys(part) for part in parts]), kind="stable")
    return whole.take(pa.array(order, pa.int64())).replace_schema_metadata(None)


def ordered_tables(batches: Iterable[EventBatch]) -> Iterator[pa.Table]:
    """Yield all events in the order of time as tables of one schema; memory follows the chunk, not the file.

    At least one table comes, without rows where there are no events.
    """
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="wsktrace-") as folder:
        schemas: list[pa.Schema] = []
        times: list[NDArray[np.int64]] = []
        for batch in batches:
            part = _batch_table(batch)
            with pa.ipc.new_file(str(Path(folder) / f"{len(times)}.arrow"), part.schema) as out:
                out.write_table(part)
            schemas.append(part.schema)
            times.append(_keys(part))
        schema = _union([_base_schema(), *schemas])
        if not times:
            yield schema.empty_table()
            return
        maps = [pa.memory_map(str(Path(folder) / f"{run}.arrow")) for run in range(len(times))]
        try:
            runs = [pa.ipc.open_file(m).read_all() for m in maps]
            step = max(16, min(1024, _CELLS // (32 * len(schema))))
            for window in windows(times, step):
                pieces = [runs[i].slice(a, b - a) for i, (a, b) in enumerate(window) if a < b]
                if pieces:
                    yield _join(pieces, schema)
            del runs
        finally:
            for m in maps:
                m.close()


def _join(pieces: list[pa.Table], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    whole = pa.concat_tables([_cast(piece, schema) for piece in pieces])
    if len(pieces) == 1:
        return whole
    order = np.argsort(np.concatenate([_keys(piece) for piece in pieces]), kind="stable")
    return whole.take(pa.array(order, pa.int64()))


def _keys(table: pa.Table) -> NDArray[np.int64]:
    """Return the times that a table is ordered by; of events without one that of the event before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    time = table.column("time").cast(pa.int64())
    keys: NDArray[np.int64] = pc.fill_null(pc.fill_null_backward(pc.fill_null_forward(time)), 0).to_numpy()
    return keys


# -- one batch --------------------------------------------------------------------------------------------------------


def _base_schema() -> pa.Schema:
    import pyarrow as pa

    columns: list[tuple[str, pa.DataType]] = [
            ("time", pa.timestamp("ns", "UTC")), ("cpu", pa.uint16()), ("pid", pa.uint32()), ("tid", pa.uint32()),
            ("provider", pa.string()), ("guid", pa.string()), ("event", pa.string()), ("id", pa.uint16()),
            ("version", pa.uint8()), ("opcode", pa.uint8()), ("level", pa.uint8()), ("keyword", pa.uint64()),
            ("message", pa.string()), ("file", pa.string()), ("line", pa.uint32()), ("function", pa.string()),
            ("format", pa.string()),
    ]  # fmt: skip
    return pa.schema(columns)


def _batch_table(batch: EventBatch) -> pa.Table:
    """Return the events of a batch; columns of fields bear their names, ``field.time`` where such a column exists."""
    import pyarrow as pa

    base = _base_schema()
    held = columns(batch)
    has = batch.header("has_time")
    held["time"] = [int(t) if h else None for t, h in zip(batch.time_ns.tolist(), has.tolist(), strict=True)]
    made: dict[str, pa.Array[Any]] = {
        name: pa.array(held[name], pa.int64()).cast(base.field(name).type)
        if name == "time"
        else pa.array(held[name], base.field(name).type)
        for name in base.names
    }
    parts: dict[str, list[tuple[NDArray[np.int64], pa.Array[Any]]]] = {}
    for group in batch.groups:
        if group.decoded is not None:
            for name, column in group.decoded.columns.items():
                label = f"field.{name}" if name in base.names else name
                parts.setdefault(label, []).append((group.places, _array(column)))
    for name, pieces in parts.items():
        made[name] = _spread(pieces, len(batch))
    return pa.table(made)


def _spread(pieces: list[tuple[NDArray[np.int64], pa.Array[Any]]], count: int) -> pa.Array[Any]:
    """Put the values of several kinds of events in their places; null elsewhere."""
    import pyarrow as pa

    kind = _common([array.type for _, array in pieces])
    source = np.full(count, -1, np.int64)
    offset = 0
    for places, array in pieces:
        source[places] = offset + np.arange(len(array))
        offset += len(array)
    values = pa.concat_arrays([_as(array, kind) for _, array in pieces])
    found: pa.Array[Any] = values.take(pa.array(source, pa.int64(), mask=source < 0))
    return found


def _array(column: ColumnData) -> pa.Array[Any]:
    import pyarrow as pa

    field = column.field
    if column.lists:
        return _listed(column)
    if column.values is not None and column.values.dtype.kind in "iuf" and field.out_type not in _SHOWN_AS_VALUES:
        if field.in_type == InType.BOOLEAN:
            return _numbers(column.values != 0, column.valid)
        if field.in_type == InType.FILETIME:
            raw = column.values
            inside = column.valid & (raw >= _FIRST_TIME) & (raw <= _LAST_TIME)
            ns = (np.where(inside, raw, _EPOCH).astype(np.int64) - _EPOCH) * 100
            return _numbers(ns, inside).cast(pa.timestamp("ns", "UTC"))
        return _numbers(column.values, column.valid)
    return _typed(column.to_pylist(), field)


def _numbers(values: NDArray[Any], valid: NDArray[np.bool_]) -> pa.Array[Any]:
    import pyarrow as pa

    found: pa.Array[Any] = pa.array(np.ascontiguousarray(values), mask=~valid)
    return found


def _typed(values: list[Any], field: Field) -> pa.Array[Any]:
    """Return Python values as the type that all of them have; as text where they differ."""
    import pyarrow as pa

    kinds = {type(v) for v in values if v is not None}
    if kinds <= {bytes} and kinds:
        return pa.array(values, pa.binary())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int}:
        return pa.array(values, pa.int64() if field.in_type != InType.UINT64 else pa.uint64())
    texts = [None if v is None else v.hex() if isinstance(v, bytes) else str(v) for v in values]
    return pa.array(texts, pa.string())


def _listed(column: ColumnData) -> pa.Array[Any]:
    import pyarrow as pa

    values = column.to_pylist()
    try:
        found: pa.Array[Any] = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        found = pa.array([None if v is None else str(v) for v in values], pa.string())
    return found


# -- one schema for several -------------------------------------------------------------------------------------------


def _common(kinds: list[pa.DataType]) -> pa.DataType:
    """Return the type that holds the values of all; a string where no other does."""
    import pyarrow as pa

    known = list(dict.fromkeys(k for k in kinds if not pa.types.is_null(k)))
    if len(known) <= 1:
        return known[0] if known else pa.null()
    if all(pa.types.is_integer(k) for k in known):
        wide = np.result_type(*(k.to_pandas_dtype() for k in known))
        if wide.kind in "iu":
            return pa.from_numpy_dtype(wide)
    if all(pa.types.is_floating(k) for k in known):
        return pa.float64()
    return pa.string()


def _as(array: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    """Return an array in another type; as text where Arrow knows no way."""
    import pyarrow as pa

    if array.type == kind:
        return array
    if pa.types.is_string(kind) and not pa.types.is_null(array.type):
        return pa.array(
            [None if v is None else v.hex() if isinstance(v, bytes) else str(v) for v in _values(array)], kind
        )
    found: pa.Array[Any] = array.cast(kind)
    return found


def _values(array: pa.Array[Any]) -> list[Any]:
    """Return the values; times as the ISO text that Arrow writes (Python's own lose the last digits)."""
    import pyarrow as pa

    if pa.types.is_timestamp(array.type):
        return list(array.cast(pa.string()).to_pylist())
    return list(array.to_pylist())


def _union(schemas: list[pa.Schema]) -> pa.Schema:
    import pyarrow as pa

    kinds: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for one in schema:
            kinds.setdefault(one.name, []).append(one.type)
    return pa.schema([(name, _common(found)) for name, found in kinds.items()])


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with all columns of a schema in their types; null where it has none."""
    import pyarrow as pa

    made = []
    for one in schema:
        at = table.schema.get_field_index(one.name)
        if at < 0:
            made.append(pa.nulls(table.num_rows, one.type))
        else:
            made.append(_as(table.column(at).combine_chunks(), one.type))
    return pa.table(made, schema=schema)
