"""Where in the driver's source a finding stands: the place of the last message that its thread traced before.

WPP messages have a file and a line where a TMF describes them; the calls of WSK have none. So the nearest thing that a
trace can tell is the message that the same thread traced last. It is told only where nothing can stand between that
is not seen: not across a loss, not from before the driver's code was entered or left, not from long ago. Messages do
not say which binary they are of: who gives the symbols of the driver alone gets the driver's messages alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from wsktrace.decode.contents import Contents
    from wsktrace.wsk.ops import Operations

__all__ = ["WITHIN_NS", "Messages", "driver_messages", "last_before", "place_columns"]

#: How old a message may be, ns. A clock tick of Windows is 15.6 ms long: a thread that traced within the last 10 ms
#: is likely to be still at the same work.
WITHIN_NS: Final = 10_000_000

#: Moments at which the driver's own code runs on that thread.
_OWN: Final = (Phase.ENTER, Phase.COMPLETE_RETURN, Phase.CALLBACK_RETURN, Phase.FACT)
#: Moments at which WSK enters the driver's code or the driver leaves it: what was traced before is other code's.
_TURNS: Final = (Phase.COMPLETE, Phase.COMPLETE_RETURN, Phase.CALLBACK, Phase.CALLBACK_RETURN)


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages that have a place in the source, in any order.

    Attributes:
        time: int64 (n,), ns UTC.
        thread: int64 (n,), as ``threads`` makes them.
        place: int64 (n,), index of ``places``.
        places: (file, line), as the TMF has them.
    """

    time: NDArray[np.int64]
    thread: NDArray[np.int64]
    place: NDArray[np.int64]
    places: tuple[tuple[str, int], ...]


def threads(tid: NDArray[Any], cpu: NDArray[Any]) -> NDArray[np.int64]:
    """Return what tells threads apart: their id, and of the idle threads, which all have id 0, the processor, too."""
    own = tid.astype(np.int64)
    return np.where(own == 0, -1 - cpu.astype(np.int64), own)


def last_before(
    thread: NDArray[np.int64], time: NDArray[np.int64], of_thread: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each moment the last thing that its thread did before it.

    Args:
        thread: int64 (n,), of each moment.
        time: int64 (n,), of each moment; in any order.
        of_thread: int64 (m,), of each thing.
        at: int64 (m,), its time; in any order.

    Returns:
        int64 (n,): index of the thing whose time is the greatest below the moment's on the same thread, -1 for none.
    """
    count = len(at)
    who, when = np.concatenate([of_thread, thread]), np.concatenate([at, time])
    thing = np.arange(len(who)) < count
    order = np.lexsort((thing, when, who))  # of one time the moments come first, so that its things are not before them
    place = np.where(thing[order], np.arange(len(order)), -1)
    last = np.maximum.accumulate(place) if len(place) else place
    found = np.full(len(who), -1, np.int64)
    found[order] = np.where(last >= 0, order[last], -1)
    chosen = found[count:]
    same = (chosen >= 0) & (of_thread[chosen] == thread) if count else np.zeros(len(thread), np.bool_)
    return np.where(same, chosen, -1)


def _own_operation(evidence: Iterable[Sequence[int]], phase: NDArray[Any]) -> NDArray[np.int64]:
    """Return for each finding the operation whose place is looked for, -1 where there is none.

    That is the last of its evidence at which the driver's own code ran: the entry of a call, a fact, the end of a
    completion routine or callback. Returns of calls and the beginnings of callbacks are WSK's doing.
    """
    own = np.isin(phase, _OWN)
    found = [next((row for row in reversed(rows) if own[row]), -1) for rows in evidence]
    return np.array(found, np.int64)


def place_columns(
    evidence: Sequence[Sequence[int]], ops: Operations, messages: Messages, gaps: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """Return the columns ``source_file`` and ``source_line`` of ``findings``.

    Args:
        evidence: operation ids of each finding.
        ops: all operations, in the order of their ids.
        messages: of the driver.
        gaps: spans in which events may be missing, (start, end) in ns.
    """
    row = _own_operation(evidence, ops.phase)
    asked = np.flatnonzero(row >= 0)
    rows = row[asked]
    who, when = threads(ops.tid[rows], ops.cpu[rows]), ops.time[rows]
    turns = np.flatnonzero(np.isin(ops.phase, _TURNS) & np.isin(ops.tid, np.unique(ops.tid[rows])))
    found = last_before(who, when, messages.thread, messages.time)
    turn = last_before(who, when, threads(ops.tid[turns], ops.cpu[turns]), ops.time[turns])
    good = found >= 0
    good &= found == last_before(
        who, when + 1, messages.thread, messages.time
    )  # one of the same time: which came first?
    since = np.where(good, messages.time[found], 0) if len(messages.time) else np.zeros(len(rows), np.int64)
    good &= when - since <= WITHIN_NS
    if len(turns):
        good &= (turn < 0) | (ops.time[turns[turn]] < since)
    for start, end in gaps:
        good &= (start >= when) | (end <= since)
    files: list[str | None] = [None] * len(row)
    lines: list[int | None] = [None] * len(row)
    for at, message in zip(asked[good].tolist(), found[good].tolist(), strict=True):
        files[at], lines[at] = messages.places[int(messages.place[message])]
    return {"source_file": files, "source_line": lines}


def driver_messages(
    contents: Contents, tids: NDArray[Any], *, progress: Callable[[int, int], None] | None = None
) -> Messages:
    """Read the file once more for the messages of some threads that have a place in the source.

    Args:
        contents: what describes its records.
        tids: uint32, the threads that matter.
        progress: called with the bytes of the file done and in all.
    """
    file, kinds = contents.file, contents.kinds
    places: dict[tuple[str, int], int] = {}
    of_kind = np.full(len(kinds.kinds) + 1, -1, np.int64)  # the last one is that of no kind
    for number, kind in enumerate(kinds.kinds):
        form = contents.catalog.find(kind) if kind.key.family == "message" else None
        if form is not None and form.file and 0 < form.line < 1 << 31:
            of_kind[number] = places.setdefault((form.file, form.line), len(places))
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    if places and len(tids):
        for chunk in file.chunks(progress=progress):
            schemas = contents.book.assign(chunk, file.guids)
            place = of_kind[kinds.assign(chunk, schemas, file.guids, count=False)]
            r = chunk.records
            rows = np.flatnonzero((place >= 0) & r.has_time & r.has_thread & np.isin(r.tid, tids))
            if len(rows):
                parts.append((file.clock.to_ns(r.clock[rows]), threads(r.tid[rows], r.cpu[rows]), place[rows]))
    none = np.zeros(0, np.int64)
    time, thread, of = (np.concatenate([none, *(part[k] for part in parts)]) for k in range(3))
    return Messages(time, thread, of, tuple(places))
