"""Columns become Arrow tables, cast by schema.py: the one place that knows the Arrow type of each type word.

Arrays are built from their buffers: ``pyarrow.array`` would import pandas, which takes longer than a short trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from wsktrace.schema import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Tables", "arrow_schema", "column", "matching", "to_arrow", "to_pandas", "words"]

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


class Tables(Protocol):
    """Gives a table of schema.py by its name."""

    def __call__(self, name: str) -> pa.Table:
        """Return the table."""
        ...


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
        ValueError: values that do not fit the column's type.
        pa.ArrowInvalid: columns of different lengths.
    """
    schema = arrow_schema(name)
    if odd := set(columns) - set(schema.names):
        raise KeyError(f"table {name} has no column {', '.join(sorted(odd))}")
    built: dict[str, pa.Array[Any] | pa.ChunkedArray[Any]] = {}
    for field in schema:
        if field.name in columns:
            built[field.name] = column(columns[field.name], field.type)
        elif not field.nullable:
            raise KeyError(f"table {name} needs the column {field.name}")
    length = len(next(iter(built.values())))
    arrays = [built[f.name] if f.name in built else pa.nulls(length, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def matching(held: pa.Table, name: str, *values: object) -> pa.Table:
    """Return the rows whose column ``name`` is one of the values, in order; null is none of them."""
    import pyarrow.compute as pc

    kind = held.schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return held.filter(pc.is_in(held.column(name), column(list(values), kind)))


def to_pandas(held: pa.Table) -> pd.DataFrame:
    """Return a table as a data frame of Arrow-backed types; dictionaries become strings, which pandas can sort."""
    import pandas as pd

    for at, field in enumerate(held.schema):
        if pa.types.is_dictionary(field.type):
            held = held.set_column(at, field.name, held.column(at).cast(pa.string()))
    return held.to_pandas(types_mapper=pd.ArrowDtype)


def words(codes: NDArray[Any], names: Sequence[str], known: NDArray[np.bool_] | None = None) -> pa.Array[Any]:
    """Return codes as a dictionary-encoded column of their names, each name once; null where not known."""
    if len(once := dict.fromkeys(names)) < len(names):
        place = {name: at for at, name in enumerate(once)}
        codes = np.array([place[name] for name in names], np.int32)[codes]
        names = list(once)
    codes = codes.astype(np.int32) if known is None else np.where(known, codes, 0).astype(np.int32)
    return pa.DictionaryArray.from_arrays(_numbers(codes, pa.int32(), known), _strings(names))


def column(values: Any, kind: pa.DataType) -> pa.Array[Any] | pa.ChunkedArray[Any]:
    """Return values as an Arrow array of one type of ``TYPES``; what values may be, ``to_arrow`` says."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values if values.type == kind else values.cast(kind)
    valid = None
    if isinstance(values, tuple):
        values, valid = values[0], np.asarray(values[1], np.bool_)
    if isinstance(values, np.ndarray):
        return _numbers(values, kind, valid)
    if valid is None and any(value is None for value in values):
        valid = np.array([value is not None for value in values], np.bool_)
    if pa.types.is_string(kind):
        return _strings(values, valid)
    if pa.types.is_dictionary(kind):
        names = {name: code for code, name in enumerate(dict.fromkeys(v for v in values if v is not None))}
        return words(np.array([names.get(value, 0) for value in values], np.int32), list(names), valid)
    if pa.types.is_list(kind):
        return _lists(values, kind)
    return _numbers(np.array([value or 0 for value in values], _dtype(kind)), kind, valid)


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    """Return the NumPy dtype that an Arrow array of numbers, times or truths has in memory."""
    return np.dtype(np.int64) if pa.types.is_timestamp(kind) else np.dtype(kind.to_pandas_dtype())


def _bits(truths: NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if truths is None else pa.py_buffer(np.packbits(truths, bitorder="little").data)


def _numbers(values: NDArray[Any], kind: pa.DataType, valid: NDArray[np.bool_] | None = None) -> pa.Array[Any]:
    if valid is not None and len(valid) != len(values):
        raise ValueError(f"{len(values)} values cannot have {len(valid)} marks of validity")
    dtype = _dtype(kind)
    held = np.ascontiguousarray(values, dtype) if values.dtype == dtype else values.astype(dtype)
    if values.dtype != dtype:
        fits = (held == values) & ((held < 0) == (values < 0))
        if not np.all(fits if valid is None else fits | ~valid):
            raise ValueError(f"values of {values.dtype} do not fit {kind}")
    data = _bits(held) if pa.types.is_boolean(kind) else pa.py_buffer(held.data)
    return pa.Array.from_buffers(kind, len(held), [_bits(valid), data])


def _strings(values: Sequence[str | None], valid: NDArray[np.bool_] | None = None) -> pa.Array[Any]:
    encoded = [b"" if value is None else value.encode("utf-8", "replace") for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(encoded), [_bits(valid), pa.py_buffer(offsets.data), data])


def _lists(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    parts = [np.asarray(value, np.uint64) for value in values]
    flat = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    buffers: list[pa.Buffer | None] = [None, pa.py_buffer(offsets.data)]
    return pa.Array.from_buffers(kind, len(values), buffers, children=[_numbers(flat, pa.uint64())])
