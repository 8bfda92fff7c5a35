"""How much of everything both traces hold, and how much of it a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from wsktrace.diff.sides import Side

__all__ = ["Count", "counts", "outstanding_peak"]


@dataclass(frozen=True, slots=True)
class Count:
    """One figure of both traces; the rates are per second of the trace, None where that makes no sense."""

    kind: str
    name: str
    a: int
    b: int
    a_per_s: float | None
    b_per_s: float | None


def counts(a: Side, b: Side) -> list[Count]:
    """Return the figures: rows of tables, calls and callbacks by operation, IRPs and sockets by kind, losses."""
    held_a, held_b = _figures(a), _figures(b)
    keys = dict.fromkeys((*held_a, *held_b))
    order = list(dict.fromkeys(kind for kind, _ in keys))

    def rank(key: tuple[str, str]) -> tuple[int, int]:
        return order.index(key[0]), -max(held_a.get(key, 0), held_b.get(key, 0))

    return [
        Count(*key, held_a.get(key, 0), held_b.get(key, 0), _rate(a, key, held_a), _rate(b, key, held_b))
        for key in sorted(keys, key=rank)
    ]


def _rate(side: Side, key: tuple[str, str], held: dict[tuple[str, str], int]) -> float | None:
    span = side.facts.span_ns
    if not span or span < 0 or key[0] in ("at once", "lost"):
        return None
    return held.get(key, 0) / span * 1e9


def _figures(side: Side) -> dict[tuple[str, str], int]:
    operations, irps, sockets = (side.tables(name) for name in ("operations", "irps", "sockets"))
    held = {
        ("rows", name): side.tables(name).num_rows
        for name in ("operations", "irps", "sockets", "descriptors", "registrations")
    }
    for (op, phase), number in _grouped(operations, "op", "phase").items():
        if phase in ("enter", "callback"):
            held["calls" if phase == "enter" else "callbacks", op] = number
    for (outcome,), number in _grouped(irps, "outcome").items():
        held["IRPs", outcome] = number
    for (completion,), number in _grouped(irps, "completion").items():
        held["completions", completion.replace("_", " ")] = number
    for (category, origin), number in _grouped(sockets, "category", "origin").items():
        held["sockets", f"{category}, {origin.replace('_', ' ')}"] = number
    held["at once", "IRPs outstanding, most"] = outstanding_peak(irps)
    facts = side.facts
    for name, number in (
        ("events", facts.events_lost),
        ("buffers", facts.buffers_lost),
        ("damaged buffers", facts.damaged_buffers),
    ):
        held["lost", name] = number
    return held


def outstanding_peak(irps: pa.Table) -> int:
    """Return how many uses of IRPs were outstanding at once, at most.

    One is outstanding from its issue to its completion; to its return where the call failed without one; to the end of
    the trace where it is open. Of an end that was lost nothing is known: it counts no longer than to its return.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    outcome: Any = irps.column("outcome")
    opened: Any = pc.equal(outcome, pa.scalar("open"))
    ended = pc.coalesce(*(irps.column(name) for name in ("complete_time", "return_time", "issue_time")))
    begun = _ints(irps.column("issue_time"))
    # where the clocks of two processors disagree, a completion may stand before its call
    done = np.maximum(_ints(ended), begun)[~_bools(opened)]
    order = np.lexsort((np.repeat([1, 0], [len(begun), len(done)]), np.concatenate([begun, done])))
    steps = np.repeat([1, -1], [len(begun), len(done)])[order]
    return int(np.cumsum(steps).max(initial=0))


def _texts(column: Any) -> Any:
    import pyarrow as pa

    return column.cast(pa.string()).fill_null("unknown")


def _ints(column: Any) -> Any:
    import pyarrow as pa

    return np.asarray(column.cast(pa.int64()).combine_chunks().to_numpy(zero_copy_only=False), np.int64)


def _bools(column: Any) -> Any:
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False), np.bool_)


def _grouped(table: pa.Table, *names: str) -> dict[tuple[str, ...], int]:
    """Return how many rows have each combination of words."""
    held = table.select(list(names))
    for at, name in enumerate(names):
        held = held.set_column(at, name, _texts(held.column(name)))
    found = held.group_by(list(names)).aggregate([([], "count_all")]).to_pylist()
    return {tuple(str(row[name]) for name in names): int(row["count_all"]) for row in found}
