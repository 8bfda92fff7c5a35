from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from busy_trace import busy_trace
from faked_traces import irp

from wsktrace.arrow import to_arrow
from wsktrace.errors import UsageError
from wsktrace.stats import KEYS, LEGS, Group, Histogram, grouped_by, histograms_of, latency_columns, merge_latency

WAYS = [(), ("op",), ("status",), ("op", "outcome"), ("completion", "category"), ("family",), tuple(KEYS)]
FRACTIONS = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99, "p999_ns": 0.999}


def _table(trace: Any, by: tuple[str, ...]) -> Any:
    return to_arrow("latency", latency_columns(trace.arrow("irps"), trace.arrow("sockets"), by=by))


def _raw(trace: Any) -> pd.DataFrame:
    """Return the uses of IRPs with what they can be grouped by, made by pandas."""
    sockets = trace.sockets.set_index("socket_id")
    irps = trace.irps.copy()
    families = {2: "AF_INET", 23: "AF_INET6"}
    at = irps.socket_id
    irps["status"] = irps.completion_status_name.fillna("none")
    irps["category"] = [
        "no socket" if pd.isna(i) else "unknown" if pd.isna(sockets.category[i]) else sockets.category[i] for i in at
    ]
    irps["family"] = ["no socket" if pd.isna(i) else families.get(sockets.address_family[i], "unknown") for i in at]
    return irps


@pytest.mark.parametrize("by", WAYS)
def test_groups_against_pandas_on_raw_values(by: tuple[str, ...]) -> None:
    trace = busy_trace()
    irps = _raw(trace)
    rows = {tuple(r[k] for k in (*by, "leg")): r for r in _table(trace, by).to_pylist()}
    groups = irps.groupby(list(by)) if by else [((), irps)]
    seen = 0
    for name, held in groups:
        for leg, column in LEGS.items():
            row = rows[*name, leg]
            values = held[column].dropna().astype("int64").to_numpy()
            absent = held[held[column].isna()]
            assert (row["uses"], row["count"], row["absent"]) == (len(held), len(values), len(absent))
            assert row["absent_open"] == (absent.outcome == "open").sum()
            assert row["absent_inline"] == (absent.completion == "inline").sum()
            assert sum(row["counts"]) == len(values)
            seen += 1
            if not len(values):
                assert row["min_ns"] is row["p50_ns"] is row["max_ns"] is None
                continue
            assert (row["min_ns"], row["max_ns"]) == (values.min(), values.max())
            for percentile, fraction in FRACTIONS.items():
                exact = np.quantile(values, fraction, method="inverted_cdf")
                assert abs(row[percentile] - exact) <= exact / 100
    assert seen == len(rows)
    assert trace.arrow("irps").num_rows == sum(r["uses"] for r in rows.values()) // len(LEGS)


@pytest.mark.parametrize("by", WAYS)
def test_tables_of_parts_merge_to_the_table_of_the_whole(by: tuple[str, ...]) -> None:
    trace = busy_trace()
    irps, sockets = trace.arrow("irps"), trace.arrow("sockets")
    cuts = [0, 3, irps.num_rows // 2, irps.num_rows]
    parts = [irps.slice(a, b - a) for a, b in pairwise(cuts)]
    tables = [to_arrow("latency", latency_columns(part, sockets, by=by)) for part in [*parts, irps.slice(0, 0)]]
    assert merge_latency(tables).to_pylist() == _table(trace, by).to_pylist()


def test_histograms_are_read_back() -> None:
    trace = busy_trace()
    irps = _raw(trace)
    table = _table(trace, ("op", "outcome"))
    held = histograms_of(table)
    assert len(held) == table.num_rows
    for group, found in held.items():
        chosen = irps[(irps.op == group.op) & (irps.outcome == group.outcome)][LEGS[group.leg]].dropna()
        whole = Histogram.of(chosen.astype("int64").to_numpy())
        assert np.array_equal(found.bins, whole.bins)
        assert np.array_equal(found.counts, whole.counts)
        assert (found.min_ns, found.max_ns) == (whole.min_ns, whole.max_ns)


def test_rows_say_what_they_are_of() -> None:
    assert Group("WskSend", "total", outcome="failed").name == "WskSend · failed"
    assert Group("all", "total", family="AF_INET").name == "AF_INET"
    assert Group("all", "total").name == "all"
    table = _table(busy_trace(), ("op",))
    assert grouped_by(table) == ("op",)
    assert grouped_by(_table(busy_trace(), ())) == ()
    assert grouped_by(_table(busy_trace(), ("family", "op"))) == ("op", "family")


def test_the_table_of_a_trace_is_by_operation(faked: Any) -> None:
    rows = faked().arrow("latency").to_pylist()
    assert [(r["op"], r["leg"], r["count"], r["absent_open"]) for r in rows[:3]] == [
        ("WskReceive", "total", 2, 0),
        ("WskReceive", "pending", 2, 0),
        ("WskReceive", "call", 0, 0),
    ]
    assert {r["op"]: r["absent_open"] for r in rows if r["leg"] == "total" and not r["count"]} == {
        "WskCloseSocket": 1,
        "WskConnect": 1,
    }
    assert (rows[0]["min_ns"], rows[0]["max_ns"], rows[0]["p99_ns"]) == (41_000, 1_930_000, 1_930_000)
    assert all(a <= v <= a * 1.01 for a, v in zip(rows[0]["bins"], (41_000, 1_930_000), strict=True))


def test_sockets_in_any_order_and_of_no_trace(faked: Any) -> None:
    irps = [irp(1, "WskSend", 0, took=5, socket_id=9), irp(2, "WskSend", 0, took=6, socket_id=4)]
    irps += [irp(3, "WskSend", 0, took=7), irp(4, "WskSend", 0, took=8, socket_id=77)]
    made = {"origin": "socket", "load": 0, "irps": 1, "open_irps": 0, "birth_operation": 1}
    sockets = [
        {"socket_id": 9, "category": "listen", "address_family": 23, **made},
        {"socket_id": 4, "category": "stream", "address_family": 99, **made},
    ]
    rows = _table(faked({"irps": irps, "sockets": sockets}), ("category", "family")).to_pylist()
    found = {(r["category"], r["family"]): r["max_ns"] for r in rows if r["leg"] == "total"}
    assert found == {
        ("listen", "AF_INET6"): 5,
        ("stream", "address family 99"): 6,
        ("no socket", "no socket"): 7,
        ("unknown", "unknown"): 8,
    }


def test_thousands_of_groups(faked: Any) -> None:
    rng = np.random.default_rng(0)
    took = rng.integers(0, 10**9, 6000)
    rows = [
        irp(n, f"Wsk{n % 40}", 0, took=int(t), completion_status_name=f"0x{n % 2500:08x}") for n, t in enumerate(took)
    ]
    found = _table(faked({"irps": rows}), ("op", "status")).to_pylist()
    total = {(r["op"], r["status"]): (r["count"], r["min_ns"], r["max_ns"]) for r in found if r["leg"] == "total"}
    frame = pd.DataFrame({"op": [r["op"] for r in rows], "status": [r["completion_status_name"] for r in rows]})
    frame["took"] = took
    exact = frame.groupby(["op", "status"]).took.agg(["count", "min", "max"])
    assert total == {name: tuple(row) for name, row in zip(exact.index, exact.to_numpy().tolist(), strict=True)}


def test_nothing(faked: Any) -> None:
    assert faked({}).arrow("latency").num_rows == 0
    assert merge_latency([]).num_rows == 0
    assert merge_latency([faked({}).arrow("latency")]).schema.names == faked({}).arrow("latency").schema.names
    assert grouped_by(faked({}).arrow("latency")) == ()


@pytest.mark.parametrize(
    ("by", "words"), [(("colour",), "op, status"), (("op", "op"), "twice"), (("category",), "needs the table sockets")]
)
def test_what_cannot_be_grouped_by(by: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        latency_columns(busy_trace().arrow("irps"), by=by)


def test_tables_of_other_groups_are_not_merged() -> None:
    with pytest.raises(UsageError, match="all and op cannot be merged"):
        merge_latency([_table(busy_trace(), ("op",)), _table(busy_trace(), ())])
