"""Rules about the IRP as an argument: where it is forbidden, its stack, what goes with it, and that it was given."""

from __future__ import annotations

import numpy as np

from wsktrace.rules.facts import DATA, IRP, SOCKET, Facts
from wsktrace.rules.irp_history import ENTER, FREE, MADE, History, unnamed_calls
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, Answer, local
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import OPS, Phase

FAMILY = "irps"
#: Codes of WskControlClient that take no IRP, and the one of WskControlSocket, by value.
_INLINE = {
    getattr(c, name): name
    for name in (
        "WSK_CACHE_SD",
        "WSK_RELEASE_SD",
        "WSK_TRANSPORT_LIST_QUERY",
        "WSK_SET_STATIC_EVENT_CALLBACKS",
        "WSK_TDI_BEHAVIOR",
        "WSK_TDI_DEVICENAME_MAPPING",
        "SIO_WSK_QUERY_INSPECT_ID",
    )
}


@rule(
    "IRP-FORBIDDEN",
    severity="error",
    party="client",
    shape="L",
    source="NET pages of the client control codes and of SIO_WSK_QUERY_INSPECT_ID, Irp (must be NULL)",
    needs="entries of WskControlClient and WskControlSocket with the code, RequestType and Irp",
    traced=("WskControlClient", "WskControlSocket"),
    advice="Pass NULL: these codes are carried out before the call returns, and its status is all there is.",
    limits="Codes whose pages leave the IRP open are not judged.",
)
def irp_forbidden(f: Facts) -> Instances:
    """A control code that is always carried out at once must not be given an IRP.

    So WSK_CACHE_SD, WSK_RELEASE_SD, WSK_TRANSPORT_LIST_QUERY, WSK_SET_STATIC_EVENT_CALLBACKS and the codes about TDI of
    WskControlClient, and SIO_WSK_QUERY_INSPECT_ID of WskControlSocket.
    """
    rows = f.enters("WskControlClient", "WskControlSocket")
    irp, irp_known = f.irp(rows)
    code, code_known = f.arg("control_code", rows)
    request, request_known = f.arg("request_type", rows)
    client = f.op_is(rows, "WskControlClient")
    coded = np.isin(code, list(_INLINE)) & (client != (code == c.SIO_WSK_QUERY_INSPECT_ID))
    asked = client | (request == c.WSK_IOCTL)
    known = code_known & (client | request_known)
    maybe = (coded | ~code_known) & (asked | ~request_known)
    use = f.submission(rows)
    return Instances(
        rows,
        maybe,
        local(irp != 0, (irp_known & known) | (irp_known & (irp == 0))),
        "irps",
        use,
        use,
        f.socket_of(rows),
        lambda i: f"{f.op_name(rows[i])} with {_INLINE[int(code[i])]} was given IRP {f.say(irp[i])}",
        (rows,),
    )


@rule(
    "IRP-STACK",
    severity="error",
    party="client",
    shape="L",
    source="NET using-irps-with-winsock-kernel-functions (at least one stack location)",
    needs="IrpAllocate and IrpInitialize with StackSize",
    traced=("IrpAllocate", "IrpInitialize"),
    advice="Allocate the IRP with StackSize 1: WSK needs one location, whatever its own devices need.",
    limits="How many locations are left in an IRP that was passed down is not traced.",
)
def irp_stack(f: Facts) -> Instances:
    """An IRP that a driver makes for WSK has at least one stack location."""
    rows = np.sort(np.concatenate([f.rows(name, Phase.FACT) for name in ("IrpAllocate", "IrpInitialize")]))
    size, known = f.arg("stack_size", rows)
    broken = local(size == 0, known)
    bad = np.flatnonzero(broken.seen)
    use, call = np.full(len(rows), -1, np.int32), np.full(len(rows), -1, np.int32)
    if len(bad):
        history = History(f, f.ops.irp[rows[bad]])
        after = history.next(ENTER | MADE | FREE, history.at(rows[bad]))
        called = (after >= 0) & history.is_(ENTER)[after]
        call[bad] = np.where(called, history.rows(after), -1)
        use[bad] = np.where(called, f.irps.of_row[call[bad]], -1)

    def tell(i: int) -> str:
        made = f"{f.op_name(rows[i])} made IRP {f.say(f.ops.irp[rows[i]])} without a stack location"
        return f"{made}, and it was given to {f.op_name(call[i])}" if call[i] >= 0 else made

    return Instances(
        rows,
        np.ones(len(rows), bool),
        broken,
        "operations",
        rows,
        use,
        np.where(use >= 0, f.socket_of(np.maximum(call, 0)), -1) if len(rows) else use,
        tell,
        (rows, call),
        about=f.ops.irp[rows],
    )


@rule(
    "CTRL-OUTSIZE",
    severity="info",
    party="client",
    shape="L",
    source="DDI control_client and control_socket, OutputSizeReturned",
    needs="entries of WskControlClient and WskControlSocket with OutputSizeReturned and Irp",
    traced=("WskControlClient", "WskControlSocket"),
    advice="Pass NULL and take the size from IoStatus.Information when the IRP has completed.",
    limits="It does no harm that is known; drivers in the field pass both.",
)
def ctrl_outsize(f: Facts) -> Instances:
    """A control call that is given an IRP is given no OutputSizeReturned.

    The size comes in IoStatus.Information of the IRP; a variable that the call may write to when it is long back
    is a variable on a stack that is gone.
    """
    rows = f.enters("WskControlClient", "WskControlSocket")
    irp, irp_known = f.irp(rows)
    size, size_known = f.arg("output_size_returned", rows)
    settled = (irp_known & (irp == 0)) | (size_known & (size == 0))
    use = f.submission(rows)

    def tell(i: int) -> str:
        given = f"IRP {f.say(irp[i])} and OutputSizeReturned {f.say(size[i])}"
        return f"{f.op_name(rows[i])} was given both {given}"

    return Instances(
        rows,
        ~irp_known | (irp != 0),
        local((irp != 0) & (size != 0), (irp_known & size_known) | settled),
        "irps",
        use,
        use,
        f.socket_of(rows),
        tell,
        (rows,),
    )


@rule(
    "IRP-COMPLETE-UNKNOWN",
    severity="info",
    party="instrumentation",
    shape="P",
    source="native provider, rules of emission (the entry of every call that is given an IRP)",
    needs="entries of calls with Irp, IrpAllocate, IrpInitialize, IrpReuse, IrpComplete",
    traced=("calls", "IrpAllocate", "IrpInitialize", "IrpReuse", "IrpComplete"),
    advice="Look for a call made without its macro, or for a completion routine that serves other devices, too.",
    limits=(
        "Judged only for IRPs that the driver made (one that was passed down may complete for other reasons), and only "
        "where the trace shows data calls: they are often left out."
    ),
)
def irp_complete_unknown(f: Facts) -> Instances:
    """An IRP that is completed was given to a call before.

    Where it was not, the driver makes calls that it does not trace, and other verdicts about this IRP are in vain.
    """
    rows = f.rows("IrpComplete", Phase.COMPLETE)
    i = np.searchsorted(rows, f.irps.orphans)
    orphans = rows[i]
    h = History(f, f.ops.irp[orphans])
    at = h.at(orphans)
    made = h.made(at)
    own = made >= 0
    # a second completion of one use is another rule's
    again = h.last(ENTER, at) > h.last(MADE | FREE, at)
    since = h.rows(made)
    doubt = h.made_doubt(at, made)
    for group in (SOCKET, DATA, IRP):
        doubt |= f.unlogged(group, np.maximum(since, 0), orphans)
    # where order is uncertain, a life that ended may seem to go on in the next one's making, and the other way round
    everything = np.ones(len(h.lane), bool)
    for ahead in (False, True):
        doubt |= f.world.loose(h.lane, at, everything, ahead=ahead)
        doubt |= f.world.loose(h.lane, made, everything, ahead=ahead)
    if np.any(own):
        doubt |= unnamed_calls(f) | _no_data_calls(f)
    before = f.closed_from(orphans)
    seen, doubts, applies = np.zeros(len(rows), bool), np.zeros(len(rows), np.uint8), np.ones(len(rows), bool)
    seen[i], applies[i] = own, ~again
    doubts[i] = np.where(own, doubt, np.where(before != 0, before, CAP))
    none = np.full(len(rows), -1)

    def tell(k: int) -> str:
        last = f"{f.op_name(making[k])} {f.since(making[k], rows[k])} before"
        return f"IRP {f.say(f.ops.irp[rows[k]])} was completed, and was given to no call since {last}"

    making = none.copy()
    making[i] = since
    return Instances(
        rows, applies, Answer(seen, doubts), "operations", rows, none, none, tell, (making, rows), about=f.ops.irp[rows]
    )


def _no_data_calls(f: Facts) -> np.uint8:
    """Return ``CAP`` where the load shows no data call at all: whatever is said to be enabled, they may be left out."""
    return np.uint8(0 if any(len(f.enters(op.name)) for op in OPS if op.group is DATA) else CAP)
