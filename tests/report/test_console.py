from __future__ import annotations

import re
from typing import Any

from faked_traces import START, finding, irp, usual_rows

from wsktrace.report import console


def render(trace: Any, **more: Any) -> str:
    return console.render(trace.summary, trace.arrow, **more)


def test_order_of_the_sections(faked: Any) -> None:
    text = render(faked(), unknown=True)
    titles = ("made.etl", "Still pending", "Broken rules: 1", "Suspects", "Undecided: 1", "Trust", "Counts")
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert "wsktrace rule WSK-SD-EARLY-RELEASE" in text


def test_nothing_is_wider_than_a_narrow_terminal(faked: Any) -> None:
    wide, narrow = render(faked()), render(faked(), width=80, colour=True)
    plain = re.sub(r"\x1b\[[0-9]+m", "", narrow)
    assert max(map(len, wide.splitlines())) > 80
    assert max(map(len, plain.splitlines())) <= 80
    # nothing is lost on the way
    assert sorted(re.findall(r"\S+", plain.replace("issued at", ""))) == sorted(
        re.findall(r"\S+", wide.replace("issued at", "").replace("  by\n", "\n"))
    )


def test_pending_oldest_first_with_its_age(faked: Any) -> None:
    lines = [line for line in render(faked()).splitlines() if "thread 4120" in line]
    assert [line.split()[:3] for line in lines] == [["71", "s", "WskConnect"], ["29", "s", "WskCloseSocket"]]
    assert "ffffb10a`2c41e9a0" in lines[0]
    assert "ffffe107`8c402db0" in lines[0]
    assert "perhaps not the driver's own IRP" in render(faked())


def test_suspects_have_their_reason_and_a_heading_of_their_own(faked: Any) -> None:
    text = render(faked())
    broken, _, suspects = text.partition("Suspects: broken if nothing is hidden: 1")
    assert "WSK-IRP-NEVER-COMPLETED" not in broken
    assert "U-END: the trace ends too early" in suspects
    assert "WSK-SD-LEAK" not in text


def test_losses_and_damage_are_told(faked: Any) -> None:
    sizes = {"headers": 300, "judged": 400, "readable": 0, "no_format": 0, "damaged": 100, "filler": 200}
    text = render(faked(events_lost=212, buffers_lost=3, damaged_buffers=1, bytes=sizes))
    assert "212 events lost · 3 buffers lost · 100 B damaged in 1 of 4 buffers" in text
    assert "90 % of 1,000 bytes explained" in text
    assert "never into a broken rule" in text


def test_a_share_never_rounds_to_all_or_nothing(faked: Any) -> None:
    sizes = {"headers": 0, "judged": 10**9 - 1, "readable": 0, "no_format": 0, "damaged": 1, "filler": 0}
    assert "99.99 % of 1,000,000,000 bytes explained" in render(faked(size=10**9, bytes=sizes))


def test_a_clean_trace(faked: Any) -> None:
    text = render(faked({"irps": [irp(1, "WskSend", 0, took=5)]}))
    assert "Nothing is pending at the end of the trace" in text
    assert "No broken rule" in text
    assert "Suspects" not in text
    assert "nothing lost, nothing damaged" in text


def test_long_lists_are_cut_and_say_so(faked: Any) -> None:
    rows = usual_rows()
    rows["findings"] = [finding(n, "WSK-SD-LEAK", time=START + n) for n in range(60)]
    rows["irps"] = [irp(n, "WskReceive", n) for n in range(1, 50)]
    text = render(faked(rows))
    assert "WSK-SD-LEAK  60×" in text
    assert "and 55 more" in text
    assert "and 29 more" in text
    assert len(text.splitlines()) < 60


def test_duties_of_others_are_named(faked: Any) -> None:
    rows = {"findings": [finding(0, "WSK-STATUS-MISMATCH", party="provider", severity="warning")]}
    assert "▲ warning WSK-STATUS-MISMATCH (a duty of the provider)" in render(faked(rows))


def test_text_of_the_trace_is_made_harmless(faked: Any) -> None:
    rows = {"findings": [finding(0, "WSK-SD-LEAK", message="\x1b]0;owned\x07", source_file="a\nb.c", source_line=3)]}
    text = render(faked(rows, file="x\x1b[2J.etl"))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "a\\nb.c:3" in text


def test_colours_only_where_asked_for(faked: Any) -> None:
    assert "\x1b[31m" in render(faked(), colour=True)
    assert "\x1b" not in render(faked())


def test_a_trace_with_nothing_to_judge_does_not_look_clean(faked: Any) -> None:
    trace = faked({}, judged=0)
    text = render(trace)
    assert "Nothing was judged" in text
    assert "40 events of WskTrace" in text
    assert "Nothing was judged" in trace._repr_html_()
    for word in ("No broken rule", "Nothing is pending"):
        assert word not in text
        assert word not in trace._repr_html_()


def test_unknown_times_are_bearable(faked: Any) -> None:
    text = render(faked(start_ns=None, end_ns=None, sha256=""))
    assert text.splitlines()[0].startswith("made.etl  1.0 kB  2 CPUs")
