"""Rules about calls through the provider's dispatch table: between capture and release, and what they leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules import blocks as b
from wsktrace.rules.facts import REGISTRATION, SOCKET, Facts
from wsktrace.rules.registration import unloaded
from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import ALIAS, CAP, ORDER, START, Answer, doubt_if, liveness, never
from wsktrace.wsk.operations import OPS, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FAMILY = "registration"
_CLIENT_LEVEL = tuple(op.name for op in OPS if op.level == "client")


def _of_client_calls(
    f: Facts,
    rows: NDArray[np.int64],
    few: NDArray[np.int64],
    applies: NDArray[np.bool_],
    broken: Answer,
    client: NDArray[np.uint64],
    tell: Callable[[int], str],
    earlier: NDArray[np.int64],
    suspect: NDArray[np.bool_] | None = None,
) -> Instances:
    """Return instances that judge client-level calls: ``few`` of the rows by an answer, the others pass."""
    n, at = len(rows), np.flatnonzero(np.isin(rows, few, assume_unique=True)) if len(few) else rows[:0]
    seen, doubt, counts = np.zeros(n, np.bool_), np.zeros(n, np.uint8), np.ones(n, np.bool_)
    about, before, named = np.zeros(n, np.uint64), never(n), np.ones(n, np.bool_)
    seen[at], doubt[at], counts[at], about[at], before[at] = broken.seen, broken.doubt, applies, client, earlier
    named[at] = True if suspect is None else suspect
    use, place = f.submission(rows), np.full(n, -1)
    place[at] = np.arange(len(few))
    # a call without an IRP is about its client
    with_irp = at[use[at] >= 0]
    about[with_irp] = f.irps.irp[use[with_irp]]
    return Instances(
        rows, counts, Answer(seen, doubt), "irps", use, use, f.socket_of(rows), lambda i: tell(int(place[i])),
        (before, rows), suspect=named, about=about,
    )  # fmt: skip


def _client_calls(f: Facts) -> NDArray[np.int64]:
    return np.concatenate([f.rows(name, Phase.ENTER) for name in _CLIENT_LEVEL])


def _capturing(f: Facts, number: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return ``ORDER`` where a capture of the registration (-1: of any) is under way: it may have delivered already."""
    held = b.blocks(f)
    asks = np.flatnonzero(held.kind == b.ASK)
    begun, of = held.lane.rows[asks].astype(np.int64), held.number[asks]
    back = f.world.mate[begun].astype(np.int64)
    of = np.where(number.max(initial=-1) < 0, -1, of)
    done = back >= 0
    running = b.before(of, begun, number, rows) > b.before(of[done], back[done], number, rows)
    return doubt_if(running, ORDER)


@rule(
    "CALL-BEFORE-CAPTURE",
    severity="error",
    party="client",
    shape="P",
    source="NET registering-a-winsock-kernel-application",
    needs="the driver's entry, WskCaptureProviderNPI returns with Client, entries of client-level calls with Client",
    traced=("WskCaptureProviderNPI", "WskCaptureProviderNPI return", "client calls", "DriverEntry"),
    advice="Call through the provider's dispatch table only after WskCaptureProviderNPI returned a success.",
    limits=(
        "Judged where the trace shows all since the driver's entry and a WskCaptureProviderNPI of the driver; "
        "a client that was attached through NMR directly is not known."
    ),
)
def call_before_capture(f: Facts) -> Instances:
    """No function of the provider's dispatch table is called before WskCaptureProviderNPI has delivered it.

    That is: before any capture of the driver succeeded, or with a client that a later capture delivers first.
    """
    held = b.blocks(f)
    rows = _client_calls(f)
    none = len(f.world) + 1
    _, firsts = held.clients
    first = int(firsts.min()) if len(firsts) else none
    last = int(firsts.max()) if len(firsts) else none
    few = rows[rows < last]
    client, known = f.arg("client", few)
    client = client.astype(np.uint64)
    given = held.given(client)
    seen = (given > few) & ((few < first) | (given < none))
    witnessed = len(f.enters("WskCaptureProviderNPI")) or len(f.rows("WskCaptureProviderNPI", Phase.RETURN))
    broken = Answer(seen, f.closed_from(few)).doubting(
        f.unlogged(REGISTRATION, np.zeros(len(few), np.int64), few),
        np.full(len(few), held.unnamed),
    )
    # without any capture the driver is attached by other means
    broken = broken.doubting(doubt_if((broken.doubt == 0) & np.full(len(few), not witnessed), CAP))
    broken = broken.settled_where(given < few).doubting(doubt_if(~known, CAP))
    sure = np.flatnonzero(broken.seen & (broken.doubt == 0))
    anyone = never(len(sure))
    broken.doubt[sure] = held.crossing(anyone, few[sure], b.CAPTURE) | _capturing(f, anyone, few[sure])
    applies = ~known | ((client != 0) & (broken.seen | (given < few) | (broken.doubt != 0)))
    after = np.where(given < none, given, -1)

    def tell(i: int) -> str:
        what = f"{f.op_name(few[i])} was called with client {f.say(client[i])}"
        if after[i] >= 0:
            return f"{what}, {f.since(few[i], after[i])} before WskCaptureProviderNPI delivered it"
        return f"{what} before any WskCaptureProviderNPI had succeeded"

    return _of_client_calls(f, rows, few, applies, broken, client, tell, after, (broken.doubt & START) == 0)


@rule(
    "NPI-CALL-AFTER-RELEASE",
    severity="error",
    party="client",
    shape="F",
    source="NET unregistering-a-winsock-kernel-application; DDI wskreleaseprovidernpi",
    needs="WskRegister, WskCaptureProviderNPI returns with Client, WskReleaseProviderNPI entries, client-level calls",
    traced=("WskRegister", "WskCaptureProviderNPI return", "WskReleaseProviderNPI", "client calls"),
    advice=(
        "Release last: cached descriptors and results of WskGetAddressInfo are given back through the provider's "
        "dispatch table, so before the release. What is called on sockets may come later."
    ),
    limits="A client whose capture is not in the trace, or was attached through NMR directly, cannot be judged.",
)
def npi_call_after_release(f: Facts) -> Instances:
    """No function of the provider's dispatch table is called after the last release of its client's registration."""
    held = b.blocks(f)
    rows = _client_calls(f)
    last = np.flatnonzero((held.kind == b.RELEASE) & (held.level <= 0))
    first = int(held.lane.rows[last].min()) if len(last) else len(f.world) + 1
    few = rows[rows > first]
    client, known = f.arg("client", few)
    client = client.astype(np.uint64)
    of, several = held.of_client(client, few)
    number = np.maximum(of, 0)
    released = np.where(of >= 0, held.latest(number, few, b.RELEASE), -1)
    gone = (of >= 0) & (released >= 0) & (held.level_at(number, few) <= 0)
    since = np.append(held.each.register, -1)[of]
    broken = Answer(gone, f.world.touch(since, few)).doubting(
        f.unlogged(REGISTRATION, np.maximum(since, 0), few),
        np.full(len(few), held.unnamed),
        doubt_if(several, ALIAS),
        np.append(np.where(held.each.vague, CAP, 0) | held.edge(b.CAPTURE, b.RELEASE), 0)[of].astype(np.uint8),
    )
    broken = broken.settled_where((of >= 0) & (released < 0)).doubting(doubt_if(~known, CAP))
    sure = np.flatnonzero(broken.seen & (broken.doubt == 0))
    broken.doubt[sure] = held.crossing(of[sure], few[sure], b.CAPTURE, b.RELEASE) | _capturing(f, of[sure], few[sure])
    applies = ~known | ((client != 0) & (of >= 0))

    def tell(i: int) -> str:
        what = f"{f.op_name(few[i])} was called with client {f.say(client[i])}"
        return f"{what}, whose last capture had been released {f.since(released[i], few[i])} before"

    return _of_client_calls(f, rows, few, applies, broken, client, tell, released)


@rule(
    "ADDRINFO-LEAK",
    severity="warning",
    party="client",
    shape="V",
    source="DDI get_address_info, free_address_info",
    needs=(
        "WskGetAddressInfo returns with Result and status, IrpComplete, WskFreeAddressInfo entries with Result, "
        "WskReleaseProviderNPI, DriverUnload"
    ),
    traced=(
        "WskGetAddressInfo",
        "WskGetAddressInfo return",
        "WskFreeAddressInfo",
        "IrpComplete",
        "WskReleaseProviderNPI",
        "DriverUnload return",
    ),
    advice="Free every result with WskFreeAddressInfo as soon as it was read, in any case before the last release.",
    limits=(
        "The result of a call that completes later than it returns is not in the trace: unknown. "
        "Decided when the driver gives up its last capture; until then a result may still be freed."
    ),
)
def addrinfo_leak(f: Facts) -> Instances:
    """What WskGetAddressInfo returned is freed with WskFreeAddressInfo before the driver gives up WSK."""
    gets, frees = f.rows("WskGetAddressInfo", Phase.RETURN), f.enters("WskFreeAddressInfo")
    result, known = f.arg("result", gets)
    use, (status, told) = f.submission(gets), f.status(gets)
    complete, good, bad, link = _completions(f, use)
    inline = (complete >= 0) & (complete < gets)
    inline[inline] = f.world.unordered(complete[inline], gets[inline]) == 0
    success = told & (status == 0)
    mine = ~bad & (good | success) & ~(told & (status >= 0x80000000))
    visible = known & (result != 0) & (success | (inline & good)) & (use >= 0)
    freed, named = f.arg("result", frees)
    keys = np.concatenate([result[mine & visible], freed]).astype(np.uint64)
    every = np.concatenate([gets[mine & visible], frees])
    source = np.concatenate([np.flatnonzero(mine & visible), np.full(len(frees), -1)])
    by = np.argsort(every, kind="stable")
    lane = f.lane(every[by], keys[by])
    source = source[by][lane.order]
    at = np.flatnonzero(source >= 0)
    then, near = never(len(gets)), np.zeros(len(gets), np.uint8)
    # an address that comes back has been freed
    then[source[at]] = lane.row_of(lane.next(np.ones(len(lane), np.bool_))[at])
    near[source[at]] = f.world.loose(lane, at, source < 0, ahead=False)
    end, doubt = _given_up(f, gets)
    late = (then >= 0) & (end >= 0) & (then > end)
    near[late] |= f.world.unordered(end[late], then[late])
    doubt |= link | near | f.unlogged(SOCKET, gets, np.where(end >= 0, end, f.last_row)) | f.blind_arguments(visible)
    doubt |= np.uint8(CAP if bool(np.any(~named)) else 0)
    within = np.zeros(len(gets), np.int64)
    broken = liveness(f.world, gets, then, within_ns=within, teardown=end, doubt=doubt.astype(np.uint8))
    none = never(len(gets))

    def tell(i: int) -> str:
        what = f"result {f.say(result[i])} of WskGetAddressInfo had not been freed"
        name = f.op_name(end[i])
        when = "when the last capture was released" if name == "WskReleaseProviderNPI" else f"when {name} returned"
        return f"{what} {when}, {f.since(gets[i], end[i])} after it was got"

    rows = np.where(broken.seen & (end >= 0), end, gets)
    return Instances(rows, mine, broken, "irps", use, use, none, tell, (gets, end), suspect=(end >= 0) & visible)


def _completions(
    f: Facts, use: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.uint8]]:
    """Return (row of the completion or -1, success, error, doubt whose it is) of uses of IRPs (-1: there is none)."""
    s, has = f.irps, np.flatnonzero(use >= 0)
    mine = use[has]
    complete, link = never(len(use)), np.zeros(len(use), np.uint8)
    complete[has], link[has] = s.complete[mine], s.link_doubt[mine]
    status, known = f.status(complete)
    known &= complete >= 0
    return complete, known & (status == 0), known & (status >= 0x80000000), link


def _given_up(f: Facts, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the row after each call at which the driver gives up WSK (-1: it does not), and the doubt about that."""
    held, gone = b.blocks(f), unloaded(f)
    end = np.where(gone > rows, gone, -1)
    place = np.searchsorted(held.empty, rows, side="right")
    released = np.append(held.empty, -1)[place]
    by_release = (released >= 0) & ((end < 0) | (released < end))
    end = np.where(by_release, released, end)
    doubt = f.closed_from(np.maximum(end, 0)) | held.unnamed
    doubt |= f.unlogged(REGISTRATION, np.zeros(len(rows), np.int64), np.maximum(end, 0))
    doubt |= held.crossing(never(len(rows)), end, b.CAPTURE, b.RELEASE)
    doubt |= doubt_if(np.full(len(rows), bool(held.edge(b.CAPTURE, b.RELEASE).any())), ORDER)
    return end, np.where(by_release, doubt, 0).astype(np.uint8)
