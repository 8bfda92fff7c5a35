"""Rules about when callbacks are enabled: after the bind or connect, conditional accept before the bind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.facts import NEVER_ROW, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, doubt_if
from wsktrace.rules.state import (
    BIND,
    CONNECT,
    NO_CATEGORY,
    UNKNOWN_CATEGORY,
    alive,
    already,
    at,
    categories,
    control_requests,
    enlisted,
    lacking,
    reached,
    whose,
    words_of,
)
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "callbacks"
_CODE: dict[str, int] = {word: number for number, word in enumerate(c.CATEGORIES.values())}


@rule(
    "EVENT-ENABLE-TOO-EARLY",
    severity="error",
    party="client",
    shape="P",
    source="NET so-wsk-event-callback, enabling-and-disabling-event-callback-functions",
    needs=(
        "WskControlSocket entries with request, code, level and value, WskBind, WskConnect and WskConnectEx with "
        "returns and completions, the socket's creation with Flags and completion"
    ),
    traced=(
        *("WskControlSocket", "WskBind", "WskBind return", "WskConnect", "WskConnect return", "WskConnectEx"),
        *("WskConnectEx return", "creations", "IrpComplete", "WskAcceptEvent"),
    ),
    follows={"BIND-REQUIRED": "socket"},
    advice="Enable the callbacks when the completion of the bind, or of the connect, has come.",
    limits=(
        "Of a stream socket only the bind is asked for, unless it connects later. "
        "Events of extensions (another NpiId) are not judged."
    ),
)
def event_enable_too_early(f: Facts) -> Instances:
    """Event callbacks are enabled and disabled only on a socket that is bound, or connected if it is to be.

    Listening and datagram sockets must be bound, connection-oriented ones connected. Accepted sockets, and those of
    WskSocketConnect, begin connected.
    """
    asked = control_requests(f, options=(c.SO_WSK_EVENT_CALLBACK,))
    rows, k = asked.rows, asked.k
    mask, mask_known = f.arg("input_value", rows)
    category = np.append(categories(f), np.uint8(NO_CATEGORY))[k]
    odd = category == UNKNOWN_CATEGORY
    bind, connect = reached(f, BIND), reached(f, CONNECT)
    by_bind = np.isin(category, [_CODE["listen"], _CODE["datagram"], _CODE["stream"], UNKNOWN_CATEGORY])
    # a stream socket that certainly connected afterwards is no listener
    later = (at(connect.done, k, NEVER_ROW) < NEVER_ROW) & ((mask & np.uint64(c.WSK_EVENT_ACCEPT)) == 0) & mask_known
    by_connect = (category == _CODE["connection"]) | ((category == _CODE["stream"]) & later)
    never = Answer(np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.uint8))
    unbound, unconnected = lacking(f, rows, k, bind), lacking(f, rows, k, connect)
    broken = _where(by_bind, unbound, never) | _where(by_connect, unconnected, never)
    foreign = mask_known & ((mask & np.uint64(c.FOREIGN_NPI)) != 0)
    living, order = alive(f, rows, k)
    applies = (asked.hit & (by_bind | by_connect) & ~foreign & living) | asked.blind
    unknown = asked.blind | (odd & enlisted(f, k)) | ~mask_known
    broken = broken.doubting(order, doubt_if(unknown, CAP))

    def tell(i: int) -> str:
        lacks = "connected" if by_connect[i] and unconnected.seen[i] else "bound"
        word = "disabled" if int(mask[i]) & c.WSK_EVENT_DISABLE else "enabled"
        on = f"{words_of(category[i])} socket {f.say(f.sockets.address[k[i]])}"
        return f"callbacks were {word} on {on} before it was {lacks}"

    use = f.submission(rows)
    begun = np.minimum(at(bind.begun, k, NEVER_ROW), at(connect.begun, k, NEVER_ROW))
    shown = np.where(begun < rows, begun, at(f.sockets.birth, k, -1))
    outside = len(f.enters("WskControlSocket")) - len(rows)
    return Instances(
        rows, applies, broken, "sockets", k, use, k, tell, (shown, rows), suspect=enlisted(f, k), outside=outside
    )


def _where(chosen: NDArray[np.bool_], one: Answer, other: Answer) -> Answer:
    return Answer(np.where(chosen, one.seen, other.seen), np.where(chosen, one.doubt, other.doubt).astype(np.uint8))


@rule(
    "CONDACCEPT-AFTER-BIND",
    severity="error",
    party="client",
    shape="F",
    source="NET so-conditional-accept, listening-for-and-accepting-incoming-connections",
    needs=(
        "WskControlSocket entries with request, code and level, WskBind with completions, "
        "the socket's creation with Flags and completion"
    ),
    traced=("WskControlSocket", "WskBind", "creations", "IrpComplete", "WskAcceptEvent"),
    advice="Set SO_CONDITIONAL_ACCEPT between the creation of the listening socket and its bind.",
    limits="A bind that returned STATUS_SUCCESS and whose completion is not seen leaves it open.",
)
def condaccept_after_bind(f: Facts) -> Instances:
    """SO_CONDITIONAL_ACCEPT is set on a listening socket, before it is bound.

    On a stream socket too, which may come to listen; other categories have no connection requests to inspect.
    """
    asked = control_requests(f, options=(c.SO_CONDITIONAL_ACCEPT,))
    rows, k = asked.rows, asked.k
    category = np.append(categories(f), np.uint8(NO_CATEGORY))[k]
    bind = reached(f, BIND)
    bound = already(f, rows, k, bind)
    other = ~np.isin(category, [_CODE["listen"], _CODE["stream"], UNKNOWN_CATEGORY, NO_CATEGORY])
    strange = Answer(other, whose(f, rows, k))
    living, order = alive(f, rows, k)
    broken = (bound | strange).doubting(order, doubt_if(asked.blind, CAP))

    def tell(i: int) -> str:
        on = f"{words_of(category[i])} socket {f.say(f.sockets.address[k[i]])}"
        if other[i]:
            return f"SO_CONDITIONAL_ACCEPT was set on {on}, which does not listen"
        return f"SO_CONDITIONAL_ACCEPT was set on {on} {f.since(bind.firm[k[i]], rows[i])} after it had been bound"

    use = f.submission(rows)
    shown = np.where(bound.seen, at(bind.firm, k, -1), at(f.sockets.birth, k, -1))
    outside = len(f.enters("WskControlSocket")) - len(rows)
    return Instances(
        rows, (asked.hit & living) | asked.blind, broken, "sockets", k, use, k, tell, (shown, rows), outside=outside
    )
