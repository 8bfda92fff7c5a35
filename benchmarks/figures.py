"""Figures of repeated measurements: median, smallest and largest, and ratios pair by pair."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Spread", "ratios", "spread"]


class Spread(TypedDict):
    """What repeated measurements of one thing gave."""

    median: float
    min: float
    max: float
    n: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return the figures of what was measured; None where nothing was."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"median": median(known), "min": min(known), "max": max(known), "n": len(known)}


def ratios(above: Iterable[float | None], below: Iterable[float | None]) -> Spread | None:
    """Return the figures of above/below, each pair from the same round of an interleaved measurement."""
    pairs = zip(above, below, strict=True)
    return spread(a / b if a and b else None for a, b in pairs)
