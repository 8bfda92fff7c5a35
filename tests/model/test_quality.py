"""What the trace holds and lacks, as rows of ``quality``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from model_tools import Tables, tables
from test_filefacts import OPTIONS, PARTS, SCRIPT, WHOLE

from wsktrace.testing import losses
from wsktrace.testing.etl_parts import join, split
from wsktrace.testing.etl_writer import write_native

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = ["headers", "judged", "readable", "no_format", "damaged", "filler"]


def of(data: bytes, item: str) -> list[dict[str, Any]]:
    return [r for r in Tables(data).quality if r["item"] == item]


def spoiled(data: bytes, at: int = 5) -> bytes:
    head, *parts = split(data)
    parts[at].data[0x48:] = b"\xa5" * (len(parts[at].data) - 0x48)
    return join([head, *parts])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: losses.wrap(data, 8),
        lambda data: losses.never_stopped(data, zeros=5000),
        lambda data: losses.cut(data, len(data) - 777),
        lambda data: data + b"garbage behind the last buffer",
        spoiled,
    ],
    ids=["whole", "wrapped", "growing", "cut", "garbage", "damaged"],
)
def test_every_byte_is_in_one_class(change: Callable[[bytes], bytes]) -> None:
    data = change(WHOLE)
    found = {r["name"]: r["value"] for r in of(data, "bytes")}
    assert list(found) == CLASSES
    assert sum(found.values()) == len(data)
    assert min(found.values()) >= 0


def test_judged_bytes_are_those_of_the_providers_records() -> None:
    found = {r["name"]: r["value"] for r in of(WHOLE, "bytes")}
    assert found["judged"] > 40 * len(SCRIPT.events)
    assert found["damaged"] == 0
    assert {r["name"]: r["value"] for r in of(spoiled(WHOLE), "bytes")}["damaged"] > 1000


def test_records_buffers_and_losses() -> None:
    assert {r["name"]: r["value"] for r in of(WHOLE, "records")}["Event64"] == len(SCRIPT.events)
    assert [r["value"] for r in of(WHOLE, "buffers")] == [PARTS + 1]
    assert [r["value"] for r in of(WHOLE, "events_lost") + of(WHOLE, "buffers_lost")] == [0, 0]
    lost = losses.lose_buffers(WHOLE, {2, 3})
    [events], [buffers] = of(lost, "events_lost"), of(lost, "buffers_lost")
    assert buffers["value"] == 2
    assert events["value"] == len(SCRIPT.events) - {r["name"]: r["value"] for r in of(lost, "records")}["Event64"]


def test_damage_is_told_with_its_place() -> None:
    assert of(WHOLE, "damaged") == []
    cpu = split(WHOLE)[6].cpu
    [one] = of(spoiled(WHOLE), "damaged")
    assert one["cpu"] == cpu
    assert one["value"] > 1000
    assert f"{6 * OPTIONS.buffer_size + 0x48:#x}" in one["name"] or f"{6 * OPTIONS.buffer_size:#x}" in one["name"]
    assert one["detail"]


# gaps ----------------------------------------------------------------------------------------------------------------


def test_whole_trace_has_no_gaps() -> None:
    assert of(WHOLE, "gap") == []


def test_hole_in_seq_is_told_with_what_is_missing_and_where() -> None:
    found = tables("driver\nrun WskBind S\nlost 7\nrun WskListen S\nlost 2\nclose S\nunload")
    gaps = [r for r in found.quality if r["item"] == "gap" and r["name"] != "file"]
    assert [r["value"] for r in gaps] == [7, 2]
    times = [r["time"] for r in found.operations]
    numbers = [r["seq"] for r in found.operations]
    places = [n for n in range(1, len(numbers)) if numbers[n] - numbers[n - 1] > 1]
    assert [(r["start"], r["end"]) for r in gaps] == [(times[n - 1], times[n]) for n in places]


def test_losses_that_nobody_can_place() -> None:
    [gap] = [r for r in of(losses.lose_buffers(WHOLE, {2}), "gap") if r["name"] == "file"]
    assert (gap["start"], gap["end"]) == (None, None)


def test_hole_in_the_buffers_is_placed() -> None:
    [gap] = of(losses.open_hole(WHOLE, 4), "gap")
    assert gap["name"] == "file"
    assert gap["start"] is not None
    assert gap["end"] is not None
    assert gap["start"] < gap["end"]


def test_hole_as_wide_as_a_damaged_number_makes_it() -> None:
    """Wider than the column: told as the widest."""
    from dataclasses import replace

    events = [*SCRIPT.events[:-1], replace(SCRIPT.events[-1], seq=(1 << 64) - 1)]
    gaps = [r["value"] for r in of(write_native(events, options=OPTIONS), "gap")]
    assert gaps == [(1 << 63) - 1]


# edges ---------------------------------------------------------------------------------------------------------------


def edges(script: str) -> list[dict[str, Any]]:
    return [r for r in tables(script).quality if r["item"] == "edge"]


def test_edges_of_a_load() -> None:
    found = tables("driver\nopen S Flags=datagram\nwait 5s")
    begin, end = (r for r in found.quality if r["item"] == "edge")
    assert begin["start"] == found.operations[0]["time"]
    assert "beginning is in the trace" in begin["detail"]
    assert (end["end"] - found.operations[-1]["time"]).value >= 5_000_000_000


def test_edge_of_a_driver_that_was_running() -> None:
    assert "running before" in edges("driver\nlate\nopen S Flags=datagram")[0]["detail"]


def test_edges_of_each_load() -> None:
    found = edges("driver\nunload\nwait 1s\ndriver\nunload")
    assert [r["name"] for r in found] == ["load 0", "load 0", "load 1", "load 1"]


def test_trace_without_operations_has_the_edge_of_its_file() -> None:
    [edge] = of(write_native([]), "edge")
    assert edge["name"] == "file"
    assert edge["end"] is not None
