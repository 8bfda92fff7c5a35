"""Compressed buffers in the three formats, from encodings made by hand and checked against dissect.util."""

from __future__ import annotations

import io
import struct

import etl_tools as t
import numpy as np
import pytest

from wsktrace.etl.accounting import disk_shares
from wsktrace.etl.file import open_trace
from wsktrace.etl.unpack import LZNT1, XPRESS, XPRESS_HUFFMAN, Unpacker


def lznt1(data: bytes) -> bytes:
    """Chunks of up to 4096 bytes, stored: a header word of 0x3000 and the length less one (MS-XCA 2.5.1.2)."""
    out = b""
    for at in range(0, len(data), 4096):
        part = data[at : at + 4096]
        out += struct.pack("<H", 0x3000 | (len(part) - 1)) + part
    return out


def xpress(data: bytes) -> bytes:
    """Literals only: a word of 32 flag bits, all zero, before each 32 bytes; bits left over are one (MS-XCA 2.3)."""
    out = b""
    for at in range(0, len(data) + 1, 32):
        part = data[at : at + 32]
        flags = 0 if len(part) == 32 else (1 << (32 - len(part))) - 1
        out += struct.pack("<I", flags) + part
    return out


def xpress_huffman(data: bytes) -> bytes:
    """Literals only, each of the 512 symbols a code of 9 bits in symbol order (MS-XCA 2.1)."""
    out = b""
    for at in range(0, len(data), 65536):
        part = data[at : at + 65536]
        out += b"\x99" * 256
        # the code of symbol s is s itself, 9 bits; 256 ends the stream
        bits = "".join(f"{byte:09b}" for byte in part) + (f"{256:09b}" if at + 65536 >= len(data) else "")
        words = [int(bits[i : i + 16].ljust(16, "0"), 2) for i in range(0, len(bits), 16)]
        out += struct.pack(f"<{len(words)}H", *words) + bytes(4)
    return out


PACKERS = {LZNT1: lznt1, XPRESS: xpress, XPRESS_HUFFMAN: xpress_huffman}


def sample(seed=1, count=60) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [
        t.event(id_=i, body=rng.integers(0, 256, int(n), np.uint8).tobytes())
        for i, n in enumerate(rng.integers(0, 900, count))
    ]


def read(raw: bytes, **more):
    file = open_trace(io.BytesIO(raw))
    chunks = list(file.chunks(**more))
    s = file.survey
    assert s.headers_bytes + s.record_bytes + s.filler_bytes + s.damaged_bytes == len(raw)
    assert sum(int(disk_shares(c).sum()) for c in chunks) == s.record_bytes
    return file, chunks


def ids(chunks):
    return [int(i) for c in chunks for i in c.records.id[c.records.kind == 19]]


@pytest.mark.parametrize("format_", PACKERS)
@pytest.mark.parametrize("length", [1, 31, 32, 33, 4096, 5000, 60000])
def test_the_encodings_are_what_another_decoder_reads(format_, length):
    from dissect.util.compression import lznt1 as other_lznt1
    from dissect.util.compression import lzxpress, lzxpress_huffman

    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    packed = PACKERS[format_](data)
    others = {LZNT1: other_lznt1.decompress, XPRESS: lzxpress.decompress, XPRESS_HUFFMAN: lzxpress_huffman.decompress}
    assert bytes(others[format_](packed))[:length] == data
    assert Unpacker(format_, 1 << 20).unpack(packed, length) == data


@pytest.mark.parametrize("format_", PACKERS)
def test_a_compressed_file_reads_like_the_plain_one(format_):
    records = [sample(seed) for seed in range(5)]
    plain, a = read(t.etl(*(t.buffer(r, size=65536, sequence=i + 2, cpu=i) for i, r in enumerate(records)), size=65536))
    raw = t.etl(
        *(t.packed(r, PACKERS[format_], sequence=i + 2, cpu=i) for i, r in enumerate(records)),
        size=65536,
        compression=format_,
    )
    for chunk_bytes in (1 << 25, 1 << 16):
        packed, b = read(raw, chunk_bytes=chunk_bytes)
        assert packed.header.compression == format_
        for column in ("size", "kind", "buffer", "buffer_offset", "cpu", "clock", "id", "guid"):
            left, right = (np.concatenate([getattr(c.records, column) for c in x]) for x in (a, b))
            assert np.array_equal(left, right), column
        left, right = (
            [c.data[o : o + s].tobytes() for c in x for o, s in zip(c.records.offset, c.records.size, strict=True)]
            for x in (a, b)
        )
        assert left[1:] == right[1:]  # the log headers differ in the mode
        assert packed.survey.damaged_bytes == 0
        assert packed.survey.buffers.compressed.tolist() == [False] + [True] * 5
        assert np.array_equal(packed.survey.buffers.used, plain.survey.buffers.used)
        assert packed.survey.unpacked_record_bytes == plain.survey.unpacked_record_bytes == plain.survey.record_bytes


@pytest.mark.parametrize("format_", PACKERS)
def test_the_format_is_learnt_where_the_header_does_not_say_it(format_):
    raw = bytearray(t.etl(*(t.packed(sample(s), PACKERS[format_]) for s in range(3)), compression=format_))
    struct.pack_into("<I", raw, 0x2C, 0)
    file, chunks = read(bytes(raw))
    assert file.header.compression == 0
    assert ids(chunks) == list(range(60)) * 3
    assert file.survey.damaged_bytes == 0


def test_bytes_on_disk_are_shared_by_the_records():
    records = [t.event(body=b"a" * n) for n in (0, 100, 1000, 2000)]
    body = b"".join(t.aligned(r) for r in records)
    broken = body + b"\x01\x02\x03\x04" * 64 + b"\xff" * 400
    raw = t.etl(t.packed(body, xpress), t.packed(broken, xpress), compression=XPRESS)
    file, (chunk,) = read(raw)
    shares = disk_shares(chunk)
    sizes = (chunk.records.size + 7) & ~7
    b = chunk.buffers
    for i in (1, 2):
        mine = chunk.records.buffer == i
        disk = int(b.disk_size[i]) - 0x48
        used = int(b.used[i]) - 0x48
        assert abs(shares[mine] - sizes[mine] * disk / used).max() <= 1
    assert shares[chunk.records.buffer == 1].sum() == b.disk_size[1] - 0x48
    damaged = (b.disk_size[2] - 0x48) * (256 + 400) // (len(broken))
    assert abs(file.survey.damaged_bytes - damaged) <= 1
    assert file.survey.unpacked_damaged_bytes == 656


@pytest.mark.parametrize(
    "length", [3, 22, 24, 25, 279, 280, 300, 32771, 32772, 40_000, 65_535, 65_536, 65_537, 65_538, 100_000]
)
def test_matches_of_any_length(length):
    """One literal, one match of distance 1; libfwnt knows none above 32,771 bytes."""
    from dissect.util.compression import lzxpress

    from wsktrace.etl import xpress as own

    body = struct.pack("<I", 0x7FFF_FFFF) + b"z"
    if length < 10:
        body += struct.pack("<H", length - 3)
    elif length < 25:
        body += struct.pack("<HB", 7, length - 10)
    elif length < 280:
        body += struct.pack("<HBB", 7, 15, length - 25)
    elif length - 3 < 0x10000:
        body += struct.pack("<HBBH", 7, 15, 255, length - 3)
    else:
        body += struct.pack("<HBBHI", 7, 15, 255, 0, length - 3)
    want = b"z" * (length + 1)
    if length - 3 < 0x10000:
        assert bytes(lzxpress.decompress(body)) == want
    assert own.decompress(body, length + 1) == want
    assert Unpacker(XPRESS, 0).unpack(body, length + 1) == want
    for cut in range(len(body)):
        try:
            assert want.startswith(own.decompress(body[:cut], length + 1))
        except ValueError:
            continue


def test_our_own_xpress_reads_what_libfwnt_reads():
    import pyfwnt

    from wsktrace.etl import xpress as own

    rng = np.random.default_rng(9)
    records = b"".join(t.aligned(r) for r in sample(4, 20))
    for _ in range(300):
        body = bytearray(xpress(records[: int(rng.integers(1, len(records)))]))
        for at in rng.integers(0, len(body), int(rng.integers(0, 3))):
            body[at] ^= 1 << int(rng.integers(0, 8))
        length = int(rng.integers(1, 8000))
        try:
            theirs = pyfwnt.lzxpress_decompress(bytes(body), length)
        except OSError:
            theirs = None
        try:
            mine = own.decompress(bytes(body), length)
        except ValueError:
            mine = None
        assert theirs is None or mine is None or theirs == mine


@pytest.mark.parametrize("format_", PACKERS)
def test_a_buffer_that_does_not_unpack_costs_itself(format_):
    good = [t.packed(sample(s, 20), PACKERS[format_]) for s in range(4)]
    bad = bytearray(good[1])
    bad[0x48:] = bytes(len(bad) - 0x48) if format_ == LZNT1 else b"\xff" * (len(bad) - 0x48)
    file, chunks = read(t.etl(good[0], bytes(bad), *good[2:], compression=format_))
    assert ids(chunks) == list(range(20)) * 3
    assert file.survey.damaged_bytes == len(bad) - 0x48
    assert file.survey.buffers.state.tolist() == [0, 0, 2, 0, 0]
    assert [(p.buffer, p.what) for p in file.survey.problems] == [(2, "the buffer cannot be unpacked")]


def test_a_plain_buffer_flagged_as_compressed_is_read_as_it_is():
    raw = t.etl(t.buffer(sample(1, 5), flags=0x60, size=8192), t.packed(sample(2, 5), xpress), compression=XPRESS)
    file, chunks = read(raw)
    assert ids(chunks) == [0, 1, 2, 3, 4] * 2
    assert file.survey.buffers.state.tolist() == [0, 2, 0]


def test_small_files_do_not_unpack_to_endless_ones(monkeypatch):
    # a zero, then matches of 65,523 bytes each at distance one: five and a half bytes of file for 64 KiB
    one = struct.pack("<HBBH", 7, 0xFF, 0xFF, 0xFFF0) + struct.pack("<HBH", 7, 0xFF, 0xFFF0)
    body = struct.pack("<I", 0x7FFF_FFFF) + b"\0" + one * 15 + one[:6]
    body += (struct.pack("<I", 0xFFFF_FFFF) + one[6:] + one * 15 + one[:6]) * 31
    bomb = t.buffer(body, size=0x48 + len(body), offset=63 << 20, flags=0x60)
    assert Unpacker(XPRESS, 0).unpack(body, (63 << 20) - 0x48) is not None
    assert len(body) < 8000
    monkeypatch.setattr("wsktrace.etl.unpack._FREE_BYTES", 300 << 20)
    monkeypatch.setattr("wsktrace.etl.unpack._MAX_RATIO", 100)
    file, _ = read(t.etl(*[bomb] * 12, compression=XPRESS))
    states = file.survey.buffers.state[1:]
    assert states.tolist() == [4] * 4 + [2] * 8  # zeros, 63 MiB each, and then it is enough


@pytest.mark.parametrize("format_", PACKERS)
def test_a_cut_compressed_buffer_never_fails(format_):
    one = t.packed(sample(3, 20), PACKERS[format_])
    raw = t.etl(one, one, compression=format_)
    for keep in range(0, len(one), 97):
        file, chunks = read(raw[: len(raw) - len(one) + keep])
        got = ids(chunks)
        assert got[:20] == list(range(20))
        assert got[20:] == list(range(len(got) - 20))
        assert keep < 0x48 or file.survey.buffers.state[-1] & 8
