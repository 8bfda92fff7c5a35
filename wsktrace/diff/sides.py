"""The two traces of a comparison, and whether they can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsktrace.schema_judged import RUNNING

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["Side", "cautions"]

#: From how many times the other's span on a comparison of counts needs a word.
_SPANS_APART = 1.5


@dataclass(frozen=True, slots=True)
class Side:
    """One trace: its facts and what gives its tables."""

    facts: TraceFacts
    tables: Tables

    def lossy(self) -> bool:
        """Return whether events are known to be missing: lost, damaged, or numbers of the driver's counter left out."""
        return bool(self.facts.losses) or "gap" in self.tables("quality").column("item").unique().to_pylist()

    def late(self) -> bool:
        """Return whether a driver was running before the trace began."""
        return RUNNING in self.tables("quality").column("detail").unique().to_pylist()


def cautions(a: Side, b: Side) -> list[str]:
    """Return what makes the two hard to compare, a sentence each; A is the reference."""
    told = []
    if a.facts.sha256 == b.facts.sha256:
        told.append("A and B are the same file")
    for name, side in (("A", a), ("B", b)):
        if not side.facts.judged:
            told.append(f"{name} holds no WSK operation: nothing can be compared")
        elif side.lossy():
            told.append(
                f"events are missing in {name}: its counts are too low, what it does not show may still be there"
            )
    if a.late() != b.late():
        late, other = ("A", "B") if a.late() else ("B", "A")
        told.append(
            f"{late} began when the driver was running, {other} before it: {late} shows nothing of the beginning"
        )
    if a.facts.profile != b.facts.profile:
        told.append(f"different profiles: {a.facts.profile} and {b.facts.profile}")
    if a.facts.cpus != b.facts.cpus:
        told.append(f"different machines or settings: {a.facts.cpus} and {b.facts.cpus} CPUs")
    unknown = [name for name, side in (("A", a), ("B", b)) if side.facts.span_ns is None]
    spans = sorted(side.facts.span_ns or 0 for side in (a, b))
    if unknown:
        told.append(f"{' and '.join(unknown)} without a time of start: how much a second is not known")
    elif spans[1] > _SPANS_APART * max(spans[0], 0):
        told.append("the traces cover different lengths of time: compare rates, not counts")
    return told
