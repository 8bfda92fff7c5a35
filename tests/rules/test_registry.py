"""The registry: every rule of the contract, declared in full, each with its page."""

from __future__ import annotations

import graphlib
import re
import tomllib
from pathlib import Path

import pytest

from wsktrace.errors import UsageError
from wsktrace.rules.registry import FAMILIES, RULES, SHAPES, select
from wsktrace.rules.rule import SEVERITIES, rule

PAGES = Path(__file__).resolve().parents[2] / "docs" / "rules"

#: id → what the contract's sections 3.A to 3.H2 say of the rule, docs/rules/contract.toml
WANTED = {entry["id"]: entry for entry in tomllib.loads((PAGES / "contract.toml").read_text("utf-8"))["rule"]}


def test_the_contract_has_no_rule_that_is_missing_and_none_is_beyond_it() -> None:
    assert len(WANTED) == 110
    assert sorted(set(WANTED) - set(RULES)) == []
    assert sorted(set(RULES) - set(WANTED)) == []


def test_ids_are_unique_and_keys_are_ids() -> None:
    assert [name for name, found in RULES.items() if found.id != name] == []
    assert len({found.id for found in RULES.values()}) == len(RULES)
    assert len({found.judge for found in RULES.values()}) == len(RULES)
    assert len({found.sentence for found in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("name", sorted(WANTED))
def test_declaration(name: str) -> None:
    found = RULES[name]
    wanted = WANTED[name]
    assert found.severity in wanted["severity"]
    assert found.party in wanted["party"]
    assert found.shape in SHAPES
    assert wanted["shape"] == ["*"] or found.shape in wanted["shape"]
    assert found.legal == wanted.get("legal", False)
    assert found.traced or found.family == "trace"
    assert found.family in FAMILIES
    for text in (found.source, found.needs, found.advice):
        assert text.strip() == text
        assert len(text) > 10
    assert re.fullmatch(r"[A-Z].{20,}\.", found.sentence)
    assert "\n" not in found.sentence
    assert found.sentence not in found.doc


@pytest.mark.parametrize("name", sorted(WANTED))
def test_page_is_there_and_begins_with_the_declaration(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    flat = " ".join(text.split())
    found = RULES[name]
    for part in (found.sentence, found.source, found.needs, found.advice, found.limits):
        assert " ".join(part.split()) in flat
    assert SHAPES[found.shape] in flat
    assert name in (PAGES / "index.md").read_text("utf-8")


def test_seven_shapes_and_three_severities() -> None:
    assert list(SHAPES) == ["L", "J", "F", "P", "V", "C", "I"]
    assert list(SEVERITIES) == ["info", "warning", "error"]


def test_what_a_rule_follows_from_is_a_rule_and_nothing_follows_from_itself() -> None:
    assert [(name, cause) for name, found in RULES.items() for cause in found.follows if cause not in RULES] == []
    order = list(graphlib.TopologicalSorter({name: set(found.follows) for name, found in RULES.items()}).static_order())
    assert set(order) == set(RULES)


def test_every_family_has_rules() -> None:
    assert {found.family for found in RULES.values()} == set(FAMILIES)


# selection -----------------------------------------------------------------------------------------------------------


def names(chosen: tuple[str, ...] | None = None, ignored: tuple[str, ...] | None = None) -> set[str]:
    return {found.id for found in select(chosen, ignored)}


def test_select() -> None:
    assert names() == set(RULES)
    assert names(("WSK-SD-LEAK", "double-close")) == {"WSK-SD-LEAK", "WSK-DOUBLE-CLOSE"}
    sd = {name for name in WANTED if name.startswith("WSK-SD-")}
    assert len(sd) == 8
    assert names(("SD",)) == sd
    assert names(None, ("wsk-sd",)) == set(RULES) - sd
    assert names(("SD",), ("SD-LEAK",)) == sd - {"WSK-SD-LEAK"}
    assert names(("SD-LEAK",), ("SD",)) == set()


def test_a_prefix_ends_at_a_word() -> None:
    """IRP is the family of IRP-…, and not of IRQL-DISPATCH; DISPATCH-MEMBER is no part of DISPATCH-MEMBERS."""
    assert names(("IRP",)) == {name for name in WANTED if name.startswith("WSK-IRP-")}
    with pytest.raises(UsageError):
        list(select(("IR",)))


def test_a_name_that_is_no_rule_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no rule named 'SD-LEEK'; did you mean .*WSK-SD-LEAK"):
        list(select(("SD-LEEK",)))
    with pytest.raises(UsageError, match=r"no rule named 'qqqqq'.*wsktrace rule"):
        list(select(None, ("qqqqq",)))


# declaring -----------------------------------------------------------------------------------------------------------

GIVEN = {"severity": "error", "party": "client", "shape": "L", "source": "s", "needs": "n", "advice": "a"}


def judge(facts: object) -> object:
    """It keeps its word.

    And more.
    """
    return facts


@pytest.mark.parametrize("change", [{"severity": "bad"}, {"party": "nobody"}, {"shape": "X"}])
def test_unknown_words_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="unknown severity, shape or party"):
        rule("NEW", **{**GIVEN, **change})


def test_a_rule_is_declared_once_and_with_a_sentence() -> None:
    before = dict(RULES)
    with pytest.raises(ValueError, match="twice"):
        rule("SD-LEAK", **GIVEN)(judge)
    with pytest.raises(ValueError, match="no sentence"):
        rule("NEW", **GIVEN)(lambda facts: facts)
    assert before == RULES


def test_sentence_and_prose_come_from_the_docstring() -> None:
    try:
        assert rule("TEST-ONLY", **GIVEN)(judge) is judge
        made = RULES["WSK-TEST-ONLY"]
        assert (made.sentence, made.doc, made.family) == ("It keeps its word.", "And more.", "test_registry")
        assert made.judge(5) == 5
    finally:
        RULES.pop("WSK-TEST-ONLY", None)


def test_rules_stand_as_their_families_do() -> None:
    assert list(dict.fromkeys(found.family for found in RULES.values())) == list(FAMILIES)
