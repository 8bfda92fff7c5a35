"""Which IRP or socket is meant by what people paste: an id, or an address in the ways that tools write it."""

from __future__ import annotations

import re
from operator import index as index_of
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.schema import TABLES
from wsktrace.units import address_text, clean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.report.story.index import Index

__all__ = ["read_address", "uses"]

_ID: Final = re.compile(r"#(\d{1,19})|(\d{1,7})")
_HEX: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})[hH]?")
#: What tools put between the halves of an address, and around one.
_BETWEEN: Final = str.maketrans("", "", "`'´’_ \t\u00a0")
_AROUND: Final = "\"'()[]{}<>,;:=."
_NAMES: Final = {"irps": ("irp", "an IRP"), "sockets": ("socket", "a socket")}
_HIGH: Final = 0xFFFFFFFF00000000
_MOST: Final = 3
#: No table has more rows; a larger number is an address.
_MOST_ROWS: Final = 0xFFFFFFFF
#: Bytes into an object that an address may point and still be near.
_INSIDE: Final = 0x1000


def read_address(text: str) -> int | None:
    """Return the address that a text is: ffff8001`23456780, 0xFFFF800123456780, 81234560; None where it is none."""
    found = _HEX.fullmatch(text.strip().strip(_AROUND).translate(_BETWEEN))
    return None if found is None else int(found[1], 16)


def uses(index: Index, table: str, which: int | str | np.integer[Any]) -> list[int]:
    """Return the ids of ``table`` that an id or address means, oldest first; ``UsageError`` as ``Stories.uses``."""
    column, what = _NAMES[table]
    held = index.irps if table == "irps" else index.sockets
    address: int | None
    if isinstance(which, str):
        number, address = _id(which), read_address(which)
    else:
        address = index_of(which)
        number = address if address <= _MOST_ROWS else None
    if number is not None:
        (index.irp if table == "irps" else index.socket)(number)  # tells which ids there are
        return [number]
    if address is None or address >> 64:
        raise UsageError(
            f"{clean(which)!r} is no address and no id; give an address such as ffff8001`23456780, or '#17' for row 17"
        )
    addresses = held.values(column)
    at = np.flatnonzero((addresses == np.uint64(address)) & held.known(column))
    if not len(at) and address & _HIGH == _HIGH:  # of a 32-bit trace, as debuggers extend it
        at = np.flatnonzero((addresses == np.uint64(address & ~_HIGH)) & held.known(column))
    if not len(at):
        raise UsageError(f"{address_text(address)} is not {what} of this trace{_instead(index, table, address)}")
    found: list[int] = held.values(f"{column}_id")[at].tolist()
    return sorted(found)


def _id(which: str) -> int | None:
    found = _ID.fullmatch(which.strip().strip("\"'"))
    return None if found is None else int(found[1] or found[2])


def _instead(index: Index, table: str, address: int) -> str:
    """Say what the address is, or which ones come near."""
    if not address:
        return "; NULL is nobody's address"
    if kind := _other(index, table, address):
        return f"; {kind}"
    column = _NAMES[table][0]
    held = index.irps if table == "irps" else index.sockets
    near = _near(held.values(column)[held.known(column)], address)
    if near:
        return f"; near it: {', '.join(address_text(n) for n in near)}"
    return f"; there are {len(held):,}, wsktrace show without options names some"


def _other(index: Index, table: str, address: int) -> str:
    """Say what else bears this address."""
    value = np.uint64(address)
    for other, (column, what) in _NAMES.items():
        held = index.irps if other == "irps" else index.sockets
        if other != table and np.any((held.values(column) == value) & held.known(column)):
            return f"it is {what}: --{column} {address_text(address)!r}"
    ops = index.operations
    if table == "irps":
        at = np.flatnonzero((ops.values("irp") == value) & ops.known("irp"))
        if len(at):
            first = ops.take("op", at[:1])[0]
            where = f"first met in operation {_number(ops, at)}, {first}"
            return f"it is an IRP that no WSK call was given in this trace ({where})"
    for argument in TABLES["operations"].columns:
        if argument.type == "address" and argument.name not in ("irp", "image"):
            at = np.flatnonzero((ops.values(argument.name) == value) & ops.known(argument.name))
            if len(at):
                named = argument.name.replace("_", " ")
                return f"it is a {named} (first in operation {_number(ops, at)}, {ops.take('op', at[:1])[0]})"
    return ""


def _number(ops: Any, at: NDArray[np.int64]) -> int:
    return int(ops.values("operation_id")[at[0]])


def _near(addresses: NDArray[np.uint64], address: int) -> list[int]:
    """Return addresses that this may be meant for: cut short, with one digit wrong, or pointing inside."""
    known = np.unique(addresses)
    known = known[known != 0]
    if not len(known):
        return []
    value = np.uint64(address)
    if address <= 0xFFFFFFFF:
        tails = known[(known & np.uint64(0xFFFFFFFF)) == value]
        if len(tails):
            return [int(n) for n in tails[:_MOST]]
    digits = np.zeros(len(known), np.uint64)
    for place in range(16):
        digits += ((known ^ value) >> np.uint64(4 * place)) & np.uint64(15) != 0
    typo = known[digits <= 1]
    below = known[: int(np.searchsorted(known, value))][-1:]
    inside = below[(value - below) < np.uint64(_INSIDE)]
    return [int(n) for n in dict.fromkeys([*typo[:_MOST].tolist(), *inside.tolist()])][:_MOST]
