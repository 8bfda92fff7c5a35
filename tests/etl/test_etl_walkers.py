"""The two walkers give the same places, on real traces and on random ones, and stop where they must."""

from __future__ import annotations

import struct

import etl_tools as t
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.etl.file import open_trace
from wsktrace.etl.records import chase, find_records, lockstep


def places(data, first, stop, walker):
    visited = np.zeros(data.size >> 3, np.bool_)
    halves = data.view("<u2")
    first, last = np.asarray(first) >> 1, (np.asarray(stop) - 6) >> 1
    if walker == "lockstep":
        left, _ = lockstep(halves, first, last, visited)
        assert left.size == 0
    elif walker == "chase":
        chase(halves, first, last, visited)
    else:
        chase(halves, *lockstep(halves, first, last, visited, lanes_left=walker), visited)
    return np.flatnonzero(visited)


def block(*parts: bytes):
    """One chunk's data of some buffers' bodies, and where they begin and end."""
    first, stop, out = [], [], b""
    for part in parts:
        first.append(len(out))
        out += part
        stop.append(len(out))
        out += bytes(-len(out) % 8)
    data = np.frombuffer(bytearray(out + bytes(64)), np.uint8)
    return data, np.array(first, np.int64), np.array(stop, np.int64)


def plain(body: bytes) -> list[tuple[int, int]]:
    """The walk as the format page tells it, one record after the other: offset and size."""
    found, at = [], 0
    least = {
        1: 32,
        2: 32,
        3: 24,
        4: 24,
        10: 48,
        20: 48,
        11: 72,
        21: 72,
        16: 16,
        17: 16,
        18: 80,
        19: 80,
        12: 8,
        13: 8,
        14: 8,
    }
    while at + 8 <= len(body):
        marker = struct.unpack_from("<I", body, at)[0]
        kind, flag = marker >> 16 & 0xFF, marker >> 24
        if flag == 0xC0 and kind in least:
            size = struct.unpack_from("<H", body, at + (4 if kind in (1, 2, 3, 4, 16, 17) else 0))[0]
            need = least[kind]
        elif flag in (0x90, 0xB0):
            size, need = marker & 0xFFFF, 8 if flag == 0x90 else 16
        else:
            break
        if size < need or at + size > len(body):
            break
        found.append((at, size))
        at += (size + 7) & ~7
    return found


@t.needs_corpus
@t.corpus_files
def test_walkers_agree_on_real_traces(name):
    for chunk in open_trace(t.ETL / name).chunks():
        b = chunk.buffers
        bounds = np.concatenate(([0], np.cumsum(b.records)))[:-1]
        some = b.records > 0
        start = (chunk.records.offset - chunk.records.buffer_offset)[bounds[some]]
        first, stop = start + 0x48, start + b.used[some]
        want = chunk.records.offset >> 3
        for walker in ("lockstep", "chase", 3, 1000):
            assert np.array_equal(places(chunk.data, first, stop, walker), want)


RECORDS = [
    t.system(), t.system(kind=3), t.perfinfo(), t.full(), t.instance(), t.event(), t.event(body=b""), t.message(),
    t.message(flags=0), t.timed(), t.opaque(12), t.event(body=bytes(5000)), t.message(body=bytes(60000)),
]  # fmt: skip
ENDS = [
    b"",
    b"\xff" * 8,
    b"\xff" * 40,
    bytes(16),
    b"\x01\x02\x03\x04\x05\x06\x07\x08",
    struct.pack("<HBBI", 7, 19, 0xC0, 0),
    b"\xff" * 5,
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(RECORDS), max_size=30), st.sampled_from(ENDS), st.integers(0, 30)),
        min_size=1,
        max_size=12,
    )
)
def test_walkers_agree_with_the_plain_walk(buffers):
    bodies = []
    for records, end, cut in buffers:
        body = b"".join(t.aligned(r) for r in records) + end
        bodies.append(body[: len(body) - cut] if cut < len(body) else body)
    data, first, stop = block(*bodies)
    a, b, c = (places(data, first, stop, walker) for walker in ("lockstep", "chase", 4))
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)
    walk = find_records(data, first, stop)
    want = [(int(f) + at, size) for f, body in zip(first, bodies, strict=True) for at, size in plain(body)]
    assert list(zip((walk.slot << 3).tolist(), walk.size.tolist(), strict=True)) == want
    assert walk.count.tolist() == [len(plain(body)) for body in bodies]
    for i, body in enumerate(bodies):
        found = plain(body)
        end = min((found[-1][0] + found[-1][1] + 7) & ~7, len(body)) if found else 0
        assert walk.end[i] - first[i] == end
        rest = body[end : end + 8]
        short = len(rest) < 8
        assert bool(walk.broken[i]) is (not short and rest[:4] != b"\xff" * 4 and any(rest))
        assert bool(walk.zeros[i]) is (not short and not any(rest))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=4000), st.integers(1, 40), st.randoms(use_true_random=False))
def test_walkers_agree_on_noise(noise, count, random):
    """Bytes that are half records, half noise."""
    bodies = []
    for _ in range(count):
        body = bytearray(b"".join(t.aligned(random.choice(RECORDS[:11])) for _ in range(random.randrange(12))))
        for _ in range(random.randrange(4)):
            if body and noise:
                body[random.randrange(len(body))] = noise[random.randrange(len(noise))]
        bodies.append(bytes(body))
    data, first, stop = block(*bodies)
    assert np.array_equal(places(data, first, stop, "lockstep"), places(data, first, stop, "chase"))
    walk = find_records(data, first, stop)
    assert walk.count.tolist() == [len(plain(body)) for body in bodies]


@pytest.mark.parametrize("lanes", [0, 1, 32, 10_000])
def test_hand_over_between_walkers_at_any_number_of_lanes(lanes):
    rng = np.random.default_rng(5)
    bodies = [b"".join(t.aligned(RECORDS[i]) for i in rng.integers(0, 11, n)) for n in rng.integers(0, 300, 70)]
    data, first, stop = block(*bodies)
    walk = find_records(data, first, stop, lanes=lanes)
    assert walk.count.tolist() == [len(plain(b)) for b in bodies]
    assert not walk.broken.any()


def test_one_buffer_of_sixteen_mebibytes():
    import io

    record = t.aligned(t.event(body=b"x" * 17))
    count = ((16 << 20) - 0x48) // len(record)
    raw = t.etl(t.buffer(record * count, size=16 << 20), size=4096)
    file = open_trace(io.BytesIO(raw))
    (a, b) = file.chunks(chunk_bytes=1 << 20)  # the buffer makes a chunk of its own
    assert (len(a.records), len(b.records)) == (1, count)
    assert (np.diff(b.records.offset) == len(record)).all()
    assert file.survey.filler_bytes == len(raw) - file.survey.headers_bytes - file.survey.record_bytes
