"""``wsktrace show``: addresses in every form, reused and unknown ones, formats, widths, errors, folders of tables."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

import wsktrace
from wsktrace.cli.main import run
from wsktrace.cli.show import read_span
from wsktrace.errors import UsageError
from wsktrace.report.story import text as story_text
from wsktrace.testing.script import run_script

SAMPLES = Path(__file__).parents[2] / "samples"
HANG, CLEAN, MIDWAY = (SAMPLES / f"{name}.etl" for name in ("hang", "clean", "midway"))
CONNECT = 0xFFFFB10A_2C41E2B0
TITLE = "WskConnect with IRP ffffb10a`2c41e2b0 (#2)"


@pytest.fixture(scope="module")
def hang() -> wsktrace.Trace:
    return wsktrace.open(HANG)


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(["show", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def most_used(trace: wsktrace.Trace) -> tuple[int, list[int]]:
    """Return the address that most uses of IRPs have, and their ids."""
    addresses = trace.arrow("irps").column("irp").to_pylist()
    (address, _), *_ = Counter(addresses).most_common()
    return address, [n for n, one in enumerate(addresses) if one == address]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(["show", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("wsktrace: ").strip()


@pytest.mark.parametrize(
    "form",
    [
        "ffffb10a`2c41e2b0", "FFFFB10A`2C41E2B0", "ffffb10a2c41e2b0", "0xffffb10a2c41e2b0", "0XFFFFB10A2C41E2B0",
        "0xFFFFB10A`2C41E2B0", " ffffb10a'2c41e2b0,", "FFFFB10A_2C41E2B0", "ffffb10a2c41e2b0h", "(ffffb10a`2c41e2b0)",
        "#2", "2", "'#2'",
    ],
)  # fmt: skip
def test_an_address_in_any_form(hang: wsktrace.Trace, form: str) -> None:
    assert hang.stories.uses("irps", form) == [2]


def test_the_story_of_an_irp(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, HANG, "--irp", "FFFFB10A`2C41E2B0")
    assert out.startswith(f"{TITLE}\n")
    assert "IoCancelIrp asks to cancel the IRP" in out
    assert "▲ warning WSK-IRP-NEVER-COMPLETED" in out
    assert "still pending 80.4 s after the call, when the trace ends" in out


def test_addresses_of_a_32_bit_trace(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    played = run_script("driver\nopen S Flags=connection\nclose S\nunload\ntrace pointer=4")
    path = tmp_path / "small.etl"
    path.write_bytes(played.etl())
    with wsktrace.open(path) as trace:
        address = int(trace.arrow("sockets").column("socket")[0].as_py())
    assert address < 1 << 32
    for form in (f"{address:08x}", f"0x{address:X}", f"ffffffff`{address:08x}"):
        assert shown(capsys, path, "--socket", form).startswith(f"socket {address:08x} (#0)\n")


def test_a_reused_address_gives_each_use_oldest_first(capsys: pytest.CaptureFixture[str]) -> None:
    with wsktrace.open(CLEAN) as trace:
        address, ids = most_used(trace)
    assert len(ids) > 2
    out = shown(capsys, CLEAN, "--irp", f"{address:x}")
    assert [int(n) for n in re.findall(r"^Wsk\w+ with IRP .* \(#(\d+)\)$", out, re.MULTILINE)] == ids[:10]
    several = len(ids) > 10
    assert (f"more uses of this address, #{ids[10] if several else ''}" in out) == several


def test_a_much_reused_address_says_how_to_see_the_others(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    played = run_script(
        "driver\nIrpAllocate A\nopen S Flags=datagram\n"
        + "IrpReuse A\nWskSendTo S A -> PENDING, complete SUCCESS\n" * 30
    )
    path = tmp_path / "it's.etl"
    path.write_bytes(played.etl())
    with wsktrace.open(path) as trace:
        address, ids = most_used(trace)
    assert len(ids) > 10
    out = shown(capsys, path, "--irp", f"{address:x}")
    line = out.rstrip().splitlines()[-1]
    assert line.startswith(f"{len(ids) - 10} more uses of this address, #{ids[10]} to #{ids[-1]}; to see one: ")
    words = shlex.split(line.split("to see one: ")[1])
    assert words == ["wsktrace", "show", str(path), "--irp", f"#{ids[10]}"]


def test_what_is_not_there_is_told(hang: wsktrace.Trace) -> None:
    for arguments, expected in (
        (["--irp", "ffffb10a`2d003a50"],
         "ffffb10a`2d003a50 is not an IRP of this trace; it is a socket: --socket 'ffffb10a`2d003a50'"),
        (["--socket", "ffffb10a`2c41e2b0"],
         "ffffb10a`2c41e2b0 is not a socket of this trace; it is an IRP: --irp 'ffffb10a`2c41e2b0'"),
        (["--irp", "2c41e2b0"], "2c41e2b0 is not an IRP of this trace; near it: ffffb10a`2c41e2b0"),
        (["--irp", "ffffb10a`2c41e2b8"], "ffffb10a`2c41e2b8 is not an IRP of this trace; near it: ffffb10a`2c41e2b0"),
        (["--irp", "ffffb10a`1c41e2b0"], "ffffb10a`1c41e2b0 is not an IRP of this trace; near it: ffffb10a`2c41e2b0"),
        (["--irp", "fffff802`442030c0"],
         "fffff802`442030c0 is not an IRP of this trace; it is a routine (first in operation 26, IrpSetCompletion)"),
        (["--irp", "12345678"],
         "12345678 is not an IRP of this trace; there are 60, wsktrace show without options names some"),
        (["--irp", "0x0"], "00000000 is not an IRP of this trace; NULL is nobody's address"),
        (["--irp", "fish"],
         "'fish' is no address and no id; give an address such as ffff8001`23456780, or '#17' for row 17"),
        (["--socket", "#99"], "no socket #99; there are 11, from 0 to 10"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as error:
            hang.stories.uses(f"{arguments[0].removeprefix('--')}s", arguments[1])
        assert str(error.value) == expected


def test_what_cannot_be_done_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in (
        (["--irp", "0x0"], "00000000 is not an IRP of this trace; NULL is nobody's address"),
        (["--finding", "3"], "no finding 3; there are 3, from 0 to 2"),
        (["--around", "noon"], "around noon: give 2026-11-20T14:02:11.5Z, 14:02:11 or +1.5 (seconds); times are UTC"),
        (["--around", "+1", "--window", "wide"], "window wide: give a span of time such as 10ms, 1.5s or 200us"),
        (["--format", "json"], "say what to show: --irp, --socket, --finding or --around; what there is comes as text"),
        (["--irp", "#1", "--finding", "0"], "--irp and --finding: one story at a time"),
    ):  # fmt: skip
        assert refused(capsys, HANG, *arguments) == expected
    hostile = refused(capsys, HANG, "--irp", "\x1b[31mred")
    assert "\x1b" not in hostile


def test_without_an_option_there_is_a_menu_of_lines_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, HANG)
    assert out.startswith("hang.etl: 467 operations · 60 irps · 11 sockets · 3 findings\n")
    commands = [shlex.split(line.strip().split("   ")[0]) for line in out.splitlines() if "wsktrace show" in line]
    assert len(commands) == 2 + 3 + 3
    told = [shown(capsys, *words[2:]).splitlines()[0] for words in (commands[0], commands[2], commands[-1])]
    assert told[:2] == [TITLE, "WSK-CLOSE-STUCK (finding 2)"]
    assert told[2].startswith("10 ms around 2026-11-20 14:00:45.08")


def test_the_hang_at_a_glance(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, HANG, "--finding", "2")
    lines = [line[45:] if line.startswith("  14:") else line for line in out.splitlines()]
    text = "\n".join(lines)
    order = [
        "WSK-CLOSE-STUCK (finding 2)",
        "the rule       A close completes within ten seconds.",
        "WskConnect returns STATUS_PENDING after 5.8 µs",
        "still outstanding when the rule was broken, 5.35 s after this",
        "IoCancelIrp asks to cancel the IRP",
        "WskCloseSocket is called",
        "error WSK-CLOSE-STUCK",
        "the driver waits for the IRP's completion",
        "still pending 75 s after the call, when the trace ends",
    ]
    places = [text.index(what) for what in order]
    assert places == sorted(places)
    marked = [line for line in out.splitlines() if line.startswith("  14:") and line[43] == "*"]
    assert [line[45:].split(":")[0] for line in marked] == [
        "WskCloseSocket is called",
        "WskCloseSocket returns STATUS_PENDING after 4.3 µs",
    ]


def test_losses_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, MIDWAY, "--socket", "#3")
    assert "gap in the trace: 3 events of the driver are missing between 14:00:02.260426 and 14:00:02.260543" in out
    assert out.endswith(
        "7 events lost\nwhat is missing can turn a verdict into unknown or suspect, never into a broken rule\n"
    )


def test_around_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    by_offset = shown(capsys, HANG, "--around", "+15.1618", "--window", "200us")
    assert by_offset == shown(capsys, HANG, "--around", "2026-11-20T14:00:15.1618Z", "--window", "0.2ms")
    assert by_offset.splitlines()[:2] == ["200 µs around 2026-11-20 14:00:15.161800 UTC", "  operations  6"]
    assert "WskCloseSocket is called: socket ffffb10a`2d003a50, IRP ffffb10a`2c41e400" in by_offset
    nothing = shown(capsys, HANG, "--around", "+60")
    assert "  operations  0" in nothing


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10ms", 10_000_000),
        ("1.5s", 1_500_000_000),
        ("200us", 200_000),
        ("200 µs", 200_000),
        ("7ns", 7),
        ("2min", 120_000_000_000),
        ("3", 3_000_000_000),
    ],
)
def test_spans(text: str, ns: int) -> None:
    assert read_span(text) == ns


@pytest.mark.parametrize("text", ["", "0ms", "-1s", "1h", "1e3s", "ms", "1 0ms"])
def test_no_spans(text: str) -> None:
    with pytest.raises(UsageError, match="give a span of time such as 10ms"):
        read_span(text)


def test_json_and_json_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    held = json.loads(shown(capsys, MIDWAY, "--irp", "#19", "--format", "json"))
    assert held["file"] == "midway.etl"
    assert held["trust"][0] == "7 events lost"
    (story,) = held["stories"]
    lines = [json.loads(line) for line in shown(capsys, MIDWAY, "--irp", "#19", "--format", "jsonl").splitlines()]
    assert [line["text"] for line in lines] == [line["text"] for line in story["lines"]]
    assert {line["row"] for line in lines} == {19}
    with wsktrace.open(MIDWAY) as trace:
        told = trace.irp(19).story
    assert [line["operation_id"] for line in story["lines"]] == [line.operation_id for line in told.lines]
    assert story["facts"] == dict(told.facts)
    assert shown(capsys, MIDWAY, "--irp", "#19", "-o", tmp_path / "x.json") == ""
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == held


def test_markdown_is_a_table_that_nothing_breaks(
    capsys: pytest.CaptureFixture[str], hang: wsktrace.Trace, tmp_path: Path
) -> None:
    assert shown(capsys, HANG, "--irp", "#2", "-o", tmp_path / "x.md") == ""
    lines = (tmp_path / "x.md").read_text("utf-8").splitlines()
    assert html.unescape(lines[0]).replace("\u200b", "") == f"## {TITLE}"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(hang.irp(2).story.lines) + 2
    assert {len(re.findall(r"\|", line)) for line in table} == {7}
    assert not any("`" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_lines_fit_the_terminal(hang: wsktrace.Trace, width: int) -> None:
    stories = [hang.stories.finding(2), hang.stories.irp(4), hang.stories.socket(0)]
    plain = story_text.text(stories)
    for colour in (False, True):
        text = re.sub("\x1b\\[[0-9]+m", "", story_text.text(stories, width=width, colour=colour))
        assert max(map(len, text.splitlines())) <= max(width, 80)
        assert re.sub(r"\s+", "", text) == re.sub(r"\s+", "", plain)


def test_a_terminal_gets_colours_and_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "90")
    out = shown(capsys, HANG, "--finding", "2")
    assert "\x1b[1mWSK-CLOSE-STUCK (finding 2)\x1b[0m" in out
    assert "\x1b[31m✖\x1b[0m" in out
    assert max(len(re.sub("\x1b\\[[0-9]+m", "", line)) for line in out.splitlines()) <= 90


def test_a_folder_of_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with wsktrace.open(HANG) as trace:
        trace.to_parquet(tmp_path / "tables")
    expected = shown(capsys, HANG, "--finding", "2")
    assert run(["show", str(tmp_path / "tables"), "--finding", "2"]) == 0
    out, err = capsys.readouterr()
    assert out == expected
    assert err == f"wsktrace: {tmp_path / 'tables'} is a folder of tables: the driver's messages are in the .etl\n"
    assert shown(capsys, tmp_path / "tables", "--finding", "2", "--no-messages") == expected
    assert "--messages all needs the .etl" in refused(
        capsys, tmp_path / "tables", "--finding", "2", "--messages", "all"
    )


def test_files_that_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no such file" in refused(capsys, tmp_path / "nothing.etl", "--irp", "#0")
    (tmp_path / "x.etl").write_text("not a trace")
    assert "x.etl" in refused(capsys, tmp_path / "x.etl")
    (tmp_path / "cut.etl").write_bytes(HANG.read_bytes()[:60_000])
    assert run(["show", str(tmp_path / "cut.etl"), "--irp", "#2", "-q"]) == 0
    assert TITLE in capsys.readouterr().out


def test_a_trace_without_operations(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from wsktrace.testing.etl_writer import write_records

    write_records([], tmp_path / "empty.etl")
    menu = shown(capsys, tmp_path / "empty.etl")
    assert "0 operations · 0 irps" in menu
    assert "There is no WSK operation in this trace; providers seen (events): " in menu
    assert "there is none in this trace" in refused(capsys, tmp_path / "empty.etl", "--irp", "#0")
    assert "is not an IRP of this trace" in refused(capsys, tmp_path / "empty.etl", "--irp", "ffffb10a`2c41e2b0")
    assert "operations  0" in shown(capsys, tmp_path / "empty.etl", "--around", "+0")


def test_findings_are_numbered_as_check_numbers_them(capsys: pytest.CaptureFixture[str]) -> None:
    trace, chosen = str(SAMPLES / "many_faults.etl"), ["--ignore", "SD-NOT-CACHED", "--unknown", "--limit", "close_s=1"]
    assert run(["check", trace, *chosen, "--format", "json"]) == 1
    listed = json.loads(capsys.readouterr().out)["findings"]
    for finding in (listed[0], next(f for f in listed if f["verdict"] == "unknown")):
        assert run(["show", trace, *chosen, "--finding", str(finding["id"])]) == 0
        assert capsys.readouterr().out.startswith(f"{finding['rule']} (finding {finding['id']})")
