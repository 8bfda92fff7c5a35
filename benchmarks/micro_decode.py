"""Payloads to columns: WPP messages, and TraceLogging events against etl-parser's parse of the same events."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from benchmarks.micro import timed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.etl.types import Chunk

__all__ = ["payloads"]

_GUID = UUID("7b85c7a2-95ad-3a26-8f3c-a4d1fd0a4b57")
_SOME = 3_000  # events that etl-parser parses; it takes about a third of a millisecond for each


def payloads(messages: int = 200_000) -> dict[str, Any]:
    """Measure payloads to columns and to text; header columns and schemas are there already."""
    return {"unit": "events", "rows": {**_wpp(messages), **_tracelogging(messages)}}


def _wpp(count: int) -> dict[str, Any]:
    from wsktrace.decode.formats import RecordKey
    from wsktrace.decode.tmf import parse_tmf
    from wsktrace.decode.wpp import TmfBook, decode, render
    from wsktrace.etl.types import Kind
    from wsktrace.testing import etl_records as rec
    from wsktrace.testing.etl_writer import TraceOptions
    from wsktrace.testing.wpp_encode import Described, payload, tmf_text

    described = [
        Described(10, "%0[%!FUNC!] status=%10!s! irp=%11!p!", [("status", "ItemNTSTATUS"), ("Irp", "ItemPtr")]),
        Described(11, "%0[%!FUNC!] name=%10!s! n=%11!d!", [("name", "ItemString"), ("n", "ItemLong")]),
        Described(
            12,
            "%0[%!FUNC!] path=%10!s! status=%11!s! n=%12!u!",
            [("path", "ItemPWString"), ("status", "ItemNTSTATUS"), ("n", "ItemLong")],
        ),
        Described(13, "%0[%!FUNC!] -->"),
    ]
    args: dict[int, Any] = {
        10: lambda n: [("ntstatus", (0, 0xC0000022, 0x103)[n % 3]), ("ptr", 0xFFFF8000_00000000 + n)],
        11: lambda n: [("string", f"work item {n}"), ("long", n)],
        12: lambda n: [("pwstring", f"\\Device\\Afd\\{n}"), ("ntstatus", 0), ("long", n)],
        13: lambda _: [],
    }
    clock = TraceOptions().start_clock
    records = [
        rec.message(10 + n % 4, payload(args[10 + n % 4](n)), clock + n, n % 8, guid=_GUID, tid=4, pid=8)
        for n in range(count)
    ]
    chunk = _largest(records)
    book = TmfBook()
    book.add(parse_tmf(tmf_text(_GUID, described)).messages, "TMF")
    of_chunk = []
    for one in described:
        form = book.find(RecordKey("message", _GUID.bytes_le, one.number))
        assert form is not None
        rows = np.flatnonzero((chunk.records.kind == Kind.MESSAGE) & (chunk.records.id == one.number))
        of_chunk.append((form, rows, decode(form, chunk, rows)))
    total = sum(len(rows) for _, rows, _ in of_chunk)
    assert all(found.ok.all() and not found.left.any() for _, _, found in of_chunk)
    return {
        "WPP to columns": timed(total, lambda: [decode(form, chunk, rows) for form, rows, _ in of_chunk]),
        "WPP columns to text": timed(total, lambda: [render(form, found, chunk) for form, _, found in of_chunk]),
    }


def _largest(records: Sequence[Any]) -> Chunk:
    from wsktrace.etl.file import open_trace
    from wsktrace.testing.etl_writer import write_records

    with open_trace(io.BytesIO(write_records(list(records)))) as file:
        return max(file.chunks(), key=lambda chunk: len(chunk.records))


def _tracelogging(count: int) -> dict[str, Any]:
    """Events of the in-types that etl-parser can read: a status, a number, a name."""
    from wsktrace.decode.layout import decode
    from wsktrace.decode.tracelogging import SchemaBook
    from wsktrace.etl.file import open_trace
    from wsktrace.testing import etl_records as rec
    from wsktrace.testing.etl_writer import TraceOptions, write_records
    from wsktrace.testing.tlg_encode import Field, InType, pack, provider_traits, schema

    fields = (Field("status", InType.U32), Field("n", InType.U64), Field("name", InType.ANSI))
    items = [(rec.EXT_SCHEMA_TL, schema("Request", fields)), (rec.EXT_PROV_TRAITS, provider_traits("bench"))]
    clock = TraceOptions().start_clock
    data = write_records(
        [
            rec.event(
                _GUID, pack(fields, {"status": n % 3, "n": n, "name": f"request {n}"}), clock + n, n % 8, ext=items
            )
            for n in range(count)
        ]
    )
    with open_trace(io.BytesIO(data)) as file:
        chunk = max(file.chunks(), key=lambda one: len(one.records))
        book = SchemaBook()
        ids = book.assign(chunk, file.guids)
    (layout,) = (s.layout for s in book.schemas)
    rows = np.flatnonzero(ids >= 0)
    same = rows[:_SOME]
    theirs = _etl_parser(data, len(same))
    return {
        "TraceLogging to columns": timed(len(rows), lambda: decode(layout, chunk, rows)),
        f"TraceLogging to columns, {_SOME:,} events": timed(len(same), lambda: decode(layout, chunk, same)),
        f"TraceLogging by etl-parser, {_SOME:,} events": timed(
            len(theirs), lambda: [event.parse_tracelogging() for event in theirs], most=3
        ),
    }


def _etl_parser(data: bytes, count: int) -> list[Any]:
    """The first events of a trace as etl-parser finds them, not yet parsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its modules hold strings with unknown escapes
        from etl.etl import IEtlFileObserver, build_from_stream

    seen: list[Any] = []

    class Events(IEtlFileObserver):  # type: ignore[misc]
        def on_event_record(self, event: Any) -> None:
            seen.append(event)

        def on_trace_record(self, event: Any) -> None: ...
        def on_perfinfo_trace(self, event: Any) -> None: ...
        def on_system_trace(self, event: Any) -> None: ...
        def on_win_trace(self, event: Any) -> None: ...

    size = int.from_bytes(data[:4], "little")
    buffers = 1
    while len(seen) < count and buffers * size < len(data):
        buffers *= 4
        seen.clear()
        build_from_stream(data[: buffers * size]).parse(Events())
    return seen[:count]
