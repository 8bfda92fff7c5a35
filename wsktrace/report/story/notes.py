"""What stands between the operations of a story: broken rules, what else was outstanding, gaps, open ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wsktrace.report.story.told import Line
from wsktrace.report.words import level, reason_text
from wsktrace.units import address_text, clean, clock_text, duration_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wsktrace.report.story.index import Index
__all__ = ["findings", "gaps", "irp_end", "outstanding", "socket_end", "still_outstanding"]

_MOST_NAMES: Final = 4
_MOST_GAPS: Final = 10
_MOST_OUTSTANDING: Final = 20


def _note(time_ns: int, text: str, **more: Any) -> Line:
    return Line(time_ns, "note", clean(text), **more)


def findings(index: Index, held: list[dict[str, Any]], more: int) -> list[tuple[int | None, Line]]:
    """Return a line for each finding, behind the operation with which the rule was broken; ``more`` are not told."""
    made: list[tuple[int | None, Line]] = []
    for finding in held:
        reason = f" ({reason_text(finding['reason'])})" if finding["reason"] else ""
        text = f"{level(finding)} {finding['rule']}: {finding['message']}{reason}"
        anchor, time_ns = _broken_by(index, finding)
        line = Line(
            time_ns,
            "finding",
            clean(text),
            irp_id=finding["irp_id"],
            socket_id=finding["socket_id"],
            finding_id=finding["finding_id"],
        )
        made.append((anchor, line))
    if more > 0 and held:
        made.append((None, _note(held[-1]["time"], f"… and {more:,} more findings")))
    return made


def _broken_by(index: Index, finding: dict[str, Any]) -> tuple[int | None, int]:
    """Return the operation with which a rule was broken, and when that was.

    It is the last of the evidence up to the finding's time; of a call whose return is evidence, too, the return.
    """
    at = index.rows_of((finding["evidence"] or [])[:1000])
    if not len(at):
        return None, finding["time"]
    times, ids = index.operations.take("time", at), index.operations.take("operation_id", at)
    upto = [spot for spot, time in enumerate(times) if time <= finding["time"]]
    if not upto:
        return None, finding["time"]
    last = upto[-1]
    phases, names = index.operations.take("phase", at), index.operations.take("op", at)
    if (
        last + 1 < len(at)
        and phases[last] == "enter"
        and phases[last + 1] == "return"
        and names[last] == names[last + 1]
    ):
        last += 1
    return ids[last], times[last]


def outstanding(index: Index, irp: dict[str, Any]) -> list[tuple[int | None, Line]]:
    """Return a note of what else was outstanding on the socket when an IRP was issued."""
    if irp["socket_id"] is None:
        return []
    count, latest = index.requests.outstanding(irp["socket_id"], irp["issue_operation"])
    if not count:
        return []
    text = f"outstanding on the socket at this moment: {_named(index, latest, count)}"
    return [(irp["issue_operation"], _note(irp["issue_time"], text, socket_id=irp["socket_id"]))]


def still_outstanding(index: Index, finding: dict[str, Any]) -> list[tuple[int | None, Line]]:
    """Return a note at each call that was outstanding when a rule was broken."""
    at = index.rows_of((finding["outstanding"] or [])[:_MOST_OUTSTANDING])
    made: list[tuple[int | None, Line]] = []
    for number, time, irp_id in zip(
        *(index.operations.take(n, at) for n in ("operation_id", "time", "irp_id")), strict=True
    ):
        behind, seen = number, time
        if index.has("irps", irp_id):
            irp = index.irp(irp_id)
            if irp["return_operation"] is not None and irp["completion"] != "inline":
                behind, seen = irp["return_operation"], irp["return_time"]
        age = finding["time"] - time
        text = f"still outstanding when the rule was broken, {duration_text(age)} after this" if age > 0 else ""
        made.append((behind, _note(seen, text or "outstanding when the rule was broken", irp_id=irp_id)))
    return made


def gaps(index: Index, load: int | None, start_ns: int, end_ns: int) -> list[tuple[int | None, Line]]:
    """Return a note for each gap of the trace between two times; those of other loads do not count."""
    held = index.extent.gaps(load, start_ns, end_ns)
    made: list[tuple[int | None, Line]] = []
    for gap in held[:_MOST_GAPS]:
        begin, end, missing = gap.start_ns, gap.end_ns, gap.missing
        what = f"{missing:,} events of the driver are missing" if missing else "events may be missing"
        what = "1 event of the driver is missing" if missing == 1 else what
        where = "" if begin is None and end is None else f" between {clock_text(begin)} and {clock_text(end)}"
        where = where or ", nobody knows where"
        made.append((None, _note(max(begin or start_ns, start_ns), f"gap in the trace: {what}{where}")))
    if len(held) > _MOST_GAPS:
        made.append((None, _note(end_ns, f"… and {len(held) - _MOST_GAPS:,} more gaps")))
    return made


def irp_end(index: Index, irp: dict[str, Any]) -> list[tuple[int | None, Line]]:
    """Return a note where the completion of an IRP is not in the trace."""
    if irp["complete_time"] is not None:
        return []
    end = index.extent.end_ns(irp["load"])
    age = duration_text(max(end - irp["issue_time"], 0))
    seen = "" if irp["own"] else "; it is perhaps not the driver's own IRP, so its completion may go unseen"
    ids = {"irp_id": irp["irp_id"], "socket_id": irp["socket_id"]}
    if irp["outcome"] == "open":
        doubt = f" ({reason_text(irp['doubt'])})" if irp["doubt"] else ""
        text = f"still pending {age} after the call, when the trace ends{seen}{doubt}"
        return [(None, _note(max(end, irp["issue_time"]), text, **ids))]
    if irp["outcome"] == "failed":
        return []
    last = irp["return_time"] or irp["issue_time"]
    return [
        (
            irp["return_operation"] or irp["issue_operation"],
            _note(last, f"its completion is not in the trace{seen}", **ids),
        )
    ]


def socket_end(index: Index, socket: dict[str, Any]) -> list[tuple[int | None, Line]]:
    """Return a note where the end of a socket is not in the trace."""
    if index.refused(socket):
        return []
    end = index.extent.end_ns(socket["load"])
    told = []
    if socket["closed_time"] is None and socket["close_time"] is not None:
        age = duration_text(max(end - socket["close_time"], 0))
        told.append(f"its close is not complete {age} after the call, when the trace ends")
    elif socket["closed_time"] is None:
        told.append("the socket is still open when the trace ends")
    if socket["open_irps"]:
        named = _named(index, index.requests.open_at_end(socket["socket_id"]), socket["open_irps"])
        told.append(f"still pending when the trace ends: {named}")
    return [(None, _note(end, text, socket_id=socket["socket_id"])) for text in told]


def _named(index: Index, rows: NDArray[np.int64], count: int) -> str:
    """Return some of the requests by name, and how many more there are."""
    shown = rows[-_MOST_NAMES:]
    names = [
        f"{clean(op)} {address_text(address)}"
        for op, address in zip(index.irps.take("op", shown), index.irps.take("irp", shown), strict=True)
    ]
    return ", ".join(names) + (f" and {count - len(names):,} more" if count > len(names) else "")
