from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

import wsktrace
from wsktrace.cli.main import run
from wsktrace.cli.output import fit
from wsktrace.report.latency import sparkline
from wsktrace.testing.driver import busy

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2] / "samples"
HANG, MIDWAY = str(SAMPLES / "hang.etl"), str(SAMPLES / "midway.etl")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, faked: Any) -> Callable[..., None]:
    """Make wsktrace.open give a made-up trace."""
    return lambda rows=None, **facts: monkeypatch.setattr(wsktrace, "open", lambda *_, **__: faked(rows, **facts))


def _out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["latency", *arguments]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def test_the_text_has_a_histogram_a_row_and_says_what_is_absent(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _out(capsys, HANG).splitlines()
    head = lines[0].split()
    assert head[:11] == ["operation", "leg", "count", "absent", "open", "min", "p50", "p90", "p99", "p99.9", "max"]
    assert len({line.index("total") for line in lines if " total " in line}) == 1
    close = next(line for line in lines if line.startswith("WskCloseSocket"))
    assert close.split()[1:5] == ["total", "10", "1", "1"]
    assert set(close[lines[0].index("10 µs") :]) <= set(" ▁▂▃▄▅▆▇█")
    text = " ".join(" ".join(lines).split())
    assert "total: issue → completion; absent in 2 of 60 uses of IRPs: 2 open at the end" in text
    assert "14 completed before the call returned" in text
    assert "lost" not in text


def test_what_was_lost_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert _out(capsys, MIDWAY).splitlines()[-1].startswith("7 events lost")


def test_groups_and_clocks(capsys: pytest.CaptureFixture[str]) -> None:
    out = _out(capsys, HANG, "--by", "category,outcome", "--clock", "call", "--clock", "issue")
    assert out.splitlines()[0].startswith("socket category  outcome")
    assert " call " in out
    assert " pending" not in out
    assert "operation  leg" in _out(capsys, HANG, "--by", "all")
    out = _out(capsys, HANG, "--by", "status", "--op", "WskConnect")
    assert {line.split()[0] for line in out.splitlines() if "STATUS_SUCCESS" in line} == {"WskConnect"}


def test_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def file(name: str, *options: str) -> Path:
        _out(capsys, MIDWAY, "--op", "WskReceive", "-o", str(tmp_path / name), *options)
        return tmp_path / name

    assert file("a.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert "WskReceive" in file("a.svg").read_text("utf-8")
    rows = pq.read_table(file("a.parquet")).to_pylist()
    assert {row["leg"] for row in rows} == {"total", "pending"}
    found = json.loads(file("a.json", "--by", "op,status").read_text("utf-8"))
    assert found["by"] == ["op", "status"]
    assert found["trace"]["losses"] == {"events": 7, "buffers": 0, "damaged_buffers": 0, "damaged_bytes": 0}
    with wsktrace.open(MIDWAY) as trace:
        assert sum(row["uses"] for row in found["latency"]) == 2 * (trace.irps.op == "WskReceive").sum()
    table = list(csv.DictReader(io.StringIO(file("a.csv").read_text("utf-8"))))
    assert [row["p99_ns"] for row in table] == ["" if r["p99_ns"] is None else str(r["p99_ns"]) for r in rows]
    assert "bins" not in table[0]
    assert file("a.txt").read_text("utf-8") == _out(capsys, MIDWAY, "--op", "WskReceive")


@pytest.mark.parametrize(
    "plot", ["latency", "multiples", "cumulative", "heatmap", "outstanding", "lifetimes", "timeline"]
)
def test_every_picture(plot: str, made: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made(events_lost=7)
    _out(capsys, "t.etl", "-o", str(tmp_path / "a.svg"), "--plot", plot)
    text = (tmp_path / "a.svg").read_text("utf-8")
    assert "made.etl · 7 events lost" in text
    assert "<dc:date>" not in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--by", "colour"], "nothing to group by is called 'colour'"),
        (["--op", "WskSend2"], "there are of: WskCloseSocket, WskReceive"),
        (["-o", "a.gif"], "endings known here: .csv"),
        (["--plot", "heatmap"], "-o FILE.png"),
        (["--plot", "lifetimes", "--op", "WskSend", "-o", "a.png"], "leave out --op"),
    ],
)
def test_what_cannot_be(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["latency", HANG, *options]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_trace_without_completions(made: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made({})
    assert _out(capsys, "t.etl", "-o", str(tmp_path / "a.png")) == "no completed IRP in this trace\n"
    made({}, judged=0)
    assert "it has no WSK operation; wsktrace info" in _out(capsys, "t.etl")


def test_a_folder_of_tables_gives_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with wsktrace.open(HANG) as trace:
        trace.to_parquet(tmp_path / "net")
    assert _out(capsys, str(tmp_path / "net"), "--by", "family") == _out(capsys, HANG, "--by", "family")


def test_a_narrow_terminal_gets_fewer_figures(
    made: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made()
    monkeypatch.setattr("wsktrace.cli.output.terminal_width", lambda: 90)
    head = _out(capsys, "t.etl").splitlines()[0].split()
    assert "p50" in head
    assert "max" in head
    assert "min" not in head


@pytest.mark.parametrize("width", [80, 60, 100])
def test_a_terminal_breaks_no_line(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsktrace.cli.output.terminal_width", lambda: width)
    lines = _out(capsys, HANG).splitlines()
    assert max(map(len, lines)) <= max(width, 80)
    assert ("log" in lines[0]) == (width == 100)


def test_percentiles_that_so_few_uses_do_not_tell_are_left_empty(capsys: pytest.CaptureFixture[str]) -> None:
    text = _out(capsys, HANG, "--clock", "issue")
    head, *rows = text.partition("\n\n")[0].splitlines()
    told = {row.split()[0]: row for row in rows}
    at = {name: head.index(name) for name in ("p90", "p99 ", "p99.9")}
    assert told["WskCloseSocket"][: at["p90"] + 3].endswith("101 ms")  # ten uses
    assert told["WskReceive"][at["p90"] - 5 : at["p99.9"] + 5].strip() == ""  # nine
    assert "too few uses for that percentile: p90 needs 10, p99 needs 100, p99.9 needs 1,000" in text


def test_small_histograms() -> None:
    row = {"count": 101, "bins": [100, 1000], "counts": [100, 1], "min_ns": 100, "max_ns": 1000}
    assert sparkline(row, 100, 1000, 10) == "█        ▁"
    assert sparkline(row | {"count": 0}, 1, 1) == ""
    assert sparkline({"count": 1, "bins": [0], "counts": [1], "min_ns": 0, "max_ns": 0}, 1, 1, 4) == "█   "

    class Plain:
        encoding = "ascii"

    assert fit("▁▂▃▄▅▆▇█", Plain()) == ".:-=+*#@"


def test_names_from_a_trace_steer_no_terminal(made: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from faked_traces import irp

    made({"irps": [irp(1, "Wsk\x1b[31mEvil$x$", 0, took=10)]}, file="a\x1b$b$.etl")
    assert "\x1b" not in _out(capsys, "t.etl", "-o", str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").stat().st_size


def test_completions_before_their_calls_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where the clocks of processors disagree by more than a call takes."""
    path = tmp_path / "skewed.etl"
    path.write_bytes(busy(7, sockets=12, skew=400_000).etl())
    with wsktrace.open(path) as trace:
        assert (trace.irps.total_ns < 0).any()
    text = " ".join(_out(capsys, str(path), "--by", "all").split())
    assert "completed before the call by processors' clocks that disagree" in text
