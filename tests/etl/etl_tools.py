"""ETL bytes by hand, written with struct from the format page alone: the tests' own idea of the format.

Nothing here uses the package or its writer, so that both are held against something else.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("WSKTRACE_CORPUS") or _HERE.parent / "shared" / "corpus")
ETL = CORPUS / "etl"
EXPECTED: dict[str, dict] = json.loads((ETL / "expected.json").read_text()) if (ETL / "expected.json").exists() else {}

needs_corpus = pytest.mark.skipif(
    not EXPECTED, reason="the corpus of real traces is not here; set WSKTRACE_CORPUS to its folder"
)
corpus_files = pytest.mark.parametrize("name", sorted(EXPECTED) or [pytest.param("none", marks=needs_corpus)])

FREQUENCY = 10_000_000
START = 132_264_173_104_203_138  # FILETIME
CLOCK = 2_745_263_251_517
HEADER = 0x48
GUID_A = bytes(range(16))
GUID_B = bytes(range(100, 116))


def aligned(data: bytes, fill: bytes = b"\xaa") -> bytes:
    """Pad to a multiple of 8 (with bytes that a reader must not look at)."""
    return data + fill * (-len(data) % 8)


def system(kind=2, group=3, type_=1, tid=11, pid=12, clock=CLOCK + 1, version=2, body=b"payload", times=True) -> bytes:
    fixed = 0x20 if kind in (1, 2) else 0x18
    size = fixed + len(body)
    head = struct.pack("<HBBHBBIIq", version, kind, 0xC0, size, type_, group, tid, pid, clock)
    return head + (struct.pack("<II", 5, 6) if kind in (1, 2) else b"") + body


def perfinfo(kind=17, group=0xF, type_=0x22, clock=CLOCK + 2, version=2, body=b"12345678") -> bytes:
    return struct.pack("<HBBHBBq", version, kind, 0xC0, 0x10 + len(body), type_, group, clock) + body


def full(kind=20, type_=32, level=4, version=2, tid=21, pid=22, clock=CLOCK + 3, guid=GUID_A, body=b"mof") -> bytes:
    head = struct.pack("<HBBBBHIIq", 0x30 + len(body), kind, 0xC0, type_, level, version, tid, pid, clock)
    return head + guid + struct.pack("<II", 7, 8) + body


def instance(kind=21, guid=GUID_A, clock=CLOCK + 4, body=b"inst") -> bytes:
    head = struct.pack("<HBBBBHIIq", 0x48 + len(body), kind, 0xC0, 9, 3, 1, 31, 32, clock)
    return head + guid + struct.pack("<IIII", 7, 8, 77, 78) + GUID_B + body


def event(
    kind=19, flags=0, tid=41, pid=42, clock=CLOCK + 5, guid=GUID_B, id_=7, version=1, channel=2, level=4, opcode=6,
    task=500, keyword=0x8000_0000_0000_0001, ext=b"", body=b"userdata!",
) -> bytes:  # fmt: skip
    size = 0x50 + len(ext) + len(body)
    head = struct.pack("<HBBHHIIq", size, kind, 0xC0, flags | (1 if ext else 0), 0, tid, pid, clock)
    head += guid + struct.pack("<HBBBBHQQ", id_, version, channel, level, opcode, task, keyword, 0) + bytes(16)
    return head + ext + body


def item(type_: int, data: bytes, more: bool) -> bytes:
    """One extended data item as it lies on disk."""
    size = (8 + len(data) + 7) & ~7
    return (struct.pack("<HHHH", size, type_, int(more), len(data)) + data).ljust(size, b"\0")


def message(
    flags=0xAA, number=10, seq=900, guid=GUID_A, component=55, clock=CLOCK + 6, tid=51, pid=52, body=b"ARGS"
) -> bytes:
    out = b""
    if flags & 1:
        out += struct.pack("<I", seq)
    if flags & 2:
        out += guid
    elif flags & 4:
        out += struct.pack("<I", component)
    if flags & 8:
        out += struct.pack("<q", clock)
    if flags & 0x20:
        out += struct.pack("<II", tid, pid)
    out += body
    return struct.pack("<HBBHH", 8 + len(out), 0, 0x90, number, flags) + out


def timed(clock=CLOCK + 7, event_id=0x1234, body=b"old!") -> bytes:
    return struct.pack("<HHIq", 0x10 + len(body), 0xB000, event_id, clock) + body


def opaque(kind: int, body=b"whatever") -> bytes:
    return struct.pack("<HBBI", 8 + len(body), kind, 0xC0, 0) + body


def buffer(
    records: list[bytes] | bytes, size=4096, cpu=1, sequence=2, flush=CLOCK + 100, flags=0x20, type_=0, state=3,
    offset=None, saved=None, processor=None, fill=b"\xff",
) -> bytes:  # fmt: skip
    body = records if isinstance(records, bytes) else b"".join(aligned(r) for r in records)
    used = HEADER + len(body)
    word = cpu if processor is None else processor
    head = struct.pack(
        "<IIIiqqQHHIIHH", size, used if saved is None else saved, used, 0, flush, sequence, 0xFFFF_AC85_984C_3020, word,
        4, state, used if offset is None else offset, flags, type_,
    )  # fmt: skip
    return (head + bytes(16) + body).ljust(size, fill)


def log_header(
    pointers=8, buffer_size=4096, end=START + 10_000_000, mode=1, lost=0, buffers_lost=0, freq=FREQUENCY, start=START,
    clock_type=1, mhz=3000, clock=CLOCK, cpus=4, logger="Wsk Session", file="C:\\t.etl", pointer_size=None,
) -> bytes:  # fmt: skip
    out = struct.pack(
        "<I4BIIqIIIIIIII", buffer_size, 10, 0, 1, 5, 19045, cpus, end, 156250, 100, mode, 3, 1,
        pointers if pointer_size is None else pointer_size, lost, mhz,
    )  # fmt: skip
    out += bytes(2 * pointers)
    name = "@tzres.dll,-212".encode("utf-16-le").ljust(64, b"\0")
    out += struct.pack("<i", -60) + name + bytes(16) + struct.pack("<i", 0) + name + bytes(16) + struct.pack("<i", -60)
    out += bytes(-len(out) % 8)
    out += struct.pack("<qqqII", START - 10**12, freq, start, clock_type, buffers_lost)
    assert len(out) == (0x118 if pointers == 8 else 0x110)
    out += (logger + "\0" + file + "\0").encode("utf-16-le")
    kind = 2 if pointers == 8 else 1
    return struct.pack("<HBBHBBIIqII", 2, kind, 0xC0, 0x20 + len(out), 0, 0, 4, 8, clock, 0, 0) + out


def etl(*buffers: bytes, size=4096, extra: list[bytes] | None = None, compression=0, **header: object) -> bytes:
    """A file: a header buffer (with more records in it where asked for), then the buffers given."""
    mode = 1 | (0x0400_0000 if compression else 0)
    records = [log_header(buffer_size=size, **{"mode": mode, **header}), *(extra or [])]
    first = buffer(
        records, size=size, cpu=0, sequence=1, flush=0, flags=0x21, type_=4, state=compression or 3, saved=0x60
    )
    return first + b"".join(buffers)


def packed(records: list[bytes] | bytes, pack, **more: object) -> bytes:
    """A compressed buffer: ``pack`` makes the body's bytes."""
    body = records if isinstance(records, bytes) else b"".join(aligned(r) for r in records)
    small = pack(body)
    return buffer(small, size=HEADER + len(small), offset=HEADER + len(body), flags=0x60, **more)
