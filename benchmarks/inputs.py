"""The traces that are measured: corpus files, and traces that ``wsktrace.testing`` writes for the purpose.

Memory does not grow with what is written: a block of busy traffic is repeated with shifted times, addresses and Seq.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.process import ROOT

if TYPE_CHECKING:
    from wsktrace.testing.events import Event

__all__ = ["VARIANTS", "corpus_file", "native", "single", "wide"]

#: Kind of native trace → what it is, in a few words.
VARIANTS = {
    "usual": "addresses are used again within a few seconds, new ones come all the time",
    "reused": "a few dozen addresses, each used again until the end",
    "no-seq": "as usual, from a header that does not number its events",
    "faulty": "as usual, each rule broken once in about 14,000 events",
}
#: Further apart than all addresses of a block.
_STRIDE = 1 << 27
_SINGLE_BUFFER = 16 << 20


def corpus_file(name: str) -> Path | None:
    """Return the path of a trace of the corpus; None where it is not at hand."""
    folder = os.environ.get("WSKTRACE_CORPUS")
    path = (Path(folder) if folder else ROOT.parent / "shared" / "corpus") / "etl" / name
    return path.resolve() if path.is_file() else None


def _traffic(variant: str) -> list[Event]:
    """Return a busy driver's events: about 12,000 on 8 processors, of sockets that come and go, some dozens at once."""
    from wsktrace.testing.driver import busy
    from wsktrace.testing.faults import FAULTS, fault_fragment
    from wsktrace.testing.kernel_notes import NOTES

    faults = [rule for rule, ways in FAULTS.items() if ways[0].unloads] if variant == "faulty" else []
    extras = [fault_fragment(rule) for rule in faults]
    events = busy(2, sockets=240, cpus=8, seconds=0.8, extras=extras, seq=variant != "no-seq").events
    # what is repeated are events of the driver; the kernel logger's records have other headers
    return [event for event in events if event.name not in NOTES]


def native(path: str, events: int, variant: str) -> dict[str, Any]:
    """Write a native trace of at least so many events: a load of a driver, traffic repeated, its unload."""
    from wsktrace.testing.bulk import Repetition, write_repeated
    from wsktrace.testing.driver import busy

    alone = len(busy(1, sockets=0).events)
    load = len(busy(1, sockets=0, unload=False).events)
    all_events = _traffic(variant)
    end = len(all_events) - (alone - load)
    before, block, after = all_events[:load], all_events[load:end], all_events[end:]
    how = Repetition(stride=0 if variant == "reused" else _STRIDE, before=before, after=after)
    summary = write_repeated(block, max(1, -(-events // len(block))), path, how)
    return {"events": summary.records, "bytes": summary.size}


def wide(path: str, events: int) -> dict[str, Any]:
    """Write a native trace of events with 12 fields each (the entry of WskControlClient)."""
    from wsktrace.testing.bulk import Repetition, write_repeated
    from wsktrace.testing.events import Event
    from wsktrace.testing.native import complete

    client, buffer, irp = 0xFFFFB10A2B0060E0, 0xFFFFB10A30552040, 0xFFFFB10A2C41E010
    block = [
        complete(
            Event(
                n * 1000,
                n % 4,
                4100 + n % 4,
                4,
                "WskControlClient",
                1,
                {"Client": client, "ControlCode": 4, "InputSize": 8, "InputBuffer": buffer + n, "Irp": irp + 0x150 * n},
                seq=n + 1,
            )
        )
        for n in range(200)
    ]
    summary = write_repeated(block, -(-events // len(block)), path, Repetition(stride=_STRIDE))
    return {"events": summary.records, "bytes": summary.size}


def single(path: str, records: int) -> dict[str, Any]:
    """Write a trace with one buffer of 16 MiB (and the header buffer) of so many records: 160,000 fill it."""
    from uuid import UUID

    from wsktrace.testing.etl_options import TraceOptions
    from wsktrace.testing.etl_records import event
    from wsktrace.testing.etl_writer import write_records

    options = TraceOptions(buffer_size=_SINGLE_BUFFER)
    provider = UUID("5c51a21d-8f9e-5d0c-9d12-9f6be0c0a1b2")
    bodies = [bytes(range(size)) for size in (32, 16, 24, 20, 8)]
    made = [
        event(
            provider,
            bodies[n % len(bodies)],
            options.clock_at(n * 1000),
            tid=4100 + n % 7,
            pid=4,
            id=n % 40,
            keyword=1 << n % 5,
        )
        for n in range(records)
    ]
    size = len(write_records(made, path, options=options))
    return {"events": records, "bytes": size}
