"""Legal traffic: well formed, reproducible, and without any broken rule for the oracle."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.rules.registry import RULES
from wsktrace.testing.driver import busy
from wsktrace.testing.events import START, STOP, without_seq
from wsktrace.testing.kernel_notes import NOTES
from wsktrace.testing.legal import ORDERS, PATTERNS, legal_fragment, legal_trace, order_trace
from wsktrace.testing.native import EVENTS
from wsktrace.testing.oracle import DEADLINES, judge
from wsktrace.testing.oracle_lives import pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.testing.events import Event

QUIET = [n for n in PATTERNS if n != 12]


def check_well_formed(events: Sequence[Event]) -> None:
    """Fields fit, no hole in a driver's Seq, time runs forwards on each processor and thread, Stops have Starts."""
    numbers: dict[int, int] = {}
    clocks: dict[tuple[str, int], int] = {}
    for event in events:
        if event.name in NOTES:
            assert event.seq is None
            continue
        declared = EVENTS[event.name, event.opcode]
        assert list(event.fields) == [f.name for f in declared.fields]
        assert all(0 <= event.fields[f.name] < 1 << 8 * f.width() for f in declared.fields)
        assert (event.keyword, event.level) == (declared.keyword, declared.level)
        assert event.seq == numbers.get(event.image, 0) + 1
        numbers[event.image] = 0 if (event.name, event.opcode) == ("DriverUnload", STOP) else event.seq
        for key in [("cpu", event.cpu)] + [("tid", event.tid)] * bool(event.tid):
            assert event.time > clocks.get(key, -1)
            clocks[key] = event.time
    assert len(pair(events)) == sum(e.opcode == STOP for e in events) == sum(e.opcode == START for e in events)


def broken(events: Sequence[Event], end: int) -> list[str]:
    """Return the rules that the oracle tells to be broken, notes left out."""
    return [b.rule for b in judge(events, end) if not RULES[b.rule].legal]


@pytest.mark.parametrize("number", PATTERNS)
def test_legal_patterns_alone(number: int) -> None:
    made = legal_trace(number)
    check_well_formed(made.events)
    assert broken(made.events, made.options.end) == (["WSK-TRANSPORT-COMBO"] if number == 12 else [])


def test_all_fifteen_patterns_are_there() -> None:
    assert list(PATTERNS) == list(range(1, 16))


@pytest.mark.parametrize("number", range(len(ORDERS)))
def test_legal_orders_alone(number: int) -> None:
    made = order_trace(number)
    check_well_formed(made.events)
    assert not broken(made.events, made.options.end)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    cpus=st.integers(3, 6),
    loads=st.integers(1, 3),
    drivers=st.integers(1, 2),
    skew=st.sampled_from((0, 0, 30_000, 400_000)),
    patterns=st.sets(st.sampled_from(QUIET)),
)
def test_busy_traffic_is_legal_and_well_formed(
    seed: int, cpus: int, loads: int, drivers: int, skew: int, patterns: set[int]
) -> None:
    extras = [legal_fragment(n) for n in sorted(patterns)]
    made = busy(seed, sockets=15, cpus=cpus, loads=loads, drivers=drivers, skew=skew, extras=extras)
    check_well_formed(made.events)
    assert not broken(made.events, made.end)


def test_equal_seeds_give_equal_events_and_other_seeds_others() -> None:
    assert busy(3, sockets=8).events == busy(3, sockets=8).events
    assert busy(3, sockets=8).events != busy(4, sockets=8).events


def test_busy_traffic_has_what_it_promises() -> None:
    made = busy(1, sockets=200, extras=[legal_fragment(n) for n in QUIET])
    seen = Counter((e.name, e.opcode) for e in made.events)
    assert set(seen) == set(EVENTS)
    completions = [e for e in made.events if (e.name, e.opcode) == ("IrpComplete", START)]
    assert {e.cpu for e in completions if not e.tid} == {0, 1, 2, 3}
    assert {e.fields["Irql"] for e in completions} == {0, 2}
    closed = [e.fields["Socket"] for e in made.events if (e.name, e.opcode) == ("WskCloseSocket", START)]
    assert len(set(closed)) < len(closed) / 3  # addresses of sockets come back
    enters = [e.fields["Irp"] for e in made.events if e.opcode == START and e.name == "WskBind"]
    assert len(set(enters)) < len(enters)
    assert made.end > 15_000_000_000


def test_dpcs_interrupt_threads() -> None:
    events = [event for seed in (5, 6, 7) for event in busy(seed, sockets=80).events]
    inside: dict[tuple[int, int], int] = {}
    interrupted = 0
    for event in events:
        if event.name.startswith("Wsk") and not event.name.endswith("Event") and event.tid:
            step = {START: 1, STOP: -1}.get(event.opcode, 0)
            inside[event.cpu, event.tid] = inside.get((event.cpu, event.tid), 0) + step
        elif event.opcode == START and event.fields.get("Irql") == 2 and event.tid:
            interrupted += bool(inside.get((event.cpu, event.tid)))
    assert interrupted


def test_an_older_windows_has_no_stream_sockets() -> None:
    made = busy(4, sockets=80, settings={"build": 14393})
    assert made.build == 14393
    flags = {event.fields.get("Flags") for event in made.events if event.name == "WskSocket"}
    assert 2 in flags
    assert 8 not in flags
    assert any(event.fields.get("Flags") == 8 for event in busy(4, sockets=80).events if event.name == "WskSocket")


def test_no_legal_request_stays_pending_past_its_deadline() -> None:
    made = busy(8, sockets=100)
    begun: dict[int, Event] = {}
    for event in made.events:
        irp = event.fields.get("Irp", 0)
        if event.opcode == START and event.name in DEADLINES and irp:
            begun[irp] = event
        elif (event.name, event.opcode) == ("IrpComplete", START) and irp in begun:
            call = begun.pop(irp)
            assert event.time - call.time < DEADLINES[call.name] * 0.5e9


def test_traffic_without_numbers_and_without_unload() -> None:
    made = busy(2, sockets=5, seq=False, unload=False)
    assert all(e.seq is None for e in made.events)
    assert not any(e.name == "DriverUnload" for e in made.events)
    assert without_seq(busy(2, sockets=5, unload=False).events) == made.events


def test_traffic_becomes_a_trace_file() -> None:
    assert len(busy(2, sockets=3).etl()) >= 0x20000
