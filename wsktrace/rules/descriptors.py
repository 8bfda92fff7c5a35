"""Rules about cached security descriptors: cached before use, kept until completion, released once, released at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules.facts import IRP, SOCKET, Facts, sd
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import (
    CAP,
    LOST,
    ORDER,
    Answer,
    balance,
    doubt_if,
    forbidden_follow,
    liveness,
    overlap,
    precedence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


FAMILY = "descriptors"


def _doubts(f: Facts, at: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return why the references before these elements may be otherwise.

    Hidden caches, unseen outputs, unsure releases.
    """
    d = f.descriptors
    rows = d.lane.rows[at]
    doubt = f.closed_from(rows) | d.blind(rows) | f.unlogged(SOCKET, np.zeros(len(at), np.int64), rows)
    taken = (d.kind == sd.CACHED) | (d.kind == sd.FETCHED)
    doubt |= f.world.loose(d.lane, at, taken | d.counts, ahead=True)
    doubt |= f.world.loose(d.lane, at, taken | d.counts, ahead=False)
    doubt |= doubt_if(d.lane.last(_early(f))[at] >= 0, ORDER)
    return doubt | doubt_if(d.lane.last(d.unsure)[at] >= 0, LOST)


def _early(f: Facts) -> NDArray[np.bool_]:
    """Return the releases that were seen with no reference left, and may have followed the cache that stands behind."""
    d = f.descriptors
    early = np.flatnonzero(d.counts & (d.level <= 0))
    taken = (d.kind == sd.CACHED) | (d.kind == sd.FETCHED)
    found = np.zeros(len(d.lane), np.bool_)
    found[early[f.world.loose(d.lane, early, taken, ahead=True) != 0]] = True
    return found


def _sharp(f: Facts, at: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return where the address is certainly the caller's own.

    It was copied into the cache, and never came out of it.
    """
    d = f.descriptors
    outputs = (d.kind == sd.CACHED) | (d.kind == sd.FETCHED)
    came_out = np.zeros(len(d.lane.keys), bool)
    came_out[d.lane.group[outputs]] = True
    copied = d.lane.last(d.copied)[at]
    begun = np.where(copied >= 0, d.lane.rows[np.maximum(copied, 0)], -1)
    rows = d.lane.rows[at]
    proven = (copied >= 0) & (d.mate[np.maximum(copied, 0)] < rows)
    sharp: NDArray[np.bool_] = proven & ~came_out[d.lane.group[at]] & (f.world.touch(begun, rows) == 0)
    return sharp


def _of(
    f: Facts,
    at: NDArray[np.integer[Any]],
    broken: Answer,
    tell: Callable[[int], str],
    *evidence: NDArray[np.integer[Any]],
) -> Instances:
    d = f.descriptors
    rows = d.lane.rows[at]
    use = d.submission[at]
    on = np.where(use >= 0, np.append(f.socket_of_irp, -1)[use], -1)
    return Instances(
        rows,
        np.ones(len(at), bool),
        broken,
        "descriptors",
        d.lane.group[at].astype(np.int64),
        use,
        on,
        tell,
        (*evidence, rows),
    )


def _named(f: Facts, position: int | np.integer[Any]) -> str:
    """Print the descriptor of an element of the lane."""
    lane = f.descriptors.lane
    return f"security descriptor {f.say(lane.keys[lane.group[position]])}"


@rule(
    "SD-NOT-CACHED",
    severity="error",
    party="client",
    shape="P",
    source="seed page, SecurityDescriptor; NET wsk-cache-sd, so-wsk-security",
    needs="creations with SecurityDescriptor, WskControlClient with codes, values and returns, the driver's entry",
    traced=(
        "WskSocket",
        "WskSocketConnect",
        "WskControlSocket",
        "WskControlClient",
        "WskControlClient return",
        "WskControlSocket output",
        "DriverEntry",
    ),
    advice="Cache the descriptor with WSK_CACHE_SD and pass the pointer that came back.",
    limits=(
        "A descriptor that was cached before the trace, or by a module that is not traced, "
        "cannot be told apart: suspect."
    ),
)
def sd_not_cached(f: Facts) -> Instances:
    """SecurityDescriptor is a pointer that WSK_CACHE_SD gave, never the caller's own descriptor."""
    d = f.descriptors
    at = np.flatnonzero(d.kind == sd.USE)
    came = d.lane.last((d.kind == sd.CACHED) | (d.kind == sd.FETCHED))[at] >= 0
    came |= d.lane.last(d.counts)[at] >= 0
    rows = d.lane.rows[at]
    broken = precedence(f.world, came, rows, np.full(len(at), -1), _doubts(f, at)).settled_where(came | _sharp(f, at))

    def tell(i: int) -> str:
        return f"{f.op_name(rows[i])} was given {_named(f, at[i])}, which WSK_CACHE_SD never gave"

    return _of(f, at, broken, tell)


@rule(
    "SD-USE-AFTER-RELEASE",
    severity="error",
    party="client",
    shape="F",
    source="NET wsk-release-sd",
    needs="WskControlClient with codes, values and returns, creations with SecurityDescriptor, the driver's entry",
    traced=(
        "WskSocket",
        "WskSocketConnect",
        "WskControlSocket",
        "WskControlClient",
        "WskControlClient return",
        "WskControlSocket output",
        "DriverEntry",
    ),
    advice="Release the descriptor after the last creation that uses it has completed, and clear the pointer.",
    limits="References from before the trace are not seen: suspect without the driver's entry.",
)
def sd_use_after_release(f: Facts) -> Instances:
    """A cached descriptor is not used once its last reference was released."""
    d = f.descriptors
    at = np.flatnonzero(d.kind == sd.USE)
    rows = d.lane.rows[at]
    taken = (d.kind == sd.CACHED) | (d.kind == sd.FETCHED)
    emptied = d.counts & (d.level <= 1)
    broken = forbidden_follow(f.world, d.lane, after=emptied, until=taken, at=at)
    released = d.lane.last(emptied)[at]
    since = np.where(released >= 0, d.lane.rows[np.maximum(released, 0)], -1)
    relevant = released >= 0
    broken = Answer(broken.seen, np.where(relevant, broken.doubt | _doubts(f, at), 0).astype(np.uint8))

    def tell(i: int) -> str:
        return f"{f.op_name(rows[i])} was given {_named(f, at[i])}, released {f.since(since[i], rows[i])} before"

    return _of(f, at, broken, tell, since)


@rule(
    "SD-DOUBLE-RELEASE",
    severity="error",
    party="client",
    shape="C",
    source="NET wsk-release-sd (one release per cached copy)",
    needs="WskControlClient with codes, values and returns, SO_WSK_SECURITY gets, the driver's entry",
    traced=("WskControlClient", "WskControlClient return", "WskControlSocket output", "DriverEntry"),
    advice="Release each cached copy once: one WSK_RELEASE_SD per WSK_CACHE_SD and per SO_WSK_SECURITY get.",
    limits="References from before the trace are not seen: suspect without the driver's entry.",
)
def sd_double_release(f: Facts) -> Instances:
    """A descriptor is released exactly once for each time that it was cached."""
    d = f.descriptors
    at = np.flatnonzero(d.kind == sd.RELEASE)
    rows = d.lane.rows[at]
    broken = balance(d.level[at], at_most=0, doubts=(_doubts(f, at),))
    broken = broken.settled_where(broken.seen & _sharp(f, at))
    earlier = d.lane.last(d.counts)[at]
    before = d.lane.row_of(earlier)

    def tell(i: int) -> str:
        words = f"{_named(f, at[i])} was released with no reference left"
        return (
            f"{words}; its last release was {f.since(before[i], rows[i])} before"
            if before[i] >= 0
            else f"{words}; nothing had cached it"
        )

    return _of(f, at, broken, tell, before)


@rule(
    "SD-EARLY-RELEASE",
    severity="error",
    party="client",
    shape="I",
    source="seed page, Remarks (not released until the IRP is completed)",
    needs=(
        "creations with SecurityDescriptor, IrpComplete, WskControlClient with codes, values and returns, "
        "the driver's entry"
    ),
    traced=(
        "WskSocket",
        "WskSocketConnect",
        "WskControlSocket",
        "IrpComplete",
        "WskControlClient",
        "WskControlClient return",
        "WskControlSocket output",
        "DriverEntry",
    ),
    advice="Release the descriptor in or after the completion routine of the creation, not when the call returns.",
    limits="References from before the trace are not seen: suspect without the driver's entry.",
)
def sd_early_release(f: Facts) -> Instances:
    """The cached descriptor of a creation is not released before the creation's IRP has completed.

    Judged at the release that takes the last reference, while a creation (or SO_WSK_SECURITY set) that uses the
    descriptor is open.
    """
    d, s = f.descriptors, f.irps
    at = np.flatnonzero((d.kind == sd.USE) & (d.submission >= 0))
    use = d.submission[at]
    emptied = d.lane.next(d.counts & (d.level == 1))[at]
    # with no reference seen, it is the last one only where the others may be hidden
    unseen = d.lane.next(d.counts & (d.level <= 1))[at]
    hidden = unseen >= 0
    hidden[hidden] = _doubts(f, unseen[hidden]) != 0
    emptied = np.where(hidden, unseen, emptied)
    point = d.lane.row_of(emptied)
    enter = d.lane.rows[at]
    if len(s):
        complete, ret = s.complete[use], s.ret[use]
        pending = s.ret_is("pending")[use]
        # a call that did not say PENDING and whose completion is not seen counts as completed at its return
        done = np.where(complete >= 0, complete, np.where(pending | (ret < 0), len(f.world), ret))
        absent = np.where(complete >= 0, 0, s.absent_doubt[use] | s.ret_doubt[use])
        extra = (
            absent | s.link_doubt[use] | np.where(complete >= 0, 0, f.unlogged(IRP, enter, np.maximum(point, enter)))
        )
        extra |= doubt_if((complete < 0) & ~s.ret_known[use], CAP)
    else:
        done, extra = enter, np.zeros(len(at), np.uint8)
    has = point >= 0
    refs = np.zeros(len(at), np.uint8)
    refs[has] = _doubts(f, emptied[has])
    near = has & (done < len(f.world))
    order = np.zeros(len(at), np.uint8)
    order[near] = f.world.unordered(point[near], done[near])
    broken = overlap(f.world, enter, done, point, extra.astype(np.uint8), refs, order)

    def tell(i: int) -> str:
        left = (
            f"{f.since(point[i], done[i])} before the IRP completed"
            if done[i] < len(f.world)
            else "while the IRP was pending"
        )
        return f"{_named(f, at[i])}, used by {f.irp_words(use[i])}, was released {left}"

    found = _of(f, at, broken, tell)
    found.row = np.where(has, point, enter)
    found.evidence = (enter, np.where(done < len(f.world), done, -1), point)
    return found


@rule(
    "SD-LEAK",
    severity="warning",
    party="client",
    shape="V",
    source="NET wsk-cache-sd; DDI close_socket, Remarks (closing does not release it)",
    needs="WskControlClient with codes, values and returns, WskReleaseProviderNPI, the driver's entry",
    traced=(
        "WskControlClient",
        "WskControlClient return",
        "WskControlSocket output",
        "WskReleaseProviderNPI",
        "DriverEntry",
    ),
    advice=(
        "Release every cached descriptor before the last WskReleaseProviderNPI; "
        "afterwards it cannot be released any more."
    ),
    limits="Decided when the driver gives up its last capture; until then a reference may still be released.",
)
def sd_leak(f: Facts) -> Instances:
    """Every cached descriptor is released before the driver gives up WSK; closing the socket does not do it."""
    d, regs = f.descriptors, f.registrations
    taken = (d.kind == sd.CACHED) | (d.kind == sd.FETCHED)
    groups = np.unique(d.lane.group[taken])
    # the state of each descriptor when the last capture is given up: before that row
    held = len(regs.capture_rows) - len(regs.release_rows)
    last = int(regs.release_rows[-1]) if len(regs.release_rows) and held <= 0 else -1
    if len(regs.capture_rows) and len(regs.release_rows) and regs.capture_rows[-1] > regs.release_rows[-1]:
        last = -1
    inside = np.flatnonzero(d.lane.rows < (last if last >= 0 else len(f.world)))
    steps = np.where(taken, 1, np.where(d.counts, -1, 0))
    final = np.full(len(d.lane.keys), 0, np.int64)
    final[d.lane.group[inside]] = np.maximum(d.level[inside] + steps[inside], 0)
    first = np.full(len(d.lane.keys), -1, np.int64)
    p = np.flatnonzero(taken)[::-1]
    first[d.lane.group[p]] = d.lane.rows[p]
    left = final[groups]
    start = first[groups]
    where = np.full(len(groups), last if last >= 0 else -1, np.int64)
    end = np.where(where >= 0, where, f.last_row)
    unsure = np.zeros(len(d.lane.keys), bool)
    unsure[d.lane.group[d.unsure]] = True
    doubt = (
        f.closed_from(end)
        | d.blind(end)
        | f.unlogged(SOCKET, np.zeros(len(groups), np.int64), end)
        | doubt_if(unsure[groups], LOST)
    )
    # counted on the wrong side of the last release of the NPI, or of a cache
    moved = _early(f)
    if last >= 0:
        counted = np.flatnonzero(taken | d.counts)
        rows = d.lane.rows[counted]
        ends = np.full(len(counted), last)
        moved[counted[f.world.unordered(np.minimum(rows, ends), np.maximum(rows, ends)) != 0]] = True
    shaky = np.zeros(len(d.lane.keys), bool)
    shaky[d.lane.group[moved]] = True
    doubt |= doubt_if(shaky[groups], ORDER)
    released = np.where(left <= 0, start, -1)
    broken = liveness(
        f.world, start, released, within_ns=np.zeros(len(groups), np.int64), teardown=where, doubt=doubt, link=doubt
    )
    none = np.full(len(groups), -1)

    def tell(i: int) -> str:
        what = f"security descriptor {f.say(d.lane.keys[groups[i]])} still had {int(left[i])} reference(s)"
        return f"{what} when the last capture of WSK was released"

    return Instances(
        np.where(where >= 0, where, start),
        np.ones(len(groups), bool),
        broken,
        "descriptors",
        groups.astype(np.int64),
        none,
        none,
        tell,
        (start, where),
        suspect=where >= 0,
        outside=len(np.unique(d.lane.group)) - len(groups),
    )
