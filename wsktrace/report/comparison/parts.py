"""What a comparison of two traces tells, as sections of tables: text, Markdown and cards are made from these."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING

from wsktrace.stats.latency import LEG_NAMES
from wsktrace.units import count_text, duration_text, span_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.diff import Change, Comparison, Count, RuleCounts, Shift

__all__ = ["Section", "method", "sections", "summary"]

#: What must be known to read the figures; stands in every format.
_METHOD = (
    """B/A is the ratio of the quantiles, in brackets its 95 % interval: order statistics of each trace, with fewer
    values where uses follow each other (32 and 10 stretches of time), joined on the logarithm.""",
    """slower and faster hold for all comparisons of a table together (Holm, 5 %) and for shifts of at least {margin};
    of the intervals themselves one in twenty misses. no shift shown does not mean unchanged.""",
    """An open use has no duration: a hang makes latencies look better. A verdict stands only if it would stand however
    long the open ones took.""",
    """The intervals speak of these two recordings. How much two recordings of the same driver differ, only more
    recordings tell.""",
)
_ORDER = ("slower", "faster", "no shift shown", "too few to tell")
_LEGS = LEG_NAMES | {"lifetime": "open → close"}
_SIGNS = {"new": "✖", "first seen": "✖", "kept": "·", "not seen": "?", "gone": "-"}
#: Characters of a message.
_MOST = 110


@dataclass(frozen=True, slots=True)
class Section:
    """A title, sentences, and a table; ``right`` says which columns hold figures."""

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    right: frozenset[int] = frozenset()
    notes: Sequence[str] = field(default=())


def sections(found: Comparison) -> list[Section]:
    """Return the sections, the most important first; texts are not escaped."""
    held = [_heads(found), *_changes(found.changes)]
    held += _shifts("Latency", found.latency, "operation" if found.by == ("op",) else ", ".join(found.by))
    held += _shifts("Lifetimes of sockets", found.lifetimes, "category")
    held += _decided(found.rules)
    held.append(Section("How to read this", notes=method(found.margin)))
    held.append(_counts(found.counts))
    return held


def method(margin: float) -> list[str]:
    """Return the method's sentences for a margin, each on one line."""
    return [" ".join(line.format(margin=f"{(margin - 1) * 100:.3g} %").split()) for line in _METHOD]


def summary(found: Comparison) -> str:
    """Return one line: how many findings are new, how many durations slower."""
    proven = [c for c in found.changes if c.verdict == "fail"]
    told = [
        f"{number} {word}"
        for word in ("new", "first seen", "kept", "not seen", "gone")
        if (number := sum(c.change == word for c in proven))
    ]
    moved = [
        f"{count_text(number, 'operation')} {word}"
        for word in ("slower", "faster")
        if (number := len({s.key for s in found.latency if s.verdict == word}))
    ]
    shown = any(s.verdict == "no shift shown" for s in found.latency)
    still = "no shift shown" if shown else "too few to tell" if found.latency else "nothing to compare"
    opened = {(c.kind, c.name): (c.a, c.b) for c in found.counts}.get(("IRPs", "open"))
    pending = f" · open at the end: {_pair(*opened)}" if opened else ""
    return f"broken rules: {', '.join(told) or 'none in either'} · latency: {', '.join(moved) or still}{pending}"


def _ratio_text(value: float | None) -> str:
    """Return a ratio as ``×1.20``; "-" where there is none."""
    if value is None:
        return "-"
    return "×∞" if value == inf else f"×{value:.2f}" if value < 99.5 else f"×{value:,.0f}"


def _interval_text(low: float, high: float) -> str:
    """Return an interval of a ratio; half-open where one limit does not exist."""
    if low <= 0 and high == inf:
        return "-"
    return f"({'…' if low <= 0 else f'{low:.3g}'} – {'…' if high == inf else f'{high:.3g}'})"


def _fraction_text(fraction: float) -> str:
    """Return 0.99 as ``p99``."""
    return f"p{fraction * 100:g}"


def _heads(found: Comparison) -> Section:
    rows = []
    for name, side in (("A", found.a), ("B", found.b)):
        f = side.facts
        span = "-" if f.span_ns is None else span_text(f.span_ns)
        rows.append(
            [name, f.file, span, f"{f.judged:,}", f.profile, " · ".join(f.losses) or "nothing lost, nothing damaged"]
        )
    head = ["", "trace", "span", "operations", "profile", "trust"]
    return Section("A is the reference, B the candidate", head, rows, frozenset({2, 3}), list(found.cautions))


def _changes(changes: Sequence[Change]) -> list[Section]:
    held = []
    for verdict, title in (("fail", "Broken rules"), ("suspect", "Suspects: broken if nothing is hidden")):
        chosen = [c for c in changes if c.verdict == verdict]
        rows = [
            [
                f"{_SIGNS[c.change]} {c.change}",
                c.rule,
                c.severity,
                f"{c.a:,}",
                f"{c.b:,}",
                c.why or (c.message if c.change == "new" else ""),
            ]
            for c in chosen
        ]
        rows = [[*row[:5], row[5] if len(row[5]) <= _MOST else row[5][: _MOST - 1] + "…"] for row in rows]
        if rows:
            head = ["", "rule", "severity", "A", "B", ""]
            held.append(Section(title, head, rows, frozenset({3, 4})))
        elif verdict == "fail":
            held.append(Section(title, notes=["none in either trace"]))
    return held


def _decided(rules: Sequence[RuleCounts]) -> list[Section]:
    """Return which rules could be decided in one trace only, with the number of instances."""
    held: dict[str, list[str]] = {"A": [], "B": []}
    for r in rules:
        in_a, in_b = (sum(counts[:2]) if counts else 0 for counts in (r.a, r.b))
        if bool(in_a) != bool(in_b):
            held["A" if in_a else "B"].append(f"{r.rule} {in_a or in_b:,}")
    notes = [f"in {name}: {', '.join(told)}" for name, told in held.items() if told]
    return [Section("Rules that one trace only could decide, and in how many instances", notes=notes)] if notes else []


def _shifts(title: str, found: Sequence[Shift], what: str) -> list[Section]:
    """Return what moved, a line a quantile; what was not shown to, a line an operation and leg; what is too few."""
    moved = sorted((s for s in found if s.verdict in _ORDER[:2]), key=lambda s: _ORDER.index(s.verdict))
    held = []
    if moved:
        rows = [
            [
                s.verdict,
                _name(s),
                _LEGS[s.leg],
                _fraction_text(s.fraction),
                duration_text(s.a_ns),
                duration_text(s.b_ns),
                _ratio_text(s.ratio.value),
                _interval_text(s.ratio.low, s.ratio.high),
                _pair(s.a_count, s.b_count),
                _pair(s.a_open, s.b_open),
            ]
            for s in moved
        ]
        head = ["", what, "leg", "", "A", "B", "B/A", "95 %", "uses", "open"]
        held.append(Section(f"{title}: shifted", head, rows, frozenset({4, 5, 6, 8, 9})))
    rest = [list(g) for _, g in groupby(found, key=lambda s: (s.key, s.leg))]
    still = [g for g in rest if any(s.verdict == "no shift shown" for s in g)]
    if still:
        rows = [
            [
                _name(g[0]),
                _LEGS[g[0].leg],
                *(_still(s) for s in g),
                _pair(g[0].a_count, g[0].b_count),
                _pair(g[0].a_open, g[0].b_open),
            ]
            for g in still
        ]
        head = [what, "leg", *(f"{_fraction_text(s.fraction)} B/A" for s in still[0]), "uses", "open"]
        notes = ["* would be a shift if the open ones did not matter"] if any(s.hidden for s in found) else []
        held.append(Section(f"{title}: no shift shown", head, rows, frozenset({5, 6}), notes))
    few = [g[0] for g in rest if all(s.verdict == "too few to tell" for s in g)]
    if few:
        held.append(Section(f"{title}: too few to tell", notes=_few(few)))
    return held or [Section(title, notes=["nothing to compare"])]


def _still(s: Shift) -> str:
    if s.verdict != "no shift shown":
        return s.verdict
    return f"{_ratio_text(s.ratio.value)} {_interval_text(s.ratio.low, s.ratio.high)}{'*' if s.hidden else ''}"


def _few(shifts: Sequence[Shift]) -> list[str]:
    """Return how many durations there are, a line for each leg; a part of a way only where the whole has enough."""
    whole = {s.key for s in shifts if s.leg != "pending"}
    legs = {leg: [s for s in shifts if s.leg == leg and (leg != "pending" or s.key not in whole)] for leg in _LEGS}
    return [
        f"{_LEGS[leg]}: {', '.join(f'{_name(s)} {_pair(s.a_count, s.b_count)}{_open(s)}' for s in held)}"
        for leg, held in legs.items()
        if held
    ]


def _open(s: Shift) -> str:
    return f" (open {_pair(s.a_open, s.b_open)})" if s.a_open or s.b_open else ""


def _name(s: Shift) -> str:
    return " ".join(s.key)


def _pair(a: int, b: int) -> str:
    return f"{a:,} → {b:,}"


def _counts(found: Sequence[Count]) -> Section:
    rows = []
    last = ""
    for c in found:
        rows.append(
            [c.kind if c.kind != last else "", c.name, f"{c.a:,}", f"{c.b:,}", _rate(c.a_per_s), _rate(c.b_per_s)]
        )
        last = c.kind
    return Section("Counts", ["", "", "A", "B", "A /s", "B /s"], rows, frozenset({2, 3, 4, 5}))


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
