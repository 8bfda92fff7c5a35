"""The list of the seed page's sentences: complete in itself, and at one with what the rules say of their sources."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from wsktrace.rules.registry import RULES

FOLDER = Path(__file__).parents[2] / "docs" / "rules"
ENTRIES: list[dict[str, Any]] = tomllib.loads((FOLDER / "seed.toml").read_text("utf-8"))["sentence"]
#: The parts of the reference page, in its order.
SECTIONS = [
    "Description",
    "Client",
    "AddressFamily",
    "SocketType",
    "Protocol",
    "Flags",
    "SocketContext",
    "Dispatch",
    "OwningProcess",
    "OwningThread",
    "SecurityDescriptor",
    "Irp",
    "Return value",
    "Remarks",
    "Requirements",
]


def cited(source: str) -> set[str]:
    """Return the sections of the seed page that a rule's source cites."""
    found = re.search(r"seed page, ([^;(]+)", source)
    return set(re.split(r",\s*|\s+and\s+", found[1].strip())) if found else set()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['section']}: {entry['text'][:40]}")
def test_entry(entry: dict[str, Any]) -> None:
    assert set(entry) <= {"section", "text", "kind", "rules", "also", "planned", "reason"}
    assert entry["kind"] in ("demand", "promise", "neither")
    assert entry["text"].endswith(".")
    rules, also, planned = (entry.get(key, []) for key in ("rules", "also", "planned"))
    assert rules or entry.get("reason"), "a sentence without a rule needs a reason"
    assert not rules or entry["kind"] != "neither"
    assert len({*rules, *also, *planned}) == len(rules) + len(also) + len(planned), "a rule named twice"
    for name in rules:
        assert cited(RULES[name].source), f"{name} does not cite the seed page; it belongs under also"
    for name in also:
        assert entry["section"] not in cited(RULES[name].source), f"{name} cites this section; it belongs under rules"
    for name in planned:
        assert re.fullmatch(r"WSK(-[A-Z]+)+", name)
        assert name not in RULES, f"{name} is there now; it belongs under rules or also"


def test_sections_are_whole_and_in_the_order_of_the_page() -> None:
    assert list(dict.fromkeys(entry["section"] for entry in ENTRIES)) == SECTIONS
    order = [SECTIONS.index(entry["section"]) for entry in ENTRIES]
    assert order == sorted(order)


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if "seed page" in rule.source])
def test_what_a_rule_cites_names_the_rule(name: str) -> None:
    naming = {entry["section"] for entry in ENTRIES if name in entry.get("rules", ())}
    assert cited(RULES[name].source), "cite the seed page as: seed page, Section (what it says)"
    assert cited(RULES[name].source) <= naming


def test_page_shows_every_sentence_once() -> None:
    page = (FOLDER / "seed.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", page, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(ENTRIES) + 1))
    assert [text for _, text in rows] == [entry["text"] for entry in ENTRIES]
