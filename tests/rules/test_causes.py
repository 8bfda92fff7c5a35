"""Root causes before consequences: which finding follows from which."""

from __future__ import annotations

from typing import Any

import pytest

from wsktrace.rules.causes import linked
from wsktrace.rules.findings import Finding
from wsktrace.rules.registry import RULES
from wsktrace.rules.rule import Rule

BASE: dict[str, Any] = {
    "verdict": "fail",
    "severity": "error",
    "party": "client",
    "reason": None,
    "time_ns": 0,
    "subject_table": "irps",
    "subject_id": 0,
    "subject_address": 0x10,
    "irp_id": 1,
    "irp": 0x10,
    "socket_id": 2,
    "socket": 0x20,
    "message": "",
    "evidence": (),
}


def finding(rule: str, **more: Any) -> Finding:
    return Finding(rule=rule, **{**BASE, **more})


def rules(follows: dict[str, dict[str, str]]) -> dict[str, Rule]:
    """Return rules A, B, C that follow from others as said."""
    some = next(iter(RULES.values()))
    fields = {name: getattr(some, name) for name in some.__slots__}
    return {name: Rule(**{**fields, "id": name, "follows": follows.get(name, {})}) for name in "ABC"}


def places(findings: list[Finding], follows: dict[str, dict[str, str]]) -> list[int | None]:
    return [f.follows_from for f in linked(findings, rules(follows))]


@pytest.mark.parametrize(
    ("link", "other"),
    [
        ("use", {"irp_id": 7}),
        ("irp", {"irp": 7}),
        ("socket", {"socket_id": 7}),
        ("subject", {"subject_address": 7}),
        ("load", {"load": 7}),
        ("use", {"irp_id": None}),
        ("subject", {"subject_address": None}),
    ],
)
def test_what_both_have_in_common(link: str, other: dict[str, Any]) -> None:
    assert places([finding("A"), finding("B")], {"B": {"A": link}}) == [None, 0]
    assert places([finding("A"), finding("B", **other)], {"B": {"A": link}}) == [None, None]
    assert places([finding("A"), finding("B")], {}) == [None, None]


def test_addresses_of_two_loads_are_not_the_same() -> None:
    assert places([finding("A"), finding("B", load=1)], {"B": {"A": "irp"}}) == [None, None]


def test_the_latest_cause_before_it_or_else_the_first_after_it() -> None:
    follows = {"C": {"A": "socket", "B": "socket"}}
    found = [finding("A"), finding("B"), finding("C"), finding("A"), finding("C"), finding("B")]
    assert places(found, follows) == [None, None, 1, None, 3, None]
    assert places([finding("C"), finding("A"), finding("B")], follows) == [1, None, None]


def test_a_fail_follows_from_a_fail_only() -> None:
    follows = {"B": {"A": "socket"}}
    doubtful = finding("A", verdict="suspect", reason="U-LOST")
    assert places([doubtful, finding("B")], follows) == [None, None]
    assert places([doubtful, finding("B", verdict="suspect", reason="U-END")], follows) == [None, 0]
    assert places([finding("A"), finding("B", verdict="suspect", reason="U-END")], follows) == [None, 0]
    assert places([finding("A", verdict="unknown", reason="U-CAP"), finding("B")], follows) == [None, None]


def test_chains_are_told_link_by_link() -> None:
    follows = {"B": {"A": "socket"}, "C": {"B": "socket"}}
    assert places([finding("A"), finding("B"), finding("C")], follows) == [None, 0, 1]


def test_nothing_is_dropped_and_the_order_stays() -> None:
    found = [finding(name, message=str(n)) for n, name in enumerate("CABBAC")]
    assert [f.message for f in linked(found, rules({"B": {"A": "load"}}))] == list("012345")
