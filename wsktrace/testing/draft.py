"""Events before they have addresses, a clock and a place among others: what scripts and stories are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

__all__ = ["MS", "SECOND", "US", "Draft", "Fate", "Fragment"]

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000


class Fate(Enum):
    """What became of an event on its way into the file."""

    LOGGED = "it is in the file"
    LOST = "it took a sequence number and the tracer lost it, which the header counts"
    OVERWRITTEN = "it took a sequence number and a circular file overwrote it, which nobody counts"
    UNSEEN = "no session had enabled it: it took no sequence number"


@dataclass(slots=True)
class Draft:
    """An event to be: values may be names, which become addresses when fragments are assembled.

    Attributes:
        gap: ns after the fragment's previous event.
        cpu: processor, counted inside the fragment.
        tid: thread, counted inside the fragment; 0 is the idle thread, where DPCs run.
        pid: process.
        name: native event name.
        opcode: 0, 1 (Start) or 2 (Stop).
        fields: native field name → number or name.
        image: which driver, 0 the first.
        fate: what became of it; see ``Fate``.
        hole: so many events that nobody names were lost right before it.
    """

    gap: int
    cpu: int
    tid: int
    pid: int
    name: str
    opcode: int
    fields: dict[str, int | str] = field(default_factory=dict)
    image: int = 0
    fate: Fate = Fate.LOGGED
    hole: int = 0


@dataclass(slots=True)
class Fragment:
    """Drafts in their true order, to be played together with other fragments.

    Attributes:
        drafts: the events.
        kinds: name → kind of address it stands for.
        start: when it begins, ns since the start of the trace.
        tail: ns for which the trace goes on after the last of them, at least.
        keep: addresses of its names are never given to anything later.
        fresh: names whose addresses nothing had before.
        shared: names that it shares with other fragments of its driver; the object is the same for all of them.
    """

    drafts: list[Draft]
    kinds: dict[str, str] = field(default_factory=dict)
    start: int = 0
    tail: int = 0
    keep: bool = False
    fresh: frozenset[str] = frozenset()
    shared: dict[str, int] | None = None
