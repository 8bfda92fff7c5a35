"""Made-up traces for tests of what is built on tables."""

from __future__ import annotations

from typing import Any

START = 1_795_183_331_123_456_700  # 2026-11-20T14:02:11.123456700Z
SECOND = 1_000_000_000
IRP, SOCKET, DESCRIPTOR = 0xFFFFB10A2C41E5A0, 0xFFFFE1078C402DB0, 0xFFFFC70022334450

FACTS: dict[str, Any] = {
    "file": "made.etl",
    "size": 1000,
    "sha256": "ab" * 32,
    "start_ns": START,
    "end_ns": START + 329 * SECOND,
    "profile": "native",
    "events_lost": 0,
    "buffers_lost": 0,
    "buffers": 4,
    "damaged_buffers": 0,
    "records": 42,
    "cpus": 2,
    "judged": 40,
    "bytes": {"headers": 300, "judged": 500, "readable": 0, "no_format": 0, "damaged": 0, "filler": 200},
    "providers": [["WskTrace", 40], ["{68fdd900-4a3e-11d1-84f4-0000f80464e3}", 2]],
}


def irp(number: int, op: str, issued: int, **more: Any) -> dict[str, Any]:
    """Return a row of irps; times in ns since the start of the trace."""
    done = more.pop("took", None)
    row: dict[str, Any] = {
        "irp_id": number,
        "irp": IRP + 0x100 * number,
        "load": 0,
        "op": op,
        "issue_time": START + issued,
        "completion": "none_seen" if done is None else "pended",
        "outcome": "open" if done is None else "succeeded",
        "own": True,
        "issue_operation": number,
        "cpu": 1,
        "tid": 4120,
        "socket": SOCKET,
    }
    if done is not None:
        row |= {"complete_time": START + issued + done, "pending_ns": done - 10, "total_ns": done}
    return row | more


def finding(number: int, rule: str, **more: Any) -> dict[str, Any]:
    """Return a row of findings."""
    return {
        "finding_id": number,
        "rule": rule,
        "verdict": "fail",
        "severity": "error",
        "party": "client",
        "time": START + 5 * SECOND,
        "subject_table": "descriptors",
        "subject_id": 3,
        "subject_address": DESCRIPTOR,
        "irp_id": 17,
        "irp": IRP,
        "message": "the descriptor was released while a creation that uses it was pending",
        "evidence": [4, 7, 9],
        "outstanding": [],
        "fingerprint": f"{rule} WskSocket WskControlClient IrpComplete",
    } | more


def verdicts(rule: str, *counts: int) -> dict[str, Any]:
    """Return a row of rules: fail, pass, unknown, suspect, not applicable."""
    names = ("fail", "pass", "unknown", "suspect", "not_applicable")
    more = {"checked": sum(counts[:3]), "note": 0, "u_cap": counts[2]}
    more |= dict.fromkeys(("u_start", "u_lost", "u_order", "u_alias", "u_end"), 0)
    return {"rule": rule, "severity": "error", "party": "client", **dict(zip(names, counts, strict=True)), **more}


def operation(number: int, op: str, phase: str) -> dict[str, Any]:
    """Return a row of operations."""
    return {
        "operation_id": number,
        "time": START + number * SECOND,
        "clock": number,
        "load": 0,
        "op": op,
        "phase": phase,
        "record_buffer": 1,
        "record_offset": 72,
    }


class Faked:
    """The source of a trace whose tables are written down."""

    def __init__(self, rows: dict[str, list[dict[str, Any]]], facts: dict[str, Any]) -> None:
        from wsktrace.facts import TraceFacts

        self._rows = rows
        self._facts = TraceFacts.from_json(FACTS | facts)
        self.asked: list[str] = []
        self.closed = False

    def table(self, name: str) -> Any:
        from wsktrace.arrow import to_arrow
        from wsktrace.schema import TABLES

        self.asked.append(name)
        rows = self._rows.get(name, [])
        columns = {c.name: [r.get(c.name) for r in rows] for c in TABLES[name].columns}
        return to_arrow(name, columns)

    def facts(self) -> Any:
        return self._facts

    def info(self) -> dict[str, Any]:
        return {"file": self._facts.file}

    def close(self) -> None:
        self.closed = True


def usual_rows() -> dict[str, list[dict[str, Any]]]:
    """Return a small trace: two finished IRPs, two open ones, a fail, a suspect, an undecided finding."""
    return {
        "operations": [
            operation(4, "WskSocket", "enter"),
            operation(7, "WskControlClient", "enter"),
            operation(9, "IrpComplete", "complete"),
        ],
        "irps": [
            irp(1, "WskReceive", SECOND, took=41_000),
            irp(2, "WskReceive", 2 * SECOND, took=1_930_000),
            irp(3, "WskCloseSocket", 300 * SECOND),
            irp(4, "WskConnect", 258 * SECOND, own=False, doubt="U-ORDER"),
        ],
        "findings": [
            finding(0, "WSK-SD-EARLY-RELEASE"),
            finding(
                1,
                "WSK-IRP-NEVER-COMPLETED",
                verdict="suspect",
                reason="U-END",
                subject_table="irps",
                subject_address=IRP,
            ),
            finding(2, "WSK-SD-LEAK", verdict="unknown", reason="U-CAP", severity="warning"),
        ],
        "rules": [
            verdicts("WSK-SD-EARLY-RELEASE", 1, 30, 0, 0, 1170),
            verdicts("WSK-IRP-NEVER-COMPLETED", 0, 3, 2, 1, 0),
            verdicts("WSK-SD-LEAK", 0, 0, 1, 0, 0),
        ],
        "quality": [{"item": "bytes", "name": "judged", "value": 500}],
    }
