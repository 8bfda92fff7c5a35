"""Records of the NT kernel logger: what DRIVER traces of IRPs, image loads and unloads.

Byte by byte from driver-profiles, 6.2 and the vendor's MOF classes; nothing is shared with the reader.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from wsktrace.errors import UsageError
from wsktrace.testing.etl_records import full, perfinfo, system

if TYPE_CHECKING:
    from wsktrace.testing.etl_records import RawRecord

__all__ = ["DISK_IO", "IMAGE", "IMAGE_ID", "Form", "driver_event", "image_event", "image_id", "kernel_record"]

DISK_IO: Final = UUID("3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c")
IMAGE: Final = UUID("2cb15d1d-5fc1-11d2-abe1-00a0c911f518")
IMAGE_ID: Final = UUID("b3e675d7-2554-4f18-830b-2762732560de")

#: How the record is headed: by the kernel with or without a thread, or as a classic event of its class.
Form = Literal["system", "perfinfo", "classic"]

_CALL, _RETURN, _ROUTINE, _COMPLETE, _COMPLETE_RETURN = 34, 35, 37, 52, 53
_GROUPS: Final = {DISK_IO: 1, IMAGE: 20}
_IMAGE_PDB: Final = 36


def kernel_record(
    guid: UUID,
    type: int,  # noqa: A002 -- the header's name for it
    payload: bytes,
    clock: int,
    cpu: int = 0,
    *,
    version: int,
    form: Form = "system",
    pointer_size: int = 8,
    tid: int = 0,
    pid: int = 0,
    group: int | None = None,
) -> RawRecord:
    """Return a record of a class in one of its forms; ``group``: the kernel's, where it is not the class's own."""
    if form == "classic":
        return full(guid, payload, clock, cpu, type=type, version=version, tid=tid, pid=pid, pointer_size=pointer_size)
    if group is None:
        if guid not in _GROUPS:
            raise UsageError(f"class {guid} has no kernel group; give one or write it as a classic event")
        group = _GROUPS[guid]
    if form == "perfinfo":
        return perfinfo(group, type, payload, clock, cpu, version=version, pointer_size=pointer_size)
    return system(group, type, payload, clock, cpu, version=version, tid=tid, pid=pid, pointer_size=pointer_size)


def driver_event(
    type: int,  # noqa: A002 -- the header's name for it
    clock: int,
    cpu: int = 0,
    *,
    irp: int,
    match_id: int = 0,
    routine: int = 0,
    file_object: int = 0,
    major: int = 0,
    minor: int = 0,
    version: int = 3,
    form: Form = "system",
    pointer_size: int = 8,
    padded: bool = False,
    tid: int = 0,
    pid: int = 0,
) -> RawRecord:
    """Return one DRIVER event.

    Args:
        type: 34 call of a dispatch routine, 35 its return, 37 completion routine, 52 IoCompleteRequest, 53 its return.
        clock: raw clock.
        cpu: its processor.
        irp: address of the IRP.
        match_id: UniqMatchId, equal in a call and its return.
        routine: address of the dispatch or completion routine.
        file_object: of calls.
        major: major function of calls.
        minor: minor function of calls.
        version: 1, or 2 and 3, which are alike.
        form: how the record is headed.
        pointer_size: 8 or 4.
        padded: with C's alignment instead of packed.
        tid: thread in the header.
        pid: process in the header.
    """
    if type == _CALL and version == 1:
        fields = [("I", match_id), ("P", routine), ("P", irp), ("I", major), ("I", minor), ("P", file_object)]
    elif type == _CALL:
        fields = [("I", major), ("I", minor), ("P", routine), ("P", file_object), ("P", irp), ("I", match_id)]
    elif type == _RETURN and version == 1:
        fields = [("I", match_id), ("P", irp)]
    elif type in (_RETURN, _COMPLETE_RETURN):
        fields = [("P", irp), ("I", match_id)]
    elif type in (_ROUTINE, _COMPLETE):
        fields = [("P", routine), ("P", irp), ("I", match_id)]
    else:
        raise UsageError(f"{type} is no type of a DRIVER event: 34, 35, 37, 52 and 53 are")
    return kernel_record(
        DISK_IO,
        type,
        _pack(fields, pointer_size, padded=padded),
        clock,
        cpu,
        version=version,
        form=form,
        pointer_size=pointer_size,
        tid=tid,
        pid=pid,
    )


def _pack(fields: list[tuple[str, int]], pointer_size: int, *, padded: bool) -> bytes:
    out = b""
    for code, value in fields:
        width = pointer_size if code == "P" else struct.calcsize(code)
        out += bytes(-len(out) % width if padded else 0)
        out += (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    return out + bytes(-len(out) % pointer_size if padded else 0)


def image_event(
    type: int,  # noqa: A002 -- the header's name for it
    clock: int,
    cpu: int = 0,
    *,
    base: int,
    size: int,
    name: str,
    pid: int = 0,
    checksum: int = 0,
    stamp: int = 0,
    version: int = 3,
    form: Form = "system",
    pointer_size: int = 8,
) -> RawRecord:
    """Return one image event (version 2 or 3): type 10 load, 2 unload, 3 and 4 what is there at start and end."""
    head = base.to_bytes(pointer_size, "little") + size.to_bytes(pointer_size, "little")
    head += struct.pack("<IIII", pid, checksum, stamp, 0) + base.to_bytes(pointer_size, "little") + bytes(16)
    payload = head + name.encode("utf-16-le") + b"\0\0"
    return kernel_record(IMAGE, type, payload, clock, cpu, version=version, form=form, pointer_size=pointer_size)


def image_id(
    clock: int,
    cpu: int = 0,
    *,
    base: int,
    pdb: str,
    guid: UUID,
    age: int = 1,
    pid: int = 0,
    pointer_size: int = 8,
) -> RawRecord:
    """Return the record by which a merge says which PDB an image has (class ImageID, type 36)."""
    payload = base.to_bytes(pointer_size, "little") + struct.pack("<I16sI", pid, guid.bytes_le, age)
    payload += pdb.encode() + b"\0"
    return full(IMAGE_ID, payload, clock, cpu, type=_IMAGE_PDB, version=2, pointer_size=pointer_size)
