"""Memory follows the chunk, not the file."""

from __future__ import annotations

import io
import sys
import tracemalloc

import etl_tools as t
import numpy as np
import pytest

from wsktrace.etl.file import open_trace


class Repeated(io.RawIOBase):
    """A file of one head and a body repeated many times, that exists nowhere."""

    def __init__(self, head: bytes, body: bytes, times: int):
        self._head, self._body = head, np.frombuffer(body, np.uint8)
        self._size = len(head) + len(body) * times
        self._at = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=0):
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, target):
        count = max(min(len(target), self._size - self._at), 0)
        into = np.frombuffer(target, np.uint8)
        done = 0
        while done < count:
            at = self._at + done
            if at < len(self._head):
                part = np.frombuffer(self._head, np.uint8)[at : at + count - done]
            else:
                inside = (at - len(self._head)) % len(self._body)
                part = self._body[inside : inside + count - done]
            into[done : done + len(part)] = part
            done += len(part)
        self._at += count
        return count


def peak(source, chunk_bytes: int) -> tuple[int, int]:
    file = open_trace(source)
    tracemalloc.start()
    try:
        records = 0
        for chunk in file.chunks(chunk_bytes=chunk_bytes):
            records += len(chunk.records)
            file.clock.to_ns(chunk.records.clock)
            del chunk
        return tracemalloc.get_traced_memory()[1], records
    finally:
        tracemalloc.stop()


def make(times: int, *, compressed: bool) -> Repeated:
    records = [t.event(body=b"x" * 150)] * 250
    if compressed:
        from test_etl_compressed import xpress

        return Repeated(t.etl(size=65536, compression=3), t.packed(records, xpress) * 4, times)
    return Repeated(t.etl(size=65536), t.buffer(records, size=65536) * 4, times)


@pytest.mark.parametrize("compressed", [False, True])
def test_the_peak_does_not_grow_with_the_file(compressed):
    chunk = 4 << 20
    few, a = peak(make(40, compressed=compressed), chunk)
    many, b = peak(make(240, compressed=compressed), chunk)
    assert (a, b) == (1 + 40 * 1000, 1 + 240 * 1000)
    # what does grow is the table of buffers: some hundred bytes for each of the 800 more
    assert many < few + 800 * 600
    assert many < 6 * chunk


def test_the_peak_follows_the_chunk():
    small, _ = peak(make(160, compressed=False), 1 << 20)
    large, _ = peak(make(160, compressed=False), 16 << 20)
    assert small < large / 4


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is that of Linux")
def test_resident_memory_of_a_large_file(tmp_path):
    """A file with a hole: 256 MiB, of which most take no room on the disk."""
    import subprocess

    path = tmp_path / "large.etl"
    one = t.buffer([t.event(body=b"x" * 150)] * 250, size=65536)
    with path.open("wb") as handle:
        handle.write(t.etl(size=65536))
        handle.write(one * 160)
        handle.truncate(256 << 20)
    code = (
        "import resource, sys; from wsktrace.etl.file import open_trace\n"
        "f = open_trace(sys.argv[1])\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "n = sum(len(c.records) for c in f.chunks(chunk_bytes=4 << 20))\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base\n"
        "print(n, grown, f.survey.filler_bytes, f.survey.damaged_bytes)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=t._HERE
    )
    records, grown, filler, damaged = map(int, out.stdout.split())
    assert records == 1 + 160 * 250
    assert grown < 64 << 10  # KiB
    assert filler > 240 << 20
    assert damaged == 0
