"""Where the clock of a processor ran backwards, as far as the order of records in the file tells.

Source: etl-and-wpp-format 1.1: the records of a buffer, and the buffers of one processor, stand in the order in which
they were written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.filefacts import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.filefacts import FileFacts
    from wsktrace.wsk.ops import Operations

__all__ = ["ClockSteps", "clock_steps"]

_NO_PER_PROCESSOR = 0x10000000


@dataclass(frozen=True, slots=True)
class ClockSteps:
    """How many steps back there are, and the longest: the processor, the time before and after it, ns UTC."""

    checked: int = 0
    count: int = 0
    cpu: int = 0
    before_ns: int = 0
    after_ns: int = 0


def clock_steps(ops: Operations, facts: FileFacts) -> ClockSteps:
    """Return the steps back between operations of one buffer, and between buffers of one processor.

    ``ops`` are in the order of the file.
    """
    if facts.mode & _NO_PER_PROCESSOR:
        return ClockSteps()
    found = [_of_records(ops), _of_buffers(facts)]
    worst = max(found, key=lambda step: step.before_ns - step.after_ns)
    return ClockSteps(
        sum(step.checked for step in found),
        sum(step.count for step in found),
        worst.cpu,
        worst.before_ns,
        worst.after_ns,
    )


def _of_records(ops: Operations) -> ClockSteps:
    together = ops.record_buffer[1:] == ops.record_buffer[:-1]
    return _steps(together, ops.time[:-1], ops.time[1:], ops.cpu[1:])


def _of_buffers(facts: FileFacts) -> ClockSteps:
    known = np.flatnonzero((facts.first > NEVER) & (facts.last > NEVER) & (facts.buffers.state == 0))
    by = known[np.lexsort((facts.buffers.sequence[known], facts.buffers.cpu[known]))]
    cpu = facts.buffers.cpu[by]
    return _steps(cpu[1:] == cpu[:-1], facts.last[by][:-1], facts.first[by][1:], cpu[1:])


def _steps(
    together: NDArray[np.bool_], before: NDArray[np.int64], after: NDArray[np.int64], cpu: NDArray[np.integer[Any]]
) -> ClockSteps:
    back = np.flatnonzero(together & (after < before))
    checked = int(together.sum())
    if not len(back):
        return ClockSteps(checked)
    worst = int(back[np.argmax(before[back] - after[back])])
    return ClockSteps(checked, len(back), int(cpu[worst]), int(before[worst]), int(after[worst]))
