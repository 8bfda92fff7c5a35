"""A run: which measurements there are, the traces they need, and what came of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.process import ChildError, child, say

if TYPE_CHECKING:
    from benchmarks.sizes import Size

__all__ = ["NotMeasuredError", "Run", "Trace"]

#: Bytes of disk that one native event needs, at most.
_EVENT_BYTES = 260


class NotMeasuredError(Exception):
    """A measurement cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace that was written for a measurement."""

    path: str
    events: int
    bytes: int


@dataclass(slots=True)
class Run:
    """One run of the benchmarks: its size, its folder for traces, its results by name."""

    size: Size
    folder: Path
    only: tuple[str, ...] = ()
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    _traces: dict[str, Trace] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Return whether a measurement, or one within it, was asked for."""
        return not self.only or any(
            f"{name}.".startswith(f"{chosen}.") or f"{chosen}.".startswith(f"{name}.") for chosen in self.only
        )

    def skip(self, name: str, why: str) -> None:
        """Note that a measurement is not taken."""
        self.skipped[name] = why
        say(f"{name}  skipped: {why}")

    def trace(self, task: str, name: str, **arguments: Any) -> Trace:
        """Return a trace, written by a task of ``benchmarks.child`` when it is first asked for.

        Raises:
            NotMeasuredError: there is no room for it, or it cannot be written.
        """
        if name not in self._traces:
            need = arguments.get("events", 0) * _EVENT_BYTES
            free = shutil.disk_usage(self.folder).free
            if need > free:
                raise NotMeasuredError(f"needs {need >> 20:,} MiB in {self.folder}, where {free >> 20:,} MiB are free")
            path = self.folder / f"{name}.etl"
            try:
                made = child(task, path=str(path), **arguments)
            except ChildError as error:
                path.unlink(missing_ok=True)
                raise NotMeasuredError(f"its trace could not be written: {error}") from error
            self._traces[name] = Trace(str(path), made.told["events"], made.told["bytes"])
            say(f"{name}.etl  {made.told['events']:,} events, {made.told['bytes'] >> 20:,} MiB  {made.seconds:.1f} s")
        return self._traces[name]

    def drop(self, name: str) -> None:
        """Delete a trace that is not needed any more."""
        trace = self._traces.pop(name, None)
        if trace is not None:
            Path(trace.path).unlink(missing_ok=True)
