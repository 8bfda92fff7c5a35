"""Text of manifest events: the message with its ``%1`` filled in, values named by maps.

Source: the vendor's pages on FormatMessage (escapes) and on the message attribute of the event manifest schema.
A format after a placeholder (``%1!s!``) is read and dropped: in event messages the out-type says how a value is shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wsktrace.decode.intypes import InType

if TYPE_CHECKING:
    from wsktrace.decode.columns import ColumnData, Decoded
    from wsktrace.decode.fields import Field
    from wsktrace.decode.formats import EventFormat, ValueMap

__all__ = ["fields_text", "map_text", "parse_message", "text", "value_texts"]

#: What stands for a value that the payload ended before.
MISSING: Final = "?"
_PLACEHOLDER: Final = re.compile(r"%(?:([1-9][0-9]?)(?:![^!\r\n]{0,32}!)?|([0%nrtb.! ]))")
_ESCAPES: Final = {"%": "%", "n": "\n", "r": "\r", "t": "\t", "b": " ", ".": ".", "!": "!", " ": " "}


def parse_message(message: str) -> list[str | int]:
    """Cut a message into literal texts and numbers of placeholders (from 1); ``%0`` ends it."""
    parts: list[str | int] = []
    literal: list[str] = []
    at = 0
    for found in _PLACEHOLDER.finditer(message):
        literal.append(message[at : found.start()])
        at = found.end()
        number, escape = found.groups()
        if escape == "0":
            at = len(message)
            break
        if escape is not None:
            literal.append(_ESCAPES[escape])
            continue
        if any(literal):
            parts.append("".join(literal))
        literal = []
        parts.append(int(number))
    literal.append(message[at:])
    if any(literal):
        parts.append("".join(literal))
    return parts


def map_text(value_map: ValueMap, value: int) -> str | None:
    """Return a value's name: of a bit map the names of its bits and what is left of it; None where it has none."""
    known = value_map.names.get(value)
    if known is not None or not value_map.bits:
        return known
    names, left = [], value
    for mask, name in value_map.names.items():
        if mask and value & mask == mask:
            names.append(name)
            left &= ~mask
    if not names:
        return None
    return " | ".join([*names, f"0x{left:x}"] if left else names)


def value_texts(format_: EventFormat, column: str, data: ColumnData) -> list[str]:
    """Return one column as texts, one per row, as the field's types and the format's map ask for."""
    texts = data.texts()
    value_map = format_.maps.get(column)
    if value_map is None:
        return [_flat(one) for one in texts]
    return [_flat(_named(value_map, v, t)) for v, t in zip(data.to_pylist(), texts, strict=True)]


def text(format_: EventFormat, decoded: Decoded) -> list[str]:
    """Return the message of each row; of formats without a message the names and values of the fields.

    Line breaks around a message, which the message compiler puts there, are left out; those inside stay.
    """
    if not format_.message:
        return fields_text(format_, decoded)
    fields = format_.layout.fields
    parts: list[str | list[str]] = []
    for part in parse_message(format_.message.strip()):
        if isinstance(part, str):
            parts.append(part)
        elif part <= len(fields):
            parts.append(_field_texts(format_, decoded, fields[part - 1]))
        else:
            parts.append(f"%{part}")
    count = len(decoded)
    columns = [[p] * count if isinstance(p, str) else p for p in parts]
    return ["".join(row) for row in zip(*columns, strict=True)] if columns else [""] * count


def fields_text(format_: EventFormat, decoded: Decoded) -> list[str]:
    """Return the fields of each row as ``name=value, name=value``."""
    shown = [(n, value_texts(format_, n, c)) for n, c in decoded.columns.items()]
    return [", ".join(f"{n}={t[row]}" for n, t in shown) for row in range(len(decoded))]


def _field_texts(format_: EventFormat, decoded: Decoded, field: Field) -> list[str]:
    """Return a top-level field as texts; a struct as its members in braces."""
    if field.in_type != InType.STRUCT:
        found = decoded.columns.get(field.name)
        return [MISSING] * len(decoded) if found is None else value_texts(format_, field.name, found)
    start = f"{field.name}."
    members = [
        (n.removeprefix(start), value_texts(format_, n, c)) for n, c in decoded.columns.items() if n.startswith(start)
    ]
    return ["{" + ", ".join(f"{n}={t[row]}" for n, t in members) + "}" for row in range(len(decoded))]


def _named(value_map: ValueMap, value: Any, shown: Any) -> Any:
    """Put names where there are some, in lists too."""
    if isinstance(value, list):
        return [_named(value_map, v, t) for v, t in zip(value, shown, strict=True)]
    if isinstance(value, int):
        return map_text(value_map, int(value)) or shown
    return shown


def _flat(shown: Any) -> str:
    if shown is None:
        return MISSING
    if isinstance(shown, list):
        return "[" + ", ".join(_flat(one) for one in shown) + "]"
    return str(shown).rstrip("\0")
