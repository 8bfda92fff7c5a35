"""Field values as Python values and as text.

Addresses and status codes come out in hexadecimal, times in ISO 8601 and UTC, GUIDs, SIDs and network addresses as
people write them. What makes no sense (a bad SID, a month 13) comes out as its bytes in hexadecimal: never an error.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from wsktrace.decode.intypes import NUMERIC, InType, OutType

if TYPE_CHECKING:
    from wsktrace.decode.fields import Field

__all__ = ["filetime", "sid", "sockaddr", "text", "value"]

_WIDE: Final = (InType.UNICODESTRING, InType.COUNTEDSTRING)
_NARROW: Final = (InType.ANSISTRING, InType.COUNTEDANSISTRING)
_POINTERS: Final = (InType.POINTER, InType.SIZET)
_HEX_IN: Final = (InType.HEXINT32, InType.HEXINT64, *_POINTERS)
_HEX_OUT: Final = (
    16, 17, 18, OutType.HEX, OutType.WIN32ERROR, OutType.NTSTATUS, OutType.HRESULT, OutType.CODE_POINTER,
)  # fmt: skip
_DECIMAL_OUT: Final = (OutType.SIGNED, OutType.UNSIGNED, OutType.PID, OutType.TID)
_CHARACTERS: Final = (InType.INT8, InType.UINT8, InType.INT16, InType.UINT16)
#: 1601-01-01 to 1970-01-01 in days
_EPOCH_DAYS: Final = 134774


def value(field: Field, raw: Any) -> Any:
    """Return a field's value as int, float, bool, str or bytes; ``raw`` is an int, a float or bytes."""
    if isinstance(raw, bytes):
        return _from_bytes(field, raw)
    out, kind = field.out_type, field.in_type
    if kind == InType.BOOLEAN or out == OutType.BOOLEAN:
        return raw != 0
    if out == OutType.STRING and kind in _CHARACTERS:
        return _character(kind, raw)
    if out == OutType.PORT and kind in (InType.UINT16, InType.INT16):
        return int.from_bytes((raw & 0xFFFF).to_bytes(2, "little"), "big")
    if out == OutType.IPV4 and NUMERIC.get(kind) == "<u4":
        return ".".join(str(b) for b in raw.to_bytes(4, "little"))
    if kind == InType.FILETIME or (
        out in (OutType.DATETIME, OutType.DATETIME_UTC) and kind in (InType.INT64, InType.UINT64)
    ):
        return filetime(raw)
    return raw


def text(field: Field, raw: Any) -> str:
    """Return a field's value as text."""
    shown = value(field, raw)
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, bytes):
        return shown.hex()
    if isinstance(shown, int) and field.out_type not in (*_DECIMAL_OUT, OutType.PORT):
        kind = field.in_type
        if kind in _HEX_IN or field.out_type in _HEX_OUT:
            width = NUMERIC[kind].itemsize if kind in NUMERIC else 8
            full = field.out_type in (OutType.NTSTATUS, OutType.HRESULT)
            shown &= (1 << 8 * width) - 1
            return f"0x{shown:08x}" if full else f"0x{shown:x}"
    return str(shown)


def filetime(ticks: int) -> str:
    """Return a FILETIME (100 ns since 1601) in ISO 8601, UTC, with all its seven digits; hexadecimal after 9999."""
    days, rest = divmod(ticks, 864_000_000_000)
    if days >= 3_067_671 or ticks < 0:  # the year 10000
        return f"0x{ticks & 0xFFFFFFFFFFFFFFFF:016x}"
    from datetime import date

    day = date.fromordinal(date(1601, 1, 1).toordinal() + days)
    seconds, fraction = divmod(rest, 10_000_000)
    return f"{day.isoformat()}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:07}Z"


def sid(raw: bytes) -> str:
    """Return a security identifier as S-1-…; hexadecimal where the bytes are none."""
    if len(raw) < 8 or len(raw) != 8 + 4 * raw[1]:
        return raw.hex()
    parts = struct.unpack_from(f"<{raw[1]}I", raw, 8)
    return "-".join(["S", str(raw[0]), str(int.from_bytes(raw[2:8], "big")), *(str(p) for p in parts)])


def sockaddr(raw: bytes) -> str:
    """Return a SOCKADDR as address and port: 192.0.2.1:80, [2001:db8::1%4]:80; hexadecimal where it is none."""
    if len(raw) >= 8 and raw[:2] == b"\x02\x00":
        return f"{_ip(raw[4:8])}:{int.from_bytes(raw[2:4], 'big')}"
    if len(raw) >= 24 and raw[:2] == b"\x17\x00":
        scope = int.from_bytes(raw[24:28], "little")
        return f"[{_ip(raw[8:24])}{f'%{scope}' if scope else ''}]:{int.from_bytes(raw[2:4], 'big')}"
    return raw.hex()


def _from_bytes(field: Field, raw: bytes) -> str | bytes | None:
    kind, out = field.in_type, field.out_type
    if kind == InType.NULL:
        return None
    if kind in _WIDE:
        return raw.decode("utf-16-le", "replace")
    if kind in _NARROW:
        return _narrow(raw, out)
    if kind == InType.GUID:
        return str(UUID(bytes_le=raw))
    if kind == InType.SYSTEMTIME:
        year, month, _, day, hour, minute, second, milli = struct.unpack("<8H", raw)
        return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
    if kind in (InType.SID, InType.WBEMSID):
        return "NULL" if raw == b"NULL" else sid(raw)  # what WPP logs in place of none
    if out == OutType.IPV6 and len(raw) == 16:
        return _ip(raw)
    if out == OutType.IPV4 and len(raw) == 4:
        return _ip(raw)
    if out == OutType.SOCKETADDRESS:
        return sockaddr(raw)
    if out in (OutType.STRING, OutType.UTF8, OutType.XML, OutType.JSON):
        return _narrow(raw, out)
    return raw


def _narrow(raw: bytes, out: int) -> str:
    """Eight-bit text: UTF-8 where it is said or the bytes are such, else one character a byte (Latin-1)."""
    if out in (OutType.UTF8, OutType.XML, OutType.JSON):
        return raw.decode("utf-8", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _character(kind: int, raw: int) -> str:
    width = NUMERIC[kind].itemsize
    code = raw & ((1 << 8 * width) - 1)
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _ip(raw: bytes) -> str:
    from ipaddress import ip_address

    return str(ip_address(raw))
