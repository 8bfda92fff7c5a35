"""What a story is: what is known of its subject, and lines in the order of the trace."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line", "Story"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. ``text`` is plain text, harmless for a terminal (``units.clean``), not for HTML.

    ``kind`` is call, return, complete, complete_return, callback, callback_return, fact (the phases of operations),
    finding (a rule was broken here), message (the driver's own), or note (what is not known, what is left out).
    """

    time_ns: int
    kind: str
    text: str
    cpu: int | None = None
    tid: int | None = None
    pid: int | None = None
    operation_id: int | None = None
    irp_id: int | None = None
    socket_id: int | None = None
    finding_id: int | None = None
    #: calls, completion routines and callbacks of the same thread that it runs inside of
    depth: int = 0
    #: whether it is an operation that shows the finding whose story this is
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """The story of one life, finding or moment; ``lines`` in the trace's order, ``start_ns`` what times count from."""

    title: str
    #: irps, sockets, findings or moments
    table: str
    #: the row of that table; 0 for a moment
    row: int
    start_ns: int
    #: label → value, as people read them
    facts: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    #: findings about it, worst first
    findings: tuple[int, ...] = ()
    #: lines that were left out, and why, in words; empty where none was
    left_out: str = ""
    #: ns UTC, the time that it is about, its end not included; None: from its first line to its last
    span: tuple[int, int] | None = None
