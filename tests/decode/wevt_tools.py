"""WEVT_TEMPLATE resources, message tables and PE files made by hand from the format's description, not by the reader.

Layout of the blocks: libfwevt's description; item flags and map headers as the vendor's compiler writes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from manifest_tools import GUID

if TYPE_CHECKING:
    from collections.abc import Sequence

STRUCT, FIXED_LENGTH, LENGTH, FIXED_COUNT, COUNT = 1, 2, 4, 8, 16
NONE = 0xFFFFFFFF


@dataclass(frozen=True)
class Item:
    name: str
    kind: int = 8
    out: int = 8
    flags: int = 0
    map: str = ""
    count: int = 0
    length: int = 0
    members: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Event:
    number: int
    version: int = 0
    level: int = 4
    opcode: int = 0
    message: int = NONE
    template: tuple[Item, ...] | None = None
    task: str = ""
    opcode_name: str = ""
    level_name: str = ""
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Map:
    name: str
    entries: dict[int, int]
    bits: bool = False


@dataclass(frozen=True)
class Provider:
    events: Sequence[Event]
    guid: UUID = GUID
    message: int = NONE
    maps: Sequence[Map] = ()
    #: name → message identifier
    tasks: dict[str, int] = field(default_factory=dict)
    opcodes: dict[str, int] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    keywords: dict[str, int] = field(default_factory=dict)
    #: PRVA: the provider's name; EVTA: names of events
    name: str = ""
    names: dict[tuple[int, int], str] = field(default_factory=dict)


class Blob:
    """Bytes that grow; every offset is from the first of them."""

    def __init__(self) -> None:
        self.data = bytearray()

    def put(self, data: bytes) -> int:
        self.data += bytes(-len(self.data) % 4)
        at = len(self.data)
        self.data += data
        return at

    def counted(self, text: str) -> int:
        raw = text.encode("utf-16-le") + b"\0\0"
        return self.put(struct.pack("<I", 4 + len(raw)) + raw)

    def ended(self, text: str) -> int:
        return self.put(text.encode("utf-16-le") + b"\0\0")

    def word(self, at: int, value: int) -> None:
        struct.pack_into("<I", self.data, at, value)


def crim(providers: Sequence[Provider], version: int = 5) -> bytes:
    """A whole WEVT_TEMPLATE resource."""
    out = Blob()
    out.put(struct.pack("<4sIHHI", b"CRIM", 0, version, 1, len(providers)))
    heads = [out.put(p.guid.bytes_le + bytes(4)) for p in providers]
    for head, provider in zip(heads, providers, strict=True):
        out.word(head + 16, _provider(out, provider))
    out.word(4, len(out.data))
    return bytes(out.data)


def _provider(out: Blob, provider: Provider) -> int:
    at = out.put(struct.pack("<4sIIII", b"WEVT", 0, provider.message, 9, 0) + bytes(9 * 8))
    blocks: list[int] = []
    places: dict[tuple[str, str], int] = {}

    def table(signature: bytes, kind: str, names: dict[str, int], form: str, name_word: int) -> None:
        size = struct.calcsize(form)
        place = out.put(struct.pack("<4sII", signature, 12 + size * len(names), len(names)) + bytes(size * len(names)))
        blocks.append(place)
        for index, (name, message) in enumerate(names.items()):
            entry = place + 12 + index * size
            places[kind, name] = entry
            values = {"<III": (index, message, 0), "<II16xI": (index, message, 0), "<QII": (1 << index, message, 0)}
            struct.pack_into(form, out.data, entry, *values[form])
            out.word(entry + name_word, out.counted(name))
        # as the compiler does: sizes with the names, 0 of an empty table
        out.word(place + 4, len(out.data) - place if names else 0)

    table(b"OPCO", "opcode", provider.opcodes, "<III", 8)
    table(b"LEVL", "level", provider.levels, "<III", 8)
    table(b"TASK", "task", provider.tasks, "<II16xI", 24)
    table(b"KEYW", "keyword", provider.keywords, "<QII", 12)

    place = out.put(struct.pack("<4sII", b"MAPS", 0, len(provider.maps)) + bytes(4 * len(provider.maps)))
    blocks.append(place)
    for index, one in enumerate(provider.maps):
        size = 20 + 8 * len(one.entries)
        head = struct.pack("<4sIIII", b"BMAP" if one.bits else b"VMAP", size, 0, one.bits, len(one.entries))
        places["map", one.name] = out.put(head + b"".join(struct.pack("<II", *e) for e in one.entries.items()))
        out.word(place + 12 + 4 * index, places["map", one.name])
        out.word(places["map", one.name] + 8, out.counted(one.name))
    out.word(place + 4, len(out.data) - place)
    if not provider.maps:
        blocks.pop()

    shared: dict[tuple[Item, ...], int] = {}
    wanted = [e.template for e in provider.events if e.template is not None]
    place = out.put(struct.pack("<4sII", b"TTBL", 0, len(set(wanted))))
    blocks.append(place)
    for items in wanted:
        if items not in shared:
            shared[items] = _template(out, items, places)
    out.word(place + 4, len(out.data) - place)

    rows = len(provider.events)
    place = out.put(struct.pack("<4sIII", b"EVNT", 16 + 48 * rows, rows, 0) + bytes(48 * rows))
    blocks.append(place)
    for index, event in enumerate(provider.events):
        keywords = [places["keyword", k] for k in event.keywords]
        listed = out.put(struct.pack(f"<{len(keywords)}I", *keywords)) if keywords else 0
        struct.pack_into(
            "<HBBBBHQIIIIIIII", out.data, place + 16 + 48 * index,
            event.number, event.version, 0, event.level, event.opcode, 0, 0, event.message,
            0 if event.template is None else shared[event.template],
            places.get(("opcode", event.opcode_name), 0), places.get(("level", event.level_name), 0),
            places.get(("task", event.task), 0), len(keywords), listed, 0,
        )  # fmt: skip

    count = len(provider.names)
    place = out.put(struct.pack("<4sII", b"EVTA", 12 + 8 * count, count) + bytes(8 * count)) if count else 0
    for index, ((number, version), name) in enumerate(provider.names.items()):
        struct.pack_into("<BBHI", out.data, place + 12 + 8 * index, 0x11, version, number, out.ended(name))
    blocks += [place] if count else []
    if provider.name:
        place = out.put(struct.pack("<4sII", b"PRVA", 20, 1) + bytes(8))
        struct.pack_into("<II", out.data, place + 12, 0x10000001, out.ended(provider.name))
        blocks.append(place)

    for index, block in enumerate(blocks):
        out.word(at + 20 + 8 * index, block)
    out.word(at + 4, len(out.data) - at)
    out.word(at + 12, len(blocks))
    return at


def _template(out: Blob, items: tuple[Item, ...], places: dict[tuple[str, str], int]) -> int:
    every = list(items)
    starts: dict[int, int] = {}
    for index, one in enumerate(items):
        if one.members:
            starts[index] = len(every)
            every += one.members
    fragment = b"\x0f\x01\x01\x00\x00\x00\x00\x00"
    at = out.put(
        struct.pack("<4sIIIII", b"TEMP", 0, len(items), len(every), 0, 1) + UUID(int=len(out.data)).bytes_le + fragment
    )
    table = out.put(bytes(20 * len(every)))
    out.word(at + 16, table)
    for index, one in enumerate(every):
        low = (
            struct.pack("<HH", starts[index], len(one.members))
            if one.members
            else struct.pack("<BBH", one.kind, one.out, 0)
        )
        struct.pack_into(
            "<I4sIHHI", out.data, table + 20 * index, one.flags | (STRUCT if one.members else 0), low,
            places.get(("map", one.map), 0), one.count, one.length, 0,
        )  # fmt: skip
        out.word(table + 20 * index + 16, out.counted(one.name))
    out.word(at + 4, len(out.data) - at)
    return at


def message_table(messages: dict[int, str], *, wide: bool = True) -> bytes:
    """A message table with one range per identifier."""
    head = struct.pack("<I", len(messages))
    at = 4 + 12 * len(messages)
    entries = b""
    for number, text in messages.items():
        raw = (text + "\r\n").encode("utf-16-le" if wide else "utf-8") + b"\0\0"
        raw += bytes(-len(raw) % 4)
        head += struct.pack("<III", number, number, at + len(entries))
        entries += struct.pack("<HH", 4 + len(raw), int(wide)) + raw
    return head + entries


def pe(resources: Sequence[tuple[str | int, int, bytes]], *, machine: int = 0x8664) -> bytes:
    """A PE32+ file of one section that holds resources: (type, language, data)."""
    base, raw = 0x1000, 0x400
    out = Blob()

    def directory(entries: Sequence[tuple[str | int, int]]) -> int:
        named = sum(isinstance(k, str) for k, _ in entries)
        return out.put(struct.pack("<IIHHHH", 0, 0, 0, 0, named, len(entries) - named) + bytes(8 * len(entries)))

    kinds = sorted(dict.fromkeys(k for k, _, _ in resources), key=lambda k: (isinstance(k, int), str(k)))
    root = directory([(k, 0) for k in kinds])
    for index, kind in enumerate(kinds):
        entry = root + 16 + 8 * index
        if isinstance(kind, str):
            label = out.put(struct.pack("<H", len(kind)) + kind.encode("utf-16-le"))
            out.word(entry, 0x80000000 | label)
        else:
            out.word(entry, kind)
        mine = [(language, data) for k, language, data in resources if k == kind]
        names = directory([(1, 0)])
        out.word(entry + 4, 0x80000000 | names)
        languages = directory([(language, 0) for language, _ in mine])
        out.word(names + 16, 1)
        out.word(names + 20, 0x80000000 | languages)
        for place, (language, data) in enumerate(mine):
            at = out.put(data)
            leaf = out.put(struct.pack("<IIII", base + at, len(data), 0, 0))
            out.word(languages + 16 + 8 * place, language)
            out.word(languages + 16 + 8 * place + 4, leaf)
    section = bytes(out.data) + bytes(-len(out.data) % 0x200)
    directories = [(0, 0)] * 16
    directories[2] = (base, len(out.data))
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, len(section), 0, 0, base)
    image = base + ((len(section) + 0xFFF) & ~0xFFF)
    versions_and_sizes = (6, 1, 0, 0, 6, 1, 0, image, raw, 0, 1, 0)
    stacks = (1 << 20, 4096, 1 << 20, 4096, 0, 16)
    optional += struct.pack("<QIIHHHHHHIIIIHHQQQQII", 1 << 30, 0x1000, 0x200, *versions_and_sizes, *stacks)
    optional += b"".join(struct.pack("<II", *d) for d in directories)
    coff = struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x2022)
    rows = struct.pack("<8sIIIIIIHHI", b".rsrc", len(out.data), base, len(section), raw, 0, 0, 0, 0, 0x40000040)
    dos = b"MZ" + bytes(58) + struct.pack("<I", 0x40)
    whole = dos + b"PE\0\0" + coff + optional + rows
    return whole + bytes(raw - len(whole)) + section
