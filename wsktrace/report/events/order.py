"""Joins events that come in runs, each in the order of time, into one order; what does not fit waits on disk.

The chunks of a file follow each other as its buffers were written: the buffer of an idle processor may span the whole
trace. So each run is set aside, and then all are read window by window of time.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["OrderedLines", "windows"]

#: Events between two samples of a run, and samples of one window: a window has some tens of thousands of events.
_STEP: Final = 1024
_SAMPLES: Final = 32


def windows(times: Sequence[NDArray[np.int64]], step: int = _STEP) -> Iterator[list[tuple[int, int]]]:
    """Cut runs into windows of time: yield for each the part (begin, end) of every run that lies in it.

    All events of one window lie before those of the next. Where very many events have the same time, the runs' parts
    of it come one after the other, in the order of the runs, some thousands of events at a time.

    Args:
        times: per run its times, ascending.
        step: events between two samples.
    """
    samples = np.sort(np.concatenate([t[::step] for t in times])) if times else np.zeros(0, np.int64)
    marks = np.unique(samples[_SAMPLES::_SAMPLES])
    done = [0] * len(times)
    for mark in marks.tolist():
        ends = [int(np.searchsorted(t, mark)) for t in times]
        yield list(zip(done, ends, strict=True))
        done = ends
        same = [int(np.searchsorted(t, mark, side="right")) for t in times]
        if sum(same) - sum(done) > 4 * step * _SAMPLES:
            for run, (low, high) in enumerate(zip(done, same, strict=True)):
                for at in range(low, high, step * _SAMPLES):
                    part = [(0, 0)] * len(times)
                    part[run] = (at, min(high, at + step * _SAMPLES))
                    yield part
            done = same
    yield [(low, len(t)) for low, t in zip(done, times, strict=True)]


class OrderedLines:
    """Lines with times, added in runs that are each ascending, given back in one order; a context manager.

    Of events with the same time those of the earlier run come first. One run stays in memory.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._first: tuple[NDArray[np.int64], list[str]] | None = None
        self._times: list[NDArray[np.int64]] = []
        self._ends: list[NDArray[np.int64]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._times, self._ends = [], []  # lets go of the files before they are removed
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, times: NDArray[np.int64], lines: list[str]) -> None:
        """Add a run."""
        if self._folder is None and self._first is None:
            self._first = (times, lines)
            return
        if self._first is not None:
            held, self._first = self._first, None
            self._spill(*held)
        self._spill(times, lines)

    def _spill(self, times: NDArray[np.int64], lines: list[str]) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="wsktrace-")
        run = len(self._times)
        raw = [line.encode("utf-8", "surrogatepass") for line in lines]
        self._path(run, "lines").write_bytes(b"".join(raw))
        ends = np.cumsum(np.array([0, *map(len, raw)], np.int64))
        self._times.append(self._kept(run, "times", times))
        self._ends.append(self._kept(run, "ends", ends))

    def _path(self, run: int, what: str) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / f"{run}.{what}"

    def _kept(self, run: int, what: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        path = self._path(run, what)
        numbers.astype("<i8").tofile(path)
        return np.memmap(path, "<i8", "r") if len(numbers) else numbers

    def __iter__(self) -> Iterator[list[str]]:
        """Yield all lines in order, some thousands at a time."""
        if self._first is not None:
            lines = self._first[1]
            for at in range(0, len(lines), _STEP * _SAMPLES):
                yield lines[at : at + _STEP * _SAMPLES]
            return
        for window in windows(self._times):
            held: list[str] = []
            keys: list[NDArray[np.int64]] = []
            for run, (low, high) in enumerate(window):
                if low < high:
                    keys.append(self._times[run][low:high])
                    held += self._read(run, low, high)
            if held:
                order = np.argsort(np.concatenate(keys), kind="stable")
                yield [held[i] for i in order.tolist()]

    def _read(self, run: int, low: int, high: int) -> list[str]:
        ends = self._ends[run][low : high + 1].tolist()
        with self._path(run, "lines").open("rb") as file:
            file.seek(ends[0])
            raw = file.read(ends[-1] - ends[0])
        first = ends[0]
        return [raw[a - first : b - first].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]
