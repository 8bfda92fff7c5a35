"""Places of findings in the driver's source: by hand against a slow search, and in traces with WPP messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wsktrace
from wsktrace.cli.main import run
from wsktrace.report.places import WITHIN_NS, Messages, last_before, place_columns, threads
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_records import message
from wsktrace.testing.etl_writer import native_records, write_records
from wsktrace.testing.script import run_script
from wsktrace.testing.wpp_encode import Described, tmf_text

if TYPE_CHECKING:
    from pathlib import Path

GUID = UUID("7b85c7a2-95ad-3a26-8f3c-a4d1fd0a4b57")
MS = 1_000_000
#: the descriptor is released before the creation that uses it has completed
SCRIPT = """
driver
cache own sd
IrpAllocate A
wait 20ms
WskSocket A Flags=datagram SecurityDescriptor=sd -> PENDING
wait 1ms
release sd
complete A SUCCESS socket=S
IrpFree A
close S
unload
"""
RULE = "WSK-SD-EARLY-RELEASE"


@given(
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 8)), max_size=12),
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 8)), max_size=12),
)
def test_the_last_thing_before(moments: list[tuple[int, int]], things: list[tuple[int, int]]) -> None:
    asked, held = (np.array(rows, np.int64).reshape(-1, 2) for rows in (moments, things))
    found = last_before(asked[:, 0], asked[:, 1], held[:, 0], held[:, 1])
    for (thread, time), got in zip(moments, found.tolist(), strict=True):
        times = [t for who, t in things if who == thread and t < time]
        assert (got >= 0) == bool(times)
        assert not times or (things[got][0] == thread and things[got][1] == max(times))


def test_idle_threads_are_told_apart() -> None:
    assert len(set(threads(np.array([0, 0, 7, 7], np.uint32), np.array([0, 1, 0, 1], np.uint16)).tolist())) == 3


class Told:
    """The script's trace with messages of the driver around the call that breaks the rule."""

    def __init__(self, tmp_path: Path, source: str = "socket.c") -> None:
        self.script = run_script(SCRIPT)
        # the release is the last WskControlClient that begins
        self.call = [e for e in self.script.events if e.name == "WskControlClient" and e.is_start][-1]
        self.options = TraceOptions(end=self.script.options.end)
        self.trace, self.tmf = tmp_path / "t.etl", tmp_path / "drv.tmf"
        tags = [Described(line, "%0here", tag=f"socket_c{line}") for line in (10, 11, 12)]
        self.tmf.write_text(tmf_text(GUID, tags, source=source), "utf-8")

    def place(self, *said: tuple[int, int, int | None, int | None], lost: int = 0, **more: Any) -> tuple[Any, Any]:
        """Where the finding stands; ``said``: (line, ns from the call, thread, processor), None: those of the call."""
        options = TraceOptions(end=self.options.end, events_lost=lost)
        records = native_records(self.script.events, options)
        for line, offset, tid, cpu in said:
            where = self.call.cpu if cpu is None else cpu
            clock = options.clock_at(self.call.time + offset)
            who = self.call.tid if tid is None else tid
            records.append(message(line, b"", clock, where, guid=GUID, tid=who, pid=4))
        records.sort(key=lambda record: record.clock)
        self.trace.write_bytes(write_records(records, options=options))
        with wsktrace.open(self.trace, **({"symbols": self.tmf} | more)) as trace:
            (found,) = (f for f in trace.arrow("findings").to_pylist() if f["rule"] == RULE)
        return found["source_file"], found["source_line"]


def test_the_place_of_the_last_message_of_the_thread(tmp_path: Path) -> None:
    told = Told(tmp_path)
    before, after = (10, -2 * MS, None, None), (12, 1000, None, None)
    assert told.place(before, (11, -1000, None, None), after) == ("socket.c", 11)
    assert told.place(before, after) == ("socket.c", 10)


def test_no_place_that_would_be_a_guess(tmp_path: Path) -> None:
    told = Told(tmp_path)
    mine = (11, -1000, None, None)
    nothing = (None, None)
    assert told.place(mine) == ("socket.c", 11)
    assert told.place((11, 1000, None, None)) == nothing
    assert told.place((11, -1000, told.call.tid + 4, None)) == nothing, "another thread's"
    assert told.place((11, -WITHIN_NS - MS, None, None)) == nothing, "from long ago"
    assert told.place((10, -2 * MS, None, None), (11, 0, None, None)) == nothing, "which of the two came first?"
    assert told.place(mine, lost=3) == nothing, "another one may be lost"
    assert told.place(mine, symbols=()) == nothing, "no symbols were given"


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(tmp_path)
    assert told.place((11, -1000, None, None)) == ("socket.c", 11)
    arguments = ["check", str(told.trace), "-q", "--select", RULE, "--format", "concise"]
    assert run([*arguments, "--symbols", str(told.tmf)]) == 1
    assert capsys.readouterr().out.startswith(f"socket.c:11: error {RULE} ")
    assert run(arguments) == 1
    assert capsys.readouterr().out.startswith(f"t.etl: error {RULE} ")
    assert run([*arguments, "--symbols", str(tmp_path / "none.pdb")]) == 2


def test_what_was_traced_before_a_callback_is_other_code(tmp_path: Path) -> None:
    told = Told(tmp_path)
    done = next(e for e in told.script.events if e.name == "IrpComplete" and e.is_start and e.time > told.call.time)
    # the last operation that the driver made is the end of the completion routine
    with wsktrace.open(_written(told)) as trace:
        held = trace._source.lives.ops
        rows = [(int(held.time[row]), row) for row in range(len(held)) if held.phase[row] in (2, 3)]
    begin, end = rows[0][1], rows[1][1]
    assert done.tid == held.tid[begin] == held.tid[end]
    at = int(held.time[begin])
    thread = threads(held.tid[[begin]], held.cpu[[begin]])
    for moment, line in ((at - 100, None), (at + 1, 7)):
        said = Messages(np.array([moment]), thread, np.array([0]), (("a.c", 7),))
        assert place_columns([(begin, end)], held, said, [])["source_line"] == [line]


def _written(told: Told) -> Path:
    told.trace.write_bytes(told.script.etl())
    return told.trace


@pytest.mark.parametrize("name", ["..\\..\\etc\\x.c", "<script>alert(1)</script>.c", "a%b,c;d.c", "\u202ebackwards.c"])
def test_hostile_names_of_files_stay_text(tmp_path: Path, name: str) -> None:
    told = Told(tmp_path, source=name.replace(" ", ""))
    assert told.place((11, -1000, None, None)) == (name, 11)
