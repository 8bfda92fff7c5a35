"""What the file itself says about its completeness, in time.

Source: wsk-contract 1.5 item 0 (the table of edges) and 2; etl-and-wpp-format 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.etl.types import Buffers, concat_buffers
from wsktrace.model.doubt import END, LOST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.etl.file import TraceFile

__all__ = ["FOREVER", "NEVER", "FileFacts", "facts_of"]

NEVER = -(1 << 62)
FOREVER = 1 << 62

_MODE_CIRCULAR = 0x2
_MODE_APPEND = 0x4
_MODE_NEWFILE = 0x8
_MODE_BUFFERING = 0x400
_MODE_KBYTES = 0x2000
_STATE_HEADER = 1
_STATE_CUT = 8
_LOST_FLAGS = 0x6
_MODE_SEQUENTIAL = 0x1
_TYPE_HEADER = 4
#: More flaws than this are not placed one by one: nothing that needs absence is evidence then.
_MANY = 256


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts of the container that decide what its silence is worth. Times are ns UTC.

    ``first`` and ``last`` are the times of each buffer's first and last record, ``flush`` its flush time;
    buffers without records have ``NEVER`` there. ``cut``: the file ends before its session did.
    """

    start_ns: int
    end_ns: int | None
    events_lost: int = 0
    buffers_lost: int = 0
    mode: int = 0
    cpus: int = 1
    cut: bool = False
    full: bool = False
    buffer_size: int = 0
    #: a stopped session's buffers are all there, so bytes that are no buffer hide none
    whole: bool = False
    #: build number of Windows as the log header tells it, 0 where it does not
    os_build: int = 0
    buffers: Buffers = field(default_factory=lambda: concat_buffers([]))
    first: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    last: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    flush: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def _data(self) -> NDArray[np.int64]:
        """Return the buffers that hold data: not the header buffer, not one whose header is nonsense."""
        b = self.buffers
        return np.flatnonzero((b.type != _TYPE_HEADER) & ((b.state & _STATE_HEADER) == 0))

    @property
    def wrapped(self) -> bool:
        """Whether older buffers were overwritten or belong to an earlier file."""
        if self.mode & _MODE_BUFFERING:
            return True
        data = self._data()
        if not self.mode & (_MODE_CIRCULAR | _MODE_NEWFILE) or not len(data):
            return False
        return bool(self.buffers.sequence[data].min() > 1)

    def _flagged(self) -> bool:
        """Whether a buffer says that events or buffers were lost; a header that was never finished cannot."""
        return bool(np.any(self.buffers.flags & _LOST_FLAGS))

    def incomplete_before(self) -> int | None:
        """Return the time before which events may have been overwritten, None where nothing was."""
        if not self.wrapped:
            return None
        data = self._data()
        flush = self.flush[data]
        if not len(flush) or flush.min() < self.start_ns:
            return FOREVER
        return int(flush.min())

    def gaps(self) -> tuple[list[tuple[int, int]], int, int]:
        """Return the intervals in which events may be missing, until when the rest is complete, and why not longer."""
        if self.events_lost or self.buffers_lost or self._flagged() or self.mode & _MODE_APPEND:
            return [(NEVER, FOREVER)], NEVER, LOST
        gaps = self._damaged() + self._holes()
        end = self._end()
        reason = END
        for start, stop in gaps:
            if stop >= end:
                end, reason = min(end, start), LOST
        return gaps, end, reason

    @property
    def shown_until_ns(self) -> int | None:
        """Until when the file shows anything, ns UTC: the session's end, or its last record where it is cut.

        The end is told by the system's time, records by the session's clock: who sets the former lets them differ.
        """
        known = self.last[self.last > NEVER]
        latest = int(known.max()) if len(known) else None
        if self.end_ns is None or latest is None:
            return latest if self.end_ns is None else self.end_ns
        return latest if self.cut else max(self.end_ns, latest)

    def _end(self) -> int:
        known = self.last[self.last > NEVER]
        latest = int(known.max()) if len(known) else self.start_ns
        if self.end_ns is not None and not self.cut and not self.full:
            return max(self.end_ns, latest)
        data = self._data()
        data = data[self.last[data] > NEVER]
        seen = np.unique(self.buffers.cpu[data])
        if not len(data) or len(seen) < self.cpus:
            return self.start_ns
        return min(int(self.last[data][self.buffers.cpu[data] == cpu].max()) for cpu in seen.tolist())

    def _damaged(self) -> list[tuple[int, int]]:
        """Damaged buffers: on that CPU, from the previous buffer's last record to the next buffer's first."""
        gaps = []
        b = self.buffers
        flawed = np.flatnonzero(b.state != 0)
        if len(flawed) > _MANY:
            return [(NEVER, FOREVER)]
        for i in flawed.tolist():
            if b.state[i] & _STATE_HEADER:
                if not self.whole:
                    return [(NEVER, FOREVER)]
                continue
            if b.type[i] == _TYPE_HEADER:
                continue
            mates = np.flatnonzero((b.cpu == b.cpu[i]) & (b.type != _TYPE_HEADER) & (self.last > NEVER))
            before = mates[b.sequence[mates] < b.sequence[i]]
            after = mates[b.sequence[mates] > b.sequence[i]]
            own = int(self.last[i])
            start = own if own > NEVER else (int(self.last[before].max()) if len(before) else NEVER)
            gaps.append((start, int(self.first[after].min()) if len(after) else FOREVER))
        return gaps

    def _holes(self) -> list[tuple[int, int]]:
        """Holes in the session-wide sequence: from the first records of the neighbours to any CPU's next buffer."""
        data = self._data()
        if not len(data):
            return []
        by = data[np.argsort(self.buffers.sequence[data], kind="stable")]
        sequence = self.buffers.sequence[by]
        gaps = []
        steps = np.diff(sequence)
        holes = np.flatnonzero(steps > 1)
        if len(holes) > _MANY or self.cpus > _MANY or bool(np.any(steps == 0)):
            return [(NEVER, FOREVER)]
        for k in holes.tolist():
            before, after = by[k], by[k + 1 :]
            start = min((int(t) for t in (self.first[before], self.first[after[0]]) if t > NEVER), default=NEVER)
            gaps.append((start, self._next_firsts(after)))
        # a file that is written once begins with number 1; what is before an overwritten part is not whole anyway
        once = not self.mode & (_MODE_CIRCULAR | _MODE_NEWFILE | _MODE_BUFFERING)
        if once and int(sequence[0]) > 1:
            gaps.insert(0, (NEVER, self._next_firsts(by)))
        return gaps

    def _next_firsts(self, after: NDArray[np.int64]) -> int:
        """Return the latest of the first records in every processor's first of these buffers, or ``FOREVER``."""
        nexts = [after[self.buffers.cpu[after] == cpu] for cpu in range(self.cpus)]
        if all(len(found) and self.first[found[0]] > NEVER for found in nexts):
            return max(int(self.first[found[0]]) for found in nexts)
        return FOREVER


def facts_of(file: TraceFile) -> FileFacts:
    """Return the facts of a file that was read to its end once."""
    header, survey, clock = file.header, file.survey, file.clock
    if survey is None:
        raise ValueError("the file has not been read to its end")
    b = survey.buffers
    timed = b.records > 0
    timed &= (b.first_clock != 0) | (b.last_clock != 0)
    mode = header.log_file_mode
    sound = int(((b.state & _STATE_HEADER) == 0).sum())
    stopped = clock.end_ns is not None
    data = (b.type != _TYPE_HEADER) & ((b.state & _STATE_HEADER) == 0)
    spanned = int(b.sequence[data].max() - b.sequence[data].min() + 1) if np.any(data) else 0
    once = not mode & (_MODE_CIRCULAR | _MODE_NEWFILE | _MODE_BUFFERING)
    missing = stopped and once and header.buffers_written > max(sound, spanned + 1)
    limit = header.maximum_file_size << (10 if mode & _MODE_KBYTES else 20)
    full = bool(mode & _MODE_SEQUENTIAL) and 0 < limit <= file.size + header.buffer_size
    return FileFacts(
        start_ns=clock.start_ns,
        end_ns=clock.end_ns,
        events_lost=header.events_lost,
        buffers_lost=header.buffers_lost,
        mode=mode,
        cpus=max(header.number_of_processors, 1),
        cut=missing or bool(np.any(b.state & _STATE_CUT)),
        full=full,
        buffer_size=header.buffer_size,
        whole=stopped and once and sound >= header.buffers_written > 0,
        os_build=0 if header.damaged or mode & _MODE_APPEND else header.provider_version,
        buffers=b,
        first=np.where(timed, clock.to_ns(b.first_clock), NEVER),
        last=np.where(timed, clock.to_ns(b.last_clock), NEVER),
        flush=clock.to_ns(b.flush),
    )
