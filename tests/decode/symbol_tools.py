"""Traces of the writer that name a PDB and hold WPP messages, for tests of the symbol search."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from uuid import UUID

from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_records import RawRecord, message, perfinfo
from wsktrace.testing.etl_writer import write_records

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", ROOT.parent / "shared" / "corpus"))
#: message GUID of the made PDBs of the corpus; build of the x64 one
WSKMINI = UUID("5b6f6c9a-1d2e-3f40-8192-a3b4c5d6e7f8")
BUILD = UUID("d3e1184e-213c-b2fc-4c4c-44205044422e")
OPTIONS = TraceOptions()

TMF = """// PDB: drv.pdb
5b6f6c9a-1d2e-3f40-8192-a3b4c5d6e7f8 drv // SRC=Device.c MJ= MN=
#typev Device_c104 10 "%0[%!FUNC!] irp %10!p! of %11!s!" // LEVEL=TRACE_LEVEL_ERROR FLAGS=IO FUNC=DrvSend
{
Irp, ItemPtr -- 10
Name, ItemString -- 11
}
#typev Device_c7 11 "%0length %10!u!" // LEVEL=TRACE_LEVEL_VERBOSE FLAGS=IO FUNC=DrvReceive
{
Length, ItemLong -- 10
}
"""


def rsds(name: str, guid: UUID = BUILD, age: int = 1, clock: int | None = None) -> RawRecord:
    """The record by which ETW names the PDB of a binary."""
    payload = guid.bytes_le + struct.pack("<I", age) + f"C:\\build\\{name}".encode() + b"\0"
    return perfinfo(0, 64, payload, OPTIONS.clock_at(0) if clock is None else clock)


def wpp(number: int, payload: bytes, ns: int, *, cpu: int = 0, tid: int = 8, pid: int = 4) -> RawRecord:
    """A WPP message of the driver."""
    return message(number, payload, OPTIONS.clock_at(ns), cpu, guid=WSKMINI, tid=tid, pid=pid)


def trace(*records: RawRecord) -> bytes:
    return write_records(records, options=OPTIONS)


def usual(*more: RawRecord) -> bytes:
    """Two messages, on two processors, the later one written first."""
    first = wpp(10, struct.pack("<Q", 0xFFFF8001_23456780) + b"net\0", 1_000, cpu=0)
    second = wpp(11, struct.pack("<i", 42), 5_000, cpu=1, tid=12)
    return trace(*more, second, first)
