"""Records of the NT kernel logger: what DRIVER traces of IRPs, images, threads and their stacks, processes, pool.

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

__all__ = [
    "DISK_IO",
    "IMAGE",
    "IMAGE_ID",
    "POOL",
    "PROCESS",
    "THREAD",
    "Form",
    "driver_event",
    "image_event",
    "image_id",
    "kernel_record",
    "pool_event",
    "process_event",
    "thread_event",
]

DISK_IO: Final = UUID("3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c")
IMAGE: Final = UUID("2cb15d1d-5fc1-11d2-abe1-00a0c911f518")
IMAGE_ID: Final = UUID("b3e675d7-2554-4f18-830b-2762732560de")
PROCESS: Final = UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c")
THREAD: Final = UUID("3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c")
POOL: Final = UUID("0268a8b6-74fd-4302-9dd0-6e8f1795c0cf")

#: How the record is headed: by the kernel with or without a thread, or as a classic event of its class.
Form = Literal["system", "perfinfo", "classic"]

_CALL, _RETURN, _ROUTINE, _COMPLETE, _COMPLETE_RETURN = 34, 35, 37, 52, 53
_GROUPS: Final = {DISK_IO: 1, PROCESS: 3, THREAD: 5, POOL: 14, IMAGE: 20}
_SESSION_POOL: Final = (33, 35)
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


def thread_event(
    type: int,  # noqa: A002 -- the header's name for it
    clock: int,
    cpu: int = 0,
    *,
    thread: int,
    base: int,
    limit: int,
    process: int = 4,
    version: int = 3,
    form: Form = "system",
    pointer_size: int = 8,
) -> RawRecord:
    """Return one thread event (version 2 or 3): type 1 start, 2 end, 3 and 4 what is there at start and end.

    ``base`` is the address above the kernel stack, ``limit`` its lowest address.
    """
    fields = [("I", process), ("I", thread), ("P", base), ("P", limit), ("P", 0), ("P", 0), ("P", 0), ("P", 0)]
    fields += [("P", 0), ("I", 0)] + ([("I", 0)] if version > 2 else [])
    payload = _pack(fields, pointer_size, padded=False)
    return kernel_record(
        THREAD, type, payload, clock, cpu, version=version, form=form, pointer_size=pointer_size, tid=thread,
        pid=process,
    )  # fmt: skip


def pool_event(
    type: int,  # noqa: A002 -- the header's name for it
    clock: int,
    cpu: int = 0,
    *,
    entry: int,
    size: int = 0,
    pool: int = 0,
    tag: int = 0x6B73574E,
    form: Form = "perfinfo",
    pointer_size: int = 8,
) -> RawRecord:
    """Return one pool event: type 32 allocation, 34 free; 33 and 35 the same of a session's pool.

    ``pool`` is a POOL_TYPE: 0 nonpaged, 1 paged, 512 nonpaged and not executable.
    """
    fields = [("I", pool), ("I", tag), ("P", size), ("P", entry)]
    fields += [("I", 1)] if type in _SESSION_POOL else []
    payload = _pack(fields, pointer_size, padded=False)
    return kernel_record(POOL, type, payload, clock, cpu, version=2, form=form, pointer_size=pointer_size)


def process_event(
    type: int,  # noqa: A002 -- the header's name for it
    clock: int,
    cpu: int = 0,
    *,
    key: int,
    pid: int,
    name: str = "app.exe",
    form: Form = "system",
    pointer_size: int = 8,
) -> RawRecord:
    """Return one process event (version 3): type 1 start, 2 end, 3 and 4 what is there at start and end.

    ``key`` is the address of the process object.
    """
    fields = [("P", key), ("I", pid), ("I", 4), ("I", 0), ("I", 0), ("P", 0)]
    # a SID that is not there takes four bytes
    payload = _pack(fields, pointer_size, padded=False) + bytes(4) + name.encode() + b"\0" + b"\0\0"
    return kernel_record(PROCESS, type, payload, clock, cpu, version=3, form=form, pointer_size=pointer_size, pid=4)
