"""Entries and returns: paired as the native provider's page says, whatever was lost in between."""

from __future__ import annotations

import random

import pytest
from model_tools import made, row, tables

from wsktrace.model.pairs import pair, threads

A, B, SOCK, CTX = 0xA0, 0xB0, 0x50, 0xC0


def mates(rows: list[dict]) -> list[int]:
    ops = made(rows)
    found = pair(ops, threads(ops)).tolist()
    for at, mate in enumerate(found):
        assert mate < 0 or found[mate] == at
    return found


def enter(op: str = "WskSend", **facts: object) -> dict:
    return row(op, "enter", **{"irp": A, "socket": SOCK, **facts})


def back(op: str = "WskSend", **facts: object) -> dict:
    return row(op, "return", **{"irp": A, "socket": SOCK, **facts})


def done(phase: str = "complete", **facts: object) -> dict:
    return row("IrpComplete", phase, **{"irp": A, **facts})


# threads -------------------------------------------------------------------------------------------------------------


def test_thread_is_the_tid_wherever_it_runs() -> None:
    ops = made([row("IrpReuse", "fact", tid=t, cpu=c) for t, c in ((5, 0), (5, 1), (6, 0), (5, 3))])
    first, second, third, fourth = threads(ops).tolist()
    assert first == second == fourth != third


def test_thread_zero_is_one_per_processor() -> None:
    ops = made([row("IrpReuse", "fact", tid=0, cpu=c) for c in (0, 1, 0, 2)])
    assert len(set(threads(ops).tolist())) == 3
    assert threads(ops)[0] == threads(ops)[2]


def test_thread_zero_is_never_a_thread_whose_tid_looks_like_a_processor() -> None:
    ops = made([row("IrpReuse", "fact", tid=t, cpu=c) for t, c in ((0, 1), (1, 1), (1, 0), (0, 0))])
    assert len(set(threads(ops).tolist())) == 3


# the rule ------------------------------------------------------------------------------------------------------------


def test_call_and_return() -> None:
    assert mates([enter(), back()]) == [1, 0]


def test_facts_belong_to_nobody() -> None:
    assert mates([enter(), row("IrpReuse", "fact", irp=A), back()]) == [2, -1, 0]


def test_completion_inside_the_call() -> None:
    assert mates([enter(), done(), done("complete_return"), back()]) == [3, 2, 1, 0]


def test_innermost_first() -> None:
    rows = [enter(), enter(), back(), back(), enter(), back()]
    assert mates(rows) == [3, 2, 1, 0, 5, 4]


def test_other_event_thread_or_irp_is_no_return() -> None:
    assert mates([enter(), back("WskReceive")]) == [-1, -1]
    assert mates([enter(), back(tid=8)]) == [-1, -1]
    assert mates([enter(), back(irp=B)]) == [-1, -1]
    assert mates([back(), enter()]) == [-1, -1]


def test_calls_on_several_irps_and_threads_at_once() -> None:
    rows = [enter(irp=A), enter(irp=B, tid=8), back(irp=B, tid=8), enter(irp=A, tid=9), back(irp=A), back(irp=A, tid=9)]
    assert mates(rows) == [4, 2, 1, 5, 0, 3]


def test_a_thread_moves_between_processors() -> None:
    assert mates([enter(cpu=0), back(cpu=3)]) == [1, 0]


@pytest.mark.parametrize(
    ("op", "column"),
    [
        ("WskControlSocket", "socket"),
        ("WskControlClient", "client"),
        ("WskRegister", "registration"),
        ("WskReleaseProviderNPI", "registration"),
        ("DriverEntry", "driver_object"),
    ],
)
def test_where_irp_is_zero_the_object_tells(op: str, column: str) -> None:
    """Socket, Client or Registration: the return belongs to the open entry of the same one."""
    irp = {"irp": 0} if column in ("socket", "client") else {}
    rows = [row(op, "enter", **irp, **{column: n}) for n in (1, 2)]
    rows += [row(op, "return", **irp, **{column: n}) for n in (1, 2)]
    assert mates(rows) == [2, 3, 0, 1]


def test_return_of_a_creation_has_no_client() -> None:
    rows = [row("WskSocket", "enter", client=9, irp=A), row("WskSocket", "return", irp=A)]
    assert mates(rows) == [1, 0]


# completions and callbacks -------------------------------------------------------------------------------------------


def test_completions_in_dpcs_on_idle_processors_do_not_nest() -> None:
    """Both on thread 0, at once, ended in the order in which they began; even of the same address."""
    rows = [done(tid=0, cpu=1), done(tid=0, cpu=2, irp=B), done("complete_return", tid=0, cpu=1)]
    rows += [done("complete_return", tid=0, cpu=2, irp=B)]
    assert mates(rows) == [2, 3, 0, 1]
    same = [done(tid=0, cpu=1), done(tid=0, cpu=2), done("complete_return", tid=0, cpu=1)]
    same += [done("complete_return", tid=0, cpu=2)]
    assert mates(same) == [2, 3, 0, 1]
    assert mates([done(tid=0, cpu=1), done("complete_return", tid=0, cpu=2)]) == [-1, -1]


def test_stop_of_a_completion_after_the_irp_was_used_elsewhere() -> None:
    """It pairs by thread."""
    rows = [done(tid=0, cpu=1), row("IrpFree", "fact", irp=A), row("IrpAllocate", "fact", irp=A), enter()]
    rows += [done(tid=0, cpu=2), done("complete_return", tid=0, cpu=1), done("complete_return", tid=0, cpu=2), back()]
    assert mates(rows) == [5, -1, -1, 7, 6, 0, 4, 3]


def callback(op: str, phase: str, context: int = CTX, **facts: object) -> dict:
    return row(op, phase, **{"socket_context": context, **facts})


def test_callback_and_its_return_carry_the_context() -> None:
    rows = [callback("WskAcceptEvent", "callback", accept_socket=5)]
    rows += [callback("WskAcceptEvent", "callback_return", accept_socket_context=9, status=0)]
    assert mates(rows) == [1, 0]


def test_callbacks_of_several_contexts_on_one_thread() -> None:
    rows = [callback("WskReceiveEvent", "callback", 1), callback("WskReceiveEvent", "callback", 2)]
    rows += [callback("WskReceiveEvent", "callback_return", 1), callback("WskReceiveEvent", "callback_return", 2)]
    assert mates(rows) == [2, 3, 0, 1]


def test_call_inside_a_callback() -> None:
    rows = [callback("WskReceiveEvent", "callback"), enter(), back(), callback("WskReceiveEvent", "callback_return")]
    assert mates(rows) == [3, 2, 1, 0]


# losses --------------------------------------------------------------------------------------------------------------


def test_one_lost_event_spoils_one_pair() -> None:
    rows = [enter("WskBind", irp=B), enter(), done(), done("complete_return"), back(), back("WskBind", irp=B)]
    for gone in range(len(rows)):
        left = [r for n, r in enumerate(rows) if n != gone]
        whole = mates(rows)
        found = mates(left)
        of = [n for n in range(len(rows)) if n != gone]
        for at, mate in enumerate(found):
            true = whole[of[at]]
            assert (of[mate] if mate >= 0 else -1) == (-1 if true == gone else true), f"without {gone}"


def test_lost_return_and_the_next_call_alike() -> None:
    """A return belongs to the latest open entry."""
    assert mates([enter(), enter(), back()]) == [-1, 2, 1]
    assert mates([enter(), back(), back()]) == [1, 0, -1]


def naive(rows: list[dict]) -> list[int]:
    """Return the mates by the page's sentence, one event at a time."""
    found = [-1] * len(rows)
    opens: dict[tuple, list[int]] = {}
    for at, r in enumerate(rows):
        thread = (0, r["cpu"]) if not r["tid"] else (r["tid"],)
        key = (*thread, r["op"], r["irp"])
        if r["phase"] in ("enter", "complete"):
            opens.setdefault(key, []).append(at)
        elif opens.get(key):
            mate = opens[key].pop()
            found[at], found[mate] = mate, at
    return found


@pytest.mark.parametrize("shape", ["nested", "any"])
def test_like_one_event_at_a_time(shape: str) -> None:
    for seed in range(150):
        rng = random.Random(seed)
        rows: list[dict] = []
        stack: list[dict] = []
        for _ in range(rng.randrange(60)):
            where = {"tid": rng.choice((0, 0, 5, 6)), "cpu": rng.randrange(2)}
            if shape == "any":
                op, phase = rng.choice((("WskSend", "enter"), ("WskSend", "return"), ("IrpComplete", "complete")))
                if op == "IrpComplete" and rng.random() < 0.5:
                    phase = "complete_return"
                rows.append(row(op, phase, irp=rng.choice((A, B)), **where))
            elif stack and rng.random() < 0.5:
                begun = stack.pop()
                ends = {"enter": "return", "complete": "complete_return"}
                rows.append({**begun, "phase": ends[begun["phase"]]})
            else:
                op, phase = rng.choice((("WskSend", "enter"), ("IrpComplete", "complete")))
                stack.append(row(op, phase, irp=rng.choice((A, B)), **where))
                rows.append(stack[-1])
        rows = [r for r in rows if rng.random() > 0.1]
        assert mates(rows) == naive(rows), f"seed {seed}"


def test_a_thousand_calls_deep() -> None:
    """Completion inside the call inside the completion …"""
    rows = [enter(irp=16 * n) for n in range(1, 1001)] + [back(irp=16 * n) for n in range(1000, 0, -1)]
    assert mates(rows) == list(range(1999, -1, -1))


def test_nothing_to_pair() -> None:
    assert mates([]) == []
    assert mates([row("IrpReuse", "fact", irp=A)]) == [-1]


def test_pairs_reach_the_tables() -> None:
    found = tables("driver\nopen S Flags=datagram\nIrpAllocate A\nWskBind S A -> complete SUCCESS, PENDING\nclose S")
    bind = found.one("irps", op="WskBind")
    operations = {r["operation_id"]: r for r in found.operations}
    end = operations[bind["return_operation"]]
    assert (end["op"], end["phase"], end["status_name"]) == ("WskBind", "return", "STATUS_PENDING")
    assert bind["completion"] == "inline"


def test_capture_returns_the_client_that_its_entry_did_not_have() -> None:
    rows = [row("WskCaptureProviderNPI", "enter", registration=1)]
    rows += [row("WskCaptureProviderNPI", "return", registration=1, client=9)]
    assert mates(rows) == [1, 0]


def test_no_two_calls_pair_by_chance() -> None:
    rows = [row("WskSend", "enter", irp=0xFFFFB10A00000010, tid=5)]
    rows += [row("WskSend", "return", irp=0xFFFFB00A00000010, tid=8)]
    assert mates(rows) == [-1, -1]
