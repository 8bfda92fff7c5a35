"""In-types and out-types of event fields, by the numbers that TDH and TraceLogging give them.

Source: the vendor's tdh.h (TDH_INTYPE_*, TDH_OUTTYPE_*); etl-and-wpp-format, 1.6 and 3. TraceLogging numbers its
in-types like TDH and its out-types in a way of its own: ``TL_OUT`` translates.
"""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["IN_NAMES", "NUMERIC", "TL_OUT", "UNIT", "InType", "OutType"]


class InType:
    """How a field lies in the payload."""

    NULL: Final = 0
    UNICODESTRING: Final = 1
    ANSISTRING: Final = 2
    INT8: Final = 3
    UINT8: Final = 4
    INT16: Final = 5
    UINT16: Final = 6
    INT32: Final = 7
    UINT32: Final = 8
    INT64: Final = 9
    UINT64: Final = 10
    FLOAT: Final = 11
    DOUBLE: Final = 12
    BOOLEAN: Final = 13  # four bytes
    BINARY: Final = 14
    GUID: Final = 15
    POINTER: Final = 16  # four or eight bytes, by the record
    FILETIME: Final = 17
    SYSTEMTIME: Final = 18
    SID: Final = 19
    HEXINT32: Final = 20
    HEXINT64: Final = 21
    COUNTEDSTRING: Final = 22
    COUNTEDANSISTRING: Final = 23
    STRUCT: Final = 24  # TraceLogging's number; TDH tells structs by a flag
    COUNTEDBINARY: Final = 25
    SIZET: Final = 308  # like POINTER
    WBEMSID: Final = 310  # a TOKEN_USER (two pointers) in front of the SID, or four zero bytes for none


class OutType:
    """How a field wants to be shown; NULL: as its in-type does."""

    NULL: Final = 0
    STRING: Final = 1
    DATETIME: Final = 2
    BOOLEAN: Final = 13
    HEX: Final = 19  # TDH's HEXINT64; HEXINT8 to HEXINT32 (16 to 18) are the same to us
    PID: Final = 20
    TID: Final = 21
    PORT: Final = 22
    IPV4: Final = 23
    IPV6: Final = 24
    SOCKETADDRESS: Final = 25
    XML: Final = 28
    WIN32ERROR: Final = 30
    NTSTATUS: Final = 31
    HRESULT: Final = 32
    JSON: Final = 34
    UTF8: Final = 35
    PKCS7: Final = 36
    CODE_POINTER: Final = 37
    DATETIME_UTC: Final = 38
    NOPRINT: Final = 301
    # beyond TDH, which says these by the in-type
    SIGNED: Final = 1001
    UNSIGNED: Final = 1002


#: TraceLogging's out-types → ours.
TL_OUT: Final[dict[int, int]] = {
    0: OutType.NULL,
    1: OutType.NOPRINT,
    2: OutType.STRING,
    3: OutType.BOOLEAN,
    4: OutType.HEX,
    5: OutType.PID,
    6: OutType.TID,
    7: OutType.PORT,
    8: OutType.IPV4,
    9: OutType.IPV6,
    10: OutType.SOCKETADDRESS,
    11: OutType.XML,
    12: OutType.JSON,
    13: OutType.WIN32ERROR,
    14: OutType.NTSTATUS,
    15: OutType.HRESULT,
    16: OutType.DATETIME,  # "FILETIME"
    17: OutType.SIGNED,
    18: OutType.UNSIGNED,
    35: OutType.UTF8,
    36: OutType.PKCS7,
    37: OutType.CODE_POINTER,
    38: OutType.DATETIME_UTC,
}

#: In-types of a fixed width whose values are one NumPy scalar each; GUID and SYSTEMTIME as 16 opaque bytes.
NUMERIC: Final[dict[int, np.dtype[np.generic]]] = {
    InType.INT8: np.dtype("i1"),
    InType.UINT8: np.dtype("u1"),
    InType.INT16: np.dtype("<i2"),
    InType.UINT16: np.dtype("<u2"),
    InType.INT32: np.dtype("<i4"),
    InType.UINT32: np.dtype("<u4"),
    InType.INT64: np.dtype("<i8"),
    InType.UINT64: np.dtype("<u8"),
    InType.FLOAT: np.dtype("<f4"),
    InType.DOUBLE: np.dtype("<f8"),
    InType.BOOLEAN: np.dtype("<u4"),
    InType.GUID: np.dtype("V16"),
    InType.FILETIME: np.dtype("<u8"),
    InType.SYSTEMTIME: np.dtype("V16"),
    InType.HEXINT32: np.dtype("<u4"),
    InType.HEXINT64: np.dtype("<u8"),
}

#: Bytes of one unit of the string and binary in-types: what a terminator is as wide as, and what lengths count.
UNIT: Final[dict[int, int]] = {
    InType.UNICODESTRING: 2,
    InType.ANSISTRING: 1,
    InType.BINARY: 1,
    InType.COUNTEDSTRING: 2,
    InType.COUNTEDANSISTRING: 1,
    InType.COUNTEDBINARY: 1,
}

IN_NAMES: Final[dict[int, str]] = {v: k for k, v in vars(InType).items() if isinstance(v, int)}
