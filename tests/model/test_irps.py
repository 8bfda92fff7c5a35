"""Uses of IRPs: identity by address and use, every legal order of wsk-contract 1.4, losses, reuse, whose IRP."""

from __future__ import annotations

import pytest
from model_tools import MS, lives_of, table, tables

OPEN = "driver\nopen S Flags=datagram\nIrpAllocate A\n"
CLOSE = "\nIrpFree A\nclose S\nunload"
ORDERS = {
    "complete SUCCESS, SUCCESS": ("inline", "succeeded", "SUCCESS", "SUCCESS"),
    "complete SUCCESS, PENDING": ("inline", "succeeded", "PENDING", "SUCCESS"),
    "complete CANCELLED, PENDING": ("inline", "cancelled", "PENDING", "CANCELLED"),
    "complete ACCESS_DENIED, ACCESS_DENIED": ("inline", "failed", "ACCESS_DENIED", "ACCESS_DENIED"),
    "PENDING, +5ms complete SUCCESS": ("pended", "succeeded", "PENDING", "SUCCESS"),
    "PENDING, +5ms complete ACCESS_DENIED": ("pended", "failed", "PENDING", "ACCESS_DENIED"),
    "PENDING, +5ms complete CANCELLED": ("pended", "cancelled", "PENDING", "CANCELLED"),
    "SUCCESS, +5ms complete SUCCESS": ("pended", "succeeded", "SUCCESS", "SUCCESS"),
    "ACCESS_DENIED, +5ms complete ACCESS_DENIED": ("pended", "failed", "ACCESS_DENIED", "ACCESS_DENIED"),
    "ACCESS_DENIED": ("none_seen", "failed", "ACCESS_DENIED", None),
}


@pytest.mark.parametrize("seq", [True, False], ids=["Seq", "no Seq"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_legal_order(order: str, seq: bool) -> None:
    found = tables(f"{OPEN}WskBind S A -> {order}\nwait 3ms{CLOSE}", seq=seq)
    bind = found.one("irps", op="WskBind", irp="A")
    completion, outcome, returned, completed = ORDERS[order]
    assert (bind["completion"], bind["outcome"]) == (completion, outcome)
    assert bind["return_status_name"] == f"STATUS_{returned}"
    assert bind["completion_status_name"] == (f"STATUS_{completed}" if completed else None)
    assert bind["doubt"] is None
    assert bind["own"]
    operations = {r["operation_id"]: r for r in found.operations}
    times = [operations[bind[k]]["time"] for k in ("issue_operation", "return_operation")]
    assert [bind["issue_time"], bind["return_time"]] == times
    if completed:
        end = operations[bind["complete_operation"]]
        assert (end["op"], end["phase"], end["irp"]) == ("IrpComplete", "complete", bind["irp"])
        assert bind["complete_time"] == end["time"]
        assert bind["total_ns"] == (end["time"] - times[0]).value
        assert (bind["complete_cpu"], bind["complete_tid"]) == (end["cpu"], end["tid"])
    else:
        assert bind["complete_time"] is bind["total_ns"] is bind["complete_operation"] is None
    assert bind["call_ns"] == (times[1] - times[0]).value


@pytest.mark.parametrize("order", ORDERS)
def test_pending_time_runs_from_the_return_that_says_pending(order: str) -> None:
    """Null where completion came first or the call did not say PENDING; never negative (architecture, Values)."""
    [pending] = [
        p for op, p in table(f"{OPEN}WskBind S A -> {order}{CLOSE}", "irps", "op", "pending_ns") if op == "WskBind"
    ]
    if order.startswith("PENDING"):
        assert 5 * MS <= pending < 6 * MS
    else:
        assert pending is None


def test_open_and_unknown() -> None:
    found = tables(
        "driver\nopen S Flags=datagram\nIrpAllocate A\nIrpAllocate B\nWskBind S A -> PENDING\nWskListen S B\nwait 1ms"
    )
    a, b = found.one("irps", irp="A"), found.one("irps", irp="B")
    assert (a["outcome"], a["completion"]) == ("open", "none_seen")
    assert (b["outcome"], b["return_time"], b["return_status"]) == ("open", None, None)
    # used again without a completion: what became of the first use nobody saw
    script = "driver\nopen S Flags=datagram\nWskBind S P -> PENDING\nWskListen S P -> PENDING, complete SUCCESS"
    first, second = (tables(script).one("irps", op=op) for op in ("WskBind", "WskListen"))
    assert (first["outcome"], first["completion"]) == ("unknown", "none_seen")
    assert second["outcome"] == "succeeded"


# identity ------------------------------------------------------------------------------------------------------------


def test_one_irp_for_everything_in_turn() -> None:
    """3.I, pattern 6: one address, a row per use, each with its own return and completion."""
    script = """driver
        IrpInitialize A
        WskSocket A Flags=datagram -> PENDING, +1ms complete SUCCESS socket=S
        IrpReuse A
        WskBind S A -> complete SUCCESS, SUCCESS
        IrpReuse A
        WskControlSocket S A set SO_RCVBUF -> PENDING, +2ms complete ACCESS_DENIED
        IrpReuse A
        WskCloseSocket S A -> PENDING, +3ms complete SUCCESS
        unload"""
    found = tables(script)
    rows = [r for r in found.irps if r["irp"] == found.names["A"]]
    assert [r["op"] for r in rows] == ["WskSocket", "WskBind", "WskControlSocket", "WskCloseSocket"]
    assert [r["outcome"] for r in rows] == ["succeeded", "succeeded", "failed", "succeeded"]
    assert [r["completion"] for r in rows] == ["pended", "inline", "pended", "pended"]
    assert len({r["complete_operation"] for r in rows}) == 4
    assert rows[0]["information"] == found.names["S"]
    assert len({r["irp_id"] for r in rows}) == 4
    assert not any(r["doubt"] for r in rows)


def test_address_that_was_freed_and_allocated_again() -> None:
    script = "driver\nopen S Flags=datagram\n" + "run WskControlSocket S ControlCode=SO_RCVBUF\n" * 5
    rows = table(script, "irps", "op", "irp", "own", "outcome", "doubt")
    uses = [r for r in rows if r[0] == "WskControlSocket"]
    assert len(uses) == 5
    assert {r[2:] for r in uses} == {(True, "succeeded", None)}


def test_interleaved_irps() -> None:
    script = "driver\nopen S Flags=datagram\n" + "".join(f"IrpAllocate {i}\n" for i in "ABC")
    script += "".join(f"WskSendTo S {i} Length={n} -> PENDING\n" for n, i in enumerate("ABC", 1))
    script += (
        "complete C SUCCESS Information=3\n@dpc=2 complete A SUCCESS Information=1\ncomplete B SUCCESS Information=2"
    )
    rows = [r for r in tables(script).irps if r["op"] == "WskSendTo"]
    assert [(r["length"], r["information"]) for r in rows] == [(1, 1), (2, 2), (3, 3)]
    assert [r["complete_cpu"] for r in rows] == [2, 1, 1]


def test_irp_of_a_call_that_was_given_none_has_no_row() -> None:
    """A call without an IRP is in operations and has no row in irps."""
    script = "driver\nWskControlClient WSK_TRANSPORT_LIST_QUERY -> SUCCESS\nWskBind S NULL -> INVALID_PARAMETER"
    assert table(script, "irps", "op") == []
    assert [r["irp_id"] for r in tables(script).operations] == [None] * len(tables(script).operations)


def test_operations_point_to_their_use() -> None:
    found = tables(
        f"{OPEN}WskBind S A -> PENDING, complete SUCCESS\nIrpReuse A\nWskListen S A -> complete SUCCESS, SUCCESS{CLOSE}"
    )
    for op in ("WskBind", "WskListen"):
        use = found.one("irps", op=op)
        mine = [r for r in found.operations if r["irp_id"] == use["irp_id"]]
        assert {(r["op"], r["phase"]) for r in mine} == {
            (op, "enter"), (op, "return"), ("IrpComplete", "complete"), ("IrpComplete", "complete_return"),
        }  # fmt: skip


def test_stop_of_a_completion_routine_after_the_irp_was_used_again() -> None:
    """Stop never opens or closes a life."""
    script = """driver
        open S Flags=datagram
        IrpAllocate A
        WskBind S A -> PENDING
        @dpc=1 IrpComplete A SUCCESS
        IrpReuse A
        WskControlSocket S A set SO_RCVBUF -> PENDING
        return IrpComplete A
        @dpc=2 complete A ACCESS_DENIED
        IrpFree A
        close S
        unload"""
    found = tables(script)
    assert found.one("irps", op="WskBind")["outcome"] == "succeeded"
    assert found.one("irps", op="WskControlSocket")["outcome"] == "failed"
    assert not any(r["doubt"] for r in found.irps)


def test_a_second_completion_is_nobodys() -> None:
    script = f"{OPEN}WskBind S A -> PENDING, complete SUCCESS\ncomplete A ACCESS_DENIED\nIrpReuse A\n"
    script += f"WskListen S A -> PENDING, complete SUCCESS{CLOSE}"
    lives, names = lives_of(script)
    uses = lives.lives[0].irps
    mine = [n for n in range(len(uses)) if uses.irp[n] == names["A"]]
    assert [int(uses.status[n]) for n in mine] == [0, 0]
    assert [int(uses.second[n]) >= 0 for n in mine] == [True, False]
    assert len(uses.orphans) == 1
    assert uses.orphans[0] == uses.second[mine[0]]


def test_completion_of_an_irp_whose_call_was_before_the_trace() -> None:
    lives, names = lives_of("driver\nWskReceive S A -> PENDING\nlate\ncomplete A SUCCESS\nrun WskSend S")
    uses = lives.lives[0].irps
    assert names["A"] not in uses.irp.tolist()
    assert len(uses.orphans) == 1


# whose IRP -----------------------------------------------------------------------------------------------------------

SEND = "WskSendTo S A -> PENDING, complete SUCCESS\n"


@pytest.mark.parametrize(
    ("before", "own"),
    [
        ("IrpAllocate A\n", True),
        ("IrpInitialize A\n", True),
        ("IrpReuse A\n", True),
        ("IrpSetCompletion A\n", True),
        ("IrpSetCompletion A InvokeOnCancel=no\n", False),
        ("IrpSetCompletion A InvokeOnSuccess=no\n", False),
        ("IrpSetCompletion A InvokeOnError=no\n", False),
        ("", False),
        ("IrpMarkPending A\n", False),
        ("IrpAllocate A\nIrpFree A\n", False),
        (f"IrpAllocate A\n{SEND}", False),  # since the last completion
        (f"IrpAllocate A\n{SEND}IrpReuse A\n", True),
        (f"IrpSetCompletion A\n{SEND}", False),
    ],
)
def test_own_irp(before: str, own: bool) -> None:
    """1.5, item 10: allocated, initialized or reused since the last completion, or a routine that always runs."""
    found = table(
        f"driver\nopen S Flags=datagram\n{before}WskBind S A -> PENDING, complete SUCCESS", "irps", "op", "own"
    )
    assert dict(found)["WskBind"] is own


def test_claim_behind_a_gap_is_no_claim() -> None:
    """The completion of a use in between may be lost."""
    script = "driver\nopen S Flags=datagram\nIrpReuse A\nlost 2\nWskBind S A -> PENDING, complete SUCCESS"
    assert dict(table(script, "irps", "op", "own"))["WskBind"] is False


# doubt ---------------------------------------------------------------------------------------------------------------


def doubts(script: str, *, seq: bool = True) -> dict[str, str | None]:
    found = tables(script, seq=seq)
    return {r["op"]: r["doubt"] for r in found.irps if r["irp"] == found.names["A"]}


def test_gap_between_the_legs() -> None:
    """Another entry or completion of the same IRP may be hidden."""
    assert doubts(f"{OPEN}WskBind S A -> PENDING\nlost 2\ncomplete A SUCCESS") == {"WskBind": "U-LOST"}
    assert doubts(f"{OPEN}WskBind S A\nlost 2\nreturn WskBind PENDING\ncomplete A SUCCESS") == {"WskBind": "U-LOST"}
    assert doubts(f"lost 2\n{OPEN}WskBind S A -> PENDING\ncomplete A SUCCESS") == {"WskBind": None}
    assert doubts(f"{OPEN}WskBind S A -> PENDING\ncomplete A SUCCESS\nlost 2\nrun WskListen S") == {"WskBind": None}


def test_first_use_of_an_irp_in_a_trace_that_starts_midway() -> None:
    """A completion may belong to a call before the trace, unless the IRP was allocated in it."""
    late = "driver\nopen S Flags=datagram\nlate\n{}WskBind S A -> PENDING, complete SUCCESS"
    assert doubts(late.format("")) == {"WskBind": "U-START"}
    assert doubts(late.format("IrpAllocate A\n")) == {"WskBind": None}


def test_use_while_the_previous_is_open_is_ambiguous() -> None:
    script = f"{OPEN}WskBind S A -> PENDING\nWskListen S A -> PENDING\ncomplete A SUCCESS\ncomplete A SUCCESS"
    assert doubts(script)["WskListen"] == "U-ALIAS"


def test_completion_and_next_call_on_different_processors_need_more_than_the_tolerance() -> None:
    script = f"{OPEN}WskBind S A -> PENDING\nwait 20ms\n@dpc=1 complete A SUCCESS\n{{}}WskListen S A -> PENDING\n"
    script += "wait 20ms\ncomplete A SUCCESS"
    near, far = script.format("+200us "), script.format("+2ms ")
    assert set(doubts(near).values()) == set(doubts(far).values()) == {None}
    assert doubts(near, seq=False) == {"WskBind": "U-ORDER", "WskListen": "U-ORDER"}
    assert doubts(far, seq=False) == {"WskBind": None, "WskListen": None}


@pytest.mark.parametrize("missing", ["Irp", "Status", "Information", "Irql", "Length"])
def test_header_without_a_field(missing: str) -> None:
    """What is not known is null, never zero."""
    script = f"trace missing={missing}\n{OPEN}WskSendTo S A -> PENDING, complete SUCCESS Information=5{CLOSE}"
    sends = [r for r in tables(script).irps if r["op"] == "WskSendTo"]
    if missing == "Irp":
        assert not sends
        return
    [send] = sends
    facts = {
        "Status": ("return_status", "completion_status", "return_status_name", "completion_status_name"),
        "Information": ("information",),
        "Irql": ("irql",),
        "Length": ("length",),
    }
    for field, columns in facts.items():
        for column in columns:
            assert (send[column] is None) == (field == missing), (missing, column)
    assert send["outcome"] == ("unknown" if missing == "Status" else "succeeded")
    assert send["complete_time"] is not None


# sockets of IRPs -----------------------------------------------------------------------------------------------------


def test_socket_of_an_irp_is_that_of_the_call_or_the_one_it_brought() -> None:
    found = tables(f"{OPEN}WskBind S A -> PENDING, complete SUCCESS{CLOSE}")
    address = found.names["S"]
    whole = dict.fromkeys(("WskSocket", "WskBind", "WskCloseSocket"), (address, 0))
    assert {r["op"]: (r["socket"], r["socket_id"]) for r in found.irps} == whole
    failed = table(
        "driver\nIrpAllocate A\nWskSocket A Flags=datagram -> PENDING, complete NO_MEMORY",
        "irps",
        "socket",
        "socket_id",
    )
    assert failed == [(None, None)]
