"""Folders of tables that somebody else made: refused in one line, or told without harm."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faked_traces import FACTS

import wsktrace
from wsktrace import store, store_checks
from wsktrace.arrow import arrow_schema
from wsktrace.cli.main import run
from wsktrace.errors import FormatError
from wsktrace.schema import TABLES
from wsktrace.schema_words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVIL = (
    "<script>alert(1)</script>", "\"'`]]>-->", "::error file=x::y\n::warning ::z", "a|b\r\n|c", "\x00", "\u202ertl",
    "\x1b[31m\x9b2J", "=cmd|'/c calc'!A1", "x" * 100_000, "", "$x^2$ $\\frac{", "../../etc/passwd", "{0}%s", "WskSend",
)  # fmt: skip
NUMBERS = (0, 1, 2, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
TIMES = (FACTS["start_ns"], FACTS["start_ns"] + 5, 0, -1, -(1 << 63) + 1, (1 << 63) - 1)


@pytest.fixture
def folder(faked: Any, tmp_path: Path) -> Path:
    faked().to_parquet(tmp_path / "net")
    return tmp_path / "net"


def change(folder: Path, name: str, how: Callable[[pa.Table], pa.Table]) -> None:
    """Write one table of a folder anew, with the metadata that it had."""
    path = folder / f"{name}.parquet"
    held = pq.read_table(path)
    pq.write_table(how(held).replace_schema_metadata(held.schema.metadata), path)


def put(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    def how(held: pa.Table) -> pa.Table:
        return held.set_column(held.schema.get_field_index(name), name, values(held.column(name)))

    return how


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("irps", put("irp_id", lambda c: c.cast(pa.int64())), "irp_id is of type int64, not uint64"),
        ("irps", put("issue_time", lambda c: c.cast(pa.timestamp("ns"))), "issue_time is of type timestamp[ns], not"),
        ("irps", put("irp_id", lambda c: pa.nulls(len(c), pa.uint64())), "irp_id lacks 4 values"),
        ("irps", put("outcome", lambda c: pa.array(["x"] * len(c)).dictionary_encode()), "outcome has the word 'x'"),
        ("findings", put("verdict", lambda c: pa.array([""] * len(c)).dictionary_encode()), "verdict has the word ''"),
        ("findings", put("evidence", lambda c: pa.array([["a"]] * len(c))), "evidence is of type list"),
    ],
)
def test_a_table_that_is_none_is_refused(folder: Path, name: str, how: Any, told: str) -> None:
    change(folder, name, how)
    with pytest.raises(FormatError) as error:
        wsktrace.load(folder).arrow(name)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_of_more_values_than_its_bytes_can_hold_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = wsktrace.load(folder)
    assert loaded.arrow("irps").num_rows == 4
    monkeypatch.setattr(store_checks, "_ROOM", 3)
    monkeypatch.setattr(store_checks, "_DENSITY", 0)
    with pytest.raises(FormatError, match="4 values in"):
        wsktrace.load(folder).arrow("irps")


@pytest.mark.parametrize(
    "facts", [{"judged": 10**30}, {"events_lost": -1}, {"end_ns": 1 << 70}, {"bytes": {"damaged": 1 << 64}}]
)
def test_facts_that_no_trace_has_are_refused(folder: Path, facts: dict[str, Any]) -> None:
    for name in TABLES:
        path = folder / f"{name}.parquet"
        held = pq.read_table(path)
        told = json.loads(held.schema.metadata[b"wsktrace"])
        told["trace"] |= facts
        pq.write_table(held.replace_schema_metadata({"wsktrace": json.dumps(told)}), path)
    with pytest.raises(FormatError, match="facts are not what they should be"):
        _ = wsktrace.load(folder).summary


def _value(rng: random.Random, table: str, column: Any) -> Any:
    if column.nullable and rng.random() < 0.2:
        return None
    if (known := WORDS.get((table, column.name))) is not None:
        return rng.choice(known)
    if column.type in ("word", "string"):
        return rng.choice(EVIL)
    if column.type == "time":
        return rng.choice(TIMES)
    if column.type == "ids":
        return [rng.choice(NUMBERS) for _ in range(rng.choice((0, 1, 500)))]
    if column.type == "int64":
        return rng.choice((0, 5, -1, -(1 << 63), (1 << 63) - 1))
    if column.type == "bool":
        return rng.random() < 0.5
    bits = {"uint8": 8, "uint16": 16, "uint32": 32, "status": 32}.get(column.type, 64)
    return rng.choice(NUMBERS) & ((1 << bits) - 1) if rng.random() < 0.5 else rng.randrange(9)


def wild(seed: int, folder: Path) -> None:
    """Write tables of the right types with anything in them."""
    rng = random.Random(seed)
    tables = {}
    for name, table in TABLES.items():
        schema, count = arrow_schema(name), rng.choice((0, 1, 8))
        columns = []
        for column, field in zip(table.columns, schema, strict=True):
            values = [_value(rng, name, column) for _ in range(count)]
            kind = pa.int64() if column.type == "time" else field.type
            if column.type == "word":
                columns.append(pa.array(values, pa.string()).dictionary_encode())
            else:
                columns.append(pa.array(values, kind).cast(field.type))
        tables[name] = pa.Table.from_arrays(columns, schema=schema)
    facts = FACTS | {"file": rng.choice(EVIL), "providers": [[text, 1] for text in EVIL]}
    store.write(tables, folder, facts=facts, force=True)


VERBS = (
    "check --unknown --coverage", "check --format sarif", "check --format junit", "check --format md",
    "check --format github", "check --format concise --redact", "check --format json", "check --format jsonl --redact",
    "show", "show --irp #0", "show --socket #0 --format md", "show --finding 0 --format json", "show --around +0.1",
    "latency", "diff", "diff --format json", "diff --format md", "info",
)  # fmt: skip
LONG = ("report -o out.html", "report --redact -o out.html", "timeline -o out.pftrace", "latency -o out.svg")


def try_all(folder: Path, verbs: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    for words in verbs:
        verb, *more = words.split()
        status = run([verb, str(folder), *([str(folder)] if verb == "diff" else []), *more])
        told = capsys.readouterr()
        assert "internal error" not in told.err, f"{words}: {told.err}"
        assert status in (0, 1, 2)
        odd = {c for c in told.out + told.err if not c.isprintable() and c not in "\n\u200b"}
        assert odd == set(), words
        commands = [line for line in told.out.splitlines() if line.startswith("::")]
        assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in commands), words


@pytest.mark.parametrize("seed", range(2))
def test_anything_of_the_right_types_is_told_without_harm(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild(seed, tmp_path / "wild")
    try_all(tmp_path / "wild", VERBS, capsys)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # matplotlib has no sign for all of it
@pytest.mark.parametrize("seed", range(2, 14))
def test_anything_of_the_right_types_is_drawn_without_harm(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wild(seed, tmp_path / "wild")
    try_all(tmp_path / "wild", (*VERBS, *LONG), capsys)
    for path in (*tmp_path.glob("*.html"), *tmp_path.glob("*.svg")):
        text = path.read_text("utf-8")
        assert "<script>alert" not in text
        assert all(c.isprintable() or c == "\n" for c in text)
