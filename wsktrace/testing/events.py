"""One event of the native provider, as the simulator makes it and the ETL writer stores it.

The simulator's unit is an object per event: traces of thousands of events, made to be read and changed. Millions of
events are made by the writer, which repeats a block.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["INFO", "START", "STOP", "Event", "without_seq"]

#: Opcodes of the native provider: a fact, the entry of a call or callback or completion routine, its return.
INFO, START, STOP = 0, 1, 2


@dataclass(slots=True)
class Event:
    """One event.

    Attributes:
        time: ns since the start of the trace.
        cpu: processor that logged it.
        tid: thread id; 0 is every processor's idle thread.
        pid: process id.
        name: event name of the native provider, for example ``WskSocket``.
        opcode: ``INFO``, ``START`` or ``STOP``.
        fields: the event's own fields by their native names, without ``Image`` and ``Seq``; unsigned integers.
        image: image base of the driver that emitted it.
        seq: the driver's event counter, or None where the header did not count.
        keyword: keyword bits of the provider.
        level: ETW level.
        missing: names of fields that an older header leaves out of the event's metadata (``Seq`` too).
    """

    time: int
    cpu: int
    tid: int
    pid: int
    name: str
    opcode: int
    fields: dict[str, int] = field(default_factory=dict)
    image: int = 0xFFFFF80244200000
    seq: int | None = None
    keyword: int = 0
    level: int = 4
    missing: frozenset[str] = frozenset()

    @property
    def is_start(self) -> bool:
        """True for the entry of a call, callback or completion routine."""
        return self.opcode == START

    @property
    def is_stop(self) -> bool:
        """True for the return of a call, callback or completion routine."""
        return self.opcode == STOP


def without_seq(events: Iterable[Event]) -> list[Event]:
    """Return copies that carry no sequence number, as an older header would have written them."""
    return [replace(e, seq=None, fields=dict(e.fields)) for e in events]
