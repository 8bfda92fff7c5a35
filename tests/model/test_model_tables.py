"""Lives as tables: exactly the columns of schema.py, of their types; keys unique, references kept, nothing invented."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import pytest

from wsktrace.errors import UsageError
from wsktrace.schema import TABLES
from wsktrace.testing.driver import busy
from wsktrace.testing.etl_writer import write_native
from wsktrace.testing.faults import inject_many
from wsktrace.testing.script import run_script
from wsktrace.trace.analysis import Analysis

if TYPE_CHECKING:
    import pyarrow as pa

#: What the analysis makes; latency is made of irps elsewhere.
MADE = [name for name in TABLES if name != "latency"]
# architecture, "Values"
VALUES = {
    ("operations", "phase"): {"enter", "return", "complete", "complete_return", "callback", "callback_return", "fact"},
    ("irps", "completion"): {"inline", "pended", "none_seen"},
    ("irps", "outcome"): {"succeeded", "failed", "cancelled", "open", "unknown"},
    ("sockets", "origin"): {"socket", "socket_connect", "accept", "accept_event", "adopted"},
    ("sockets", "category"): {"basic", "listen", "datagram", "connection", "stream"},
    ("findings", "verdict"): {"fail", "suspect", "unknown", "note"},
    ("findings", "severity"): {"error", "warning", "info"},
    ("findings", "party"): {"client", "provider", "instrumentation"},
    ("findings", "reason"): {"U-CAP", "U-START", "U-LOST", "U-ORDER", "U-ALIAS", "U-END"},
    ("findings", "subject_table"): {"irps", "sockets", "descriptors", "registrations", "operations"},
}
TYPES = {
    "bool": "bool", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64", "int64": "int64",
    "string": "string", "word": "dictionary<values=string, indices=int32, ordered=0>", "address": "uint64",
    "status": "uint32", "time": "timestamp[ns, tz=UTC]", "ids": "list<element: uint64>",
}  # fmt: skip


def _midway() -> bytes:
    """A trace that begins midway, lost events, and was never stopped."""
    script = "trace stopped=no\ndriver\nopen S Flags=datagram\nlate\nrun WskSendTo S\nlost 3\nrun WskSendTo S\n"
    return run_script(f"{script}cache own sd\nrelease sd\nrelease sd\nwait 1s").etl()


@functools.cache
def analysed(which: str) -> Analysis:
    if which == "faulty":
        faults = [("WSK-SD-LEAK", 0), ("WSK-IRP-REUSE-PENDING", 0), ("WSK-USE-AFTER-CLOSE", 0)]
        data = inject_many(faults, 3, sockets=12, drivers=2, loads=2)[0].etl()
    elif which == "busy":
        data = busy(4, sockets=25).etl()
    elif which == "midway":
        data = _midway()
    else:
        data = write_native([])
    return Analysis(io.BytesIO(data), unknown=True)


TRACES = pytest.mark.parametrize("which", ["faulty", "busy", "midway", "empty"])


def rows(which: str, name: str) -> list[dict[str, Any]]:
    return analysed(which).table(name).to_pylist()


@TRACES
@pytest.mark.parametrize("name", MADE)
def test_table_is_exactly_the_schemas(name: str, which: str) -> None:
    found: pa.Table = analysed(which).table(name)
    declared = TABLES[name].columns
    assert found.column_names == [c.name for c in declared]
    for column in declared:
        field = found.schema.field(column.name)
        assert str(field.type) == TYPES[column.type], column.name
        assert field.nullable == column.nullable, column.name
        if not column.nullable:
            assert found.column(column.name).null_count == 0, column.name
        assert field.metadata[b"meaning"].decode() == column.meaning
        assert field.metadata[b"unit"].decode() == column.unit
    found.validate(full=True)


@TRACES
@pytest.mark.parametrize(("name", "column"), VALUES)
def test_words_are_those_of_the_architecture(name: str, column: str, which: str) -> None:
    assert {r[column] for r in rows(which, name)} - {None} <= VALUES[name, column]


def test_made_traces_show_most_of_these_words() -> None:
    """So that the test above looks at something."""
    every = {key: {r[key[1]] for w in ("faulty", "busy", "midway") for r in rows(w, key[0])} - {None} for key in VALUES}
    assert every["operations", "phase"] == VALUES["operations", "phase"]
    assert every["irps", "completion"] == VALUES["irps", "completion"]
    assert every["irps", "outcome"] >= {"succeeded", "failed", "cancelled", "open"}
    assert every["sockets", "origin"] == VALUES["sockets", "origin"]
    assert every["findings", "verdict"] == VALUES["findings", "verdict"]


@TRACES
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("operations", "operation_id"), ("irps", "irp_id"), ("sockets", "socket_id"), ("descriptors", "descriptor_id"),
        ("registrations", "registration_id"), ("findings", "finding_id"),
    ],
)  # fmt: skip
def test_keys_are_unique_in_the_trace(name: str, key: str, which: str) -> None:
    found = [r[key] for r in rows(which, name)]
    assert found == list(range(len(found)))


REFERENCES = [
    ("irps", "issue_operation", "operations"), ("irps", "return_operation", "operations"),
    ("irps", "complete_operation", "operations"), ("irps", "socket_id", "sockets"), ("sockets", "irp_id", "irps"),
    ("sockets", "parent_id", "sockets"), ("sockets", "birth_operation", "operations"),
    ("sockets", "close_operation", "operations"), ("sockets", "closed_operation", "operations"),
    ("descriptors", "first_operation", "operations"), ("registrations", "first_operation", "operations"),
    ("operations", "irp_id", "irps"), ("operations", "socket_id", "sockets"), ("findings", "irp_id", "irps"),
    ("findings", "socket_id", "sockets"),
]  # fmt: skip


@TRACES
@pytest.mark.parametrize(("name", "column", "target"), REFERENCES)
def test_references_lead_to_rows_of_the_same_load(name: str, column: str, target: str, which: str) -> None:
    targets = rows(which, target)
    for r in rows(which, name):
        if r[column] is not None:
            assert r[column] < len(targets)
            if "load" in r:
                assert targets[r[column]]["load"] == r["load"]


@TRACES
def test_operations_are_in_the_order_of_time_and_lead_to_their_records(which: str) -> None:
    found = rows(which, "operations")
    assert len({(r["record_buffer"], r["record_offset"]) for r in found}) == len(found)
    times = [r["time"].value for r in found]
    assert times == sorted(times)


@TRACES
def test_evidence_leads_to_operations(which: str) -> None:
    n = len(rows(which, "operations"))
    for finding in rows(which, "findings"):
        assert finding["evidence"] or finding["rule"].startswith("WSK-TRACE-")
        assert finding["evidence"] == sorted(set(finding["evidence"]))
        assert all(place < n for place in finding["evidence"])
        assert finding["subject_id"] < len(rows(which, finding["subject_table"]))


@TRACES
def test_durations_are_those_of_the_times(which: str) -> None:
    spans = {
        "irps": [("call_ns", "issue_time", "return_time"), ("total_ns", "issue_time", "complete_time")],
        "sockets": [("lifetime_ns", "open_time", "close_time"), ("close_ns", "close_time", "closed_time")],
    }
    for name, wanted in spans.items():
        for r in rows(which, name):
            for column, begin, end in wanted:
                whole = r[begin] is not None and r[end] is not None
                assert r[column] == ((r[end] - r[begin]).value if whole else None), (name, column)
    for r in rows(which, "irps"):
        pended = r["completion"] == "pended" and r["return_status"] == 0x103
        assert r["pending_ns"] == ((r["complete_time"] - r["return_time"]).value if pended else None)


@TRACES
def test_status_names_go_with_statuses(which: str) -> None:
    for name, column in (("operations", "status"), ("irps", "return_status"), ("irps", "completion_status")):
        for r in rows(which, name):
            assert (r[column] is None) == (r[f"{column}_name"] is None)
            if r[column] in (0, 0x103, 0xC0000120):
                names = {0: "STATUS_SUCCESS", 0x103: "STATUS_PENDING", 0xC0000120: "STATUS_CANCELLED"}
                assert r[f"{column}_name"] == names[r[column]]


@TRACES
def test_counts_of_rules_are_those_of_the_findings(which: str) -> None:
    found = rows(which, "findings")
    for r in rows(which, "rules"):
        mine = [f["verdict"] for f in found if f["rule"] == r["rule"]]
        assert mine.count("fail") == r["fail"]
        assert mine.count("suspect") == r["suspect"]
        assert mine.count("suspect") + mine.count("unknown") == r["unknown"]


def test_status_without_a_name_is_told_in_hexadecimal() -> None:
    script = run_script("driver\nopen S Flags=datagram\nrun WskBind S -> PENDING, complete 0xC0001234")
    table = Analysis(io.BytesIO(script.etl())).table("irps").to_pylist()
    assert [r["completion_status_name"] for r in table if r["op"] == "WskBind"] == ["0xc0001234"]


def test_unknown_table_is_refused() -> None:
    with pytest.raises(UsageError, match="no table named 'sokets'"):
        analysed("empty").table("sokets")
