"""Losing events may turn a verdict into unknown, never into fail: what is left breaks no rule that the whole kept."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import fails, keys

from wsktrace.testing import legal, losses
from wsktrace.testing.driver import busy
from wsktrace.testing.etl_parts import split
from wsktrace.testing.etl_writer import TraceOptions, write_native
from wsktrace.testing.events import without_seq
from wsktrace.testing.faults import FAULTS, fault_script, inject

if TYPE_CHECKING:
    from wsktrace.testing.events import Event

VARIANTS = [(rule, number) for rule, ways in FAULTS.items() for number in range(len(ways))]
SMALL = TraceOptions(buffer_size=4096)


@functools.lru_cache(maxsize=512)
def whole(kind: str, which: Any, seed: int) -> tuple[tuple[Event, ...], int, frozenset[tuple[object, ...]]]:
    """Return a complete trace's events, its end, and the rules that it breaks."""
    if kind == "fault":
        script, _ = fault_script(*which)
        events, end = script.events, script.options.end
    elif kind == "busy fault":
        traffic, _ = inject(which[0], seed, which[1], sockets=4)
        events, end = traffic.events, traffic.end
    elif kind == "legal":
        script = legal.legal_trace(which)
        events, end = script.events, script.options.end
    else:
        traffic = busy(seed, sockets=8)
        events, end = traffic.events, traffic.end
    data = write_native(events, options=replace(SMALL, end=end))
    return tuple(events), end, frozenset().union(*(keys(f) for f in fails(data)))


SOURCES = st.one_of(
    st.tuples(st.just("fault"), st.sampled_from(VARIANTS), st.just(0)),
    st.tuples(st.just("busy fault"), st.sampled_from(VARIANTS), st.integers(0, 2)),
    st.tuples(st.just("legal"), st.sampled_from(sorted(legal.PATTERNS)), st.just(0)),
    st.tuples(st.just("busy"), st.just(None), st.integers(0, 5)),
)
WAYS = (
    "drop", "burst", "begin late", "filter", "lose buffers", "hole", "wrap", "ring", "later file", "not stopped",
    "full", "cut", "cut and lost",
)  # fmt: skip


def worsened(events: list[Event], end: int, way: str, draw: Any) -> bytes | None:
    """Return the file of the events after some loss, with the evidence that ETW leaves of it."""
    options = replace(SMALL, end=end)
    number = draw(st.integers(0, 1 << 20))
    if way == "drop":
        picks = draw(st.lists(st.integers(0, len(events) - 1), min_size=1, max_size=8, unique=True))
        events, options = losses.drop_events(events, picks, options)
    elif way == "burst":
        events, options = losses.drop_events(events, losses.bursts(events, number, 1 + number % 3), options)
    elif way == "begin late":
        events, options = losses.start_at(events, events[number % len(events)].time + number % 2, options)
    elif way == "filter":
        keyword = draw(st.sampled_from([1, 2, 4, 8, 16]))
        events = losses.filter_events(events, keywords=~keyword & (1 << 64) - 1, level=5 - number % 2)
    if not events:
        return None
    data = write_native(events, options=options)
    parts = len(data) // SMALL.buffer_size - 1
    if way == "lose buffers" and parts > 1:
        return losses.lose_buffers(data, {number % parts}, count_events=bool(number & 1024))
    if way == "hole" and parts > 1:
        # the hole is the only evidence; behind the last number there is none
        sequences = [part.sequence for part in split(data)[1:]]
        inner = [n for n, sequence in enumerate(sequences) if sequence < max(sequences)]
        return losses.lose_buffers(data, {inner[number % len(inner)]}, count_buffers=False, count_events=False)
    if way in ("wrap", "ring", "later file") and parts > 1:
        make = {"wrap": losses.wrap, "ring": losses.memory_ring, "later file": losses.later_file}[way]
        return make(data, 1 + number % (parts - 1))
    if way == "not stopped":
        return losses.never_stopped(data)
    if way == "full" and parts > 1:
        return losses.stop_at_size(data, 4 + 4 * (number % parts))
    if way in ("cut", "cut and lost"):
        return losses.cut(data, SMALL.buffer_size + number % max(1, len(data) - SMALL.buffer_size))
    return data


def check(source: tuple[str, Any, int], way: str, seq: bool, draw: Any) -> None:
    events, end, broken = whole(*source)
    kept = list(events) if seq else without_seq(events)
    data = worsened(kept, end, way, draw)
    if data is None:
        return
    new = [f for f in fails(data) if not keys(f) & broken]
    assert not new, f"{source}, {way}, {'with' if seq else 'without'} Seq: {new}"


@settings(max_examples=80, deadline=None, print_blob=True)
@given(source=SOURCES, way=st.sampled_from(WAYS), seq=st.booleans(), data=st.data())
def test_losses_never_accuse(source: tuple[str, Any, int], way: str, seq: bool, data: Any) -> None:
    check(source, way, seq, data.draw)


@pytest.mark.long
@settings(max_examples=800, deadline=None, print_blob=True)
@given(source=SOURCES, way=st.sampled_from(WAYS), seq=st.booleans(), data=st.data())
def test_many_losses_never_accuse(source: tuple[str, Any, int], way: str, seq: bool, data: Any) -> None:
    check(source, way, seq, data.draw)
