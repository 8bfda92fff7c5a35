"""Values as Python values and as text, by in-type and out-type; the bytes are made by hand."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from decode_tools import all_rows, payloads

from wsktrace.decode.fields import Field, Layout, Rule
from wsktrace.decode.intypes import InType, OutType
from wsktrace.decode.layout import decode


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


#: in-type, out-type, bytes, value, and its text where that is not the value itself
OUT: list[tuple[Any, ...]] = [
    (InType.UINT8, OutType.BOOLEAN, b"\2", True, "true"),
    (InType.UINT8, OutType.BOOLEAN, b"\0", False, "false"),
    (InType.BOOLEAN, OutType.NULL, b"\1\0\0\0", True, "true"),
    (InType.UINT8, OutType.STRING, b"A", "A"),
    (InType.INT8, OutType.STRING, b"\xe9", "é"),
    (InType.UINT16, OutType.STRING, b"\xac\x20", "€"),
    (InType.UINT16, OutType.STRING, b"\0\xd8", "\ufffd"),
    (InType.UINT8, OutType.HEX, b"\xff", 255, "0xff"),
    (InType.INT16, OutType.HEX, b"\xfe\xff", -2, "0xfffe"),
    (InType.INT64, OutType.HEX, b"\xff" * 8, -1, "0x" + "f" * 16),
    (InType.UINT32, OutType.PID, b"\4\0\0\0", 4, "4"),
    (InType.UINT32, OutType.TID, b"\4\0\0\0", 4, "4"),
    (InType.UINT16, OutType.PORT, b"\x1f\x90", 8080, "8080"),
    (InType.UINT32, OutType.IPV4, b"\xc0\0\2\1", "192.0.2.1"),
    (InType.BINARY, OutType.IPV6, b"\x20\1\x0d\xb8" + bytes(11) + b"\1", "2001:db8::1"),
    (InType.BINARY, OutType.IPV6, b"\1", b"\1", "01"),
    (InType.BINARY, OutType.SOCKETADDRESS, b"\2\0\0\x50\x7f\0\0\1" + bytes(8), "127.0.0.1:80"),
    (InType.BINARY, OutType.SOCKETADDRESS, b"\x17\0\0\x50" + bytes(4) + bytes(15) + b"\1\4\0\0\0", "[::1%4]:80"),
    (InType.BINARY, OutType.SOCKETADDRESS, b"\x63\0ab", "63006162"),
    (InType.BINARY, OutType.NULL, b"\0\xff", b"\0\xff", "00ff"),
    (InType.UINT32, OutType.WIN32ERROR, b"\2\0\0\0", 2, "0x2"),
    (InType.HEXINT32, OutType.NTSTATUS, b"\3\1\0\0", 0x103, "0x00000103"),
    (InType.INT32, OutType.HRESULT, b"\5\0\7\x80", -0x7FF8FFFB, "0x80070005"),
    (InType.UINT64, OutType.CODE_POINTER, b"\1" + bytes(6) + b"\xff", 0xFF00000000000001, "0xff00000000000001"),
    (InType.HEXINT64, OutType.NULL, b"\xff" + bytes(7), 255, "0xff"),
    (InType.HEXINT32, OutType.UNSIGNED, b"\xff" + bytes(3), 255, "255"),
    (InType.POINTER, OutType.NULL, b"\xff" + bytes(7), 255, "0xff"),
    (InType.COUNTEDANSISTRING, OutType.UTF8, b"\xff\xc3\xa9", "\ufffdé"),
    (InType.COUNTEDANSISTRING, OutType.NULL, b"\xff\xc3\xa9", "ÿÃ©"),
    (InType.COUNTEDANSISTRING, OutType.JSON, b"[1]", "[1]"),
    (InType.COUNTEDSTRING, OutType.XML, b"<\0a\0", "<a"),
    (InType.BINARY, OutType.UTF8, b"\xc3\xa9", "é"),
    (InType.BINARY, OutType.PKCS7, b"\1\2", b"\1\2", "0102"),
    (InType.FILETIME, OutType.NULL, u64(116_444_736_000_000_001), "1970-01-01T00:00:00.0000001Z"),
    (InType.FILETIME, OutType.DATETIME_UTC, bytes(8), "1601-01-01T00:00:00.0000000Z"),
    (InType.FILETIME, OutType.NULL, u64(2_650_467_743_999_999_999), "9999-12-31T23:59:59.9999999Z"),
    (InType.FILETIME, OutType.NULL, u64(2_650_467_744_000_000_000), "0x24c85a5ed1c04000"),
    (InType.UINT64, OutType.DATETIME, u64(116_444_736_000_000_000), "1970-01-01T00:00:00.0000000Z"),
    (InType.SYSTEMTIME, OutType.NULL, b"\xff" * 16, "65535-65535-65535T65535:65535:65535.65535Z"),
    (InType.UNICODESTRING, OutType.NULL, b"\0\xd8a\0", "\ufffda"),
    (InType.SID, OutType.NULL, bytes.fromhex("010100000000000512000000"), "S-1-5-18"),
    (InType.DOUBLE, OutType.NULL, struct.pack("<d", 0.5), 0.5, "0.5"),
    (InType.INT32, OutType.NOPRINT, b"\xff" * 4, -1, "-1"),
    (InType.INT32, OutType.SIGNED, b"\xff" * 4, -1, "-1"),
]  # fmt: skip


@pytest.mark.parametrize("row", OUT, ids=lambda row: f"{row[0]}-{row[1]}-{row[2].hex()[:16]}")
def test_values_and_texts_by_out_type(row: tuple[Any, ...]) -> None:
    in_type, out_type, raw, value = row[:4]
    text = row[4] if len(row) > 4 else value
    variable = in_type in (InType.BINARY, InType.COUNTEDANSISTRING, InType.COUNTEDSTRING, InType.UNICODESTRING)
    chunk = payloads(raw)
    for count in (None, 1):
        field = Field("f", in_type, out_type, Rule.REST if variable else Rule.INHERENT, count)
        found = decode(Layout((field,)), chunk, all_rows(chunk))
        assert found.ok.all()
        assert not found.left.any()
        column = found.columns["f"]
        assert column.to_pylist() == ([value] if count is None else [[value]])
        assert column.texts() == ([text] if count is None else [[text]])
