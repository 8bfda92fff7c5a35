"""★ WPP messages: one layout per (message GUID, number), arguments as columns, text only when it is asked for.

``TmfBook`` finds the format of a message; `decode` gives its columns; `render` the text of its rows as the reference
formatter writes them. Format: etl-and-wpp-format, 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.decode import layout as by_column
from wsktrace.decode.columns import ColumnData, Decoded
from wsktrace.decode.fields import REST_NAME, Field, Layout, Rule, rest_field
from wsktrace.decode.formats import EventFormat, ValueMap
from wsktrace.decode.intypes import InType
from wsktrace.decode.wpp_items import Item, field_of, item_of, map_of, texts
from wsktrace.decode.wpp_text import Piece, expand, integers, parse_format, strings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from wsktrace.decode.formats import RecordKey
    from wsktrace.decode.wpp_message import WppArgument, WppMessage
    from wsktrace.etl.types import Chunk

__all__ = ["TmfBook", "Wpp", "decode", "format_of", "render", "sort_out"]

#: What is shown of an argument that a payload is too short for.
MISSING: Final = "<missing>"
#: Attempts to find which five-character strings of a message were none; each costs a decode of the rows in question.
_ATTEMPTS: Final = 32
#: Parameters of the tracing macro that the format may name otherwise than the tail does.
_LEVELS: Final = ("LEVEL", "TRACELEVEL")
_TID, _SEQUENCE, _PID, _CPU = 3, 7, 8, 9


@dataclass(frozen=True, slots=True)
class _Argument:
    """One argument that was understood: its column, its item type, the names of its values."""

    column: str
    item: Item
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Wpp:
    """A WPP message with what is needed to decode and show it (``EventFormat.wpp``).

    Attributes:
        message: as the TMF text or the annotation has it.
        pieces: its format string.
        arguments: by the number that the format string calls them by.
        unknown: number and item type of the first argument whose item type is not known; (0, "") where all are. What
            it and all later ones hold is in the column "…".
    """

    message: WppMessage
    pieces: tuple[Piece, ...]
    arguments: Mapping[int, _Argument]
    unknown: tuple[int, str] = (0, "")


def format_of(message: WppMessage, source: str, *, functions: Sequence[str] = ()) -> EventFormat:
    """Return how a message's records are decoded and shown.

    Args:
        message: the message.
        source: what described it, in words.
        functions: all functions it is known from (it may have been inlined); empty: its own.
    """
    pieces = parse_format(message.format)
    specs = {p.number: p.spec for p in reversed(pieces) if p.number}
    fields: list[Field] = []
    arguments: dict[int, _Argument] = {}
    maps: dict[str, ValueMap] = {}
    problem, unknown = "", (0, "")
    for one in message.args:
        item = item_of(one)
        if item is None:
            problem = f"the item type {one.item} of argument {one.argno} is not known; what follows is kept as bytes"
            unknown = (one.argno, one.item)
            fields.append(rest_field(problem))
            break
        name = _name(one, {f.name for f in fields})
        names = map_of(one, message)
        if names is not None:
            maps[name] = names
        fields.append(field_of(name, item, specs.get(one.argno)))
        arguments.setdefault(one.argno, _Argument(name, item, {} if names is None else names.names))
    function = " | ".join(functions) or message.function
    return EventFormat(
        provider=message.control or message.module,
        name=function,
        layout=Layout(tuple(fields), problem),
        source=source,
        message=message.format,
        maps=maps,
        level=next((message.tail[k] for k in _LEVELS if k in message.tail), ""),
        keywords=message.tail.get("FLAGS", ""),
        file=message.src,
        line=message.line,
        function=function,
        wpp=Wpp(replace(message, function=function), pieces, arguments, unknown),
    )


def _name(argument: WppArgument, taken: Collection[str]) -> str:
    """The column of an argument: its expression, with a number where two have the same."""
    base = " ".join(argument.expression.split()) or f"arg{argument.argno}"
    name, number = base, 1
    while name in taken or name == REST_NAME:
        number += 1
        name = f"{base}_{number}"
    return name


@dataclass(slots=True)
class TmfBook:
    """Messages by GUID and number, from any number of TMF files and PDBs."""

    _messages: dict[tuple[bytes, int], list[tuple[WppMessage, list[str], str]]] = field(default_factory=dict)
    _formats: dict[tuple[bytes, int], tuple[EventFormat, ...]] = field(default_factory=dict)

    def add(self, messages: Iterable[WppMessage], source: str) -> None:
        """Take messages in; ``source`` says in words where they are from.

        One that differs from a known one of its GUID and number by its function alone is the same message, inlined.
        """
        for one in messages:
            key = (one.guid, one.number)
            self._formats.pop(key, None)
            known = self._messages.setdefault(key, [])
            for other, functions, _ in known:
                if (other.format, other.args) == (one.format, one.args):
                    if one.function and one.function not in functions:
                        functions.append(one.function)
                    break
            else:
                known.append((one, [one.function] if one.function else [], source))

    def __len__(self) -> int:
        return len(self._messages)

    def guids(self) -> set[bytes]:
        """Return the message GUIDs that are known."""
        return {guid for guid, _ in self._messages}

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a message, the first one where several have its GUID and number; None without one."""
        found = self.alternatives(key)
        return found[0] if found else None

    def alternatives(self, key: RecordKey) -> tuple[EventFormat, ...]:
        """Return all formats of a GUID and number, in the order in which they were added; for `sort_out`."""
        if key.family != "message":
            return ()
        pair = (key.guid, key.id)
        if pair not in self._formats:
            described = self._messages.get(pair, [])
            self._formats[pair] = tuple(format_of(m, source, functions=f) for m, f, source in described)
        return self._formats[pair]


def decode(
    form: EventFormat,
    chunk: Chunk,
    rows: NDArray[np.int64],
    *,
    wanted: Collection[str] | None = None,
    pointer: int = 8,
) -> Decoded:
    """Decode messages of one format to columns; arguments as for `layout.decode`.

    A counted string without text is logged with the length 5 (``wpp_nulls``): where a message does not end to the byte
    because what follows was taken for the string's, the attempt that does end there holds.
    """
    names = [f.name for f in form.layout.fields if f.length is Rule.LOGGED and f.in_type != InType.SID]
    if not names or form.layout.problem:
        return by_column.decode(form.layout, chunk, rows, wanted=wanted, pointer=pointer)
    out = by_column.decode(form.layout, chunk, rows, pointer=pointer)
    for empty in _attempts(names):
        wrong = np.flatnonzero(~out.ok | (out.left != 0))
        if not len(wrong):
            break
        other = by_column.decode(_emptied(form.layout, empty), chunk, rows[wrong], pointer=pointer)
        right = np.flatnonzero(other.ok & (other.left == 0))
        if len(right):
            out = _patched(out, wrong[right], _taken(other, right))
    if wanted is None:
        return out
    return replace(out, columns={n: c for n, c in out.columns.items() if n in wanted})


def _attempts(names: Sequence[str]) -> list[frozenset[str]]:
    """Which strings to take for empty: one, then two, and so on."""
    every = (frozenset(c) for n in range(1, len(names) + 1) for c in combinations(names, n))
    return [one for one, _ in zip(every, range(_ATTEMPTS), strict=False)]


def _emptied(layout: Layout, names: frozenset[str]) -> Layout:
    return Layout(tuple(replace(f, length=Rule.LOGGED_EMPTY) if f.name in names else f for f in layout.fields))


def _taken(decoded: Decoded, index: NDArray[np.int64]) -> Decoded:
    columns = {n: c.take(index) for n, c in decoded.columns.items()}
    return Decoded(decoded.rows[index], columns, decoded.left[index], decoded.ok[index])


def _patched(whole: Decoded, index: NDArray[np.int64], part: Decoded) -> Decoded:
    """The rows at ``index`` replaced by those of ``part``."""
    order = np.arange(len(whole))
    order[index] = len(whole) + np.arange(len(part))
    columns = {n: ColumnData.concat([c, part.columns[n]]).take(order) for n, c in whole.columns.items()}
    left, ok = np.concatenate([whole.left, part.left])[order], np.concatenate([whole.ok, part.ok])[order]
    return Decoded(whole.rows, columns, left, ok)


def sort_out(
    forms: Sequence[EventFormat], chunk: Chunk, rows: NDArray[np.int64], *, pointer: int = 8
) -> list[tuple[EventFormat, NDArray[np.int64]]]:
    """Tell which of several formats of one GUID and number each message has: the first that ends where it does.

    Messages that none fits are given to the first format.
    """
    if len(forms) == 1:
        return [(forms[0], rows)]
    out: list[list[NDArray[np.int64]]] = [[] for _ in forms]
    for n, form in enumerate(forms):
        decoded = decode(form, chunk, rows, pointer=pointer)
        fits = decoded.ok & (decoded.left == 0)
        out[n].append(rows[fits])
        rows = rows[~fits]
    out[0].append(rows)
    joined = [(form, np.sort(np.concatenate(parts))) for form, parts in zip(forms, out, strict=True)]
    return [(form, some) for form, some in joined if len(some)]


def render(
    form: EventFormat,
    decoded: Decoded,
    chunk: Chunk,
    *,
    pointer: int = 8,
    facts: Mapping[int, Sequence[str]] | None = None,
) -> list[str]:
    """Return the text of each message, without a prefix.

    Args:
        form: the messages' format.
        decoded: their columns, all of them.
        chunk: the chunk that holds them.
        pointer: as for `decode`.
        facts: texts of the prefix variables (``%4`` the time, …) per row, where a format string names such; ``%1``,
            ``%2`` (module, tag), ``%3``, ``%7``, ``%8`` and ``%9`` (thread, sequence, process, CPU) are known here.
    """
    wpp = form.wpp
    assert isinstance(wpp, Wpp)
    rows = len(decoded)
    narrow = by_column.narrow_rows(chunk, decoded.rows, pointer)

    def fill(piece: Piece) -> Sequence[str] | str | None:
        if piece.name:
            return _parameter(piece.name, wpp.message)
        if piece.number < 10:
            return _variable(piece, wpp.message, decoded, chunk, facts or {})
        argument = wpp.arguments.get(piece.number)
        if argument is None:
            return _unknown(piece, wpp, decoded)
        return _argument(argument, piece, decoded.columns[argument.column], narrow)

    return expand(wpp.pieces, rows, fill)


def _argument(argument: _Argument, piece: Piece, column: ColumnData, narrow: NDArray[np.bool_]) -> Sequence[str]:
    shown = texts(column, argument.item, piece.spec, argument.names, 64)
    if argument.item.in_type == InType.POINTER and narrow.any():
        short = texts(column, argument.item, piece.spec, argument.names, 32)
        shown = [s if n else w for s, w, n in zip(short, shown, narrow.tolist(), strict=True)]
    if column.valid.all():
        return shown
    return [s if v else MISSING for s, v in zip(shown, column.valid.tolist(), strict=True)]


def _parameter(name: str, message: WppMessage) -> str | None:
    """What ``%!NAME!`` stands for: a parameter of the tracing macro or a fact of the source."""
    if name == "FUNC":
        return message.function or None
    if name in message.tail:
        return message.tail[name]
    known = {
        "LEVEL": next((message.tail[k] for k in _LEVELS if k in message.tail), ""),
        "FILE": message.src,
        "LINE": str(message.line or ""),
        "COMPNAME": message.module,
    }
    return known.get(name) or None


def _variable(
    piece: Piece, message: WppMessage, decoded: Decoded, chunk: Chunk, facts: Mapping[int, Sequence[str]]
) -> Sequence[str] | str | None:
    """A prefix variable in a format string."""
    if piece.number in facts:
        return strings(facts[piece.number], piece.spec)
    if piece.number in (1, 2):
        return strings([message.module if piece.number == 1 else message.tag], piece.spec)[0]
    records = chunk.records
    columns: dict[int, NDArray[Any]] = {
        _TID: records.tid, _SEQUENCE: records.sequence, _PID: records.pid, _CPU: records.cpu,
    }  # fmt: skip
    if piece.number not in columns:
        return None
    values = columns[piece.number][decoded.rows].tolist()
    if piece.spec is None or not piece.spec.is_integer:
        return [str(v) for v in values]
    return integers(values, piece.spec, 32)


def _unknown(piece: Piece, wpp: Wpp, decoded: Decoded) -> Sequence[str] | str | None:
    """An argument that is not known, or stands behind one of an unknown item type; None: the message has none such."""
    number, item = wpp.unknown
    if not number or all(piece.number != a.argno for a in wpp.message.args):
        return None
    if piece.number != number:
        return f"<after {item}>"
    rest = decoded.columns[REST_NAME].bytes_()
    return [f"<{item}: {(raw or b'').hex()}>" for raw in rest]
