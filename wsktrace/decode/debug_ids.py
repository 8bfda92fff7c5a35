"""Which PDBs the binaries of a trace have: RSDS ids that the trace itself carries.

ETW writes those of the session's provider binaries into the header buffer at stop, a merge those of all images
(etl-and-wpp-format, 1.7: kernel group 0 type 64; ImageID class, type 36).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["MAX_IDS", "DebugId", "debug_ids", "pdb_name"]

#: PDBs kept of one trace; a machine has some thousand images.
MAX_IDS: Final = 1 << 16
_IMAGE_ID: Final = uuid.UUID("b3e675d7-2554-4f18-830b-2762732560de").bytes_le
_DBGID_RSDS_HOOK: Final = 64
_RSDS_TYPE: Final = 36
_KERNEL: Final = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)
_NARROW: Final = (Kind.FULL32, Kind.INSTANCE32)
_CLASSIC: Final = (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64)
_LONGEST_NAME: Final = 255
_ODD: Final = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')


@dataclass(frozen=True, slots=True, order=True)
class DebugId:
    """What ties a binary to its PDB.

    Attributes:
        name: file name of the PDB, without folders.
        guid: GUID of the build, as text in lower case.
        age: how often the PDB was written since.
    """

    name: str
    guid: str
    age: int

    @property
    def key(self) -> str:
        """The folder of a symbol store: GUID in upper case without dashes, then the age in hexadecimal."""
        return f"{self.guid.replace('-', '').upper()}{self.age:x}"

    @property
    def store_path(self) -> str:
        """The place in a symbol store: ``drv.pdb/<GUID><age>/drv.pdb``."""
        return f"{self.name}/{self.key}/{self.name}"


def pdb_name(path: str) -> str:
    """Return the file name of a path as a linker wrote it; empty where it is none that a folder could hold."""
    name = re.split(r"[\\/]", path)[-1].strip()
    bad = name in ("", ".", "..") or _ODD.search(name) or len(name) > _LONGEST_NAME
    return "" if bad else name


def debug_ids(chunk: Chunk, guids: GuidTable) -> Iterator[DebugId]:
    """Yield the RSDS ids that the records of a chunk carry, as often as they come."""
    records = chunk.records
    kernel = np.isin(records.kind, _KERNEL) & (records.id == _DBGID_RSDS_HOOK)
    for row in np.flatnonzero(kernel).tolist():
        yield from _parse(_payload(chunk, row))
    code = guids.codes.get(_IMAGE_ID)
    if code is None:
        return
    image = (records.guid == code) & (records.opcode == _RSDS_TYPE) & np.isin(records.kind, _CLASSIC)
    for row in np.flatnonzero(image).tolist():
        base = 4 if int(records.kind[row]) in _NARROW else 8
        yield from _parse(_payload(chunk, row)[base + 4 :])


def _payload(chunk: Chunk, row: int) -> bytes:
    return chunk.data[int(chunk.records.payload[row]) : int(chunk.records.end[row])].tobytes()


def _parse(raw: bytes) -> Iterator[DebugId]:
    """Yield the id in GUID, age and path; nothing where the bytes are none."""
    if len(raw) < 21:
        return
    name = pdb_name(raw[20:].split(b"\0", 1)[0].decode("utf-8", "replace"))
    if name:
        yield DebugId(name, str(uuid.UUID(bytes_le=raw[:16])), int.from_bytes(raw[16:20], "little"))
