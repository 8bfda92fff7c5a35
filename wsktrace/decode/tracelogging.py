"""★ Which schema every self-describing event of a trace has: ``SchemaBook``.

Records of one event carry the same extended data items byte for byte, apart from such as an activity id or a stack.
So a record is not parsed: a hash of a few words of its items proposes a ``_Pattern``, all records of one proposal are
compared with it word for word, and only what no pattern fits is read and parsed. There are two hashes: a quick one of
words at fixed places, and one that walks the items to the schema and so does not mind what stands before it. The
answer is exact: two records get one id if and only if provider, EVENT_SCHEMA_TL and PROV_TRAITS are the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.gather import blocks
from wsktrace.decode.tlmetadata import EventMetadata, Traits, parse_schema, parse_traits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.decode.fields import Layout
    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["EVENT_SCHEMA_TL", "PROV_TRAITS", "Schema", "SchemaBook"]

#: Types of extended data items (etl-and-wpp-format, 1.5).
EVENT_SCHEMA_TL: Final = 11
PROV_TRAITS: Final = 12

#: What a book holds at most; a real trace has some hundred schemas. Records beyond it get no schema.
MAX_SCHEMAS: Final = 1 << 16
MAX_FIELDS_IN_ALL: Final = 1 << 19
MAX_BYTES: Final = 1 << 25
#: Patterns of one hash that are tried before records are looked up one by one.
_MAX_CHAIN: Final = 64
#: Records looked at together: keeps what is read twice in the processor's cache.
_BLOCK: Final = 8192
_MAX_ITEMS: Final = 256
_TABLE_BITS: Final = 16
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of self-describing event.

    Attributes:
        id: its number, as ``SchemaBook.assign`` gives it.
        provider: code of the provider's GUID in the trace's ``GuidTable``.
        event_name: the event's name.
        layout: its fields; ``layout.problem`` says what of the metadata was not understood.
        tag: 28-bit event tag.
        traits: name and group of the provider, as the event itself carries them.
    """

    id: int
    provider: int
    event_name: str
    layout: Layout
    tag: int
    traits: Traits

    @property
    def provider_name(self) -> str:
        """The provider's name, empty where the event carries none."""
        return self.traits.name


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The extended data of one record, to compare others with.

    ``key``: provider and size of the extended data; ``words``: their 64-bit words with all bits cleared that may
    differ; ``mask``: ones where they must not. ``volatile``: whether there is more than padding that may differ.
    """

    key: int
    words: NDArray[np.uint64]
    mask: NDArray[np.uint64]
    volatile: bool
    schema: int


@dataclass(slots=True)
class SchemaBook:
    """The schemas of a trace; grows while its chunks go by, ids stay what they are."""

    schemas: list[Schema] = field(default_factory=list)
    #: code of a provider's GUID → its name, from the traits of any of its events, schema or not
    provider_names: dict[int, str] = field(default_factory=dict)
    #: records that got no schema because the book is full
    refused: int = 0
    _ids: dict[tuple[int, bytes, bytes], int] = field(default_factory=dict, repr=False)
    _patterns: list[_Pattern] = field(default_factory=list, repr=False)
    _chains: dict[int, list[int]] = field(default_factory=dict, repr=False)
    _quick: _Table = field(default_factory=lambda: _Table(), repr=False)
    _exact: _Table = field(default_factory=lambda: _Table(), repr=False)
    _held: int = 0
    _fields: int = 0

    def assign(self, chunk: Chunk, guids: GuidTable) -> NDArray[np.int32]:  # noqa: ARG002 -- codes suffice today
        """Return the schema id of every record of the chunk, -1 where it carries no EVENT_SCHEMA_TL."""
        out = np.full(len(chunk.records), -1, np.int32)
        rows = np.flatnonzero(chunk.records.ext)
        view = _View(chunk, rows)
        ids = np.full(len(rows), -1, np.int32)
        slots = np.empty(len(rows), np.int32)
        for part in _parts(len(rows)):
            slots[part] = self._quick.find(view.quick_hash(part))
        self._settle(view, ids, slots)
        left = np.flatnonzero(ids < 0)
        if len(left):
            places = np.concatenate([view.find(left[part]) for part in _parts(len(left))])
            self._name_providers(view, left[places < 0])
            left, places = left[places >= 0], places[places >= 0]
            hashes = np.empty(len(left), np.uint64)
            slots = np.full(len(rows), -1, np.int32)
            for part in _parts(len(left)):
                hashes[part] = view.hash(left[part], places[part])
            slots[left] = self._exact.find(hashes)
            self._settle(view, ids, slots)
            new = ids[left] < 0
            self._learn(view, ids, left[new], hashes[new])
        out[rows] = ids
        return out

    def _settle(self, view: _View, ids: NDArray[np.int32], slots: NDArray[np.int32]) -> None:
        """Compare records with the patterns proposed for them, and give ids where they are the same."""
        for slot, members in _groups(slots):
            pattern = self._patterns[slot]
            same = view.matches(pattern, members)
            ids[members if same is None else members[same]] = pattern.schema

    def _learn(self, view: _View, ids: NDArray[np.int32], left: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        """Give ids to records whose pattern is new, or shares its hash's table entry with another."""
        if not len(left):
            return
        values, group = np.unique(hashes, return_inverse=True)
        order = left[np.argsort(group, kind="stable")]
        ends = np.cumsum(np.bincount(group, minlength=len(values)))
        for value, low, high in zip(values.tolist(), [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            members = order[low:high]
            chain = self._chains.setdefault(value, []) if self._has_room() else self._chains.get(value, [])
            tried = 0
            while len(members):
                if tried == len(chain):
                    if tried >= _MAX_CHAIN or not self._has_room():
                        break
                    chain.append(self._new_pattern(view, int(members[0]), value))
                slot = chain[tried]
                tried += 1
                same = view.matches(self._patterns[slot], members)
                found = members if same is None else members[same]
                ids[found] = self._patterns[slot].schema
                members = members[:0] if same is None else members[~same]
            for row in members.tolist():
                ids[row] = self._id_of(view.provider(row), *view.items(row)[:2])
        self.refused += int((ids[left] < 0).sum())

    def _has_room(self) -> bool:
        return len(self._patterns) < MAX_SCHEMAS and self._held < MAX_BYTES

    def _new_pattern(self, view: _View, row: int, value: int) -> int:
        schema, traits, mask, volatile = view.items(row)
        words = view.words(row) & mask
        slot = len(self._patterns)
        number = self._id_of(view.provider(row), schema, traits)
        self._patterns.append(_Pattern(int(view.key[row]), words, mask, volatile, number))
        self._held += 2 * words.nbytes
        self._exact.add(value, slot)
        if not volatile:
            self._quick.add(int(view.quick_hash(np.array([row]))[0]), slot)
        return slot

    def _id_of(self, provider: int, schema: bytes, traits: bytes) -> int:
        """Return the id of a schema by its bytes, parsing them where they are new; -1 where the book is full."""
        identity = (provider, schema, traits)
        known = self._ids.get(identity)
        if known is not None:
            return known
        full = len(self.schemas) >= MAX_SCHEMAS or self._fields >= MAX_FIELDS_IN_ALL or self._held >= MAX_BYTES
        if full:
            return -1
        event: EventMetadata = parse_schema(schema)
        number = self._ids[identity] = len(self.schemas)
        self._held += len(schema) + len(traits)
        self._fields += event.count
        parsed = parse_traits(traits) if traits else Traits()
        self.schemas.append(Schema(number, provider, event.name, event.layout, event.tag, parsed))
        if parsed.name:
            self.provider_names.setdefault(provider, parsed.name)
        return number

    def _name_providers(self, view: _View, rows: NDArray[np.int64]) -> None:
        """Learn the names of providers whose events carry traits and no schema."""
        if not len(rows):
            return
        codes = view.codes[rows]
        for provider in np.flatnonzero(np.bincount(codes[codes >= 0])).tolist():
            if provider not in self.provider_names:
                name = parse_traits(view.items(int(rows[np.argmax(codes == provider)]))[1]).name
                if name:
                    self.provider_names[provider] = name


class _Table:
    """Hashes → slots, one entry per bucket; the first one to come keeps it."""

    def __init__(self) -> None:
        self.slots = np.full(1 << _TABLE_BITS, -1, np.int32)
        self.hashes = np.zeros(1 << _TABLE_BITS, np.uint64)

    def add(self, value: int, slot: int) -> None:
        bucket = value >> (64 - _TABLE_BITS)
        if self.slots[bucket] < 0:
            self.slots[bucket] = slot
            self.hashes[bucket] = value

    def find(self, values: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the slot of each hash, -1 where it has none."""
        bucket = (values >> np.uint64(64 - _TABLE_BITS)).astype(np.int64)
        return np.where(self.hashes.take(bucket) == values, self.slots.take(bucket), np.int32(-1))


def _parts(count: int) -> list[slice]:
    return [slice(low, min(low + _BLOCK, count)) for low in range(0, max(count, 1), _BLOCK)]


def _groups(slots: NDArray[np.int32]) -> list[tuple[int, NDArray[np.int64]]]:
    """Return, for each slot that occurs, its rows."""
    chosen = np.flatnonzero(slots >= 0)
    if not len(chosen):
        return []
    counts = np.bincount(slots[chosen])
    small = slots[chosen].astype(np.uint16 if len(counts) <= 1 << 16 else np.int32)  # 16 bits sort by radix
    order = chosen[np.argsort(small, kind="stable")]
    ends = np.cumsum(counts)
    return [(int(s), order[ends[s] - counts[s] : ends[s]]) for s in np.flatnonzero(counts)]


class _View:
    """The extended data of those records of a chunk that have any."""

    def __init__(self, chunk: Chunk, rows: NDArray[np.int64]) -> None:
        records = chunk.records
        self.data = chunk.data
        self.all_words: NDArray[np.uint64] = chunk.words()
        self.start = records.ext[rows]
        self.codes = records.guid[rows]
        size = np.maximum(records.payload[rows] - self.start, 0) & ~np.int64(7)
        self.stop = self.start + size
        #: provider and size of the extended data in one number
        self.key = (self.codes.astype(np.int64) << 32) | size

    def quick_hash(self, rows: NDArray[np.int64] | slice) -> NDArray[np.uint64]:
        """Mix key and some words at fixed places: the middle, the end, and where names stand after short traits."""
        first = self.start[rows] >> 3
        last = np.maximum((self.stop[rows] >> 3) - first, 1) - 1
        value: NDArray[np.uint64] = self.key[rows].view(np.uint64) * _MIX
        for index in (np.minimum(last, 4), np.minimum(last, 5), last >> 1, last):
            value = ((value ^ (value >> _SHIFT)) + self.all_words.take(first + index)) * _MIX
        return value ^ (value >> _SHIFT)

    def find(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of the first EVENT_SCHEMA_TL item of each record, -1 where there is none."""
        place, stop = self.start[rows], self.stop[rows]
        found = np.full(len(place), -1, np.int64)
        active = np.arange(len(place))
        for _ in range(_MAX_ITEMS):
            inside = place + 8 <= stop
            active, place, stop = active[inside], place[inside], stop[inside]
            if not len(active):
                break
            head = self.all_words.take(place >> 3)
            size = (head & np.uint64(0xFFFF)).astype(np.int64)
            hit = (head & np.uint64(0xFFFF0000)) == np.uint64(EVENT_SCHEMA_TL << 16)
            found[active[hit]] = place[hit]
            going = ~hit & ((head & np.uint64(1 << 32)) != 0) & (size >= 8) & ((size & 7) == 0)
            active, place, stop = active[going], (place + size)[going], stop[going]
        return found

    def hash(self, rows: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Mix key, item header and a few words of the schema; only whole words of it, padding may hold anything."""
        at = place >> 3
        head = self.all_words.take(at)
        whole = np.minimum((head >> np.uint64(51)).astype(np.int64), (self.stop[rows] >> 3) - at - 1)
        last = np.maximum(whole, 0)
        value: NDArray[np.uint64] = (self.key[rows].view(np.uint64) ^ (head << np.uint64(7))) * _MIX
        for index in (1, 2, (last >> 1) + 1, last):
            word = self.all_words.take(at + np.minimum(index, last))
            value = ((value ^ (value >> _SHIFT)) + word) * _MIX
        return value ^ (value >> _SHIFT)

    def matches(self, pattern: _Pattern, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Say which records have the pattern's extended data, None where all do."""
        same = self.key[rows] == pattern.key
        all_same = bool(same.all())
        chosen = np.arange(len(rows)) if all_same else np.flatnonzero(same)
        width = len(pattern.words)
        step = max(1, (1 << 16) // (8 * width))
        tile = np.tile(pattern.words, min(step, len(chosen)))
        masks = np.tile(pattern.mask, min(step, len(chosen))) if pattern.volatile else None
        for low in range(0, len(chosen), step):
            part = chosen[low : low + step]
            words = blocks(self.data, self.start[rows[part]], 8 * width).view("<u8").ravel()
            if masks is not None:
                words &= masks[: len(words)]
            if np.array_equal(words, tile[: len(words)]):
                continue
            differs = ((words.reshape(-1, width) ^ pattern.words) & pattern.mask).any(axis=1)
            if differs.any():
                same[part[differs]] = False
                all_same = False
        return None if all_same else same

    def words(self, row: int) -> NDArray[np.uint64]:
        """The extended data of one record."""
        return self.all_words[int(self.start[row]) >> 3 : int(self.stop[row]) >> 3]

    def provider(self, row: int) -> int:
        """Code of the provider of one record."""
        return int(self.codes[row])

    def items(self, row: int) -> tuple[bytes, bytes, NDArray[np.uint64], bool]:
        """Walk the items of one record.

        Returns the data of its first EVENT_SCHEMA_TL and PROV_TRAITS, a mask with ones where another record must
        have the same bits to be the same event, and whether more than padding is masked.
        """
        raw = self.data[self.start[row] : self.stop[row]].tobytes()
        mask = np.zeros(len(raw), np.uint8)
        found: dict[int, bytes] = {}
        volatile = False
        at = 0
        for _ in range(_MAX_ITEMS):
            if at + 8 > len(raw):
                break
            size, kind, linkage, length = (int.from_bytes(raw[at + i : at + i + 2], "little") for i in (0, 2, 4, 6))
            mask[at : at + 8] = 0xFF
            if kind in (EVENT_SCHEMA_TL, PROV_TRAITS):
                mask[at + 8 : at + 8 + length] = 0xFF
                found.setdefault(kind, raw[at + 8 : at + 8 + length])
            elif length:
                volatile = True
            if not linkage & 1 or size < 8 or size & 7:
                break
            at += size
        schema, traits = found.get(EVENT_SCHEMA_TL, b""), found.get(PROV_TRAITS, b"")
        return schema, traits, mask.view(np.uint64), volatile
