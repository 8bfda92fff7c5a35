from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faked_traces import DESCRIPTOR, FACTS, IRP, SOCKET, finding, irp, usual_rows
from page_tools import NO_PICTURES, Page, problems
from redact_tools import forms, numbers

import wsktrace
from wsktrace.facts import TraceFacts
from wsktrace.report.html import pictures as html_pictures
from wsktrace.report.html import report as html
from wsktrace.report.provenance import provenance
from wsktrace.report.redact import Redactor
from wsktrace.schema import TABLES
from wsktrace.units import address_text

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = ("hang", "many_faults", "midway", "early_release")


@pytest.fixture
def redacted(faked: Any) -> Callable[..., Redactor]:
    def make(rows: Any = None, **facts: Any) -> Redactor:
        trace = faked(rows, **facts)
        return Redactor(trace.summary, trace.arrow)

    return make


@pytest.mark.parametrize(
    ("name", "pictures"), [("hang", False), *(pytest.param(name, True, marks=pytest.mark.long) for name in NAMES)]
)
def test_nothing_of_the_machine_is_left(name: str, pictures: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not pictures:
        monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)
    with wsktrace.open(SAMPLES / f"{name}.etl") as trace:
        path = f"/x/{name}.etl"
        told = provenance(trace.summary, trace.given, command=["wsktrace", path], names=frozenset({path}))
        hidden = trace.report(redact=True, made=told)
        monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)
        plain = trace.report(made=told)
        addresses = numbers(trace, "address")
        ids = numbers(trace, "tid", "complete_tid", "pid")
    assert problems(hidden) == []
    body = hidden.partition("</style>")[2].partition("<script>")[0].lower()
    assert len(addresses) > 25
    assert [a for a in addresses if any(form in body for form in forms(a))] == []
    assert "7edac7ed" not in body
    assert [i for i in ids if i > 999 and re.search(rf"\b{i}\b", body)] == []
    assert f"{name}.etl" not in hidden
    assert any(form in plain for a in addresses for form in forms(a))
    for pattern in (
        r"<h1.*?</h1>",
        r'class="tally">.*?<',
        r'id="?(?:irp|socket|finding|rule)-[\w-]+',
        r'class="badge.*?<',
    ):
        assert re.findall(pattern, hidden) == re.findall(pattern, plain)


def test_pictures_show_tokens(faked: Any) -> None:
    rows = {"sockets": [{"socket_id": 1, "socket": SOCKET, "load": 0, "origin": "socket", "irps": 1, "open_irps": 1}]}
    rows["sockets"][0] |= {"birth_operation": 1, "create_time": FACTS["start_ns"] + 5}
    hidden = faked(rows).report(redact=True)
    picture = hidden[hidden.index('<section id="lifetimes"') :]
    assert "socket-1" in picture[picture.index("<svg") : picture.index("</svg>")]
    assert not any(form in hidden for form in forms(SOCKET))


def test_equal_addresses_have_equal_tokens(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)
    rows = usual_rows()
    text = f"{address_text(SOCKET)} and {SOCKET:#X}, {IRP + 0x300:x}; on thread 4120 of {address_text(DESCRIPTOR)}"
    rows["findings"] = [finding(0, "WSK-SD-LEAK", irp=IRP + 0x300, irp_id=3, socket=SOCKET, message=text)]
    trace = faked(rows)
    hidden = html.render(trace.summary, trace.arrow, redact=True)
    page = Page(hidden)
    assert "socket-1 and socket-1, irp-3; on thread 1 of " in page.text
    assert '<a href="#irp-3"><code class="a">irp-3</code></a>' in hidden
    assert "threads and processes are counted from 1" in page.text


def test_tables_keep_their_types_and_what_is_no_secret(redacted: Callable[..., Redactor]) -> None:
    from wsktrace.arrow import arrow_schema

    rows = usual_rows()
    rows["irps"][0] |= {"irp": 0, "socket": None, "tid": 0}
    hidden = redacted(rows)
    for name in TABLES:
        if name != "latency":
            assert hidden(name).schema == arrow_schema(name)
    held = hidden("irps").to_pylist()
    assert [held[0][name] for name in ("irp", "socket", "tid")] == [0, None, 0]
    assert len({row["socket"] for row in held[1:]}) == 1
    assert [row["issue_time"] for row in held] == [row["issue_time"] for row in hidden("irps").to_pylist()]
    assert {row["tid"] for row in held[1:]} == {1}


def test_sentences(redacted: Callable[..., Redactor]) -> None:
    hidden = redacted()
    for text, told in {
        f"a {address_text(SOCKET)}.": "a socket-1.",
        f"A {SOCKET:X} {SOCKET:#018x}": "A socket-1 socket-1",
        "an unknown ffffb10a`00001234 twice ffffb10a`00001234": "an unknown other-1 twice other-1",
        "0xffffb10a00001234": "other-1",
        "Flags 0x40, status 0xc0000005, 20261120 B": "Flags 0x40, status 0xc0000005, 20261120 B",
        "on thread 4120, tid=4120, thread 9": "on thread 1, tid=1, thread ?",
        "process 0, CPU 3": "process 0, CPU 3",
        r"C:\Users\me\driver.sys, /home/me/a.pdb": "file-2.sys, file-3.pdb",
        r"\Device\HarddiskVolume3\x.sys": "file-4.sys",
        "to 192.168.7.12:443": "to host-1:443",
        "to fe80::1c2b:3a4d%12, [2001:DB8::1]:443, 2001:db8::1": "to host-2%12, [host-3]:443, host-3",
        "1:2:3:4:5:6:7:8 and ::1 at 14:02:11.5, std::end, 10:20": "host-4 and host-5 at 14:02:11.5, std::end, 10:20",
        "by S-1-5-21-1004336348-1177238915-682003330-512": "by account-1",
        "card 00-1A-2b-3c-4d-5e, 00:1a:2b:3c:4d:5f": "card host-6, host-7",
        "and/or 1/2 of W/X": "and/or 1/2 of W/X",
    }.items():
        assert hidden.text(text) == told


def test_addresses_of_32_bits(redacted: Callable[..., Redactor]) -> None:
    hidden = redacted({"irps": [irp(1, "WskSend", 5, irp=0x81234560, socket=0x8765ABC0)]})
    assert (
        hidden.text("IRP 81234560 on 8765abc0, 0x81234560; 12345678 bytes")
        == "IRP irp-1 on socket-1, irp-1; 12345678 bytes"
    )
    told = address_text(hidden("irps").column("irp").to_pylist()[0])
    assert hidden.finish(f"<td>{told}<td>0x81234560<td>81234560") == "<td>irp-1<td>irp-1<td>irp-1"


def test_how_it_was_made(redacted: Callable[..., Redactor]) -> None:
    hidden = redacted(file="secret.etl")
    made = provenance(
        TraceFacts.from_json(FACTS | {"file": "secret.etl"}),
        {
            "profile": "dir/mine.toml",
            "symbols": ["C:\\build\\net.pdb"],
            "baseline": "old.json",
            "limits": {"close_s": 20},
        },
        command=["wsktrace", "report", "secret.etl", "--limit", "close_s=20", "-o", "x/y.html"],
        names=frozenset({"secret.etl", "x/y.html"}),
    )
    told = dict(hidden.provenance(made).items())
    assert not re.search(r"secret|mine|net\.pdb|old|x/y", " ".join(told.values()))
    assert told["command"] == "wsktrace report file-1.etl --limit close_s=20 -o file-5.html"
    assert told["limits changed"] == "close_s = 20"
    assert told["SHA-256 of the trace"] == "ab" * 32


def test_messages_of_the_driver_are_hidden_too(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsktrace.report.story.told import Line

    monkeypatch.setattr(html_pictures, "pictures", lambda *_: NO_PICTURES)

    def messages(stories: list[Any]) -> list[Any]:
        from dataclasses import replace

        text = rf"closing {SOCKET:#x} of C:\secret\net.c on thread 4120"
        return [replace(s, lines=(*s.lines, Line(s.start_ns, "message", text, tid=4120))) for s in stories]

    rows = usual_rows()
    rows["findings"] = [finding(0, "WSK-SD-LEAK", irp_id=3)]
    trace = faked(rows)
    hidden = html.render(trace.summary, trace.arrow, redact=True, messages=messages)
    assert "closing socket-1 of file-2.c on thread 1<td>1<td>" in hidden
    assert "4120" not in hidden
    assert r"C:\secret\net.c on thread 4120" in html.render(trace.summary, trace.arrow, messages=messages)
