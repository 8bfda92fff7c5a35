"""Fragments → events: interleaves them, gives names their addresses (dead ones are used again), counts ``Seq``.

Fragments keep their inner order; what happens in a DPC on one processor is never cut by another fragment's DPC there.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wsktrace.testing.draft import US, Draft, Fate, Fragment
from wsktrace.testing.events import START, STOP, Event
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

    def take(self, kind: str, image: int) -> int:
        """Return an address that nothing alive has."""
        free = self._free.get(kind)
        if free:
            return free.pop()
        count = self._made[kind] = self._made.get(kind, -1) + 1
        if kind == "image":
            return image_base(image, self.pointer_size) + 0x3000 + count * 0x40
        first, step = _AREAS[kind]
        return _narrow(first + count * step & ~0xF, self.pointer_size)

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
    """A fragment while it is played."""

    fragment: Fragment
    names: dict[str, int]
    ends: dict[int, list[str]]
    cpus: list[int] | None
    threads: dict[int, int] = field(default_factory=dict)
    at: int = 0
    depth: int = 0


def _last_uses(fragment: Fragment) -> dict[int, list[str]]:
    """Return index of a draft → names whose address is free after it.

    A socket dies with the completion of its close, an IRP with IrpFree, memory with the fragment, the rest never.
    """
    last: dict[str, int] = {}
    dies: dict[str, int] = {}
    closing: dict[str, str] = {}
    for at, draft in enumerate(fragment.drafts):
        for value in draft.fields.values():
            if isinstance(value, str) and draft.opcode != STOP:
                last[value] = at
        irp, socket = draft.fields.get("Irp"), draft.fields.get("Socket")
        if draft.name == "IrpFree" and isinstance(irp, str):
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
        at = len(fragment.drafts) - 1 if end < last.get(name, 0) else end
        out.setdefault(at, []).append(name)
    return out


def assemble(
    fragments: Sequence[Fragment],
    *,
    cpus: int = 0,
    rng: Random | None = None,
    shared: dict[str, int] | None = None,
    addresses: Addresses | None = None,
    seq: dict[int, int] | None = None,
    skew: int = 0,
) -> Assembled:
    """Play all fragments at once.

    Args:
        fragments: each starts at its time; inner gaps are stretched at random where ``rng`` is given.
        cpus: processors; every fragment's are mapped onto them at random. 0: they are taken as written.
        rng: source of all chance; None plays exactly what is written.
        shared: names that mean the same in all fragments, with their addresses; grows by what ``addresses`` gives.
        addresses: where names get their addresses.
        seq: driver → last sequence number it has used; updated.
        skew: ns by which the processors' clocks may differ; each processor's own stays monotonic.
    """
    shared = {} if shared is None else shared
    addresses = addresses or Addresses()
    seq = {} if seq is None else seq
    offset = [rng.randrange(skew + 1) for _ in range(max(cpus, 1))] if rng and skew else None
    running = []
    for fragment in fragments:
        mapping = rng.sample(range(cpus), cpus) if rng and cpus else None
        running.append(_Running(fragment, {}, _last_uses(fragment), mapping))
    out = Assembled([], [r.names for r in running])
    heap = [(f.start + f.drafts[0].gap, n) for n, f in enumerate(fragments) if f.drafts]
    heapq.heapify(heap)
    owners: dict[int, int] = {}
    free_threads: list[int] = []
    now = -_TICK
    while heap:
        due, n = heapq.heappop(heap)
        run = running[n]
        draft = run.fragment.drafts[run.at]
        cpu = run.cpus[draft.cpu % cpus] if run.cpus else draft.cpu
        if run.cpus and not draft.tid and owners.get(cpu, n) != n:
            heapq.heappush(heap, (due + 2 * US, n))
            continue
        now = max(due - due % _TICK, now + _TICK)
        if run.cpus and not draft.tid:
            run.depth += {START: 1, STOP: -1}.get(draft.opcode, 0)
            owners[cpu] = n
            if run.depth == 0:
                del owners[cpu]
        if run.cpus and not run.threads:
            for tid in sorted({d.tid for d in run.fragment.drafts} - {0}):
                run.threads[tid] = (
                    free_threads.pop() if free_threads else 4100 + 4 * sum(len(r.threads) for r in running)
                )
        count = seq[draft.image] = seq.get(draft.image, 0) + draft.hole + (draft.fate is not Fate.UNSEEN)
        out.lost += draft.hole + (draft.fate is Fate.LOST)
        event = _resolve(draft, run, shared, addresses)
        event.time, event.cpu, event.seq = now + (offset[cpu] if offset else 0), cpu, count
        event.tid = run.threads.get(draft.tid, draft.tid)
        if draft.fate is Fate.LOGGED:
            out.events.append(event)
        if (draft.name, draft.opcode) == ("DriverUnload", STOP):
            seq[draft.image] = 0
        if not run.fragment.keep:
            for name in run.ends.get(run.at, ()):
                if name in run.names and name not in shared:
                    addresses.give_back(run.fragment.kinds[name], run.names[name])
        run.at += 1
        if run.at < len(run.fragment.drafts):
            gap = run.fragment.drafts[run.at].gap
            heapq.heappush(heap, (now + (int(gap * (1 + rng.random() * 0.6)) if rng else gap), n))
        else:
            free_threads += run.threads.values()
            out.end = max(out.end, now + run.fragment.tail)
    return out


def _resolve(draft: Draft, run: _Running, shared: dict[str, int], addresses: Addresses) -> Event:
    fields: dict[str, int] = {}
    for name, value in draft.fields.items():
        if isinstance(value, str):
            known = shared.get(value, run.names.get(value))
            if known is None:
                known = addresses.take(run.fragment.kinds[value], draft.image)
            if value.startswith(SHARED):
                shared[value] = known
            fields[name] = run.names[value] = known
        else:
            fields[name] = value
    image = image_base(draft.image, addresses.pointer_size)
    return complete(Event(0, draft.cpu, draft.tid, draft.pid, draft.name, draft.opcode, fields, image))
