"""Stories for the samples, each a trace that is the same, byte for byte, whenever it is made."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from wsktrace.testing.assemble import Addresses, assemble
from wsktrace.testing.draft import MS, SECOND
from wsktrace.testing.driver import Traffic, busy, story
from wsktrace.testing.faults import inject_many
from wsktrace.testing.legal import careful
from wsktrace.testing.script import fragment, run_script

if TYPE_CHECKING:
    from wsktrace.testing.script import Script

__all__ = ["clean", "early_release", "hang", "many_faults", "midway", "sending"]

#: Small buffers, so that a sample is small.
_SETTINGS = {"buffer_size": 0x2000}

_HANG = """
open S Flags=connection
run WskBind S
IrpAllocate connecting
WskConnect S connecting -> PENDING
+4s IrpCancel connecting
IrpAllocate closing
WskCloseSocket S closing -> PENDING
IrpWait closing
wait 75s
"""

_MIDWAY = """
cache own sd
open S Flags=connection
run WskBind S
run WskConnect S
IrpAllocate A
WskReceive S A -> PENDING
wait 3s
WskSend S B -> PENDING                        # an IRP passed down from above
IrpAllocate C1
WskSocket C1 Flags=datagram SecurityDescriptor=sd -> PENDING
+200us @cpu=2 @tid=2 release sd
+2ms complete C1 SUCCESS socket=T
IrpFree C1
run WskBind T
IrpAllocate D
WskReceiveFrom T D -> PENDING
lost complete D SUCCESS Information=512
lost IrpReuse D
WskReceiveFrom T D -> PENDING
lost 4
+300ms complete D CANCELLED
close T
release sd
"""


def clean() -> Traffic:
    """A busy driver that breaks no rule: connections, listeners, datagrams, security descriptors, then its unload.

    IRPs complete in every legal order, some of them before their call returns; addresses of sockets and IRPs come back.
    """
    traffic = busy(2, sockets=12, cpus=4, seconds=12)
    traffic.settings = _SETTINGS
    return traffic


def early_release() -> Traffic:
    """A cached security descriptor is released while the WskSocketConnect that was given it is still pending.

    Another thread of the driver tidies up too early; the connection is refused a second later. All else is legal.
    """
    traffic, _ = inject_many([("WSK-SD-EARLY-RELEASE", 1)], 5, sockets=5, seconds=6)
    traffic.settings = _SETTINGS
    return traffic


def hang() -> Traffic:
    """A WskConnect stays pending for ever, and the WskCloseSocket that should end it is stuck behind it.

    The driver cancels the connect after five seconds and waits for the close. Other sockets go on working; the trace
    was stopped more than a minute later, with the driver still waiting.
    """
    stuck = fragment(careful(_HANG))
    stuck.keep = True
    traffic = busy(7, sockets=6, seconds=30, extras=[stuck], unload=False)
    traffic.settings = _SETTINGS
    return traffic


def many_faults() -> Traffic:
    """A driver with many faults: descriptors, IRPs, parameters of creation, callbacks, sockets used after their close.

    Each fault is made once, among legal traffic; one request is still pending when the driver unloads.
    """
    faults = [
        ("WSK-SD-EARLY-RELEASE", 0),
        ("WSK-SD-DOUBLE-RELEASE", 0),
        ("WSK-SD-NOT-CACHED", 1),
        ("WSK-SD-LEAK", 0),
        ("WSK-FLAGS-MULTIPLE", 0),
        ("WSK-TRANSPORT-COMBO", 0),
        ("WSK-BASIC-CONTEXT", 0),
        ("WSK-DISPATCH-MEMBER-UNUSED", 0),
        ("WSK-CONTEXT-UNUSED", 0),
        ("WSK-IRP-NEVER-COMPLETED", 1),
        ("WSK-IRP-REUSE-PENDING", 0),
        ("WSK-STATUS-MISMATCH", 0),
        ("WSK-EVENT-NOT-ENABLED", 1),
        ("WSK-USE-AFTER-CLOSE", 0),
        ("WSK-DOUBLE-CLOSE", 0),
        ("WSK-SOCKET-LEAK", 0),
    ]
    traffic, _ = inject_many(faults, 11, sockets=3, seconds=8)
    traffic.settings = _SETTINGS
    return traffic


def midway() -> Traffic:
    """Tracing began when the driver had been at work for a while, and the session lost events.

    What looks like an early release, a second release and an IRP used again while pending cannot be told from a legal
    driver whose other events are missing: the honest answer is "suspect".
    """
    rng = Random("midway")  # noqa: S311 -- reproducible, no secret
    begin = 2 * SECOND
    shared: dict[str, int] = {}
    addresses = Addresses()
    load = fragment("driver")
    load.shared = shared
    told = [story(rng, 4) for _ in range(7)]
    for one in told:
        one.start = int(rng.uniform(0.2, 4.0) * SECOND)
    doubtful = fragment(careful(_MIDWAY))
    doubtful.start = SECOND
    counters: dict[int, int] = {}
    first = assemble([load], addresses=addresses, seq=counters)
    shared |= first.names[0]
    for one in (*told, doubtful):
        one.shared = shared
    played = assemble([*told, doubtful], cpus=4, rng=rng, addresses=addresses, seq=counters)
    events = [event for event in played.events if event.time >= begin]
    for event in events:
        event.time -= begin
    return Traffic(events, played.end - begin + 10 * MS, [], closed=False, lost=played.lost, settings=_SETTINGS)


def sending(*, stalls: bool = False) -> Script:
    """Two connections, IPv4 and IPv6, that send and receive two thousand times; no rule is broken.

    With ``stalls``, sends take half as long again, and of the second thousand of calls one in eight receives on IPv6
    waits for 200 ms more: for comparisons of two traces.
    """
    rng = Random("sending")  # noqa: S311 -- reproducible, no secret
    lines = ["driver"]
    for socket, family in (("V4", "AF_INET"), ("V6", "AF_INET6")):
        lines += [
            f"open {socket} AddressFamily={family} Flags=connection",
            f"run WskBind {socket} AddressFamily={family}",
        ]
        lines += [
            f"run WskConnect {socket} AddressFamily={family} -> PENDING, +{rng.randrange(9, 30)}ms complete SUCCESS"
        ]
    for number in range(2000):
        socket, receives = rng.choice(("V4", "V6")), rng.random() < 0.5
        took, unlucky = rng.lognormvariate(*((6.7, 0.7) if receives else (4.6, 0.5))), rng.random() < 0.125
        at_once = rng.random() < 0.2
        if stalls and not receives:
            took *= 1.5
        if stalls and receives and unlucky and socket == "V6" and number >= 1000:
            took, at_once = took + 200_000, False
        call, length = ("WskReceive", 4096) if receives else ("WskSend", rng.choice((64, 512, 1400)))
        done = f"complete SUCCESS Information={length}"
        then = f"{done}, PENDING" if at_once else f"PENDING, +{int(took * 1000)}ns {done}"
        lines.append(f"+{rng.randrange(200, 9000)}us run {call} {socket} Length={length} -> {then}")
    return run_script("\n".join([*lines, "close V4", "close V6", "unload"]))
