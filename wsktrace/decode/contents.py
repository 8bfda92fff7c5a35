"""The first of two passes over a file: which kinds of records it holds, and what it says of them itself.

Two passes, since what describes an event may come after it in the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.carriers import Carriers
from wsktrace.decode.catalog import Catalog
from wsktrace.decode.debug_ids import MAX_IDS, DebugId, debug_ids
from wsktrace.decode.etl_parser_catalogue import Catalogue
from wsktrace.decode.event_metadata import EventMetadata
from wsktrace.decode.event_source import EventSourceManifests
from wsktrace.decode.formats import RecordKey
from wsktrace.decode.kernel import KernelFormats
from wsktrace.decode.kinds import KindBook, RecordKind
from wsktrace.decode.layout import decode
from wsktrace.decode.tracelogging import SchemaBook

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.decode.formats import FormatSource
    from wsktrace.decode.symbols import Symbols
    from wsktrace.etl.file import TraceFile
    from wsktrace.etl.types import Chunk

__all__ = ["Contents", "gather"]

_NAMELESS: Final = RecordKind(RecordKey("other", b"", 0), -1, -1)


@dataclass(slots=True)
class Contents:
    """What a file holds, by kind, and what describes it.

    Attributes:
        file: the file.
        book: its self-describing events.
        kinds: its kinds of records, counted.
        catalog: what describes them.
        symbols: the user's files, None without any.
        debug_ids: the PDBs that the trace names.
        problems: what of the descriptions that the trace carries was not understood.
    """

    file: TraceFile
    book: SchemaBook
    kinds: KindBook
    catalog: Catalog
    symbols: Symbols | None = None
    debug_ids: set[DebugId] = field(default_factory=set)
    problems: tuple[str, ...] = ()

    def kind(self, number: int) -> RecordKind:
        """Return a kind by its number; of the records beyond ``MAX_KINDS`` nothing is known."""
        return self.kinds.kinds[number] if number >= 0 else _NAMELESS

    def describe(self, chunk: Chunk, schemas: NDArray[np.int32], descriptions: list[str]) -> NDArray[np.int32]:
        """Return per record what describes it, as an index of ``descriptions``, which grows; -1 for nothing.

        Args:
            chunk: the records.
            schemas: schema id per record, -1 where it has none; of this object's ``book`` or one that grew likewise.
            descriptions: ``EventFormat.source`` of what was met before.
        """
        kinds = self.kinds.assign(chunk, schemas, self.file.guids, count=False)
        known = np.full(len(self.kinds.kinds) + 1, -1, np.int32)  # the last one is that of no kind
        exact = np.zeros(len(known), np.bool_)
        places = {source: at for at, source in enumerate(descriptions)}
        for number in np.unique(kinds[kinds >= 0]).tolist():
            found = self.catalog.find(self.kind(number))
            if found is not None:
                known[number] = places.setdefault(found.source, len(places))
                exact[number] = found.layout.exact
        descriptions[:] = places
        out = known[kinds]
        # what is second-hand counts where it takes the payload to the byte
        rows = np.flatnonzero(exact[kinds])
        rows = rows[np.argsort(kinds[rows], kind="stable")]
        for part in np.split(rows, np.flatnonzero(np.diff(kinds[rows])) + 1):
            found = self.catalog.find(self.kind(int(kinds[part[0]]))) if len(part) else None
            if found is not None:
                out[part[~decode(found.layout, chunk, part, wanted=()).ok]] = -1
        return out

    def undescribed(self, family: str) -> int:
        """Return how many records of a family nothing describes."""
        pairs = zip(self.kinds.kinds, self.kinds.counts, strict=True)
        return sum(n for kind, n in pairs if kind.key.family == family and self.catalog.find(kind) is None)

    def names(self) -> dict[int, str]:
        """Return the names of providers that formats tell, by the code of their GUID."""
        out: dict[int, str] = {}
        for kind in self.kinds.kinds:
            found = self.catalog.find(kind)
            if found is not None and found.provider:
                out.setdefault(kind.provider, found.provider)
        return out


def gather(
    file: TraceFile,
    symbols: Symbols | None = None,
    *,
    chunk_bytes: int = 16 << 20,
    progress: Callable[[int, int], None] | None = None,
) -> Contents:
    """Read a file once and find what describes its records."""
    size = file.header.pointer_size
    book, kinds = SchemaBook(), KindBook(size if size in (4, 8) else 8)
    metadata, manifests = EventMetadata(), EventSourceManifests()
    named: set[DebugId] = set()
    for chunk in file.chunks(chunk_bytes=chunk_bytes, progress=progress):
        kinds.assign(chunk, book.assign(chunk, file.guids), file.guids)
        metadata.add(chunk, file.guids)
        manifests.add(chunk, file.guids)
        if len(named) < MAX_IDS:
            named.update(debug_ids(chunk, file.guids))
    if symbols is not None:
        symbols.expect(named)
    sources: list[FormatSource] = [metadata, manifests, Carriers(manifests.manifests)]
    if symbols is not None:
        sources.append(symbols)
    sources += [KernelFormats(), Catalogue()]
    problems = (*metadata.problems, *manifests.problems, *manifests.unfinished())
    return Contents(file, book, kinds, Catalog(book, file.guids, sources, symbols), symbols, named, problems)
