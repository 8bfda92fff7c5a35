"""The container of a PDB: any order of blocks, any block size, and sizes that lie."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pdb_tools as p
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_limit import time_limit

from wsktrace.decode.msf import Msf
from wsktrace.errors import FormatError, InputError


@settings(max_examples=80, deadline=None, print_blob=True)
@given(
    st.lists(st.none() | st.binary(max_size=3000), max_size=12),
    st.sampled_from([512, 1024, 4096]),
    st.none() | st.integers(0, 1 << 16),
)
def test_streams_come_back(streams, block_size, seed):
    with Msf(p.msf(streams, block_size, seed)) as file:
        assert len(file) == len(streams)
        for n, raw in enumerate(streams):
            assert file.read(n) == (raw or b"")
            assert file.stream_size(n) == len(raw or b"")
            assert file.read(n, 700) == (raw or b"")[:700]
        assert file.read(len(streams)) == file.read(-1) == b""


def test_a_directory_whose_map_takes_several_blocks():
    big = bytes(range(256)) * 4 * 512  # 1,024 blocks, 4 KiB of the directory
    streams = [big] * 18  # the directory takes 145 blocks, their numbers two more
    with Msf(p.msf(streams, 512, seed=1)) as file:
        assert all(file.read(n) == big for n in (0, 9, 17))


def test_sources(tmp_path):
    raw = p.msf([b"a", b"bc"])
    path = tmp_path / "drv.pdb"
    path.write_bytes(raw)
    with Msf(path) as a, Msf(str(path)) as b, Msf(raw, "drv.pdb") as c:
        assert a.name == b.name == c.name == "drv.pdb"
        assert a.read(1) == b.read(1) == c.read(1) == b"bc"
    handed = io.BytesIO(raw)
    with Msf(handed) as d:
        assert d.read(1) == b"bc"
    assert not handed.closed


def test_what_cannot_be_opened(tmp_path):
    for path in (tmp_path, tmp_path / "none.pdb"):
        with pytest.raises(InputError, match=path.name):
            Msf(path)


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"", "is empty"),
        (b"text\n", "is no PDB"),
        (b"MZ\x90\0", "a binary, not its PDB"),
        (b"BSJB\1\0", "portable PDB"),
        (b"MSCF\0\0", "cab"),
        (b"PK\3\4", "zip"),
        (b"Microsoft MSFZ Container\r\n\x1aALD\0\0", "MSFZ"),
        (b"Microsoft C/C++ program database 2.00\r\n\x1aJG\0\0", "Visual C\\+\\+ 6"),
        (p.MAGIC, "first block"),
    ],
)
def test_what_it_is_instead(begin, said):
    with pytest.raises(FormatError, match=said) as caught:
        Msf(begin, "x.pdb")
    assert str(caught.value).startswith("x.pdb ")
    assert "\n" not in str(caught.value)


def damaged(raw: bytes, at: int, *words: int) -> bytes:
    out = bytearray(raw)
    struct.pack_into(f"<{len(words)}I", out, at, *words)
    return bytes(out)


SMALL = p.msf([b"old", b"x" * 2000, b"", None])
DIRECTORY = 512 * (struct.unpack_from("<I", SMALL, 512 * struct.unpack_from("<I", SMALL, 0x34)[0])[0])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (damaged(SMALL, 0x20, 500), "500 bytes"),
        (damaged(SMALL, 0x20, 0), "0 bytes"),
        (SMALL[:-600], "cut short"),
        (damaged(SMALL, 0x2C, 1 << 30), "directory is said to have"),
        (damaged(SMALL, 0x2C, 0xFFFFFFFF), "directory is said to have"),
        (damaged(SMALL, 0x34, 0xFFFFFF), "lies in block"),
        (damaged(SMALL, DIRECTORY, 1000), "1000 streams"),
        (damaged(SMALL, DIRECTORY, 0xFFFFFFFF), "streams"),
        (damaged(SMALL, DIRECTORY + 4, 1 << 31), "directory ends|longer than the file"),
        (damaged(SMALL, DIRECTORY + 8, 1 << 14), "directory ends|longer than the file"),
    ],
)
def test_sizes_that_lie(raw, said):
    with pytest.raises(FormatError, match=said):
        Msf(raw)


def test_a_block_beyond_the_file():
    raw = damaged(SMALL, DIRECTORY + 4 * 6, 99)  # the second stream's first block
    with Msf(raw) as file:
        assert file.read(0) == b"old"
        with pytest.raises(FormatError, match="stream 1 lies in block 99"):
            file.read(1)


def test_the_last_block_may_be_cut_where_nothing_is_missing():
    files = (p.msf([b"", b"end"], seed=seed) for seed in range(1000))
    cut = next(raw for raw in files if raw[-512:].startswith(b"end"))[:-509]
    with Msf(cut) as file:
        assert file.read(1) == b"end"
    with Msf(cut[:-1]) as file, pytest.raises(FormatError, match="beyond the end"):
        file.read(1)


def test_no_more_memory_than_the_file_has():
    """One block named by every entry of a directory: what may be believed is bounded by the file's size."""
    streams = [b"", b"y" * 200_000]
    raw = bytearray(p.msf(streams))
    blocks = -(-200_000 // 512)
    first = struct.pack("<2I", 0, 200_000)
    at = raw.index(first)
    struct.pack_into("<I", raw, at + 4, blocks * 512)
    struct.pack_into(f"<{blocks}I", raw, at + 8, *([3] * blocks))
    tracemalloc.start()
    try:
        with time_limit(5), Msf(bytes(raw)) as file:
            assert len(file.read(1)) == blocks * 512
        assert tracemalloc.get_traced_memory()[1] < 6 * len(raw)
    finally:
        tracemalloc.stop()
