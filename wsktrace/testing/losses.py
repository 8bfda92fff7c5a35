"""Losses, each with the evidence that ETW leaves of it.

Losses of events act on a list of native events before it is written; losses of buffers act on the bytes of a written
file. Native ``Seq`` numbers stay with their events, so whatever is lost leaves holes in them.
Sources: the design pages wsk-contract, 1.5 items 0 and 2; ETL format, 1.1 and 1.3.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from wsktrace.errors import UsageError
from wsktrace.etl.types import Kind
from wsktrace.testing.etl_header import BUFFER_HEADER, BUFFER_LOST, EVENTS_LOST
from wsktrace.testing.etl_options import (
    MODE_APPEND,
    MODE_BUFFERING,
    MODE_CIRCULAR,
    MODE_KILOBYTES,
    MODE_NEWFILE,
    MODE_SEQUENTIAL,
)
from wsktrace.testing.etl_parts import Part, join, log_fields, patch_log, record_sizes, split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from wsktrace.testing.etl_options import TraceOptions
    from wsktrace.testing.events import Event

__all__ = [
    "append",
    "bursts",
    "cut",
    "drop_events",
    "filter_events",
    "later_file",
    "lose_buffers",
    "memory_ring",
    "never_stopped",
    "open_hole",
    "start_at",
    "stop_at_size",
    "wrap",
]

_FILE_MODES = MODE_SEQUENTIAL | MODE_CIRCULAR | MODE_APPEND | MODE_NEWFILE | MODE_BUFFERING


# events -------------------------------------------------------------------------------------------------------------


def bursts(events: Sequence[Event], seed: int, count: int = 1, longest: int = 20) -> list[int]:
    """Pick events as a session loses them when it has no free buffer: runs of neighbours on one CPU.

    Returns indices into ``events``, ascending; ``count`` runs of 1 to ``longest`` events.
    """
    rng = random.Random(seed)  # noqa: S311 -- reproducible, no secret
    picks: set[int] = set()
    for _ in range(count if events else 0):
        first = rng.randrange(len(events))
        same = [i for i in range(first, len(events)) if events[i].cpu == events[first].cpu]
        picks.update(same[: rng.randint(1, longest)])
    return sorted(picks)


def drop_events(
    events: Sequence[Event], picks: Iterable[int], options: TraceOptions
) -> tuple[list[Event], TraceOptions]:
    """Lose the picked events (indices): no buffer holds them, the log header counts them in EventsLost."""
    gone = set(picks)
    kept = [e for i, e in enumerate(events) if i not in gone]
    return kept, replace(options, events_lost=options.events_lost + len(events) - len(kept))


def filter_events(
    events: Sequence[Event], *, keywords: int = 2**64 - 1, level: int = 255, shared: bool = True
) -> list[Event]:
    """Leave out what the session did not enable: other keywords, higher levels. Nothing in the file says so.

    ``shared``: another session had the rest enabled, so it took numbers and ``Seq`` has holes; otherwise the driver
    never counted it and ``Seq`` is numbered without them.
    """
    kept = [e for e in events if (e.keyword == 0 or e.keyword & keywords) and e.level <= level]
    if shared:
        return kept
    lowest: dict[int, int] = {}
    for event in events:
        if event.seq is not None:
            lowest[event.image] = min(event.seq, lowest.get(event.image, event.seq))
    order = sorted((e for e in kept if e.seq is not None), key=lambda e: (e.image, e.seq))
    met: Counter[int] = Counter()
    numbers = {}
    for event in order:
        numbers[id(event)] = lowest[event.image] + met[event.image]
        met[event.image] += 1
    return [replace(e, seq=numbers.get(id(e)), fields=dict(e.fields)) for e in kept]


def start_at(events: Sequence[Event], ns: int, options: TraceOptions) -> tuple[list[Event], TraceOptions]:
    """Start the session ``ns`` after the driver's story began: earlier events are not in the file.

    ``ns`` is rounded down to 100 ns. Times of the rest count from the new start; StartTime and raw clock move on.
    """
    shift = ns - ns % 100
    kept = [replace(e, time=e.time - shift, fields=dict(e.fields)) for e in events if e.time >= shift]
    end = None if options.end is None else max(0, options.end - shift)
    later = options.start_clock + options.ticks(shift)
    return kept, replace(options, start=options.start + shift // 100, start_clock=later, end=end)


# buffers ------------------------------------------------------------------------------------------------------------


def lose_buffers(
    data: bytes,
    picks: Collection[int],
    *,
    count_buffers: bool = True,
    count_events: bool = True,
    close_hole: bool = False,
    mark: bool = False,
) -> bytes:
    """Lose data buffers (ordinals in the file, from 0).

    The evidence: BuffersLost, EventsLost (the records that were in them), the hole in SequenceNumber
    (``close_hole``: the numbers go on without one), and with ``mark`` buffer flags 2 and 4 on the next buffer.
    """
    header, *parts = split(data)
    state = int.from_bytes(header.data[0x2C:0x2E], "little")
    gone = sorted(set(picks))
    if gone and not 0 <= gone[0] <= gone[-1] < len(parts):
        raise UsageError(f"the file has {len(parts)} data buffers; there is no number {gone[-1]}")
    lost = sum(len(record_sizes(parts[n], state)) for n in gone)
    numbers = sorted(parts[n].sequence for n in gone)
    kept = [part for n, part in enumerate(parts) if n not in gone]
    for n in gone if mark else ():
        following = next((part for part in parts[n:] if part in kept), None)
        if following is not None:
            following.flags |= EVENTS_LOST | BUFFER_LOST
    for part in kept if close_hole else ():
        part.sequence -= sum(n < part.sequence for n in numbers)
    log = log_fields(header)
    patch_log(
        header,
        buffers_written=max(1, log.buffers_written - len(gone)),
        buffers_lost=log.buffers_lost + (len(gone) if count_buffers else 0),
        events_lost=log.events_lost + (lost if count_events else 0),
    )
    return join([header, *kept])


def _keep_last(data: bytes, keep: int) -> tuple[Part, list[Part]]:
    header, *parts = split(data)
    if not 0 < keep <= len(parts):
        raise UsageError(f"the file has {len(parts)} data buffers; {keep} cannot remain")
    return header, parts[-keep:]


def _set_mode(header: Part, mode: int, **fields: int) -> None:
    patch_log(header, mode=log_fields(header).mode & ~_FILE_MODES | mode, **fields)


def wrap(data: bytes, keep: int, *, rotate: int = 0) -> bytes:
    """Make the file circular: only the last ``keep`` buffers in order of flush remain, older ones were overwritten.

    BuffersWritten goes on counting the overwritten ones. ``rotate``: so many of the oldest remaining buffers stand
    behind the newest ones, as where the writing position stands in the middle of the file.
    """
    header, kept = _keep_last(data, keep)
    kept = kept[rotate:] + kept[:rotate]
    size = len(header.data) + sum(len(part.data) for part in kept)
    _set_mode(header, MODE_CIRCULAR, max_file_size=size + (1 << 20) - 1 >> 20)
    return join([header, *kept])


def memory_ring(data: bytes, keep: int) -> bytes:
    """Make the file the dump of a session that kept its buffers in memory (mode 0x400): the last ``keep`` remain."""
    header, kept = _keep_last(data, keep)
    _set_mode(header, MODE_BUFFERING, buffers_written=len(kept) + 1)
    return join([header, *kept])


def later_file(data: bytes, keep: int) -> bytes:
    """Make the file a later one of a session that began new files (NEWFILE, 8): the last ``keep`` buffers."""
    header, kept = _keep_last(data, keep)
    _set_mode(header, MODE_NEWFILE, buffers_written=len(kept) + 1)
    return join([header, *kept])


def never_stopped(data: bytes, *, buffers_written: int = 1, zeros: int = 0) -> bytes:
    """Leave the session running when the file was taken.

    EndTime is 0, BuffersWritten stale, what ETW writes at the end (the header buffer's tail, the buffers then open on
    each CPU) is missing. ``zeros``: bytes of a file that is still growing, allocated but not written.
    """
    header, *parts = split(data)
    last = max((part.flush for part in parts), default=0)
    kept = [part for part in parts if part.flush != last]
    keep = BUFFER_HEADER.size
    for size in record_sizes(header):
        if header.data[keep + 2] not in (Kind.SYSTEM32, Kind.SYSTEM64):
            break
        keep += size
    header.data[keep:] = b"\xff" * (len(header.data) - keep)
    header.data[0x30:0x34] = keep.to_bytes(4, "little")
    patch_log(header, end_time=0, buffers_written=buffers_written)
    return join([header, *kept]) + bytes(zeros)


def stop_at_size(data: bytes, limit: int, *, kilobytes: bool = True, closed: bool = True) -> bytes:
    """Stop the session when the next buffer would exceed MaximumFileSize (SEQUENTIAL): nothing counts what is lost.

    ``limit`` is in KB (mode bit 0x2000) or in MB. ``closed``: EndTime is when the first missing buffer was flushed;
    otherwise it stays what it was.
    """
    header, *parts = split(data)
    room = (limit << (10 if kilobytes else 20)) - len(header.data)
    kept: list[Part] = []
    for part in parts:
        room -= len(part.data)
        if room < 0:
            break
        kept.append(part)
    if len(kept) == len(parts):
        raise UsageError("the file does not reach that size")
    log = log_fields(header)
    fields = {"max_file_size": limit, "buffers_written": len(kept) + 1}
    if closed:
        fields["end_time"] = log.filetime(parts[len(kept)].flush)
    _set_mode(header, MODE_SEQUENTIAL | (MODE_KILOBYTES if kilobytes else 0), **fields)
    return join([header, *kept])


def cut(data: bytes, at: int) -> bytes:
    """Cut the file at any byte."""
    return data[:at]


def open_hole(data: bytes, after: int, size: int = 1) -> bytes:
    """Open a hole of ``size`` in SequenceNumber behind the data buffer numbered ``after``; nothing is lost."""
    header, *parts = split(data)
    for part in parts:
        if part.sequence > after:
            part.sequence += size
    return join([header, *parts])


def append(first: bytes, second: bytes) -> bytes:
    """Append a second session to a file (APPEND, 4): its header buffer stands in the middle."""
    one, two = split(first), split(second)
    for parts in (one, two):
        _set_mode(parts[0], MODE_APPEND)
    return join([*one, *two])
