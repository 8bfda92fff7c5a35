"""What decoding gives: one ``ColumnData`` per field, all rows of one layout together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.decode import render
from wsktrace.decode.gather import ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from wsktrace.decode.fields import Field

__all__ = ["ColumnData", "Decoded"]


@dataclass(frozen=True, slots=True)
class ColumnData:
    """The values of one field in many records.

    Numbers (and GUID, SYSTEMTIME as 16 raw bytes) are in ``values``. Strings, SIDs and binaries are byte ranges
    ``start``, ``length`` of ``data``. For arrays, ``lists`` holds one array of offsets per level, outermost first:
    row r has the elements ``lists[0][r]`` to ``lists[0][r + 1]`` of the next level; values, start and length are
    flat over the innermost level.

    ``valid`` is per row: False where the payload ended before the field did, or the field's extent made no sense.
    What stands in ``values`` there (zero) is no fact.
    """

    field: Field
    valid: NDArray[np.bool_]
    values: NDArray[Any] | None
    start: NDArray[np.int64] | None
    length: NDArray[np.int64] | None
    lists: tuple[NDArray[np.int64], ...]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.valid)

    def bytes_(self) -> list[Any]:
        """Return the raw bytes of each row (lists of them for arrays), None where not valid."""
        return self._nest(self._raw())

    def texts(self) -> list[Any]:
        """Return each row as text in the way its in-type and out-type ask for, None where not valid."""
        return self._shape(render.text)

    def to_pylist(self) -> list[Any]:
        """Return each row as the Python value that fits best, None where not valid."""
        return self._shape(render.value)

    def take(self, order: NDArray[np.int64]) -> ColumnData:
        """Return the rows in the order given."""
        index, lists = order, []
        for offsets in self.lists:
            counts = np.diff(offsets)[index]
            lists.append(np.concatenate([[0], np.cumsum(counts)]))
            index = ranges(offsets[:-1][index], counts)
        return replace(
            self,
            valid=self.valid[order],
            values=None if self.values is None else self.values[index],
            start=None if self.start is None else self.start[index],
            length=None if self.length is None else self.length[index],
            lists=tuple(lists),
        )

    @staticmethod
    def concat(parts: Sequence[ColumnData]) -> ColumnData:
        """Join the rows of columns of one field over the same data."""

        def join(arrays: list[NDArray[Any] | None]) -> NDArray[Any] | None:
            present = [a for a in arrays if a is not None]
            return np.concatenate(present) if len(present) == len(arrays) else None

        def shift(level: int) -> NDArray[np.int64]:
            counts = np.concatenate([np.diff(p.lists[level]) for p in parts])
            return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

        first = parts[0]
        if len(parts) == 1:
            return first
        return replace(
            first,
            valid=np.concatenate([p.valid for p in parts]),
            values=join([p.values for p in parts]),
            start=join([p.start for p in parts]),
            length=join([p.length for p in parts]),
            lists=tuple(shift(level) for level in range(len(first.lists))),
        )

    def _raw(self) -> list[bytes]:
        if self.start is None or self.length is None:
            assert self.values is not None
            width = self.values.dtype.itemsize
            whole = np.ascontiguousarray(self.values).tobytes()
            return [whole[i : i + width] for i in range(0, len(whole), width)]
        data = self.data
        return [data[s : s + n].tobytes() for s, n in zip(self.start.tolist(), self.length.tolist(), strict=True)]

    def _shape(self, show: Callable[[Field, Any], Any]) -> list[Any]:
        raw = self.values is None or self.values.dtype.kind == "V"
        flat: list[Any] = self._raw() if raw or self.values is None else self.values.tolist()
        # of rows that are not valid there is nothing to show, and their extent may be nonsense
        known = self.valid.tolist() if not self.lists else [True] * len(flat)
        return self._nest([show(self.field, v) if k else None for v, k in zip(flat, known, strict=True)])

    def _nest(self, flat: list[Any]) -> list[Any]:
        for offsets in reversed(self.lists):
            flat = [flat[a:b] for a, b in pairwise(offsets.tolist())]
        return [v if k else None for v, k in zip(flat, self.valid.tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class Decoded:
    """All records of one layout, by column.

    Attributes:
        rows: which records of the chunk these are.
        columns: name → values, in the layout's order.
        left: bytes of each payload that no column but "…" accounts for.
        ok: False where the payload ended early or did not make sense; some columns are not valid there.
    """

    rows: NDArray[np.int64]
    columns: dict[str, ColumnData]
    left: NDArray[np.int64]
    ok: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def to_the_byte(self, wanted: Collection[str] | None = None) -> Decoded:
        """Return it with only those records counting whose payload was consumed whole, and the ``wanted`` columns."""
        ok = self.ok & (self.left == 0)
        chosen = {n: c for n, c in self.columns.items() if wanted is None or n in wanted}
        return replace(self, columns={n: replace(c, valid=c.valid & ok) for n, c in chosen.items()}, ok=ok)

    def to_pylist(self, *, text: bool = False) -> list[dict[str, Any]]:
        """Return one dict per record, of Python values or of texts; for tests and for printing, not for speed."""
        shown = {n: c.texts() if text else c.to_pylist() for n, c in self.columns.items()}
        return [{n: v[i] for n, v in shown.items()} for i in range(len(self.rows))]
