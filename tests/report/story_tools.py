"""Small traces with their stories, for tests of what is told."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING
from uuid import UUID

import wsktrace
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_records import event, message
from wsktrace.testing.etl_writer import native_records, write_records
from wsktrace.testing.script import run_script
from wsktrace.testing.wpp_encode import Described, payload, tmf_text

if TYPE_CHECKING:
    from pathlib import Path

    from wsktrace.report.story.told import Story
    from wsktrace.testing.events import Event
    from wsktrace.trace import Trace

DRIVER = UUID("5b6f6c9a-1d2e-3f40-8192-a3b4c5d6e7f8")
OTHER = UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
SAYS = Described(10, "%0connect of %10!p!: %11!s!", [("Irp", "ItemPtr"), ("What", "ItemString")], tag="net_c104")
PLAIN = Described(11, "%0%10!s!", [("What", "ItemString")], tag="net_c7")


def traced(script: str) -> Trace:
    """Run a script and open its trace."""
    return wsktrace.open(io.BytesIO(run_script(script).etl()))


def texts(story: Story) -> list[str]:
    return [line.text for line in story.lines]


def kinds(story: Story) -> list[str]:
    return [line.kind for line in story.lines]


def fact(story: Story, label: str) -> str:
    return dict(story.facts)[label]


def said(
    spot: Event, text: str, *, irp: int | None = None, tid: int | None = None, after: int = 100
) -> tuple[int, ...]:
    """Return a WPP message, some ns behind an event, on its thread or another one."""
    return spot, text, irp, spot.tid if tid is None else tid, after


def noted(spot: Event, irp: int, text: str, *, tid: int = 99, after: int = 100) -> tuple[object, ...]:
    """Return a self-describing event of another provider, with an address in a field."""
    return spot, text, irp, tid, after, "TraceLogging"


def with_wpp(folder: Path, events: list[Event], messages: list[tuple[object, ...]]) -> Path:
    """Write a trace of native events with messages between them, and the TMF file that describes these."""
    options = TraceOptions()
    records = native_records(events, options)
    for spot, text, irp, tid, after, *other in messages:
        clock = options.clock_at(spot.time + after)
        if other:
            traits = struct.pack("<H", 2 + 7) + b"MyWifi\0"
            fields = b"\0Dropped\0" + b"Request\0\x0a" + b"Why\0\x02"
            items = [(12, traits), (11, struct.pack("<H", len(fields) + 2) + fields)]
            body = struct.pack("<Q", irp) + text.encode() + b"\0"
            records.append(event(OTHER, body, clock, spot.cpu, level=4, tid=tid, pid=4, ext=items))
            continue
        described, args = PLAIN, [("ItemString", text)]
        if irp is not None:
            described, args = SAYS, [("ItemPtr", irp), *args]
        body = payload(args)
        records.append(message(described.number, body, clock, spot.cpu, guid=DRIVER, tid=tid, pid=4))
    target = folder / "driver.etl"
    write_records(records, target, options=options)
    (folder / "driver.tmf").write_text(tmf_text(DRIVER, [SAYS, PLAIN], source="net.c"))
    return target
