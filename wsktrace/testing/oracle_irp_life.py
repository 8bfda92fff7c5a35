"""The oracle's rules about irp life: one load at a time, naively."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from wsktrace.testing.events import START, STOP
from wsktrace.testing.oracle_load import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Submission
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_ERROR = 0x80000000
_CONTROLS = ("WskControlSocket", "WskControlClient")


@dataclass
class _Irp:
    """One IRP, from IrpAllocate (or whatever names it first) to IrpFree."""

    made: str = ""
    ready: bool = False
    use: Submission | None = None
    place: int = -1
    completed: bool = False
    error: bool = False
    cancelled: bool = False
    raw: list[tuple[Submission, Event]] = field(default_factory=list)  # uses for which nothing had made it ready

    @property
    def is_open(self) -> bool:
        """It was given to WSK, and did not come back."""
        return self.use is not None and self.use.own and not self.completed


@dataclass
class _Driver:
    """What the driver has, one event at a time."""

    load: Load
    irps: dict[int, _Irp] = field(default_factory=dict)
    stacks: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    leaking: bool = False
    names: frozenset[str] = frozenset()
    out: list[Broken] = field(default_factory=list)

    def broken(self, rule: str, use: Submission, event: Event) -> None:
        self.out.append(Broken(f"WSK-{rule}", use.irp, use.address, event.time))

    def touched(self, irp: _Irp, event: Event, rule: str) -> None:
        """Judge an act on an IRP that may still be WSK's."""
        use = irp.use
        if use is None or not irp.is_open:
            return
        if irp.cancelled and not irp.error:
            self.broken("IRP-CANCEL-NO-WAIT", use, event)
        if irp.error and rule == "IRP-FREE-PENDING":
            self.broken("IRP-FREE-ON-ERROR", use, event)
        elif not irp.error and rule:
            self.broken(rule, use, event)

    def fact(self, event: Event) -> None:
        address = event.fields["Irp"]
        irp = self.irps.setdefault(address, _Irp())
        if event.name == "IrpAllocate":
            self.leaking |= bool(irp.made == "IrpAllocate" and irp.use)
            self.irps[address] = _Irp("IrpAllocate", ready=True)
        elif event.name in ("IrpInitialize", "IrpReuse"):
            self.touched(irp, event, "IRP-REINIT-PENDING")
            if event.name == "IrpReuse":
                self.still_the_drivers(irp)
            irp.raw = []
            made = event.name if event.name == "IrpInitialize" else irp.made
            irp.ready, irp.made = True, made
            if irp.is_open:
                irp.use = None
        elif event.name == "IrpFree":
            self.touched(irp, event, "IRP-FREE-PENDING")
            if irp.made == "IrpAllocate":
                self.still_the_drivers(irp)
            del self.irps[address]
        elif event.name == "IrpCancel":
            irp.cancelled |= irp.is_open and not irp.error
        elif (event.name, event.opcode) == ("IrpComplete", START):
            irp.completed = True

    def memory(self, event: Event) -> None:
        begin, size = event.fields["Address"], event.fields["Size"]
        for address in [a for a in self.irps if begin <= a < begin + size]:
            self.touched(self.irps[address], event, "IRP-FREE-PENDING")
            del self.irps[address]

    def enter(self, at: int, event: Event) -> None:
        use = self.load.uses[at]
        irp = self.irps.setdefault(use.irp, _Irp())
        self.touched(irp, event, "")
        frees = {"IrpInitialize": "IrpAllocate", "IrpAllocate": "IrpFree"}.get(irp.made) in self.names
        if irp.made and irp.use and irp.completed and not irp.ready and "IrpReuse" in self.names and frees:
            irp.raw.append((use, event))
        self.irps[use.irp] = _Irp(irp.made, use=use, place=at, raw=irp.raw)

    def still_the_drivers(self, irp: _Irp) -> None:
        """Believe what was put off: the address might have come back as that of an IRP from above."""
        for use, event in irp.raw:
            self.broken("IRP-NOT-REINITIALIZED", use, event)
        irp.raw = []

    def returned(self, at: int, event: Event) -> None:
        begun = self.load.start_of[at]
        for irp in self.irps.values():
            if irp.place == begun:
                irp.error = event.fields.get("Status", 0) >= _ERROR

    def unloaded(self, event: Event) -> None:
        left = [irp for irp in self.irps.values() if irp.made == "IrpAllocate" and irp.use and irp.use.own]
        for irp in left:
            if irp.use and (irp.completed or irp.error) and not self.leaking and "IrpFree" in self.names:
                self.broken("IRP-LEAK", irp.use, event)

    # what runs inside what --------------------------------------------------------------------------------------------

    def stack(self, event: Event) -> list[int]:
        return self.stacks.setdefault((event.tid, event.cpu if not event.tid else 0), [])

    def called(self, outer: int, event: Event) -> bool:
        """Whether what begins with the event was certainly called by that routine, and did not interrupt it."""
        irql = self.load.events[outer].fields["Irql"]
        return bool(irql >= 2 or event.fields.get("Irql") == irql)

    def depth(self, stack: list[int]) -> int:
        """Return how many completion routines stand on top of each other."""
        count = 1
        for outer, inner in reversed(list(pairwise(stack))):
            event = self.load.events[inner]
            own = any(
                u.irp == event.fields.get("Irp") and outer < at < inner < self.load.stop_of.get(at, 0)
                for at, u in self.load.uses.items()
                if self.stack(u.event) is stack
            )
            if self.load.events[outer].name != "IrpComplete" or not (own or self.called(outer, event)):
                break
            count += 1
        return count

    def nested(self, at: int, event: Event) -> None:
        stack = self.stack(event)
        if not stack or self.load.events[stack[-1]].name != "IrpComplete" or not self.called(stack[-1], event):
            return
        if event.name not in _CONTROLS or self.depth(stack) >= 3:
            self.broken("CALL-IN-COMPLETION", self.load.uses[at], event)

    def waits(self, event: Event) -> None:
        callbacks = [at for at in self.stack(event) if self.load.events[at].name.endswith("Event")]
        irp = self.irps.get(event.fields["Irp"])
        if not callbacks or irp is None or irp.use is None or not irp.is_open or irp.error:
            return
        own = irp.place > callbacks[-1] and self.stack(irp.use.event) is self.stack(event)
        if self.called(callbacks[-1], irp.use.event if own else event):
            self.broken("WAIT-IN-CALLBACK", irp.use, event)


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    names = frozenset(event.name for event in load.events.values())
    driver = _Driver(load, names=names)
    for at, event in load.events.items():
        frame = event.name == "IrpComplete" or event.name.endswith("Event")
        if event.name == "MemoryFree":
            driver.memory(event)
        elif event.name == "IrpWait" and event.opcode == START:
            driver.waits(event)
        elif event.name.startswith("Irp") and event.name != "IrpWait" and event.opcode != STOP:
            driver.fact(event)
        elif (event.name, event.opcode) == ("DriverUnload", STOP):
            driver.unloaded(event)
        elif at in load.uses and load.uses[at].irp:
            driver.nested(at, event)
            driver.enter(at, event)
        elif load.start_of.get(at) in load.uses:
            driver.returned(at, event)
        if frame and event.opcode == START and at in load.stop_of:
            driver.stack(event).append(at)
        elif frame and event.opcode == STOP and at in load.start_of:
            driver.stack(event).remove(load.start_of[at])
    yield from driver.out
