"""Trace order, loads of drivers, and what is certain about order (wsk-contract 1.4)."""

from __future__ import annotations

import random

import numpy as np
import pytest
from model_tools import IMAGE, MS, S, built, made, row

from wsktrace.model.filefacts import FileFacts
from wsktrace.model.order import arrange
from wsktrace.model.world import make_world

OTHER = IMAGE + 0x200000


def fact(number: int, **more: object) -> dict:
    """Return an event that is known again by its IRP."""
    return row("IrpReuse", "fact", irp=number, **more)


def entry(**more: object) -> dict:
    return row("DriverEntry", "enter", driver_object=1, **more)


def arranged(rows: list[dict]) -> tuple[list[int], list[list[int]]]:
    """Return the IRPs of the operations in trace order, and those of each load."""
    ops = made(rows)
    loads = arrange(ops)
    return ops.irp.tolist(), [ops.irp[load.rows].tolist() for load in loads]


# order ---------------------------------------------------------------------------------------------------------------


def test_time_orders_and_file_order_breaks_ties() -> None:
    order, loads = arranged([fact(1, time=30), fact(2, time=10), fact(3, time=30), fact(4, time=10)])
    assert order == [2, 4, 1, 3]
    assert loads == [order]


def test_seq_orders_against_time() -> None:
    rows = [fact(1, time=10, seq=2), fact(2, time=20, seq=1), fact(3, time=20, seq=3)]
    assert arranged(rows)[0] == [2, 1, 3]


@pytest.mark.parametrize(
    "rows",
    [
        [fact(1, time=10, seq=2), fact(2, time=20)],  # one has none
        [fact(1, time=10, seq=2), fact(2, time=20, seq=2)],  # twice the same
        [fact(1, time=10, seq=2), fact(2, time=20 + 5 * S, seq=1)],  # time contradicts by far
    ],
)
def test_seq_that_cannot_be_believed_orders_nothing(rows: list[dict]) -> None:
    ops = made(rows)
    [load] = arrange(ops)
    assert not load.has_seq
    assert ops.irp.tolist() == [1, 2]


def test_sparse_facts_move_with_their_rows() -> None:
    ops = made([row("WskBind", time=20, irp=1, flags=11), row("WskBind", time=10, irp=2), fact(3, time=5)])
    arrange(ops)
    values, known = ops.arg("flags", np.arange(3))
    assert (values.tolist(), known.tolist()) == ([0, 0, 11], [False, False, True])


def test_shuffled_files_give_one_order() -> None:
    rows = [fact(n, time=n * 100, seq=n, cpu=n % 3) for n in range(1, 60)]
    for seed in range(10):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert arranged(shuffled)[0] == list(range(1, 60))


def test_nothing_to_arrange() -> None:
    assert arrange(made([])) == []


# loads ---------------------------------------------------------------------------------------------------------------


def test_drivers_are_apart() -> None:
    rows = [fact(1, time=1, seq=1), fact(2, time=2, seq=1, image=OTHER), fact(3, time=3, seq=2)]
    rows += [fact(4, time=4, seq=2, image=OTHER)]
    ops = made(rows)
    loads = arrange(ops)
    assert [(load.number, load.image) for load in loads] == [(0, IMAGE), (1, OTHER)]
    assert [ops.irp[load.rows].tolist() for load in loads] == [[1, 3], [2, 4]]
    assert ops.irp.tolist() == [1, 2, 3, 4]  # the whole stays in the order of time
    assert all(load.has_seq for load in loads)


def test_each_drivers_seq_orders_its_own_rows() -> None:
    rows = [fact(1, time=10, seq=6), fact(2, time=11, seq=5), fact(3, time=10, seq=2, image=OTHER)]
    rows += [fact(4, time=12, seq=1, image=OTHER)]
    assert arranged(rows)[1] == [[2, 1], [4, 3]]


def test_a_reload_begins_another_load() -> None:
    rows = [row("ProviderState", "fact", seq=1), entry(seq=2), fact(1, seq=3)]
    rows += [row("DriverUnload", "return", seq=4, driver_object=1)]
    again = [row("ProviderState", "fact", seq=1), entry(seq=2), fact(2, seq=3)]
    ops = made(rows + again)
    loads = arrange(ops)
    assert [load.rows.tolist() for load in loads] == [[0, 1, 2, 3], [4, 5, 6]]
    assert all(load.has_seq for load in loads)


def test_reload_without_seq() -> None:
    ops = made([entry(), fact(1), entry(), fact(2)])
    assert [load.rows.tolist() for load in arrange(ops)] == [[0, 1], [2, 3]]


def test_trace_that_begins_midway_and_sees_a_reload() -> None:
    ops = made([fact(1, seq=900), fact(2, seq=901), entry(seq=1), fact(3, seq=2)])
    loads = arrange(ops)
    assert [load.rows.tolist() for load in loads] == [[0, 1], [2, 3]]
    lives = built([fact(1, seq=900), fact(2, seq=901), entry(seq=1), fact(3, seq=2)])
    assert [life.world.coverage.birth >= 0 for life in lives.lives] == [False, True]


def test_event_that_the_clocks_put_before_the_drivers_entry() -> None:
    """Its number says that it comes after."""
    ops = made([fact(1, time=10 * MS, seq=2), entry(time=10 * MS + 100, seq=1), fact(2, time=20 * MS, seq=3)])
    [load] = arrange(ops)
    assert load.has_seq
    assert ops.irp[load.rows].tolist() == [0, 1, 2]


def test_ids_never_cross_loads() -> None:
    one = [
        entry(seq=1),
        row("WskBind", "enter", irp=5, socket=9, seq=2),
        row("WskBind", "return", irp=5, socket=9, seq=3),
    ]
    lives = built(one + one)
    assert len(lives.lives) == 2
    assert [len(life.irps) for life in lives.lives] == [1, 1]
    assert [life.first_irp for life in lives.lives] == [0, 1]


def test_more_drivers_than_any_machine_has_are_judged_together_and_in_doubt() -> None:
    """Hostile input: an image base per event."""
    rows = [fact(n, image=IMAGE + n * 0x1000) for n in range(500)]
    ops = made(rows)
    loads = arrange(ops)
    assert sum(len(load.rows) for load in loads) == 500
    assert len(loads) < 100
    assert loads[-1].mixed or any(load.mixed for load in loads)


def test_more_loads_than_any_trace_has() -> None:
    loads = arrange(made([entry() if n % 2 else fact(n) for n in range(400)]))
    assert len(loads) < 100
    assert all(load.mixed for load in loads) or len(loads) > 1


# certainty -----------------------------------------------------------------------------------------------------------


def certainly(first: dict, second: dict, *, mode: int = 0) -> bool:
    """Whether the first of two events is certainly before the second."""
    ops = made([first, second])
    [load] = arrange(ops)
    world = make_world(load, ops, FileFacts(0, 10 * S, mode=mode), tolerance_ns=MS, pointer_size=8)
    return not world.unordered(np.array([0]), np.array([1]))[0]


def test_certainly_before() -> None:
    first = {"time": 0, "tid": 5, "cpu": 0}
    assert certainly(fact(1, **first), fact(2, time=2 * MS, tid=6, cpu=1))
    assert not certainly(fact(1, **first), fact(2, time=MS, tid=6, cpu=1))  # ts + ε must be less
    assert certainly(fact(1, **first), fact(2, time=MS + 1, tid=6, cpu=1))
    assert certainly(fact(1, **first), fact(2, time=10, tid=5, cpu=1))  # one thread
    assert certainly(fact(1, **first), fact(2, time=10, tid=6, cpu=0))  # one processor
    assert certainly(fact(1, seq=1, **first), fact(2, seq=2, time=10, tid=6, cpu=1))  # numbers


def test_one_processor_orders_nothing_where_buffers_have_none() -> None:
    """Mode NO_PER_PROCESSOR_BUFFERING, 0x10000000."""
    near = fact(1, time=0, tid=5), fact(2, time=10, tid=6)
    assert certainly(*near)
    assert not certainly(*near, mode=0x10000000)
    assert certainly(fact(1, time=0, tid=5), fact(2, time=10, tid=5), mode=0x10000000)


def test_thread_zero_is_no_thread_across_processors() -> None:
    assert not certainly(fact(1, time=0, tid=0, cpu=0), fact(2, time=10, tid=0, cpu=1))
    assert certainly(fact(1, time=0, tid=0, cpu=1), fact(2, time=10, tid=0, cpu=1))
