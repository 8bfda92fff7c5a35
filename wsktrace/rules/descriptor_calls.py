"""Rules about the calls that carry security descriptors, beside the count of references."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, doubt_if
from wsktrace.rules.state import BIND, alive, already, at, control_requests, reached
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from wsktrace.rules.facts import Facts

FAMILY = "descriptors"


# the order of the set and the bind -----------------------------------------------------------------------------------


@rule(
    "SD-SET-AFTER-BIND",
    severity="error",
    party="client",
    shape="F",
    source="NET so-wsk-security (set before the socket is bound)",
    needs=(
        "WskControlSocket entries with request, code and level, WskBind with completions, "
        "the socket's creation with its completion"
    ),
    traced=("WskControlSocket", "WskBind", "creations", "IrpComplete", "WskAcceptEvent"),
    advice="Set SO_WSK_SECURITY before WskBind, or give the descriptor to the creation.",
    limits="A bind that returned STATUS_SUCCESS and whose completion is not seen leaves it open.",
)
def sd_set_after_bind(f: Facts) -> Instances:
    """SO_WSK_SECURITY is set before the socket is bound.

    Accepted sockets, and those of WskSocketConnect, begin bound: it cannot be set on them.
    """
    asked = control_requests(f, options=(c.SO_WSK_SECURITY,))
    rows, k = asked.rows, asked.k
    bind = reached(f, BIND)
    living, order = alive(f, rows, k)
    broken = already(f, rows, k, bind).doubting(order, doubt_if(asked.blind, CAP))
    done = at(bind.firm, k, -1)

    def tell(i: int) -> str:
        on = f"socket {f.say(f.sockets.address[k[i]])}"
        return f"SO_WSK_SECURITY was set on {on} {f.since(done[i], rows[i])} after it had been bound"

    use = f.submission(rows)
    shown = np.where(broken.seen, done, at(f.sockets.birth, k, -1))
    outside = len(f.enters("WskControlSocket")) - len(rows)
    return Instances(
        rows, (asked.hit & living) | asked.blind, broken, "sockets", k, use, k, tell, (shown, rows), outside=outside
    )
