"""Names of status codes and of NDIS object identifiers, as the reference formatter prints them.

The names are facts of the public headers, in ``data/status_names.txt``; read when the first one is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["HRESULT", "NDIS_OID", "NDIS_STATUS", "NTSTATUS", "WIN32", "hresult_name", "names_of"]

NTSTATUS: Final = "NTSTATUS"
WIN32: Final = "WIN32"
HRESULT: Final = "HRESULT"
NDIS_STATUS: Final = "NDIS_STATUS"
NDIS_OID: Final = "NDIS_OID"

#: HRESULT_FROM_WIN32: severity 1, facility 7
_FROM_WIN32: Final = 0x8007


def names_of(kind: str) -> dict[int, str]:
    """Return value → name of one kind (a constant of this module); values are unsigned 32-bit."""
    return _tables()[kind]


def hresult_name(value: int) -> str:
    """Return the name of an HRESULT: of one made from a Win32 error that error's name; empty where there is none."""
    if value >> 16 == _FROM_WIN32:
        name = names_of(WIN32).get(value & 0xFFFF)
        if name:
            return name
    return names_of(HRESULT).get(value, "")


@cache
def _tables() -> dict[str, dict[int, str]]:
    tables: dict[str, dict[int, str]] = {}
    table: dict[int, str] = {}
    for line in files("wsktrace").joinpath("data", "status_names.txt").read_text("ascii").splitlines():
        if line.startswith("["):
            table = tables.setdefault(line[1:-1], {})
        elif not line.startswith("#"):
            value, _, name = line.partition(" ")
            table[int(value, 16)] = name
    # NDIS passes NTSTATUS codes on where it has none of its own
    tables[NDIS_STATUS] = tables[NTSTATUS] | tables[NDIS_STATUS]
    return tables
