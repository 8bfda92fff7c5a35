"""Lookups that several rules about sockets need: the first row of each, the next one, order near a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.shapes import ORDER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts

__all__ = ["first_of", "leading", "next_of", "order_of", "ordered"]

_ALL = np.iinfo(np.int64).max


def ordered(f: Facts, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return ``ORDER`` where two rows, in whichever order they stand, may have happened in the other."""
    return f.world.unordered(np.minimum(a, b), np.maximum(a, b))


def order_of(f: Facts, socket: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return ``ORDER`` where events near the bounds of a socket's life may belong to another life."""
    return f.sockets.doubt[socket] & np.uint8(ORDER) if len(f.sockets) else np.zeros(len(socket), np.uint8)


def leading(rank: NDArray[np.integer[Any]], place: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Return per place the index of its first element of the lowest rank, -1 where it has none."""
    order = np.lexsort((rank, place))
    leads = np.full(count, -1, np.int64)
    leads[place[order][::-1]] = order[::-1]
    return leads


def first_of(socket: NDArray[np.integer[Any]], rows: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Return per socket the first of the rows that are of it, -1 where none is; socket -1 counts for none."""
    first = np.full(count, _ALL, np.int64)
    mine = socket >= 0
    np.minimum.at(first, socket[mine], rows[mine])
    return np.where(first == _ALL, -1, first)


def next_of(
    socket: NDArray[np.integer[Any]],
    rows: NDArray[np.integer[Any]],
    asked: NDArray[np.integer[Any]],
    after: NDArray[np.integer[Any]],
) -> NDArray[np.int64]:
    """Return the first of the rows that is of the asked socket and behind a row, -1 where there is none."""
    wide = np.int64(1 << 32)
    keys = np.sort(socket.astype(np.int64) * wide + rows)
    place = np.searchsorted(keys, asked * wide + after, side="right")
    found = np.append(keys, -1)[place]
    return np.where((found >= 0) & (found // wide == asked) & (asked >= 0), found % wide, -1)
