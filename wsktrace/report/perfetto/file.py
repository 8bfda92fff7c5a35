"""A timeline as a file or as bytes, and what people type to choose a part of it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from wsktrace.errors import UsageError
from wsktrace.report.perfetto.timeline import Window, Written, write

if TYPE_CHECKING:
    from wsktrace.report.facts import TraceFacts
    from wsktrace.report.redact import Redactor
    from wsktrace.report.words import Tables

__all__ = ["Choice", "choose", "deliver", "redacted", "save"]


class Choice(TypedDict):
    """The part of a trace that is shown: the address of a socket, or None for all; from when until when."""

    socket: int | None
    window: Window


def choose(facts: TraceFacts, *, socket: int | str | None, since: str | None, until: str | None) -> Choice:
    """Return what was chosen; ``UsageError`` for an address or a time that is none."""
    if isinstance(socket, str):
        from wsktrace.report.story.find import read_address

        text, socket = socket, read_address(socket)
        if socket is None:
            raise UsageError(f"{text!r} is no address, such as ffff8001`23456780 or 0xffff800123456780")
    whole = Window()
    window = Window(_moment(facts, since, whole.since), _moment(facts, until, whole.until))
    if window.until <= window.since:
        raise UsageError(f"the time from {since} until {until} is empty")
    return Choice(socket=socket, window=window)


def redacted(facts: TraceFacts, tables: Tables, chosen: Choice) -> tuple[Redactor, Choice]:
    """Return the tables and facts without what identifies the machine, and what was chosen as they call it."""
    from wsktrace.report.redact import Redactor

    hidden = Redactor(facts, tables)
    socket = chosen["socket"]
    return hidden, Choice(socket=None if socket is None else hidden.address(socket), window=chosen["window"])


def _moment(facts: TraceFacts, text: str | None, default: int) -> int:
    from wsktrace.decode.moments import read_moment

    if text is None:
        return default
    moment = read_moment(text)
    if moment is None:
        raise UsageError(f"{text!r} is no time: write 14:02:11.5, 2026-11-20T14:02:11 or +1.5 (s from the start)")
    return moment(facts.start_ns or 0)


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
    scratch = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as out:
            written = write(facts, tables, out, **chosen)
        scratch.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    finally:
        scratch.unlink(missing_ok=True)
    return target, written
