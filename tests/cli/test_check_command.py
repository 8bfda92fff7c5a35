from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faked_traces import finding

import wsktrace
from wsktrace.cli.check import exit_status
from wsktrace.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable

SUSPECT = {"verdict": "suspect", "reason": "U-LOST"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, faked: Any) -> Callable[..., list[dict[str, Any]]]:
    """Make wsktrace.open give a made-up trace, and tell what it was asked for."""
    asked: list[dict[str, Any]] = []

    def use(rows: Any = None, **facts: Any) -> list[dict[str, Any]]:
        def fake(source: Any, **more: Any) -> Any:
            asked.append({"source": source, **more})
            return faked(rows, **facts)

        monkeypatch.setattr(wsktrace, "open", fake)
        return asked

    return use


@pytest.mark.parametrize(
    ("found", "options", "status"),
    [
        ([], [], 0),
        ([finding(0, "WSK-A")], [], 1),
        ([finding(0, "WSK-A", severity="warning")], [], 0),
        ([finding(0, "WSK-A", severity="warning")], ["--fail-on", "warning"], 1),
        ([finding(0, "WSK-A", severity="info")], ["--fail-on", "warning"], 0),
        ([finding(0, "WSK-A", severity="info")], ["--fail-on", "info"], 1),
        ([finding(0, "WSK-A", **SUSPECT)], ["--fail-on", "info"], 0),
        ([finding(0, "WSK-A", **SUSPECT)], ["--fail-on", "suspect"], 1),
        ([finding(0, "WSK-A", verdict="unknown", reason="U-CAP")], ["--unknown", "--fail-on", "suspect"], 0),
        ([finding(0, "WSK-A", party="provider")], [], 0),
        ([finding(0, "WSK-A", party="instrumentation")], ["--fail-on-any"], 1),
        ([finding(0, "WSK-A", party="provider", severity="warning")], ["--fail-on-any"], 0),
        ([finding(0, "WSK-A", severity="info"), finding(1, "WSK-B")], [], 1),
    ],
)
def test_exit_status(opened: Any, found: list[Any], options: list[str], status: int) -> None:
    opened({"findings": found})
    assert run(["check", "t.etl", *options]) == status


def test_text_goes_to_stdout_and_nothing_to_stderr(opened: Any, capsys: pytest.CaptureFixture[str]) -> None:
    opened()
    assert run(["check", "t.etl"]) == 1
    out, err = capsys.readouterr()
    assert "Still pending" in out
    assert "\x1b" not in out
    assert err == ""


def test_json_by_option_and_by_ending(opened: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    opened()
    run(["check", "t.etl", "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert run(["check", "t.etl", "-o", str(tmp_path / "a.json")]) == 1
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == told
    assert run(["check", "t.etl", "-o", str(tmp_path / "a.txt")]) == 1
    assert "Still pending" in (tmp_path / "a.txt").read_text("utf-8")
    assert run(["check", "t.etl", "-o", str(tmp_path / "a.bin"), "--format", "json"]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "a.json", "a.txt"]


def test_an_ending_that_tells_nothing(opened: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = opened()
    assert run(["check", "t.etl", "-o", str(tmp_path / "a.pdf")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("wsktrace: what format shall a.pdf have?")
    assert asked == []


def test_options_reach_the_trace(opened: Any) -> None:
    asked = opened()
    run(
        [
            "check",
            "t.zip",
            "--member",
            "net.etl",
            "--profile",
            "native",
            "--select",
            "SD",
            "--select",
            "IRP",
            "--ignore",
            "SD-LEAK",
            "--unknown",
        ]
    )
    assert asked[0]["source"] == Path("t.zip")
    kept = {key: asked[0][key] for key in ("member", "profile", "select", "ignore", "unknown")}
    assert kept == {
        "member": "net.etl",
        "profile": "native",
        "select": ("SD", "IRP"),
        "ignore": ("SD-LEAK",),
        "unknown": True,
    }


def test_nothing_to_judge(opened: Any, capsys: pytest.CaptureFixture[str]) -> None:
    opened({}, judged=0)
    assert run(["check", "t.etl", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["judged"] == 0
    assert err.count("\n") == 1
    assert "nothing was judged" in err
    assert "WskTrace (40), {68fdd900" in err
    assert run(["check", "t.etl", "--fail-on-nothing", "-q"]) == 1
    assert capsys.readouterr().err == ""


def test_the_trace_is_closed(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = faked()
    monkeypatch.setattr(wsktrace, "open", lambda *_, **__: trace)
    run(["check", "t.etl", "-q"])
    assert trace._source.closed


def test_operations_are_not_built_for_a_check(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = faked()
    monkeypatch.setattr(wsktrace, "open", lambda *_, **__: trace)
    run(["check", "t.etl", "--unknown"])
    assert "operations" not in trace._source.asked


def test_exit_status_of_a_loaded_trace(faked: Any, tmp_path: Path) -> None:
    faked().to_parquet(tmp_path / "net")
    assert exit_status(wsktrace.load(tmp_path / "net")) == 1


def test_export(opened: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    opened()
    target = tmp_path / "net"
    assert run(["export", "t.etl", "-o", str(target)]) == 0
    assert "irps.parquet  4 rows" in capsys.readouterr().out
    assert wsktrace.load(target).summary.judged == 40
    assert run(["export", "t.etl", "-o", str(target)]) == 0
    assert run(["export", "t.etl", "-o", str(tmp_path)]) == 2
    assert "give --force" in capsys.readouterr().err
    assert run(["export", "t.etl", "-o", str(tmp_path), "--force"]) == 0
    assert run(["export", "t.etl"]) == 2


def test_a_cut_file_ends_with_its_last_record(tmp_path: Path) -> None:
    whole = (Path(__file__).parents[2] / "samples" / "hang.etl").read_bytes()
    path = tmp_path / "cut.etl"
    path.write_bytes(whole[:60_000])
    with wsktrace.open(path) as trace:
        latest = trace.operations.time.astype("int64").max()
        assert 0 <= trace.summary.end_ns - latest < 1_000_000
