"""Rules about who owns an IRP.

Given where required, not passed again while pending, completed once, completed at all.
"""

from __future__ import annotations

import numpy as np

from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, liveness, local
from wsktrace.wsk import constants as c

_WARNING, _ERROR = 1, 2
FAMILY = "irps"
_OPTIONS = (
    c.SO_WSK_SECURITY,
    c.SO_REUSEADDR,
    c.SO_EXCLUSIVEADDRUSE,
    c.SO_CONDITIONAL_ACCEPT,
    c.SO_RCVBUF,
    c.SO_KEEPALIVE,
)
_IOCTLS = (
    c.SIO_WSK_QUERY_IDEAL_SEND_BACKLOG,
    c.SIO_WSK_QUERY_RECEIVE_BACKLOG,
    c.SIO_WSK_SET_REMOTE_ADDRESS,
    c.SIO_WSK_SET_SENDTO_ADDRESS,
    c.SIO_WSK_SET_TCP_SILENT_MODE,
)


@rule(
    "IRP-REQUIRED",
    severity="error",
    party="client",
    shape="L",
    source="seed page, Irp; the Irp parameter on every function's page; NET pages of the control codes",
    needs="entries of calls with Irp; of control calls with the code too",
    traced=("calls",),
    advice="Allocate an IRP with a completion routine for the call and wait for it, or pass one on.",
    limits="Control codes whose pages leave the IRP open are not judged.",
)
def irp_required(f: Facts) -> Instances:
    """A call that completes asynchronously must be given an IRP."""
    rows = f.level_enters("client", "socket")
    irp, irp_known = f.irp(rows)
    code, code_known = f.arg("control_code", rows)
    level, level_known = f.arg("level", rows)
    request, request_known = f.arg("request_type", rows)
    control, client = f.op_is(rows, "WskControlSocket"), f.op_is(rows, "WskControlClient")
    option = np.isin(request, (c.WSK_SET_OPTION, c.WSK_GET_OPTION)) & (level == c.SOL_SOCKET) & np.isin(code, _OPTIONS)
    ioctl = (request == c.WSK_IOCTL) & np.isin(code, _IOCTLS)
    by_code = (control & (option | ioctl)) | (client & (code == c.WSK_TRANSPORT_LIST_CHANGE))
    coded = (control & ~(code_known & level_known & request_known)) | (client & ~code_known)
    needs = f.needs_irp(rows) | by_code | coded
    broken = local(irp == 0, irp_known & ~coded)
    use = f.submission(rows)
    return Instances(
        rows,
        needs,
        broken,
        "irps",
        use,
        use,
        f.socket_of(rows),
        lambda i: f"{f.op_name(rows[i])} was called without an IRP",
        (rows,),
    )


@rule(
    "IRP-REUSE-PENDING",
    severity="error",
    party="client",
    shape="F",
    source="NET using-irps-with-winsock-kernel-functions",
    needs="entries and returns of calls, IrpComplete, and that the IRP is the driver's own",
    traced=("calls", "calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    follows={"IRP-CANCEL-NO-WAIT": "irp", "IRP-REINIT-PENDING": "irp"},
    advice="Wait for the completion routine before the IRP is used again, whatever the call returned.",
    limits="An IRP that was passed down from above may complete unseen, and its address come back: not judged.",
)
def irp_reuse_pending(f: Facts) -> Instances:
    """An IRP that was given to a WSK function must not be given to one again before it has completed."""
    s = f.irps
    n = len(s)
    index = np.arange(n)
    first = s.previous
    has = first >= 0
    p = np.maximum(first, 0)
    waiting = (s.ret_is("pending") | s.ret_is("success"))[p] if n else np.zeros(0, bool)
    unfinished = (s.complete < 0) & (s.reset < 0)
    seen = has & waiting & (unfinished[p] if n else waiting)
    if n:
        doubt = (
            f.world.touch(s.enter[p], s.enter)
            | s.absent_doubt[p]
            | s.ret_doubt[p]
            | f.unlogged(IRP, s.enter[p], s.enter)
        )
        doubt |= doubt_if(~s.ret_known[p] & unfinished[p], CAP)
        doubt = np.where(~unfinished[p], s.link_doubt[p], doubt).astype(np.uint8)
    else:
        doubt = np.zeros(0, np.uint8)

    def tell(i: int) -> str:
        earlier = f"{f.irp_words(p[i])} from {f.since(s.enter[p[i]], s.enter[i])} before"
        return f"{f.irp_words(i)} was entered while {earlier} had not been completed"

    return Instances(
        s.enter,
        has,
        Answer(seen, doubt),
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (np.where(has, s.enter[p], -1), np.where(has, s.ret[p], -1), s.enter) if n else (),
    )


@rule(
    "IRP-DOUBLE-COMPLETE",
    severity="error",
    party="client",
    shape="F",
    source="NET using-irps-with-winsock-kernel-functions; WDM IoCompleteRequest",
    needs="entries of calls, IrpComplete, IrpReuse and IrpInitialize",
    traced=("calls", "IrpComplete", "IrpReuse", "IrpInitialize"),
    follows={"IRP-REUSE-PENDING": "irp"},
    advice=(
        "Look for a completion routine that completes the IRP itself and then lets it run on: "
        "an own IRP's routine returns STATUS_MORE_PROCESSING_REQUIRED."
    ),
    limits="Where calls are not traced (keyword off), a second completion may belong to one of them.",
)
def irp_double_complete(f: Facts) -> Instances:
    """An IRP is completed once for each time that it was given to a WSK function."""
    s = f.irps
    index = np.arange(len(s))
    twice = s.second >= 0
    doubt = s.second_doubt.copy()
    again = twice & (s.next_enter >= 0)
    doubt[again] |= f.world.unordered(s.second[again], s.next_enter[again])
    broken = Answer(twice, np.where(twice | (s.complete >= 0), doubt, 0).astype(np.uint8))
    return Instances(
        np.where(twice, s.second, s.enter),
        s.complete >= 0,
        broken,
        "irps",
        index,
        index,
        f.socket_of_irp,
        lambda i: f"{f.irp_words(i)} was completed twice, {f.since(s.complete[i], s.second[i])} apart",
        (s.enter, s.complete, s.second),
    )


@rule(
    "IRP-NEVER-COMPLETED",
    severity="error",
    party="client",
    shape="V",
    source=(
        "seed page, Return value (PENDING: the IRP is completed later); NET unregistering-a-winsock-kernel-application"
    ),
    needs="entries and returns of calls, IrpComplete, and that the IRP is the driver's own",
    traced=(
        "calls",
        "calls return",
        "IrpComplete",
        "IrpAllocate",
        "IrpInitialize",
        "IrpReuse",
        "WskDeregister return",
        "DriverUnload return",
    ),
    follows={
        "CLOSE-STUCK": "use",
        "IRP-NO-COMPLETION-ROUTINE": "use",
        "IRP-INVOKE-FLAGS": "use",
        "CLOSE-NOT-DRAINED": "use",
    },
    advice=(
        "See what the socket waits for; cancel the IRP or close the socket abortively, "
        "and wait for the completion before unloading."
    ),
    limits=(
        "Accepts, receives and graceful disconnects may wait without limit; "
        "they count only where the driver unloads before them. Deadlines are the profile's."
    ),
)
def irp_never_completed(f: Facts) -> Instances:
    """Every IRP whose call returned STATUS_PENDING or STATUS_SUCCESS is completed.

    Judged by age (a warning) where the call has a deadline: 10 s for creation, bind, control and close, 60 s for
    connect, 120 s for send. An IRP that is open when WskDeregister or DriverUnload returns is an error.
    """
    s = f.irps
    index = np.arange(len(s))
    waiting = s.ret_known & (s.ret_status < 0x80000000)
    teardown = f.teardown_after(s.enter, f.client_of_irp)
    within = f.deadlines_ns(s.op)
    doubt = s.absent_doubt | s.ret_doubt | f.unlogged(IRP, s.enter, np.where(teardown >= 0, teardown, f.last_row))
    broken = liveness(f.world, s.enter, s.complete, within_ns=within, teardown=teardown, doubt=doubt, link=s.link_doubt)
    # a later use of the address in time presumes the completion; IRP-REUSE-PENDING asks about that
    again = (s.complete < 0) & f.soon(s.enter, s.next_enter, within)
    broken = Answer(
        broken.seen & ~again & waiting,
        broken.doubt | doubt_if(again, ALIAS) | doubt_if(~s.ret_known & (s.complete < 0), CAP),
    )
    torn = (teardown >= 0) & ((s.complete < 0) | (s.complete > teardown))

    def tell(i: int) -> str:
        words = f.irp_words(i)
        if torn[i]:
            after = f.since(s.enter[i], teardown[i])
            return f"{words} was still pending when {f.op_name(teardown[i])} returned, {after} after the call"
        if s.complete[i] >= 0:
            return f"{words} was completed only {f.since(s.enter[i], s.complete[i])} after the call"
        return f"{words} was not completed in the {f.until_end(s.enter[i])} until the end of the trace"

    return Instances(
        s.enter,
        waiting | (~s.ret_known & (s.complete < 0)),
        broken,
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (s.enter, s.ret, np.where(torn, teardown, s.complete)),
        severity=np.where(torn, _ERROR, _WARNING),
    )
