"""What rules about the arguments of calls share: instances per call, and whether a socket is still the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import SOCKET, Facts, so
from wsktrace.rules.rule import Instances
from wsktrace.rules.shapes import ALIAS, Answer, doubt_if
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["entries", "of_calls", "same_socket"]


def entries(f: Facts, *names: str) -> NDArray[np.int64]:
    """Return the entry rows of the named calls, call by call: cheaper than in order where there are millions."""
    return np.concatenate([f.rows(name, Phase.ENTER) for name in names])


def of_calls(
    f: Facts,
    rows: NDArray[np.integer[Any]],
    applies: NDArray[np.bool_],
    broken: Answer,
    tell: Callable[[int], str],
    outside: int = 0,
) -> Instances:
    """Return instances that judge calls: the use of the IRP where there is one, else the operation."""
    use = f.submission(rows)
    return Instances(rows, applies, broken, "irps", use, use, f.socket_of(rows), tell, (rows,), outside=outside)


def same_socket(f: Facts, socket: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return the doubt whether each row's call, on a socket's address, is on that very socket, born in the trace.

    The address may have gone to another socket after a close; what hides that, or the order of both, is doubt.
    """
    s, world = f.sockets, f.world
    if not len(s):
        return np.zeros(len(rows), np.uint8)
    birth, close = s.birth[socket], s.close[socket]
    doubt = s.doubt[socket] | world.touch(birth, rows) | f.unlogged(SOCKET, birth, rows) | f.blind_calls
    over = ((close >= 0) & (close < rows)) | ((s.rejected[socket] >= 0) & (s.rejected[socket] < rows))
    doubt |= doubt_if(over, ALIAS)
    maybe = s.lane.kind == so.MAYBE
    if bool(np.any(maybe)):
        lane = s.lane.lane
        doubt |= doubt_if(np.isin(s.address[socket], lane.keys[lane.group[maybe]]), ALIAS)
    if not world.has_seq:
        doubt |= world.unordered(np.minimum(birth, rows), np.maximum(birth, rows))
        doubt |= np.where(close >= 0, world.unordered(rows, np.maximum(close, 0)), 0).astype(np.uint8)
    found: NDArray[np.uint8] = doubt.astype(np.uint8)
    return found
