"""The rule about lists of received data that a callback retained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import codes_of
from wsktrace.rules.callback_results import context_doubt
from wsktrace.rules.facts import DATA, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, ORDER, Answer, balance, doubt_if
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "callbacks"
_WARNING, _ERROR = 1, 2


@dataclass(frozen=True, slots=True)
class _Lists:
    """Lists of data that callbacks retained, or may have (not ``sure``): entry and return, pointer, the one socket."""

    enter: NDArray[np.int64]
    ret: NDArray[np.int64]
    sure: NDArray[np.bool_]
    pointer: NDArray[np.uint64]
    socket: NDArray[np.int64]

    def those(self, which: NDArray[Any]) -> _Lists:
        return _Lists(self.enter[which], self.ret[which], self.sure[which], self.pointer[which], self.socket[which])


def _retained(f: Facts) -> _Lists:
    """Return the lists that receive callbacks retained, or may have; a callback without a list has none."""
    enter = np.sort(
        np.concatenate([f.rows(name, Phase.CALLBACK) for name in ("WskReceiveEvent", "WskReceiveFromEvent")])
    )
    ret = f.world.mate[enter].astype(np.int64)
    told = (ret >= 0) & ((f.ops.known[ret] & KNOWN_STATUS) != 0) if len(ret) else ret >= 0
    keeps = ~told | (f.ops.status[ret] == c.STATUS_PENDING)
    enter, ret, told = enter[keeps], ret[keeps], told[keeps]
    pointer, known = f.arg("indication", enter)
    calls = f.traits.callbacks
    lists = _Lists(
        enter, ret, told & known, pointer.astype(np.uint64), calls.socket[np.searchsorted(calls.rows, enter)]
    )
    return lists.those(~known | (pointer != 0))


def _count(
    key: NDArray[np.int64], of: NDArray[np.integer[Any]], low: NDArray[Any], high: NDArray[Any]
) -> NDArray[np.int64]:
    """Return how many of the sorted ``(entity << 32) + row`` have that entity and low < row < high."""
    base = of.astype(np.int64) << 32
    first = np.searchsorted(key, base + low, side="right")
    found: NDArray[np.int64] = np.searchsorted(key, base + high, side="left") - first
    return np.maximum(found, 0)


@dataclass(frozen=True, slots=True)
class _Releases:
    """The entries of WskRelease by pointer and by socket, ready to be counted."""

    by_pointer: NDArray[np.int64]
    by_socket: NDArray[np.int64]
    pointers: NDArray[np.int32]


def _releases(f: Facts, lists: _Lists) -> _Releases:
    """Return the releases; ``pointers`` is the number of each list's pointer."""
    rows = f.enters("WskRelease")
    pointer, _ = f.arg("indication", rows)
    codes, _ = codes_of(np.concatenate([pointer.astype(np.uint64), lists.pointer]))
    on = f.socket_of(rows)
    return _Releases(
        np.sort((codes[: len(rows)].astype(np.int64) << 32) + rows), np.sort((on << 32) + rows), codes[len(rows) :]
    )


def _near(
    f: Facts, releases: _Releases, lists: _Lists, pointers: NDArray[Any], close: NDArray[Any]
) -> NDArray[np.uint8]:
    """Return ``ORDER`` where a release stands outside (entry, close) by less than clocks can be trusted."""
    doubt = np.zeros(len(close), np.uint8)
    if f.world.has_seq or not len(close):
        return doubt
    time, within = f.ops.time, f.world.tolerance_ns
    low = np.searchsorted(time, time[lists.enter] - within, side="left") - 1
    high = np.searchsorted(time, time[close] + within, side="right")
    for key, of in ((releases.by_pointer, pointers), (releases.by_socket, lists.socket)):
        wide = _count(key, of, low, high) > _count(key, of, lists.enter, close)
        doubt |= doubt_if(wide, ORDER)
    return doubt


@rule(
    "INDICATION-RETAINED",
    severity="error",
    party="client",
    shape="C",
    source="DDI receive_event, receive_from_event (STATUS_PENDING), release_data_indication_list; close_socket",
    needs=(
        "WskReceiveEvent and WskReceiveFromEvent with SocketContext, Indication and Status, WskRelease entries, "
        "creations with SocketContext, WskCloseSocket entries"
    ),
    traced=(
        "WskReceiveEvent",
        "WskReceiveEvent return",
        "WskReceiveFromEvent",
        "WskReceiveFromEvent return",
        "WskRelease",
        "creations",
        "IrpComplete",
        "WskCloseSocket",
    ),
    advice="Keep the retained lists of a socket where its owner finds them, and release what is left before the close.",
    limits=(
        "Lists may be taken apart and joined. One that was not released by its own address is a suspect as long as "
        "others of its socket were released since, and fewer than were retained. A context that several live sockets "
        "share, or NULL, does not say whose the list is."
    ),
)
def indication_retained(f: Facts) -> Instances:
    """Lists of data that a receive callback retained are released before their socket is closed.

    A callback retains the list by returning STATUS_PENDING; WskRelease with the same socket gives it back.
    """
    s = f.sockets
    every = _retained(f)
    close = np.append(s.close, -1)[every.socket].astype(np.int64)
    strange = every.those((every.socket < 0) & every.sure)
    judged = (every.socket >= 0) & (close > np.maximum(every.ret, every.enter))
    lists, close = every.those(judged), close[judged]
    at, left, others = _not_released(f, lists, close)

    # one instance per socket: its worst list, or its first where all came back
    on, shown = np.unique(lists.socket, return_index=True)
    n, m = len(on), len(strange.enter)
    worst = np.lexsort((lists.enter[at], left.doubt != 0, ~left.seen, lists.socket[at]))
    socket_left, first = np.unique(lists.socket[at][worst], return_index=True)
    mine, worst = np.searchsorted(on, socket_left), worst[first]
    shown[mine] = at[worst]
    broken = Answer(np.zeros(n + m, np.bool_), np.full(n + m, ALIAS, np.uint8))
    broken.doubt[:n] = s.doubt[on] | f.world.touch(s.create[on], s.close[on])
    broken.seen[mine], broken.doubt[mine] = left.seen[worst], left.doubt[worst]
    severity = np.full(n + m, _ERROR)
    severity[mine] = np.where(others[worst] > 0, _WARNING, _ERROR)
    how_many = np.bincount(lists.socket[at][left.seen], minlength=len(s))
    nobody = np.full(m, -1, np.int64)
    socket = np.concatenate([on, nobody])
    row = np.concatenate([close[shown], strange.enter])
    begun = np.concatenate([lists.enter[shown], strange.enter])

    def tell(i: int) -> str:
        more = int(how_many[socket[i]]) - 1
        which = f"{f.say(lists.pointer[shown[i]])}" + (f" and {more} more" if more > 0 else "")
        what = f"socket {f.say(s.address[socket[i]])} was closed before WskRelease had given back the data {which}"
        return f"{what}, which {f.op_name(begun[i])} had retained {f.since(begun[i], row[i])} before"

    return Instances(
        row,
        np.ones(n + m, bool),
        broken,
        "sockets",
        socket,
        np.append(f.submission(close[shown]), nobody),
        socket,
        tell,
        (begun, row),
        severity=severity,
        outside=len(s) - n,
    )


def _not_released(
    f: Facts, lists: _Lists, close: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Answer, NDArray[np.int64]]:
    """Return the lists that were not released by their address before the close of their socket.

    Whether each was certainly kept, and how many lists of its socket were released since it was retained.
    """
    releases = _releases(f, lists)
    at = np.flatnonzero(_count(releases.by_pointer, releases.pointers, lists.enter, close) == 0)
    left, end = lists.those(at), close[at]
    others = _count(releases.by_socket, left.socket, left.enter, end)
    given = np.bincount(lists.socket[lists.sure], minlength=len(f.sockets))[left.socket]
    fewer = _count(releases.by_socket, left.socket, np.full(len(at), -1), end) < given
    doubt = context_doubt(f, np.searchsorted(f.traits.callbacks.rows, left.enter)) | f.closed_from(end)
    doubt |= f.unlogged(DATA, left.enter, end) | f.blind_calls | doubt_if(~left.sure, CAP) | doubt_if(others > 0, ALIAS)
    doubt |= _near(f, releases, left, releases.pointers[at], end)
    back = np.flatnonzero(left.ret >= 0)
    doubt[back] |= f.world.unordered(left.ret[back], end[back])
    returned = np.where(left.sure & ((others == 0) | fewer), -1, 0)
    kept = balance(returned, at_most=-1, doubts=(doubt.astype(np.uint8),))
    return at, kept.settled_where((others > 0) & ~fewer), others
