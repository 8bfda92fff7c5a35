from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from faked_traces import finding, irp, usual_rows

from wsktrace.report.cards.trace import findings_card

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b"


class Tags(HTMLParser):
    """Collects tags and attributes, and checks that each tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def harmless(html: str) -> None:
    seen = Tags(html)
    assert seen.tags <= {"div", "span", "b", "table", "tr", "td", "br", "details", "summary"}
    assert seen.attributes <= {"style"}
    assert "\x1b" not in html


def test_card_of_a_trace(faked: Any) -> None:
    html = faked()._repr_html_()
    harmless(html)
    for text in ("made.etl", "Still pending at the end: 2", "ffffb10a`2c41e9a0", "WSK-SD-EARLY-RELEASE", "Suspects"):
        assert text in html


def test_card_of_a_clean_trace(faked: Any) -> None:
    html = faked({"irps": [irp(1, "WskSend", 0, took=5)]})._repr_html_()
    harmless(html)
    assert "Nothing is pending" in html
    assert "No broken rule" in html


def test_card_of_a_finding_shows_its_evidence(faked: Any) -> None:
    found = faked().finding(0)
    html = found._repr_html_()
    harmless(html)
    for text in ("WSK-SD-EARLY-RELEASE", "ffffc700`22334450", "WskControlClient enter", "14:02:20.123456"):
        assert text in html
    assert found.evidence.operation_id.tolist() == [4, 7, 9]
    assert found["irp_id"] == 17
    assert "WSK-SD-EARLY-RELEASE fail" in repr(found)


def test_what_is_undecided_or_a_note_is_called_no_suspect(faked: Any) -> None:
    held = {"finding_id": 0, "verdict": "unknown", "severity": "error", "message": "cannot be decided", "ignored": None}
    held["time"] = 0
    kinds = [held | {"rule": "WSK-A"}, held | {"rule": "WSK-B", "verdict": "note", "severity": "info"}]
    html = findings_card(kinds, [])
    assert "suspect" not in html.lower()
    assert "undecided" in html
    assert "suspect" in findings_card([held | {"rule": "WSK-C", "verdict": "suspect"}], [])


def test_everything_is_escaped(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"] = [finding(0, EVIL, message=EVIL, source_file=EVIL, source_line=1, subject_table=EVIL)]
    rows["irps"] = [irp(1, EVIL, 0)]
    rows["operations"] = [o | {"op": EVIL, "status_name": EVIL} for o in rows["operations"]]
    trace = faked(rows, file=EVIL)
    harmless(trace._repr_html_())
    harmless(trace.finding(0)._repr_html_())
