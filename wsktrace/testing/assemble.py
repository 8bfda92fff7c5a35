"""Fragments → events: interleaves them, gives names their addresses (dead ones are used again), counts ``Seq``.

Fragments keep their inner order; what happens in a DPC on one processor is never cut by another fragment's DPC there.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wsktrace.testing.draft import US, Draft, Fate, Fragment
from wsktrace.testing.events import START, STOP, Event
from wsktrace.testing.kernel_notes import NOTES
from wsktrace.testing.native import complete

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["SHARED", "Addresses", "Assembled", "assemble", "image_base"]

#: Names that begin so mean the same in all fragments: what the driver's image holds.
SHARED: Final = "table."
#: Smallest distance of two events: one tick of the 10 MHz counter, so that rounding keeps their order.
_TICK: Final = 100
#: Kind of name → first address, distance of neighbours.
_AREAS: Final[dict[str, tuple[int, int]]] = {
    "irp": (0xFFFFB10A2C41E010, 0x150),
    "socket": (0xFFFFB10A2D003A50, 0x2C0),
    "context": (0xFFFFB10A2E117020, 0x1A0),
    "descriptor": (0xFFFFE1078C402DB0, 0x90),
    "client": (0xFFFFB10A2B0060E0, 0x60),
    "object": (0xFFFFB10A2F884080, 0x480),
    "memory": (0xFFFFB10A30552040, 0x240),
    "stack": (0xFFFFF58A1E3C4D00, 0x8000),
}
_IMAGE: Final = 0xFFFFF80244200000


def image_base(number: int, pointer_size: int = 8) -> int:
    """Image base of the driver of that number."""
    return _narrow(_IMAGE + number * 0x200000, pointer_size)


def _narrow(address: int, pointer_size: int) -> int:
    """Return the address, or one of the upper half of 32 bits."""
    return address if pointer_size == 8 else address & 0x7FFFFFFF | 0x80000000


class Addresses:
    """Addresses by kind; what was released last is given out first, as lookaside lists do."""

    def __init__(self, pointer_size: int = 8) -> None:
        self.pointer_size = pointer_size
        self._made: dict[str, int] = {}
        self._free: dict[str, list[int]] = {}

    def take(self, kind: str, image: int, *, fresh: bool = False) -> int:
        """Return an address that nothing alive has; ``fresh``: that nothing ever had."""
        free = self._free.get(kind)
        if free and not fresh:
            return free.pop()
        count = self._made[kind] = self._made.get(kind, -1) + 1
        if kind == "image":
            return image_base(image, self.pointer_size) + 0x3000 + count * 0x40
        first, step = _AREAS[kind]
        return _narrow(first + count * step & ~0xF, self.pointer_size)

    def reload(self) -> None:
        """Load a driver again: what its image holds gets its addresses from the beginning."""
        self._made.pop("image", None)

    def give_back(self, kind: str, address: int) -> None:
        """Take an address back, for the next of that kind."""
        self._free.setdefault(kind, []).append(address)


@dataclass(slots=True)
class Assembled:
    """Events in true order, as logged; name → address per fragment; what was lost; when the last thing happened."""

    events: list[Event]
    names: list[dict[str, int]]
    lost: int = 0
    end: int = 0


@dataclass(slots=True)
class _Running:
    """A fragment while it is played.

    ``threads``: its thread numbers → real ones. ``dpc``: where its DPC runs, (processor, thread), and how deep it is.
    """

    fragment: Fragment
    names: dict[str, int]
    ends: dict[int, list[str]]
    cpus: list[int]
    shared: dict[str, int]
    threads: dict[int, int] = field(default_factory=dict)
    at: int = 0
    dpc: tuple[int, int] | None = None
    depth: int = 0
    patience: int = 2000


def _last_uses(fragment: Fragment) -> dict[int, list[str]]:
    """Return index of a draft → names whose address is free after it.

    A socket dies with the completion of its close, an IRP with IrpFree or with the fragment unless a call still has it,
    memory with the fragment, the rest never.
    """
    last: dict[str, int] = {}
    dies: dict[str, int] = {}
    closing: dict[str, str] = {}
    pending: set[str] = set()
    for at, draft in enumerate(fragment.drafts):
        for value in draft.fields.values():
            if isinstance(value, str) and draft.opcode != STOP:
                last[value] = at
        irp, socket = draft.fields.get("Irp"), draft.fields.get("Socket")
        if isinstance(irp, str) and draft.opcode == START:
            (pending.discard if draft.name == "IrpComplete" else pending.add)(irp)
        if draft.name == "IrpFree" and isinstance(irp, str):
            pending.discard(irp)
            dies[irp] = at
        elif (
            (draft.name, draft.opcode) == ("WskCloseSocket", START) and isinstance(irp, str) and isinstance(socket, str)
        ):
            closing[irp] = socket
        elif (draft.name, draft.opcode) == ("IrpComplete", START) and irp in closing:
            dies[closing.pop(str(irp))] = at
    out: dict[int, list[str]] = {}
    for name, kind in fragment.kinds.items():
        if kind in ("image", "client", "object"):
            continue
        end = dies.get(name, -1)
        if name in pending or (kind == "socket" and end < 0):
            continue
        at = len(fragment.drafts) - 1 if end < last.get(name, 0) else end
        out.setdefault(at, []).append(name)
    return out


def assemble(
    fragments: Sequence[Fragment],
    *,
    cpus: int = 0,
    rng: Random | None = None,
    addresses: Addresses | None = None,
    seq: dict[int, int] | None = None,
) -> Assembled:
    """Play all fragments at once.

    Args:
        fragments: each starts at its time; inner gaps are stretched at random where ``rng`` is given.
        cpus: processors; every fragment's are mapped onto them at random, and its threads onto those that have nothing
            to do. 0: both are taken as written.
        rng: source of all chance; None plays exactly what is written.
        addresses: where names get their addresses.
        seq: driver → last sequence number it has used; updated.
    """
    player = _Player(fragments, cpus, rng, addresses or Addresses(), {} if seq is None else seq)
    return player.play()


class _Player:
    """Plays fragments; see ``assemble``."""

    def __init__(
        self, fragments: Sequence[Fragment], cpus: int, rng: Random | None, addresses: Addresses, seq: dict[int, int]
    ) -> None:
        self.rng, self.addresses, self.seq = rng, addresses, seq
        self.running = []
        for fragment in fragments:
            mapping = rng.sample(range(cpus), cpus) if rng and cpus else []
            shared = fragment.shared if fragment.shared is not None else {}
            self.running.append(_Running(fragment, {}, _last_uses(fragment), mapping, shared))
        self.out = Assembled([], [r.names for r in self.running])
        self.now = -_TICK
        self.in_dpc: dict[int, int] = {}  # processor → fragment whose DPC runs there
        self.in_call: dict[int, list[int]] = {}  # processor → threads that are inside a call there
        self.free_threads: list[int] = []
        self.made_threads = 0

    def play(self) -> Assembled:
        heap = [
            (r.fragment.start + r.fragment.drafts[0].gap, n) for n, r in enumerate(self.running) if r.fragment.drafts
        ]
        heapq.heapify(heap)
        while heap:
            due, n = heapq.heappop(heap)
            run = self.running[n]
            draft = run.fragment.drafts[run.at]
            cpu = run.cpus[draft.cpu % len(run.cpus)] if run.cpus else draft.cpu
            if run.cpus and self.in_dpc.get(cpu, n) != n and run.patience:
                run.patience -= 1
                heapq.heappush(heap, (due + 2 * US, n))
                continue
            self.now = max(due - due % _TICK, self.now + _TICK)
            self._log(draft, run, cpu, self._thread(draft, n, run, cpu) if run.cpus else draft.tid)
            run.at += 1
            if run.at < len(run.fragment.drafts):
                gap = run.fragment.drafts[run.at].gap
                gap = int(gap * (1 + self.rng.random() * 0.6)) if self.rng else gap
                heapq.heappush(heap, (self.now + gap, n))
            else:
                self.free_threads += run.threads.values()
                self.out.end = max(self.out.end, self.now + run.fragment.tail)
        return self.out

    def _thread(self, draft: Draft, n: int, run: _Running, cpu: int) -> int:
        """Return the real thread; a DPC takes the number of the thread that it interrupts."""
        if not run.threads:
            for tid in sorted({d.tid for d in run.fragment.drafts} - {0}):
                if not self.free_threads:
                    self.made_threads += 1
                    self.free_threads.append(4096 + 4 * self.made_threads)
                run.threads[tid] = self.free_threads.pop()
        step = {START: 1, STOP: -1}.get(draft.opcode, 0)
        if draft.tid:
            tid, inside = run.threads[draft.tid], self.in_call.setdefault(cpu, [])
            if step > 0:
                inside.append(tid)
            elif step and tid in inside:
                inside.remove(tid)
            return tid
        if run.dpc is None or run.dpc[0] != cpu:
            inside = self.in_call.get(cpu, [])
            interrupts = bool(inside and self.rng and self.rng.random() < 0.7)
            run.dpc, run.depth = (cpu, inside[-1] if interrupts else 0), 0
        tid = run.dpc[1]
        run.depth += step
        if run.depth > 0:
            self.in_dpc[cpu] = n
        else:
            self.in_dpc.pop(cpu, None)
            run.dpc = None
        return tid

    def _log(self, draft: Draft, run: _Running, cpu: int, tid: int) -> None:
        noted = draft.name in NOTES
        counted = draft.hole + (draft.fate is not Fate.UNSEEN and not noted)
        count = self.seq[draft.image] = self.seq.get(draft.image, 0) + counted
        self.out.lost += draft.hole + (draft.fate is Fate.LOST)
        image = image_base(draft.image, self.addresses.pointer_size)
        fields = {name: self._value(value, draft, run) for name, value in draft.fields.items()}
        event = Event(self.now, cpu, tid, draft.pid, draft.name, draft.opcode, fields, image, None if noted else count)
        if draft.fate is Fate.LOGGED:
            self.out.events.append(event if noted else complete(event))
        if (draft.name, draft.opcode) == ("DriverUnload", STOP):
            self.seq[draft.image] = 0
        if not run.fragment.keep:
            for name in run.ends.get(run.at, ()):
                if name in run.names and name not in run.shared:
                    self.addresses.give_back(run.fragment.kinds[name], run.names[name])

    def _value(self, value: int | str, draft: Draft, run: _Running) -> int:
        if not isinstance(value, str):
            return value
        known = run.shared.get(value, run.names.get(value))
        if known is None:
            known = self.addresses.take(run.fragment.kinds[value], draft.image, fresh=value in run.fragment.fresh)
        if value.startswith(SHARED):
            run.shared[value] = known
        run.names[value] = known
        return known
