"""What tests of manifests and event metadata share: a manifest, the corpus, counts over a trace."""

from __future__ import annotations

import os
import struct
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest

from wsktrace.decode.formats import EventFormat, FormatSource, RecordKey
from wsktrace.decode.layout import decode
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wsktrace.etl.types import Chunk

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; set WSKTRACE_CORPUS")

GUID = UUID("6d1b249d-0f3c-4d53-a0d9-fd6c4d6c9a01")

#: A manifest with everything that a driver's may have; the strings are in two languages.
MANIFEST = """<?xml version="1.0" encoding="{encoding}"?>
<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"
    xmlns:win="http://manifests.microsoft.com/win/2004/08/windows/events" xmlns:xs="http://www.w3.org/2001/XMLSchema">
 <instrumentation><events>
  <provider name="Contoso-Driver" guid="{{6D1B249D-0F3C-4D53-A0D9-FD6C4D6C9A01}}" symbol="CONTOSO"
      resourceFileName="c.sys" messageFileName="c.sys" message="$(string.Provider)">
   <maps>
    <valueMap name="State">
     <map value="0" message="$(string.State.Closed)"/><map value="0x1" message="$(string.State.Open)"/>
    </valueMap>
    <bitMap name="Flags">
     <map value="0x1" message="$(string.Flag.A)"/><map value="0x4" message="$(string.Flag.C)"/></bitMap>
    <patternMap name="P" format="x"><map name="a" value="b"/></patternMap>
   </maps>
   <levels><level name="Chatty" value="17" message="$(string.Level.Chatty)"/></levels>
   <keywords>
    <keyword name="Net" mask="0x1" message="$(string.Keyword.Net)"/><keyword name="Disk" mask="0x2"/>
   </keywords>
   <tasks>
    <task name="Socket" value="1" message="$(string.Task.Socket)">
     <opcodes><opcode name="Open" value="11" message="$(string.Opcode.Open)"/></opcodes>
    </task>
   </tasks>
   <opcodes><opcode name="Shut" value="12"/></opcodes>
   <templates>
    <template tid="Numbers">
     <data name="A" inType="win:Int8"/><data name="B" inType="win:UInt16" outType="win:Port"/>
     <data name="C" inType="win:HexInt64"/><data name="P" inType="win:Pointer"/><data name="Ok" inType="win:Boolean"/>
     <data name="When" inType="win:FILETIME"/><data name="Id" inType="win:GUID"/>
    </template>
    <template tid="Texts">
     <data name="Z" inType="win:UnicodeString"/><data name="Four" inType="win:UnicodeString" length="4"/>
     <data name="Count" inType="win:UInt16"/><data name="Ansi" inType="win:AnsiString" length="Count"/>
     <data name="Raw" inType="win:Binary" length="Count"/><data name="Ip" inType="win:Binary" outType="win:IPv6"/>
     <data name="Who" inType="win:SID"/><data name="Counted" inType="win:CountedUnicodeString"/>
    </template>
    <template tid="Structs">
     <data name="Number" inType="win:UInt8"/>
     <struct name="One"><data name="X" inType="win:UInt32"/>
      <data name="State" inType="win:UInt32" map="State"/></struct>
     <struct name="Many" count="Number"><data name="Size" inType="win:UInt16"/>
      <data name="Text" inType="win:AnsiString" length="Size"/></struct>
     <data name="Fixed" inType="win:UInt16" count="3"/><data name="Names" inType="win:UnicodeString" count="Number"/>
     <data name="Flags" inType="win:UInt32" map="Flags"/>
    </template>
    <template tid="Odd"><data name="A" inType="win:UInt32"/><data name="B" inType="win:Unsupported"/></template>
    <template tid="Backward">
     <data name="A" inType="win:Binary" length="B"/><data name="B" inType="win:UInt32"/></template>
   </templates>
   <events>
    <event value="1" version="2" symbol="NumbersEvent" template="Numbers" level="win:Warning" keywords="Net Disk"
       task="Socket" opcode="Open" message="$(string.Event.1)"/>
    <event value="2" template="Texts" task="Socket" opcode="Open" level="Chatty"/>
    <event value="0x3" template="Structs" task="Socket" opcode="win:Start" message="$(string.Event.3)"/>
    <event value="4" template="Odd" opcode="Shut"/>
    <event value="5" template="Missing"/>
    <event value="6" template="Backward"/>
    <event value="7" name="Named.Event" message="$(string.Nowhere)" task="Socket" opcode="win:Info"/>
    <event value="8" task="Socket" opcode="win:Info" message="100 %% of %1%n"/>
   </events>
  </provider>
 </events></instrumentation>
 <localization>
  <resources culture="de-DE"><stringTable><string id="Event.1" value="Zahl %1"/>
   <string id="Only.German" value="nur"/></stringTable></resources>
  <resources culture="en-US"><stringTable>
   <string id="Provider" value="Contoso"/><string id="State.Closed" value="closed"/>
   <string id="State.Open" value="open"/>
   <string id="Flag.A" value="a"/><string id="Flag.C" value="c"/><string id="Level.Chatty" value="Very chatty"/>
   <string id="Keyword.Net" value="Networking"/><string id="Task.Socket" value="Socket work"/>
   <string id="Opcode.Open" value="Opening"/>
   <string id="Event.1" value="A is %1, port %2!d!, at %4; ok: %5.%nP&#xFC;nktlich"/>
   <string id="Event.3" value="%1: %2, %3, %4, %6 %9"/>
  </stringTable></resources>
 </localization>
</instrumentationManifest>
"""


def manifest_bytes(encoding: str = "utf-8") -> bytes:
    return MANIFEST.format(encoding=encoding.upper()).encode(encoding)


def event_key(number: int, version: int = 0, guid: UUID = GUID) -> RecordKey:
    return RecordKey("event", guid.bytes_le, number, version)


def wide(text: str) -> bytes:
    """UTF-16 with its NUL."""
    return text.encode("utf-16-le") + b"\0\0"


def kinds(chunk: Chunk) -> Iterator[tuple[int, int, int, Any]]:
    """GUID code, id, version and rows of each kind of event of a chunk."""
    records = chunk.records
    rows = np.flatnonzero((records.kind == Kind.EVENT32) | (records.kind == Kind.EVENT64))
    table = np.stack([records.guid[rows], records.id[rows], records.version[rows]]).T.astype(np.int64)
    for guid, number, version in np.unique(table, axis=0).tolist():
        yield guid, number, version, rows[(table == [guid, number, version]).all(axis=1)]


def count_decoded(name: str, sources: Sequence[FormatSource]) -> dict[str, Counter[str]]:
    """Events of a trace by provider: ``whole`` (consumed to the byte), ``not whole``, ``unknown``, ``manifest``."""
    out: dict[str, Counter[str]] = defaultdict(Counter)
    with open_trace(CORPUS / "etl" / name) as trace:
        for source in sources:
            if hasattr(source, "add"):
                for chunk in trace.chunks():
                    source.add(chunk, trace.guids)
        for chunk in trace.chunks():
            for guid, number, version, rows in kinds(chunk):
                counts = out[trace.guids.text(guid)]
                if number == 0xFFFE:
                    counts["manifest"] += len(rows)
                    continue
                found = first(sources, RecordKey("event", trace.guids.raw[guid], number, version))
                if found is None:
                    counts["unknown"] += len(rows)
                    continue
                decoded = decode(found.layout, chunk, rows)
                whole = int((decoded.ok & (decoded.left == 0)).sum())
                counts["whole"] += whole
                counts["not whole"] += len(rows) - whole
    return out


def first(sources: Sequence[FormatSource], key: RecordKey) -> EventFormat | None:
    return next((f for f in (s.find(key) for s in sources) if f is not None), None)


def compare_with_etl_parser(name: str, sources: Sequence[FormatSource], most: int) -> tuple[int, int, Counter[str]]:
    """Compare values of 64-bit events with those of etl-parser's ``build_etw``, fed record by record.

    Args:
        name: of the trace.
        sources: what describes the events for us.
        most: records of one kind of event in one chunk.

    Returns:
        Records and fields compared, and records that build_etw does not read, by its error. Arrays are left out: its
        patterns have none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.parsers.etw.core import Guid, build_etw

    records = fields = 0
    refused: Counter[str] = Counter()
    with open_trace(CORPUS / "etl" / name) as trace:
        for source in sources:
            if hasattr(source, "add"):
                for chunk in trace.chunks():
                    source.add(chunk, trace.guids)
        for chunk in trace.chunks():
            for code, number, version, rows in kinds(chunk):
                raw = trace.guids.raw[code]
                found = first(sources, RecordKey("event", raw, number, version))
                rows = rows[chunk.records.kind[rows] == Kind.EVENT64][:most]
                if found is None or not len(rows) or any(f.count is not None for f in found.layout.fields):
                    continue
                columns = {n: _plain(c) for n, c in decode(found.layout, chunk, rows).columns.items()}
                d1, d2, d3, d4 = struct.unpack("<IHH8s", raw)
                for i, row in enumerate(rows.tolist()):
                    payload = chunk.data[chunk.records.payload[row] : chunk.records.end[row]].tobytes()
                    try:
                        built = build_etw(Guid(d1, d2, d3, list(d4)), number, version, payload).source
                    except Exception as error:  # whatever its library of the day raises
                        refused[type(error).__name__] += 1
                        continue
                    expected = {n: _theirs(v) for n, v in built.items() if not n.startswith("_")}
                    assert {n: c[i] for n, c in columns.items()} == expected, (number, version)
                    records += 1
                    fields += len(expected)
    return records, fields, refused


def _plain(column: Any) -> list[Any]:
    if column.values is not None and column.values.dtype.kind != "V":
        return list(column.values.tolist())
    return list(column.bytes_())


def _theirs(value: Any) -> Any:
    if not hasattr(value, "keys"):
        return bytes(value) if isinstance(value, (bytes, bytearray)) else value
    kind = value.get("type")
    if kind == "Guid":
        inner = value.inner
        return struct.pack("<IHH8s", inner.data1, inner.data2, inner.data3, bytes(inner.data4))
    return bytes(value.string)[: -2 if kind == "WString" else -1]
