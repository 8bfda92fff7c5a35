"""What is wrong with a trace is told as notes, always listed, and never as a broken rule."""

from __future__ import annotations

import io

import pytest

import wsktrace
from wsktrace.model.buffer_advice import buffer_advice
from wsktrace.model.clock_steps import clock_steps
from wsktrace.model.filefacts import FileFacts
from wsktrace.testing.driver import busy
from wsktrace.testing.script import run_script
from wsktrace.wsk.ops import Operations

BODY = "driver\nopen S Flags=datagram\n@tid=9 @cpu=2 run WskBind S\nclose S\nunload"


def notes(script: str) -> dict[str, list[str]]:
    """Return the messages of the notes by rule, as they are listed without being asked for."""
    with wsktrace.open(io.BytesIO(run_script(script).etl())) as trace:
        told: dict[str, list[str]] = {}
        for row in trace.arrow("findings").to_pylist():
            assert row["verdict"] == "note" or not row["rule"].startswith("WSK-TRACE-")
            told.setdefault(row["rule"], []).append(row["message"])
    return told


def test_a_good_trace_has_no_notes() -> None:
    assert notes(BODY) == {}


def test_losses_are_told_with_the_buffers_that_the_session_would_have_needed() -> None:
    told = notes(f"trace seq=no lost=7000 buffers_lost=3\n{BODY}")["WSK-TRACE-EVENTS-LOST"]
    assert len(told) == 1
    assert "lost 7,000 events and 3 buffers" in told[0]
    assert "logman -bs 64 -nb " in told[0]


def test_holes_of_the_counter_are_told_per_load() -> None:
    told = notes("driver\nopen S Flags=datagram\nlost run WskBind S\nlost 4\nclose S\nunload")["WSK-TRACE-EVENTS-LOST"]
    assert any("in 1 places" in words for words in told)
    assert len(told) == 2


def test_damage_says_where() -> None:
    told = notes(f"trace damaged=2\n{BODY}")
    assert "1 of " in told["WSK-TRACE-BUFFER-DAMAGED"][0]
    assert "file offset 0x" in told["WSK-TRACE-BUFFER-DAMAGED"][0]


def test_a_clock_that_goes_back_says_by_how_much_and_on_which_processor() -> None:
    told = notes(f"trace backwards=2\n{BODY}")["WSK-TRACE-CLOCK-BACKWARDS"]
    assert len(told) == 1
    assert told[0].startswith("on CPU 2 the clock went back by 100 ns at 14:00:00.")


def test_clock_steps_between_buffers_of_one_processor_and_none_without_buffers_per_processor() -> None:
    assert clock_steps(Operations.empty(0), FileFacts(0, 0)).count == 0
    assert clock_steps(Operations.empty(4), FileFacts(0, 0, mode=0x10000000)).checked == 0
    back = Operations.empty(3)
    back.time[:] = [5, 3, 9]
    assert clock_steps(back, FileFacts(0, 0)).count == 1
    back.record_buffer[:] = [0, 1, 1]
    assert clock_steps(back, FileFacts(0, 0)).count == 0


def test_no_advice_where_nothing_was_lost_and_more_where_more_was() -> None:
    assert buffer_advice(FileFacts(0, 0)) is None
    few = buffer_advice(FileFacts(0, 0, events_lost=10, buffer_size=65536, cpus=4))
    many = buffer_advice(FileFacts(0, 0, buffers_lost=500, buffer_size=65536, cpus=4))
    assert few
    assert many
    assert few.size_kb == many.size_kb == 64
    assert 8 <= few.minimum <= few.maximum < 500 < many.maximum
    assert buffer_advice(FileFacts(0, 0, events_lost=1, buffer_size=5 << 20)).size_kb == 1024  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", [3, 4])
def test_busy_drivers_keep_the_profiles_word(seed: int) -> None:
    data = busy(seed, sockets=12, drivers=2, loads=2, seq=seed == 3).etl()
    with wsktrace.open(io.BytesIO(data)) as trace:
        assert [row["rule"] for row in trace.arrow("findings").to_pylist() if row["verdict"] == "note"] == []
