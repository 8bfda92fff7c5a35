"""Which schema a record has: exact, stable over chunks, whatever else the record carries."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from decode_tools import PROVIDER, Made, chunk_of

from wsktrace.decode import tracelogging
from wsktrace.decode.tracelogging import EVENT_SCHEMA_TL, PROV_TRAITS, SchemaBook
from wsktrace.etl.types import GuidTable, Kind

OTHER = bytes(range(1, 17))
ACTIVITY, STACK = 1, 6


def event(name: str, fields: bytes = b"a\0\4") -> bytes:
    inside = b"\0" + name.encode() + b"\0" + fields
    return struct.pack("<H", 2 + len(inside)) + inside


def traits(name: str) -> bytes:
    return struct.pack("<H", 3 + len(name)) + name.encode() + b"\0"


def items(name: str, *, by: str = "P", fields: bytes = b"a\0\4") -> list[tuple[int, bytes]]:
    return [(PROV_TRAITS, traits(by)), (EVENT_SCHEMA_TL, event(name, fields))]


def naive(record: Made) -> tuple[bytes, bytes, bytes] | None:
    """What identifies a record's event, by a walk of the test's own; None where it is not self-describing."""
    raw, at, found = record.extended(), 0, {}
    while at + 8 <= len(raw):
        size, kind, linkage, length = struct.unpack_from("<HHHH", raw, at)
        found.setdefault(kind, raw[at + 8 : at + 8 + length])
        if not linkage & 1 or size < 8 or size % 8:
            break
        at += size
    if EVENT_SCHEMA_TL not in found:
        return None
    return record.provider, found[EVENT_SCHEMA_TL], found.get(PROV_TRAITS, b"")


def some_records(rng: random.Random, count: int) -> list[Made]:
    """Records of few events, with all that may stand around their metadata."""
    names = ["WskSend", "WskSendTo", "WskRecv", "W", "", "A much longer name of an event than the others have"]
    shapes = [b"", b"a\0\4", b"a\0\x04b\0\x08", b"Irp\0\x15Status\0\x94\x0e" * 5]
    out = []
    for _ in range(count):
        mine = items(rng.choice(names), by=rng.choice(["P", "P", "Q", "P" * 40]), fields=rng.choice(shapes))
        what = rng.random()
        if what < 0.1:
            mine = mine[1:]
        elif what < 0.2:
            mine.insert(rng.randrange(3), (ACTIVITY, rng.randbytes(16)))
        elif what < 0.3:
            mine.append((STACK, rng.randbytes(8 + 8 * rng.randrange(30))))
        elif what < 0.35:
            mine.reverse()
        elif what < 0.4:
            mine = mine[:1]
        elif what < 0.45:
            mine = []
        one = Made(rng.randbytes(rng.randrange(20)), mine, provider=rng.choice([PROVIDER, OTHER]))
        if rng.random() < 0.1:
            one.padding = rng.randbytes(1)
        if what > 0.97:
            raw = bytearray(one.extended())
            for _ in range(rng.randrange(1, 4)):
                if raw:
                    raw[rng.randrange(len(raw))] = rng.randrange(256)
            one.raw_items = bytes(raw)
        out.append(one)
    return out


def check(
    book: SchemaBook, guids: GuidTable, known: dict[tuple[bytes, bytes, bytes], int], records: list[Made]
) -> None:
    """Compare a chunk's ids with the naive walk, and the schemas with what the ids should mean."""
    ids = book.assign(chunk_of(records, guids), guids)
    assert ids.dtype == np.int32
    for record, number in zip(records, ids.tolist(), strict=True):
        identity = naive(record)
        assert (number < 0) == (identity is None)
        if identity is not None:
            assert known.setdefault(identity, number) == number
    assert len(set(known.values())) == len(known) == len(book.schemas)
    for (provider, _, _), number in known.items():
        schema = book.schemas[number]
        assert schema.id == number
        assert guids.raw[schema.provider] == provider


@pytest.fixture(params=["good", "quick useless", "both useless"])
def hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The book's answer must not depend on how good its hashes are."""
    if request.param != "good":
        monkeypatch.setattr(
            tracelogging._View, "quick_hash", lambda s, rows: np.full(len(s.start[rows]), 7 << 50, np.uint64)
        )
    if request.param == "both useless":
        monkeypatch.setattr(tracelogging._View, "hash", lambda s, rows, place: np.full(len(place), 5 << 50, np.uint64))
        monkeypatch.setattr(tracelogging, "_MAX_CHAIN", 8)


@pytest.mark.usefixtures("hashes")
@pytest.mark.parametrize("seed", range(4))
def test_ids_are_those_of_a_naive_walk_over_several_chunks(seed: int) -> None:
    rng = random.Random(seed)
    book, guids = SchemaBook(), GuidTable()
    known: dict[tuple[bytes, bytes, bytes], int] = {}
    for count in (1, 400, 0, 50, 400):
        check(book, guids, known, some_records(rng, count))
    assert book.refused == 0


def test_schemas_say_what_the_metadata_says() -> None:
    book, guids = SchemaBook(), GuidTable()
    group = b"\x17\0P\0\x13\0\1" + OTHER
    chunk = chunk_of([Made(items=[(PROV_TRAITS, group), (EVENT_SCHEMA_TL, event("E", b"a\0\4b\0\6"))])], guids)
    assert book.assign(chunk, guids).tolist() == [0]
    (schema,) = book.schemas
    assert (schema.event_name, schema.provider_name, schema.traits.group) == ("E", "P", OTHER)
    assert [f.name for f in schema.layout.fields] == ["a", "b"]
    assert book.provider_names == {0: "P"}


def test_names_of_providers_without_schemas() -> None:
    book, guids = SchemaBook(), GuidTable()
    chunk = chunk_of(
        [Made(items=[(ACTIVITY, OTHER)]), Made(items=[(PROV_TRAITS, traits("Build"))], provider=OTHER)], guids
    )
    assert book.assign(chunk, guids).tolist() == [-1, -1]
    assert book.provider_names == {1: "Build"}
    late = chunk_of([Made(items=[(PROV_TRAITS, traits("Late"))])], guids)
    book.assign(late, guids)
    assert book.provider_names == {1: "Build", 0: "Late"}


def test_bitness_is_no_part_of_the_identity() -> None:
    book, guids = SchemaBook(), GuidTable()
    chunk = chunk_of([Made(items=items("E")), Made(items=items("E"), kind=Kind.EVENT32)], guids)
    assert book.assign(chunk, guids).tolist() == [0, 0]


def test_many_records_of_few_events_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    book, guids = SchemaBook(), GuidTable()
    records = [Made(bytes([n % 256]) * 9, items(f"Event{n % 20}")) for n in range(3000)]
    chunk = chunk_of(records, guids)
    first = book.assign(chunk, guids)
    assert first.tolist() == [n % 20 for n in range(3000)] or len(set(first.tolist())) == 20
    monkeypatch.setattr(tracelogging._View, "find", lambda *_: pytest.fail("walked what was known"))
    assert np.array_equal(book.assign(chunk, guids), first)


@pytest.mark.parametrize("limit", ["MAX_SCHEMAS", "MAX_FIELDS_IN_ALL", "MAX_BYTES"])
def test_a_full_book_refuses_and_says_so(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracelogging, limit, {"MAX_SCHEMAS": 10, "MAX_FIELDS_IN_ALL": 10, "MAX_BYTES": 900}[limit])
    book, guids = SchemaBook(), GuidTable()
    chunk = chunk_of([Made(items=items(f"Event{n % 60:02}")) for n in range(300)], guids)
    ids = book.assign(chunk, guids)
    assert 5 <= len(book.schemas) <= 10
    assert book.refused == (ids < 0).sum() > 200
    again = book.assign(chunk, guids)
    assert np.array_equal(ids, again)
    for number in set(ids.tolist()) - {-1}:
        assert len(set(np.flatnonzero(ids == number) % 60)) == 1


def test_metadata_that_is_nonsense_is_a_schema_with_a_problem() -> None:
    book, guids = SchemaBook(), GuidTable()
    raw = struct.pack("<HHHH", 16, EVENT_SCHEMA_TL, 0, 0xFFFF) + b"\xff" * 8
    chunk = chunk_of([Made(b"abc", raw_items=raw), Made(items=[(EVENT_SCHEMA_TL, b"")])], guids)
    ids = book.assign(chunk, guids)
    assert sorted(ids.tolist()) == [0, 1]
    assert all(s.layout.problem for s in book.schemas)


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_as_extended_data(seed: int) -> None:
    rng = random.Random(seed)
    book, guids = SchemaBook(), GuidTable()
    known: dict[tuple[bytes, bytes, bytes], int] = {}
    records = []
    for _ in range(300):
        raw = bytearray(rng.randbytes(8 * rng.randrange(1, 8)))
        struct.pack_into("<HHH", raw, 0, rng.choice([8, 16, 24, 5]), rng.choice([1, 11, 12]), rng.randrange(2))
        records.append(Made(raw_items=bytes(raw)))
    check(book, guids, known, records)
