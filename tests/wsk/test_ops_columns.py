"""Operations as columns: what is not known stays apart from zero, through reordering, taking and gathering."""

from __future__ import annotations

import numpy as np
import pytest

from wsktrace.schema import ARGUMENTS
from wsktrace.wsk.ops import DENSE, KNOWN_IRP, KNOWN_STATUS, Gathering, Operations, Sparse, argument_dtype


def made(n: int, first: int = 0) -> Operations:
    """Return n operations whose row number stands in every column; ``flags`` and ``client`` are known of some."""
    ops = Operations.empty(n)
    for name in DENSE:
        getattr(ops, name)[:] = np.arange(first, first + n)
    even = np.arange(0, n, 2)
    ops.sparse["flags"] = Sparse(even.astype(np.int32), (even + first).astype(np.uint32))
    third = np.arange(n - 1, n)
    ops.sparse["client"] = Sparse(third.astype(np.int32), (third + first).astype(np.uint64) + np.uint64(1 << 63))
    return ops


def test_nothing_is_known_of_empty_operations() -> None:
    ops = Operations.empty(3)
    assert len(ops) == 3
    assert not ops.has(KNOWN_IRP).any()
    values, known = ops.arg("flags", np.arange(3))
    assert (values.tolist(), known.tolist()) == ([0, 0, 0], [False] * 3)
    assert values.dtype == np.uint32


def test_sparse_values_by_row() -> None:
    column = Sparse(np.array([1, 4, 9], np.int32), np.array([10, 0, 90], np.uint64))
    values, known = column.at(np.array([0, 9, 4, 4, 10, 1, -1]))
    assert values.tolist() == [0, 90, 0, 0, 0, 10, 0]
    assert known.tolist() == [False, True, True, True, False, True, False]
    values, known = Sparse(np.zeros(0, np.int32), np.zeros(0, np.uint8)).at(np.array([0, 1]))
    assert not known.any()
    assert values.dtype == np.uint8


def test_has_reads_the_bits() -> None:
    ops = Operations.empty(4)
    ops.known[:] = [0, KNOWN_IRP, KNOWN_STATUS, KNOWN_IRP | KNOWN_STATUS]
    assert ops.has(KNOWN_IRP).tolist() == [False, True, False, True]
    assert ops.has(KNOWN_STATUS).tolist() == [False, False, True, True]


def test_reorder_moves_sparse_values_with_their_rows() -> None:
    ops = made(5)
    order = np.array([3, 0, 4, 2, 1])
    ops.reorder(order)
    assert ops.time.tolist() == ops.irp.tolist() == [3, 0, 4, 2, 1]
    rows = np.arange(5)
    values, known = ops.arg("flags", rows)
    assert known.tolist() == [False, True, True, True, False]
    assert values.tolist() == [0, 0, 4, 2, 0]
    assert np.all(np.diff(ops.sparse["flags"].rows) > 0)
    assert ops.arg("client", rows)[1].tolist() == [False, False, True, False, False]


def test_take_renumbers_the_rows() -> None:
    part = made(6).take(np.array([1, 2, 4, 5]))
    assert part.seq.tolist() == [1, 2, 4, 5]
    values, known = part.arg("flags", np.arange(4))
    assert known.tolist() == [False, True, True, False]
    assert values.tolist() == [0, 2, 4, 0]
    assert part.arg("client", np.arange(4))[0].tolist() == [0, 0, 0, 5 + (1 << 63)]
    assert not len(made(3).take(np.zeros(0, np.int64)))


def test_gathering_joins_parts_in_order() -> None:
    gathering = Gathering()
    sizes = [3, 0, 1, 50, 7]
    at = 0
    for size in sizes:
        gathering.add(made(size, at) if size else Operations.empty(0))
        at += size
    ops = gathering.done()
    assert ops.time.tolist() == list(range(61))
    # even places inside each part, counted from the part's beginning
    wanted = [base + n for base, size in ((0, 3), (3, 1), (4, 50), (54, 7)) for n in range(0, size, 2)]
    assert ops.sparse["flags"].rows.tolist() == wanted
    assert ops.sparse["flags"].values.tolist() == wanted
    assert ops.sparse["client"].rows.tolist() == [2, 3, 53, 60]


def test_gathering_nothing() -> None:
    assert len(Gathering().done()) == 0


@pytest.mark.parametrize("name", [*ARGUMENTS, "client", "registration", "information"])
def test_arguments_keep_their_width(name: str) -> None:
    word = ARGUMENTS[name][0] if name in ARGUMENTS else "address"
    if name == "information":
        word = "uint64"
    widths = {"address": 8, "uint64": 8, "uint32": 4, "status": 4, "uint16": 2, "uint8": 1}
    dtype = argument_dtype(name)
    assert (dtype.kind, dtype.itemsize) == ("u", widths[word])
