"""Rules about event callbacks: enabled before they come, known sockets only, none after the close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import CALLBACK, KINDS, SOCKET, Facts, so
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, overlap, precedence

if TYPE_CHECKING:
    from numpy.typing import NDArray


FAMILY = "callbacks"


@rule(
    "EVENT-NOT-ENABLED",
    severity="warning",
    party="provider",
    shape="P",
    source="seed page, Remarks (callbacks of a new socket are disabled); NET so-wsk-event-callback",
    needs=(
        "entries of callbacks with SocketContext, creations with SocketContext, "
        "WskControlSocket and WskControlClient entries, WskRegister"
    ),
    traced=("callbacks", "creations", "WskControlSocket", "WskControlClient", "WskRegister", "DriverEntry"),
    advice="Look for a context that is shared by several sockets, or an enabling call that is not traced.",
    limits="A context that several live sockets share identifies none of them: not judged.",
)
def event_not_enabled(f: Facts) -> Instances:
    """No event callback comes on a socket before it was enabled: on the socket, by its listener, or for all of its
    client.

    Compared with the entry of the enabling call, for the callback may come before that call returns.
    """  # noqa: D205 -- the rule's sentence is the whole paragraph
    calls, s, t = f.traits.callbacks, f.sockets, f.traits
    one = calls.socket >= 0
    k = np.maximum(calls.socket, 0)
    rows = calls.rows
    index = np.arange(len(rows))
    if len(s):
        enabled = np.minimum(t.enabled[calls.kind, k], t.static[calls.kind, k])
        create: NDArray[np.integer[Any]] = s.create[k]
        doubt = s.doubt[k] | t.enable_doubt[k] | f.unlogged(SOCKET, create, rows)
        doubt |= f.blind_enabling | f.blind_contexts
        # the listener's enabling, or another socket with this context, may be older than this one
        doubt |= f.closed_from(rows)
        doubt |= doubt_if(~t.client_known[k], CAP)
        # its close may have completed unseen, and the context be that of another socket since
        vague = (s.closed[k] < 0) | (f.link_of_close(s.close[k]) != 0)
        doubt |= doubt_if((s.close[k] >= 0) & (s.close[k] < rows) & vague, ALIAS)
    else:
        enabled, create, doubt = rows + 1, rows, np.zeros(len(rows), np.uint8)
    shortly = (enabled > rows) & (enabled < len(f.world))
    doubt = doubt.copy()
    doubt[shortly] |= f.world.unordered(rows[shortly], enabled[shortly])
    broken = precedence(f.world, enabled < rows, rows, create, doubt)
    world_open = f.closed_from(rows) != 0
    unnamed = ~one & (calls.live == 0) & (calls.dead == 0) & world_open
    broken = Answer(broken.seen & one, np.where(one, broken.doubt, f.closed_from(rows)).astype(np.uint8))
    blind = ~calls.context_known
    broken = broken.doubting(doubt_if(blind, CAP))
    subject = np.where(one, k, -1)
    name = [KINDS[int(kind)][0] for kind in calls.kind]
    applies = one | unnamed | blind
    return Instances(
        rows,
        applies,
        broken,
        "sockets",
        subject,
        np.where(one, s.submission[k], -1) if len(s) else subject,
        subject,
        lambda i: f"{name[index[i]]} came on socket {f.say(s.address[k[i]])} before it was enabled",
        (np.where(one, create, -1), rows),
        suspect=np.where(one, s.doubt[k] == 0, False) if len(s) else np.zeros(len(rows), bool),
    )


@rule(
    "EVENT-CONTEXT-UNKNOWN",
    severity="info",
    party="instrumentation",
    shape="P",
    source="seed page, SocketContext (handed to the callbacks of the socket)",
    needs="entries of callbacks with SocketContext, creations and accepts with their contexts, the driver's entry",
    traced=("callbacks", "creations", "WskAcceptEvent return", "DriverEntry"),
    follows={"EVENT-AFTER-CLOSE": "subject"},
    advice=(
        "Trace every creation and accept with its context; "
        "look for sockets that were created outside the traced module."
    ),
    limits="Only in a closed world: a socket from before the trace may have any context.",
)
def event_context_unknown(f: Facts) -> Instances:
    """The context that a callback is given belongs to a socket that the trace has seen."""
    calls, s, t = f.traits.callbacks, f.sockets, f.traits
    rows = calls.rows
    never_named = ~np.isin(calls.context, f.contexts_named)
    unknown_contexts = bool(np.any(~t.context_known & (s.origin != so.ORIGINS.index("adopted"))))
    adopted = bool(np.any(s.origin == so.ORIGINS.index("adopted")))
    broken = precedence(
        f.world,
        ~never_named,
        rows,
        np.full(len(rows), -1),
        f.hidden_birth(rows, rows),
        f.births_unlogged(np.zeros(len(rows), np.int64), rows),
        doubt_if(np.full(len(rows), unknown_contexts), CAP),
        doubt_if(np.full(len(rows), adopted), ALIAS),
    ).doubting(doubt_if(~calls.context_known, CAP))

    def tell(i: int) -> str:
        what = f"{f.op_name(rows[i])} was given context {f.say(calls.context[i])}"
        return f"{what}, which no creation or accept in the trace named"

    return Instances(
        rows,
        ~calls.context_known | (calls.context != 0),
        broken,
        "operations",
        rows,
        np.full(len(rows), -1),
        np.full(len(rows), -1),
        tell,
        (rows,),
        suspect=np.zeros(len(rows), bool),
        about=calls.context,
    )


@rule(
    "EVENT-AFTER-CLOSE",
    severity="error",
    party="provider",
    shape="I",
    source="DDI close_socket (no callback runs once the close has completed)",
    needs=(
        "entries and returns of callbacks with SocketContext, creations with SocketContext, "
        "closes with their completions"
    ),
    traced=("callbacks", "callbacks return", "creations", "WskCloseSocket", "IrpComplete"),
    advice=(
        "Look for a context that outlived its socket in another table, "
        "or a completion of the close that is traced too early."
    ),
    limits="A callback between the call of WskCloseSocket and its completion is legal.",
)
def event_after_close(f: Facts) -> Instances:
    """No callback of a socket begins, or still runs, once the close of the socket has completed."""
    calls, s = f.traits.callbacks, f.sockets
    rows = calls.rows
    n = len(f.world)
    # begun after the end of every socket that had this context
    after = (calls.live == 0) & (calls.dead > 0) & (calls.context != 0)
    gone = np.maximum(calls.latest_dead, 0)
    # running across the end of the one socket that has it
    one = calls.socket >= 0
    k = np.maximum(np.where(one, calls.socket, gone), 0)
    ends = f.world.mate[rows].astype(np.int64)
    end = np.where(ends >= 0, ends, n)
    closed = s.closed[k] if len(s) else np.full(len(rows), -1, np.int64)
    close = s.close[k] if len(s) else closed
    link = f.link_of_close(close)
    across = overlap(f.world, rows, end, np.where(one & (closed > rows), closed, -1), link, f.world.touch(rows, end))
    has = across.seen
    order = np.zeros(len(rows), np.uint8)
    order[has] |= f.world.unordered(rows[has], closed[has])
    finished = has & (ends >= 0)
    order[finished] |= f.world.unordered(closed[finished], ends[finished])
    across = across.doubting(order)
    excuse = f.closed_from(rows) | f.hidden_birth(rows, rows) | f.births_unlogged(np.maximum(closed, 0), rows) | link
    known = (calls.latest_dead >= 0) & (closed >= 0)
    late = known & after
    excuse[late] |= f.world.unordered(closed[late], rows[late])
    next_one = calls.upcoming >= 0
    excuse[next_one] |= f.world.unordered(rows[next_one], calls.upcoming[next_one])
    excuse |= doubt_if((after & ~known) | np.isin(calls.context, f.contexts_in_creation), ALIAS)
    excuse |= s.doubt[k] if len(s) else np.zeros(len(rows), np.uint8)
    excuse |= f.unlogged(CALLBACK, np.maximum(closed, 0), rows) | f.blind_contexts
    begun = Answer(after, np.where(after, excuse, 0).astype(np.uint8))
    broken = (begun | across).doubting(doubt_if(~calls.context_known, CAP))
    subject = np.where(one | (after & (calls.latest_dead >= 0)), k, -1)

    def tell(i: int) -> str:
        name, close_of = f.op_name(rows[i]), f"the close of socket {f.say(s.address[k[i]])}"
        if after[i]:
            return f"{name} came {f.since(closed[i], rows[i])} after {close_of} had completed"
        return f"{name} was still running when {close_of} completed"

    return Instances(
        rows,
        one | after | ~calls.context_known,
        broken,
        "sockets",
        subject,
        np.full(len(rows), -1),
        subject,
        tell,
        (np.where(subject >= 0, close, -1), np.where(subject >= 0, closed, -1), rows),
    )
