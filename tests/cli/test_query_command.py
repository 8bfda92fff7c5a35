from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

import wsktrace
from wsktrace.cli.main import run

if TYPE_CHECKING:
    from wsktrace.trace import Trace

pytest.importorskip("duckdb")
SAMPLES = Path(__file__).parents[2] / "samples"
HANG, CLEAN = str(SAMPLES / "hang.etl"), str(SAMPLES / "clean.etl")
SQL = "SELECT irp, op, issue_time, total_ns, completion_status, doubt FROM irps ORDER BY irp_id"


@pytest.fixture(scope="module")
def hang() -> Trace:
    with wsktrace.open(HANG) as opened:
        opened.arrow("irps")
    return opened


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, SQL + " LIMIT 3"]) == 0
    out, err = capsys.readouterr()
    head, rule, *rows, told = out.splitlines()
    assert err == ""
    assert head.split() == ["irp", "op", "issue_time", "total_ns", "completion_status", "doubt"]
    assert set(rule) == {"─", " "}
    assert rows[0].split() == [
        "ffffb10a`2c41e010",
        "WskSocket",
        "2026-11-20T14:00:09.812265000Z",
        "85500",
        "0x0",
        "null",
    ]
    assert told == "3 rows"


def test_rows_that_are_not_shown_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, SQL, "--rows", "5"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "60 rows, 55 of them not shown (--rows 0 shows all)"
    assert len(out.splitlines()) == 2 + 5 + 1
    assert run(["query", HANG, SQL, "--rows", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "60 rows"


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_formats_for_machines_hold_all_rows(hang: Trace, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, SQL, "--format", form]) == 0
    out = capsys.readouterr().out
    if form == "csv":
        found = [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(out))]
    else:
        found = json.loads(out) if form == "json" else [json.loads(line) for line in out.splitlines()]
    irps = hang.arrow("irps").to_pylist()
    assert [int(row["irp"], 16) for row in found] == [row["irp"] for row in irps]
    assert [row["op"] for row in found] == [row["op"] for row in irps]
    assert [row["total_ns"] and int(row["total_ns"]) for row in found] == [row["total_ns"] for row in irps]
    assert [row["doubt"] for row in found] == [row["doubt"] for row in irps]
    assert found[0]["issue_time"] == "2026-11-20T14:00:09.812265000Z"


def test_parquet_keeps_types(hang: Trace, tmp_path: Path) -> None:
    assert run(["query", HANG, SQL, "-o", str(tmp_path / "x.parquet")]) == 0
    found = pq.read_table(tmp_path / "x.parquet")
    wanted = hang.arrow("irps")
    for name in ("irp", "issue_time", "total_ns", "completion_status"):
        assert found.schema.field(name).type == wanted.schema.field(name).type
        assert found.column(name).to_pylist() == wanted.column(name).to_pylist()


def test_markdown_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, "SELECT '<b>|x' || chr(27) AS \"a|b\", 1 AS n", "--format", "md"]) == 0
    assert capsys.readouterr().out == ("| a&#124;b | n |\n| --- | --: |\n| &#60;b&#62;&#124;x&#92;x1b | 1 |\n")


def test_control_characters_stay_off_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, "SELECT chr(27) || '[2J' AS \"a\x1b\""]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_values_that_json_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    sql = (
        "SELECT 'nan'::DOUBLE a, 1.50::DECIMAL(5,2) b, sum(9223372036854775807::BIGINT) c, [1, NULL] d, {'x': 1} e,"
        " 'ab'::BLOB f, DATE '2026-01-02' g, 1 AS a FROM range(2)"
    )
    assert run(["query", HANG, sql, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "a": None,
            "b": "1.50",
            "c": 2 * (2**63 - 1),
            "d": [1, None],
            "e": {"x": 1},
            "f": "6162",
            "g": "2026-01-02",
            "a_1": 1,
        }
    ]


def test_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    empty = SQL.replace("ORDER", "WHERE false ORDER")
    for form, wanted in (("json", "[]\n"), ("jsonl", ""), ("csv", SQL[7:].split(" FROM")[0].replace(" ", "") + "\n")):
        assert run(["query", HANG, empty, "--format", form]) == 0
        assert capsys.readouterr().out == wanted
    assert run(["query", HANG, empty]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 rows"


def test_a_wrong_statement_shows_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, "SELECT totl_ns FROM irps"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    told, line, caret = err.splitlines()
    assert told.startswith("wsktrace: SQL: ")
    assert "total_ns" in told
    assert line.index("totl_ns") == caret.index("^")


@pytest.mark.parametrize("arguments", [[HANG], [HANG, CLEAN], [HANG, "--tables"], [HANG, " "]])
def test_without_sql_the_tables_are_listed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", *arguments]) == 0
    out = capsys.readouterr().out
    assert "irps  One use of an IRP" in out
    assert "completion_status_name" in out


def test_several_traces(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", HANG, CLEAN, "SELECT trace, count(*) n FROM irps GROUP BY trace", "--format", "json"]) == 0
    found = {row["trace"]: row["n"] for row in json.loads(capsys.readouterr().out)}
    assert found == {HANG: 60, CLEAN: 92}


def test_sql_from_a_file_and_from_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.sql").write_text("SELECT 7 AS seven -- µ", "utf-8")
    assert run(["query", HANG, "--sql-file", str(tmp_path / "q.sql"), "--format", "csv"]) == 0
    assert capsys.readouterr().out == "seven\n7\n"
    for arguments in ([HANG, "-"], [HANG, "--sql-file", "-"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 8 AS eight"))
        assert run(["query", *arguments, "--format", "csv"]) == 0
        assert capsys.readouterr().out == "eight\n8\n"


def test_several_statements(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sql = "CREATE TABLE x AS SELECT 1 AS one; SELECT one FROM x; SELECT 2 AS two"
    assert run(["query", HANG, sql]) == 0
    assert capsys.readouterr().out == "one\n───\n  1\n1 row\n\ntwo\n───\n  2\n1 row\n"
    assert run(["query", HANG, sql, "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out == "two\n2\n"
    assert err == "wsktrace: csv takes one result, the last; results before it: 1\n"
    assert run(["query", HANG, "CREATE TABLE x AS SELECT 1", "-o", str(tmp_path / "x.csv")]) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELECT 1"], "name the trace before the SQL"),
        (["SELECT 1", HANG], "the SQL comes after the traces"),
        (["nope.etl", "SELECT 1"], "nope.etl: no such file"),
        ([HANG, "SELECT 1", "-o", "x.docx"], "what format"),
        ([str(SAMPLES / "README.md"), "SELECT 1 FROM irps"], "README.md"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_narrow_terminal_gets_fewer_columns() -> None:
    from wsktrace.query import Session
    from wsktrace.report.result import text_table

    with wsktrace.open(HANG) as trace, Session({"": trace.relation}) as session:
        (reader,) = session.run("SELECT * FROM irps")
        text = text_table(reader, most=2, width=80)
    *lines, told = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[0] == "irp_id"
    assert lines[0].split()[-1] == "complete_operation"
    assert "columns do not fit: " in told
    assert "total_ns" in told


def test_a_folder_gives_what_the_etl_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", HANG, "-o", str(tmp_path / "x")]) == 0
    capsys.readouterr()
    outs: list[Any] = []
    for trace in (HANG, str(tmp_path / "x")):
        assert run(["query", trace, SQL, "--format", "csv"]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]


def test_csv_on_a_terminal_cannot_steer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    sql = "SELECT chr(27) || '[2J' || chr(155) AS a"
    for kind, told in ((Terminal, b"a\n\\x1b[2J\\x9b\n"), (io.TextIOWrapper, b"a\n\x1b[2J\xc2\x9b\n")):
        out = kind(io.BytesIO(), "utf-8")
        monkeypatch.setattr("sys.stdout", out)
        assert run(["query", HANG, sql, "--format", "csv", "-q"]) == 0
        out.flush()
        held = out.buffer.getvalue()  # type: ignore[attr-defined]
        assert held == told
