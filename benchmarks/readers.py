"""Records with their header columns and UTC times, by wsktrace and by its peers.

Every reader gives the same five columns: time (ns UTC), provider (a code), thread, process and id, as arrays. The
peers are asked in the cheapest way that their interfaces have, and their clocks are converted in one NumPy
expression where they offer no conversion.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["PEERS", "read"]

#: Peer → the package that holds it.
PEERS = {"etl-parser": "etl-parser", "dissect.etl": "dissect.etl"}
_EPOCH = 116_444_736_000_000_000  # 1970 as FILETIME
#: Where a 64-bit trace keeps the clock of its first record, PerfFreq and StartTime.
_CLOCK_AT = (0x58, 0x168, 0x170)
_LEAST, _MOST = 0.5, 7  # a fast reader reads again until so many seconds or times are spent


def read(reader: str, path: str, buffers: int | None = None) -> dict[str, Any]:
    """Read a trace, a fast reader several times: seconds of the median pass and of the first.

    Args:
        reader: ``wsktrace``, ``etl-parser`` or ``dissect.etl``.
        path: the trace.
        buffers: how many of its buffers to read, the header buffer included; None: all.
    """
    with Path(path).open("rb") as file:  # into the system's cache
        while file.read(1 << 20):
            pass
    one_pass = _OPEN[reader]()
    passes: list[float] = []
    while not passes or (sum(passes) < _LEAST and len(passes) < _MOST):
        begun = time.perf_counter()
        columns = one_pass(path, buffers)
        passes.append(time.perf_counter() - begun)
    return {
        "records": len(columns[0]),
        "first_ns": int(columns[0].min(initial=1 << 62)),
        "last_ns": int(columns[0].max(initial=0)),
        "seconds": sorted(passes)[len(passes) // 2],
        "first_pass_seconds": passes[0],
        "passes": len(passes),
    }


def _columns(rows: list[tuple[int, ...]]) -> tuple[NDArray[np.int64], ...]:
    table = np.array(rows, np.int64).reshape(-1, 5)
    return tuple(np.ascontiguousarray(column) for column in table.T)


def _wsktrace() -> Callable[[str, int | None], Any]:
    from wsktrace.etl.file import open_trace

    def one_pass(path: str, buffers: int | None) -> Any:
        assert buffers is None
        parts: list[tuple[NDArray[Any], ...]] = []
        with open_trace(path) as file:
            for chunk in file.chunks():
                records = chunk.records
                parts.append((file.clock.to_ns(records.clock), records.guid, records.tid, records.pid, records.id))
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    return one_pass


def _dissect() -> Callable[[str, int | None], Any]:
    from dissect.etl import ETL
    from dissect.etl.headers.event import EventHeader
    from dissect.etl.headers.system import SystemSpecificHeader

    def one_pass(path: str, buffers: int | None) -> Any:
        codes: dict[Any, int] = {}
        rows: list[tuple[int, ...]] = []
        with Path(path).open("rb") as handle:
            trace = ETL(handle)
            utc = trace.get_filetime_for_event
            count = trace.logfile_header.buffers_written
            for number in range(count if buffers is None else min(buffers, count)):
                for record in trace.buffer(number):
                    head = record.header
                    if isinstance(head, EventHeader):
                        what = head.header.Id
                    elif isinstance(head, SystemSpecificHeader):
                        what = head.hook_id
                    else:
                        what = getattr(head, "opcode", 0) or 0
                    rows.append(
                        (
                            utc(head.time_delta),
                            codes.setdefault(head.provider_id, len(codes)),
                            getattr(head, "thread_id", 0) or 0,
                            getattr(head, "process_id", 0) or 0,
                            what,
                        )
                    )
        filetime, *others = _columns(rows)
        return ((filetime - _EPOCH) * 100, *others)

    return one_pass


def _etl_parser() -> Callable[[str, int | None], Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its modules hold strings with unknown escapes
        from etl.etl import IEtlFileObserver, build_from_stream

    codes: dict[Any, int] = {}

    def provider(guid: Any) -> int:
        inner = guid.inner
        return codes.setdefault((inner.data1, inner.data2, inner.data3, *inner.data4), len(codes))

    class Rows(IEtlFileObserver):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows: list[tuple[int, ...]] = []

        def on_event_record(self, event: Any) -> None:
            head = event.source.event_header
            tid, pid, what = head.thread_id, head.process_id, head.event_descriptor.Id
            self.rows.append((head.timestamp, provider(head.provider_id), tid, pid, what))

        def on_trace_record(self, event: Any) -> None:
            head = event.source.event_header
            self.rows.append((head.timestamp, provider(head.guid), head.thread_id, head.process_id, head["class"].type))

        def on_perfinfo_trace(self, obj: Any) -> None:
            head = obj.source.header
            self.rows.append((obj.source.timestamp, -1, 0, 0, int(head.group) << 8 | head.type))

        def on_system_trace(self, obj: Any) -> None:
            head = obj.source.system_header
            what = int(head.header.group) << 8 | head.header.type
            self.rows.append((head.system_time, -1, head.thread_id, head.process_id, what))

        def on_win_trace(self, obj: Any) -> None:
            head = obj.source.event_header
            self.rows.append((0, provider(head.provider_id), head.thread_id, head.process_id, head.event_id))

    def one_pass(path: str, buffers: int | None) -> Any:
        with Path(path).open("rb") as file:
            size = int.from_bytes(file.read(4), "little")
            file.seek(0)
            data = file.read() if buffers is None else file.read(size * buffers)
        trace = build_from_stream(data)
        seen = Rows()
        trace.parse(seen)
        clock, *others = _columns(seen.rows)
        # its own header lacks the 4 bytes before BootTime, so StartTime is read here
        first, frequency, start = (struct.unpack_from("<q", data, at)[0] for at in _CLOCK_AT)
        ticks = clock - first
        ns = ticks // frequency * 1_000_000_000 + ticks % frequency * 1_000_000_000 // frequency
        return (ns + (start - _EPOCH) * 100, *others)

    return one_pass


_OPEN: dict[str, Callable[[], Callable[[str, int | None], Any]]] = {
    "wsktrace": _wsktrace,
    "dissect.etl": _dissect,
    "etl-parser": _etl_parser,
}
