"""The edges of a trace, wsk-contract 1.5 items 0 and 9 to 11: a legal driver is never accused, and what is still
complete is still judged."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
from edge_traces import LEGAL, OPTIONS, REUSE, fails, first_flush, legal_script, native, verdicts, written
from minitrace import judge

from wsktrace.testing import losses
from wsktrace.testing.etl_parts import join, split
from wsktrace.testing.etl_writer import write_native

BROKEN = "WSK-IRP-REUSE-PENDING"
SEQ = pytest.mark.parametrize("seq", [True, False], ids=["Seq", "no Seq"])
#: Data buffers of the legal trace; without Seq a few less.
BUFFERS = len(split(written(LEGAL, seq=False))) - 1


# item 0, the table of edges, row by row ------------------------------------------------------------------------------


class TestStoppedProperly:
    @SEQ
    def test_all_of_it_is_evidence(self, seq: bool) -> None:
        assert not fails(written(LEGAL, seq=seq))
        for place in (0, 6, 12):
            assert fails(written(legal_script(fault_at=place), seq=seq)) == {BROKEN}

    @SEQ
    def test_silence_counts_up_to_the_end_of_the_session(self, seq: bool) -> None:
        script = "driver\nIrpAllocate A\nWskSocket A Flags=datagram -> PENDING\nwait {}"
        assert fails(written(script.format("11s"), seq=seq)) == {"WSK-IRP-NEVER-COMPLETED"}
        found = verdicts(written(script.format("9s"), seq=seq))
        assert not found.check("WSK-IRP-NEVER-COMPLETED", "suspect", "U-END")


class TestOlderBuffersAreGone:
    """Circular and wrapped, a ring in memory, a later file of several."""

    WAYS: ClassVar = {"wrapped": losses.wrap, "ring": losses.memory_ring, "later file": losses.later_file}

    @SEQ
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("keep", [4, BUFFERS // 2, BUFFERS - 1])
    def test_legal_driver(self, way: str, keep: int, seq: bool) -> None:
        assert not fails(self.WAYS[way](written(LEGAL, seq=seq), keep))

    def test_legal_driver_where_the_writing_position_stands_in_the_middle(self) -> None:
        for seq in (True, False):
            assert not fails(losses.wrap(written(LEGAL, seq=seq), 20, rotate=7))

    @SEQ
    @pytest.mark.parametrize("way", WAYS)
    def test_fault_after_the_smallest_flush_time(self, way: str, seq: bool) -> None:
        data = self.WAYS[way](written(legal_script(fault_at=12), seq=seq), 20)
        assert fails(data) == {BROKEN}

    @pytest.mark.parametrize("way", WAYS)
    def test_fault_before_the_smallest_flush_time_is_no_more_than_suspect(self, way: str) -> None:
        events, options = native(legal_script(fault_at=6), seq=False)
        whole = write_native(events, options=options)
        lone = [e.time for e in events if e.tid == 77]
        for keep in range(10, BUFFERS, 5):
            data = self.WAYS[way](whole, keep)
            before = lone[0] - first_flush(data, options)
            failing = fails(data)
            # near the edge the numbers of overwritten buffers are holes, too
            assert failing == {BROKEN} or before < 100_000_000, keep
            assert not failing or before > 0, keep

    def test_with_seq_the_holes_say_what_was_overwritten(self) -> None:
        """The oldest remaining buffer may hold numbers of which its neighbours' are gone."""
        whole = written(legal_script(fault_at=6))
        for keep in range(10, BUFFERS, 5):
            assert fails(losses.wrap(whole, keep)) <= {BROKEN}

    def test_file_that_is_circular_and_did_not_wrap(self) -> None:
        events, options = native(legal_script(fault_at=0), seq=False)
        assert fails(write_native(events, options=replace(options, mode=2))) == {BROKEN}


class TestNeverStopped:
    """Not stopped, full, cut, still being written: complete on each CPU up to its last record."""

    @SEQ
    @pytest.mark.parametrize("zeros", [0, 8192], ids=["", "growing"])
    def test_legal_driver(self, seq: bool, zeros: int) -> None:
        assert not fails(losses.never_stopped(written(LEGAL, seq=seq), zeros=zeros))

    @SEQ
    def test_legal_driver_in_a_file_that_grew_full(self, seq: bool) -> None:
        data = written(LEGAL, seq=seq)
        for size in range(8, len(data) >> 10, 24):
            assert not fails(losses.stop_at_size(data, size)), size

    @SEQ
    def test_legal_driver_in_a_file_that_was_cut(self, seq: bool) -> None:
        data = written(LEGAL, seq=seq)
        for at in range(OPTIONS.buffer_size + 1, len(data), 13_331):
            assert not fails(losses.cut(data, at)), at

    @SEQ
    def test_fault_before_the_end(self, seq: bool) -> None:
        data = written(legal_script(fault_at=2), seq=seq)
        assert fails(losses.never_stopped(data)) == {BROKEN}
        assert fails(losses.stop_at_size(data, len(data) >> 11)) == {BROKEN}
        assert fails(losses.cut(data, len(data) // 2)) == {BROKEN}

    @SEQ
    @pytest.mark.parametrize(("quiet", "expected"), [(2, "U-END"), (12, None)])
    def test_silence_counts_until_the_first_processor_falls_silent(
        self, quiet: int, expected: str | None, seq: bool
    ) -> None:
        """The IRP is pending for 13 s; the processor that might log its completion is last heard of earlier."""
        script = f"""
            trace stopped=no
            driver
            open S Flags=datagram
            IrpAllocate A
            WskBind S A -> PENDING
            wait {quiet}s
            @cpu=1 @tid=9 run WskControlSocket S ControlCode=SO_RCVBUF
            wait {13 - quiet}s
            @cpu=0 @tid=7 WskControlClient WSK_TRANSPORT_LIST_QUERY -> SUCCESS"""
        found = verdicts(written(script, seq=seq))
        # Seq proves that nothing is missing up to the last event that is there, on whatever processor
        kind, reason = ("fail", None) if seq else ("suspect" if expected else "fail", expected)
        assert not found.check("WSK-IRP-NEVER-COMPLETED", kind, reason)


class TestHeaderCountsLosses:
    """EventsLost or BuffersLost: nothing that needs absence, unless Seq places every loss."""

    @SEQ
    @pytest.mark.parametrize("seed", range(4))
    def test_legal_driver(self, seed: int, seq: bool) -> None:
        events, options = native(LEGAL, seq=seq)
        picks = losses.bursts(events, seed, 1 + seed, longest=25)
        left, options = losses.drop_events(events, picks, options)
        assert not fails(write_native(left, options=options)), f"seed {seed}"

    @SEQ
    @pytest.mark.parametrize("mark", [False, True])
    def test_legal_driver_with_lost_buffers(self, seq: bool, mark: bool) -> None:
        data = written(LEGAL, seq=seq)
        for pick in range(1, BUFFERS - 6, 13):
            lost = losses.lose_buffers(data, {pick, pick + 1}, mark=mark, close_hole=mark)
            assert not fails(lost), pick

    @pytest.mark.parametrize("claims", [{"events_lost": 5}, {"buffers_lost": 2}])
    def test_seq_without_holes_proves_more_than_the_header_doubts(self, claims: dict[str, int]) -> None:
        for seq in (True, False):
            events, options = native(legal_script(fault_at=6), seq=seq)
            found = verdicts(write_native(events, options=replace(options, **claims)))
            assert not found.check(BROKEN, "fail" if seq else "suspect", None if seq else "U-LOST")

    def test_seq_places_the_loss(self) -> None:
        """Lost elsewhere: still judged. Lost where the completion may have been: suspect."""
        events, options = native(legal_script(fault_at=6))
        first = next(n for n, e in enumerate(events) if e.tid == 77)
        inside = next(n for n, e in enumerate(events) if e.tid == 78)
        for pick, kind, reason in ((first - 40, "fail", None), (inside, "suspect", "U-LOST")):
            left, lossy = losses.drop_events(events, [pick], options)
            found = verdicts(write_native(left, options=lossy))
            assert not found.check(BROKEN, kind, reason), (pick, found.words())


class TestDamagedBuffer:
    """On its CPU nothing is evidence from the buffer before it to the one after."""

    @staticmethod
    def spoil(data: bytes, at: int, *, header: bool) -> bytes:
        """Fill a data buffer's records with nonsense, or all of it."""
        head, *parts = split(data)
        begin = 0 if header else 0x48
        parts[at].data[begin:] = b"\xa5" * (len(parts[at].data) - begin)
        return join([head, *parts])

    @SEQ
    @pytest.mark.parametrize("header", [False, True])
    def test_legal_driver(self, seq: bool, header: bool) -> None:
        data = written(LEGAL, seq=seq)
        for at in range(0, BUFFERS - 6, 11):
            assert not fails(self.spoil(data, at, header=header)), at

    @SEQ
    def test_fault_far_from_the_damage(self, seq: bool) -> None:
        data = written(legal_script(fault_at=6), seq=seq)
        for at in (4, BUFFERS - 8):
            assert fails(self.spoil(data, at, header=False)) == {BROKEN}

    @SEQ
    def test_fault_around_the_damage_is_suspect(self, seq: bool) -> None:
        """The completion could be in a damaged buffer of the processor on which it would have come."""
        pause = "wait 400ms\n@cpu=1 @tid=55 " + "\n@cpu=1 @tid=55 ".join(["run WskSend F"] * 12) + "\nwait 400ms"
        script = legal_script(fault_at=6, fault=REUSE.replace("wait 2ms", pause, 1).replace("@tid=77", "@tid=77", 1))
        script = script.replace("wait 400ms\nWskReceive F X", "wait 400ms\n@cpu=0 @tid=77 WskReceive F X")
        events, options = native(script, seq=seq)
        whole = write_native(events, options=options)
        assert fails(whole) == {BROKEN}
        sends = [e.time for e in events if e.tid == 55]
        middle = options.clock_at((sends[0] + sends[-1]) // 2)
        parts = split(whole)[1:]
        at = next(n for n, part in enumerate(parts) if part.flush > middle and part.get(0x28, "<B") in (1, 0))
        found = verdicts(self.spoil(whole, at, header=False))
        assert not found.check(BROKEN, "suspect", "U-LOST"), found.words()


class TestHoleInTheBufferNumbers:
    """The CPU of a missing buffer is unknown; holes occur in files that lost nothing, too."""

    @SEQ
    def test_legal_driver_with_a_hole_and_nothing_lost(self, seq: bool) -> None:
        data = written(LEGAL, seq=seq)
        for after in range(3, BUFFERS - 3, 17):
            assert not fails(losses.open_hole(data, after, 2)), after

    @SEQ
    def test_legal_driver_with_a_buffer_gone_that_nobody_counted(self, seq: bool) -> None:
        data = written(LEGAL, seq=seq)
        for pick in range(2, BUFFERS - 6, 11):
            lost = losses.lose_buffers(data, {pick}, count_buffers=False, count_events=False)
            assert not fails(lost), pick

    @SEQ
    def test_fault_far_from_the_hole(self, seq: bool) -> None:
        data = written(legal_script(fault_at=6), seq=seq)
        for after in (5, BUFFERS - 9):
            assert fails(losses.open_hole(data, after, 1)) == {BROKEN}, after

    def test_fault_across_the_hole(self) -> None:
        """Without Seq the completion may have been in the missing buffer; Seq shows that it was not."""
        for seq in (True, False):
            events, options = native(legal_script(fault_at=6), seq=seq)
            whole = write_native(events, options=options)
            begin = next(e.time for e in events if e.tid == 77)
            parts = split(whole)[1:]
            number = max(p.sequence for p in parts if options.ns_at(p.get(0x48 + 0x10, "<q")) <= begin)
            found = verdicts(losses.open_hole(whole, number))
            assert not found.check(BROKEN, "fail" if seq else "suspect", None if seq else "U-LOST")


# item 9, what was enabled --------------------------------------------------------------------------------------------

KEYWORDS = {"registration": 1, "socket": 2, "data": 4, "irp": 8, "callback": 16}


@SEQ
@pytest.mark.parametrize(
    "off",
    [
        "irp",
        "data|callback",
        *(
            pytest.param(words, marks=pytest.mark.long)
            for words in (
                *(word for word in KEYWORDS if word != "irp"),
                "registration|callback",
                "irp|data",
                "socket|callback",
            )
        ),
    ],
)
@pytest.mark.parametrize("shared", [True, False], ids=["counted", "not counted"])
def test_legal_driver_with_keywords_off(off: str, shared: bool, seq: bool) -> None:
    """Other sessions may have had them on (then Seq has holes), or nobody (then it has none)."""
    mask = 0x1F & ~sum(KEYWORDS[word] for word in off.split("|"))
    events, options = native(LEGAL, seq=seq)
    for state in ("none", "all sessions", "this session"):
        left = losses.filter_events(events, keywords=mask, shared=shared)
        left = [replace(e, fields=dict(e.fields)) for e in left if state != "none" or e.name != "ProviderState"]
        for event in left:
            if event.name == "ProviderState" and state == "this session":
                event.fields["MatchAnyKeyword"] = mask
        if state == "all sessions" and not shared:
            continue
        assert not fails(write_native(left, options=options)), state


@SEQ
@pytest.mark.parametrize("shared", [True, False], ids=["counted", "not counted"])
def test_legal_driver_at_a_lower_level(shared: bool, seq: bool) -> None:
    events, options = native(LEGAL, seq=seq)
    assert not fails(write_native(losses.filter_events(events, level=4, shared=shared), options=options))


def test_data_calls_that_nobody_witnessed_may_own_the_completion() -> None:
    """After IrpReuse the next event of the IRP may belong to a call that was not traced; the whole trace has one."""
    script = """
        {trace}
        driver
        open S Flags=datagram
        run WskBind S
        IrpAllocate A
        WskControlSocket S A set SO_RCVBUF -> complete SUCCESS, {returned}
        IrpReuse A
        WskSendTo S A -> PENDING, complete {outcome}
        IrpFree A
        close S
        unload"""
    off = "trace keywords=registration|socket|irp"
    whole = judge(script.format(trace="", returned="SUCCESS", outcome="SUCCESS"))
    assert not [f for f in whole.findings if f["reason"] != "U-CAP"]
    found = judge(script.format(trace=off, returned="SUCCESS", outcome="SUCCESS"))
    assert not found.check("WSK-IRP-DOUBLE-COMPLETE", "unknown", "U-CAP")
    script = script.replace("complete SUCCESS, {returned}", "{returned}")
    found = judge(script.format(trace=off, returned="INVALID_PARAMETER", outcome="SUCCESS"))
    assert not found.check("WSK-STATUS-MISMATCH", "unknown", "U-CAP")


def test_session_that_enabled_more_halfway() -> None:
    """What was not enabled before is no evidence of before."""
    events, options = native(LEGAL)
    middle = events[len(events) // 2].time
    early = losses.filter_events([e for e in events if e.time < middle], keywords=0x13)
    assert not fails(write_native([*early, *(e for e in events if e.time >= middle)], options=options))


# item 10, whose IRP --------------------------------------------------------------------------------------------------

_PASS_DOWN = """
driver
open S Flags=datagram
run WskBind S
{before}WskSendTo S P -> PENDING
{between}WskSendTo S P -> PENDING{after}
close S
unload
"""
_ALWAYS = "IrpSetCompletion P\n"


@pytest.mark.parametrize("flags", range(7))
def test_pass_down_irp_whose_routine_is_not_always_invoked(flags: int) -> None:
    words = ("InvokeOnSuccess", "InvokeOnError", "InvokeOnCancel")
    chosen = " ".join(f"{word}={'yes' if flags >> bit & 1 else 'no'}" for bit, word in enumerate(words))
    found = judge(_PASS_DOWN.format(before=f"IrpSetCompletion P {chosen}\n", between="wait 3s\n", after=""))
    assert not found.check(BROKEN, "unknown", "U-CAP")


def test_pass_down_irp_without_a_routine() -> None:
    found = judge(_PASS_DOWN.format(before="", between="wait 3s\n", after=""))
    assert not found.check(BROKEN, "unknown", "U-CAP")
    assert found.counts["WSK-IRP-NEVER-COMPLETED"]["unknown"] == 2


def test_routine_that_is_always_invoked_makes_absence_evidence() -> None:
    found = judge(_PASS_DOWN.format(before=_ALWAYS, between="", after=", complete SUCCESS"))
    assert not found.check(BROKEN, "fail", None, {"irp": "P"})


@pytest.mark.parametrize("ready", ["IrpAllocate", "IrpInitialize", "IrpReuse"])
def test_own_irp(ready: str) -> None:
    freed = "\nIrpFree P" if ready == "IrpAllocate" else ""
    found = judge(_PASS_DOWN.format(before=f"{ready} P\n", between="", after=f", complete SUCCESS{freed}"))
    assert not found.check(BROKEN, "fail", None, {"irp": "P"})


def test_what_was_known_of_an_irp_ends_with_its_completion() -> None:
    """The address comes back with an IRP of somebody else."""
    before = "IrpAllocate P\nWskSendTo S P -> PENDING, complete SUCCESS\nIrpFree P\n"
    found = judge(_PASS_DOWN.format(before=before, between="wait 3s\n", after=""))
    assert not found.check(BROKEN, "unknown", "U-CAP")


# item 11, closed world -----------------------------------------------------------------------------------------------

_DESCRIPTORS = """
driver
cache own sd
cache own sd
open S Flags=datagram SecurityDescriptor=sd
release sd
IrpAllocate A
WskControlSocket S A get SO_WSK_SECURITY -> PENDING
IrpComplete A SUCCESS Information=8
output S A SO_WSK_SECURITY sd
return IrpComplete A
IrpFree A
open T Flags=datagram SecurityDescriptor=sd
release sd
run WskControlSocket T ControlCode=SO_WSK_SECURITY InputValue=sd
open U Flags=datagram SecurityDescriptor=sd
release sd
close S
close T
close U
"""


@SEQ
def test_legal_driver_wherever_the_session_begins(seq: bool) -> None:
    for script in (_DESCRIPTORS + "unload", LEGAL):
        events, options = native(script, seq=seq)
        for at in range(1, len(events), max(1, len(events) // 12)):
            left, later = losses.start_at(events, events[at].time, options)
            assert not fails(write_native(left, options=later)), at


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("WSK-SD-NOT-CACHED", "open S Flags=datagram SecurityDescriptor=sd\nclose S"),
        ("WSK-SD-USE-AFTER-RELEASE", "cache own sd\nrelease sd\nopen S Flags=datagram SecurityDescriptor=sd\nclose S"),
        ("WSK-SD-DOUBLE-RELEASE", "cache own sd\nrelease sd\nrelease sd"),
        (
            "WSK-SD-EARLY-RELEASE",
            (
                "cache own sd\nIrpAllocate A\nWskSocket A Flags=datagram SecurityDescriptor=sd -> PENDING\n"
                "release sd\ncomplete A SUCCESS socket=S\nIrpFree A\nclose S"
            ),
        ),
    ],
)
def test_references_are_a_lower_bound_without_the_drivers_entry(rule: str, body: str) -> None:
    assert not judge(f"driver\n{body}\nunload").check(rule, "fail")
    assert not judge(f"driver\ncache own sd\nlate\n{body}\nunload").check(rule, "suspect", "U-START")
    assert not judge(f"driver\nlost 2\n{body}\nunload").check(rule, "suspect", "U-LOST")


def test_a_get_that_was_not_traced_blinds_all_references_from_then_on() -> None:
    get = "open T Flags=datagram\nrun WskControlSocket T RequestType=get ControlCode=SO_WSK_SECURITY\nclose T\n"
    rule = "WSK-SD-DOUBLE-RELEASE"
    found = judge(f"driver\ncache own sd\nrelease sd\n{get}release sd\nunload")
    assert not found.check(rule, "unknown", "U-CAP") or found.counts[rule]["unknown"] == 1
    assert not found.failing()
    found = judge(f"driver\ncache own sd\nrelease sd\nrelease sd\n{get}unload")
    assert found.failing() == {rule}


def test_client_needs_its_capture_and_its_release_in_the_trace() -> None:
    broken = {"WSK-CLIENT-STALE", "WSK-NPI-CALL-AFTER-RELEASE"}
    stale = "WskReleaseProviderNPI R ->\nWskControlClient WSK_TRANSPORT_LIST_QUERY -> INVALID_HANDLE"
    late = "driver\nlate\n"
    capture = "WskRegister R -> SUCCESS\nWskCaptureProviderNPI R -> SUCCESS Client=C\n"
    assert judge(f"driver\n{stale}").failing() == broken
    assert not judge(f"driver\nWskCaptureProviderNPI R -> SUCCESS Client=C\n{stale}").failing()
    assert judge(f"{late}{capture}{stale}").failing() == broken
    for script in (late + stale, f"{late}WskCaptureProviderNPI R -> SUCCESS Client=C\n{stale}"):
        assert not judge(script).failing()


# 1.4, order ----------------------------------------------------------------------------------------------------------

_ORDERS = (
    "complete SUCCESS, SUCCESS",
    "complete SUCCESS, PENDING",
    "complete ACCESS_DENIED, ACCESS_DENIED",
    "complete ACCESS_DENIED, PENDING",
    "PENDING, complete SUCCESS",
    "PENDING, complete ACCESS_DENIED",
    "SUCCESS, complete SUCCESS",
    "ACCESS_DENIED, complete ACCESS_DENIED",
    "ACCESS_DENIED",
)


@SEQ
@pytest.mark.parametrize("gap", ["", "+2ms ", "+900us "])
@pytest.mark.parametrize("order", _ORDERS)
def test_every_legal_order_of_a_call(order: str, gap: str, seq: bool) -> None:
    """Three calls in turn, on one IRP and on IRPs of their own; the last order has no completion at all."""
    tail = order.replace("complete", f"{gap}complete")
    spacing = "wait 1100ms\n" if order == "ACCESS_DENIED" and gap else ""
    calls = "".join(f"IrpReuse A\nIrpSetCompletion A\nWskControlSocket S A set SO_RCVBUF -> {tail}\n" for _ in range(3))
    # an IRP that has not completed is not freed
    made, freed = ("IrpAllocate A", "IrpFree A\n") if "complete" in order else ("IrpInitialize A", "")
    script = f"driver\nopen S Flags=datagram\n{made}\n{calls}{freed}{spacing}close S\nunload"
    failing = fails(written(script, seq=seq))
    assert failing <= ({"WSK-STATUS-ERROR-NO-COMPLETION"} if spacing else set())


@SEQ
def test_completions_in_dpcs_of_idle_processors_do_not_nest(seq: bool) -> None:
    """Two routines at once, both on thread 0, ended in the order in which they began."""
    script = """
        driver
        open S Flags=datagram
        run WskBind S
        IrpAllocate A
        IrpAllocate B
        WskSendTo S A -> PENDING
        WskSendTo S B -> PENDING
        @dpc=1 IrpComplete A SUCCESS
        @dpc=2 IrpComplete B SUCCESS
        return IrpComplete A
        return IrpComplete B
        IrpFree A
        IrpFree B
        close S
        unload"""
    assert not fails(written(script, seq=seq))


@pytest.mark.parametrize("mode", [0x1, 0x10000001], ids=["per processor", "no per-processor buffers"])
def test_order_on_one_processor_counts_only_where_buffers_have_one(mode: int) -> None:
    """The second call stands 20 µs before the first one's completion, on another thread of the same processor."""
    script = """
        driver
        open S Flags=datagram
        run WskBind S
        IrpAllocate A
        WskSendTo S A -> PENDING
        wait 20ms
        @tid=9 WskSendTo S A
        @dpc=0 complete A SUCCESS
        return WskSendTo A PENDING
        wait 20ms
        @dpc=0 complete A SUCCESS
        IrpFree A
        close S
        unload"""
    events, options = native(script, seq=False)
    failing = fails(write_native(events, options=replace(options, mode=mode)))
    assert failing == ({BROKEN} if mode == 1 else set())


@pytest.mark.parametrize("distance", ["100us", "900us", "1500us"])
def test_order_between_processors_needs_more_than_the_tolerance(distance: str) -> None:
    """The descriptor is released on one processor, and a moment later the creation completes on another."""
    script = f"""
        driver
        cache own sd
        IrpAllocate A
        WskSocket A Flags=datagram SecurityDescriptor=sd -> PENDING
        wait 20ms
        @cpu=2 @tid=9 release sd
        +{distance} complete A SUCCESS socket=S
        IrpFree A
        wait 20ms
        close S
        unload"""
    rule = "WSK-SD-EARLY-RELEASE"
    assert not judge(script).check(rule, "fail")
    found = judge("trace seq=no\n" + script)
    far = distance == "1500us"
    assert not found.check(rule, "fail" if far else "suspect", None if far else "U-ORDER"), found.words()


# native provider, "for the reader" -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seq", [pytest.param(True, marks=pytest.mark.long, id="Seq"), pytest.param(False, id="no Seq")]
)
def test_header_without_a_field_is_never_wrong(seq: bool) -> None:
    """An older header leaves a field out: the rules that need it become undecidable, and the driver stays legal."""
    script = legal_script(2) + "\n"
    names = sorted({name for event in native(script)[0] for name in event.fields})
    for name in names:
        assert not fails(written(f"trace missing={name}\n{script}", seq=seq)), name
