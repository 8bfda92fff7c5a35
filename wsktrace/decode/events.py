"""The events of a trace: records of a chunk grouped by kind, decoded by column, in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.decode import wpp
from wsktrace.decode.columns import Decoded
from wsktrace.decode.event_text import messages_of, undecoded
from wsktrace.decode.layout import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wsktrace.decode.columns import ColumnData
    from wsktrace.decode.contents import Contents
    from wsktrace.decode.event_filter import EventFilter
    from wsktrace.decode.formats import EventFormat
    from wsktrace.decode.kinds import RecordKind
    from wsktrace.etl.types import Chunk

__all__ = ["EventBatch", "EventGroup", "read_events"]


@dataclass(frozen=True, slots=True)
class EventGroup:
    """The events of one kind in one batch.

    Attributes:
        kind: what they are.
        provider: name of their provider, its GUID in braces where nothing names it.
        format: what describes them; None where nothing does, or where it does not fit their payload.
        decoded: their fields; None without a format.
        places: int64, which events of the batch these are, ascending.
    """

    kind: RecordKind
    provider: str
    format: EventFormat | None
    decoded: Decoded | None
    places: NDArray[np.int64]


@dataclass(slots=True)
class EventBatch:
    """Events of one chunk in the order of time.

    Attributes:
        chunk: holds their records.
        rows: int64, which records of the chunk these are.
        time_ns: int64, ns UTC; of a record without a time that of the record before it in the file.
        groups: the events by kind; every event is in one of them.
        texts: what ``messages`` gave, None before it was asked.
    """

    chunk: Chunk
    rows: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    groups: tuple[EventGroup, ...]
    texts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def header(self, name: str) -> NDArray[Any]:
        """Return a column of ``Records`` for these events."""
        column: NDArray[Any] = getattr(self.chunk.records, name)[self.rows]
        return column

    def spread(self, one: Callable[[EventGroup], Any]) -> list[Any]:
        """Return one value per event, the same for all of a group."""
        out = np.empty(len(self), object)
        for group in self.groups:
            value = np.empty(1, object)
            value[0] = one(group)
            out[group.places] = value
        return list(out.tolist())

    def messages(self) -> list[str]:
        """Return each event's text: its message, else its name and fields, else what is missing."""
        if self.texts is not None:
            return self.texts
        out = self.texts = [""] * len(self)
        for group in self.groups:
            if group.format is None or group.decoded is None:
                texts = undecoded(group.kind.key, self.chunk, self.rows[group.places])
            else:
                times = self.time_ns[group.places]
                texts = messages_of(group.kind.key, group.format, group.decoded, self.chunk, times)
            for place, text in zip(group.places.tolist(), texts, strict=True):
                out[place] = text
        return out

    def fields(self) -> list[dict[str, Any] | None]:
        """Return each event's fields as Python values by name; None without a format."""
        out: list[dict[str, Any] | None] = [None] * len(self)
        for group in self.groups:
            if group.decoded is not None:
                for place, row in zip(group.places.tolist(), group.decoded.to_pylist(), strict=True):
                    out[place] = row
        return out

    def take(self, keep: NDArray[np.bool_]) -> EventBatch:
        """Return the events that are kept, in the same order."""
        if keep.all():
            return self
        new = np.cumsum(keep) - 1
        groups = []
        for group in self.groups:
            inside = np.flatnonzero(keep[group.places])
            if len(inside):
                decoded = None if group.decoded is None else _take(group.decoded, inside)
                places = new[group.places[inside]]
                groups.append(EventGroup(group.kind, group.provider, group.format, decoded, places))
        texts = None if self.texts is None else [self.texts[i] for i in np.flatnonzero(keep).tolist()]
        return EventBatch(self.chunk, self.rows[keep], self.time_ns[keep], tuple(groups), texts)


def read_events(
    contents: Contents,
    chosen: EventFilter,
    *,
    chunk_bytes: int = 4 << 20,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[EventBatch]:
    """Decode the events of a file chunk by chunk; each batch is in the order of time, batches in that of the file.

    The log header's own record is no event. ``contents`` must have been gathered from the same file.
    """
    file = contents.file
    for chunk in file.chunks(chunk_bytes=chunk_bytes, progress=progress):
        schemas = contents.book.assign(chunk, file.guids)
        kinds = contents.kinds.assign(chunk, schemas, file.guids, count=False)
        time = _times(chunk, file.clock.to_ns(chunk.records.clock))
        rows = chosen.rows(chunk, kinds, time, contents)
        if not len(rows):
            continue
        rows = rows[np.argsort(time[rows], kind="stable")]
        batch = EventBatch(chunk, rows, time[rows], tuple(_groups(contents, chunk, rows, kinds[rows])))
        keep = chosen.keep(batch)
        if keep is not None:
            batch = batch.take(keep)
        if len(batch):
            yield batch


def _times(chunk: Chunk, time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give records without a time that of the last record before them that has one, the first one's before it."""
    has = chunk.records.has_time
    if has.all() or not has.any():
        return time
    last = np.maximum.accumulate(np.where(has, np.arange(len(time)), -1))
    last[last < 0] = int(np.argmax(has))
    return time[last]


def _groups(
    contents: Contents, chunk: Chunk, rows: NDArray[np.int64], kinds: NDArray[np.int32]
) -> Iterator[EventGroup]:
    order = np.argsort(kinds, kind="stable")
    cuts = np.flatnonzero(np.diff(kinds[order])) + 1
    for places in np.split(order, cuts):
        number = int(kinds[places[0]])
        kind = contents.kind(number)
        several = contents.catalog.alternatives(kind)
        provider = contents.catalog.provider(kind)
        if not several:
            yield EventGroup(kind, provider, None, None, places)
            continue
        found = several[0]
        if found.wpp is not None:
            yield from _messages(kind, provider, several, chunk, rows, places)
            continue
        decoded = decode(found.layout, chunk, rows[places])
        if not found.layout.exact or decoded.ok.all():
            yield EventGroup(kind, provider, found, decoded, places)
            continue
        # a second-hand description that does not fit is none
        inside, outside = np.flatnonzero(decoded.ok), places[~decoded.ok]
        if len(inside):
            yield EventGroup(kind, provider, found, _take(decoded, inside), places[inside])
        yield EventGroup(kind, provider, None, None, outside)


def _messages(
    kind: RecordKind,
    provider: str,
    several: tuple[EventFormat, ...],
    chunk: Chunk,
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
) -> Iterator[EventGroup]:
    """Group the WPP messages of one GUID and number by the format that fits them."""
    pointer = kind.key.pointer
    for found, some in wpp.sort_out(several, chunk, rows[places], pointer=pointer):
        mine = places[np.isin(rows[places], some)]
        decoded = wpp.decode(found, chunk, rows[mine], pointer=pointer)
        yield EventGroup(kind, found.provider or provider, found, decoded, mine)


def _take(decoded: Decoded, order: NDArray[np.int64]) -> Decoded:
    columns: dict[str, ColumnData] = {n: c.take(order) for n, c in decoded.columns.items()}
    return Decoded(decoded.rows[order], columns, decoded.left[order], decoded.ok[order])
