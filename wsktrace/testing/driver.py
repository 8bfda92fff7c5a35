"""A busy driver: many sockets at once on several processors, reproducible by seed, legal unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wsktrace.testing.assemble import Addresses, Assembled, assemble
from wsktrace.testing.draft import MS, SECOND, Fragment
from wsktrace.testing.etl_options import DEFAULT
from wsktrace.testing.events import without_seq
from wsktrace.testing.pen import Pen
from wsktrace.testing.script import fragment
from wsktrace.testing.stories import LOAD, STORIES, UNLOAD, streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsktrace.testing.events import Event

_TICK = 100
_FIRST_STREAMS = 15063
#: Number of the first driver that a fragment brings along.
_GUESTS = 16

__all__ = ["Traffic", "busy", "skewed", "story"]


@dataclass(slots=True)
class Traffic:
    """What a driver did.

    Attributes:
        events: in true order.
        end: ns since the start until which the trace shows everything.
        names: per extra fragment, in the order given, name → address.
        closed: the driver was loaded and unloaded in the trace.
        lost: events that the tracer lost.
        settings: arguments of ``TraceOptions`` for the file.
    """

    events: list[Event]
    end: int
    names: list[dict[str, int]] = field(default_factory=list)
    closed: bool = True
    lost: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def build(self) -> int:
        """Build number of Windows that the file tells."""
        return int(self.settings.get("build", DEFAULT.build))

    def etl(self) -> bytes:
        """Return the trace file."""
        from wsktrace.testing.etl_options import TraceOptions
        from wsktrace.testing.etl_writer import write_native

        given: dict[str, Any] = {"end": self.end, "events_lost": self.lost, **self.settings}
        return write_native(self.events, options=TraceOptions(**given))


def busy(
    seed: int,
    *,
    sockets: int = 40,
    cpus: int = 4,
    seconds: float = 20.0,
    extras: Sequence[Fragment] = (),
    unload: bool = True,
    loads: int = 1,
    drivers: int = 1,
    seq: bool = True,
    skew: int = 0,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Traffic:
    """Return the traffic of a driver, or of several.

    Args:
        seed: equal seeds and arguments give equal events.
        sockets: stories told, of one to about five sockets each; 0: only ``extras``.
        cpus: processors, at least 3 where stories of several processors are among the extras.
        seconds: over how long the stories begin, in bursts.
        extras: what the first driver does besides (legal patterns, faults), in the first half of its last load.
        unload: the drivers unload at the end.
        loads: how often they are loaded and unloaded.
        drivers: how many of them there are; the stories are divided among them.
        seq: events carry sequence numbers.
        skew: ns by which the processors' clocks differ at most; the events stand in true order all the same.
        settings: arguments of ``TraceOptions`` for the file; an older Windows has no stream sockets.
    """
    rng = Random(f"wsktrace {seed}")  # noqa: S311 -- reproducible, no secret
    addresses, counters = Addresses(), dict[int, int]()
    out = Traffic([], 0, closed=unload, settings=dict(settings))

    def play(fragments: Sequence[Fragment]) -> Assembled:
        played = assemble(fragments, cpus=cpus, rng=rng, addresses=addresses, seq=counters)
        out.events += played.events
        out.lost += played.lost
        out.end = max(out.end, played.end)
        return played

    for load in range(loads):
        last = load == loads - 1
        addresses.reload()
        shared = [dict[str, int]() for _ in range(drivers)]
        for driver in range(drivers):
            first = _of_driver(fragment(LOAD), driver, shared, out.end + (200 * MS if load else MS))
            names = play([first]).names[0]
            shared[driver] |= {name: names[name] for name in ("C", "R", "DriverObject")}
        bursts = [out.end + MS + int(rng.random() * seconds * SECOND) for _ in range(1 + sockets // 8)]
        stories = [
            _of_driver(
                story(rng, cpus, build=out.build), n % drivers, shared, rng.choice(bursts) + rng.randrange(3 * MS)
            )
            for n in range(sockets)
        ]
        if last:
            half = seconds * SECOND / 2
            stories += [_of_driver(e, 0, shared, out.end + MS + int(rng.random() * half)) for e in extras]
        played = play(stories)
        if last:
            out.names = played.names[len(stories) - len(extras) :]
        if unload or not last:
            for driver in range(drivers):
                play([_of_driver(fragment(UNLOAD), driver, shared, out.end + MS)])
    _skew(out.events, [rng.randrange(skew + 1) for _ in range(cpus)])
    if not seq:
        out.events = without_seq(out.events)
    out.end = max(out.end, max((e.time for e in out.events), default=0)) + MS
    return out


def _of_driver(fragment: Fragment, driver: int, shared: list[dict[str, int]], start: int) -> Fragment:
    """Let the fragment be what that driver does, from that time on; other images in it are drivers of its own."""
    for draft in fragment.drafts:
        draft.image = _GUESTS + draft.image if draft.image else driver
    fragment.shared, fragment.start = shared[driver], start
    return fragment


def skewed(events: Sequence[Event], offsets: Sequence[int]) -> list[Event]:
    """Return the events as processors whose clocks are off by that many ns each would log them, in order of time.

    Time never runs backwards on one processor or on one thread.
    """
    moved = [replace(event) for event in events]
    _skew(moved, offsets)
    return sorted(moved, key=lambda event: event.time)


def _skew(events: list[Event], offsets: Sequence[int]) -> None:
    """Let the processors' clocks differ; time never runs backwards on one processor or on one thread."""
    if not any(offsets):
        return
    last: dict[tuple[str, int], int] = {}
    for event in events:
        keys = [("cpu", event.cpu)] + [("tid", event.tid)] * bool(event.tid)
        event.time = max(event.time + offsets[event.cpu], *(last.get(key, 0) + _TICK for key in keys))
        last |= dict.fromkeys(keys, event.time)


def story(rng: Random, cpus: int, *, build: int = DEFAULT.build) -> Fragment:
    """Return one story of a driver on that build of Windows, chosen and told by chance."""
    told = [(story, weight) for story, weight in STORIES if story is not streams or build >= _FIRST_STREAMS]
    tell = rng.choices([story for story, _ in told], [weight for _, weight in told])[0]
    pen = Pen(rng, cpus)
    tell(pen)
    return fragment(pen.end())
