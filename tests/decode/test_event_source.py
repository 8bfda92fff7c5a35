"""Manifests that .NET EventSources write into the trace: chunks in any order, processes, damage, a real trace."""

from __future__ import annotations

import struct
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from decode_tools import Made, chunk_of
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_tools import GUID, count_decoded, event_key, manifest_bytes, needs_corpus

from wsktrace.decode.event_source import SOURCE, EventSourceManifests
from wsktrace.decode.formats import RecordKey
from wsktrace.etl.types import GuidTable, Kind

XML = manifest_bytes()


def parts(xml: bytes, size: int) -> list[bytes]:
    """The payloads of the events that carry a manifest in chunks of a size."""
    cut = [xml[i : i + size] for i in range(0, len(xml), size)] or [b""]
    return [struct.pack("<BBBBHH", 1, 1, 0, 0x5B, len(cut), n) + c for n, c in enumerate(cut)]


@pytest.mark.parametrize("size", [len(XML), 1000, 7])
@pytest.mark.parametrize("order", [1, -1])
def test_chunks_in_any_order(size: int, order: int) -> None:
    source = EventSourceManifests()
    for payload in parts(XML, size)[::order]:
        assert source.find(event_key(2)) is None
        source.add_record(GUID.bytes_le, 4, payload)
    found = source.find(event_key(2))
    assert found is not None
    assert (found.provider, found.source) == ("Contoso-Driver", SOURCE)
    assert source.find(RecordKey("classic", GUID.bytes_le, 2)) is None
    assert (source.problems, source.unfinished(), source.manifests) == ([], [], {GUID.bytes_le: 1})


def test_processes_do_not_mix_and_the_same_text_is_taken_once() -> None:
    source = EventSourceManifests()
    one, two = parts(XML, 3000), parts(XML, 4000)
    for a, b in zip(one, [*two, None], strict=False):
        source.add_record(GUID.bytes_le, 4, a)
        if b is not None:
            source.add_record(GUID.bytes_le, 8, b)
    for payload in one[:-1]:
        source.add_record(GUID.bytes_le, 12, payload)
    assert source.manifests == {GUID.bytes_le: 1}
    assert source.problems == []
    assert source.unfinished() == [
        f"manifest of provider {GUID} in process 12: {len(one) - 1} of {len(one)} chunks came"
    ]


def test_a_new_beginning_replaces_what_was_left_unfinished() -> None:
    source = EventSourceManifests()
    source.add_record(GUID.bytes_le, 4, parts(XML, 100)[3])
    for payload in parts(XML, 3000):
        source.add_record(GUID.bytes_le, 4, payload)
    assert source.manifests == {GUID.bytes_le: 1}
    assert source._held == 0


def test_two_versions_that_differ_are_said() -> None:
    source = EventSourceManifests()
    other = XML.replace(b'<data name="Z" inType="win:UnicodeString"/>', b'<data name="Z" inType="win:Int8"/>')
    for text in (XML, other):
        source.add_record(GUID.bytes_le, 4, *parts(text, len(text)))
    assert source.manifests == {GUID.bytes_le: 2}
    assert source.problems == [f"manifest of provider {GUID}: two of its manifests differ about event 2 version 0"]
    found = source.find(event_key(2))
    assert found is not None
    assert found.layout.fields[0].in_type == 1


def test_what_is_no_manifest() -> None:
    source = EventSourceManifests()
    for payload in (b"", b"\1\1\0", struct.pack("<BBBBHH", 2, 1, 0, 0x5B, 1, 0), b"\1\1\0\x5c" + bytes(100)):
        source.add_record(GUID.bytes_le, 4, payload)
    assert source.problems == []
    source.add_record(GUID.bytes_le, 4, struct.pack("<BBBBHH", 1, 1, 0, 0x5B, 2, 2))
    source.add_record(GUID.bytes_le, 4, *parts(b"<a>", 9))
    source.add_record(UUID(int=1).bytes_le, 4, *parts(XML, len(XML)))
    assert [p.partition(": ")[2] for p in source.problems] == [
        "chunk 2 of 2",
        "the manifest: not well-formed XML: no element found: line 1, column 3",
        "it describes another provider",
    ]
    assert source.find(event_key(2)) is None
    for _ in range(200):
        source.add_record(GUID.bytes_le, 4, struct.pack("<BBBBHH", 1, 1, 0, 0x5B, 2, 2))
    assert len(source.problems) == 100


def test_memory_of_unfinished_manifests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsktrace.decode.event_source._PENDING", 1000)
    source = EventSourceManifests()
    for number in range(100):
        source.add_record(GUID.bytes_le, number, struct.pack("<BBBBHH", 1, 1, 0, 0x5B, 9, 0) + bytes(300))
        assert source._held <= 1000
    assert source.problems[0].endswith("its 9 chunks do not all come")


def test_records_of_a_trace() -> None:
    guids = GuidTable()
    guid = GUID.bytes_le
    whole = parts(XML, len(XML))[0]
    made = [Made(whole, kind=Kind.EVENT32, provider=guid), Made(whole, provider=guid), Made(whole, kind=Kind.FULL64)]
    chunk = chunk_of(made, guids)
    for ids, taken in (([0xFFFE, 1, 0xFFFE], 1), ([1, 1, 0xFFFE], 0)):
        source = EventSourceManifests()
        source.add(replace(chunk, records=replace(chunk.records, id=np.array(ids, "u2"))), guids)
        assert sum(source.manifests.values()) == taken


@settings(max_examples=200, deadline=None, print_blob=True, derandomize=True)
@given(st.data())
def test_damaged_chunks_give_problems_or_formats(data: st.DataObject) -> None:
    source = EventSourceManifests()
    for payload in parts(XML, 1500):
        raw = bytearray(payload)
        if data.draw(st.booleans()):
            at = data.draw(st.one_of(st.integers(0, 7), st.integers(0, len(raw) - 1)))
            raw[at] = data.draw(st.integers(0, 255))
        for _ in range(data.draw(st.sampled_from([1, 1, 1, 0, 2]))):
            source.add_record(GUID.bytes_le, 4, bytes(raw))
    assert source._held == sum(len(part) for _, came in source._parts.values() for part in came.values())
    found = source.find(event_key(2))
    assert found is None or found.source == SOURCE


@needs_corpus
def test_bond_trace_decodes_wholly_through_its_own_manifest() -> None:
    counts = count_decoded("Tx-BondEtwSample.etl", [EventSourceManifests()])
    assert counts == {"4f8f06bf-8261-4099-ae5f-07c54bbcfab3": {"whole": 11, "not whole": 0, "manifest": 1}}
