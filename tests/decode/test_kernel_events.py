"""The NT kernel logger: DRIVER events round through the testing writer, real traces are read to the byte."""

from __future__ import annotations

import io
import os
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from decode_tools import all_rows, payloads
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.decode.formats import RecordKey
from wsktrace.decode.intypes import InType
from wsktrace.decode.kernel import DRIVER_TYPES, SOURCE, KernelFormats
from wsktrace.decode.kernel_layouts import CLASSES
from wsktrace.decode.layout import decode
from wsktrace.etl.file import open_trace
from wsktrace.etl.types import Kind
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_records import RawRecord, full, perfinfo, system
from wsktrace.testing.etl_writer import write_records
from wsktrace.testing.kernel_events import DISK_IO, IMAGE, driver_event, image_event, kernel_record

if TYPE_CHECKING:
    from wsktrace.decode.formats import EventFormat
    from wsktrace.testing.kernel_events import Form

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")) / "etl"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; set WSKTRACE_CORPUS")

FORMS: tuple[Form, ...] = ("system", "perfinfo", "classic")
CLASSIC = (Kind.FULL32, Kind.FULL64)
KERNEL = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.PERFINFO32, Kind.PERFINFO64)
NARROW = (Kind.SYSTEM32, Kind.PERFINFO32, Kind.FULL32)
DRIVER_NAMES = {34: "DrvMjFnCall", 35: "DrvMjFnRet", 37: "DrvComplRout", 52: "DrvComplReq", 53: "DrvComplReqRet"}
#: documented sizes, 64-bit and 32-bit (driver-profiles, 6.2), and those with C's padding
SIZES = {34: (36, 24, 40), 35: (12, 8, 16), 37: (20, 12, 24), 52: (20, 12, 24), 53: (12, 8, 16)}


def read(source: Any) -> list[tuple[EventFormat, dict[str, Any], int, bool]]:
    """Every record that these classes describe, in file order: format, values, bytes left, whole or not."""
    out: dict[int, tuple[EventFormat, dict[str, Any], int, bool]] = {}
    base = 0
    with open_trace(source) as file:
        for chunk in file.chunks():
            r, kinds = chunk.records, []
            for kind, guid, number, opcode, version in zip(
                r.kind.tolist(), r.guid.tolist(), r.id.tolist(), r.opcode.tolist(), r.version.tolist(), strict=True
            ):
                pointer = 4 if kind in NARROW else 8
                if kind in KERNEL:
                    kinds.append(RecordKey("kernel", b"", number, version, number & 0xFF, pointer))
                elif kind in CLASSIC:
                    kinds.append(RecordKey("classic", file.guids.raw[guid], opcode, version, opcode, pointer))
                else:
                    kinds.append(None)
            for key in dict.fromkeys(k for k in kinds if k is not None):
                found = KernelFormats().find(key)
                if found is None:
                    continue
                rows = np.array([i for i, k in enumerate(kinds) if k == key])
                done = decode(found.layout, chunk, rows)
                values = zip(rows.tolist(), done.to_pylist(), done.left.tolist(), done.ok.tolist(), strict=True)
                out.update({base + row: (found, fields, left, ok) for row, fields, left, ok in values})
            base += len(r)
    return [out[i] for i in sorted(out)]


def written(records: list[RawRecord], pointer_size: int = 8) -> list[tuple[EventFormat, dict[str, Any], int, bool]]:
    plain = TraceOptions(pointer_size=pointer_size, build_lab="")
    return read(io.BytesIO(write_records(records, options=plain)))


def expected(kind: int, irp: int, routine: int, file: int, major: int, minor: int, match: int) -> dict[str, int]:
    if kind == 34:
        values = {"MajorFunction": major, "MinorFunction": minor, "RoutineAddr": routine, "FileObject": file}
        return {**values, "Irp": irp, "UniqMatchId": match}
    if kind == 37:
        return {"Routine": routine, "IrpPtr": irp, "UniqMatchId": match}
    return ({"RoutineAddr": routine} if kind == 52 else {}) | {"Irp": irp, "UniqMatchId": match}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(DRIVER_TYPES),
            st.sampled_from((1, 2, 3)),
            st.sampled_from(FORMS),
            st.sampled_from((8, 4)),
            st.booleans(),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**32 - 1),
        ),
        max_size=40,
    )
)
def test_driver_events_come_back(events: list[tuple[int, int, Form, int, bool, int, int]]) -> None:
    records, wanted = [], []
    for n, (kind, version, form, pointer, padded, address, match) in enumerate(events):
        mask = (1 << 8 * pointer) - 1
        irp, routine, file = address & mask, address * 3 & mask, address * 7 & mask
        records.append(
            driver_event(
                kind, 5_813_931_457_401 + n, n % 3, irp=irp, match_id=match, routine=routine, file_object=file,
                major=n % 28, minor=n, version=version, form=form, pointer_size=pointer, padded=padded, tid=7, pid=4,
            )
        )  # fmt: skip
        wanted.append((DRIVER_NAMES[kind], expected(kind, irp, routine, file, n % 28, n, match)))
    found = written(records)
    assert all(left == 0 and ok for _, _, left, ok in found)
    assert all((f.provider, f.source) == ("DiskIo", SOURCE) for f, *_ in found)
    order = lambda one: (one[0], sorted(one[1].items()))  # noqa: E731 -- buffers of three processors
    assert sorted(((f.name, v) for f, v, *_ in found), key=order) == sorted(wanted, key=order)


def test_sizes_are_those_of_the_documentation() -> None:
    for kind, version, form in product(DRIVER_TYPES, (1, 2, 3), FORMS):
        wide, slim, padded = (
            driver_event(kind, 1, irp=1, version=version, form=form, pointer_size=p, padded=c)
            for p, c in ((8, False), (4, False), (8, True))
        )
        header = len(wide.data) - SIZES[kind][0]
        assert (len(slim.data) - header, len(padded.data) - header) == SIZES[kind][1:]


def test_a_call_names_its_major_function() -> None:
    found = KernelFormats().find(RecordKey("kernel", b"", 0x122, 3))
    assert found is not None
    assert found.maps["MajorFunction"].names[0x0F] == "IRP_MJ_INTERNAL_DEVICE_CONTROL"
    assert len(found.maps["MajorFunction"].names) == 28
    ret = KernelFormats().find(RecordKey("kernel", b"", 0x123, 3))
    assert ret is not None
    assert not ret.maps


def test_lost_events_of_a_live_session() -> None:
    guid = UUID("6a399ae0-4bc6-4de9-870b-3657f8947e7e")
    found = written([full(guid, b"", 5_813_931_457_401 + n, type=n, version=2) for n in (32, 33, 34)])
    assert [f.name for f, *_ in found] == ["RTLostEvent", "RTLostBuffer", "RTLostFile"]
    assert [(v, left, ok) for _, v, left, ok in found] == [({}, 0, True)] * 3


@pytest.mark.parametrize("pointer", [8, 4])
@pytest.mark.parametrize("form", FORMS)
def test_images_in_both_widths(form: Form, pointer: int) -> None:
    base = 0xFFFFF801_00000000 >> (0 if pointer == 8 else 32)
    records = [
        image_event(kind, 5_813_931_457_401 + kind, base=base, size=0x9000, name="\\drv.sys", form=form, stamp=9,
                    pointer_size=pointer, version=version)
        for kind, version in ((2, 2), (3, 3), (4, 2), (10, 3))
    ]  # fmt: skip
    found = written(records, pointer)
    assert [f.name for f, *_ in found] == ["Unload", "DCStart", "DCEnd", "Load"]
    for _, values, left, ok in found:
        assert (values["ImageBase"], values["ImageSize"], values["FileName"]) == (base, 0x9000, "\\drv.sys")
        assert values["TimeDateStamp"] == 9
        assert (left, ok) == (0, True)


def test_threads_with_and_without_a_name_and_stacks() -> None:
    thread = bytes(8) + bytes(56) + bytes(8)
    stack = bytes(8) + b"\4\0\0\0\x08\0\0\0"
    clock = 5_813_931_457_401
    found = written([
        system(5, 1, thread, clock, version=3),
        system(5, 1, thread + "io".encode("utf-16-le") + b"\0\0", clock + 1, version=3),
        perfinfo(24, 32, stack + (1 << 40).to_bytes(8, "little") * 2, clock + 2),
        perfinfo(24, 32, stack + b"\1\0\0\0\2\0\0\0", clock + 3, pointer_size=4),
        kernel_record(IMAGE, 10, b"", clock + 4, version=9),
        kernel_record(DISK_IO, 34, b"\1\2", clock + 5, version=3),
    ])  # fmt: skip
    assert [v.get("ThreadName") for f, v, *_ in found if f.provider == "Thread"] == [None, "io"]
    assert [v["Stack"] for f, v, *_ in found if f.provider == "StackWalk"] == [[1 << 40] * 2, [1, 2]]
    assert [ok for *_, ok in found] == [True] * 4 + [False]
    assert all(v is None for v in found[-1][1].values())


def test_every_class_is_written_down_whole() -> None:
    for one in CLASSES:
        assert UUID(one.guid)
        for shape in one.shapes:
            assert set(shape.types) <= set(one.names), one.name
            for kind, version in product(shape.types, shape.versions):
                found = KernelFormats().find(RecordKey("classic", UUID(one.guid).bytes_le, kind, version))
                assert found is not None
                assert all(f.in_type != InType.NULL for f in found.layout.fields)
                assert not shape.padded or all(f.width(8) for f in found.layout.fields)
    assert KernelFormats().find(RecordKey("event", bytes(16), 34, 3)) is None
    assert KernelFormats().find(RecordKey("kernel", b"", 0x122, 9)) is None
    assert KernelFormats().find(RecordKey("message", bytes(16), 10)) is None


#: trace → records of each class, all read to the byte; the format page counts the traces' records
REAL = {
    "perfview-net.4.5.2.x64.etl": {
        "Process": 101, "Image": 3598, "Thread": 1358, "StackWalk": 12280, "ImageID": 7124,
        "DiskIo": 2462, "TcpIp": 490, "UdpIp": 36, "PerfInfo": 79528,
    },
    "etl-parser-ShutdownPerfDiagLogger.etl": {"Process": 256, "Image": 13755, "Thread": 3058},
    "syzygy-image_data_32_v0.etl": {"Image": 26},
    "syzygy-image_data_32_v1.etl": {"Image": 26},
    "syzygy-image_data_32_v2.etl": {"Image": 26},
    "syzygy-process_data_32_v1.etl": {"Process": 2},
    "syzygy-process_data_32_v3.etl": {"Process": 8},
    "findneedle-wppstr-sample.etl": {"EventTrace": 2},
}  # fmt: skip


@needs_corpus
@pytest.mark.parametrize("name", REAL)
def test_real_traces_are_read_to_the_byte(name: str) -> None:
    found = read(CORPUS / name)
    assert all(left == 0 and ok for _, _, left, ok in found)
    assert Counter(f.provider for f, *_ in found) == REAL[name]


@needs_corpus
def test_real_values() -> None:
    found = read(CORPUS / "perfview-net.4.5.2.x64.etl")
    start = next(v for f, v, *_ in found if (f.provider, f.name) == ("Process", "Start"))
    assert (start["ImageFileName"], start["CommandLine"]) == ("Test.x64.exe", "Test.x64.exe")
    assert start["UserSID"].startswith("S-1-5-21-")
    afd = next(v for f, v, *_ in found if f.name == "DbgID_RSDS" and v["PdbFileName"] == "afd.pdb")
    assert (afd["GuidSig"], afd["Age"], afd["ProcessId"]) == ("dab01812-5d11-4a94-88fa-2f14c2d9ab31", 2, 0)
    network = [v for f, v, *_ in found if (f.provider, f.name) == ("UdpIp", "RecvIPV4")]
    assert {(v["daddr"], v["dport"]) for v in network} >= {("239.255.255.250", 1900)}
    smb = [v for f, v, *_ in found if (f.provider, f.name) == ("TcpIp", "SendIPV6") and v["dport"] == 445]
    assert {v["daddr"] for v in smb} == {"2001:4898:e0:81:7cb9:ab:cd5:e6af"}
    old = read(CORPUS / "syzygy-process_data_32_v3.etl")
    assert {v["UserSID"] for _, v, *_ in old if v["ImageFileName"] == "Idle"} == {"S-1-5-18"}


@needs_corpus
def test_64_bit_payloads_under_32_bit_headers_are_no_facts() -> None:
    """These two were written by a 32-bit process from 64-bit structs: no header says so, and they do not fit."""
    for name in ("syzygy-image_data_64_v2.etl", "syzygy-process_data_64_v3.etl"):
        found = read(CORPUS / name)
        assert found
        assert not any(left == 0 and ok for _, _, left, ok in found)


KEYS = [
    RecordKey("classic", UUID(one.guid).bytes_le, kind, version)
    for one in CLASSES
    for shape in one.shapes
    for kind, version in product(shape.types[:1], shape.versions[-1:])
]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=160), min_size=1, max_size=6), st.sampled_from([Kind.FULL64, Kind.FULL32]))
def test_any_bytes_give_rows(parts: list[bytes], kind: int) -> None:
    chunk = payloads(*parts, *(bytes(len(p)) for p in parts), kind=kind)
    for key in KEYS:
        found = KernelFormats().find(key)
        assert found is not None
        done = decode(found.layout, chunk, all_rows(chunk))
        assert ((done.left >= 0) & (done.left <= chunk.records.end - chunk.records.payload)).all()
        assert len(done.to_pylist(text=True)) == len(chunk.records)
