"""The search for symbol files: kinds, folders and their index, ids of PDBs, the two search paths, servers."""

from __future__ import annotations

import io
import json
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from symbol_tools import BUILD, CORPUS, TMF, WSKMINI, rsds, usual

from wsktrace.decode.contents import gather
from wsktrace.decode.debug_ids import DebugId, pdb_name
from wsktrace.decode.formats import RecordKey
from wsktrace.decode.symbol_path import SymbolPath
from wsktrace.decode.symbols import Symbols
from wsktrace.errors import UsageError, WsktraceError
from wsktrace.etl.file import open_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

MINI = CORPUS / "wpp-pdb" / "wskmini_x64.pdb"
KEY = RecordKey("message", WSKMINI.bytes_le, 10)
STORED = f"wskmini_x64.pdb/{BUILD.hex.upper()}1/wskmini_x64.pdb"
needs_corpus = pytest.mark.skipif(not MINI.exists(), reason="no corpus here; WSKTRACE_CORPUS names its folder")


def symbols(*paths: Path, tmp: Path, environment: dict[str, str] | None = None, download: bool = False) -> Symbols:
    return Symbols(paths, download, environment or {}, tmp / "cache")


def named(name: str = "wskmini_x64.pdb", guid: UUID = BUILD, age: int = 1) -> DebugId:
    return DebugId(name, str(guid), age)


def test_the_trace_names_its_pdbs(tmp_path: Path) -> None:
    with open_trace(io.BytesIO(usual(rsds("drv.pdb", age=3), rsds("..")))) as file:
        contents = gather(file)
    assert contents.debug_ids == {DebugId("drv.pdb", str(BUILD), 3)}
    assert next(iter(contents.debug_ids)).store_path == f"drv.pdb/{BUILD.hex.upper()}3/drv.pdb"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (r"d:\x\drv.pdb", "drv.pdb"), ("a/b/drv.pdb", "drv.pdb"), ("drv.pdb", "drv.pdb"), (r"c:\..", ""), ("", ""),
        ("a\nb.pdb", ""), ("drv.pdb:stream", ""), ("a" * 300, ""),
    ],
)  # fmt: skip
def test_names_that_no_folder_holds_are_refused(path: str, name: str) -> None:
    assert pdb_name(path) == name


def test_tmf_files_and_folders_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "tmf" / "deep"
    folder.mkdir(parents=True)
    (folder / "drv.tmf").write_text(TMF)
    (tmp_path / "tmf" / "notes.md").write_text("not a symbol file")
    for path in (folder / "drv.tmf", tmp_path / "tmf"):
        found = symbols(path, tmp=tmp_path).find(KEY)
        assert found is not None
        assert (found.source, found.file, found.line, found.function) == ("TMF drv.tmf", "Device.c", 104, "DrvSend")
    assert symbols(folder, tmp=tmp_path).find(RecordKey("message", bytes(16), 10)) is None
    assert symbols(folder, tmp=tmp_path).find(RecordKey("kernel", b"", 10)) is None


def test_the_index_of_a_folder_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsktrace.decode import symbols as module

    read: list[str] = []
    describe = module.describe

    def counted(path: Path, kind: str) -> Any:
        read.append(path.name)
        return describe(path, kind)

    monkeypatch.setattr(module, "describe", counted)
    folder = tmp_path / "tmf"
    folder.mkdir()
    (folder / "a.tmf").write_text(TMF)
    (folder / "b.pdb").write_bytes(b"nonsense")
    first = symbols(folder, tmp=tmp_path)
    assert sorted(read) == ["a.tmf", "b.pdb"]
    assert len(first.notes) == 1
    assert "b.pdb" in first.notes[0]
    read.clear()
    again = symbols(folder, tmp=tmp_path)
    assert read == []
    assert again.notes == first.notes  # what is wrong with a file is told every time
    assert again.find(KEY) is not None
    (folder / "a.tmf").write_text(TMF.replace(str(WSKMINI), str(BUILD)))
    changed = symbols(folder, tmp=tmp_path)
    assert read == ["a.tmf"]
    assert changed.find(KEY) is None
    assert changed.find(RecordKey("message", BUILD.bytes_le, 10)) is not None


@pytest.mark.parametrize("held", [b"", b"{}", b"[1]", b'{"files": 3}', b"\xff", b"[" * 100_000])
def test_an_index_that_is_none_is_made_again(held: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "tmf"
    folder.mkdir()
    (folder / "a.tmf").write_text(TMF)
    symbols(folder, tmp=tmp_path)
    (index,) = (tmp_path / "cache" / "folders").iterdir()
    good = index.read_bytes()
    entry = json.loads(good)
    index.write_bytes(held)
    assert symbols(folder, tmp=tmp_path).find(KEY) is not None
    assert index.read_bytes() == good
    for nonsense in ([], None, [1, 2], [entry["files"]["a.tmf"][0], "tmf", [3], 0, ""], ["x", "tmf", [], "0", ""]):
        index.write_text(json.dumps({**entry, "files": {"a.tmf": nonsense}}))
        assert symbols(folder, tmp=tmp_path).find(KEY) is not None


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    (tmp_path / "a.tmf").write_text(TMF)
    assert symbols(tmp_path, tmp=tmp_path).find(KEY) is not None


def test_files_that_are_named_must_be_good(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        symbols(tmp_path / "nowhere", tmp=tmp_path)
    for name, held in (("a.pdb", b"x"), ("a.man", b"<a/>"), ("a.sys", b"MZ"), ("a.txt", b"hello")):
        (tmp_path / name).write_bytes(held)
        with pytest.raises(WsktraceError, match=name.replace(".", r"\.")):
            symbols(tmp_path / name, tmp=tmp_path)


def test_files_are_known_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "messages.txt").write_text(TMF)
    assert symbols(tmp_path / "messages.txt", tmp=tmp_path).find(KEY) is not None


@needs_corpus
def test_the_pdb_is_chosen_by_the_id_that_the_trace_names(tmp_path: Path) -> None:
    shutil.copy(MINI, tmp_path / "renamed.pdb")
    right = symbols(tmp_path / "renamed.pdb", tmp=tmp_path)
    right.expect([named()])
    found = right.find(KEY)
    assert found is not None
    assert found.source == "PDB renamed.pdb"
    assert found.provider == "WskMiniTraceGuid"
    assert right.notes == []

    older = symbols(MINI, tmp=tmp_path)
    older.expect([named(age=2)])
    assert older.find(KEY) is not None
    assert older.notes == [f"{MINI}: of the right build, but its age is 1 and the trace says 2; used"]

    other = symbols(MINI, tmp=tmp_path)
    other.expect([named(guid=WSKMINI, age=7)])
    assert other.find(KEY) is None
    assert other.notes == [
        f"{MINI}: of another build, not used: its id is {BUILD} age 1, the trace names {WSKMINI} age 7"
    ]

    silent = symbols(MINI, tmp=tmp_path)  # a trace that names no PDB of this name
    silent.expect([named("other.pdb", WSKMINI)])
    assert silent.find(KEY) is not None
    assert silent.notes == []


@needs_corpus
def test_each_trace_has_its_own_pdbs(tmp_path: Path) -> None:
    (tmp_path / STORED).parent.mkdir(parents=True)
    shutil.copy(MINI, tmp_path / STORED)
    found = symbols(MINI, tmp=tmp_path, environment={"_NT_SYMBOL_PATH": f"srv*{tmp_path}"})
    found.expect([named(guid=WSKMINI)])
    assert found.notes == []  # nothing needed a PDB yet
    assert found.find(KEY) is None
    assert len(found.notes) == 1
    found.expect([named()])
    assert found.find(KEY) is not None
    stored = symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": f"srv*{tmp_path}"})
    for right in (False, True, False):
        stored.expect([named(guid=BUILD if right else WSKMINI)])
        assert (stored.find(KEY) is not None) == right


def test_servers_are_not_asked_for_all_of_a_machine(tmp_path: Path) -> None:
    with server({}) as (url, asked):
        found = symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": f"srv*{tmp_path}*{url}"}, download=True)
        found.expect([named(f"d{n}.pdb") for n in range(65)])
        assert found.find(KEY) is None
        assert asked == []
    assert "names 65 PDBs" in found.notes[0]


@needs_corpus
def test_symbol_stores_and_plain_folders_of_the_symbol_path(tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / STORED).parent.mkdir(parents=True)
    shutil.copy(MINI, store / STORED)
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copy(MINI, plain / MINI.name)
    for path in (f"srv*{store}", f"{tmp_path};SRV*{store}*https://nowhere.invalid", f"cache*{store}", str(plain)):
        found = symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": path})
        found.expect([named()])
        assert found.find(KEY) is not None, path
        assert found.notes == []
    unnamed = symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": f"srv*{store}"})
    unnamed.expect([])
    assert unnamed.find(KEY) is None
    wrong = symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": str(plain)})
    wrong.expect([named(guid=WSKMINI)])
    assert wrong.find(KEY) is None
    assert "of another build" in wrong.notes[0]


def test_the_symbol_path_is_read_as_the_vendor_says() -> None:
    path = SymbolPath.parse(
        r"srv*c:\a*https://one;cache*d:\near;symsrv*symsrv.dll*e:\b*http://two; f:\plain ;", download=False, say=print
    )
    assert [(e.stores, e.plain) for e in path.elements] == [
        (("c:\\a", "https://one"), False),
        (("d:\\near",), False),
        (("d:\\near", "e:\\b", "http://two"), False),
        (("f:\\plain",), True),
    ]
    assert path.servers() == ["https://one", "http://two"]


def test_tmf_files_by_name_on_their_search_path(tmp_path: Path) -> None:
    (tmp_path / f"{WSKMINI}.tmf").write_text(TMF)
    environment = {"TRACE_FORMAT_SEARCH_PATH": f"{tmp_path / 'nowhere'};{tmp_path}"}
    found = symbols(tmp=tmp_path, environment=environment).find(KEY)
    assert found is not None
    assert found.source == f"TMF {WSKMINI}.tmf"


def test_a_packed_pdb_is_said(tmp_path: Path) -> None:
    packed = tmp_path / STORED.replace(".pdb/", ".pdb/")[:-1]
    packed.parent.mkdir(parents=True)
    packed.with_name("wskmini_x64.pd_").write_bytes(b"MSCF")
    found = symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": f"srv*{tmp_path}"})
    found.expect([named()])
    assert found.find(KEY) is None
    assert "is packed" in found.notes[0]


# -- servers ------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def server(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = files.get(self.path)
            self.send_response(200 if body is not None else 500 if "broken" in self.path else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/symbols", asked
        finally:
            http.shutdown()
            thread.join()


@needs_corpus
def test_servers_are_asked_with_download_only(tmp_path: Path) -> None:
    with server({f"/symbols/{STORED}": MINI.read_bytes()}) as (url, asked):
        environment = {"_NT_SYMBOL_PATH": f"srv*{tmp_path / 'near'}*{url}"}
        still = symbols(tmp=tmp_path, environment=environment)
        still.expect([named()])
        assert still.find(KEY) is None
        assert asked == []
        found = symbols(tmp=tmp_path, environment=environment, download=True)
        found.expect([named()])
        assert found.find(KEY) is not None
        assert found.notes == []
        assert asked == [f"/symbols/{STORED}"]
        assert (tmp_path / "near" / STORED).read_bytes() == MINI.read_bytes()
        again = symbols(tmp=tmp_path, environment=environment)  # now it is near
        again.expect([named()])
        assert again.find(KEY) is not None
        assert len(asked) == 1


def test_what_a_server_answers_otherwise(tmp_path: Path) -> None:
    with server({}) as (url, asked):
        environment = {"_NT_SYMBOL_PATH": f"srv*{tmp_path / 'near'}*{url}"}
        none = symbols(tmp=tmp_path, environment=environment, download=True)
        none.expect([named("drv.pdb"), named("broken.pdb")])
        assert none.find(KEY) is None
        assert len(asked) == 2
        assert len(none.notes) == 1
        assert "the server answers 500" in none.notes[0]
    gone = symbols(tmp=tmp_path, environment=environment, download=True)
    gone.expect([named()])
    assert gone.find(KEY) is None
    assert url in gone.notes[0]
    assert not list((tmp_path / "near").rglob("*.tmp"))
    with pytest.raises(UsageError, match="needs a server"):
        symbols(tmp=tmp_path, environment={"_NT_SYMBOL_PATH": "srv*/tmp/x"}, download=True)


def test_damaged_tmf_text_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "a.tmf").write_text(TMF + "#typev broken\n")
    found = symbols(tmp_path / "a.tmf", tmp=tmp_path)
    assert found.find(KEY) is not None
    assert found.find(RecordKey("message", WSKMINI.bytes_le, 11)) is not None
    assert len(found.notes) == 1
    assert "a.tmf" in found.notes[0]
