"""Operations become lines: returns find their calls, what runs inside a call is deeper, notes find their place."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from wsktrace.report.story.told import Line
from wsktrace.report.story.words import KINDS, Surroundings, sentence
from wsktrace.units import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wsktrace.report.story.rows import Operation
__all__ = ["depths", "lines", "mates", "place", "subject"]

_BEGIN: Final = {"enter": "return", "complete": "complete_return", "callback": "callback_return"}
_END: Final = {end: begin for begin, end in _BEGIN.items()}


def subject(row: Operation) -> int:
    """Return the address that an entry and its return have in common."""
    return row.irp or row.socket or row.arg("client") or row.arg("registration") or row.arg("socket_context") or 0


def _thread(row: Operation) -> tuple[int, int | None, int | None]:
    """Return what runs one thing after the other: a thread, or a processor where its idle thread is used."""
    return row.load, row.tid, row.cpu if not row.tid else None


def mates(rows: Sequence[Operation]) -> dict[int, int]:
    """Return place of a return → place of its entry: the latest open one of the same thread, operation and object."""
    open_: dict[tuple[int, int | None, int | None], list[int]] = {}
    found: dict[int, int] = {}
    for place, row in enumerate(rows):
        if row.phase in _BEGIN:
            open_.setdefault(_thread(row), []).append(place)
        elif row.phase in _END:
            stack = open_.get(_thread(row), [])
            for back in range(len(stack) - 1, -1, -1):
                begun = rows[stack[back]]
                if begun.op == row.op and begun.phase == _END[row.phase] and _same(begun, row):
                    found[place] = stack[back]
                    del stack[back:]
                    break
    return found


def _same(begun: Operation, ended: Operation) -> bool:
    mine, other = subject(begun), subject(ended)
    return mine == other or not other


def depths(rows: Sequence[Operation], found: Mapping[int, int]) -> list[int]:
    """Return how many calls of the same thread, completion routines or callbacks each row runs inside of."""
    ends = {begin: end for end, begin in found.items()}
    open_: dict[tuple[int, int | None, int | None], list[int]] = {}
    held = []
    for place, row in enumerate(rows):
        stack = open_.setdefault(_thread(row), [])
        if place in found and stack and stack[-1] == place:
            stack.pop()
        held.append(len(stack))
        if place in ends:
            stack.append(ends[place])
    return held


def lines(
    rows: Sequence[Operation],
    *,
    issued: Mapping[int, tuple[Operation, Operation | None]],
    irp: int | None = None,
    socket: int | None = None,
    evidence: Collection[int] = (),
) -> list[Line]:
    """Return one line for each operation.

    Args:
        rows: in the trace's order.
        issued: place of a completion → the call and its return.
        irp: address that need not be said, since all is about it.
        socket: likewise.
        evidence: ids of operations that show the finding.
    """
    found = mates(rows)
    made = []
    for place, (row, depth) in enumerate(zip(rows, depths(rows, found), strict=True)):
        call, returned = issued.get(place, (None, None))
        around = Surroundings(
            rows[found[place]] if place in found else None,
            call,
            returned,
            inline=returned is not None and returned.at > row.at,
            names_irp=irp is None or row.irp != irp,
            names_socket=socket is None or (row.socket is not None and row.socket != socket),
        )
        made.append(
            Line(
                row.time,
                KINDS.get(row.phase, "fact"),
                _harmless(sentence(row, around)),
                row.cpu,
                row.tid,
                row.pid,
                operation_id=row.id,
                irp_id=row.irp_id,
                socket_id=row.socket_id,
                depth=depth,
                evidence=row.id in evidence,
            )
        )
    return made


def _harmless(told: str) -> str:
    return told if told.isprintable() else clean(told)


def place(told: list[Line], more: Sequence[tuple[int | None, Line]]) -> list[Line]:
    """Put further lines between those of operations.

    Args:
        told: lines of operations, in order.
        more: (operation behind which it belongs, line); where that is None or not told, by its time.
    """
    ids = [line.operation_id for line in told]
    after: dict[int, list[Line]] = {}
    times: list[int] = []
    for line in told:  # the trace's order may go back by some ticks where CPUs differ
        times.append(max(line.time_ns, times[-1]) if times else line.time_ns)
    where: dict[Any, int] = {number: spot for spot, number in enumerate(ids) if number is not None}
    for anchor, line in more:
        spot = where.get(anchor, bisect_right(times, line.time_ns) - 1)
        after.setdefault(spot, []).append(line)
    out = list(after.get(-1, ()))
    for spot, line in enumerate(told):
        out.append(line)
        out += after.get(spot, ())
    return out
