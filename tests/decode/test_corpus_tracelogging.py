"""Every self-describing event of the corpus: decoded whole, and as etl-parser decodes it where it can.

etl-parser's known faults (etl-and-wpp-format, 4): it reads the length of counted ANSI strings as one signed byte, knows
no structs, no FILETIME; constant counts and HEX64 are dead code in it. Such fields are named here and left out.
"""

from __future__ import annotations

import os
import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest

from wsktrace.decode.intypes import InType, OutType
from wsktrace.decode.layout import decode
from wsktrace.decode.tracelogging import SchemaBook
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from wsktrace.decode.fields import Field

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")) / "etl"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; set WSKTRACE_CORPUS")

#: file → self-describing events, kinds of them
TRACES = {
    "perfview-primitive-types.etl": (5, 1),
    "perfview-SelfDescribingSingleEvent.etl": (1, 1),
    "etl-parser-AMSITrace.etl": (19, 1),
    "etl-parser-lxcore_kernel.etl": (2, 1),
    "s4-SIH.20230422.034724.362.1.etl": (10, 1),
    "s4-WindowsUpdate.20251008.140245.443.8.etl": (80, 7),
    "s4-waasmedic.20251005_113019_195.etl": (17, 2),
}
#: files that etl-parser reads nothing of, because they are compressed
UNREAD = ("perfview-SelfDescribingSingleEvent.etl",)


def ours(name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Provider, event and fields of the self-describing events of a trace, in file order."""
    out: dict[int, tuple[str, str, dict[str, Any]]] = {}
    book = SchemaBook()
    base = 0
    with open_trace(CORPUS / name) as file:
        for chunk in file.chunks():
            ids = book.assign(chunk, file.guids)
            for schema in book.schemas:
                rows = np.flatnonzero(ids == schema.id)
                found = decode(schema.layout, chunk, rows)
                assert found.ok.all()
                assert not found.left.any()
                for row, fields in zip(rows.tolist(), found.to_pylist(), strict=True):
                    out[base + row] = (schema.provider_name, schema.event_name, fields)
            base += len(ids)
        assert not any(s.layout.problem for s in book.schemas)
        assert len(book.schemas) == TRACES[name][1]
    return [out[at] for at in sorted(out)]


def theirs(name: str) -> list[Any]:
    """The events of a trace as etl-parser hands them on; a field that it cannot read ends that event."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.etl import IEtlFileObserver, build_from_stream
    seen: list[Any] = []

    class Observer(IEtlFileObserver):
        def on_event_record(self, event: Any) -> None:
            seen.append(event)

        def on_trace_record(self, event: Any) -> None: ...
        def on_perfinfo_trace(self, event: Any) -> None: ...
        def on_system_trace(self, event: Any) -> None: ...
        def on_win_trace(self, event: Any) -> None: ...

    build_from_stream((CORPUS / name).read_bytes()).parse(Observer())
    return [e for e in seen if any(x.ext_type == 11 for x in (e.source.extended_data or []))]


@pytest.mark.parametrize("name", sorted(TRACES))
def test_all_events_decode_to_their_last_byte(name: str) -> None:
    found = ours(name)
    assert len(found) == TRACES[name][0]
    assert all(provider and event for provider, event, _ in found)


def test_known_contents() -> None:
    ((provider, event, fields),) = ours("perfview-SelfDescribingSingleEvent.etl")
    assert (provider, event, fields) == ("MySource", "TestEvent", {"a.b": "Hello", "a.c": "World!"})
    first = ours("perfview-primitive-types.etl")[0]
    assert first[:2] == ("solar_system", "PrimitiveTypesTest")
    assert first[2]["string_type"] == "Mercury"
    assert first[2]["boolean_type"] is False
    assert first[2]["char_type"] == "M"
    assert first[2]["guid_type"] == "0ad614c4-0ef4-4225-8013-f44f37cb0397"
    # the emitter declares its signed 64-bit number as unsigned
    assert first[2]["int64_type"] - (1 << 64) == -204
    amsi = ours("etl-parser-AMSITrace.etl")
    assert all("".join(f["Raw Script"]).startswith(f["Script"][:20]) for _, _, f in amsi if f["Script"])
    lxcore = ours("etl-parser-lxcore_kernel.etl")[0][2]
    assert (lxcore["Function"], lxcore["Line"], lxcore["LxPid"]) == ("LxpInstanceStart", 2659, -1)


#: in-types at which etl-parser stops or goes astray
LOST_AT = (InType.FILETIME, InType.COUNTEDANSISTRING)


@pytest.mark.parametrize("name", sorted(set(TRACES) - set(UNREAD)))
def test_etl_parser_agrees(name: str) -> None:
    mine, other, layouts = ours(name), theirs(name), _layouts(name)
    assert len(mine) == len(other)
    for (_, event, fields), record in zip(mine, other, strict=True):
        layout = layouts[event]
        stop = next((i for i, f in enumerate(layout) if f.in_type in LOST_AT), len(layout))
        assert stop >= min(len(layout), 5)
        parsed = _until(record, stop)
        assert parsed.get_name() == event
        assert list(parsed) == [f.name for f in layout[:stop]]
        for field in layout[:stop]:
            assert _same(field, parsed[field.name], fields[field.name]), (event, field.name)


def _layouts(name: str) -> dict[str, tuple[Any, ...]]:
    book = SchemaBook()
    with open_trace(CORPUS / name) as file:
        for chunk in file.chunks():
            book.assign(chunk, file.guids)
    return {s.event_name: s.layout.fields for s in book.schemas}


def _until(record: Any, stop: int) -> Any:
    """Parse a record with etl-parser's own readers, leaving out the fields from ``stop`` on, which it cannot read."""
    from etl.parsers import tracelogging

    (scheme,) = (x.data_item for x in record.source.extended_data if x.ext_type == 11)
    out = tracelogging.TraceLogging()
    out.scheme = tracelogging.TlMetaData.parse(scheme)
    if stop == len(out.scheme.fields):
        return record.parse_tracelogging()
    stream = tracelogging.BytesIORaise(record.source.user_data)
    for field in out.scheme.fields[:stop]:
        read = tracelogging.read_array_field if field.tag_in & 0x60 else tracelogging.read_field
        out[field.name] = read(stream, field.tag_in)
    return out


def _same(field: Field, other: Any, mine: Any) -> bool:
    if field.count is not None:
        one = replace(field, count=None)
        return len(other) == len(mine) and all(_same(one, a, b) for a, b in zip(other, mine, strict=True))
    if field.in_type == InType.GUID:
        guid = other.inner
        rest = b"".join(bytes([b]) for b in guid.data4)
        return UUID(bytes_le=struct.pack("<IHH", guid.data1, guid.data2, guid.data3) + rest) == UUID(mine)
    if field.in_type == InType.SYSTEMTIME:
        date = f"{other.year:04}-{other.month:02}-{other.day:02}"
        time = f"{other.hour:02}:{other.minute:02}:{other.second:02}.{other.milliseconds:03}"
        return f"{date}T{time}Z" == str(mine)
    if field.out_type == OutType.STRING and isinstance(other, int):
        return chr(other) == mine
    if field.out_type == OutType.BOOLEAN:
        return bool(other) == mine
    return bool(other == mine)


def test_kinds_of_the_records_that_are_self_describing() -> None:
    book = SchemaBook()
    with open_trace(CORPUS / "perfview-primitive-types.etl") as file:
        (chunk,) = file.chunks()
        ids = book.assign(chunk, file.guids)
    assert set(chunk.records.kind[ids >= 0].tolist()) == {Kind.EVENT64}
