"""Rules about where the life of a socket begins: not used before, and no address for two sockets at once."""

from __future__ import annotations

import numpy as np

from wsktrace.rules.facts import SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, precedence
from wsktrace.rules.state import apart

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
        "Only for an address that no socket of the trace had before; in the others it is a socket that was closed. "
        "One finding per socket, for its first call."
    ),
)
def socket_use_before_create(f: Facts) -> Instances:
    """No function is called on a socket before the IRP that brings it has completed.

    Judged where the call comes between the entry of the creation, or accept, and its completion.
    """
    s = f.sockets
    lane, kind = s.lane.lane, s.lane.kind
    n = len(s)
    used = (kind == so.OP) | (kind == so.CLOSE)
    mine = np.flatnonzero(used & (s.lane.generation >= 0))[::-1]
    first = np.full(n, -1, np.int64)
    first[s.lane.generation[mine]] = lane.rows[mine]
    adopted = s.origin == _ADOPTED
    # lives of one address stand together: the one that follows, and the one before
    here = np.arange(n)
    same = np.zeros(n + 1, np.bool_)
    same[1:n] = s.address[1:] == s.address[:-1]
    follows, earlier = np.append(same[1:n], False) if n else same[:0], same[:n]
    heir = np.where(follows, here + 1, -1)
    born = np.where(heir >= 0, np.append(s.birth, -1)[heir], -1).astype(np.int64)
    asked = np.where(heir >= 0, np.append(s.create, -1)[heir], -1).astype(np.int64)
    # the first call behind the entry of the creation
    early = np.full(n, -1, np.int64)
    owner = s.lane.generation[mine]
    behind = adopted[owner] & (asked[owner] >= 0) & (lane.rows[mine] > asked[owner])
    early[owner[behind]] = lane.rows[mine][behind]
    seen = adopted & (early >= 0) & (born > early) & (s.origin[np.maximum(heir, 0)] != _BY_EVENT)
    rows = np.where(seen, early, first)
    at = np.flatnonzero((seen | ~adopted) & (rows >= 0))
    q = rows[at]
    ahead = seen[at]
    bringer = np.where(ahead, heir[at], at)
    maybe = np.append(lane.last(kind == so.MAYBE), -1)
    position = np.full(n, -1, np.int64)
    position[owner] = mine
    broken = precedence(
        f.world,
        ~ahead,
        q,
        np.full(len(at), -1),
        s.doubt[bringer],
        s.doubt[at] & ~np.uint8(ALIAS),
        f.hidden_birth(q, q),
        f.births_unlogged(np.zeros(len(at), np.int64), q),
        doubt_if(earlier[at] | (maybe[position[at]] >= 0), ALIAS),
        apart(f.world, np.where(ahead, asked[at], -1), q),
    )
    broken = broken.doubting(apart(f.world, np.where(ahead, born[at], s.birth[at]), q))
    use = f.submission(q)

    def tell(i: int) -> str:
        what = f"{f.op_name(q[i])} was called on socket {f.say(s.address[at[i]])}"
        when = f"{f.since(q[i], s.birth[bringer[i]])} before the {f.op_name(s.create[bringer[i]])} that brought it"
        return f"{what} {when} completed"

    return Instances(
        q, np.ones(len(at), bool), broken, "sockets", bringer, use, bringer, tell,
        (s.create[bringer], q, s.birth[bringer]), outside=n - len(at),
    )  # fmt: skip


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
