"""What a rule may ask of a life, in the contract's words. The rule families see the model only through this.

Everything here is a gather or a lookup on one load; nothing judges.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model import descriptors as sd
from wsktrace.model import sockets as so
from wsktrace.model.doubt import ALIAS, CAP, ORDER
from wsktrace.model.lanes import Lane
from wsktrace.model.traits import KINDS, NEVER_ROW
from wsktrace.rules.wording import address, duration
from wsktrace.wsk import constants as c
from wsktrace.wsk.constants import status_name
from wsktrace.wsk.operations import CALLBACK, CODES, DATA, IRP, OPS, REGISTRATION, SOCKET, Group, Phase
from wsktrace.wsk.ops import KNOWN_IRP, KNOWN_IRQL, KNOWN_SOCKET, KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.lives import Life

__all__ = [
    "CALLBACK",
    "DATA",
    "IRP",
    "KINDS",
    "NEVER_ROW",
    "REGISTRATION",
    "SOCKET",
    "Facts",
    "address",
    "duration",
    "sd",
    "so",
]

_CREATES = np.array([op.creates for op in OPS])
_CALLBACK_PHASES = (Phase.CALLBACK, Phase.CALLBACK_RETURN)
_NEEDS_IRP = np.array([op.needs_irp for op in OPS])


class Facts:
    """One load's life, asked in the words of the contract. Rows are rows of the load."""

    def __init__(self, life: Life) -> None:
        """Wrap a life."""
        self.life = life
        self.world = life.world
        self.ops = life.world.ops
        self.irps = life.irps
        self.sockets = life.sockets
        self.traits = life.traits
        self.descriptors = life.descriptors
        self.registrations = life.registrations
        self.profile = life.profile
        self.file = life.file

    # -- rows and their arguments

    def rows(self, name: str, phase: Phase) -> NDArray[np.int64]:
        """Return the rows of one operation in one phase, ascending; looked up, not searched for."""
        order, first = self._places
        kind = CODES[name] * 8 + phase
        return order[first[kind] : first[kind + 1]].astype(np.int64)

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows grouped by operation and phase, and where each group begins."""
        kind = self.ops.op.astype(np.uint16) * np.uint16(8) + self.ops.phase.astype(np.uint16)
        first = np.zeros(len(OPS) * 8 + 2, np.int64)
        first[1:] = np.cumsum(np.bincount(kind, minlength=len(OPS) * 8 + 1))
        return np.argsort(kind, kind="stable").astype(np.int32), first

    def enters(self, *names: str) -> NDArray[np.int64]:
        """Return the entry rows of the named calls, ascending."""
        found = [self.rows(name, Phase.ENTER) for name in names]
        return found[0] if len(found) == 1 else np.sort(np.concatenate(found), kind="stable")

    def unwitnessed(self, name: str, phase: Phase = Phase.FACT) -> np.uint8:
        """Return ``CAP`` where the driver never wrote an event of that kind: it may not have the macro for it.

        For facts that a driver need not trace (IrpSetCompletion, IrpReuse, IrpFree, MemoryFree …), whose silence says
        nothing while none is seen.
        """
        return np.uint8(0 if len(self.rows(name, phase)) else CAP)

    @cached_property
    def dispatch_givers(self) -> NDArray[np.int64]:
        """Return the rows that give a socket its dispatch table: creations, accepts, returns of accept callbacks."""
        calls = self.world.is_(("WskSocket", "WskSocketConnect", "WskAccept"), Phase.ENTER)
        return np.flatnonzero(calls | self.world.is_(("WskAcceptEvent",), Phase.CALLBACK_RETURN))

    def level_enters(self, *levels: str) -> NDArray[np.int64]:
        """Return the entry rows of all calls of these levels (client, socket …), ascending."""
        names = tuple(op.name for op in OPS if op.level in levels)
        return self.enters(*names)

    def arg(self, name: str, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return (values, known) of an argument."""
        return self.ops.arg(name, rows)

    def irql(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return (IRQL, known)."""
        return self.ops.irql[rows], (self.ops.known[rows] & KNOWN_IRQL) != 0

    def status(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """Return (status, known)."""
        return self.ops.status[rows], (self.ops.known[rows] & KNOWN_STATUS) != 0

    def op_name(self, row: int | np.integer[Any]) -> str:
        """Return the operation's name of a row."""
        return OPS[int(self.ops.op[row])].name

    def op_is(self, rows: NDArray[np.integer[Any]], *names: str) -> NDArray[np.bool_]:
        """Return which rows are of the named operations."""
        wanted = np.zeros(256, np.bool_)
        wanted[[CODES[name] for name in names]] = True
        found: NDArray[np.bool_] = wanted[self.ops.op[rows]]
        return found

    def lane(self, rows: NDArray[Any], keys: NDArray[Any]) -> Lane:
        """Group ascending rows by an address or another key."""
        return Lane(rows, keys)

    def closed_from(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the doubt whether all that the driver did before each row is in the trace (closed world)."""
        return self.world.closed(rows)

    # -- relations

    def submission(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the use of an IRP that each row belongs to, -1."""
        found: NDArray[np.int64] = self.irps.of_row[rows].astype(np.int64)
        return found

    def socket_of(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the socket that each row belongs to, -1."""
        found: NDArray[np.int64] = self.sockets.of_row[rows].astype(np.int64)
        return found

    @cached_property
    def socket_of_irp(self) -> NDArray[np.int64]:
        """Return per use of an IRP the socket that it is on, or that it created; -1."""
        found = self.sockets.of_row[self.irps.enter].astype(np.int64)
        made = np.flatnonzero(self.sockets.submission >= 0)
        found[self.sockets.submission[made]] = made
        return found

    @cached_property
    def creates(self) -> NDArray[np.bool_]:
        """Return which uses of IRPs create or accept a socket."""
        return _CREATES[self.irps.op]

    def client_since(self, client: NDArray[np.uint64], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the row of WskRegister of each client's registration, -1 where it is not in the trace."""
        of, several = self.registrations.of_client(client, rows)
        register = np.append(self.registrations.register, -1)
        return np.where((of >= 0) & ~several, register[of], -1)

    def unlogged(self, group: Group, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint8]:
        """Return ``CAP`` where events of the group are not known to have been traced between two rows."""
        return self.world.coverage.unlogged(group, a, b)

    @cached_property
    def hidden_births(self) -> NDArray[np.int64]:
        """Return rows, ascending, from which on a socket may exist that no event of the trace brought.

        A creation whose IRP may complete unseen (not known to be the driver's own), one that succeeded without its
        Information, an accept callback without its socket.
        """
        irps = self.irps
        unseen = self.creates & ~irps.own & (irps.complete < 0) & ~irps.ret_is("error")
        blind = self.creates & irps.succeeded() & ~irps.information_known
        events = self.world.rows("WskAcceptEvent", Phase.CALLBACK)
        _, known = self.arg("accept_socket", events)
        return np.sort(np.concatenate([irps.enter[unseen | blind], events[~known]]))

    def hidden_birth(self, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return ``ALIAS`` where a socket may have been born unseen before b.

        By a creation entered before b, ended after a.
        """
        del a  # an unseen creation has no end: it may bring its socket at any time after its entry
        if not len(self.hidden_births):
            return np.zeros(len(b), np.uint8)
        return np.where(np.searchsorted(self.hidden_births, b, side="left") > 0, ALIAS, 0).astype(np.uint8)

    def births_unlogged(self, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return ``CAP`` where creations, their completions or accept callbacks were not known to be traced."""
        doubt = np.zeros(len(b), np.uint8)
        for group in (SOCKET, IRP, CALLBACK):
            doubt |= self.unlogged(group, a, b)
        return doubt | self._blind_births

    @cached_property
    def _blind_births(self) -> np.uint8:
        """Return ``CAP`` where an event that may have brought a socket lacks the IRP or status that would say so."""
        makers = self.world.is_(tuple(op.name for op in OPS if op.creates), Phase.ENTER)
        unnamed = (makers | self.completions) & ~self.ops.has(KNOWN_IRP)
        mute = self.creates & (self.irps.complete >= 0) & ~self.irps.status_known
        return np.uint8(CAP if bool(np.any(unnamed)) or bool(np.any(mute)) else 0)

    @cached_property
    def blind_contexts(self) -> np.uint8:
        """Return why any callback may be that of a socket whose context is not known.

        ``CAP`` where the event that gave a socket its context does not say which, ``ALIAS`` where order is uncertain
        and a socket's creation was not found.
        """
        s = self.sockets
        adopted = s.origin == so.ORIGINS.index("adopted")
        running = (s.origin == so.ORIGINS.index("accept_event")) & (self.world.mate[s.birth] < 0)
        unsaid = ~self.traits.context_known & ~adopted & ~running
        doubt = CAP if bool(np.any(unsaid)) else 0
        if not self.world.has_seq:
            doubt |= ALIAS if bool(np.any(adopted)) else 0
            doubt |= ORDER if bool(np.any(self.creates & (self.irps.link_doubt != 0))) else 0
        return np.uint8(doubt)

    @cached_property
    def blind_enabling(self) -> np.uint8:
        """Return ``CAP`` where a call that may enable callbacks does not say so: on which socket, or by which code."""
        rows = self.enters("WskControlClient")
        code, code_known = self.arg("control_code", rows)
        static = code_known & (code == c.WSK_SET_STATIC_EVENT_CALLBACKS)
        unsaid = ~code_known | (static & ~(self.arg("input_value", rows)[1] & self.arg("client", rows)[1]))
        return self.blind_calls | np.uint8(CAP if bool(np.any(unsaid)) else 0)

    @cached_property
    def contexts_named(self) -> NDArray[np.uint64]:
        """Return every socket context that a creation, an accept or an accept callback of the trace named."""
        found = []
        for name in ("socket_context", "accept_socket_context"):
            column = self.ops.sparse.get(name)
            if column is None:
                continue
            callback = (name == "socket_context") & np.isin(self.ops.phase[column.rows], _CALLBACK_PHASES)
            found.append(column.values[~callback])
        return np.unique(np.concatenate(found)).astype(np.uint64) if found else np.zeros(0, np.uint64)

    @cached_property
    def contexts_in_creation(self) -> NDArray[np.uint64]:
        """Return the contexts of creations and accepts whose end is not in the trace.

        Their sockets may live already.
        """
        open_ = self.creates & (self.irps.complete < 0) & ~self.irps.ret_is("error")
        rows = self.irps.enter[open_]
        found = [self.arg(name, rows)[0] for name in ("socket_context", "accept_socket_context")]
        return np.unique(np.concatenate(found)).astype(np.uint64)

    @cached_property
    def blind_calls(self) -> np.uint8:
        """Return ``CAP`` where some call on a socket does not say on which: it may be any call on any socket."""
        names = tuple(op.name for op in OPS if op.level == "socket")
        unnamed = self.world.is_(names, Phase.ENTER) & ~self.ops.has(KNOWN_SOCKET)
        return np.uint8(CAP if bool(np.any(unnamed)) else 0)

    def link_of_close(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return the doubt about the completion of each close (entry rows; -1 gives none)."""
        use = np.where(rows >= 0, self.irps.of_row[rows], -1) if len(self.world) else rows
        return np.where(use >= 0, np.append(self.irps.link_doubt, 0)[use], 0).astype(np.uint8)

    @cached_property
    def gave_up(self) -> NDArray[np.bool_]:
        """Return per socket whether any call on it failed: its owner may have given up what it had planned."""
        failed = self.irps.failed() | self.irps.ret_is("error")
        found = np.zeros(len(self.sockets), np.bool_)
        on = self.socket_of_irp
        found[on[failed & (on >= 0)]] = True
        return found

    def outstanding(self, socket: int, row: int) -> tuple[list[int], list[int]]:
        """Return the uses of IRPs (other than closes) and the callbacks that were open on a socket at a row."""
        irps = self.irps
        mine = np.flatnonzero((self.socket_of_irp == socket) & (irps.enter < row))
        is_close = irps.op[mine] == CODES["WskCloseSocket"]
        closed_by_error = irps.ret_is("error")[mine] & (irps.complete[mine] < 0)
        still = mine[~is_close & ~closed_by_error & ((irps.complete[mine] < 0) | (irps.complete[mine] > row))]
        calls = self.traits.callbacks
        ends = self.world.mate[calls.rows].astype(np.int64) if len(calls.rows) else calls.rows
        running = np.flatnonzero((calls.socket == socket) & (calls.rows < row) & ((ends < 0) | (ends > row)))
        return still.tolist(), calls.rows[running].tolist()

    # -- ends

    @cached_property
    def last_row(self) -> int:
        """Return the last row of the load."""
        return max(len(self.world) - 1, 0)

    @cached_property
    def completions(self) -> NDArray[np.bool_]:
        """Return which rows begin a completion routine."""
        return self.world.is_(("IrpComplete",), Phase.COMPLETE)

    def irp(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return (IRP, known)."""
        return self.ops.irp[rows], (self.ops.known[rows] & KNOWN_IRP) != 0

    def needs_irp(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Return which rows are calls that need an IRP whatever their arguments say."""
        needs: NDArray[np.bool_] = _NEEDS_IRP[self.ops.op[rows]]
        return needs

    def deadlines_ns(self, op: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return how long an IRP of each operation may stay pending, ns; 0 is without limit."""
        table = np.array([round(self.profile.deadline_s(code) * 1e9) for code in range(len(OPS))], np.int64)
        return table[op]

    def soon(
        self, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]], within_ns: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return where row b exists and comes within a time of row a (0: without limit)."""
        time = self.ops.time
        there: NDArray[np.bool_] = b >= 0
        if len(time):
            there &= (within_ns == 0) | (time[b] - time[a] <= within_ns)
        return there

    def close_failed(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Return which rows are entries of a close that failed, by its return or its completion."""
        use = self.submission(rows)
        bad = self.irps.failed() | self.irps.ret_is("error")
        ends = self.world.mate[rows].astype(np.int64)
        status, known = self.status(ends)
        bare = (use < 0) & (ends >= 0) & known & (status >= 0x80000000)
        failed: NDArray[np.bool_] = np.append(bad, False)[use] | bare
        return failed & self.op_is(rows, "WskCloseSocket")

    def certain_end(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the row at which the call of each entry row certainly completed, -1 where that is not certain."""
        use = self.submission(rows)
        ends = np.where(self.irps.link_doubt == 0, self.irps.complete, -1)
        return np.append(ends, -1)[use]

    @cached_property
    def client_of_irp(self) -> NDArray[np.uint64]:
        """Return per use of an IRP the client: the call's, or that of its socket; 0 where unknown."""
        client = self.arg("client", self.irps.enter)[0].astype(np.uint64)
        on = self.socket_of_irp
        return np.where(
            client != 0, client, np.where(on >= 0, np.append(self.traits.client, np.uint64(0))[on], 0)
        ).astype(np.uint64)

    def _registration(self, client: NDArray[np.uint64], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        of, several = self.registrations.of_client(client, rows)
        return np.where(several | (client == 0), -1, of)

    def teardown_after(self, rows: NDArray[np.integer[Any]], client: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the first row after each at which its client's WskDeregister, or DriverUnload, returned; -1."""
        none = np.int64(len(self.world))
        unloads = self.world.rows("DriverUnload", Phase.RETURN)
        first = np.append(unloads, none)[np.searchsorted(unloads, rows, side="right")]
        gone = np.append(self.registrations.deregistered, -1)[self._registration(client, rows)]
        first = np.where(gone > rows, np.minimum(first, gone), first)
        return np.where(first < none, first, -1)

    def blocked_deregister(self, rows: NDArray[np.integer[Any]], client: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of a WskDeregister of the client that has been waiting for too long at the end; -1."""
        regs = self.registrations
        asked = np.append(regs.deregister, -1)[self._registration(client, rows)]
        back = np.append(regs.deregistered, -1)[self._registration(client, rows)]
        limit = round(self.profile.thresholds.deregister_s * 1e9)
        waiting = (asked > rows) & (back < 0) & (self.world.coverage.end_ns - self.ops.time[asked] > limit)
        return np.where(waiting, asked, -1)

    # -- words

    def say(self, value: int | np.integer[Any]) -> str:
        """Print an address as WinDbg does."""
        return address(int(value), self.world.pointer_size)

    def since(self, a: int | np.integer[Any], b: int | np.integer[Any]) -> str:
        """Print how long it took from row a to row b."""
        return duration(int(self.ops.time[b]) - int(self.ops.time[a]))

    def until_end(self, row: int | np.integer[Any]) -> str:
        """Print how long the trace goes on, complete, after a row."""
        return duration(max(self.world.coverage.end_ns - int(self.ops.time[row]), 0))

    def irp_words(self, index: int | np.integer[Any]) -> str:
        """Print a use of an IRP: the call and its IRP."""
        return f"{OPS[int(self.irps.op[index])].name} with IRP {self.say(self.irps.irp[index])}"

    @staticmethod
    def status_words(status: int | np.integer[Any]) -> str:
        """Print a status with its name."""
        return status_name(int(status))

    def blind_arguments(self, known: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return ``CAP`` where an argument is not known."""
        return np.where(known, 0, CAP).astype(np.uint8)
