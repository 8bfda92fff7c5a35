"""What all reports share: the rows of a table as they read them, the order of findings, reasons in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

__all__ = ["REASONS", "SEVERITIES", "VERDICTS", "Tables", "by_rule", "pending", "rows"]

#: Most severe first.
SEVERITIES = ("error", "warning", "info")
#: Worst first.
VERDICTS = ("fail", "suspect", "unknown")

#: Why a verdict cannot be given. Source: wsk-contract, 1.5.
REASONS: dict[str, str] = {
    "U-CAP": "the trace does not carry what the rule needs",
    "U-START": "it was alive before the trace began",
    "U-LOST": "events are missing where the answer lies",
    "U-ORDER": "the order of events on different CPUs is not certain",
    "U-ALIAS": "the address may be another object's",
    "U-END": "the trace ends too early",
}


class Tables(Protocol):
    """Gives a table of schema.py by its name."""

    def __call__(self, name: str) -> pa.Table:
        """Return the table."""
        ...


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as dictionaries; times are ns UTC since 1970."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.int64()))
    held: list[dict[str, Any]] = table.to_pylist()
    return held


def pending(tables: Tables, end_ns: int | None = None) -> pa.Table:
    """Return the uses of IRPs that are open at the end of the trace, oldest first.

    A column ``age_ns`` is added: how long each was seen to be pending, until the end of what is known of its driver, as
    findings and stories say; where ``quality`` does not tell that, until ``end_ns``, and null where that is None.
    """
    import numpy as np

    from wsktrace.arrow import TYPES, column, matching
    from wsktrace.report.story.rows import Columns

    found = matching(tables("irps"), "outcome", "open").sort_by("issue_time")
    edges = rows(matching(tables("quality"), "item", "edge").select(["name", "end"])) if found.num_rows else []
    ends = {row["name"]: row["end"] for row in edges if row["end"] is not None}
    held = Columns(found)
    load, issued = held.values("load"), held.values("issue_time")
    age, known = np.zeros(len(load), np.int64), np.zeros(len(load), np.bool_)
    for number in np.unique(load).tolist():
        mine, end = load == number, ends.get(f"load {number}", end_ns)
        if end is not None:
            age[mine], known[mine] = np.maximum(end - issued[mine], 0), True
    return found.append_column("age_ns", column((age, known), TYPES["int64"]))


def by_rule(findings: Iterable[dict[str, Any]], verdict: str) -> dict[str, list[dict[str, Any]]]:
    """Return the findings of one verdict by rule: the most severe rule first, then the most frequent."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        if finding["verdict"] == verdict:
            groups.setdefault(finding["rule"], []).append(finding)

    def rank(rule: str) -> tuple[int, int, int]:
        worst = min(SEVERITIES.index(f["severity"]) for f in groups[rule])
        return (worst, -len(groups[rule]), groups[rule][0]["time"])

    for found in groups.values():
        found.sort(key=lambda f: f["time"])
    return {rule: groups[rule] for rule in sorted(groups, key=rank)}
