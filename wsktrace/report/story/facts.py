"""What stands above a story: label and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.story.arguments import bits, irql_name, protocol, socket_type
from wsktrace.report.story.words import since
from wsktrace.report.words import reason_text
from wsktrace.units import address_text, clean, clock_text, duration_text
from wsktrace.wsk.constants import family_name

if TYPE_CHECKING:
    from wsktrace.report.story.index import Index

__all__ = ["finding_facts", "irp_facts", "socket_facts"]

Facts = tuple[tuple[str, str], ...]


def _told(held: dict[str, str]) -> Facts:
    return tuple((label, clean(value)) for label, value in held.items() if value)


def named(address: int | None, number: int | None) -> str:
    """Return an object by address and id."""
    if not address and number is None:
        return ""
    told = [address_text(address)] if address else []
    return " ".join(told + ([f"#{number}"] if number is not None else []))


def doubt(reason: str | None) -> str:
    """Return a U- reason in words."""
    return "" if reason is None else reason_text(reason)


def _where(tid: int | None, cpu: int | None, irql: int | None = None) -> str:
    told = [] if tid is None else [f"thread {tid}"]
    told += [] if cpu is None else [f"CPU {cpu}"]
    told += [] if irql is None else [irql_name(irql)]
    return ", ".join(told)


def _left(index: Index, load: int, time_ns: int) -> str:
    """Return how much of the trace was left at a time."""
    return duration_text(max(index.extent.end_ns(load) - time_ns, 0))


def after(ns: int | None) -> str:
    """Return how long after its call something happened; the clocks of two processors may disagree about that.

    A table that wsktrace did not write may leave it out.
    """
    return f"after {duration_text(ns)}" if ns is None or ns >= 0 else since(ns)


def irp_facts(index: Index, irp: dict[str, Any]) -> Facts:
    """Return the facts of one use of an IRP."""
    back, done = irp["return_time"], irp["complete_time"]
    returned = "" if back is None else f"{irp['return_status_name'] or ''} after {duration_text(irp['call_ns'])}"
    if done is not None:
        completed = f"{irp['completion_status_name'] or ''} {after(irp['total_ns'])}"
        completed += f", {irp['completion']}" if irp["completion"] == "inline" else ""
        completed += f"; {_where(irp['complete_tid'], irp['complete_cpu'])}"
    elif irp["outcome"] == "open":
        completed = f"not in the {_left(index, irp['load'], irp['issue_time'])} until the end of the trace"
    else:
        completed = "not seen"
    return _told(
        {
            "IRP": named(irp["irp"], irp["irp_id"]),
            "socket": named(irp["socket"], irp["socket_id"]),
            "issued": f"{clock_text(irp['issue_time'], date=True)} UTC; {_where(irp['tid'], irp['cpu'], irp['irql'])}",
            "returned": returned or "not seen",
            "completed": completed,
            "outcome": irp["outcome"],
            "whose": "" if irp["own"] else "perhaps not the driver's own IRP: its completion may go unseen",
            "not certain": doubt(irp["doubt"]),
        }
    )


_ORIGINS = {
    "socket": "by WskSocket",
    "socket_connect": "by WskSocketConnect",
    "accept": "by WskAccept",
    "accept_event": "brought by a WskAcceptEvent callback",
    "adopted": "not in the trace: first met in use",
}
_MEMBERS = {
    1: "accept",
    2: "inspect",
    4: "abort",
    8: "receive-from",
    16: "receive",
    32: "disconnect",
    64: "send backlog",
}


def socket_facts(index: Index, socket: dict[str, Any]) -> Facts:
    """Return the facts of a socket."""
    kind = [
        socket["category"] or "",
        "" if socket["address_family"] is None else family_name(socket["address_family"]),
        "" if socket["socket_type"] is None else socket_type(socket["socket_type"]),
        "" if socket["protocol"] is None else protocol(socket["protocol"]),
    ]
    closing, closed = socket["close_time"], socket["closed_time"]
    close = "not accepted by the driver" if index.refused(socket) else "never called in this trace"
    if closing is not None:
        close = f"{clock_text(closing, date=True)} UTC"
        close += (
            f", complete {after(socket['close_ns'])}"
            if closed is not None
            else f", not complete in the {_left(index, socket['load'], closing)} until the end of the trace"
        )
    created = _ORIGINS.get(socket["origin"], socket["origin"])
    opened = socket["open_time"] or socket["create_time"]
    members = socket["dispatch_members"]
    return _told(
        {
            "socket": named(socket["socket"], socket["socket_id"]),
            "kind": " ".join(filter(None, kind)),
            "created": created + ("" if opened is None else f", {clock_text(opened, date=True)} UTC"),
            "from listener": "" if socket["parent_id"] is None else f"#{socket['parent_id']}",
            "context": address_text(socket["context"]) if socket["context"] else "",
            "callbacks": "" if not members else bits(members, _MEMBERS).replace("|", ", "),
            "closed": close,
            "lifetime": ""
            if (-1 if socket["lifetime_ns"] is None else socket["lifetime_ns"]) < 0
            else duration_text(socket["lifetime_ns"]),
            "requests": f"{socket['irps']:,}"
            + (f", {socket['open_irps']:,} still open" if socket["open_irps"] else ""),
            "not certain": doubt(socket["doubt"]),
        }
    )


def finding_facts(index: Index, finding: dict[str, Any]) -> Facts:
    """Return the facts of a finding: what happened, what the rule demands, what it follows from and what from it."""
    from wsktrace.rules.registry import RULES

    rule = RULES.get(finding["rule"])
    subject = finding["subject_table"].removesuffix("s")
    about = finding["subject_address"] not in (finding["irp"], finding["socket"])
    cause = finding["follows_from"]
    held = index.about.effects(finding["finding_id"])
    effects = [f"{f['finding_id']} {clean(f['rule'])}" for f in held[:5]]
    effects += [f"and {len(held) - 5:,} more"] if len(held) > 5 else []
    waiting = finding["outstanding"] or []
    verdict = finding["severity"] if finding["verdict"] == "fail" else finding["verdict"]
    return _told(
        {
            "what happened": clean(finding["message"]),
            "verdict": verdict + ("" if finding["party"] == "client" else f", a duty of the {finding['party']}"),
            "the rule": rule.sentence if rule is not None else "",
            "not certain": doubt(finding["reason"]),
            "when": f"{clock_text(finding['time'], date=True)} UTC",
            subject: address_text(finding["subject_address"]) if about and finding["subject_address"] else "",
            "IRP": named(finding["irp"], finding["irp_id"]),
            "socket": named(finding["socket"], finding["socket_id"]),
            "outstanding": f"{len(waiting):,} operation{'s' * (len(waiting) != 1)}" if waiting else "",
            "follows from": "" if cause is None else f"finding {cause}",
            "what follows": ", ".join(effects),
            "source": f"{clean(finding['source_file'])}:{finding['source_line']}" if finding["source_file"] else "",
            "not counted": clean(finding["ignored"]) if finding["ignored"] else "",
            "what to do": rule.advice if rule is not None else "",
        }
    )
