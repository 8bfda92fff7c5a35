"""Damage to the bytes of a file, by seed: the same seed does the same damage.

For well-formed files of any origin; bytes after the last whole buffer are kept where they are.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from wsktrace.testing.etl_parts import split

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "KINDS",
    "damage",
    "extents",
    "flip_bits",
    "intact",
    "overwrite",
    "spoil_buffer",
    "swap_buffers",
    "truncate",
    "turn_back",
    "zero_buffer",
]

_HEADER = 0x48
_TIME = 0x10


def extents(data: bytes) -> list[tuple[int, int]]:
    """Return (first byte, one past the last) of every buffer of an undamaged file, the header buffer first."""
    out, at = [], 0
    for part in split(data):
        out.append((at, at + len(part.data)))
        at += len(part.data)
    return out


def intact(before: bytes, after: bytes) -> list[int]:
    """Return the ordinals of the buffers whose bytes stand unchanged at the same place."""
    return [n for n, (a, b) in enumerate(extents(before)) if before[a:b] == after[a:b]]


def flip_bits(data: bytes, seed: int, count: int = 8, within: tuple[int, int] | None = None) -> bytes:
    """Flip ``count`` bits, anywhere or within a range of bytes."""
    rng = _rng(seed)
    begin, end = within or (0, len(data))
    out = bytearray(data)
    for _ in range(count if end > begin else 0):
        out[rng.randrange(begin, end)] ^= 1 << rng.randrange(8)
    return bytes(out)


def truncate(data: bytes, seed: int) -> bytes:
    """Cut the file at any byte."""
    return data[: _rng(seed).randint(0, len(data))]


def swap_buffers(data: bytes, seed: int) -> bytes:
    """Swap two data buffers; where there are fewer than two, nothing happens."""
    places = extents(data)[1:]
    if len(places) < 2:
        return data
    (a, b), (c, d) = sorted(_rng(seed).sample(places, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def zero_buffer(data: bytes, seed: int) -> bytes:
    """Zero a data buffer whole, as lost sectors leave it; where there is none, nothing happens."""
    places = extents(data)[1:]
    if not places:
        return data
    a, b = _rng(seed).choice(places)
    return data[:a] + bytes(b - a) + data[b:]


def overwrite(data: bytes, seed: int, longest: int = 4096) -> bytes:
    """Overwrite a range of up to ``longest`` bytes with noise."""
    rng = _rng(seed)
    if not data:
        return data
    begin = rng.randrange(len(data))
    length = min(rng.randint(1, longest), len(data) - begin)
    return data[:begin] + rng.randbytes(length) + data[begin + length :]


#: Every kind of damage by name; each takes the bytes and a seed.
KINDS: dict[str, Callable[[bytes, int], bytes]] = {
    "flip_bits": flip_bits,
    "truncate": truncate,
    "swap_buffers": swap_buffers,
    "zero_buffer": zero_buffer,
    "overwrite": overwrite,
}


def _records(data: bytes, cpu: int) -> list[int]:
    """Return where the records of the first data buffer of a processor begin; none where it has no buffer."""
    begin = 0
    for number, part in enumerate(split(data)):
        if number and part.cpu == cpu:
            at, found = begin + _HEADER, []
            while at < begin + part.used and (size := int.from_bytes(data[at : at + 2], "little")):
                found.append(at)
                at += size + 7 & ~7
            return found
        begin += len(part.data)
    return []


def spoil_buffer(data: bytes, cpu: int) -> bytes:
    """Overwrite the first record's header in the first buffer of a processor, so that no record of it can be found."""
    out = bytearray(data)
    for at in _records(data, cpu)[:1]:
        out[at : at + 4] = b"\x10\x00\x77\x77"  # a marker that no header kind has
    return bytes(out)


def turn_back(data: bytes, cpu: int) -> bytes:
    """Give the last event of the first buffer of a processor a time just before the one before it."""
    out = bytearray(data)
    places = _records(data, cpu)
    if len(places) > 1:
        before = int.from_bytes(data[places[-2] + _TIME : places[-2] + _TIME + 8], "little")
        out[places[-1] + _TIME : places[-1] + _TIME + 8] = (before - 1).to_bytes(8, "little")
    return bytes(out)


def damage(data: bytes, seed: int) -> tuple[str, bytes]:
    """Do one kind of damage, chosen by the seed; return its name and the bytes."""
    name = sorted(KINDS)[seed % len(KINDS)]
    return name, KINDS[name](data, seed)


def _rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 -- reproducible, no secret
