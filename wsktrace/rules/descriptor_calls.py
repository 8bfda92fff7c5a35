"""Rules about the calls that carry security descriptors, beside the count of references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.calls import of_calls, same_socket
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, doubt_if, join, local
from wsktrace.rules.state import BIND, alive, already, at, control_requests, reached
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

FAMILY = "descriptors"


@rule(
    "SD-CTRL-PARAMS",
    severity="warning",
    party="client",
    shape="L",
    source="NET wsk-cache-sd, wsk-release-sd (sizes and buffers)",
    needs="WskControlClient entries with ControlCode, the sizes and the buffers; the pointer size of the trace",
    traced=("WskControlClient",),
    advice=(
        "Pass the address of a pointer with sizeof(PSECURITY_DESCRIPTOR): as input and output for WSK_CACHE_SD, as "
        "input alone for WSK_RELEASE_SD. OutputSizeReturned is NULL for both."
    ),
    limits="That the IRP must be NULL is the matter of WSK-IRP-FORBIDDEN.",
)
def sd_ctrl_params(f: Facts) -> Instances:
    """WSK_CACHE_SD takes one pointer and gives one, WSK_RELEASE_SD takes one: sizes and buffers say just that.

    InputSize is the size of a pointer and InputBuffer is not NULL. So are OutputSize and OutputBuffer of WSK_CACHE_SD;
    WSK_RELEASE_SD has 0 and NULL there. OutputSizeReturned is NULL. The buffer holds a pointer to the descriptor, it is
    not the descriptor itself: a size that is no pointer's is the usual sign of the mix-up.
    """
    calls = f.enters("WskControlClient")
    code, known = f.arg("control_code", calls)
    rows = calls[~known | np.isin(code, (c.WSK_CACHE_SD, c.WSK_RELEASE_SD))]
    code, code_known = f.arg("control_code", rows)
    caches = code == c.WSK_CACHE_SD
    size = f.world.pointer_size
    wanted = {
        "input_size": np.full(len(rows), size),
        "output_size": np.where(caches, size, 0),
        "output_size_returned": np.zeros(len(rows), np.int64),
    }
    wrong: dict[str, NDArray[np.bool_]] = {}
    broken = Answer(np.zeros(len(rows), bool), np.zeros(len(rows), np.uint8))
    given: dict[str, NDArray[Any]] = {}
    for name in ("input_size", "input_buffer", "output_size", "output_buffer", "output_size_returned"):
        given[name], known = f.arg(name, rows)
        if name in wanted:
            bad = given[name] != wanted[name].astype(given[name].dtype)
        else:
            bad = (given[name] == 0) == (caches | (name == "input_buffer"))
        wrong[name] = bad & known
        broken = broken | local(bad, known & code_known)

    def tell(i: int) -> str:
        words = [_argument(name, given[name][i], f) for name, bad in wrong.items() if bad[i]]
        call = "WSK_CACHE_SD" if caches[i] else "WSK_RELEASE_SD"
        return f"{call} was called with {', '.join(words)}"

    found = of_calls(f, rows, np.ones(len(rows), bool), broken, tell)
    found.outside = len(calls) - len(rows)
    return found


def _argument(name: str, value: int | np.integer[Any], f: Facts) -> str:
    title = "".join(part.capitalize() for part in name.split("_"))
    return f"{title} {int(value) if name.endswith('size') else f.say(value) if value else 'NULL'}"


@rule(
    "SD-BASIC",
    severity="info",
    party="client",
    shape="L",
    source="NET so-wsk-security (listening, datagram and connection-oriented sockets)",
    needs=(
        "WskSocket entries with Flags and SecurityDescriptor; "
        "WskControlSocket entries for SO_WSK_SECURITY with the creation of their socket"
    ),
    traced=("WskSocket", "WskControlSocket", "IrpComplete"),
    advice="Pass NULL: a basic socket is never bound, so it has no local address that a descriptor could guard.",
    limits="No page forbids the descriptor in the creation of a basic socket; hence only information.",
)
def sd_basic(f: Facts) -> Instances:
    """A basic socket has no use for a security descriptor, neither in its creation nor by SO_WSK_SECURITY.

    The descriptor governs who may share the local address, and a basic socket has none. Usually the category was
    forgotten.
    """
    made = f.enters("WskSocket")
    flags, k1 = f.arg("flags", made)
    descriptor, k2 = f.arg("security_descriptor", made)
    basic = k1 & (flags == c.WSK_FLAG_BASIC_SOCKET)
    given = local((flags == c.WSK_FLAG_BASIC_SOCKET) & (descriptor != 0), k1 & k2)
    given = given.settled_where((k1 & ~basic) | (k2 & (descriptor == 0)))

    calls, on = _security_calls(f)
    t, s = f.traits, f.sockets
    category, known = t.flags[on], t.flags_known[on]
    asked = join(known & (category == c.WSK_FLAG_BASIC_SOCKET), known, same_socket(f, on, calls))
    rows = np.concatenate([made, calls])
    broken = Answer(np.concatenate([given.seen, asked.seen]), np.concatenate([given.doubt, asked.doubt]))
    plain = k1 & ~basic & k2 & (descriptor == 0)
    applies = np.concatenate([~plain, np.ones(len(calls), bool)])

    def tell(i: int) -> str:
        if i < len(made):
            return f"a basic socket was given SecurityDescriptor {f.say(descriptor[i])}, for which it has no address"
        return f"SO_WSK_SECURITY was used on socket {f.say(s.address[on[i - len(made)]])}, which is a basic socket"

    found = of_calls(f, rows, applies, broken, tell)
    found.evidence = (np.concatenate([np.full(len(made), -1), s.create[on]]), rows)
    return found


def _security_calls(f: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the entries of SO_WSK_SECURITY set and get on sockets that were born in the trace, and these sockets."""
    rows = f.enters("WskControlSocket")
    code, _ = f.arg("control_code", rows)
    rows = rows[code == c.SO_WSK_SECURITY]
    request, k1 = f.arg("request_type", rows)
    level, k2 = f.arg("level", rows)
    on = f.socket_of(rows)
    wanted = k1 & np.isin(request, (c.WSK_SET_OPTION, c.WSK_GET_OPTION)) & k2 & (level == c.SOL_SOCKET) & (on >= 0)
    return rows[wanted], on[wanted]


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
