"""WPP messages: the payload that the tracing macros log, and the TMF text that describes it.

Source: the design page on the ETL format, 2.2 (TMF text) and 2.3 (item types, and what is logged for NULL). The record
around a payload is ``etl_records.message``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from wsktrace.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

__all__ = ["Described", "pack", "payload", "tmf_text"]

_CODES: Final = {
    "char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "long": "i",
    "ulong": "I",    "longlong": "q", "ulonglong": "Q", "longlongx": "Q", "longlongxx": "Q", "longlongo": "Q",
    "float": "f", "double": "d",
    "ntstatus": "I", "hresult": "I", "winerror": "I", "ndis_status": "I", "ndis_oid": "I",
    "listbyte": "B", "listshort": "H", "listlong": "I", "setbyte": "B", "setshort": "H", "setlong": "I",
    "enum": "I", "flagsenum": "I", "timestamp": "Q", "waittime": "Q", "timedelta": "q",
}  # fmt: skip
#: what the macros log as length where there is no text
_NO_TEXT: Final = struct.pack("<H", 5)


@dataclass(frozen=True, slots=True)
class Described:
    """A message as its TMF text describes it.

    Attributes:
        number: message number.
        format: format string.
        args: (C expression, item type with its list) in the order of the payload; they are numbered from 10 on.
        tail: KEY=VALUE parameters.
        tag: source file and line.
    """

    number: int
    format: str
    args: Sequence[tuple[str, str]] = ()
    tail: str = "LEVEL=TRACE_LEVEL_INFORMATION FLAGS=DRV FUNC=DriverEntry"
    tag: str = "driver_c1"

    def lines(self) -> list[str]:
        """The lines of the message in a TMF file."""
        arguments = [f"{what}, {item} -- {n}" for n, (what, item) in enumerate(self.args, 10)]
        return [f'#typev {self.tag} {self.number} "{self.format}" //   {self.tail}', "{", *arguments, "}"]


def tmf_text(
    guid: UUID,
    messages: Sequence[Described],
    *,
    module: str = "driver",
    source: str = "driver.c",
    enums: Mapping[str, Mapping[str, int]] | None = None,
) -> str:
    """Return the TMF text of the messages of one source file; ``enums``: name → symbol → value."""
    lines = ["// PDB:  driver.pdb", f"{guid} {module} // SRC={source} MJ= MN="]
    for one in messages:
        lines += one.lines()
    for name, symbols in (enums or {}).items():
        lines += [f"#enumv {name}", "{", *(f"{symbol},{value:#x}" for symbol, value in symbols.items()), "}"]
    return "\n".join([*lines, ""])


def payload(args: Sequence[tuple[str, Any]], *, pointer_size: int = 8) -> bytes:
    """Pack (item type, value) pairs one behind the other."""
    return b"".join(pack(item, value, pointer_size=pointer_size) for item, value in args)


def pack(item: str, value: Any, *, pointer_size: int = 8) -> bytes:
    """Pack one argument.

    Args:
        item: item type, with or without ``Item`` and a list; case does not matter.
        value: int, float, str, bytes, ``UUID`` or None, the NULL of strings and SIDs. A network address is text.
        pointer_size: of ``ItemPtr``.

    Raises:
        FormatError: the item type is not known, or the value does not fit it.
    """
    name = item.partition("(")[0].strip().lower().removeprefix("item")
    try:
        return _pack(name, value, pointer_size)
    except (struct.error, ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{value!r} does not fit item type {item}: {error}") from error


def _pack(name: str, value: Any, pointer_size: int) -> bytes:
    if name in _CODES:
        return struct.pack(f"<{_CODES[name]}", value)
    if name == "ptr":
        return struct.pack("<Q" if pointer_size == 8 else "<I", value)
    if name in ("string", "rstring"):
        return _narrow("NULL" if value is None else value) + b"\0"
    if name in ("wstring", "rwstring"):
        text = "NULL" if value is None else value or "<NULL>"
        return _wide(text) + b"\0\0"
    if name in ("pstring", "pwstring"):
        return _counted(value, _narrow if name == "pstring" else _wide)
    if name in ("guid", "clsid", "iid", "libid"):
        return bytes(value.bytes_le)
    if name == "sid":
        return b"NULL\0" if value is None else bytes(value)
    if name == "ipaddr":
        return ip_address(value).packed
    if name == "ipv6addr":
        return ip_address(value).packed
    if name == "port":
        return struct.pack(">H", value)
    if name == "macaddr":
        return bytes(value)
    if name in ("hexdump", "hexbytes"):
        return struct.pack("<H", len(value)) + bytes(value)
    if name == "char4":
        return _narrow(value)
    raise FormatError(f"item type {name!r} is not known")


def _counted(value: str | None, encode: Any) -> bytes:
    """ANSI_STRING and UNICODE_STRING: length in bytes, text without NUL; 5 and another text where there is none."""
    if value is None:
        return _NO_TEXT + bytes(encode("NULL\0"))
    raw = bytes(encode(value))
    return struct.pack("<H", len(raw)) + raw if raw else _NO_TEXT


def _narrow(text: str) -> bytes:
    return text.encode("utf-8")


def _wide(text: str) -> bytes:
    return text.encode("utf-16-le")
