"""Random damage: never an exception, never a hang, every byte counted, and what was not touched still reads.

Ten runs a file by default, three hundred in the marked run; a failing run is named by its file and seed.
"""

from __future__ import annotations

import functools
import io
import random
import struct
import time

import etl_tools as t
import numpy as np
import pytest

from wsktrace.errors import WsktraceError
from wsktrace.etl.accounting import disk_shares
from wsktrace.etl.file import open_trace

pytestmark = t.needs_corpus

KINDS = ("flip", "flips", "headers", "cut", "truncate", "swap", "zero", "insert")
LIMIT = 8.0  # seconds for one run on a busy machine; a usual one takes hundredths


def read(raw: bytes, chunk_bytes: int = 32 << 20):
    """Records of each buffer, by its place in the file; all sums are checked."""
    begin = time.perf_counter()
    file = open_trace(io.BytesIO(raw))
    buffers: dict[int, tuple[bytes, ...]] = {}
    shares = 0
    for c in file.chunks(chunk_bytes=chunk_bytes):
        r = c.records
        file.clock.to_ns(r.clock)
        shares += int(disk_shares(c).sum())
        assert (r.payload >= r.offset).all()
        assert (r.payload <= r.end).all()
        assert (r.end <= c.data.size - 64).all()
        bounds = np.searchsorted(r.buffer, np.arange(c.first_buffer, c.first_buffer + len(c.buffers) + 1))
        columns = (
            r.buffer_offset,
            r.size,
            r.kind,
            r.clock,
            r.tid,
            r.pid,
            r.id,
            r.flags,
            r.keyword,
            r.payload - r.offset,
        )
        for i in range(len(c.buffers)):
            rows = slice(bounds[i], bounds[i + 1])
            buffers[int(c.buffers.file_offset[i])] = tuple(column[rows].tobytes() for column in columns)
    s = file.survey
    classes = (s.headers_bytes, s.record_bytes, s.filler_bytes, s.damaged_bytes)
    assert min(classes) >= 0
    assert sum(classes) == len(raw) == file.size
    assert shares == s.record_bytes
    assert sum(s.kinds.values()) == s.records == int(s.buffers.records.sum())
    assert time.perf_counter() - begin < LIMIT
    return file, buffers


@functools.cache
def original(name: str):
    raw = (t.ETL / name).read_bytes()
    _, buffers = read(raw)
    begins = sorted(buffers)
    return raw, buffers, list(zip(begins, [*begins[1:], len(raw)], strict=True))


def damage(kind: str, raw: bytes, spans: list[tuple[int, int]], rng: random.Random):
    """Return damaged bytes, and where the buffers that were not touched now begin, by where they began."""
    out = bytearray(raw)
    if kind in ("flip", "flips", "headers"):
        at = [rng.randrange(len(raw)) for _ in range(1 if kind == "flip" else rng.randrange(2, 60))]
        if kind == "headers":
            at = [rng.choice(spans)[0] + rng.randrange(0x48) for _ in range(rng.randrange(1, 8))]
        for place in at:
            out[place] ^= 1 << rng.randrange(8)
        return bytes(out), {b: b for b, e in spans if not any(b <= place < e for place in at)}
    begin = rng.randrange(len(raw))
    if kind == "zero":
        end = min(len(raw), begin + rng.choice([512, 4096, 65536]))
        out[begin:end] = bytes(end - begin)
        return bytes(out), {b: b for b, e in spans if e <= begin or b >= end}
    if kind == "cut":
        end = min(len(raw), begin + rng.choice([1, 8, 100, 5000, rng.randrange(1, len(raw))]))
        gone = end - begin
        return bytes(out[:begin] + out[end:]), {
            b: b if e <= begin else b - gone for b, e in spans if e <= begin or b >= end
        }
    if kind == "insert":
        more = rng.randbytes(rng.choice([1, 8, 100, 5000]))
        return bytes(out[:begin] + more + out[begin:]), {
            b: b if e <= begin else b + len(more) for b, e in spans if e <= begin or b >= begin
        }
    if kind == "truncate":
        begin = rng.randrange(0x200, len(raw))
        return bytes(out[:begin]), {b: b for b, e in spans if e <= begin}
    order = list(spans)
    for _ in range(rng.randrange(1, 4)):
        i, j = rng.randrange(len(order)), rng.randrange(len(order))
        order[i], order[j] = order[j], order[i]
    moved, at = {}, 0
    for b, e in order:
        moved[b] = at
        at += e - b
    return b"".join(raw[b:e] for b, e in order), moved


def one_run(name: str, seed: int) -> None:
    raw, buffers, spans = original(name)
    rng = random.Random(f"{name} {seed}")
    kind = KINDS[seed % len(KINDS)]
    damaged, untouched = damage(kind, raw, spans, rng)
    try:
        _, found = read(damaged, rng.choice([32 << 20, 1 << 20, 100_000]))
    except WsktraceError:
        # only where next to nothing is left: the log header gone and no two buffers to tell an ETL by, or cut inside it
        assert len(untouched) < 2, (name, seed, kind)
        return
    for before, now in untouched.items():
        assert found.get(now) == buffers[before], (name, seed, kind, before, now)


@t.corpus_files
def test_random_damage(name):
    for seed in range(10):
        one_run(name, seed)


@pytest.mark.long
@t.corpus_files
def test_random_damage_at_length(name):
    for seed in range(10, 310):
        one_run(name, seed)


@pytest.mark.parametrize("seed", range(10))
def test_noise_in_the_frame_of_a_trace(seed):
    """Buffers whose headers are sound and whose bodies, or header fields, are noise."""
    rng = random.Random(seed)
    parts = []
    for n in range(rng.randrange(1, 60)):
        size = rng.choice([72, 80, 512, 4096, 8192])
        body = (
            rng.randbytes(size) if rng.random() < 0.5 else bytes(rng.choice([0, 0xC0, 0x90, 0xFF]) for _ in range(size))
        )
        head = bytearray(t.buffer(body[: size - 72], size=size, sequence=n))
        if rng.random() < 0.5:
            at, form = rng.choice([(0, "<I"), (0x30, "<I"), (0x34, "<H"), (0x36, "<H"), (0x2C, "<I")])
            struct.pack_into(form, head, at, rng.getrandbits(32 if form == "<I" else 16))
        parts.append(bytes(head[:size]))
    compression = rng.choice([0, 2, 3, 4, 9])
    read(t.etl(*parts, compression=compression))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 310))
def test_noise_at_length(seed):
    test_noise_in_the_frame_of_a_trace(seed)


def test_bytes_made_to_look_like_headers_do_not_cost_minutes():
    """Every eight bytes something that passes for a header, and none that leads anywhere."""
    head = t.buffer([], size=0x50)[:0x38]
    trap = bytearray(head)
    struct.pack_into("<I", trap, 0, 0x1234)
    raw = t.etl(t.buffer([t.event()])) + bytes(trap) * 20_000
    begin = time.perf_counter()
    file, _ = read(raw)
    assert time.perf_counter() - begin < LIMIT
    assert file.survey.records == 2


def test_chains_of_tiny_items_and_records_do_not_cost_minutes():
    ext = t.item(3, b"", True) * 8100
    records = [t.event(ext=ext + t.item(3, b"", False), body=b"")] * 40
    tiny = struct.pack("<HBBHH", 8, 0, 0x90, 1, 0) * 100_000
    file, _ = read(t.etl(t.buffer(records, size=4 << 20), t.buffer(tiny, size=1 << 20)))
    assert file.survey.kinds == {"System64": 1, "Event64": 40, "Message(WPP)": 100_000}
    assert file.survey.damaged_bytes == 0
