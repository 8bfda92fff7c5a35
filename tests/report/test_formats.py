from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from faked_traces import SECOND, START, irp, usual_rows

import wsktrace
from wsktrace.cli.main import run
from wsktrace.report.formats import ENDINGS, FORMATS
from wsktrace.report.words import pending

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_a_trace_and_of_its_tables(faked: Any, tmp_path: Path, form: str) -> None:
    trace = faked()
    trace.to_parquet(tmp_path / "net")
    with wsktrace.load(tmp_path / "net") as loaded:
        assert loaded.render(form, unknown=True) == trace.render(form, unknown=True)


def test_a_format_that_there_is_not(faked: Any) -> None:
    with pytest.raises(wsktrace.UsageError, match="no format 'pdf'; the formats are text, concise, json"):
        faked().render("pdf")
    with pytest.raises(wsktrace.UsageError, match="no format takes 'unknwon'; the options are again, colour, "):
        faked().render("json", unknwon=True)


def test_endings(faked: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wsktrace, "open", lambda *_, **__: faked())
    begins = {
        "text": "made.etl",
        "json": "{\n",
        "jsonl": '{"kind"',
        "sarif": '{\n "$schema"',
        "junit": "<?xml",
        "md": "###",
    }
    assert set(ENDINGS.values()) == set(begins)
    for ending, form in ENDINGS.items():
        target = tmp_path / f"a{ending.upper()}"
        assert run(["check", "t.etl", "-o", str(target)]) == 1
        assert target.read_text("utf-8").startswith(begins[form]), ending


def test_concise(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"][0] |= {"source_file": "socket.c", "source_line": 412, "message": "a\nb"}
    lines = faked(rows, buffers_lost=1).render("concise").splitlines()
    assert lines == [
        r"socket.c:412: error WSK-SD-EARLY-RELEASE 14:02:16.123456 a\nb",
        f"made.etl: suspect (U-END) WSK-IRP-NEVER-COMPLETED 14:02:16.123456 {rows['findings'][1]['message']}",
        "made.etl: 1 broken rule (1 error), 1 suspect, 2 IRPs are pending at the end; 1 buffer lost",
    ]
    assert len(faked().render("concise", unknown=True).splitlines()) == 4


def test_a_folder_of_source_that_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "t.etl", "--source-root", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_symbols_need_the_etl(faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faked().to_parquet(tmp_path / "net")
    assert run(["check", str(tmp_path / "net"), "--symbols", str(tmp_path)]) == 2
    assert "--symbols needs the .etl" in capsys.readouterr().err
    assert run(["check", str(tmp_path / "net"), "--format", "concise"]) == 1


def test_pending_as_long_as_the_trace_tells_of_the_driver(faked: Any) -> None:
    """Where the end of a trace is not evidence, the age of a call is that which findings and stories say."""
    edge = {"item": "edge", "name": "load 0", "value": 0, "end": START + 9 * SECOND, "detail": "until here"}
    open_ = [irp(1, "WskSend", 2 * SECOND), irp(2, "WskSend", 10 * SECOND), irp(3, "WskSend", 4 * SECOND, load=1)]
    trace = faked({"irps": [*open_, irp(4, "WskSend", 0, took=5)], "quality": [edge]}, end_ns=START + 20 * SECOND)
    held = pending(trace.arrow, trace.summary.end_ns)
    assert held.column("irp_id").to_pylist() == [1, 3, 2]
    assert held.column("age_ns").to_pylist() == [7 * SECOND, 16 * SECOND, 0]
    assert pending(trace.arrow).column("age_ns").to_pylist() == [7 * SECOND, None, 0]
    for form in ("text", "md"):
        told = trace.render(form)
        assert "7 s" in told
        assert "18 s" not in told
    assert '"for_ns": 7000000000' in trace.render("jsonl")
    told = str(trace.report())
    assert "for 7 s" in told
    assert "3 open at the end" in told
    assert "7 s" in trace._repr_html_()
