"""What all reports share: rows of tables as they read them, which findings come first, what is said of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.rules.rule import SEVERITIES as RULE_SEVERITIES
from wsktrace.units import address_text, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = [
    "NOT_OWN",
    "REASONS",
    "SEVERITIES",
    "SIGNS",
    "VERDICTS",
    "by_rule",
    "level",
    "operations_by_id",
    "pending",
    "providers_seen",
    "reason_text",
    "rows",
    "subjects",
    "worst",
    "worst_first",
]

#: Most severe first.
SEVERITIES = RULE_SEVERITIES[::-1]
#: Worst first.
VERDICTS = ("fail", "suspect", "unknown", "note")
#: Severity → its sign.
SIGNS = {"error": "✖", "warning": "▲", "info": "●"}

#: What is said of an IRP that was not issued as the driver's own.
NOT_OWN = "perhaps not the driver's own IRP: its completion may go unseen"

#: Why a verdict cannot be given. Source: wsk-contract, 1.5.
REASONS: dict[str, str] = {
    "U-CAP": "the trace does not carry what the rule needs",
    "U-START": "it was alive before the trace began",
    "U-LOST": "events are missing where the answer lies",
    "U-ORDER": "the order of events on different CPUs is not certain",
    "U-ALIAS": "the address may be another object's",
    "U-END": "the trace ends too early",
}


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

    from wsktrace.arrays import numbers
    from wsktrace.arrow import TYPES, column, matching

    found = matching(tables("irps"), "outcome", "open").sort_by("issue_time")
    edges = rows(matching(tables("quality"), "item", "edge").select(["name", "end"])) if found.num_rows else []
    ends = {row["name"]: row["end"] for row in edges if row["end"] is not None}
    load, issued = numbers(found, "load"), numbers(found, "issue_time")
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
        return (SEVERITIES.index(worst(groups[rule])), -len(groups[rule]), groups[rule][0]["time"])

    for found in groups.values():
        found.sort(key=lambda f: f["time"])
    return {rule: groups[rule] for rule in sorted(groups, key=rank)}


def worst_first(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings by verdict, then severity, then time; words that are none of these come last."""

    def rank(finding: dict[str, Any]) -> tuple[int, int, int]:
        verdict = VERDICTS.index(finding["verdict"]) if finding["verdict"] in VERDICTS else len(VERDICTS)
        severity = SEVERITIES.index(finding["severity"]) if finding["severity"] in SEVERITIES else len(SEVERITIES)
        return verdict, severity, finding["time"]

    return sorted(findings, key=rank)


def worst(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return the most severe severity of some findings, of which there is one at least."""
    severity: str = min((f["severity"] for f in findings), key=SEVERITIES.index)
    return severity


def level(finding: Mapping[str, Any]) -> str:
    """Return what a finding is in one word: how severe it is where it is proven, else its verdict."""
    word: str = finding["severity"] if finding["verdict"] == "fail" else finding["verdict"]
    return word


def reason_text(reason: str) -> str:
    """Return a reason and what it means: ``U-LOST: events are missing where the answer lies``."""
    return f"{reason}: {REASONS.get(reason, 'doubtful')}"


def subjects(row: Mapping[str, Any]) -> list[str]:
    """Return the IRP and the socket that a finding or an operation is about, as far as there is one."""
    named = (("IRP", row["irp"]), ("socket", row["socket"]))
    return [f"{what} {address_text(address)}" for what, address in named if address]


def providers_seen(facts: TraceFacts, most: int = 8) -> str:
    """Return the most frequent providers of a trace with their numbers of events: ``NetDrv (1,024), … and 3 more``."""
    seen = ", ".join(f"{clean(name)} ({count:,})" for name, count in facts.providers[:most]) or "none"
    return seen + (f" and {len(facts.providers) - most:,} more" if len(facts.providers) > most else "")


def operations_by_id(tables: Tables, ids: Iterable[int], columns: Iterable[str]) -> dict[int, dict[str, Any]]:
    """Return some operations, as far as the trace has them, by their id; only the columns that are named."""
    from wsktrace.arrow import matching

    wanted = sorted(set(ids))
    if not wanted:
        return {}
    held = matching(tables("operations").select(list(columns)), "operation_id", *wanted)
    return {row["operation_id"]: row for row in rows(held)}
