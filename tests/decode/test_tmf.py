"""TMF text by its grammar: the real files, the corners of the grammar, damage."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.decode.tmf import WppArgument, parse_annotation, parse_argument, parse_tail, parse_tmf
from wsktrace.errors import FormatError

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus") / "tmf"
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of TMF files is not here; set WSKTRACE_CORPUS to its folder"
)

GUID = "7b85c7a2-95ad-4a26-8f3c-a4d1fd0a4b57"
SMALL = f"""// PDB:  drv.pdb
// PDB:  Last Updated :2025-04-28:18:52:28:001 (UTC) [Tracepdb]
{GUID} drv // SRC=Device.c MJ= MN=
#typev Device_c104 12 "%0 [%!FUNC!] a=%10!d! b=%11!s!" //   LEVEL=TRACE_ERROR FLAGS=DRV_IO FUNC=Dev::Open
{{
a, ItemLong -- 10
b, ItemEnum(_STATE) -- 11
}}
#enumv _STATE
{{
Idle,0x0
Busy,0x1
}}
"""


@needs_corpus
def test_all_messages_of_three_real_drivers_parse() -> None:
    total = 0
    files = sorted((CORPUS / "nefarius").glob("*.tmf"))
    assert len(files) == 90
    for path in files:
        text = path.read_bytes()
        found = parse_tmf(text, path.name)
        assert found.problems == ()
        assert len(found.messages) == text.count(b"#typev")
        for one in found.messages:
            assert str(UUID(bytes_le=one.guid)) == path.stem
            assert one.number >= 10
            assert one.line > 0
            assert set(one.tail) == {"LEVEL", "FLAGS", "FUNC"}
            assert one.function == one.tail["FUNC"]
            assert [a.argno for a in one.args] == list(range(10, 10 + len(one.args)))
        total += len(found.messages)
    assert total == 3865


def test_what_one_message_says() -> None:
    (one,) = parse_tmf(SMALL).messages
    assert (one.guid, one.module, one.src, one.tag, one.line) == (
        UUID(GUID).bytes_le, "drv", "Device.c", "Device_c104", 104,
    )  # fmt: skip
    assert (one.number, one.format) == (12, "%0 [%!FUNC!] a=%10!d! b=%11!s!")
    assert (dict(one.tail), one.function) == (
        {"LEVEL": "TRACE_ERROR", "FLAGS": "DRV_IO", "FUNC": "Dev::Open"},
        "Dev::Open",
    )
    assert one.args == (WppArgument("a", "ItemLong", "", 10), WppArgument("b", "ItemEnum", "_STATE", 11))
    assert one.enums == {"_STATE": {0: "Idle", 1: "Busy"}}


@pytest.mark.parametrize(
    "encode",
    [
        lambda t: t.encode(),
        lambda t: b"\xef\xbb\xbf" + t.encode(),
        lambda t: t.encode("utf-16"),
        lambda t: t.encode("utf-16-le"),
        lambda t: t.encode("utf-16-be"),
        lambda t: b"\xfe\xff" + t.encode("utf-16-be"),
        lambda t: t.replace("\n", "\r\n").encode(),
        lambda t: t.replace("\n", "\r").encode(),
        lambda t: t.encode("cp1252"),
    ],
)
def test_encodings_and_line_ends(encode) -> None:
    text = SMALL.replace("a=%10", "größe=%10")
    (one,) = parse_tmf(encode(text)).messages
    assert one.format == "%0 [%!FUNC!] größe=%10!d! b=%11!s!"
    assert len(one.args) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("status, ItemNTSTATUS -- 10", ("status", "ItemNTSTATUS", "", 10)),
        ("f(a, b), ItemLong -- 11", ("f(a, b)", "ItemLong", "", 11)),
        ('"x, ItemLong -- 9", ItemString -- 12', ('"x, ItemLong -- 9"', "ItemString", "", 12)),
        ("p->q--, ItemPtr -- 10", ("p->q--", "ItemPtr", "", 10)),
        ("x, itemHEXdump -- 10", ("x", "itemHEXdump", "", 10)),
        ("x,ItemListByte(Low,APC,DPC)--10", ("x", "ItemListByte", "Low,APC,DPC", 10)),
        ("x, ItemListLong(a, ItemB (c)) -- 10", ("x", "ItemListLong", "a, ItemB (c)", 10)),
        ("x), ItemListLong(a, b)) -- 10", ("x)", "ItemListLong", "a, b)", 10)),
        ("'x', ItemChar  --  10", ("'x'", "ItemChar", "", 10)),
        (", ItemLong -- 10", ("", "ItemLong", "", 10)),
        ("x, ItemLong", None),
        ("x -- 10", None),
        ("x, ItemLong -- ten", None),
        ("x, ItemLong -- 1234567890", None),
        ("--", None),
        ("", None),
    ],
)
def test_an_argument_splits_at_the_last_item(line: str, expected: tuple[object, ...] | None) -> None:
    got = parse_argument(line)
    assert got == (None if expected is None else WppArgument(*expected))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("   LEVEL=E FLAGS=F FUNC=main", {"LEVEL": "E", "FLAGS": "F", "FUNC": "main"}),
        ("LEVEL=ERROR EVENT=GENERAL FUNC=K", {"LEVEL": "ERROR", "EVENT": "GENERAL", "FUNC": "K"}),
        ("FUNC=A::operator== LEVEL=x", {"FUNC": "A::operator==", "LEVEL": "x"}),
        ("FUNC=`anonymous namespace'::f LEVEL=", {"FUNC": "`anonymous namespace'::f", "LEVEL": ""}),
        ("FUNC=<lambda_1>::operator ()", {"FUNC": "<lambda_1>::operator ()"}),
        ("", {}),
        ("no keys here", {}),
    ],
)  # fmt: skip
def test_the_tail_is_free_form(text: str, expected: dict[str, str]) -> None:
    assert parse_tail(text) == expected


def message(head: str, *args: str) -> str:
    return "\n".join([f"{GUID} drv // SRC=a.c MJ= MN=", head, "{", *args, "}", ""])


def test_quotes_and_slashes_inside_the_format() -> None:
    (one,) = parse_tmf(message('#typev a_c1 10 "%0say "hi" at http://x" //  LEVEL=E FUNC=f')).messages
    assert one.format == '%0say "hi" at http://x'
    assert dict(one.tail) == {"LEVEL": "E", "FUNC": "f"}


def test_a_format_and_an_expression_over_several_lines() -> None:
    (one,) = parse_tmf(message('#typev a_c1 10 "%0one\ntwo %10!d!" // FUNC=f', "f(a,", "  b), ItemLong -- 10")).messages
    assert one.format == "%0one\ntwo %10!d!"
    assert one.args == (WppArgument("f(a, b)", "ItemLong", "", 10),)


def test_a_message_without_tail_or_arguments() -> None:
    found = parse_tmf(f'{{{GUID}}}\n#typev a_c1 10 "%0x"\n#typev a_c2 11 "%0y"\n')
    assert [(m.format, m.module, m.src, m.function) for m in found.messages] == [
        ("%0x", "", "", ""),
        ("%0y", "", "", ""),
    ]


def test_several_messages_of_one_number_are_all_kept() -> None:
    head = '#typev a_c1 10 "%0x" // FUNC={}'
    text = message(head.format("f")) + message(head.format("g"))
    assert [m.function for m in parse_tmf(text).messages] == ["f", "g"]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ('#typev a_c1 10 "%0x" // FUNC=f\n{\nx, ItemLong -- ten\n}', "argument not understood"),
        ('#typev a_c1 10 "%0x // FUNC=f\n{\n}', "the format string does not end"),
        ('#typev a_c1 10 "%0x\n', "the format string does not end"),
        ('#typev a_c1 70000 "%0x"\n{\n}', "not '#typev"),
        ("#typev a_c1\n{\n}", "not '#typev"),
        ("#strange\n", "unknown directive"),
        ('#typev a_c1 10 "%0x" // FUNC=f\n{\nx, ItemLong -- 10', "inside a block that does not end"),
        ("#enumv E\n{\nnonsense\n}", "not '<symbol>,<value>'"),
        ('nonsense\n#typev a_c1 10 "%0x"\n{\n}\n' + f"{GUID} drv", "neither a message GUID nor a message"),
        ("x" * 70_000, "characters are more than a line has"),
    ],
)
def test_a_damaged_message_is_said_and_the_next_one_read(bad: str, problem: str) -> None:
    text = f'{GUID} drv // SRC=a.c\n{bad}\n#typev a_c9 99 "%0last" // FUNC=f\n{{\n}}\n'
    found = parse_tmf(text)
    assert [m.number for m in found.messages] == [99]
    assert any(problem in p for p in found.problems)
    assert found.problems[0].startswith("line ")


@pytest.mark.parametrize("text", ["", "hello", "// PDB: x\n", '#typev a 10 "%0x"\n{\n}\n', "MZ\0\0" * 50])
def test_what_is_no_tmf_text_is_an_error(text: str) -> None:
    with pytest.raises(FormatError, match=r"x\.tmf is no trace message format"):
        parse_tmf(text, "x.tmf")


def test_a_text_that_ends_inside_a_message() -> None:
    cut = SMALL[: SMALL.index("b, ItemEnum")]
    with pytest.raises(FormatError, match="the text ends inside a message"):
        parse_tmf(cut)
    found = parse_tmf(SMALL + cut)
    assert len(found.messages) == 1
    assert "the text ends inside a message" in found.problems[0]


def test_an_annotation() -> None:
    enums: dict[str, dict[int, str]] = {}
    strings = ["TMF:", f"{GUID} drv // SRC=a.c MJ= MN=", '#typev a_c7 11 "%0x %10!s!" //   LEVEL=E', "{",
               "s, ItemEnum(_S) -- 10", "}"]  # fmt: skip
    one = parse_annotation(strings, "Outer", enums)
    enums["_S"] = {1: "One"}
    assert (one.number, one.function, dict(one.tail)) == (11, "Outer", {"LEVEL": "E", "FUNC": "Outer"})
    assert one.enums["_S"] == {1: "One"}
    assert parse_annotation(strings[1:]).function == ""
    for wrong in (strings[:3], strings[:5], [], ["TMF:", "x"]):
        with pytest.raises(FormatError, match="annotation of function Outer"):
            parse_annotation([*wrong[:2], *wrong[3:]], "Outer")


LINES = st.sampled_from(
    [*SMALL.splitlines(), '#typev x 11 "', '" // A=', "#enumv", ",Item(" * 40, '" ' * 40, "--", "}"]
)


@settings(max_examples=300, derandomize=True, deadline=2000)
@given(st.one_of(st.lists(LINES, max_size=30).map("\n".join), st.text(max_size=300), st.binary(max_size=300)))
def test_any_text_gives_messages_or_an_error(text: str | bytes) -> None:
    try:
        found = parse_tmf(text)
    except FormatError:
        return
    for one in found.messages:
        assert len(one.guid) == 16


@settings(max_examples=300, derandomize=True, deadline=2000)
@given(st.data())
def test_a_real_text_with_bytes_changed(data: st.DataObject) -> None:
    raw = bytearray(SMALL.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    try:
        parse_tmf(bytes(raw))
    except FormatError:
        return


@pytest.mark.parametrize(
    "evil",
    [
        ", Item(" * 9000,
        ', Item" ' * 8000 + "-- 10",
        '#typev a 10 "' + '" ' * 30_000,
        '#typev a 10 "x\n' + '"x\n' * 20_000,
        "{\n" + "a, Item(--\n" * 5000,
        '#typev a 10 "x" // ' + "A= " * 20_000,
        ",".ljust(60_000) * 1,
        "{" * 60_000,
    ],
)
def test_text_made_to_take_long_does_not(evil: str) -> None:
    began = time.perf_counter()
    text = f'{GUID} drv // SRC=a.c\n#typev a_c9 99 "%0last" // FUNC=f\n{{\n{evil}\n}}\n{evil}\n'
    with contextlib.suppress(FormatError):
        parse_tmf(text)
    assert time.perf_counter() - began < 5
