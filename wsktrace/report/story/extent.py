"""Until when a trace tells of a driver, and where it has gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from wsktrace.report.story.rows import Columns

__all__ = ["Extent", "Gap"]

_EVER: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Gap:
    """Where events are missing: from and until when (ns UTC, None where nobody knows), and how many (0: not known)."""

    start_ns: int | None
    end_ns: int | None
    missing: int

    def begin(self) -> int:
        """Return from when, as a number that orders."""
        return -_EVER if self.start_ns is None else self.start_ns

    def end(self) -> int:
        """Return until when, as a number that orders."""
        return _EVER if self.end_ns is None else self.end_ns


class Extent:
    """The ends and gaps of a trace, load by load.

    Args:
        operations: the table.
        quality: rows of the table.
    """

    def __init__(self, operations: Columns, quality: list[dict[str, Any]]) -> None:
        self._operations = operations
        self._ends = {
            _load(row["name"]): row["end"] for row in quality if row["item"] == "edge" and row["end"] is not None
        }
        self._gaps: dict[int | None, list[Gap]] = {}
        for row in quality:
            if row["item"] == "gap":
                gap = Gap(row["start"], row["end"], row["value"])
                self._gaps.setdefault(_load(row["name"]), []).append(gap)
        for held in self._gaps.values():
            held.sort(key=Gap.begin)
        self._bounds = {load: ([g.begin() for g in held], [g.end() for g in held]) for load, held in self._gaps.items()}

    @cached_property
    def _last_ns(self) -> int:
        time = self._operations.values("time")
        return int(time.max()) if len(time) else 0

    def end_ns(self, load: int) -> int:
        """Return until when the absence of an operation of a load is evidence; that of the last operation else."""
        end: int = self._ends.get(load, self._last_ns)
        return end

    @cached_property
    def _counted(self) -> set[int]:
        """Loads whose driver counts its events, so that every loss of them has its place."""
        return set(np.unique(self._operations.values("load")[self._operations.known("seq")]).tolist())

    def gaps(self, load: int | None, start_ns: int, end_ns: int) -> list[Gap]:
        """Return the gaps between two times in which operations of a load may be missing; None: of any load."""
        loads: list[int | None] = [load] if load is not None else [n for n in self._gaps if n is not None]
        if not (load in self._counted if load is not None else self._counted):
            loads.append(None)
        found = [gap for one in loads for gap in self._between(one, start_ns, end_ns)]
        return sorted(found, key=Gap.begin)

    def _between(self, load: int | None, start_ns: int, end_ns: int) -> list[Gap]:
        if load not in self._gaps:
            return []
        begins, ends = self._bounds[load]
        first = bisect_left(ends, start_ns) if load is not None else 0  # those of one load follow each other
        held = self._gaps[load][first : bisect_right(begins, end_ns)]
        return [gap for gap in held if gap.end() >= start_ns]


def _load(name: str) -> int | None:
    head, _, number = name.partition(" ")
    return int(number) if head == "load" and number.isdecimal() else None
