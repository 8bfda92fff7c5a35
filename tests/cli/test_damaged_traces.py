"""Random damage to real traces and samples, through all stages: reading, decoding, lives, rules, ``info``, the console.

What must come out is an account or a ``WsktraceError``: no other exception, no warning, no hang, and every byte is
accounted for.
The ETL layer's own tests check that buffers which were not touched read as before.
"""

from __future__ import annotations

import io
import json
import os
import random
from pathlib import Path

import pytest
from time_limit import time_limit

import wsktrace
from wsktrace.errors import WsktraceError
from wsktrace.report import info_text
from wsktrace.report.info import as_json
from wsktrace.testing.damage import damage, extents, flip_bits, overwrite

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", ROOT.parent / "shared" / "corpus")) / "etl"
TRACES = [*sorted((ROOT / "samples").glob("*.etl")), *sorted(CORPUS.glob("*.etl"))]
#: Seconds for one run on a busy machine; a usual one takes hundredths.
LIMIT = 20.0
#: Bytes of a trace that the long run damages: as many buffers from its beginning as fit.
LONG = 300_000
#: Bytes of the traces that the short run damages.
SHORT = 1_000_000

traces = pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name)


def run(data: bytes, name: str) -> bool:
    """Account for a file by all stages; returns whether it could be read."""
    file = io.BytesIO(data)
    file.name = name
    with time_limit(LIMIT):
        try:
            trace = wsktrace.open(file)
        except WsktraceError:
            return False
        with trace:
            trace.render("text")
            trace.render("json")
            for table in (
                "operations",
                "irps",
                "sockets",
                "descriptors",
                "registrations",
                "rules",
                "quality",
                "latency",
            ):
                trace.arrow(table)
            found = trace.info()
        info_text.render(found)
        assert sum(json.loads(as_json(found))["bytes"].values()) == len(data)
    return True


def damaged(data: bytes, name: str, seed: int) -> bytes:
    """Damage a file in one way, and every second file in another on top of it."""
    rng = random.Random(f"{name} {seed}")
    _, data = damage(data, seed + 5 * rng.randrange(1 << 20))
    return rng.choice([flip_bits, overwrite])(data, seed) if rng.random() < 0.5 else data


@pytest.mark.parametrize("path", [path for path in TRACES if path.stat().st_size < SHORT], ids=lambda path: path.name)
def test_random_damage_through_all_stages(path: Path) -> None:
    whole = path.read_bytes()
    for seed in range(5):
        run(damaged(whole, path.name, seed), f"{path.name} damaged by seed {seed}")


@pytest.mark.long
@traces
def test_random_damage_through_all_stages_at_length(path: Path) -> None:
    whole = path.read_bytes()
    ends = [end for _, end in extents(whole)]
    whole = whole[: max([end for end in ends if end <= LONG], default=ends[0])]
    assert run(whole, path.name)
    for seed in range(5, 60):
        run(damaged(whole, path.name, seed), f"{path.name} damaged by seed {seed}")
