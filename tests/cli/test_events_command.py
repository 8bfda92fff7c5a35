"""``wsktrace events``: what comes out of the corpus, formats, filters, prefix, order, damage, pipes."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from time_limit import time_limit

import wsktrace
from wsktrace.cli.main import run
from wsktrace.decode import events
from wsktrace.decode.contents import gather
from wsktrace.decode.event_filter import EventFilter
from wsktrace.decode.symbols import Symbols
from wsktrace.etl.file import open_trace
from wsktrace.report.events.lines import Prefix, csv_lines, text_lines
from wsktrace.report.events.table import events_table
from wsktrace.testing.damage import damage, flip_bits
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_records import event, full, message, perfinfo
from wsktrace.testing.etl_writer import write_records

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", ROOT.parent / "shared" / "corpus"))
TRACES = sorted((CORPUS / "etl").glob("*.etl"))
FINDNEEDLE = CORPUS / "tmf" / "findneedle"
needs_corpus = pytest.mark.skipif(not TRACES, reason="no corpus here; WSKTRACE_CORPUS names its folder")

DRIVER = UUID("5b6f6c9a-1d2e-3f40-8192-a3b4c5d6e7f8")
PROVIDER = UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
UNKNOWN = UUID("11111111-2222-3333-4444-555555555555")
OPTIONS = TraceOptions()
TMF = f"""{DRIVER} drv // SRC=Device.c MJ= MN=
#typev Device_c104 10 "%0[%!FUNC!] irp %10!p! of %11!s!" // LEVEL=TRACE_LEVEL_ERROR FLAGS=IO FUNC=DrvSend
{{
Irp, ItemPtr -- 10
Name, ItemString -- 11
}}
#typev Device_c7 11 "%0length %10!u!" // LEVEL=TRACE_LEVEL_VERBOSE FLAGS=IO FUNC=DrvReceive
{{
Length, ItemLong -- 10
}}
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TRACE_FORMAT_PREFIX", "TRACE_FORMAT_SEARCH_PATH", "_NT_SYMBOL_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


#: leaves out the records that the writer puts into the header buffer, as ETW does
OWN = ("--since", "+0.0000005")


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert run(["events", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def objects(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(capsys, *arguments, "--format", "jsonl")]


def schema(name: str, *fields: tuple[str, bytes]) -> bytes:
    body = b"\0" + name.encode() + b"\0" + b"".join(n.encode() + b"\0" + kind for n, kind in fields)
    return struct.pack("<H", len(body) + 2) + body


def self_described(ns: int, value: int, *, cpu: int = 0, level: int = 4) -> Any:
    traits = struct.pack("<H", 2 + 4) + b"Mine"[:3] + b"\0"
    items = [(12, traits), (11, schema("Sized", ("Size", b"\x08"), ("Note", b"\x02")))]
    return event(
        PROVIDER, struct.pack("<I", value) + b"a\nb\0", OPTIONS.clock_at(ns), cpu, level=level, tid=7, pid=4, ext=items
    )


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Symbols:
    """All symbol files of the corpus."""
    return Symbols([CORPUS / "tmf", CORPUS / "manifests"], environment={}, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """One event of each family, written in another order than they happened."""
    clock = OPTIONS.clock_at
    target = tmp_path / "mixed.etl"
    write_records(
        [
            message(11, struct.pack("<i", 42), clock(5_000), 1, guid=DRIVER, tid=12, pid=4),
            message(10, struct.pack("<Q", 0xFFFF8001_23456780) + b"net\0", clock(1_000), guid=DRIVER, tid=8, pid=4),
            message(77, b"\1\2\3", clock(7_000), guid=UNKNOWN, tid=8, pid=99),
            self_described(3_000, 1460),
            full(UNKNOWN, b"xyz", clock(9_000), type=5, tid=8, pid=4),
            perfinfo(60, 9, b"", clock(11_000)),
        ],
        target,
        options=OPTIONS,
    )
    (tmp_path / "drv.tmf").write_text(TMF)
    return target


def test_text_is_like_the_reference_formatters_in_utc(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, mixed, *OWN, "--symbols", mixed.parent)
    assert [line.split("]", 2)[-1] for line in lines] == [
        "[DrvSend] irp FFFF800123456780 of net",
        "Sized: Size=1460, Note=a\\nb",
        "length 42",
        "(no format) message 77, 3 bytes: 010203",
        "(no format) type 5 version 0, 3 bytes: 78797a",
        "(no format) type 9 version 2, 0 bytes",
    ]
    assert lines[0].startswith("[0]0004.0008::2026-11-20T14:00:00.")
    assert lines[2].startswith("[1]0004.000C::")
    assert lines[5].startswith("[0]-.-::")
    assert [line.split("::")[1].split("Z")[0][-6:] for line in lines] == [
        "001000", "003000", "005000", "007000", "009000", "011000",
    ]  # fmt: skip


def test_json_lines(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = objects(capsys, mixed, *OWN, "--symbols", mixed.parent / "drv.tmf")
    assert len(found) == 6
    assert list(found[0])[:4] == ["time", "cpu", "pid", "tid"]
    first, second = found[0], found[1]
    assert first | {"time": None} == {
        "time": None, "cpu": 0, "pid": 4, "tid": 8, "provider": "drv", "guid": str(DRIVER), "event": "DrvSend",
        "id": 10, "version": 0, "opcode": 0, "level": 2, "keyword": "0x0",
        "message": "[DrvSend] irp FFFF800123456780 of net", "file": "Device.c", "line": 104, "function": "DrvSend",
        "format": "TMF drv.tmf", "fields": {"Irp": 0xFFFF8001_23456780, "Name": "net"},
    }  # fmt: skip
    assert second["fields"] == {"Size": 1460, "Note": "a\nb"}
    assert (second["format"], second["event"], second["level"]) == ("TraceLogging", "Sized", 4)
    assert [one["fields"] for one in found[3:]] == [None, None, None]
    assert found[5]["pid"] is None


def test_messages_without_a_format_are_said(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, said in (
        (["--symbols", str(mixed.parent / "drv.tmf")], "mixed.etl: 1 WPP message has no format; wsktrace info says"),
        ([], "mixed.etl: 3 WPP messages have no format; wsktrace info says"),
    ):
        assert run(["events", str(mixed), *more]) == 0
        assert said in capsys.readouterr().err
    assert run(["events", str(mixed), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_csv(mixed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert printed(capsys, mixed, *OWN, "--symbols", mixed.parent, "-o", target) == []
    rows = list(csv.DictReader(io.StringIO(target.read_text("utf-8"))))
    assert len(rows) == len(target.read_text("utf-8").splitlines()) - 1 == 6
    assert rows[0]["message"] == "[DrvSend] irp FFFF800123456780 of net"
    assert json.loads(rows[0]["fields"])["Name"] == "net"
    assert rows[1]["fields"] == '{"Size": 1460, "Note": "a\\nb"}'
    assert rows[3]["fields"] == ""


def test_parquet_and_the_library_give_the_same_typed_columns(
    mixed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "out.parquet"
    printed(capsys, mixed, *OWN, "--symbols", mixed.parent, "-o", target)
    table = pq.read_table(target)
    assert table.column("Size").to_pylist() == [None, 1460, None, None, None, None]
    assert table.column("Irp").to_pylist()[0] == 0xFFFF8001_23456780
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    with wsktrace.open(mixed, symbols=mixed.parent) as trace:
        assert list(trace.events(since=OWN[1]).columns) == table.column_names
        frame = trace.events(since=OWN[1])
        assert frame["message"].tolist() == table.column("message").to_pylist()
        only = trace.events(provider=str(DRIVER), name="DrvRec*")
        assert only["Length"].tolist() == [42]
        assert trace.events(provider="nobody").shape[0] == 0
    assert run(["events", str(mixed), "--format", "parquet"]) == 2
    assert "parquet is no text; name a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "times"),
    [
        (["--provider", "drv"], [1, 5]),
        (["--provider", "D*"], [1, 5]),
        (["--provider", str(UNKNOWN)], [7, 9]),
        (["--provider", f"{{{UNKNOWN}}}".upper(), "--provider", "drv"], [1, 5, 7, 9]),
        (["--name", "sized"], [3]),
        (["--name", "DrvSend"], [1]),
        (["--id", "10-11"], [1, 5]),
        (["--id", "5", "--id", "9"], [9, 11]),
        (["--level", "error"], [1, 9]),
        (["--level", "information"], [1, 3, 9]),
        (["--level", "5"], [1, 3, 5, 9]),
        (["--since", "+0.000005"], [5, 7, 9, 11]),
        (["--until", "+0.000005"], [1, 3]),
        (["--since", "+0.000003", "--until", "+0.000007s"], [3, 5]),
        (["--grep", r"of \w+$"], [1]),
        (["--grep", "no format", "--pid", "99"], [7]),
        (["--pid", "0x4"], [1, 3, 5, 9]),
        (["--tid", "12"], [5]),
        (["--tid", "12", "--tid", "7"], [3, 5]),
        (["--provider", "nobody"], []),
    ],
)
def test_filters(options: list[str], times: list[int], mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = objects(capsys, mixed, *OWN, "--symbols", mixed.parent, *options)
    assert [int(one["time"][-10:-1]) // 1000 % 1000 for one in found] == times


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--id", "x"], "not a number"),
        (["--id", "9-3"], "ids are numbers"),
        (["--id", "70000"], "ids are numbers"),
        (["--level", "loud"], "level loud"),
        (["--since", "noon"], "since noon"),
        (["--until", "2026-13-01T00:00"], "until 2026-13-01"),
        (["--until", "25:00"], "until 25:00"),
        (["--grep", "("], "grep ("),
        (["--pid", "me"], "pid me"),
        (["--symbols", "nowhere"], "no file or folder nowhere"),
        (["--download"], "_NT_SYMBOL_PATH"),
        (["-o", "events.xyz"], "endings known here"),
    ],
)
def test_options_that_make_no_sense(
    options: list[str], what: str, mixed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["events", str(mixed), *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert what in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("prefix", "first"),
    [
        ("%8!u!/%3!u!@%9!d! ", "4/8@0 "),
        ("%8!04x!|%1!s!|%2!s!|", "0004|drv|Device.c:104|"),
        ("%!FUNC! %!LEVEL! %!FLAGS! %!FILE!:%!LINE! ", "DrvSend TRACE_LEVEL_ERROR IO Device.c:104 "),
        ("100%% %7!d! ", "100% - "),
        ("%5 %6 ", "- - "),
        ("%3!-6d!|", "8     |"),
    ],
)
def test_the_prefix_is_the_users(
    prefix: str, first: str, mixed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_FORMAT_PREFIX", prefix)
    lines = printed(capsys, mixed, *OWN, "--symbols", mixed.parent)
    assert lines[0] == f"{first}[DrvSend] irp FFFF800123456780 of net"


@pytest.mark.parametrize("prefix", ["%!WHAT!", "%3!q!", "%3!999999d!"])
def test_a_prefix_that_is_none(
    prefix: str, mixed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACE_FORMAT_PREFIX", prefix)
    assert run(["events", str(mixed)]) == 2
    assert "TRACE_FORMAT_PREFIX" in capsys.readouterr().err


def test_sequence_numbers_are_a_variable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "sequence.etl"
    records = [
        message(10, b"", OPTIONS.clock_at(n * 1000), flags=0xAB, guid=DRIVER, sequence=70 + n, tid=1, pid=2)
        for n in (1, 2)
    ]
    write_records(records, target, options=OPTIONS)
    monkeypatch.setenv("TRACE_FORMAT_PREFIX", "%7!d! ")
    assert [line.split()[0] for line in printed(capsys, target, *OWN)] == ["71", "72"]


def test_what_is_beyond_a_format_or_missing_is_said(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "odd.etl"
    payloads = [b"\1\0\0\0more", b"\1"]
    write_records(
        [message(11, p, OPTIONS.clock_at(n * 1000), guid=DRIVER) for n, p in enumerate(payloads, 1)],
        target,
        options=OPTIONS,
    )
    lines = printed(capsys, target, *OWN, "--symbols", mixed.parent / "drv.tmf")
    assert lines[0].endswith("length 1 (+ 4 bytes not described)")
    assert lines[1].endswith("(the payload ends early)")


@pytest.mark.parametrize("form", ["text", "jsonl", "csv", "parquet"])
def test_the_order_of_time_holds_over_chunks(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle processor's buffer spans the whole trace; small chunks come in the order of the file, not of time."""
    options = TraceOptions(buffer_size=4096)
    records = [
        message(
            11,
            struct.pack("<i", n),
            options.clock_at(1000 * n + 1000),
            cpu=0 if n % 50 else 1,
            guid=DRIVER,
            tid=1,
            pid=2,
        )
        for n in range(2000)
    ]
    target, out = tmp_path / "order.etl", tmp_path / "out"
    write_records(records, target, options=options)
    (tmp_path / "drv.tmf").write_text(TMF)
    whole = events.read_events
    monkeypatch.setattr(events, "read_events", lambda *a, **k: whole(*a, **{**k, "chunk_bytes": 1 << 14}))
    assert run(["events", str(target), "--symbols", str(tmp_path), "-o", str(out), "--format", form, *OWN]) == 0
    assert capsys.readouterr() == ("", "")
    if form == "parquet":
        found = pq.read_table(out).column("Length").to_pylist()
    else:
        lines = out.read_text("utf-8").splitlines()[form == "csv" :]
        found = [int(line.split("length ")[1].split('"')[0].split(",")[0]) for line in lines]
    assert found == list(range(2000))


def test_windows_of_time_keep_the_order() -> None:
    import numpy as np

    from wsktrace.report.events.order import windows

    generator = np.random.default_rng(5)
    for times in (
        [np.sort(generator.integers(0, 10_000, n)) for n in (0, 1, 5000, 3000)],
        [np.zeros(9000, np.int64), np.sort(generator.integers(-2, 3, 9000))],
        [],
    ):
        last, seen = -10, 0
        for window in windows(times, step=16):
            parts = [t[a:b] for t, (a, b) in zip(times, window, strict=True)]
            held = np.concatenate(parts) if parts else np.zeros(0, np.int64)
            seen += len(held)
            if len(held):
                assert held.min() >= last
                last = held.max()
        assert seen == sum(map(len, times))


def test_a_reader_that_goes_away_is_no_error(mixed: Path) -> None:
    command = [sys.executable, "-m", "wsktrace", "events", *[str(mixed)] * 40]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_file_is_whole_or_not_there(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.txt"
    assert run(["events", str(mixed), str(tmp_path / "missing.etl"), "-o", str(out)]) == 2
    assert not out.exists()
    assert not list(tmp_path.glob(".*tmp"))


# -- the corpus -----------------------------------------------------------------------------------------------------


@needs_corpus
def test_the_expected_messages_come_out(capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((FINDNEEDLE / "expected-messages.json").read_text("utf-8"))
    traces = sorted((CORPUS / "etl").glob("findneedle-*.etl"))
    lines = printed(capsys, *traces, "--symbols", FINDNEEDLE)
    texts = Counter(line.split("]", 2)[2] for line in lines)
    wanted = [text for group in expected.values() for text in group]
    assert len(wanted) == 27
    assert [text for text in wanted if text not in texts] == []
    messages = [one for one in objects(capsys, *traces, "--symbols", FINDNEEDLE) if one["file"]]
    assert len(messages) == 99
    assert all(one["fields"] is not None and one["line"] > 0 for one in messages)
    assert not any("not described" in one["message"] or "ends early" in one["message"] for one in messages)


@needs_corpus
@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[pytest.mark.long] * (p.stat().st_size > 1_700_000), id=p.stem) for p in TRACES],
)
def test_every_trace_of_the_corpus_is_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_trace(path) as file:
        for _ in file.chunks():
            pass
        assert file.survey is not None
        records = file.survey.records
    lines = printed(capsys, path, "--quiet")
    # the log header is no event; a merged trace has one for each of its parts
    assert records - 6 <= len(lines) <= records - 1
    stamps = [line.split("::")[1][:30] for line in lines[:: max(1, len(lines) // 500)] if "::-" not in line]
    assert stamps == sorted(stamps)


@needs_corpus
@pytest.mark.parametrize("path", [p for p in TRACES if p.stat().st_size < 1_700_000], ids=lambda path: path.stem)
def test_damage_gives_events_or_an_error(path: Path, described: Symbols) -> None:
    """Any bytes: decoded in all forms, or a ``WsktraceError``; no other exception, no warning, no hang."""
    for seed in range(3):
        data = flip_bits(damage(path.read_bytes()[:100_000], seed)[1], seed, count=200)
        with time_limit(20.0):
            try:
                with open_trace(io.BytesIO(data)) as file:
                    batches = list(events.read_events(gather(file, described), EventFilter()))
                    for batch in batches:
                        assert len(text_lines(batch, Prefix())) == len(csv_lines(batch)) == len(batch)
                    events_table(batches)
            except wsktrace.WsktraceError:
                pass


@needs_corpus
@pytest.mark.parametrize(
    ("name", "symbols", "undecoded"),
    [
        ("Tx-HTTP_Server", CORPUS / "manifests" / "HTTP_Server.man", 0),
        ("Tx-KernelNetwork", None, 0),
        ("Tx-Process", None, 0),
        ("Tx-BondEtwSample", None, 0),
    ],
)
def test_traces_that_are_decoded_wholly(
    name: str, symbols: Path | None, undecoded: int, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [] if symbols is None else ["--symbols", symbols]
    lines = printed(capsys, CORPUS / "etl" / f"{name}.etl", *more)
    assert sum("(no format)" in line for line in lines) == undecoded
    assert not any("not described)" in line or "ends early)" in line for line in lines)
