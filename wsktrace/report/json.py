"""The account of a trace as one JSON object, for machines; its keys are stable within a ``schema_version``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.coverage import coverage_object
from wsktrace.report.escaping import json_text
from wsktrace.report.words import rows
from wsktrace.schema import SCHEMA_VERSION
from wsktrace.units import hex_text, time_text

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["as_object", "render", "trace_object"]

_COUNTS = ("fail", "pass", "unknown", "suspect", "not_applicable")


def render(facts: TraceFacts, tables: Tables, *, unknown: bool = False, coverage: bool = False) -> str:
    """Return the account as text.

    ``unknown`` lists the undecided findings that are no suspects as well, ``coverage`` how much the rules could decide.
    """
    return json_text(as_object(facts, tables, unknown=unknown, coverage=coverage))


def as_object(facts: TraceFacts, tables: Tables, *, unknown: bool = False, coverage: bool = False) -> dict[str, Any]:
    """Return the account as a dictionary that JSON can hold."""
    found = rows(tables("findings"))
    more = {"coverage": coverage_object(rows(tables("rules")))} if coverage else {}
    listed = ("fail", "suspect", "unknown") if unknown else ("fail", "suspect")
    return {
        "schema_version": SCHEMA_VERSION,
        "trace": trace_object(facts),
        "judged": facts.judged,
        "findings": [_finding(row) for row in found if row["verdict"] in listed],
        "notes": [_finding(row) for row in found if row["verdict"] == "note"],
        "rules": {row["rule"]: {name: row[name] for name in _COUNTS} for row in rows(tables("rules"))},
        **more,
    }


def trace_object(facts: TraceFacts) -> dict[str, Any]:
    """Return what JSON of a trace begins with: which one it is, its span, what was lost or damaged."""
    return {
        "file": facts.file,
        "sha256": facts.sha256,
        "start": time_text(facts.start_ns),
        "end": time_text(facts.end_ns),
        "span_ns": facts.span_ns,
        "profile": facts.profile,
        "losses": {
            "events": facts.events_lost,
            "buffers": facts.buffers_lost,
            "damaged_buffers": facts.damaged_buffers,
            "damaged_bytes": facts.damaged_bytes,
        },
    }


def _finding(row: dict[str, Any]) -> dict[str, Any]:
    source = None if row["source_file"] is None else {"file": row["source_file"], "line": row["source_line"]}
    return {
        "id": row["finding_id"],
        "rule": row["rule"],
        "verdict": row["verdict"],
        "severity": row["severity"],
        "party": row["party"],
        "reason": row["reason"],
        "time": time_text(row["time"]),
        "subject": {
            "table": row["subject_table"],
            "id": row["subject_id"],
            "address": hex_text(row["subject_address"]),
        },
        "irp_id": row["irp_id"],
        "irp": hex_text(row["irp"]),
        "socket_id": row["socket_id"],
        "socket": hex_text(row["socket"]),
        "message": row["message"],
        "evidence": row["evidence"],
        "outstanding": row["outstanding"],
        "follows_from": row["follows_from"],
        "fingerprint": row["fingerprint"],
        "ignored": row["ignored"],
        "source": source,
    }
