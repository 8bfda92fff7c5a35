"""Where the absence of an event is evidence, as rows of a load (wsk-contract 1.5, items 0, 2, 9, 11)."""

from __future__ import annotations

import numpy as np
import pytest
from model_tools import MS, S, made, row
from test_filefacts import FOUR, but, facts

from wsktrace.model.coverage import Coverage, cover
from wsktrace.model.doubt import CAP, END, LOST, START
from wsktrace.model.filefacts import FileFacts
from wsktrace.wsk.operations import CALLBACK, CALLBACK_DATA, DATA, GROUPS, IRP, REGISTRATION, SOCKET, Group

COMPLETE = FileFacts(start_ns=0, end_ns=100 * S)


def covered(rows: list[dict], file: FileFacts = COMPLETE, *, seq: bool = False, mixed: bool = False) -> Coverage:
    if seq:
        rows = [{"seq": n + 1, **r} for n, r in enumerate(rows)]
    return cover(made(rows), file, has_seq=seq, mixed=mixed, tolerance_ns=MS)


def touch(coverage: Coverage, a: int, b: int) -> int:
    return int(coverage.touch(np.array([a]), np.array([b]))[0])


def fact(**more: object) -> dict:
    return row("IrpReuse", "fact", irp=1, **more)


def entry(**more: object) -> dict:
    return row("DriverEntry", "enter", driver_object=1, **more)


# the beginning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [True, False])
def test_driver_that_loads_in_the_trace(seq: bool) -> None:
    found = covered([row("ProviderState", "fact"), entry(), fact()], seq=seq)
    assert found.birth == 1
    assert touch(found, 1, 2) == 0


@pytest.mark.parametrize("seq", [True, False])
def test_driver_that_was_running(seq: bool) -> None:
    found = covered([fact(), fact(), fact()], seq=seq)
    assert found.birth == -1
    assert touch(found, -1, 2) == START
    assert touch(found, 0, 2) == 0


def test_return_of_the_entry_alone_is_no_beginning() -> None:
    assert covered([row("DriverEntry", "return", driver_object=1, status=0), fact()]).birth == -1


def wrapped(flush: int) -> FileFacts:
    buffers = [{**b, "sequence": 9 + n, "flush": flush} for n, b in enumerate(FOUR)]
    return facts(buffers, mode=2)


def test_rows_before_the_smallest_flush_time_lie_in_the_overwritten_part() -> None:
    rows = [fact(time=n * 50 * MS) for n in range(1, 8)]
    found = covered(rows, wrapped(120))
    assert [touch(found, n, n + 1) == START for n in range(6)] == [True, True, False, False, False, False]
    # an entry that stands there proves nothing
    assert covered([entry(time=50 * MS), *rows[1:]], wrapped(120)).birth == -1
    assert covered([entry(time=200 * MS), *rows[4:]], wrapped(120)).birth == 0


def test_seq_proves_a_wrapped_file_complete_from_the_entry_on() -> None:
    """A trace without holes between DriverEntry and the end is complete, whatever the header says."""
    rows = [entry(time=50 * MS), *(fact(time=n * 50 * MS) for n in range(2, 8))]
    found = covered(rows, wrapped(120), seq=True)
    assert found.birth == 0
    assert touch(found, 0, 6) == 0


# gaps ----------------------------------------------------------------------------------------------------------------


def test_hole_in_seq_is_the_loss_exactly_placed() -> None:
    numbers = [1, 2, 3, 7, 8, 9, 11]
    found = cover(
        made([entry(seq=1), *(fact(seq=n) for n in numbers[1:])]), COMPLETE, has_seq=True, mixed=False, tolerance_ns=0
    )
    assert list(zip(found.lo.tolist(), found.hi.tolist(), strict=True)) == [(2, 3), (5, 6)]
    assert [touch(found, n, n + 1) for n in range(6)] == [0, 0, LOST, 0, 0, LOST]
    assert touch(found, 0, 2) == 0
    assert touch(found, 0, 3) == touch(found, 1, 6) == LOST
    assert touch(found, 3, 5) == 0


@pytest.mark.parametrize("file", [FileFacts(0, 100 * S, events_lost=5), FileFacts(0, 100 * S, buffers_lost=1)])
def test_counted_losses_doubt_everything_unless_seq_places_them(file: FileFacts) -> None:
    rows = [entry(), fact(), fact()]
    without, with_seq = covered(rows, file), covered(rows, file, seq=True)
    assert touch(without, 0, 1) & LOST
    assert touch(without, 1, 2) & LOST
    assert without.birth == -1
    assert touch(with_seq, 0, 2) == 0
    assert with_seq.birth == 0


def test_damaged_buffer_as_rows() -> None:
    """Everything from 100 ms to 410 ms may be missing there."""
    six = [*but(2, first=None, last=None, state=4), {"cpu": 0, "first": 410, "last": 500}]
    file = facts([*six, {"cpu": 1, "first": 420, "last": 600}])
    rows = [entry(time=10 * MS), *(fact(time=n * MS) for n in (50, 90, 150, 380, 450, 700))]
    found = covered(rows, file)
    assert [bool(touch(found, n, n + 1) & LOST) for n in range(6)] == [False, False, True, True, True, False]
    assert found.birth == 0
    # numbers that go on across it prove that nothing of this driver was in it
    assert touch(covered(rows, file, seq=True), 0, 6) == 0


def test_gap_reaches_as_far_as_the_clocks_may_differ() -> None:
    six = [*but(2, first=None, last=None, state=4), {"cpu": 0, "first": 410, "last": 500}]
    file = facts([*six, {"cpu": 1, "first": 420, "last": 600}])
    near = [entry(time=10 * MS), fact(time=50 * MS), fact(time=100 * MS - MS // 2), fact(time=500 * MS)]
    assert touch(covered(near, file), 1, 2) & LOST


def test_entry_inside_a_gap_closes_no_world() -> None:
    six = [*but(2, first=None, last=None, state=4), {"cpu": 0, "first": 410, "last": 500}]
    file = facts([*six, {"cpu": 1, "first": 420, "last": 600}])
    assert covered([entry(time=200 * MS), fact(time=700 * MS)], file).birth == -1


# the end -------------------------------------------------------------------------------------------------------------


def test_silence_counts_until_the_session_ends() -> None:
    for seq in (True, False):
        found = covered([entry(time=0), fact(time=S)], seq=seq)
        assert (found.end_ns, found.end_doubt) == (100 * S, END)


def test_silence_counts_until_the_first_processor_falls_silent() -> None:
    rows = [entry(time=10 * MS), fact(time=100 * MS), fact(time=390 * MS)]
    found = covered(rows, facts(FOUR, end_ns=None))
    assert (found.end_ns, found.end_doubt) == (300 * MS, END)
    assert touch(found, 0, 1) == 0
    assert touch(found, 1, 2) == END  # events of the silent processor may be missing before it
    by_seq = covered(rows, facts(FOUR, end_ns=None), seq=True)
    assert by_seq.end_ns == 390 * MS
    assert touch(by_seq, 1, 2) == 0


def test_seq_proves_nothing_behind_its_last_number() -> None:
    rows = [entry(time=0), fact(time=S)]
    found = covered(rows, FileFacts(0, 100 * S, events_lost=1), seq=True)
    assert (found.end_ns, found.end_doubt) == (S, LOST)


def test_mixed_loads_are_never_evidence() -> None:
    found = covered([entry(), fact(), fact()], mixed=True)
    assert found.birth == -1
    assert touch(found, 0, 1)
    assert touch(found, 1, 2)


# what was enabled ----------------------------------------------------------------------------------------------------


def logged(rows: list[dict], group: Group, *, seq: bool = True, a: int = 0, b: int | None = None) -> bool:
    found = covered(rows, seq=seq)
    until = len(rows) - 1 if b is None else b
    return not found.unlogged(group, np.array([a]), np.array([until]))[0]


def state(keywords: int, level: int = 5) -> dict:
    return row("ProviderState", "fact", header_version=1, match_any_keyword=keywords, trace_level=level)


def test_kinds_count_as_logged_where_one_of_them_is_seen() -> None:
    """At least one event of the same provider, keyword and level; until then absence is U-CAP."""
    rows = [entry(), row("WskBind", "enter", irp=1, socket=2), fact()]
    assert logged(rows, REGISTRATION)
    assert logged(rows, SOCKET)
    assert logged(rows, IRP)
    assert not logged(rows, DATA)
    assert not logged(rows, CALLBACK)
    found = covered(rows, seq=True)
    assert found.unlogged(DATA, np.array([0]), np.array([2])).tolist() == [CAP]


def test_lower_level_of_a_keyword_is_enabled_where_a_higher_one_is() -> None:
    rows = [entry(), row("WskReceiveEvent", "callback", socket_context=1), fact()]
    assert logged(rows, CALLBACK_DATA)
    assert logged(rows, CALLBACK)
    rows = [entry(), row("WskDisconnectEvent", "callback", socket_context=1), fact()]
    assert logged(rows, CALLBACK)
    assert not logged(rows, CALLBACK_DATA)


def test_provider_state_says_what_is_enabled() -> None:
    rows = [state(0x1F), entry(), fact()]
    assert all(logged(rows, group) for group in GROUPS)
    rows = [state(0x1F, level=4), entry(), fact()]
    assert logged(rows, CALLBACK)
    assert logged(rows, SOCKET)
    assert not logged(rows, DATA)  # level 5
    assert not logged(rows, CALLBACK_DATA)
    rows = [state(0x1F & ~0x4), entry(), fact()]
    assert not logged(rows, DATA)


def test_state_without_its_facts_says_nothing() -> None:
    rows = [row("ProviderState", "fact", header_version=1), entry(), fact()]
    assert not logged(rows, DATA)


def test_each_stretch_between_states_stands_for_itself() -> None:
    rows = [state(0x1B), entry(), row("WskBind", "enter", irp=1, socket=2), fact()]
    rows += [state(0x1F), row("WskSend", "enter", irp=1, socket=2), row("WskBind", "enter", irp=1, socket=2), fact()]
    assert not logged(rows, DATA, a=0, b=3)
    assert logged(rows, DATA, a=5, b=7)
    assert not logged(rows, DATA, a=0, b=7)
    assert logged(rows, SOCKET, a=0, b=7)
