"""Native events: what the writer puts into a record, read by etl-parser, a reader that decodes TraceLogging itself."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from writer_tools import Seen, by_dissect, some_events

from wsktrace.errors import FormatError
from wsktrace.testing.etl_writer import NativeEncoder, TraceOptions, native_records, write_native
from wsktrace.testing.events import Event
from wsktrace.testing.native import EVENTS, PROVIDER_GUID, native_event

#: One event of every (name, opcode): etl-parser reads HexInt32 but not HexInt64, so 32-bit images show all values.
ALL = [
    Event(n, n % 3, 77, 4, name, opcode, {}, 0x80100000, n, declared.keyword, declared.level)
    for n, ((name, opcode), declared) in enumerate(sorted(EVENTS.items()))
]
for _event in ALL:
    _event.fields = {
        f.name: (0x91 + 7 * i + _event.seq) & ((1 << min(31, 8 * f.width(4))) - 1)
        for i, f in enumerate(native_event(_event.name, _event.opcode).fields)
    }


def test_etl_parser_decodes_every_event() -> None:
    seen = Seen(write_native(ALL, options=TraceOptions(image_pointer_size=4)))
    assert len(seen.events) == len(ALL)
    assert (seen.header.source.PointerSize, seen.header.source.BufferSize) == (8, 0x10000)
    by_seq = {e.seq: e for e in ALL}
    for event in seen.events:
        decoded = event.parse_tracelogging()
        made = by_seq[decoded["Seq"]]
        assert decoded.get_name() == made.name
        assert dict(decoded) == {"Image": made.image, "Seq": made.seq, **made.fields}
        assert list(decoded) == ["Image", "Seq", *made.fields]
        header = event.source.event_header
        assert (event.get_thread_id(), event.get_process_id()) == (77, 4)
        assert header.event_descriptor.Opcode == made.opcode
        assert header.event_descriptor.Keyword == made.keyword
        assert header.event_descriptor.Level == made.level
        assert header.event_descriptor.Channel == 11
        guid = header.provider_id.inner
        assert (guid.data1, guid.data2, bytes(guid.data4)) == (
            PROVIDER_GUID.time_low,
            PROVIDER_GUID.time_mid,
            PROVIDER_GUID.bytes[8:],
        )


def test_dissect_sees_the_provider() -> None:
    records = list(by_dissect(write_native(ALL)))[3:]
    assert {UUID(bytes=r.header.provider_id.bytes_le) for r in records} == {PROVIDER_GUID}


def test_widths_follow_the_image() -> None:
    event = Event(0, 0, 1, 4, "IrpComplete", 1, {"Irp": 0xFFFFB10A2C41E5A0, "Information": 0xFFFFE1078C402DB0}, seq=5)
    wide = native_records([event])[0].data
    narrow = native_records([event], TraceOptions(pointer_size=4))[0].data
    assert wide[2] == 19
    assert narrow[2] == 18
    assert wide.endswith(
        event.image.to_bytes(8, "little")
        + (5).to_bytes(8, "little")
        + (0xFFFFB10A2C41E5A0).to_bytes(8, "little")
        + bytes(4)
        + (0xFFFFE1078C402DB0).to_bytes(8, "little")
        + bytes(2)
    )
    # a 32-bit image keeps the low half of its pointers, also of the one that Information holds
    assert narrow.endswith(
        (event.image & 0xFFFFFFFF).to_bytes(4, "little")
        + (5).to_bytes(8, "little")
        + (0x2C41E5A0).to_bytes(4, "little")
        + bytes(4)
        + (0x8C402DB0).to_bytes(8, "little")
        + bytes(2)
    )


def test_older_and_newer_headers() -> None:
    event = Event(0, 0, 1, 4, "IrpFree", 0, {"Irp": 0x1234}, 0x80100000, seq=9)
    old = replace(event, seq=None)
    older = replace(event, missing=frozenset({"Irp", "Seq"}))
    new = replace(event, fields={"Irp": 0x1234, "Tag": 77})
    options = TraceOptions(image_pointer_size=4)
    seen = Seen(write_native([event, old, older, new], options=options, newer=True))
    assert [dict(e.parse_tracelogging()) for e in seen.events] == [
        {"Image": 0x80100000, "Seq": 9, "Irp": 0x1234},
        {"Image": 0x80100000, "Irp": 0x1234},
        {"Image": 0x80100000},
        {"Image": 0x80100000, "Seq": 9, "Irp": 0x1234, "Tag": 77},
    ]
    for strict in ([new], [event, new]):
        with pytest.raises(FormatError, match="Tag"):
            write_native(strict, options=options)


def test_without_traits() -> None:
    event = some_events(1)[0]
    bare, full = (native_records([event], traits=t)[0].data for t in (False, True))
    assert b"WskTrace" in full
    assert b"WskTrace" not in bare
    assert len(full) - len(bare) == 24


def test_offsets_are_where_the_values_are() -> None:
    for width in (4, 8):
        encoder = NativeEncoder(TraceOptions(pointer_size=width))
        for event in ALL:
            data = encoder.encode(event).data
            given = {"Image": event.image, "Seq": event.seq, **event.fields}
            for name, (at, size) in encoder.offsets(event).items():
                assert int.from_bytes(data[at : at + size], "little") == given[name]


def test_wrong_events() -> None:
    with pytest.raises(FormatError, match="before the start"):
        write_native([Event(-1, 0, 1, 4, "IrpFree", 0)])
    with pytest.raises(FormatError, match="no event 'IrpFri'"):
        write_native([Event(0, 0, 1, 4, "IrpFri", 0)])
    with pytest.raises(FormatError, match="Irql=0x100"):
        write_native([Event(0, 0, 1, 4, "WskRegister", 1, {"Irql": 256})])
