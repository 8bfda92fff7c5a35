"""What the timeline does with odd traces and choices."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from faked_traces import IRP, SECOND, SOCKET, START, finding, irp, operation, usual_rows
from perfetto_reader import read

import wsktrace
from wsktrace.errors import MissingDependency, UsageError
from wsktrace.report.perfetto import packets as perfetto_packets
from wsktrace.report.perfetto import timeline as perfetto
from wsktrace.report.perfetto.lanes import FOREVER, lanes, match

EVIL = "<script>\x1b[2J\x00'\"`\ud800\n🜁"


def socket(number: int, **more: Any) -> dict[str, Any]:
    """Return a row of sockets that was open from 1 s to 200 s."""
    return {
        "socket_id": number,
        "socket": SOCKET,
        "load": 0,
        "origin": "socket",
        "category": "connection",
        "create_time": START + SECOND,
        "open_time": START + 2 * SECOND,
        "irps": 2,
        "open_irps": 1,
        "birth_operation": 1,
    } | more


@pytest.mark.parametrize("seed", range(20))
def test_lanes_are_as_many_as_needed_and_nothing_overlaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 300))
    group, begin = rng.integers(0, 1 + seed % 4, n), rng.integers(0, 60, n)
    end = begin + rng.integers(0, 12, n) * rng.integers(0, 2, n)
    end[rng.random(n) < 0.03] = FOREVER
    lane = lanes(group, begin, end)
    for one in np.unique(group):
        mine = group == one
        b, e = begin[mine], end[mine]
        going_on = max(int(np.sum((b <= t) & (e > t)) + np.any((b == t) & (e == t))) for t in range(61))
        assert lane[mine].max() + 1 <= going_on
        assert set(lane[mine].tolist()) == set(range(int(lane[mine].max()) + 1))
        for number in np.unique(lane[mine]):
            there = np.flatnonzero(mine & (lane == number))
            there = there[np.lexsort((end[there], begin[there]))]
            assert np.all(begin[there[1:]] >= end[there[:-1]])


@pytest.mark.parametrize("seed", range(10))
def test_matching_is_that_of_a_stack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, opens = rng.integers(0, 3, 200), rng.random(200) < 0.5
    wanted, stacks = [-1] * 200, {0: [], 1: [], 2: []}
    for row in range(200):
        stack = stacks[int(group[row])]
        if opens[row]:
            stack.append(row)
        elif stack:
            other = stack.pop()
            wanted[row], wanted[other] = other, row
    assert match(group, opens).tolist() == wanted


def test_names_from_a_trace_are_harmless(faked: Any) -> None:
    rows = usual_rows()
    rows["irps"] = [
        irp(1, EVIL, SECOND, completion_status_name=EVIL, doubt=EVIL, took=3, outcome="failed", socket_id=3)
    ]
    rows["sockets"] = [socket(3, category=EVIL, origin=EVIL, doubt=EVIL)]
    rows["findings"] = [finding(0, EVIL, message=EVIL, severity=EVIL, verdict=EVIL, reason=EVIL, socket_id=3)]
    rows["operations"] = [operation(1, EVIL, "enter") | {"status_name": EVIL, "tid": 4, "pid": 8}]
    rows["quality"] = [{"item": "gap", "name": EVIL, "value": -1, "start": START, "detail": EVIL}]
    timeline = read(faked(rows, file=EVIL).timeline())
    texts = [t.name for t in timeline.tracks.values()]
    for s in [*timeline.slices, *timeline.instants]:
        texts += [s.name, s.category, *(v for v in s.notes.values() if isinstance(v, str))]
    assert all(text.isprintable() for text in texts)
    assert sum("script" in text for text in texts) > 10


def test_odd_numbers_do_no_harm(faked: Any) -> None:
    """Tables of a folder may hold anything that their types allow."""
    most = {"tid": 0xFFFFFFFF, "pid": 0xFFFFFFFF, "cpu": 0xFFFF, "socket": 2**64 - 1, "irp": 2**64 - 1}
    rows = {
        "operations": [operation(1, "WskSend", "enter") | most, operation(2, "WskSend", "enter")],
        "irps": [
            irp(
                2,
                "WskSend",
                5 * SECOND,
                took=-3,
                irp_id=2**64 - 2,
                information=2**64 - 1,
                pending_ns=-3,
                socket_id=2**64 - 1,
            ),
            irp(7, "WskSend", -5 * SECOND, took=SECOND, socket_id=9),
        ],
        "sockets": [
            socket(2**64 - 1, closed_time=START),
            socket(9, create_time=None, open_time=None, close_time=START),
        ],
    }
    old = {"issue_time": -5, "complete_time": -4}
    assert read(faked({**rows, "irps": [irp(3, "WskSend", 0) | old | {"irp_id": 2**64 - 1}]}).timeline()).of("IRP")
    timeline = read(faked(rows).timeline())
    first, second = sorted(timeline.of("IRP"), key=lambda s: s.begin)
    assert timeline.utc(first.begin) == START - 5 * SECOND
    assert (second.begin, second.notes["pending_ns"]) == (second.end, -3)
    assert all(s.begin >= 0 for s in timeline.slices)


def test_strings_are_bounded(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfetto_packets, "MOST_STRINGS", 40)
    rows = {
        "operations": [operation(1, "WskSend", "enter")],
        "irps": [irp(n, f"op {n}", n, took=1) for n in range(100)],
    }
    timeline = read(faked(rows).timeline())
    assert {s.name for s in timeline.of("IRP")} == {f"op {n}" for n in range(100)}
    assert timeline.strings_cleared > 4
    assert len(timeline.counters[timeline.named("IRPs outstanding")]) == 200


def test_chunks_do_not_show(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = faked().timeline()
    monkeypatch.setattr(perfetto_packets, "CHUNK", 3)
    assert faked().timeline() == whole


@pytest.mark.parametrize("rows", [{}, {"findings": [finding(0, "WSK-A")], "quality": usual_rows()["quality"]}])
def test_nothing_to_draw_is_said(faked: Any, rows: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"no WSK operation in made.etl; providers seen \(events\): WskTrace"):
        faked(rows).timeline()


def test_one_socket(faked: Any) -> None:
    other = SOCKET + 0x100
    rows = {
        "operations": [
            operation(1, "WskSend", "enter") | {"irp_id": 1, "socket_id": 3, "tid": 8, "pid": 4},
            operation(2, "WskSend", "enter") | {"irp_id": 2, "socket_id": 5, "tid": 12, "pid": 4},
        ],
        "irps": [
            irp(1, "WskSend", SECOND, socket_id=3, issue_operation=1),
            irp(2, "WskSend", SECOND, socket_id=5, socket=other, issue_operation=2),
        ],
        "sockets": [socket(3), socket(5, socket=other)],
        "findings": [finding(0, "WSK-A", socket_id=3), finding(1, "WSK-B", socket_id=5), finding(2, "WSK-C")],
    }
    for address in (SOCKET, f"{SOCKET:#x}", "ffffe107`8c402db0", f" {SOCKET:X}"):
        timeline = read(faked(rows).timeline(socket=address))
        assert [s.notes["irp_id"] for s in timeline.of("IRP")] == [1]
        assert [s.notes["operation"] for s in timeline.of("call")] == [1]
        assert {s.name for s in timeline.instants if s.category.startswith("finding")} == {"WSK-A"}
        assert [s.notes["socket_id"] for s in timeline.of("socket") if s.depth == 0] == [3]
        assert timeline.counters[timeline.named("IRPs outstanding")] == [(SECOND, 1)]
        (whole,) = [s for s in timeline.of("quality") if s.depth == 0 and "made.etl" in s.name]
        assert "shown: socket ffffe107`8c402db0" in whole.name
    with pytest.raises(UsageError, match="no socket #4660"):
        faked(rows).timeline(socket=0x1234)
    with pytest.raises(UsageError, match="is no address"):
        faked(rows).timeline(socket="ffff800g")


def test_a_part_of_the_time_shows_what_reaches_into_it_whole(faked: Any) -> None:
    rows = {
        "operations": [operation(n, "WskSend", "enter") | {"tid": 8, "pid": 4} for n in (1, 5, 9)],
        "irps": [
            irp(1, "WskSend", SECOND, took=SECOND, socket_id=3),
            irp(2, "WskSend", 3 * SECOND, took=3 * SECOND, socket_id=3),
            irp(3, "WskSend", 5 * SECOND, socket_id=3),
            irp(4, "WskSend", 20 * SECOND, took=SECOND, socket_id=4),
        ],
        "sockets": [socket(3), socket(4, create_time=START + 19 * SECOND, open_time=START + 19 * SECOND)],
    }
    timeline = read(faked(rows).timeline(since="+4.5", until="+10"))
    assert [(s.notes["irp_id"], s.begin, s.end) for s in timeline.of("IRP")] == [
        (2, 3 * SECOND, 6 * SECOND),
        (3, 5 * SECOND, None),
    ]
    assert {s.notes["socket_id"] for s in timeline.of("socket") if s.depth == 0} == {3}
    assert timeline.counters[timeline.named("IRPs outstanding")] == [(5 * SECOND, 2), (6 * SECOND, 1)]
    assert timeline.uuid != read(faked(rows).timeline()).uuid
    for since, until, words in (
        ("+5", "+5", "is empty"),
        ("now", None, "give 2026-11-20T"),
        ("+400", None, "nothing to draw"),
    ):
        with pytest.raises(UsageError, match=words):
            faked({"irps": rows["irps"][:1]}).timeline(since=since, until=until)


def on_thread(number: int, phase: str, address: int, **more: Any) -> dict[str, Any]:
    return operation(number, "WskSend", phase) | {"tid": 8, "pid": 4, "irp": address} | more


def test_calls_that_do_not_nest_stand_beside_their_thread(faked: Any) -> None:
    """Which only wrong clocks, or losses, can make of them."""
    rows = {
        "operations": [
            on_thread(1, "enter", 0x10),
            on_thread(2, "return", 0x10),
            on_thread(3, "enter", 0x20),
            on_thread(4, "enter", 0x30),
            on_thread(5, "return", 0x20),
            on_thread(6, "return", 0x30),
            on_thread(7, "enter", 0x40),
            on_thread(8, "complete", 0x50, op="IrpComplete"),
            on_thread(9, "complete_return", 0x50, op="IrpComplete"),
            on_thread(10, "return", 0x40),
        ]
    }
    timeline = read(faked(rows).timeline())
    drawn = {s.notes["operation"]: s for s in timeline.slices if "operation" in s.notes}
    assert {n: (s.begin // SECOND, s.end // SECOND) for n, s in drawn.items()} == {
        1: (1, 2),
        3: (3, 5),
        4: (4, 6),
        7: (7, 10),
        8: (8, 9),
    }
    thread = drawn[1].track
    assert timeline.tracks[thread].thread.tid == 8
    assert {n for n, s in drawn.items() if s.track == thread} == {1, 7, 8}
    assert (drawn[7].depth, drawn[8].depth) == (0, 1)
    aside = [timeline.tracks[drawn[n].track] for n in (3, 4)]
    assert [(t.name, t.parent_uuid) for t in aside] == [("does not nest", thread)] * 2
    assert aside[0].uuid != aside[1].uuid


def test_a_call_without_a_return_ends_where_the_next_shows_it(faked: Any) -> None:
    rows = {
        "operations": [
            on_thread(1, "enter", 0x10),
            on_thread(3, "enter", 0x20),
            on_thread(4, "return", 0x20),
            on_thread(5, "return", 0x30),
            on_thread(6, "enter", 0x40),
        ]
    }
    timeline = read(faked(rows).timeline())
    drawn = {s.notes["operation"]: s for s in timeline.slices if "operation" in s.notes}
    assert {n: (s.begin // SECOND, s.end and s.end // SECOND) for n, s in drawn.items()} == {
        1: (1, 3),
        3: (3, 4),
        6: (6, None),
    }
    assert {s.depth for s in drawn.values()} == {0}
    assert [s.name for s in timeline.instants if s.category == "call"] == ["WskSend returns (entry not seen)"]
    assert drawn[1].name == drawn[6].name == "WskSend (return not seen)"


def test_a_folder_of_tables_gives_the_same(tmp_path: Any, faked: Any) -> None:
    trace = faked()
    trace.to_parquet(tmp_path / "held")
    path = wsktrace.load(tmp_path / "held").timeline(tmp_path / "made.pftrace")
    assert path == tmp_path / "made.pftrace"
    assert path.read_bytes() == trace.timeline()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["held", "made.pftrace"]


def test_what_is_missing_is_named(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace.perfetto_trace_pb2", None)
    with pytest.raises(MissingDependency, match=r'pip install "wsktrace\[timeline\]"'):
        faked().timeline()


def test_what_the_page_cannot_take_is_said() -> None:
    assert perfetto.Written(10, 1, 1, 1, 1).warnings() == []
    (size,) = perfetto.Written(3_000_000_000, 1, 1, 1, 1).warnings()
    assert "3.0 GB" in size
    (many,) = perfetto.Written(10, 1, 20_000, 1, 1).warnings()
    assert "20,000 tracks" in many


def test_addresses_are_as_windbg_prints_them(faked: Any) -> None:
    irps = read(faked().timeline()).of("IRP")
    assert {s.notes["irp"] for s in irps} == {f"ffffb10a`{(IRP + 0x100 * n) & 0xFFFFFFFF:08x}" for n in (1, 2, 3, 4)}
