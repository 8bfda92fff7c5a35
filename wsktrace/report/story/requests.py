"""Which requests of a socket were outstanding at an operation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.report.story.rows import Groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.report.story.rows import Columns

__all__ = ["Requests"]

_NEVER: Final = np.iinfo(np.int64).max
#: Requests looked through, latest first, for those that were outstanding.
_LOOK_BACK: Final = 1 << 14
#: Requests whose sorted ends are kept at a time.
_KEPT: Final = 4 << 20


class Requests:
    """The uses of IRPs by socket, with the operations that they lasted from and to.

    Args:
        irps: the table ``irps``.
    """

    def __init__(self, irps: Columns) -> None:
        self._irps = irps
        self._sorted: dict[int, NDArray[np.int64]] = {}
        self._kept = 0

    @cached_property
    def _by_socket(self) -> Groups:
        return Groups(self._irps.values("socket_id"), np.flatnonzero(self._irps.known("socket_id")))

    @cached_property
    def _begins(self) -> NDArray[np.int64]:
        return self._irps.values("issue_operation").astype(np.int64)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Operation that ended each use: its completion; where there is none, never if it is open, else its return."""
        irps = self._irps
        back, done = irps.known("return_operation"), irps.known("complete_operation")
        end = np.where(back, irps.values("return_operation").astype(np.int64), self._begins)
        end = np.where(irps.is_word("outcome", "open"), _NEVER, end)
        return np.where(done, irps.values("complete_operation").astype(np.int64), end)

    def open_at_end(self, socket_id: int) -> NDArray[np.int64]:
        """Return the rows of ``irps`` of what is still pending on a socket when the trace ends."""
        of = self._by_socket.of(socket_id)
        found: NDArray[np.int64] = of[self._ends[of] == _NEVER]
        return found

    def outstanding(self, socket_id: int, operation_id: int) -> tuple[int, NDArray[np.int64]]:
        """Return what was entered before an operation and not over at it.

        Returns:
            How many requests, and the rows of ``irps`` of the latest of them, ascending.
        """
        of = self._by_socket.of(socket_id)
        if socket_id not in self._sorted:
            if self._kept > _KEPT:
                self._sorted, self._kept = {}, 0
            self._sorted[socket_id] = np.sort(self._ends[of])
            self._kept += len(of)
        entered = _before(self._begins, of, operation_id)
        count = entered - int(np.searchsorted(self._sorted[socket_id], operation_id, "right"))
        if count <= 0:
            return 0, of[:0]
        latest = of[max(entered - _LOOK_BACK, 0) : entered]
        return count, latest[self._ends[latest] > operation_id]


def _before(begins: NDArray[np.int64], of: NDArray[np.int64], operation_id: int) -> int:
    """Return how many of the rows ``of`` began before an operation; they are in the order of their begin."""
    low, high = 0, len(of)
    while low < high:
        middle = (low + high) // 2
        if begins[of[middle]] < operation_id:
            low = middle + 1
        else:
            high = middle
    return low
