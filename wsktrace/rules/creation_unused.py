"""Rules about what a socket was created with and never made use of: contexts, dispatch tables and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import KINDS, SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, END, Answer, doubt_if
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


FAMILY = "creation"


def _beside_close(f: Facts) -> NDArray[np.uint8]:
    """Return the doubt for each socket about which calls were made on it, and which of them failed.

    A call on its address that stands beside its close, without certain order, may be one on this socket.
    """
    lane, generation = f.sockets.lane.lane, f.sockets.lane.generation
    place = np.full(len(f.sockets), -1, np.int64)
    closes = np.flatnonzero((f.sockets.lane.kind == so.CLOSE) & (generation >= 0))[::-1]
    place[generation[closes]] = closes
    doubt = f.world.loose(lane, place, np.ones(len(lane), np.bool_), ahead=True)
    # whose failure it was is not certain: it may be this socket's, and its owner have given up
    on = f.socket_of_irp
    vague = np.flatnonzero((f.irps.link_doubt != 0) & (on >= 0))
    np.bitwise_or.at(doubt, on[vague], f.irps.link_doubt[vague])
    return doubt


def _unused(f: Facts) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_], NDArray[np.bool_], Answer]:
    """Return per socket: row of its end, guard, whether anything was enabled for it, and the doubt of "nothing was"."""
    s, t = f.sockets, f.traits
    end = np.where(s.close >= 0, s.close, len(f.world))
    made = np.isin(s.origin, (so.ORIGINS.index("socket"), so.ORIGINS.index("socket_connect")))
    applies = made & (~t.flags_known | (t.flags != 0)) & ~f.gave_up
    any_enabled = np.asarray(np.any((t.enabled < end) | (t.static < end), axis=0), np.bool_)
    doubt = (
        s.doubt
        | t.enable_doubt
        | f.world.touch(s.create, end)
        | f.unlogged(SOCKET, s.create, np.minimum(end, len(f.world) - 1))
    )
    doubt |= _beside_close(f)
    since = f.client_since(t.client, s.create)
    doubt |= np.where(f.closed_from(s.create) == 0, 0, f.world.touch(since, end)).astype(np.uint8)
    doubt |= doubt_if(~t.client_known | ~t.flags_known, CAP) | doubt_if(s.close < 0, END) | f.blind_enabling
    return (
        np.where(s.close >= 0, s.close, s.birth),
        applies,
        any_enabled,
        Answer(~any_enabled, doubt).settled_where(any_enabled),
    )


def _at_end(
    f: Facts,
    rows: NDArray[np.integer[Any]],
    applies: NDArray[np.bool_],
    broken: Answer,
    tell: Callable[[int], str],
) -> Instances:
    s = f.sockets
    index = np.arange(len(s))
    return Instances(
        rows, applies, broken, "sockets", index, s.submission, index, tell, (s.create, s.close), suspect=s.close >= 0
    )


@rule(
    "CONTEXT-UNUSED",
    severity="info",
    party="client",
    shape="V",
    source="seed page, SocketContext (should be NULL where no callback will be enabled)",
    needs="creations with SocketContext, WskControlSocket and WskControlClient entries, the close",
    traced=("WskSocket", "WskSocketConnect", "WskControlSocket", "WskControlClient", "WskCloseSocket"),
    follows={"BASIC-CONTEXT": "socket"},
    advice="Pass NULL, or enable the callbacks that the context was meant for.",
    limits=(
        "Judged when the socket is closed, and not where a call on it failed: "
        "its owner may have given up before enabling anything."
    ),
)
def context_unused(f: Facts) -> Instances:
    """SocketContext should be NULL where no event callback will be enabled on the socket."""
    rows, applies, _, idle = _unused(f)
    t = f.traits
    applies &= ~t.context_known | (t.context != 0)
    broken = idle.doubting(f.blind_arguments(t.context_known))

    def tell(i: int) -> str:
        made = f"socket {f.say(f.sockets.address[i])} was created with SocketContext {f.say(t.context[i])}"
        return f"{made}, and no callback was ever enabled for it"

    return _at_end(f, rows, applies, broken, tell)


@rule(
    "DISPATCH-UNUSED",
    severity="info",
    party="client",
    shape="V",
    source="seed page, Dispatch (should be NULL where no callback will be enabled)",
    needs="creations with Dispatch, WskControlSocket and WskControlClient entries, the close",
    traced=("WskSocket", "WskSocketConnect", "WskControlSocket", "WskControlClient", "WskCloseSocket"),
    follows={"BASIC-DISPATCH": "socket"},
    advice="Pass NULL, or enable the callbacks that the table was meant for.",
    limits=(
        "Judged when the socket is closed, and not where a call on it failed: "
        "its owner may have given up before enabling anything."
    ),
)
def dispatch_unused(f: Facts) -> Instances:
    """Dispatch should be NULL where no event callback will be enabled on the socket."""
    rows, applies, _, idle = _unused(f)
    t = f.traits
    applies &= ~t.dispatch_known | (t.dispatch != 0)
    broken = idle.doubting(f.blind_arguments(t.dispatch_known))

    def tell(i: int) -> str:
        made = f"socket {f.say(f.sockets.address[i])} was created with Dispatch {f.say(t.dispatch[i])}"
        return f"{made}, and no callback was ever enabled for it"

    return _at_end(f, rows, applies, broken, tell)


@rule(
    "DISPATCH-MEMBER-UNUSED",
    severity="info",
    party="client",
    shape="V",
    source="seed page, Dispatch (pointers that are not enabled must be NULL)",
    needs="creations with DispatchMembers, WskControlSocket and WskControlClient entries, the close",
    traced=("WskSocket", "WskSocketConnect", "WskControlSocket", "WskControlClient", "WskCloseSocket"),
    advice="Set the members of callbacks that are not enabled to NULL.",
    limits="Only where at least one callback was enabled; where none was, DISPATCH-UNUSED speaks.",
)
def dispatch_member_unused(f: Facts) -> Instances:
    """Members of the dispatch table whose callbacks will not be enabled must be NULL."""
    rows, applies, used, _ = _unused(f)
    s, t = f.sockets, f.traits
    end = np.where(s.close >= 0, s.close, len(f.world))
    spare = np.zeros(len(s), np.uint32)
    for k, (_, _, bit, categories) in enumerate(KINDS):
        flags = [flag for flag, name in c.CATEGORIES.items() if name in categories]
        idle_kind = (t.enabled[k] >= end) & (t.static[k] >= end) & np.isin(t.flags, flags)
        spare |= np.where(idle_kind, t.members & np.uint32(1 << bit), 0).astype(np.uint32)
    applies &= used & (~t.members_known | (t.members != 0))
    doubts = f.world.touch(s.create, end) | s.doubt | t.enable_doubt | doubt_if(s.close < 0, END)
    doubts |= doubt_if(~t.flags_known, CAP) | f.blind_enabling
    doubts |= _beside_close(f)
    since = f.client_since(t.client, s.create)
    doubts |= np.where(f.closed_from(s.create) == 0, 0, f.world.touch(since, end)).astype(np.uint8)
    doubts |= f.unlogged(SOCKET, s.create, np.minimum(end, max(len(f.world) - 1, 0)))
    broken = Answer(spare != 0, doubts).doubting(f.blind_arguments(t.members_known))
    broken = broken.settled_where((spare == 0) & t.members_known & t.flags_known)

    def tell(i: int) -> str:
        names = ", ".join(name for name, _, bit, _ in KINDS if int(spare[i]) >> bit & 1)
        return f"socket {f.say(s.address[i])} was given a dispatch table with {names}, which was never enabled"

    return _at_end(f, rows, applies, broken, tell)
