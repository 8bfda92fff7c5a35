"""What the kernel logger notes beside a driver's events: statements of the script notation, and their records.

A note is an ``Event`` of opcode 0 whose name is one of ``NOTES``; it takes no sequence number of the driver.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from wsktrace.errors import FormatError
from wsktrace.testing.kernel_events import image_event, pool_event, process_event, thread_event
from wsktrace.testing.vocabulary import number, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsktrace.testing.etl_records import RawRecord
    from wsktrace.testing.events import Event

__all__ = ["NOTES", "VERBS", "note", "record"]

#: Note → its fields, each with the kind of address that a name in it stands for, empty for numbers.
NOTES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ThreadStack": {"Stack": "stack"},
        "ThreadEnd": {},
        "PoolAllocate": {"Entry": "context", "Bytes": "", "Type": ""},
        "PoolFree": {"Entry": "context"},
        "ProcessStart": {"Process": "object"},
        "ProcessEnd": {"Process": "object"},
        "ImageUnload": {},
    }
)
VERBS: Final = ("stack", "thread", "pool", "process", "image")
_POOLS: Final = {"paged": 1, "nonpaged": 512}
_DEFAULT_BYTES = 256
#: A stack of 24 KB in a slot of 32, as 64-bit systems have them.
_SLOT, _STACK = 0x8000, 0x6000


def note(verb: str, args: Sequence[str]) -> tuple[str, dict[str, str | int]]:
    """Return name and fields of what a statement says; ``FormatError`` where it says nothing that is known."""
    words = (verb, *args)
    if verb == "stack" and len(args) == 1:
        return "ThreadStack", {"Stack": _given(args[0])}
    if words == ("thread", "ends"):
        return "ThreadEnd", {}
    if words == ("image", "unloads"):
        return "ImageUnload", {}
    if verb == "process" and len(args) == 2 and args[0] in ("starts", "ends"):
        return ("ProcessStart" if args[0] == "starts" else "ProcessEnd"), {"Process": _given(args[1])}
    if words[:2] == ("pool", "free") and len(args) == 2:
        return "PoolFree", {"Entry": _given(args[1])}
    if verb == "pool" and len(args) in (2, 3) and args[0] in _POOLS:
        size = number(args[2]) if len(args) == 3 else _DEFAULT_BYTES
        if size is not None:
            return "PoolAllocate", {"Entry": _given(args[1]), "Bytes": size, "Type": _POOLS[args[0]]}
    known = ("stack ctx", "thread ends", "pool paged ctx 256", "pool free ctx", "process ends P", "image unloads")
    raise FormatError(f"{' '.join(words)!r} says nothing; {suggestion(' '.join(words), known)}")


def _given(text: str) -> str | int:
    value = number(text)
    return text if value is None else value


def record(event: Event, clock: int, pointer_size: int) -> RawRecord:
    """Return a note as the kernel logger writes it."""
    writers: dict[str, Callable[[Event, int, int], RawRecord]] = {
        "ThreadStack": _thread, "ThreadEnd": _thread, "PoolAllocate": _pool, "PoolFree": _pool,
        "ProcessStart": _process, "ProcessEnd": _process,
    }  # fmt: skip
    if event.name == "ImageUnload":
        return image_event(
            2, clock, event.cpu, base=event.image, size=0x20000, name="\\SystemRoot\\driver.sys",
            pointer_size=pointer_size,
        )  # fmt: skip
    return writers[event.name](event, clock, pointer_size)


def _thread(event: Event, clock: int, pointer_size: int) -> RawRecord:
    low = event.fields.get("Stack", 0) // _SLOT * _SLOT
    high = low + _STACK if low else 0
    kind = 3 if event.name == "ThreadStack" else 2
    return thread_event(
        kind, clock, event.cpu, thread=event.tid, base=high, limit=low, process=event.pid, pointer_size=pointer_size
    )


def _pool(event: Event, clock: int, pointer_size: int) -> RawRecord:
    return pool_event(
        32 if event.name == "PoolAllocate" else 34,
        clock,
        event.cpu,
        entry=event.fields["Entry"],
        size=event.fields.get("Bytes", 0),
        pool=event.fields.get("Type", 0),
        pointer_size=pointer_size,
    )


def _process(event: Event, clock: int, pointer_size: int) -> RawRecord:
    return process_event(
        1 if event.name == "ProcessStart" else 2,
        clock,
        event.cpu,
        key=event.fields["Process"],
        pid=8 + event.fields["Process"] % 0x10000,
        pointer_size=pointer_size,
    )
