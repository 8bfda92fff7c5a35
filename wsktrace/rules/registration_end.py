"""Rules about the way out: what the driver still has when it releases, deregisters and unloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules import blocks as b
from wsktrace.rules.facts import IRP, REGISTRATION, SOCKET, Facts
from wsktrace.rules.registration import in_time, of_blocks, unloaded
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, liveness, never, overlap
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "registration"
_WARNING, _ERROR = 1, 2
#: How many sockets or captures a finding names.
_NAMED = 4


@dataclass(slots=True)
class _Sockets:
    """Sockets that belong to registrations: when they were born and when they ended (beyond the rows: never)."""

    socket: NDArray[np.int64]
    of: NDArray[np.int64]
    birth: NDArray[np.int64]
    end: NDArray[np.int64]
    sure: NDArray[np.bool_]

    def open(self, number: NDArray[Any], rows: NDArray[Any], *, sure: bool = False) -> NDArray[np.int64]:
        """Return how many sockets of each registration are open at a row."""
        keep = self.sure if sure else np.ones(len(self.of), np.bool_)
        born = b.before(self.of[keep], self.birth[keep], number, rows)
        return born - b.before(self.of[keep], self.end[keep], number, rows)

    def named(self, number: int, row: int) -> NDArray[np.int64]:
        """Return the sockets of a registration that are open at a row."""
        here: NDArray[np.bool_] = (self.of == number) & (self.birth < row) & (self.end >= row)
        found: NDArray[np.int64] = self.socket[here]
        return found

    def answer(self, number: NDArray[Any], rows: NDArray[Any]) -> Answer:
        """Return whether sockets of each registration are open at a row; ``ALIAS`` where none of them is certain."""
        count = self.open(number, rows)
        return Answer(count > 0, doubt_if((count > 0) & (self.open(number, rows, sure=True) <= 0), ALIAS))


def _sockets(f: Facts, rows: NDArray[np.int64], *, until_closed: bool) -> _Sockets:
    """Return the sockets that are open at any of these rows, by the registration of their client.

    They end when WskCloseSocket is called or, ``until_closed``, when its IRP completes; where that is not the driver's
    own, nobody knows.
    """
    s, ever, asked = f.sockets, np.int64(len(f.world) + 1), np.sort(rows)
    end = np.where(s.close >= 0, s.close, ever)
    if until_closed:
        end = np.where(s.closed >= 0, s.closed, np.where(_closing(f), ever, end))
    end = np.where(s.rejected >= 0, np.minimum(end, s.rejected), end)
    here = np.searchsorted(asked, s.birth, side="right") < np.searchsorted(asked, end, side="right")
    open_ = np.flatnonzero(here)
    birth, end = s.birth[open_].astype(np.int64), end[open_]
    client = np.where(f.traits.client_known[open_], f.traits.client[open_], 0).astype(np.uint64)
    of, several = b.blocks(f).of_client(client, birth)
    # an accept callback that does not say whether it took the socket
    back = f.world.mate[birth].astype(np.int64)
    mute = (f.ops.phase[birth] == Phase.CALLBACK) & ((back < 0) | ~f.status(back)[1])
    sure = (s.doubt[open_] == 0) & ~several & ~mute
    sure &= f.unlogged(SOCKET, birth, np.full(len(open_), f.last_row)) == 0
    mine = of >= 0
    return _Sockets(open_[mine], of[mine], birth[mine], end[mine], sure[mine])


def _closing(f: Facts) -> NDArray[np.bool_]:
    """Return which sockets' closes are certainly under way until the end of the trace."""
    s, irps = f.sockets, f.irps
    found = np.zeros(len(s), np.bool_)
    asked = np.flatnonzero((s.close >= 0) & (s.closed < 0))
    use = irps.of_row[s.close[asked]]
    asked, use = asked[use >= 0], use[use >= 0]
    known, status = irps.ret_known[use], irps.ret_status[use]
    found[asked] = irps.own[use] & (irps.complete[use] < 0) & (irps.reset[use] < 0) & (irps.absent_doubt[use] == 0)
    found[asked] &= known & (status < 0x80000000)
    return found


def _said(f: Facts, sockets: NDArray[np.int64]) -> str:
    names = ", ".join(f.say(f.sockets.address[i]) for i in sockets[:_NAMED].tolist())
    return f"{'socket' if len(sockets) == 1 else 'sockets'} {names}" + (
        f" and {len(sockets) - _NAMED} more" if len(sockets) > _NAMED else ""
    )


@rule(
    "NPI-RELEASED-LIVE",
    severity="info",
    party="client",
    shape="I",
    source="NET unregistering-a-winsock-kernel-application; the echosrv sample",
    needs="WskRegister, WskCaptureProviderNPI, WskReleaseProviderNPI entries, creations and closes of sockets",
    traced=(
        "WskRegister",
        "WskCaptureProviderNPI return",
        "WskReleaseProviderNPI",
        "creations",
        "IrpComplete",
        "WskCloseSocket",
    ),
    advice="Nothing: the sockets live on, and WskDeregister waits for their closes.",
    legal=True,
)
def npi_released_live(f: Facts) -> Instances:
    """The last capture may be released while sockets are open; it is legal, and told only on request.

    Calls on a socket go through its own dispatch table, which stays valid until the socket is closed.
    """
    held = b.blocks(f)
    lane, each = held.lane, held.each
    at = held.last_releases
    rows, number = lane.rows[at].astype(np.int64), held.number[at]
    sockets = _sockets(f, rows, until_closed=False)
    since = each.register[number]
    inside = overlap(f.world, since, np.full(len(at), len(f.world)), rows, held.edge(b.CAPTURE, b.RELEASE)[number])
    broken = inside & sockets.answer(number, rows)
    address = lane.keys[lane.group[at]].astype(np.uint64)

    def named(i: int) -> NDArray[np.int64]:
        return sockets.named(int(number[i]), int(rows[i]))

    def tell(i: int) -> str:
        what = f"the last capture of block {f.say(address[i])} was released with {_said(f, named(i))} open"
        return f"{what}, which is legal"

    found = of_blocks(f, rows, np.ones(len(at), np.bool_), broken, address, tell, (rows,))
    found.outstanding = lambda i: f.sockets.birth[named(i)[:_NAMED]].tolist()
    return found


@rule(
    "DEREGISTER-BLOCKED",
    severity="error",
    party="client",
    shape="V",
    source="DDI wskderegister, Remarks; NET unregistering-a-winsock-kernel-application",
    needs=(
        "WskDeregister entries and returns, WskCaptureProviderNPI returns, WskReleaseProviderNPI entries, "
        "creations and closes of sockets with their completions"
    ),
    traced=(
        "WskDeregister",
        "WskDeregister return",
        "WskCaptureProviderNPI return",
        "WskReleaseProviderNPI",
        "creations",
        "IrpComplete",
        "WskCloseSocket",
    ),
    follows={"SOCKET-LEAK": "load", "NPI-UNBALANCED": "load", "CLOSE-STUCK": "load"},
    advice=(
        "Before WskDeregister, release every capture and close every socket, or let another thread do it that does not "
        "wait for this one."
    ),
    limits=(
        "A warning where it came back late, an error where it did not. Where neither a capture nor a socket is seen "
        "that it waits for, the reason is unknown. The limit is the profile's."
    ),
)
def deregister_blocked(f: Facts) -> Instances:
    """WskDeregister returns within ten seconds, because nothing is left that it waits for.

    It waits until all captures are released and all sockets of the registration's clients are closed.
    """
    held = b.blocks(f)
    lane = held.lane
    at = np.flatnonzero(held.kind == b.DEREGISTER)
    rows, number = lane.rows[at].astype(np.int64), held.number[at]
    back = f.world.mate[rows].astype(np.int64)
    limit = np.full(len(rows), round(f.profile.thresholds.deregister_s * 1e9))
    doubt = f.unlogged(REGISTRATION, rows, np.full(len(rows), f.last_row)) | held.blind
    broken = liveness(f.world, rows, back, within_ns=limit, teardown=never(len(rows)), doubt=doubt.astype(np.uint8))
    waits = np.flatnonzero(broken.seen)
    blocked = _Blocked(f, number[waits], rows[waits], limit[waits]) if len(waits) else None
    if blocked is not None:
        broken.seen[waits] &= blocked.answer.seen
        broken.doubt[waits] |= blocked.answer.doubt
    place = np.full(len(rows), -1)
    place[waits] = np.arange(len(waits))
    address = lane.keys[lane.group[at]].astype(np.uint64)

    def tell(i: int) -> str:
        took = f"returned only after {f.since(rows[i], back[i])}"
        if back[i] < 0:
            took = f"did not return in the {f.until_end(rows[i])} until the end of the trace"
        reasons = blocked.words(int(place[i])) if blocked is not None else ""
        return f"WskDeregister of block {f.say(address[i])} {took}; it waits for {reasons}"

    found = of_blocks(f, rows, np.ones(len(rows), np.bool_), broken, address, tell, (rows, back))
    found.severity = np.where(back >= 0, _WARNING, _ERROR)
    found.outstanding = lambda i: blocked.rows(int(place[i])) if blocked is not None and place[i] >= 0 else []
    return found


class _Blocked:
    """What some calls of WskDeregister wait for when their time is up."""

    def __init__(self, f: Facts, number: NDArray[np.int64], rows: NDArray[np.int64], limit: NDArray[np.int64]) -> None:
        """Ask for each call (registration and row of its entry) what is held and what is open at its deadline."""
        held = b.blocks(f)
        self._f, self._number = f, number
        since = held.each.register[number]
        time = np.maximum.accumulate(f.ops.time)
        self._until = until = np.searchsorted(time, f.ops.time[rows] + limit, side="right").astype(np.int64)
        self._captures = held.level_at(number, until)
        self._sockets = _sockets(f, until, until_closed=True)
        life = (
            f.world.touch(since, np.minimum(until, f.last_row)) | held.edge(b.CAPTURE, b.RELEASE)[number] | held.blind
        )
        perhaps = doubt_if(held.level_at(number, until, most=True) != self._captures, CAP)
        at = np.minimum(until, f.last_row)
        order = held.crossing(number, at, b.CAPTURE, b.RELEASE)
        by_capture = Answer(self._captures > 0, life | perhaps | order)
        births = f.unlogged(IRP, np.maximum(since, 0), at) | f.blind_calls
        by_socket = self._sockets.answer(number, until).doubting(life, births)
        known = by_capture | by_socket
        # where nothing is seen, something that the trace does not show is in the way
        self.answer = known.doubting(doubt_if(~known.seen, CAP))

    def _open(self, i: int) -> NDArray[np.int64]:
        return self._sockets.named(int(self._number[i]), int(self._until[i]))

    def words(self, i: int) -> str:
        """Return what call i waits for."""
        captures = int(self._captures[i])
        some = [f"{captures} capture{'s' if captures > 1 else ''} to be released"] if captures > 0 else []
        if len(self._open(i)):
            some.append(f"{_said(self._f, self._open(i))} to be closed")
        return " and ".join(some) or "something that the trace does not show"

    def rows(self, i: int) -> list[int]:
        """Return the rows of the captures and of the births of the sockets that call i waits for."""
        held, f = b.blocks(self._f), self._f
        taken = held.lane.rows[(held.number == self._number[i]) & (held.kind == b.CAPTURE)]
        taken = taken[taken < self._until[i]][-min(int(self._captures[i]), _NAMED) :] if self._captures[i] > 0 else []
        return sorted([int(row) for row in taken] + f.sockets.birth[self._open(i)[:_NAMED]].tolist())


@rule(
    "UNLOAD-BEFORE-DEREGISTER",
    severity="error",
    party="client",
    shape="V",
    source="DDI wskderegister, Remarks; NET unregistering-a-winsock-kernel-application",
    needs="WskRegister entries and returns, WskDeregister returns, DriverUnload returns, DriverEntry returns",
    traced=(
        "WskRegister",
        "WskRegister return",
        "WskDeregister",
        "WskDeregister return",
        "DriverEntry return",
        "DriverUnload return",
    ),
    follows={"REG-UNBALANCED": "subject", "REG-REUSE": "subject"},
    advice="Wait in DriverUnload, and on the ways out of a DriverEntry that fails, until WskDeregister has returned.",
    limits="A registration from before the trace is a suspect at most.",
)
def unload_before_deregister(f: Facts) -> Instances:
    """WskDeregister has returned for every registration when the driver is unloaded.

    Until then WSK may call into the driver's image. A DriverEntry that returns an error unloads the driver as well.
    """
    held = b.blocks(f)
    each = held.each
    begun = each.register >= 0
    closed = f.closed_from(each.first)
    applies = ~each.replaced & (begun | ((closed != 0) & (held.kind[held.starts] != b.FAILED)))
    gone = np.full(len(each), unloaded(f))
    doubt = doubt_if(each.vague, CAP) | held.edge(b.DEREGISTERED) | np.where(begun, 0, closed).astype(np.uint8)
    broken = in_time(f, each.first, each.deregistered, gone, doubt)

    def tell(i: int) -> str:
        what = f"{f.op_name(gone[i])} returned before WskDeregister of block {f.say(each.address[i])}"
        return f"{what} had returned" if each.deregister[i] >= 0 else f"{what} was called"

    rows = np.where(broken.seen & (gone >= 0), gone, each.first)
    evidence = (each.register, np.where(begun, each.deregister, each.first), gone)
    return of_blocks(f, rows, applies, broken, each.address, tell, evidence, (gone >= 0) & begun)
