"""WPP messages out of PDBs: real ones of three architectures, and made ones for what those do not have."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import struct
import subprocess
import tracemalloc
import uuid
from pathlib import Path

import pdb_tools as p
import pytest
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st
from time_limit import time_limit

from wsktrace.decode.formats import RecordKey
from wsktrace.decode.pdb import ControlGuid, pdb_formats, read_pdb, read_pdb_identity
from wsktrace.decode.wpp import decode, render
from wsktrace.errors import FormatError
from wsktrace.etl.types import Kind

needs_corpus = pytest.mark.skipif(not p.CORPUS.is_dir(), reason=f"no PDBs in {p.CORPUS}: set WSKTRACE_CORPUS")
MINI = {
    "x64": "d3e1184e-213c-b2fc-4c4c-44205044422e",
    "x86": "b6813b91-5e6b-3bbc-4c4c-44205044422e",
    "ARM64": "497415de-0ce5-cc7b-4c4c-44205044422e",
}
IO = "irp, ItemPtr -- 10"


def mini(machine: str) -> Path:
    return p.CORPUS / f"wskmini_{machine.lower()}.pdb"


# -- PDBs of a compiler and linker ------------------------------------------------------------------------------------


@needs_corpus
@pytest.mark.parametrize("machine", MINI)
def test_the_mini_driver(machine):
    info = read_pdb(mini(machine))
    assert (info.guid, info.age, info.machine, info.stripped) == (MINI[machine], 1, machine, False)
    assert info.controls == (ControlGuid(p.CONTROL, "WskMiniTraceGuid", ("WSK_INIT", "WSK_IO", "WSK_ERR")),)
    assert info.annotations == 5  # the inlined function's message twice
    assert not info.problems
    assert not info.note
    messages = {m.number: m for m in info.messages}
    assert len(info.messages) == 3
    assert {n: (m.tag, m.function) for n, m in messages.items()} == {
        10: ("wskmini_c14", "WskMiniSend | WskMiniSendComplete"),
        11: ("wskmini_c20", "WskMiniSend"),
        12: ("wskmini_c29", "WskMiniSendComplete"),
    }
    send = messages[11]
    assert send.enums["_WSK_SOCK_STATE"] == {
        0: "WskSockCreated", 1: "WskSockBound", 2: "WskSockConnected", 16: "WskSockClosing",
    }  # fmt: skip
    assert send.format == "%0[%!FUNC!] irp %10!p! len %11!u! state %12!s!"
    assert send.tail == {"LEVEL": "TRACE_LEVEL_VERBOSE", "FLAGS": "WSK_IO", "FUNC": "WskMiniSend"}
    assert [(a.expression, a.item, a.argno) for a in send.args] == [
        ("irp", "ItemPtr", 10), ("len", "ItemLong", 11), ("st", "ItemEnum", 12),
    ]  # fmt: skip
    assert {(m.src, m.module, m.control) for m in info.messages} == {("wskmini.c", "wskmini", p.CONTROL)}


@needs_corpus
@pytest.mark.parametrize("machine", MINI)
def test_the_identity_alone(machine):
    assert read_pdb_identity(mini(machine)) == read_pdb(mini(machine)).identity


def pdbutil() -> str:
    names = ["llvm-pdbutil", *(f"llvm-pdbutil-{n}" for n in range(30, 12, -1))]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no llvm-pdbutil here (Debian package llvm)")
    return found


def dumped(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Function and strings of each annotation, as llvm-pdbutil shows them; strings hold no line breaks here."""
    text = subprocess.run(
        [pdbutil(), "dump", "-symbols", path], capture_output=True, check=True, encoding="utf-8", errors="replace"
    ).stdout
    out = []
    function, end = "", 0
    for place, kind, body in re.findall(r"^ *(\d+) \| (S_\w+) (.*?)(?=^ *\d+ \| |^ {2}Mod |\Z)", text, re.M | re.S):
        if kind in ("S_GPROC32", "S_LPROC32"):
            function, end = re.search(r"`(.*?)`", body)[1], int(re.search(r"end = (\d+)", body)[1])
        elif kind == "S_ANNOTATION":
            strings = [line.strip() for line in body[body.index("[", body.index("strings")) + 1 :].split("\n")]
            last = max(n for n, line in enumerate(strings) if line.endswith("]"))
            strings[last] = strings[last][:-1]
            out.append((function if int(place) < end else "", tuple(s for s in strings[: last + 1] if s)))
    return out


@needs_corpus
@pytest.mark.parametrize("machine", MINI)
def test_as_llvm_pdbutil_says(machine):
    shown = dumped(mini(machine))
    info = read_pdb(mini(machine))
    assert len(shown) == info.annotations
    by_strings: dict[tuple[str, ...], list[str]] = {}
    for function, strings in shown:
        if strings[0] == "TMF:":
            by_strings.setdefault(strings, []).append(function)
    assert len(by_strings) == len(info.messages) == 3
    assert sum(strings[0] == "TMC:" for _, strings in shown) == len(info.controls) == 1
    for (strings, functions), message in zip(by_strings.items(), info.messages, strict=True):
        assert message.function == " | ".join(dict.fromkeys(functions))
        assert strings[2].startswith(f'#typev {message.tag} {message.number} "{message.format}"')
        assert list(strings[4:-1]) == [
            f"{a.expression}, {a.item}{f'({a.list_args})' if a.list_args else ''} -- {a.argno}" for a in message.args
        ]


def test_own_pdbs_as_llvm_pdbutil_counts():
    """For PDBs that are not ours to keep: a folder named by WSKTRACE_PDBS."""
    folder = os.environ.get("WSKTRACE_PDBS")
    if not folder:
        pytest.skip("WSKTRACE_PDBS names no folder of PDBs to compare with llvm-pdbutil")
    for path in sorted(Path(folder).glob("*.pdb")):
        shown = dumped(path)
        info = read_pdb(path)
        assert len(shown) == info.annotations, path
        assert not info.problems
        by_strings: dict[tuple[str, ...], dict[str, None]] = {}
        for function, strings in shown:
            by_strings.setdefault(strings, {})[function] = None
        assert len(by_strings) == len(info.messages) + len(info.controls), path
        functions = [" | ".join(f) for s, f in by_strings.items() if s[0] == "TMF:"]
        assert functions == [m.function for m in info.messages], path


@needs_corpus
def test_messages_of_a_trace_by_the_pdb_alone():
    book = pdb_formats(read_pdb(mini("x64")))
    form = book.find(RecordKey("message", uuid.UUID(p.MESSAGE).bytes_le, 11))
    assert form.source == "PDB wskmini_x64.pdb"
    assert (form.file, form.line, form.function) == ("wskmini.c", 20, "WskMiniSend")
    assert (form.level, form.keywords) == ("TRACE_LEVEL_VERBOSE", "WSK_IO")
    chunk = payloads(*[struct.pack("<QIi", 0xFFFFB10A2C41E5A0 + n, 1400, n) for n in (0, 2, 16, 3)], kind=Kind.MESSAGE)
    decoded = decode(form, chunk, all_rows(chunk))
    assert not decoded.left.any()
    assert decoded.columns["irp"].values.tolist()[1] == 0xFFFFB10A2C41E5A2
    shown = render(form, decoded, chunk)
    assert shown[1] == "[WskMiniSend] irp FFFFB10A2C41E5A2 len 1400 state WskSockConnected"
    assert [text.rpartition(" ")[2] for text in shown[:3]] == ["WskSockCreated", "WskSockConnected", "WskSockClosing"]
    assert book.find(RecordKey("message", uuid.UUID(p.MESSAGE).bytes_le, 13)) is None
    assert book.find(RecordKey("event", uuid.UUID(p.MESSAGE).bytes_le, 11)) is None


# -- made PDBs --------------------------------------------------------------------------------------------------------


def only(info):
    (message,) = info.messages
    return message


def module(*records: bytes, name: str = "Send") -> bytes:
    return p.Symbols().procedure(name, *records).bytes()


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("block_size", [512, 4096, 32768])
def test_blocks_in_any_order(block_size, seed):
    first = module(*[p.tmf(n, IO, line=n) for n in range(10, 60)])
    second = module(p.tmc(), name="DriverEntry")
    info = read_pdb(p.pdb(first, None, second, block_size=block_size, seed=seed))
    assert [m.number for m in info.messages] == list(range(10, 60))
    assert len(info.controls) == 1


def test_id_and_age_are_those_of_the_image():
    """The image names the age of the debug information, not that of stream 1 (which is 1 here)."""
    info = read_pdb(p.pdb(module(p.tmf()), age=0x2A), "drv.pdb")
    assert (info.identity.name, info.guid, info.age) == ("drv.pdb", str(p.GUID), 0x2A)


@pytest.mark.parametrize(("number", "name"), [(0xA641, "ARM64EC"), (0x1C4, "ARM"), (0x5064, "0x5064")])
def test_machines(number, name):
    assert read_pdb(p.pdb(module(p.tmf()), machine=number)).machine == name


@pytest.mark.parametrize("kind", [0x1110, 0x110F, 0x1146, 0x1147, 0x1155, 0x1156])
def test_every_kind_of_procedure(kind):
    symbols = p.Symbols().procedure("ns::Class::<lambda_1>::operator()", p.tmf(), kind=kind).bytes()
    assert only(read_pdb(p.pdb(symbols))).function == "ns::Class::<lambda_1>::operator()"


def test_the_procedure_is_the_one_around_the_annotation():
    block = p.record(0x1103, bytes(20)), p.tmf(11, line=11), p.record(0x0006, b"")
    symbols = p.Symbols().procedure("Before").procedure("Around", p.tmf(10), *block).procedure("After")
    symbols.add(p.tmf(12, line=12))
    found = {m.number: m.function for m in read_pdb(p.pdb(symbols.bytes())).messages}
    assert found == {10: "Around", 11: "Around", 12: ""}


def test_a_procedure_inside_another():
    inner = p.Symbols()
    inner.raw.clear()
    symbols = p.Symbols()
    head = len(symbols.procedure("Outer", ended=False).raw) - 4
    symbols = p.Symbols()
    inner.raw += bytes(head)  # its end counts from the module's begin
    inner.procedure("Inner", p.tmf(10))
    symbols.procedure("Outer", bytes(inner.raw[head:]), p.tmf(11, line=11))
    found = {m.number: m.function for m in read_pdb(p.pdb(symbols.bytes())).messages}
    assert found == {10: "Inner", 11: "Outer"}


def test_procedures_that_do_not_say_where_they_end():
    symbols = p.Symbols().procedure("A", p.tmf(10), ended=False).procedure("B", p.tmf(11, line=11), ended=False)
    found = {m.number: m.function for m in read_pdb(p.pdb(symbols.bytes())).messages}
    assert found == {10: "A", 11: "B"}


def test_code_that_was_moved_away_belongs_to_its_procedure():
    symbols = p.Symbols().procedure("Cold", offset=0x40).procedure("Hot", offset=0x80)
    symbols.separated(0x40, p.tmf(10)).separated(0x44, p.tmf(11, line=11))
    found = {m.number: m.function for m in read_pdb(p.pdb(symbols.bytes())).messages}
    assert found == {10: "Cold", 11: "Hot"}  # a place inside of one: the procedure before it


def test_a_message_of_many_callers_is_one_message():
    modules = [module(p.tmf(), name=f"Caller{n}") for n in range(3)]
    info = read_pdb(p.pdb(*modules))
    assert only(info).function == "Caller0 | Caller1 | Caller2"
    assert only(info).tail["FUNC"] == "Caller0 | Caller1 | Caller2"
    info = read_pdb(p.pdb(*modules, *[module(p.tmf(), name=f"Caller{n}") for n in range(3, 7)]))
    assert only(info).function == "Caller0 | Caller1 | Caller2 | … 7 functions"
    assert info.annotations == 7


def test_two_messages_of_one_number_stay_two():
    info = read_pdb(p.pdb(module(p.tmf(10, line=5), p.tmf(10, line=6))))
    assert [(m.number, m.tag) for m in info.messages] == [(10, "mini_c5"), (10, "mini_c6")]


def test_other_annotations_are_none_of_ours():
    info = read_pdb(p.pdb(module(p.annotation("TMF-like"), p.annotation(), p.tmf(), p.annotation("note", "TMF:"))))
    assert info.annotations == len(info.messages) == 1


def test_which_provider_a_message_belongs_to():
    other = "aaaaaaaa-8c27-494a-bda0-505e4fd8adae"
    tmcs = p.tmc(p.CONTROL, "Io", "WSK_IO", "BOTH"), p.tmc(other, "Pnp", "PNP", "BOTH")
    messages = [
        p.tmf(10, line=1, tail="LEVEL=VERBOSE FLAGS=WSK_IO"),
        p.tmf(11, line=2, tail="LEVEL=PNP"),
        p.tmf(12, line=3, tail="LEVEL=VERBOSE FLAGS=BOTH"),
        p.tmf(13, line=4, tail="LEVEL=VERBOSE"),
    ]
    info = read_pdb(p.pdb(module(*messages, *tmcs)))
    assert [m.control for m in info.messages] == [p.CONTROL, other, "", ""]


def test_annotations_that_make_no_sense_are_said():
    bad = p.annotation("TMF:", "no guid", '#typev a_c1 10 "x"', "{", "}"), p.annotation("TMC:", "no guid either")
    info = read_pdb(p.pdb(module(*bad, p.annotation("TMC:"), p.tmf())))
    assert len(info.messages) == 1
    assert len(info.problems) == 3
    assert all("\n" not in one for one in info.problems)


def test_an_annotation_of_absurd_length_costs_nothing():
    absurd = [p.annotation("TMF:", *[""] * 60_000, str(n)) for n in range(200)]
    with time_limit(5):
        info = read_pdb(p.pdb(module(*absurd, p.tmf()), block_size=4096))
    assert (info.annotations, len(info.messages), len(info.problems)) == (201, 1, 100)
    assert "60002 strings" in info.problems[0]


# -- enumerations -----------------------------------------------------------------------------------------------------


def with_enum(item: str, *types: bytes, symbols: bytes = b"") -> dict[str, dict[int, str]]:
    raw = p.pdb(module(p.tmf(10, f"state, {item} -- 10")), types=p.type_stream(*types), symbols=symbols)
    return only(read_pdb(raw)).enums


def test_enumerations():
    members = p.fields(
        p.enumerator("Zero", 0),
        p.enumerator("Same", 0),
        p.enumerator("Char", b"\x00\x80\xff"),
        p.enumerator("Short", b"\x01\x80\x00\x80"),
        p.enumerator("UShort", b"\x02\x80\x00\x80"),
        p.enumerator("Long", b"\x03\x80\xfe\xff\xff\xff"),
        p.enumerator("ULong", b"\x04\x80\x00\x00\x00\xc0"),
        p.enumerator("Quad", b"\x09\x80" + (-3).to_bytes(8, "little", signed=True)),
        p.enumerator("UQuad", b"\x0a\x80" + (7).to_bytes(8, "little")),
    )
    types = p.enum("_STATE", 0, forward=True), members, p.enum("_STATE", 0x1001), p.enum("_OTHER", 0x1001)
    for item in ("ItemEnum(_STATE)", "ItemFlagsEnum( _STATE )", "itemenum(_STATE)"):
        assert with_enum(item, *types) == {
            "_STATE": {
                0: "Zero", 0xFFFFFFFF: "Char", 0xFFFF8000: "Short", 0x8000: "UShort", 0xFFFFFFFE: "Long",
                0xC0000000: "ULong", 0xFFFFFFFD: "Quad", 7: "UQuad",
            }
        }  # fmt: skip


def test_an_enumeration_by_its_typedef():
    types = p.fields(p.enumerator("One", 1)), p.enum("_STATE", 0x1000)
    symbols = p.udt("ULONG", 0x22) + p.udt("STATE", 0x1001)
    assert with_enum("ItemEnum(STATE)", *types, symbols=symbols) == {"STATE": {1: "One"}}
    assert with_enum("ItemEnum(NONE)", *types, symbols=symbols) == {}


def test_a_long_enumeration_goes_on_elsewhere():
    rest = p.fields(p.enumerator("Last", 3))
    first = p.fields(p.enumerator("First", 1), p.goes_on(0x1000))
    assert with_enum("ItemEnum(E)", rest, first, p.enum("E", 0x1001)) == {"E": {1: "First", 3: "Last"}}


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ((p.fields(p.goes_on(0x1000)), p.enum("E", 0x1000)), "circle"),
        ((p.enum("E", 0x4000),), "0x4000, which does not exist"),
        ((p.enum("E", 0x1000),), "no list of fields"),
        ((p.fields(b"\x0d\x15" + bytes(14)), p.enum("E", 0x1000)), "member of kind 0x150d"),
        ((p.fields(p.enumerator("A", b"\x77\x80" + bytes(4))), p.enum("E", 0x1000)), "unknown form 0x8077"),
        ((p.record(0x1203, b"\x02\x15\3\0\1\0abcdef"), p.enum("E", 0x1000)), "no end"),
        ((b"\xff\xff\0\0",), "length of 65535"),
    ],
)
def test_damaged_enumerations(types, said):
    with pytest.raises(FormatError, match=f"PDB is a damaged PDB: .*{said}"):
        with_enum("ItemEnum(E)", *types)


def test_lists_that_share_their_ends_cost_no_more_than_the_stream_is_long():
    """Each of many enumerations goes on in the one before: read one by one that is the square of their number."""
    count = 600
    lists = [p.fields(p.enumerator("S", 1), *([p.goes_on(0x1000 + n - 1)] if n else [])) for n in range(count)]
    types = [*lists, *(p.enum(f"E{n}", 0x1000 + n) for n in range(count))]
    messages = [p.tmf(10 + n, f"e, ItemEnum(E{n}) -- 10", line=n + 1) for n in range(count)]
    raw = p.pdb(module(*messages[:300]), module(*messages[300:]), types=p.type_stream(*types))
    with time_limit(5), pytest.raises(FormatError, match="longer than the type stream"):
        read_pdb(raw)


# -- without messages -------------------------------------------------------------------------------------------------


#: what a linker leaves of itself in any PDB
NAMED = p.Symbols().add(p.record(0x1101, bytes(4) + b"* Linker *\0")).bytes()


def test_stripped():
    for raw in (
        p.pdb(None, None),
        p.pdb(p.Symbols().bytes()),
        p.pdb(),
        p.pdb(module(), flags=2),
        p.pdb(NAMED),
        p.pdb(b"\1\0\0\0old"),
    ):
        info = read_pdb(raw)
        assert info.stripped
        assert not info.messages
        assert "stripped of private symbols" in info.note
        assert (info.guid, info.age, info.machine) == (str(p.GUID), 3, "x64")


def test_without_wpp():
    info = read_pdb(p.pdb(module()))
    assert not info.stripped
    assert "without WPP" in info.note


def test_fast_link():
    info = read_pdb(p.pdb(None, features=b"\x9a\x8b\x33\x01MINI"))
    assert "/DEBUG:FASTLINK" in info.note


def test_without_debug_information():
    info = read_pdb(p.msf([b"", p.pdb_info(), b""]))
    assert (info.guid, info.age, info.machine, info.stripped) == (str(p.GUID), 1, "unknown", False)
    assert "holds types only" in info.note


# -- damage -----------------------------------------------------------------------------------------------------------

TWO = module(p.tmf()), module(p.tmc(), name="DriverEntry")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (p.msf([b""]), "holds its GUID has 0 bytes"),
        (p.msf([b"", b"\x01" * 27, b""]), "holds its GUID has 27 bytes"),
        (p.msf([b"", bytes(28), b""]), "version 0, which has no GUID"),
        (p.msf([b"", p.pdb_info(), b"", b"short"]), "debug information has 5 bytes"),
        (p.msf([b"", p.pdb_info(), b"", bytes(64)]), "version 0"),
        (p.pdb(*TWO, streams=[5, 5]), "module mod1.obj are not where"),
        (p.pdb(*TWO, streams=[5, 77]), "module mod1.obj are not where"),
        (p.pdb(*TWO, sizes=[1 << 20, 4]), "module mod0.obj are not where"),
        (p.pdb(b"\1\0\0\0" + p.tmf()), "module mod0.obj, its symbols are not of the form"),
        (p.pdb(module(p.tmf()) + b"\xff\xff\0\0"), "module mod0.obj, the symbol record at .* 65535"),
        (p.pdb(module(p.tmf()) + bytes(4)), "length of 0"),
        (p.pdb(module(p.annotation("TMF:", "x", count=9))), "counts 9 strings"),
        (p.pdb(module(p.annotation("TMF:", "x", count=0))), "counts 0 strings"),
        (p.pdb(module(), names=["abc"]).replace(b"abc\0lib\0", b"abcxlibx"), "list of modules"),
    ],
)
def test_damage_is_named(raw, said):
    with pytest.raises(FormatError, match=said) as caught:
        read_pdb(raw, "drv.pdb")
    assert str(caught.value).startswith("drv.pdb is a damaged PDB: ")
    assert "\n" not in str(caught.value)


def whole() -> bytes:
    types = p.fields(p.enumerator("One", 1), p.enumerator("Two", b"\x04\x80\0\0\1\0")), p.enum("_STATE", 0x1000)
    io = module(p.tmf(10, IO), p.tmf(11, IO, "s, ItemEnum(STATE) -- 11", line=30), name="Send")
    rest = p.Symbols().procedure("Close", p.tmf(10, IO), offset=0x40).separated(0x40, p.tmf(12, line=40)).bytes()
    symbols = p.udt("STATE", 0x1001)
    return p.pdb(
        io, None, rest, module(p.tmc(), name="DriverEntry"), types=p.type_stream(*types), symbols=symbols, seed=3
    )


WHOLE = whole()
WORDS = st.sampled_from([0, 1, 2, 3, 4, 0x7F, 0xFF, 0x1019, 0x1110, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF])
EDIT = st.tuples(
    st.sampled_from(["flip", "word", "cut", "zero", "move"]), st.integers(0, 1 << 24), WORDS, st.integers(0, 1 << 24)
)


def damage(raw: bytes, edits) -> bytes:
    out = bytearray(raw)
    for kind, where, word, to in edits:
        at = where % max(len(out), 1)
        if kind == "flip" and out:
            out[at] ^= 1 << word % 8
        elif kind == "word":
            out[at & ~1 : (at & ~1) + 4] = word.to_bytes(4, "little")
        elif kind == "cut":
            del out[len(out) - min(at, 2000) :]
        elif kind == "zero":
            out[at : at + 64] = bytes(len(out[at : at + 64]))
        elif kind == "move":
            out[at : at + 512] = out[to % max(len(out), 1) :][:512]
    return bytes(out)


def read_or_refuse(raw: bytes) -> str:
    """Read, or get an error in one line; in bounded time and memory."""
    tracemalloc.start()
    try:
        with time_limit(10):
            info = read_pdb(raw)
    except FormatError as error:
        return "" if "\n" in str(error) else "refused"
    else:
        assert info.annotations >= len(info.messages)
        assert info.messages or info.note
        return "read"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60 * len(raw) + (1 << 20)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.lists(EDIT, min_size=1, max_size=6))
def test_damaged_anywhere(edits):
    assert read_or_refuse(damage(WHOLE, edits))


@needs_corpus
@settings(max_examples=150, deadline=None, print_blob=True)
@given(st.sampled_from(sorted(MINI)), st.lists(EDIT, min_size=1, max_size=4))
def test_real_ones_damaged_anywhere(machine, edits):
    assert read_or_refuse(damage(mini(machine).read_bytes(), edits))


@pytest.mark.long
@needs_corpus
def test_every_byte_of_what_is_read_wrong_once():
    """Each byte of the made PDB turned over: most are refused or change a text, none does worse."""
    outcomes = {read_or_refuse(WHOLE[:at] + bytes([WHOLE[at] ^ 0xFF]) + WHOLE[at + 1 :]) for at in range(len(WHOLE))}
    assert outcomes == {"read", "refused"}


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.binary(max_size=2000), st.integers(0, 2))
def test_streams_of_noise(noise, which):
    """Noise where symbols, types or the list of modules are expected."""
    symbols = module(p.tmf(10, "s, ItemEnum(E) -- 10"))
    if which == 0:
        raw = p.pdb(b"\4\0\0\0" + p.tmf() + noise)
    elif which == 1:
        raw = p.pdb(symbols, types=p.type_stream(noise, p.enum("E", 0x1000)))
    else:
        raw = p.pdb(symbols, types=p.type_stream(p.enum("F", 0x1000)), symbols=noise)
    assert read_or_refuse(raw)


def test_a_cut_pdb_is_refused_wherever_it_is_cut():
    for at in itertools.chain(range(100), range(100, len(WHOLE) - 511, 97)):
        with pytest.raises(FormatError):
            read_pdb(WHOLE[:at])
