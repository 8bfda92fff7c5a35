"""A trace as a timeline for https://ui.perfetto.dev: sockets, uses of IRPs, threads, findings, and what is missing.

Made from the tables, so it works on what ``wsktrace.load`` gives, too. It holds:

- **sockets**: a track per socket in order of creation, its life and phases; below it the uses of IRPs as slices, on as
  many lanes as overlap. One still pending at the end of the trace has no end. Other IRPs: *calls on no socket*.
- **processes and threads**: calls from entry to return, completion routines, callbacks; arrows run from a call over the
  slice of its IRP to the completion.
- **IRPs outstanding**: their number over time.
- **findings**: instants, on a track of all and on the sockets' tracks.
- **trace quality**: the span of the trace, gaps, damage, edges.

Times are ns since the start of the trace; a clock snapshot says which moment (UTC) that is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from wsktrace.arrays import among
from wsktrace.errors import UsageError
from wsktrace.report.perfetto.irps import irp_layers, socket_layers, socket_span
from wsktrace.report.perfetto.lanes import FOREVER
from wsktrace.report.perfetto.layers import Tracks, Window, column
from wsktrace.report.perfetto.notes import finding_layers, quality_layers, span_layer
from wsktrace.report.perfetto.packets import PacketWriter
from wsktrace.report.perfetto.threads import thread_layers
from wsktrace.report.words import providers_seen
from wsktrace.stats.outstanding import spans
from wsktrace.units import clean, time_text, which_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["UI_LIMIT", "Window", "Written", "write"]

#: Bytes that the page can hardly take. Source: perfetto.dev/docs/visualization/large-traces (2 GB of WebAssembly).
UI_LIMIT = 2_000_000_000
#: Tracks of which a reader can still make sense.
MANY_TRACKS = 5_000


@dataclass(frozen=True, slots=True)
class Written:
    """How much a timeline holds: bytes, packets, tracks, uses of IRPs and sockets drawn."""

    size: int
    packets: int
    tracks: int
    irps: int
    sockets: int

    def warnings(self) -> list[str]:
        """Return what a reader must know before opening the file."""
        told = []
        if self.size > UI_LIMIT:
            told.append(
                f"the timeline has {self.size / 1e9:.1f} GB, and the page can hardly open more than 2 GB; "
                "cut it with --since, --until or --socket"
            )
        if self.tracks > MANY_TRACKS:
            told.append(
                f"the timeline has {self.tracks:,} tracks, which the page draws slowly; --socket ADDR shows one"
            )
        return told


def write(
    facts: TraceFacts,
    tables: Tables,
    out: BinaryIO,
    *,
    socket: int | None = None,
    window: Window | None = None,
) -> Written:
    """Write a timeline to a binary file, packet by packet.

    Args:
        facts: of the trace.
        tables: gives the tables of the trace; nothing else of it is read.
        out: where to.
        socket: address or id of a socket: only it, its IRPs and what ran for these are drawn.
        window: only what reaches into it is drawn, and that whole.

    Raises:
        UsageError: there is nothing to draw; the message says why.
        MissingDependency: the package ``perfetto`` is not installed.
    """
    window = window or Window()
    operations, irps, sockets = tables("operations"), tables("irps"), tables("sockets")
    if not operations.num_rows and not irps.num_rows:
        raise UsageError(_nothing(facts))
    irps_chosen = np.ones(irps.num_rows, np.bool_)
    if socket is not None:
        sockets, irps_chosen, operations = _of_socket(socket, sockets, irps, operations)
    span = _span(facts, operations, irps)
    writer, tracks = PacketWriter(out, span[0]), Tracks()
    cut = _cut(socket, window)
    quality, whole = span_layer(facts, tracks, window, span, cut)
    notes = quality_layers(tables("quality"), tracks, quality, window, span)
    counter = tracks.add("IRPs outstanding", counter=True, about="Uses of IRPs that are going on")
    sockets = _alive(sockets, irps, irps_chosen, window, span[0])
    drawn, lives = socket_layers(sockets, tracks, window, span[0])
    found = finding_layers(_findings(tables("findings"), drawn.ids, socket), tracks, drawn, window)
    slices = irp_layers(irps, tracks, drawn, window, irps_chosen)
    threads = thread_layers(operations, irps, tracks, window)
    if not any(map(len, (*slices, *threads, *lives))):
        raise UsageError(f"nothing to draw: no WSK operation of {clean(facts.file)} is in what was chosen ({cut})")
    writer.head(_uuid(facts, cut))
    writer.tracks(tracks.held)
    writer.sequence([whole, *notes])
    writer.sequence(threads)  # before the IRPs: at one time, an arrow begins at the call
    writer.sequence([*lives, *slices, *found], counter)
    drawn_irps = sum(int(np.count_nonzero(layer.type == 1)) for layer in slices)
    return Written(writer.size, writer.packets, len(tracks.held), drawn_irps, sockets.num_rows)


def _nothing(facts: TraceFacts) -> str:
    seen = providers_seen(facts)
    return f"nothing to draw: no WSK operation in {clean(facts.file)}; providers seen (events): {seen}"


def _of_socket(
    socket: int, sockets: pa.Table, irps: pa.Table, operations: pa.Table
) -> tuple[pa.Table, NDArray[np.bool_], pa.Table]:
    """Return the sockets of an address or id, which IRPs are theirs, and the operations of these and of them."""
    held = sockets.filter(_mask(among(sockets, "socket", [socket]) | among(sockets, "socket_id", [socket])))
    if not held.num_rows:
        raise UsageError(f"no socket {which_text(socket)} in this trace; see the table sockets")
    ids = held.column("socket_id")
    theirs = _among(irps, "socket_id", ids)
    used = irps.column("irp_id").filter(_mask(theirs))
    mine = _among(operations, "socket_id", ids) | _among(operations, "irp_id", used)
    return held, theirs, operations.filter(_mask(mine))


def _among(table: pa.Table, name: str, values: Any) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    return np.asarray(pc.is_in(table.column(name), values.combine_chunks()).to_numpy(), np.bool_)


def _mask(chosen: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(chosen)


def _span(facts: TraceFacts, operations: pa.Table, irps: pa.Table) -> tuple[int, int]:
    """Return the first and the last moment of the trace, ns UTC; no mark lies before the first."""
    times = [column(operations, "time")[0], column(irps, "issue_time")[0]]
    times += [values[known] for values, known in (column(irps, n) for n in ("return_time", "complete_time"))]
    first = min(int(t.min()) for t in times if len(t))
    last = max(int(t.max()) for t in times if len(t))
    start = first if facts.start_ns is None else min(first, facts.start_ns)
    return max(start, 0), last if facts.end_ns is None else max(last, facts.end_ns)


def _alive(sockets: pa.Table, irps: pa.Table, chosen: NDArray[np.bool_], window: Window, start_ns: int) -> pa.Table:
    """Return the sockets that have something in the window."""
    if window.whole or not sockets.num_rows:
        return sockets
    begin, end = spans(irps, FOREVER)
    used = irps.column("socket_id").filter(_mask(chosen & window.overlaps(begin, end)))
    return sockets.filter(_mask(window.overlaps(*socket_span(sockets, start_ns)) | _among(sockets, "socket_id", used)))


def _findings(findings: pa.Table, ids: NDArray[np.uint64], socket: int | None) -> pa.Table:
    """Return the findings that are about the sockets; all where no socket was chosen."""
    if socket is None:
        return findings
    of, known = column(findings, "socket_id")
    return findings.filter(_mask(known & np.isin(of, ids)))


def _cut(socket: int | None, window: Window) -> str:
    """Return what is shown, in words; empty where it is everything."""
    parts = [] if socket is None else [f"socket {which_text(socket)}"]
    if window.since > Window().since:
        parts.append(f"from {time_text(window.since)}")
    if window.until < Window().until:
        parts.append(f"until {time_text(window.until)}")
    return " ".join(parts)


def _uuid(facts: TraceFacts, cut: str) -> bytes:
    """Return 16 bytes that are equal where the same is shown of the same trace."""
    return hashlib.sha256(f"{facts.sha256} {cut} {__version__}".encode()).digest()[:16]
