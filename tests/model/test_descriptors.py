"""Cached security descriptors: references per address (wsk-contract 1.3, 3.A; 1.5, item 11)."""

from __future__ import annotations

from typing import Any

import pytest
from model_tools import lives_of, tables

from wsktrace.model.descriptors import CACHED, FETCHED, GIVEN, RELEASE, USE


def descriptor(script: str, name: str = "sd") -> dict[str, Any]:
    return tables(script).one("descriptors", descriptor=name)


def counts(script: str, name: str = "sd") -> dict[str, int]:
    row = descriptor(script, name)
    return {k: row[k] for k in ("cached", "fetched", "uses", "released", "given", "references") if row[k]}


def test_cached_used_released() -> None:
    script = "driver\ncache own sd\nopen S Flags=datagram SecurityDescriptor=sd\nrelease sd\nclose S\nunload"
    assert counts(script) == {"cached": 1, "uses": 1, "released": 1}
    assert counts(script, "own") == {"given": 1}
    found = tables(script)
    row = found.one("descriptors", descriptor="sd")
    calls = [r for r in found.operations if r["op"] == "WskControlClient"]
    assert row["first_operation"] == calls[1]["operation_id"]  # the return that gave it
    assert row["first_time"] == calls[1]["time"]
    assert row["last_time"] == calls[2]["time"]
    assert row["doubt"] is None


def test_one_pointer_handed_out_twice_counts_twice() -> None:
    """3.I, pattern 7."""
    script = "driver\ncache own1 sd\ncache own2 sd\nrelease sd\n"
    assert counts(script) == {"cached": 2, "released": 1, "references": 1}
    assert counts(script + "release sd\n") == {"cached": 2, "released": 2}
    assert descriptor(script + "release sd\nrelease sd")["references"] == -1


@pytest.mark.parametrize("status", ["NO_MEMORY", "INVALID_PARAMETER"])
def test_call_that_failed_does_not_count(status: str) -> None:
    assert counts(f"driver\ncache own sd\nrelease sd -> {status}\n") == {"cached": 1, "references": 1}
    script = f"driver\nWskControlClient WSK_CACHE_SD InputValue=own -> {status} OutputValue=sd\n"
    script += "cache own sd\nrelease sd"
    assert counts(script) == {"cached": 1, "released": 1}
    assert counts(script, "own") == {"given": 2}


def test_output_of_zero_is_no_descriptor() -> None:
    found = tables("driver\ncache own sd\nWskControlClient WSK_CACHE_SD InputValue=own -> SUCCESS OutputValue=0")
    assert sorted(r["descriptor"] for r in found.descriptors) == sorted((found.names["own"], found.names["sd"]))


def test_null_is_no_descriptor() -> None:
    assert tables("driver\nopen S Flags=datagram SecurityDescriptor=NULL\nclose S").descriptors == []


GET = """
IrpAllocate A
WskControlSocket S A get SO_WSK_SECURITY OutputSize=8 -> PENDING
IrpComplete A {status} Information=8
{output}return IrpComplete A
IrpFree A
"""
SOCKET = "driver\nopen S Flags=datagram\n"


def test_get_of_so_wsk_security_brings_a_counted_descriptor() -> None:
    got = GET.format(status="SUCCESS", output="output S A SO_WSK_SECURITY sd\n")
    assert counts(f"{SOCKET}{got}{got}release sd\nclose S") == {"fetched": 2, "released": 1, "references": 1}


def test_output_of_other_gets_is_no_descriptor() -> None:
    got = GET.replace("SO_WSK_SECURITY", "SO_RCVBUF").format(status="SUCCESS", output="output S A SO_RCVBUF 4096\n")
    assert tables(f"{SOCKET}{got}close S").descriptors == []
    level = GET.format(status="SUCCESS", output="output S A SO_WSK_SECURITY sd Level=41\n")
    assert tables(f"{SOCKET}{level}close S").descriptors == []


def test_set_of_so_wsk_security_uses_the_descriptor() -> None:
    script = "driver\ncache own sd\nopen S Flags=datagram\n"
    script += "run WskControlSocket S RequestType=set ControlCode=SO_WSK_SECURITY InputValue=sd"
    assert counts(script) == {"cached": 1, "uses": 1, "references": 1}
    assert counts(script.replace("SO_WSK_SECURITY", "SO_RCVBUF")) == {"cached": 1, "references": 1}


def test_wsksocketconnect_uses_the_descriptor() -> None:
    script = "driver\ncache own sd\nrun WskSocketConnect SecurityDescriptor=sd socket=S"
    assert counts(script) == {"cached": 1, "uses": 1, "references": 1}


def test_descriptor_that_was_only_given() -> None:
    script = "driver\nopen S Flags=datagram SecurityDescriptor=own\nrelease own"
    assert counts(script, "own") == {"uses": 1, "released": 1, "references": -1}


# doubt ---------------------------------------------------------------------------------------------------------------


def doubt(script: str) -> str | None:
    found: str | None = descriptor(script)["doubt"]
    return found


def test_references_are_a_lower_bound_unless_the_world_is_closed() -> None:
    cached = "cache own sd\nrelease sd\n"
    assert doubt(f"driver\n{cached}") is None
    assert doubt(f"driver\nlate\n{cached}") == "U-START"
    assert doubt(f"driver\nlost 2\n{cached}") == "U-LOST"
    assert doubt(f"driver\n{cached}lost 2\nWskControlClient WSK_TRANSPORT_LIST_QUERY -> SUCCESS") is None
    assert doubt("driver\ncache own sd\nlost 2\nrelease sd\n") == "U-LOST"


def test_get_whose_output_was_not_traced_blinds_all_from_then_on() -> None:
    """1.5, item 11: U-CAP, for all references of the driver."""
    blind = GET.format(status="SUCCESS", output="")
    assert doubt(f"{SOCKET}cache own sd\nrelease sd\n{blind}close S") is None
    assert doubt(f"{SOCKET}cache own sd\n{blind}release sd\nclose S") == "U-CAP"
    failed = GET.format(status="ACCESS_DENIED", output="")
    assert doubt(f"{SOCKET}cache own sd\n{failed}release sd\nclose S") is None
    told = GET.format(status="SUCCESS", output="output S A SO_WSK_SECURITY other\n")
    assert doubt(f"{SOCKET}cache own sd\n{told}release sd\nclose S") is None


@pytest.mark.parametrize("missing", ["OutputValue", "InputValue", "ControlCode"])
def test_header_without_a_value_blinds(missing: str) -> None:
    script = f"trace missing={missing}\ndriver\nopen S Flags=datagram SecurityDescriptor=sd\ncache own x\nrelease sd\n"
    script += "open T Flags=datagram SecurityDescriptor=sd"
    assert doubt(script) == "U-CAP"


# the lane ------------------------------------------------------------------------------------------------------------


def level(script: str) -> list[tuple[int, int]]:
    """Return (kind, references before it) of each event of sd."""
    lives, names = lives_of(script)
    held = lives.lives[0].descriptors
    mine = [k for k, g in enumerate(held.lane.group.tolist()) if held.lane.keys[g] == names["sd"]]
    return [(int(held.kind[k]), int(held.level[k])) for k in mine]


def test_level_before_each_event() -> None:
    script = f"""{SOCKET}cache own sd
        cache own sd
        open T Flags=datagram SecurityDescriptor=sd
        release sd
        {GET.format(status="SUCCESS", output="output S A SO_WSK_SECURITY sd")}
        release sd
        release sd -> INVALID_PARAMETER
        release sd
        open U Flags=datagram SecurityDescriptor=sd
        WskControlClient WSK_CACHE_SD InputValue=sd -> NO_MEMORY"""
    script = script.replace("sdreturn", "sd\nreturn")
    assert level(script) == [
        (CACHED, 0), (CACHED, 1), (USE, 2), (RELEASE, 2), (FETCHED, 1), (RELEASE, 2), (RELEASE, 1), (RELEASE, 1),
        (USE, 0), (GIVEN, 0),
    ]  # fmt: skip


def test_release_of_a_reference_from_before_the_trace_takes_none_that_came_later() -> None:
    """Seen plus minus seen minus is a lower bound: what was not seen may be released."""
    script = "driver\nlate\nrelease sd\ncache own sd\nopen S Flags=datagram SecurityDescriptor=sd\nrelease sd"
    assert level(script) == [(RELEASE, 0), (CACHED, 0), (USE, 1), (RELEASE, 1)]
