"""The starred modules and the rules, each on its own, on the native trace of a million events."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import NotMeasuredError
from benchmarks.figures import spread
from benchmarks.process import child, in_turns

if TYPE_CHECKING:
    from benchmarks.bench import Run
    from benchmarks.process import Sample

__all__ = ["MICRO", "micro"]

#: Micro benchmark → its traces: argument, task that writes the trace, name of the trace.
MICRO: dict[str, tuple[tuple[str, str, str], ...]] = {
    "walk": (("native", "make-native", "small-usual"), ("one_buffer", "make-single", "one-buffer")),
    "schema": (("native", "make-native", "small-usual"), ("wide", "make-wide", "wide")),
    "payloads": (),
    "lanes": (("native", "make-native", "small-usual"),),
    "lives": (("native", "make-native", "small-usual"),),
    "rules": (("native", "make-native", "small-usual"),),
    "images": (),
    "latency": (),
}


def micro(run: Run) -> None:
    """Measure all that were asked for, in turns."""
    contestants = {}
    given: dict[str, Any]
    for name, traces in MICRO.items():
        key = f"micro.{name}"
        if not run.wants(key):
            continue
        try:
            given = {argument: _trace(run, task, held) for argument, task, held in traces}
        except NotMeasuredError as why:
            run.skip(key, str(why))
            continue
        if name == "latency":
            given["counts"] = [run.size.small, run.size.large]
        contestants[key] = partial(child, name, **given)
    samples, failed = in_turns("micro", run.size.slow_rounds, contestants) if contestants else ({}, [])
    for key, found in samples.items():
        run.results[key] = _figures(found)
    for line in failed:
        key, _, reason = line.partition(" failed: ")
        run.skip(key, reason)


def _trace(run: Run, task: str, name: str) -> str:
    size = run.size
    arguments: dict[str, Any] = {
        "make-native": {"events": size.small, "variant": "usual"},
        "make-single": {"records": size.one_buffer},
        "make-wide": {"events": max(size.small // 4, 1000)},
    }[task]
    return run.trace(task, name, **arguments).path


def _figures(samples: list[Sample]) -> dict[str, Any]:
    rows = {}
    for name, first in samples[0].told["rows"].items():
        count = first["count"]
        seconds = [s.told["rows"][name]["seconds"] for s in samples]
        rows[name] = {
            "count": count,
            "seconds": spread(seconds),
            "per_second": spread(count / each if each else None for each in seconds),
            "ns_each": spread(each * 1e9 / count for each in seconds),
        }
    return {
        "unit": samples[0].told["unit"],
        "rounds": len(samples),
        "rows": rows,
        "peak_mib": spread(s.peak_mib for s in samples),
    }
