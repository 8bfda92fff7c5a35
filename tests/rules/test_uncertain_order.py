"""Without Seq, clocks that disagree by less than the tolerance never make a legal driver break a rule (1.4)."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
from edge_traces import fails
from test_shapes import MS, _judged, follow, world

from wsktrace.testing import legal
from wsktrace.testing.driver import busy, skewed
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_writer import write_native
from wsktrace.testing.events import without_seq

if TYPE_CHECKING:
    from wsktrace.testing.events import Event

#: Clocks that differ by this much at most are within the native profile's tolerance of 1 ms.
MOST_NS = (50_000, 500_000, 990_000)


def _one(events: list[Event], seed: int) -> set[str]:
    rng = random.Random(seed)
    most = rng.choice(MOST_NS)
    moved = skewed(without_seq(events), [rng.randrange(most) for _ in range(1 + max(e.cpu for e in events))])
    return fails(write_native(moved, options=TraceOptions(end=moved[-1].time + 10 * MS)))


@pytest.mark.parametrize("number", range(1, 16))
def test_legal_patterns(number: int) -> None:
    events = legal.legal_trace(number).events
    for seed in range(3):
        assert _one(events, seed) <= ({"WSK-TRANSPORT-COMBO"} if number == 12 else set()), seed


@pytest.mark.parametrize("seed", range(6))
def test_busy_traffic(seed: int) -> None:
    for n in range(2):
        assert not _one(busy(seed, sockets=8).events, n), n


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_busy_traffic_at_length(seed: int) -> None:
    for n in range(6):
        assert not _one(busy(seed, sockets=12).events, n), n


def test_a_verdict_of_what_may_not_follow_holds_in_every_possible_order() -> None:
    decided = 0
    for seed in range(300):
        rng = random.Random(seed)
        n = rng.randint(2, 6)
        letters = [rng.choice("AABBC") for _ in range(n)]
        times = sorted(rng.randrange(0, 3 * MS) for _ in range(n))
        cpus = [rng.randrange(2) for _ in range(n)]
        tids = [rng.randrange(1, 4) for _ in range(n)]
        where = world(n, times=times, cpus=cpus, tids=tids, seq=False)
        found = dict(zip(_judged(letters), follow(" ".join(letters), where), strict=True))

        def before(a: int, b: int) -> bool:
            same = cpus[a] == cpus[b] or tids[a] == tids[b]  # noqa: B023
            return (a < b) if same else times[a] + MS < times[b]  # noqa: B023

        possible_in: dict[int, set[bool]] = {row: set() for row in found}
        for order in itertools.permutations(range(n)):
            if any(before(b, a) for a, b in itertools.combinations(order, 2)):
                continue
            state = False
            for row in order:
                if letters[row] == "B":
                    possible_in[row].add(state)
                else:
                    state = letters[row] == "A"
        for row, verdict in found.items():
            if verdict in ("fail", "pass"):
                decided += 1
                assert possible_in[row] == {verdict == "fail"}, f"{seed}: {letters} {times} {cpus} {tids}, row {row}"
    assert decided > 100
