"""What is in a trace, by provider and by class of bytes: ``Inventory``, fed chunk by chunk.

Every record belongs to one *source*: the provider of an event, the class of a classic event, the message GUID of a
WPP message, the group of a kernel event, or just its header kind. And it has one *format*: how far it can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.names import WELL_KNOWN, kernel_group
from wsktrace.etl.accounting import disk_shares, padded_sizes
from wsktrace.etl.types import KIND_NAMES, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wsktrace.decode.tracelogging import SchemaBook
    from wsktrace.etl.accounting import Survey
    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["BYTE_CLASSES", "TRACELOGGING", "Family", "Format", "Holding", "Inventory"]

#: What describes the events that describe themselves.
TRACELOGGING: Final = "TraceLogging"

#: The classes that every byte of a file is in (architecture, idea 5).
BYTE_CLASSES: Final = ("headers", "judged", "readable", "no_format", "damaged", "filler")


class Family(Enum):
    """What tells the source of a record."""

    EVENT = "event"
    CLASSIC = "classic"
    MESSAGE = "message"
    KERNEL = "kernel"
    OTHER = "other"


class Format(IntEnum):
    """How far records can be read."""

    #: the log header, which is part of what the file is
    HEADER = 0
    #: became operations
    JUDGED = 1
    #: a layout is at hand, the payload was not opened
    READABLE = 2
    #: nothing says what the payload means
    NONE = 3


_FAMILIES: Final = tuple(Family)
_CLASS: Final = {
    Format.HEADER: "headers",
    Format.JUDGED: "judged",
    Format.READABLE: "readable",
    Format.NONE: "no_format",
}
_MEMBERS: Final[dict[Family, tuple[int, ...]]] = {
    Family.EVENT: (Kind.EVENT32, Kind.EVENT64),
    Family.CLASSIC: (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64),
    Family.MESSAGE: (Kind.MESSAGE,),
    Family.KERNEL: (
        Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64,
    ),
}  # fmt: skip


def _family_of_kind() -> NDArray[np.int64]:
    out = np.full(256, _FAMILIES.index(Family.OTHER), np.int64)
    for family, kinds in _MEMBERS.items():
        out[list(kinds)] = _FAMILIES.index(family)
    return out


_FAMILY_OF_KIND: Final = _family_of_kind()


@dataclass(frozen=True, slots=True)
class Holding:
    """The records of one source and one format.

    ``guid`` is None for kernel groups, other kinds and records without a GUID. ``bytes`` are bytes of the file,
    ``unpacked_bytes`` those after decompression; both with the records' padding. ``decoded_by`` says what describes
    them, empty where nothing does.
    """

    family: Family
    name: str
    guid: str | None
    format: Format
    events: int
    bytes: int
    unpacked_bytes: int
    decoded_by: str = ""


@dataclass(slots=True)
class Inventory:
    """Counts and bytes by source and format; grows while the chunks of a trace go by."""

    #: events per schema of the book, by its id
    by_schema: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    #: what describes records, in words, by the number that ``add`` takes
    descriptions: list[str] = field(default_factory=lambda: [TRACELOGGING])
    _totals: dict[tuple[int, int, int, int], NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def add(
        self,
        chunk: Chunk,
        ids: NDArray[np.int32],
        judged: NDArray[np.bool_],
        described: NDArray[np.int32] | None = None,
    ) -> None:
        """Count the records of one chunk.

        Args:
            chunk: the chunk.
            ids: schema id per record, -1 where it has none.
            judged: per record, whether it became an operation.
            described: per record, which of ``descriptions`` it has, -1 for none; None: the self-describing ones only.
        """
        records = chunk.records
        if not len(records):
            return
        self._count_schemas(ids)
        family = _FAMILY_OF_KIND[records.kind]
        # a source is a family and a number that fits it: GUID code, kernel group, kind
        number = np.where(family <= 2, records.guid, np.where(family == 3, records.id >> 8, records.kind))
        sources = int(number.max()) + 2
        source = family * sources + number + 1
        present = np.flatnonzero(np.bincount(source))
        compact = np.zeros(int(present[-1]) + 1, np.int64)
        compact[present] = np.arange(len(present))
        known_by = (ids >= 0).astype(np.int32) - 1 if described is None else described
        formats, ways = len(Format), len(self.descriptions) + 1
        cell = (compact[source] * formats + _formats(chunk, known_by, judged)) * ways + known_by + 1
        events = np.bincount(cell, minlength=len(present) * formats * ways)
        # sums of sizes stay far below 2**53, so the float weights of bincount are exact
        disk, unpacked = (
            np.bincount(cell, weights=sizes, minlength=len(events)).astype(np.int64)
            for sizes in (disk_shares(chunk), padded_sizes(chunk))
        )
        for index in np.flatnonzero(events).tolist():
            rest, way = divmod(index, ways)
            which, form = divmod(rest, formats)
            kin, code = divmod(int(present[which]), sources)
            key = (kin, code - 1, form, way - 1)
            sums = np.array([events[index], disk[index], unpacked[index]], np.int64)
            known = self._totals.get(key)
            self._totals[key] = sums if known is None else known + sums

    def _count_schemas(self, ids: NDArray[np.int32]) -> None:
        counts = np.bincount(ids[ids >= 0], minlength=len(self.by_schema))
        counts[: len(self.by_schema)] += self.by_schema
        self.by_schema = counts.astype(np.int64)

    def holdings(self, book: SchemaBook, guids: GuidTable, names: Mapping[int, str] | None = None) -> list[Holding]:
        """Return what is in the trace by source and format, most events first; ``names``: of providers, by code."""
        out = []
        for (kin, code, form, way), (events, disk, unpacked) in self._totals.items():
            family = _FAMILIES[kin]
            guid = guids.text(code) if kin <= 2 and code >= 0 else None
            name = (names or {}).get(code, "") if guid is not None else ""
            name = name or _name(family, code, guid, book)
            by = self.descriptions[way] if way >= 0 else ""
            out.append(Holding(family, name, guid, Format(form), int(events), int(disk), int(unpacked), by))
        return sorted(out, key=lambda h: (-h.events, h.family.value, h.name, h.guid or "", h.format, h.decoded_by))

    def bytes(self, survey: Survey, *, unpacked: bool = False) -> dict[str, int]:
        """Return the bytes of the file by class; the sum is its size (``unpacked``: after decompression)."""
        out = dict.fromkeys(BYTE_CLASSES, 0)
        for (_, _, form, _), sums in self._totals.items():
            out[_CLASS[Format(form)]] += int(sums[2 if unpacked else 1])
        if unpacked:
            parts = (survey.unpacked_headers_bytes, survey.unpacked_damaged_bytes, survey.unpacked_filler_bytes)
        else:
            parts = (survey.headers_bytes, survey.damaged_bytes, survey.filler_bytes)
        for name, size in zip(("headers", "damaged", "filler"), parts, strict=True):
            out[name] += size
        return out

    def providers(self, book: SchemaBook, guids: GuidTable) -> tuple[tuple[str, int], ...]:
        """Return each source's name (its GUID where it has none) and number of events, most first."""
        sums: dict[str, int] = {}
        for held in self.holdings(book, guids):
            if held.format is not Format.HEADER:
                label = held.name or held.guid or "?"
                sums[label] = sums.get(label, 0) + held.events
        return tuple(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))


def _formats(chunk: Chunk, described: NDArray[np.int32], judged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the ``Format`` of each record."""
    records = chunk.records
    form = np.where(described >= 0, int(Format.READABLE), int(Format.NONE))
    form[judged] = Format.JUDGED
    form[(records.id == 0) & ((records.kind == Kind.SYSTEM32) | (records.kind == Kind.SYSTEM64))] = Format.HEADER
    return form


def _name(family: Family, code: int, guid: str | None, book: SchemaBook) -> str:
    """Return what a source is called, empty where only its GUID is known."""
    if family is Family.KERNEL:
        return f"kernel {kernel_group(code)}"
    if family is Family.OTHER:
        return KIND_NAMES.get(code, f"kind {code}")
    if guid is None:
        return {Family.MESSAGE: "WPP without message GUID"}.get(family, "unknown GUID")
    named = book.provider_names.get(code, "") if family is Family.EVENT else ""
    return named or WELL_KNOWN.get(guid, "")
