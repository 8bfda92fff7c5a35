"""Encoders of the three compressions that ETW uses: LZNT1, XPRESS (plain LZ77) and XPRESS with Huffman codes.

They look for matches in a simple, deterministic way; what they write is what the decoders of the format expect.
Source: [MS-XCA] 2.1 and 2.2 (LZ77+Huffman), 2.3 and 2.4 (plain LZ77), 2.5 (LZNT1).
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

from wsktrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["compress", "lznt1", "xpress", "xpress_huffman"]

#: A length of up to 0xFFFF + 3 can be written; libfwnt, the decoder at hand, takes plain XPRESS up to this one.
_LONGEST_PLAIN = 0x7FFF + 4
_LONGEST = 0xFFFF + 3
_HUFFMAN_BLOCK = 0x10000
_LZNT1_CHUNK = 0x1000
_END = 256


def compress(name: str, data: bytes) -> bytes:
    """Compress by the name that ``TraceOptions.compression`` uses."""
    encoders = {"lznt1": lznt1, "xpress": xpress, "xpress_huff": xpress_huffman}
    if name not in encoders:
        raise UsageError(f"compression {name!r} is none of {', '.join(encoders)}")
    return encoders[name](data)


def _matches(data: bytes, begin: int, end: int, window: int, longest: int) -> Iterator[tuple[int, int, int]]:
    """Cut ``data[begin:end]`` into (position, distance, length): a match, or a literal with distance 0.

    The candidate is the latest earlier place of the same three bytes, not before ``begin - window``.
    """
    latest: dict[bytes, int] = {}
    for i in range(max(0, begin - window), begin):
        latest[data[i : i + 3]] = i
    at = begin
    while at < end:
        key = data[at : at + 3]
        found = latest.get(key, -1)
        latest[key] = at
        if found < 0 or at - found > window or end - at < 3:
            yield at, 0, 1
            at += 1
            continue
        limit = min(longest, end - at)
        length = 3
        while length < limit and data[found + length] == data[at + length]:
            length += 1
        yield at, at - found, length
        for i in range(at + 1, min(at + length, end - 2)):
            latest[data[i : i + 3]] = i
        at += length


def lznt1(data: bytes) -> bytes:
    """Compress in chunks of 4 KiB, each with its own header; a chunk that would grow is stored as it is."""
    out = bytearray()
    for begin in range(0, len(data), _LZNT1_CHUNK):
        chunk = data[begin : begin + _LZNT1_CHUNK]
        packed = _lznt1_chunk(chunk)
        if len(packed) < len(chunk):
            out += (0xB000 | len(packed) - 1).to_bytes(2, "little") + packed
        else:
            out += (0x3000 | len(chunk) - 1).to_bytes(2, "little") + chunk
    return bytes(out)


def _lznt1_chunk(chunk: bytes) -> bytes:
    out = bytearray()
    flags_at, flags = 0, 8
    for begin, distance, size in _matches(chunk, 0, len(chunk), _LZNT1_CHUNK, _LZNT1_CHUNK):
        at, end = begin, begin + size
        while at < end:
            # the further into the chunk, the more of the 16 bits are distance, the fewer length
            bits = max(0, (at - 1).bit_length() - 4) if at else 0
            length = min(end - at, (0xFFF >> bits) + 3)
            if flags == 8:
                flags_at, flags = len(out), 0
                out.append(0)
            if distance and length >= 3:
                out[flags_at] |= 1 << flags
                out += (distance - 1 << 12 - bits | length - 3).to_bytes(2, "little")
            else:
                length = 1
                out.append(chunk[at])
            flags += 1
            at += length
    return bytes(out)


def xpress(data: bytes, longest: int = _LONGEST_PLAIN) -> bytes:
    """Compress as plain LZ77: flag words of 32 bits, matches up to 8 KiB back and of up to ``longest`` bytes."""
    out = bytearray(4)
    flags_at, flags, count = 0, 0, 0
    half = 0  # where a byte waits for its upper length nibble; 0: none does
    for at, distance, length in _matches(data, 0, len(data), 0x2000, longest):
        flags = flags << 1 | int(distance > 0)
        if distance:
            rest = length - 3
            out += (distance - 1 << 3 | min(rest, 7)).to_bytes(2, "little")
            if rest >= 7:
                nibble = min(rest - 7, 15)
                if half:
                    out[half] |= nibble << 4
                    half = 0
                else:
                    half = len(out)
                    out.append(nibble)
                if nibble == 15:
                    out += bytes([rest - 22]) if rest - 22 < 255 else b"\xff" + rest.to_bytes(2, "little")
        else:
            out.append(data[at])
        count += 1
        if count == 32:
            out[flags_at : flags_at + 4] = flags.to_bytes(4, "little")
            flags_at, flags, count = len(out), 0, 0
            out += bytes(4)
    # the unused flags announce matches: a match where the input ends is the end
    flags = flags << 32 - count | (1 << 32 - count) - 1
    out[flags_at : flags_at + 4] = flags.to_bytes(4, "little")
    return bytes(out)


def xpress_huffman(data: bytes) -> bytes:
    """Compress as LZ77 with Huffman codes: blocks of 64 KiB, each behind a table of 512 code lengths."""
    out = bytearray()
    begins = range(0, len(data), _HUFFMAN_BLOCK) or range(1)
    for begin in begins:
        end = min(begin + _HUFFMAN_BLOCK, len(data))
        _huffman_block(data, begin, end, begin == begins[-1], out)
    return bytes(out)


def _huffman_block(data: bytes, begin: int, end: int, last: bool, out: bytearray) -> None:
    tokens = []
    for at, distance, length in _matches(data, begin, end, 0xFFFF, _LONGEST):
        high = distance.bit_length() - 1
        symbol = data[at] if not distance else 256 + 16 * high + min(length - 3, 15)
        tokens.append((symbol, distance - (1 << high) if distance else 0, max(high, 0), length - 3))
    if last:
        tokens.append((_END, 0, 0, 0))
    counts = Counter(symbol for symbol, *_ in tokens)
    for filler in (0, 1):  # a code needs two symbols
        if len(counts) < 2:
            counts.setdefault(filler, 1)
    lengths = _code_lengths(counts)
    codes = _codes(lengths)
    out += bytes(lengths.get(s, 0) | lengths.get(s + 1, 0) << 4 for s in range(0, 512, 2))
    bits = _BitWriter(out)
    for symbol, extra, extra_bits, rest in tokens:
        bits.write(lengths[symbol], codes[symbol])
        if symbol > _END and symbol & 15 == 15:
            out += bytes([rest - 15]) if rest - 15 < 255 else b"\xff" + rest.to_bytes(2, "little")
        bits.write(extra_bits, extra)
    bits.finish()


class _BitWriter:
    """Bits, highest first, in 16-bit words; two words are reserved ahead, as the decoder reads ahead."""

    def __init__(self, out: bytearray) -> None:
        self._out = out
        self._places = [len(out), len(out) + 2]
        self._word, self._free = 0, 16
        out += bytes(4)

    def write(self, count: int, bits: int) -> None:
        self._word = self._word << count | bits
        self._free -= count
        if self._free < 0:
            self._store(self._word >> -self._free)
            self._word &= (1 << -self._free) - 1
            self._free += 16
            self._places.append(len(self._out))
            self._out += bytes(2)

    def _store(self, word: int) -> None:
        place = self._places.pop(0)
        self._out[place : place + 2] = word.to_bytes(2, "little")

    def finish(self) -> None:
        self._store(self._word << self._free)


def _code_lengths(counts: Counter[int]) -> dict[int, int]:
    """Huffman code lengths of at most 15 bits: counts are flattened until the tree is low enough."""
    weights = dict(sorted(counts.items()))
    while True:
        heap: list[tuple[int, int, tuple[int, ...]]] = [(w, s, (s,)) for s, w in weights.items()]
        heapq.heapify(heap)
        lengths = dict.fromkeys(weights, 0)
        while len(heap) > 1:
            one, two = heapq.heappop(heap), heapq.heappop(heap)
            members = one[2] + two[2]
            for symbol in members:
                lengths[symbol] += 1
            heapq.heappush(heap, (one[0] + two[0], min(one[1], two[1]), members))
        if max(lengths.values()) <= 15:
            return lengths
        weights = {s: w // 2 + 1 for s, w in weights.items()}


def _codes(lengths: dict[int, int]) -> dict[int, int]:
    """Canonical codes: by length, then by symbol."""
    codes, code, width = {}, 0, 0
    for length, symbol in sorted((n, s) for s, n in lengths.items()):
        code <<= length - width
        codes[symbol], width = code, length
        code += 1
    return codes
