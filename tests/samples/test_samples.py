from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SAMPLES = Path(__file__).parents[2] / "samples"
EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("samples_make", SAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_five_small_samples(make: ModuleType) -> None:
    assert set(EXPECTED) == set(make.NAMES) == {p.stem for p in SAMPLES.glob("*.etl")}
    assert all(p.stat().st_size < 300_000 for p in SAMPLES.glob("*.etl"))


@pytest.mark.parametrize("name", EXPECTED)
def test_samples_are_made_again_byte_for_byte(make: ModuleType, name: str) -> None:
    assert make.etl(name) == (SAMPLES / f"{name}.etl").read_bytes()


@pytest.mark.parametrize("name", EXPECTED)
def test_findings_and_verdicts_are_exactly_those_listed(make: ModuleType, name: str) -> None:
    assert make.account(name, (SAMPLES / f"{name}.etl").read_bytes()) == EXPECTED[name]


def test_readme_lists_what_is_expected(make: ModuleType) -> None:
    text = (SAMPLES / "README.md").read_text("utf-8")
    assert text == make.readme(EXPECTED)
    for held in EXPECTED.values():
        for finding in held["findings"]:
            assert finding["rule"] in text


def test_the_package_carries_one_of_them(make: ModuleType) -> None:
    assert make.PACKAGED.read_bytes() == (SAMPLES / f"{make.DEMO}.etl").read_bytes()


def test_the_samples_tell_their_stories() -> None:
    fails = {name: {f["rule"] for f in held["findings"] if f["verdict"] == "fail"} for name, held in EXPECTED.items()}
    assert not EXPECTED["clean"]["findings"]
    assert not EXPECTED["clean"]["pending"]
    assert fails["early_release"] == {"WSK-SD-EARLY-RELEASE"}
    assert "WSK-CLOSE-STUCK" in fails["hang"]
    assert len(EXPECTED["hang"]["pending"]) >= 2
    assert len(fails["many_faults"]) >= 8
    assert not fails["midway"]
    assert {f["verdict"] for f in EXPECTED["midway"]["findings"]} == {"suspect", "note"}
    assert EXPECTED["midway"]["lost"]["events"]
