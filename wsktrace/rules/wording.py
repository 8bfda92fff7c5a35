"""How findings write addresses and durations."""

from __future__ import annotations

__all__ = ["address", "duration"]


def address(value: int, pointer_size: int = 8) -> str:
    """Print an address as WinDbg does: ffff8001`23456780."""
    if pointer_size == 4 and value < 1 << 32:
        return f"{value:08x}"
    return f"{value >> 32:08x}`{value & 0xFFFFFFFF:08x}"


def duration(ns: int) -> str:
    """Print a duration with a unit that fits."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if abs(ns) >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"
