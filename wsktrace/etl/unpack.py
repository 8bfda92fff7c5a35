"""Decompression of one buffer in the three formats that ETW writes.

Format: etl-and-wpp-format, 1.2: everything after the 0x48-byte header is one compressed block whose decompressed length
is the header's Offset less 0x48; which algorithm is in the first buffer's State.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.etl import xpress

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LZNT1", "MAX_BUFFER", "XPRESS", "XPRESS_HUFFMAN", "Unpacker"]

LZNT1, XPRESS, XPRESS_HUFFMAN = 2, 3, 4

#: largest buffer believed in, packed or unpacked; ETW's own limit is 16 MiB (EVENT_TRACE_PROPERTIES, BufferSize)
MAX_BUFFER = 64 << 20

#: a whole file may unpack to this many bytes, or to this many times its size, whichever is more
_FREE_BYTES, _MAX_RATIO = 1 << 30, 1000

_REFUSED = "libfwnt refuses the block"
#: bytes of match lengths that it misreads: those of 32 bits, and the last three of 16, which overflow
_MISREAD = (b"\xff\0\0", b"\xff\xfd\xff", b"\xff\xfe\xff", b"\xff\xff\xff")


def _functions() -> dict[int, Callable[[bytes, int], bytes]]:
    import pyfwnt

    return {
        LZNT1: pyfwnt.lznt1_decompress,
        XPRESS: _plain_xpress(pyfwnt.lzxpress_decompress),
        XPRESS_HUFFMAN: pyfwnt.lzxpress_huffman_decompress,
    }


def _plain_xpress(fast: Callable[[bytes, int], bytes]) -> Callable[[bytes, int], bytes]:
    """Return libfwnt's decoder with our own behind it, for the long matches that it does not know."""

    def decompress(packed: bytes, length: int) -> bytes:
        try:
            out = fast(packed, length)
            if len(out) == length:
                return out
        except OSError as error:
            if "tuple size" in str(error):  # a match longer than it believes in
                return xpress.decompress(packed, length)
            out = None
        if not any(mark in packed for mark in _MISREAD):
            if out is None:
                raise ValueError(_REFUSED)
            return out
        return xpress.decompress(packed, length)

    return decompress


class Unpacker:
    """Unpacks the buffers of one file; learns the format from the first success where the file does not say it.

    ``budget`` is the number of bytes that may still come out: a small file made to unpack to terabytes runs out of it
    and the rest of its buffers count as damaged.
    """

    def __init__(self, declared: int, file_size: int) -> None:
        self._known = _functions()
        self._formats = [declared] if declared in self._known else [XPRESS, XPRESS_HUFFMAN, LZNT1]
        self.budget = max(_FREE_BYTES, file_size * _MAX_RATIO)

    def unpack(self, packed: bytes, length: int, *, cut: bool = False) -> bytes | None:
        """Return exactly ``length`` bytes, or None where the block does not unpack to that.

        Where the block is known to be ``cut`` off, as many as come out of it.
        """
        if length > MAX_BUFFER or length > self.budget:
            return None
        if length <= 0:
            return b""
        self.budget -= length
        for format_ in self._formats:
            if cut and format_ == XPRESS_HUFFMAN:  # its decoder goes on with bits that are not there
                continue
            try:
                out = self._known[format_](packed, length)
            except (OSError, ValueError, OverflowError, MemoryError):
                continue
            if len(out) == length:
                self._formats = [format_]
                return out
            if cut and out:
                return out
        return None
