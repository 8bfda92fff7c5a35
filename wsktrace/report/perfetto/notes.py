"""What a timeline says besides lives: findings, and what the trace lacks, so that silence is not misread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.arrays import among
from wsktrace.report.perfetto.lanes import FOREVER, interleaved, lanes
from wsktrace.report.perfetto.layers import BEGIN, END, INSTANT, Layer, Note, Shown, column, taken, words
from wsktrace.report.words import reason_text
from wsktrace.units import clean
from wsktrace.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.facts import TraceFacts
    from wsktrace.report.perfetto.irps import Drawn
    from wsktrace.report.perfetto.layers import Tracks, Window

__all__ = ["finding_layers", "quality_layers", "span_layer"]

#: Items of ``quality`` that tell of a stretch of time.
_STRETCHES = ("gap", "damaged")


def finding_layers(findings: pa.Table, tracks: Tracks, drawn: Drawn, window: Window) -> list[Layer]:
    """Add a track of all findings; return the layers of that track and of the sockets that they are about."""
    time = column(findings, "time")[0]
    rows = np.flatnonzero((time >= window.since) & (time < window.until))
    if not len(rows):
        return []
    track = tracks.add("findings", about="Broken rules and suspects; each stands on its socket's track, too")
    home = drawn.find(*column(findings, "socket_id"))
    on_socket = rows[home[rows] > 0]
    kinds = np.full(len(findings), INSTANT, np.uint8)

    def show(at: NDArray[np.int64]) -> Shown:
        return _show_findings(findings, at)

    return [
        Layer(time[rows], np.full(len(rows), track, np.int64), kinds[rows], rows, show),
        Layer(time[on_socket], home[on_socket], kinds[on_socket], on_socket, show),
    ]


def _show_findings(findings: pa.Table, rows: NDArray[np.int64]) -> Shown:
    values = taken(findings, rows)
    rules, verdicts, severities = (words(values(name)) for name in ("rule", "verdict", "severity"))
    names = [rule if verdict == "fail" else f"{verdict}: {rule}" for rule, verdict in zip(rules, verdicts, strict=True)]
    kinds = [f"finding {severity}" for severity in severities]
    why = [None if r is None else reason_text(r) for r in words(values("reason"))]
    notes = (
        Note("rule", rules, word=True),
        Note("message", [clean(text) for text in values("message")]),
        Note("severity", severities, word=True),
        Note("verdict", verdicts, word=True),
        Note("party", words(values("party")), word=True),
        Note("not_certain", why, word=True),
        Note("finding_id", values("finding_id")),
        Note(
            "evidence", ["operations " + ", ".join(map(str, ids[:20])) if ids else None for ids in values("evidence")]
        ),
        Note("follows_from", values("follows_from")),
        Note("ignored", words(values("ignored")), word=True),
    )
    return Shown(names, kinds, notes)


def span_layer(facts: TraceFacts, tracks: Tracks, window: Window, span: tuple[int, int], cut: str) -> tuple[int, Layer]:
    """Add the track of the trace as a whole; return it and its layer: one slice from the first moment to the last.

    It says what the trace is, what was lost, and, where ``cut`` says that less is shown, what.
    """
    track = tracks.add(
        "trace quality", about="What the trace lacks: where nothing is drawn, nothing may have been seen"
    )
    told = ": " + ", ".join(facts.losses) if facts.losses else ", nothing lost or damaged"
    name = clean(f"{facts.file}{told}{f' (shown: {cut})' if cut else ''}")
    notes: dict[str, Any] = {
        "file": facts.file,
        "sha256": facts.sha256,
        "profile": facts.profile,
        "made_by": f"wsktrace {__version__}",
        "events_lost": facts.events_lost,
        "buffers_lost": facts.buffers_lost,
        "damaged_bytes": facts.damaged_bytes,
        "operations": facts.judged,
        "shown": cut or "everything",
    }
    begin, end = (max(span[0], window.since), min(span[1], window.until)) if cut else span
    shown = Shown(
        [name],
        ["quality"],
        tuple(Note(k, [clean(v) if isinstance(v, str) else v]) for k, v in notes.items()),
    )
    two = np.array([begin, max(begin, end)], np.int64)
    types = np.array([BEGIN, END], np.uint8)
    return track, Layer(two, np.full(2, track, np.int64), types, np.zeros(2, np.int64), lambda _: shown)


def quality_layers(
    quality: pa.Table, tracks: Tracks, parent: int, window: Window, span: tuple[int, int]
) -> list[Layer]:
    """Return gaps and damage as slices on lanes below the track ``parent``, and the edges of the trace as instants.

    A stretch whose beginning or end nobody knows reaches to that of the trace. Damage without a time has no place here;
    the slice of the trace counts it.
    """
    start, has_start = column(quality, "start")
    end, has_end = column(quality, "end")
    timed = has_start | has_end
    whole_gap = among(quality, "item", ["gap"]) & among(quality, "name", ["file"]) & ~timed
    stretches = (among(quality, "item", _STRETCHES) & timed) | whole_gap
    begin = np.where(has_start, start, span[0])
    until = np.maximum(np.where(has_end, end, span[1]), begin)
    rows = np.flatnonzero(stretches & window.overlaps(begin, until))
    edges = np.flatnonzero(among(quality, "item", ["edge"]) & timed)
    moment = np.where(has_start, start, end)
    edges = edges[window.overlaps(moment[edges], moment[edges])]

    def show(at: NDArray[np.int64]) -> Shown:
        return _show_quality(quality, at)

    layers = [Layer(moment[edges], np.full(len(edges), parent), np.full(len(edges), INSTANT, np.uint8), edges, show)]
    if len(rows):
        lane = lanes(np.zeros(len(rows), np.int64), begin[rows], until[rows])
        uuids = np.array([tracks.add("gaps", parent=parent, lane=True) for _ in range(int(lane.max()) + 1)], np.int64)
        at, begins, time = interleaved(begin[rows], until[rows])
        keep = time != FOREVER
        at, begins, time = at[keep], begins[keep], time[keep]
        layers.append(Layer(time, uuids[lane[at]], np.where(begins, BEGIN, END).astype(np.uint8), rows[at], show))
    return layers


def _show_quality(quality: pa.Table, rows: NDArray[np.int64]) -> Shown:
    values = taken(quality, rows)
    items, names, details = words(values("item")), words(values("name")), words(values("detail"))
    titles = [
        detail or item if item == "edge" else f"{item}: {detail or name}"
        for item, name, detail in zip(items, names, details, strict=True)
    ]
    notes = (
        Note("item", items, word=True),
        Note("name", names, word=True),
        Note("value", values("value")),
        Note("cpu", values("cpu")),
    )
    return Shown(titles, ["quality"] * len(titles), notes)
