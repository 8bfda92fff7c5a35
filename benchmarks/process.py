"""One measurement, one process; several of them in turns, because other things run on the machine too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.memory import of_rusage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["ROOT", "ChildError", "Sample", "child", "in_turns", "process", "say"]

#: The repository: children run here, so that ``-m benchmarks`` and ``-m wsktrace`` are the ones beside each other.
ROOT = Path(__file__).resolve().parents[1]


class ChildError(Exception):
    """A child ended with an error; the message is the last line that it wrote."""


@dataclass(slots=True)
class Sample:
    """What one process cost from its start to its end, and what it told itself.

    ``peak_mib`` is None where the system does not tell.
    """

    seconds: float
    cpu_seconds: float | None
    peak_mib: float | None
    told: dict[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    """Write a line of progress."""
    print(text, file=sys.stderr, flush=True)


def process(command: Sequence[str], *, good: Sequence[int] = (0,)) -> tuple[Sample, bytes]:
    """Run a command and return what it cost and what it wrote to stdout.

    Raises:
        ChildError: its exit status is none of ``good``.
    """
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT) as running:
            try:
                assert running.stdout is not None
                out = running.stdout.read()
                cpu: float | None = None
                peak: float | None = None
                if hasattr(os, "wait4"):
                    _, status, usage = os.wait4(running.pid, 0)
                    running.returncode = os.waitstatus_to_exitcode(status)
                    cpu, peak = usage.ru_utime + usage.ru_stime, of_rusage(usage.ru_maxrss)
                else:
                    running.wait()
            except BaseException:
                running.kill()
                raise
        took = time.perf_counter() - begun
        if running.returncode not in good:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise ChildError(f"exit status {running.returncode}: {lines[-1]}")
    return Sample(took, cpu, peak), out


def child(task: str, **arguments: Any) -> Sample:
    """Run a task of ``benchmarks.child`` in a process of its own."""
    sample, out = process([sys.executable, "-m", "benchmarks.child", task, json.dumps(arguments)])
    sample.told = json.loads(out.splitlines()[-1])
    if sample.peak_mib is None:
        sample.peak_mib = sample.told["peak_mib"]
    return sample


def in_turns(
    name: str, rounds: int, contestants: Mapping[str, Callable[[], Sample]]
) -> tuple[dict[str, list[Sample]], list[str]]:
    """Measure all contestants once a round, each round beginning with another of them.

    Returns:
        The samples of each, one a round; and a line for each contestant that failed, which has no samples then.
    """
    samples: dict[str, list[Sample]] = {key: [] for key in contestants}
    failed: dict[str, str] = {}
    keys = list(contestants)
    for number in range(rounds):
        first = number % len(keys)
        for key in keys[first:] + keys[:first]:
            if key in failed:
                continue
            try:
                sample = contestants[key]()
            except ChildError as error:
                failed[key] = f"{key} failed: {error}"
                say(f"{name}  {failed[key]}")
                continue
            samples[key].append(sample)
            say(f"{name}  round {number + 1} of {rounds}  {key}  {sample.seconds:.2f} s")
    return {key: found for key, found in samples.items() if key not in failed}, list(failed.values())
