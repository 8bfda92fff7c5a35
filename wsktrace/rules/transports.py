"""The rule about the list of transports: what is created was in the list that the driver asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.lanes import codes_of
from wsktrace.rules.calls import of_calls
from wsktrace.rules.facts import SOCKET, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, END, ORDER, doubt_if, precedence
from wsktrace.wsk import constants as c
from wsktrace.wsk.constants import family_name
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILY = "creation"
#: The entries are traced right behind the query; where its thread does nothing else, they are waited for so long.
_LIST_NS = 1_000_000_000
#: So many events behind the query are looked at for its thread's next one; then the time decides.
_REACH = 256
_ANY = 0xFFFF


@rule(
    "TRANSPORT-UNLISTED",
    severity="warning",
    party="client",
    shape="P",
    source="seed page, Remarks (the list has all valid combinations); NET wsk-transport-list-query",
    needs=(
        "WskSocket and WskSocketConnect entries with family, type and protocol, "
        "WSK_TRANSPORT_LIST_QUERY with its return, the WskTransport events behind it, the driver's entry"
    ),
    traced=("WskSocket", "WskSocketConnect", "WskControlClient", "WskControlClient return", "WskTransport"),
    follows={"TRANSPORT-COMBO": "use"},
    advice="Take family, type and protocol from an entry of the list, and ask for the list again after a change.",
    limits=(
        "Judged only where the driver asked for the list and traced its entries. A raw entry stands for every "
        "protocol, an entry of AF_UNSPEC for every family. After WSK_TRANSPORT_LIST_CHANGE the list is not known."
    ),
)
def transport_unlisted(f: Facts) -> Instances:
    """What a socket is created with stands in the list of transports that the driver got last.

    Family, type and protocol must be those of one entry; for WskSocketConnect, which is given no family, type and
    protocol. A driver that never asks for the list is not judged.
    """
    rows = f.enters("WskSocket", "WskSocketConnect")
    asked = _queries(f)
    q = np.searchsorted(asked.rows, rows) - 1
    has = q >= 0
    k = np.maximum(q, 0)
    family, kind, protocol, known = _wanted(f, rows)
    listed = _listed(asked, k, family, kind, protocol) if len(asked.rows) else np.zeros(len(rows), bool)
    since = np.append(asked.rows, -1)[np.where(has, k, len(asked.rows))]
    doubts = f.unlogged(SOCKET, np.maximum(since, 0), rows) | np.where(has, _uncertain(f, asked, k, rows), 0)
    broken = precedence(f.world, listed & known, rows, since, doubts.astype(np.uint8), asked.blind(len(rows)))
    broken = broken.doubting(doubt_if(~known, CAP))
    broken.seen[~has] = False
    applies = has | (f.closed_from(rows) != 0) | (asked.blind(len(rows)) != 0)
    connect = family == _ANY

    def tell(i: int) -> str:
        what = f"type {int(kind[i])} with protocol {int(protocol[i])}"
        what = what if connect[i] else f"{family_name(family[i])}, {what}"
        begun = f"{f.op_name(rows[i])} asked for {what}"
        return f"{begun}, which is not in the list of transports that WSK gave {f.since(since[i], rows[i])} before"

    found = of_calls(f, rows, applies, broken, tell)
    found.evidence = (since, rows)
    return found


@dataclass(frozen=True, slots=True)
class _Queries:
    """The successful queries: rows of their returns, ascending, the entries of each, and until where these may come.

    ``entries``: (query, family, type, protocol) per entry. ``unsure``: an entry or a query of which it is not known
    what it is.
    """

    rows: NDArray[np.int64]
    of: NDArray[np.int64]
    family: NDArray[Any]
    kind: NDArray[Any]
    protocol: NDArray[Any]
    until: NDArray[np.int64]
    late: NDArray[np.uint8]
    unsure: bool

    def blind(self, n: int) -> NDArray[np.uint8]:
        """Return ``CAP`` for each of n rows where a query or an entry is not understood."""
        return doubt_if(np.full(n, self.unsure), CAP)


def _queries(f: Facts) -> _Queries:
    ends = f.rows("WskControlClient", Phase.RETURN)
    code, code_known = f.arg("control_code", ends)
    status, known = f.status(ends)
    ends, status, known, code_known = (
        part[~code_known | (code == c.WSK_TRANSPORT_LIST_QUERY)] for part in (ends, status, known, code_known)
    )
    vague = ~code_known | ~known | (status == c.STATUS_PENDING)
    good = ends[~vague & (status < 0x80000000)]
    rows = f.rows("WskTransport", Phase.FACT)
    thread = f.world.thread
    # an entry is of the last query on its thread
    span = np.int64(len(f.world) + 1)
    key = np.sort(thread[good].astype(np.int64) * span + good)
    place = np.searchsorted(key, thread[rows].astype(np.int64) * span + rows) - 1
    mine = place >= 0
    mine &= np.append(key, -1)[place] // span == thread[rows] if len(key) else mine
    own = np.where(mine, np.append(key, 0)[place] % span, -1)
    family, k1 = f.arg("address_family", rows)
    kind, k2 = f.arg("socket_type", rows)
    protocol, k3 = f.arg("protocol", rows)
    whole = mine & k1 & k2 & k3
    until, late = _until(f, good)
    return _Queries(
        rows=good,
        of=np.searchsorted(good, own)[whole],
        family=family[whole],
        kind=kind[whole],
        protocol=protocol[whole],
        until=until,
        late=late,
        unsure=bool(np.any(vague)) or not bool(np.all(whole)),
    )


def _until(f: Facts, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the row at which each query's list is surely over, and ``END`` where the trace ends before.

    That is its thread's next event that is no entry, or any event a good while later.
    """
    time, n = f.ops.time, len(f.world)
    if not len(rows):
        return rows, np.zeros(0, np.uint8)
    deadline = time[rows] + _LIST_NS + f.world.tolerance_ns
    until = np.full(len(rows), n, np.int64)
    entries = np.append(f.rows("WskTransport", Phase.FACT), n)
    thread = f.world.thread
    left = np.arange(len(rows))
    for step in range(1, _REACH + 1):
        left = left[rows[left] + step < n]
        at = rows[left] + step
        found = thread[at] == thread[rows[left]]
        found[found] = entries[np.searchsorted(entries, at[found])] != at[found]
        until[left[found]] = at[found]
        left = left[~found]
        if not len(left):
            break
    else:
        # a row somewhat behind the first that is late enough will do
        ahead = np.maximum.accumulate(time[::_REACH])
        until[left] = np.minimum(np.searchsorted(ahead, deadline[left], side="right") * _REACH, n)
    open_ = (until >= n) & (f.world.coverage.end_ns <= deadline)
    return until, doubt_if(open_, f.world.coverage.end_doubt or END)


def _wanted(
    f: Facts, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return family (``_ANY`` for WskSocketConnect), type, protocol, and whether these are known."""
    connect = f.op_is(rows, "WskSocketConnect")
    family, k1 = f.arg("address_family", rows)
    kind, k2 = f.arg("socket_type", rows)
    protocol, k3 = f.arg("protocol", rows)
    family = np.where(connect, _ANY, family)
    return family.astype(np.int64), kind.astype(np.int64), protocol.astype(np.int64), (k1 | connect) & k2 & k3


def _listed(
    asked: _Queries, k: NDArray[np.int64], family: NDArray[Any], kind: NDArray[Any], protocol: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return whether each (family, type, protocol) is an entry of query k."""

    def combined(family: NDArray[Any], kind: NDArray[Any], protocol: NDArray[Any]) -> NDArray[np.uint64]:
        exact = np.where(kind == c.SOCK_RAW, 0, protocol).astype(np.uint64)
        return (family.astype(np.uint64) << np.uint64(48)) | (kind.astype(np.uint64) << np.uint64(32)) | exact

    nothing, anything = np.zeros(len(kind), np.int64), np.full(len(asked.kind), _ANY, np.int64)
    groups = [
        combined(asked.family, asked.kind, asked.protocol),
        combined(anything, asked.kind, asked.protocol),
        combined(family, kind, protocol),
        combined(nothing, kind, protocol),
    ]
    codes, distinct = codes_of(np.concatenate(groups))
    code = np.split(codes.astype(np.int64), np.cumsum([len(group) for group in groups])[:-1])
    width = np.int64(len(distinct))
    held = np.unique(np.concatenate([asked.of * width + code[0], asked.of * width + code[1]]))
    found: NDArray[np.bool_] = np.isin(k * width + code[2], held) | np.isin(k * width + code[3], held)
    return found


def _uncertain(f: Facts, asked: _Queries, k: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the doubt whether the list of query k is whole and still holds at each row."""
    if not len(asked.rows):
        return np.zeros(len(rows), np.uint8)
    world = f.world
    counts = np.bincount(asked.of, minlength=len(asked.rows))
    doubt = doubt_if(counts[k] == 0, CAP) | asked.late[k]
    whole = world.touch(asked.rows, asked.until) | f.unlogged(
        SOCKET, asked.rows, np.minimum(asked.until, len(world) - 1)
    )
    doubt |= whole[k] | _changed(f, asked.rows[k], rows)
    if not world.has_seq:
        doubt |= world.unordered(asked.rows[k], rows)
        # another query within the tolerance may be the later one
        time = np.sort(f.ops.time[asked.rows])
        for at in (f.ops.time[rows], f.ops.time[asked.rows[k]]):
            low = np.searchsorted(time, at - world.tolerance_ns, side="left")
            high = np.searchsorted(time, at + world.tolerance_ns, side="right")
            near = high - low - (np.abs(f.ops.time[asked.rows[k]] - at) <= world.tolerance_ns)
            doubt |= doubt_if(near > 0, ORDER)
    return doubt.astype(np.uint8)


def _changed(f: Facts, since: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return ``CAP`` where a WSK_TRANSPORT_LIST_CHANGE may have told of a change between two rows."""
    s = f.irps
    calls = f.enters("WskControlClient")
    code, known = f.arg("control_code", calls)
    change = f.submission(calls[known & (code == c.WSK_TRANSPORT_LIST_CHANGE)])
    change = change[change >= 0]
    failed = s.failed()[change] & (s.link_doubt[change] == 0)
    refused = s.ret_is("error")[change] & (s.complete[change] < 0)
    change = change[~failed & ~refused]
    if not len(change):
        return np.zeros(len(rows), np.uint8)
    done, sure = s.complete[change].astype(np.int64), s.link_doubt[change] == 0
    seen = np.sort(done[(done >= 0) & sure])
    told = np.searchsorted(seen, rows) > np.searchsorted(seen, since)
    # one whose completion is not seen, or is another's, may come at any time after its call
    open_ = (done < 0) & ~s.own[change]
    vague = np.sort(s.enter[change][open_ | ((done >= 0) & ~sure)])
    told |= np.searchsorted(vague, rows) > 0
    return doubt_if(told, CAP)
