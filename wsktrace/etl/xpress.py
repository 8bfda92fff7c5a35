"""Plain XPRESS in Python, for the few blocks that libfwnt refuses: it knows no match longer than 32,771 bytes.

Such matches are legal (a record with tens of kilobytes of zeros makes one). Slow, and therefore the second choice.
Format: MS-XCA, 2.4 (plain LZ77 decompression).
"""

from __future__ import annotations

__all__ = ["decompress"]

_TOO_SHORT = "the compressed block ends inside a token"


def decompress(packed: bytes, length: int) -> bytes:
    """Unpack a block until ``length`` bytes came out or its bytes end.

    Raises:
        ValueError: it is not plain XPRESS.
    """
    out = bytearray()
    at, flags, left, nibble_at = 0, 0, 0, -1
    try:
        while len(out) < length:
            if not left:
                if at + 4 > len(packed):
                    break
                flags, left = int.from_bytes(packed[at : at + 4], "little"), 32
                at += 4
            left -= 1
            if at >= len(packed):
                break
            if not flags >> left & 1:
                out.append(packed[at])
                at += 1
                continue
            token = packed[at] | packed[at + 1] << 8
            at += 2
            size = token & 7
            if size == 7:
                if nibble_at < 0:
                    nibble_at = at
                    size += packed[at] & 15
                    at += 1
                else:
                    size += packed[nibble_at] >> 4
                    nibble_at = -1
                if size == 22:
                    size, at = _long_size(packed, at)
            _copy(out, (token >> 3) + 1, min(size + 3, length - len(out)))
    except IndexError:
        raise ValueError(_TOO_SHORT) from None
    return bytes(out)


def _long_size(packed: bytes, at: int) -> tuple[int, int]:
    """Read a match length of more than 21 (less 3) and return it with the position after it."""
    size = packed[at]
    at += 1
    if size < 255:
        return size + 22, at
    size = packed[at] | packed[at + 1] << 8
    at += 2
    if not size:
        size = int.from_bytes(packed[at : at + 4], "little")
        at += 4
    if size < 22 or at > len(packed):
        raise ValueError(_TOO_SHORT)
    return size, at


def _copy(out: bytearray, distance: int, size: int) -> None:
    """Append ``size`` bytes from ``distance`` bytes back, which may overlap what is being written."""
    begin = len(out) - distance
    if begin < 0:
        raise ValueError("a match reaches back before the block's first byte")
    if distance >= size:
        out += out[begin : begin + size]
    else:
        piece = bytes(out[begin:])
        out += (piece * (size // distance + 1))[:size]
