"""Images of drivers and programs: which module an address lies in, when it was there, and which PDB belongs to it.

``ImageBook`` gathers what a trace says, chunk by chunk: the kernel logger's image events (load, unload, what is there
when the session starts and ends), and the ImageID records that a merge adds. ``ImageMap`` is what follows from it.

Source: the vendor's Image class (Load, Unload, DCStart, DCEnd); etl-and-wpp-format, 1.7 (ImageID; RSDS in the header
buffer, which has no address and so belongs to no image here).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np

from wsktrace.decode.debug_ids import MAX_IDS, DebugId, debug_ids, pdb_name
from wsktrace.decode.kernel import KernelFormats
from wsktrace.decode.layout import decode
from wsktrace.model.image_index import AddressIndex
from wsktrace.model.kernel_rows import kernel_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from wsktrace.decode.columns import Decoded
    from wsktrace.decode.formats import RecordKey
    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["ALWAYS", "MAX_RECORDS", "NEVER", "Image", "ImageBook", "ImageMap"]

#: Load clock of an image that was there before the trace began.
ALWAYS: Final = -(1 << 63)
#: Unload clock of an image that was still there when it ended.
NEVER: Final = (1 << 63) - 1
#: Image records kept of one trace; real ones have some ten thousand.
MAX_RECORDS: Final = 1 << 18

_UNLOAD, _START, _END, _LOAD, _INFO, _PDB = 2, 3, 4, 10, 0, 36
_IMAGE: Final = UUID("2cb15d1d-5fc1-11d2-abe1-00a0c911f518").bytes_le
_IMAGE_ID: Final = UUID("b3e675d7-2554-4f18-830b-2762732560de").bytes_le
_HOOKS: Final = np.isin(np.arange(1 << 16), (0x1402, 0x1403, 0x1404, 0x140A, 0x030A))
_CLASSES: Final = {_IMAGE: (_UNLOAD, _START, _END, _LOAD), _IMAGE_ID: (_INFO, _PDB)}


@dataclass(frozen=True, slots=True)
class Image:
    """One image at one place for some time.

    Attributes:
        base: address of its first byte.
        size: bytes that it takes there.
        pid: process it is in, 0 for the kernel's.
        path: as the kernel names the file.
        load, unload: raw session clock; ``ALWAYS`` and ``NEVER`` where the trace does not see it.
        stamp: TimeDateStamp of its header, 0 where it is not known.
        pdb: the PDB that was built with it, None where the trace does not say.
    """

    base: int
    size: int
    pid: int
    path: str
    load: int = ALWAYS
    unload: int = NEVER
    stamp: int = 0
    pdb: DebugId | None = None

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return self.path.replace("/", "\\").rsplit("\\", 1)[-1]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One record about an image."""

    clock: int
    what: int
    image: Image


@dataclass(slots=True)
class ImageBook:
    """What the records of a trace say of images; feed it the chunks in any order.

    ``dropped`` counts records beyond ``MAX_RECORDS``, which are not kept.
    """

    dropped: int = 0
    _seen: list[_Seen] = field(default_factory=list, repr=False)
    _pdbs: list[_Seen] = field(default_factory=list, repr=False)
    _ids: dict[DebugId, None] = field(default_factory=dict, repr=False)

    def add(self, chunk: Chunk, guids: GuidTable) -> None:
        """Take the image records of one chunk."""
        for key, rows in kernel_rows(chunk, guids, _HOOKS, _CLASSES):
            found = KernelFormats().find(key)
            if found is None:
                continue
            room = MAX_RECORDS - len(self._seen) - len(self._pdbs)
            self.dropped += max(len(rows) - room, 0)
            rows = rows[:room]
            if len(rows):
                done = decode(found.layout, chunk, rows)
                seen = _read(key, chunk, done)
                (self._pdbs if key.guid == _IMAGE_ID and key.id == _PDB else self._seen).extend(seen)
        for one in debug_ids(chunk, guids):
            if len(self._ids) < MAX_IDS:
                self._ids[one] = None

    def build(self) -> ImageMap:
        """Return the images by what was seen so far."""
        events = [s for s in self._seen if s.what != _INFO]
        images = _lives(events)
        placed = {(i.pid, i.base) for i in images}
        images += _lives([s for s in self._seen if s.what == _INFO and (s.image.pid, s.image.base) not in placed])
        return ImageMap(tuple(_with_pdbs(images, self._pdbs)), tuple(self._ids))


def _read(key: RecordKey, chunk: Chunk, done: Decoded) -> list[_Seen]:
    """Return what records of one kind say; those that end early say nothing."""
    good = np.flatnonzero(done.ok)
    rows = done.rows[good]

    def numbers(name: str) -> list[int]:
        column = done.columns.get(name)
        if column is None or column.values is None:
            return [0] * len(good)
        values: list[int] = column.values[good].tolist()
        return values

    def texts(name: str) -> list[Any]:
        column = done.columns.get(name)
        return [""] * len(good) if column is None else column.take(good).to_pylist()

    base, clock = numbers("ImageBase"), chunk.records.clock[rows].tolist()
    pid = numbers("ProcessId") if "ProcessId" in done.columns else _header_pids(chunk, rows, base, key.pointer)
    what = key.opcode
    if "GuidSig" in done.columns:
        ids = zip(texts("PdbFileName"), texts("GuidSig"), numbers("Age"), strict=True)
        pdbs = [DebugId(pdb_name(path), guid, age) if pdb_name(path) else None for path, guid, age in ids]
        found = [Image(b, 0, p, "", pdb=i) for b, p, i in zip(base, pid, pdbs, strict=True)]
    else:
        path = texts("FileName") if what != _INFO else texts("OriginalFileName")
        parts = zip(base, numbers("ImageSize"), pid, path, numbers("TimeDateStamp"), strict=True)
        found = [Image(b, size, p, name, stamp=stamp) for b, size, p, name, stamp in parts]
    return [_Seen(c, what, image) for c, image in zip(clock, found, strict=True)]


def _header_pids(chunk: Chunk, rows: NDArray[np.int64], base: list[int], pointer: int) -> list[int]:
    """Process of image events that do not say it (version 0): the header's, none for the kernel's half."""
    kernel = 1 << (8 * pointer - 1)
    pids = np.where(chunk.records.has_thread[rows], chunk.records.pid[rows], 0).tolist()
    return [0 if b >= kernel else p for b, p in zip(base, pids, strict=True)]


def _lives(seen: list[_Seen]) -> list[Image]:
    """Turn records about images into images with a time of load and unload."""
    out: list[Image] = []
    there: dict[tuple[int, int], int] = {}
    gone: dict[tuple[int, int], int] = {}
    for one in sorted(seen, key=lambda s: s.clock):
        key = one.image.pid, one.image.base
        known = there.get(key)
        if one.what == _UNLOAD:
            if known is None:
                out.append(replace(one.image, load=gone.get(key, ALWAYS), unload=one.clock))
            else:
                out[known] = replace(out[known], unload=one.clock)
                del there[key]
            gone[key] = one.clock
            continue
        if known is not None and (one.what != _LOAD and _alike(out[known], one.image)):
            continue  # it is said once more that it is there
        if known is not None:  # its unload was lost
            out[known] = replace(out[known], unload=one.clock)
            gone[key] = one.clock
        there[key] = len(out)
        out.append(replace(one.image, load=one.clock if one.what == _LOAD else gone.get(key, ALWAYS)))
    return out


def _alike(first: Image, second: Image) -> bool:
    return first.size == second.size and first.name.casefold() == second.name.casefold()


def _with_pdbs(images: list[Image], pdbs: list[_Seen]) -> list[Image]:
    """Give each image its PDB: by process and base, and by time where several were there one after the other."""
    places: dict[tuple[int, int], list[int]] = {}
    for n, image in enumerate(images):
        places.setdefault((image.pid, image.base), []).append(n)
    for one in pdbs:
        found = places.get((one.image.pid, one.image.base))
        if found and one.image.pdb is not None:
            later = [n for n in found if images[n].unload >= one.clock]
            chosen = later[0] if later else found[-1]
            if images[chosen].pdb is None:
                images[chosen] = replace(images[chosen], pdb=one.image.pdb)
    return images


class ImageMap:
    """Where the images of a trace lie.

    Attributes:
        images: all of them, one entry per load.
        pdbs: the PDB ids that the trace carries, also those of binaries whose address it does not tell.
    """

    def __init__(self, images: Sequence[Image], pdbs: Sequence[DebugId] = ()) -> None:
        self.images = tuple(images)
        self.pdbs = tuple(pdbs)
        self._base = np.array([i.base for i in self.images], np.uint64)
        self._index = AddressIndex(
            np.array([i.pid for i in self.images], np.int64),
            self._base,
            np.array([i.size for i in self.images], np.uint64),
            np.array([i.load for i in self.images], np.int64),
            np.array([i.unload for i in self.images], np.int64),
        )

    def find(self, addresses: ArrayLike, pids: ArrayLike = 0, clocks: ArrayLike | None = None) -> NDArray[np.int64]:
        """Return which image each address lies in.

        Args:
            addresses: any shape (n,), taken as uint64.
            pids: process of each, or one for all; what is not in the process is looked for in the kernel's images.
            clocks: raw session clock of each, or one for all; None: the image that was last at that place.

        Returns:
            int64 of shape (n,): places in ``images``, -1 where none was there.
        """
        where = np.atleast_1d(np.asarray(addresses, np.uint64))
        process = np.broadcast_to(np.asarray(pids, np.int64), where.shape)
        when = None if clocks is None else np.broadcast_to(np.asarray(clocks, np.int64), where.shape)
        found = self._index.find(where, process, when)
        missing = np.flatnonzero((found < 0) & (process != 0))
        if len(missing):
            zero = np.zeros(len(missing), np.int64)
            found[missing] = self._index.find(where[missing], zero, None if when is None else when[missing])
        return found

    def offsets(self, addresses: ArrayLike, found: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return how far each address lies behind the base of its image; the address itself where it has none."""
        where = np.atleast_1d(np.asarray(addresses, np.uint64))
        if not len(self.images):
            return where
        return np.where(found >= 0, where - self._base[found], where)

    def texts(self, addresses: ArrayLike, pids: ArrayLike = 0, clocks: ArrayLike | None = None) -> list[str]:
        """Return each address as ``afd.sys+0x1a2b``, or as a plain number where no image is known there."""
        found = self.find(addresses, pids, clocks)
        names = [i.name for i in self.images]
        pairs = zip(found.tolist(), self.offsets(addresses, found).tolist(), strict=True)
        return [f"{names[n]}+0x{offset:x}" if n >= 0 else f"0x{offset:x}" for n, offset in pairs]
