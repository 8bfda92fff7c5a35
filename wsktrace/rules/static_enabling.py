"""Rules about what is set for all sockets of a client: event callbacks that are always enabled, the use of TDI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.callback_results import context_doubt
from wsktrace.rules.event_calls import EVENTS, event_calls, event_words, outcome, socket_doubt
from wsktrace.rules.facts import REGISTRATION, SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, forbidden_follow
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.lanes import Lane

FAMILY = "callbacks"
#: No address has this bit alone.
_REGISTRATION = np.uint64(1 << 48)
_EARLY = {
    c.WSK_SET_STATIC_EVENT_CALLBACKS: "WSK_SET_STATIC_EVENT_CALLBACKS",
    c.WSK_TDI_BEHAVIOR: "WSK_TDI_BEHAVIOR",
    c.WSK_TDI_DEVICENAME_MAPPING: "WSK_TDI_DEVICENAME_MAPPING",
}


def _keys(f: Facts, client: NDArray[np.uint64], rows: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return a number per client and life of its registration: an address that a later one was given is another."""
    of, _ = f.registrations.of_client(client, rows)
    return np.where(of >= 0, of.astype(np.uint64) | _REGISTRATION, client).astype(np.uint64)


def _client_doubt(
    f: Facts, client: NDArray[np.uint64], a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]
) -> NDArray[np.uint8]:
    """Return the doubt whether the address is the same client at rows a and b, and not given anew in between."""
    doubt = f.unlogged(REGISTRATION, a, b)
    captures = f.rows("WskCaptureProviderNPI", Phase.RETURN)
    begins = np.concatenate([f.enters("WskRegister"), captures])
    told = f.arg("registration", begins)[1]
    told[len(told) - len(captures) :] &= f.arg("client", captures)[1] & ((f.ops.known[captures] & KNOWN_STATUS) != 0)
    if not bool(np.all(told)):
        doubt |= np.uint8(CAP)
    if not f.world.has_seq:
        doubt |= doubt_if(f.registrations.of_client(client, b)[1], ALIAS)
    return doubt


def _before_any(f: Facts, client: NDArray[np.uint64], rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether all that was done with the client before each row is in the trace."""
    doubt = f.closed_from(rows)
    some = np.flatnonzero(doubt)
    since = f.client_since(client[some], rows[some])
    doubt[some] = f.world.touch(since, rows[some])
    return doubt | f.unlogged(SOCKET, np.zeros(len(rows), np.int64), rows)


def _merged(
    f: Facts,
    first: tuple[NDArray[np.integer[Any]], NDArray[np.uint64]],
    second: tuple[NDArray[np.integer[Any]], NDArray[np.uint64]],
) -> tuple[Lane, NDArray[np.int64], NDArray[np.bool_]]:
    """Return a lane of two kinds of rows with their keys, and of each position its place in its kind and whether first.

    Positions of the second kind stand at ``place`` of their kind.
    """
    rows = np.concatenate([first[0], second[0]])
    keys = np.concatenate([first[1], second[1]])
    by = np.argsort(rows, kind="stable")
    lane = f.lane(rows[by], keys[by])
    pick = by[lane.order]
    is_first = pick < len(first[0])
    return lane, np.where(is_first, pick, pick - len(first[0])).astype(np.int64), is_first


@rule(
    "STATIC-AFTER-SOCKET",
    severity="error",
    party="client",
    shape="F",
    source="NET wsk-set-static-event-callbacks, wsk-tdi-behavior, wsk-tdi-devicename-mapping",
    needs="WskControlClient, WskSocket and WskSocketConnect entries with Client and ControlCode, captures",
    traced=("WskControlClient", "WskSocket", "WskSocketConnect", "WskRegister", "WskCaptureProviderNPI return"),
    advice="Make the call as soon as WskCaptureProviderNPI has returned, before anything that creates sockets can run.",
    limits=(
        "Each client by itself: a driver with two registrations may have sockets of one when it sets up the other. "
        "An address that a later registration was given is a new client."
    ),
)
def static_after_socket(f: Facts) -> Instances:
    """What is set for all sockets of a client is set before the client creates its first socket.

    So for WSK_SET_STATIC_EVENT_CALLBACKS, WSK_TDI_BEHAVIOR and WSK_TDI_DEVICENAME_MAPPING. A creation counts from its
    entry on, however it ends.
    """
    every = f.enters("WskControlClient")
    code, code_known = f.arg("control_code", every)
    early = ~code_known | np.isin(code, list(_EARLY))
    rows, code, code_known = every[early], code[early], code_known[early]
    client, known = f.arg("client", rows)
    client = client.astype(np.uint64)
    creates = f.enters("WskSocket", "WskSocketConnect") if len(rows) else rows
    owner, owned = f.arg("client", creates)
    owner = owner.astype(np.uint64)
    mine = np.flatnonzero(np.isin(owner, client[client != 0]))
    lane, place, is_create = _merged(
        f,
        (creates[mine], _keys(f, owner[mine], creates[mine])),
        (rows, _keys(f, client, rows)),
    )
    at = np.flatnonzero(~is_create)
    back = np.argsort(place[at])
    at = at[back]
    none = np.zeros(len(lane), np.bool_)
    broken = forbidden_follow(f.world, lane, after=is_create, until=none, at=at, since_ever=False)
    last = lane.row_of(lane.last(is_create)[at]).astype(np.int64)
    begun = np.where(last >= 0, last, rows)
    doubt = _client_doubt(f, client, begun, rows) | doubt_if(~code_known | ~known, CAP)
    unseen = np.flatnonzero(~broken.seen)
    doubt[unseen] |= _before_any(f, client[unseen], rows[unseen]) | np.uint8(0 if bool(np.all(owned)) else CAP)
    broken = Answer(broken.seen & code_known & known & (client != 0), broken.doubt).doubting(doubt)

    def tell(i: int) -> str:
        what = f"{_EARLY[int(code[i])]} of client {f.say(client[i])}"
        after = f"{f.since(last[i], rows[i])} after a call of {f.op_name(last[i])}"
        return f"{what} came {after}; it must come before the first socket is created"

    irp = f.submission(rows)
    return Instances(
        rows,
        ~known | (client != 0),
        broken,
        "operations",
        rows,
        irp,
        np.full(len(rows), -1),
        tell,
        (last, rows),
        about=client,
        outside=len(every) - len(rows),
    )


def _statics(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Return rows, clients and masks of the calls that enable callbacks for all sockets of a client, as far as told."""
    rows = f.enters("WskControlClient")
    code, code_known = f.arg("control_code", rows)
    rows = rows[code_known & (code == c.WSK_SET_STATIC_EVENT_CALLBACKS)]
    client, client_known = f.arg("client", rows)
    mask, mask_known = f.arg("input_value", rows)
    mask = mask.astype(np.uint64)
    told = client_known & (client != 0) & mask_known & ((mask & np.uint64(c.FOREIGN_NPI)) == 0)
    return rows[told], client[told].astype(np.uint64), mask[told]


@rule(
    "EVENT-STATIC-CHANGE",
    severity="error",
    party="client",
    shape="F",
    source="NET wsk-set-static-event-callbacks, so-wsk-event-callback",
    needs=(
        "WskControlClient entries and returns with Client, ControlCode and InputValue, WskControlSocket entries with "
        "RequestType, ControlCode, Level and InputValue, creations with Client, captures"
    ),
    traced=(
        "WskControlClient",
        "WskControlClient return",
        "WskControlSocket",
        "creations",
        "IrpComplete",
        "WskRegister",
        "WskCaptureProviderNPI return",
    ),
    advice="Leave events alone that are enabled for the whole client; to choose by socket, enable none statically.",
    limits="Counts what had been enabled statically when the socket was created, by a call that succeeded.",
)
def event_static_change(f: Facts) -> Instances:
    """Events that are enabled for all sockets of a client are neither enabled nor disabled on one of them.

    WSK_SET_STATIC_EVENT_CALLBACKS holds for every socket that the client creates afterwards, and for as long as it
    lives.
    """
    calls, t, s = event_calls(f), f.traits, f.sockets
    n = len(calls.rows)
    static, owner, mask = _statics(f)
    has = calls.socket >= 0
    k = np.where(has, calls.socket, len(s))
    client, known = np.append(t.client, np.uint64(0))[k], np.append(t.client_known, False)[k]
    create = np.append(s.create, 0)[k].astype(np.int64)
    mine = np.flatnonzero(has & known & np.isin(client, owner))
    seen, doubt, since = np.zeros(n, np.bool_), np.zeros(n, np.uint8), np.full(n, -1, np.int64)
    fixed = np.zeros(n, np.uint32)
    if len(mine):
        of = _follows_static(f, (static, owner, mask), (create[mine], client[mine]), calls.bits[mine])
        seen[mine], doubt[mine], since[mine], fixed[mine] = of[0].seen, of[0].doubt, of[1], of[2]
    place = np.flatnonzero(has)
    doubt[place] |= socket_doubt(f, calls.rows[place], calls.socket[place])
    shown = np.flatnonzero(seen)
    doubt[shown] |= _client_doubt(f, client[shown], since[shown], create[shown])
    doubt[shown] |= _parent_doubt(f, calls.socket[shown])
    unseen = np.flatnonzero(~seen & has)
    doubt[unseen] |= _before_any(f, client[unseen], create[unseen]) | f.blind_enabling
    doubt |= doubt_if(~calls.sure | ~known, CAP)
    broken = Answer(seen & calls.sure, doubt)

    def tell(i: int) -> str:
        verb = "disabled" if calls.disables[i] else "enabled"
        what = f"{event_words(fixed[i])} was {verb} on socket {f.say(f.ops.socket[calls.rows[i]])}"
        return f"{what}, and is enabled statically for all sockets of client {f.say(client[i])}"

    irp = f.submission(calls.rows)
    return Instances(
        calls.rows,
        has | ~calls.socket_known,
        broken,
        "irps",
        irp,
        irp,
        calls.socket,
        tell,
        (since, calls.rows),
        outside=calls.others,
    )


def _parent_doubt(f: Facts, socket: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether accepted sockets are of the listener, and so of the client, that the trace shows."""
    s, parent, create = f.sockets, f.traits.parent[socket], f.sockets.create[socket].astype(np.int64)
    doubt = np.zeros(len(socket), np.uint8)
    child = np.flatnonzero(parent >= 0)
    doubt[child] = socket_doubt(f, create[child], parent[child])
    event = np.flatnonzero((parent >= 0) & (s.origin[socket] == so.ORIGINS.index("accept_event")))
    doubt[event] |= context_doubt(f, np.searchsorted(f.traits.callbacks.rows, create[event]))
    return doubt


def _follows_static(
    f: Facts,
    static: tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]],
    created: tuple[NDArray[np.int64], NDArray[np.uint64]],
    bits: NDArray[np.uint32],
) -> tuple[Answer, NDArray[np.int64], NDArray[np.uint32]]:
    """Tell of each socket (row of its creation, client) whether one of these events had been enabled statically.

    ``static`` is the rows, clients and masks of the calls that do so. Returns their latest row too, -1 where none, and
    which events had been.
    """
    rows, owner, mask = static
    lane, place, is_static = _merged(f, (rows, _keys(f, owner, rows)), (created[0], _keys(f, created[1], created[0])))
    at = np.flatnonzero(~is_static)
    at = at[np.argsort(place[at])]
    good, bad = outcome(f, lane.rows)
    total = Answer(np.zeros(len(at), np.bool_), np.zeros(len(at), np.uint8))
    since, fixed = np.full(len(at), -1, np.int64), np.zeros(len(at), np.uint32)
    for bit in EVENTS:
        sets = is_static & (
            (np.append(mask, np.uint64(0))[np.where(is_static, place, len(mask))] & np.uint64(bit)) != 0
        )
        asked = Answer((bits & bit) != 0, np.zeros(len(at), np.uint8))
        before = forbidden_follow(
            f.world,
            lane,
            after=sets & good,
            until=np.zeros(len(lane), np.bool_),
            at=at,
            maybe=sets & ~good & ~bad,
            since_ever=False,
        )
        total = total | (asked & before)
        fixed |= np.where(asked.seen & before.seen, np.uint32(bit), np.uint32(0))
        since = np.where(asked.seen, np.maximum(since, lane.row_of(lane.last(sets & good)[at])), since)
    return total, since, fixed
