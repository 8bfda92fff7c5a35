from __future__ import annotations

import json
from typing import Any

import jsonschema

from wsktrace.report import json as report

ADDRESS = {"type": ["string", "null"], "pattern": "^0x[0-9a-f]{1,16}$"}
TIME = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$"}
COUNT = {"type": "integer", "minimum": 0}
MAYBE = {"type": ["integer", "null"], "minimum": 0}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


FINDING = closed(
    id=COUNT,
    rule={"type": "string", "pattern": "^WSK-"},
    verdict={"enum": ["fail", "suspect", "unknown", "note"]},
    severity={"enum": ["error", "warning", "info"]},
    party={"enum": ["client", "provider", "instrumentation"]},
    reason={"enum": [None, "U-CAP", "U-START", "U-LOST", "U-ORDER", "U-ALIAS", "U-END"]},
    time=TIME,
    subject=closed(
        table={"enum": ["irps", "sockets", "descriptors", "registrations", "operations"]},
        id=COUNT,
        address=ADDRESS,
    ),
    irp_id=MAYBE,
    irp=ADDRESS,
    socket_id=MAYBE,
    socket=ADDRESS,
    message={"type": "string"},
    evidence={"type": "array", "items": COUNT},
    outstanding={"type": "array", "items": COUNT},
    follows_from=MAYBE,
    fingerprint={"type": "string", "pattern": "^WSK-"},
    ignored={"type": ["string", "null"]},
    source={"oneOf": [{"type": "null"}, closed(file={"type": "string"}, line=MAYBE)]},
)

SCHEMA = closed(
    schema_version={"const": 1},
    trace=closed(
        file={"type": "string"},
        sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        start=TIME,
        end=TIME,
        span_ns=MAYBE,
        profile={"type": "string"},
        losses=closed(events=COUNT, buffers=COUNT, damaged_buffers=COUNT, damaged_bytes=COUNT),
    ),
    judged=COUNT,
    findings={"type": "array", "items": FINDING},
    notes={"type": "array", "items": FINDING},
    rules={
        "type": "object",
        "additionalProperties": closed(
            **dict.fromkeys(("fail", "pass", "unknown", "suspect", "not_applicable"), COUNT),
        ),
    },
)


def render(trace: Any, **more: Any) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(report.render(trace.summary, trace.arrow, **more))
    jsonschema.validate(held, SCHEMA)
    return held


def test_the_object(faked: Any) -> None:
    held = render(faked())
    assert list(held) == ["schema_version", "trace", "judged", "findings", "notes", "rules"]
    assert held["trace"] == {
        "file": "made.etl",
        "sha256": "ab" * 32,
        "start": "2026-11-20T14:02:11.123456700Z",
        "end": "2026-11-20T14:07:40.123456700Z",
        "span_ns": 329_000_000_000,
        "profile": "native",
        "losses": {"events": 0, "buffers": 0, "damaged_buffers": 0, "damaged_bytes": 0},
    }
    assert held["judged"] == 40
    first = held["findings"][0]
    assert first["subject"] == {"table": "descriptors", "id": 3, "address": "0xffffc70022334450"}
    assert first["irp"] == "0xffffb10a2c41e5a0"
    assert first["socket"] is None
    assert first["evidence"] == [4, 7, 9]
    assert first["source"] is None
    assert held["rules"]["WSK-SD-EARLY-RELEASE"] == {
        "fail": 1,
        "pass": 30,
        "unknown": 0,
        "suspect": 0,
        "not_applicable": 1170,
    }


def test_undecided_findings_only_where_asked_for(faked: Any) -> None:
    assert [f["verdict"] for f in render(faked())["findings"]] == ["fail", "suspect"]
    assert [f["verdict"] for f in render(faked(), unknown=True)["findings"]] == ["fail", "suspect", "unknown"]


def test_source_line_and_hostile_text(faked: Any) -> None:
    from faked_traces import finding

    row = finding(0, "WSK-SD-LEAK", source_file="socket.c", source_line=412, message='"\x00\u2028</script>')
    held = render(faked({"findings": [row]}, file='a"b.etl'))
    assert held["findings"][0]["source"] == {"file": "socket.c", "line": 412}
    assert held["findings"][0]["message"] == '"\x00\u2028</script>'


def test_a_trace_with_nothing_to_judge(faked: Any) -> None:
    held = render(faked({}, judged=0, start_ns=None, end_ns=None))
    assert held["judged"] == 0
    assert held["findings"] == []
    assert held["trace"]["span_ns"] is None
