"""The operations of a trace as columns.

What nearly every operation has is dense; the arguments that only some operations have are sparse (rows and values),
so that ten million operations stay below a gigabyte. A fact that the event did not carry is unknown, never zero:
``known`` has a bit per dense fact, and a sparse column simply has no row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.schema import ARGUMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DENSE",
    "KNOWN_IRP",
    "KNOWN_IRQL",
    "KNOWN_SOCKET",
    "KNOWN_STATUS",
    "Gathering",
    "Operations",
    "Sparse",
    "argument_dtype",
]

KNOWN_IRP = 1
KNOWN_SOCKET = 2
KNOWN_STATUS = 4
KNOWN_IRQL = 8
KNOWN_SEQ = 16
KNOWN_THREAD = 32

_WORDS = {"address": "u8", "status": "u4", "bool": "?"}
#: Sparse columns beside the arguments of ``schema.ARGUMENTS``.
_EXTRA = {"client": "u8", "registration": "u8", "information": "u8"}


def argument_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a sparse column."""
    if name in _EXTRA:
        return np.dtype(_EXTRA[name])
    word = ARGUMENTS[name][0]
    return np.dtype(_WORDS.get(word, word))


@dataclass(slots=True)
class Sparse:
    """Values of the rows that have the fact; ``rows`` ascending, int32."""

    rows: NDArray[np.int32]
    values: NDArray[Any]

    def at(self, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return (values, known) for the asked rows; values are 0 where unknown."""
        if not len(self.rows):
            return np.zeros(len(rows), self.values.dtype), np.zeros(len(rows), np.bool_)
        place = np.searchsorted(self.rows, rows)
        place[place == len(self.rows)] = 0
        known = self.rows[place] == rows
        return np.where(known, self.values[place], self.values.dtype.type(0)), known


#: Dense columns and their dtypes.
DENSE: dict[str, str] = {
    "time": "i8",
    "clock": "i8",
    "cpu": "u2",
    "tid": "u4",
    "pid": "u4",
    "image": "u8",
    "seq": "u8",
    "op": "u1",
    "phase": "u1",
    "irp": "u8",
    "socket": "u8",
    "status": "u4",
    "irql": "u1",
    "known": "u1",
    "record_buffer": "u4",
    "record_offset": "u4",
}


@dataclass(slots=True)
class Operations:
    """The operations in trace order. ``time`` is ns UTC; ``op`` a code of ``operations.OPS``; ``phase`` a ``Phase``."""

    time: NDArray[np.int64]
    clock: NDArray[np.int64]
    cpu: NDArray[np.uint16]
    tid: NDArray[np.uint32]
    pid: NDArray[np.uint32]
    image: NDArray[np.uint64]
    seq: NDArray[np.uint64]
    op: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    irp: NDArray[np.uint64]
    socket: NDArray[np.uint64]
    status: NDArray[np.uint32]
    irql: NDArray[np.uint8]
    known: NDArray[np.uint8]
    record_buffer: NDArray[np.uint32]
    record_offset: NDArray[np.uint32]
    sparse: dict[str, Sparse] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def empty(cls, n: int = 0) -> Operations:
        """Return n operations about which nothing is known."""
        return cls(**{name: np.zeros(n, dtype) for name, dtype in DENSE.items()})  # type: ignore[arg-type]

    def arg(self, name: str, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return (values, known) of a sparse column for some rows."""
        column = self.sparse.get(name)
        if column is None:
            return np.zeros(len(rows), argument_dtype(name)), np.zeros(len(rows), np.bool_)
        return column.at(rows)

    def has(self, bit: int) -> NDArray[np.bool_]:
        """Return per row whether the dense fact of that ``KNOWN_`` bit is known."""
        known: NDArray[np.bool_] = (self.known & bit) != 0
        return known

    def reorder(self, order: NDArray[Any]) -> None:
        """Put the rows in the given order (a permutation), column by column so that little is held twice."""
        n = len(self)
        for name in DENSE:
            setattr(self, name, getattr(self, name)[order])
        place = np.empty(n, np.int32)
        place[order] = np.arange(n, dtype=np.int32)
        for column in self.sparse.values():
            rows = place[column.rows]
            by = np.argsort(rows, kind="stable")
            column.rows, column.values = rows[by], column.values[by]

    def take(self, rows: NDArray[Any]) -> Operations:
        """Return the rows of an ascending index array as operations of their own."""
        part = Operations(**{name: getattr(self, name)[rows] for name in DENSE})
        for name, column in self.sparse.items():
            place = np.searchsorted(rows, column.rows)
            place[place == len(rows)] = 0
            here = rows[place] == column.rows if len(rows) else np.zeros(len(column.rows), np.bool_)
            part.sparse[name] = Sparse(place[here].astype(np.int32), column.values[here])
        return part


class Gathering:
    """Operations that arrive chunk by chunk; grown in place, so that nothing is ever held twice."""

    def __init__(self) -> None:
        """Begin with none."""
        self._n = 0
        self._dense = {name: np.zeros(0, dtype) for name, dtype in DENSE.items()}
        self._sparse: dict[str, tuple[int, NDArray[np.int32], NDArray[Any]]] = {}

    def add(self, part: Operations) -> None:
        """Append the operations of the next chunk."""
        n = self._n + len(part)
        for name, held in self._dense.items():
            _put(held, self._n, getattr(part, name))
        for name, column in part.sparse.items():
            count, rows, values = self._sparse.get(name) or (0, np.zeros(0, np.int32), np.zeros(0, column.values.dtype))
            _put(rows, count, column.rows + np.int32(self._n))
            _put(values, count, column.values)
            self._sparse[name] = (count + len(column.rows), rows, values)
        self._n = n

    def done(self) -> Operations:
        """Return all of them; the gathering is empty afterwards."""
        for held in self._dense.values():
            held.resize(self._n, refcheck=False)
        ops = Operations.empty()
        for name, held in self._dense.items():
            setattr(ops, name, held)
        for name, (count, rows, values) in self._sparse.items():
            rows.resize(count, refcheck=False)
            values.resize(count, refcheck=False)
            ops.sparse[name] = Sparse(rows, values)
        self._dense, self._sparse, self._n = {}, {}, 0
        return ops


def _put(held: NDArray[Any], at: int, more: NDArray[Any]) -> None:
    """Write more values behind the first ``at``; the array grows in place, by a quarter where it has to."""
    need = at + len(more)
    if need > len(held):
        held.resize(max(need, len(held) + len(held) // 4), refcheck=False)
    held[at:need] = more
