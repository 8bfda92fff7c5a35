"""Instrumentation manifests: what they say, in each encoding; what they get wrong; what is refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_tools import (
    CORPUS,
    GUID,
    MANIFEST,
    compare_with_etl_parser,
    count_decoded,
    event_key,
    manifest_bytes,
    needs_corpus,
    wide,
)

from wsktrace.decode.formats import EventFormat, RecordKey, ValueMap
from wsktrace.decode.layout import decode
from wsktrace.decode.manifest import parse_manifest, read_manifest
from wsktrace.errors import FormatError
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from pathlib import Path

SID = bytes([1, 1, 0, 0, 0, 0, 0, 5]) + struct.pack("<I", 18)


def found(number: int, version: int = 0, data: bytes | None = None) -> EventFormat:
    manifest = parse_manifest(manifest_bytes() if data is None else data, "c.man", "manifest c.man")
    got = manifest.find(event_key(number, version))
    assert got is not None
    return got


def one(layout: Any, payload: bytes, kind: int = Kind.EVENT64) -> tuple[dict[str, Any], int, bool]:
    """The values of one payload, what is left of it, and whether it was whole."""
    chunk = payloads(payload, kind=kind)
    decoded = decode(layout, chunk, all_rows(chunk))
    return decoded.to_pylist()[0], int(decoded.left[0]), bool(decoded.ok[0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
def test_encodings(encoding: str) -> None:
    name = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(encoding, encoding)
    text = MANIFEST.format(encoding=name)
    data = ("\ufeff" if encoding in ("utf-16-le", "utf-16-be") else "").encode(encoding) + text.encode(encoding)
    assert found(1, 2, data).message == "A is %1, port %2!d!, at %4; ok: %5.%nPünktlich"


@pytest.mark.parametrize(("declared", "real"), [("utf-16", "utf-8"), ("utf-8", "utf-16"), ("utf-8", "utf-16-le")])
def test_a_wrong_declaration_of_the_encoding_is_forgiven(declared: str, real: str) -> None:
    assert found(1, 2, MANIFEST.format(encoding=declared).encode(real)).provider == "Contoso-Driver"


def test_numbers_by_the_record_s_pointers() -> None:
    layout = found(1, 2).layout
    assert layout.problem == ""
    tail = struct.pack("<IQ", 1, 132_537_600_000_000_000) + GUID.bytes_le
    expected = {
        "A": -3, "B": 443, "C": 0xABCDEF, "P": 0x11223344, "Ok": True,
        "When": "2020-12-30T00:00:00.0000000Z", "Id": str(GUID),
    }  # fmt: skip
    for pointer, kind in (("Q", Kind.EVENT64), ("I", Kind.EVENT32)):
        payload = struct.pack(f"<bHQ{pointer}", -3, 443 << 8 & 0xFF00 | 443 >> 8, 0xABCDEF, 0x11223344) + tail
        assert one(layout, payload, kind) == (expected, 0, True)


def test_texts_with_lengths() -> None:
    layout = found(2).layout
    ip = bytes(15) + b"\1"
    payload = wide("zero") + "vier".encode("utf-16-le") + struct.pack("<H", 3) + b"abc" + b"\x01\x02\x03" + ip + SID
    payload += struct.pack("<H", 4) + "éx".encode("utf-16-le")
    values, left, whole = one(layout, payload)
    assert (left, whole) == (0, True)
    assert values == {
        "Z": "zero", "Four": "vier", "Count": 3, "Ansi": "abc", "Raw": b"\1\2\3", "Ip": "::1", "Who": "S-1-5-18",
        "Counted": "éx",
    }  # fmt: skip


def test_structs_counts_and_maps() -> None:
    got = found(3)
    payload = struct.pack("<BII", 2, 7, 1) + struct.pack("<H", 2) + b"hi" + struct.pack("<H", 0)
    payload += struct.pack("<3H", 4, 5, 6) + wide("ä") + wide("") + struct.pack("<I", 5)
    values, left, whole = one(got.layout, payload)
    assert (left, whole) == (0, True)
    assert values == {
        "Number": 2, "One.X": 7, "One.State": 1, "Many.Size": [2, 0], "Many.Text": ["hi", ""], "Fixed": [4, 5, 6],
        "Names": ["ä", ""], "Flags": 5,
    }  # fmt: skip
    assert dict(got.maps) == {
        "One.State": ValueMap({0: "closed", 1: "open"}),
        "Flags": ValueMap({1: "a", 4: "c"}, bits=True),
    }


def test_names_levels_keywords() -> None:
    named = {n: found(n, 2 if n == 1 else 0) for n in range(1, 9)}
    assert [f.name for f in named.values()] == [
        "NumbersEvent", "Socket work/Opening", "Socket work/Start", "Shut", "Event 5", "Event 6", "Named.Event",
        "Socket work",
    ]  # fmt: skip
    assert (named[1].level, named[2].level, named[3].level) == ("Warning", "Very chatty", "LogAlways")
    assert named[1].keywords == "Networking, Disk"
    assert named[7].message == ""  # its string is in no table
    assert named[8].message == "100 %% of %1%n"
    assert {f.source for f in named.values()} == {"manifest c.man"}


def test_other_versions_families_and_providers_are_not_described() -> None:
    manifest = parse_manifest(manifest_bytes(), "c.man", "manifest c.man")
    assert manifest.find(event_key(1)) is None
    assert manifest.find(RecordKey("classic", GUID.bytes_le, 2)) is None
    assert manifest.find(RecordKey("event", bytes(16), 2)) is None
    assert manifest.providers == {GUID.bytes_le: "Contoso-Driver"}


def test_what_a_template_gets_wrong_spoils_that_event_only() -> None:
    odd, missing, backward = found(4), found(5), found(6)
    assert odd.layout.problem == "property 'B' has the unknown in-type 'win:Unsupported'"
    assert one(odd.layout, b"\1\0\0\0rest")[0] == {"A": 1, "…": b"rest"}
    assert missing.layout.problem == "the manifest has no template 'Missing'"
    assert one(missing.layout, b"rest")[0] == {"…": b"rest"}
    assert one(backward.layout, b"\1\0\0\0rest")[0]["…"] == b"\1\0\0\0rest"


def test_names_of_in_types_as_other_tools_write_them() -> None:
    names = ["win:CountedUtf16String", "win:CountedMbcsString", "win:25", "trace:SizeT", "trace:UnicodeChar"]
    data = "".join(f'<data name="{n}" inType="{n}"/>' for n in names)
    start, end = MANIFEST.format(encoding="utf-8").split('<template tid="Odd">')
    layout = found(4, data=f'{start}<template tid="Odd">{data}</template><template tid="O2">{end}'.encode()).layout
    assert layout.problem == ""
    assert [f.in_type for f in layout.fields] == [22, 23, 25, 308, 6]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not well-formed XML"),
        (b"<a", "not well-formed XML"),
        (b"\xff\xfe\xff", "not well-formed XML"),
        (b"<?xml version='1.0' encoding='x-nothing'?><a/>", "no instrumentation manifest"),
        (b"<?xml version='1.0' encoding='x-nothing'?><a", "not well-formed XML"),
        (b"<a/>", "no instrumentation manifest"),
        (b"<provider guid='no'/>", "'no' is no GUID"),
        (MANIFEST.format(encoding="utf-8").replace('value="0x3"', 'value="drei"').encode(), "value='drei'"),
        (
            MANIFEST.format(encoding="utf-8").replace('value="0x3"', 'value="70000"').encode(),
            "not a number up to 65535",
        ),
        (MANIFEST.format(encoding="utf-8").replace('value="0x1"', 'value="-1"').encode(), "value='-1'"),
        (MANIFEST.format(encoding="utf-8").replace('value="5" ', "").encode(), "value=None"),
    ],
)
def test_clear_errors(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=r"^c\.man: ") as error:
        parse_manifest(data, "c.man", "manifest c.man")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "inside",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><x>&c;</x>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        '<!DOCTYPE x SYSTEM "http://example.invalid/x.dtd"><x/>',
        "<!DOCTYPE x><x/>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_bombs_are_refused(inside: str, encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?>{inside}'.encode(encoding)
    with pytest.raises(FormatError, match="DTD or entities; they are refused"):
        parse_manifest(data, "bomb.man", "manifest bomb.man")
    with pytest.raises(FormatError, match="DTD or entities; they are refused"):  # nor behind a wrong declaration
        parse_manifest(inside.join(("<?xml version='1.0' encoding='utf-16'?>", "")).encode(), "bomb.man", "x")


def test_deep_and_wide_manifests_end() -> None:
    start, end = MANIFEST.format(encoding="utf-8").split('<template tid="Odd">')
    deep = "<struct name='s'>" * 3000 + "</struct>" * 3000
    many = "".join(f'<data name="x{n}" inType="win:UInt8"/>' for n in range(5000))
    for body, problem in ((deep, "structs are nested more than"), (many, "the event has more than 2048 properties")):
        layout = found(4, data=f'{start}<template tid="Odd">{body}{end}'.encode()).layout
        assert layout.problem.startswith(problem)


def test_strings_that_are_used_often_do_not_multiply() -> None:
    start, rest = MANIFEST.format(encoding="utf-8").split("   <events>\n")
    big = f'<string id="Big" value="{"x" * 100_000}"/>'
    end = rest.split("   </events>")[1].replace('<string id="Provider"', f'{big}<string id="Provider"')
    for message, most in (("$(string.Big)", 1), ("a $(string.Big)", 168)):
        events = "".join(f'<event value="{n}" message="{message}" keywords="{"Net " * 90}"/>' for n in range(1000))
        manifest = parse_manifest(f"{start}<events>{events}</events>{end}".encode(), "c.man", "manifest c.man")
        texts = {id(e.message): len(e.message) for e in manifest.events.values()}
        assert max(texts.values()) >= 100_000
        assert sum(texts.values()) <= most * 100_002
        assert all(len(e.keywords) <= 1024 for e in manifest.events.values())


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "drv.man"
    path.write_bytes(manifest_bytes("utf-16"))
    assert read_manifest(path).find(event_key(2)).source == "manifest drv.man"  # type: ignore[union-attr]
    with pytest.raises(FormatError, match="No such file"):
        read_manifest(tmp_path / "none.man")
    with pytest.raises(FormatError, match="Is a directory"):
        read_manifest(tmp_path)


_BASE = manifest_bytes()


@settings(max_examples=200, deadline=None, print_blob=True, derandomize=True)
@given(st.data())
def test_damaged_manifests_give_errors_or_formats(data: st.DataObject) -> None:
    raw = bytearray(manifest_bytes("utf-16") if data.draw(st.booleans()) else _BASE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        cut = data.draw(st.integers(0, 40))
        raw[at : at + cut] = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from(
            [b'"', b"0", b"-1", b"win:", b"99999999999999999999", b"<struct name='q'>", b"count='A' ", b"length=\"Z\" "]
        )))  # fmt: skip
        if not raw:
            break
    try:
        manifest = parse_manifest(bytes(raw), "c.man", "manifest c.man")
    except FormatError:
        return
    chunk = payloads(b"", data.draw(st.binary(max_size=64)), bytes(range(1, 200)))
    for got in manifest.events.values():
        decoded = decode(got.layout, chunk, all_rows(chunk))
        assert (decoded.left >= 0).all()


@needs_corpus
def test_http_server_decodes_wholly_through_its_manifest() -> None:
    manifest = read_manifest(CORPUS / "manifests" / "HTTP_Server.man")
    assert len(manifest.events) == 85
    counts = count_decoded("Tx-HTTP_Server.etl", [manifest])
    assert counts == {"dd5ef90a-6398-47a4-ad34-4dcecdef795f": {"whole": 2041, "not whole": 0}}


@needs_corpus
def test_every_event_of_a_large_manifest_has_a_layout() -> None:
    manifest = read_manifest(CORPUS / "manifests" / "tcp.man")
    assert len(manifest.events) == 211
    assert [e.name for e in manifest.events.values() if e.layout.problem] == []
    assert sum(bool(e.maps) for e in manifest.events.values()) > 20


@needs_corpus
def test_the_same_values_as_etl_parser(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read_manifest(CORPUS / "manifests" / "HTTP_Server.man")
    records, fields, refused = compare_with_etl_parser("Tx-HTTP_Server.etl", [manifest], 10_000)
    with capsys.disabled():
        print(f"\nTx-HTTP_Server.etl: {records} records, {fields} fields equal to build_etw's", end="")
    # of the 291 "Parse" events it cannot read the URL, which has no NUL
    assert (records, fields, refused) == (1750, 7873, {"StreamError": 291})
