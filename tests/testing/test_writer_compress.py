"""The three encoders against two independent decoders, and compressed traces."""

from __future__ import annotations

import random
from dataclasses import replace

import pyfwnt
import pytest
from dissect.util.compression import lznt1, lzxpress, lzxpress_huffman
from hypothesis import given, settings
from hypothesis import strategies as st
from writer_tools import by_dissect, headers, some_events

from wsktrace.errors import UsageError
from wsktrace.testing.compress import compress, xpress
from wsktrace.testing.etl_options import FORMATS
from wsktrace.testing.etl_parts import records, split
from wsktrace.testing.etl_writer import TraceOptions, write_native

FWNT = {
    "lznt1": pyfwnt.lznt1_decompress,
    "xpress": pyfwnt.lzxpress_decompress,
    "xpress_huff": pyfwnt.lzxpress_huffman_decompress,
}
EVENTS = some_events(900)
SMALL = TraceOptions(buffer_size=16384)
_RNG = random.Random(5)
CASES = {
    "one": b"a",
    "two": b"aa",
    "three": b"aaa",
    "32 literals": bytes(range(32)),
    "64 literals": bytes(range(64)),
    "overlap": b"ab" * 500,
    "zeros": bytes(32000),
    "noise": _RNG.randbytes(9000),
    "two letters": bytes(_RNG.choices(b"ab", k=20000)),
    "skewed": bytes(min(255, int(_RNG.expovariate(0.2))) for _ in range(20000)),
    "trace": write_native(EVENTS[:400])[0x10048:0x20000],
    "more than one Huffman block": bytes(_RNG.choices(range(90), k=70000)),
}


def dissect(name: str, packed: bytes, size: int) -> bytes:
    if name == "lznt1":
        return bytes(lznt1.decompress(packed))
    if name == "xpress":
        return bytes(lzxpress.decompress(packed))
    # it stops when the input is read, up to 32 bits before it is used up: give it more, and cut what comes of it
    return bytes(lzxpress_huffman.decompress(packed + bytes(4))[:size])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FWNT)
def test_two_decoders_agree(name: str, case: str) -> None:
    data = CASES[case]
    packed = compress(name, data)
    assert FWNT[name](packed, len(data)) == data
    assert dissect(name, packed, len(data)) == data
    assert compress(name, data) == packed


@pytest.mark.parametrize("name", FWNT)
def test_it_compresses(name: str) -> None:
    data = CASES["trace"]
    assert len(compress(name, data)) < len(data) // 2


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 60)), min_size=1, max_size=20))
def test_any_bytes(runs: list[tuple[bytes, int]]) -> None:
    data = b"".join(part * times for part, times in runs)
    for name, decoder in FWNT.items():
        packed = compress(name, data)
        assert decoder(packed, len(data)) == data
        if name != "xpress_huff":  # which reads on behind the end, see above
            assert dissect(name, packed, len(data)) == data


def test_matches_longer_than_libfwnt_takes() -> None:
    data = bytes(200_000)
    assert lzxpress.decompress(xpress(data, 0xFFFF + 3)) == data
    assert len(xpress(data, 0xFFFF + 3)) < len(xpress(data))
    with pytest.raises(UsageError, match="deflate"):
        compress("deflate", data)


@pytest.mark.parametrize("name", FWNT)
def test_compressed_trace(name: str) -> None:
    options = replace(SMALL, compression=name)  # type: ignore[arg-type]
    plain, packed = write_native(EVENTS, options=SMALL), write_native(EVENTS, options=options)
    assert len(packed) < len(plain) // 2
    first, *rest = headers(packed)
    assert (first.state & 0xFFFF, first.size % 0x400) == (FORMATS[name], 0)
    assert all(h.flags & 0x40 for h in rest)
    assert len({h.size for h in rest}) > 3
    assert rest[-1].at + rest[-1].size == len(packed)
    for one, other in zip(split(plain)[1:], split(packed)[1:], strict=True):
        assert (one.used, one.sequence, one.flush, one.cpu) == (other.used, other.sequence, other.flush, other.cpu)
        assert records(one) == records(other, FORMATS[name])
    mode = int.from_bytes(packed[0x48 + 0x20 + 0x20 :][:4], "little")
    assert mode == 0x04000001
    assert packed[0x48 + 0x20 + 6 : 0x48 + 0x20 + 8] == b"\2\0"


def test_dissect_reads_a_compressed_trace() -> None:
    seen = list(by_dissect(write_native(EVENTS, options=replace(SMALL, compression="xpress"))))
    assert len(seen) == 3 + len(EVENTS)


def test_what_does_not_shrink_is_stored() -> None:
    from wsktrace.testing import etl_records

    noise = etl_records.perfinfo(15, 1, random.Random(1).randbytes(8000), TraceOptions().start_clock)
    from wsktrace.testing.etl_writer import write_records

    for name in FWNT:
        data = write_records([noise], options=replace(SMALL, compression=name))  # type: ignore[arg-type]
        (header,) = headers(data)[1:]
        assert not header.flags & 0x40
        assert header.size == header.used
