"""What a rule learns from elsewhere: tables that a profile names, and what the kernel logger notes in the same file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from wsktrace.errors import FormatError
from wsktrace.testing.script import run_script
from wsktrace.trace.analysis import Analysis
from wsktrace.wsk.profile import load_profile

if TYPE_CHECKING:
    from pathlib import Path

    from wsktrace.rules.findings import Finding

PROFILE = """
name = "mine"
title = "A driver with tables of its own"
[provider]
name = "WskTrace"
guid = "f406ddb2-df7b-5f2c-54db-fa7d1cd56442"
[dispatch]
{tables}
"""
IMAGE = 0xFFFFF80244200000


def fails(script: str, profile: str = "native") -> list[Finding]:
    analysis = Analysis(io.BytesIO(run_script(script).etl()), profile=profile)
    return [f for f in analysis.judgement.findings if f.verdict == "fail"]


def profile_of(folder: Path, tables: str) -> str:
    path = folder / "mine.toml"
    path.write_text(PROFILE.format(tables=tables), "utf-8")
    return str(path)


def socket(name: str, category: str, offset: int, members: str, event: str) -> str:
    given = f"SocketContext=ctx{name} Dispatch={IMAGE + offset:#x} DispatchMembers={members}"
    connect = f"run WskConnect {name}" if category == "connection" else ""
    return f"""
open {name} Flags={category} {given}
run WskBind {name}
{connect}
enable {name} {event}
close {name}"""


DATAGRAM = socket("S", "datagram", 0x3040, "receive_from", "receive_from")
CONNECTION = socket("T", "connection", 0x3058, "receive", "receive")
MIXED = socket("T", "connection", 0x3040, "receive", "receive")


def test_a_table_that_the_profile_names_is_judged_by_it(tmp_path: Path) -> None:
    tables = profile_of(tmp_path, '0x3040 = "datagram"\n0x3058 = "listen"')
    found = fails(f"driver{DATAGRAM}{CONNECTION}\nunload", tables)
    assert [(f.rule, f.severity) for f in found] == [("WSK-DISPATCH-KIND", "error")]
    assert "one for listen sockets, was given to a connection socket" in found[0].message
    assert not fails(f"driver{DATAGRAM}{CONNECTION}\nunload")


def test_of_two_categories_the_profile_says_which_is_wrong(tmp_path: Path) -> None:
    script = f"driver{DATAGRAM}{MIXED}\nunload"
    assert [(f.rule, f.severity) for f in fails(script)] == [("WSK-DISPATCH-KIND", "warning")]
    for kind, wrong in (("datagram", "connection"), ("connection", "datagram")):
        found = fails(script, profile_of(tmp_path, f'0x3040 = "{kind}"'))
        assert [(f.rule, f.severity) for f in found] == [("WSK-DISPATCH-KIND", "error")]
        assert f"was given to a {wrong} socket" in found[0].message
        load_profile.cache_clear()


def test_another_driver_has_another_image(tmp_path: Path) -> None:
    tables = profile_of(tmp_path, '0x3040 = "listen"')
    other = f"@image=1 driver\n{DATAGRAM.replace(f'{IMAGE + 0x3040:#x}', f'{IMAGE + 0x203058:#x}')}"
    assert not fails(other, tables)


@pytest.mark.parametrize("table", ['0x3040 = "basic"', '0x3040 = "tcp"', 'MyTable = "listen"', '12 = "listen"'])
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(FormatError, match="dispatch"):
        load_profile(profile_of(tmp_path, table))
    load_profile.cache_clear()


def lives(script: str) -> tuple[int, list[int]]:
    analysis = Analysis(io.BytesIO(run_script(script).etl()))
    life = analysis.lives.lives[0]
    first = int(life.world.ops.time[0])
    found = life.surroundings.unloads(life.world.image).tolist()
    assert life.surroundings.unloaded(life.world.image, first) == (found[0] if found else None)
    return int(life.world.ops.time[-1]), found


def test_when_the_driver_was_unloaded_is_there_for_rules() -> None:
    last, found = lives("driver\nunload\nimage unloads")
    assert len(found) == 1
    assert found[0] > last
    assert lives("driver\nunload")[1] == []
    assert lives("driver\nunload\n@image=1 image unloads")[1] == []


WIDE = """
trace {trace}
driver
pool paged ctx 256
open S Flags=datagram SocketContext=ctx Dispatch=table DispatchMembers=receive_from
run WskBind S
enable S receive_from
close S
unload
"""


@pytest.mark.parametrize("trace", ["seq=yes", "seq=no", "pointer=4"])
def test_pool_is_known_with_and_without_numbers_in_both_widths(trace: str) -> None:
    assert [f.rule for f in fails(WIDE.format(trace=trace))] == ["WSK-CONTEXT-PAGED"]


def test_what_the_header_says_was_lost_leaves_the_pool_in_doubt() -> None:
    assert not fails(WIDE.format(trace="lost=3"))


BUFFER = """
stack answer
ProviderState
{begin}
WskRegister R -> SUCCESS
WskCaptureProviderNPI R -> SUCCESS Client=C
IrpAllocate A
WskControlClient WSK_TRANSPORT_LIST_CHANGE A OutputBuffer=answer OutputSize=4 -> {returned}
{end}
wait 5ms
complete A CANCELLED
IrpFree A
unload
"""


@pytest.mark.parametrize(
    ("begin", "returned", "end", "broken"),
    [
        ("DriverEntry DriverObject", "PENDING", "return DriverEntry SUCCESS", True),
        ("DriverEntry DriverObject", "CANCELLED", "return DriverEntry SUCCESS", False),
        ("DriverEntry DriverObject -> SUCCESS", "PENDING", "", False),
        ("@tid=7 DriverEntry DriverObject", "PENDING", "return DriverEntry SUCCESS", False),
    ],
)
def test_a_buffer_on_the_stack_of_driver_entry(begin: str, returned: str, end: str, broken: bool) -> None:
    found = fails(BUFFER.format(begin=begin, returned=returned, end=end))
    assert [f.rule for f in found] == ["WSK-BUFFER-LIFETIME"] * broken
