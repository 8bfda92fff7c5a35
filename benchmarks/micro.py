"""What the micro benchmarks share: repeating a small piece of work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["timed"]


def timed(count: int, work: Callable[[], Any], *, least: float = 0.3, most: int = 7) -> dict[str, float]:
    """Do the work again and again, until ``least`` seconds or ``most`` times are spent.

    Returns:
        How many things it was done to, and the seconds of its median run.
    """
    runs: list[float] = []
    while not runs or (sum(runs) < least and len(runs) < most):
        begun = time.perf_counter()
        work()
        runs.append(time.perf_counter() - begun)
    return {"count": count, "seconds": sorted(runs)[len(runs) // 2]}
