"""Stories: what is told of an IRP, a socket, a finding, a moment, in which order, and what is not known."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from story_tools import fact, kinds, texts, traced

import wsktrace
from wsktrace.errors import UsageError
from wsktrace.report.story.stories import Stories
from wsktrace.report.words import rows

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.etl"))
PENDED = """
driver
open S Flags=connection
run WskBind S
run WskConnect S
IrpAllocate A
IrpSetCompletion A
@cpu=2 @tid=7 WskReceive S A Length=4096 Flags=2 -> PENDING, +3ms @dpc=1 complete CANCELLED Information=17
IrpCancel A
IrpReuse A
WskSend S A Length=100 -> complete SUCCESS Information=100, PENDING
IrpFree A
close S
unload
"""


def test_a_pended_irp() -> None:
    trace = traced(PENDED)
    row = next(r for r in rows(trace.arrow("irps")) if r["op"] == "WskReceive")
    story = trace.stories.irp(row["irp_id"])
    told = texts(story)
    assert told[0] == "IoAllocateIrp gave the IRP: 1 stack location"
    assert told[1].startswith("IoSetCompletionRoutine sets the completion routine: routine ")
    assert told[2].startswith("WskReceive is called: 4,096 bytes, buffer ")
    assert "Flags WSK_FLAG_WAITALL" in told[2]
    assert told[3] == f"WskReceive returns STATUS_PENDING after {wsktrace.units.duration_text(row['call_ns'])}"
    took, pended = (wsktrace.units.duration_text(row[n]) for n in ("total_ns", "pending_ns"))
    assert told[4].startswith(
        f"WskReceive is completed with STATUS_CANCELLED {took} after the call, {pended} after STATUS_PENDING: "
        "Information 17, on the idle thread of another CPU, at DISPATCH_LEVEL"
    )
    assert told[5].startswith(
        "the completion routine returns STATUS_MORE_PROCESSING_REQUIRED (the IRP stays the driver's"
    )
    assert told[6:] == ["IoCancelIrp asks to cancel the IRP", "IoReuseIrp makes the IRP ready to be used again"]
    assert kinds(story) == ["fact", "fact", "call", "return", "complete", "complete_return", "fact", "fact"]
    assert [line.cpu for line in story.lines[2:6]] == [2, 2, 1, 1]
    assert [line.tid for line in story.lines[2:6]] == [row["tid"], row["tid"], 0, 0]
    assert story.start_ns == row["issue_time"] == story.lines[2].time_ns
    assert fact(story, "outcome") == "cancelled"
    assert story.left_out == ""


def test_the_next_use_begins_with_the_reuse_and_nests_what_runs_inside() -> None:
    trace = traced(PENDED)
    row = next(r for r in rows(trace.arrow("irps")) if r["op"] == "WskSend")
    story = trace.stories.irp(row["irp_id"])
    assert texts(story)[0] == "IoReuseIrp makes the IRP ready to be used again"
    assert [line.depth for line in story.lines] == [0, 0, 1, 1, 0, 0]
    assert "before that returned: Information 100, on the calling thread" in texts(story)[2]
    assert texts(story)[-1] == "IoFreeIrp frees the IRP"
    assert fact(story, "completed").startswith("STATUS_SUCCESS after ")


def test_what_else_was_outstanding_is_said() -> None:
    trace = traced(
        """
        driver
        open S Flags=connection
        WskReceive S A -> PENDING
        WskReceive S B -> PENDING
        WskSend S D -> PENDING, +1ms complete SUCCESS
        complete A SUCCESS
        WskSend S E -> PENDING, +1ms complete SUCCESS
        complete B SUCCESS
        close S
        """
    )
    held = {(r["op"], n): r for n, r in enumerate(rows(trace.arrow("irps")))}
    notes = {}
    for (op, _), row in held.items():
        found = [line.text for line in trace.stories.irp(row["irp_id"]).lines if "outstanding" in line.text]
        notes[op, row["irp"]] = found
    counts = [len(found[0].split(", ")) if found else 0 for found in notes.values()]
    assert counts == [0, 0, 1, 2, 1, 0]  # creation, A, B, D beside A and B, E beside B, close


@pytest.mark.parametrize("seed", [1, 2])
def test_outstanding_against_counting_all(seed: int) -> None:
    import io

    from wsktrace.report.story.index import Index
    from wsktrace.testing.driver import busy

    trace = wsktrace.open(io.BytesIO(busy(seed, sockets=6, seconds=5).etl()))
    index = Index(trace.arrow)
    held = rows(trace.arrow("irps"))
    last = 1 << 62
    for row in held:
        if row["socket_id"] is None:
            continue
        expected = []
        for other in held:
            end = other["complete_operation"]
            if end is None:
                end = last if other["outcome"] == "open" else other["return_operation"] or other["issue_operation"]
            same = other["socket_id"] == row["socket_id"]
            if same and other["issue_operation"] < row["issue_operation"] < end:
                expected.append(other["irp_id"])
        count, at = index.requests.outstanding(row["socket_id"], row["issue_operation"])
        assert count == len(expected)
        assert index.irps.values("irp_id")[at].tolist() == expected


def test_a_call_that_pends_for_ever() -> None:
    trace = traced(
        """
        driver
        open S Flags=connection
        IrpAllocate A
        WskConnect S A -> PENDING
        +4s IrpCancel A
        IrpAllocate B
        WskCloseSocket S B -> PENDING
        IrpWait B
        wait 75s
        """
    )
    connect = next(r for r in rows(trace.arrow("irps")) if r["op"] == "WskConnect")
    story = trace.stories.irp(connect["irp_id"])
    assert texts(story)[-1].startswith("still pending 79 s after the call, when the trace ends")
    assert kinds(story)[-1] == "note"
    assert any(text.startswith("warning WSK-IRP-NEVER-COMPLETED: ") for text in texts(story))
    socket = trace.stories.socket(connect["socket_id"])
    told = texts(socket)
    assert told[-2].startswith("its close is not complete 75 s after the call")
    assert told[-1].startswith("still pending when the trace ends: WskConnect ")
    assert any(text.startswith("IoCancelIrp") for text in told)
    assert any(text.startswith("the driver waits for the IRP's completion") for text in told)
    stuck = next(f for f in rows(trace.arrow("findings")) if f["rule"] == "WSK-CLOSE-STUCK")
    story = trace.stories.finding(stuck["finding_id"])
    assert story.start_ns == stuck["time"]
    assert {line.operation_id for line in story.lines if line.evidence} == set(stuck["evidence"])
    told = texts(story)
    where = next(n for n, text in enumerate(told) if text.startswith("still outstanding when the rule was broken, 4 s"))
    assert told[where - 1].startswith("WskConnect returns STATUS_PENDING")
    broken = next(n for n, line in enumerate(story.lines) if line.kind == "finding")
    assert told[broken - 1].startswith("WskCloseSocket returns STATUS_PENDING")
    assert fact(story, "what follows").endswith("WSK-IRP-NEVER-COMPLETED")
    assert fact(story, "the rule") == "A close completes within ten seconds."


def test_a_socket_with_callbacks_and_control_calls() -> None:
    trace = traced(
        """
        driver
        open S Flags=connection SocketContext=ctx Dispatch=table DispatchMembers=receive|disconnect
        enable S receive|disconnect
        run WskBind S
        run WskConnect S
        WskReceiveEvent ctx Flags=at_dispatch Length=512 Indication=list -> SUCCESS
        WskControlSocket S NULL get SO_RCVBUF OutputSize=4 -> SUCCESS
        WskDisconnectEvent ctx Flags=abortive -> SUCCESS
        close S
        unload
        """
    )
    story = trace.stories.socket(0)
    told = texts(story)
    assert told[0].startswith(
        "WskSocket is called: AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, context "
    )
    assert any("sets SO_WSK_EVENT_CALLBACK, WSK_EVENT_RECEIVE|WSK_EVENT_DISCONNECT, no IRP" in text for text in told)
    assert any(text.startswith("WskReceiveEvent calls back: 512 bytes, indication ") for text in told)
    assert any("WSK_FLAG_AT_DISPATCH_LEVEL" in text for text in told)
    assert any(text.startswith("the driver returns from WskReceiveEvent STATUS_SUCCESS after ") for text in told)
    assert any(text.startswith("WskControlSocket is called: gets SO_RCVBUF") for text in told)
    assert any(text.startswith("WskDisconnectEvent calls back: WSK_FLAG_ABORTIVE") for text in told)
    assert fact(story, "kind") == "connection AF_INET SOCK_STREAM IPPROTO_TCP"
    assert fact(story, "callbacks") == "receive, disconnect"
    assert "complete after" in fact(story, "closed")
    ids = [line.operation_id for line in story.lines if line.operation_id is not None]
    assert ids == sorted(set(ids))


def test_callbacks_with_a_context_that_live_sockets_share_belong_to_none() -> None:
    trace = traced(
        """
        driver
        open S Flags=connection SocketContext=ctx Dispatch=table DispatchMembers=receive
        WskDisconnectEvent ctx -> SUCCESS
        open T Flags=connection SocketContext=ctx Dispatch=table DispatchMembers=receive
        WskReceiveEvent ctx Length=1 -> SUCCESS
        close T
        WskSendBacklogEvent ctx IdealBacklogSize=9 -> SUCCESS
        close S
        unload
        """
    )
    told = [texts(trace.stories.socket(n)) for n in (0, 1)]
    assert [any("DisconnectEvent calls" in t for t in told[n]) for n in (0, 1)] == [True, False]
    assert not any("ReceiveEvent calls" in t for one in told for t in one)
    assert [any("BacklogEvent calls back: ideal backlog 9 bytes" in t for t in told[n]) for n in (0, 1)] == [
        True,
        False,
    ]


def test_accepted_sockets_and_refused_ones() -> None:
    trace = traced(
        """
        driver
        open L Flags=listen SocketContext=ctx Dispatch=table DispatchMembers=accept
        run WskBind L
        enable L accept
        WskAcceptEvent ctx AcceptSocket=S -> SUCCESS AcceptSocketContext=own AcceptSocketDispatch=table
        WskAcceptEvent ctx AcceptSocket=T -> REQUEST_NOT_ACCEPTED
        close S
        close L
        unload
        """
    )
    held = {r["socket"]: r["socket_id"] for r in rows(trace.arrow("sockets")) if r["origin"] == "accept_event"}
    accepted, refused = (trace.stories.socket(number) for number in sorted(held.values()))
    assert texts(accepted)[0].startswith("WskAcceptEvent calls back: accepted socket ")
    assert texts(accepted)[1].startswith("the driver returns from WskAcceptEvent STATUS_SUCCESS after ")
    assert "complete after" in fact(accepted, "closed")
    assert len(refused.lines) == 2
    assert texts(refused)[1].startswith("the driver returns from WskAcceptEvent STATUS_REQUEST_NOT_ACCEPTED after ")
    assert fact(refused, "closed") == "not accepted by the driver"


def test_a_socket_from_wsk_accept_tells_the_whole_call() -> None:
    trace = traced(
        """
        driver
        open L Flags=listen
        run WskBind L
        IrpAllocate A
        WskAccept L A -> complete SUCCESS socket=S, PENDING
        IrpFree A
        close S
        close L
        unload
        """
    )
    number = next(r["socket_id"] for r in rows(trace.arrow("sockets")) if r["origin"] == "accept")
    told = trace.stories.socket(number)
    assert kinds(told)[:4] == ["call", "complete", "complete_return", "return"]
    assert [line.depth for line in told.lines[:4]] == [0, 1, 1, 0]


def test_losses_and_the_begin_of_the_trace_are_told() -> None:
    trace = traced(
        """
        driver
        open S Flags=connection
        late
        WskReceive S A -> PENDING
        lost 3
        +1ms complete A SUCCESS
        WskSend S B -> PENDING
        """
    )
    story = trace.stories.socket(0)
    assert fact(story, "created") == "not in the trace: first met in use"
    assert any(
        text.startswith("gap in the trace: 3 events of the driver are missing between 14:00:") for text in texts(story)
    )
    send = next(r for r in rows(trace.arrow("irps")) if r["op"] == "WskSend")
    told = trace.stories.irp(send["irp_id"])
    assert "it is perhaps not the driver's own IRP, so its completion may go unseen (U-LOST: " in texts(told)[-1]
    assert "perhaps not the driver's own" in fact(told, "whose")
    receive = next(r for r in rows(trace.arrow("irps")) if r["op"] == "WskReceive")
    gaps = [line for line in trace.stories.irp(receive["irp_id"]).lines if line.text.startswith("gap")]
    assert len(gaps) == 1
    assert gaps[0].kind == "note"


def test_a_loss_without_the_drivers_counter_has_no_place() -> None:
    script = "driver\nopen S Flags=connection\nlost 3\nclose S\nunload\ntrace seq=no"
    assert "gap in the trace: events may be missing, nobody knows where" in texts(traced(script).stories.socket(0))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_story_of_the_samples_has_the_operations_of_the_table(path: Path) -> None:
    trace = wsktrace.open(path)
    stories = trace.stories
    held = {
        name: trace.arrow("operations").column(name).to_pylist() for name in ("operation_id", "irp_id", "socket_id")
    }
    for table, key, tell in (("irps", "irp_id", stories.irp), ("sockets", "socket_id", stories.socket)):
        counted = Counter(held[key])
        for number in trace.arrow(table).column(key).to_pylist():
            story = tell(number)
            assert (
                sum(getattr(line, key) == number for line in story.lines if line.operation_id is not None)
                == counted[number]
            )
            ids = [line.operation_id for line in story.lines if line.operation_id is not None]
            assert ids == sorted(set(ids))
            assert all(b.time_ns >= a.time_ns - 1_000_000 for a, b in pairwise(story.lines))
            assert all(line.text.isprintable() for line in story.lines)
    for finding in rows(trace.arrow("findings")):
        story = stories.finding(finding["finding_id"])
        assert {line.operation_id for line in story.lines if line.evidence} == set(finding["evidence"])
        assert [line.finding_id for line in story.lines if line.kind == "finding"] == [finding["finding_id"]]
        lives = [stories.irp(finding["irp_id"])] if finding["irp_id"] is not None else []
        lives += [stories.socket(finding["socket_id"])] if finding["socket_id"] is not None else []
        for life in lives:
            assert finding["finding_id"] in life.findings
            assert any(line.finding_id == finding["finding_id"] for line in life.lines)


def test_a_folder_of_tables_tells_the_same(tmp_path: Path) -> None:
    trace = wsktrace.open(SAMPLES[-1])
    trace.to_parquet(tmp_path / "tables")
    loaded = wsktrace.load(tmp_path / "tables")
    for number in trace.arrow("irps").column("irp_id").to_pylist():
        assert trace.stories.irp(number) == loaded.stories.irp(number)
    for number in trace.arrow("sockets").column("socket_id").to_pylist():
        assert trace.stories.socket(number) == loaded.stories.socket(number)
    for number in trace.arrow("findings").column("finding_id").to_pylist():
        assert trace.stories.finding(number) == loaded.stories.finding(number)


def test_a_moment_holds_what_happened_in_it() -> None:
    trace = wsktrace.open(SAMPLES[0])
    time = np.array([r["time"] for r in rows(trace.arrow("operations"))])
    start, end = int(time[40]), int(time[60])
    story = trace.stories.around(start, end)
    assert [line.operation_id for line in story.lines if line.operation_id is not None] == np.flatnonzero(
        (time >= start) & (time < end)
    ).tolist()
    assert story.start_ns == (start + end) // 2
    few = Stories(trace.arrow, most=10).around(int(time[0]), int(time[-1]) + 1)
    assert sum(line.operation_id is not None for line in few.lines) == 10
    assert few.left_out == f"{len(time) - 10:,} of {len(time):,} operations: those farthest from the middle"


def test_a_long_life_leaves_out_its_middle_but_no_evidence() -> None:
    sends = "WskSend S B -> PENDING, +1ms complete SUCCESS\n" * 80
    trace = traced(
        f"driver\nopen S Flags=connection\nrun WskBind S\nrun WskConnect S\nIrpAllocate A\n"
        f"IrpAllocate B\n{sends}WskReceive S A -> PENDING\nWskReceive S A -> PENDING\n{sends}close S"
    )
    story = Stories(trace.arrow, most=40).socket(0)
    finding = next(f for f in rows(trace.arrow("findings")) if f["rule"] == "WSK-IRP-REUSE-PENDING")
    told = {line.operation_id for line in story.lines}
    assert set(finding["evidence"]) <= told
    whole = trace.arrow("operations").column("socket_id").to_pylist().count(0)
    assert story.left_out.endswith("operations: shown are the first 20, the last 20 and those of findings")
    assert int(story.left_out.split(" ")[0]) > whole - 60
    assert "WskCloseSocket is completed" in " ".join(texts(story)[-4:])


def test_ids_that_are_not_there() -> None:
    stories = traced("driver\nopen S Flags=connection\nclose S\nunload").stories
    for tell, number, message in (
        (stories.irp, 99, "no IRP #99; there are 2, from 0 to 1"),
        (stories.socket, -1, "no socket #-1; there are 1, from 0 to 0"),
        (stories.finding, 0, "no finding 0; there is none in this trace"),
    ):
        with pytest.raises(UsageError) as error:
            tell(number)
        assert str(error.value) == message


def test_tables_that_name_rows_that_are_not_there_make_no_story_fail(faked) -> None:
    from faked_traces import finding, irp, operation

    evil = "\x1b[31m<b>"
    trace = faked(
        {
            "operations": [
                operation(4, evil, "enter") | {"irp_id": 77, "status_name": evil},
                operation(5, "X", "complete") | {"irp_id": 78},
            ],
            "irps": [irp(1, evil, 5, socket_id=55, doubt=evil, return_status_name=evil)],
            "findings": [
                finding(0, evil, irp_id=17, socket_id=99, message=evil, evidence=[3, 4, 9], outstanding=[1, 4])
            ],
        }
    )
    for story in (trace.stories.finding(0), trace.stories.irp(1), trace.stories.around(0, 1 << 62)):
        assert all(line.text.isprintable() for line in story.lines)
        assert all(value.isprintable() for _, value in story.facts)
        assert story.title.isprintable()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_stories_of_faulty_and_damaged_drivers(seed: int) -> None:
    import io
    from random import Random

    from wsktrace.testing.damage import flip_bits
    from wsktrace.testing.driver import busy
    from wsktrace.testing.fault_catalogue import FAULTS
    from wsktrace.testing.faults import inject_many

    rng = Random(seed)
    faults = [(rule, 0) for rule in rng.sample(sorted(FAULTS), 12)]
    data = (inject_many(faults, seed, sockets=4, seconds=8)[0] if seed % 2 else busy(seed, sockets=10, seconds=8)).etl()
    if seed % 3 == 0:
        data = flip_bits(data, seed)
    trace = wsktrace.open(io.BytesIO(data), unknown=True, notes=True)
    held = {name: trace.arrow("operations").column(name).to_pylist() for name in ("irp_id", "socket_id")}
    for table, key, tell in (("irps", "irp_id", trace.stories.irp), ("sockets", "socket_id", trace.stories.socket)):
        counted = Counter(held[key])
        for number in trace.arrow(table).column(key).to_pylist():
            story = tell(number)
            told = sum(getattr(line, key) == number for line in story.lines if line.operation_id is not None)
            assert told == counted[number] or story.left_out
    for finding in rows(trace.arrow("findings")):
        story = trace.stories.finding(finding["finding_id"])
        assert {line.operation_id for line in story.lines if line.evidence} == set(finding["evidence"])


def test_gaps_against_looking_at_all() -> None:
    from random import Random

    from wsktrace.arrow import arrow_schema
    from wsktrace.report.story.extent import Extent
    from wsktrace.report.story.rows import Columns

    rng = Random(5)
    quality = []
    for load in (0, 1):
        cuts = sorted(rng.sample(range(1000), 40))
        quality += [
            {"item": "gap", "name": f"load {load}", "value": 1, "start": a, "end": b}
            for a, b in zip(cuts[::2], cuts[1::2], strict=True)
        ]
    quality += [{"item": "gap", "name": "file", "value": 0, "start": None, "end": 300}]
    quality += [{"item": "gap", "name": "file", "value": 0, "start": 700, "end": None}]
    extent = Extent(Columns(arrow_schema("operations").empty_table()), quality)  # no driver that counts its events
    for _ in range(200):
        load = rng.choice((0, 1, None))
        start, end = sorted(rng.sample(range(1000), 2))
        expected = [
            (row["start"], row["end"])
            for row in quality
            if row["name"] in ("file", f"load {load}") or load is None
            if (row["start"] is None or row["start"] <= end) and (row["end"] is None or row["end"] >= start)
        ]
        assert sorted((g.start_ns or 0, g.end_ns or 0) for g in extent.gaps(load, start, end)) == sorted(
            (a or 0, b or 0) for a, b in expected
        )
