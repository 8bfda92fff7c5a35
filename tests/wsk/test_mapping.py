"""From native events to operations: every event, every field, both pointer sizes, older and newer headers."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import msgspec
import numpy as np
import pytest
from wsk_tools import COLUMNS, IMAGE, STEP, analysed, columns_of, expected, filled, operations, own, rows_of

from wsktrace.schema import ARGUMENTS, TABLES
from wsktrace.testing import etl_records, tlg_encode
from wsktrace.testing.etl_writer import TraceOptions, native_records, write_native, write_records
from wsktrace.testing.native import EVENTS, PROVIDER_GUID, PROVIDER_NAME
from wsktrace.testing.tlg_encode import InType
from wsktrace.wsk.mapping import column_of, judged_schemas, read
from wsktrace.wsk.operations import CODES
from wsktrace.wsk.ops import KNOWN_IRP, KNOWN_IRQL, KNOWN_SEQ, KNOWN_SOCKET, KNOWN_STATUS
from wsktrace.wsk.profile import load_profile

KINDS = sorted(EVENTS)
CALLBACKS = {
    "WskAcceptEvent", "WskInspectEvent", "WskAbortEvent", "WskReceiveEvent", "WskReceiveFromEvent",
    "WskDisconnectEvent", "WskSendBacklogEvent",
}  # fmt: skip
ONE_OF_EACH = [filled(name, opcode, place) for place, (name, opcode) in enumerate(KINDS)]
OTHER_GUID = UUID("11111111-2222-3333-4444-555555555555")


def phase(name: str, opcode: int) -> str:
    """Return the phase by the table of operations.phase in the architecture."""
    if opcode == 0:
        return "fact"
    if name == "IrpComplete":
        return "complete" if opcode == 1 else "complete_return"
    if name in CALLBACKS:
        return "callback" if opcode == 1 else "callback_return"
    return "enter" if opcode == 1 else "return"


# every event, every field --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pointer_size", [8, 4])
def test_every_event_becomes_its_operation_with_all_its_arguments(pointer_size: int) -> None:
    rows = operations(ONE_OF_EACH, pointer_size=pointer_size)
    assert len(rows) == len(KINDS)
    for event, row in zip(ONE_OF_EACH, rows, strict=True):
        where = f"{event.name} {event.opcode}"
        assert (row["op"], row["phase"]) == (event.name, phase(event.name, event.opcode)), where
        assert own(row) == expected(event, pointer_size), where
        assert row["image"] == (IMAGE if pointer_size == 8 else IMAGE & 0xFFFFFFFF), where
        assert (row["seq"], row["cpu"], row["tid"], row["pid"]) == (event.seq, event.cpu, event.tid, event.pid), where


def test_time_is_that_of_the_record() -> None:
    data = write_native(ONE_OF_EACH)
    start = analysed(data).file.clock.start_ns
    rows = rows_of(data)
    assert [row["time"].value - start for row in rows] == [n * STEP for n in range(len(rows))]
    options = TraceOptions()
    assert [row["clock"] for row in rows] == [options.clock_at(n * STEP) for n in range(len(rows))]


def test_every_operation_names_its_record_in_the_file() -> None:
    data = write_native(ONE_OF_EACH)
    sizes = {}
    for row in rows_of(data):
        at = 0
        for _ in range(row["record_buffer"]):
            at += int.from_bytes(data[at : at + 4], "little")
        at += row["record_offset"]
        # EVENT64, the provider, the opcode of the event (etl-and-wpp-format 1.5)
        assert data[at + 2 : at + 4] == b"\x13\xc0"
        assert data[at + 0x18 : at + 0x28] == PROVIDER_GUID.bytes_le
        assert row["op"].encode() + b"\0" in data[at : at + int.from_bytes(data[at : at + 2], "little")]
        sizes[at] = row["op"]
    assert len(sizes) == len(KINDS)


def test_zero_is_a_value_and_not_unknown() -> None:
    """An event carries all its fields, zero where the caller passed NULL."""
    events = [filled(name, opcode, n, value=0) for n, (name, opcode) in enumerate(KINDS)]
    for event, row in zip(events, operations(events), strict=True):
        assert own(row) == {columns_of(event.name, f): 0 for f in event.fields}, event.name


def test_image_of_zero_names_no_driver() -> None:
    [row] = operations([replace(filled("IrpReuse", 0, 0), image=0)])
    assert row["image"] is None


# fields that are not there, fields that are new ----------------------------------------------------------------------

WITHOUT = [(name, opcode, f.name) for name, opcode in KINDS for f in EVENTS[name, opcode].fields]


@pytest.mark.parametrize("pointer_size", [8, 4])
def test_field_that_an_older_header_leaves_out_is_unknown_never_zero(pointer_size: int) -> None:
    events = [filled(name, opcode, n, missing=[field]) for n, (name, opcode, field) in enumerate(WITHOUT)]
    rows = operations(events, pointer_size=pointer_size)
    for (name, opcode, field), event, row in zip(WITHOUT, events, rows, strict=True):
        where = f"{name} {opcode} without {field}"
        assert row[columns_of(name, field)] is None, where
        assert own(row) == expected(event, pointer_size), where


@pytest.mark.parametrize("field", ["Image", "Seq"])
def test_event_without_a_common_field(field: str) -> None:
    events = [replace(event, missing=frozenset({field})) for event in ONE_OF_EACH]
    for event, row in zip(events, operations(events), strict=True):
        assert row[field.lower()] is None
        assert own(row) == expected(event)


def test_event_without_any_field() -> None:
    bare = [replace(event, missing=frozenset({"Image", "Seq", *event.fields})) for event in ONE_OF_EACH]
    rows = operations(bare)
    assert [(row["op"], row["phase"]) for row in rows] == [(e.name, phase(e.name, e.opcode)) for e in bare]
    assert not any(own(row) for row in rows)


def test_dense_facts_have_a_bit_each() -> None:
    """``known`` says which of the dense facts an event carried."""
    bits = {"Irp": KNOWN_IRP, "Socket": KNOWN_SOCKET, "Status": KNOWN_STATUS, "Irql": KNOWN_IRQL}
    ops = analysed(write_native(ONE_OF_EACH)).lives.ops
    for event, known in zip(ONE_OF_EACH, ops.known.tolist(), strict=True):
        assert known == KNOWN_SEQ + sum(bit for field, bit in bits.items() if field in event.fields), event.name


def test_fields_that_a_newer_header_adds_change_nothing() -> None:
    grown = [replace(e, fields={**e.fields, "Weather": 7, "SocketTemperature": 9}) for e in ONE_OF_EACH]
    rows = rows_of(write_native(grown, newer=True))
    for event, row in zip(ONE_OF_EACH, rows, strict=True):
        assert own(row) == expected(event)


def test_fields_are_read_by_name_and_not_by_place() -> None:
    """The same event with its fields the other way round."""
    types = {"u8": InType.U8, "u16": InType.U16, "u32": InType.U32, "u64": InType.U64, "ptr": InType.HEX64}
    types |= {"size": InType.U64, "st": InType.HEX32}
    records = []
    for place, event in enumerate(ONE_OF_EACH):
        declared = EVENTS[event.name, event.opcode].all_fields[::-1]
        values = {"Image": event.image, "Seq": event.seq, **event.fields}
        fields = [tlg_encode.Field(f.name, types[f.type]) for f in declared]
        payload = b"".join(values[f.name].to_bytes(f.width(), "little") for f in declared)
        items = [(etl_records.EXT_SCHEMA_TL, tlg_encode.schema(event.name, fields))]
        clock = TraceOptions().clock_at(place * STEP)
        record = etl_records.event(PROVIDER_GUID, payload, clock, opcode=event.opcode, ext=items)
        records.append(record)
    for event, row in zip(ONE_OF_EACH, rows_of(write_records(records)), strict=True):
        assert own(row) == expected(event)
        assert (row["image"], row["seq"]) == (event.image, event.seq)


def raw(name: str, fields: list[tlg_encode.Field], payload: bytes, **header: object) -> etl_records.RawRecord:
    """Return a self-describing event of the provider with any metadata."""
    items = [(etl_records.EXT_SCHEMA_TL, tlg_encode.schema(name, fields))]
    guid = header.pop("guid", PROVIDER_GUID)
    return etl_records.event(guid, payload, TraceOptions().clock_at(STEP), ext=items, **header)


@pytest.mark.parametrize(
    ("field", "payload"),
    [
        (tlg_encode.Field("Irp", InType.UTF16), "A\0".encode("utf-16-le")),
        (tlg_encode.Field("Irp", InType.GUID), bytes(range(16))),
        (tlg_encode.Field("Irp", InType.U64, count=2), bytes(range(16))),
        (tlg_encode.Field("Irp", InType.F64), bytes(range(8))),
    ],
)
def test_field_that_is_no_number_is_unknown(field: tlg_encode.Field, payload: bytes) -> None:
    record = raw("IrpAllocate", [field, tlg_encode.Field("StackSize", InType.U8)], payload + b"\x03", opcode=0)
    [row] = rows_of(write_records([record]))
    assert row["irp"] is None
    assert own(row) == {"stack_size": 3}


def test_payload_that_ends_early_leaves_the_rest_unknown() -> None:
    fields = [tlg_encode.Field("Irp", InType.HEX64), tlg_encode.Field("StackSize", InType.U8)]
    for size, known in ((9, {"irp": 0x0807060504030201, "stack_size": 9}), (8, {"irp": 0x0807060504030201}), (7, {})):
        [row] = rows_of(write_records([raw("IrpAllocate", fields, bytes(range(1, 10))[:size], opcode=0)]))
        assert own(row) == known, size


# what is no operation ------------------------------------------------------------------------------------------------


def test_what_the_profile_does_not_know_is_ignored_but_counted() -> None:
    known = native_records([filled("IrpReuse", 0, 0), filled("IrpFree", 0, 3)])
    field = [tlg_encode.Field("Irp", InType.HEX64)]
    strange = [
        raw("WskTeleport", field, bytes(8), opcode=1),  # a newer header's event
        raw("irpreuse", field, bytes(8), opcode=0),  # names are exact
        raw("IrpReuse", field, bytes(8), opcode=0, guid=OTHER_GUID),  # another provider's event of that name
        etl_records.event(PROVIDER_GUID, bytes(8), TraceOptions().clock_at(STEP)),  # does not describe itself
        raw("IrpReuse", field, bytes(8), opcode=9),  # no such opcode
    ]
    analysis = analysed(write_records([*known, *strange]))
    rows = analysis.table("operations").to_pylist()
    assert [row["op"] for row in rows] == ["IrpReuse", "IrpFree"]
    facts = analysis.facts()
    assert facts.judged == 2
    counts = dict(facts.providers)
    assert (counts[PROVIDER_NAME], counts[str(OTHER_GUID)]) == (6, 1)
    sizes = facts.bytes
    assert sum(sizes.values()) == facts.size
    padded = [len(r.data) + -len(r.data) % 8 for r in (*known, *strange)]
    assert sizes["judged"] == sum(padded[:2])
    # four describe themselves, so a layout is at hand; one does not
    assert sizes["readable"] == sum(padded[2:5]) + padded[6]
    assert sizes["no_format"] >= padded[5]


def test_judged_schemas_are_those_of_the_provider_whose_names_are_operations() -> None:
    field = [tlg_encode.Field("Irp", InType.HEX64)]
    records = [
        raw("IrpReuse", field, bytes(8)),
        raw("WskTeleport", field, bytes(8)),
        raw("IrpReuse", field, bytes(8), guid=OTHER_GUID),
        raw("WskSocket", field, bytes(8)),
    ]
    analysis = analysed(write_records(records))
    reading = analysis.reading
    names = {
        (s.event_name, analysis.file.guids.text(s.provider)): bool(j)
        for s, j in zip(reading.book.schemas, judged_schemas(reading.book, analysis.file.guids), strict=True)
    }
    mine, other = str(PROVIDER_GUID), str(OTHER_GUID)
    assert names == {
        ("IrpReuse", mine): True,
        ("WskTeleport", mine): False,
        ("IrpReuse", other): False,
        ("WskSocket", mine): True,
    }


def test_judged_schemas_follow_the_profile() -> None:
    field = [tlg_encode.Field("Irp", InType.HEX64)]
    record = raw("IrpReuse", field, (5).to_bytes(8, "little"), opcode=0, guid=OTHER_GUID)
    profile = load_profile()
    other = msgspec.structs.replace(profile, provider=msgspec.structs.replace(profile.provider, guid=str(OTHER_GUID)))
    data = write_records([record])
    assert len(read(analysed(data).file, profile=profile).operations) == 0
    found = read(analysed(data).file, profile=other).operations
    assert found.irp.tolist() == [5]


def test_trace_without_the_provider_has_no_operations() -> None:
    analysis = analysed(write_records([raw("IrpReuse", [], b"", guid=OTHER_GUID)]))
    assert not len(analysis.reading.operations)
    assert analysis.table("operations").num_rows == 0
    assert not judged_schemas(analysis.reading.book, analysis.file.guids).any()


def test_reading_the_inventory_only() -> None:
    reading = read(analysed(write_native(ONE_OF_EACH)).file, operations=False)
    assert len(reading.operations) == 0
    assert sum(h.events for h in reading.inventory.holdings(reading.book, reading.file.guids)) >= len(KINDS)


def test_chunks_do_not_show() -> None:
    """Many small chunks give what one chunk gives."""
    events = [filled(*KINDS[n % len(KINDS)], n) for n in range(600)]
    data = write_native(events, options=TraceOptions(buffer_size=2048))
    whole = read(analysed(data).file).operations
    parts = read(analysed(data).file, chunk_bytes=4096).operations
    assert len(whole) == len(parts) == 600
    for name in ("time", "op", "phase", "irp", "socket", "status", "known", "record_buffer", "record_offset"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert set(whole.sparse) == set(parts.sparse)
    for name, column in whole.sparse.items():
        assert np.array_equal(column.rows, parts.sparse[name].rows), name
        assert np.array_equal(column.values, parts.sparse[name].values), name


# names ---------------------------------------------------------------------------------------------------------------


def test_column_of_every_field_of_every_event() -> None:
    for name, opcode in KINDS:
        for field in EVENTS[name, opcode].all_fields:
            wanted = field.name.lower() if field.name in ("Image", "Seq") else columns_of(name, field.name)
            assert column_of(name, field.name) == wanted, (name, field.name)
    assert column_of("WskSocket", "Weather") is None


def test_every_argument_of_the_schema_comes_from_some_field() -> None:
    columns = {c.name for c in TABLES["operations"].columns}
    reached = {columns_of(name, f.name) for name, opcode in KINDS for f in EVENTS[name, opcode].fields}
    assert set(ARGUMENTS) <= reached
    assert reached <= columns
    assert set(COLUMNS.values()) <= columns


def test_every_native_event_is_an_operation() -> None:
    assert {name for name, _ in KINDS} == set(CODES)
