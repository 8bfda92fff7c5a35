"""How figures are written for people: durations, sizes, addresses, times, status codes; and text made harmless."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from operator import index
from typing import SupportsIndex

from wsktrace.errors import UsageError

__all__ = [
    "address_text",
    "bytes_text",
    "clean",
    "clean_json",
    "clock_text",
    "count_text",
    "duration_text",
    "hex_text",
    "name_text",
    "read_address",
    "read_which",
    "share_text",
    "span_text",
    "time_text",
    "which_text",
]

_NS_PER_SECOND = 1_000_000_000
_ID = re.compile(r"#(\d{1,19})|(\d{1,7})", re.ASCII)
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})[hH]?")
#: What tools put between the halves of an address, and around one.
_BETWEEN = str.maketrans("", "", "`'´’_ \t\u00a0")
_AROUND = "\"'()[]{}<>,;:=."


def address_text(address: int | None) -> str:
    """Return an address as WinDbg prints it: ``ffff8001`23456780``, of 32 bits ``81234560``; "-" where unknown."""
    if address is None:
        return "-"
    return f"{address >> 32:08x}`{address & 0xFFFFFFFF:08x}" if address >> 32 else f"{address:08x}"


def read_address(text: str) -> int | None:
    """Return the address that a text is: ffff8001`23456780, 0xFFFF800123456780, 81234560; None where it is none."""
    found = _HEX.fullmatch(text.strip().strip(_AROUND).translate(_BETWEEN))
    return None if found is None else int(found[1], 16)


def read_which(which: SupportsIndex | str) -> tuple[int, bool]:
    """Return the number of a row or object that is asked for, and whether it is an id rather than an address.

    Ids are numbers below 2**32 (no table has more rows), ``#17`` and up to seven digits; all else is an address.

    Raises:
        UsageError: it is neither.
    """
    if not isinstance(which, str) and 0 <= (number := index(which)) < 1 << 64:
        return number, number >> 32 == 0
    if found := _ID.fullmatch(str(which).strip().strip("\"'")):
        return int(found[1] or found[2]), True
    address = read_address(str(which))
    if address is None:
        raise UsageError(
            f"{clean(which)!r} is no address and no id; give an address such as ffff8001`23456780, or '#17' for row 17"
        )
    return address, False


def which_text(number: int) -> str:
    """Return what ``read_which`` gave: an address, or ``#17``; no object of a kernel has an address as small as ids."""
    return address_text(number) if number >> 16 else f"#{number}"


def hex_text(number: int | None) -> str | None:
    """Return an address or status for machines: ``0xffff800123456780``; None where unknown."""
    return None if number is None else f"0x{number:x}"


def duration_text(ns: float | None) -> str:
    """Return a duration with three digits and its unit: ``41 µs``, ``1.93 ms``, ``4.2 s``, ``5 min 12 s``."""
    if ns is None:
        return "-"
    if ns < 0:
        return f"-{duration_text(-ns)}"
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


def count_text(count: int, what: str) -> str:
    """Return how many there are of something: ``1 event``, ``1,234 events``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def share_text(part: int, whole: int) -> str:
    """Return a share in per cent that never rounds up to all or down to nothing: ``99.99 %``."""
    value = 100 * part / whole
    if part not in (0, whole):
        value = min(max(value, 0.01), 99.99)
    return f"{value:.2f}".rstrip("0").rstrip(".") + " %"


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


def clean_json(text: str) -> str:
    """Return JSON that says the same and cannot steer a terminal: what is not printable in it becomes an escape."""
    return _NOT_PLAIN.sub(_json_escape, text)


_NOT_PLAIN = re.compile(r"[^ -~\n]")


def _json_escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign.isprintable():
        return sign
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _moment(ns: int | None) -> datetime | None:
    if ns is None:
        return None
    try:
        return datetime.fromtimestamp(ns // _NS_PER_SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return None
