"""The timeline against the tables, read back with Perfetto's own classes: nothing is left out, nothing is added."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from perfetto_reader import Read, read

import wsktrace
from wsktrace.report.words import rows
from wsktrace.testing.driver import busy, skewed
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_writer import write_native
from wsktrace.testing.losses import bursts, drop_events
from wsktrace.units import address_text

SAMPLES = Path(__file__).parents[2] / "samples"


def _lossy() -> bytes:
    traffic = busy(5, sockets=30)
    gone = bursts(traffic.events, 3, count=12)
    left, options = drop_events(traffic.events, gone, TraceOptions(end=traffic.end))
    return write_native(left, options=options)


def _skewed() -> bytes:
    traffic = busy(6, sockets=30, seq=False)
    return write_native(skewed(traffic.events, [0, 300_000, -200_000, 900_000]), options=TraceOptions(end=traffic.end))


MADE = {"lossy": _lossy, "skewed": _skewed}
NAMES = ["hang", "many_faults", "midway", "clean", *MADE]


@cache
def _pair(name: str) -> tuple[Any, Read]:
    source = io.BytesIO(MADE[name]()) if name in MADE else SAMPLES / f"{name}.etl"
    trace = wsktrace.open(source)
    data = trace.timeline()
    assert isinstance(data, bytes)
    return trace, read(data)


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Read]:
    return _pair(request.param)


def test_irps_are_their_slices(pair: tuple[Any, Read]) -> None:
    trace, timeline = pair
    slices = {s.notes["irp_id"]: s for s in timeline.of("IRP")}
    held = rows(trace.arrow("irps"))
    assert len(timeline.of("IRP")) == len(slices) == len(held)
    lives = {s.notes["socket_id"]: s for s in timeline.of("socket") if "socket_id" in s.notes}
    for row in held:
        drawn = slices[row["irp_id"]]
        assert timeline.utc(drawn.begin) == row["issue_time"]
        end = row["complete_time"]
        if end is None and row["outcome"] != "open":
            end = row["issue_time"] if row["return_time"] is None else row["return_time"]
        assert (None if drawn.end is None else timeline.utc(drawn.end)) == (end and max(end, row["issue_time"]))
        assert drawn.depth == 0, "uses of IRPs do not call each other"
        wanted = {
            "op": row["op"],
            "irp": address_text(row["irp"]),
            "outcome": row["outcome"],
            "completion": row["completion"],
            "return_status": row["return_status_name"],
            "completion_status": row["completion_status_name"],
            "information": row["information"],
            "length": row["length"],
            "issue_operation": row["issue_operation"],
            "return_operation": row["return_operation"],
            "complete_operation": row["complete_operation"],
        }
        assert {k: drawn.notes.get(k) for k in wanted} == wanted
        assert drawn.name.startswith(row["op"])
        sure = row["own"] and row["doubt"] is None
        assert ("still pending" in drawn.name) == (row["outcome"] == "open" and sure)
        assert ("no completion seen" in drawn.name) == (row["outcome"] == "open" and not sure)
        assert ("not_certain" in drawn.notes) == (not sure)
        lane = timeline.tracks[drawn.track]
        assert lane.name == "IRPs"
        above = timeline.tracks[lane.parent_uuid]
        if row["socket_id"] is None:
            assert above.name == "calls on no socket"
        else:
            assert above.uuid == lives[row["socket_id"]].track


def test_sockets_are_their_slices_in_order_of_creation(pair: tuple[Any, Read]) -> None:
    trace, timeline = pair
    group = timeline.named("sockets")
    lives = {s.notes["socket_id"]: s for s in timeline.of("socket") if s.depth == 0}
    held = rows(trace.arrow("sockets"))
    assert len(held) == len(lives)
    for row in held:
        life = lives[row["socket_id"]]
        track = timeline.tracks[life.track]
        assert track.parent_uuid == group
        assert address_text(row["socket"]) in track.name
        assert (row["category"] or "socket") in track.name
        if row["create_time"] is not None:
            assert timeline.utc(life.begin) == row["create_time"]
        assert life.end is None if row["closed_time"] is None else timeline.utc(life.end) >= row["closed_time"]
        phases = {s.name: s for s in timeline.of("socket") if s.track == life.track and s.depth == 1}
        assert ("closing" in phases) == (row["close_time"] is not None)
        if row["close_time"] is not None:
            assert timeline.utc(phases["closing"].begin) >= row["close_time"]
            assert phases["closing"].end == life.end
    shown = [life.begin for life in sorted(lives.values(), key=lambda s: timeline.tracks[s.track].sibling_order_rank)]
    assert shown == sorted(shown)


def test_flows_join_call_irp_and_completion(pair: tuple[Any, Read]) -> None:
    trace, timeline = pair
    by_flow: dict[int, list[Any]] = {}
    for s in [*timeline.slices, *timeline.instants]:
        for flow in s.flows:
            by_flow.setdefault(flow, []).append(s)
    held = rows(trace.arrow("irps"))
    assert len(by_flow) == len(held)
    for row in held:
        joined = by_flow[row["irp_id"] + 1]
        wanted = [("call", row["issue_operation"]), ("IRP", None)]
        wanted += [("completion", row["complete_operation"])] if row["complete_operation"] is not None else []
        assert sorted((s.category, s.notes.get("operation")) for s in joined if s.category != "IRP") == sorted(
            w for w in wanted if w[0] != "IRP"
        )
        assert [s.notes["irp_id"] for s in joined if s.category == "IRP"] == [row["irp_id"]]
        assert joined[0].category == "call" or row["complete_time"] < row["issue_time"]


def test_every_entry_is_a_slice_of_its_thread(pair: tuple[Any, Read]) -> None:
    trace, timeline = pair
    kinds = {"enter": "call", "complete": "completion", "callback": "callback"}
    operations = {row["operation_id"]: row for row in rows(trace.arrow("operations"))}
    slices = {s.notes["operation"]: s for kind in kinds.values() for s in timeline.of(kind)}
    wanted = {number for number, row in operations.items() if row["phase"] in kinds}
    assert set(slices) == wanted
    assert sum(len(timeline.of(kind)) for kind in kinds.values()) == len(wanted)
    ends = {i["issue_operation"]: i["return_operation"] for i in rows(trace.arrow("irps"))}
    for number, s in slices.items():
        row = operations[number]
        assert s.category == kinds[row["phase"]]
        assert timeline.utc(s.begin) == row["time"]
        end = s.notes.get("end_operation")
        if number in ends:
            assert end == ends[number]
        assert ("return not seen" in s.name) == (end is None)
        if end is not None:
            assert timeline.utc(s.end) == max(operations[end]["time"], row["time"])
            assert operations[end]["tid"] == row["tid"]
        track = timeline.tracks[s.track]
        if row["tid"] and track.HasField("thread"):
            assert track.thread.tid == row["tid"]
            assert timeline.tracks[track.parent_uuid].process.pid == track.thread.pid
        elif row["tid"] == 0 and track.name != "does not nest":
            assert track.name == f"CPU {row['cpu']}"
    closing = {"return", "complete_return", "callback_return"}
    lone = {n for n, row in operations.items() if row["phase"] in closing} - {
        s.notes.get("end_operation") for s in slices.values()
    }
    assert {s.notes["operation"] for s in timeline.instants if "entry not seen" in s.name} == lone


def test_instants_are_the_findings(pair: tuple[Any, Read]) -> None:
    trace, timeline = pair
    held = rows(trace.arrow("findings"))
    found = [s for s in timeline.instants if s.category.startswith("finding")]
    if not held:
        assert found == []
        return
    whole = [s for s in found if s.track == timeline.named("findings")]
    lives = {s.notes["socket_id"]: s.track for s in timeline.of("socket") if "socket_id" in s.notes}
    assert sorted(s.notes["finding_id"] for s in whole) == [row["finding_id"] for row in held]
    on_socket = {s.notes["finding_id"]: s.track for s in found if s not in whole}
    assert on_socket == {r["finding_id"]: lives[r["socket_id"]] for r in held if r["socket_id"] is not None}
    for s in whole:
        row = next(r for r in held if r["finding_id"] == s.notes["finding_id"])
        assert timeline.utc(s.begin) == row["time"]
        assert s.name == (row["rule"] if row["verdict"] == "fail" else f"{row['verdict']}: {row['rule']}")
        for name in ("rule", "message", "severity", "verdict"):
            assert s.notes[name] == row[name]
        assert s.notes.get("not_certain", "").split(":")[0] == (row["reason"] or "")


def test_counter_is_the_number_outstanding(pair: tuple[Any, Read]) -> None:
    _, timeline = pair
    values = timeline.counters[timeline.named("IRPs outstanding")]
    irps = timeline.of("IRP")
    assert len(values) == sum(1 if s.end is None else 2 for s in irps)
    last = dict(values)  # what is drawn is the last value of each moment
    for moment, value in last.items():
        assert value == sum(s.begin <= moment and (s.end is None or s.end > moment) for s in irps)


def test_what_is_missing_is_drawn(pair: tuple[Any, Read]) -> None:
    trace, timeline = pair
    track = timeline.named("trace quality")
    (whole,) = [s for s in timeline.slices if s.track == track]
    assert timeline.utc(whole.begin) <= trace.summary.start_ns
    assert timeline.utc(whole.end) >= trace.summary.end_ns
    assert whole.notes["events_lost"] == trace.summary.events_lost
    assert ("nothing lost" in whole.name) == (not trace.summary.events_lost + trace.summary.buffers_lost)
    gaps = [s for s in timeline.of("quality") if s is not whole]
    held = [row for row in rows(trace.arrow("quality")) if row["item"] == "gap"]
    timed = [row for row in held if (row["start"], row["end"]) != (None, None) or row["name"] == "file"]
    assert len(gaps) == len(timed)
    told = {(timeline.utc(s.begin), timeline.utc(s.end)) for s in gaps}
    assert {(r["start"], r["end"]) for r in timed if r["start"] and r["end"]} <= told
    for s in gaps:
        assert timeline.tracks[s.track].parent_uuid == track
        assert s.depth == 0


def test_names_of_sibling_tracks_differ_unless_they_are_lanes(pair: tuple[Any, Read]) -> None:
    _, timeline = pair
    seen = set()
    for track in timeline.tracks.values():
        if track.sibling_merge_behavior == track.SIBLING_MERGE_BEHAVIOR_NONE:
            assert (track.parent_uuid, track.name) not in seen
            seen.add((track.parent_uuid, track.name))


def test_samples_have_what_these_tests_are_about() -> None:
    """Else they could not fail."""
    traces = {name: _pair(name) for name in NAMES}
    assert any(s.end is None for s in traces["hang"][1].of("IRP"))
    assert any("alive before" in s.name for s in traces["midway"][1].of("socket"))
    assert any("no completion seen" in s.name for s in traces["midway"][1].of("IRP"))
    assert any("return not seen" in s.name for s in traces["lossy"][1].slices)
    assert any("entry not seen" in s.name for s in traces["lossy"][1].instants)
    assert any(s.category == "callback" for s in traces["clean"][1].slices)
    assert any(s.name.startswith("suspect") for s in traces["midway"][1].instants)
    assert any(t.name == "calls on no socket" for t in traces["clean"][1].tracks.values())
    assert any(s.category == "quality" and s.name.startswith("gap") for s in traces["lossy"][1].slices)
    addresses = [row["socket"] for row in rows(traces["many_faults"][0].arrow("sockets"))]
    assert len(set(addresses)) < len(addresses), "reused addresses"
