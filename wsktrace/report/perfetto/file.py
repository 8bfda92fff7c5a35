"""A timeline as a file or as bytes, and what people type to choose a part of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from wsktrace.decode.moments import moment_of
from wsktrace.errors import UsageError
from wsktrace.files import whole
from wsktrace.report.perfetto.timeline import Window, Written, write
from wsktrace.units import read_which

if TYPE_CHECKING:
    import os

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.redact import Redactor

__all__ = ["Choice", "choose", "deliver", "redacted", "save"]


class Choice(TypedDict):
    """The part of a trace that is shown: a socket by address or id, or None for all; from when until when."""

    socket: int | None
    window: Window


def choose(facts: TraceFacts, *, socket: int | str | None, since: str | None, until: str | None) -> Choice:
    """Return what was chosen; ``UsageError`` for an address or a time that is none."""
    whole = Window()
    start = facts.start_ns or 0
    window = Window(
        whole.since if since is None else moment_of("since", since, start),
        whole.until if until is None else moment_of("until", until, start),
    )
    if window.until <= window.since:
        raise UsageError(f"the time from {since} until {until} is empty")
    return Choice(socket=None if socket is None else read_which(socket)[0], window=window)


def redacted(facts: TraceFacts, tables: Tables, chosen: Choice) -> tuple[Redactor, Choice]:
    """Return the tables and facts without what identifies the machine, and what was chosen as they call it."""
    from wsktrace.report.redact import Redactor

    hidden = Redactor(facts, tables)
    socket = chosen["socket"]
    if socket is not None and socket >= tables("sockets").num_rows:  # an address; ids stay as they are
        socket = hidden.address(socket)
    return hidden, Choice(socket=socket, window=chosen["window"])


def deliver(
    facts: TraceFacts, tables: Tables, path: str | os.PathLike[str] | None, *, socket: int | None, window: Window
) -> bytes | Path:
    """Return a timeline as bytes, or write it to a file and return the path; errors: see ``perfetto.write``."""
    if path is not None:
        return save(facts, tables, path, socket=socket, window=window)[0]
    held = io.BytesIO()
    write(facts, tables, held, socket=socket, window=window)
    return held.getvalue()


def save(facts: TraceFacts, tables: Tables, path: str | os.PathLike[str], **chosen: Any) -> tuple[Path, Written]:
    """Write a timeline to a file, whole or not at all; return its path and how much it holds."""
    target = Path(path)
    with whole(target) as place, place.open("wb") as out:
        written = write(facts, tables, out, **chosen)
    return target, written
