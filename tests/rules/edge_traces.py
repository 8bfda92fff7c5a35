"""Drivers for tests of the edges of traces: a legal one over many buffers, and one fault that needs absence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from minitrace import Verdicts, judge_bytes

from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_parts import split
from wsktrace.testing.etl_writer import write_native
from wsktrace.testing.events import without_seq
from wsktrace.testing.script import run_script

if TYPE_CHECKING:
    from wsktrace.testing.events import Event

__all__ = ["LEGAL", "OPTIONS", "REUSE", "fails", "first_flush", "legal_script", "native", "verdicts", "written"]

#: Small buffers, so that a short trace has many.
OPTIONS = TraceOptions(buffer_size=2048)

_ROUND = """
@cpu={cpu} @tid={tid}
@dpc={dpc}
cache own{n} sd
IrpAllocate A{n}
WskSocket A{n} Flags=connection SocketContext=ctx{n} Dispatch=table SecurityDescriptor=sd -> PENDING
complete A{n} SUCCESS socket=S{n}
release sd
IrpReuse A{n}
WskBind S{n} A{n} -> complete SUCCESS, PENDING
run WskConnect S{n}
enable S{n} receive
WskReceiveEvent ctx{n} -> SUCCESS
IrpInitialize B{n}
WskReceive S{n} B{n} -> PENDING
run WskSend S{n} -> SUCCESS, complete SUCCESS
wait 20ms
IrpReuse A{n}
WskCloseSocket S{n} A{n} -> PENDING
WskReceiveEvent ctx{n} -> SUCCESS
complete B{n} CANCELLED
complete A{n} SUCCESS
IrpFree A{n}
wait 30ms
"""

#: An IRP that is given away again while it is pending: told by its rule only where nothing can hide its completion.
REUSE = """
@cpu=0 @tid=77
@dpc=1
IrpAllocate X
WskReceive F X -> PENDING
wait 2ms
@cpu=1 @tid=78 run WskSend F
wait 2ms
WskReceive F X -> PENDING
wait 2ms
complete X CANCELLED
IrpFree X
wait 30ms
"""


def legal_script(rounds: int = 12, fault_at: int | None = None, fault: str = REUSE) -> str:
    """Return a driver's whole story: sockets that come and go on three processors; the fault before that round."""
    parts = ["driver", "open F Flags=connection", "run WskBind F", "run WskConnect F"]
    for n in range(rounds):
        parts += [fault] if n == fault_at else []
        parts.append(_ROUND.format(n=n, cpu=n % 3, tid=100 + n % 4, dpc=(n + 1) % 3))
    parts += [fault] if fault_at == rounds else []
    return "\n".join([*parts, "close F", "unload"])


def native(script: str, *, seq: bool = True) -> tuple[list[Event], TraceOptions]:
    """Return the events of a script and how to write them."""
    played = run_script(script)
    return played.events if seq else without_seq(played.events), replace(
        OPTIONS, end=played.options.end, stopped=played.options.stopped
    )


def fails(data: bytes) -> set[str]:
    """Return the rules that fail in a file."""
    return verdicts(data).failing()


def verdicts(data: bytes) -> Verdicts:
    """Judge a file."""
    return judge_bytes(data)


def first_flush(data: bytes, options: TraceOptions = OPTIONS) -> int:
    """Return the smallest flush time of the data buffers, ns since the start of the trace."""
    return min(options.ns_at(part.flush) for part in split(data)[1:])


LEGAL = legal_script()


def written(script: str, *, seq: bool = True) -> bytes:
    """Return the file of a script, undamaged."""
    events, options = native(script, seq=seq)
    return write_native(events, options=options)
