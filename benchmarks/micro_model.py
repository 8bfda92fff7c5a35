"""The starred modules of ``model``, and every rule, each on its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.micro import timed

if TYPE_CHECKING:
    from wsktrace.model.world import World
    from wsktrace.trace.analysis import Analysis

__all__ = ["images", "lanes", "lives", "rules"]


def _opened(path: str) -> Analysis:
    from wsktrace.trace.analysis import Analysis

    return Analysis(path)


def lanes(native: str) -> dict[str, Any]:
    """Measure the primitives: addresses to numbers, grouping, last before, next after, how many before."""
    from wsktrace.model.lanes import Lane, codes_of, group_order

    found: dict[str, Any] = {}
    analysis = _opened(native)
    ops = analysis.reading.operations
    rows = np.flatnonzero(ops.irp != 0)
    keys = ops.irp[rows]
    count = len(rows)
    codes = codes_of(keys)[0]
    lane = Lane(rows, keys)
    mask = (ops.phase == 0)[lane.rows]
    steps = mask.astype(np.int8)
    found["codes_of"] = timed(count, lambda: codes_of(keys))
    found["group_order"] = timed(count, lambda: group_order(codes))
    found["Lane (codes and order included)"] = timed(count, lambda: Lane(rows, keys))
    found["Lane.last"] = timed(count, lambda: lane.last(mask))
    found["Lane.next"] = timed(count, lambda: lane.next(mask))
    found["Lane.before"] = timed(count, lambda: lane.before(steps))
    analysis.close()
    return {"unit": "rows", "rows": found, "distinct": len(lane.keys)}


def lives(native: str) -> dict[str, Any]:
    """Measure what makes lives of operations, step by step."""
    from wsktrace.model.coverage import cover
    from wsktrace.model.descriptors import descriptors
    from wsktrace.model.filefacts import facts_of
    from wsktrace.model.irps import submissions
    from wsktrace.model.order import arrange
    from wsktrace.model.pairs import pair, threads
    from wsktrace.model.registrations import registrations
    from wsktrace.model.sockets import sockets
    from wsktrace.model.traits import traits

    found: dict[str, Any] = {}
    analysis = _opened(native)
    ops = analysis.reading.operations
    count = len(ops)
    begun = time.perf_counter()
    loads = arrange(ops)  # in place, so once
    found["order"] = {"count": count, "seconds": time.perf_counter() - begun}
    world = analysis.lives.lives[0].world
    thread, facts, load = world.thread, facts_of(analysis.file), loads[0]
    subs = submissions(world)
    found_sockets = sockets(world, subs)

    def covered(world: World) -> object:
        return cover(
            world.ops, facts, has_seq=load.has_seq, mixed=load.mixed, tolerance_ns=world.tolerance_ns or 1_000_000
        )

    found["coverage"] = timed(count, lambda: covered(world))
    found["threads"] = timed(count, lambda: threads(world.ops))
    found["pairing"] = timed(count, lambda: pair(world.ops, thread))
    found["submissions"] = timed(count, lambda: submissions(world))
    found["sockets"] = timed(count, lambda: sockets(world, subs))
    found["traits"] = timed(count, lambda: traits(world, found_sockets))
    found["descriptors"] = timed(count, lambda: descriptors(world, subs))
    found["registrations"] = timed(count, lambda: registrations(world))
    analysis.close()
    return {"unit": "operations", "rows": found, "loads": len(loads)}


def rules(native: str) -> dict[str, Any]:
    """Measure every rule by itself once what rules share is known, then the judging of them all."""
    from wsktrace.rules.engine import judge
    from wsktrace.rules.facts import Facts
    from wsktrace.rules.registry import select

    analysis = _opened(native)
    lives = analysis.lives
    count = len(lives.ops)
    facts = [Facts(life) for life in lives.lives]
    chosen = list(select())
    begun = time.perf_counter()
    for rule in chosen:
        for fact in facts:
            rule.judge(fact)
    first = time.perf_counter() - begun
    found = {
        rule.id: timed(count, lambda rule=rule: [rule.judge(fact) for fact in facts], least=0.05, most=5)
        for rule in chosen
    }
    shared = first - sum(each["seconds"] for each in found.values())
    found["what rules share (once)"] = {"count": count, "seconds": max(shared, 0.0)}
    found["judge, all rules"] = timed(count, lambda: judge(lives), most=3)
    analysis.close()
    return {"unit": "operations", "rows": found}


def images(count: int = 1_000_000) -> dict[str, Any]:
    """Measure addresses to images: as many processes and images as a merged trace of one machine has."""
    from wsktrace.model.images import Image, ImageMap

    rng = np.random.default_rng(5)
    kernel = [Image(0xFFFFF801_00000000 + (n << 20), 0xC0000, 0, f"k{n}.sys") for n in range(200)]
    own = [
        Image(0x7FF0_0000_0000 + (n << 20), 0xC0000, 4 * pid, f"u{n}.dll", load, load + 900)
        for pid in range(1, 101)
        for n in range(75)
        for load in (0, 1000)
    ]
    table = ImageMap([*kernel, *own])
    chosen = rng.integers(0, len(table.images), count)
    base = np.array([i.base for i in table.images], np.uint64)[chosen]
    address = base + rng.integers(0, 0x100000, count).astype(np.uint64)
    pids = np.array([i.pid for i in table.images], np.int64)[chosen]
    clocks = rng.integers(0, 2000, count)
    found = {
        "ImageMap (made)": timed(len(table.images), lambda: ImageMap(table.images)),
        "ImageMap.find, at a time": timed(count, lambda: table.find(address, pids, clocks)),
        "ImageMap.find, kernel, last": timed(count, lambda: table.find(address)),
    }
    return {"unit": "addresses", "rows": found}
