"""Event metadata that merged traces carry: records of the class EventMetadata, one per kind of event and per map.

Whoever merged the trace asked the system's manifests and wrote down what they say. Type 32 holds a TRACE_EVENT_INFO,
type 33 a provider's GUID and an EVENT_MAP_INFO. Such records may come after the events that they describe.

Source: the vendor's tdh.h (TRACE_EVENT_INFO, EVENT_PROPERTY_INFO, EVENT_MAP_INFO); etl-and-wpp-format, 1.7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np

from wsktrace.decode.corrections import corrected
from wsktrace.decode.formats import EventFormat, RecordKey, ValueMap
from wsktrace.decode.properties import LEVELS, MAX_DEPTH, MAX_PROPERTIES, Property, event_name, make_format
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Hashable

    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["EVENT_METADATA", "EventMetadata", "parse_event_info", "parse_map_info"]

#: Class GUID of the records, as 16 raw bytes.
EVENT_METADATA: Final = UUID("bbccf6c1-6cd1-48c4-80ff-839482e37671").bytes_le
_EVENT_INFO, _MAP_INFO = 32, 33
_SOURCE: Final = "event metadata in the trace"
_KINDS: Final = (Kind.FULL32, Kind.FULL64)
_MAX_PROBLEMS: Final = 100
#: Bytes of a name: many properties may point to one text, and a small record must not become a large one.
_NAME_BYTES: Final = 512

#: GUIDs of provider and class; id, version, channel, level, opcode, task, keyword; DecodingSource; twelve offsets of
#: texts (and one size among them); PropertyCount, TopLevelPropertyCount, Flags
_INFO: Final = struct.Struct("<16s16sHBBBBHQI12I3I")
_PROPERTY: Final = struct.Struct("<IIHHIHHI")
_MAP_HEAD: Final = struct.Struct("<IIII")
_MAP_ENTRY: Final = struct.Struct("<II")
_STRUCT, _LENGTH_PROPERTY, _COUNT_PROPERTY, _FIXED_COUNT = 1, 2, 4, 0x20
_XML, _WBEM = 0, 1
#: EVENT_MAP_INFO.Flag: bits of a mask (manifest), numbers of bits (WBEM), patterns and texts instead of numbers
_BIT_MAP, _PATTERN_MAP, _WBEM_BIT_MAP, _WBEM_FLAG = 0x2, 0x4, 0x10, 0x20


@dataclass(frozen=True, slots=True)
class EventInfo:
    """What one TRACE_EVENT_INFO says; ``key`` is (family, GUID, id or type, version)."""

    key: tuple[str, bytes, int, int]
    guid: bytes
    provider: str
    name: str
    message: str
    level: str
    keywords: str
    properties: tuple[Property, ...]
    problem: str


@dataclass(slots=True)
class EventMetadata:
    """The event metadata of one trace; a ``FormatSource`` that grows while chunks go by.

    Attributes:
        problems: what of it could not be understood, the first hundred.
        records: metadata records met.
    """

    problems: list[str] = field(default_factory=list)
    records: int = 0
    _infos: dict[tuple[str, bytes, int, int], EventInfo] = field(default_factory=dict, repr=False)
    _maps: dict[tuple[bytes, str], ValueMap] = field(default_factory=dict, repr=False)
    _made: dict[tuple[str, bytes, int, int], EventFormat] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self._infos)

    def add(self, chunk: Chunk, guids: GuidTable) -> None:
        """Take the metadata records of a chunk."""
        code = guids.codes.get(EVENT_METADATA)
        if code is None:
            return
        records = chunk.records
        chosen = (records.guid == code) & np.isin(records.kind, _KINDS)
        for row in np.flatnonzero(chosen & ((records.opcode == _EVENT_INFO) | (records.opcode == _MAP_INFO))).tolist():
            payload = chunk.data[records.payload[row] : records.end[row]].tobytes()
            self.add_record(int(records.opcode[row]), payload)

    def add_record(self, kind: int, payload: bytes) -> None:
        """Take the payload of one metadata record of type 32 or 33; the first of several about the same is kept."""
        self.records += 1
        try:
            if kind == _EVENT_INFO:
                info = parse_event_info(payload)
                if info is not None:
                    self._infos.setdefault(info.key, info)
            else:
                guid, name, found = parse_map_info(payload)
                self._maps.setdefault((guid, name), found)
                self._made.clear()  # formats made without this map
        except ValueError as error:
            if len(self.problems) < _MAX_PROBLEMS:
                self.problems.append(str(error))

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a kind of record, None where the metadata met so far does not describe it."""
        number = key.id if key.family == "event" else key.opcode
        wanted = (key.family, key.guid, number, key.version)
        info = self._infos.get(wanted)
        if info is None:
            return None
        if wanted not in self._made:
            self._made[wanted] = self._make(info)
        return self._made[wanted]

    def _make(self, info: EventInfo) -> EventFormat:
        def lookup(name: Hashable) -> ValueMap | None:
            return self._maps.get((info.guid, str(name)))

        return make_format(
            corrected(info.guid, info.properties),
            lookup,
            provider=info.provider,
            name=info.name,
            source=_SOURCE,
            message=info.message,
            level=info.level,
            keywords=info.keywords,
            problem=info.problem,
        )


def parse_event_info(blob: bytes) -> EventInfo | None:
    """Parse a TRACE_EVENT_INFO; None where it is of a kind that describes itself elsewhere (WPP, TraceLogging).

    Raises:
        ValueError: it is cut or makes no sense.
    """
    if len(blob) < _INFO.size:
        raise ValueError(f"event metadata of {len(blob)} bytes, {_INFO.size} are the least")
    provider, klass, number, version, _, level, opcode, _, _, decoding, *rest = _INFO.unpack_from(blob)
    provider_at, level_at, _, keywords_at, task_at, opcode_at, message_at, _, _, _, name_at, _ = rest[:12]
    total, top, _ = rest[12:]
    if decoding not in (_XML, _WBEM):
        return None
    listed = _Properties(blob, min(total, MAX_PROPERTIES))
    problem = "" if total <= MAX_PROPERTIES and top <= total else f"event metadata with {top} of {total} properties"
    properties = tuple(listed.one(i, 0) for i in range(min(top, listed.count)))
    if listed.count < min(total, MAX_PROPERTIES):
        problem = f"event metadata ends after {listed.count} of {total} properties"
    classic = decoding == _WBEM
    return EventInfo(
        ("classic", klass, opcode, version) if classic else ("event", provider, number, version),
        provider,
        _text(blob, provider_at),
        event_name(
            number,
            name="" if classic else _text(blob, name_at),
            task=_text(blob, task_at),
            opcode=_text(blob, opcode_at).removeprefix("win:") if opcode or classic else "",
        ),
        _text(blob, message_at, len(blob)),
        LEVELS.get(level, "") or _text(blob, level_at),
        ", ".join(_texts(blob, keywords_at)),
        properties,
        problem,
    )


def parse_map_info(blob: bytes) -> tuple[bytes, str, ValueMap]:
    """Parse a provider's GUID and its EVENT_MAP_INFO; returns the GUID, the map's name, and the map.

    Raises:
        ValueError: it is cut, or maps something other than numbers.
    """
    info = blob[16:]
    if len(info) < _MAP_HEAD.size:
        raise ValueError(f"map metadata of {len(blob)} bytes, {16 + _MAP_HEAD.size} are the least")
    name_at, flag, count, kind = _MAP_HEAD.unpack_from(info)
    name = _text(info, name_at)
    if flag & _PATTERN_MAP or kind != 0:
        raise ValueError(f"map {name!r} maps texts, not numbers")
    if count > (len(info) - _MAP_HEAD.size) // _MAP_ENTRY.size:
        raise ValueError(f"map {name!r} ends before its {count} entries do")
    names: dict[int, str] = {}
    room = len(blob)
    entries = info[_MAP_HEAD.size : _MAP_HEAD.size + count * _MAP_ENTRY.size]
    for text_at, value in _MAP_ENTRY.iter_unpack(entries):
        mask = (1 << (value & 63)) if flag & _WBEM_BIT_MAP else value
        shown = _text(info, text_at)
        room -= 2 * len(shown)
        if room < 0:
            raise ValueError(f"map {name!r} uses texts more than once")
        names.setdefault(mask, shown)
    return blob[:16], name, ValueMap(names, bits=bool(flag & (_BIT_MAP | _WBEM_BIT_MAP | _WBEM_FLAG)))


class _Properties:
    """The EVENT_PROPERTY_INFO array of one TRACE_EVENT_INFO."""

    def __init__(self, blob: bytes, total: int) -> None:
        self.blob = blob
        self.count = min(total, (len(blob) - _INFO.size) // _PROPERTY.size)
        self.rows = [_PROPERTY.unpack_from(blob, _INFO.size + i * _PROPERTY.size) for i in range(self.count)]
        self.made = 0

    def one(self, index: int, depth: int) -> Property:
        """Return one property, with its members where it is a struct."""
        flags, name_at, kind, out_or_members, map_at, count, length, _ = self.rows[index]
        name = _text(self.blob, name_at)
        self.made += 1
        elements: int | str | None = count if count > 1 or flags & _FIXED_COUNT else None
        if flags & _COUNT_PROPERTY:
            elements = self.name(count)
        if flags & _STRUCT:
            last = kind + out_or_members
            # members come behind the struct: no struct can hold itself
            if kind <= index or last > self.count or depth >= MAX_DEPTH or self.made > MAX_PROPERTIES:
                return Property(name, problem=f"struct {name!r} has members that the metadata does not")
            return Property(name, count=elements, members=tuple(self.one(i, depth + 1) for i in range(kind, last)))
        units: int | str | None = self.name(length) if flags & _LENGTH_PROPERTY else length
        map_name = _text(self.blob, map_at) or None
        return Property(name, kind, out_or_members, units, elements, map_name)

    def name(self, index: int) -> str:
        """Return the name of the property that holds a length or count; one that cannot exist where there is none."""
        return _text(self.blob, self.rows[index][1]) if index < self.count else f"property {index}"


def _text(blob: bytes, offset: int, most: int = _NAME_BYTES) -> str:
    """Return the text at an offset, without the trailing space that the system's own have; empty for none."""
    if not offset:
        return ""
    return blob[offset : min(_end(blob, offset), offset + most)].decode("utf-16-le", "replace").rstrip()


def _texts(blob: bytes, offset: int) -> list[str]:
    """Return the texts of a list that an empty one ends, 64 at most: there are not more bits in a mask."""
    out: list[str] = []
    while offset and len(out) < 64:
        end = _end(blob, offset)
        if end == offset:
            break
        out.append(blob[offset : min(end, offset + _NAME_BYTES)].decode("utf-16-le", "replace").rstrip())
        offset = end + 2
    return out


def _end(blob: bytes, offset: int) -> int:
    """Return where a text ends: at its NUL, else with the last whole character."""
    end = blob.find(b"\0\0", offset)
    while end >= 0 and (end - offset) & 1:
        end = blob.find(b"\0\0", end + 1)
    return end if end >= 0 else max(offset, offset + ((len(blob) - offset) & ~1))
