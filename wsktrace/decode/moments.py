"""Moments as people write them: a date with a time, a time of day, seconds from the start of a trace."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wsktrace.errors import UsageError
from wsktrace.units import clean

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["moment_of"]

_DAY_NS: Final = 86_400_000_000_000
_TIME: Final = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z?")
_OFFSET: Final = re.compile(r"([+-])(\d{1,9})(?:\.(\d{1,9}))?s?")


def moment_of(what: str, text: str, start_ns: int) -> int:
    """Return the moment (ns UTC) that a text means in a trace.

    A date with a time; a time of day, which is the first such after the start of the trace; or seconds from the start.

    Args:
        what: the option that it is of, for the error.
        text: ``2026-11-20T14:02:11.5Z``, ``14:02:11``, ``14:02`` or ``+1.5``.
        start_ns: when the trace starts, ns UTC.

    Raises:
        UsageError: it is none of these.
    """
    found = _read(text)
    if found is None:
        told = f"{what} {clean(text)}"
        raise UsageError(f"{told}: give 2026-11-20T14:02:11.5Z, 14:02:11 or +1.5 (seconds); times are UTC")
    return found(start_ns)


def _read(text: str) -> Callable[[int], int] | None:
    """Return what gives the moment from the start of a trace; None where the text is none."""
    found = _OFFSET.fullmatch(text.strip())
    if found is not None:
        sign = -1 if found[1] == "-" else 1
        offset = sign * (int(found[2]) * 1_000_000_000 + int((found[3] or "0").ljust(9, "0")))
        return lambda start: start + offset
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    hour, minute, second = int(found[2]), int(found[3]), int(found[4] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    of_day = (hour * 3600 + minute * 60 + second) * 1_000_000_000 + int((found[5] or "0").ljust(9, "0"))
    if found[1] is None:
        return lambda start: start + (of_day - start) % _DAY_NS
    try:
        day = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    moment = int(day.timestamp()) * 1_000_000_000 + of_day
    return lambda start: moment  # noqa: ARG005 -- wherever the trace starts
