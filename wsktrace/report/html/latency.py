"""The latency section of a page: figures by operation and outcome, the other legs, what has no duration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsktrace.stats.histogram import tells
from wsktrace.stats.latency import PERCENTILES

if TYPE_CHECKING:
    import pyarrow as pa

    from wsktrace.arrow import Tables

__all__ = ["Latency", "by_outcome", "latency"]

_SHARES = ("p90_ns", "p99_ns", "p999_ns")


@dataclass(frozen=True, slots=True)
class Latency:
    """Rows of ``latency`` as a page shows them: a percentile that so few uses do not tell is None."""

    #: from the issue to the completion: each operation, below it its outcomes where they differ
    rows: list[dict[str, Any]]
    #: columns of the percentiles that any of them tells
    shares: list[str]
    #: the other legs by operation
    legs: list[dict[str, Any]]
    #: how many uses have no duration, and why
    absent: str


def latency(tables: Tables) -> Latency:
    """Return what the section shows."""
    from wsktrace.report.latency import without

    whole = tables("latency")
    split: dict[str, list[dict[str, Any]]] = {}
    for row in _told(by_outcome(tables), "total"):
        if row["count"]:
            split.setdefault(row["op"], []).append(row)
    rows = []
    for row in _told(whole, "total"):
        parts = split.get(row["op"], [])
        rows.append(row | {"outcome": "all" if len(parts) > 1 else "".join(part["outcome"] for part in parts)})
        if len(parts) > 1:
            rows += parts
    shares = [name for name in _SHARES if any(row[name] is not None for row in rows)]
    legs = [row for leg in ("pending", "call") for row in _told(whole, leg) if row["count"]]
    return Latency(rows, shares, legs, without(whole, "total"))


def by_outcome(tables: Tables, *, ops: bool = True) -> pa.Table:
    """Return the table ``latency`` by outcome, and by operation unless told otherwise."""
    from wsktrace.arrow import to_arrow
    from wsktrace.stats.latency import latency_columns

    return to_arrow("latency", latency_columns(tables("irps"), by=("op", "outcome") if ops else ("outcome",)))


def _told(table: pa.Table, leg: str) -> list[dict[str, Any]]:
    """Return the rows of a leg, without percentiles that they do not tell."""
    from wsktrace.arrow import matching

    held = matching(table.drop_columns(["bins", "counts"]), "leg", leg).to_pylist()
    return [row | {name: None for name, share in PERCENTILES.items() if not tells(row["count"], share)} for row in held]
