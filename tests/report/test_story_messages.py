"""The driver's own messages between the lines of a story: which belong to it, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from story_tools import noted, said, texts, with_wpp

import wsktrace
from wsktrace.cli.main import run
from wsktrace.errors import UsageError
from wsktrace.report.story.messages import with_messages
from wsktrace.report.words import rows
from wsktrace.testing.script import run_script

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
driver
open S Flags=connection
run WskBind S
run WskConnect S
IrpAllocate A
@cpu=0 @tid=7 WskReceive S A Length=64 -> PENDING, +3ms @dpc=1 complete SUCCESS Information=64
IrpFree A
close S
unload
"""


@pytest.fixture
def chatty(tmp_path: Path) -> tuple[Path, dict[str, int]]:
    """A driver that says something inside its call, in its completion routine, elsewhere, and about the IRP."""
    played = run_script(SCRIPT)
    irp = played.names["A"]
    enter = next(e for e in played.events if e.name == "WskReceive" and e.is_start)
    done = next(e for e in played.events if e.name == "IrpComplete" and e.is_start and e.fields["Irp"] == irp)
    messages = [
        said(enter, "inside the call"),
        said(enter, "\x1b[2Jon another thread", tid=99),
        said(enter, "about it", irp=irp, tid=99, after=1_000_000),
        said(enter, "about another", irp=irp ^ 0x10, tid=99, after=1_000_100),
        said(done, "in the completion routine"),
        said(done, "long after", after=1_000_000_000),
        said(played.events[0], "long before"),
    ]
    return with_wpp(tmp_path, played.events, messages), played.names


def receive(trace: Any) -> Any:
    return next(r for r in rows(trace.arrow("irps")) if r["op"] == "WskReceive")


def test_messages_stand_where_they_were_said(chatty: tuple[Path, dict[str, int]]) -> None:
    path, names = chatty
    with wsktrace.open(path, symbols=path.parent) as trace:
        story = trace.stories.irp(receive(trace)["irp_id"])
        (told,) = trace.with_messages([story])
        (every,) = trace.with_messages([story], every=True)
        (one,) = trace.with_messages([story], most=1)
    found = [(n, line) for n, line in enumerate(told.lines) if line.kind == "message"]
    assert found[1][1].text == f"net.c:104 DriverEntry: connect of {names['A']:X}: about it"
    assert [line.text.rpartition(": ")[2] for _, line in found] == [
        "inside the call",
        "about it",
        "in the completion routine",
    ]
    assert found[0][1].text == "net.c:7 DriverEntry: inside the call"
    before = [told.lines[n - 1].kind for n, _ in found]
    assert before == ["call", "return", "complete"]
    assert [line.depth for _, line in found] == [1, 0, 1]
    assert tuple(line for line in told.lines if line.kind != "message") == story.lines
    more = [line.text.rpartition(": ")[2] for line in every.lines if line.kind == "message"]
    assert more == [
        "inside the call",
        "\\x1b[2Jon another thread",
        "about it",
        "about another",
        "in the completion routine",
    ]
    assert texts(one)[-1] == "… and 2 more messages"
    assert sum(line.kind == "message" for line in one.lines) == 1


def test_events_of_other_providers_are_messages_by_their_fields(tmp_path: Path) -> None:
    played = run_script(SCRIPT)
    irp = played.names["A"]
    enter = next(e for e in played.events if e.name == "WskReceive" and e.is_start)
    messages = [
        noted(enter, irp, "no buffers"),
        noted(enter, irp ^ 0x10, "of another", after=200),
        noted(enter, 1, "on the thread", tid=enter.tid, after=300),
    ]
    path = with_wpp(tmp_path, played.events, messages)
    with wsktrace.open(path) as trace:
        story = trace.stories.irp(receive(trace)["irp_id"])
        (told,) = trace.with_messages([story])
        assert with_messages(story, trace._source.events()) == told
    found = [line.text for line in told.lines if line.kind == "message"]
    assert len(found) == 2
    assert found[0].startswith("MyWifi/Dropped: ")
    assert "no buffers" in found[0]
    assert "on the thread" in found[1]


def test_rows_of_events_are_woven_likewise(chatty: tuple[Path, dict[str, int]]) -> None:
    path, _ = chatty
    with wsktrace.open(path, symbols=path.parent) as trace:
        story = trace.stories.irp(receive(trace)["irp_id"])
        (expected,) = trace.with_messages([story])
        table = trace._source.events()
        assert with_messages(story, table) == expected
        assert with_messages(story, rows(table)) == expected
        limited = with_messages(story, table, most=2)
    assert texts(limited)[-1] == "… and 1 more message"


def test_a_moment_takes_all_of_its_time(chatty: tuple[Path, dict[str, int]]) -> None:
    path, _ = chatty
    with wsktrace.open(path, symbols=path.parent) as trace:
        issued = receive(trace)["issue_time"]
        story = trace.stories.around(issued - 1000, issued + 1_100_000)
        (told,) = trace.with_messages([story])
    assert sum(line.kind == "message" for line in told.lines) == 4


def test_nothing_describes_them(chatty: tuple[Path, dict[str, int]]) -> None:
    path, _ = chatty
    (path.parent / "driver.tmf").unlink()
    with wsktrace.open(path) as trace:
        story = trace.stories.irp(0)
        (told,) = trace.with_messages([story], every=True)
    assert told.lines == story.lines
    assert told.left_out == "7 WPP messages of the trace that nothing describes (wsktrace info says more)"


def test_a_folder_of_tables_has_none(chatty: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    path, _ = chatty
    with wsktrace.open(path) as trace:
        trace.to_parquet(tmp_path / "tables")
    loaded = wsktrace.load(tmp_path / "tables")
    with pytest.raises(UsageError, match="messages are in the"):
        loaded.with_messages([loaded.stories.irp(0)])


def test_show_weaves_them(chatty: tuple[Path, dict[str, int]], capsys: pytest.CaptureFixture[str]) -> None:
    path, names = chatty
    base = ["show", str(path), "--irp", f"{names['A']:016x}", "--symbols", str(path.parent)]
    assert run(base) == 0
    own = capsys.readouterr().out
    assert "inside the call" in own
    assert "on another thread" not in own
    assert run([*base, "--messages", "all"]) == 0
    every = capsys.readouterr().out
    assert "\\x1b[2Jon another thread" in every
    assert "\x1b" not in every
    assert run([*base, "--no-messages"]) == 0
    assert "net.c" not in capsys.readouterr().out
