"""The seven shapes of wsk-contract 3.K, each on small arrays; what is expected follows from that table and 1.5.

A lane is written as a word per row, ``A1`` for the event A of entity 1: A begins the forbidden state, C ends it, B is
judged, M may be either. Verdicts: ``fail``, ``pass``, ``suspect``, ``unknown``.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from wsktrace.model.coverage import Coverage
from wsktrace.model.doubt import REASONS, reason_of
from wsktrace.model.lanes import Lane
from wsktrace.model.world import World
from wsktrace.rules.shapes import (
    ALIAS,
    CAP,
    END,
    LOST,
    ORDER,
    START,
    Answer,
    balance,
    doubt_if,
    forbidden_follow,
    join,
    liveness,
    local,
    overlap,
    precedence,
)
from wsktrace.wsk.operations import GROUPS
from wsktrace.wsk.ops import Operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MS = 1_000_000
#: Time between two rows where no times are given: far more than any tolerance.
STEP = 1000 * MS
NOWHERE = 1 << 62


def world(
    n: int,
    *,
    gaps: Sequence[tuple[int, int]] = (),
    closed: bool = True,
    head: int | None = None,
    times: Iterable[int] | None = None,
    cpus: Iterable[int] | None = None,
    tids: Iterable[int] | None = None,
    seq: bool = True,
    end_ns: int = NOWHERE,
    end_doubt: int = END,
    tail: int | None = None,
) -> World:
    """Return a world of n rows.

    ``gaps``: (a, b) — events may be missing between these rows. ``closed``: the driver's entry is the first row;
    else the trace begins midway (``head``: rows before it lie in an incomplete beginning).
    """
    ops = Operations.empty(n)
    ops.time[:] = list(times) if times is not None else np.arange(n) * STEP
    ops.cpu[:] = list(cpus) if cpus is not None else 0
    ops.tid[:] = list(tids) if tids is not None else 7
    cover = Coverage(
        lo=np.array([a for a, _ in gaps], np.int64),
        hi=np.array([b for _, b in gaps], np.int64),
        head=head if head is not None else (-1 if closed else 0),
        birth=0 if closed else -1,
        end_ns=end_ns,
        end_doubt=end_doubt,
        tail=n + 1 if tail is None else tail,
        segments=np.zeros(1, np.int64),
        logged=np.ones((1, len(GROUPS)), np.bool_),
        off=np.zeros((len(GROUPS), 2), np.int64),
    )
    return World(
        load=0,
        image=0,
        ops=ops,
        base=np.arange(n),
        coverage=cover,
        mate=np.full(n, -1, np.int32),
        thread=np.asarray(ops.tid, np.int32),
        has_seq=seq,
        cpu_orders=True,
        tolerance_ns=0 if seq else MS,
        pointer_size=8,
    )


def verdicts(answer: Answer) -> list[str]:
    """Return the verdict of each instance, with the reason where there is doubt (1.5: a suspect is no U-CAP)."""
    found = []
    for seen, doubt in zip(answer.seen.tolist(), answer.doubt.tolist(), strict=True):
        if not doubt:
            found.append("fail" if seen else "pass")
        else:
            found.append(f"{'suspect' if seen and not doubt & CAP else 'unknown'} {reason_of(doubt)}")
    return found


def doubts(*values: int) -> Any:
    return np.array(values, np.uint8)


def rows(*values: int) -> Any:
    return np.array(values, np.int64)


def yes(*values: int) -> Any:
    return np.array(values, np.bool_)


# the algebra ---------------------------------------------------------------------------------------------------------

STATES = [(True, 0), (False, 0), (True, LOST), (False, LOST), (True, ORDER), (False, ORDER)]


def possible(state: tuple[bool, int]) -> set[bool]:
    return {True, False} if state[1] else {state[0]}


def pairs() -> tuple[Answer, Answer, list[tuple[tuple[bool, int], tuple[bool, int]]]]:
    both = list(itertools.product(STATES, STATES))
    left, right = (Answer(yes(*[p[k][0] for p in both]), doubts(*[p[k][1] for p in both])) for k in (0, 1))
    return left, right, both


@pytest.mark.parametrize("word", ["and", "or"])
def test_and_and_or_are_kleenes(word: str) -> None:
    """The result is certain exactly where all possible truths of both sides agree, and then it is that truth."""
    left, right, both = pairs()
    answer = left & right if word == "and" else left | right
    for (a, b), seen, doubt in zip(both, answer.seen.tolist(), answer.doubt.tolist(), strict=True):
        join_of = all if word == "and" else any
        outcomes = {join_of((x, y)) for x in possible(a) for y in possible(b)}
        assert (doubt == 0) == (len(outcomes) == 1), (a, b)
        assert seen == join_of((a[0], b[0])), (a, b)
        assert doubt & ~(a[1] | b[1]) == 0, (a, b)
        if doubt:
            # nothing that matters is left out: a side whose doubt could still change the outcome keeps it
            for mine, other in ((a, b), (b, a)):
                matters = any(len({join_of((x, y)) for x in possible(mine)}) > 1 for y in possible(other))
                assert not mine[1] or not matters or doubt & mine[1], (a, b)


def test_not_turns_what_is_seen_and_keeps_the_doubt() -> None:
    answer = ~Answer(yes(1, 0, 1, 0), doubts(0, 0, LOST, END))
    assert verdicts(answer) == ["pass", "fail", "unknown U-LOST", "suspect U-END"]


def test_doubting_adds_and_settled_takes_away() -> None:
    answer = Answer(yes(1, 1, 0), doubts(0, LOST, 0)).doubting(doubts(ORDER, ORDER, 0), doubts(0, END, 0))
    assert answer.doubt.tolist() == [ORDER, LOST | ORDER | END, 0]
    assert answer.settled_where(yes(1, 0, 0)).doubt.tolist() == [0, LOST | ORDER | END, 0]
    assert doubt_if(yes(1, 0), ALIAS).tolist() == [ALIAS, 0]


def test_answers_stay_what_they_are() -> None:
    """Adding to an answer changes no other."""
    first = Answer(yes(1), doubts(0))
    first.doubting(doubts(LOST))
    _ = first & Answer(yes(0), doubts(ORDER))
    assert verdicts(first) == ["fail"]


def test_every_reason_is_a_bit_with_a_name() -> None:
    assert sorted(REASONS) == [CAP, START, LOST, ORDER, ALIAS, END] == [1, 2, 4, 8, 16, 32]
    assert reason_of(0) is None
    for bit, name in REASONS.items():
        assert reason_of(bit) == name
    assert reason_of(CAP | END) == "U-CAP"


# L -------------------------------------------------------------------------------------------------------------------


def test_local() -> None:
    broken, known = yes(1, 0, 1, 0), yes(1, 1, 0, 0)
    assert verdicts(local(broken, known)) == ["fail", "pass", "unknown U-CAP", "unknown U-CAP"]
    assert local(broken, known).seen.tolist() == [True, False, False, False]  # what is not told is not seen


# J -------------------------------------------------------------------------------------------------------------------


def test_join_needs_every_leg() -> None:
    answer = join(yes(1, 0, 1, 0), yes(1, 1, 0, 0))
    assert verdicts(answer) == ["fail", "pass", "unknown U-CAP", "unknown U-CAP"]


def test_join_over_a_gap_or_an_uncertain_link() -> None:
    """Gap between the legs → UNKNOWN; presumed complete → UNKNOWN."""
    broken, present = yes(1, 0, 1, 0), yes(1, 1, 1, 1)
    answer = join(broken, present, doubts(LOST, LOST, 0, 0), doubts(0, 0, ALIAS, ALIAS))
    assert verdicts(answer) == ["suspect U-LOST", "unknown U-LOST", "suspect U-ALIAS", "unknown U-ALIAS"]


def test_join_says_why_a_leg_is_missing_where_it_knows() -> None:
    assert verdicts(join(yes(1, 1), yes(0, 0), doubts(LOST, 0))) == ["unknown U-LOST", "unknown U-CAP"]


# F -------------------------------------------------------------------------------------------------------------------


def lane_of(text: str) -> tuple[Lane, list[str]]:
    """Return the lane of a text such as "A1 B1 C2", and the letter at each of its positions; ``.`` is no row of it."""
    words = text.split()
    here = [n for n, word in enumerate(words) if word != "."]
    lane = Lane(rows(*here), np.array([int(words[n][1:] or 0) for n in here], np.uint64))
    return lane, [words[row][0] for row in lane.rows.tolist()]


def follow(text: str, where: World | None = None, **more: Any) -> list[str]:
    """Return the verdicts of the B's of a lane, in the order of their rows."""
    lane, letters = lane_of(text)
    at = np.flatnonzero(np.array(letters) == "B")
    at = at[np.argsort(lane.rows[at])]
    marks = {letter: np.array([mine == letter for mine in letters], np.bool_) for letter in "ACM"}
    given = where or world(len(text.split()))
    answer = forbidden_follow(
        given, lane, after=marks["A"], until=marks["C"], at=at, maybe=marks["M"] if marks["M"].any() else None, **more
    )
    return verdicts(answer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A B", ["fail"]),
        ("A C B", ["pass"]),
        ("B A", ["pass"]),
        ("C B", ["pass"]),
        ("B", ["pass"]),
        ("A C A B", ["fail"]),
        ("A A B", ["fail"]),
        ("A C C B", ["pass"]),
        ("B A B C B A B", ["pass", "fail", "pass", "fail"]),
        ("A1 B2", ["pass"]),
        ("A1 C2 B1 B2", ["fail", "pass"]),
        ("A1 A2 C1 B1 B2", ["pass", "fail"]),
    ],
)
def test_forbidden_follow(text: str, expected: list[str]) -> None:
    assert follow(text) == expected


def test_forbidden_follow_in_a_trace_that_starts_midway() -> None:
    """FAIL stays valid if A is in the trace; what was before is unknown, unless only a seen A could matter."""
    where = world(2, closed=False)
    assert follow("A B", where) == ["fail"]
    assert follow("C B", where) == ["pass"]
    assert follow(". B", where) == ["unknown U-START"]
    assert follow(". B", where, since_ever=False) == ["pass"]


def test_forbidden_follow_in_a_file_whose_beginning_was_overwritten() -> None:
    where = world(6, closed=False, head=4)
    assert follow("A . . . . B", where) == ["suspect U-START"]
    assert follow("C . . . . B", where) == ["unknown U-START"]
    assert follow(". . . . A B", where) == ["fail"]


@pytest.mark.parametrize(
    ("gap", "after_a", "after_c"),
    [
        ((1, 2), "suspect U-LOST", "unknown U-LOST"),  # between: a C, or an A, may be lost
        ((0, 1), "suspect U-LOST", "unknown U-LOST"),  # right behind A
        ((2, 3), "suspect U-LOST", "unknown U-LOST"),  # right before B
        ((3, 4), "fail", "pass"),  # after B
    ],
)
def test_forbidden_follow_over_a_gap(gap: tuple[int, int], after_a: str, after_c: str) -> None:
    where = world(5, gaps=[gap])
    assert follow("A . . B .", where) == [after_a]
    assert follow("C . . B .", where) == [after_c]


def test_forbidden_follow_with_a_gap_before_all() -> None:
    """A gap before A hides nothing that matters; before the first event of an entity it may hide an A."""
    where = world(4, gaps=[(0, 1)])
    assert follow(". . A B", where) == ["fail"]
    assert follow(". . C B", where) == ["pass"]
    assert follow(". . . B", where) == ["unknown U-LOST"]
    assert follow(". . . B", where, since_ever=False) == ["pass"]


def test_forbidden_follow_past_an_ambiguous_event() -> None:
    """C includes a new generation of the pointer: where one may have begun, the identity is ambiguous."""
    assert follow("A M B") == ["suspect U-ALIAS"]
    assert follow("M A B") == ["fail"]
    assert follow("A C M B") == ["unknown U-ALIAS"]
    assert follow("A M C B") == ["pass"]
    assert follow("A1 M2 B1") == ["fail"]


def near(n: int, cpus: Sequence[int], **more: Any) -> World:
    """Return rows 0.4 ms apart, each on its CPU and on a thread of its own, without Seq (tolerance 1 ms)."""
    return world(n, times=[k * MS * 2 // 5 for k in range(n)], cpus=cpus, tids=range(1, n + 1), seq=False, **more)


def test_forbidden_follow_between_processors_fires_only_on_certain_order() -> None:
    assert follow("A B", near(2, [0, 1])) == ["suspect U-ORDER"]
    assert follow("A B", near(2, [0, 0])) == ["fail"]
    assert follow("C B", near(2, [0, 1])) == ["unknown U-ORDER"]
    # the end of the forbidden state may have been before B
    assert follow("A B C", near(3, [0, 0, 1])) == ["suspect U-ORDER"]
    # its beginning may have been before B
    assert follow("C B A", near(3, [0, 0, 1])) == ["unknown U-ORDER"]
    far = world(3, times=[0, 2 * MS, 4 * MS], cpus=[0, 1, 2], tids=[1, 2, 3], seq=False)
    assert follow("A B C", far) == ["fail"]
    same_thread = world(2, times=[0, 10], cpus=[0, 1], tids=[5, 5], seq=False)
    assert follow("A B", same_thread) == ["fail"]


def test_forbidden_follow_with_seq_is_certain_at_any_distance() -> None:
    where = world(3, times=[0, 10, 20], cpus=[0, 1, 2], tids=[1, 2, 3], seq=True)
    assert follow("A B C", where) == ["fail"]


def test_forbidden_follow_behind_the_complete_part() -> None:
    """What is behind the complete part of the file may lack its neighbours: UNKNOWN(U-END)."""
    where = world(4, tail=3)
    assert follow("A . B .", where) == ["fail"]
    assert follow("A . . B", where) == ["suspect U-END"]
    assert follow("C . . B", where) == ["unknown U-END"]


def test_forbidden_follow_of_nothing() -> None:
    assert follow("A C") == []


def naive_follow(letters: list[str], at: int, gaps: list[tuple[int, int]]) -> str:
    """Return the verdict by looking back row by row; the lane has one entity and begins with the driver's entry."""
    lost = False
    for row in range(at - 1, -1, -1):
        lost |= any(a <= row < b for a, b in gaps)
        if letters[row] in "AC":
            seen = letters[row] == "A"
            break
    else:
        seen = False
    if lost:
        return "suspect U-LOST" if seen else "unknown U-LOST"
    return "fail" if seen else "pass"


def test_forbidden_follow_agrees_with_looking_back_row_by_row() -> None:
    for seed in range(400):
        rng = random.Random(seed)
        n = rng.randint(1, 12)
        letters = [rng.choice("AABBBC.") for _ in range(n)]
        at = sorted(rng.sample(range(n), min(n, rng.randint(0, 2))))
        gaps = [(k, k + 1) for k in at]
        expected = [naive_follow(letters, row, gaps) for row in range(n) if letters[row] == "B"]
        assert follow(" ".join(letters), world(n, gaps=gaps)) == expected, f"seed {seed}: {letters}, {gaps}"


def test_losing_events_never_makes_a_fail() -> None:
    """Contract 8: every drop of events must yield no FAIL that the whole does not yield; nor a PASS, for F."""
    decided = 0
    for seed in range(400):
        rng = random.Random(seed)
        n = rng.randint(3, 14)
        letters = [".", *(f"{rng.choice('ABBC')}{rng.randint(1, 2)}" for _ in range(n))]  # the driver's entry first
        whole = dict(zip(_judged(letters), follow(" ".join(letters)), strict=True))
        gone = set(rng.sample(range(1, n + 1), rng.randint(1, n // 2)))
        kept = [row for row in range(n + 1) if row not in gone]
        after = [*kept[1:], n + 1]
        gaps = [(k, k + 1) for k, row in enumerate(kept) if after[k] - row > 1]
        left = [letters[row] for row in kept]
        found = follow(" ".join(left), world(len(kept), gaps=gaps))
        for place, verdict in zip(_judged(left), found, strict=True):
            if verdict in ("fail", "pass"):
                decided += 1
                assert verdict == whole[kept[place]], f"seed {seed}: {letters}, without {sorted(gone)}"
    assert decided > 400


def _judged(letters: list[str]) -> list[int]:
    return [row for row, word in enumerate(letters) if word[0] == "B"]


# P -------------------------------------------------------------------------------------------------------------------


def test_precedence() -> None:
    assert verdicts(precedence(world(4), yes(1, 0), rows(2, 3), rows(-1, -1))) == ["pass", "fail"]


def test_precedence_needs_a_closed_world() -> None:
    where = world(4, closed=False)
    assert verdicts(precedence(where, yes(1, 0), rows(2, 3), rows(-1, -1))) == ["pass", "suspect U-START"]
    # only generations whose birth is in the trace
    assert verdicts(precedence(where, yes(0), rows(3), rows(1))) == ["fail"]


def test_precedence_over_a_gap() -> None:
    """Gap inside the entity's life before B → UNKNOWN; what was found stays found."""
    where = world(6, gaps=[(2, 3)])
    found, at, since = yes(0, 0, 0, 1), rows(5, 5, 2, 5), rows(-1, 3, -1, -1)
    assert verdicts(precedence(where, found, at, since)) == ["suspect U-LOST", "fail", "fail", "pass"]


def test_precedence_with_other_doubts() -> None:
    answer = precedence(
        world(3), yes(0, 1, 0), rows(2, 2, 2), rows(-1, -1, -1), doubts(CAP, CAP, 0), doubts(0, 0, ALIAS)
    )
    assert verdicts(answer) == ["unknown U-CAP", "pass", "suspect U-ALIAS"]


# V -------------------------------------------------------------------------------------------------------------------

S = 1000 * MS


def live(
    where: World,
    then: int = -1,
    *,
    within: int = 10 * S,
    teardown: int = -1,
    doubt: int = 0,
    link: int | None = None,
    start: int = 0,
) -> str:
    """Return the verdict of one instance."""
    answer = liveness(
        where,
        rows(start),
        rows(then),
        within_ns=rows(within),
        teardown=rows(teardown),
        doubt=doubts(doubt),
        link=None if link is None else doubts(link),
    )
    return verdicts(answer)[0]


def at_seconds(*seconds: float, **more: Any) -> World:
    return world(len(seconds), times=[int(s * S) for s in seconds], **more)


def test_liveness_where_it_came() -> None:
    assert live(at_seconds(0, 3, 20), then=1) == "pass"
    assert live(at_seconds(0, 10, 20), then=1) == "pass"  # at the deadline
    assert live(at_seconds(0, 10.001, 20), then=1) == "fail"
    assert live(at_seconds(0, 500, 600), then=1, within=0) == "pass"  # without limit


def test_liveness_where_it_never_came() -> None:
    assert live(at_seconds(0, 20, end_ns=20 * S)) == "fail"
    assert live(at_seconds(0, 5, end_ns=11 * S)) == "fail"  # silence up to the session's end is evidence
    # trace end before the deadline: UNKNOWN(U-END), and a suspect
    assert live(at_seconds(0, 5, end_ns=9 * S)) == "suspect U-END"
    # without a deadline nothing speaks against it
    assert live(at_seconds(0, 5, end_ns=900 * S), within=0) == "unknown U-END"


def test_liveness_up_to_a_teardown() -> None:
    assert live(at_seconds(0, 2, end_ns=2 * S), teardown=1) == "fail"
    assert live(at_seconds(0, 2, end_ns=2 * S), within=0, teardown=1) == "fail"
    assert live(at_seconds(0, 1, 2, end_ns=2 * S), then=1, within=0, teardown=2) == "pass"
    assert live(at_seconds(0, 1, 2, end_ns=2 * S), then=2, within=0, teardown=1) == "fail"


def test_liveness_over_a_gap() -> None:
    """Gap after A → UNKNOWN; after the deadline it hides nothing, and what came in time is there."""
    gap = {"gaps": [(1, 2)], "end_ns": 60 * S}
    assert live(at_seconds(0, 2, 4, 60, **gap)) == "suspect U-LOST"
    assert live(at_seconds(0, 20, 30, 60, **gap)) == "fail"
    assert live(at_seconds(0, 2, 4, 60, **gap), within=0) == "unknown U-LOST"
    assert live(at_seconds(0, 2, 4, 6, **gap), then=3) == "pass"
    assert live(at_seconds(0, 2, 4, 6, **gap), within=0, teardown=3) == "suspect U-LOST"
    assert live(at_seconds(0, 2, 4, 6, **gap), within=0, teardown=1) == "fail"


def test_liveness_that_came_late_behind_a_gap() -> None:
    """The right one may be lost, and the one that was seen another's."""
    assert live(at_seconds(0, 2, 4, 60, gaps=[(1, 2)], end_ns=60 * S), then=3) == "suspect U-LOST"


def test_liveness_of_something_whose_end_need_not_be_traced() -> None:
    assert live(at_seconds(0, 20, end_ns=20 * S), doubt=CAP) == "unknown U-CAP"
    assert live(at_seconds(0, 1, 20, end_ns=20 * S), then=1, doubt=CAP) == "pass"
    assert live(at_seconds(0, 20, end_ns=20 * S), doubt=ORDER) == "suspect U-ORDER"


def test_liveness_whose_end_may_be_anothers() -> None:
    assert live(at_seconds(0, 1, 20), then=1, link=ALIAS) == "unknown U-ALIAS"
    assert live(at_seconds(0, 15, 20), then=1, link=ALIAS) == "suspect U-ALIAS"
    assert live(at_seconds(0, 20, end_ns=20 * S), link=ALIAS) == "fail"  # nothing was linked


def test_liveness_in_a_file_that_ends_in_a_loss() -> None:
    where = at_seconds(0, 5, end_ns=5 * S, end_doubt=LOST)
    assert live(where) == "suspect U-LOST"
    assert live(where, within=0) == "unknown U-LOST"


def test_liveness_without_seq_allows_for_the_clocks() -> None:
    """The deadline must lie behind by more than the tolerance."""
    times = {"times": [0, 10 * S + MS // 2], "seq": False, "cpus": [0, 1], "tids": [1, 2]}
    assert live(world(2, end_ns=10 * S + MS // 2, **times)) == "suspect U-END"
    assert live(world(2, end_ns=11 * S, **times)) == "fail"


def test_liveness_of_several() -> None:
    where = at_seconds(0, 1, 2, 30, end_ns=30 * S)
    answer = liveness(
        where, rows(0, 1, 2), rows(1, -1, 3), within_ns=rows(10 * S, 10 * S, 0), teardown=rows(-1, -1, -1),
        doubt=doubts(0, 0, 0),
    )  # fmt: skip
    assert verdicts(answer) == ["pass", "fail", "pass"]


def test_liveness_of_none() -> None:
    for where in (world(0), world(3)):
        none = rows()
        answer = liveness(where, none, none, within_ns=none, teardown=none, doubt=doubts())
        assert verdicts(answer) == []


# C -------------------------------------------------------------------------------------------------------------------


def test_balance() -> None:
    """Is the count before each release at most zero?"""
    level = rows(2, 1, 0)
    assert verdicts(balance(level, at_most=0, doubts=())) == ["pass", "pass", "fail"]
    assert verdicts(balance(level, at_most=1, doubts=())) == ["pass", "fail", "fail"]


def test_balance_where_references_may_be_hidden() -> None:
    """Too many releases → UNKNOWN in a trace that starts midway or has a gap."""
    level = rows(1, 0, 0)
    found = verdicts(balance(level, at_most=0, doubts=(doubts(START, START, 0), doubts(0, LOST, LOST))))
    assert found == ["unknown U-START", "suspect U-LOST", "suspect U-LOST"]


# I -------------------------------------------------------------------------------------------------------------------


def test_overlap() -> None:
    where = world(8)
    start, end = rows(1, 1, 1, 1, 1), rows(5, 5, 5, 5, 5)
    assert verdicts(overlap(where, start, end, rows(3, 0, 6, 5, -1))) == ["fail", "pass", "pass", "pass", "pass"]


def test_overlap_over_a_gap() -> None:
    """A gap inside hides an earlier end; a gap behind the point does not."""
    where = world(8, gaps=[(2, 3)])
    start, end = rows(1, 3, 1), rows(7, 7, 7)
    assert verdicts(overlap(where, start, end, rows(5, 5, 2))) == ["suspect U-LOST", "fail", "fail"]
    assert verdicts(overlap(where, rows(1), rows(7), rows(-1))) == ["pass"]


def test_overlap_of_what_began_before_the_trace() -> None:
    where = world(8, closed=False)
    assert verdicts(overlap(where, rows(-1), rows(7), rows(3))) == ["suspect U-START"]
    assert verdicts(overlap(where, rows(0), rows(7), rows(3))) == ["fail"]


def test_overlap_with_unordered_ends() -> None:
    """∥ → UNKNOWN."""
    answer = overlap(world(8), rows(1, 1), rows(5, 3), rows(3, 5), doubts(ORDER, ORDER))
    assert verdicts(answer) == ["suspect U-ORDER", "unknown U-ORDER"]
    assert verdicts(overlap(world(8), rows(1), rows(5), rows(-1), doubts(ORDER))) == ["pass"]
