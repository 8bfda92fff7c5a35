"""Two traces compared: A is the reference, B the candidate. Tables in, plain figures out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsktrace.diff.changes import Change, RuleCounts, changes, rule_counts
from wsktrace.diff.counts import Count, counts
from wsktrace.diff.shifts import Shift, irp_samples, lifetime_samples, shifts
from wsktrace.diff.sides import Side, cautions
from wsktrace.errors import UsageError
from wsktrace.stats import KEYS, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MARGIN", "Change", "Comparison", "Count", "RuleCounts", "Shift", "Side", "compare"]

#: A quantile that moved by less than this factor is no shift, however certain it is.
MARGIN = 1.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two traces differ in.

    Attributes:
        a: the reference.
        b: the candidate.
        by: what latencies are split by.
        margin: the factor below which a shift is none.
        cautions: what makes the two hard to compare, a sentence each.
        changes: findings, the worst first.
        rules: how often each rule was judged how.
        latency: shifts of the durations of uses of IRPs.
        lifetimes: shifts of the lifetimes of sockets, by category.
        counts: how much there is of everything.
    """

    a: Side
    b: Side
    by: tuple[str, ...]
    margin: float
    cautions: tuple[str, ...]
    changes: tuple[Change, ...]
    rules: tuple[RuleCounts, ...]
    latency: tuple[Shift, ...]
    lifetimes: tuple[Shift, ...]
    counts: tuple[Count, ...]


def compare(
    a: Side, b: Side, *, by: str | Sequence[str] = ("op",), ops: Iterable[str] = (), margin: float = MARGIN
) -> Comparison:
    """Compare two traces.

    Args:
        a: the reference.
        b: the candidate.
        by: what latencies are split by, names of ``stats.KEYS``: op, status, outcome, completion, category, family.
        ops: the operations to compare the latencies of; all where empty.
        margin: the factor, at least 1, below which a shift is none.

    Raises:
        UsageError: nothing or something else to split by.
    """
    chosen, keys = tuple(ops), keys_of(by)
    if not keys:
        raise UsageError(f"say what to split latencies by: {', '.join(KEYS)}")
    latency = [irp_samples(side.tables("irps"), side.tables("sockets"), keys, ops=chosen) for side in (a, b)]
    lifetimes = [lifetime_samples(side.tables("sockets")) for side in (a, b)]
    return Comparison(
        a,
        b,
        keys,
        margin,
        tuple(cautions(a, b)),
        tuple(changes(a, b)),
        tuple(rule_counts(a, b)),
        tuple(shifts(*latency, margin=margin)),
        tuple(shifts(*lifetimes, margin=margin)),
        tuple(counts(a, b)),
    )
