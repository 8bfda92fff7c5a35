"""Columns become Arrow tables, cast by schema.py: the one place that knows the Arrow type of each type word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from wsktrace.schema import table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["arrow_schema", "matching", "to_arrow"]

#: Type word of schema.py → Arrow type.
TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "word": pa.dictionary(pa.int32(), pa.string()),
    "address": pa.uint64(),
    "status": pa.uint32(),
    "time": pa.timestamp("ns", "UTC"),
    "ids": pa.list_(pa.field("element", pa.uint64())),
}


def arrow_schema(name: str) -> pa.Schema:
    """Return the Arrow schema of a table; each field's metadata says its type word, unit and meaning."""
    return pa.schema(
        [
            pa.field(c.name, TYPES[c.type], c.nullable, {"type": c.type, "unit": c.unit, "meaning": c.meaning})
            for c in table(name).columns
        ]
    )


def to_arrow(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Return the table ``name`` from its columns.

    Args:
        name: a table of schema.py.
        columns: by name; each an Arrow array, a NumPy array, a list with None for null, or a pair (NumPy array, bool
            array that is true where the value is known). A nullable column that is left out is all null.

    Raises:
        KeyError: a column that the table does not have, or one that is missing and not nullable.
        pa.ArrowInvalid: values that do not fit the column's type, or columns of different lengths.
    """
    schema = arrow_schema(name)
    if odd := set(columns) - set(schema.names):
        raise KeyError(f"table {name} has no column {', '.join(sorted(odd))}")
    built: dict[str, pa.Array[Any] | pa.ChunkedArray[Any]] = {}
    for field in schema:
        if field.name in columns:
            built[field.name] = _array(columns[field.name], field.type)
        elif not field.nullable:
            raise KeyError(f"table {name} needs the column {field.name}")
    length = len(next(iter(built.values())))
    arrays = [built[f.name] if f.name in built else pa.nulls(length, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def matching(held: pa.Table, column: str, *values: object) -> pa.Table:
    """Return the rows whose ``column`` is one of the values, in order; null is none of them."""
    import pyarrow.compute as pc

    kind = held.schema.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return held.filter(pc.is_in(held.column(column), pa.array(list(values), kind)))


def _array(values: Any, kind: pa.DataType) -> pa.Array[Any] | pa.ChunkedArray[Any]:
    """Return values as an Arrow array of one type."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values if values.type == kind else values.cast(kind)
    mask = None
    if isinstance(values, tuple):
        values, valid = values
        mask = ~np.asarray(valid, bool)
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string(), mask=mask).dictionary_encode().cast(kind)
    if pa.types.is_timestamp(kind) and isinstance(values, np.ndarray):
        return pa.array(values.astype(np.int64), pa.int64(), mask=mask).cast(kind)
    if isinstance(values, np.ndarray) and mask is None:
        return pa.array(values).cast(kind)
    if isinstance(values, np.ndarray):
        return pa.array(values, mask=mask).cast(kind)
    return pa.array(values, kind)
