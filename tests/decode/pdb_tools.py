"""PDBs made by hand: any streams in any block order, so that tests need neither compiler nor linker."""

from __future__ import annotations

import os
import random
import struct
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0"
NIL = 0xFFFFFFFF
GUID = uuid.UUID("12345678-9abc-def0-1122-334455667788")
MESSAGE = "5b6f6c9a-1d2e-3f40-8192-a3b4c5d6e7f8"
CONTROL = "0d4fdc09-8c27-494a-bda0-505e4fd8adae"

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus")) / "wpp-pdb"


def msf(streams: Sequence[bytes | None], block_size: int = 512, seed: int | None = None) -> bytes:
    """A multi-stream file; with a seed its blocks lie in a shuffled order. A stream of None is a nil one."""
    counts = [-(-len(s or b"") // block_size) for s in streams]
    directory_bytes = 4 + 4 * len(streams) + 4 * sum(counts)
    directory_blocks = -(-directory_bytes // block_size)
    map_blocks = -(-4 * directory_blocks // block_size)
    needed = sum(counts) + directory_blocks + map_blocks
    total = 3 + needed
    free = list(range(3, total))
    if seed is not None:
        random.Random(seed).shuffle(free)
    blocks = [bytearray(b"\xcc" * block_size) for _ in range(total)]

    def store(raw: bytes) -> list[int]:
        used = []
        for at in range(0, len(raw), block_size):
            number = free.pop(0)
            blocks[number][: len(raw[at : at + block_size])] = raw[at : at + block_size]
            used.append(number)
        return used

    numbers = [store(s or b"") for s in streams]
    sizes = [NIL if s is None else len(s) for s in streams]
    words = [len(streams), *sizes, *(n for one in numbers for n in one)]
    where = store(struct.pack(f"<{len(words)}I", *words))
    maps = store(struct.pack(f"<{len(where)}I", *where))
    head = MAGIC + struct.pack(f"<5I{len(maps)}I", block_size, 1, total, directory_bytes, 0, *maps)
    blocks[0][: len(head)] = head
    return b"".join(blocks)


# -- symbols ----------------------------------------------------------------------------------------------------------


def record(kind: int, body: bytes) -> bytes:
    """A symbol or type record, padded to four bytes."""
    body += b"\0" * (-(len(body) + 4) % 4)
    return struct.pack("<HH", len(body) + 2, kind) + body


def annotation(*strings: str, offset: int = 0, count: int | None = None) -> bytes:
    text = b"".join(s.encode() + b"\0" for s in strings)
    return record(0x1019, struct.pack("<IHH", offset, 1, len(strings) if count is None else count) + text)


def tmf(number: int = 10, *args: str, line: int = 20, tail: str = "LEVEL=VERBOSE FLAGS=WSK_IO") -> bytes:
    head = f'#typev mini_c{line} {number} "%0[%!FUNC!] hello" //   {tail}'
    return annotation("TMF:", f"{MESSAGE} mini // SRC=mini.c MJ= MN=", head, "{", *args, "}")


def tmc(guid: str = CONTROL, name: str = "MiniGuid", *flags: str) -> bytes:
    return annotation("TMC:", guid, name, *flags)


class Symbols:
    """The symbol stream of a module; procedures know where they end."""

    def __init__(self) -> None:
        self.raw = bytearray(struct.pack("<I", 4))

    def add(self, *records: bytes) -> Symbols:
        for one in records:
            self.raw += one
        return self

    def procedure(self, name: str, *inner: bytes, kind: int = 0x1110, offset: int = 0, ended: bool = True) -> Symbols:
        head = record(kind, struct.pack("<8IHB", 0, 0, 0, 16, 0, 0, 0, offset, 1, 0) + name.encode() + b"\0")
        at = len(self.raw)
        self.raw += head + b"".join(inner)
        if ended:
            struct.pack_into("<I", self.raw, at + 8, len(self.raw))
        self.raw += record(0x0006, b"")
        return self

    def separated(self, parent: int, *inner: bytes) -> Symbols:
        """Code that was moved away from the procedure at offset ``parent``."""
        at = len(self.raw)
        self.raw += record(0x1132, struct.pack("<6IHH", 0, 0, 16, 0, 0x9000, parent, 2, 1)) + b"".join(inner)
        struct.pack_into("<I", self.raw, at + 8, len(self.raw))
        self.raw += record(0x0006, b"")
        return self

    def bytes(self) -> bytes:
        return bytes(self.raw)


# -- types ------------------------------------------------------------------------------------------------------------


def enumerator(name: str, value: int | bytes) -> bytes:
    """A member of a list of fields; the value as a short number or in the given form."""
    raw = struct.pack("<H", value) if isinstance(value, int) else value
    body = struct.pack("<HH", 0x1502, 3) + raw + name.encode() + b"\0"
    padding = -len(body) % 4
    return body + bytes(0xF0 + n for n in range(padding, 0, -1))


def goes_on(index: int) -> bytes:
    return struct.pack("<HHI", 0x1404, 0, index)


def fields(*members: bytes) -> bytes:
    return record(0x1203, b"".join(members))


def enum(name: str, field_list: int, *, forward: bool = False) -> bytes:
    return record(0x1507, struct.pack("<HHII", 2, 0x80 if forward else 0, 0x74, field_list) + name.encode() + b"\0")


def type_stream(*records: bytes) -> bytes:
    body = b"".join(records)
    return struct.pack("<5I", 20040203, 56, 0x1000, 0x1000 + len(records), len(body)) + bytes(36) + body


def udt(name: str, index: int) -> bytes:
    return record(0x1108, struct.pack("<I", index) + name.encode() + b"\0")


# -- the whole --------------------------------------------------------------------------------------------------------


def pdb_info(features: bytes = b"") -> bytes:
    """Stream 1: GUID, an age that is not the image's, and features."""
    return struct.pack("<III", 20000404, 1, 1) + GUID.bytes_le + bytes(16) + features


def pdb(
    *modules: bytes | None,
    types: bytes = b"",
    symbols: bytes = b"",
    flags: int = 0,
    machine: int = 0x8664,
    age: int = 3,
    features: bytes = b"",
    block_size: int = 512,
    seed: int | None = None,
    names: Sequence[str] = (),
    streams: Sequence[int] | None = None,
    sizes: Sequence[int] | None = None,
) -> bytes:
    """A PDB of modules, each the bytes of its symbols or None where it has none."""
    entries = b""
    own: list[bytes | None] = []
    for n, raw in enumerate(modules):
        stream = 0xFFFF if raw is None else 5 + len(own)
        own += [] if raw is None else [raw]
        stream = stream if streams is None else streams[n]
        size = len(raw or b"") if sizes is None else sizes[n]
        name = names[n] if names else f"C:\\src\\mod{n}.obj"
        entry = struct.pack("<34xHI24x", stream, size) + name.encode() + b"\0lib\0"
        entries += entry + b"\0" * (-len(entry) % 4)
    global_stream = 5 + len(own) if symbols else 0xFFFF
    dbi = struct.pack("<iII6H8I2H4x", -1, 19990903, age, 0xFFFF, 0, 0xFFFF, 0, global_stream, 0,
                      len(entries), 0, 0, 0, 0, 0, 0, 0, flags, machine)  # fmt: skip
    return msf(
        [b"", pdb_info(features), types, dbi + entries, b"", *own, *([symbols] if symbols else [])], block_size, seed
    )
