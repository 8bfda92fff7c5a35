"""The command: what to measure, the run, its report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.bench import Run
from benchmarks.measure_check import check
from benchmarks.measure_micro import MICRO, micro
from benchmarks.measure_records import records
from benchmarks.process import ROOT
from benchmarks.sizes import FULL, QUICK, WANTED
from benchmarks.tables import as_text

__all__ = ["NAMES", "main"]

#: What ``--only`` takes: these, and whatever they begin with up to a dot.
NAMES = (
    "records.shutdown",
    "records.net45",
    "records.native",
    "records.one-buffer",
    "check.small.usual",
    "check.small.reused",
    "check.small.no-seq",
    "check.small.faulty",
    "check.large.usual",
    "check.large.reused",
    "check.large.no-seq",
    "check.large.faulty",
    *(f"micro.{name}" for name in MICRO),
)
_PACKAGES = ("numpy", "pyarrow", "libfwnt-python", "etl-parser", "dissect.etl", "dissect.cstruct", "psutil")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; returns the exit status: 0, or 1 where nothing was measured."""
    given = _parse(arguments)
    signal.signal(signal.SIGTERM, _end)  # so that the traces are deleted then, too
    begun, started, load = time.perf_counter(), datetime.now(UTC), _load()
    with tempfile.TemporaryDirectory(prefix="wsktrace-benchmarks-", dir=given.dir) as folder:
        run = Run(QUICK if given.quick else FULL, Path(folder).resolve(), tuple(given.only))
        records(run)
        micro(run)
        check(run)
    report = {
        "benchmarks": 1,
        "quick": given.quick,
        "started": started.isoformat(timespec="seconds"),
        "seconds": time.perf_counter() - begun,
        "machine": {**_machine(), "load_before": load, "load_after": _load()},
        "versions": _versions(),
        "wanted": WANTED,
        "results": {name: run.results[name] for name in NAMES if name in run.results},
        "skipped": run.skipped,
    }
    sys.stdout.write(as_text(report))
    if given.output:
        given.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if run.results else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write all figures there as JSON, too")
    parser.add_argument("--quick", action="store_true", help="little of everything, once: does it run?")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help=f"measure only this (repeatable): {', '.join(NAMES)}",
    )
    parser.add_argument("--dir", metavar="FOLDER", help="where the traces are written for the time of the run (3 GiB)")
    given = parser.parse_args(arguments)
    for name in given.only:
        if not any(known == name or known.startswith(f"{name}.") for known in NAMES):
            parser.error(f"no measurement named {name!r}; the names are {', '.join(NAMES)}, or the beginning of one")
    return given


def _end(number: int, frame: object) -> None:  # noqa: ARG001 -- a signal handler is called so
    raise SystemExit(128 + number)


def _load() -> float | None:
    """Return how many processes wanted to run during the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _machine() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        models = [line.partition(":")[2].strip() for line in described.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20 if hasattr(os, "sysconf") else None
    return {
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "processor": processor,
        "processors": os.cpu_count(),
        "memory_mib": memory,
    }


def _versions() -> dict[str, str | None]:
    from wsktrace.version import __version__

    found: dict[str, str | None] = {"wsktrace": __version__, "commit": _commit()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _commit() -> str | None:
    """Return the commit that is measured, with a plus where files differ from it; None where git does not know."""
    try:
        asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
