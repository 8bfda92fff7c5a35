"""JSON lines and JSON against the schema that the package carries."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from faked_traces import usual_rows
from sample_traces import NAMES, sample

SCHEMA: dict[str, Any] = json.loads(files("wsktrace").joinpath("data", "check.schema.json").read_text("utf-8"))
WHOLE = jsonschema.Draft202012Validator(SCHEMA)
LINE = jsonschema.Draft202012Validator({"$ref": "#/$defs/line", "$defs": SCHEMA["$defs"]})


def strict(schema: Any) -> Any:
    """The schema such that keys which it does not name are wrong, too."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    held = {key: strict(value) for key, value in schema.items()}
    if isinstance(held.get("properties"), dict) and "kind" not in held["properties"]:
        held["unevaluatedProperties"] = False
    return held


def lines(trace: Any, **options: Any) -> list[dict[str, Any]]:
    held = [json.loads(line) for line in trace.render("jsonl", **options).split("\n")[:-1]]
    for line in held:
        LINE.validate(line)
    return held


def test_the_schema_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    trace = sample(name)
    whole = json.loads(trace.render("json", unknown=True, coverage=True))
    held = lines(trace, unknown=True, coverage=True)
    opened = sorted(
        (r for r in trace.arrow("irps").to_pylist() if r["outcome"] == "open"), key=lambda r: r["issue_time"]
    )
    WHOLE.validate(whole)
    jsonschema.Draft202012Validator(strict(SCHEMA)).validate(whole)
    by: dict[str, list[dict[str, Any]]] = {}
    for line in held:
        by.setdefault(line.pop("kind"), []).append(line)
    (trace_line,) = by["trace"]
    assert trace_line == {"schema_version": 1, "judged": whole["judged"], **whole["trace"]}
    assert by.get("finding", []) == whole["findings"]
    assert by.get("note", []) == whole["notes"]
    assert [p["irp_id"] for p in by.get("pending", [])] == [row["irp_id"] for row in opened]
    assert [r["rule"] for r in by["rule"]] == list(whole["rules"])
    for rule in by["rule"]:
        name = rule.pop("rule")
        assert rule == whole["rules"][name] | whole["coverage"]["rules"][name]
    (covered,) = by["coverage"]
    assert covered == {name: whole["coverage"][name] for name in ("would_decide", "never_seen")}


def test_the_trace_comes_first(faked: Any) -> None:
    held = lines(faked())
    assert [line["kind"] for line in held] == ["trace", *["pending"] * 2, *["finding"] * 2, *["rule"] * 3]
    assert held[1]["op"] == "WskConnect", "the oldest first"
    assert (held[1]["for_ns"], held[1]["doubt"]) == (71_000_000_000, "U-ORDER")


@pytest.mark.parametrize("key", ["verdict", "evidence", "fingerprint"])
def test_the_schema_misses_what_is_missing(faked: Any, key: str) -> None:
    whole = json.loads(faked().render("json"))
    del whole["findings"][0][key]
    assert not WHOLE.is_valid(whole)
    assert not LINE.is_valid({"kind": "finding", **whole["findings"][0]})


def test_lines_without_line_ends_in_them(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"][0]["message"] = "a\nb\r\u2028\x00"
    text = faked(rows).render("jsonl")
    assert text.count("\n") == len(lines(faked(rows)))
    assert lines(faked(rows))[3]["message"] == "a\nb\r\u2028\x00"
