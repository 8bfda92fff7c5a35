"""Cards and objects of one IRP, one socket, one finding, and of the findings as a whole."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faked_traces import finding, irp, operation
from test_card import EVIL, Tags, harmless

import wsktrace
from wsktrace.errors import UsageError

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def hang() -> wsktrace.Trace:
    return wsktrace.open(SAMPLES / "hang.etl")


def test_one_irp(hang: wsktrace.Trace) -> None:
    one = hang.irp("ffffb10a`2c41e2b0")
    assert (one.id, one["op"], one["outcome"]) == (2, "WskConnect", "open")
    assert one["issue_time"] == one.story.start_ns
    assert set(one.keys()) == set(hang.irps.columns)
    assert one.findings.rule.tolist() == ["WSK-IRP-NEVER-COMPLETED"]
    told = [line.operation_id for line in one.story.lines if line.operation_id is not None]
    assert one.operations.operation_id.tolist() == told
    assert repr(one).startswith("WskConnect with IRP ffffb10a`2c41e2b0 (#2)\n")
    assert "IoCancelIrp asks to cancel the IRP" in repr(one)
    html = one._repr_html_()
    harmless(html)
    assert "WskConnect with IRP" in html
    assert "still pending 80.4 s after the call" in html
    assert hang.irp(2).story == one.story == hang.irp("#2").story


def test_one_socket(hang: wsktrace.Trace) -> None:
    one = hang.socket(0)
    assert one["socket"] == 0xFFFFB10A_2D003A50
    assert one.irps.op.tolist() == ["WskSocket", "WskBind", "WskConnect", "WskCloseSocket"]
    assert set(one.operations.socket_id) == {0}
    assert sorted(one.findings.rule) == ["WSK-CLOSE-STUCK", "WSK-IRP-NEVER-COMPLETED", "WSK-IRP-NEVER-COMPLETED"]
    harmless(one._repr_html_())
    assert "WSK-CLOSE-STUCK" in one._repr_html_()
    assert repr(one).startswith("socket ffffb10a`2d003a50 (#0)\n")


def test_one_finding_has_its_story_folded_away(hang: wsktrace.Trace) -> None:
    one = hang.finding(2)
    assert one.story == hang.stories.finding(2)
    assert one.evidence.operation_id.tolist() == one["evidence"]
    assert set(one["evidence"]) <= set(one.operations.operation_id)
    html = one._repr_html_()
    harmless(html)
    assert html.count("<details>") == 1
    assert "still outstanding when the rule was broken" in html


def test_an_address_of_several_uses_is_refused_with_their_ids() -> None:
    trace = wsktrace.open(SAMPLES / "clean.etl")
    with pytest.raises(UsageError) as error:
        trace.irp("ffffb10a`2c41e010")
    assert str(error.value).startswith("ffffb10a`2c41e010 was used ")
    assert "times; give an id: 0 (14:00:0" in str(error.value)
    with pytest.raises(UsageError, match="no IRP #9999; there are"):
        trace.irp(9999)
    with pytest.raises(UsageError, match="no finding 0; there are 0"):
        trace.finding(0)
    with pytest.raises(UsageError, match="it is an IRP: --irp"):
        trace.socket("ffffb10a`2c41e010")


def test_the_findings_as_a_whole_are_a_frame_with_a_card(hang: wsktrace.Trace) -> None:
    held = hang.findings
    assert isinstance(held, pd.DataFrame)
    assert held is hang.findings
    html = held._repr_html_()
    harmless(html)
    for text in ("Broken rules: 3", "WSK-CLOSE-STUCK", "nothing lost, nothing damaged"):
        assert text in html
    for part in (held.head(1), held[held.severity == "error"], held[["rule", "message"]], held.copy()):
        assert type(part) is pd.DataFrame
    assert type(held.rule) is pd.Series
    again = pickle.loads(pickle.dumps(held))
    assert again.equals(held)
    assert "WSK-CLOSE-STUCK" in again._repr_html_()
    assert held.equals(hang.frame("findings"))


def test_cards_carry_the_losses() -> None:
    trace = wsktrace.open(SAMPLES / "midway.etl")
    for one in (trace.irp(3), trace.socket(0), trace.findings):
        assert "7 events lost" in one._repr_html_()


def test_a_card_of_no_findings() -> None:
    html = wsktrace.open(SAMPLES / "clean.etl").findings._repr_html_()
    harmless(html)
    assert "No broken rule" in html


def test_everything_is_escaped(faked: Any) -> None:
    trace = faked(
        {
            "operations": [operation(4, EVIL, "enter") | {"irp_id": 1, "socket_id": 7, "status_name": EVIL}],
            "irps": [
                irp(1, EVIL, 5, doubt=EVIL, return_status_name=EVIL, completion_status_name=EVIL, issue_operation=4)
            ],
            "sockets": [
                {"socket_id": 7, "socket": 99, "load": 0, "origin": EVIL, "category": EVIL, "irps": 1, "open_irps": 0}
                | {"birth_operation": 4, "doubt": EVIL}
            ],
            "findings": [
                finding(0, EVIL, message=EVIL, source_file=EVIL, source_line=1, irp_id=1, socket_id=7, ignored=EVIL)
            ],
        },
        file=EVIL,
    )
    cards = [one._repr_html_() for one in (trace.irp(1), trace.socket(7), trace.finding(0), trace.findings)]
    for html in cards:
        harmless(html)
    assert "&lt;script&gt;" in cards[0]
    for one in (trace.irp(1), trace.socket(7), trace.finding(0)):
        assert repr(one).replace("\n", "").isprintable()


def test_a_card_of_a_long_story_leaves_lines_out() -> None:
    import io

    from wsktrace.testing.script import run_script

    script = "driver\nopen S Flags=datagram\n" + "run WskSendTo S\n" * 40 + "close S\nunload"
    trace = wsktrace.open(io.BytesIO(run_script(script).etl()))
    html = trace.socket(0)._repr_html_()
    harmless(html)
    assert "lines of the story are left out here" in html
    assert len(Tags(html).tags) > 4
    assert html.count("<tr>") < 80
