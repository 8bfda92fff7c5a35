"""The samples, each opened once for all tests: with what is undecided and with notes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wsktrace

if TYPE_CHECKING:
    from wsktrace.trace import Trace

SAMPLES = Path(__file__).parents[2] / "samples"
_USUAL = ("many_faults", "midway")
_OTHERS = sorted({path.stem for path in SAMPLES.glob("*.etl")} - set(_USUAL))
NAMES = [*_USUAL, *(pytest.param(name, marks=pytest.mark.long) for name in _OTHERS)]


@cache
def sample(name: str) -> Trace:
    """One sample; its tables stay."""
    with wsktrace.open(SAMPLES / f"{name}.etl", unknown=True, notes=True) as trace:
        for table in ("findings", "rules", "operations", "irps"):
            trace.arrow(table)
        assert trace.summary.judged
    return trace
