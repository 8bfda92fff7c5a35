"""Registrations and the clients that they gave (wsk-contract 1.3, 3.H; 1.5, item 11)."""

from __future__ import annotations

import numpy as np
import pytest
from model_tools import lives_of, tables

WHOLE = "driver\nopen S Flags=datagram\nclose S\nunload"


def test_life_of_a_registration() -> None:
    found = tables(WHOLE)
    [r] = found.registrations
    names = found.names

    def time(op: str, phase: str) -> object:
        return found.one("operations", op=op, phase=phase)["time"]

    assert (r["registration"], r["client"], r["register_status"]) == (names["R"], names["C"], 0)
    assert r["register_time"] == time("WskRegister", "enter")
    assert r["capture_time"] == time("WskCaptureProviderNPI", "return")
    assert r["release_time"] == time("WskReleaseProviderNPI", "enter")
    assert r["deregister_time"] == time("WskDeregister", "enter")
    assert r["deregistered_time"] == time("WskDeregister", "return")
    assert (r["captures"], r["releases"], r["sockets"]) == (1, 1, 1)
    assert r["first_operation"] == found.one("operations", op="WskRegister", phase="enter")["operation_id"]


def test_what_is_not_in_the_trace_is_null() -> None:
    [r] = tables("driver").registrations
    assert (r["release_time"], r["deregister_time"], r["deregistered_time"], r["releases"]) == (None, None, None, 0)
    [r] = tables("driver\nlate\nunload").registrations
    assert (r["register_time"], r["register_status"], r["capture_time"], r["client"]) == (None, None, None, None)
    assert (r["captures"], r["releases"]) == (0, 1)
    assert r["deregistered_time"] is not None


def test_deregister_that_waits() -> None:
    [r] = tables("driver\nWskReleaseProviderNPI R ->\nWskDeregister R\nwait 20s").registrations
    assert r["deregister_time"] is not None
    assert r["deregistered_time"] is None


def test_only_captures_that_succeed_count() -> None:
    script = "driver\nWskCaptureProviderNPI R -> NOINTERFACE\nWskCaptureProviderNPI R -> SUCCESS Client=C2"
    found = tables(script)
    [r] = found.registrations
    assert r["captures"] == 2
    assert r["client"] == found.names["C2"]  # the last capture's


def test_register_that_failed() -> None:
    found = tables("driver\nWskRegister R2 -> NO_MEMORY")
    assert found.one("registrations", registration="R2")["register_status"] == 0xC0000017
    assert found.one("registrations", registration="R")["register_status"] == 0


def test_block_that_is_registered_again_is_another_registration() -> None:
    script = "driver\nWskRegister R2 -> SUCCESS\nWskCaptureProviderNPI R2 -> SUCCESS Client=C2\n"
    script += "WskReleaseProviderNPI R2 ->\nWskDeregister R2 ->\n"
    script += "WskRegister R2 -> SUCCESS\nWskCaptureProviderNPI R2 -> SUCCESS Client=C3"
    found = tables(script)
    first, second = (r for r in found.registrations if r["registration"] == found.names["R2"])
    assert (first["client"], first["captures"], first["releases"]) == (found.names["C2"], 1, 1)
    assert (second["client"], second["captures"], second["releases"]) == (found.names["C3"], 1, 0)
    assert first["deregistered_time"] < second["register_time"]
    assert second["deregister_time"] is None


def test_sockets_count_for_the_registration_of_their_client() -> None:
    """3.I, pattern 14: one driver, several registrations."""
    script = "driver\nWskRegister R2 -> SUCCESS\nWskCaptureProviderNPI R2 -> SUCCESS Client=C2\nopen S Flags=datagram\n"
    script += "run WskSocket Client=C2 Flags=datagram socket=T\nrun WskSocket Client=C2 Flags=datagram socket=U"
    found = tables(script)
    assert found.one("registrations", registration="R")["sockets"] == 1
    assert found.one("registrations", registration="R2")["sockets"] == 2


def test_null_is_no_registration() -> None:
    assert len(tables("driver\nWskRegister NULL -> INVALID_PARAMETER").registrations) == 1


@pytest.mark.parametrize("missing", ["Registration", "Client", "Status"])
def test_header_without_a_field(missing: str) -> None:
    rows = tables(f"trace missing={missing}\n{WHOLE}").registrations
    if missing == "Registration":
        assert rows == []
        return
    [r] = rows
    if missing == "Client":
        assert r["client"] is None
    else:
        assert r["register_status"] is None
        assert r["captures"] == 0


# questions -----------------------------------------------------------------------------------------------------------

TWO = """driver
WskCaptureProviderNPI R -> SUCCESS Client=C
WskControlClient WSK_TRANSPORT_LIST_QUERY -> SUCCESS
WskReleaseProviderNPI R ->
WskControlClient WSK_TRANSPORT_LIST_QUERY -> SUCCESS
WskReleaseProviderNPI R ->
WskControlClient WSK_TRANSPORT_LIST_QUERY -> INVALID_HANDLE
"""


def test_captures_held_at_a_row() -> None:
    lives, names = lives_of(TWO)
    life = lives.lives[0]
    from wsktrace.wsk.operations import Phase

    rows = life.world.rows("WskControlClient", Phase.ENTER)
    client = np.full(len(rows), names["C"], np.uint64)
    of, several = life.registrations.of_client(client, rows)
    assert of.tolist() == [0, 0, 0]
    assert not several.any()
    assert life.registrations.held(of, rows).tolist() == [2, 1, 0]
    releases = life.world.rows("WskReleaseProviderNPI", Phase.ENTER)
    assert life.registrations.last_release(of, rows).tolist() == [-1, *releases.tolist()]


def test_client_that_no_capture_gave() -> None:
    lives, names = lives_of(TWO)
    regs = lives.lives[0].registrations
    of, several = regs.of_client(np.array([names["R"], names["C"]], np.uint64), np.array([99, 0]))
    assert of.tolist() == [-1, -1]  # never, and not yet
    assert several.tolist() == [False, False]


def test_client_that_two_registrations_gave() -> None:
    script = "driver\nWskRegister R2 -> SUCCESS\nWskCaptureProviderNPI R2 -> SUCCESS Client=C\n"
    lives, names = lives_of(script)
    regs = lives.lives[0].registrations
    _, several = regs.of_client(np.array([names["C"]], np.uint64), np.array([99]))
    assert several.tolist() == [True]


def test_unknown_clients_are_no_registration_s() -> None:
    found = tables("trace missing=Client\ndriver\nopen S Flags=datagram\nclose S\nunload")
    assert found.registrations[0]["sockets"] == 0
