"""Records of the kernel logger in a chunk: those of some classes, by kind, in both forms that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.formats import RecordKey
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["kernel_rows"]

_NARROW: Final = (Kind.SYSTEM32, Kind.COMPACT32, Kind.PERFINFO32, Kind.FULL32, Kind.INSTANCE32)
_KERNEL: Final = (
    Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64,
)  # fmt: skip
_CLASSIC: Final = (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64)
_IS_KERNEL, _IS_CLASSIC = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
_IS_KERNEL[list(_KERNEL)] = True
_IS_CLASSIC[list(_CLASSIC)] = True


def kernel_rows(
    chunk: Chunk, guids: GuidTable, hooks: NDArray[np.bool_], classes: Mapping[bytes, tuple[int, ...]]
) -> Iterator[tuple[RecordKey, NDArray[np.int64]]]:
    """Yield the kinds of records of some classes, with their rows.

    Args:
        chunk: the records.
        guids: of the trace.
        hooks: which hook ids (group << 8 | type) of the kernel's own records, 65,536 of them.
        classes: class GUID (16 raw bytes) of classic events and their types.
    """
    r = chunk.records
    present = np.bincount(r.kind, minlength=256) > 0
    kernel = hooks[r.id] & _IS_KERNEL[r.kind] if np.any(present & _IS_KERNEL) else np.zeros(len(r), np.bool_)
    about = np.zeros(len(r), np.bool_)
    if np.any(present & _IS_CLASSIC):
        for guid, types in classes.items():
            code = guids.codes.get(guid)
            if code is not None:
                about |= (r.guid == code) & np.isin(r.opcode, types)
        about &= _IS_CLASSIC[r.kind]
    rows = np.flatnonzero(kernel | about)
    if not len(rows):
        return
    packed = r.kind[rows].astype(np.int64) << 56 | (r.guid[rows].astype(np.int64) + 1) << 24
    packed |= np.where(kernel[rows], r.id[rows], r.opcode[rows]).astype(np.int64) << 8 | r.version[rows]
    for kind in np.unique(packed).tolist():
        guid = (kind >> 24 & 0xFFFFFFFF) - 1
        header, number, version = kind >> 56, kind >> 8 & 0xFFFF, kind & 0xFF
        pointer = 4 if header in _NARROW else 8
        if header in _KERNEL:
            yield RecordKey("kernel", b"", number, version, number & 0xFF, pointer), rows[packed == kind]
        else:
            yield RecordKey("classic", guids.raw[guid], number, version, number, pointer), rows[packed == kind]
