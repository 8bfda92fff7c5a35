from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from faked_traces import SECOND, START, finding, irp, verdicts

import wsktrace
from wsktrace.cli.diff import exit_status
from wsktrace.diff import Side, compare
from wsktrace.diff.counts import outstanding_peak
from wsktrace.errors import UsageError
from wsktrace.report.comparison.render import card, render_json, render_markdown, render_text
from wsktrace.schema_judged import RUNNING
from wsktrace.testing.driver import busy
from wsktrace.testing.etl_writer import TraceOptions, write_native
from wsktrace.testing.faults import FAULTS, inject_many
from wsktrace.testing.losses import bursts, drop_events

if TYPE_CHECKING:
    from wsktrace.diff import Comparison
    from wsktrace.trace import Trace

SAMPLES = Path(__file__).parents[2] / "samples"


def compared(a: Trace, b: Trace, **more: Any) -> Comparison:
    return compare(Side(a.summary, a.arrow), Side(b.summary, b.arrow), **more)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    path = tmp_path_factory.mktemp("busy") / "busy.etl"
    path.write_bytes(busy(3, sockets=150, seconds=30).etl())
    with wsktrace.open(path) as trace:
        for name in ("operations", "irps", "sockets", "findings", "rules"):
            trace.arrow(name)
        assert trace.summary.judged
    return trace


def slowed(trace: Trace, op: str, factor: float) -> Any:
    """Return the tables of a trace in which one operation takes longer."""
    irps = trace.arrow("irps")
    ours = np.array([name == op for name in irps.column("op").to_pylist()])
    for leg in ("total_ns", "pending_ns"):
        at = irps.column_names.index(leg)
        values = irps.column(leg).to_pylist()
        held = [v if v is None or not mine else int(v * factor) for v, mine in zip(values, ours, strict=True)]
        irps = irps.set_column(at, irps.schema.field(at), [held])
    return lambda name: irps if name == "irps" else trace.arrow(name)


def test_a_trace_and_itself(traffic: Trace) -> None:
    found = compared(traffic, traffic)
    assert {s.verdict for s in found.latency} == {"no shift shown", "too few to tell"}
    assert {s.ratio.value for s in found.latency} == {1.0}
    assert {c.change for c in found.changes} <= {"kept"}
    assert all(c.a == c.b for c in found.counts)
    assert "A and B are the same file" in found.cautions
    assert exit_status(found, ["new", "first-seen", "suspect", "slower"]) == 0


def test_a_slower_operation_is_found_and_no_other(traffic: Trace) -> None:
    a, b = Side(traffic.summary, traffic.arrow), Side(traffic.summary, slowed(traffic, "WskBind", 20))
    found = compare(a, b)
    assert {s.key for s in found.latency if s.verdict == "slower"} == {("WskBind",)}
    assert not [s for s in found.latency if s.verdict == "faster"]
    assert exit_status(found, ["slower"]) == 1
    assert exit_status(found, ["new"]) == 0
    back = {s.verdict for s in compare(b, a).latency}
    assert "faster" in back
    assert "slower" not in back
    text = render_text(found)
    assert "1 operation slower" in text.splitlines()[0]
    assert text.index("Latency: shifted") < text.index("Latency: no shift shown")
    narrow = render_text(found, width=80)
    assert max(map(len, text.splitlines())) > 80
    tables = [line for line in narrow.splitlines() if "→" in line or "B/A" in line]
    assert max(map(len, tables)) <= 80
    words = [sorted(t.split()) for t in (text, narrow)]
    assert words[0] == words[1]


def test_quantiles_and_counts_are_those_of_pandas(traffic: Trace) -> None:
    found = {(s.key[0], s.leg, s.fraction): s for s in compared(traffic, traffic).latency}
    irps = traffic.irps
    for (op, leg, fraction), shift in found.items():
        values = irps.loc[irps.op == op, f"{leg}_ns"].dropna()
        assert shift.a_count == len(values)
        assert shift.a_ns == np.quantile(values.to_numpy(np.int64), fraction, method="inverted_cdf")
        unseen = irps[(irps.op == op) & irps.outcome.isin(["open", "unknown"]) & irps[f"{leg}_ns"].isna()]
        assert shift.a_open == len(unseen)
    assert {op for op, _, _ in found} == set(irps.loc[irps.total_ns.notna(), "op"])


def test_counts_by_hand(traffic: Trace) -> None:
    found = {(c.kind, c.name): c for c in compared(traffic, traffic).counts}
    operations, irps, sockets = traffic.operations, traffic.irps, traffic.sockets
    assert found["rows", "irps"].a == len(irps)
    assert found["calls", "WskSend"].a == len(operations[(operations.op == "WskSend") & (operations.phase == "enter")])
    assert found["IRPs", "succeeded"].a == (irps.outcome == "succeeded").sum()
    assert found["completions", "none seen"].a == (irps.completion == "none_seen").sum()
    chosen = sockets[(sockets.category == "listen") & (sockets.origin == "socket")]
    assert found["sockets", "listen, socket"].a == len(chosen)
    span = traffic.summary.span_ns
    assert span
    assert found["rows", "irps"].a_per_s == pytest.approx(len(irps) / span * 1e9)


def test_most_outstanding_by_hand(faked: Any) -> None:
    rows = [
        irp(1, "WskReceive", 0, took=10),
        irp(2, "WskReceive", 5, took=5),  # ends with the first
        irp(3, "WskReceive", 10, took=5),  # begins as both end: they are no longer outstanding
        irp(4, "WskReceive", 12),  # open
        irp(5, "WskReceive", 13, outcome="failed", return_time=START + 14),  # no completion, over with its return
        irp(6, "WskReceive", 20),  # open
    ]
    assert outstanding_peak(faked({"irps": rows}).arrow("irps")) == 3
    # by the clocks of other processors some were completed before they were issued; they take nothing from the others
    early = [irp(number, "WskSend", 14, took=-4) for number in (7, 8, 9)]
    assert outstanding_peak(faked({"irps": [*rows, *early]}).arrow("irps")) == 3
    assert outstanding_peak(faked({"irps": []}).arrow("irps")) == 0
    assert outstanding_peak(faked({"irps": rows[3:]}).arrow("irps")) == 2


RULE = "WSK-SD-EARLY-RELEASE"
KEPT = verdicts(RULE, 0, 30, 0, 0, 0)
BROKEN = verdicts(RULE, 1, 30, 0, 0, 0)
FAIL = finding(0, RULE)
SUSPECT = finding(0, RULE, verdict="suspect", reason="U-LOST")
UNSEEN = "WskControlClient, IrpComplete return"


@pytest.mark.parametrize(
    ("a", "b", "lost", "change", "why"),
    [
        (([], [KEPT]), ([FAIL], [BROKEN]), (0, 0), "new", ""),
        (([FAIL], [BROKEN]), ([FAIL], [BROKEN]), (0, 0), "kept", ""),
        (([FAIL], [BROKEN]), ([], [KEPT]), (0, 0), "gone", "kept in all 30 instances"),
        (([FAIL], [BROKEN]), ([], [KEPT]), (0, 1), "not seen", "B cannot tell: events are missing"),
        (([], [KEPT]), ([FAIL], [BROKEN]), (1, 0), "first seen", "A cannot tell: events are missing"),
        (([FAIL], [BROKEN]), ([], []), (0, 0), "not seen", "B cannot tell: the rule was not judged"),
        (([FAIL], [BROKEN]), ([], [verdicts(RULE, 0, 0, 0, 0, 9)]), (0, 0), "not seen", "nothing in it"),
        (([FAIL], [BROKEN]), ([], [verdicts(RULE, 0, 9, 1, 0, 0)]), (0, 0), "not seen", "1 of 10 undecided"),
        (([], [verdicts(RULE, 0, 9, 1, 0, 0)]), ([FAIL], [BROKEN]), (0, 0), "first seen", "1 of 10 undecided"),
        (([FAIL], [BROKEN]), ([], [KEPT | {"never_seen": UNSEEN}]), (0, 0), "not seen", "never shows WskControlClient"),
        (([FAIL], [BROKEN]), ([], [KEPT | {"never_seen": "WskBind"}]), (0, 0), "gone", "kept in all"),
        (([SUSPECT], [BROKEN]), ([FAIL], [BROKEN]), (0, 0), "kept", "only suspect in A"),
        (([FAIL], [BROKEN]), ([SUSPECT], [BROKEN]), (0, 1), "kept", "only suspect in B"),
        (([], [KEPT]), ([FAIL | {"ignored": "known"}], [BROKEN]), (0, 0), None, ""),
        (([], [KEPT]), ([FAIL | {"verdict": "note"}], [BROKEN]), (0, 0), None, ""),
    ],
)
def test_a_finding_in_both_traces(
    faked: Any, a: Any, b: Any, lost: tuple[int, int], change: str | None, why: str
) -> None:
    sides = [
        faked({"findings": f, "rules": r}, events_lost=n, sha256=str(n)) for (f, r), n in zip((a, b), lost, strict=True)
    ]
    found = {c.verdict: c for c in compared(*sides).changes}
    if change is None:
        assert not found
        return
    assert found["fail"].change == change
    assert why in found["fail"].why
    assert exit_status(compared(*sides), ["new"]) == (change == "new")
    assert exit_status(compared(*sides), ["first-seen"]) == (change == "first seen")


EDGE = {"item": "edge", "name": "load 0", "value": 0, "start": START}
FROM_THE_BEGINNING = EDGE | {"detail": "the driver's beginning is in the trace"}
LATE = EDGE | {"detail": RUNNING}


@pytest.mark.parametrize(
    ("a", "b", "fail", "suspect"),
    [
        (FROM_THE_BEGINNING, FROM_THE_BEGINNING, ("new", "gone"), ("new", "gone")),
        (LATE, LATE, ("new", "gone"), ("new", "gone")),
        (LATE, FROM_THE_BEGINNING, ("first seen", "gone"), ("first seen", "gone")),
        (FROM_THE_BEGINNING, LATE, ("new", "not seen"), ("first seen", "not seen")),
    ],
)
def test_what_a_late_start_leaves_out(faked: Any, a: Any, b: Any, fail: Any, suspect: Any) -> None:
    """What happened at the beginning cannot be in a trace that began later."""
    for verdict, changes in (("fail", fail), ("suspect", suspect)):
        held = {"findings": [finding(0, RULE, verdict=verdict)], "rules": [BROKEN]}
        clean = {"rules": [KEPT]}
        first, second = faked(clean | {"quality": [a]}), faked(held | {"quality": [b]}, sha256="b")
        assert [c.change for c in compared(first, second).changes] == [changes[0]]
        assert ("began when the driver was running" in render_text(compared(first, second))) == (a != b)
        first, second = faked(held | {"quality": [a]}), faked(clean | {"quality": [b]}, sha256="b")
        assert [c.change for c in compared(first, second).changes] == [changes[1]]


def test_durations_below_zero_are_none(faked: Any) -> None:
    """Clocks of processors may disagree; what is negative by them is left out, as in the table of latencies."""
    irps = [irp(number, "WskSend", number, took=took) for number, took in enumerate([-5, 10, 20])]
    sockets = [
        {"socket_id": n, "socket": n, "load": 0, "origin": "socket", "irps": 0, "open_irps": 0, "birth_operation": n}
        | {"lifetime_ns": span, "category": "datagram", "open_time": START, "close_time": START + span}
        for n, span in enumerate([-7, 30])
    ]
    trace = faked({"irps": irps, "sockets": sockets})
    found = compared(trace, trace)
    assert {(s.a_count, s.a_ns) for s in found.latency if (s.leg, s.fraction) == ("total", 0.5)} == {(2, 10)}
    assert {(s.a_count, s.a_ns) for s in found.lifetimes} == {(1, 30)}
    assert {"op": "WskSend", "leg": "total", "count": 2} in [
        {name: row[name] for name in ("op", "leg", "count")} for row in trace.arrow("latency").to_pylist()
    ]


def test_rules_that_one_trace_could_not_decide(faked: Any) -> None:
    a, b = (
        faked({"rules": [KEPT, verdicts("WSK-B", 0, 0, 4, 0, 0)]}),
        faked({"rules": [verdicts("WSK-B", 1, 6, 0, 0, 0)]}),
    )
    text = render_text(compared(a, b))
    assert f"in A: {RULE} 30\n" in text
    assert "in B: WSK-B 7\n" in text
    assert "could decide" not in render_text(compared(a, a))


def test_kinds_of_returns_and_outputs_in_what_was_never_seen(faked: Any) -> None:
    print_ = "R WskCloseSocket WskCloseSocket.return=STATUS_PENDING WskControlSocket.fact"
    a = faked({"findings": [finding(0, RULE, fingerprint=print_)], "rules": [BROKEN]})
    for kind, change in (
        ("WskCloseSocket return", "not seen"),
        ("WskControlSocket output", "not seen"),
        ("WskControlSocket", "gone"),
    ):
        b = faked({"rules": [KEPT | {"never_seen": f"WskListen, {kind}"}]})
        assert [c.change for c in compared(a, b).changes] == [change], kind


def test_the_hang_is_named() -> None:
    with wsktrace.open(SAMPLES / "clean.etl") as a, wsktrace.open(SAMPLES / "hang.etl") as b:
        found, back = compared(a, b), compared(b, a)
    assert "WSK-CLOSE-STUCK" in {c.rule for c in found.changes if c.change == "new" and c.verdict == "fail"}
    assert exit_status(found, ["new"]) == 1
    assert not [c for c in back.changes if c.change in ("new", "first seen") and c.verdict == "fail"]
    text = render_text(found)
    assert "open at the end: 0 → 2" in text.splitlines()[0]
    assert "WskConnect 4 → 2 (open 0 → 1)" in text
    assert "different lengths of time" in text


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 12))])
@pytest.mark.parametrize("way", ["lost", "hole"])
def test_losing_events_never_mends(seed: int, way: str) -> None:
    """A trace of faults and the same with losses, told by the header or by holes in the driver's counter only."""
    rules = sorted(FAULTS)
    traffic, _ = inject_many([(rules[(17 * seed + 11 * at) % len(rules)], 0) for at in range(4)], seed, sockets=8)
    options = TraceOptions(end=traffic.end, **traffic.settings)
    kept, lost = drop_events(traffic.events, bursts(traffic.events, seed, count=8, longest=60), options)
    files = [traffic.etl(), write_native(kept, options=lost if way == "lost" else options)]
    with wsktrace.open(io.BytesIO(files[0])) as whole, wsktrace.open(io.BytesIO(files[1])) as lossy:
        found, back = compared(whole, lossy), compared(lossy, whole)
    assert {c.change for c in found.changes} <= {"kept", "not seen", "first seen"}
    assert exit_status(found, ["new", "suspect"]) == 0
    assert "not seen" in {c.change for c in found.changes}
    assert "gone" not in {c.change for c in back.changes if c.verdict == "fail"}
    assert "new" not in {c.change for c in back.changes}
    assert "fixed" not in render_text(found)
    assert any("events are missing in B" in line for line in found.cautions)


def test_splits_by_status_and_outcome(traffic: Trace) -> None:
    found = compared(traffic, traffic, by=("op", "status"), ops=["WskReceive"])
    keys = {s.key for s in found.latency}
    receives = traffic.irps[(traffic.irps.op == "WskReceive") & traffic.irps.total_ns.notna()]
    wanted = set(receives.completion_status_name.fillna("none"))
    assert keys == {("WskReceive", status) for status in wanted}
    counts = {s.key[1]: s.a_count for s in found.latency if s.leg == "total"}
    assert counts == receives.completion_status_name.value_counts().to_dict()
    with pytest.raises(UsageError, match="nothing to group by is called 'cpu'"):
        compared(traffic, traffic, by=("cpu",))


def test_json_markdown_and_card(traffic: Trace, faked: Any) -> None:
    evil = "<script>alert(1)</script>|`x`\x1b[2J"
    b = faked(
        {"findings": [finding(0, RULE, message=evil, fingerprint=evil)], "irps": [irp(1, evil, 0, took=5)]}, file=evil
    )
    found = compared(traffic, b)
    held = json.loads(render_json(found))
    assert held["b"]["file"] == evil
    assert held["findings"][0]["message"] == evil
    assert {s["op"] for s in held["latency"]} >= {evil, "WskBind"}
    assert all(s["high"] is None or s["high"] >= s["ratio"] for s in held["latency"])
    for text in (render_text(found), render_markdown(found), card(found)):
        assert "\x1b" not in text
    assert "<script" not in render_markdown(found)
    assert "<script" not in card(found)
    assert "&lt;script&gt;" in card(found)


def test_nothing_to_compare(faked: Any, traffic: Trace) -> None:
    nothing = faked({}, judged=0)
    found = compared(nothing, traffic)
    assert any("A holds no WSK operation" in line for line in found.cautions)
    assert {s.verdict for s in found.latency} == {"too few to tell"}
    assert render_text(compared(nothing, nothing)).startswith(
        "broken rules: none in either · latency: nothing to compare"
    )
    assert json.loads(render_json(compared(nothing, nothing)))["latency"] == []


def test_trace_diff_gives_frames(traffic: Trace, faked: Any) -> None:
    found = traffic.diff(faked())
    assert (
        found.latency.loc[(found.latency.op == "WskReceive") & (found.latency["quantile"] == 0.5), "b_count"].max() == 2
    )
    assert set(found.findings.change) <= {"new", "first seen", "kept", "not seen", "gone"}
    assert {"rows", "calls", "IRPs"} <= set(found.counts.kind)
    assert set(found.sockets.category) >= {"listen"}
    for frame in (found.latency, found.findings, found.counts, found.sockets):
        assert all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)
    assert repr(found).startswith("broken rules: ")
    early = found.rules[found.rules.rule == RULE].iloc[0]
    assert (early.b_fail, early.b_pass, early.b_unknown) == (1, 30, 0)
    assert early.a_pass == traffic.rules.loc[traffic.rules.rule == RULE, "pass"].iloc[0]
    assert found._repr_html_().startswith("<div")
    empty = faked({}).diff(faked({}))
    assert list(empty.latency)[:3] == ["op", "leg", "quantile"]
    assert SECOND == 10**9


def test_a_trace_without_a_time_of_start(faked: Any) -> None:
    found = compared(faked({}), faked({}, sha256="b", start_ns=None))
    assert "B without a time of start: how much a second is not known" in found.cautions
    assert not any("lengths of time" in line for line in found.cautions)
    assert {c.b_per_s for c in found.counts} == {None}


def test_each_operation_of_which_there_are_too_few_is_told_once_with_its_leg(faked: Any) -> None:
    """30 sends of which 10 pended, 5 receives that all did."""
    sends = [
        irp(n, "WskSend", n, took=1000 + 7 * n % 30, **({} if n < 10 else {"pending_ns": None})) for n in range(30)
    ]
    trace = faked({"irps": [*sends, *(irp(40 + n, "WskReceive", 40 + n, took=50) for n in range(5))]})
    told = [line.strip() for line in render_text(compared(trace, trace)).splitlines()]
    assert "issue → completion: WskReceive 5 → 5" in told
    assert "pending → completion: WskSend 10 → 10" in told
    assert sum("WskReceive 5 → 5" in line for line in told) == 1
