"""Rules about where the life of a socket begins: not used before, and no address for two sockets at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.facts import DATA, SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, precedence
from wsktrace.rules.state import apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "sockets"
_ADOPTED, _BY_EVENT = so.ORIGINS.index("adopted"), so.ORIGINS.index("accept_event")


@rule(
    "SOCKET-USE-BEFORE-CREATE",
    severity="error",
    party="client",
    shape="P",
    source=(
        "seed page, Return value (the IRP completes after the socket was created); DDI socket, socket_connect, accept"
    ),
    needs="entries of calls on sockets, creations and accepts with their completions, accept callbacks, DriverEntry",
    traced=("socket calls", "creations", "IrpComplete", "WskAcceptEvent", "DriverEntry"),
    advice=(
        "Take the socket from the IRP in its completion routine. An address that was known before "
        "is a pointer left over from another socket."
    ),
    limits=(
        "Only for an address that nothing in the trace named before: else it may be another socket. "
        "One finding per socket, for its first call."
    ),
)
def socket_use_before_create(f: Facts) -> Instances:
    """No function is called on a socket before the IRP that brings it has completed.

    Judged where the call comes between the entry of the creation, or accept, and its completion.
    """
    s = f.sockets
    n = len(s)
    adopted = s.origin == _ADOPTED
    # lives of one address stand together: the one before, and the one that follows
    same = s.address[1:] == s.address[:-1]
    earlier, follows = np.concatenate([[False], same])[:n], np.append(same, False)[:n]
    heir = np.where(follows, np.arange(1, n + 1), -1)
    asked = np.append(s.create, -1)[heir].astype(np.int64)
    seen = adopted & follows & (asked < s.birth) & (np.append(s.origin, _ADOPTED)[heir] != _ADOPTED)
    at = np.flatnonzero(~adopted | seen)
    ahead = seen[at]
    q = np.where(ahead, s.birth[at], _first_calls(f)[at]).astype(np.int64)
    bringer = np.where(ahead, heir[at], at)
    since = np.where(ahead, asked[at], -1)
    broken = precedence(
        f.world,
        ~ahead,
        q,
        np.full(len(at), -1),
        s.doubt[bringer],
        s.doubt[at] & ~np.uint8(ALIAS),
        f.hidden_birth(q, q),
        f.births_unlogged(np.zeros(len(at), np.int64), q) | f.unlogged(DATA, np.zeros(len(at), np.int64), q),
        doubt_if(earlier[at] | _vague(f, s.address[at], ahead), ALIAS),
        apart(f.world, since, q),
    )
    broken = broken.doubting(apart(f.world, s.birth[bringer], q))
    use = f.submission(q)

    def tell(i: int) -> str:
        what = f"{f.op_name(q[i])} was called on socket {f.say(s.address[at[i]])}"
        when = f"{f.since(q[i], s.birth[bringer[i]])} before the {f.op_name(s.create[bringer[i]])} that brought it"
        return f"{what} {when} completed"

    return Instances(
        q, np.ones(len(at), bool), broken, "sockets", bringer, use, bringer, tell,
        (s.create[bringer], q, s.birth[bringer]), outside=n - len(at),
    )  # fmt: skip


def _first_calls(f: Facts) -> NDArray[np.int64]:
    """Return the first call on each socket, or its birth where that has a certain place among all calls anyway."""
    s = f.sockets
    found = s.birth.astype(np.int64)
    if not f.world.has_seq:
        used = np.flatnonzero(((s.lane.kind == so.OP) | (s.lane.kind == so.CLOSE)) & (s.lane.generation >= 0))[::-1]
        found[s.lane.generation[used]] = s.lane.lane.rows[used]
    return found


def _vague(f: Facts, address: NDArray[np.uint64], asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which addresses, where it is asked, a completion named that may, or may not, be that of a creation."""
    lane = f.sockets.lane
    if not np.any(asked):
        return asked
    maybe = np.flatnonzero(lane.kind == so.MAYBE)
    maybe = maybe[~np.isin(lane.lane.rows[maybe], f.sockets.birth)]
    return asked & np.isin(address, lane.lane.keys[lane.lane.group[maybe]])


@rule(
    "SOCKET-PTR-DUPLICATE",
    severity="error",
    party="instrumentation",
    shape="F",
    source="DDI close_socket (a socket object is there until its close has completed)",
    needs="creations, accepts and closes with their completions, accept callbacks with their returns, DriverEntry",
    traced=("creations", "IrpComplete", "WskAcceptEvent", "WskAcceptEvent return", "WskCloseSocket", "DriverEntry"),
    advice=(
        "Look for a close that is not traced, a completion that is traced twice, "
        "and for whoever changes IoStatus.Information."
    ),
    limits="Only in a closed world: where a close may be missing, the old socket is taken to be gone.",
)
def socket_ptr_duplicate(f: Facts) -> Instances:
    """No creation or accept brings the address of a socket that has not been closed.

    One of the two sockets does not show as it was: the trace, or its profile, is wrong, or what answers for WSK.
    """
    s = f.sockets
    n = len(s)
    index = np.arange(1, n)
    brought = s.origin != _ADOPTED
    index = index[(s.address[1:] == s.address[:-1]) & brought[1:] & brought[:-1]] if n else index
    old = index - 1
    birth, since = s.birth[index].astype(np.int64), s.birth[old].astype(np.int64)
    seen = (s.close[old] < 0) & (s.rejected[old] < 0)
    ends = f.world.mate[since].astype(np.int64) if n else since
    open_ = (s.origin[old] == _BY_EVENT) & ((ends < 0) | ~f.status(ends)[1])
    doubt = s.doubt[index] | s.doubt[old] | f.world.touch(since, birth) | f.closed_from(birth) | f.blind_calls
    doubt |= f.unlogged(SOCKET, since, birth) | doubt_if(open_, CAP)
    broken = Answer(seen, np.where(seen, doubt, 0).astype(np.uint8))

    def tell(i: int) -> str:
        maker = f.op_name(s.create[index[i]])
        what = f"{maker} brought socket {f.say(s.address[old[i]])}"
        return f"{what}, which {f.op_name(s.create[old[i]])} had brought {f.since(since[i], birth[i])} before"

    return Instances(
        birth, np.ones(len(index), bool), broken, "sockets", old, s.submission[index], old, tell, (since, birth),
        outside=n - len(index),
    )  # fmt: skip
