from __future__ import annotations

import io
import sys
import time
from typing import TYPE_CHECKING

import pytest

from wsktrace.cli import output

if TYPE_CHECKING:
    from pathlib import Path


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_progress_is_silent_when_piped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.Meter, "PATIENCE", 0.0)
    with output.Meter() as meter:
        meter("reading", 1, 2)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_progress_appears_on_a_terminal_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with output.Meter() as meter:
        meter("reading", 1, 2)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(output.Meter, "PATIENCE", 0.01)
    with output.Meter() as meter:
        meter("reading", 1, 2)
        time.sleep(0.3)
        meter("judging", 0, 0)
        time.sleep(0.2)
    assert "reading" in terminal.getvalue()
    assert "judging" in terminal.getvalue()
    shown = terminal.getvalue()
    with output.Meter(quiet=True) as meter:
        meter("reading", 1, 2)
        time.sleep(0.05)
    assert terminal.getvalue() == shown


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    output.emit("new · text", target)
    assert target.read_text("utf-8") == "new · text\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(FileNotFoundError, match=r"nowhere.a\.txt'$"):
        output.emit("x", tmp_path / "nowhere" / "a.txt")


def test_notes_are_one_harmless_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("a\nb\x1b[2J")
    assert capsys.readouterr().err == "wsktrace: a b [2J\n"


def test_colours_respect_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.wants_colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.wants_colour()
