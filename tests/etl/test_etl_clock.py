"""The clock against exact integers, at its extremes and for every clock type."""

from __future__ import annotations

import io

import etl_tools as t
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.etl.clock import Clock, filetime_to_ns
from wsktrace.etl.file import open_trace

LOW, HIGH = -(1 << 63), (1 << 63) - 1
EPOCH = 116_444_736_000_000_000
INT64 = st.integers(LOW, HIGH) | st.integers(-(10**6), 10**6) | st.sampled_from([LOW, HIGH, LOW + 1, HIGH - 1, 0, -1])


def clock(**more):
    fields = {
        "clock_type": 1,
        "origin": t.CLOCK,
        "start_time": t.START,
        "end_time": 0,
        "perf_freq": 10**7,
        "cpu_mhz": 3000,
    }
    return Clock.from_header(**(fields | more))


def exact(c: Clock, raw: int) -> int:
    return min(max(c.base_ns + (raw - c.origin) * 10**9 // c.ticks_per_second, LOW), HIGH)


def test_26_hours_at_10_mhz_do_not_overflow():
    c = clock()
    for hours in (25, 26, 27, 24 * 365, 24 * 365 * 100):
        delta = hours * 3600 * 10**7
        got = c.to_ns(np.array([t.CLOCK + delta, t.CLOCK - delta]))
        assert got.tolist() == [c.start_ns + hours * 3600 * 10**9, c.start_ns - hours * 3600 * 10**9]


@pytest.mark.parametrize(
    "freq",
    [1, 3, 1000, 1_818_300, 2_630_627, 10**7, 3_117_777, 24 * 10**6, 10**9, 3_000_000_001, 5 * 10**9, 10**10, 10**15],
)
def test_frequencies_are_exact(freq):
    c = clock(perf_freq=freq)
    assert (c.kind, c.ticks_per_second) == ("qpc", freq)
    rng = np.random.default_rng(1)
    raw = t.CLOCK + rng.integers(-(10**12), 10**13, 500)
    assert c.to_ns(raw).tolist() == [exact(c, int(x)) for x in raw]
    assert c.to_ns(raw.reshape(50, 10)).shape == (50, 10)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    clock_type=st.integers(0, 4), origin=INT64, start=INT64, end=INT64, freq=INT64 | st.integers(1, 10**10),
    mhz=st.integers(0, (1 << 32) - 1), raw=st.lists(INT64, min_size=1, max_size=20),
)  # fmt: skip
def test_hostile_headers_never_overflow(clock_type, origin, start, end, freq, mhz, raw):
    c = clock(clock_type=clock_type, origin=origin, start_time=start, end_time=end, perf_freq=freq, cpu_mhz=mhz)
    values = np.array(raw, np.int64)
    got = c.to_ns(values)
    assert got.dtype == np.int64
    for x, ns in zip(raw, got.tolist(), strict=True):
        want = exact(c, x)
        # what lies so far away that the difference of raw values itself does not fit is clipped before
        assert ns == want or abs(x - c.origin) > HIGH
    order = np.argsort(values, kind="stable")
    assert (np.diff(got[order].astype(object)) >= 0).all()
    assert LOW <= c.start_ns <= HIGH


def test_clock_type_2_is_the_filetime_itself():
    c = clock(clock_type=2, origin=t.START, perf_freq=10**7)
    assert c.kind == "system"
    assert c.to_ns(np.array([t.START, t.START + 1, EPOCH])).tolist() == [
        filetime_to_ns(t.START),
        filetime_to_ns(t.START) + 100,
        0,
    ]
    # even where StartTime says something else
    assert clock(clock_type=2, origin=t.START, start_time=t.START + 5).to_ns(np.array([t.START]))[0] == filetime_to_ns(
        t.START
    )


def test_clock_type_3_counts_cycles():
    c = clock(clock_type=3, cpu_mhz=2995)
    assert c.kind == "cycles"
    got = c.to_ns(np.array([t.CLOCK, t.CLOCK + 2995, t.CLOCK + 2995 * 10**6 * 3600 * 100, t.CLOCK + 1]))
    assert (got - c.start_ns).tolist() == [0, 1000, 3600 * 100 * 10**9, 0]
    assert clock(clock_type=3, cpu_mhz=0).kind == "qpc"


def test_fall_backs():
    assert clock(clock_type=0).kind == "qpc"
    assert clock(clock_type=7, perf_freq=0, origin=t.START).kind == "system"
    for freq in (0, -5, 1 << 62):
        c = clock(clock_type=1, perf_freq=freq)
        assert c.kind == "unknown"
        assert c.to_ns(np.array([t.CLOCK, t.CLOCK + 3])).tolist() == [c.start_ns, c.start_ns + 300]
    assert clock(start_time=0).start_ns == 0
    assert clock(end_time=0).end_ns is None
    assert clock(end_time=t.START + 7).end_ns == filetime_to_ns(t.START + 7)
    assert clock().to_ns(np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("pointers", [4, 8])
@pytest.mark.parametrize(
    ("type_", "clocks", "ns"),
    [
        (1, (t.CLOCK, t.CLOCK + 1, t.CLOCK + 26 * 3600 * 10**7), (0, 100, 26 * 3600 * 10**9)),
        (2, (t.START, t.START + 1, t.START + 26 * 3600 * 10**7), (0, 100, 26 * 3600 * 10**9)),
        (3, (t.CLOCK, t.CLOCK + 3, t.CLOCK + 3000 * 10**6), (0, 1, 10**9)),
    ],
)
def test_clock_types_in_a_file_of_both_pointer_sizes(pointers, type_, clocks, ns):
    records = [t.event(clock=c) for c in clocks]
    raw = t.etl(t.buffer(records), pointers=pointers, clock_type=type_, clock=clocks[0])
    with open_trace(io.BytesIO(raw)) as file:
        (chunk,) = file.chunks()
        start = (t.START - EPOCH) * 100
        assert file.clock.start_ns == start
        assert (file.clock.to_ns(chunk.records.clock[1:]) - start).tolist() == list(ns)
        assert file.clock.end_ns == start + 10**9


@pytest.mark.parametrize("pointers", [4, 8])
def test_log_header_fields(pointers):
    raw = t.etl(pointers=pointers, lost=7, buffers_lost=9, logger="Größe", file="C:\\日本.etl", mode=2, cpus=64)
    h = open_trace(io.BytesIO(raw)).header
    assert (h.buffer_size, h.major_version, h.minor_version, h.sub_version, h.sub_minor_version) == (4096, 10, 0, 1, 5)
    assert (h.provider_version, h.number_of_processors, h.timer_resolution, h.maximum_file_size) == (
        19045,
        64,
        156250,
        100,
    )
    assert (h.log_file_mode, h.mode, h.buffers_written, h.start_buffers, h.pointer_size) == (2, 2, 3, 1, pointers)
    assert (h.events_lost, h.buffers_lost, h.cpu_speed_in_mhz, h.perf_freq) == (7, 9, 3000, 10**7)
    assert (h.start_time, h.end_time, h.boot_time) == (t.START, t.START + 10_000_000, t.START - 10**12)
    assert (h.logger_name, h.log_file_name, h.header_clock) == ("Größe", "C:\\日本.etl", t.CLOCK)
    assert (h.time_zone_bias, h.time_zone_standard_name, h.time_zone_daylight_name) == (
        -60,
        "@tzres.dll,-212",
        "@tzres.dll,-212",
    )
    assert (h.reserved_flags, h.compression, h.damaged) == (1, 0, "")


def test_the_form_of_the_header_goes_by_its_record_not_by_its_pointer_size():
    for pointers in (4, 8):
        file = open_trace(io.BytesIO(t.etl(pointers=pointers, pointer_size=12 - pointers)))
        assert (file.header.start_time, file.header.pointer_size) == (t.START, 12 - pointers)


def test_a_session_that_was_never_stopped_has_no_end():
    assert open_trace(io.BytesIO(t.etl(end=0))).clock.end_ns is None
