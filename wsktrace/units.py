"""How figures are written for people: durations, sizes, addresses, times, status codes; and text made harmless."""

from __future__ import annotations

import os
from datetime import UTC, datetime

__all__ = [
    "address_text",
    "bytes_text",
    "clean",
    "clock_text",
    "duration_text",
    "hex_text",
    "name_text",
    "span_text",
    "time_text",
]

_NS_PER_SECOND = 1_000_000_000


def address_text(address: int | None) -> str:
    """Return an address as WinDbg prints it: ``ffff8001`23456780``, of 32 bits ``81234560``; "-" where unknown."""
    if address is None:
        return "-"
    return f"{address >> 32:08x}`{address & 0xFFFFFFFF:08x}" if address >> 32 else f"{address:08x}"


def hex_text(number: int | None) -> str | None:
    """Return an address or status for machines: ``0xffff800123456780``; None where unknown."""
    return None if number is None else f"0x{number:x}"


def duration_text(ns: float | None) -> str:
    """Return a duration with three digits and its unit: ``41 µs``, ``1.93 ms``, ``4.2 s``, ``5 min 12 s``."""
    if ns is None:
        return "-"
    if ns >= 90 * _NS_PER_SECOND:
        return span_text(int(ns))
    for limit, unit in ((1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (_NS_PER_SECOND, "s")):
        if ns < limit * 999.5 or unit == "s":
            value = ns / limit
            digits = 0 if value >= 99.95 or unit == "ns" else 1 if value >= 9.995 else 2
            text = f"{value:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if digits else text} {unit}"
    raise AssertionError("seconds end the loop")


def span_text(ns: int) -> str:
    """Return a span of time in whole seconds, minutes, hours, days: ``5 min 29 s``; below 90 s as a duration."""
    seconds = (ns + _NS_PER_SECOND // 2) // _NS_PER_SECOND
    if seconds < 90:
        return duration_text(ns)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next(at for at, (value, _) in enumerate(parts) if value)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2])


def bytes_text(size: int) -> str:
    """Return a size with its unit: ``267 kB``, ``1.1 GB`` (powers of 1000)."""
    value, unit = float(size), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, bigger
    return f"{value:.0f} {unit}" if value >= 99.5 or unit == "B" else f"{value:.1f} {unit}"


def time_text(ns: int | None) -> str | None:
    """Return a UTC time (ns since 1970) as ISO 8601 with nine digits; None where unknown or beyond year 9999."""
    moment = _moment(ns)
    return None if ns is None or moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % _NS_PER_SECOND:09d}Z"


def clock_text(ns: int | None, *, date: bool = False) -> str:
    """Return a UTC time for people, to the microsecond: ``14:02:11.123456``; with the date where asked for."""
    moment = _moment(ns)
    if ns is None or moment is None:
        return "-"
    return f"{moment:{'%Y-%m-%d ' if date else ''}%H:%M:%S}.{ns % _NS_PER_SECOND // 1000:06d}"


def name_text(path: object) -> str:
    """Return the name of a file as text that UTF-8 carries, whatever bytes the system has for it."""
    return os.fsencode(str(path)).decode("utf-8", "replace")


def clean(text: object) -> str:
    """Return text from a trace such that it cannot steer a terminal: what is not printable becomes an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def _moment(ns: int | None) -> datetime | None:
    if ns is None:
        return None
    try:
        return datetime.fromtimestamp(ns // _NS_PER_SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return None
