"""After losses: the buffers that the session would have needed.

Source: etl-and-wpp-format 1.1 (a session's buffers are flushed when they are full or once a second; events and buffers
are lost where none is free). The figures are an estimate from what was written and what was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.model.filefacts import NEVER

if TYPE_CHECKING:
    from wsktrace.model.filefacts import FileFacts

__all__ = ["BufferAdvice", "buffer_advice"]

_SECOND = 1_000_000_000
#: The writer gets a second to empty a full second's buffers while the next one's are filled.
_SECONDS_HELD = 2
_SMALLEST_KB, _LARGEST_KB = 64, 1024


@dataclass(frozen=True, slots=True)
class BufferAdvice:
    """Settings of a session: size of a buffer in KB, and how many there are at least and at most."""

    size_kb: int
    minimum: int
    maximum: int

    @property
    def words(self) -> str:
        """As logman and xperf are told."""
        return (
            f"logman -bs {self.size_kb} -nb {self.minimum} {self.maximum} "
            f"(xperf -BufferSize {self.size_kb} -MinBuffers {self.minimum} -MaxBuffers {self.maximum})"
        )


def buffer_advice(facts: FileFacts) -> BufferAdvice | None:
    """Return the settings that would have held the busiest two seconds and what was lost; None where nothing was."""
    if not facts.events_lost and not facts.buffers_lost:
        return None
    b = facts.buffers
    timed = np.flatnonzero((facts.last > NEVER) & (b.records > 0))
    peak, mean = 0, 256.0
    if len(timed):
        second = (facts.last[timed] - int(facts.last[timed].min())) // _SECOND
        kinds, place = np.unique(second, return_inverse=True)
        peak = int(np.bincount(place, weights=b.used[timed].astype(np.float64), minlength=len(kinds)).max())
        mean = max(float(b.used[timed].sum()) / max(int(b.records[timed].sum()), 1), 16.0)
    size = max(facts.buffer_size, 1024)
    lost = facts.buffers_lost * size + int(facts.events_lost * mean)
    kb = min(max(_power_of_two(size // 1024), _SMALLEST_KB), _LARGEST_KB)
    wanted = -(-(_SECONDS_HELD * peak + lost) // (kb * 1024)) + 2 * facts.cpus
    return BufferAdvice(kb, max(wanted // 2, 2 * facts.cpus), wanted)


def _power_of_two(value: int) -> int:
    return 1 << max(value - 1, 0).bit_length()
