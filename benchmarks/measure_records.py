"""Records with their header columns and UTC times: wsktrace against its peers, in turns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import NotMeasuredError
from benchmarks.figures import ratios, spread
from benchmarks.inputs import corpus_file
from benchmarks.process import child, in_turns
from benchmarks.sizes import WANTED

if TYPE_CHECKING:
    from benchmarks.bench import Run
    from benchmarks.process import Sample

__all__ = ["PEERS", "records"]

#: Peers, by the names under which they are installed.
PEERS = ("etl-parser", "dissect.etl")
_CORPUS = {"shutdown": "etl-parser-ShutdownPerfDiagLogger.etl", "net45": "perfview-net.4.5.2.x64.etl"}
_OURS = "wsktrace"
#: A reader that gives no more than the log header's own records gives nothing.
_NOTHING = 4


@dataclass(frozen=True, slots=True)
class _Given:
    """What a reader is given: a trace, or its first buffers only."""

    path: str
    buffers: int | None = None

    def part(self, share: float) -> _Given:
        """Return about that share of the buffers: the header buffer and at least one more."""
        return _Given(self.path, max(2, round(_count_buffers(self.path) * share)))

    def read(self, reader: str) -> Sample:
        """Let a reader read it, in a process of its own."""
        return child("read", reader=reader, path=self.path, buffers=self.buffers)


def records(run: Run) -> None:
    """Measure all traces that were asked for."""
    for name in ("shutdown", "net45", "native", "one-buffer"):
        key = f"records.{name}"
        if run.wants(key):
            try:
                what, ours, peers = _givens(run, name)
                rounds = run.size.rounds if name == "shutdown" else run.size.slow_rounds
                run.results[key] = _measure(key, what, ours, peers, rounds)
            except NotMeasuredError as why:
                run.skip(key, str(why))


def _givens(run: Run, name: str) -> tuple[str, _Given, dict[str, _Given]]:
    """Return what a trace is, what wsktrace is given of it, and what each peer."""
    size = run.size
    if name in _CORPUS:
        file = _CORPUS[name]
        path = corpus_file(file)
        if path is None:
            raise NotMeasuredError(f"{file} is not at hand; WSKTRACE_CORPUS names the folder of the corpus")
        whole = _Given(str(path))
        return file, whole, dict.fromkeys(PEERS, whole.part(size.part) if size.spare else whole)
    if name == "native":
        whole = _Given(run.trace("make-native", "small-usual", events=size.small, variant="usual").path)
        return "native trace", whole, dict.fromkeys(PEERS, whole.part(size.part))
    whole = _Given(run.trace("make-single", "one-buffer", records=size.one_buffer).path)
    few = _Given(run.trace("make-single", "one-buffer-part", records=round(size.one_buffer * size.part)).path)
    return "one buffer of 16 MiB", whole, {"etl-parser": few, "dissect.etl": few if size.spare else whole}


def _count_buffers(path: str) -> int:
    """Return the number of buffers of a file, by their strides."""
    count = 0
    with Path(path).open("rb") as file:
        while len(stride := file.read(4)) == 4 and int.from_bytes(stride, "little") > 4:
            count += 1
            file.seek(int.from_bytes(stride, "little") - 4, 1)
    return count


def _measure(key: str, what: str, ours: _Given, peers: dict[str, _Given], rounds: int) -> dict[str, Any]:
    contestants = {_OURS: partial(ours.read, _OURS)}
    notes = []
    for peer, given in peers.items():
        try:
            version(peer)
        except PackageNotFoundError:
            notes.append(f"{peer} is not installed (pip install 'wsktrace[bench]')")
            continue
        contestants[peer] = partial(given.read, peer)
    samples, failed = in_turns(key, rounds, contestants)
    if _OURS not in samples:
        raise NotMeasuredError(failed[0])
    mine = samples.pop(_OURS)
    total = mine[0].told["records"]
    readers, against = {_OURS: _figures(mine, total)}, {}
    for peer, theirs in samples.items():
        got = theirs[0].told["records"]
        if got < _NOTHING:
            notes.append(f"{peer} delivers {got} of {total:,} records and says nothing: no ratio")
            continue
        if peers[peer] != ours:
            notes.append(f"{peer} reads a part, {got:,} records; its seconds are scaled to all {total:,}")
        elif got != total:
            notes.append(f"{peer} delivers {got:,} of {total:,} records")
        readers[peer] = _figures(theirs, total)
        against[peer] = {
            "times": ratios(_rates(mine), _rates(theirs)),
            "first_pass_times": ratios(_first_rates(mine), _first_rates(theirs)),
            "wanted": WANTED[f"records, times {peer}"],
        }
    return {
        "trace": what,
        "records": total,
        "rounds": rounds,
        "readers": readers,
        "ratios": against,
        "notes": [*notes, *failed],
    }


def _rates(samples: list[Sample]) -> list[float]:
    return [s.told["records"] / s.told["seconds"] for s in samples]


def _first_rates(samples: list[Sample]) -> list[float]:
    return [s.told["records"] / s.told["first_pass_seconds"] for s in samples]


def _figures(samples: list[Sample], total: int) -> dict[str, Any]:
    """Return the figures of one reader; ``seconds`` are those of the whole trace."""
    return {
        "records": samples[0].told["records"],
        "per_second": spread(_rates(samples)),
        "seconds": spread(total / rate for rate in _rates(samples)),
        "first_pass_per_second": spread(_first_rates(samples)),
        "peak_mib": spread(s.peak_mib for s in samples),
    }
