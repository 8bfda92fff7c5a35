"""Where in the tables the rows of one IRP, socket, finding or moment are; each index is built when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.report.story.about import About
from wsktrace.report.story.extent import Extent
from wsktrace.report.story.requests import Requests
from wsktrace.report.story.rows import Columns, Groups, union
from wsktrace.report.words import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from wsktrace.arrow import Tables

__all__ = ["Index"]

#: Facts about an IRP that belong to the story of its socket, too.
_TOLD_OF_SOCKETS: Final = ("IrpCancel", "IrpWait", "IrpMarkPending", "IrpCompleteUp")
#: Rows of operations of sockets that are kept for the next story about the same socket.
_KEPT: Final = 4 << 20
#: Callbacks of one context looked through for the return of one of them.
_NEXT_CALLBACKS: Final = 64
_NEVER: Final = np.iinfo(np.int64).max


class Index:
    """The tables of a trace with what finds rows in them. Rows are positions in ``operations``, ascending."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._socket_rows: dict[int, NDArray[np.int64]] = {}

    @cached_property
    def operations(self) -> Columns:
        """The table ``operations``."""
        return Columns(self._tables("operations"))

    @cached_property
    def irps(self) -> Columns:
        """The table ``irps``."""
        return Columns(self._tables("irps"))

    @cached_property
    def sockets(self) -> Columns:
        """The table ``sockets``."""
        return Columns(self._tables("sockets"))

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        """The table ``findings``."""
        return rows(self._tables("findings"))

    # -- rows by id ---------------------------------------------------------------------------------------------------

    def rows_of(self, ids: Sequence[int]) -> NDArray[np.int64]:
        """Return where operations of these ids are; ids that there are not are left out."""
        held = self.operations.values("operation_id")
        wanted = np.array(ids, np.uint64) if len(ids) < 2 else np.unique(np.array(ids, np.uint64))
        spots = held.searchsorted(wanted)
        here = spots < len(held)
        here[here] = held[spots[here]] == wanted[here]
        return spots[here]

    @cached_property
    def _irp_by_id(self) -> Groups:
        return Groups(self.irps.values("irp_id"))

    @cached_property
    def _socket_by_id(self) -> Groups:
        return Groups(self.sockets.values("socket_id"))

    @cached_property
    def _finding_by_id(self) -> dict[int, dict[str, Any]]:
        return {f["finding_id"]: f for f in self.findings}

    def irp_rows(self, irp_ids: Iterable[int]) -> NDArray[np.int64]:
        """Return where in ``irps`` some uses are."""
        return np.array([spot for number in irp_ids for spot in self._irp_by_id.of(number)[:1]], np.int64)

    def has(self, table: str, number: int | None) -> bool:
        """Whether ``irps`` or ``sockets`` has a row; tables from elsewhere may name rows that there are not."""
        held = self._irp_by_id if table == "irps" else self._socket_by_id
        return number is not None and len(held.of(number)) > 0

    def irp(self, irp_id: int) -> dict[str, Any]:
        """Return a row of ``irps``; ``UsageError`` where there is none."""
        found = self._irp_by_id.of(irp_id)
        if not len(found):
            raise UsageError(f"no IRP #{irp_id}; {_ids(self.irps.values('irp_id'))}")
        return self.irps.row(int(found[0]))

    def socket(self, socket_id: int) -> dict[str, Any]:
        """Return a row of ``sockets``; ``UsageError`` where there is none."""
        found = self._socket_by_id.of(socket_id)
        if not len(found):
            raise UsageError(f"no socket #{socket_id}; {_ids(self.sockets.values('socket_id'))}")
        return self.sockets.row(int(found[0]))

    def finding(self, finding_id: int) -> dict[str, Any]:
        """Return a row of ``findings``; ``UsageError`` where there is none."""
        found = self._finding_by_id.get(finding_id)
        if found is None:
            raise UsageError(f"no finding {finding_id}; {_ids(list(self._finding_by_id))}")
        return found

    # -- operations of one life ---------------------------------------------------------------------------------------

    @cached_property
    def _of_irp(self) -> Groups:
        return Groups(self.operations.values("irp_id"), np.flatnonzero(self.operations.known("irp_id")))

    def of_irp(self, irp_id: int) -> NDArray[np.int64]:
        """Return the operations that the model gave to a use of an IRP."""
        return self._of_irp.of(irp_id)

    @cached_property
    def _loose_by_irp(self) -> Groups:
        ops = self.operations
        loose = ops.known("irp") & ~ops.known("irp_id") & (ops.values("irp") != 0)
        return Groups(ops.values("irp"), np.flatnonzero(loose))

    @cached_property
    def _uses(self) -> Groups:
        return Groups(self.irps.values("irp"))

    def beside(self, irp: dict[str, Any]) -> NDArray[np.int64]:
        """Return what was traced of the IRP around one use: how it was made ready, cancelled, waited for, freed."""
        facts = self._loose_by_irp.of(irp["irp"])
        if not len(facts):
            return facts
        use = int(self._irp_by_id.of(irp["irp_id"])[0])
        uses = self._uses.of(irp["irp"])
        issues = self.irps.values("issue_operation")
        spot = int(np.searchsorted(uses, use))
        issue = self.rows_of([irp["issue_operation"]])
        before = self.rows_of(issues[uses[spot - 1 : spot]].tolist()) if spot else issue[:0]
        after = self.rows_of(issues[uses[spot + 1 : spot + 2]].tolist())
        low = int(np.searchsorted(facts, before[0], "right")) if len(before) else 0
        middle = int(np.searchsorted(facts, issue[0])) if len(issue) else 0
        high = int(np.searchsorted(facts, after[0])) if len(after) else len(facts)
        facts = np.concatenate([facts[max(low, middle - 64) : middle], facts[middle : min(high, middle + 256)]])
        facts = facts[self.operations.values("load")[facts] == irp["load"]]
        names = self.operations.take("op", facts)
        first = len(facts) if not len(issue) else int(np.searchsorted(facts, issue[0]))
        found: NDArray[np.int64] = facts[_start(names, first) : _stop(names, first)]
        return found

    @cached_property
    def _of_socket(self) -> Groups:
        return Groups(self.operations.values("socket_id"), np.flatnonzero(self.operations.known("socket_id")))

    @cached_property
    def _loose_by_socket(self) -> Groups:
        ops = self.operations
        loose = ops.known("socket") & ~ops.known("socket_id") & (ops.values("socket") != 0)
        return Groups(ops.values("socket"), np.flatnonzero(loose))

    @cached_property
    def _callbacks(self) -> Groups:
        ops = self.operations
        calls = ops.is_word("phase", "callback", "callback_return") & ops.known("socket_context")
        return Groups(ops.values("socket_context"), np.flatnonzero(calls & (ops.values("socket_context") != 0)))

    @cached_property
    def _sharing(self) -> Groups:
        return Groups(self.sockets.values("context"), np.flatnonzero(self.sockets.known("context")))

    def of_socket(self, socket: dict[str, Any]) -> NDArray[np.int64]:
        """Return the operations of a socket, the callbacks on it as far as its context tells them apart included."""
        known = self._socket_rows.get(socket["socket_id"])
        if known is None:
            if sum(map(len, self._socket_rows.values())) > _KEPT:
                self._socket_rows.clear()
            known = self._socket_rows[socket["socket_id"]] = self._rows_of_socket(socket)
        return known

    def _rows_of_socket(self, socket: dict[str, Any]) -> NDArray[np.int64]:
        own = self._of_socket.of(socket["socket_id"])
        birth, closed = socket["birth_operation"], socket["closed_operation"]
        parts = [own, self.rows_of([birth]), self.accept_return(socket)]
        if socket["irp_id"] is not None:
            parts.append(self.of_irp(socket["irp_id"]))
        last = closed if closed is not None else _NEVER
        loose = self._within(self._loose_by_socket.of(socket["socket"]), socket["load"], birth, last)
        calls = self._callbacks.of(socket["context"] or 0)
        if len(calls):
            calls = self._within(calls, socket["load"], birth, last)
            parts.append(calls[self._alone(socket["context"], calls)])
        return union(*parts, loose)

    def accept_return(self, socket: dict[str, Any]) -> NDArray[np.int64]:
        """Return where the WskAcceptEvent callback that brought a socket returned; no row where that is not known."""
        ops, birth = self.operations, self.rows_of([socket["birth_operation"]])
        if not len(birth) or ops.take("phase", birth)[0] != "callback":
            return birth[:0]
        of = self._callbacks.of(ops.take("socket_context", birth)[0] or 0)
        at = of[np.searchsorted(of, birth[0], "right") :][:_NEXT_CALLBACKS]
        at = at[ops.is_at("phase", at, "callback_return") & ops.is_at("op", at, *ops.take("op", birth))]
        return at[[tid == ops.take("tid", birth)[0] for tid in ops.take("tid", at)]][:1]

    def refused(self, socket: dict[str, Any]) -> bool:
        """Whether the driver did not accept the socket that a callback brought."""
        return any(self.operations.take("status", self.accept_return(socket)))

    def _within(self, at: NDArray[np.int64], load: int, first: int, last: int) -> NDArray[np.int64]:
        if not len(at):
            return at
        number = self.operations.values("operation_id")[at].astype(np.int64)
        inside: NDArray[np.int64] = at[
            (number >= first) & (number <= last) & (self.operations.values("load")[at] == load)
        ]
        return inside

    def _alone(self, context: int, at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return where only one socket with this context was alive."""
        sharing = self._sharing.of(context)
        born = np.sort(self.sockets.values("birth_operation")[sharing].astype(np.int64))
        closed = self.sockets.values("closed_operation")[sharing].astype(np.int64)
        gone = np.sort(np.where(self.sockets.known("closed_operation")[sharing], closed, _NEVER))
        number = self.operations.values("operation_id")[at].astype(np.int64)
        alone: NDArray[np.bool_] = np.searchsorted(born, number, "right") - np.searchsorted(gone, number) == 1
        return alone

    def more_of_irps(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what completion routines returned, cancels and waits, of the IRPs of some operations of a socket."""
        numbers = dict.fromkeys(n for n in self.operations.take("irp_id", at) if n is not None)
        found = []
        for number in numbers:
            if not self.has("irps", number):
                continue
            own = self.of_irp(number)
            found.append(own[self.operations.is_at("phase", own, "complete_return")])
            beside = self.beside(self.irp(number))
            found.append(beside[self.operations.is_at("op", beside, *_TOLD_OF_SOCKETS)])
        return np.concatenate(found) if found else at[:0]

    def between(self, start_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return the operations from a time on and before another."""
        time = self.operations.values("time")
        return np.flatnonzero((time >= start_ns) & (time < end_ns))

    # -- requests of one socket ---------------------------------------------------------------------------------------

    @cached_property
    def requests(self) -> Requests:
        """Which requests of a socket were outstanding when."""
        return Requests(self.irps)

    # -- findings -----------------------------------------------------------------------------------------------------

    @cached_property
    def about(self) -> About:
        """Which findings are about what, and follow from what."""
        return About(self.findings)

    # -- the trace ----------------------------------------------------------------------------------------------------

    @cached_property
    def extent(self) -> Extent:
        """Where the trace ends, and where it has gaps."""
        return Extent(self.operations, rows(self._tables("quality")))


def _start(names: list[str], first: int) -> int:
    """Return from where on facts before a use belong to it: the last that made the IRP ready, or all after a free."""
    for spot in range(first - 1, -1, -1):
        if names[spot] in ("IrpAllocate", "IrpInitialize", "IrpReuse"):
            return spot
        if names[spot] == "IrpFree":
            return spot + 1
    return 0 if first == 0 else min(first, _first_setup(names, first))


def _first_setup(names: list[str], first: int) -> int:
    """Return where, without anything that made the IRP ready, the setting of a completion routine begins."""
    spot = first
    while spot and names[spot - 1] in ("IrpSetCompletion", "IrpMarkPending"):
        spot -= 1
    return spot


def _stop(names: list[str], first: int) -> int:
    """Return up to where facts after the call belong to it: the next time that the IRP is made ready."""
    for spot in range(first, len(names)):
        if names[spot] in ("IrpAllocate", "IrpInitialize"):
            return spot
        if names[spot] == "IrpReuse":
            return spot + 1
    return len(names)


def _ids(held: Any) -> str:
    """Say which ids there are."""
    if not len(held):
        return "there is none in this trace"
    return f"there are {len(held):,}, from {int(min(held))} to {int(max(held))}"
