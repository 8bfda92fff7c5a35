"""Which kind of record every record of a trace is: ``KindBook`` numbers the distinct ``RecordKey`` of a trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.formats import RecordKey
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["FAMILIES", "MAX_KINDS", "KindBook", "RecordKind"]

#: Kinds that are told apart; beyond them records have no kind (-1). Real traces have some hundreds.
MAX_KINDS: Final = 1 << 18

#: Families by the number that ``KindBook`` packs; ``other`` has no format ever.
FAMILIES: Final = ("event", "classic", "message", "kernel", "other")
_SELF_DESCRIBED: Final = 7
_MEMBERS: Final[dict[str, tuple[int, ...]]] = {
    "event": (Kind.EVENT32, Kind.EVENT64),
    "classic": (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64),
    "message": (Kind.MESSAGE,),
    "kernel": (
        Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64,
    ),
}  # fmt: skip
_NARROW: Final = (
    Kind.SYSTEM32, Kind.COMPACT32, Kind.FULL32, Kind.INSTANCE32, Kind.PERFINFO32, Kind.EVENT32,
)  # fmt: skip
_POINTER32, _POINTER64 = 0x40, 0x80


def _by_kind() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    family = np.full(256, FAMILIES.index("other"), np.int64)
    for name, kinds in _MEMBERS.items():
        family[list(kinds)] = FAMILIES.index(name)
    wide = np.ones(256, np.int64)
    wide[list(_NARROW)] = 0
    return family, wide


_FAMILY, _WIDE = _by_kind()


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One kind of record.

    Attributes:
        key: what its header says.
        schema: id of its schema in the trace's ``SchemaBook``, -1 where it does not describe itself.
        provider: code of its GUID in the trace's ``GuidTable``, -1 without one.
    """

    key: RecordKey
    schema: int
    provider: int


@dataclass(slots=True)
class KindBook:
    """The kinds of a trace; grows while chunks go by, numbers stay what they are.

    Attributes:
        pointer_size: bytes of a pointer where a message does not say it; from the log header.
        kinds: the kinds, by their number.
        counts: records of each kind, of the chunks that were counted.
    """

    pointer_size: int = 8
    kinds: list[RecordKind] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict, repr=False)

    def assign(
        self, chunk: Chunk, schemas: NDArray[np.int32], guids: GuidTable, *, count: bool = True
    ) -> NDArray[np.int32]:
        """Return the number of each record's kind, -1 where there are more kinds than are kept.

        Args:
            chunk: the records.
            schemas: schema id per record, -1 where it has none (``SchemaBook.assign``).
            guids: the trace's GUIDs.
            count: whether ``counts`` grows by these records.
        """
        if not len(chunk.records):
            return np.zeros(0, np.int32)
        packed, inverse, sums = np.unique(self._pack(chunk, schemas), return_inverse=True, return_counts=True)
        numbers = np.array([self._number(p, guids) for p in packed.tolist()], np.int32)
        if count:
            for number, records in zip(numbers.tolist(), sums.tolist(), strict=True):
                if number >= 0:
                    self.counts[number] += records
        return numbers[inverse]

    def _pack(self, chunk: Chunk, schemas: NDArray[np.int32]) -> NDArray[np.int64]:
        """One number per record; equal numbers are equal kinds. Bits: pointer, opcode, version, id, GUID, family."""
        r = chunk.records
        family, wide = _FAMILY[r.kind], _WIDE[r.kind]
        message = family == FAMILIES.index("message")
        if message.any():
            said = np.where(r.flags & _POINTER32, 0, np.where(r.flags & _POINTER64, 1, int(self.pointer_size != 4)))
            wide = np.where(message, said, wide)
        classic = family == FAMILIES.index("classic")
        number = np.where(classic, r.opcode, r.id).astype(np.int64)
        opcode = np.where(family == FAMILIES.index("kernel"), r.id & 0xFF, r.opcode).astype(np.int64)
        version = np.where(message, 0, r.version).astype(np.int64)
        guid = r.guid.astype(np.int64) + 1
        packed = wide | opcode << 1 | version << 9 | number << 17 | guid << 33 | family << 56
        own = schemas >= 0
        if own.any():
            packed = np.where(own, wide | schemas.astype(np.int64) << 1 | guid << 33 | _SELF_DESCRIBED << 56, packed)
        return packed

    def _number(self, packed: int, guids: GuidTable) -> int:
        known = self._numbers.get(packed)
        if known is not None:
            return known
        if len(self.kinds) >= MAX_KINDS:
            return -1
        number = self._numbers[packed] = len(self.kinds)
        self.kinds.append(_unpack(packed, guids))
        self.counts.append(0)
        return number


def _unpack(packed: int, guids: GuidTable) -> RecordKind:
    family, guid = packed >> 56, (packed >> 33 & 0x7FFFFF) - 1
    pointer = 8 if packed & 1 else 4
    raw = guids.raw[guid] if guid >= 0 else b""
    if family == _SELF_DESCRIBED:
        return RecordKind(RecordKey("event", raw, 0, pointer=pointer), packed >> 1 & 0xFFFFFFFF, guid)
    key = RecordKey(FAMILIES[family], raw, packed >> 17 & 0xFFFF, packed >> 9 & 0xFF, packed >> 1 & 0xFF, pointer)
    return RecordKind(key, -1, guid)
