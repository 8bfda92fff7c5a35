"""Millions of native events: a block of events, repeated with shifted times, addresses and ``Seq``.

``repeat_events`` says what is meant, one ``Event`` at a time. ``write_repeated`` writes the very bytes that
``write_native`` would write for it, but encodes the block once and shifts the copies by column, so its memory does
not grow with the number of repetitions.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from wsktrace.errors import UsageError
from wsktrace.testing.etl_container import Session, Stream, Summary, streams
from wsktrace.testing.etl_options import DEFAULT, TraceOptions
from wsktrace.testing.etl_writer import ADDRESS_VALUES, NativeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wsktrace.testing.events import Event

__all__ = ["ADDRESSES", "Repetition", "repeat_events", "write_repeated"]

#: Fields that hold the address of something that lives and dies within a block.
ADDRESSES: Final = frozenset(
    {
        "AcceptSocket",
        "AcceptSocketContext",
        "Address",
        "Buffer",
        "Context",
        "Indication",
        "InputBuffer",
        "InspectKey",
        "Irp",
        "LocalAddress",
        "OutputBuffer",
        "OutputSizeReturned",
        "RemoteAddress",
        "Result",
        "SecurityDescriptor",
        "Socket",
        "SocketContext",
    }
)
#: Bytes of block copies made at once: few enough to stay in the processor cache.
_BATCH: Final = 2 << 20


@dataclass(frozen=True, slots=True)
class Repetition:
    """How a block is repeated.

    Attributes:
        period: ns between two repetitions, rounded up to whole ticks of the session clock; None: as short as the
            block allows.
        stride: what is added to every address of the block, per repetition; 0 uses the addresses again.
        addresses: names of the fields that are shifted. Zero, all ones, and addresses that ``before`` or ``after``
            mention stay as they are; ``Information``, ``InputValue`` and ``OutputValue`` are shifted where they hold
            a shifted address.
        before: events once before the first repetition; they come no later than the block's first event.
        after: events once after the last; their times and ``Seq`` are given as if the block stood once.
    """

    period: int | None = None
    stride: int = 1 << 20
    addresses: frozenset[str] = ADDRESSES
    before: Sequence[Event] = ()
    after: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is added per repetition: ticks to the clock, to each image's Seq, to each of these addresses."""

    ticks: int
    seq: Mapping[int, int]
    stride: int
    names: frozenset[str]
    shifted: frozenset[int]

    def addend(self, name: str, value: int) -> int:
        """Return what a field of the block grows by in every repetition."""
        if name in self.names:
            return self.stride if value in self.shifted else 0
        # a length or a count that happens to equal a low address is none
        return self.stride if name in ADDRESS_VALUES and value > 0xFFFF and value in self.shifted else 0


def _plan(block: Sequence[Event], repetitions: int, how: Repetition, options: TraceOptions) -> _Plan:
    if not block or repetitions < 1:
        raise UsageError("a block of at least one event, repeated at least once, is needed")
    first, last = min(e.time for e in block), max(e.time for e in block)
    span = options.clock_at(last) - options.clock_at(first)
    ticks = span + 1 if how.period is None else -(-how.period * options.ticks(10**9) // 10**9)
    if ticks < span:
        raise UsageError(f"a period of {how.period} ns is shorter than the block, which takes {last - first} ns")
    if any(e.time > first for e in how.before) or any(e.time < last for e in how.after):
        raise UsageError("the events before must come before the block's first, those after behind its last")
    seq: dict[int, int] = {}
    for image in {e.image for e in block}:
        numbers = [e.seq for e in block if e.image == image and e.seq is not None]
        seq[image] = max(numbers) - min(numbers) + 1 if numbers else 0
    fixed = {v for e in (*how.before, *how.after) for n, v in e.fields.items() if n in how.addresses}
    ones = (1 << 8 * options.image_bytes) - 1
    own = {v for e in block for n, v in e.fields.items() if n in how.addresses} - fixed - {0, ones}
    _check_stride(own, how.stride, repetitions)
    return _Plan(ticks, seq, how.stride, how.addresses, frozenset(own))


def _check_stride(own: set[int], stride: int, repetitions: int) -> None:
    """Refuse a stride that lets an address of one repetition meet another address of a later one."""
    if not stride:
        return
    by_rest: dict[int, list[int]] = {}
    for value in sorted(own):
        by_rest.setdefault(value % stride, []).append(value // stride)
    for rest, quotients in by_rest.items():
        for low, high in itertools.pairwise(quotients):
            if high - low < repetitions:
                raise UsageError(
                    f"addresses {low * stride + rest:#x} and {high * stride + rest:#x} of the block would meet within "
                    f"{repetitions} repetitions at a stride of {stride:#x}; choose another stride"
                )


def _ns(options: TraceOptions, ticks: int) -> int:
    """Return the ns of so many ticks; ``UsageError`` where they are not whole."""
    ns, rest = divmod(ticks * 10**9, options.ticks(10**9))
    if rest:
        raise UsageError("a tick of this clock is no whole number of ns: only write_repeated can shift by it")
    return ns


def _moved(event: Event, plan: _Plan, k: int, ns: int, width: int) -> Event:
    fields = dict(event.fields)
    for name, value in event.fields.items():
        grown = k * plan.addend(name, value)
        if grown:
            fields[name] = value + grown & (1 << 8 * (8 if name in ADDRESS_VALUES else width)) - 1
    seq = None if event.seq is None else event.seq + k * plan.seq.get(event.image, 0)
    return replace(event, time=event.time + ns, seq=seq, fields=fields)


def _later(event: Event, plan: _Plan, k: int) -> Event:
    """Return an event of ``after`` with the Seq it has behind ``k`` more repetitions; its time moves by ticks."""
    if event.seq is None:
        return event
    return replace(event, seq=event.seq + k * plan.seq.get(event.image, 0), fields=dict(event.fields))


def repeat_events(
    block: Sequence[Event],
    repetitions: int,
    how: Repetition = Repetition(),
    *,
    options: TraceOptions = DEFAULT,
) -> Iterator[Event]:
    """Yield the events that ``write_repeated`` writes, in order of time."""
    plan = _plan(block, repetitions, how, options)
    period = _ns(options, plan.ticks)
    ordered = sorted(block, key=lambda e: e.time)
    yield from sorted(how.before, key=lambda e: e.time)
    for k in range(repetitions):
        for event in ordered:
            yield _moved(event, plan, k, k * period, options.image_bytes)
    rest = repetitions - 1
    for event in sorted(how.after, key=lambda e: e.time):
        moved = _later(event, plan, rest)
        yield replace(moved, time=moved.time + rest * period, fields=dict(moved.fields))


@dataclass(slots=True)
class _Template:
    """The block's records of one CPU, and which little-endian words of them grow by how much per repetition.

    ``words``: (byte width, offset modulo width) → (columns, addends) as lists, made arrays by ``freeze``.
    """

    stream: Stream
    words: dict[tuple[int, int], tuple[list[int], list[int]]] = field(default_factory=dict)

    def grow(self, offset: int, width: int, addend: int) -> None:
        """Let the word at a byte offset grow by ``addend`` per repetition."""
        columns, addends = self.words.setdefault((width, offset % width), ([], []))
        columns.append(offset // width)
        addends.append(addend)

    def copies(self, repetitions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bytes of these repetitions, one after the other."""
        size = len(self.stream.data)
        out = np.empty(size * len(repetitions) + 8, np.uint8)
        out[-8:] = 0
        out[:-8].reshape(len(repetitions), size)[:] = self.stream.data
        for (width, shift), (columns, addends) in self.words.items():
            kind = np.dtype(f"<u{width}")
            words = out[shift : shift + size * len(repetitions)].view(kind).reshape(len(repetitions), size // width)
            grown = repetitions[:, None] * np.array(addends, np.int64)
            words[:, np.array(columns)] += grown.astype(kind)
        return out[:-8]


def _templates(block: Sequence[Event], plan: _Plan, encoder: NativeEncoder) -> dict[int, _Template]:
    ordered = sorted(block, key=lambda e: e.time)
    records = [encoder.encode(event) for event in ordered]
    templates = {cpu: _Template(stream) for cpu, stream in streams(records).items()}
    at = dict.fromkeys(templates, 0)
    for event, record in zip(ordered, records, strict=True):
        template, begin = templates[record.cpu], at[record.cpu]
        template.grow(begin + 0x10, 8, plan.ticks)
        for name, (offset, width) in encoder.offsets(event).items():
            addend = plan.seq[event.image] if name == "Seq" else plan.addend(name, event.fields.get(name, 0))
            if addend:
                template.grow(begin + offset, width, addend)
        at[record.cpu] = begin + (len(record.data) + 7 & ~7)
    return templates


def _batch(template: _Template, ks: NDArray[np.int64], ticks: int, offset: int, count: int) -> Stream:
    """Return repetitions ``ks`` of one CPU; ``offset`` events come before the first, a block has ``count``."""
    one = template.stream
    column = ks[:, None]
    return Stream(
        template.copies(ks),
        (one.ends + (column - ks[0]) * len(one.data)).ravel(),
        (one.clocks + column * ticks).ravel(),
        (one.positions + column * count + offset).ravel(),
    )


def write_repeated(
    block: Sequence[Event],
    repetitions: int,
    target: str | os.PathLike[str] | BinaryIO,
    how: Repetition = Repetition(),
    *,
    options: TraceOptions = DEFAULT,
    traits: bool = True,
) -> Summary:
    """Write a trace of ``block`` repeated, to a path or a seekable binary file. See ``Repetition``.

    The bytes are those of ``write_native(list(repeat_events(...)))``. Memory: a few MiB and
    a few times the block; per CPU one buffer.
    """
    plan = _plan(block, repetitions, how, options)
    if isinstance(target, (str, os.PathLike)):
        with Path(target).open("wb", buffering=1 << 20) as out:
            return _write(block, repetitions, out, how, options, plan, NativeEncoder(options, traits=traits))
    return _write(block, repetitions, target, how, options, plan, NativeEncoder(options, traits=traits))


def _write(
    block: Sequence[Event],
    repetitions: int,
    out: BinaryIO,
    how: Repetition,
    options: TraceOptions,
    plan: _Plan,
    encoder: NativeEncoder,
) -> Summary:
    session = Session(options, out)
    session.feed(streams([encoder.encode(event) for event in how.before]))
    templates = _templates(block, plan, encoder)
    at_once = max(1, _BATCH // sum(len(t.stream.data) for t in templates.values()))
    for first in range(0, repetitions, at_once):
        ks = np.arange(first, min(first + at_once, repetitions), dtype=np.int64)
        session.feed({c: _batch(t, ks, plan.ticks, len(how.before), len(block)) for c, t in templates.items()})
    rest = repetitions - 1
    records = [encoder.encode(_later(event, plan, rest), rest * plan.ticks) for event in how.after]
    last = streams(records)
    for stream in last.values():
        stream.positions += len(how.before) + repetitions * len(block)
    session.feed(last)
    return session.close()
