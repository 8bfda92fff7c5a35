"""What several verbs and methods take or say is the same in each of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from faked_traces import SOCKET, irp

from wsktrace.cli.main import VERBS
from wsktrace.errors import UsageError
from wsktrace.units import count_text, read_which, share_text


def test_an_ending_means_one_format_in_every_verb() -> None:
    found: dict[str, set[str]] = {}
    for module, _ in VERBS.values():
        for ending, form in getattr(import_module(module), "ENDINGS", {}).items():
            found.setdefault(ending, set()).add(form)
    assert {ending: forms for ending, forms in found.items() if len(forms) > 1} == {".txt": {"text", "table"}}


@pytest.mark.parametrize("form", ["text", "concise", "md", "github", "sarif", "junit"])
def test_losses_are_told_in_the_same_words_everywhere(faked: Any, form: str) -> None:
    trace = faked(None, events_lost=1, damaged_buffers=1, bytes={"judged": 900, "damaged": 100})
    text = trace.render(form)
    for told in ("1 event lost", "100 B damaged in 1 of 4 buffers"):
        assert told in text


def test_one_socket_is_chosen_alike(faked: Any) -> None:
    trace = faked({"irps": [irp(1, "WskSend", 0, took=5, socket_id=3)]})
    for which in (3, "#3", SOCKET, f"{SOCKET:x}"):
        assert len(trace.plot.timeline(socket=which).patches) == 1
    with pytest.raises(UsageError, match="'zebra' is no address and no id"):
        trace.plot.timeline(socket="zebra")


def test_one_name_to_split_by_may_stand_alone(faked: Any) -> None:
    trace = faked({"irps": [irp(1, "WskSend", 0, took=5)]})
    assert trace.diff(trace, by="op").comparison.by == ("op",)
    with pytest.raises(UsageError, match="say what to split latencies by"):
        trace.diff(trace, by="all")


def test_what_people_ask_for() -> None:
    assert [read_which(which) for which in (17, "#17", "17")] == [(17, True)] * 3
    assert [read_which(which) for which in (SOCKET, f"{SOCKET:#x}")] == [(SOCKET, False)] * 2
    assert [count_text(n, "event") for n in (0, 1, 1234)] == ["0 events", "1 event", "1,234 events"]
    assert [share_text(n, 10**6) for n in (0, 1, 999_999, 10**6)] == ["0 %", "0.01 %", "99.99 %", "100 %"]
