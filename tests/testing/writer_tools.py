"""What several tests of the writer need: events, and files read by readers that are not ours."""

from __future__ import annotations

import io
import random
import struct
import warnings
from typing import Any, NamedTuple

from wsktrace.testing.events import Event
from wsktrace.testing.native import EVENTS, complete

FILETIME_1970 = 116_444_736_000_000_000


def some_events(count: int, seed: int = 1, cpus: int = 4, step: int = 3000) -> list[Event]:
    """Events of every kind the provider has, at random, in order of time and of Seq."""
    rng = random.Random(seed)
    kinds, time, out = sorted(EVENTS), 0, []
    for seq in range(count):
        name, opcode = rng.choice(kinds)
        fields = {f.name: rng.randrange(1 << min(8 * f.width(), 48)) for f in EVENTS[name, opcode].fields}
        cpu = rng.randrange(cpus)
        out.append(complete(Event(time, cpu, 100 + cpu, 4, name, opcode, fields, seq=seq)))
        time += rng.randrange(step)
    return out


class Header(NamedTuple):
    """WMI_BUFFER_HEADER as the tests read it."""

    at: int
    size: int
    saved: int
    current: int
    flush: int
    sequence: int
    cpu: int
    state: int
    used: int
    flags: int
    type: int


def headers(data: bytes) -> list[Header]:
    """The headers of a file's buffers, by a walk of the test's own."""
    out, at = [], 0
    while at + 0x48 <= len(data):
        size, saved, current = struct.unpack_from("<III", data, at)
        flush, sequence = struct.unpack_from("<qq", data, at + 0x10)
        cpu, _, state, used, flags, kind = struct.unpack_from("<HHIIHH", data, at + 0x28)
        if size < 0x48:
            break
        out.append(Header(at, size, saved, current, flush, sequence, cpu, state, used, flags, kind))
        at += size
    return out


def by_dissect(data: bytes) -> Any:
    """dissect.etl's view of a file."""
    from dissect.etl import ETL

    return ETL(io.BytesIO(data))


class Seen:
    """What etl-parser reports of a file: records by kind, in file order."""

    def __init__(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from etl.etl import IEtlFileObserver, build_from_stream
        events: list[Any] = []
        others: list[str] = []

        class Observer(IEtlFileObserver):  # type: ignore[misc]
            def on_event_record(self, event: Any) -> None:
                events.append(event)

            def on_trace_record(self, event: Any) -> None:
                others.append("trace")

            def on_perfinfo_trace(self, obj: Any) -> None:
                others.append("perfinfo")

            def on_system_trace(self, obj: Any) -> None:
                others.append("system")

            def on_win_trace(self, obj: Any) -> None:
                others.append("win")

        file = build_from_stream(data)
        file.parse(Observer())
        self.header, self.events, self.others = file.get_header(), events, others
