"""etl-parser's catalogue as layouts: read without importing it, and the same values as its own ``build_etw`` gives.

The differential tests feed ``build_etw`` record by record, the way etl-and-wpp-format, 4 found to work, and say how
many records they compared.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from decode_tools import Made, all_rows, chunk_of

from wsktrace.decode import etl_parser_catalogue as catalogue
from wsktrace.decode.etl_parser_catalogue import SOURCE, Catalogue
from wsktrace.decode.fields import Rule
from wsktrace.decode.formats import RecordKey
from wsktrace.decode.intypes import InType
from wsktrace.decode.layout import decode
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import GuidTable, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.decode.columns import ColumnData
    from wsktrace.decode.fields import Field
    from wsktrace.etl.types import Chunk

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")) / "etl"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; set WSKTRACE_CORPUS")

PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
TCPIP = UUID("2f07e2ee-15db-40f1-90ef-9d7ba282188a")
NETWORK = UUID("7dd42a49-5329-4832-8dfd-43d979153a88")
AFD = UUID("e53c6823-7bb8-44bb-90dc-3f86090d48a6")


def key(guid: UUID, number: int, version: int = 0, pointer: int = 8, family: str = "event") -> RecordKey:
    return RecordKey(family, guid.bytes_le, number, version, 0, pointer)


def names(guid: UUID, number: int, version: int = 0) -> list[str]:
    found = Catalogue().find(key(guid, number, version))
    assert found is not None
    assert found.source == SOURCE
    assert found.layout.exact
    return [f.name for f in found.layout.fields]


def test_events_of_winsock_and_tcpip_have_the_fields_of_the_design_page() -> None:
    create = ["EnterExit", "Location", "Process", "Endpoint", "AddressFamily", "SocketType", "Protocol", "ProcessId"]
    assert names(AFD, 1000) == [*create, "Status"]
    assert names(AFD, 1001) == ["EnterExit", "Location", "Process", "Endpoint", "Status"]
    assert names(TCPIP, 1001) == ["Status", "Endpoint", "AddressFamily", "Pid"]
    assert Catalogue().provider(TCPIP.bytes_le) == "Microsoft-Windows-TCPIP"
    assert Catalogue().provider(bytes(16)) == ""


def test_what_it_does_not_describe_has_no_format() -> None:
    found = Catalogue()
    assert found.find(key(TCPIP, 1001)) is not None
    assert found.find(key(TCPIP, 1001, pointer=4)) is None
    assert found.find(key(TCPIP, 1001, version=77)) is None
    assert found.find(key(TCPIP, 64999)) is None
    assert found.find(key(UUID(int=5), 1001)) is None
    assert found.find(key(TCPIP, 1001, family="classic")) is None
    assert found.find(RecordKey("kernel", b"", 1001)) is None


def test_lengths_of_earlier_fields_are_followed() -> None:
    pnp = Catalogue().find(key(UUID("9c205a39-1250-487d-abd7-e831c6290539"), 218))
    assert pnp is not None
    text = {f.name: f for f in pnp.layout.fields}["DriverName"]
    assert (text.in_type, text.length) == (InType.UNICODESTRING, "DriverNameLength")
    blob = Catalogue().find(key(UUID("cd7cf0d0-02cc-4872-9b65-0dba0a90efe8"), 1072))
    assert blob is not None
    assert blob.layout.fields[-1].length == "__binLength"
    assert blob.layout.fields[-1].in_type == InType.BINARY


def test_all_of_it_is_understood() -> None:
    found = [catalogue._formats(path) for path in list(catalogue._index().values())[::40]]
    declared = [p.read_text(encoding="utf-8").count("\n@declare(") for p in list(catalogue._index().values())[::40]]
    assert len(catalogue._index()) == 794
    assert [len(f) for f in found] == declared
    rules = {f.length for formats in found for e in formats.values() for f in e.layout.fields}
    assert Rule.REST not in rules


def test_a_record_counts_where_it_is_consumed_to_the_byte() -> None:
    guids = GuidTable()
    whole = struct.pack("<IQII", 0, 0xFFFF8001_00001000, 2, 4)
    chunk = chunk_of([Made(p, provider=TCPIP.bytes_le) for p in (whole, whole + b"\0", whole[:-1], b"")], guids)
    found = Catalogue().find(key(TCPIP, 1001))
    assert found is not None
    out = decode(found.layout, chunk, all_rows(chunk))
    assert out.ok.tolist() == [True, False, False, False]
    assert out.columns["Endpoint"].to_pylist() == [0xFFFF8001_00001000, None, None, None]


def test_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from wsktrace.decode.etl_parser_catalogue import Catalogue;"
        "from wsktrace.decode.formats import RecordKey;"
        f"assert Catalogue().find(RecordKey('event', {AFD.bytes_le!r}, 1000));"
        "assert not {'etl', 'construct'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_library_there_are_no_formats(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "etl"
    (package / "parsers" / "etw").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    broken = '"""\nSome-Provider\nGUID : 00000000-0000-0000-0000-00000000000a\n"""\nclass A(\n'
    (package / "parsers" / "etw" / "Broken.py").write_text(broken)
    (package / "parsers" / "etw" / "Odd.py").write_bytes(b"\xff\xfe\0\0")
    # another test may have imported the real one
    monkeypatch.delitem(sys.modules, "etl", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue._index.cache_clear()
    try:
        assert Catalogue().find(key(TCPIP, 1001)) is None
        assert Catalogue().find(key(UUID(int=10), 1001)) is None
        assert Catalogue().provider(UUID(int=10).bytes_le) == "Some-Provider"
        monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
        catalogue._index.cache_clear()
        assert Catalogue().provider(UUID(int=10).bytes_le) == ""
    finally:
        catalogue._index.cache_clear()


# against etl-parser itself --------------------------------------------------------------------------------------------


def theirs(value: Any) -> Any:
    """What build_etw made of a field, in the form of ``ours``."""
    if not hasattr(value, "keys"):
        return bytes(value) if isinstance(value, (bytes, bytearray)) else value
    kind = value.get("type")
    if kind == "WString":
        return bytes(value.string)[:-2]
    if kind == "CString":
        return bytes(value.string)[:-1]
    if kind == "Guid":
        i = value.inner
        return struct.pack("<IHH8s", i.data1, i.data2, i.data3, bytes(i.data4))
    if "SubAuthority" in value:
        head = bytes([value.Revision, value.SubAuthorityCount, *value.IdentifierAuthority])
        return head + struct.pack(f"<{value.SubAuthorityCount}I", *value.SubAuthority)
    return struct.pack("<8h", *(value[n] for n in value if not n.startswith("_")))


def ours(column: ColumnData) -> list[Any]:
    numbers = column.values is not None and column.values.dtype.kind != "V"
    if numbers:
        assert column.values is not None
        return [v if ok else None for v, ok in zip(column.values.tolist(), column.valid.tolist(), strict=True)]
    return column.bytes_()


def groups(chunk: Chunk, guids: GuidTable) -> Iterator[tuple[RecordKey, Any]]:
    r = chunk.records
    rows = np.flatnonzero(r.kind == Kind.EVENT64)
    what = np.stack([r.guid[rows].astype(np.int64), r.id[rows].astype(np.int64), r.version[rows].astype(np.int64)])
    for guid, number, version in np.unique(what, axis=1).T.tolist():
        same = (what == np.array([[guid], [number], [version]])).all(axis=0)
        yield RecordKey("event", guids.raw[guid], number, version), rows[same]


#: Events of Kernel-Network over IPv6: build_etw misses both addresses and reads what follows out of them.
IPV6 = range(26, 35), range(58, 61)


def misread(what: RecordKey) -> bool:
    return what.guid == NETWORK.bytes_le and any(what.id in r for r in IPV6)


def compare(name: str) -> tuple[int, int, int]:
    """Compare a trace's 64-bit events.

    Returns records compared, fields compared, records left out because build_etw misreads them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.parsers.etw.core import Guid, build_etw

    records = fields = odd = 0
    with open_trace(CORPUS / name) as file:
        for chunk in file.chunks():
            for what, rows in groups(chunk, file.guids):
                found = Catalogue().find(what)
                if found is None:
                    continue
                d1, d2, d3, d4 = struct.unpack("<IHH8s", what.guid)
                out = decode(found.layout, chunk, rows)
                columns = {n: ours(c) for n, c in out.columns.items()}
                for i, row in enumerate(rows.tolist()):
                    raw = chunk.data[chunk.records.payload[row] : chunk.records.end[row]].tobytes()
                    assert out.ok[i]
                    if misread(what):
                        odd += 1
                        continue
                    source = build_etw(Guid(d1, d2, d3, list(d4)), what.id, what.version, raw).source
                    expected = {n: theirs(v) for n, v in source.items() if not n.startswith("_")}
                    assert {n: c[i] for n, c in columns.items()} == expected
                    records += 1
                    fields += len(expected)
    return records, fields, odd


@needs_corpus
def test_the_same_values_as_etl_parser(record_property: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done = {name: compare(name) for name in ("Tx-KernelNetwork.etl", "Tx-Process.etl")}
    with capsys.disabled():
        for name, (records, fields, odd) in done.items():
            print(f"\n{name}: {records} records, {fields} fields equal to build_etw's; {odd} misread by it", end="")
    records = sum(d[0] for d in done.values())
    record_property("records_compared", records)
    assert records >= 10_000
    assert done == {"Tx-KernelNetwork.etl": (8700, 70750, 223), "Tx-Process.etl": (10343, 51794, 0)}


@needs_corpus
def test_addresses_of_ipv6_events_are_where_they_are() -> None:
    with open_trace(CORPUS / "Tx-KernelNetwork.etl") as file:
        for chunk in file.chunks():
            for what, rows in groups(chunk, file.guids):
                found = Catalogue().find(what)
                assert found is not None
                if what.id == 27:
                    first = decode(found.layout, chunk, rows).to_pylist(text=True)[0]
    assert found.source == f"{SOURCE}, mended"
    assert first == {
        "PID": "2432", "size": "37",
        "daddr": "2001:4898:0:fff:0:5efe:af6:60d", "saddr": "2001:4898:0:fff:0:5efe:a79:6a76",
        "dport": "24485", "sport": "3389", "seqnum": "0", "connid": "0x0",
    }  # fmt: skip


def made(fields: tuple[Field, ...], rng: random.Random) -> bytes:
    """A payload of these fields, of random values."""
    counted = {f.length for f in fields if isinstance(f.length, str)}
    out, lengths = b"", {}
    for one in fields:
        if one.in_type == InType.UNICODESTRING and not isinstance(one.length, str):
            out += "".join(rng.choices("aé\u0100", k=rng.randrange(9))).encode("utf-16-le") + b"\0\0"
        elif one.in_type == InType.ANSISTRING:
            out += bytes(rng.choices(range(1, 256), k=rng.randrange(9))) + b"\0"
        elif one.in_type == InType.SID:
            count = rng.randrange(5)
            out += bytes([1, count]) + rng.randbytes(6 + 4 * count)
        elif isinstance(one.length, str):
            out += rng.randbytes(lengths[one.length])
        else:
            width = one.width(8)
            assert width is not None
            raw = rng.randbytes(width)
            if one.name in counted:
                lengths[one.name] = rng.randrange(20)
                raw = lengths[one.name].to_bytes(width, "little")
            out += raw
    return out


@pytest.mark.parametrize(("guid", "known"), [(AFD, 93), (TCPIP, 525)])
def test_every_event_of_winsock_and_tcpip(guid: UUID, known: int) -> None:
    """No trace with them is public: payloads of random values, by our layouts and by build_etw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.parsers.etw.core import Guid, build_etw

    d1, d2, d3, d4 = struct.unpack("<IHH8s", guid.bytes_le)
    rng = random.Random(11)
    events = catalogue._formats(catalogue._index()[guid.bytes_le])
    assert len(events) == known
    for (number, version), found in events.items():
        payloads = [made(found.layout.fields, rng) for _ in range(3)]
        chunk = chunk_of([Made(p, provider=guid.bytes_le) for p in payloads], GuidTable())
        out = decode(found.layout, chunk, all_rows(chunk))
        assert out.ok.all()
        columns = {n: ours(c) for n, c in out.columns.items()}
        for i, raw in enumerate(payloads):
            source = build_etw(Guid(d1, d2, d3, list(d4)), number, version, raw).source
            assert {n: c[i] for n, c in columns.items()} == {
                n: theirs(v) for n, v in source.items() if not n.startswith("_")
            }


@pytest.mark.skipif(not (CORPUS.parent / "manifests").is_dir(), reason="no corpus of manifests; set WSKTRACE_CORPUS")
def test_tcpip_agrees_with_its_manifest() -> None:
    """The manifest of an older Windows: where names and order are the same, so are the widths of 64-bit records."""
    from xml.etree import ElementTree

    widths = {"UInt8": 1, "UInt16": 2, "UInt32": 4, "UInt64": 8, "Pointer": 8}
    strings = {"UnicodeString": InType.UNICODESTRING, "AnsiString": InType.ANSISTRING, "Binary": InType.BINARY}
    root = ElementTree.parse(CORPUS.parent / "manifests" / "tcp.man").getroot()
    templates = {t.get("tid"): list(t) for t in root.iter() if t.tag.endswith("}template")}
    same = 0
    for one in (e for e in root.iter() if e.tag.endswith("}event") and e.get("value")):
        found = Catalogue().find(key(TCPIP, int(one.get("value", "")), int(one.get("version", "0"))))
        data = templates.get(one.get("template"), [])
        if found is None or [f.name for f in found.layout.fields] != [d.get("name") for d in data]:
            continue
        same += 1
        for field, said in zip(found.layout.fields, data, strict=True):
            kind = said.get("inType", "").removeprefix("win:")
            if kind in widths:
                assert field.width(8) == widths[kind]
            else:
                assert field.in_type == strings[kind]
                assert said.get("length") in (None, field.length)
    assert same == 191
