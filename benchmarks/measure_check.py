"""``wsktrace check`` end to end: the command line as a process, and the same work stage by stage."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import NotMeasuredError
from benchmarks.figures import spread
from benchmarks.inputs import VARIANTS
from benchmarks.memory import MIB
from benchmarks.process import child, in_turns, process
from benchmarks.sizes import WANTED

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Run, Trace
    from benchmarks.process import Sample

__all__ = ["check"]

_STAGES = ("import", "read", "lives", "judge", "hash", "report")


def check(run: Run) -> None:
    """Measure all traces that were asked for."""
    plans = [("small", run.size.small, run.size.rounds, tuple(VARIANTS))]
    plans.append(("large", run.size.large, run.size.slow_rounds, tuple(VARIANTS)))
    for name, events, rounds, variants in plans:
        for variant in variants:
            key = f"check.{name}.{variant}"
            if not run.wants(key):
                continue
            held = f"{name}-{variant}"
            try:
                trace = run.trace("make-native", held, events=events, variant=variant)
                run.results[key] = _measure(key, trace, variant, rounds, run.folder)
            except NotMeasuredError as why:
                run.skip(key, str(why))
            if held != "small-usual":  # which others need, too
                run.drop(held)


def _command(trace: Trace, folder: Path) -> Sample:
    target = folder / "check.json"
    arguments = ["-m", "wsktrace", "check", trace.path, "--format", "json", "-o", str(target)]
    sample, _ = process([sys.executable, *arguments], good=(0, 1))
    target.unlink()
    return sample


def _measure(key: str, trace: Trace, variant: str, rounds: int, folder: Path) -> dict[str, Any]:
    contestants = {
        "process": partial(_command, trace, folder),
        "stages": partial(child, "stages", path=trace.path),
    }
    samples, failed = in_turns(key, rounds, contestants)
    if failed:
        raise NotMeasuredError(failed[0])
    whole, apart = samples["process"], samples["stages"]
    told = apart[0].told
    operations = told["operations"]
    start = spread(s.told["stages"]["import"]["peak_mib"] for s in apart)
    peak = spread(s.peak_mib for s in whole)
    return {
        "trace": variant,
        "what": VARIANTS[variant],
        "events": trace.events,
        "file_mib": trace.bytes / MIB,
        "rounds": rounds,
        **{name: told[name] for name in ("operations", "irps", "sockets", "findings")},
        "process": {
            "seconds": spread(s.seconds for s in whole),
            "cpu_seconds": spread(s.cpu_seconds for s in whole),
            "events_per_second": spread(trace.events / s.seconds for s in whole),
            "peak_mib": peak,
        },
        "stages": {name: _stage(name, apart, trace.events) for name in _STAGES},
        "bytes_per_operation": {
            "columns": told["operation_bytes"] / operations,
            "peak less imports": (peak["median"] - start["median"]) * MIB / operations if peak and start else None,
            "file": trace.bytes / trace.events,
        },
        "wanted": {
            "events_per_second": WANTED["check, events per second"],
            "peak_mib": WANTED["check of ten million events, peak MiB"],
        },
    }


def _stage(name: str, samples: list[Sample], events: int) -> dict[str, Any]:
    found = [s.told["stages"][name] for s in samples]
    return {
        "seconds": spread(f["seconds"] for f in found),
        "cpu_seconds": spread(f["cpu_seconds"] for f in found),
        "ns_per_event": spread(f["seconds"] * 1e9 / events for f in found),
        "peak_mib": spread(f["peak_mib"] for f in found),
        "resident_mib": spread(f["resident_mib"] for f in found),
    }
