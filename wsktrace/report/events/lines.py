"""Events as lines: text like the reference formatter's (in UTC, with full precision), JSON lines, CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.decode.event_text import time_texts
from wsktrace.decode.levels import has_level, level_of
from wsktrace.errors import UsageError
from wsktrace.etl.types import Kind
from wsktrace.report.escaping import json_line
from wsktrace.units import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wsktrace.decode.events import EventBatch, EventGroup

__all__ = ["COLUMNS", "DEFAULT_PREFIX", "Prefix", "csv_head", "csv_lines", "json_lines", "rows", "text_lines"]

#: The reference formatter's own (its documentation: "Trace message prefix").
DEFAULT_PREFIX: Final = "[%9!d!]%8!04X!.%3!04X!::%4!s! [%1!s!]"

#: Columns of an event, in order; ``fields`` follows them.
COLUMNS: Final = (
    "time", "cpu", "pid", "tid", "provider", "guid", "event", "id", "version", "opcode", "level", "keyword",
    "message", "file", "line", "function", "format",
)  # fmt: skip

_VARIABLE: Final = re.compile(r"%(?:([1-9])(?:!([^!]*)!)?|!([A-Za-z]+)!|(%))")
_SPEC: Final = re.compile(r"([-+ #0]*\d{0,3}(?:\.\d{0,3})?)(?:hh|h|ll|l|w|I64|I32|I)?([diuxXoscS])")
_NUMBERS: Final = frozenset("diuxXo")
_KERNEL: Final = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)


# -- columns ----------------------------------------------------------------------------------------------------------


def times(batch: EventBatch) -> list[str]:
    """Return each event's time in ISO 8601, UTC, nine digits; "" where it has none."""
    texts = time_texts(batch.time_ns)
    return [t if has else "" for t, has in zip(texts, batch.header("has_time").tolist(), strict=True)]


def _threads(batch: EventBatch, name: str) -> list[int | None]:
    known = batch.header("has_thread").tolist()
    return [n if k else None for n, k in zip(batch.header(name).tolist(), known, strict=True)]


def levels(batch: EventBatch) -> list[int | None]:
    """Return each event's level: the header's, of WPP messages the format's; None where neither says."""
    own = has_level(batch.chunk.records)[batch.rows].tolist()
    said = batch.spread(lambda group: level_of(group.format))
    return [n if o else s for n, o, s in zip(batch.header("level").tolist(), own, said, strict=True)]


def ids(batch: EventBatch) -> NDArray[np.int64]:
    """Return each event's id: of events, messages their number, of classic and kernel events their type."""
    kind, number = batch.header("kind"), batch.header("id").astype(np.int64)
    classic = np.isin(kind, (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64))
    return np.where(classic, batch.header("opcode"), np.where(np.isin(kind, _KERNEL), number & 0xFF, number))


def _guid(group: EventGroup) -> str | None:
    from uuid import UUID

    return str(UUID(bytes_le=group.kind.key.guid)) if len(group.kind.key.guid) == 16 else None


def columns(batch: EventBatch) -> dict[str, list[Any]]:
    """Return ``COLUMNS`` of a batch as lists of plain values; None where a fact is not known."""

    def said(name: str) -> Callable[[EventGroup], Any]:
        return lambda group: (getattr(group.format, name) or None) if group.format is not None else None

    return {
        "time": [t or None for t in times(batch)],
        "cpu": batch.header("cpu").tolist(),
        "pid": _threads(batch, "pid"),
        "tid": _threads(batch, "tid"),
        "provider": batch.spread(lambda group: group.provider or None),
        "guid": batch.spread(_guid),
        "event": batch.spread(said("name")),
        "id": ids(batch).tolist(),
        "version": batch.header("version").tolist(),
        "opcode": batch.header("opcode").tolist(),
        "level": levels(batch),
        "keyword": batch.header("keyword").tolist(),
        "message": batch.messages(),
        "file": batch.spread(said("file")),
        "line": batch.spread(said("line")),
        "function": batch.spread(said("function")),
        "format": batch.spread(said("source")),
    }


def rows(batch: EventBatch) -> list[dict[str, Any]]:
    """Return each event as one object that JSON can hold: ``COLUMNS`` and ``fields``."""
    held = columns(batch)
    held["keyword"] = [f"0x{k:x}" for k in held["keyword"]]
    fields = [None if f is None else {n: _plain(v) for n, v in f.items()} for f in batch.fields()]
    return [
        {**dict(zip(held, values, strict=True)), "fields": f}
        for values, f in zip(zip(*held.values(), strict=True), fields, strict=True)
    ]


def _plain(value: Any) -> Any:
    """Return a field's value as JSON can hold it: bytes in hexadecimal, numbers that are none as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    return value


# -- lines ------------------------------------------------------------------------------------------------------------


def text_lines(batch: EventBatch, prefix: Prefix) -> list[str]:
    """Return each event as one line without its end."""
    pairs = zip(prefix.render(batch), batch.messages(), strict=True)
    lines = [head + message.rstrip() for head, message in pairs]
    return [line if line.isprintable() else clean(line) for line in lines]


def json_lines(batch: EventBatch) -> list[str]:
    """Return each event as one line of JSON."""
    return [json_line(row) for row in rows(batch)]


def csv_head() -> str:
    """Return the first line of the CSV form."""
    return ",".join((*COLUMNS, "fields"))


def csv_lines(batch: EventBatch) -> list[str]:
    """Return each event as one line of CSV; ``fields`` is a JSON object."""
    out = []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="")
    for row in rows(batch):
        fields = row.pop("fields")
        values = [*row.values(), None if fields is None else json_line(fields)]
        # a line end inside a value would make two lines of one event
        writer.writerow([clean(v) if isinstance(v, str) and not v.isprintable() else v for v in values])
        out.append(buffer.getvalue())
        buffer.seek(0)
        buffer.truncate()
    return out


# -- prefix -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a prefix: literal text, or a variable with the printf form of its value."""

    literal: str = ""
    variable: str = ""
    form: str = "%s"


_BY_NUMBER: Final = {
    "1": "provider", "2": "source", "3": "tid", "4": "time", "5": "kernel", "6": "user", "7": "sequence", "8": "pid",
    "9": "cpu",
}  # fmt: skip
_BY_NAME: Final = {
    "FUNC": "function", "LEVEL": "level", "FLAGS": "flags", "FILE": "file", "LINE": "line", "COMPNAME": "provider",
}  # fmt: skip


class Prefix:
    """What stands in front of each message: text with variables as ``TRACE_FORMAT_PREFIX`` has them.

    %1 provider, %2 source file and line, %3 thread, %4 time, %5 and %6 kernel and user time (records on disk hold
    them rarely: shown as "-"), %7 sequence number, %8 process, %9 processor, each with a printf form between
    exclamation marks; %!FUNC!, %!LEVEL!, %!FLAGS!, %!FILE!, %!LINE!, %!COMPNAME!.

    Raises:
        UsageError: a variable or form that does not exist.
    """

    def __init__(self, text: str = DEFAULT_PREFIX) -> None:
        parts = []
        at = 0
        for found in _VARIABLE.finditer(text):
            literal = text[at : found.start()] + (found[4] or "")
            at = found.end()
            if literal:
                parts.append(_Part(literal))
            if found[1]:
                parts.append(_Part(variable=_BY_NUMBER[found[1]], form=_form(found[2])))
            elif found[3]:
                name = _BY_NAME.get(found[3].upper())
                if name is None:
                    known = ", ".join(f"%!{n}!" for n in _BY_NAME)
                    raise UsageError(f"TRACE_FORMAT_PREFIX: no variable %!{found[3]}!; there are %1 to %9, {known}")
                parts.append(_Part(variable=name))
        if text[at:]:
            parts.append(_Part(text[at:]))
        self._parts = tuple(parts)

    def render(self, batch: EventBatch) -> list[str]:
        """Return the prefix of each event."""
        count = len(batch)
        pieces = [
            [part.literal] * count if part.literal else _formed(part.form, _values(part.variable, batch))
            for part in self._parts
        ]
        return ["".join(row) for row in zip(*pieces, strict=True)] if pieces else [""] * count


def _form(spec: str | None) -> str:
    if spec is None:
        return "%s"
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise UsageError(f"TRACE_FORMAT_PREFIX: the form !{spec}! is none of printf's for numbers and text")
    letter = {"i": "d", "u": "d", "S": "s", "c": "s"}.get(found[2], found[2])
    return f"%{found[1]}{letter}"


def _formed(form: str, values: list[Any]) -> list[str]:
    numeric = form[-1] in _NUMBERS
    out = []
    for value in values:
        if value is None or (numeric and not isinstance(value, int)):
            out.append("-" if value is None else str(value))
        else:
            out.append(form % value)
    return out


def _values(variable: str, batch: EventBatch) -> list[Any]:
    if variable == "time":
        return [t or None for t in times(batch)]
    if variable in ("pid", "tid"):
        return list(_threads(batch, variable))
    if variable == "cpu":
        return list(batch.header("cpu").tolist())
    if variable == "sequence":
        has = ((batch.header("kind") == Kind.MESSAGE) & ((batch.header("flags") & 1) != 0)).tolist()
        return [n if k else None for n, k in zip(batch.header("sequence").tolist(), has, strict=True)]
    if variable in ("kernel", "user"):
        return [None] * len(batch)
    if variable == "provider":
        return batch.spread(lambda group: group.provider or None)
    if variable == "level":
        words = batch.spread(lambda group: group.format.level or None if group.format is not None else None)
        return [w if w is not None else n for w, n in zip(words, levels(batch), strict=True)]
    return batch.spread(lambda group: _of_format(variable, group))


def _of_format(variable: str, group: EventGroup) -> Any:
    """Return what the format of a group says, None where it does not."""
    found = group.format
    if found is None:
        return None
    if variable == "source":
        return f"{found.file}:{found.line}" if found.file else None
    if variable == "flags":
        return found.keywords or None
    return getattr(found, variable) or None
