"""Rules about statuses: what a call returned, what its IRP was completed with, and Information."""

from __future__ import annotations

import numpy as np

from wsktrace.rules.facts import IRP, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, Answer, doubt_if, join, liveness, local, never
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import OPS, Phase

_WARNING, _ERROR = 1, 2
#: What is neither success nor pending nor an error, and is documented; the first for returns only.
_DOCUMENTED = (c.STATUS_EVENT_PENDING, c.STATUS_BUFFER_OVERFLOW)
_MUTE = ("WskDeregister", "WskReleaseProviderNPI", "WskFreeAddressInfo")
_CALLS = np.array([op.level in ("registration", "client", "socket") and op.name not in _MUTE for op in OPS])
_SEVERE = 0xC0000000


FAMILY = "status"


@rule(
    "STATUS-MISMATCH",
    severity="error",
    party="provider",
    shape="J",
    source="seed page, Return value; Return value of every WSK function",
    needs="entries and returns of calls, IrpComplete with Status",
    traced=("calls", "calls return", "IrpComplete"),
    follows={"IRP-COMPLETED-WITH-PENDING": "use", "IRP-REUSE-PENDING": "irp", "STATUS-UNDOCUMENTED": "use"},
    advice=(
        "Look first for an IRP that was reused before its completion, for a completion routine that overwrites "
        "IoStatus before tracing it, and for a filter in between."
    ),
    limits=(
        "Calls without an IRP are not judged. A different error in the completion than in the return is a warning only."
    ),
)
def status_mismatch(f: Facts) -> Instances:
    """The status that a call returned and the status that its IRP was completed with must agree.

    STATUS_SUCCESS means that the IRP completes with success, an error that it completes with failure, STATUS_PENDING
    leaves it open. No IRP completes with STATUS_PENDING.
    """
    s = f.irps
    pending_end = s.status_known & (s.status == c.STATUS_PENDING)
    good_end, bad_end = s.succeeded(), s.failed()
    ok, error, pending = s.ret_is("success"), s.ret_is("error"), s.ret_is("pending")
    error &= ~((s.ret_status == c.STATUS_BUFFER_OVERFLOW) & f.op_is(s.enter, "WskConnectEx"))
    odd = s.ret_known & (s.ret_status == c.STATUS_EVENT_PENDING)
    hard = (ok & bad_end) | (error & good_end) | ((ok | error | pending) & pending_end) | odd
    soft = (ok & good_end & (s.status != 0)) | (error & bad_end & (s.status != s.ret_status))
    both = s.ret_known & s.status_known
    absent = s.complete < 0
    link = np.where(absent & ~odd, 0, s.link_doubt).astype(np.uint8)
    broken = join(hard | soft, both | odd, s.ret_doubt, link)
    applies = ok | error | pending | odd | ~s.ret_known
    # without a completion the rules about completions speak
    applies &= odd | ~absent
    index = np.arange(len(s))

    def tell(i: int) -> str:
        if odd[i]:
            return f"{f.irp_words(i)} returned STATUS_EVENT_PENDING, which is for calls without an IRP"
        returned = f"{f.irp_words(i)} returned {f.status_words(s.ret_status[i])}"
        return f"{returned}, and the IRP was completed with {f.status_words(s.status[i])}"

    return Instances(
        np.where(absent, s.enter, np.maximum(s.complete, s.ret)),
        applies,
        broken,
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (s.enter, s.ret, s.complete),
        severity=np.where(hard, _ERROR, _WARNING),
    )


@rule(
    "STATUS-ERROR-NO-COMPLETION",
    severity="info",
    party="provider",
    shape="V",
    source="seed page, Return value (an error occurred; the IRP is completed with failure)",
    needs="entries and error returns of calls, IrpComplete, and that the IRP is the driver's own",
    traced=("calls", "calls return", "IrpComplete", "IrpAllocate", "IrpInitialize", "IrpReuse"),
    follows={"IRP-FREE-ON-ERROR": "use"},
    advice=(
        "Do not free or reuse the IRP on an error return before its completion was seen, "
        "or say plainly that this path has none."
    ),
    limits="Windows is known to leave out the completion for invalid handles and parameters; hence only information.",
)
def status_error_no_completion(f: Facts) -> Instances:
    """After an error return the IRP is still completed, with failure, within a second."""
    s = f.irps
    failed = s.ret_is("error")
    failed &= ~((s.ret_status == c.STATUS_BUFFER_OVERFLOW) & f.op_is(s.enter, "WskConnectEx"))
    n = len(s)
    start = np.where(s.ret >= 0, s.ret, s.enter)
    within = np.full(n, round(f.profile.thresholds.error_completion_s * 1e9), np.int64)
    # a completion before the return is in time
    then = np.where(s.complete >= 0, np.maximum(s.complete, start), -1)
    doubt = s.absent_doubt | f.unlogged(IRP, s.enter, start) | s.ret_doubt
    broken = liveness(
        f.world, start, then, within_ns=within, teardown=never(n), doubt=doubt, link=s.link_doubt | s.ret_doubt
    )
    # used again in time, its completion may have been taken for the later call's
    again = (s.complete < 0) & f.soon(start, s.next_enter, within)
    broken = Answer(broken.seen & ~again, broken.doubt | doubt_if(again, ALIAS))
    index = np.arange(n)

    def tell(i: int) -> str:
        returned = f"{f.irp_words(i)} returned {f.status_words(s.ret_status[i])}"
        limit = f"{f.profile.thresholds.error_completion_s:g} s"
        return f"{returned}, and the IRP was not completed within {limit}"

    return Instances(
        start,
        failed | (~s.ret_known & (s.complete < 0)),
        Answer(broken.seen & failed, broken.doubt | doubt_if(~s.ret_known, CAP)),
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (s.enter, s.ret),
    )


@rule(
    "IRP-COMPLETED-WITH-PENDING",
    severity="error",
    party="provider",
    shape="L",
    source="seed page, Return value; WDM, bug check 0xC9",
    needs="IrpComplete with Status",
    traced=("IrpComplete",),
    advice="Trace Irp->IoStatus.Status as the completion routine finds it, before anything changes it.",
)
def irp_completed_with_pending(f: Facts) -> Instances:
    """No IRP is completed with STATUS_PENDING."""
    rows = np.flatnonzero(f.completions)
    status, known = f.status(rows)
    irp = f.submission(rows)
    return Instances(
        rows,
        np.ones(len(rows), bool),
        local(status == c.STATUS_PENDING, known),
        "irps",
        irp,
        irp,
        f.socket_of(rows),
        lambda i: f"IRP {f.say(f.ops.irp[rows[i]])} was completed with STATUS_PENDING",
        (rows,),
    )


@rule(
    "INFO-NOT-SOCKET",
    severity="error",
    party="provider",
    shape="J",
    source="seed page, Remarks (IoStatus.Information holds the socket)",
    needs="creation and accept entries, IrpComplete with Status and Information",
    traced=("creations", "IrpComplete"),
    advice="Trace IoStatus.Information as 64 bits, and look for whoever completes the IRP in between.",
)
def info_not_socket(f: Facts) -> Instances:
    """A creation or accept that completed with success carries the socket in IoStatus.Information.

    The value must be a kernel address: not zero, aligned to a pointer, and on 64-bit systems in the upper half.
    """
    s = f.irps
    done = f.creates & s.succeeded() & (s.status == 0)
    size = f.world.pointer_size
    wrong = (s.information == 0) | ((s.information & np.uint64(size - 1)) != 0)
    if size == 8:
        wrong |= (s.information >> np.uint64(63)) == 0
    broken = join(wrong, s.information_known, s.link_doubt)
    index = np.arange(len(s))

    def tell(i: int) -> str:
        information = f"Information is 0x{int(s.information[i]):x}"
        return f"{f.irp_words(i)} was completed with STATUS_SUCCESS, and {information}, which is no socket"

    return Instances(
        np.maximum(s.complete, s.enter),
        done,
        broken,
        "irps",
        index,
        index,
        f.socket_of_irp,
        tell,
        (s.enter, s.complete),
    )


@rule(
    "STATUS-UNDOCUMENTED",
    severity="info",
    party="provider",
    shape="L",
    source="Return value of every WSK function page (which statuses besides errors there are)",
    needs="returns of calls and IrpComplete with Status",
    traced=("calls return", "registration calls return", "IrpComplete"),
    advice=(
        "Do not test such a status with NT_SUCCESS alone: for a driver it is neither the success nor the error "
        "that its page speaks of. Look for a filter in between that made it."
    ),
    limits="Pages leave the set of errors open, so no error is judged.",
)
def status_undocumented(f: Facts) -> Instances:
    """A status that is no error is one of those that the function pages name.

    A call returns STATUS_SUCCESS, STATUS_PENDING, STATUS_EVENT_PENDING, STATUS_BUFFER_OVERFLOW or an error; an IRP is
    completed with STATUS_SUCCESS, STATUS_BUFFER_OVERFLOW or an error. Other informational codes and warnings are told
    for discovery; STATUS_PENDING in a completion is IRP-COMPLETED-WITH-PENDING's.
    """
    phase = f.ops.phase
    rows = np.flatnonzero(((phase == Phase.RETURN) & _CALLS[f.ops.op]) | (phase == Phase.COMPLETE))
    status, known = f.status(rows)
    ends = phase[rows] == Phase.COMPLETE
    odd = (status != c.STATUS_SUCCESS) & (status != c.STATUS_PENDING) & (status < _SEVERE) & known
    found = np.flatnonzero(odd)
    named = np.isin(status[found], _DOCUMENTED) & ~(ends[found] & (status[found] == c.STATUS_EVENT_PENDING))
    odd[found[named]] = False
    found = found[~named]
    use, socket = np.full(len(rows), -1, np.int32), np.full(len(rows), -1, np.int32)
    use[found], socket[found] = f.irps.of_row[rows[found]], f.sockets.of_row[rows[found]]

    def tell(i: int) -> str:
        word = f.status_words(status[i])
        if ends[i]:
            call = f.irp_words(use[i]) if use[i] >= 0 else f"IRP {f.say(f.ops.irp[rows[i]])}"
            return f"{call} was completed with {word}, which no page names"
        return f"{f.op_name(rows[i])} returned {word}, which no page names"

    return Instances(rows, np.ones(len(rows), bool), local(odd, known), "irps", use, use, socket, tell, (rows,))
