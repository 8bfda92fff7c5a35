"""Which findings a page shows, under the findings that they follow from; a bounded number of them, in columns first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import numbers
from wsktrace.report.words import SEVERITIES, rows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Found", "Group", "choose"]

#: Findings that a page shows, as far as each rule has its first few; of one rule, and those that follow from one.
MOST_FINDINGS = 240
MOST_OF_A_RULE, LEAST_OF_A_RULE = 40, 3
MOST_EFFECTS, LEAST_EFFECTS = 12, 2
#: Operations of one finding that a page shows.
MOST_EVIDENCE = 16
MOST_OUTSTANDING = 16
#: Verdicts, with the findings that do not count as one of their own.
KINDS = ("fail", "suspect", "unknown", "note", "ignored")


@dataclass(slots=True)
class Group:
    """The findings of one rule and one verdict: rows of ``findings``, each with its ``effects``."""

    rule: str
    severity: str
    party: str
    #: how many there are, shown or not, without those that follow from others
    count: int
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.count - len(self.findings)


@dataclass(slots=True)
class Found:
    """What a page shows of ``findings``: groups by kind of verdict, and how many there are of each severity."""

    groups: dict[str, list[Group]]
    #: (kind of verdict, severity) → findings
    counts: dict[tuple[str, str], int]
    #: kind of verdict → findings that follow from others
    follow: dict[str, int]

    def count(self, kind: str) -> int:
        """How many findings there are of a kind of verdict."""
        return sum(n for (held, _), n in self.counts.items() if held == kind)

    def shown(self) -> list[dict[str, Any]]:
        """All rows that are shown, causes before effects."""
        held = [f for groups in self.groups.values() for group in groups for f in group.findings]
        return [row for f in held for row in (f, *f["effects"])]

    def rules(self) -> list[str]:
        """The rules of all findings that are shown, each once."""
        return list(dict.fromkeys(row["rule"] for row in self.shown()))


def choose(findings: pa.Table) -> Found:
    """Return what a page shows of the table ``findings``: of each rule and verdict the first ones in time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held = findings.sort_by([("time", "ascending"), ("finding_id", "ascending")])
    kind = pc.if_else(pc.is_valid(held.column("ignored")), "ignored", held.column("verdict").cast(pa.string()))
    kinds = _codes(kind, KINDS)
    severity = _codes(held.column("severity"), SEVERITIES)
    names = sorted({str(name) for name in held.column("rule").unique().to_pylist()})
    rule = _codes(held.column("rule"), tuple(names))
    root = _roots(held, kinds)
    top = root == np.arange(len(root))
    group = np.where(top, kinds * max(len(names), 1) + rule, -1)
    groups_held = max(len(np.unique(group[top])), 1)
    shown = top & (_rank(group) < min(max(MOST_FINDINGS // groups_held, LEAST_OF_A_RULE), MOST_OF_A_RULE))
    below = ~top & shown[root]
    most = min(max(MOST_FINDINGS // max(int(shown.sum()), 1), LEAST_EFFECTS), MOST_EFFECTS)
    chosen = shown | (below & (_rank(np.where(below, root, -1)) < most))
    where = np.flatnonzero(chosen)
    effects = np.bincount(root[~top], minlength=len(root)) if len(root) else np.zeros(0, np.int64)
    totals = np.bincount(group[top], minlength=0) if top.any() else np.zeros(0, np.int64)
    placed: dict[int, dict[str, Any]] = {}
    groups: dict[tuple[int, str], Group] = {}
    for at, row in zip(where.tolist(), rows(held.take(where)), strict=True):
        row |= {"effects": [], "effects_left_out": 0}
        placed[at] = row
        if top[at]:
            row["effects_left_out"] = int(effects[at])
            key = (int(kinds[at]), row["rule"])
            made = groups.setdefault(key, Group(row["rule"], row["severity"], row["party"], int(totals[group[at]])))
            made.severity = min(made.severity, row["severity"], key=SEVERITIES.index)
            made.findings.append(row)
    for at, row in placed.items():
        if not top[at]:
            placed[int(root[at])]["effects"].append(row)
            placed[int(root[at])]["effects_left_out"] -= 1
    by_kind: dict[str, list[Group]] = {name: [] for name in KINDS}
    for (code, _), made in groups.items():
        by_kind[KINDS[code]].append(made)
    for listed in by_kind.values():
        listed.sort(key=lambda g: (SEVERITIES.index(g.severity), -g.count, g.findings[0]["time"]))
    pairs = np.bincount(kinds * len(SEVERITIES) + severity, minlength=len(KINDS) * len(SEVERITIES))
    counts = {
        (name, word): int(pairs[at * len(SEVERITIES) + which])
        for at, name in enumerate(KINDS)
        for which, word in enumerate(SEVERITIES)
    }
    follow = np.bincount(kinds[~top], minlength=len(KINDS))
    return Found(by_kind, counts, {name: int(follow[at]) for at, name in enumerate(KINDS)})


def _codes(values: Any, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the place of each word among ``names``; the last one where it is none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(values.cast(pa.string()), pa.array(list(names), pa.string()))
    return np.asarray(found.fill_null(max(len(names) - 1, 0)).to_numpy(zero_copy_only=False)).astype(np.int64)


def _roots(held: pa.Table, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the row that it follows from in the end, among those of its kind; its own where none."""
    ids, cause = numbers(held, "finding_id"), numbers(held, "follows_from")
    own = np.arange(len(ids))
    if not len(ids):
        return own
    order = np.argsort(ids)
    at = order[np.minimum(np.searchsorted(ids[order], cause), len(ids) - 1)]
    parent = np.where((ids[at] == cause) & (kinds[at] == kinds) & (at != own), at, own)
    for _ in range(16):  # a chain of consequences is shorter; tables from elsewhere may go round in circles
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent
        parent = further
    return np.where(parent[parent] == parent, parent, own)


def _rank(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many earlier rows are of the same group; what is in no group (-1) ranks last."""
    order = np.argsort(group, kind="stable")
    held = group[order]
    starts = np.flatnonzero(np.concatenate(([True], held[1:] != held[:-1]))) if len(held) else np.zeros(0, np.int64)
    lengths = np.diff(np.append(starts, len(held)))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(held)) - np.repeat(starts, lengths)
    rank[group < 0] = np.iinfo(np.int64).max
    return rank
