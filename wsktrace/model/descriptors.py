"""Cached security descriptors: references per address over time.

Source: wsk-contract 1.3 (cached SD), 1.5 item 11, 3.A; native-provider (InputValue, OutputValue).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.doubt import CAP
from wsktrace.model.lanes import Lane
from wsktrace.wsk import constants as c
from wsktrace.wsk.operations import CODES, Phase
from wsktrace.wsk.ops import KNOWN_STATUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.model.irps import Submissions
    from wsktrace.model.world import World

__all__ = ["CACHED", "FETCHED", "GIVEN", "RELEASE", "USE", "Descriptors", "descriptors"]

# kinds of elements of the descriptor lane
CACHED, FETCHED, RELEASE, USE, GIVEN = range(5)


@dataclass(slots=True)
class Descriptors:
    """The descriptor lane, one element per event of an address; ``lane.group`` is the descriptor.

    ``level``: references before the element, as far as seen (never below zero). ``counts``: a release that
    succeeded, hence takes a reference. ``mate``: return of a release, entry of a cache. ``submission``: the use of an
    IRP of a USE. ``blind_from``: from this row on references are a lower bound, for some output was not traced.
    """

    lane: Lane
    kind: NDArray[np.uint8]
    level: NDArray[np.int64]
    counts: NDArray[np.bool_]
    unsure: NDArray[np.bool_]
    mate: NDArray[np.int64]
    submission: NDArray[np.int64]
    #: GIVEN only: the call succeeded and gave another address
    copied: NDArray[np.bool_]
    blind_from: int

    def blind(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return ``CAP`` for rows after an output that was not traced."""
        return np.where(rows > self.blind_from, CAP, 0).astype(np.uint8)


def descriptors(world: World, subs: Submissions) -> Descriptors:
    """Gather the descriptor events of one load."""
    ops = world.ops
    never = len(ops) + 1
    blind = never
    calls = world.rows("WskControlClient", Phase.ENTER)
    code, code_known = ops.arg("control_code", calls)
    blind = min(blind, *calls[~code_known].tolist()[:1], never)
    value, value_known = ops.arg("input_value", calls)
    returns = world.mate[calls].astype(np.int64)
    has = returns >= 0
    status = np.where(has, ops.status[returns], 0)
    status_known = has & ops.has(KNOWN_STATUS)[returns]
    good = status_known & (status < 0x80000000)

    caching = code_known & (code == c.WSK_CACHE_SD)
    output, output_known = ops.arg("output_value", np.maximum(returns, 0))
    cached = caching & good & output_known & (output != 0)
    lost = caching & has & ~(output_known & status_known)
    blind = min(blind, *returns[lost].tolist()[:1], never)
    given = caching & value_known & (value != 0)
    releasing = code_known & (code == c.WSK_RELEASE_SD)
    released = releasing & value_known & (value != 0)
    blind = min(blind, *calls[releasing & ~value_known].tolist()[:1], never)

    fetches, fetched, missed = _fetched(world, subs)
    blind = min(blind, missed)
    uses, used, use_sub = _uses(world, subs)

    order_rows = [returns[cached], fetches, calls[released], uses, calls[given]]
    order_keys = [output[cached], fetched, value[released], used, value[given]]
    kinds = np.repeat(np.arange(5, dtype=np.uint8), [len(part) for part in order_rows])
    rows = np.concatenate(order_rows)
    keys = np.concatenate([part.astype(np.uint64) for part in order_keys])
    mate = np.concatenate(
        [calls[cached], np.full(len(fetches), -1), returns[released], np.full(len(uses), -1), returns[given]]
    )
    sub = np.full(len(rows), -1, np.int64)
    first_use = len(rows) - int(given.sum()) - len(uses)
    sub[first_use : first_use + len(uses)] = use_sub
    counts = np.zeros(len(rows), np.bool_)
    unsure = np.zeros(len(rows), np.bool_)
    first_release = int(cached.sum()) + len(fetches)
    at = slice(first_release, first_release + int(released.sum()))
    counts[at] = good[released]
    unsure[at] = ~status_known[released]
    copied = np.zeros(len(rows), np.bool_)
    copied[len(rows) - int(given.sum()) :] = (good & output_known & (output != 0) & (output != value))[given]

    by = np.argsort(rows, kind="stable")
    lane = Lane(rows[by], keys[by])
    pick = by[lane.order]
    kind, counts = kinds[pick], counts[pick]
    steps = np.where((kind == CACHED) | (kind == FETCHED), 1, np.where(counts, -1, 0))
    return Descriptors(
        lane=lane,
        kind=kind,
        level=_reflected(lane, steps),
        counts=counts,
        unsure=unsure[pick],
        mate=mate[pick].astype(np.int64),
        submission=sub[pick],
        copied=copied[pick],
        blind_from=blind,
    )


def _reflected(lane: Lane, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the running sum before each element, held at zero from below: an unknown reference may be released."""
    if not len(lane):
        return np.zeros(0, np.int64)
    before = lane.before(steps)
    after = before + steps
    # the lowest level so far inside the group, as a running minimum over groups set far apart
    low = np.minimum(after, 0)
    spread = np.int64(len(lane) + 1) * lane.group.astype(np.int64)
    lowest = np.minimum.accumulate(low - spread) + spread
    lowest_before = np.where(np.arange(len(lane)) == lane.head, 0, np.concatenate([[0], lowest[:-1]]))
    return before - np.minimum(lowest_before, 0)


def _fetched(world: World, subs: Submissions) -> tuple[NDArray[np.int64], NDArray[np.uint64], int]:
    """Return the successful SO_WSK_SECURITY gets whose output was traced, and the first row of one that was not."""
    ops = world.ops
    facts = world.rows("WskControlSocket", Phase.FACT)
    code, k1 = ops.arg("control_code", facts)
    level, k2 = ops.arg("level", facts)
    output, k3 = ops.arg("output_value", facts)
    wanted = k1 & k2 & k3 & (code == c.SO_WSK_SECURITY) & (level == c.SOL_SOCKET)
    rows, values = facts[wanted], output[wanted].astype(np.uint64)
    get = np.flatnonzero(subs.op == CODES["WskControlSocket"])
    request, r1 = ops.arg("request_type", subs.enter[get])
    code, r2 = ops.arg("control_code", subs.enter[get])
    get = get[r1 & r2 & (request == c.WSK_GET_OPTION) & (code == c.SO_WSK_SECURITY) & subs.succeeded()[get]]
    missed = len(ops) + 1
    by_irp: dict[int, list[int]] = {}
    for irp, row in zip(ops.irp[rows].tolist(), rows.tolist(), strict=True):
        by_irp.setdefault(irp, []).append(row)
    for s in get.tolist():
        facts_of = by_irp.get(int(subs.irp[s]), [])
        place = bisect_right(facts_of, int(subs.complete[s]))
        until = int(subs.next_enter[s])
        if place == len(facts_of) or (0 <= until < facts_of[place]):
            missed = min(missed, int(subs.complete[s]))
            break
    return rows[values != 0], values[values != 0], missed


def _uses(world: World, subs: Submissions) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return entries that use a descriptor: creations, and sets of SO_WSK_SECURITY; with their use of an IRP."""
    ops = world.ops
    creating = np.flatnonzero(world.is_(("WskSocket", "WskSocketConnect"), Phase.ENTER))
    value, known = ops.arg("security_descriptor", creating)
    creating, used = creating[known & (value != 0)], value[known & (value != 0)]
    sets = world.rows("WskControlSocket", Phase.ENTER)
    request, k1 = ops.arg("request_type", sets)
    code, k2 = ops.arg("control_code", sets)
    level, k3 = ops.arg("level", sets)
    value, k4 = ops.arg("input_value", sets)
    chosen = k1 & k2 & k3 & k4 & (request == c.WSK_SET_OPTION) & (code == c.SO_WSK_SECURITY)
    chosen &= (level == c.SOL_SOCKET) & (value != 0)
    rows = np.concatenate([creating, sets[chosen]])
    return rows, np.concatenate([used, value[chosen]]).astype(np.uint64), subs.of_row[rows].astype(np.int64)
