"""How much is measured, and what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "WANTED", "Size"]

#: What is wanted; printed beside what was measured, judged by nobody here.
WANTED = {
    "records, times etl-parser": 100,
    "records, times dissect.etl": 20,
    "check, events per second": 500_000,
    "check of ten million events, peak MiB": 2048,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    Attributes:
        small, large: events of the native traces.
        one_buffer: records in the single buffer of 16 MiB.
        rounds: how often each contestant runs.
        slow_rounds: the same where one round takes tens of seconds.
        part: which part of a trace a peer reads where the whole takes it minutes.
        spare: peers read only a part wherever they can.
    """

    small: int = 1_000_000
    large: int = 10_000_000
    one_buffer: int = 160_000
    rounds: int = 5
    slow_rounds: int = 3
    part: float = 0.1
    spare: bool = False


FULL = Size()
QUICK = Size(small=24_000, large=100_000, one_buffer=12_000, rounds=1, slow_rounds=1, spare=True)
