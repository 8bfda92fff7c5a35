"""Rules about registration with WSK and the capture of its NPI: each begun once, each ended once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.rules import blocks as b
from wsktrace.rules.facts import REGISTRATION, Facts
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import CAP, START, Answer, doubt_if, forbidden_follow, join, liveness, never, overlap
from wsktrace.wsk.operations import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FAMILY = "registration"
_INFINITE = 0xFFFFFFFF
_COUNTED = (b.CAPTURE, b.PERHAPS, b.RELEASE)


def unloaded(f: Facts) -> int:
    """Return the row at which the driver was gone: DriverUnload returned, or DriverEntry with an error; -1."""
    unloads, entries = f.rows("DriverUnload", Phase.RETURN), f.rows("DriverEntry", Phase.RETURN)
    status, known = f.status(entries)
    gone = np.concatenate([unloads, entries[known & (status >= 0x80000000)]])
    return int(gone.min()) if len(gone) else -1


def of_blocks(
    f: Facts,
    rows: NDArray[np.integer[Any]],
    applies: NDArray[np.bool_],
    broken: Answer,
    address: NDArray[np.uint64],
    tell: Callable[[int], str],
    evidence: tuple[NDArray[np.integer[Any]], ...],
    suspect: NDArray[np.bool_] | None = None,
) -> Instances:
    """Return instances that are about registrations."""
    subject = b.blocks(f).subject(address, rows)
    none = never(len(rows))
    return Instances(
        rows, applies, broken, "registrations", subject, none, none, tell, evidence, suspect=suspect, about=address
    )


def joined(one: Instances, other: Instances) -> Instances:
    """Return the instances of two questions of one rule."""
    n = len(one.row)

    def both(*parts: NDArray[Any] | None) -> NDArray[Any]:
        sized = [
            np.ones(len(whole.row), np.bool_) if part is None else part
            for part, whole in zip(parts, (one, other), strict=True)
        ]
        return np.concatenate(sized)

    return Instances(
        both(one.row, other.row),
        both(one.applies, other.applies),
        Answer(both(one.broken.seen, other.broken.seen), both(one.broken.doubt, other.broken.doubt)),
        one.table,
        both(one.subject, other.subject),
        both(one.irp, other.irp),
        both(one.socket, other.socket),
        lambda i: one.tell(i) if i < n else other.tell(i - n),
        tuple(both(*pair) for pair in zip(one.evidence, other.evidence, strict=True)),
        suspect=both(one.suspect, other.suspect),
        about=both(one.about, other.about),
    )


def in_time(
    f: Facts,
    start: NDArray[np.int64],
    then: NDArray[np.int64],
    teardown: NDArray[np.int64],
    doubt: NDArray[np.uint8],
) -> Answer:
    """V without a limit of time: ``then`` must come before the teardown."""
    b_ = b.blocks(f)
    end = np.where(teardown >= 0, teardown, f.last_row)
    total = doubt | f.unlogged(REGISTRATION, start, end) | b_.blind
    within = np.zeros(len(start), np.int64)
    return liveness(f.world, start, then, within_ns=within, teardown=teardown, doubt=total.astype(np.uint8))


@rule(
    "REG-REUSE",
    severity="error",
    party="client",
    shape="F",
    source="DDI wskregister, WskRegistration",
    needs="WskRegister entries and returns, WskDeregister returns",
    traced=("WskRegister", "WskRegister return", "WskDeregister return"),
    advice="Give every WskRegister a WSK_REGISTRATION of its own, or call it again only after WskDeregister returned.",
    limits="A block whose earlier registration is not in the trace is unknown.",
)
def reg_reuse(f: Facts) -> Instances:
    """WskRegister is not called on a block that is registered already.

    A block is registered from a WskRegister that succeeded until WskDeregister returns. Whether the second call fails
    does not matter: it writes to memory that WSK is using.
    """
    held = b.blocks(f)
    lane, kind = held.lane, held.kind
    calls = (kind == b.REGISTER) | (kind == b.FAILED)
    at = np.flatnonzero(calls)
    rows = lane.rows[at].astype(np.int64)
    on, off = kind == b.REGISTER, kind == b.DEREGISTERED
    broken = forbidden_follow(f.world, lane, after=on, until=off, at=at)
    since = lane.row_of(lane.last(on)[at]).astype(np.int64)
    begun = np.where(since >= 0, since, 0)
    vague = lane.last(held.vague)[at] == lane.last(on)[at]
    broken = broken.doubting(
        f.unlogged(REGISTRATION, begun, rows),
        doubt_if(broken.seen & vague, CAP),
        np.where(broken.seen, held.blind, 0).astype(np.uint8),
    )
    address = lane.keys[lane.group[at]].astype(np.uint64)

    def tell(i: int) -> str:
        before = f"{f.since(since[i], rows[i])} after it had been registered and before WskDeregister returned"
        return f"WskRegister was called on block {f.say(address[i])} {before}"

    return of_blocks(f, rows, np.ones(len(at), np.bool_), broken, address, tell, (since, rows))


@rule(
    "REG-UNBALANCED",
    severity="error",
    party="client",
    shape="C",
    source="DDI wskregister, wskderegister",
    needs="WskRegister entries and returns, WskDeregister entries, the driver's entry and unload",
    traced=(
        "WskRegister",
        "WskRegister return",
        "WskDeregister",
        "DriverEntry",
        "DriverEntry return",
        "DriverUnload return",
    ),
    advice=(
        "Call WskDeregister once for each WskRegister that succeeded, in DriverUnload and on the ways out of a "
        "DriverEntry that fails; remember that it was called."
    ),
    limits=(
        "A block that was registered before the trace began may be deregistered once. A registration that is there at "
        "the end of the trace is no break as long as the driver runs."
    ),
)
def reg_unbalanced(f: Facts) -> Instances:
    """Each WskRegister that succeeded is followed by one WskDeregister of the same block, one that failed by none."""
    return joined(_deregistered_too_often(f), _never_deregistered(f))


def _deregistered_too_often(f: Facts) -> Instances:
    held = b.blocks(f)
    lane, kind = held.lane, held.kind
    at = np.flatnonzero(kind == b.DEREGISTER)
    rows = lane.rows[at].astype(np.int64)
    on, off = kind == b.DEREGISTER, kind == b.REGISTER
    before, begun, failed = lane.last(on)[at], lane.last(off)[at], lane.last(kind == b.FAILED)[at]
    again = forbidden_follow(f.world, lane, after=on, until=off, at=at)
    nothing = (before < 0) & (begun < 0)
    vague = (begun > before) & (lane.last(held.vague)[at] == begun)
    since = lane.row_of(np.maximum(before, begun)).astype(np.int64)
    broken = Answer(again.seen | nothing, again.doubt).doubting(
        f.unlogged(REGISTRATION, np.maximum(since, 0), rows), doubt_if(vague, CAP)
    )
    broken = broken.doubting(np.where(broken.seen, held.blind, 0).astype(np.uint8))
    address = lane.keys[lane.group[at]].astype(np.uint64)
    evidence = np.where(broken.seen, lane.row_of(np.maximum(before, failed)), lane.row_of(begun)).astype(np.int64)

    def tell(i: int) -> str:
        what = f"WskDeregister was called on block {f.say(address[i])}"
        if failed[i] > before[i]:
            return f"{what}, whose WskRegister {f.since(evidence[i], rows[i])} before had failed"
        if before[i] >= 0:
            return f"{what} again, {f.since(evidence[i], rows[i])} after the first time"
        return f"{what}, which no WskRegister had registered"

    # what was registered before the trace began is deregistered once
    return of_blocks(f, rows, np.ones(len(at), np.bool_), broken, address, tell, (evidence, rows), before >= 0)


def _never_deregistered(f: Facts) -> Instances:
    each = b.blocks(f).each
    applies = ~each.replaced & (each.register >= 0)
    gone = np.full(len(each), unloaded(f))
    doubt = doubt_if(each.vague, CAP) | b.blocks(f).edge(b.DEREGISTER)
    broken = in_time(f, each.first, each.deregister, gone, doubt)

    def tell(i: int) -> str:
        what = f"block {f.say(each.address[i])}, registered {f.since(each.first[i], gone[i])} before"
        return f"{what}, was not deregistered when {f.op_name(gone[i])} returned"

    rows = np.where(broken.seen & (gone >= 0), gone, each.first)
    return of_blocks(f, rows, applies, broken, each.address, tell, (each.register, gone), gone >= 0)


@rule(
    "NPI-UNBALANCED",
    severity="error",
    party="client",
    shape="C",
    source="DDI wskcaptureprovidernpi, wskreleaseprovidernpi",
    needs="WskRegister, WskCaptureProviderNPI returns, WskReleaseProviderNPI entries, WskDeregister, DriverUnload",
    traced=(
        "WskRegister",
        "WskRegister return",
        "WskCaptureProviderNPI return",
        "WskReleaseProviderNPI",
        "WskDeregister return",
        "DriverUnload return",
    ),
    follows={"REG-REUSE": "subject"},
    advice=(
        "Release once for each capture that succeeded, on the ways out of an initialization that fails too; "
        "never for one that failed."
    ),
    limits=(
        "Captures are counted from the block's WskRegister on. One that is held at the end of the trace is no break; "
        "a WskDeregister that waits for it is DEREGISTER-BLOCKED."
    ),
)
def npi_unbalanced(f: Facts) -> Instances:
    """Each WskCaptureProviderNPI that succeeded is followed by one WskReleaseProviderNPI on the same block."""
    return joined(_released_too_often(f), _never_released(f))


def _released_too_often(f: Facts) -> Instances:
    held = b.blocks(f)
    lane, kind, each = held.lane, held.kind, held.each
    at = np.flatnonzero(kind == b.RELEASE)
    rows, number = lane.rows[at].astype(np.int64), held.number[at]
    seen = held.level_at(number, rows) <= 0
    perhaps = seen & (held.level_at(number, rows, most=True) > 0)
    since = each.register[number]
    counts = np.isin(kind, _COUNTED)
    broken = Answer(seen, f.world.touch(since, rows)).doubting(
        f.unlogged(REGISTRATION, np.maximum(since, 0), rows), doubt_if(perhaps | (seen & each.vague[number]), CAP)
    )
    order = f.world.loose(lane, at, counts, ahead=True) | f.world.loose(lane, at, counts, ahead=False)
    broken = broken.doubting(np.where(seen, order | held.edge(*_COUNTED)[number] | held.blind, 0).astype(np.uint8))
    before = held.latest(number, rows, b.RELEASE)
    address = lane.keys[lane.group[at]].astype(np.uint64)

    def tell(i: int) -> str:
        what = f"WskReleaseProviderNPI was called on block {f.say(address[i])}"
        if before[i] < 0:
            return f"{what}, of which there was no capture"
        return f"{what}, whose last capture had been released {f.since(before[i], rows[i])} before"

    firm = broken.doubt & START == 0
    return of_blocks(f, rows, np.ones(len(at), np.bool_), broken, address, tell, (before, rows), firm)


def _never_released(f: Facts) -> Instances:
    held = b.blocks(f)
    each = held.each
    gone = unloaded(f)
    end = np.where(each.deregistered >= 0, each.deregistered, gone)
    until, number = np.where(end >= 0, end, len(f.world)), np.arange(len(each))
    left, most = held.level_at(number, until), held.level_at(number, until, most=True)
    captured = held.latest(number, until, b.CAPTURE)
    applies = ~each.replaced & (captured >= 0)
    start = np.maximum(captured, 0)
    released = np.where(left <= 0, held.latest(number, until, b.RELEASE), -1)
    doubt = doubt_if(left != most, CAP) | held.edge(*_COUNTED) | held.crossing(number, end, *_COUNTED)
    # a release that was lost anywhere in the registration's life is one that there was
    doubt |= np.where(left > 0, f.world.touch(each.first, np.maximum(until - 1, each.first)), 0).astype(np.uint8)
    broken = in_time(f, start, released, end, doubt.astype(np.uint8))

    def tell(i: int) -> str:
        what = f"{int(left[i])} capture(s) of block {f.say(each.address[i])} had not been released"
        return f"{what} when {f.op_name(end[i])} returned, {f.since(captured[i], end[i])} after the last one"

    rows = np.where(broken.seen & (end >= 0), end, start)
    return of_blocks(f, rows, applies, broken, each.address, tell, (captured, end), end >= 0)


@rule(
    "CAPTURE-WAIT-DRIVERENTRY",
    severity="warning",
    party="client",
    shape="I",
    source="NET registering-a-winsock-kernel-application",
    needs="WskCaptureProviderNPI entries with WaitTimeout, DriverEntry",
    traced=("WskCaptureProviderNPI", "DriverEntry", "DriverEntry return"),
    advice="Capture without waiting in DriverEntry, or from a thread that may wait.",
    limits="A DriverEntry that waits for another thread, which waits for WSK, is not seen. The limit is the profile's.",
)
def capture_wait_driverentry(f: Facts) -> Instances:
    """WskCaptureProviderNPI does not wait long in DriverEntry.

    The WSK subsystem may become ready only after drivers that start later; a driver that waits for it in DriverEntry
    holds these up, and the start of the system with them.
    """
    rows = f.enters("WskCaptureProviderNPI")
    wait, known = f.arg("wait_timeout", rows)
    most = round(f.profile.thresholds.capture_wait_s * 1000)
    long = wait > most
    entries = f.enters("DriverEntry")
    entry = int(entries[0]) if len(entries) else -1
    back = int(f.world.mate[entry]) if entry >= 0 else -1
    thread = f.world.thread
    same = thread[rows] == thread[entry] if entry >= 0 else np.zeros(len(rows), np.bool_)
    start = np.full(len(rows), entry)
    end = np.full(len(rows), back if back >= 0 else len(f.world))
    inside = overlap(f.world, start, end, rows)
    inside = Answer(inside.seen & same, inside.doubt)
    firm = (back >= 0) & np.ones(len(rows), np.bool_)
    inside = inside.settled_where(firm | ((entry >= 0) & ~same))
    too_long = Answer(long & known, doubt_if(~known, CAP))
    broken = inside & too_long
    address = f.arg("registration", rows)[0].astype(np.uint64)

    def tell(i: int) -> str:
        how = "without end" if wait[i] == _INFINITE else f"up to {int(wait[i]) / 1000:g} s"
        return f"WskCaptureProviderNPI on block {f.say(address[i])} may wait {how} in DriverEntry"

    applies = inside.seen | (inside.doubt != 0)
    return of_blocks(f, rows, applies, broken, address, tell, (start, rows))


@rule(
    "CAPTURE-AFTER-DEREGISTER",
    severity="info",
    party="provider",
    shape="F",
    source="DDI wskcaptureprovidernpi, Return value (STATUS_DEVICE_NOT_READY); wskderegister",
    needs="WskDeregister entries, WskCaptureProviderNPI entries and returns, WskRegister entries and returns",
    traced=(
        "WskDeregister",
        "WskCaptureProviderNPI",
        "WskCaptureProviderNPI return",
        "WskRegister",
        "WskRegister return",
    ),
    advice=(
        "Look at what lies between the driver and WSK, and at the block: "
        "the driver did nothing forbidden as long as the block was intact."
    ),
)
def capture_after_deregister(f: Facts) -> Instances:
    """A capture that is called after WskDeregister was called on its block fails.

    WSK answers STATUS_DEVICE_NOT_READY. The call is legal while the block is intact; a success is the provider's
    mistake, or the block was registered again unseen.
    """
    held = b.blocks(f)
    lane, kind = held.lane, held.kind
    at = np.flatnonzero(kind == b.ASK)
    rows = lane.rows[at].astype(np.int64)
    on, off = kind == b.DEREGISTER, kind == b.REGISTER
    after = forbidden_follow(f.world, lane, after=on, until=off, at=at, since_ever=False)
    ends = f.world.mate[rows].astype(np.int64)
    status, known = f.status(ends)
    good = join(status == 0, (ends >= 0) & known)
    broken = after & good
    since = lane.row_of(lane.last(on)[at]).astype(np.int64)
    broken = broken.doubting(
        np.where(
            broken.seen,
            held.blind | f.world.touch(rows, ends) | f.unlogged(REGISTRATION, np.maximum(since, 0), rows),
            0,
        ).astype(np.uint8)
    )
    address = lane.keys[lane.group[at]].astype(np.uint64)

    def tell(i: int) -> str:
        what = f"WskCaptureProviderNPI on block {f.say(address[i])} succeeded"
        return f"{what}, {f.since(since[i], rows[i])} after WskDeregister was called on it"

    applies = after.seen | (after.doubt != 0)
    return of_blocks(f, rows, applies, broken, address, tell, (since, rows, ends))
