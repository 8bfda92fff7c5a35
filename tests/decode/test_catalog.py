"""What describes a kind of record: kinds are told apart, sources asked in order, late descriptions hold for all."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from symbol_tools import CORPUS, OPTIONS, TMF, WSKMINI, rsds, trace, usual, wpp

import wsktrace
from wsktrace.decode.contents import gather
from wsktrace.decode.event_filter import EventFilter
from wsktrace.decode.events import read_events
from wsktrace.decode.formats import EventFormat, RecordKey
from wsktrace.decode.kinds import KindBook
from wsktrace.decode.layout import Layout
from wsktrace.decode.levels import number_of
from wsktrace.decode.moments import moment_of
from wsktrace.decode.symbols import Symbols
from wsktrace.errors import UsageError
from wsktrace.etl.file import open_trace
from wsktrace.report.info import info
from wsktrace.testing.etl_records import event, full, message, perfinfo, system
from wsktrace.wsk.mapping import read

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER = UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
MANIFEST = f"""<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Mine" guid="{{{PROVIDER}}}" symbol="M" resourceFileName="m" messageFileName="m">
<templates><template tid="T"><data name="Size" inType="win:UInt32"/></template></templates>
<events><event value="7" version="1" template="T" symbol="Sized"/></events>
</provider></events></instrumentation></instrumentationManifest>"""


def envelope(xml: str) -> bytes:
    return struct.pack("<BBBBHH", 1, 1, 0, 0x5B, 1, 0) + xml.encode()


def manifest_event(ns: int, xml: str = MANIFEST) -> Any:
    return event(PROVIDER, envelope(xml), OPTIONS.clock_at(ns), id=0xFFFE, opcode=0xFE, task=0xFFFE)


def sized(ns: int, size: int = 5) -> Any:
    return event(PROVIDER, struct.pack("<I", size), OPTIONS.clock_at(ns), id=7, version=1)


def read_all(raw: bytes, symbols: Symbols | None = None, **chosen: Any) -> list[tuple[str, str]]:
    with open_trace(io.BytesIO(raw)) as file:
        contents = gather(file, symbols)
        wanted = EventFilter.of(start_ns=file.clock.start_ns, since="+0.0000005", **chosen)
        out = []
        for batch in read_events(contents, wanted):
            sources = batch.spread(lambda g: g.format.source if g.format is not None else "")
            out += list(zip(sources, batch.messages(), strict=True))
    return out


def test_kinds_are_told_apart_by_all_that_headers_say() -> None:
    clock = OPTIONS.clock_at
    records = [
        message(10, b"", clock(1), guid=WSKMINI, flags=0xAA),
        message(10, b"", clock(2), guid=WSKMINI, flags=0x6A),
        message(10, b"", clock(3), guid=WSKMINI, flags=0x2A),
        message(10, b"", clock(4), flags=0x2C, component=5),
        full(PROVIDER, b"", clock(5), type=3, version=2),
        full(PROVIDER, b"", clock(6), type=3, version=2, pointer_size=4),
        event(PROVIDER, b"", clock(7), id=300, version=2, opcode=9),
        system(3, 4, b"", clock(8), version=3),
        perfinfo(3, 4, b"", clock(9), version=3),
    ]
    with open_trace(io.BytesIO(trace(*records))) as file:
        contents = gather(file)
        keys = [kind.key for kind in contents.kinds.kinds]
    expected = [
        RecordKey("message", WSKMINI.bytes_le, 10),
        RecordKey("message", WSKMINI.bytes_le, 10, pointer=4),
        RecordKey("message", b"", 10),
        RecordKey("classic", PROVIDER.bytes_le, 3, 2, 3),
        RecordKey("classic", PROVIDER.bytes_le, 3, 2, 3, 4),
        RecordKey("event", PROVIDER.bytes_le, 300, 2, 9),
        RecordKey("kernel", b"", 0x304, 3, 4),
    ]
    assert [key for key in expected if key not in keys] == []
    counts = dict(zip(keys, contents.kinds.counts, strict=True))
    assert counts[expected[0]] == 2  # a message that does not say its pointers has those of the file
    assert counts[expected[-1]] == 2
    assert sum(contents.kinds.counts) == file.survey.records if file.survey is not None else False


def test_more_kinds_than_are_kept_have_no_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsktrace.decode.kinds.MAX_KINDS", 3)
    found = read_all(trace(*(message(n, b"", OPTIONS.clock_at(1000 * n), guid=WSKMINI) for n in range(1, 9))))
    assert len(found) == 8
    assert all("(no format)" in text for _, text in found)
    assert KindBook().kinds == []


def test_a_description_may_come_after_its_events() -> None:
    found = read_all(trace(sized(1_000), sized(2_000, 6), manifest_event(3_000)))
    assert found[:2] == [("manifest in the trace", "Sized: Size=5"), ("manifest in the trace", "Sized: Size=6")]
    assert found[2] == ("describes other events", "Manifest of this provider, part 0 of 1 (the first is 0)")


def test_the_trace_is_believed_before_the_users_files(tmp_path: Path) -> None:
    (tmp_path / "mine.man").write_text(MANIFEST.replace("Size", "Length").replace("Sized", "Lengthy"))
    symbols = Symbols([tmp_path], environment={}, cache=tmp_path / "cache")
    assert read_all(trace(sized(1_000)), symbols)[0][0] == "manifest mine.man"
    symbols = Symbols([tmp_path], environment={}, cache=tmp_path / "cache")
    assert read_all(trace(sized(1_000), manifest_event(2_000)), symbols)[0][0] == "manifest in the trace"
    assert read_all(trace(sized(1_000)))[0][0] == ""


def test_a_broken_manifest_in_the_trace_is_said() -> None:
    with open_trace(io.BytesIO(trace(sized(1_000), manifest_event(2_000, "<oh")))) as file:
        contents = gather(file)
    assert len(contents.problems) == 1


def test_messages_of_one_number_are_told_by_what_fits(tmp_path: Path) -> None:
    twice = TMF + TMF.split("\n", 2)[2].replace("Length, ItemLong -- 10", "Length, ItemLongLong -- 10").replace(
        "length %10!u!", "long %10!I64u!"
    )
    (tmp_path / "drv.tmf").write_text(twice)
    symbols = Symbols([tmp_path / "drv.tmf"], environment={})
    found = read_all(
        trace(wpp(11, struct.pack("<q", 9), 3_000), wpp(11, struct.pack("<i", 8), 1_000)), symbols, ids=[11]
    )
    assert [text for _, text in found] == ["length 8", "long 9"]


def test_a_second_hand_layout_counts_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    from wsktrace.decode.fields import Field
    from wsktrace.decode.intypes import InType

    layout = Layout((Field("Size", InType.UINT32),), exact=True)
    monkeypatch.setattr(
        "wsktrace.decode.contents.Catalogue.find",
        lambda _, key: EventFormat("Mine", "Sized", layout, "a catalogue") if key.id == 7 else None,
    )
    raw = trace(sized(1_000), event(PROVIDER, b"12345", OPTIONS.clock_at(2_000), id=7, version=1), sized(3_000, 6))
    found = read_all(raw)
    assert [source for source, _ in found] == ["a catalogue", "", "a catalogue"]
    with open_trace(io.BytesIO(raw)) as file:
        contents = gather(file)
        rows = info(read(file, operations=False, contents=contents), contents)["providers"]
    mine = {row["decoded_by"]: row["events"] for row in rows if row["guid"] == str(PROVIDER)}
    assert mine == {"a catalogue": 2, None: 1}


def test_info_says_what_decodes_and_what_is_missing_and_where(tmp_path: Path) -> None:
    def rows(raw: bytes, symbols: Symbols | None = None) -> dict[str, Any]:
        with open_trace(io.BytesIO(raw)) as file:
            contents = gather(file, symbols)
            found = info(read(file, operations=False, contents=contents), contents)
        assert sum(found["bytes"].values()) == found["size"]
        return next(row for row in found["providers"] if row["family"] == "message")

    without = rows(usual(rsds("drv.pdb")))
    assert (without["events"], without["class"], without["decoded_by"]) == (2, "no_format", None)
    assert without["needs"] == "TMF file or private PDB of the driver"
    assert without["where"] == "in a symbol store: drv.pdb/D3E1184E213CB2FC4C4C44205044422E1/drv.pdb"
    assert rows(usual())["where"] == "where the driver was built; the trace does not name its PDB"
    many = rows(usual(*(rsds(f"d{n}.pdb") for n in range(9))))
    assert "names 9 PDBs" in many["where"]
    (tmp_path / "drv.tmf").write_text(TMF)
    symbols = Symbols([tmp_path / "drv.tmf"], environment={})
    found = rows(usual(rsds("drv.pdb")), symbols)
    assert (found["name"], found["class"], found["decoded_by"]) == ("drv", "readable", "TMF drv.tmf")
    assert (found["needs"], found["where"]) == (None, None)


@pytest.mark.skipif(not (CORPUS / "wpp-pdb").is_dir(), reason="no corpus here; WSKTRACE_CORPUS names its folder")
def test_a_pdb_gives_the_messages_of_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = tmp_path / "mini.etl"
    target.write_bytes(
        trace(
            rsds("wskmini_x64.pdb"),
            wpp(11, struct.pack("<QII", 0xFFFF8001_23456780, 1460, 2), 1_000),
            wpp(12, struct.pack("<QIQ", 0xFFFF8001_23456780, 0xC000020D, 7), 2_000),
        )
    )
    with wsktrace.open(target, symbols=CORPUS / "wpp-pdb") as opened:
        found = opened.events(provider="WskMiniTraceGuid")
    assert found["message"].tolist() == [
        "[WskMiniSend] irp FFFF800123456780 len 1460 state WskSockConnected",
        "[WskMiniSendComplete] irp FFFF800123456780 status 0xc000020d(STATUS_CONNECTION_RESET) bytes 7",
    ]
    assert found["irp"].tolist() == [0xFFFF8001_23456780] * 2
    assert found["line"].tolist() == [20, 29]
    assert set(found["format"]) == {"PDB wskmini_x64.pdb"}


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("TRACE_LEVEL_ERROR", 2), ("DBG_TRACE", None), ("4", 4), ("win:Informational", 4), ("TRACE_LEVEL_FATAL", 1),
        ("Warning", 3), ("verbose", 5), ("TRACE_LEVEL_NONE", 0), ("", None),
    ],
)  # fmt: skip
def test_levels_are_read_from_words(word: str, number: int | None) -> None:
    assert number_of(word) == number


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("+1.5", 1_500_000_000 + 86_400 * 10**9), ("-0.000000001s", 86_400 * 10**9 - 1), ("+0", 86_400 * 10**9),
        ("1970-01-01T00:00:01.25Z", 1_250_000_000), ("1970-01-02 00:00", 86_400 * 10**9), ("00:00", 86_400 * 10**9),
        ("00:00:02.000000003", 86_402 * 10**9 + 3), ("24:00", None), ("x", None), ("1970-02-30T00:00", None),
    ],
)  # fmt: skip
def test_moments(text: str, ns: int | None) -> None:
    if ns is not None:
        assert moment_of("since", text, 86_400 * 10**9) == ns
        return
    with pytest.raises(UsageError, match=r"^since .*: give 2026"):
        moment_of("since", text, 0)
