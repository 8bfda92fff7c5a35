"""What the trace holds and lacks, as the columns of ``quality``: bytes by class, losses, damage, gaps, edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.filefacts import FOREVER, NEVER
from wsktrace.schema_judged import RUNNING

if TYPE_CHECKING:
    from wsktrace.model.lives import Lives
    from wsktrace.wsk.mapping import Reading

__all__ = ["quality_columns"]

#: Gaps of one load that are told one by one.
_MOST_GAPS = 10_000


def quality_columns(reading: Reading, lives: Lives) -> dict[str, Any]:
    """Return the columns of ``quality``, one row per fact."""
    survey, header = reading.file.survey, reading.file.header
    assert survey is not None
    rows: list[tuple[str, str, int, int | None, int | None, int | None, str | None]] = []

    def row(
        item: str,
        name: str,
        value: int,
        *,
        cpu: int | None = None,
        start: int | None = None,
        end: int | None = None,
        detail: str | None = None,
    ) -> None:
        rows.append((item, name, value, cpu, start, end, detail))

    for name, size in reading.inventory.bytes(survey).items():
        row("bytes", name, size)
    for name, size in reading.inventory.bytes(survey, unpacked=True).items():
        row("unpacked_bytes", name, size)
    for name, count in survey.kinds.items():
        row("records", name, count)
    row("events_lost", "header", header.events_lost)
    row("buffers_lost", "header", header.buffers_lost)
    row("buffers", "found", len(survey.buffers))
    for problem in survey.problems:
        owner = problem.buffer
        cpu = int(survey.buffers.cpu[owner]) if 0 <= owner < len(survey.buffers) else None
        where = f"buffer {owner}, file offset {problem.file_offset:#x}" if owner >= 0 else "the file as a whole"
        row("damaged", where, problem.length, cpu=cpu, detail=problem.what)
    if survey.problems_left_out:
        row("damaged", "left out", survey.problems_left_out, detail="problems beyond those told one by one")
    gaps, end_ns, _ = lives.facts.gaps()
    for start, end in gaps:
        span = {"start": start if start > NEVER else None, "end": end if end < FOREVER else None}
        row("gap", "file", 0, detail="events may be missing: losses, damaged or missing buffers", **span)
    for life in lives.lives:
        world = life.world
        time, name = world.ops.time, f"load {world.load}"
        cover = world.coverage
        if world.has_seq:
            for lo, hi in list(zip(cover.lo.tolist(), cover.hi.tolist(), strict=True))[:_MOST_GAPS]:
                missing = min(int(world.ops.seq[hi]) - int(world.ops.seq[lo]) - 1, (1 << 63) - 1)
                row(
                    "gap",
                    name,
                    missing,
                    start=int(time[lo]),
                    end=int(time[hi]),
                    detail="numbers of the driver's own counter that are missing",
                )
            if len(cover.lo) > _MOST_GAPS:
                row("gap", name, len(cover.lo) - _MOST_GAPS, detail="further gaps")
        row(
            "edge",
            name,
            0,
            start=int(time[0]),
            detail="the driver's beginning is in the trace" if cover.birth >= 0 else RUNNING,
        )
        if cover.end_ns > NEVER:
            row("edge", name, 0, end=cover.end_ns, detail="until here the absence of an event is evidence")
    if not lives.lives and end_ns > NEVER:
        row("edge", "file", 0, end=end_ns, detail="until here the file is complete")
    columns = list(zip(*rows, strict=True))
    known = {k: [v is not None for v in columns[k]] for k in (3, 4, 5)}
    return {
        "item": list(columns[0]),
        "name": list(columns[1]),
        "value": list(columns[2]),
        "cpu": list(columns[3]),
        "start": (np.array([v or 0 for v in columns[4]], np.int64), np.array(known[4])),
        "end": (np.array([v or 0 for v in columns[5]], np.int64), np.array(known[5])),
        "detail": list(columns[6]),
    }
