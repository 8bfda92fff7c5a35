"""What a newcomer meets: files that are written, names that are odd, options that do not fit together."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from shutil import copy

import click
import numpy as np
import pytest

import wsktrace
from wsktrace.cli.main import VERBS, command, run
from wsktrace.files import whole
from wsktrace.report.formats import FORMATS

HANG = Path(__file__).parents[2] / "samples" / "hang.etl"
IRP = 0xFFFFB10A2C41E2B0


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return Path(copy(HANG, tmp_path / "net.etl"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tables") / "net"
    with wsktrace.open(HANG) as trace:
        trace.to_parquet(target)
    return target


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are of POSIX systems")
def test_what_is_no_file_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole(pipe) as place:
            place.write_bytes(b"told")
        assert os.read(reader, 9) == b"told"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_of_a_link_the_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "there" / "file.txt")
    with whole(link) as place:
        place.write_bytes(b"1")
    assert link.is_symlink()
    assert (tmp_path / "there" / "file.txt").read_bytes() == b"1"
    with pytest.raises(ZeroDivisionError), whole(link) as place:  # noqa: PT012 -- both lines are the case
        place.write_bytes(b"2")
        raise ZeroDivisionError
    assert link.read_bytes() == b"1"
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    ("verb", "more", "ending"),
    [
        ("check", ["--format", "json"], "json"),
        ("info", ["--format", "json"], "json"),
        ("show", ["--finding", "0", "--format", "md"], "md"),
        ("events", ["--format", "csv"], "csv"),
        ("latency", [], "png"),
        ("report", [], "html"),
        ("timeline", [], "pftrace"),
        ("query", ["SELECT 1", "--format", "csv"], "csv"),
        ("diff", [str(HANG), "--format", "md"], "md"),
    ],
)
def test_a_trace_is_not_overwritten_and_a_missing_folder_is_told_first(
    verb: str, more: list[str], ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = Path(copy(HANG, tmp_path / f"net.{ending}"))  # the content counts, not the name
    before = trace.read_bytes()
    assert run([verb, str(trace), *more, "-o", str(trace)]) == 2
    assert "would overwrite the trace; give another name" in capsys.readouterr().err
    assert trace.read_bytes() == before
    away = tmp_path / "nowhere" / f"out.{ending}"
    assert run([verb, str(trace), *more, "-o", str(away)]) == 2
    assert f"there is no folder {away.parent}; make it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--window", "1s"], "give --around TIME"),
        (["show", "--finding", "0", "--messages", "all", "--no-messages"], "give one of them"),
        (["show", "--around", "+99999"], "the trace is from 2026-11-20 14:00:00.000000 to 2026-11-20 14:01:30"),
        (["show", "--around", "2025-01-01T00:00"], "the trace is from"),
        (["events", "--since", "+5", "--until", "+1"], "the time from +5 until +1 is empty"),
        (["latency", "-o", "x.html"], "endings known here: .csv, .json, .log, .parquet, .png, .svg, .txt\n"),
        (["check", "-o", "x.html"], "; or give --format\n"),
        (["check", "-o", ""], "-o needs the name of a file"),
        (["query", "--tables", "SELECT 1"], "--tables runs no SQL"),
        (["query", "--tables", "--format", "csv"], "as text, json or md, not as csv"),
        (["query", "SELECT 1", "--sql-file", "x.sql"], "the SQL is given twice"),
        (["query", "SELECT 1", "--rows", "-1"], "-1 is not in the range"),
    ],
)
def test_what_does_not_fit_together(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    verb, *more = arguments
    assert run([verb, str(HANG), *more]) == 2
    assert said in capsys.readouterr().err


def test_times_that_pass_midnight_are_no_empty_span(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", str(HANG), "--since", "2026-11-20T14:00:10", "--until", "+20", "-q"]) == 0
    assert "WskCloseSocket" in capsys.readouterr().out


def test_the_tables_in_the_format_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert run(["query", str(HANG), "--tables", "-o", str(tmp_path / "t.json")]) == 0
    assert "irps" in json.loads((tmp_path / "t.json").read_text("utf-8"))["tables"]
    assert run(["query", str(tmp_path / "none.etl"), "--tables"]) == 2
    assert "no such file" in capsys.readouterr().err
    (tmp_path / "empty.sql").write_text(" \n", "utf-8")
    assert run(["query", str(HANG), "--sql-file", str(tmp_path / "empty.sql")]) == 2
    assert "there is no SQL in" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["info", "events"])
def test_a_folder_of_tables_where_the_etl_is_needed(
    verb: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([verb, str(folder)]) == 2
    assert f"is a folder of tables; wsktrace {verb} needs the .etl" in capsys.readouterr().err
    with pytest.raises(wsktrace.NotAnEtlFile, match=r"wsktrace\.load reads"):
        wsktrace.open(folder)


def test_only_a_picture_goes_beside_the_text(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ending in ("json", "csv", "txt", "parquet"):
        assert run(["latency", str(net), "-o", str(net.with_suffix(f".{ending}"))]) == 0
        assert capsys.readouterr().out == ""
    assert "WskConnect" in net.with_suffix(".txt").read_text("utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = net.rename(net.with_name(os.fsdecode(b"caf\xe9.etl")))
    with wsktrace.open(odd) as trace:
        assert trace.summary.file == "caf\ufffd.etl"
        for form in FORMATS:
            assert trace.render(form).encode("utf-8"), form
    assert run(["check", str(odd), "-o", str(net.with_suffix(".sarif"))]) == 1
    assert run(["events", str(odd), "-o", str(odd.with_suffix(".parquet"))]) == 0
    assert run(["export", str(odd), "-o", str(odd.with_suffix(""))]) == 2
    assert "needs a name that is text" in capsys.readouterr().err
    assert run(["query", str(odd), str(HANG), "SELECT DISTINCT trace FROM irps ORDER BY trace", "--format", "csv"]) == 0
    assert "caf\ufffd.etl" in capsys.readouterr().out
    assert "Traceback" not in capsys.readouterr().err


def test_an_address_as_the_columns_hold_it(folder: Path) -> None:
    trace = wsktrace.load(folder)
    for given in ("ffffb10a`2c41e2b0", hex(IRP), IRP, np.uint64(IRP)):
        assert wsktrace.address(given) == np.uint64(IRP)  # type: ignore[arg-type]
        found = trace.irps[trace.irps.irp == wsktrace.address(given)]  # type: ignore[arg-type]
        assert found.op.tolist() == ["WskConnect"]
        assert trace.irps.irp.isin([wsktrace.address(given)]).sum() == 1  # type: ignore[arg-type]
        assert trace.irp(given)["op"] == "WskConnect"  # type: ignore[arg-type]
    for wrong, error in ((1.5, TypeError), (None, TypeError), (1 << 70, wsktrace.UsageError)):
        with pytest.raises(error):
            trace.irp(wrong)  # type: ignore[arg-type]
    for odd in ("nobody", -1, 1 << 64):
        with pytest.raises(wsktrace.UsageError, match="is no address"):
            wsktrace.address(odd)


def test_one_rule_is_a_word() -> None:
    with wsktrace.open(HANG, select="CLOSE-STUCK") as trace:
        assert set(trace.findings.rule) == {"WSK-CLOSE-STUCK"}


def test_a_picture_says_what_is_damaged(tmp_path: Path) -> None:
    from wsktrace.cli.latency import title_of

    cut = tmp_path / "cut.etl"
    cut.write_bytes(HANG.read_bytes()[:60000])
    with wsktrace.open(cut) as trace:
        assert title_of(trace.summary) == "cut.etl · 240 B damaged in 1 of 8 buffers"


def test_help_speaks_one_language() -> None:
    context = click.Context(command)
    meanings: dict[str, set[tuple[str | None, str | None]]] = {}
    for verb in VERBS:
        found = command.get_command(context, verb)
        assert found is not None
        options = [p for p in found.params if isinstance(p, click.Option)]
        names = [o.name for o in options]
        for option in options:
            if option.name in ("profile", "member", "symbols", "download", "quiet", "limits", "baseline"):
                meanings.setdefault(str(option.name), set()).add((option.metavar, option.help))
            if option.name == "form":
                assert option.help is None or option.help.startswith("Default: by the ending of -o, else "), verb
        if "quiet" in names:
            assert names[-1] == "quiet", verb
        held = {p.name for p in found.params if isinstance(p, click.Argument)}
        if held & {"trace", "arguments"} and verb != "info":
            assert "a folder that wsktrace export wrote" in " ".join((found.help or "").split()), verb
    assert {name: len(said) for name, said in meanings.items()} == dict.fromkeys(meanings, 1)
    assert "VERB [ARGS]..." in command.get_usage(context)
