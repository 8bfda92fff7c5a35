"""Which group each use of an IRP belongs to: by operation, status, outcome, completion, socket category, family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.arrays import known, numbers, words_of
from wsktrace.errors import UsageError
from wsktrace.wsk.constants import family_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["KEYS", "NO_SOCKET", "Grouping", "grouping", "keys_of"]

#: What uses of IRPs can be grouped by → what that is. Each is a column of ``latency``.
KEYS: dict[str, str] = {
    "op": "operation",
    "status": "completion status",
    "outcome": "outcome",
    "completion": "completion",
    "category": "socket category",
    "family": "address family",
}
#: Key → column of ``irps`` that holds it.
_COLUMNS = {
    "op": "op",
    "status": "completion_status_name",
    "outcome": "outcome",
    "completion": "completion",
}
NO_SOCKET = "no socket"
_UNKNOWN = "unknown"
#: Group numbers are made dense again before they grow beyond this.
_DENSE = 1 << 22


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups that occur, and the group of each row.

    Attributes:
        code: int64, one for each row: its group, from 0.
        size: how many groups there are.
        parts: key → (int64, one for each group: which name; the names).
    """

    code: NDArray[np.int64]
    size: int
    parts: dict[str, tuple[NDArray[np.int64], list[str]]]


def keys_of(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return what to group by as names of ``KEYS``: one, several, or none where it is ``all``.

    Raises:
        UsageError: another name, or a name twice.
    """
    keys = tuple(key for key in ((by,) if isinstance(by, str) else by) if key != "all")
    if odd := [key for key in keys if key not in KEYS]:
        raise UsageError(f"nothing to group by is called {odd[0]!r}; there are {', '.join(KEYS)}")
    if len(set(keys)) != len(keys):
        raise UsageError("a name to group by is given twice")
    return keys


def grouping(irps: pa.Table, sockets: pa.Table | None = None, by: str | Sequence[str] = ("op",)) -> Grouping:
    """Return the groups of ``irps`` by any of ``KEYS``, in time that does not depend on how many groups there are.

    Args:
        irps: the table, or its columns that are asked for.
        sockets: the table, for ``category`` and ``family``.
        by: names of KEYS; none of them, or ``all``, makes one group of all rows.

    Raises:
        UsageError: as ``keys_of``, or ``category`` and ``family`` without the sockets.
    """
    code = np.zeros(irps.num_rows, np.int64)
    size = min(irps.num_rows, 1)
    parts: dict[str, tuple[NDArray[np.int64], list[str]]] = {}
    for key in keys_of(by):
        held, names = _coded(irps, sockets, key)
        if size * len(names) <= _DENSE:
            code = code * len(names) + held
            occurs = np.flatnonzero(np.bincount(code, minlength=size * len(names)))
            dense = np.zeros(size * len(names), np.int64)
            dense[occurs] = np.arange(len(occurs))
            code = dense[code]
        else:
            occurs, code = np.unique(code * len(names) + held, return_inverse=True)
            code = code.reshape(-1)
        former = occurs // max(len(names), 1)
        parts = {k: (which[former], named) for k, (which, named) in parts.items()}
        parts[key] = (occurs % max(len(names), 1), names)
        size = len(occurs)
    return Grouping(code, size, parts)


def _coded(irps: pa.Table, sockets: pa.Table | None, key: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return one key of each row as a code and the names of codes."""
    if key in _COLUMNS:
        return words_of(irps.column(_COLUMNS[key]), "none" if key == "status" else _UNKNOWN)
    if sockets is None:
        raise UsageError(f"grouping by {key} needs the table sockets")
    if key == "category":
        held, names = words_of(sockets.column("category"), _UNKNOWN)
    else:
        families, held = np.unique(numbers(sockets, "address_family", -1), return_inverse=True)
        held = held.reshape(-1).astype(np.int64)
        names = [_UNKNOWN if n < 0 else family_name(n) for n in families.tolist()]
    return _through(irps, sockets, held, names)


def _through(
    irps: pa.Table, sockets: pa.Table, held: NDArray[np.int64], names: list[str]
) -> tuple[NDArray[np.int64], list[str]]:
    """Return for each use of an IRP what its socket has."""
    wanted, ids = numbers(irps, "socket_id", 0), numbers(sockets, "socket_id")
    order = np.argsort(ids, kind="stable")
    code = np.full(len(wanted), len(names) + 1, np.int64)
    if len(ids):
        at = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
        code = np.where(ids[at] == wanted, held[at], len(names) + 1)
    return np.where(known(irps, "socket_id"), code, len(names)), [*names, NO_SOCKET, _UNKNOWN]
