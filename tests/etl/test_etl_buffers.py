"""Buffers by hand: where data ends, whose processor, what is filler, what is damage, and that every byte is counted."""

from __future__ import annotations

import io
import struct

import etl_tools as t
import numpy as np
import pytest

from wsktrace.etl.accounting import disk_shares
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Buffers


def read(raw: bytes, **more):
    file = open_trace(io.BytesIO(raw))
    chunks = list(file.chunks(**more))
    s = file.survey
    assert s.headers_bytes + s.record_bytes + s.filler_bytes + s.damaged_bytes == len(raw) == file.size
    assert sum(int(disk_shares(c).sum()) for c in chunks) == s.record_bytes
    assert len(s.buffers) == sum(len(c.buffers) for c in chunks)
    return file, chunks


def ids(chunks, buffer=None):
    return [
        int(i)
        for c in chunks
        for i, k, b in zip(c.records.id, c.records.kind, c.records.buffer, strict=True)
        if k in (18, 19) and (buffer is None or b == buffer)
    ]


def events(*numbers: int) -> list[bytes]:
    return [t.event(id_=n) for n in numbers]


def what(file) -> list[str]:
    return [p.what for p in file.survey.problems]


GOOD = [t.buffer(events(10 * n, 10 * n + 1, 10 * n + 2), sequence=n + 2, cpu=n % 3) for n in range(1, 9)]
ALL = [10 * n + k for n in range(1, 9) for k in range(3)]


def test_data_ends_at_offset_never_at_saved_offset():
    body = events(1, 2, 3)
    records = b"".join(t.aligned(r) for r in body)
    two = t.HEADER + 2 * len(t.aligned(body[0]))
    file, chunks = read(
        t.etl(
            t.buffer(body, saved=0),
            t.buffer(body, saved=0x60),
            t.buffer(body, saved=4000),
            t.buffer(records, offset=two),
        )
    )
    assert [ids(chunks, b) for b in (1, 2, 3, 4)] == [[1, 2, 3]] * 3 + [[1, 2]]
    assert file.survey.damaged_bytes == 0


def test_records_of_the_header_buffer_behind_saved_offset_count():
    extra = [t.perfinfo(group=0, type_=64), t.perfinfo(group=0, type_=66), t.event(id_=5)]
    file, chunks = read(t.etl(*GOOD[:1], extra=extra))
    assert file.survey.kinds == {"System64": 1, "PerfInfo64": 2, "Event64": 4}
    assert ids(chunks, 0) == [5]


@pytest.mark.parametrize(
    ("flags", "word", "cpu"),
    [
        (0x20, 0x0000, 0),
        (0x20, 0x0107, 0x107),
        (0x20, 0xF8FF, 0xFF),
        (0x20, 0x07FF, 0x7FF),
        (0, 0x0805, 5),
        (0x01, 0x08FF, 0xFF),
        (0x26, 3, 3),
    ],
)
def test_the_processor_goes_by_the_proc_index_flag(flags, word, cpu):
    file, chunks = read(t.etl(t.buffer(events(1), flags=flags, processor=word)))
    assert chunks[0].buffers.cpu[1] == cpu
    assert chunks[0].records.cpu[1] == cpu
    assert chunks[0].buffers.flags[1] == flags
    assert not file.survey.problems


def test_columns_of_buffers():
    first = t.buffer(
        [t.event(clock=500), t.opaque(13), t.event(clock=900), t.opaque(13)], sequence=77, flush=1234, type_=1
    )
    none = t.buffer([t.opaque(13)], sequence=78, flush=1235)
    empty = t.buffer([], sequence=79)
    file, _ = read(t.etl(first, none, empty))
    b = file.survey.buffers
    assert isinstance(b, Buffers)
    assert (b.sequence.tolist(), b.flush.tolist()) == ([1, 77, 78, 79], [0, 1234, 1235, t.CLOCK + 100])
    assert (b.type.tolist(), b.records.tolist()) == ([4, 1, 0, 0], [1, 4, 1, 0])
    assert (b.first_clock.tolist(), b.last_clock.tolist()) == ([t.CLOCK, 500, 0, 0], [t.CLOCK, 900, 0, 0])
    assert b.file_offset.tolist() == [0, 4096, 8192, 12288]
    assert b.disk_size.tolist() == [4096] * 4
    assert b.used.tolist()[2:] == [0x48 + 16, 0x48]
    assert not b.state.any()
    assert not b.compressed.any()


def test_buffers_of_differing_size():
    sizes = [512, 8192, 4096, 65536, 1024]
    raw = t.etl(*(t.buffer(events(n), size=size) for n, size in enumerate(sizes)))
    file, chunks = read(raw)
    assert ids(chunks) == list(range(5))
    assert file.survey.buffers.disk_size.tolist() == [4096, *sizes]
    assert not file.survey.problems
    # a stride that is no multiple of 8 moves all that follow off the words of the file
    odd = t.etl(t.buffer(events(1), size=4099), t.buffer(events(2), size=511), t.buffer(events(3), size=4096))
    file, chunks = read(odd)
    assert ids(chunks) == [1, 2, 3]
    assert not file.survey.problems


def test_a_large_file_of_small_buffers_takes_many_chunks():
    raw = t.etl(*(t.buffer(events(n % 60_000), sequence=n) for n in range(3000)))
    steps = []
    file, chunks = read(raw, chunk_bytes=1 << 20, progress=lambda done, total: steps.append((done, total)))
    assert ids(chunks) == list(range(3000))
    assert [c.first_buffer for c in chunks] == np.cumsum([0] + [len(c.buffers) for c in chunks[:-1]]).tolist()
    assert max(c.data.size for c in chunks) <= (1 << 20) + 72
    assert steps[-1] == (len(raw), len(raw))
    assert [s[0] for s in steps] == sorted(s[0] for s in steps)
    assert file.survey.records == 3001


def test_circular_files_begin_anywhere_in_the_sequence():
    raw = t.etl(*(t.buffer(events(n), sequence=900 + n) for n in (4, 5, 6, 2, 3)), mode=2)
    file, chunks = read(raw)
    assert ids(chunks) == [4, 5, 6, 2, 3]
    assert file.survey.buffers.sequence.tolist() == [1, 904, 905, 906, 902, 903]


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
@pytest.mark.parametrize("length", [1, 71, 72, 4096, 4096 * 3, 100_001])
def test_room_never_written_at_the_end_is_filler(fill, length):
    file, chunks = read(t.etl(*GOOD) + fill * length)
    assert ids(chunks) == ALL
    assert (file.survey.damaged_bytes, file.survey.problems, len(file.survey.buffers)) == (0, [], 9)


@pytest.mark.parametrize("length", [1, 7, 55, 56, 71, 72, 4000, 4096, 9000])
def test_trailing_garbage_is_damage_and_costs_nothing_else(length):
    garbage = np.random.default_rng(length).integers(1, 255, length, np.uint8).tobytes()
    file, chunks = read(t.etl(*GOOD) + garbage)
    assert ids(chunks) == ALL
    assert file.survey.damaged_bytes == length
    last = file.survey.buffers
    assert (last.file_offset[-1], last.disk_size[-1], last.records[-1]) == (9 * 4096, length, 0)
    assert last.state[-1] & 1
    assert last.cpu[-1] == 0xFFFF
    assert len(file.survey.problems) >= 1


@pytest.mark.parametrize("keep", [2, 0x37, 0x38, 0x47, 0x48, 0x50, 0x48 + 104, 0x48 + 150, 4000])
def test_a_cut_file_is_read_to_its_end(keep):
    raw = t.etl(*GOOD)
    file, chunks = read(raw[: 8 * 4096 + keep])
    fit = max(min((keep - 0x48) // len(t.aligned(t.event())), 3), 0)
    assert ids(chunks) == ALL[:-3] + ALL[-3:][:fit]
    assert file.survey.buffers.state[-1] & 8
    assert "the file ends inside this buffer" in what(file) or keep < 0x38


@pytest.mark.parametrize("position", range(1, 9))
def test_a_zeroed_buffer_costs_that_buffer(position):
    raw = bytearray(t.etl(*GOOD))
    raw[position * 4096 : (position + 1) * 4096] = bytes(4096)
    file, chunks = read(bytes(raw))
    assert ids(chunks) == [i for i in ALL if i // 10 != position]
    if position < 8:  # the last one might as well never have been written
        assert file.survey.damaged_bytes == 4096
        assert file.survey.buffers.state[position] & 1
    else:
        assert file.survey.damaged_bytes == 0


@pytest.mark.parametrize("size", [0, 1, 0x47, 0x49, 100, 4095, 4097, 8192, 12288, 0x7FFF_FFFF, 0xFFFF_FFFF])
@pytest.mark.parametrize("position", [1, 4, 7, 8])
def test_a_nonsense_buffer_size_costs_at_most_that_buffer(size, position):
    raw = bytearray(t.etl(*GOOD))
    struct.pack_into("<I", raw, position * 4096, size)
    file, chunks = read(bytes(raw))
    missing = set(ALL) - set(ids(chunks))
    assert {i // 10 for i in missing} <= {position}
    if (size, position) != (4095, 8):  # one byte of filler behind a last buffer is as good as one inside it
        assert file.survey.problems
        assert file.survey.buffers.state.any()


@pytest.mark.parametrize("field", [(0x34, 0xFFFF), (0x36, 9), (0x2C, 0x10000)])
def test_a_nonsense_header_with_a_good_stride_keeps_its_records_but_not_its_processor(field):
    raw = bytearray(t.etl(*GOOD))
    struct.pack_into("<H" if field[1] < 0x10000 else "<I", raw, 3 * 4096 + field[0], field[1])
    file, chunks = read(bytes(raw))
    b = file.survey.buffers
    assert b.state[3] & 1
    assert b.cpu[3] == 0xFFFF
    assert {i // 10 for i in set(ALL) - set(ids(chunks))} <= {3}
    assert what(file)[0] == "the buffer header is nonsense"


@pytest.mark.parametrize("offset", [0, 0x47, 4097, 1 << 20, 0xFFFF_FFFF])
def test_an_end_of_data_outside_the_buffer_is_reported_and_the_records_still_read(offset):
    raw = bytearray(t.etl(*GOOD))
    struct.pack_into("<I", raw, 2 * 4096 + 0x30, offset)
    file, chunks = read(bytes(raw))
    assert ids(chunks) == ALL
    assert file.survey.buffers.state.tolist() == [0, 0, 16, 0, 0, 0, 0, 0, 0]
    assert file.survey.damaged_bytes == 0


def test_bytes_that_went_missing_shift_the_rest_and_cost_one_buffer():
    raw = t.etl(*GOOD)
    for gone in (1, 3, 8, 100, 4000, 5000):
        at = 3 * 4096 + 2000
        file, chunks = read(raw[:at] + raw[at + gone :])
        lost = {3} if gone < 2000 else {3, 4}
        assert {i // 10 for i in set(ALL) - set(ids(chunks))} <= lost
        # the buffer before the gap still stands there
        assert 30 in ids(chunks)
        assert file.survey.problems


def test_an_unknown_marker_costs_the_rest_of_its_buffer():
    bad = [*events(50, 51), struct.pack("<II", 0x7700_0010, 5) + bytes(8), *events(52)]
    file, chunks = read(t.etl(*GOOD[:4], t.buffer(bad, sequence=7), *GOOD[5:]))
    assert ids(chunks, 5) == [50, 51]
    assert ids(chunks) == [*ALL[:12], 50, 51, *ALL[15:]]
    (problem,) = file.survey.problems
    record = len(t.aligned(t.event()))
    assert (problem.buffer, problem.file_offset) == (5, 5 * 4096 + 0x48 + 2 * record)
    assert problem.length == file.survey.damaged_bytes == 16 + record
    assert file.survey.buffers.state[5] == 4
    assert "no record" in problem.what


@pytest.mark.parametrize("marker", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_end_markers_end_a_buffer(marker):
    body = b"".join(t.aligned(r) for r in events(1, 2)) + marker * 2 + b"".join(t.aligned(r) for r in events(3))
    file, chunks = read(t.etl(t.buffer(body)))
    assert ids(chunks) == [1, 2]
    # a filler's end is an end; zeros where records were declared are records that got lost
    assert (file.survey.damaged_bytes > 0) is (marker == b"\0\0\0\0")


def test_records_never_cross_the_end_of_data():
    record = t.aligned(t.event())
    body = record + t.event(body=b"z" * 200)
    used = t.HEADER + len(record) + 150
    file, chunks = read(t.etl(t.buffer(body, offset=used)))
    assert len(ids(chunks)) == 1
    assert file.survey.damaged_bytes == 150
    # but its padding may be missing
    ragged = t.event(body=b"x")
    file, chunks = read(t.etl(t.buffer(ragged, offset=t.HEADER + len(ragged))))
    assert len(ids(chunks)) == 1
    assert (file.survey.damaged_bytes, file.survey.record_bytes % 8) == (0, len(ragged) % 8)


def test_a_session_that_was_never_stopped_is_read_to_its_end_whatever_it_says():
    raw = bytearray(t.etl(*GOOD, end=0))
    struct.pack_into("<I", raw, 0x48 + 0x20 + 0x24, 0)  # BuffersWritten
    file, chunks = read(bytes(raw))
    assert file.header.buffers_written == 0
    assert file.clock.end_ns is None
    assert ids(chunks) == ALL


def test_lost_flags_are_kept():
    file, _ = read(t.etl(t.buffer(events(1), flags=0x22), t.buffer(events(2), flags=0x24)))
    assert (file.survey.buffers.flags & 6).tolist() == [0, 2, 4]


@pytest.mark.parametrize("what_", ["zeroed", "marker", "stride", "type"])
def test_a_damaged_header_buffer_leaves_the_data_buffers_readable(what_):
    raw = bytearray(t.etl(*GOOD))
    if what_ == "zeroed":
        raw[:4096] = bytes(4096)
    elif what_ == "marker":
        raw[0x48:0x4C] = b"\x12\x34\x56\x78"
    elif what_ == "stride":
        raw[:4] = b"\xff\xff\xff\xff"
    else:
        raw[0x36:0x38] = b"\x77\x77"
    file, chunks = read(bytes(raw))
    assert ids(chunks) == ALL
    if what_ == "zeroed":
        assert "missing" in file.header.damaged
        assert file.clock.kind == "unknown"
    else:
        assert file.clock.start_ns == (t.START - 116_444_736_000_000_000) * 100


def test_hostile_sizes_do_not_allocate(monkeypatch):
    import tracemalloc

    raw = bytearray(t.etl(*GOOD))
    for n in range(1, 9):
        struct.pack_into("<I", raw, n * 4096 + 0x30, 0xFFFF_FFF0)
        struct.pack_into("<H", raw, n * 4096 + 0x34, 0x60)
    tracemalloc.start()
    file, _ = read(bytes(raw))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20
    assert file.survey.buffers.state[1:].tolist() == [2 | 16] * 8


def test_a_second_reading_gives_the_same():
    file = open_trace(io.BytesIO(t.etl(*GOOD)))
    assert file.survey is None
    first = [c.records.clock.tolist() for c in file.chunks()]
    survey = file.survey
    assert [c.records.clock.tolist() for c in file.chunks()] == first
    assert file.survey.problems == survey.problems
    assert file.survey.kinds == survey.kinds


def test_problems_are_kept_up_to_a_number(monkeypatch):
    from wsktrace.etl import accounting

    monkeypatch.setattr(accounting, "MAX_PROBLEMS", 5)
    bad = t.event(flags=1, body=b"")
    file, _ = read(t.etl(t.buffer([bad] * 20)))
    assert (len(file.survey.problems), file.survey.problems_left_out) == (5, 15)
