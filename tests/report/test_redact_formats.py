"""Accounts, stories and timelines without what identifies the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redact_tools import leaks, numbers

import wsktrace
from wsktrace.cli.main import run
from wsktrace.report.formats import FORMATS
from wsktrace.units import address_text

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = Path(__file__).parents[2] / "samples" / "early_release.etl"


@pytest.fixture(scope="module")
def trace() -> Iterator[Any]:
    with wsktrace.open(TRACE) as opened:
        yield opened


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A trace whose path says who made it."""
    path = tmp_path / "jane.doe" / "contoso-vpn.etl"
    path.parent.mkdir()
    path.write_bytes(TRACE.read_bytes())
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_check_tells_nothing_of_the_machine(form: str, trace: Any, at: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["check", str(at), "--unknown", "--coverage", "--format", form]
    assert run([*arguments, "-o", str(out)]) == 1
    told = out.read_text("utf-8")
    assert leaks(told, trace, "contoso")
    assert run([*arguments, "-o", str(out), "--redact"]) == 1
    hidden = out.read_text("utf-8")
    assert leaks(hidden, trace, "contoso", "jane", "7edac7ed") == []
    assert hidden.count("\n") == told.count("\n") or form in ("junit", "sarif")
    assert "descriptor-" in hidden or form == "github"


def test_what_was_a_number_stays_one_and_an_address_becomes_a_text(trace: Any) -> None:
    told, hidden = (json.loads(trace.render("json", redact=redact)) for redact in (False, True))

    def shape(held: Any) -> Any:
        if isinstance(held, dict):
            return {key: shape(value) for key, value in held.items()}
        return [shape(value) for value in held] if isinstance(held, list) else type(held)

    assert shape(hidden) == shape(told)
    assert hidden["findings"][0]["subject"]["address"].startswith("descriptor-")
    assert hidden["trace"]["sha256"] == told["trace"]["sha256"]


def test_names_of_files_are_told_or_hidden(at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(at), "--redact", "--source-root", str(tmp_path)]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "md"])
@pytest.mark.parametrize("subject", ["irp", "socket", "finding", "around"])
def test_stories_tell_nothing_of_the_machine(
    subject: str, form: str, trace: Any, at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    which = {"irp": max(numbers(trace, "irp")), "socket": max(numbers(trace, "socket"))}.get(subject)
    value = {"finding": "0", "around": "+0.5"}.get(subject) or address_text(which)
    window = ["--window", "2s"] if subject == "around" else []
    assert run(["show", str(at), f"--{subject}", value, *window, "--format", form, "--redact"]) == 0
    hidden = capsys.readouterr().out
    assert leaks(hidden, trace, "contoso", "jane", "7edac7ed") == []
    assert "socket-" in hidden or "irp-" in hidden


def test_timelines_tell_nothing_of_the_machine(trace: Any, at: Path, tmp_path: Path) -> None:
    pytest.importorskip("perfetto")
    from perfetto_reader import read

    socket = address_text(max(numbers(trace, "socket")))
    out = tmp_path / "out.pftrace"
    texts = []
    for more in ([], ["--redact"]):
        assert run(["timeline", str(at), "-o", str(out), "--socket", socket, "-q", *more]) == 0
        texts.append(out.read_bytes().decode("latin-1") + str(read(out.read_bytes())))
    assert leaks(texts[0], trace, "contoso")
    assert leaks(texts[1], trace, "contoso", "jane") == []
    whole = str(read(trace.timeline(redact=True)))
    assert leaks(whole, trace, "early_release") == []
