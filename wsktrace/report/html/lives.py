"""Which IRPs and sockets a page shows: all where they are few, else those that matter; chosen in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import among, numbers
from wsktrace.report.words import pending, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.arrow import Tables

__all__ = ["Lives", "lives"]

#: IRPs, sockets and pending IRPs that a page lists.
MOST_IRPS = 10_000
MOST_SOCKETS = 150
MOST_PENDING = 60
#: IRPs whose story is told: of findings, and the slowest.
MOST_TOLD = 60
SLOWEST = 100
#: Sockets whose story is told.
MOST_SOCKETS_TOLD = 25
MOST_WAITING_TOLD = 5


@dataclass(frozen=True, slots=True)
class Lives:
    """Rows of ``irps`` and ``sockets`` that a page shows, and how many there are in all."""

    #: with a story, in order of time; ``why`` says why it is told
    told: list[dict[str, Any]]
    #: the others, in order of time
    irps: list[dict[str, Any]]
    irps_total: int
    sockets: list[dict[str, Any]]
    sockets_total: int
    #: sockets whose story is told
    sockets_told: frozenset[int]
    pending: list[dict[str, Any]]
    pending_total: int

    @property
    def irps_left_out(self) -> int:
        """How many IRPs are not shown."""
        return self.irps_total - len(self.told) - len(self.irps)


def lives(tables: Tables, findings: Iterable[dict[str, Any]], end_ns: int | None = None) -> Lives:
    """Return what is shown of ``irps`` and ``sockets``.

    Args:
        tables: of the trace.
        findings: rows that the page shows, the most important first.
        end_ns: when the trace ends, ns UTC, where it tells that.
    """
    listed = list(findings)
    irps, sockets, opened = tables("irps"), tables("sockets"), pending(tables, end_ns)
    ids = numbers(irps, "irp_id")
    named = _first((f["irp_id"] for f in listed), MOST_TOLD)
    slow = _slowest(irps, SLOWEST)
    told = np.isin(ids, np.concatenate((named, slow)))
    rest = _limited(irps, ~told, MOST_IRPS - int(told.sum()))
    waiting = rows(opened.slice(0, MOST_PENDING))
    about = _first((f["socket_id"] for f in listed), MOST_SOCKETS_TOLD)
    about = _first([*about.tolist(), *(row["socket_id"] for row in waiting[:MOST_WAITING_TOLD])], MOST_SOCKETS_TOLD)
    shown = _sockets(sockets, about)
    slow_ids = set(slow.tolist())
    with_story = _rows(irps, told)
    for row in with_story:
        row["why"] = "slow" if row["irp_id"] in slow_ids else "finding"
    return Lives(
        told=with_story,
        irps=_rows(irps, rest),
        irps_total=irps.num_rows,
        sockets=_rows(sockets, shown),
        sockets_total=sockets.num_rows,
        sockets_told=frozenset(about.tolist()),
        pending=waiting,
        pending_total=opened.num_rows,
    )


def _first(ids: Iterable[int | None], most: int) -> NDArray[np.int64]:
    """Return the first distinct ids."""
    held = list(dict.fromkeys(i for i in ids if i is not None and i < 1 << 63))  # a greater one names no row
    return np.array(held[:most], np.int64)


def _slowest(irps: pa.Table, most: int) -> NDArray[np.int64]:
    """Return the ids of the uses that took longest from issue to completion."""
    import pyarrow.compute as pc

    done = irps.select(["irp_id", "total_ns"]).filter(pc.is_valid(irps.column("total_ns")))
    total, ids = numbers(done, "total_ns"), numbers(done, "irp_id")
    few = np.flatnonzero(total >= np.partition(total, -most)[-most]) if len(total) > most else np.arange(len(total))
    return np.asarray(ids[few[np.lexsort((ids[few], -total[few]))[:most]]])


def _limited(irps: pa.Table, rest: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Return which of the rest are shown: all, or the open ones, then the slowest."""
    if int(rest.sum()) <= most:
        return rest
    total = numbers(irps, "total_ns", -1)
    opened = among(irps, "outcome", ["open"])
    weight = np.where(opened, np.iinfo(np.int64).max, total)
    where = np.flatnonzero(rest)
    best = where[np.argsort(-weight[where], kind="stable")[:most]]
    chosen = np.zeros(len(rest), np.bool_)
    chosen[best] = True
    return chosen


def _sockets(sockets: pa.Table, about: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which sockets are shown: those of findings and with open IRPs first, then in order of time."""
    ids = numbers(sockets, "socket_id")
    weight = np.isin(ids, about) * 2 + (numbers(sockets, "open_irps", 0) > 0)
    chosen = np.zeros(len(ids), np.bool_)
    chosen[np.argsort(-weight, kind="stable")[:MOST_SOCKETS]] = True
    return chosen


def _rows(table: pa.Table, chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
    import pyarrow as pa

    return rows(table.filter(pa.array(chosen)))
