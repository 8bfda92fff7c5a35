"""CodeView records of a PDB: annotations with the procedure around them, and enumerations of the type stream.

Source: Microsoft's ``cvinfo.h`` (names of records and their fields), LLVM's "CodeView Symbol Records", "CodeView Type
Records" and "The PDB TPI and IPI Streams".
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Annotation", "DamagedRecords", "enumerations", "holds_procedures", "typedefs", "wpp_annotations"]

# symbol records
_ANNOTATION: Final = 0x1019
_UDT: Final = 0x1108
_SEPCODE: Final = 0x1132
#: S_LPROC32, S_GPROC32, their forms with an id, and those of deferred procedure calls
_PROCEDURES: Final = frozenset((0x110F, 0x1110, 0x1146, 0x1147, 0x1155, 0x1156))
_C13: Final = 4
#: first strings of the annotations that WPP makes
_MARKS: Final = (b"TMF:", b"TMC:")

# type records
_FIELDLIST: Final = 0x1203
_INDEX: Final = 0x1404
_ENUMERATE: Final = 0x1502
_ENUM: Final = 0x1507
_FORWARD: Final = 0x80
#: how a number of 0x8000 and above is followed by the value: struct code and bytes
_NUMBERS: Final = {
    0x8000: ("<b", 1), 0x8001: ("<h", 2), 0x8002: ("<H", 2), 0x8003: ("<i", 4), 0x8004: ("<I", 4),
    0x8009: ("<q", 8), 0x800A: ("<Q", 8),
}  # fmt: skip
_PAD: Final = 0xF0


class DamagedRecords(ValueError):  # noqa: N818 -- turned into the file's own error where the file is known
    """Records do not follow each other as they must; the text says where."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What ``__annotation`` left behind.

    Attributes:
        strings: its strings; ``TMF:`` or ``TMC:`` first.
        function: name of the procedure around it, empty outside of any.
    """

    strings: tuple[str, ...]
    function: str


def _records(raw: bytes, begin: int, what: str) -> Iterator[tuple[int, int, int]]:
    """Yield offset, kind and end of each record."""
    at, size = begin, len(raw)
    head = struct.Struct("<HH")
    while at + 4 <= size:
        length, kind = head.unpack_from(raw, at)
        end = at + 2 + length
        if length < 2 or end > size:
            raise DamagedRecords(f"the {what} record at {at} has a length of {length}, {size - at} bytes are left")
        yield at, kind, end
        at = end


def _is_c13(symbols: bytes) -> bool:
    return int.from_bytes(symbols[:4], "little") == _C13


def _text(raw: bytes, begin: int, end: int) -> str:
    stop = raw.find(b"\0", begin, end)
    return raw[begin : end if stop < 0 else stop].decode("utf-8", "replace")


def wpp_annotations(symbols: bytes) -> Iterator[Annotation]:
    """Yield WPP's annotations among the symbols of a module, in order.

    The procedure is the one whose record lies around the annotation; in code that profile guided optimisation moved
    away (S_SEPCODE), the one that the code belongs to.

    Args:
        symbols: the module's stream as far as its symbols go, with the signature in front.

    Raises:
        DamagedRecords: a record reaches out of the stream, or an annotation's strings out of the record.
    """
    if not any(mark in symbols for mark in _MARKS):
        return  # found without a step per record: most modules have none
    if not _is_c13(symbols):
        raise DamagedRecords("its symbols are not of the form that compilers since Visual C++ 7 write")
    scopes: list[tuple[int, str]] = []
    places: dict[bytes, str] = {}
    last = ""
    for at, kind, end in _records(symbols, 4, "symbol"):
        if kind in _PROCEDURES and end >= at + 39:
            last = _text(symbols, at + 39, end)
            places[symbols[at + 32 : at + 38]] = last
            _enter(scopes, symbols, at, last)
        elif kind == _SEPCODE and end >= at + 32:
            parent = symbols[at + 24 : at + 28] + symbols[at + 30 : at + 32]
            _enter(scopes, symbols, at, places.get(parent, last))
        elif kind == _ANNOTATION and symbols[at + 12 : at + 16] in _MARKS:
            while scopes and scopes[-1][0] <= at:
                scopes.pop()
            yield Annotation(_strings(symbols, at, end), scopes[-1][1] if scopes else "")


def holds_procedures(symbols: bytes) -> bool:
    """Tell whether a module's symbols name a procedure; those of a stripped PDB do not.

    Raises:
        DamagedRecords: a record in front of the first procedure reaches out of the stream.
    """
    return _is_c13(symbols) and any(kind in _PROCEDURES for _, kind, _ in _records(symbols, 4, "symbol"))


def _enter(scopes: list[tuple[int, str]], symbols: bytes, at: int, name: str) -> None:
    """Note a procedure, up to the offset of its S_END, which stands in its record; without one, up to the next."""
    while scopes and scopes[-1][0] <= at:
        scopes.pop()
    end = int.from_bytes(symbols[at + 8 : at + 12], "little")
    if end <= at:
        scopes.clear()
        end = len(symbols)
    scopes.append((end, name))


def _strings(symbols: bytes, at: int, end: int) -> tuple[str, ...]:
    count = int.from_bytes(symbols[at + 10 : at + 12], "little")
    parts = symbols[at + 12 : end].split(b"\0")
    if not 0 < count < len(parts):
        raise DamagedRecords(f"the annotation at {at} counts {count} strings and holds {len(parts) - 1}")
    return tuple(part.decode("utf-8", "replace") for part in parts[:count])


def typedefs(symbols: bytes, names: Iterable[str]) -> dict[str, int]:
    """Return the type indices that names are typedefs of, from the records of global symbols (S_UDT).

    Raises:
        DamagedRecords: a record reaches out of the stream.
    """
    wanted = set(names)
    found: dict[str, int] = {}
    for at, kind, end in _records(symbols, 0, "symbol"):
        if kind == _UDT and end > at + 8 and (name := _text(symbols, at + 8, end)) in wanted:
            found.setdefault(name, int.from_bytes(symbols[at + 4 : at + 8], "little"))
    return found


def enumerations(types: bytes, names: Iterable[str], aliases: Mapping[str, int]) -> dict[str, dict[int, str]]:
    """Return the symbols of enumerations by value; a name of which there is none is left out.

    Values are those of 32 unsigned bits, as a message carries them. Of several symbols of one value the first stays.

    Args:
        types: the type stream (TPI).
        names: enumerations wanted, as C spells them.
        aliases: type indices of names that are typedefs.

    Raises:
        DamagedRecords: the stream's header or records are not what they must be.
    """
    if len(types) < 20:
        raise DamagedRecords(f"the type stream has {len(types)} bytes")
    _, header, first, _, length = struct.unpack_from("<5I", types)
    if header < 20 or header + length > len(types):
        raise DamagedRecords(f"the type stream's {length} bytes of records do not fit into its {len(types)} bytes")
    types = types[: header + length]
    wanted = set(names)
    lists: dict[str, int] = {}
    by_index: dict[int, list[str]] = {}
    for name in wanted & aliases.keys():
        by_index.setdefault(aliases[name], []).append(name)
    offsets = array("I")
    for at, kind, end in _records(types, header, "type"):
        if kind == _ENUM and end > at + 16 and not types[at + 6] & _FORWARD:
            called = {_text(types, at + 16, end)} & wanted
            for name in called.union(by_index.get(first + len(offsets), ())):
                lists.setdefault(name, int.from_bytes(types[at + 12 : at + 16], "little"))
        offsets.append(at)
    reader = _FieldLists(types, offsets, first)
    return {name: reader.read(index) for name, index in lists.items()}


class _FieldLists:
    """Reads enumerators; all lists together take no more steps than the stream has room for members."""

    def __init__(self, types: bytes, offsets: array[int], first: int) -> None:
        self._types, self._offsets, self._first = types, offsets, first
        self._steps = len(types) // 4
        self._known: dict[int, dict[int, str]] = {}

    def read(self, index: int) -> dict[int, str]:
        if index in self._known:
            return self._known[index]
        symbols: dict[int, str] = {}
        following: int | None = index
        seen: set[int] = set()
        while following is not None:
            if following in seen:
                raise DamagedRecords(f"the list of an enumeration's symbols, type {index:#x}, goes round in a circle")
            seen.add(following)
            following = self._record(following, symbols)
        self._known[index] = symbols
        return symbols

    def _record(self, index: int, symbols: dict[int, str]) -> int | None:
        """Read one record of a list; return the index of the record where it goes on."""
        place = index - self._first
        if not 0 <= place < len(self._offsets):
            raise DamagedRecords(f"an enumeration's symbols are said to be type {index:#x}, which does not exist")
        types, at = self._types, self._offsets[place]
        end = at + 2 + int.from_bytes(types[at : at + 2], "little")
        if int.from_bytes(types[at + 2 : at + 4], "little") != _FIELDLIST:
            raise DamagedRecords(f"an enumeration's symbols are said to be type {index:#x}, which is no list of fields")
        at += 4
        while at + 4 <= end:
            self._steps -= 1
            if self._steps < 0:
                raise DamagedRecords("the lists of enumerations' symbols are longer than the type stream")
            kind = int.from_bytes(types[at : at + 2], "little")
            if kind == _INDEX:
                return int.from_bytes(types[at + 4 : at + 8], "little") if at + 8 <= end else None
            if kind != _ENUMERATE:
                raise DamagedRecords(f"type {index:#x} has a member of kind {kind:#x} among an enumeration's symbols")
            at = self._enumerator(at + 4, end, symbols)
        return None

    def _enumerator(self, at: int, end: int, symbols: dict[int, str]) -> int:
        """Read value and name of an enumerator; return where the next member begins."""
        types = self._types
        value = int.from_bytes(types[at : at + 2], "little")
        at += 2
        if value >= 0x8000:
            code, width = _NUMBERS.get(value, ("", 0))
            if not width or at + width > end:
                raise DamagedRecords(f"an enumerator at {at - 2} has a value of unknown form {value:#x}")
            value = struct.unpack_from(code, types, at)[0]
            at += width
        stop = types.find(b"\0", at, end)
        if stop < 0:
            raise DamagedRecords(f"an enumerator's name at {at} has no end")
        symbols.setdefault(value & 0xFFFFFFFF, types[at:stop].decode("utf-8", "replace"))
        at = stop + 1
        while at < end and types[at] > _PAD:
            at += 1
        return at
