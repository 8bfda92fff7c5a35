"""What the kernel logger says beside the driver's events: stacks, pool, processes, unloads, and doubt about them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsktrace.etl.file import open_trace
from wsktrace.model import surroundings as module
from wsktrace.model.doubt import CAP, LOST, ORDER
from wsktrace.model.filefacts import FOREVER, NEVER, facts_of
from wsktrace.model.surroundings import NONPAGED, PAGED, UNKNOWN, Surroundings, SurroundingsBook
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_writer import write_records
from wsktrace.testing.kernel_events import image_event, pool_event, process_event, thread_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.testing.etl_records import RawRecord
    from wsktrace.testing.kernel_events import Form

OPTIONS = TraceOptions(build_lab="")
MS, TOLERANCE = 1_000_000, 1_000_000
BLOCK, LOW, HIGH = 0xFFFFB10A2E117000, 0xFFFFF58A1E3C0000, 0xFFFFF58A1E3C6000
PROCESS = 0xFFFFB10A2F884080


def at(ms: int) -> int:
    """Raw clock of a moment, ms after the start."""
    return OPTIONS.clock_at(ms * MS)


def gathered(*records: RawRecord, **options: Any) -> tuple[Surroundings, int]:
    data = write_records(records, options=TraceOptions(build_lab="", end=10_000 * MS, **options))
    book = SurroundingsBook()
    with open_trace(io.BytesIO(data)) as file:
        for chunk in file.chunks():
            book.add(chunk, file.guids)
        return book.done(facts_of(file), file.clock.to_ns, TOLERANCE), file.clock.start_ns


def pools(
    found: tuple[Surroundings, int], ms: Sequence[int], address: int = BLOCK, cpu: int = 0
) -> list[tuple[int, int]]:
    around, start = found
    n = len(ms)
    time = start + np.array(ms, np.int64) * MS
    kind, doubt, _ = around.pools(np.full(n, address, np.uint64), time, np.full(n, cpu))
    return list(zip(kind.tolist(), doubt.tolist(), strict=True))


def stacks(found: tuple[Surroundings, int], ms: Sequence[int], tid: int = 7) -> list[tuple[int, int]]:
    around, start = found
    got = around.stacks(np.full(len(ms), tid), start + np.array(ms, np.int64) * MS)
    return list(zip(got.low.tolist(), got.doubt.tolist(), strict=True))


@pytest.mark.parametrize("form", ["system", "perfinfo", "classic"])
@pytest.mark.parametrize("pointer", [8, 4])
def test_a_block_of_pool_from_its_allocation_to_its_free(form: Form, pointer: int) -> None:
    entry = BLOCK if pointer == 8 else BLOCK & 0xFFFFFFFF
    found = gathered(
        pool_event(32, at(10), entry=entry, size=0x100, pool=1, form=form, pointer_size=pointer),
        pool_event(34, at(20), entry=entry, form=form, pointer_size=pointer),
        pool_event(32, at(30), entry=entry - 0x40, size=0x100, pool=512, form=form, pointer_size=pointer),
        pointer_size=pointer,
    )
    assert pools(found, [5, 15, 25, 35], entry) == [(UNKNOWN, 0), (PAGED, 0), (UNKNOWN, 0), (NONPAGED, 0)]
    assert pools(found, [15, 35], entry + 0xFF) == [(PAGED, 0), (UNKNOWN, 0)]
    assert pools(found, [15, 35], entry + 0x100) == [(UNKNOWN, 0), (UNKNOWN, 0)]
    assert pools(found, [15, 35], entry - 0x40) == [(UNKNOWN, 0), (NONPAGED, 0)]


@pytest.mark.parametrize(
    ("pool", "kind"),
    [
        (0, NONPAGED),
        (1, PAGED),
        (4, NONPAGED),
        (5, PAGED),
        (33, PAGED),
        (32, NONPAGED),
        (512, NONPAGED),
        (0x209, PAGED),
        (3, UNKNOWN),
        (7, UNKNOWN),
    ],
)
def test_types_of_pool(pool: int, kind: int) -> None:
    for event in (32, 33):
        found = gathered(pool_event(event, at(10), entry=BLOCK, size=64, pool=pool))
        assert pools(found, [15]) == [(kind, 0)]


def test_pool_on_another_processor_is_unordered_within_the_tolerance() -> None:
    made = pool_event(32, at(10), 1, entry=BLOCK, size=64, pool=1)
    found = gathered(made, pool_event(34, at(40), 1, entry=BLOCK))
    assert pools(found, [11, 20, 39], cpu=0) == [(PAGED, ORDER), (PAGED, 0), (PAGED, ORDER)]
    assert pools(found, [11, 20, 39], cpu=1) == [(PAGED, 0)] * 3
    many = [pool_event(32 + 2 * (n % 2), at(10) + n, 1, entry=BLOCK, size=64, pool=1) for n in range(20)]
    assert pools(gathered(*many), [10], cpu=0)[0][1] == ORDER


def test_losses_leave_pool_and_stacks_in_doubt() -> None:
    records = [
        pool_event(32, at(10), entry=BLOCK, size=64, pool=1),
        thread_event(3, at(1), thread=7, base=HIGH, limit=LOW),
    ]
    found = gathered(*records, events_lost=1)
    assert pools(found, [15]) == [(PAGED, LOST)]
    assert stacks(found, [15]) == [(LOW, LOST)]


def test_a_stack_is_known_while_its_thread_lives() -> None:
    other = LOW + 0x10000
    found = gathered(
        thread_event(1, at(10), thread=7, base=HIGH, limit=LOW),
        thread_event(2, at(20), thread=7, base=HIGH, limit=LOW),
        thread_event(1, at(30), thread=7, base=other + 0x6000, limit=other),
        thread_event(4, at(90), thread=8, base=HIGH, limit=LOW),
        thread_event(3, at(1), thread=0, base=HIGH, limit=LOW),
    )
    assert stacks(found, [5, 15, 25, 35]) == [(0, 0), (LOW, 0), (0, 0), (other, 0)]
    assert stacks(found, [5, 50], 8) == [(LOW, 0)] * 2
    assert stacks(found, [5], 9) == stacks(found, [5], 0) == [(0, 0)]
    around, start = found
    got = around.stacks(np.array([7, 7, 7]), np.full(3, start + 15 * MS))
    assert got.hold(np.array([LOW, HIGH - 1, HIGH], np.uint64)).tolist() == [True, True, False]
    assert around.thread_ends(np.array([7, 8]), np.full(2, start + 15 * MS)).tolist() == [start + 20 * MS, FOREVER]


def test_a_process_that_had_ended() -> None:
    around, start = gathered(
        process_event(1, at(10), key=PROCESS, pid=100),
        process_event(2, at(20), 1, key=PROCESS, pid=100),
        process_event(1, at(60), key=PROCESS, pid=104),
    )

    def ended(ms: int, *, pid: int = 4, key: int = PROCESS) -> tuple[int, int]:
        time = np.array([start + ms * MS])
        got, doubt = around.process_ended(np.array([key], np.uint64), time, np.zeros(1, int), np.array([pid]))
        return int(got[0]), int(doubt[0])

    assert ended(15) == ended(70) == ended(30, pid=100) == ended(30, key=PROCESS + 16) == (NEVER, 0)
    assert ended(30) == (start + 20 * MS, 0)
    assert ended(21) == (start + 20 * MS, ORDER)
    assert ended(59) == (start + 20 * MS, ORDER)


def test_a_process_that_is_there_without_having_begun_was_begun_unseen() -> None:
    around, start = gathered(
        process_event(2, at(20), key=PROCESS, pid=100), process_event(4, at(90), key=PROCESS, pid=104)
    )
    time = np.array([start + 30 * MS])
    _, doubt = around.process_ended(np.array([PROCESS], np.uint64), time, np.zeros(1, int), np.array([4]))
    assert doubt.tolist() == [LOST]


def test_unloads_of_an_image() -> None:
    base = 0xFFFFF80244200000
    around, start = gathered(
        *(image_event(2, at(ms), base=base, size=0x4000, name="a.sys") for ms in (20, 40)),
        image_event(2, at(30), base=base + 0x200000, size=0x4000, name="b.sys"),
        image_event(10, at(10), base=base, size=0x4000, name="a.sys"),
    )
    assert (around.unloads(base) - start).tolist() == [20 * MS, 40 * MS]
    assert around.unloaded(base, start + 25 * MS) == start + 40 * MS
    assert around.unloaded(base, start + 25 * MS, start + 30 * MS) is None
    assert not len(Surroundings().unloads(base))


def test_what_is_too_much_is_not_kept_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECORDS", 3)
    found = gathered(*(pool_event(32, at(n + 1), entry=BLOCK + 64 * n, size=64, pool=1) for n in range(5)))
    assert found[0].dropped == {"pool"}
    assert len(found[0].pool) == 3
    assert pools(found, [50]) == [(PAGED, CAP)]


def test_a_record_that_ends_early_says_nothing() -> None:
    whole = pool_event(32, at(10), entry=BLOCK, size=64, pool=1)
    cut = bytearray(whole.data[:-4])
    cut[4:6] = len(cut).to_bytes(2, "little")
    found = gathered(type(whole)(bytes(cut), whole.clock))
    assert not len(found[0].pool)


@settings(max_examples=60, deadline=None)
@example([(0, 32, 0, 0), (0, 34, 0, 0)], [(0, 0), (0, 1)])  # asked for the block's beginning and within it
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([32, 34]), st.integers(0, 3), st.sampled_from([0, 1])),
        max_size=30,
    ),
    st.lists(st.tuples(st.integers(0, 42), st.integers(0, 0x9F)), min_size=1, max_size=20),
)
def test_pool_is_what_a_dictionary_says(events: list[tuple[int, int, int, int]], asked: list[tuple[int, int]]) -> None:
    """Blocks of 32 bytes side by side, on one processor; asked between the events."""
    events = sorted(events, key=lambda e: e[0])
    records = [
        pool_event(kind, at(10 * ms) + n, entry=BLOCK + 32 * place, size=32 if kind == 32 else 0, pool=pool)
        for n, (ms, kind, place, pool) in enumerate(events)
    ]
    around, start = gathered(*records)
    times = np.array([start + (10 * ms + 5) * MS for ms, _ in asked], np.int64)
    kinds, doubt, _ = around.pools(
        np.array([BLOCK + offset for _, offset in asked], np.uint64), times, np.zeros(len(asked), int)
    )
    for (ms, offset), kind in zip(asked, kinds.tolist(), strict=True):
        blocks: dict[int, int] = {}
        for when, what, place, pool in events:
            if when <= ms and what == 32:
                blocks[place] = PAGED if pool else NONPAGED
            elif when <= ms:
                blocks.pop(place, None)
        assert kind == blocks.get(offset // 32, UNKNOWN)
    assert not doubt.any()
