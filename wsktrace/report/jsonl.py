"""The account of a trace as JSON lines: the objects of the JSON, one a line, each with its ``kind``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.escaping import json_line
from wsktrace.report.json import as_object
from wsktrace.report.words import pending, rows
from wsktrace.units import hex_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["lines", "render"]


def render(facts: TraceFacts, tables: Tables, *, unknown: bool = False, coverage: bool = False) -> str:
    """Return the account as text; ``unknown`` and ``coverage`` as in the JSON."""
    return "".join(json_line(line) + "\n" for line in lines(facts, tables, unknown=unknown, coverage=coverage))


def lines(
    facts: TraceFacts, tables: Tables, *, unknown: bool = False, coverage: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the trace, then what is pending (oldest first), findings, notes, rules, and the coverage if asked for."""
    whole = as_object(facts, tables, unknown=unknown, coverage=coverage)
    head = {"schema_version": whole["schema_version"], "judged": whole["judged"]}
    yield {"kind": "trace", **head, **whole["trace"]}
    for row in rows(pending(tables, facts.end_ns)):
        yield {"kind": "pending", **_pending(row)}
    for kind, name in (("finding", "findings"), ("note", "notes")):
        for finding in whole[name]:
            yield {"kind": kind, **finding}
    covered = whole.get("coverage", {"rules": {}})
    for rule, counts in whole["rules"].items():
        yield {"kind": "rule", "rule": rule, **counts, **covered["rules"].get(rule, {})}
    if coverage:
        yield {"kind": "coverage", **{name: value for name, value in covered.items() if name != "rules"}}


def _pending(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "irp_id": row["irp_id"],
        "irp": hex_text(row["irp"]),
        "op": row["op"],
        "socket_id": row["socket_id"],
        "socket": hex_text(row["socket"]),
        "issue_time": time_text(row["issue_time"]),
        "for_ns": row["age_ns"],
        "cpu": row["cpu"],
        "tid": row["tid"],
        "own": row["own"],
        "doubt": row["doubt"],
    }
