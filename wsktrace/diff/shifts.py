"""Durations of two recordings side by side: what became slower or faster, and what cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.arrays import among, known, numbers, words_of
from wsktrace.diff.quantiles import ALPHA, FRACTIONS, Sample, holm, longer_chance, ratio
from wsktrace.stats import LEGS, grouping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from wsktrace.diff.quantiles import Ratio
    from wsktrace.stats import Grouping

__all__ = ["VERDICTS", "Shift", "irp_samples", "lifetime_samples", "shifts"]

#: The legs of a use's way that are compared.
_LEGS = ("total", "pending")
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
    return max(held[key[0], leg].count for held in (a, b) for leg in (*_LEGS, "lifetime") if (key[0], leg) in held)


def _verdict(found: Ratio, p: float | None) -> str:
    if p is None or found.value is None:
        return "too few to tell"
    if p > ALPHA:
        return "no shift shown"
    return "slower" if found.value > 1 else "faster"


def irp_samples(
    irps: pa.Table, sockets: pa.Table | None = None, by: Sequence[str] = ("op",), *, ops: Iterable[str] = ()
) -> dict[Key, Sample]:
    """Return the durations of uses of IRPs by what ``stats.KEYS`` names, and by leg.

    A use whose end was not seen (open, or its completion lost) counts as open for its operation: split by outcome or
    status it may have ended as any of them. ``UsageError`` for what ``grouping`` refuses.
    """
    chosen = set(ops)
    found, of_op = grouping(irps, sockets, by), grouping(irps, None, ("op",))
    codes, names = found.code, _names(found)
    op_codes, op_names = of_op.code, _names(of_op)
    unseen = among(irps, "outcome", ["open", "unknown"])
    order = np.lexsort((numbers(irps, "issue_time", 0), codes))
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    held: dict[Key, Sample] = {}
    for leg in _LEGS:
        column = LEGS[leg]
        values = numbers(irps, column)
        has = values >= 0  # below zero: by clocks of processors that disagree
        open_of_op = np.bincount(op_codes[unseen & ~has], minlength=len(op_names))
        for at, name in enumerate(names):
            rows = order[starts[at] : starts[at + 1]]
            op = op_codes[rows[0]]
            if chosen and op_names[op][0] not in chosen:
                continue
            rows = rows[has[rows]]
            if len(rows):
                held[name, leg] = Sample.of(values[rows], opened=int(open_of_op[op]))
    return held


def lifetime_samples(sockets: pa.Table) -> dict[Key, Sample]:
    """Return the lifetimes of sockets by category; those that were not closed count as open."""
    codes, words = words_of(sockets.column("category"), "unknown")
    values = numbers(sockets, "lifetime_ns")
    has = values >= 0
    alive = known(sockets, "open_time") & ~known(sockets, "close_time")
    order = np.argsort(numbers(sockets, "open_time", 0), kind="stable")
    held: dict[Key, Sample] = {}
    for at, name in enumerate(words):
        mine = codes == at
        rows = order[(mine & has)[order]]
        if len(rows):
            held[(name,), "lifetime"] = Sample.of(values[rows], opened=int((mine & alive).sum()))
    return held


def _names(found: Grouping) -> list[tuple[str, ...]]:
    """Return the names of each group."""
    return list(zip(*([names[at] for at in which] for which, names in found.parts.values()), strict=True))
