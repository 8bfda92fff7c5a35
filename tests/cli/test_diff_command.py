from __future__ import annotations

import json
from pathlib import Path

import pytest

from wsktrace.cli.main import run

SAMPLES = Path(__file__).parents[2] / "samples"
HANG, CLEAN = str(SAMPLES / "hang.etl"), str(SAMPLES / "clean.etl")


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", CLEAN, HANG]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0] == "broken rules: 3 new · latency: too few to tell · open at the end: 0 → 2"
    assert "✖ new  WSK-CLOSE-STUCK" in out
    assert "no shift shown does not mean unchanged" in out


@pytest.mark.parametrize(
    ("pair", "options", "status"),
    [
        ([CLEAN, HANG], ["--fail-on", "new"], 1),
        ([CLEAN, HANG], ["--fail-on", "slower"], 0),
        ([CLEAN, HANG], ["--fail-on", "slower", "--fail-on", "new"], 1),
        ([HANG, CLEAN], ["--fail-on", "new", "--fail-on", "slower"], 0),
        ([HANG, HANG], ["--fail-on", "new", "--fail-on", "suspect", "--fail-on", "first-seen"], 0),
    ],
)
def test_exit_status(pair: list[str], options: list[str], status: int) -> None:
    assert run(["diff", *pair, *options]) == status


def test_formats_by_ending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.json", "x.md", "x.txt"):
        assert run(["diff", CLEAN, HANG, "-o", str(tmp_path / name)]) == 0
    assert capsys.readouterr().out == ""
    held = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert {f["rule"] for f in held["findings"] if f["change"] == "new"} == {
        "WSK-CLOSE-STUCK",
        "WSK-IRP-NEVER-COMPLETED",
    }
    assert held["margin"] == 1.05
    assert held["a"]["file"] == "clean.etl"
    text = (tmp_path / "x.md").read_text("utf-8")
    assert text.startswith("**broken rules: 3 new")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert "| ✖ new | WSK-CLOSE-STUCK | error | 0 | 1 |" in text
    assert all(line.endswith("|") for line in tables)


@pytest.mark.parametrize(
    ("name", "start"), [("x.svg", b"<?xml"), pytest.param("x.png", b"\x89PNG", marks=pytest.mark.long)]
)
def test_a_picture_beside_the_text(name: str, start: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", CLEAN, HANG, "--op", "WskBind", "--by", "op,category", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)
    assert capsys.readouterr().out.startswith("broken rules: 3 new")


def test_a_folder_gives_what_the_etl_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", CLEAN, "-o", str(tmp_path / "clean")]) == 0
    assert run(["export", HANG, "-o", str(tmp_path / "hang")]) == 0
    capsys.readouterr()
    outs = []
    for pair in ((CLEAN, HANG), (str(tmp_path / "clean"), str(tmp_path / "hang")), (CLEAN, str(tmp_path / "hang"))):
        assert run(["diff", *pair, "--format", "json"]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1] == outs[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "cpu"], "nothing to group by is called 'cpu'"),
        (["-o", "x.docx"], "what format"),
        (["--margin", "-1"], "--margin"),
        (["--op", "WskNothing"], "no completed 'WskNothing' in either trace"),
    ],
)
def test_wrong_options(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", CLEAN, HANG, *options]) in (0, 2)
    assert message in capsys.readouterr().err


def test_a_file_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", CLEAN, str(SAMPLES / "README.md")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
