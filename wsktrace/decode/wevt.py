"""Manifests compiled into binaries: the resource WEVT_TEMPLATE of a .sys, .dll or .exe.

The message compiler turns a provider's manifest into blocks with four-letter names: CRIM (all), WEVT (a provider), and
in it EVNT (events), TTBL with TEMP (templates), MAPS with VMAP and BMAP, LEVL, OPCO, TASK, KEYW, EVTA (names of
events), PRVA (name of the provider). All offsets count from CRIM. Texts for people are in the message table.

Source: libfwevt's description of the format; item flags, map headers, EVTA and PRVA from output of the vendor's
compiler (the templates of 518 events, equal to their XML): struct 1, fixed length 2, length by property 4,
fixed count 8, count by property 16. They are not the flags of EVENT_PROPERTY_INFO.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from wsktrace.decode.corrections import corrected
from wsktrace.decode.formats import EventFormat, RecordKey, ValueMap
from wsktrace.decode.properties import LEVELS, MAX_DEPTH, MAX_PROPERTIES, OPCODES, Property, event_name, make_format
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

__all__ = ["Templates", "parse_templates"]

_NO_MESSAGE: Final = 0xFFFFFFFF
_CRIM: Final = struct.Struct("<4sIHHI")
_PROVIDER: Final = struct.Struct("<16sI")
_WEVT: Final = struct.Struct("<4sIIII")
_BLOCK: Final = struct.Struct("<4sII")
_EVENT: Final = struct.Struct("<HBBBBHQIIIIIIII")
_TEMPLATE: Final = struct.Struct("<4sIIII")
_ITEM: Final = struct.Struct("<IHHIHHI")
_MAP: Final = struct.Struct("<4sIIII")
#: value, message, name of a level; opcodes have task and value in the first; of a task and a keyword likewise
_LEVEL: Final = struct.Struct("<III")
_TASK: Final = struct.Struct("<II16xI")
_KEYWORD: Final = struct.Struct("<QII")
_PAIR: Final = struct.Struct("<II")
_WORD: Final = struct.Struct("<I")
_EVENT_ATTRIBUTE: Final = struct.Struct("<BBHI")
_STRUCT, _FIXED_LENGTH, _LENGTH_ITEM, _FIXED_COUNT, _COUNT_ITEM = 1, 2, 4, 8, 16
_EVENT_NAME, _PROVIDER_NAME = 0x11, 0x10000001
_EVENT_HEAD: Final = 16
#: Blocks of one provider; there are eleven kinds.
_MAX_BLOCKS: Final = 64
_NAME_BYTES: Final = 1 << 10
#: Characters of what a task, keyword and the like is called: many events may have the same ones.
_LABEL: Final = 256
_VERSIONS: Final = (3, 4, 5)


@dataclass(slots=True)
class Templates:
    """The events that a binary's WEVT_TEMPLATE describes; a ``FormatSource``.

    Attributes:
        name: of the file.
        events: formats by (provider's 16 raw bytes, event id, version).
        providers: names by 16 raw bytes, empty where the binary does not say.
    """

    name: str
    events: dict[tuple[bytes, int, int], EventFormat] = field(default_factory=dict)
    providers: dict[bytes, str] = field(default_factory=dict)

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a kind of record, None where this binary does not describe it."""
        return self.events.get((key.guid, key.id, key.version)) if key.family == "event" else None


def parse_templates(data: bytes, name: str, source: str, messages: Mapping[int, str]) -> Templates:
    """Parse the data of a WEVT_TEMPLATE resource.

    Args:
        data: its bytes.
        name: what error messages call it.
        source: ``EventFormat.source`` of what it describes.
        messages: the texts of the message table, by identifier.

    Raises:
        FormatError: the data are cut or make no sense.
    """
    reader = _Reader(data, name)
    signature, size, major, _, count = reader.take(_CRIM, 0)
    if signature != b"CRIM":
        raise FormatError(f"{name}: WEVT_TEMPLATE begins with {signature!r}, not with CRIM")
    if size > len(data):
        raise FormatError(f"{name}: WEVT_TEMPLATE is cut: {len(data)} of {size} bytes")
    if major not in _VERSIONS:
        raise FormatError(f"{name}: WEVT_TEMPLATE of version {major}; 3 to 5 are known")
    out = Templates(name)
    texts = {number: text.rstrip() for number, text in messages.items()}
    for guid, offset in reader.table(_PROVIDER, _CRIM.size, count):
        if guid in out.providers:
            continue
        provider = _ProviderReader(reader, guid, offset, texts)
        out.providers[guid] = provider.name
        for key, found in provider.events(source):
            out.events.setdefault(key, found)
    return out


class _Reader:
    """Bounds-checked reading at offsets; what overlaps itself to look like more than it is, is refused."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        #: entries of tables that may still be read: no two tables share bytes in a real resource
        self.budget = len(data) // _BLOCK.size + 64

    def take(self, form: struct.Struct, offset: int) -> tuple[Any, ...]:
        """Unpack at an offset."""
        if offset + form.size > len(self.data):
            raise FormatError(f"{self.name}: WEVT_TEMPLATE points to byte {offset}, it has {len(self.data)}")
        return form.unpack_from(self.data, offset)

    def table(self, form: struct.Struct, offset: int, count: int) -> Iterator[tuple[Any, ...]]:
        """Unpack so many entries."""
        self.budget -= count
        if self.budget < 0 or offset + count * form.size > len(self.data):
            raise FormatError(f"{self.name}: WEVT_TEMPLATE has tables with more entries than it has room for")
        return form.iter_unpack(self.data[offset : offset + count * form.size])

    def counted(self, offset: int) -> str:
        """Return a text with its size in front, empty where the offset is none."""
        if not 0 < offset <= len(self.data) - 4:
            return ""
        size = int.from_bytes(self.data[offset : offset + 4], "little")
        return self.data[offset + 4 : offset + min(size, _NAME_BYTES)].decode("utf-16-le", "replace").rstrip("\0")

    def ended(self, offset: int) -> str:
        """Return a text with a NUL behind it, empty where the offset is none."""
        text = self.data[offset : offset + _NAME_BYTES] if offset else b""
        return text.decode("utf-16-le", "replace").partition("\0")[0]


class _ProviderReader:
    """One WEVT block."""

    def __init__(self, reader: _Reader, guid: bytes, offset: int, messages: Mapping[int, str]) -> None:
        self.reader = reader
        self.guid = guid
        self.messages = messages
        signature, _, message, count, _ = reader.take(_WEVT, offset)
        if signature != b"WEVT":
            raise FormatError(f"{reader.name}: WEVT_TEMPLATE has {signature!r} where a provider should be")
        self.blocks: dict[bytes, int] = {}
        for place, _ in reader.table(_PAIR, offset + _WEVT.size, min(count, _MAX_BLOCKS)):
            self.blocks.setdefault(reader.take(_BLOCK, place)[0], place)
        self.names = dict(self.event_names())
        self.name = self.provider_name() or self.message(message)
        self.bases: dict[int, EventFormat] = {}
        self.maps: dict[int, ValueMap] = {}

    def provider_name(self) -> str:
        """Return the provider's name, where it has traits."""
        for kind, offset in self.block(b"PRVA", _PAIR, _BLOCK.size):
            if kind == _PROVIDER_NAME:
                return self.reader.ended(offset)
        return ""

    def event_names(self) -> Iterator[tuple[tuple[int, int], str]]:
        """Give the names of events that have one, by id and version."""
        for kind, version, number, offset in self.block(b"EVTA", _EVENT_ATTRIBUTE, _BLOCK.size):
            if kind == _EVENT_NAME:
                yield (number, version), self.reader.ended(offset)

    def block(self, signature: bytes, form: struct.Struct, head: int) -> Iterator[tuple[Any, ...]]:
        """Give the entries of a block, none where the provider has no such block."""
        place = self.blocks.get(signature)
        if place is None:
            return iter(())
        return self.reader.table(form, place + head, self.reader.take(_BLOCK, place)[2])

    def events(self, source: str) -> Iterator[tuple[tuple[bytes, int, int], EventFormat]]:
        """Read the events."""
        for entry in self.block(b"EVNT", _EVENT, _EVENT_HEAD):
            number, version, _, level, opcode, _, _, message, template, opcode_at, level_at, task_at, count, at, _ = (
                entry
            )
            base = self.bases.get(template)
            if base is None:
                base = self.bases[template] = self.base(template, source)
            name = event_name(
                number,
                name=self.names.get((number, version), ""),
                task=self.label(_TASK, task_at),
                opcode=(self.label(_LEVEL, opcode_at) or OPCODES.get(opcode, "")) if opcode else "",
            )
            keywords = [self.label(_KEYWORD, place) for (place,) in self.reader.table(_WORD, at, count)] if at else []
            found = replace(
                base,
                name=name,
                message=self.message(message),
                level=LEVELS.get(level) or self.label(_LEVEL, level_at),
                keywords=", ".join(keywords),
            )
            yield (self.guid, number, version), found

    def base(self, template: int, source: str) -> EventFormat:
        """Make the format of a template, without what each event adds."""
        properties: tuple[Property, ...] = ()
        if template:
            signature, _, top, total, items_at = self.reader.take(_TEMPLATE, template)
            if signature != b"TEMP":
                raise FormatError(f"{self.reader.name}: WEVT_TEMPLATE has {signature!r} where a template should be")
            if top > total or total > MAX_PROPERTIES:
                raise FormatError(f"{self.reader.name}: a template with {top} of {total} properties")
            items = list(self.reader.table(_ITEM, items_at, total))
            properties = tuple(self.property(items, i, 0, 0) for i in range(top))
        return make_format(corrected(self.guid, properties), self.map, provider=self.name, name="", source=source)

    def property(self, items: list[tuple[Any, ...]], index: int, first: int, depth: int) -> Property:
        """Return an item as a property; ``first`` is the index of the first item beside it."""
        flags, low, _, map_at, count, length, name_at = items[index]
        name = self.reader.counted(name_at)

        def other(place: int) -> str:
            # where a struct's member names an item beside it, nobody says whether its number counts from the struct's
            # first item or from the template's (TDH's do): it is the one that gives an item of the struct before it
            if not first <= place < index and first + place < index:
                place += first
            return self.reader.counted(items[place][6]) if place < len(items) else f"item {place}"

        elements = other(count) if flags & _COUNT_ITEM else count if flags & _FIXED_COUNT else None
        if flags & _STRUCT:
            start, members = low, items[index][2]
            if start <= index or start + members > len(items) or depth >= MAX_DEPTH:
                return Property(name, problem=f"struct {name!r} has members that the template does not")
            self.reader.budget -= members
            if self.reader.budget < 0:
                raise FormatError(
                    f"{self.reader.name}: WEVT_TEMPLATE has structs with more members than it has room for"
                )
            inner = tuple(self.property(items, i, start, depth + 1) for i in range(start, start + members))
            return Property(name, count=elements, members=inner)
        units = other(length) if flags & _LENGTH_ITEM else length if flags & _FIXED_LENGTH else None
        return Property(name, low & 0xFF, low >> 8, units, elements, map_at or None)

    def map(self, offset: Hashable) -> ValueMap | None:
        """Return the map at an offset."""
        assert isinstance(offset, int)
        if offset not in self.maps:
            signature, _, _, _, count = self.reader.take(_MAP, offset)
            entries = self.reader.table(_PAIR, offset + _MAP.size, count) if signature in (b"VMAP", b"BMAP") else ()
            # without the message table a value has no name; it is then shown as it is
            names = {value: self.message(message) for value, message in entries}
            self.maps[offset] = ValueMap({v: n for v, n in names.items() if n}, bits=signature == b"BMAP")
        return self.maps[offset]

    def label(self, form: struct.Struct, offset: int) -> str:
        """Return what a task, opcode, level or keyword is called: its text for people, else its name."""
        if not offset:
            return ""
        _, message, name_at = self.reader.take(form, offset)
        return (self.message(message) or self.reader.counted(name_at).rpartition(":")[2])[:_LABEL]

    def message(self, number: int) -> str:
        """Return a text of the message table, empty where it has none."""
        return "" if number == _NO_MESSAGE else self.messages.get(number, "")
