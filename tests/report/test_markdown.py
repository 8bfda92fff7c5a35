"""Markdown as markdown-it renders it with tables, links of plain words and HTML as it stands."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from faked_traces import finding, usual_rows
from markdown_it import MarkdownIt

from wsktrace.report.escaping import markdown
from wsktrace.report.markdown import MOST_TEXT

HOSTILE = (
    "<script>alert(1)</script> </summary></details> [x](http://evil) ![i](//evil) **b** `c` | d ~~e~~ # f &lt; $x$"
    " https://evil www.evil.org a@evil.org @someone owner/repo#12 \n\n# head\n\n- item\r\x1b[31m <!-- --> \\"
)


class Tags(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def page(text: str) -> Tags:
    tags = Tags()
    tags.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
    tags.close()
    return tags


def test_what_it_says(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"][0] |= {"source_file": "socket.c", "source_line": 412}
    tags = page(faked(rows, events_lost=3).render("md"))
    assert "1 broken rule (1 error), 1 suspect, 2 IRPs are pending at the end" in tags.text
    assert "3 events lost: what is missing can turn a verdict into unknown or suspect" in tags.text
    assert "ffffb10a`2c41e8a0" in tags.text, "what is pending"
    assert "after the message at socket.c:412" in tags.text
    assert "WskControlClient enter" in tags.text, "the evidence"
    assert "The cached descriptor of a creation is not released before" in tags.text
    assert tags.tags.count("details") == tags.tags.count("summary") == 2
    assert tags.tags.count("table") == 3


def test_hostile_texts_stay_texts(faked: Any) -> None:
    row = finding(0, "WSK-SD-LEAK", message=HOSTILE, source_file=HOSTILE, source_line=1)
    shown = faked(usual_rows() | {"findings": [row]}, file=HOSTILE).render("md")
    plain = faked(usual_rows() | {"findings": [row | {"message": "m", "source_file": "f"}]}).render("md")
    tags = page(shown)
    assert tags.tags == page(plain).tags, "no element comes from the trace"
    assert {name for name, _ in tags.attributes} <= {"style"}
    for piece in ("<script>alert(1)</script>", "**b** `c` | d ~~e~~", "[x](http://evil)", r"\n\n"):
        assert tags.text.count(piece) >= 3, "in the message, as a source file, and as the trace's name"
    assert "@someone" not in tags.text
    assert "#12" not in tags.text


def test_escaped_text_reads_as_before() -> None:
    assert page(markdown("WSK_FLAG_X <0x10> 14:02:11.5 a*b*c")).text.strip() == "WSK_FLAG_X <0x10> 14:02:11.5 a*b*c"
    assert "https://" not in markdown("https://x")
    assert "www." not in markdown("www.x")


def test_a_comment_has_room_for_it(faked: Any) -> None:
    found = [finding(n, "WSK-SD-LEAK", message="m" * 300) for n in range(500)]
    text = faked({"findings": found}).render("md")
    shown = text.count("<details>")
    assert len(text) < MOST_TEXT + 500
    assert 20 < shown < 500
    assert f"and {500 - shown:,} more findings" in text


def test_findings_that_do_not_count(faked: Any) -> None:
    text = faked({"findings": [finding(0, "WSK-SD-LEAK", ignored="known")]}).render("md")
    assert "<details>" not in text
    assert "1 finding does not count" in text


def test_nothing_judged(faked: Any) -> None:
    assert "Nothing was judged" in page(faked({}, judged=0).render("md")).text
