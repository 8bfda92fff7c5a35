"""JUnit XML as junitparser reads it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from faked_traces import finding, usual_rows, verdicts
from junitparser import Failure, JUnitXml, Skipped
from sample_traces import NAMES, sample


def read(trace: Any) -> tuple[JUnitXml, dict[str, Any]]:
    """The document, and its cases by name; the numbers that it tells are counted after."""
    document = JUnitXml.fromroot(JUnitXml.fromstring(trace.render("junit").encode("utf-8"))._elem)
    told = (document.tests, document.failures, document.errors)
    suites = [(s.tests, s.failures, s.errors, s.skipped) for s in document]
    cases = {case.name: case for suite in document for case in suite}
    for suite, numbers in zip(document, suites, strict=True):
        suite.update_statistics()
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == numbers
    document.update_statistics()
    assert (document.tests, document.failures, document.errors) == told
    assert document.tests == len(cases)
    return document, cases


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    trace = sample(name)
    _, cases = read(trace)
    rules = {row["rule"]: row for row in trace.arrow("rules").to_pylist()}
    assert sorted(cases) == sorted(rules)
    for name, row in rules.items():
        results = cases[name].result
        if row["fail"]:
            assert [type(r) for r in results] == [Failure]
        elif row["suspect"] or not row["pass"]:
            assert [type(r) for r in results] == [Skipped]
        else:
            assert results == []


def test_each_kind_of_case(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"] += [
        finding(3, "WSK-SD-BASIC", ignored="the wrapper does so"),
        finding(4, "WSK-SD-EARLY-RELEASE", severity="warning", source_file="socket.c", source_line=7),
    ]
    rows["rules"] += [verdicts("WSK-SD-BASIC", 1, 2, 0, 0, 0), verdicts("WSK-FLAGS-INVALID", 0, 0, 0, 0, 9)]
    rows["rules"] += [verdicts("WSK-STATUS-MISMATCH", 0, 5, 2, 0, 0), verdicts("WSK-OPT-ORDER", 0, 5, 0, 0, 0)]
    document, cases = read(faked(rows, events_lost=3))
    (failure,) = cases["WSK-SD-EARLY-RELEASE"].result
    assert (failure.type, failure.message.endswith("was pending (and 1 more)")) == ("error", True)
    assert "after the message at socket.c:7" in failure.text
    messages = {name: case.result[0].message for name, case in cases.items() if case.result}
    assert messages["WSK-IRP-NEVER-COMPLETED"].startswith("1 suspect: 2 U-CAP")
    assert messages["WSK-SD-LEAK"].startswith("not decided: 1 U-CAP")
    assert messages["WSK-SD-BASIC"] == "broken, but does not count: the wrapper does so"
    assert messages["WSK-FLAGS-INVALID"] == "the trace shows nothing that this rule speaks of"
    assert "5 kept it; not decided: 2 U-CAP" in cases["WSK-STATUS-MISMATCH"].system_out
    assert cases["WSK-OPT-ORDER"].system_out is None
    suite = next(iter(document))
    assert suite.timestamp == "2026-11-20T14:02:11"
    assert {p.name: p.value for p in suite.properties()}["trust"] == "3 events lost"


def test_nothing_judged(faked: Any) -> None:
    _, cases = read(faked({"rules": [verdicts("WSK-SD-LEAK", 0, 0, 0, 0, 0)]}, judged=0, start_ns=None))
    assert [type(r) for r in cases["WSK-SD-LEAK"].result] == [Skipped]


def test_texts_that_xml_forbids(faked: Any) -> None:
    import defusedxml.ElementTree

    bad = "".join(map(chr, (*range(32), 0x7F, 0x85, 0xFFFE, 0xFFFF, 0xD800))) + "]]> <b>&amp;\"'"
    row = finding(0, "WSK-SD-LEAK", message=bad, source_file=bad, source_line=1)
    text = faked(usual_rows() | {"findings": [row]}, file=bad).render("junit")
    top = defusedxml.ElementTree.parse(io.BytesIO(text.encode("utf-8"))).getroot()
    (failure,) = top.iter("failure")
    assert failure.get("message").startswith(r"\x00\x01\x02")
    assert failure.get("message").endswith("]]> <b>&amp;\"'")
