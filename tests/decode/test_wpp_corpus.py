"""The real WPP traces, decoded through their TMF files: every message, to the byte, in the reference's words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from wsktrace.decode.formats import RecordKey
from wsktrace.decode.tmf import parse_tmf
from wsktrace.decode.wpp import TmfBook, decode, render
from wsktrace.decode.wpp_items import item_of
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Kind

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus")
pytestmark = pytest.mark.skipif(
    not (CORPUS / "tmf").is_dir(), reason="the corpus of real traces is not here; set WSKTRACE_CORPUS to its folder"
)


def book_of(folder: str) -> TmfBook:
    book = TmfBook()
    for path in sorted((CORPUS / "tmf" / folder).glob("*.tmf")):
        book.add(parse_tmf(path.read_bytes(), path.name).messages, f"TMF {path.name}")
    return book


def test_all_99_messages_come_out_as_the_reference_formatter_has_them() -> None:
    book = book_of("findneedle")
    texts: list[str] = []
    for path in sorted((CORPUS / "etl").glob("findneedle-*.etl")):
        with open_trace(path) as file:
            for chunk in file.chunks():
                r = chunk.records
                messages = np.flatnonzero(r.kind == Kind.MESSAGE)
                for guid, number in sorted({(int(r.guid[k]), int(r.id[k])) for k in messages}):
                    form = book.find(RecordKey("message", file.guids.raw[guid], number))
                    assert form is not None
                    rows = messages[(r.guid[messages] == guid) & (r.id[messages] == number)]
                    got = decode(form, chunk, rows)
                    assert got.ok.all()
                    assert not got.left.any()
                    texts += render(form, got, chunk)
    assert len(texts) == 99
    expected = json.loads((CORPUS / "tmf" / "findneedle" / "expected-messages.json").read_text())
    assert sum(map(len, expected.values())) == 27
    for group in expected.values():
        assert not set(group) - set(texts)


def test_every_item_type_of_three_real_drivers_is_known() -> None:
    messages = [
        m
        for path in sorted((CORPUS / "tmf" / "nefarius").glob("*.tmf"))
        for m in parse_tmf(path.read_bytes(), path.name).messages
    ]
    assert len(messages) == 3865
    unknown = {a.item for m in messages for a in m.args if item_of(a) is None}
    assert unknown == set()
    book = TmfBook()
    book.add(messages, "nefarius")
    assert len(book) == len({(m.guid, m.number) for m in messages})
    for one in messages:
        (form,) = book.alternatives(RecordKey("message", one.guid, one.number))
        assert form.layout.problem == ""
        assert len(form.layout.fields) == len(one.args)
        assert (form.file, form.line, form.level) == (one.src, one.line, one.tail["LEVEL"])
        assert one.function in form.function.split(" | ")
