from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from faked_traces import START, finding, irp, usual_rows, verdicts
from page_tools import NO_PICTURES, Page, problems

import wsktrace
from wsktrace.report.html import findings as html_findings
from wsktrace.report.html import lives as html_lives
from wsktrace.report.html import pictures as html_pictures
from wsktrace.report.html import report as html
from wsktrace.report.provenance import provenance
from wsktrace.testing import etl_records
from wsktrace.testing.etl_writer import EXT_PROV_TRAITS, write_records
from wsktrace.testing.fault_catalogue import FAULTS
from wsktrace.testing.faults import inject_many
from wsktrace.testing.tlg_encode import provider_traits

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2] / "samples"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</style></script></title></textarea>-->",
    "\u202egnp.exe\u2066\u200b",
    "\x00\x1b[2J\x07\r\n\x85\u2028",
    "{{ 7 * 7 }}{% raw %}&lt;&amp;",
    "$\\frac{1}{0}$ ${x}",
    "\udcff\ud800",
    "javascript:alert(1) https://example.org/x",
    "10 kB " + "<b>" * 3500,
]


@pytest.fixture(scope="module")
def hang() -> str:
    with wsktrace.open(SAMPLES / "hang.etl") as trace:
        return trace.report()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a maker of reports without pictures, which take their time."""
    monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)
    return lambda trace, **more: html.render(trace.summary, trace.arrow, **more)


def section(text: str, name: str) -> str:
    return text[text.index(f'<section id="{name}"') :].partition("</section>")[0]


def test_a_report_is_well_formed_and_fetches_nothing(hang: str) -> None:
    assert problems(hang) == []
    page = Page(hang)
    assert page.all("html") == [{"lang": "en"}]
    assert page.count("main") == page.count("nav") == page.count("h1") == 1
    assert [a for a in page.all("th") if "scope" not in a] == []
    assert page.count("svg") > 5
    order = [
        "verdict",
        "findings",
        "pending",
        "suspects",
        "latency",
        "lifetimes",
        "sockets",
        "irps",
        "coverage",
        "made",
    ]
    assert [name for name in re.findall(r'<section id="(\w+)"', hang) if name != "rules"] == order
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(new <= old + 1 for old, new in pairwise(levels))


def test_it_says_what_the_tables_say(hang: str) -> None:
    verdict = Page(section(hang, "verdict")).text
    assert "3 broken rules, 2 calls still pending" in verdict
    assert "1 ✖ error 2 ▲ warnings 0 ● info 0 ? suspects 2 … pending" in verdict
    assert "WskConnect, for 80.4 s, ffffb10a`2c41e2b0" in verdict
    assert "nothing lost, nothing damaged" in verdict
    assert "100 % of 131,072 bytes explained" in verdict
    pending = Page(section(hang, "pending")).text
    assert pending.index("WskConnect") < pending.index("WskCloseSocket")
    made = Page(section(hang, "made")).text
    assert "f406ddb2" not in made
    assert wsktrace.__version__ in made
    assert "called from Python" in made
    irps = section(hang, "irps")
    assert len(re.findall(r"id=\"?irp-\d+", irps)) == 60


def test_a_consequence_stands_below_its_cause(hang: str) -> None:
    findings = section(hang, "findings")
    cause, effect, other = (findings.index(f'id="finding-{n}"') for n in (2, 1, 0))
    assert cause < findings.index('<div class="effects">') < effect < other
    assert findings.count('class="group"') == 2
    body = Page(findings[cause:effect]).text
    assert "A close completes within ten seconds." in Page(findings).text
    assert "Outstanding at that time" in body
    assert "WskCloseSocket returns STATUS_PENDING" in body
    for link in ("#rule-WSK-CLOSE-STUCK", "#irp-3", "#socket-0"):
        assert f'href="{link}"' in findings[cause:effect]
    assert "What to do" in Page(section(hang, "rules")).text


def test_a_loaded_trace_gives_the_same_report(tmp_path: Path, plain: Callable[..., str]) -> None:
    with wsktrace.open(SAMPLES / "hang.etl") as trace:
        trace.to_parquet(tmp_path / "t")
        told = plain(trace, made=provenance(trace.summary))
    assert plain(wsktrace.load(tmp_path / "t")) == told
    assert "not known: the tables were exported" not in told or "limits changed" in told


def test_a_file_is_the_same_each_time(faked: Any, tmp_path: Path) -> None:
    path = faked().report(tmp_path / "a.html")
    assert path == tmp_path / "a.html"
    assert path.read_bytes().decode() == faked().report()


@pytest.mark.parametrize("bad", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_the_trace_stays_text(faked: Any, plain: Callable[..., str], bad: str) -> None:
    rows = usual_rows()
    for row in rows["findings"]:
        row |= {"message": bad, "rule": bad, "source_file": bad, "source_line": 3, "fingerprint": bad}
    rows["findings"].append(finding(7, bad, ignored=bad))
    rows["rules"].append(verdicts(bad, 1, 0, 1, 0, 0) | {"never_seen": bad})
    rows["quality"] = [{"item": "gap", "name": bad, "value": 1, "detail": bad}]
    for row in rows["irps"]:
        row |= {"op": bad, "completion_status_name": bad, "return_status_name": bad, "outcome": bad, "doubt": bad}
    for row in rows["operations"]:
        row |= {"op": bad, "status_name": bad, "phase": bad}
    rows["sockets"] = [
        {"socket_id": 1, "load": 0, "origin": bad, "category": bad, "irps": 1, "open_irps": 1, "birth_operation": 4}
    ]
    trace = faked(rows, file=bad, profile=bad, providers=[[bad, 3]], bytes={"judged": 500, bad: 500})
    made = provenance(trace.summary, {"profile": bad, "symbols": [bad], "baseline": bad}, command=["wsktrace", bad])
    text = plain(trace, made=made)
    assert problems(text) == []
    page = Page(text)
    assert page.count("script") == page.count("style") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b]", text)
    assert not re.search("[\ud800-\udfff]", text)
    if len(bad) < 100 and bad.isprintable():
        assert page.text.count(" ".join(bad.split())) > 10
    nothing = plain(faked({}, judged=0, file=bad, providers=[[bad, 3]]))
    assert problems(nothing) == []


def test_latency_by_outcome_and_only_what_so_few_uses_tell(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)
    rows = [irp(n, "WskSend", n, took=1000, outcome="failed" if n % 2 else "succeeded") for n in range(24)]
    rows += [irp(30 + n, "WskBind", n, took=1000) for n in range(9)] + [irp(60, "WskConnect", 0)]
    latency = section(faked({"irps": rows}).report(), "latency")
    table = latency[: latency.index("</table>")]
    told = [re.sub(r"<[^>]+>", "|", row).strip("|").split("|") for row in table.split("<tr")[2:]]
    cells = [[cell for cell in row if cell.strip(" >") and "class=" not in cell] for row in told]
    assert [row[:3] for row in cells if row[0] == "WskSend"] == [
        ["WskSend", "all", "24"],
        ["WskSend", "failed", "12"],
        ["WskSend", "succeeded", "12"],
    ]
    assert "1 µs" in table
    assert "p90" in table
    assert "p99<" not in table
    assert ["WskConnect", "0", "1"] in [row[:3] for row in cells]
    assert "absent in 1 of 34 uses of IRPs: 1 open at the end" in latency
    assert "pending → completion" in latency


def test_each_small_histogram_is_of_the_operation_that_it_names(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_pictures, "MOST_PANELS", 2)
    rows = [irp(n, "WskConnect", n) for n in range(9)]  # open, so without a duration
    rows += [irp(10 + n, name, n, took=1000) for n in range(3) for name in ("WskSend", "WskBind", "WskListen")]
    latency = section(faked({"irps": rows}).report(), "latency")
    told = re.findall(r'aria-label="(\w+): time until completion"(.*?)</svg>', latency, re.DOTALL)
    assert len(told) == 2
    assert all(f">{name}</text>" in picture for name, picture in told)
    assert "The 2 operations with the most uses." in latency


def test_a_heat_map_is_a_picture_in_the_page(hang: str) -> None:
    held = section(hang, "latency")
    assert held.count("data:image/png;base64,") == 2  # the map and its scale
    assert "2 open at the end, for at least so long" in held
    assert held.index("Over time") < held.index("By operation") < held.index("Which share took no longer")


def test_many_sockets_are_folded_but_those_that_tell_something(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)
    life = {"load": 0, "origin": "accept_event", "irps": 1, "birth_operation": 1, "socket": 0xFFFF}
    rows = {"sockets": [{"socket_id": n, "open_irps": int(n == 7), **life} for n in range(40)]}
    held = section(faked(rows).report(), "sockets")
    open_, _, folded = held.partition('<details class="table">')
    assert re.findall(r'<tr id="socket-(\d+)"', open_) == ["7"]
    assert len(re.findall(r'<tr id="socket-', folded)) == 39
    assert "accept event" in held


def test_what_is_undecided_says_why_and_not_the_rule_again(plain: Callable[..., str]) -> None:
    with wsktrace.open(SAMPLES / "midway.etl", unknown=True) as trace:
        held = section(plain(trace), "undecided")
    assert '</span> <span class="told">cannot be decided' not in held
    assert "U-CAP: the trace does not carry what the rule needs" in held


def test_pictures_keep_text_as_text(faked: Any) -> None:
    bad = "<script>alert(1)</script>\x00$x^2$"
    text = faked({"irps": [irp(1, bad, 5, took=40), irp(2, bad, 9)]}).report()
    assert problems(text) == []
    latency = section(text, "latency")
    assert latency.count("<svg") == 3  # over time, by operation, cumulative
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x00$x^2$" in latency
    assert "IRPs outstanding" in section(text, "lifetimes")


def test_a_hostile_file(tmp_path: Path) -> None:
    name = '"><img src=x onerror=alert(1)>.etl'
    items = [(EXT_PROV_TRAITS, provider_traits("<script>alert(2)</script>\u202e"))]
    record = etl_records.event(UUID(int=5), b"", 6_000_000_000_000, ext=items)
    (tmp_path / name).write_bytes(write_records([record]))
    with wsktrace.open(tmp_path / name) as trace:
        text = trace.report()
    assert problems(text) == []
    page = Page(text)
    assert name in page.text
    assert "<script>alert(2)</script>\\u202e" in page.text
    assert "Nothing was judged" in page.text


def test_nothing_judged_says_what_was_seen(faked: Any, plain: Callable[..., str]) -> None:
    text = plain(faked({}, judged=0))
    page = Page(text)
    assert "Nothing was judged" in page.text
    assert "40 WskTrace" in page.text
    for word in ("No broken rule", "Nothing is pending", 'id="irps"', 'id="coverage"'):
        assert word not in text
    assert 'class="verdict none"' in text


def test_a_clean_trace_and_its_losses(faked: Any, plain: Callable[..., str]) -> None:
    rows = {"irps": [irp(1, "WskSend", 0, took=5)]}
    text = plain(faked(rows))
    assert 'class="verdict good"' in text
    assert "No broken rule, nothing pending" in text
    assert "see the losses above" not in text
    sizes = {"judged": 900, "damaged": 100}
    text = plain(faked(rows, events_lost=212, damaged_buffers=1, bytes=sizes))
    page = Page(text)
    assert "212 events lost · 100 B damaged in 1 of 4 buffers" in page.text
    assert "never into a broken rule" in page.text
    assert "see the losses above" in page.text
    widths = {str(a["class"]): float(str(a["width"])) for a in page.all("rect")}
    assert widths == {"b-judged": 900.0, "b-damaged": 100.0}


def test_long_lists_are_cut_and_say_so(faked: Any, plain: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_lives, "MOST_IRPS", 30)
    monkeypatch.setattr(html_lives, "SLOWEST", 5)
    monkeypatch.setattr(html_lives, "MOST_PENDING", 4)
    rows = usual_rows()
    most = html_findings.MOST_OF_A_RULE
    rows["findings"] = [finding(n, "WSK-SD-LEAK", time=START + n, irp_id=3) for n in range(most + 7)]
    rows["findings"] += [finding(900 + n, "WSK-IRP-LEAK", follows_from=0) for n in range(20)]
    rows["irps"] = [irp(n, "WskReceive", n, took=1000 * n) for n in range(1, 90)]
    rows["irps"] += [irp(n, "WskSend", n) for n in range(90, 100)]
    text = plain(faked(rows))
    assert problems(text) == []
    page = Page(text)
    assert f"{most + 7}×" in page.text
    assert "and 7 more of this rule" in page.text
    assert f"and {20 - html_findings.MOST_FINDINGS // most} more that follow from it" in page.text
    assert "The oldest 4 of 10" in page.text
    assert "69 are left out here" in page.text
    shown = {int(n) for n in re.findall(r"id=\"?irp-(\d+)", text)}
    assert shown == {3, 17, *range(72, 100)}  # of findings, the slowest, the open ones


def test_findings_that_go_round_in_circles(faked: Any, plain: Callable[..., str]) -> None:
    rows = [
        finding(0, "WSK-A", follows_from=1),
        finding(1, "WSK-B", follows_from=0),
        finding(2, "WSK-C", follows_from=2),
    ]
    text = plain(faked({"findings": rows}))
    assert sorted(re.findall(r'id="finding-(\d)"', text)) == ["0", "1", "2"]


def test_what_does_not_count_is_told_apart(faked: Any, plain: Callable[..., str]) -> None:
    rows = {
        "findings": [
            finding(0, "WSK-SD-LEAK", ignored="known since March"),
            finding(1, "WSK-SD-LEAK", verdict="note", severity="info"),
            finding(2, "WSK-SD-LEAK", verdict="unknown", reason="U-LOST"),
        ]
    }
    text = plain(faked(rows))
    assert "No broken rule" in Page(section(text, "verdict")).text
    assert "1 finding not counted" in Page(section(text, "verdict")).text
    assert "known since March" in Page(section(text, "ignored")).text
    assert 'id="finding-1"' in section(text, "notes")
    assert "U-LOST: events are missing where the answer lies" in Page(section(text, "undecided")).text


def test_unknown_times_are_bearable(faked: Any, plain: Callable[..., str]) -> None:
    text = plain(faked(start_ns=None, end_ns=None, sha256=""))
    assert problems(text) == []
    assert "made.etl" in text


@pytest.mark.long
@pytest.mark.parametrize("faults", [False, True])
def test_ten_thousand_irps_stay_below_two_megabytes(faults: bool) -> None:
    chosen = [(rule, 0) for rule in FAULTS] if faults else []
    traffic, _ = inject_many(chosen, 3, sockets=1450, seconds=400)
    with wsktrace.open(io.BytesIO(traffic.etl())) as trace:
        assert trace.arrow("irps").num_rows > 9500
        assert trace.arrow("findings").num_rows >= len(chosen)
        text = trace.report()
    assert len(text.encode()) < 2_000_000
    assert problems(text) == []
