"""Figures that pages repeat from the code are still those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wsktrace.cli.main import run
from wsktrace.wsk.profile import Thresholds

if TYPE_CHECKING:
    import pytest

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


def test_keys_of_the_json_page_are_those_of_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = DOCS.parent / "samples" / "midway.etl"
    assert run(["check", str(sample), "--format", "json", "--coverage"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)
    whole, finding, coverage = re.split(
        r"^A finding:$|^The coverage:$", (DOCS / "reference/json.md").read_text(), flags=re.M
    )
    assert keys(whole) == set(told)
    assert keys(finding) == set(told["findings"][0])
    coverage, lines = coverage.split("## JSON lines")
    assert keys(coverage) == set(told["coverage"])
    run(["check", str(sample), "--format", "jsonl", "--coverage", "--notes"])
    assert keys(lines) == {json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()}


def keys(text: str) -> set[str]:
    """Return the keys in the first column of the tables of a text."""
    return {
        name for cell in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.M) for name in re.findall(r"`(\w+)`", cell)
    }
