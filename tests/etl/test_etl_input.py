"""What can be opened, in which wrappings, and what is said about everything else."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import threading
import zipfile

import etl_tools as t
import pytest

from wsktrace.errors import InputError, NotAnEtlFile, WsktraceError
from wsktrace.etl import containers
from wsktrace.etl.file import open_trace

RAW = t.etl(t.buffer([t.event(id_=n) for n in range(5)]), t.buffer([t.event(id_=9)], sequence=3))


def ids(file) -> list[int]:
    with file:
        return [int(i) for c in file.chunks() for i in c.records.id[c.records.kind == 19]]


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "net.etl"
    path.write_bytes(RAW)
    return path


def zipped(path, **members: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_etl", ".etl").replace("_txt", ".txt"), data)
    return path


class Stream(io.RawIOBase):
    """A binary stream that cannot seek, in pieces of odd length."""

    def __init__(self, data: bytes):
        self._inner = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, target):
        return self._inner.readinto(memoryview(target)[: min(len(target), 777)])


class OnlyRead:
    """The least that is called a file object."""

    def __init__(self, data: bytes):
        self._inner = io.BytesIO(data)

    def read(self, n=-1):
        return self._inner.read(n)


def test_a_path_as_text_and_as_path(plain):
    for source in (plain, str(plain)):
        file = open_trace(source)
        assert (file.name, file.size) == ("net.etl", len(RAW))
        assert ids(file) == [0, 1, 2, 3, 4, 9]


def test_file_objects(plain):
    with plain.open("rb") as handle:
        file = open_trace(handle)
        assert ids(file) == [0, 1, 2, 3, 4, 9]
        assert not handle.closed  # the caller's own
        assert file.name == "net.etl"
    for source in (io.BytesIO(RAW), Stream(RAW), OnlyRead(RAW), io.BufferedReader(Stream(RAW))):
        file = open_trace(source)
        assert file.size == len(RAW)
        assert ids(file) == [0, 1, 2, 3, 4, 9]
    shifted = io.BytesIO(b"before" + RAW)
    shifted.seek(6)
    assert ids(open_trace(shifted)) == [0, 1, 2, 3, 4, 9]


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes of POSIX")
def test_a_named_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(RAW))
    writer.start()
    assert ids(open_trace(path)) == [0, 1, 2, 3, 4, 9]
    writer.join()


def test_gzip(tmp_path):
    path = tmp_path / "net.etl.gz"
    path.write_bytes(gzip.compress(RAW[:5000]) + gzip.compress(RAW[5000:]))
    for source in (path, io.BytesIO(path.read_bytes()), Stream(path.read_bytes())):
        file = open_trace(source)
        assert file.size == len(RAW)
        assert ids(file) == [0, 1, 2, 3, 4, 9]


def test_zip_with_one_trace(tmp_path):
    path = zipped(tmp_path / "net.zip", a__net_etl=RAW, readme_txt=b"hello")
    for source in (
        path,
        io.BytesIO(path.read_bytes()),
        Stream(path.read_bytes()),
        f"{path}!a/net.etl",
        path / "a" / "net.etl",
        f"{path}!net.etl",
    ):
        assert ids(open_trace(source)) == [0, 1, 2, 3, 4, 9]
    assert open_trace(path).name == "net.zip!a/net.etl"
    assert open_trace(path).sha256() == __import__("hashlib").sha256(RAW).hexdigest()
    assert ids(open_trace(path, member="A/NET.ETL")) == [0, 1, 2, 3, 4, 9]


def test_zip_with_several_traces_says_how_to_name_one(tmp_path):
    other = t.etl(t.buffer([t.event(id_=77)]))
    path = zipped(tmp_path / "net.zip", net_etl=RAW, sub__two_etl=other, readme_txt=b"x")
    with pytest.raises(InputError) as error:
        open_trace(path)
    assert "holds 2 traces (net.etl, sub/two.etl)" in str(error.value)
    assert "net.zip!net.etl" in str(error.value)
    assert "member=" in str(error.value)
    for source in (f"{path}!sub/two.etl", f"{path}/sub/two.etl", f"{path}!two.etl"):
        assert ids(open_trace(source)) == [77]
    assert ids(open_trace(path, member="sub/two.etl")) == [77]
    with pytest.raises(InputError, match=r"no member 'three.etl' .* it holds net.etl, sub/two.etl, readme.txt"):
        open_trace(path, member="three.etl")


def test_other_archives_that_do_not_hold_a_trace(tmp_path):
    with pytest.raises(NotAnEtlFile, match=r"without an \.etl in it \(it holds readme\.txt\)"):
        open_trace(zipped(tmp_path / "a.zip", readme_txt=b"hello"))
    with pytest.raises(NotAnEtlFile, match=r"a text file"):
        open_trace(zipped(tmp_path / "b.zip", net_etl=b"hello, this is no trace\n" * 40))
    with pytest.raises(NotAnEtlFile, match=r"an empty \.zip"):
        open_trace(zipped(tmp_path / "c.zip"))
    with pytest.raises(InputError, match=r"not a \.zip, so it has no member"):
        open_trace(io.BytesIO(RAW), member="x.etl")
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(b"some text\n" * 100))
    with pytest.raises(NotAnEtlFile, match=r"t.txt.gz: a text file"):
        open_trace(tmp_path / "t.txt.gz")
    (tmp_path / "n.gz").write_bytes(gzip.compress(gzip.compress(RAW)))
    with pytest.raises(NotAnEtlFile, match=r"a \.gz inside another archive"):
        open_trace(tmp_path / "n.gz")


def test_damaged_archives(tmp_path):
    path = zipped(tmp_path / "net.zip", net_etl=os.urandom(3000) + RAW)
    raw = bytearray(path.read_bytes())
    raw[200] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"the archive is damaged .*; copy it again"):
        open_trace(path)
    path.write_bytes(raw[:2000])
    with pytest.raises(InputError, match="damaged"):
        open_trace(path)
    gz = tmp_path / "net.etl.gz"
    whole = gzip.compress(RAW)
    for damaged in (
        whole[:-20],
        whole[:30],
        whole[:-4] + b"\0\0\0\0",
        whole[:12] + b"\xff" * 9 + whole[21:],
        whole[:5],
    ):
        gz.write_bytes(damaged)
        with pytest.raises(InputError, match="the archive is damaged"):
            open_trace(gz)


def test_encrypted_members_and_unknown_methods(tmp_path):
    path = zipped(tmp_path / "net.zip", net_etl=RAW)
    raw = bytearray(path.read_bytes())
    central = raw.index(b"PK\x01\x02")
    for at, value in ((6, 1), (8, 9)):
        changed = bytearray(raw)
        struct.pack_into("<H", changed, at, value)
        struct.pack_into("<H", changed, central + at + 2, value)
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"cannot be unpacked here .*; unpack it yourself"):
            open_trace(path)


def test_decompression_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "FREE_BYTES", 1 << 20)
    (tmp_path / "bomb.etl.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    zipped(tmp_path / "bomb.zip", net_etl=bytes(8 << 20))
    for name in ("bomb.etl.gz", "bomb.zip"):
        with pytest.raises(InputError, match=r"decompression bomb; if it is not, unpack it yourself") as error:
            open_trace(tmp_path / name)
        assert "1 MiB" in str(error.value)
        assert "200 times" in str(error.value)


def test_no_temporary_file_is_left(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = zipped(tmp_path / "net.zip", net_etl=RAW)
    assert ids(open_trace(path)) == [0, 1, 2, 3, 4, 9]
    open_trace(path)  # never closed
    assert list((tmp_path / "tmp").iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"temporary file .*; make room or set TMPDIR"):
        open_trace(path)


NOT_TRACES = [
    (b"", "an empty file"),
    (b"ElfFile\0" + bytes(5000), r"a Windows event log \(\.evtx\); open it with Event Viewer"),
    (b"\x30\0\0\0LfLe" + bytes(500), r"an old Windows event log \(\.evt\)"),
    (b"MSCF\0\0\0\0" + bytes(500), r"a cabinet \(\.cab\); unpack it first \(expand"),
    (b"MZ\x90\0" + bytes(500), "a Windows program or driver"),
    (b"\x7fELF" + bytes(500), "a Linux program"),
    (b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0" + bytes(500), r"a program database \(\.pdb\)"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(500), r"a \.7z archive"),
    (b"\x28\xb5\x2f\xfd" + bytes(500), r"a \.zst file"),
    (b"MDMP" + bytes(500), "a crash dump"),
    (b"PAGEDU64" + bytes(500), "a kernel crash dump"),
    (b"PAR1" + bytes(500), "a Parquet file"),
    (b"\x0a\x0d\x0d\x0a" + bytes(500), "a network capture"),
    (bytes(10_000), "zero bytes only"),
    (b"time,event\n1,2\n" * 50, "a text file"),
    ("время\n".encode() * 50, "a text file"),
    ("hello".encode("utf-16"), "a text file"),
    (b"\x01\x02\x03", "only 3 bytes"),
    (bytes(range(256)) * 40, "not an ETL trace"),
]


@pytest.mark.parametrize(("data", "says"), NOT_TRACES)
def test_what_is_no_trace_is_named(data, says, tmp_path):
    path = tmp_path / "thing.bin"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        with pytest.raises(NotAnEtlFile, match=says) as error:
            open_trace(source)
        assert "\n" not in str(error.value)
        assert ";" in str(error.value)  # and what to do
    with pytest.raises(NotAnEtlFile, match=r"^thing\.bin: "):
        open_trace(path)


def test_directories_and_missing_files(tmp_path):
    with pytest.raises(NotAnEtlFile, match=r"a directory; name the \.etl file inside it"):
        open_trace(tmp_path)
    for path in (tmp_path / "no.etl", tmp_path / "no.zip" / "a.etl", f"{tmp_path}/no.zip!a.etl", ""):
        with pytest.raises(WsktraceError, match=r"no such file|a directory"):
            open_trace(path)
    for path in ("a\0b", "x" * 5000):
        with pytest.raises(InputError):
            open_trace(path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "net.etl"
    path.write_bytes(RAW)
    from pathlib import Path

    def refuse(self, *args, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="permission denied; copy the file or run as a user who may read it"):
        open_trace(path)


@pytest.mark.parametrize("keep", [0x48, 0x49, 0x68, 0x100, 0x17F, 0x80])
def test_a_header_cut_in_half(keep):
    with pytest.raises(
        InputError, match=r"an ETL trace cut after \d+ bytes, before its log header ends .*; capture or copy it again"
    ):
        open_trace(io.BytesIO(RAW[:keep]))


def test_only_the_log_header_is_a_trace_without_events():
    for keep in (0x180, 0x200, 4096):
        file = open_trace(io.BytesIO(RAW[:keep]))
        assert ids(file) == []
        assert file.header.start_time == t.START


def test_text_file_objects_and_other_objects():
    for source in (io.StringIO("text"), object(), 7, None, b"bytes"):
        with pytest.raises(InputError):
            open_trace(source)  # type: ignore[arg-type]


def test_a_reader_that_fails_midway():
    class Failing(io.BytesIO):
        armed = False

        def readinto(self, target):
            if self.armed:
                raise OSError(5, "Input/output error")
            return super().readinto(target)

    source = Failing(RAW)
    file = open_trace(source)
    source.armed = True
    with pytest.raises(InputError, match=r"cannot be read at byte 0 .*Input/output error"):
        list(file.chunks())


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "net.etl"
    path.write_bytes(RAW)
    file = open_trace(path)
    with path.open("r+b") as handle:
        handle.truncate(5000)
    got = ids(file)
    assert got == [0, 1, 2, 3, 4][: len(got)]
    s = file.survey
    assert s.headers_bytes + s.record_bytes + s.filler_bytes + s.damaged_bytes == len(RAW)
