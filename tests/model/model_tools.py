"""Operations made by hand, and lives of scripts, for tests of the model."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.model.filefacts import FileFacts
from wsktrace.model.lives import Lives, build
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_writer import write_native
from wsktrace.testing.events import without_seq
from wsktrace.testing.script import Script, run_script
from wsktrace.trace.analysis import Analysis
from wsktrace.wsk.operations import CODES, Phase
from wsktrace.wsk.ops import (
    DENSE,
    KNOWN_IRP,
    KNOWN_IRQL,
    KNOWN_SEQ,
    KNOWN_SOCKET,
    KNOWN_STATUS,
    Operations,
    Sparse,
    argument_dtype,
)
from wsktrace.wsk.profile import load_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["IMAGE", "MS", "Row", "S", "built", "lives_of", "made", "row", "table", "tables"]

MS = 1_000_000
S = 1_000_000_000
IMAGE = 0xFFFFF80244200000
_BITS = {"irp": KNOWN_IRP, "socket": KNOWN_SOCKET, "status": KNOWN_STATUS, "irql": KNOWN_IRQL, "seq": KNOWN_SEQ}
_PHASES = {phase.name.lower(): phase for phase in Phase}

Row = dict[str, Any]


def row(op: str, phase: str = "enter", **facts: Any) -> Row:
    """Return an operation: ``time`` (ns), ``cpu``, ``tid``, any argument by its column; the rest is unknown."""
    return {"op": op, "phase": phase, **facts}


def made(rows: Sequence[Row], *, step: int = 10 * MS) -> Operations:
    """Return rows as operations; a row without a time comes ``step`` after the one before."""
    ops = Operations.empty(len(rows))
    ops.image[:] = IMAGE
    ops.tid[:] = 7
    sparse: dict[str, list[tuple[int, int]]] = {}
    now = -step
    for at, given in enumerate(rows):
        now = given.get("time", now + step)
        ops.time[at] = ops.clock[at] = now
        ops.op[at] = CODES[given["op"]]
        ops.phase[at] = _PHASES[given["phase"]]
        for name, value in given.items():
            if name in ("op", "phase", "time"):
                continue
            if name in DENSE:
                getattr(ops, name)[at] = value
                ops.known[at] |= _BITS.get(name, 0)
            else:
                sparse.setdefault(name, []).append((at, value))
    for name, found in sparse.items():
        places = np.array([at for at, _ in found], np.int32)
        ops.sparse[name] = Sparse(places, np.array([value for _, value in found], argument_dtype(name)))
    return ops


def built(rows: Sequence[Row], facts: FileFacts | None = None, **more: Any) -> Lives:
    """Return the lives of hand-made operations, in a file that is complete unless told otherwise."""
    ops = made(rows)
    last = int(ops.time.max()) if len(ops) else 0
    return build(ops, facts or FileFacts(start_ns=0, end_ns=last + MS), load_profile(), **more)


def _bytes(text: str | Script, *, seq: bool, skew: dict[int, int]) -> tuple[bytes, Script]:
    script = run_script(text) if isinstance(text, str) else text
    if seq and not skew:
        return script.etl(), script
    events = list(script.events) if seq else without_seq(script.events)
    events = [replace(e, time=e.time + skew.get(e.cpu, 0)) for e in events]
    o = script.options
    options = TraceOptions(end=o.end, stopped=o.stopped, events_lost=o.events_lost, pointer_size=o.pointer_size)
    return write_native(events, options=options), script


def lives_of(
    text: str | Script, *, seq: bool = True, skew: dict[int, int] | None = None
) -> tuple[Lives, dict[str, int]]:
    """Return the lives of a script's trace, and the address of every name; ``skew``: ns that a CPU's clock is off."""
    data, script = _bytes(text, seq=seq, skew=skew or {})
    return Analysis(io.BytesIO(data)).lives, script.names


class Tables:
    """The tables of a trace as lists of rows."""

    def __init__(self, data: bytes, names: dict[str, int] | None = None) -> None:
        self.analysis = Analysis(io.BytesIO(data), unknown=True)
        self.names = names or {}

    def __getattr__(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.analysis.table(name).to_pylist()
        setattr(self, name, rows)
        return rows

    def one(self, name: str, **wanted: Any) -> dict[str, Any]:
        """Return the only row of a table that has these values; addresses may be given by their name."""
        chosen = {k: self.names[v] if isinstance(v, str) and v in self.names else v for k, v in wanted.items()}
        found = [r for r in getattr(self, name) if all(r[k] == v for k, v in chosen.items())]
        assert len(found) == 1, f"{len(found)} rows of {name} have {wanted}"
        return found[0]


def tables(text: str | Script, *, seq: bool = True, skew: dict[int, int] | None = None) -> Tables:
    """Return the tables of a script's trace."""
    data, script = _bytes(text, seq=seq, skew=skew or {})
    return Tables(data, script.names)


def table(text: str, name: str, *columns: str, seq: bool = True) -> list[Any]:
    """Return some columns of a table of a script's trace, a tuple per row (the bare value where it is one column)."""
    found = getattr(tables(text, seq=seq), name)
    chosen: Iterable[Any] = (tuple(r[c] for c in columns) for r in found)
    return [r[0] if len(columns) == 1 else r for r in chosen]
