"""What is known of each socket beside its life: arguments, context, callbacks, what was enabled on it.

Source: seed page (SocketContext, Dispatch), wsk-contract 3.F (how callbacks are enabled, inherited, set statically).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import CAP, START
from wsktrace.model.lanes import codes_of
from wsktrace.model.sockets import ORIGINS
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import CODES, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.sockets import Sockets
    from wsktrace.model.world import World

__all__ = ["KINDS", "NEVER_ROW", "Callbacks", "Traits", "traits"]

#: Kinds of callbacks: name, bit of the event mask (0: conditional accept), bit of DispatchMembers, categories.
KINDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("WskAcceptEvent", c.WSK_EVENT_ACCEPT, 0, ("listen", "stream")),
    ("WskInspectEvent", 0, 1, ("listen", "stream")),
    ("WskAbortEvent", 0, 2, ("listen", "stream")),
    ("WskReceiveFromEvent", c.WSK_EVENT_RECEIVE_FROM, 3, ("datagram",)),
    ("WskReceiveEvent", c.WSK_EVENT_RECEIVE, 4, ("connection", "stream")),
    ("WskDisconnectEvent", c.WSK_EVENT_DISCONNECT, 5, ("connection", "stream")),
    ("WskSendBacklogEvent", c.WSK_EVENT_SEND_BACKLOG, 6, ("connection", "stream")),
)
NEVER_ROW = 1 << 60
_INHERITED = c.WSK_EVENT_RECEIVE | c.WSK_EVENT_DISCONNECT | c.WSK_EVENT_SEND_BACKLOG


@dataclass(slots=True)
class Callbacks:
    """The event callbacks: entry rows, kind (index of ``KINDS``), context, and the one live socket that it names.

    ``socket`` is -1 where no single live socket has the context; ``live`` counts those that do, ``dead`` those that
    had it and were closed before; ``latest_dead`` is the latest of these, ``upcoming`` the row from which on another
    socket has it, -1 where none follows.
    """

    rows: NDArray[np.int64]
    kind: NDArray[np.uint8]
    context: NDArray[np.uint64]
    context_known: NDArray[np.bool_]
    socket: NDArray[np.int64]
    live: NDArray[np.int64]
    dead: NDArray[np.int64]
    latest_dead: NDArray[np.int64]
    upcoming: NDArray[np.int64]


@dataclass(slots=True)
class Traits:
    """Arguments and enablings per socket; ``enabled[kind]`` is the first row that enables that kind on it or for it."""

    flags: NDArray[np.uint32]
    flags_known: NDArray[np.bool_]
    family: NDArray[np.uint16]
    family_known: NDArray[np.bool_]
    type: NDArray[np.uint16]
    protocol: NDArray[np.uint32]
    parameters_known: NDArray[np.bool_]
    client: NDArray[np.uint64]
    client_known: NDArray[np.bool_]
    context: NDArray[np.uint64]
    context_known: NDArray[np.bool_]
    dispatch: NDArray[np.uint64]
    dispatch_known: NDArray[np.bool_]
    members: NDArray[np.uint32]
    members_known: NDArray[np.bool_]
    parent: NDArray[np.int64]
    enabled: NDArray[np.int64]
    static: NDArray[np.int64]
    #: doubt about what was enabled: an enabling call with unknown arguments, an unknown listener
    enable_doubt: NDArray[np.uint8]
    callbacks: Callbacks


def traits(world: World, socks: Sockets) -> Traits:
    """Gather what is known of each socket of one load."""
    ops = world.ops
    count = len(socks)
    create = socks.create
    plain = np.isin(socks.origin, (ORIGINS.index("socket"), ORIGINS.index("socket_connect")))
    accepted = socks.origin == ORIGINS.index("accept")
    by_event = socks.origin == ORIGINS.index("accept_event")
    event_end = np.where(by_event, world.mate[socks.birth], -1).astype(np.int64) if count else np.zeros(0, np.int64)
    takers: tuple[tuple[NDArray[np.bool_], NDArray[np.integer[Any]]], ...] = (
        (accepted, create),
        (by_event & (event_end >= 0), event_end),
    )

    def fetch(name: str, accept_name: str | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values, known = ops.arg(name, create)
        known &= plain
        for mask, rows in takers:
            if accept_name is not None:
                found, has = ops.arg(accept_name, np.maximum(rows, 0))
                values = np.where(mask, found, values)
                known = np.where(mask, has, known)
        return np.where(known, values, values.dtype.type(0)), known

    flags, flags_known = fetch("flags")
    connect = socks.origin == ORIGINS.index("socket_connect")
    flags = np.where(connect | accepted | by_event, c.WSK_FLAG_CONNECTION_SOCKET, flags).astype(np.uint32)
    flags_known = flags_known | connect | accepted | by_event
    family, family_known = ops.arg("address_family", create)
    local, local_known = ops.arg("local_family", create)
    family, family_known = np.where(connect, local, family), np.where(connect, local_known, family_known) & plain
    kind, kind_known = fetch("socket_type")
    protocol, protocol_known = fetch("protocol")
    client, client_known = fetch("client")
    context, context_known = fetch("socket_context", "accept_socket_context")
    dispatch, dispatch_known = fetch("dispatch", "accept_socket_dispatch")
    members, members_known = fetch("dispatch_members", "dispatch_members")

    callbacks = _callbacks(world, socks, context, context_known)
    parent = _parents(world, socks, callbacks)
    child = parent >= 0
    for _ in range(2):  # an accepted socket is its listener's client; listeners are not accepted themselves
        client = np.where(child, client[parent], client)
        client_known = np.where(child, client_known[parent], client_known)
    family = np.where(child, family[parent], family)
    parameters_known = family_known & kind_known & protocol_known
    family_known = np.where(child, family_known[parent], family_known)
    enabled, enable_doubt = _enabled(world, socks)
    static = _static(world, client, client_known, count)
    inherits = np.array([bool(mask & _INHERITED) for _, mask, _, _ in KINDS])
    for k in np.flatnonzero(inherits).tolist():
        enabled[k] = np.where(child, np.minimum(enabled[k], enabled[k][parent]), enabled[k])
    enable_doubt = enable_doubt | np.where(child, enable_doubt[parent], 0).astype(np.uint8)
    lost_parent = (accepted | by_event) & (~child | np.where(child, socks.doubt[parent] != 0, False))
    enable_doubt = enable_doubt | np.where(lost_parent, START, 0).astype(np.uint8)
    return Traits(
        flags=flags,
        flags_known=flags_known,
        family=family.astype(np.uint16),
        family_known=family_known,
        type=kind.astype(np.uint16),
        protocol=protocol.astype(np.uint32),
        parameters_known=parameters_known,
        client=client.astype(np.uint64),
        client_known=client_known,
        context=context.astype(np.uint64),
        context_known=context_known,
        dispatch=dispatch.astype(np.uint64),
        dispatch_known=dispatch_known,
        members=members.astype(np.uint32),
        members_known=members_known,
        parent=parent,
        enabled=enabled,
        static=static,
        enable_doubt=enable_doubt,
        callbacks=callbacks,
    )


def _callbacks(world: World, socks: Sockets, context: NDArray[Any], known: NDArray[np.bool_]) -> Callbacks:
    """Find for each callback the live socket that its context names."""
    ops = world.ops
    rows = np.flatnonzero(ops.phase == Phase.CALLBACK)
    code_kind = np.zeros(256, np.uint8)
    for k, (name, _, _, _) in enumerate(KINDS):
        code_kind[CODES[name]] = k
    asked, asked_known = ops.arg("socket_context", rows)
    asked = asked.astype(np.uint64)
    owners = np.flatnonzero(known & (context != 0))
    codes, _ = codes_of(np.concatenate([context[owners].astype(np.uint64), asked]))
    n = np.int64(len(ops) + 1)
    mine, theirs = codes[: len(owners)].astype(np.int64), codes[len(owners) :].astype(np.int64)
    from_row = socks.create[owners]
    by_event = socks.origin[owners] == ORIGINS.index("accept_event")
    to_row = np.where(socks.closed[owners] >= 0, socks.closed[owners], n - 1)
    rejected = socks.rejected[owners]
    to_row = np.where(rejected >= 0, np.minimum(to_row, rejected), to_row)
    from_row = np.where(by_event, socks.birth[owners], from_row)
    begin_key, end_key = mine * n + from_row, mine * n + to_row
    begin_order = np.argsort(begin_key, kind="stable")
    end_order = np.argsort(end_key, kind="stable")
    begins, ends = begin_key[begin_order], end_key[end_order]
    key = theirs * n + rows
    low = theirs * n
    first, begun = np.searchsorted(begins, low, side="left"), np.searchsorted(begins, key, side="right")
    head, ended = np.searchsorted(ends, low, side="left"), np.searchsorted(ends, key, side="left")
    started, dead = begun - first, ended - head
    live = started - dead
    # where one is left, it is what remains of the sum of those that began without those that ended
    up, down = (np.concatenate([[0], np.cumsum(order)]) for order in (begin_order, end_order))
    left = np.where(live == 1, up[begun] - up[first] - (down[ended] - down[head]), -1)
    latest = begun - 1
    following = np.minimum(latest + 1, max(len(begins) - 1, 0))
    upcoming = np.where(
        (latest + 1 < len(begins)) & (np.append(begins, -1)[following] // n == theirs),
        np.append(begins, -1)[following] % n,
        -1,
    )
    candidate = np.where(started > 0, owners[begin_order[np.maximum(latest, 0)]] if len(owners) else -1, -1)
    over = np.where(candidate >= 0, (np.append(to_row, 0)[_index(owners, candidate)] < rows), True)
    one = (left >= 0) & (left < len(owners)) & asked_known & (asked != 0)
    place = np.where(one, left, len(owners))
    one &= (np.append(from_row, len(ops))[place] <= rows) & (np.append(to_row, -1)[place] >= rows)
    socket = np.where(one, np.append(owners, -1)[place], -1)
    return Callbacks(
        rows=rows,
        kind=code_kind[ops.op[rows]],
        context=asked,
        context_known=asked_known,
        socket=socket.astype(np.int64),
        live=live,
        dead=dead,
        latest_dead=np.where((dead > 0) & over, candidate, -1).astype(np.int64),
        upcoming=upcoming.astype(np.int64),
    )


def _index(owners: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of ``wanted`` in the ascending ``owners`` (the length where it is not there)."""
    place = np.searchsorted(owners, wanted)
    return np.where(wanted >= 0, place, len(owners))


def _parents(world: World, socks: Sockets, callbacks: Callbacks) -> NDArray[np.int64]:
    """Return the listener of each accepted socket, -1 where none is known."""
    parent = np.full(len(socks), -1, np.int64)
    accepted = np.flatnonzero(socks.origin == ORIGINS.index("accept"))
    # the entry of WskAccept is a call on the listener
    lane = socks.lane
    called = np.full(len(world) + 1, -1, np.int64)
    use = lane.generation >= 0
    called[lane.lane.rows[use]] = lane.generation[use]
    parent[accepted] = called[socks.create[accepted]]
    events = np.flatnonzero(socks.origin == ORIGINS.index("accept_event"))
    place = np.searchsorted(callbacks.rows, socks.birth[events])
    parent[events] = callbacks.socket[place]
    parent[parent == np.arange(len(socks))] = -1
    return parent


def _enabled(world: World, socks: Sockets) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return per kind and socket the first row that enables it on that socket, and the doubt about it."""
    ops = world.ops
    enabled = np.full((len(KINDS), len(socks)), NEVER_ROW, np.int64)
    doubt = np.zeros(len(socks), np.uint8)
    rows = world.rows("WskControlSocket", Phase.ENTER)
    socket = socks.of_row[rows].astype(np.int64)
    rows, socket = rows[socket >= 0], socket[socket >= 0]
    request, k1 = ops.arg("request_type", rows)
    code, k2 = ops.arg("control_code", rows)
    level, k3 = ops.arg("level", rows)
    value, k4 = ops.arg("input_value", rows)
    option = (code == c.SO_WSK_EVENT_CALLBACK) | (code == c.SO_CONDITIONAL_ACCEPT)
    excluded = (k1 & (request != c.WSK_SET_OPTION)) | (k2 & ~option) | (k3 & (level != c.SOL_SOCKET))
    blind = ~(k1 & k2 & k3 & k4) & ~excluded
    doubt[socket[blind]] |= CAP
    sets = k1 & k2 & k3 & k4 & ~excluded
    masks = sets & (code == c.SO_WSK_EVENT_CALLBACK)
    masks &= ((value & np.uint64(c.FOREIGN_NPI)) == 0) & ((value & np.uint64(c.WSK_EVENT_DISABLE)) == 0)
    conditional = sets & (code == c.SO_CONDITIONAL_ACCEPT)
    for k, (_, bit, _, _) in enumerate(KINDS):
        hit = (masks & ((value & np.uint64(bit)) != 0)) if bit else conditional
        np.minimum.at(enabled[k], socket[hit], rows[hit])
    return enabled, doubt


def _static(world: World, client: NDArray[Any], known: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Return per kind and socket the first row that enables the kind for all sockets of its client."""
    ops = world.ops
    static = np.full((len(KINDS), count), NEVER_ROW, np.int64)
    rows = world.rows("WskControlClient", Phase.ENTER)
    code, _ = ops.arg("control_code", rows)
    rows = rows[code == c.WSK_SET_STATIC_EVENT_CALLBACKS]
    if not len(rows) or not count:
        return static
    owner, _ = ops.arg("client", rows)
    mask, _ = ops.arg("input_value", rows)
    codes, _ = codes_of(np.concatenate([owner.astype(np.uint64), np.where(known, client, 0).astype(np.uint64)]))
    for k, (_, bit, _, _) in enumerate(KINDS):
        first = np.full(int(codes.max()) + 1, NEVER_ROW, np.int64)
        hit = (mask & np.uint64(bit)) != 0
        hit &= (mask & np.uint64(c.FOREIGN_NPI)) == 0
        np.minimum.at(first, codes[: len(rows)][hit], rows[hit])
        static[k] = np.where(known, first[codes[len(rows) :]], NEVER_ROW)
    return static
