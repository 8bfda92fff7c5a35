"""Images: from what a trace says to module and offset of an address at a time, and to the module's PDB."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.decode.debug_ids import DebugId
from wsktrace.etl.file import open_trace
from wsktrace.model import images as module
from wsktrace.model.images import ALWAYS, NEVER, Image, ImageBook, ImageMap
from wsktrace.testing.etl_options import TraceOptions
from wsktrace.testing.etl_writer import write_records
from wsktrace.testing.kernel_events import IMAGE, image_event, image_id, kernel_record

if TYPE_CHECKING:
    from wsktrace.testing.etl_records import RawRecord

CORPUS = Path(os.environ.get("WSKTRACE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")) / "etl"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; set WSKTRACE_CORPUS")

AT = TraceOptions().start_clock
DRV, AFD = 0xFFFFF801_10000000, 0xFFFFF801_20000000
LOAD, UNLOAD, START, END = 10, 2, 3, 4
BUILD = UUID("dab01812-5d11-4a94-88fa-2f14c2d9ab31")


def mapped(source: Any, **reading: Any) -> ImageMap:
    book = ImageBook()
    with open_trace(source) as file:
        for chunk in file.chunks(**reading):
            book.add(chunk, file.guids)
    return book.build()


def written(*records: RawRecord, **options: Any) -> ImageMap:
    return mapped(io.BytesIO(write_records(records, options=TraceOptions(build_lab="", **options))))


def drv(kind: int, clock: int, name: str = "\\SystemRoot\\drivers\\Drv.sys", **more: Any) -> RawRecord:
    return image_event(kind, AT + clock, **{"base": DRV, "size": 0x4000, "name": name, "stamp": 7} | more)


def lives(found: ImageMap) -> list[tuple[str, int, int]]:
    at = {ALWAYS: ALWAYS, NEVER: NEVER}
    return [(i.name, at.get(i.load, i.load - AT), at.get(i.unload, i.unload - AT)) for i in found.images]


def test_a_driver_that_is_loaded_and_unloaded() -> None:
    found = written(drv(LOAD, 10), drv(UNLOAD, 20), drv(LOAD, 30), drv(END, 40))
    assert lives(found) == [("Drv.sys", 10, 20), ("Drv.sys", 30, NEVER)]
    assert (found.images[0].size, found.images[0].stamp, found.images[0].pid) == (0x4000, 7, 0)
    where = np.array([DRV, DRV + 0x3FFF, DRV + 0x4000, DRV - 1, DRV + 5, DRV + 5, DRV + 5], np.uint64)
    when = AT + np.array([10, 20, 15, 15, 25, 30, 9])
    assert found.find(where, 4, when).tolist() == [0, 0, -1, -1, -1, 1, -1]
    assert found.texts(where[:4], 0, when[:4]) == [
        "Drv.sys+0x0", "Drv.sys+0x3fff", "0xfffff80110004000", "0xfffff8010fffffff",
    ]  # fmt: skip
    assert found.texts([DRV + 5]) == ["Drv.sys+0x5"]


def test_what_was_there_before_and_after() -> None:
    found = written(drv(START, 1), drv(START, 2), drv(UNLOAD, 9), drv(END, 30, "other.sys"), drv(END, 31, "other.sys"))
    assert lives(found) == [("Drv.sys", ALWAYS, 9), ("other.sys", 9, NEVER)]
    assert lives(written(drv(UNLOAD, 5))) == [("Drv.sys", ALWAYS, 5)]
    assert lives(written(drv(LOAD, 5), drv(START, 6))) == [("Drv.sys", 5, NEVER)]


def test_a_lost_unload_ends_with_the_next_load() -> None:
    assert lives(written(drv(LOAD, 5), drv(LOAD, 8))) == [("Drv.sys", 5, 8), ("Drv.sys", 8, NEVER)]
    other = drv(START, 8, "b.sys", size=0x100)
    assert lives(written(drv(LOAD, 5), other)) == [("Drv.sys", 5, 8), ("b.sys", 8, NEVER)]


def test_another_image_across_a_place_that_was_left() -> None:
    across = drv(LOAD, 30, "b.sys", base=DRV + 0x1000, size=0x10000)
    found = written(drv(LOAD, 10), drv(UNLOAD, 20), across)
    assert found.texts([DRV + 0x2000] * 3, 4, AT + np.array([15, 25, 35])) == [
        "Drv.sys+0x2000", "0xfffff80110002000", "b.sys+0x1000",
    ]  # fmt: skip


def test_processes_have_their_own_and_the_kernels() -> None:
    here = {"base": 0x7FF0_0000_0000, "size": 0x1000}
    found = written(
        drv(LOAD, 1), drv(LOAD, 2, "c:\\a.dll", pid=100, **here), drv(LOAD, 3, "d:/x/b.dll", pid=200, **here)
    )
    where = here["base"] + 0x10
    assert found.texts([where] * 4 + [DRV], [100, 200, 300, 0, 200]) == [
        "a.dll+0x10", "b.dll+0x10", "0x7ff000000010", "0x7ff000000010", "Drv.sys+0x0",
    ]  # fmt: skip


def test_pdbs_go_to_the_image_of_that_place_and_time() -> None:
    first, second = DebugId("drv.pdb", str(BUILD), 2), DebugId("drv.pdb", str(UUID(int=5)), 1)
    found = written(
        drv(LOAD, 10), image_id(AT + 10, base=DRV, pdb="c:\\obj\\drv.pdb", guid=BUILD, age=2), drv(UNLOAD, 20),
        drv(LOAD, 30), image_id(AT + 40, base=DRV, pdb="drv.pdb", guid=UUID(int=5)),
        image_id(AT + 50, base=AFD, pdb="afd.pdb", guid=UUID(int=6)),
        pdbs=((BUILD.bytes_le, 3, "c:\\build\\wpp.pdb"),),
    )  # fmt: skip
    assert [i.pdb for i in found.images] == [first, second]
    assert set(found.pdbs) == {
        first, second, DebugId("afd.pdb", str(UUID(int=6)), 1), DebugId("wpp.pdb", str(BUILD), 3),
    }  # fmt: skip


@pytest.mark.parametrize("form", ["system", "perfinfo", "classic"])
def test_every_form_and_width(form: Any) -> None:
    slim = {"base": 0x9000_0000, "size": 0x1000, "pointer_size": 4, "version": 2}
    found = written(drv(LOAD, 1, form=form), drv(LOAD, 2, "x.sys", form=form, **slim))
    assert found.texts([DRV + 1, 0x9000_0FFF]) == ["Drv.sys+0x1", "x.sys+0xfff"]


def test_images_loaded_under_the_process_group_and_of_version_0() -> None:
    payload = (DRV).to_bytes(8, "little") + b"\0\x10\0\0" + "o.sys\0".encode("utf-16-le")
    old = kernel_record(IMAGE, LOAD, payload, AT + 1, version=0, form="classic", pid=44)
    low = (0x400000).to_bytes(8, "little") + b"\0\x10\0\0" + "p.exe\0".encode("utf-16-le")
    program = kernel_record(IMAGE, LOAD, low, AT + 2, version=0, form="classic", pid=44)
    template = drv(LOAD, 3, "q.dll", base=AFD).data[32:]
    moved = kernel_record(IMAGE, LOAD, template, AT + 3, version=3, group=3)
    found = written(old, program, moved)
    assert [(i.name, i.pid) for i in found.images] == [("o.sys", 0), ("p.exe", 44), ("q.dll", 0)]


def test_nothing_and_nonsense() -> None:
    empty = written()
    assert empty.images == ()
    assert empty.texts([5, 6], [1, 2], [3, 4]) == ["0x5", "0x6"]
    assert empty.find([]).shape == (0,)
    odd = written(
        drv(LOAD, 1, base=2**64 - 1, size=2**64 - 1), drv(LOAD, 2, base=0, size=0),
        drv(LOAD, 3, base=7, size=2**64 - 1),
        kernel_record(IMAGE, LOAD, b"\1\2\3", AT + 4, version=3), kernel_record(IMAGE, 99, b"", AT + 5, version=3),
    )  # fmt: skip
    assert odd.texts([2**64 - 1, 0, 7, 6, 2**64 - 2])[1:4] == ["0x0", "Drv.sys+0x0", "0x6"]


def test_records_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECORDS", 3)
    book = ImageBook()
    records = [drv(LOAD, n, base=DRV + 0x10000 * n) for n in range(5)]
    with open_trace(io.BytesIO(write_records(records))) as file:
        for chunk in file.chunks():
            book.add(chunk, file.guids)
    assert len(book.build().images) == 3
    assert book.dropped == 2


ranges = st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 12), st.integers(0, 20), st.integers(0, 20))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(ranges, max_size=12), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 45), st.integers(-1, 45))))
def test_the_index_is_a_search_through_all_of_them(found: list[Any], asked: list[Any]) -> None:
    made: list[Image] = []
    for pid, base, size, load, span in found:
        one = Image(base, size, pid, f"{len(made)}.sys", load, load + span)
        same = [i for i in made if (i.pid, i.base) == (pid, base)]
        if all(one.load > i.unload or one.unload < i.load for i in same):
            made.append(one)
    table = ImageMap(made)
    where = np.array([a for _, a, _ in asked], np.uint64)
    got = table.find(where, [p for p, _, _ in asked], [c for _, _, c in asked]).tolist()
    for (pid, address, clock), place in zip(asked, got, strict=True):

        def holds(image: Image, of: int, address: int = address, clock: int = clock) -> bool:
            inside = image.base <= address < image.base + image.size
            return image.pid == of and inside and image.load <= clock <= image.unload

        own = [n for n, i in enumerate(made) if holds(i, pid)]
        kernel = [n for n, i in enumerate(made) if holds(i, 0)]
        expected = own or kernel
        assert place in expected if expected else place == -1


@needs_corpus
def test_a_merged_trace_of_a_machine() -> None:
    found = mapped(CORPUS / "perfview-net.4.5.2.x64.etl", chunk_bytes=1 << 20)
    kernel = [i for i in found.images if i.pid == 0]
    assert len(kernel) == 141
    assert sum(i.pdb is not None for i in kernel) == 138
    afd = next(i for i in kernel if i.name == "afd.sys")
    assert afd.pdb == DebugId("afd.pdb", "dab01812-5d11-4a94-88fa-2f14c2d9ab31", 2)
    assert afd.pdb in found.pdbs
    assert found.texts([afd.base + 0x1234], 4) == ["afd.sys+0x1234"]
    assert sum(i.unload != NEVER for i in found.images) >= 32


@needs_corpus
def test_a_trace_with_ids_only() -> None:
    found = mapped(CORPUS / "perfview-diaghub.etl")
    assert len(found.images) > 10_000
    with_pdb = [i for i in found.images if i.pdb]
    assert len(with_pdb) > 10_000
    assert found.texts([with_pdb[0].base + 1], with_pdb[0].pid) == [f"{with_pdb[0].name}+0x1"]


@needs_corpus
def test_every_stack_of_a_real_trace_lies_in_images() -> None:
    """Kernel frames of stack walks: nearly all are in an image that the same trace names."""
    from wsktrace.decode.formats import RecordKey
    from wsktrace.decode.kernel import KernelFormats
    from wsktrace.decode.layout import decode

    table = mapped(CORPUS / "perfview-net.4.5.2.x64.etl")
    stack = KernelFormats().find(RecordKey("kernel", b"", 0x1823, 2))
    assert stack is not None
    inside = total = 0
    with open_trace(CORPUS / "perfview-net.4.5.2.x64.etl") as file:
        for chunk in file.chunks():
            rows = np.flatnonzero((chunk.records.id == 0x1823) & (chunk.records.kind == 17))
            frames = decode(stack.layout, chunk, rows).columns["StackFrame"]
            assert frames.values is not None
            kernel = frames.values[frames.values >= np.uint64(0xFFFF8000_00000000)]
            total += len(kernel)
            inside += int((table.find(kernel) >= 0).sum())
    assert total > 4_000
    assert inside / total > 0.95
