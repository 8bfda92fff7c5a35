"""Few rows out of tables of millions: columns read in place, rows found by the value of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Columns", "Groups", "Operation", "union"]


class _Column:
    """One column of numbers, times, truths, words or strings; its values are looked at where Arrow holds them."""

    def __init__(self, held: pa.ChunkedArray[Any]) -> None:
        import pyarrow as pa

        if pa.types.is_dictionary(held.type):
            held = held.unify_dictionaries()
        array: Any = held.chunk(0) if held.num_chunks == 1 else held.combine_chunks()
        self._words: list[str | None] | None = None
        self._valid: NDArray[np.bool_] | None = None
        if array.null_count:
            self._valid = array.is_valid().to_numpy(zero_copy_only=False)
        if isinstance(array, pa.DictionaryArray):
            self._words = array.dictionary.to_pylist()
            array = array.indices
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.int64())
        self.values: NDArray[Any] = self._view(array)

    @staticmethod
    def _view(array: pa.Array[Any]) -> NDArray[Any]:
        import pyarrow as pa

        if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
            return np.asarray(array.to_numpy(zero_copy_only=False))
        data = array.buffers()[1]
        dtype = np.dtype(array.type.to_pandas_dtype())
        if data is None or not len(array):
            return np.zeros(len(array), dtype)
        return np.frombuffer(memoryview(data), dtype)[array.offset : array.offset + len(array)]

    def known(self) -> NDArray[np.bool_]:
        return np.ones(len(self.values), np.bool_) if self._valid is None else self._valid

    def take(self, at: NDArray[np.int64]) -> list[Any]:
        found = self.values[at].tolist()
        valid = None if self._valid is None else self._valid[at].tolist()
        if self._words is not None:
            words = self._words
            if valid is None:
                return [words[code] for code in found]
            return [words[code] if has else None for code, has in zip(found, valid, strict=True)]
        if valid is None:
            return list(found)
        return [value if has else None for value, has in zip(found, valid, strict=True)]

    def code_of(self, word: str) -> int:
        return self._words.index(word) if self._words is not None and word in self._words else -1


class Columns:
    """A table as columns, each made ready when it is first asked for; nothing is copied that Arrow holds in one piece.

    Args:
        table: a table of schema.py.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._ready: dict[str, _Column] = {}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def _column(self, name: str) -> _Column:
        if name not in self._ready:
            self._ready[name] = _Column(self._table.column(name))
        return self._ready[name]

    def values(self, name: str) -> NDArray[Any]:
        """Return a column whole; of words their codes; what stands where it is null is not defined."""
        return self._column(name).values

    def known(self, name: str) -> NDArray[np.bool_]:
        """Return where a column is not null."""
        return self._column(name).known()

    def take(self, name: str, at: NDArray[np.int64]) -> list[Any]:
        """Return a column's values at some rows as Python's; None where null, times as ns UTC."""
        return self._column(name).take(at)

    def value(self, name: str, at: int) -> Any:
        """Return one value; None where null."""
        return self.take(name, np.array([at]))[0]

    def is_word(self, name: str, *words: str) -> NDArray[np.bool_]:
        """Return where a column of words is one of these."""
        column = self._column(name)
        codes = [code for code in map(column.code_of, words) if code >= 0]
        found: NDArray[np.bool_] = np.isin(column.values, codes) & column.known()
        return found

    def is_at(self, name: str, at: NDArray[np.int64], *words: str) -> NDArray[np.bool_]:
        """Return where some rows of a column of words are one of these."""
        return np.array([word in words for word in self.take(name, at)], np.bool_)

    def row(self, at: int) -> dict[str, Any]:
        """Return a whole row."""
        where = np.array([at])
        return {name: self.take(name, where)[0] for name in self._table.column_names}


class Groups:
    """Rows by the value of a key, each group in the order of the table.

    Args:
        keys: one per row.
        rows: the rows that count, ascending; all where None.
    """

    def __init__(self, keys: NDArray[Any], rows: NDArray[np.int64] | None = None) -> None:
        chosen = keys if rows is None else keys[rows]
        if len(chosen) and chosen.dtype.itemsize == 8 and int(chosen.max()) < 1 << 32:
            chosen = chosen.astype(np.uint32)
        order = np.argsort(chosen, kind="stable")
        self._keys = chosen[order]
        self._highest = int(np.iinfo(chosen.dtype).max)
        self._rows = order if rows is None else rows[order]

    def of(self, key: int | None) -> NDArray[np.int64]:
        """Return the rows of a key, ascending; none where it is not known."""
        if key is None or not 0 <= key <= self._highest:
            return self._rows[:0]
        wanted = self._keys.dtype.type(key)
        low, high = self._keys.searchsorted(wanted), self._keys.searchsorted(wanted, "right")
        return self._rows[low:high]

    def keys(self) -> NDArray[Any]:
        """Return the keys that there are, ascending."""
        return np.unique(self._keys)


_DENSE = (
    "time", "cpu", "tid", "pid", "load", "op", "phase", "irp", "socket", "status_name", "status", "irql", "irp_id",
    "socket_id",
)  # fmt: skip


class Operation:
    """One row of ``operations``: what nearly every row has as attributes, the rest by ``arg``; None where not known."""

    __slots__ = ("_columns", "at", "id", *_DENSE)

    at: int
    id: int
    time: int
    cpu: int | None
    tid: int | None
    pid: int | None
    load: int
    op: str
    phase: str
    irp: int | None
    socket: int | None
    status_name: str | None
    status: int | None
    irql: int | None
    irp_id: int | None
    socket_id: int | None

    def __init__(self, columns: Columns, at: int, values: tuple[Any, ...]) -> None:
        self._columns = columns
        self.at = at
        self.id: int = values[0]
        for name, value in zip(_DENSE, values[1:], strict=True):
            setattr(self, name, value)

    @classmethod
    def some(cls, columns: Columns, at: NDArray[np.int64]) -> list[Operation]:
        """Return the operations of some rows."""
        held = zip(*(columns.take(name, at) for name in ("operation_id", *_DENSE)), strict=True)
        return [cls(columns, row, values) for row, values in zip(at.tolist(), held, strict=True)]

    def arg(self, name: str) -> int | None:
        """Return any column of this row."""
        found: int | None = self._columns.value(name, self.at)
        return found


def union(*parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of several parts, each ascending, once and ascending."""
    held = [part for part in parts if len(part)]
    if len(held) < 2:
        return held[0] if held else np.zeros(0, np.int64)
    joined = np.sort(np.concatenate(held), kind="stable")  # made of ascending runs, which it only merges
    once: NDArray[np.int64] = joined[np.append(True, joined[1:] != joined[:-1])]
    return once
