"""The tracks of sockets: their lives and phases, and the uses of IRPs as slices on lanes below them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import among
from wsktrace.report.perfetto.lanes import FOREVER, interleaved, lanes
from wsktrace.report.perfetto.layers import BEGIN, END, Layer, Note, Shown, column, status_texts, taken, words
from wsktrace.report.words import NOT_OWN, reason_text
from wsktrace.stats.outstanding import spans
from wsktrace.units import address_text, clean

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.report.perfetto.layers import Tracks, Window

__all__ = ["Drawn", "irp_layers", "socket_layers", "socket_span"]

_MOST = (1 << 64) - 1
_PHASES = ("creating", "open", "closing")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where things are drawn: socket_id → uuid of its track, ascending; the track of what is on no socket."""

    ids: NDArray[np.uint64]
    tracks: NDArray[np.int64]

    def find(self, ids: NDArray[np.uint64], known: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the tracks of sockets, 0 where one has none."""
        if not len(self.ids):
            return np.zeros(len(ids), np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(known & (self.ids[at] == ids), self.tracks[at], 0)


def socket_layers(sockets: pa.Table, tracks: Tracks, window: Window, start_ns: int) -> tuple[Drawn, list[Layer]]:
    """Add a track per socket, in order of creation, below one for all; return them and the layer of their lives."""
    if not sockets.num_rows:
        return Drawn(np.zeros(0, np.uint64), np.zeros(0, np.int64)), []
    moments = _moments(sockets, start_ns)
    born = moments[:, 0]
    parent = tracks.add("sockets", about="Each socket: its life, and below it the uses of IRPs on it")
    ids = column(sockets, "socket_id")[0]
    order = np.lexsort((ids, born))
    uuids = np.zeros(len(ids), np.int64)
    names = _socket_names(sockets)
    for row in order.tolist():
        uuids[row] = tracks.add(names[row], parent=parent)
    by = np.argsort(ids)
    drawn = Drawn(ids[by], uuids[by])
    # per socket four slices: the life, and in it the phases that it had
    begin = np.column_stack((born, moments[:, :3])).ravel()
    end = np.column_stack((moments[:, 3], moments[:, 1:])).ravel()
    had = np.column_stack((np.ones(len(ids), np.bool_), _had(sockets, moments))).ravel()
    had &= window.overlaps(begin, end)
    # in the order in which they nest: life begins, phase begins and ends …, life ends
    base = np.repeat(np.arange(len(ids)) * 4, 8)
    slices = base + np.tile([0, 1, 1, 2, 2, 3, 3, 0], len(ids))
    begins = np.tile([True, True, False, True, False, True, False, False], len(ids))
    keep = had[slices] & (begins | (end[slices] != FOREVER))
    slices, begins = slices[keep], begins[keep]
    layer = Layer(
        np.where(begins, begin[slices], end[slices]),
        uuids[slices // 4],
        np.where(begins, BEGIN, END).astype(np.uint8),
        slices,
        lambda rows: _show_sockets(sockets, rows),
    )
    return drawn, [layer]


def _moments(sockets: pa.Table, start_ns: int) -> NDArray[np.int64]:
    """Return per socket the times of birth, opening, closing, end, int64 ns (n, 4); ``FOREVER`` for what never came."""
    held = np.empty((sockets.num_rows, 4), np.int64)
    for at, name in enumerate(("create_time", "open_time", "close_time", "closed_time")):
        times, known = column(sockets, name)
        held[:, at] = np.where(known, times, FOREVER)
    born, opened, closing = held[:, 0], held[:, 1], held[:, 2]
    # adopted: it was there before the trace began
    born[born == FOREVER] = np.minimum(start_ns, held.min(axis=1))[born == FOREVER]
    closed = np.minimum(closing, held[:, 3])
    opened[:] = np.where(opened == FOREVER, np.where(_adopted(sockets), born, closed), opened)
    closing[:] = np.where(closing == FOREVER, held[:, 3], closing)
    return np.maximum.accumulate(held, axis=1)


def socket_span(sockets: pa.Table, start_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return from when until when each socket lived, ns UTC; ``FOREVER`` where its end was not seen."""
    moments = _moments(sockets, start_ns)
    return moments[:, 0], moments[:, 3]


def _adopted(sockets: pa.Table) -> NDArray[np.bool_]:
    return among(sockets, "origin", ["adopted"])


def _had(sockets: pa.Table, moments: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the three phases each socket had, (n, 3)."""
    seen = [column(sockets, name)[1] for name in ("create_time", "open_time", "close_time")]
    begun = moments[:, :3] != FOREVER
    return np.column_stack(
        (seen[0] & ~_adopted(sockets), (seen[1] | _adopted(sockets)) & begun[:, 1], seen[2] & begun[:, 2])
    )


def _socket_names(sockets: pa.Table) -> list[str]:
    """Return "connection ffff8001`23456780 #17": what it is, its address, its row of ``sockets``."""
    values = (sockets.column(name).to_pylist() for name in ("category", "socket", "socket_id"))
    return [
        clean(f"{category or 'socket'} {address_text(address)} #{number}")
        for category, address, number in zip(*values, strict=True)
    ]


def _show_sockets(sockets: pa.Table, slices: NDArray[np.int64]) -> Shown:
    values = taken(sockets, slices // 4)
    which = (slices % 4).tolist()
    categories, origins = values("category"), values("origin")
    names = []
    for phase, category, origin in zip(which, categories, origins, strict=True):
        life = f"{category or 'socket'}{', alive before the trace' if origin == 'adopted' else ''}"
        names.append(clean(life) if phase == 0 else _PHASES[phase - 1])

    def of_life(found: list[Any]) -> list[Any]:
        return [value if phase == 0 else None for value, phase in zip(found, which, strict=True)]

    notes = [Note("socket", [address_text(v) for v in values("socket")])]
    notes += [Note(name, of_life(values(name))) for name in ("socket_id", "address_family", "socket_type", "protocol")]
    notes += [Note("origin", of_life(words(origins)), word=True)]
    notes += [Note(name, of_life(values(name))) for name in ("parent_id", "irps", "open_irps")]
    notes += [Note("doubt", of_life(words(values("doubt"))), word=True)]
    notes += [Note(name, of_life(values(name))) for name in ("birth_operation", "close_operation", "closed_operation")]
    return Shown(names, ["socket"] * len(names), tuple(notes))


def irp_layers(irps: pa.Table, tracks: Tracks, drawn: Drawn, window: Window, chosen: NDArray[np.bool_]) -> list[Layer]:
    """Add the lanes of IRPs below their sockets' tracks, and return their layer; it carries the number outstanding.

    ``chosen``: which rows are drawn and counted at all.
    """
    begin, end = spans(irps, FOREVER)
    rows, begins, time = interleaved(begin, end)
    count = np.cumsum(np.where(begins, 1, -1) * chosen[rows])
    count = count[np.searchsorted(time, time, side="right") - 1]  # at one moment only the last value counts
    home = drawn.find(*column(irps, "socket_id"))
    if bool(np.any(chosen & (home == 0))):
        home[home == 0] = tracks.add(
            "calls on no socket", about="Calls of the client, and such whose socket is unknown"
        )
    shown = np.flatnonzero(chosen & window.overlaps(begin, end))
    lane = lanes(home[shown], begin[shown], end[shown])
    pairs, place = np.unique(np.column_stack((home[shown], lane)), axis=0, return_inverse=True)
    uuids = np.array([tracks.add("IRPs", parent=int(owner), lane=True) for owner, _ in pairs.tolist()], np.int64)
    track = np.zeros(len(begin), np.int64)
    track[shown] = uuids[place.ravel()] if len(shown) else 0
    keep = (track[rows] > 0) & (time != FOREVER)
    count = np.where((time >= window.since) & (time < window.until), count, -1)
    layer = Layer(
        time[keep],
        track[rows[keep]],
        np.where(begins[keep], BEGIN, END).astype(np.uint8),
        rows[keep],
        lambda at: _show_irps(irps, at),
        count[keep],
    )
    return [layer]


def _show_irps(irps: pa.Table, rows: NDArray[np.int64]) -> Shown:
    values = taken(irps, rows)
    ops, ids = words(values("op")), values("irp_id")
    outcomes, came = values("outcome"), values("complete_time")
    returned = status_texts(values("return_status"), values("return_status_name"))
    completed = status_texts(values("completion_status"), values("completion_status_name"))
    doubts, own = words(values("doubt")), values("own")
    why = [_doubt(*told) for told in zip(doubts, own, strict=True)]
    ends = (t is not None for t in came)
    sure = (reason is None for reason in why)
    names = [_irp_name(*told) for told in zip(ops, outcomes, ends, completed, returned, sure, strict=True)]
    notes = [
        Note("op", ops, word=True),
        Note("irp", [address_text(v) for v in values("irp")]),
        Note("irp_id", ids),
        Note("outcome", words(outcomes), word=True),
        Note("completion", words(values("completion")), word=True),
        Note("return_status", returned, word=True),
        Note("completion_status", completed, word=True),
        Note("not_certain", why, word=True),
    ]
    plain = ("information", "length", "pending_ns", "issue_operation", "return_operation", "complete_operation")
    notes += [Note(name, values(name)) for name in plain]
    return Shown(names, ["IRP"] * len(names), tuple(notes), [(number + 1) & _MOST for number in ids])


def _doubt(reason: str | None, own: bool) -> str | None:
    """Return why the end of a use may be otherwise than drawn; None where it is certain."""
    if reason is not None:
        return reason_text(reason)
    return None if own else NOT_OWN


def _irp_name(op: str, outcome: str, came: bool, completed: str | None, returned: str | None, sure: bool) -> str:
    """Return the name of a slice: the call, and what a reader must not miss about its end."""
    if outcome == "open":
        return f"{op} ({'still pending' if sure else 'no completion seen'})"
    if outcome in ("failed", "cancelled"):
        return f"{op} {(completed if came else returned) or outcome}"
    return op if came else f"{op} (end not seen)"
