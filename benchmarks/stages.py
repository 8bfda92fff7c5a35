"""``check`` stage by stage, in one process: what each takes, and how far it drives the memory."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

from benchmarks.memory import peak_mib, resident_mib

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsktrace.wsk.ops import Operations

__all__ = ["STAGES", "operation_bytes", "stages"]

#: Stages of ``wsktrace check``, in order.
STAGES = ("import", "read", "lives", "judge", "hash", "report")
#: What ``wsktrace check --format json`` loads on its way.
_MODULES = (
    "numpy",
    "pyarrow",
    "wsktrace.cli.main",
    "wsktrace.cli.check",
    "wsktrace.cli.output",
    "wsktrace.trace",
    "wsktrace.trace.analysis",
    "wsktrace.arrow",
    "wsktrace.wsk.mapping",
    "wsktrace.model.filefacts",
    "wsktrace.model.lives",
    "wsktrace.rules.engine",
    "wsktrace.rules.tables",
    "wsktrace.report.json",
)


class _Clock:
    """Takes the time of one stage after the other."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float | None]] = {}

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        begun, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.stages[name] = {
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - cpu,
            "peak_mib": peak_mib(),
            "resident_mib": resident_mib(),
        }
        return result


def operation_bytes(ops: Operations) -> int:
    """Return how many bytes the columns of the operations hold."""
    from wsktrace.wsk.ops import DENSE

    dense: int = sum(getattr(ops, name).nbytes for name in DENSE)
    return dense + sum(column.rows.nbytes + column.values.nbytes for column in ops.sparse.values())


def stages(path: str) -> dict[str, Any]:
    """Judge a trace as ``wsktrace check --format json`` does; seconds and memory (MiB) of each stage of ``STAGES``."""
    clock = _Clock()
    clock.stage("import", lambda: [importlib.import_module(name) for name in _MODULES])
    from wsktrace.report import json
    from wsktrace.trace import Trace
    from wsktrace.trace.analysis import Analysis

    analysis = Analysis(path)
    trace = Trace(analysis)
    reading = clock.stage("read", lambda: analysis.reading)
    lives = clock.stage("lives", lambda: analysis.lives)
    judgement = clock.stage("judge", lambda: analysis.judgement)
    clock.stage("hash", analysis.sha256)
    clock.stage("report", lambda: json.render(trace.summary, trace.arrow))
    trace.close()
    return {
        "events": int(analysis.file.survey.records) if analysis.file.survey else 0,
        "operations": len(reading.operations),
        "operation_bytes": operation_bytes(lives.ops),
        "irps": sum(len(life.irps) for life in lives.lives),
        "sockets": sum(len(life.sockets) for life in lives.lives),
        "findings": len(judgement.findings),
        "stages": clock.stages,
    }
