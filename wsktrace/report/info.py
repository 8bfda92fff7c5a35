"""What a file is, what is in it, what is lost and what has no format: the facts behind ``wsktrace info``.

``info`` gathers them as one object that JSON can hold; ``info_text`` prints that object for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.decode.inventory import Family, Format
from wsktrace.model.filefacts import facts_of
from wsktrace.report.escaping import json_text
from wsktrace.schema import SCHEMA_VERSION
from wsktrace.units import time_text

if TYPE_CHECKING:
    from wsktrace.decode.contents import Contents
    from wsktrace.decode.inventory import Holding
    from wsktrace.etl.file import LogHeader, Survey, TraceFile
    from wsktrace.etl.types import Buffers
    from wsktrace.model.filefacts import FileFacts
    from wsktrace.wsk.mapping import Reading

__all__ = ["as_json", "info"]

#: LogFileMode bits in words (etl-and-wpp-format, 1.3; evntrace.h).
_MODES: Final = {
    0x1: "sequential",
    0x2: "circular",
    0x4: "appended",
    0x8: "one file of a series",
    0x20: "preallocated",
    0x40: "not stoppable",
    0x80: "secure",
    0x100: "real time",
    0x200: "file opened late",
    0x400: "buffered in memory",
    0x800: "private to a process",
    0x1000: "with added header",
    0x2000: "size limit in KB",
    0x4000: "global sequence numbers",
    0x8000: "local sequence numbers",
    0x10000: "relogged",
    0x20000: "private, in process",
    0x400000: "stops on hybrid shutdown",
    0x800000: "goes on after hybrid shutdown",
    0x1000000: "paged memory",
    0x2000000: "system logger",
    0x4000000: "compressed",
    0x8000000: "independent",
    0x10000000: "not per processor",
    0x80000000: "added to triage dumps",
}
_KILOBYTES: Final = 0x2000
_COMPRESSION: Final = {2: "LZNT1", 3: "XPRESS", 4: "XPRESS with Huffman codes"}
_NEEDS: Final = {
    Family.EVENT: "instrumentation manifest",
    Family.CLASSIC: "MOF class",
    Family.MESSAGE: "TMF file or private PDB of the driver",
    Family.KERNEL: "format of the kernel event",
    Family.OTHER: "unknown kind of record",
}
#: PDBs of a trace that are told one by one.
_FEW_PDBS: Final = 4
_LOST_FLAGS: Final = 0x6
_TYPE_HEADER: Final = 4
_STATE_HEADER: Final = 1
_BUFFERING: Final = 0x400
_CIRCULAR: Final = 0x2


def info(reading: Reading, contents: Contents | None = None) -> dict[str, Any]:
    """Return all that is known of a file, as JSON can hold it; the file must have been read to its end.

    ``contents`` must be what the file was read with; it tells where what is missing would be found.

    Times are ISO 8601 in UTC with nine digits, null where the file does not say; sizes are bytes; ``bytes`` and
    ``unpacked_bytes`` are by class, before and after decompression, and the first adds up to ``size``.
    """
    file, header = reading.file, reading.file.header
    survey = file.survey
    facts = facts_of(file)
    assert survey is not None  # facts_of has seen to that
    start = file.clock.start_ns if header.start_time > 0 else None
    end = file.clock.end_ns
    names = None if contents is None else contents.names()
    held = reading.inventory.holdings(reading.book, file.guids, names)
    unpacked = reading.inventory.bytes(survey, unpacked=True)
    compressed = bool(survey.buffers.compressed.any())
    return {
        "schema_version": SCHEMA_VERSION,
        "file": file.name,
        "size": file.size,
        "start": time_text(start),
        "end": time_text(end),
        "span_ns": None if start is None or end is None else end - start,
        "last_record": time_text(_last_record(facts)),
        "processors": header.number_of_processors,
        "cpus": _cpus(survey.buffers),
        "session": _session(file),
        "compression": _COMPRESSION.get(header.compression, "unknown") if compressed else None,
        "buffers": len(survey.buffers),
        "records": survey.records,
        "kinds": survey.kinds,
        "events_lost": header.events_lost,
        "buffers_lost": header.buffers_lost,
        "stopped": end is not None,
        "truncated": facts.cut,
        "wrapped": facts.wrapped,
        "full": facts.full,
        "problems": [
            {"buffer": p.buffer, "file_offset": p.file_offset, "length": p.length, "what": p.what}
            for p in survey.problems
        ],
        "problems_left_out": survey.problems_left_out,
        "remarks": _remarks(header, survey, facts),
        "bytes": reading.inventory.bytes(survey),
        "unpacked_bytes": unpacked,
        "providers": [_provider(h, contents) for h in held if h.format is not Format.HEADER],
        "pdbs": _pdbs(contents),
        "schemas": _schemas(reading),
        "records_without_room": reading.book.refused,
    }


def _cpus(buffers: Buffers) -> int:
    """Return how many processors wrote the buffers that can be trusted."""
    return len(np.unique(buffers.cpu[buffers.state == 0]))


def as_json(described: dict[str, Any]) -> str:
    """Return the object of ``info`` as JSON text."""
    return json_text(described)


def _session(file: TraceFile) -> dict[str, Any]:
    header = file.header
    mode = header.log_file_mode
    unnamed = mode & ~sum(_MODES)
    return {
        "logger": header.logger_name,
        "log_file": header.log_file_name,
        "os": f"{header.major_version}.{header.minor_version}.{header.provider_version}",
        "layout": f"{header.sub_version}.{header.sub_minor_version}",
        "clock": {"kind": file.clock.kind, "ticks_per_second": file.clock.ticks_per_second},
        "mode": mode,
        "mode_words": [w for bit, w in _MODES.items() if mode & bit] + ([f"{unnamed:#x}"] if unnamed else []),
        "buffer_size": header.buffer_size,
        "buffers_written": header.buffers_written,
        "maximum_file_size": header.maximum_file_size << (10 if mode & _KILOBYTES else 20),
        "pointer_size": header.pointer_size,
        "boot_time_filetime": header.boot_time,
        "time_zone_bias_minutes": header.time_zone_bias,
        "header_damaged": header.damaged or None,
    }


def _last_record(facts: FileFacts) -> int | None:
    seen = facts.last[facts.buffers.records > 0]
    return int(seen.max()) if len(seen) and int(seen.max()) > 0 else None


def _remarks(header: LogHeader, survey: Survey, facts: FileFacts) -> list[str]:
    """Return what should be known about completeness, in sentences; losses and damage are told elsewhere."""
    out = []
    if facts.end_ns is None:
        out.append("the session was not stopped properly: there is no end time, and losses may not be counted")
    if facts.cut:
        out.append("the file ends before its session did: buffers that were written are not in it")
    if facts.wrapped and header.log_file_mode & _BUFFERING:
        out.append("the session kept its last buffers in memory only; what came before them is gone")
    elif facts.wrapped and header.log_file_mode & _CIRCULAR:
        out.append("the circular file has wrapped: its oldest buffers were overwritten")
    elif facts.wrapped:
        out.append("one file of a series: what came before is in the files before it")
    if facts.full:
        out.append("the file has reached its maximum size; ETW does not count what it did not write after that")
    b = survey.buffers
    flagged = int(((b.flags & _LOST_FLAGS) != 0).sum())
    if flagged:
        out.append(f"{_many(flagged, 'buffer')} marked as having lost events or buffers")
    numbers = np.unique(b.sequence[(b.type != _TYPE_HEADER) & ((b.state & _STATE_HEADER) == 0)])
    missing = int(numbers[-1]) - int(numbers[0]) + 1 - len(numbers) if len(numbers) else 0
    if missing:
        word = _many(missing, "number")
        out.append(f"{word} missing in the sequence of buffers (files that lost nothing can have such holes, too)")
    return out


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{' is' if count == 1 else 's are'}"


def _pdbs(contents: Contents | None) -> list[dict[str, Any]]:
    """Return the PDBs that the trace names."""
    named = [] if contents is None else sorted(contents.debug_ids)
    return [{"name": one.name, "guid": one.guid, "age": one.age, "store_path": one.store_path} for one in named]


def _provider(held: Holding, contents: Contents | None) -> dict[str, Any]:
    readable = held.format in (Format.JUDGED, Format.READABLE)
    return {
        "name": held.name or None,
        "guid": held.guid,
        "family": held.family.value,
        "events": held.events,
        "bytes": held.bytes,
        "unpacked_bytes": held.unpacked_bytes,
        "class": {Format.JUDGED: "judged", Format.READABLE: "readable"}.get(held.format, "no_format"),
        "decoded_by": held.decoded_by or None if readable else None,
        "needs": None if readable else _NEEDS[held.family],
        "where": None if readable else _where(held.family, contents),
    }


def _where(family: Family, contents: Contents | None) -> str | None:
    """Return where what describes records would be found, None where that is not known."""
    if family is Family.EVENT:
        return "the provider's manifest (.man) or the binary that holds it, for --symbols"
    if family is not Family.MESSAGE:
        return None
    named = [] if contents is None else sorted(contents.debug_ids)
    if 0 < len(named) <= _FEW_PDBS:
        return "in a symbol store: " + ", ".join(one.store_path for one in named)
    if named:
        return f"where the driver was built; the trace names {len(named):,} PDBs, its own among them"
    return "where the driver was built; the trace does not name its PDB"


def _schemas(reading: Reading) -> list[dict[str, Any]]:
    """Return the self-describing events, most frequent first; ``problem`` where metadata was not understood."""
    counts = reading.inventory.by_schema
    guids = reading.file.guids
    rows = []
    for schema in reading.book.schemas:
        events = int(counts[schema.id]) if schema.id < len(counts) else 0
        rows.append(
            {
                "provider": schema.provider_name or None,
                "guid": guids.text(schema.provider) if schema.provider >= 0 else None,
                "event": schema.event_name,
                "events": events,
                "fields": [f.name for f in schema.layout.fields],
                "problem": schema.layout.problem or schema.traits.problem or None,
            }
        )
    return sorted(rows, key=lambda row: (-row["events"], row["provider"] or "", row["event"]))
