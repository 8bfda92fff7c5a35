"""Columns of Arrow tables as NumPy arrays; arrow.py goes the other way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["UNKNOWN", "among", "known", "numbers", "words_of"]

#: In place of a time or duration that is not known.
UNKNOWN = np.iinfo(np.int64).min


def numbers(table: pa.Table, name: str, null: int = UNKNOWN, dtype: type[np.integer[Any]] = np.int64) -> NDArray[Any]:
    """Return a column of times (ns), durations, ids or small numbers; ``null`` stands where it is not known.

    Addresses need ``dtype`` uint64 and a ``null`` that is not negative.
    """
    import pyarrow as pa

    from wsktrace.arrow import column

    held: Any = table.column(name)
    kind = pa.from_numpy_dtype(np.dtype(dtype))
    if held.type != kind:
        held = held.cast(kind, safe=False)  # an id of 64 bits names no row; it stays one that names none
    # neither a plain number nor to_numpy: for these pyarrow imports pandas, which takes longer than a short trace
    array = (held.fill_null(column([null], kind)[0]) if held.null_count else held).combine_chunks()
    data = array.buffers()[1]
    return np.zeros(0, dtype) if data is None else np.frombuffer(data, dtype)[array.offset : array.offset + len(array)]


def known(table: pa.Table, name: str) -> NDArray[np.bool_]:
    """Return which rows of a column are not null."""
    column: Any = table.column(name)
    return np.asarray(column.is_valid().combine_chunks().to_numpy(zero_copy_only=False), np.bool_)


def among(table: pa.Table, name: str, values: Iterable[Any]) -> NDArray[np.bool_]:
    """Return which rows hold one of the values; null is none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from wsktrace.arrow import column

    kind = table.schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    found: Any = pc.is_in(table.column(name), column(list(values), kind))
    return np.asarray(found.to_numpy(), np.bool_)


def words_of(column: Any, null: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return a column of words as codes (int64) and their names; null is the name ``null``."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        column = column.unify_dictionaries().combine_chunks()
    names = [null if name is None else str(name) for name in column.dictionary.to_pylist()]
    if not column.null_count:
        return column.indices.to_numpy(zero_copy_only=False).astype(np.int64), names
    code = column.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    return code, [*names, null]
