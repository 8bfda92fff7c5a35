"""Every header kind, by hand: fields, where user data begins, what is missing stays missing."""

from __future__ import annotations

import io
import itertools
import struct
import uuid

import etl_tools as t
import numpy as np
import pytest

from wsktrace.etl.file import open_trace
from wsktrace.etl.types import KIND_NAMES, Kind


def read(*records: bytes, **more):
    """All records of a file with one data buffer; the chunk, the records after the log header, and the file."""
    size = 4096 if sum(len(r) + 8 for r in records) < 3000 else 65536
    file = open_trace(io.BytesIO(t.etl(t.buffer(list(records), size=size), size=size, **more)))
    (chunk,) = file.chunks()
    return chunk, file


def row(chunk, index=1):
    return {name: getattr(chunk.records, name)[index] for name in chunk.records.__slots__}


def payload(chunk, index=1) -> bytes:
    r = chunk.records
    return chunk.data[r.payload[index] : r.end[index]].tobytes()


def sound(file):
    s = file.survey
    assert not s.problems
    assert s.damaged_bytes == 0
    assert s.headers_bytes + s.record_bytes + s.filler_bytes == file.size
    return s


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_system_and_compact(kind):
    chunk, file = read(t.system(kind=kind))
    got = row(chunk)
    assert (got["kind"], got["id"], got["version"], got["tid"], got["pid"]) == (kind, 0x0301, 2, 11, 12)
    assert (got["clock"], got["has_time"], got["has_thread"], got["guid"]) == (t.CLOCK + 1, True, True, -1)
    assert payload(chunk) == b"payload"
    assert sound(file).kinds == {KIND_NAMES[kind]: 1 + (kind == 2)} | {"System64": 1 + (kind == 2)}


@pytest.mark.parametrize("kind", [16, 17])
def test_perfinfo_has_no_thread(kind):
    chunk, file = read(t.perfinfo(kind=kind))
    got = row(chunk)
    assert (got["kind"], got["id"], got["clock"]) == (kind, 0x0F22, t.CLOCK + 2)
    assert (got["has_time"], got["has_thread"], got["tid"], got["pid"], got["guid"]) == (True, False, 0, 0, -1)
    assert payload(chunk) == b"12345678"
    sound(file)


@pytest.mark.parametrize(("version", "words"), [(2, 0), (0x8002, 1), (0x0102, 1), (0x0702, 7), (0x8702, 8)])
def test_counters_stand_before_user_data(version, words):
    extra = bytes(8 * words)
    for record, fixed in (
        (t.perfinfo(version=version, body=extra + b"DATA"), 0x10),
        (t.system(version=version, body=extra + b"DATA"), 0x20),
    ):
        chunk, file = read(record)
        assert payload(chunk) == b"DATA"
        assert chunk.records.payload[1] - chunk.records.offset[1] == fixed + 8 * words
        assert chunk.records.version[1] == 2
        sound(file)


def test_counters_that_do_not_fit_leave_no_user_data():
    chunk, file = read(t.perfinfo(version=0x8702, body=b"short"))
    assert payload(chunk) == b""
    assert any("too short" in p.what for p in file.survey.problems)


@pytest.mark.parametrize("kind", [10, 20])
def test_full(kind):
    chunk, file = read(t.full(kind=kind))
    got = row(chunk)
    assert (got["opcode"], got["level"], got["version"], got["tid"], got["pid"]) == (32, 4, 2, 21, 22)
    assert file.guids.text(got["guid"]) == str(uuid.UUID(bytes_le=t.GUID_A))
    assert (got["clock"], got["id"], got["flags"], got["ext"]) == (t.CLOCK + 3, 0, 0, 0)
    assert payload(chunk) == b"mof"
    sound(file)


@pytest.mark.parametrize("kind", [11, 21])
def test_instance(kind):
    chunk, file = read(t.instance(kind=kind))
    got = row(chunk)
    assert (got["kind"], got["opcode"], got["level"], got["tid"], got["pid"]) == (kind, 9, 3, 31, 32)
    assert file.guids.raw[got["guid"]] == t.GUID_A
    assert payload(chunk) == b"inst"
    sound(file)


@pytest.mark.parametrize("kind", [18, 19])
def test_event(kind):
    chunk, file = read(t.event(kind=kind))
    got = row(chunk)
    assert [got[n] for n in ("id", "version", "channel", "level", "opcode", "task")] == [7, 1, 2, 4, 6, 500]
    assert (got["tid"], got["pid"], got["keyword"], got["flags"], got["ext"]) == (41, 42, 0x8000_0000_0000_0001, 0, 0)
    assert file.guids.raw[got["guid"]] == t.GUID_B
    assert payload(chunk) == b"userdata!"
    sound(file)


def test_extended_items_are_walked_to_user_data():
    ext = t.item(11, b"schema of some length", True) + t.item(12, b"traits", True) + t.item(1, bytes(16), False)
    records = [
        t.event(),
        t.event(ext=ext),
        t.event(ext=t.item(2, b"", False), body=b""),
        t.event(ext=ext, body=b"x" * 9),
    ]
    chunk, file = read(*records)
    r = chunk.records
    assert [payload(chunk, i) for i in (1, 2, 3, 4)] == [b"userdata!", b"userdata!", b"", b"x" * 9]
    assert (r.ext[1:5] > 0).tolist() == [False, True, True, True]
    assert (r.ext - r.offset)[2:5].tolist() == [0x50] * 3
    sound(file)


@pytest.mark.parametrize(
    "ext",
    [
        struct.pack("<HHHH", 0, 11, 0, 0),  # no size
        struct.pack("<HHHH", 12, 11, 0, 4) + bytes(8),  # not whole words
        struct.pack("<HHHH", 8, 11, 0, 4) + bytes(8),  # more data than size
        struct.pack("<HHHH", 0xFFF8, 11, 0, 4) + bytes(8),  # data inside, next one beyond the record: only if linked
        struct.pack("<HHHH", 16, 11, 1, 8) + bytes(8),  # says that another follows, and none fits
        struct.pack("<HHHH", 0xFFF8, 11, 0, 0xFF00) + bytes(8),
    ],
)
def test_a_damaged_item_leaves_no_user_data_and_is_reported(ext):
    chunk, file = read(t.event(ext=ext, body=b""), t.event(id_=99))
    assert chunk.records.id[1:].tolist() == [7, 99]
    assert payload(chunk, 2) == b"userdata!"
    assert payload(chunk, 1) == b""
    bad = ext != struct.pack("<HHHH", 0xFFF8, 11, 0, 4) + bytes(8)
    assert bool(file.survey.problems) is bad
    assert file.survey.damaged_bytes == 0


def test_the_extended_flag_without_room_for_an_item():
    chunk, file = read(t.event(flags=1, body=b""))
    assert payload(chunk) == b""
    assert len(file.survey.problems) == 1


@pytest.mark.parametrize(
    "flags", [sum(c) for n in range(7) for c in itertools.combinations((1, 2, 4, 8, 0x10, 0x20), n)]
)
def test_message_with_every_option_flag(flags):
    chunk, file = read(t.message(flags=flags | 0x80), t.event(), t.message(flags=flags))
    for index, extra in ((1, 0x80), (3, 0)):
        got = row(chunk, index)
        assert (got["kind"], got["id"], got["flags"]) == (Kind.MESSAGE, 10, flags | extra)
        assert payload(chunk, index) == b"ARGS"
        assert (got["has_time"], got["clock"]) == ((True, t.CLOCK + 6) if flags & 8 else (False, 0))
        assert (got["has_thread"], got["tid"], got["pid"]) == ((True, 51, 52) if flags & 0x20 else (False, 0, 0))
        assert got["sequence"] == (900 if flags & 1 else 0)
        assert got["component"] == (55 if flags & 6 == 4 else 0)
        if flags & 2:
            assert file.guids.raw[got["guid"]] == t.GUID_A
        else:
            assert got["guid"] == -1
    sound(file)


def test_a_message_shorter_than_its_flags_say():
    short = struct.pack("<HBBHH", 20, 0, 0x90, 10, 0xAA) + bytes(12)
    chunk, file = read(short, t.message())
    assert (chunk.records.has_time[1], chunk.records.guid[1], payload(chunk, 1)) == (False, -1, b"")
    assert payload(chunk, 2) == b"ARGS"
    assert [p.what for p in file.survey.problems] == [
        "a record is too short for its optional header parts; no user data is read"
    ]


def test_ulong32_time_and_opaque_kinds():
    chunk, file = read(t.timed(), t.opaque(12), t.opaque(13), t.opaque(14))
    r = chunk.records
    assert r.kind[1:].tolist() == [Kind.ULONG32_TIME, 12, 13, 14]
    assert (r.clock[1], r.id[1], payload(chunk, 1)) == (t.CLOCK + 7, 0x1234, b"old!")
    assert r.has_time[1:].tolist() == [True, False, False, False]
    assert not r.has_thread[1:].any()
    assert [payload(chunk, i) for i in (2, 3, 4)] == [b"whatever"] * 3
    assert sound(file).kinds == {"Ulong32Time": 1, "Timed": 1, "Error": 1, "Wnode": 1, "System64": 1}


def test_all_kinds_in_one_buffer_keep_their_own_fields():
    makers = [
        t.system,
        t.perfinfo,
        t.full,
        t.instance,
        t.event,
        t.message,
        t.timed,
        lambda: t.opaque(13),
        lambda: t.system(kind=3),
    ]
    order = [makers[i] for i in np.random.default_rng(7).integers(0, len(makers), 300)]
    chunk, file = read(*(make() for make in order))
    single = {make: read(make()) for make in makers}
    skip = {"offset", "buffer_offset", "payload", "end", "ext", "guid"}
    for index, make in enumerate(order, 1):
        alone, other = single[make]
        mine, his = row(chunk, index), row(alone)
        assert {k: v for k, v in mine.items() if k not in skip} == {k: v for k, v in his.items() if k not in skip}
        assert payload(chunk, index) == payload(alone)
        if his["guid"] >= 0:
            assert file.guids.raw[mine["guid"]] == other.guids.raw[his["guid"]]
    sound(file)


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        (1, 0x20),
        (2, 0x20),
        (3, 0x18),
        (4, 0x18),
        (16, 0x10),
        (17, 0x10),
        (10, 0x30),
        (20, 0x30),
        (11, 0x48),
        (21, 0x48),
        (18, 0x50),
        (19, 0x50),
    ],
)
def test_a_record_shorter_than_its_header_ends_the_buffer(kind, least):
    at = 4 if kind in (1, 2, 3, 4, 16, 17) else 0
    raw = bytearray(struct.pack("<HBB", least - 1, kind, 0xC0) + bytes(0x60))
    struct.pack_into("<H", raw, at, least - 1)
    chunk, file = read(t.event(), bytes(raw), t.event())
    assert chunk.records.kind[1:].tolist() == [19]
    assert int(chunk.buffers.state[1]) == 4
    assert file.survey.damaged_bytes > 0
    struct.pack_into("<H", raw, at, least)
    chunk, file = read(t.event(), bytes(raw[:least]), t.event())
    assert chunk.records.kind[1:].tolist() == [19, kind, 19]
    sound(file)


def test_guid_codes_follow_first_appearance_whatever_the_chunks():
    guids = [bytes([i % 251, i // 251] * 8) for i in range(3000)]
    order = np.random.default_rng(3).permutation(np.tile(np.arange(3000), 2))
    records = [t.full(guid=guids[i]) if i % 3 else t.event(guid=guids[i]) for i in order.tolist()]
    buffers = [t.buffer(records[a : a + 40], size=8192, sequence=a) for a in range(0, len(records), 40)]
    raw = t.etl(*buffers, size=8192)
    seen: dict[bytes, int] = {}
    want = [seen.setdefault(guids[i], len(seen)) for i in order.tolist()]
    for chunk_bytes in (1 << 25, 50_000):
        file = open_trace(io.BytesIO(raw))
        got = np.concatenate([c.records.guid for c in file.chunks(chunk_bytes=chunk_bytes)])
        assert got[1:].tolist() == want
        assert [file.guids.raw[i] for i in range(len(file.guids))] == list(seen)
        again = np.concatenate([c.records.guid for c in file.chunks()])
        assert np.array_equal(got, again)
