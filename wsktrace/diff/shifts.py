"""Durations of two recordings side by side: what became slower or faster, and what cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.diff.quantiles import ALPHA, FRACTIONS, Sample, holm, longer_chance, ratio
from wsktrace.errors import UsageError
from wsktrace.stats import LEGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.diff.quantiles import Ratio

__all__ = ["BY", "VERDICTS", "Shift", "irp_samples", "lifetime_samples", "shifts"]

#: What latencies can be split by → column of ``irps``.
BY: dict[str, str] = {
    "op": "op",
    "outcome": "outcome",
    "status": "completion_status_name",
    "completion": "completion",
}
VERDICTS = ("slower", "faster", "no shift shown", "too few to tell")

#: What is compared, and over which leg: (("WskReceive",), "total").
Key = tuple[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Shift:
    """One quantile of one kind of duration in both recordings.

    Attributes:
        key: what it is, such as ("WskReceive",).
        leg: ``total``, ``pending`` or ``lifetime``.
        fraction: which quantile.
        a_count, b_count: durations; ``a_open``, ``b_open``: uses whose end was not seen.
        a_ns, b_ns: the quantile; None where there is no duration.
        ratio: B over A with its interval.
        p: chance of a false alarm, adjusted for all comparisons of the table; None where there are too few.
        longer: chance that one of B took longer than one of A; 1/2 where nothing shifted.
        verdict: one of ``VERDICTS``.
        hidden: whether it would be slower or faster, if those had not mattered whose end was not seen.
    """

    key: tuple[str, ...]
    leg: str
    fraction: float
    a_count: int
    b_count: int
    a_open: int
    b_open: int
    a_ns: int | None
    b_ns: int | None
    ratio: Ratio
    p: float | None
    longer: float | None
    verdict: str
    hidden: bool


def shifts(a: Mapping[Key, Sample], b: Mapping[Key, Sample], *, margin: float) -> list[Shift]:
    """Compare the samples of equal keys, in the order of their number; shifts below the factor ``margin`` are none."""
    nothing = Sample.of([])
    keys = sorted(a.keys() | b.keys(), key=lambda k: (-_size(a, b, k), k))
    pairs = [(key, a.get(key, nothing), b.get(key, nothing)) for key in keys]
    chances = [longer_chance(one, other) for _, one, other in pairs]
    found = [ratio(one, other, f, margin=margin) for (_, one, other), f in product(pairs, FRACTIONS)]
    adjusted, ended = holm([r.p for r in found]), holm([r.p_ended for r in found])
    held = []
    for at, (((what, leg), one, other), fraction) in enumerate(product(pairs, FRACTIONS)):
        verdict = _verdict(found[at], adjusted[at])
        held.append(
            Shift(
                key=what,
                leg=leg,
                fraction=fraction,
                a_count=one.count,
                b_count=other.count,
                a_open=one.opened,
                b_open=other.opened,
                a_ns=one.quantile(fraction),
                b_ns=other.quantile(fraction),
                ratio=found[at],
                p=adjusted[at],
                longer=chances[at // len(FRACTIONS)],
                verdict=verdict,
                hidden=verdict == "no shift shown" and _verdict(found[at], ended[at]) != verdict,
            )
        )
    return held


def _size(a: Mapping[Key, Sample], b: Mapping[Key, Sample], key: Key) -> int:
    """Return how many durations of any leg a kind has."""
    return max(held[key[0], leg].count for held in (a, b) for leg in (*LEGS, "lifetime") if (key[0], leg) in held)


def _verdict(found: Ratio, p: float | None) -> str:
    if p is None or found.value is None:
        return "too few to tell"
    if p > ALPHA:
        return "no shift shown"
    return "slower" if found.value > 1 else "faster"


def irp_samples(irps: pa.Table, by: Sequence[str] = ("op",), *, ops: Iterable[str] = ()) -> dict[Key, Sample]:
    """Return the durations of uses of IRPs by what ``BY`` names, and by leg.

    A use whose end was not seen (open, or its completion lost) counts as open for its operation: split by outcome or
    status it may have ended as any of them.
    """
    if odd := [name for name in by if name not in BY]:
        raise UsageError(f"latencies are split by {', '.join(BY)}, not by {odd[0]!r}")
    chosen = set(ops)
    names, codes = _keys([irps.column(BY[name]) for name in by])
    op_names, op_codes = _keys([irps.column("op")])
    outcome = irps.column("outcome")
    unseen = _equal(outcome, "open") | _equal(outcome, "unknown")
    order = np.lexsort((_ints(irps.column("issue_time")), codes))
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    held: dict[Key, Sample] = {}
    for leg, column in LEGS.items():
        values, known = _ints(irps.column(column)), _known(irps.column(column))
        open_of_op = np.bincount(op_codes[unseen & ~known], minlength=len(op_names))
        for at, name in enumerate(names):
            rows = order[starts[at] : starts[at + 1]]
            op = op_codes[rows[0]]
            if chosen and op_names[op][0] not in chosen:
                continue
            rows = rows[known[rows]]
            if len(rows):
                held[name, leg] = Sample.of(values[rows], opened=int(open_of_op[op]))
    return held


def lifetime_samples(sockets: pa.Table) -> dict[Key, Sample]:
    """Return the lifetimes of sockets by category; those that were not closed count as open."""
    names, codes = _keys([sockets.column("category")])
    values, known = _ints(sockets.column("lifetime_ns")), _known(sockets.column("lifetime_ns"))
    alive = _known(sockets.column("open_time")) & ~_known(sockets.column("close_time"))
    order = np.argsort(_ints(sockets.column("open_time")), kind="stable")
    held: dict[Key, Sample] = {}
    for at, name in enumerate(names):
        mine = codes == at
        rows = order[(mine & known)[order]]
        if len(rows):
            held[name, "lifetime"] = Sample.of(values[rows], opened=int((mine & alive).sum()))
    return held


def _keys(columns: Sequence[Any]) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    """Return the different combinations of values of columns, and which of them each row has."""
    import pyarrow as pa

    codes = np.zeros(len(columns[0]), np.int64)
    words: list[list[str]] = []
    for column in columns:
        whole = column.combine_chunks()
        encoded = whole if isinstance(whole, pa.DictionaryArray) else whole.dictionary_encode()
        texts = ["none", *(str(text) for text in encoded.dictionary.to_pylist())]
        indices = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = codes * len(texts) + indices + 1
        words.append(texts)
    used, which = np.unique(codes, return_inverse=True)
    names = []
    for code in used.tolist():
        parts = []
        for texts in reversed(words):
            code, at = divmod(code, len(texts))
            parts.append(texts[at])
        names.append(tuple(reversed(parts)))
    return names, which.reshape(-1).astype(np.int64)


def _ints(column: Any) -> NDArray[np.int64]:
    """Return a column of durations or times as int64, 0 where null."""
    import pyarrow as pa

    held = column.cast(pa.int64()).fill_null(0).combine_chunks()
    return np.asarray(held.to_numpy(zero_copy_only=False), np.int64)


def _known(column: Any) -> NDArray[np.bool_]:
    return np.asarray(column.is_valid().combine_chunks().to_numpy(zero_copy_only=False), np.bool_)


def _equal(column: Any, word: str) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    held: Any = pc.equal(column, pa.scalar(word))
    held = held.fill_null(False).combine_chunks()
    return np.asarray(held.to_numpy(zero_copy_only=False), np.bool_)
