from __future__ import annotations

import re
import webbrowser
from pathlib import Path
from typing import Any

import pytest

import wsktrace
from wsktrace.cli.main import run
from wsktrace.report.html import pictures as html_pictures

SAMPLES = Path(__file__).parents[2] / "samples"
NO_PICTURES = ("over_time", "latency", "cumulative", "lifetimes")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Write into a folder of its own, without pictures."""
    monkeypatch.setattr(html_pictures, "pictures", lambda *_: dict.fromkeys(NO_PICTURES, ()))
    monkeypatch.chdir(tmp_path)


def test_the_default_name_is_never_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(SAMPLES / "hang.etl")]) == 0
    out, err = capsys.readouterr()
    assert out == "hang.html\n"
    assert err == ""
    Path("hang.html").write_text("mine", "utf-8")
    assert run(["report", str(SAMPLES / "hang.etl")]) == 2
    err = capsys.readouterr().err
    assert err == "wsktrace: hang.html exists; give --force to overwrite it, or another name with -o\n"
    assert Path("hang.html").read_text("utf-8") == "mine"
    assert run(["report", str(SAMPLES / "hang.etl"), "--force"]) == 0
    assert "broken rules" in Path("hang.html").read_text("utf-8")


def test_a_name_that_was_given_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.htm").write_text("old", "utf-8")
    assert run(["report", str(SAMPLES / "hang.etl"), "-o", "x.htm", "--limit", "close_s=200", "--select", "CLOSE"]) == 0
    assert capsys.readouterr().out == "x.htm\n"
    text = Path("x.htm").read_text("utf-8")
    assert "wsktrace report" in text
    assert re.search(r"-o x\.htm|--output x\.htm", text)
    assert "close_s = 200" in text
    assert "--limit close_s=200" in text
    assert "only the rules" in text
    assert "WSK-IRP-NEVER-COMPLETED" not in text
    assert run(["report", str(SAMPLES / "hang.etl"), "-o", "x.pdf"]) == 2
    assert "name it x.pdf.html" in capsys.readouterr().err


def test_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(SAMPLES / "hang.etl"), "--redact", "-o", "sent.html"]) == 0
    text = Path("sent.html").read_text("utf-8")
    assert "hang.etl" not in text
    assert str(SAMPLES) not in text
    assert "wsktrace report file-1.etl" in text.replace("--output file-2.html ", "")
    assert "ffffb10a" not in text


def test_of_a_folder_of_tables(capsys: pytest.CaptureFixture[str]) -> None:
    with wsktrace.open(SAMPLES / "hang.etl") as trace:
        trace.to_parquet("net")
    assert run(["report", "net"]) == 0
    assert capsys.readouterr().out == "net.html\n"
    text = Path("net.html").read_text("utf-8")
    assert "3 broken rules" in text
    assert "not known: the tables were exported by an earlier run" in text
    assert run(["report", "net", "--force", "--limit", "close_s=20"]) == 2
    assert "--limit needs the .etl" in capsys.readouterr().err


def test_it_opens_a_browser_where_asked_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(asked.append(url)))
    assert run(["report", str(SAMPLES / "hang.etl"), "--open"]) == 0
    assert asked == [(Path.cwd() / "hang.html").resolve().as_uri()]
    assert "no browser could be opened" in capsys.readouterr().err


def test_what_cannot_be_read_leaves_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("no.etl").write_bytes(b"not a trace")
    for name in ("no.etl", "missing.etl"):
        assert run(["report", name]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not list(Path().glob("*.html"))


def test_nothing_judged(faked: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(wsktrace, "open", lambda *_, **__: faked({}, judged=0))
    assert run(["report", "t.etl"]) == 0
    out, err = capsys.readouterr()
    assert out == "t.html\n"
    assert "nothing was judged" in err
    assert "Nothing was judged" in Path("t.html").read_text("utf-8")
