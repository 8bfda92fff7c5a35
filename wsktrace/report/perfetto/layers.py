"""What a timeline is made of, before it is written: tracks, and layers of marks with what they show.

A mark is the beginning or end of a slice, or an instant, at a row of some table; what stands on it is looked up when
it is written, some thousand rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.units import clean, hex_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "BEGIN",
    "END",
    "INSTANT",
    "Layer",
    "Note",
    "Shown",
    "Track",
    "Tracks",
    "Window",
    "column",
    "status_texts",
    "taken",
    "words",
]

#: Types of TrackEvent. Source: protos/perfetto/trace/track_event/track_event.proto, TrackEvent.Type.
BEGIN, END, INSTANT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Note:
    """One debug annotation of each mark of a chunk: its label, and per mark a value, None where there is none.

    ``word`` says of texts that few differ; each is written once.
    """

    label: str
    values: list[Any]
    word: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands on the marks of a chunk. ``flows``: per mark an id that arrows run along, None where it has none."""

    names: list[str]
    categories: list[str]
    notes: tuple[Note, ...] = ()
    flows: list[int | None] | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """Marks, those of equal time in the order in which they nest.

    Attributes:
        time: int64, ns UTC.
        track: int64, uuid of the track.
        type: uint8, BEGIN, END or INSTANT.
        row: int64, what ``show`` is asked for; of no use where a slice ends.
        show: returns what stands on the marks of these rows.
        count: int64, value of the counter from this mark on; -1 where it says nothing.
    """

    time: NDArray[np.int64]
    track: NDArray[np.int64]
    type: NDArray[np.uint8]
    row: NDArray[np.int64]
    show: Callable[[NDArray[np.int64]], Shown]
    count: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Track:
    """One track. ``thread`` is (pid, tid), ``process`` a pid; ``rank`` its place among its siblings.

    ``lane`` says that it is shown in one row with siblings of its name.
    """

    uuid: int
    name: str
    parent: int = 0
    rank: int = 0
    process: int | None = None
    thread: tuple[int, int] | None = None
    counter: bool = False
    lane: bool = False
    about: str = ""


@dataclass(slots=True)
class Tracks:
    """The tracks of a timeline; uuids count from 1, for there is one writer."""

    held: list[Track] = field(default_factory=list)

    def add(self, name: str, **more: Any) -> int:
        """Add a track and return its uuid."""
        self.held.append(Track(len(self.held) + 1, name, rank=len(self.held) + 1, **more))
        return len(self.held)


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when marks are shown: ns UTC, the end not included; slices that reach into it are whole."""

    since: int = int(np.iinfo(np.int64).min)
    until: int = int(np.iinfo(np.int64).max)

    def overlaps(self, begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which slices reach into the window."""
        return np.asarray((begin < self.until) & (end >= self.since), np.bool_)

    @property
    def whole(self) -> bool:
        """Whether nothing is cut."""
        return self == Window()


def column(table: pa.Table, name: str, missing: Any = 0) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a column of numbers, times or truths as (values, where they are known); ``missing`` stands for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held = table.column(name)
    if pa.types.is_timestamp(held.type):
        held = held.cast(pa.int64())
    known = pc.is_valid(held).to_numpy()
    return pc.fill_null(held, missing).to_numpy(), known


def taken(table: pa.Table, rows: NDArray[np.int64]) -> Callable[[str], list[Any]]:
    """Return what gives the values of a column at some rows; times as ns UTC, None for null."""
    import pyarrow as pa

    index: Any = pa.array(rows)

    def values(name: str) -> list[Any]:
        held = table.column(name).take(index)
        if pa.types.is_timestamp(held.type):
            held = held.cast(pa.int64())
        return _listed(held)

    return values


def _listed(held: Any) -> list[Any]:
    """Return a column as a list; by way of arrays, which takes a third of the time of ``to_pylist``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if held.null_count == len(held):
        return [None] * len(held)
    if pa.types.is_dictionary(held.type):
        whole = held.unify_dictionaries().combine_chunks()
        names = [*whole.dictionary.to_pylist(), None]
        return [names[code] for code in pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False).tolist()]
    if not pa.types.is_integer(held.type):
        found: list[Any] = held.to_pylist()
        return found
    if not held.null_count:
        return list(held.to_numpy().tolist())
    known = pc.is_valid(held).to_numpy().tolist()
    numbers = pc.fill_null(held, 0).to_numpy().tolist()
    return [number if there else None for number, there in zip(numbers, known, strict=True)]


def words(values: list[Any]) -> list[Any]:
    """Return words such that they are harmless, None for null; few of them differ."""
    known = {value: None if value is None else clean(value) for value in set(values)}
    return [known[value] for value in values]


def status_texts(codes: list[int | None], names: list[str | None]) -> list[str | None]:
    """Return status codes by name, by number where they have none, None for null."""
    return [name or hex_text(code) for code, name in zip(codes, words(names), strict=True)]
