"""Damage is done by seed, where it says, and nowhere else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from writer_tools import some_events

from wsktrace.errors import UsageError
from wsktrace.testing import damage
from wsktrace.testing.etl_parts import split
from wsktrace.testing.etl_writer import TraceOptions, write_native

DATA = write_native(some_events(600), options=TraceOptions(buffer_size=8192))
PACKED = write_native(some_events(600), options=TraceOptions(buffer_size=8192, compression="xpress"))
BUFFERS = len(split(DATA))


@pytest.mark.parametrize("kind", damage.KINDS)
@pytest.mark.parametrize("data", [DATA, PACKED], ids=["plain", "packed"])
def test_same_seed_same_damage(kind: str, data: bytes) -> None:
    do = damage.KINDS[kind]
    outcomes = [do(data, seed) for seed in range(8)]
    assert outcomes == [do(data, seed) for seed in range(8)]
    assert len(set(outcomes)) > 4
    assert all(len(o) == len(data) for o in outcomes) or kind == "truncate"
    assert any(o != data for o in outcomes)


def test_flipped_bits() -> None:
    flipped = damage.flip_bits(DATA, 5, count=3, within=(100, 200))
    assert 1 <= sum((a ^ b).bit_count() for a, b in zip(DATA, flipped, strict=True)) <= 3
    assert DATA[:100] + flipped[100:200] + DATA[200:] == flipped
    assert damage.flip_bits(b"", 1) == b""


def test_swap_and_zero_touch_data_buffers_only() -> None:
    for seed in range(10):
        assert len(damage.intact(DATA, damage.swap_buffers(DATA, seed))) == BUFFERS - 2
        assert len(damage.intact(DATA, damage.zero_buffer(DATA, seed))) == BUFFERS - 1
        assert 0 in damage.intact(DATA, damage.zero_buffer(DATA, seed))
        assert sorted(bytes(p.data) for p in split(damage.swap_buffers(PACKED, seed))) == sorted(
            bytes(p.data) for p in split(PACKED)
        )


def test_overwritten_range() -> None:
    noisy = damage.overwrite(DATA, 3, longest=100)
    changed = [n for n, (a, b) in enumerate(zip(DATA, noisy, strict=True)) if a != b]
    assert changed[-1] - changed[0] < 100
    assert damage.overwrite(b"", 3) == b""


def test_files_too_small_for_it() -> None:
    bare = write_native([], options=TraceOptions(buffer_size=1024))
    assert damage.swap_buffers(bare, 1) == bare
    assert damage.zero_buffer(bare, 1) == bare
    with pytest.raises(UsageError, match="whole buffer"):
        damage.swap_buffers(b"no trace", 1)


def test_damage_by_seed_alone() -> None:
    names = {damage.damage(DATA, seed)[0] for seed in range(5)}
    assert names == set(damage.KINDS)
    assert damage.damage(DATA, 9) == damage.damage(DATA, 9)


def test_extents_cover_the_file() -> None:
    for data in (DATA, PACKED):
        places = damage.extents(data)
        assert places[0][0] == 0
        assert places[-1][1] == len(data)
        assert all(a[1] == b[0] for a, b in pairwise(places))
