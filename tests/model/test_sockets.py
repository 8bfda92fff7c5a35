"""Sockets: one life per address and generation (wsk-contract 1.3; 1.5, items 1, 3, 11)."""

from __future__ import annotations

import pytest
from model_tools import tables

ARGUMENTS = (
    "Flags=connection SocketContext=ctx Dispatch=table DispatchMembers=receive|disconnect AddressFamily=AF_INET6 "
    "SocketType=SOCK_STREAM Protocol=IPPROTO_TCP"
)


def test_life_of_a_socket() -> None:
    script = f"""driver
        IrpAllocate A
        WskSocket A {ARGUMENTS} -> PENDING, +5ms complete SUCCESS socket=S
        IrpReuse A
        wait 100ms
        WskCloseSocket S A -> PENDING, +7ms complete SUCCESS
        IrpFree A
        unload"""
    found = tables(script)
    [s] = found.sockets
    names = found.names
    assert (s["socket"], s["origin"], s["category"], s["doubt"]) == (names["S"], "socket", "connection", None)
    assert (s["address_family"], s["socket_type"], s["protocol"], s["flags"]) == (23, 1, 6, 2)
    assert (s["client"], s["context"], s["dispatch"]) == (names["C"], names["ctx"], names["table"])
    assert (s["dispatch_members"], s["parent_id"]) == (0x30, None)
    create, close = found.one("irps", op="WskSocket"), found.one("irps", op="WskCloseSocket")
    assert s["irp_id"] == create["irp_id"]
    assert (s["create_time"], s["open_time"]) == (create["issue_time"], create["complete_time"])
    assert (s["close_time"], s["closed_time"]) == (close["issue_time"], close["complete_time"])
    assert s["lifetime_ns"] == (close["issue_time"] - create["complete_time"]).value
    assert s["close_ns"] == (close["complete_time"] - close["issue_time"]).value
    assert s["birth_operation"] == create["complete_operation"]
    assert s["close_operation"] == close["issue_operation"]
    assert s["closed_operation"] == close["complete_operation"]
    assert (s["irps"], s["open_irps"]) == (2, 0)
    assert s["socket_id"] == create["socket_id"] == close["socket_id"]


@pytest.mark.parametrize(
    ("flags", "category"),
    [
        ("basic", "basic"),
        ("listen", "listen"),
        ("connection", "connection"),
        ("datagram", "datagram"),
        ("stream", "stream"),
    ],
)
def test_category(flags: str, category: str) -> None:
    [s] = tables(f"driver\nopen S Flags={flags}").sockets
    assert s["category"] == category


@pytest.mark.parametrize("flags", ["3", "0x40"])
def test_flags_that_name_no_category(flags: str) -> None:
    [s] = tables(f"driver\nopen S Flags={flags}").sockets
    assert s["category"] is None
    assert s["flags"] == int(flags, 0)


# births --------------------------------------------------------------------------------------------------------------


def test_socket_of_wsksocketconnect() -> None:
    script = "driver\nrun WskSocketConnect SocketContext=ctx Dispatch=table LocalFamily=AF_INET6 socket=S\nclose S"
    [s] = tables(script).sockets
    assert (s["origin"], s["category"], s["address_family"], s["protocol"]) == ("socket_connect", "connection", 23, 6)


LISTEN = """driver
open L Flags=listen SocketContext=lctx Dispatch=table.a DispatchMembers=accept AddressFamily=AF_INET6
run WskBind L
"""


def test_socket_of_an_accept() -> None:
    script = f"""{LISTEN}
        IrpAllocate A
        WskAccept L A AcceptSocketContext=ctx AcceptSocketDispatch=table.c DispatchMembers=receive -> PENDING
        wait 1s
        complete A SUCCESS socket=S
        run WskReceive S
        close S
        close L"""
    found = tables(script)
    listener, s = found.sockets
    assert (s["socket"], s["origin"], s["category"]) == (found.names["S"], "accept", "connection")
    assert (s["context"], s["dispatch"]) == (found.names["ctx"], found.names["table.c"])
    assert (s["dispatch_members"], s["parent_id"], s["client"]) == (16, listener["socket_id"], found.names["C"])
    assert s["address_family"] == 23
    accept = found.one("irps", op="WskAccept")
    assert s["irp_id"] == accept["irp_id"]
    assert s["open_time"] == accept["complete_time"]
    assert (s["irps"], listener["doubt"], s["doubt"]) == (3, None, None)


def test_socket_of_an_accept_event() -> None:
    script = f"""{LISTEN}
        enable L accept
        WskAcceptEvent lctx T
        return WskAcceptEvent SUCCESS AcceptSocketContext=ctx AcceptSocketDispatch=table.c DispatchMembers=disconnect
        run WskReceive T
        close T
        close L"""
    found = tables(script)
    listener, s = found.sockets
    assert (s["socket"], s["origin"], s["category"]) == (found.names["T"], "accept_event", "connection")
    assert (s["context"], s["dispatch"]) == (found.names["ctx"], found.names["table.c"])
    assert (s["dispatch_members"], s["parent_id"], s["irp_id"]) == (32, listener["socket_id"], None)
    begun = found.one("operations", op="WskAcceptEvent", phase="callback")
    assert s["birth_operation"] == begun["operation_id"]
    assert s["open_time"] == begun["time"]
    assert s["irps"] == 2


def test_calls_inside_the_accept_callback_are_on_its_socket() -> None:
    script = f"{LISTEN}enable L accept\nWskAcceptEvent lctx T\nrun WskGetRemoteAddress T\nreturn WskAcceptEvent SUCCESS"
    found = tables(script)
    assert [s["origin"] for s in found.sockets] == ["socket", "accept_event"]
    assert (
        found.one("irps", op="WskGetRemoteAddress")["socket_id"]
        == found.one("sockets", origin="accept_event")["socket_id"]
    )


def test_accept_event_without_a_socket_brings_none() -> None:
    found = tables(f"{LISTEN}enable L accept\nWskAcceptEvent lctx NULL -> SUCCESS")
    assert [s["origin"] for s in found.sockets] == ["socket"]


@pytest.mark.parametrize(
    "completed",
    ["complete NO_MEMORY", "complete NO_MEMORY Information=0xffffb10a2d003a50", "complete SUCCESS Information=0"],
)
def test_failed_creation_brings_no_socket(completed: str) -> None:
    """Information of a failed create is not a socket."""
    assert tables(f"driver\nIrpAllocate A\nWskSocket A Flags=datagram -> PENDING, {completed}").sockets == []


@pytest.mark.parametrize("information", ["0xffffb10a2d003a51", "0x7fffb10a2d003a50", "5"])
def test_information_that_can_be_no_kernel_address_brings_no_socket(information: str) -> None:
    script = f"driver\nIrpAllocate A\nWskSocket A Flags=datagram -> PENDING, complete SUCCESS Information={information}"
    assert tables(script).sockets == []


def test_information_of_other_calls_brings_no_socket() -> None:
    found = tables(
        "driver\nopen S Flags=datagram\nrun WskSendTo S -> PENDING, complete SUCCESS Information=0xffffb10a2d009990"
    )
    assert len(found.sockets) == 1


def test_sockets_of_a_32_bit_trace() -> None:
    found = tables("trace pointer=4\ndriver\nopen S Flags=datagram\nrun WskBind S\nclose S\nunload")
    [s] = found.sockets
    assert s["socket"] == found.names["S"] < 1 << 32
    assert (s["origin"], s["irps"], s["doubt"]) == ("socket", 3, None)


# adopted -------------------------------------------------------------------------------------------------------------


def test_socket_first_met_in_use_is_adopted() -> None:
    found = tables("driver\nopen S Flags=datagram SocketContext=ctx\nlate\nrun WskBind S\nclose S\nunload")
    [s] = found.sockets
    assert (s["origin"], s["doubt"]) == ("adopted", "U-START")
    for unknown in (
        "category", "address_family", "socket_type", "protocol", "flags", "client", "context", "dispatch",
        "dispatch_members", "parent_id", "irp_id", "create_time", "open_time", "lifetime_ns",
    ):  # fmt: skip
        assert s[unknown] is None, unknown
    bind = found.one("irps", op="WskBind")
    assert s["birth_operation"] == bind["issue_operation"]
    assert s["close_time"] is not None
    assert s["closed_time"] is not None
    assert s["irps"] == 2


def test_socket_that_a_loss_hides_is_adopted_too() -> None:
    [s] = tables("driver\nlost open S Flags=datagram\nrun WskBind S\nclose S\nunload").sockets
    assert (s["origin"], s["doubt"]) == ("adopted", "U-LOST")


def test_socket_that_nothing_can_hide_is_ambiguous() -> None:
    """A closed world in which nothing was lost and nobody created it."""
    [s] = tables("driver\nrun WskBind S\nclose S\nunload").sockets
    assert (s["origin"], s["doubt"]) == ("adopted", "U-ALIAS")


# generations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [True, False], ids=["Seq", "no Seq"])
def test_address_that_comes_back_is_another_socket(seq: bool) -> None:
    """3.I, pattern 13: immediately after a close."""
    kinds = ("datagram", "connection", "basic", "datagram")
    script = "driver\n" + "".join(f"open S Flags={k}\nrun WskGetLocalAddress S\nclose S\n" for k in kinds) + "unload"
    found = tables(script, seq=seq)
    assert [s["category"] for s in found.sockets] == list(kinds)
    assert {s["socket"] for s in found.sockets} == {found.names["S"]}
    assert [s["socket_id"] for s in found.sockets] == [0, 1, 2, 3]
    assert [s["irps"] for s in found.sockets] == [3, 3, 3, 3]
    times = [t for s in found.sockets for t in (s["open_time"], s["close_time"], s["closed_time"])]
    assert times == sorted(times)
    calls = [r["socket_id"] for r in found.irps if r["op"] == "WskGetLocalAddress"]
    assert calls == [0, 1, 2, 3]
    assert {s["origin"] for s in found.sockets} == {"socket"}


def test_calls_between_close_and_its_completion_are_still_on_that_socket() -> None:
    script = """driver
        open S Flags=datagram
        IrpAllocate A
        WskCloseSocket S A -> PENDING
        run WskBind S -> INVALID_PARAMETER
        complete A SUCCESS
        run WskGetLocalAddress S -> INVALID_PARAMETER
        open S Flags=basic
        close S
        unload"""
    found = tables(script)
    assert [s["category"] for s in found.sockets] == ["datagram", "basic"]
    assert found.one("irps", op="WskBind")["socket_id"] == 0
    assert found.one("irps", op="WskGetLocalAddress")["socket_id"] == 0
    assert [s["irps"] for s in found.sockets] == [4, 2]


def test_two_closes_of_one_socket() -> None:
    """The first of them counts."""
    found = tables("driver\nopen S Flags=datagram\nclose S\nwait 5ms\nclose S")
    [s] = found.sockets
    first, second = (r for r in found.irps if r["op"] == "WskCloseSocket")
    assert s["close_operation"] == first["issue_operation"]
    assert s["closed_operation"] == first["complete_operation"]
    assert second["socket_id"] == s["socket_id"]


def test_close_that_is_stuck_or_failed() -> None:
    [s] = tables("driver\nopen S Flags=datagram\nIrpAllocate A\nWskCloseSocket S A -> PENDING\nwait 1s").sockets
    assert s["close_time"] is not None
    assert (s["closed_time"], s["close_ns"], s["closed_operation"], s["open_irps"]) == (None, None, None, 1)
    [s] = tables(
        "driver\nopen S Flags=datagram\nIrpAllocate A\nWskCloseSocket S A -> PENDING, complete INVALID_HANDLE"
    ).sockets
    assert (s["closed_time"], s["open_irps"]) == (None, 0)


def test_socket_that_is_never_closed() -> None:
    [s] = tables("driver\nopen S Flags=datagram\nrun WskBind S\nunload").sockets
    assert (s["close_time"], s["closed_time"], s["lifetime_ns"], s["close_operation"]) == (None, None, None, None)


def test_open_irps() -> None:
    script = "driver\nopen S Flags=datagram\nIrpAllocate A\nIrpAllocate B\nWskReceiveFrom S A -> PENDING\n"
    script += "WskReceiveFrom S B -> ACCESS_DENIED\nrun WskBind S"
    [s] = tables(script).sockets
    assert (s["irps"], s["open_irps"]) == (4, 1)


def test_address_seen_again_across_a_loss_is_another_socket() -> None:
    """After the close has ended, an unseen creation may have brought the address back (1.5.3)."""
    found = tables("driver\nopen S Flags=datagram\nclose S\nlost 9\nrun WskBind S\nclose S\nunload")
    assert [(s["origin"], s["doubt"]) for s in found.sockets] == [("socket", None), ("adopted", "U-LOST")]
    assert found.one("irps", op="WskBind")["socket_id"] == 1


def test_sockets_of_two_drivers_at_one_address() -> None:
    script = "driver\nopen S Flags=datagram\n@image=1 driver\n@image=1 open S Flags=datagram\nclose S\n@image=1 close S"
    found = tables(script)
    assert [s["load"] for s in found.sockets] == [0, 1]
    assert [s["irps"] for s in found.sockets] == [2, 2]


# contexts and parents ------------------------------------------------------------------------------------------------


def test_callback_that_several_sockets_could_have_has_no_socket() -> None:
    """A context that several live sockets share, or NULL, identifies none of them: the parent stays unknown."""
    shared = "driver\nopen L1 Flags=listen SocketContext=x\nopen L2 Flags=listen SocketContext=x\n"
    found = tables(f"{shared}WskAcceptEvent x T -> SUCCESS AcceptSocketContext=c")
    assert found.one("sockets", socket="T")["parent_id"] is None
    found = tables(f"{shared}close L1\nWskAcceptEvent x T -> SUCCESS AcceptSocketContext=c")
    assert found.one("sockets", socket="T")["parent_id"] == 1
    found = tables("driver\nopen L Flags=listen\nWskAcceptEvent NULL T -> SUCCESS")
    assert found.one("sockets", socket="T")["parent_id"] is None
    found = tables(f"{shared}close L2\nWskAcceptEvent x T -> SUCCESS AcceptSocketContext=c")
    assert found.one("sockets", socket="T")["parent_id"] == 0
