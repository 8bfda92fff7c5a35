from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wsktrace
from wsktrace.cli import main as module
from wsktrace.cli.main import VERBS, run
from wsktrace.errors import InputError

ROOT = Path(__file__).parents[2]


def test_help_names_every_verb_and_each_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in VERBS)
    assert "\\" not in out
    assert "  wsktrace check net.etl      your trace, judged\n" in out
    for verb in VERBS:
        assert run([verb, "-h"]) == 0
        assert f"wsktrace {verb}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"wsktrace {wsktrace.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chekc", "t.etl"], "did you mean check"),
        ([__file__], "wsktrace check"),
        (["check"], "Missing argument"),
        (["check", "t.etl", "--fail-on", "doom"], "doom"),
        (["check", "t.etl", "--what"], "--what"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


def test_unknown_rules_and_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["rule", "SD-LEEK"],
        ["check", "t.etl", "--select", "SD-LEEK"],
        ["check", "t.etl", "--profile", "nativ"],
    ):
        assert run(arguments) == 2
        err = capsys.readouterr().err
        assert err.startswith("wsktrace: no ")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (InputError("t.etl: cut\nin half"), "wsktrace: t.etl: cut in half\n", 2),
        (PermissionError(13, "Permission denied", "t.etl"), "wsktrace: t.etl: Permission denied\n", 2),
        (KeyboardInterrupt(), "wsktrace: interrupted\n", 130),
        (MemoryError(), "wsktrace: out of memory", 2),
    ],
)
def test_errors_are_one_line(
    error: BaseException, line: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(wsktrace, "open", fail)
    assert run(["check", "t.etl"]) == status
    out, err = capsys.readouterr()
    err = err.lstrip("\n")  # click ends the line that a terminal's ^C stands on
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert out == ""


def test_a_bug_shows_its_traceback_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(wsktrace, "open", fail)
    assert run(["check", "t.etl"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "internal error: ZeroDivisionError: oops" in err


@pytest.mark.parametrize(
    "content", [None, b"", b"just text, no trace", b"ElfFile\0" + bytes(5000), b"MSCF" + bytes(5000)]
)
def test_what_is_no_trace_is_one_line_and_2(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.etl"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    for verb in (["check"], ["latency"], ["export", "-o", str(tmp_path / "out")]):
        assert run([verb[0], str(path), *verb[1:]]) == 2
        err = capsys.readouterr().err
        assert err.startswith("wsktrace: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert run(["check", str(tmp_path / "missing.etl")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def cli(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "wsktrace", *arguments]
    return subprocess.Popen(command, stdout=-1, stderr=-1, stdin=subprocess.DEVNULL, text=True, cwd=ROOT, **more)


def test_a_reader_that_goes_away_is_no_error() -> None:
    with cli("rule", "--format", "json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_an_old_terminal_gets_signs_that_it_knows() -> None:
    import os

    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    with cli("latency", "samples/hang.etl", env=environment) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "issue -> completion" in out


def test_stdout_is_clean_when_piped() -> None:
    with cli("check", "samples/clean.etl", "--format", "json") as process:
        out, err = process.communicate()
    import json

    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["findings"] == []


def test_the_entry_point_passes_the_status_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "run", lambda: 1)
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 1


def test_every_verb_module_has_a_command_of_its_name() -> None:
    from importlib import import_module

    for verb, (home, _) in VERBS.items():
        assert import_module(home).command.name == verb
