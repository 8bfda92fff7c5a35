"""Names of status codes: the table is whole, and agrees with the constants that the rules use."""

from __future__ import annotations

import pytest

from wsktrace.decode import status_names as names
from wsktrace.wsk.constants import STATUS_NAMES


@pytest.mark.parametrize(
    ("kind", "least", "value", "name"),
    [
        (names.NTSTATUS, 1700, 0xC0000022, "STATUS_ACCESS_DENIED"),
        (names.NTSTATUS, 1700, 0x103, "STATUS_PENDING"),
        (names.WIN32, 2000, 10061, "WSAECONNREFUSED"),
        (names.HRESULT, 1300, 0x80004005, "E_FAIL"),
        (names.NDIS_STATUS, 1800, 0x4001000B, "NDIS_STATUS_MEDIA_CONNECT"),
        (names.NDIS_STATUS, 1800, 0xC0000001, "NDIS_STATUS_FAILURE"),
        (names.NDIS_OID, 600, 0x00010101, "OID_GEN_SUPPORTED_LIST"),
    ],
)
def test_each_kind_has_its_names(kind: str, least: int, value: int, name: str) -> None:
    table = names.names_of(kind)
    assert len(table) >= least
    assert table[value] == name
    assert all(0 <= v <= 0xFFFFFFFF and n.isidentifier() for v, n in table.items())


def test_the_rules_call_statuses_by_the_same_names() -> None:
    table = names.names_of(names.NTSTATUS)
    assert {v: table.get(v & 0xFFFFFFFF) for v in STATUS_NAMES} == {v: f"STATUS_{n}" for v, n in STATUS_NAMES.items()}


@pytest.mark.parametrize(
    ("value", "name"),
    [(0, "S_OK"), (1, "S_FALSE"), (0x80070002, "ERROR_FILE_NOT_FOUND"), (0x8007FFFF, ""), (0x12345678, "")],
)
def test_names_of_hresults(value: int, name: str) -> None:
    assert names.hresult_name(value) == name
