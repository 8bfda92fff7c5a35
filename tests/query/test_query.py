from __future__ import annotations

import _thread
import builtins
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from faked_traces import IRP, SECOND, START, finding, irp
from time_limit import time_limit

import wsktrace
from wsktrace.errors import FormatError, MissingDependency, UsageError
from wsktrace.query import Session, SqlError
from wsktrace.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.trace import Trace

pytest.importorskip("duckdb")
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def etl() -> Iterator[Trace]:
    with wsktrace.open(SAMPLES / "many_faults.etl") as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(etl: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "net's folder"
    etl.to_parquet(path)
    return path


@pytest.fixture(params=["etl", "folder"])
def trace(request: pytest.FixtureRequest, etl: Trace, folder: Path) -> Trace:
    return etl if request.param == "etl" else wsktrace.load(folder)


def test_groups_are_those_of_pandas(trace: Trace) -> None:
    found = trace.sql("SELECT op, count(*) AS n, max(total_ns) AS longest FROM irps GROUP BY op ORDER BY op")
    wanted = trace.irps.groupby("op").agg(n=("irp_id", "count"), longest=("total_ns", "max")).reset_index()
    assert found.op.tolist() == wanted.op.tolist()
    assert found.n.tolist() == wanted.n.tolist()
    assert found.longest.fillna(-1).tolist() == wanted.longest.fillna(-1).tolist()
    assert all(isinstance(kind, pd.ArrowDtype) for kind in found.dtypes)


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_is_whole(trace: Trace, name: str) -> None:
    """Values, order, nulls and nanoseconds of every column; words come back as strings."""
    found, wanted = trace.sql(f"SELECT * FROM {name}", arrow=True), trace.arrow(name)
    assert found.column_names == wanted.column_names
    for column in found.column_names:
        held = wanted.column(column)
        kind = pa.string() if pa.types.is_dictionary(held.type) else held.type
        assert found.column(column).cast(kind).to_pylist() == held.to_pylist(), column
        assert pa.types.is_timestamp(kind) <= (found.schema.field(column).type == pa.timestamp("ns", "UTC"))


def test_times_are_utc_whatever_the_zone_of_the_machine(faked: Any) -> None:
    trace = faked({"irps": [irp(1, "WskReceive", 1, took=7)]})
    found = trace.sql(
        "SELECT issue_time, epoch_ns(issue_time) AS ns, issue_time < '2026-11-20 14:02:12' AS before,"
        " complete_time - issue_time AS took, strftime(issue_time, '%H:%M:%S') AS clock FROM irps",
        arrow=True,
    ).to_pylist()[0]
    assert found["issue_time"].value == found["ns"] == START + 1
    assert found["before"] is True
    assert found["took"] == pd.Timedelta(0)  # microseconds: 7 ns are none, as the documentation says
    assert found["clock"] == "14:02:11"


def test_functions(faked: Any) -> None:
    trace = faked({"irps": [irp(1, "WskReceive", 0, took=41_000, completion_status=0xC0000120)]})
    found = trace.sql(
        "SELECT addr(irp) AS a, dur(total_ns) AS d, dur(avg(total_ns)) AS m, status(completion_status) AS s,"
        " addr(client) AS nothing, count(*) FILTER (irp = address('ffffb10a`2c41e6a0')) AS hit FROM irps"
        " GROUP BY ALL"
    ).iloc[0]
    assert (found.a, found.d, found.m, found.s) == ("ffffb10a`2c41e6a0", "41 µs", "41 µs", "STATUS_CANCELLED")
    assert found.a == wsktrace.units.address_text(IRP + 0x100)
    assert pd.isna(found.nothing)
    assert found.hit == 1


def test_only_tables_that_are_named_are_built(faked: Any) -> None:
    trace = faked()
    trace.sql('WITH x AS (SELECT 1 FROM IRPS) SELECT * FROM x JOIN "findings" ON true')
    assert set(trace._source.asked) == {"irps", "findings"}


def test_several_statements_give_the_last_one(faked: Any) -> None:
    trace = faked()
    assert trace.sql("CREATE TABLE mine AS SELECT op FROM irps; SELECT count(*) AS n FROM mine;").n.tolist() == [4]
    assert trace.sql("SELECT 1; CREATE TABLE nothing AS SELECT 1", arrow=True).num_columns == 0
    assert trace.sql("", arrow=True).num_columns == 0
    assert trace.sql("SHOW TABLES").iloc[:, 0].tolist() == sorted(TABLES)


def test_text_of_a_trace_is_never_sql(faked: Any) -> None:
    evil = "x'; DROP VIEW irps; ATTACH '/tmp/a' --\x1b[2J"
    trace = faked({"findings": [finding(0, "WSK-A", message=evil, source_file=evil)], "irps": [irp(1, evil, 0)]})
    assert trace.sql("SELECT message FROM findings").message.tolist() == [evil]
    assert trace.sql("SELECT op FROM irps WHERE op = (SELECT source_file FROM findings)").op.tolist() == [evil]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('{folder}/irps.parquet')",
        "COPY irps FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{folder}/irps.parquet'",
        "EXPORT DATABASE '{folder}/all'",
        "IMPORT DATABASE '{folder}'",
        "INSTALL httpfs",
        "INSTALL httpfs FROM community",
        "LOAD httpfs",
        "ATTACH '{folder}/new.db' AS new",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET enable_external_access",
        "SET temp_directory = '{folder}'",
        "SELECT * FROM secret_of_the_process",
        "INSERT INTO irps SELECT * FROM irps",
        "UPDATE irps SET op = 'x'",
        "DELETE FROM irps",
        "UPDATE EXTENSIONS",  # a kind of statement that duckdb's own Python has no name for
        "CREATE VIEW v AS SELECT * FROM '{folder}/irps.parquet'",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    ],
)
def test_nothing_but_the_tables_is_in_reach(folder: Path, statement: str) -> None:
    trace = wsktrace.load(folder)
    secret_of_the_process = pd.DataFrame({"a": [1]})
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SqlError) as told:
        trace.sql(f"SELECT count(*) FROM irps; {statement}".replace("{folder}", str(folder).replace("'", "''")))
    assert "\n" not in str(told.value)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert len(secret_of_the_process) == 1


@pytest.mark.parametrize(
    ("statement", "message", "where"),
    [
        ("SELECT * FROM irpz", "no table irpz; did you mean irps? the tables are operations, irps", "^"),
        ("SELECT total FROM irps", "did you mean one of", "^"),
        ("SELECT\n  totl_ns FROM irps", "total_ns", "LINE 2:"),
        ("SELEC 1", "syntax error", ""),  # its place is told by some versions only
        ("SELECT address('zz')", "'zz' is no address such as ffff8001`23456780", ""),
        ("SELECT op::INTEGER FROM irps", "Could not convert string", ""),
        ("SELECT INTERVAL '1 month'", "no certain length", ""),
        ("SELECT TIMESTAMP '0001-01-01'", "a time before 1677", ""),
        ("SELECT 'infinity'::TIMESTAMPTZ", "a time before 1677", ""),
        ("SELECT '\udcff'", "no text in UTF-8", ""),
        ("SELECT address('-5')", "'-5' is no address", ""),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(etl: Trace, statement: str, message: str, where: str) -> None:
    with pytest.raises(UsageError) as told:
        etl.sql(statement)
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert isinstance(told.value, SqlError)
    assert where in told.value.where


def test_durations_beyond_all_clocks(etl: Trace) -> None:
    held = etl.sql("SELECT dur('inf'::DOUBLE), dur('nan'::DOUBLE), dur(1e300), dur(2e9)", arrow=True)
    assert [column.to_pylist() for column in held.columns] == [["inf ns"], ["nan ns"], ["1e+300 ns"], ["2 s"]]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C arrive, also where the tests run in the background, where shells have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_long_statement_prints_no_progress(etl: Trace) -> None:
    with Session({"t": etl.relation}) as session:
        (reader,) = session.run("SELECT value FROM duckdb_settings() WHERE name = 'enable_progress_bar'")
        assert reader.read_all().column(0).to_pylist() == ["false"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM range(1000000000000) a, range(1000000000) b",  # no row ever
        "SELECT dur(a.range) FROM range(100000000000) a",  # rows for ever
    ],
)
def test_ctrl_c_ends_a_statement_that_runs_for_ever(etl: Trace, statement: str, ctrl_c: None) -> None:
    with Session({"t": etl.relation}) as session:
        threading.Timer(0.2, _thread.interrupt_main).start()
        with time_limit(15), pytest.raises(KeyboardInterrupt):
            sum(batch.num_rows for reader in session.run(statement) if reader is not None for batch in reader)
        assert session.count("SELECT 1") == 1


def test_several_traces_have_a_column_that_names_them(etl: Trace, folder: Path) -> None:
    loaded = wsktrace.load(folder)
    with Session({"it's a": etl.relation, "b": loaded.relation}) as session:
        (reader,) = session.run("SELECT trace, count(*) AS n, min(irp_id) AS i FROM irps GROUP BY trace ORDER BY trace")
        found = reader.read_all().to_pylist()
    rows = etl.arrow("irps").num_rows
    assert found == [{"trace": "b", "n": rows, "i": 0}, {"trace": "it's a", "n": rows, "i": 0}]


def test_a_folder_is_read_where_it_is_asked(folder: Path) -> None:
    loaded = wsktrace.load(folder)
    assert loaded.sql("SELECT count(*) AS n FROM irps").n.tolist() == [wsktrace.load(folder).arrow("irps").num_rows]
    assert not loaded._arrow


def test_a_damaged_file_of_a_folder_is_told(etl: Trace, tmp_path: Path) -> None:
    etl.to_parquet(tmp_path / "x")
    loaded = wsktrace.load(tmp_path / "x")
    path = tmp_path / "x" / "irps.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"irps\.parquet cannot be read"):
        loaded.sql("SELECT * FROM irps")


def test_results_beyond_memory_spill_to_a_folder_that_goes(etl: Trace) -> None:
    with Session({"": etl.relation}) as session:
        folder = Path(session._spill.name)
        (reader,) = session.run("SELECT current_setting('temp_directory') AS t")
        assert reader.read_all().to_pylist() == [{"t": str(folder)}]
        assert folder.is_dir()
    assert not folder.exists()


def test_without_duckdb_the_message_names_the_line(monkeypatch: pytest.MonkeyPatch, faked: Any) -> None:
    real = builtins.__import__

    def fake(name: str, *more: Any, **also: Any) -> Any:
        if name == "duckdb":
            raise ModuleNotFoundError("No module named 'duckdb'")
        return real(name, *more, **also)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(MissingDependency, match=r'pip install "wsktrace\[sql\]"'):
        faked().sql("SELECT 1")


def test_queries_of_pandas_and_sql_agree_on_times(etl: Trace) -> None:
    late = etl.irps[etl.irps.issue_time > etl.irps.issue_time.min() + pd.Timedelta(5, "s")]
    found = etl.sql("SELECT irp_id FROM irps WHERE issue_time > (SELECT min(issue_time) FROM irps) + INTERVAL 5 SECOND")
    assert sorted(found.irp_id) == sorted(late.irp_id)
    assert 0 < len(late) < len(etl.irps)
    assert SECOND == 10**9


@pytest.mark.long
def test_a_big_folder_is_not_loaded(tmp_path: Path) -> None:
    """Two million rows of 90 MB in memory: one column is counted with much less."""
    code = f"""
import resource, numpy as np, pyarrow as pa
import wsktrace
from wsktrace import store
from wsktrace.arrow import arrow_schema, to_arrow, words
from wsktrace.schema import TABLES
from faked_traces import FACTS, START
n = 2_000_000
zero = np.zeros(n, np.int64)
held = {{name: arrow_schema(name).empty_table() for name in TABLES}}
ids = np.random.default_rng(1).permutation(n)
more = dict.fromkeys(["irp", "call_ns", "length", "information", "socket", "client", "socket_id"], ids)
held["irps"] = to_arrow("irps", dict(
    irp_id=ids, load=zero, op=words(zero, ["WskSend"]), issue_time=START + ids, total_ns=ids, own=np.ones(n, bool),
    completion=words(zero, ["pended"]), outcome=words(zero, ["succeeded"]), issue_operation=ids, **more))
store.write(held, {str(tmp_path / "big")!r}, facts=FACTS)
"""
    look = f"""
import resource, wsktrace
trace = wsktrace.load({str(tmp_path / "big")!r})
trace.sql("SELECT count(*) FROM rules")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert trace.sql("SELECT count(*) AS n FROM irps WHERE total_ns < 10").n.tolist() == [10]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    roots = os.pathsep.join(map(str, (Path(wsktrace.__file__).parents[1], Path(__file__).parents[1])))
    where: Any = {"env": {**os.environ, "PYTHONPATH": roots}, "check": True, "capture_output": True, "text": True}
    subprocess.run([sys.executable, "-c", code], **where)
    grown = int(subprocess.run([sys.executable, "-c", look], **where).stdout)
    assert grown < 150
