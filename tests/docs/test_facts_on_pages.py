"""Figures that pages repeat from the code are still those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from wsktrace.wsk.profile import Thresholds

DOCS = Path(__file__).parents[2] / "docs"


def test_limits_on_the_page_are_those_of_the_profile() -> None:
    page = (DOCS / "how-to" / "profile.md").read_text("utf-8")
    shown = {name: float(value) for name, value in re.findall(r"^\| `(\w+_s)` \| ([\d.]+) \|", page, re.MULTILINE)}
    assert shown == msgspec.to_builtins(Thresholds())


def test_words_of_tables_on_the_page_of_lives_are_those_of_the_schema() -> None:
    from wsktrace.schema import table

    page = (DOCS / "explanation" / "irp-life.md").read_text("utf-8")
    columns = {column.name for column in table("irps").columns}
    shown = set(re.findall(r"`([a-z]+_[a-z]+(?:_[a-z]+)?)`", page))
    assert shown
    assert shown <= columns
