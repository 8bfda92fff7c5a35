"""Text of WPP messages and prefixes: ``%10!08x!``, ``%!FUNC!`` and printf, all rows of a message together.

Format: etl-and-wpp-format, 2.2 (the format string). What stands in a format string and is none of these stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Piece", "Spec", "expand", "floats", "integers", "parse_format", "parse_spec", "strings"]

_SPEC: Final = re.compile(r"([-+ #0]*)([0-9]{0,9})(?:\.([0-9]{0,9}))?(hh|h|ll|l|[Ii]64|[Ii]32|I|w|z|j|t|L)?([A-Za-z])")
_PIECE: Final = re.compile(r"%(?:(%)|([1-9][0-9]{0,8})(?:!([^!\s]*)!)?|!([A-Za-z_][A-Za-z0-9_]*)!)")
#: A width beyond this is one of a damaged file.
_WIDEST: Final = 256
_INTEGERS: Final = "diuxXoc"
_FLOATS: Final = "eEfFgGaA"


@dataclass(frozen=True, slots=True)
class Spec:
    """A printf conversion: ``-20.5ls``."""

    flags: str
    width: int
    precision: int | None
    size: str
    conversion: str

    @property
    def is_integer(self) -> bool:
        """Whether it asks for an integer (or a character)."""
        return self.conversion in _INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether it asks for a floating point number."""
        return self.conversion in _FLOATS

    def template(self, conversion: str) -> str:
        """The same with another conversion, as Python's % understands it."""
        width = str(self.width) if self.width else ""
        precision = "" if self.precision is None else f".{self.precision}"
        return f"%{self.flags}{width}{precision}{conversion}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a format string: text, or (``number`` or ``name``) a placeholder, whose own spelling is ``text``.

    ``spec`` is None where the placeholder has no conversion that is known: what it stands for is shown in its own way.
    """

    text: str
    number: int = 0
    name: str = ""
    spec: Spec | None = None


@cache
def parse_spec(text: str) -> Spec | None:
    """Read a printf conversion without its %; None where it is none."""
    found = _SPEC.fullmatch(text)
    if found is None:
        return None
    flags, width, precision, size, conversion = found.groups()
    return Spec(
        "".join(dict.fromkeys(flags)),
        min(int(width or 0), _WIDEST),
        None if precision is None else min(int(precision or 0), _WIDEST),
        size or "",
        conversion,
    )


def parse_format(text: str) -> tuple[Piece, ...]:
    """Cut a format string into its parts; ``%0`` at its start, the standard prefix, is dropped."""
    text = text.removeprefix("%0")
    out: list[Piece] = []
    plain: list[str] = []
    at = 0
    for found in _PIECE.finditer(text):
        plain.append(text[at : found.start()])
        at = found.end()
        percent, number, spec, name = found.groups()
        if percent:
            plain.append("%")
            continue
        out.append(Piece("".join(plain)))
        plain.clear()
        if name:
            out.append(Piece(found[0], name=name))
        else:
            out.append(Piece(found[0], int(number), spec=parse_spec("s" if spec is None else spec)))
    out.append(Piece("".join([*plain, text[at:]])))
    return tuple(p for p in out if p.text)


def expand(pieces: Iterable[Piece], rows: int, fill: Callable[[Piece], Sequence[str] | str | None]) -> list[str]:
    """Return the text of each row.

    Args:
        pieces: of the format string.
        rows: how many there are.
        fill: what a placeholder stands for: a text per row, one for all, or None: it stays as it is spelt.
    """
    parts: list[Sequence[str]] = []
    for one in pieces:
        filled = fill(one) if one.number or one.name else None
        shown = one.text if filled is None else filled
        parts.append([shown] * rows if isinstance(shown, str) else shown)
    if not parts:
        return [""] * rows
    return ["".join(row) for row in zip(*parts, strict=True)]


def integers(values: Sequence[int], spec: Spec, bits: int) -> list[str]:
    """Show integers by a conversion of integers; ``bits`` is how wide they are in the payload."""
    bits = {"hh": min(bits, 8), "h": min(bits, 16)}.get(spec.size, bits)
    mask = (1 << bits) - 1
    conversion = spec.conversion
    if conversion == "p":
        width = bits // 4
        return [f"{v & mask:0{width}X}".rjust(spec.width) for v in values]
    if conversion == "c":
        return _padded([_character(v & mask) for v in values], spec)
    if conversion in "di":
        half = 1 << bits - 1
        template = spec.template("d")
        return [template % (((v & mask) ^ half) - half) for v in values]
    template = spec.template("d" if conversion == "u" else conversion)
    shown = [template % (v & mask) for v in values]
    return [s.replace("0o", "0", 1) for s in shown] if conversion == "o" and "#" in spec.flags else shown


def floats(values: Sequence[float], spec: Spec | None) -> list[str]:
    """Show floating point numbers; without a conversion of such by %g, six digits."""
    if spec is None or not spec.is_float:
        shown = [f"{v:g}" for v in values]
        return shown if spec is None else _padded(shown, spec)
    if spec.conversion in "aA":
        return _padded([v.hex() if spec.conversion == "a" else v.hex().upper() for v in values], spec)
    template = spec.template(spec.conversion)
    return [template % v for v in values]


def strings(values: Sequence[str], spec: Spec | None) -> list[str]:
    """Show texts: width and precision apply where the conversion is one of texts."""
    if spec is None or spec.conversion not in "sSzZ" or not (spec.width or spec.precision is not None):
        return list(values)
    if spec.precision is not None:
        values = [v[: spec.precision] for v in values]
    return _padded(values, spec)


def _padded(values: Sequence[str], spec: Spec) -> list[str]:
    if not spec.width:
        return list(values)
    return [v.ljust(spec.width) if "-" in spec.flags else v.rjust(spec.width) for v in values]


def _character(code: int) -> str:
    return "\ufffd" if 0xD800 <= code < 0xE000 or code > 0x10FFFF else chr(code)
