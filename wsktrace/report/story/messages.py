"""The driver's own messages between the lines of a story: which of a trace's events belong to it, and where."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.report.story.told import Line, Story
from wsktrace.units import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from wsktrace.decode.contents import Contents
    from wsktrace.decode.events import EventBatch
    from wsktrace.facts import TraceFacts
__all__ = ["MOST", "Wanted", "collect", "may_have", "with_messages"]

#: Messages woven into one story.
MOST: Final = 200
_ENDS: Final = {"return": "call", "complete_return": "complete", "callback_return": "callback"}
_ADDRESS: Final = re.compile(r"(?:[0-9a-f]{8}`)?[0-9a-f]{8}")
#: Table of a story → labels of its facts that hold the addresses it is about.
_ABOUT: Final = {
    "irps": ("IRP",),
    "sockets": ("socket",),
    "findings": ("IRP", "socket", "descriptor", "registration"),
    "moments": (),
}
#: Events that are operations, or that tell of the trace and not of the driver.
_OPERATIONS: Final = frozenset({"wsktrace", "eventtrace", "msnt_systemtrace", "68fdd900-4a3e-11d1-84f4-0000f80464e3"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages belong to a story.

    Attributes:
        windows: (thread, its CPU where it is an idle thread, from, until, depth): what runs inside of calls.
        pattern: addresses that it is about, as texts show them; None where it is about none.
        addresses: the same as numbers.
        start_ns, end_ns: messages before and behind are of no interest.
        every: all messages between these times belong to it.
    """

    windows: tuple[tuple[int, int | None, int, int, int], ...]
    pattern: re.Pattern[str] | None
    addresses: frozenset[int]
    start_ns: int
    end_ns: int
    every: bool = False

    @classmethod
    def of(cls, story: Story, *, every: bool = False) -> Wanted:
        """Return what belongs to a story; to that of a moment all messages do."""
        times = [line.time_ns for line in story.lines] or [story.start_ns]
        start, end = (min(times), max(times)) if story.span is None else (story.span[0], story.span[1] - 1)
        told = [value.split()[0] for label, value in story.facts if label in _ABOUT[story.table]]
        found = sorted({word for word in told if _ADDRESS.fullmatch(word)})
        numbers = frozenset(int(word.replace("`", ""), 16) for word in found)
        parts = "|".join(word.replace("`", "`?") for word in found)
        pattern = re.compile(f"(?<![0-9a-f`])(?:0x)?0*(?:{parts})(?![0-9a-f`])", re.IGNORECASE) if parts else None
        moment = story.table == "moments"
        return cls(tuple(_windows(story.lines)), pattern, numbers, start, end, every or moment)

    def depth(self, tid: int | None, cpu: int | None, time_ns: int) -> int | None:
        """Return how deep inside the calls of a thread a moment is; None where it is in none."""
        inside = [
            depth
            for thread, processor, start, end, depth in self.windows
            if thread == tid and start <= time_ns <= end and processor in (None, cpu)
        ]
        return max(inside) + 1 if inside else None


def _windows(lines: Sequence[Line]) -> list[tuple[int, int | None, int, int, int]]:
    """Return what each call, completion routine and callback of the story spans on its thread."""
    open_: dict[tuple[int, int | None, int], Line] = {}
    found = []
    for line in lines:
        if line.tid is None:
            continue
        cpu = line.cpu if line.tid == 0 else None
        key = (line.tid, cpu, line.depth)
        if line.kind in _ENDS.values():
            open_[key] = line
        elif line.kind in _ENDS and key in open_ and open_[key].kind == _ENDS[line.kind]:
            begun = open_.pop(key)
            found.append((line.tid, cpu, begun.time_ns, line.time_ns, line.depth))
    return found


def with_messages(story: Story, events: pa.Table | Iterable[Mapping[str, Any]], *, most: int = MOST) -> Story:
    """Return a story with messages between its lines, in the order of time.

    Args:
        story: the story.
        events: rows of ``Trace.events()`` as an Arrow table or as dictionaries (times as ns UTC); those that do not
            belong to the story are left out, operations of the native provider always.
        most: how many messages to show; how many more there are is said in a line.
    """
    held = events if not hasattr(events, "schema") else _rows(events)
    wanted = Wanted.of(story)
    chosen = [row for row in held if row["time"] is not None and not _is_operation(row) and _belongs(row, wanted)]
    chosen.sort(key=lambda row: row["time"])
    return _woven(story, chosen[:most], len(chosen) - most, wanted)


def _rows(table: Any) -> list[dict[str, Any]]:
    from wsktrace.report.words import rows

    return rows(table)


def _is_operation(row: Mapping[str, Any]) -> bool:
    return str(row.get("provider") or "").lower() in _OPERATIONS


_BASE: Final = frozenset(
    {"time", "cpu", "pid", "tid", "id", "version", "opcode", "level", "keyword", "line", "guid", "format", "file"}
)


def _belongs(row: Mapping[str, Any], wanted: Wanted) -> bool:
    time_ns = row["time"]
    if not wanted.start_ns <= time_ns <= wanted.end_ns:
        return False
    if wanted.every or wanted.depth(row.get("tid"), row.get("cpu"), time_ns) is not None:
        return True
    if wanted.pattern is None:
        return False
    if any(isinstance(v, int) and v in wanted.addresses for k, v in row.items() if k not in _BASE):
        return True
    return any(isinstance(v, str) and wanted.pattern.search(v) for k, v in row.items() if k not in _BASE)


def _woven(story: Story, chosen: Sequence[Mapping[str, Any]], more: int, wanted: Wanted) -> Story:
    times: list[int] = []
    for line in story.lines:
        times.append(max(line.time_ns, times[-1]) if times else line.time_ns)
    after: dict[int, list[Line]] = {}
    for row in chosen:
        tid, cpu, time_ns = row.get("tid"), row.get("cpu"), row["time"]
        depth = wanted.depth(tid, cpu, time_ns) or 0
        line = Line(time_ns, "message", _told(row), cpu, tid, row.get("pid"), depth=depth)
        after.setdefault(bisect_right(times, time_ns), []).append(line)
    out = list(after.get(0, ()))
    for spot, line in enumerate(story.lines, 1):
        out += [line, *after.get(spot, ())]
    if more > 0:
        end = times[-1] if times else wanted.end_ns
        out.append(Line(end, "note", f"… and {more:,} more message{'s' * (more != 1)}"))
    return replace(story, lines=tuple(out))


def _told(row: Mapping[str, Any]) -> str:
    """Return a message with the place in the source that it comes from, or the event's name."""
    where = f"{row['file']}:{row['line']}" if row.get("file") else ""
    name = "" if where else "/".join(str(row[key]) for key in ("provider", "event") if row.get(key))
    head = " ".join(part for part in (where, str(row.get("function") or ""), name) if part)
    return clean(f"{head}: {row.get('message') or ''}" if head else row.get("message") or "")


# -- a pass over the file ---------------------------------------------------------------------------------------------


def collect(
    contents: Contents, stories: Sequence[Story], *, every: bool = False, most: int | None = MOST, progress: Any = None
) -> list[Story]:
    """Return stories with the messages of a file between their lines; the file is read once, in chunks.

    Args:
        contents: the file and what describes its events.
        stories: the stories.
        every: all messages between a story's begin and end, not only those of its threads and addresses; events of
            the kernel's logger are none.
        most: how many to show in each; None: all.
        progress: called with (done, total) bytes.
    """
    from wsktrace.decode.event_filter import EventFilter
    from wsktrace.decode.events import read_events

    wants = [Wanted.of(story, every=every) for story in stories]
    found: list[list[dict[str, Any]]] = [[] for _ in stories]
    counts = [0] * len(stories)
    providers = _providers(contents)
    if not providers:
        return [_without(story, contents) for story in stories]
    if not stories:
        return []
    since, until = min(w.start_ns for w in wants), max(w.end_ns for w in wants) + 1
    chosen = EventFilter(providers=providers, since_ns=since, until_ns=until)
    for batch in read_events(contents, chosen, progress=progress):
        part = _messages(batch)
        if part is None:
            continue
        for spot, wanted in enumerate(wants):
            here = _matching(part, wanted)
            counts[spot] += len(here)
            found[spot] += _told_rows(part, here)
            if most is not None and len(found[spot]) > 2 * most:  # later chunks may hold earlier messages
                found[spot] = sorted(found[spot], key=lambda row: row["time"])[:most]
    out = []
    for story, wanted, rows_, count in zip(stories, wants, found, counts, strict=True):
        rows_ = sorted(rows_, key=lambda row: row["time"])[:most]
        out.append(_without(_woven(story, rows_, count - len(rows_), wanted), contents))
    return out


def _without(story: Story, contents: Contents) -> Story:
    """Say in a story what could not be woven in."""
    missing = contents.undescribed("message")
    if not missing:
        return story
    told = (
        f"{missing:,} WPP message{'s' * (missing != 1)} of the trace that nothing describes (wsktrace info says more)"
    )
    return replace(story, left_out="; ".join(filter(None, (story.left_out, told))))


def may_have(facts: TraceFacts) -> bool:
    """Whether a trace holds anything but operations and what every trace begins with."""
    return any(name.strip("{}").lower() not in _OPERATIONS for name, _ in facts.providers)


def _providers(contents: Contents) -> tuple[str, ...]:
    """Return the GUIDs of what has messages that something describes; nothing else needs to be decoded."""
    found: dict[str, None] = {}
    for kind in contents.kinds.kinds:
        format_ = contents.catalog.find(kind) if kind.provider >= 0 and kind.key.family != "kernel" else None
        if format_ is not None and (format_.provider or "").lower() not in _OPERATIONS:
            found[contents.file.guids.text(kind.provider)] = None
    return tuple(found)


@dataclass(slots=True)
class _Part:
    batch: EventBatch
    texts: list[str]
    tid: list[int | None]
    cpu: list[int]


def _messages(batch: EventBatch) -> _Part | None:
    """Return the events of a batch that something describes and that are no operations; None where there are none."""
    keep = np.zeros(len(batch), np.bool_)
    for group in batch.groups:
        told = group.format is not None and group.kind.key.family != "kernel"
        if told and group.provider.lower() not in _OPERATIONS:
            keep[group.places] = True
    keep &= np.asarray(batch.header("has_time"), np.bool_)
    if not keep.any():
        return None
    part = batch.take(keep)
    known = part.header("has_thread").tolist()
    tid = [t if k else None for t, k in zip(part.header("tid").tolist(), known, strict=True)]
    return _Part(part, part.messages(), tid, part.header("cpu").tolist())


def _matching(part: _Part, wanted: Wanted) -> list[int]:
    time = part.batch.time_ns
    near = np.flatnonzero((time >= wanted.start_ns) & (time <= wanted.end_ns))
    if wanted.every:
        return near.tolist()
    by_field = _by_field(part.batch, wanted.addresses)
    search = wanted.pattern.search if wanted.pattern is not None else None
    return [
        at
        for at, moment in zip(near.tolist(), time[near].tolist(), strict=True)
        if wanted.depth(part.tid[at], part.cpu[at], moment) is not None
        or at in by_field
        or (search is not None and search(part.texts[at]) is not None)
    ]


def _by_field(batch: EventBatch, addresses: frozenset[int]) -> set[int]:
    """Return the events one of whose fields holds an address."""
    found: set[int] = set()
    if not addresses:
        return found
    for group in batch.groups:
        for column in group.decoded.columns.values() if group.decoded is not None else ():
            values = column.values
            if values is not None and values.dtype.kind == "u" and values.dtype.itemsize >= 4 and not column.lists:
                fits = [a for a in addresses if a >> (8 * values.dtype.itemsize) == 0]
                found.update(group.places[np.isin(values, np.array(fits, values.dtype)) & column.valid].tolist())
    return found


def _told_rows(part: _Part, at: list[int]) -> list[dict[str, Any]]:
    if not at:
        return []
    from wsktrace.report.events.lines import columns

    keep = np.zeros(len(part.batch), np.bool_)
    keep[at] = True
    held = columns(part.batch.take(keep))
    held["time"] = part.batch.time_ns[keep].tolist()
    return [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]
