"""The table ``latency``: durations of uses of IRPs by group and leg, made from ``irps``, read back, and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wsktrace.arrays import among, known, numbers, words_of
from wsktrace.errors import UsageError
from wsktrace.stats.groups import KEYS, grouping
from wsktrace.stats.histogram import Binned, Histogram, bin_edges, bin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "ALL",
    "LEGS",
    "LEG_NAMES",
    "PERCENTILES",
    "Group",
    "grouped_by",
    "histograms_of",
    "latency_columns",
    "merge_latency",
]

#: Leg of a call's way → the column of ``irps`` that holds its duration.
LEGS: dict[str, str] = {"total": "total_ns", "pending": "pending_ns", "call": "call_ns"}
#: Leg → what it is, for people: the same words in every view.
LEG_NAMES = {"total": "issue → completion", "pending": "pending → completion", "call": "issue → return"}
#: The ``op`` of a row that is not of one operation.
ALL = "all"

#: Column of the table → which share of the uses does not exceed it.
PERCENTILES = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99, "p999_ns": 0.999}
_COUNTS = ("uses", "absent", "absent_open", "absent_inline")


class Group(NamedTuple):
    """What a row of ``latency`` is about; None where it is not grouped by that."""

    op: str
    leg: str
    status: str | None = None
    outcome: str | None = None
    completion: str | None = None
    category: str | None = None
    family: str | None = None

    @property
    def name(self) -> str:
        """What the uses of IRPs have in common, without the leg: ``WskReceive · STATUS_CANCELLED``."""
        more = [part for part in self[2:] if part is not None]
        return " · ".join(more if self.op == ALL and more else [self.op, *more])


def latency_columns(irps: pa.Table, sockets: pa.Table | None = None, *, by: Sequence[str] = ("op",)) -> dict[str, Any]:
    """Return the columns of the table ``latency`` (schema.py) from ``irps``, one pass per leg for all groups.

    Args:
        irps: the table.
        sockets: the table, where ``by`` has ``category`` or ``family``.
        by: names of ``KEYS``; none takes all uses of IRPs as one group, called ``all``.

    Returns:
        Rows by group, the operation (or first key) with the most uses first; within a group by leg, as ``LEGS`` has
        them. A group has all legs; where no use has the duration, ``count`` is 0 and the percentiles are null.

    Raises:
        UsageError: what ``grouping`` raises.
    """
    found = grouping(irps, sockets, by)
    code, size = found.code, found.size
    uses = np.bincount(code, minlength=size)
    open_, inline = among(irps, "outcome", ["open"]), among(irps, "completion", ["inline"])
    legs: list[Binned] = []
    counts: list[list[NDArray[np.int64]]] = []
    for column in LEGS.values():
        ns = numbers(irps, column, -1)
        valid = ns >= 0
        missing = ~valid
        whole = bool(valid.all())
        legs.append(Binned.of(ns if whole else ns[valid], code if whole else code[valid], size))
        absent = [np.bincount(code[missing & held], minlength=size) for held in (open_, inline)]
        counts.append([uses, uses - legs[-1].count, *absent])
    held = _together(legs)
    leg = np.repeat(np.arange(len(LEGS)), size)
    parts = {key: (np.tile(which, len(LEGS)), names) for key, (which, names) in found.parts.items()}
    told = dict(zip(_COUNTS, (np.concatenate(each) for each in zip(*counts, strict=True)), strict=True))
    return _columns(parts, leg, told, held)


def grouped_by(table: pa.Table) -> tuple[str, ...]:
    """Return what the rows of a ``latency`` table are grouped by, names of ``KEYS``; none where it is empty."""
    if not table.num_rows:
        return ()
    told = [key for key in KEYS if key != "op" and table.column(key).null_count < table.num_rows]
    return (*([] if set(table.column("op").unique().to_pylist()) == {ALL} else ["op"]), *told)


def histograms_of(table: pa.Table) -> dict[Group, Histogram]:
    """Return the histograms of a ``latency`` table by what each row is about, in the table's order."""
    names = ("op", "leg", *Group._fields[2:], "bins", "counts", "min_ns", "max_ns")
    found: dict[Group, Histogram] = {}
    for row in table.select(names).to_pylist():
        bins, counts = (np.asarray(row[name], np.int64) for name in ("bins", "counts"))
        ends = row["min_ns"] or 0, row["max_ns"] or 0
        found[Group(*(row[name] for name in Group._fields))] = Histogram(bin_of(bins), counts, *ends)
    return found


def merge_latency(tables: Iterable[pa.Table]) -> pa.Table:
    """Return one ``latency`` table of the uses of IRPs of many traces: what ``latency_columns`` gives of all of them.

    Rows are in the order that ``by`` in the order of ``KEYS`` gives.

    Raises:
        UsageError: the tables are not grouped by the same.
    """
    import pyarrow as pa

    from wsktrace.arrow import arrow_schema, to_arrow

    schema = arrow_schema("latency").remove_metadata()
    held = [t.select(schema.names).cast(schema) for t in tables if t.num_rows]
    if len(ways := {grouped_by(t) for t in held}) > 1:
        ways_told = " and ".join(", ".join(way) or ALL for way in sorted(ways))
        raise UsageError(f"tables that are grouped by {ways_told} cannot be merged; make them by the same")
    if not held:
        return to_arrow("latency", _columns({}, np.zeros(0, np.int64), {}, _together([])))
    table = pa.concat_tables(held).unify_dictionaries()
    coded = {name: words_of(table.column(name), "") for name in (*ways.pop(), "leg")}
    group = np.zeros(table.num_rows, np.int64)
    for code, names in coded.values():
        group = np.unique(group * (len(names) + 1) + code, return_inverse=True)[1].reshape(-1)
    size = int(group.max()) + 1
    first = np.unique(group, return_index=True)[1]
    legs = list(LEGS)
    code, names = coded.pop("leg")
    leg = np.array([legs.index(name) for name in names], np.int64)[code][first]
    parts = {key: (which[first], named) for key, (which, named) in coded.items()}
    told = {count: np.zeros(size, np.int64) for count in _COUNTS}
    for count, total in told.items():
        np.add.at(total, group, numbers(table, count, 0))
    return to_arrow("latency", _columns(parts, leg, told, _merged(table, group, size)))


def _merged(table: pa.Table, group: NDArray[np.int64], size: int) -> Binned:
    """Return the histograms of the rows of a ``latency`` table, added up by group."""
    lengths: Any = table.column("bins").combine_chunks()
    owner = np.repeat(group, np.diff(lengths.offsets.to_numpy(zero_copy_only=False)))
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    has = known(table, "min_ns")
    np.minimum.at(low, group[has], numbers(table, "min_ns", 0)[has])
    np.maximum.at(high, group[has], numbers(table, "max_ns", 0)[has])
    return Binned.added(owner, bin_of(_flat(table, "bins")), _flat(table, "counts"), low, high)


def _flat(table: pa.Table, name: str) -> NDArray[np.int64]:
    values: Any = table.column(name).combine_chunks()
    return np.asarray(values.flatten().to_numpy(zero_copy_only=False), np.int64)


def _together(legs: list[Binned]) -> Binned:
    """Return the groups of many, one behind the other."""
    if not legs:
        none = np.zeros(0, np.int64)
        return Binned(np.zeros(1, np.int64), none, none, none, none)
    shift = np.cumsum([0] + [len(each.bins) for each in legs])
    offsets = np.concatenate([[0], *(each.offsets[1:] + by for each, by in zip(legs, shift, strict=False))])
    return Binned(
        offsets.astype(np.int64),
        *(np.concatenate([getattr(each, name) for each in legs]) for name in ("bins", "counts", "low", "high")),
    )


def _columns(
    parts: dict[str, tuple[NDArray[np.int64], list[str]]],
    leg: NDArray[np.int64],
    told: dict[str, NDArray[np.int64]],
    held: Binned,
) -> dict[str, Any]:
    """Return the columns of ``latency`` in their order: rows unordered, one for each group and leg."""
    from wsktrace.arrow import words

    order = _order(parts, leg, told.get("uses", leg))
    count = held.count
    held_any = (count > 0)[order]
    columns: dict[str, Any] = {
        "op": words(np.zeros(len(leg), np.int64), [ALL]),
        "leg": words(leg[order], list(LEGS)),
        "count": count[order],
        "min_ns": (held.low[order], held_any),
        **{name: (held.percentile(fraction)[order], held_any) for name, fraction in PERCENTILES.items()},
        "max_ns": (held.high[order], held_any),
        "bins": _listed(held.offsets, bin_edges(held.bins)[0], order),
        "counts": _listed(held.offsets, held.counts, order),
    }
    columns |= {key: words(which[order], names) for key, (which, names) in parts.items()}
    columns |= {name: told[name][order] if told else leg for name in _COUNTS}
    return columns


def _order(
    parts: dict[str, tuple[NDArray[np.int64], list[str]]], leg: NDArray[np.int64], uses: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the order of rows: the first key's name with the most uses, then the group with the most, then the leg."""
    ranked = []
    for which, names in parts.values():
        rank = np.empty(len(names), np.int64)
        rank[np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)] = np.arange(len(names))
        ranked.append(rank[which])
    if not parts:
        return np.argsort(leg, kind="stable")
    which, names = next(iter(parts.values()))
    most = np.zeros(len(names), np.int64)
    np.add.at(most, which, uses)
    return np.lexsort([leg, *reversed(ranked[1:]), -uses, ranked[0], -most[which]])


def _listed(offsets: NDArray[np.int64], values: NDArray[np.int64], order: NDArray[np.int64]) -> Any:
    """Return one list for each row, as an Arrow array."""
    import pyarrow as pa

    from wsktrace.arrow import TYPES, column

    where = pa.py_buffer(offsets.astype(np.int32).data)
    children: Any = [column(values, pa.uint64())]
    rows = pa.Array.from_buffers(TYPES["ids"], len(offsets) - 1, [None, where], children=children)
    return rows.take(column(order, pa.int64()))
