"""The table ``latency`` as text with small histograms, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.report.escaping import json_text
from wsktrace.report.json import trace_object
from wsktrace.report.terminal import WIDTH, wrapped
from wsktrace.report.trust import trust
from wsktrace.schema import SCHEMA_VERSION
from wsktrace.stats.groups import KEYS
from wsktrace.stats.histogram import tells
from wsktrace.stats.latency import ALL, LEG_NAMES, LEGS, PERCENTILES, grouped_by
from wsktrace.units import clean, duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from wsktrace.facts import TraceFacts

__all__ = ["as_csv", "as_json", "as_text", "sparkline", "without"]

_FIGURES = {"min_ns": "min", "p50_ns": "p50", "p90_ns": "p90", "p99_ns": "p99", "p999_ns": "p99.9", "max_ns": "max"}
#: How many uses a percentile needs (``stats.tells``).
_NEEDED = {"p90_ns": 10, "p99_ns": 100, "p999_ns": 1000}
#: What a narrow terminal does without, first to last.
_SPARE = ("min_ns", "p999_ns", "p90_ns")
#: Heights of a small histogram, lowest first.
_BLOCKS = "▁▂▃▄▅▆▇█"
_CELLS = 24
#: Fewer are no histogram: ends of the axis would not stand above them.
_FEWEST = 16
#: Rows that are printed at most; the files have all of them.
MOST_ROWS = 500


def as_text(
    table: pa.Table,
    facts: TraceFacts,
    *,
    by: Sequence[str] = (),
    doubtful: int = 0,
    backwards: int = 0,
    width: int | None = None,
) -> str:
    """Return the rows of a ``latency`` table as text, one a line, with a small histogram.

    Args:
        table: a ``latency`` table (schema.py), by whatever it is grouped.
        facts: of its trace; what was lost is told below.
        by: what it is grouped by, in the order of columns; as the table's columns where empty.
        doubtful: how many uses of IRPs may not be what they seem (``irps.doubt``).
        backwards: how many uses of IRPs were completed before their call, by clocks of processors that disagree.
        width: columns of the terminal, where it is known: fewer figures are printed where it is narrow.
    """
    rows = [row for row in table.to_pylist() if row["count"] or row["leg"] == "total" or row["absent_open"]]
    if not facts.judged:
        return "no completed IRP in this trace: it has no WSK operation; wsktrace info says what is in it\n"
    if not rows:
        return "no completed IRP in this trace\n"
    keys = tuple(by) or grouped_by(table) or ("op",)
    left_out = len(rows) - MOST_ROWS
    rows = rows[:MOST_ROWS]
    known = [row for row in rows if row["count"]]
    low = max(min((r["min_ns"] for r in known), default=1), 1)
    high = max((r["max_ns"] for r in known), default=1)
    figures = list(_FIGURES)
    lines = _lines(rows, keys, figures, (low, high))
    empty = [f for f in figures if f not in _SPARE and not any(_figure(row, f) for row in known)]
    for spare in (*empty, *_SPARE):
        if width is None or max(map(len, lines)) <= width:
            break
        figures.remove(spare)
        lines = _lines(rows, keys, figures, (low, high))
    over = 0 if width is None else max(map(len, lines)) - width
    if over > 0:  # a small histogram becomes smaller, or there is none
        lines = _lines(rows, keys, figures, (low, high), _CELLS - over if _CELLS - over >= _FEWEST else 0)
    if left_out > 0:
        lines.append(f"… and {left_out:,} rows more (all of them: -o FILE.csv)")
    legs = [leg for leg in LEGS if any(row["leg"] == leg for row in rows)]
    lines.append("")
    for leg in legs:
        since = ", from the return that said PENDING" if leg == "pending" else ""
        told = f"{leg + ':':<8} {LEG_NAMES[leg]}{since}; {without(table, leg, backwards)}"
        lines += wrapped(told, min(WIDTH, width or WIDTH), indent=9)
    if any(not _figure(row, figure) for row in known for figure in figures):
        needed = ", ".join(f"{_FIGURES[f]} needs {n:,}" for f, n in _NEEDED.items() if f in figures)
        lines.append(f"empty:   too few uses for that percentile: {needed}")
    if doubtful:
        told = "1 use of an IRP is in doubt" if doubtful == 1 else f"{doubtful:,} uses of IRPs are in doubt"
        lines.append(f"{told}: events of others may be among their own (irps.doubt)")
    if facts.losses:
        lines.append(f"{trust(facts)[0]}: uses of IRPs whose events are missing are not in these figures")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _lines(
    rows: Sequence[dict[str, Any]],
    keys: Sequence[str],
    figures: Sequence[str],
    ends: tuple[int, int],
    cells_each: int = _CELLS,
) -> list[str]:
    """Return the head and the rows, in columns as wide as what they hold."""
    counts = ["count", *(name for name in ("absent", "absent_open") if any(row[name] for row in rows))]
    told = [name.removeprefix("absent_") for name in counts]
    head = [
        *(KEYS[key] for key in keys),
        "leg",
        *told,
        *(_FIGURES[f] for f in figures),
        _scale(*ends, cells_each) if cells_each else "",
    ]
    cells, last = [], None
    for row in rows:
        names = [clean(row[key]) for key in keys]
        cells.append(
            [
                *(names if names != last else [""] * len(names)),
                row["leg"],
                *(f"{row[name]:,}" if row[name] or name == "count" else "" for name in counts),
                *(_figure(row, figure) for figure in figures),
                sparkline(row, *ends, cells_each) if cells_each else "",
            ]
        )
        last = names
    wide = [max(len(line[at]) for line in (head, *cells)) for at in range(len(head))]
    words = len(keys) + 1  # names stand left, figures right
    return [
        "  ".join(
            text.ljust(size) if at < words or at == len(head) - 1 else text.rjust(size)
            for at, (text, size) in enumerate(zip(line, wide, strict=True))
        )
        for line in (head, *cells)
    ]


def _figure(row: dict[str, Any], name: str) -> str:
    """Return a figure of a row; nothing where it would be a percentile that so few uses do not tell."""
    share = PERCENTILES.get(name, 0)
    return "" if row["count"] and not tells(row["count"], share) else duration_text(row[name])


def _scale(low: int, high: int, cells: int) -> str:
    """Return the head of the histograms: from when to when they go."""
    ends = duration_text(low), duration_text(high)
    between = " log " if cells >= _CELLS - 4 else ""
    return ends[0] + between.center(max(cells - len(ends[0]) - len(ends[1]), 1), "·") + ends[1]


def sparkline(row: dict[str, Any], low: int, high: int, cells: int = _CELLS) -> str:
    """Return a row's histogram in so many characters, on a logarithmic axis from ``low`` to ``high`` (ns).

    Whatever is not empty is seen: the lowest block may stand for a single duration.
    """
    from wsktrace.stats.histogram import bin_edges, bin_of

    if not row["count"]:
        return ""
    first, last = bin_edges(bin_of(np.asarray(row["bins"], np.int64)))
    middle = np.clip(first + (last - first) // 2, max(low, 1), max(high, 1))
    span = max(np.log(high / low), 1e-9)
    at = np.minimum((np.log(middle / low) / span * cells).astype(np.int64), cells - 1)
    counts = np.bincount(at, weights=np.asarray(row["counts"], np.float64), minlength=cells)
    level = np.ceil(counts / counts.max() * len(_BLOCKS)).astype(np.int64)
    return "".join(_BLOCKS[n - 1] if n else " " for n in level.tolist())


def without(table: pa.Table, leg: str, backwards: int = 0) -> str:
    """Return how many uses of IRPs have no such duration, and why."""
    names = ("uses", "absent", "absent_open", "absent_inline")
    rows = table.select(["leg", *names]).to_pylist()
    uses, absent, still, inline = (sum(row[name] for row in rows if row["leg"] == leg) for name in names)
    if not absent:
        return f"all {uses:,} uses of IRPs have one"
    parts = [(still, "open at the end")]
    if leg == "pending":
        parts.append((inline, "completed before the call returned"))
    rest = "never said PENDING, or not seen" if leg == "pending" else "failed at the call, or not seen"
    if leg == "total" and backwards:
        rest = "failed at the call, not seen, or completed before the call by processors' clocks that disagree"
    parts.append((absent - sum(n for n, _ in parts), rest))
    told = ", ".join(f"{n:,} {why}" for n, why in parts if n)
    return f"absent in {absent:,} of {uses:,} uses of IRPs: {told}"


def as_json(table: pa.Table, facts: TraceFacts, *, by: Sequence[str] = ()) -> str:
    """Return a ``latency`` table as one JSON object: the trace, what it is grouped by, the rows with all columns."""
    found = {
        "schema_version": SCHEMA_VERSION,
        "trace": trace_object(facts),
        "by": list(by or grouped_by(table)) or [ALL],
        "latency": table.to_pylist(),
    }
    return json_text(found)


def as_csv(table: pa.Table) -> str:
    """Return a ``latency`` table as CSV (RFC 4180) without the histograms; null is an empty field."""
    names = [name for name in table.column_names if name not in ("bins", "counts")]
    held = io.StringIO()
    writer = csv.writer(held)
    writer.writerow(names)
    writer.writerows(row.values() for row in table.select(names).to_pylist())
    return held.getvalue()
