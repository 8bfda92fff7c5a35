"""What a finding about the end of a socket shows as outstanding: the calls and callbacks that were still going on."""

from __future__ import annotations

import io

from wsktrace.testing.script import run_script
from wsktrace.trace.analysis import Analysis

CONNECTED = """
driver
open S Flags=connection SocketContext=ctx Dispatch=table DispatchMembers=receive
run WskBind S
run WskConnect S
enable S receive
"""


def outstanding(rule: str, text: str) -> list[tuple[str, int]]:
    """Return (operation, IRP) of what the rule's one finding shows as outstanding."""
    script = run_script(CONNECTED + text)
    analysis = Analysis(io.BytesIO(script.etl()), notes=True)
    (found,) = [f for f in analysis.judgement.findings if f.rule == rule]
    rows = analysis.table("operations").to_pylist()
    names = {address: name for name, address in script.names.items()}
    return [(rows[n]["op"], names.get(rows[n]["irp"] or 0, "")) for n in found.outstanding]


def test_stuck_close_shows_pending_irps_and_running_callbacks() -> None:
    text = (
        "IrpAllocate B\nWskReceive S B -> PENDING\nWskReceiveEvent ctx\nIrpAllocate A\nWskCloseSocket S A -> PENDING\n"
        "wait 12s"
    )
    assert outstanding("WSK-CLOSE-STUCK", text) == [("WskReceive", "B"), ("WskReceiveEvent", "")]


def test_close_shows_every_call_in_progress() -> None:
    text = (
        "IrpAllocate B\nIrpAllocate D\n@tid=9 @cpu=2 WskSend S B\n@tid=8 @cpu=3 WskReceive S D\nIrpAllocate A\n"
        "WskCloseSocket S A -> PENDING\nreturn WskSend B PENDING\nreturn WskReceive D PENDING\n"
        "complete B CANCELLED\ncomplete D CANCELLED\ncomplete A SUCCESS"
    )
    assert outstanding("WSK-CLOSE-CALL-IN-PROGRESS", text) == [("WskSend", "B"), ("WskReceive", "D")]


def test_close_shows_every_pending_irp_once() -> None:
    text = (
        "IrpAllocate B\nIrpAllocate D\nWskReceive S B -> PENDING\nWskReceive S D -> PENDING\nclose S\n"
        "complete B CANCELLED\ncomplete D CANCELLED"
    )
    assert outstanding("WSK-CLOSE-PENDING", text) == [("WskReceive", "B"), ("WskReceive", "D")]
