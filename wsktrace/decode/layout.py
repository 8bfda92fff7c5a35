"""Layout × records → columns.

All records of one layout are decoded together: adjoining fixed fields by one copy per record, variable fields by one
step per *field* over all records, arrays by one step per element position, all records at once. Nothing is read
beyond a record's payload as a fact: where a payload ends early, the fields that it does not hold are not valid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wsktrace.decode.columns import ColumnData, Decoded
from wsktrace.decode.fields import Field, Layout, Rule, rest_field
from wsktrace.decode.gather import blocks, extents, numbers, ranges, terminators, wbem_sids
from wsktrace.decode.intypes import UNIT, InType
from wsktrace.decode.plan import Array, Plan, Run, Span, plan_for
from wsktrace.decode.wpp_nulls import logged
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from wsktrace.decode.plan import Step
    from wsktrace.etl.types import Chunk

__all__ = ["ColumnData", "Decoded", "Field", "Layout", "Rule", "decode", "narrow_rows", "rest_field"]

_U16: Final = np.dtype("<u2")
_U8: Final = np.dtype("u1")
#: Records of one copy of a run: keeps the copies in the processor's cache.
_ROWS: Final = 8192
#: Payload bytes of one portion of a layout with arrays: bounds the element positions in memory.
_PORTION: Final = 1 << 20
#: option flags of a message
_POINTER32, _POINTER64 = 0x40, 0x80
_THIRTY_TWO: Final = np.array(
    [Kind.SYSTEM32, Kind.COMPACT32, Kind.FULL32, Kind.INSTANCE32, Kind.PERFINFO32, Kind.EVENT32]
)

Scope = dict[str, "NDArray[np.int64]"]
Out = dict[str, ColumnData]


def decode(
    layout: Layout,
    chunk: Chunk,
    rows: NDArray[np.int64],
    *,
    wanted: Collection[str] | None = None,
    pointer: int = 8,
) -> Decoded:
    """Decode the payloads of records that all have one layout.

    Args:
        layout: their fields.
        chunk: the chunk that holds them.
        rows: int64, which records of the chunk; any order.
        wanted: names of the columns to give; what lies behind the last of them is not even looked at. None: all.
        pointer: bytes of a pointer in messages (WPP) that do not say it themselves; from the log header.
    """
    records = chunk.records
    narrow = narrow_rows(chunk, rows, pointer) if layout.has_pointers else np.zeros(len(rows), np.bool_)
    if narrow.any() and not narrow.all():
        first, second = np.flatnonzero(narrow), np.flatnonzero(~narrow)
        parts = [decode(layout, chunk, rows[i], wanted=wanted, pointer=pointer) for i in (first, second)]
        return _join(parts, np.argsort(np.concatenate([first, second]), kind="stable"))
    pointer = 4 if narrow.any() else 8
    plan = plan_for(layout, pointer)
    starts, ends = records.payload[rows], records.end[rows]
    if layout.padded:
        return _by_width(plan, plan_for(layout, pointer, padded=True), chunk.data, rows, starts, ends, wanted)
    if layout.exact:
        return _in_portions(plan, chunk.data, rows, starts, ends, None).to_the_byte(wanted)
    return _in_portions(plan, chunk.data, rows, starts, ends, wanted)


def _in_portions(
    plan: Plan,
    data: NDArray[np.uint8],
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    wanted: Collection[str] | None,
) -> Decoded:
    if not plan.has_arrays:
        return _decode(plan, data, rows, starts, ends, wanted)
    cuts = _portions(ends - starts)
    pieces = [_decode(plan, data, rows[c], starts[c], ends[c], wanted) for c in cuts]
    return _join(pieces, None)


def _by_width(
    packed: Plan,
    padded: Plan,
    data: NDArray[np.uint8],
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    wanted: Collection[str] | None,
) -> Decoded:
    """Decode structs that are packed or not, as the size of each payload says."""
    wide = ends - starts == sum(s.width or 0 for s in padded.steps if not isinstance(s, Span))
    if not wide.any():
        return _decode(packed, data, rows, starts, ends, wanted)
    first, second = np.flatnonzero(wide), np.flatnonzero(~wide)
    parts = [
        _decode(plan, data, rows[i], starts[i], ends[i], wanted) for plan, i in ((padded, first), (packed, second))
    ]
    return _join(parts, np.argsort(np.concatenate([first, second]), kind="stable"))


def narrow_rows(chunk: Chunk, rows: NDArray[np.int64], pointer: int = 8) -> NDArray[np.bool_]:
    """Return which records' pointers have four bytes; ``pointer`` as for `decode`."""
    kind = chunk.records.kind[rows]
    narrow = np.isin(kind, _THIRTY_TWO)
    messages = kind == Kind.MESSAGE
    if messages.any():
        flags = chunk.records.flags[rows]
        silent = (flags & (_POINTER32 | _POINTER64)) == 0
        narrow |= messages & (((flags & _POINTER32) != 0) | (silent & (pointer == 4)))
    return narrow


def _portions(sizes: NDArray[np.int64]) -> list[slice]:
    total = np.cumsum(sizes)
    if not len(total):
        return [slice(0, 0)]
    marks = np.searchsorted(total, np.arange(_PORTION, int(total[-1]) + 1, _PORTION), side="right")
    edges = sorted({0, *marks.tolist(), len(sizes)})
    return [slice(a, b) for a, b in pairwise(edges)]


def _join(parts: list[Decoded], order: NDArray[np.int64] | None) -> Decoded:
    columns = {n: ColumnData.concat([p.columns[n] for p in parts]) for n in parts[0].columns}
    rows, left, ok = (np.concatenate(x) for x in zip(*((p.rows, p.left, p.ok) for p in parts), strict=True))
    if order is None:
        return Decoded(rows, columns, left, ok)
    return Decoded(rows[order], {n: c.take(order) for n, c in columns.items()}, left[order], ok[order])


def _decode(
    plan: Plan,
    data: NDArray[np.uint8],
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    wanted: Collection[str] | None,
) -> Decoded:
    names = set(plan.fields) if wanted is None else set(wanted)
    steps = plan.steps
    if wanted is not None:
        last = max((i for i, s in enumerate(steps) if not names.isdisjoint(s.names)), default=-1)
        steps = steps[: last + 1]
    out: Out = {}
    cursor = _Cursor(data, starts, ends, np.ones(len(rows), np.bool_), {}, plan.needed)
    cursor.read(steps, names, out)
    ordered = {n: out[n] for n in plan.fields if n in out}
    return Decoded(rows, ordered, ends - cursor.at, cursor.ok)


@dataclass(slots=True)
class _Cursor:
    """Where each of many payloads (or elements in them) is being read.

    ``at`` never leaves ``[start, end]``; ``ok`` is False from the field on that did not fit. ``scope`` holds the
    values of fields that later fields take as their length or count.
    """

    data: NDArray[np.uint8]
    at: NDArray[np.int64]
    end: NDArray[np.int64]
    ok: NDArray[np.bool_]
    scope: Scope
    needed: frozenset[str]

    def read(self, steps: tuple[Step, ...], names: Collection[str], out: Out | None) -> None:
        """Take the steps; columns of ``names`` go to ``out``, with None only the positions move."""
        for step in steps:
            if isinstance(step, Run):
                self.run(step, names, out)
            elif isinstance(step, Span):
                self.span(step, names, out)
            else:
                self.array(step, names, out)

    # fixed fields -------------------------------------------------------------------------------------------------

    def run(self, step: Run, names: Collection[str], out: Out | None) -> None:
        """Adjoining fixed fields."""
        room = self.end - self.at
        whole = self.ok & (room >= step.width)
        chosen = [p for p in step.parts if p.name in self.needed or (out is not None and p.name in names)]
        all_whole = bool(whole.all())
        filled: dict[str, NDArray[Any]] = {
            p.name: np.empty(len(self.at), p.dtype) for p in chosen if p.dtype is not None
        }
        if filled:
            self.copy_run(step, chosen, filled)
        for part in chosen:
            valid = whole if all_whole else self.ok & (room >= part.offset + part.width)
            values = filled.get(part.name)
            if values is not None and not all_whole:
                values[~valid] = np.zeros(1, values.dtype)[0]
            if part.name in self.needed and values is not None:
                self.scope[part.name] = values.astype(np.int64)
            if out is None or part.name not in names:
                continue
            if values is None:
                start = np.where(valid, self.at + part.offset, self.at)
                length = np.broadcast_to(np.int64(part.width), start.shape) if all_whole else valid * part.width
                out[part.name] = self.column(part.field, valid, start=start, length=length)
            else:
                pointer = part.field.in_type in (InType.POINTER, InType.SIZET)
                out[part.name] = self.column(part.field, valid, values.astype("<u8") if pointer else values)
        if all_whole:
            self.at = self.at + step.width
            return
        # where the payload ends early, the fields that fit are taken and the rest is left
        fits = np.array([0, *(p.offset + p.width for p in step.parts)], np.int64)
        taken = fits[np.searchsorted(fits, room, side="right") - 1]
        self.at = np.where(self.ok, self.at + np.where(whole, step.width, taken), self.at)
        self.ok = whole

    def copy_run(self, step: Run, chosen: list[Any], filled: dict[str, NDArray[Any]]) -> None:
        """Copy the run of every record and spread it over the columns."""
        for low in range(0, len(self.at), _ROWS):
            block = blocks(self.data, self.at[low : low + _ROWS], step.width)
            for part in chosen:
                if part.dtype is not None:
                    view: NDArray[Any] = np.ndarray((len(block),), part.dtype, block, part.offset, (step.width,))
                    filled[part.name][low : low + _ROWS] = view

    def column(
        self,
        field: Field,
        valid: NDArray[np.bool_],
        values: NDArray[Any] | None = None,
        *,
        start: NDArray[np.int64] | None = None,
        length: NDArray[np.int64] | None = None,
        lists: tuple[NDArray[np.int64], ...] = (),
    ) -> ColumnData:
        """Make a column over this cursor's data."""
        return ColumnData(field, valid, values, start, length, lists, self.data)

    # variable fields ----------------------------------------------------------------------------------------------

    def span(self, step: Span, names: Collection[str], out: Out | None) -> None:
        """One field whose extent is in the payload."""
        start, length, after, fits = self.extent(step)
        valid = self.ok & fits
        if step.field.optional:
            absent = self.ok & (self.at == self.end)
            valid &= ~absent
            after, fits = np.where(absent, self.at, after), fits | absent
        if step.length is not Rule.REST or not step.field.note:
            self.at = np.where(valid, after, self.at)
        self.ok = self.ok & fits
        if out is not None and step.name in names:
            out[step.name] = self.column(
                step.field, valid, start=np.where(valid, start, self.at), length=np.where(valid, length, 0)
            )

    def extent(self, step: Span) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return start and length of the content, the place after the field, and whether it lies in the payload."""
        at, end = self.at, self.end
        room = end - at
        unit = UNIT.get(step.field.in_type, 1)
        if step.length in (Rule.LOGGED, Rule.LOGGED_EMPTY):
            return logged(self.data, at, end, step.field.in_type, empty=step.length is Rule.LOGGED_EMPTY)
        if step.field.in_type == InType.SID:
            length = 8 + 4 * numbers(self.data, at + 1, _U8).astype(np.int64)
            return at, length, at + length, (room >= 8) & (room >= length)
        if step.field.in_type == InType.WBEMSID:
            return wbem_sids(self.data, at, end, 2 * step.pointer)
        if step.length is Rule.TERMINATED:
            stop, found = terminators(self.data, at, end, unit)
            return at, stop - at, stop + found * unit, found | (stop > at)
        if step.length is Rule.PREFIX:
            length = numbers(self.data, at, _U16).astype(np.int64)
            return at + 2, length, at + 2 + length, (room >= 2) & (room - 2 >= length)
        if step.length is Rule.REST:
            return at, room, end, np.ones(len(at), np.bool_)
        if isinstance(step.length, str):
            length = self.scope[step.length]
            # compared before multiplied: a 64-bit length must not wrap
            fits = (length >= 0) & (length <= room // unit)
            length = np.where(fits, length, 0) * unit
            return at, length, at + length, fits
        assert isinstance(step.length, int)
        length = np.full(len(at), step.length * unit, np.int64)
        return at, length, at + length, room >= length

    # arrays -------------------------------------------------------------------------------------------------------

    def array(self, step: Array, names: Collection[str], out: Out | None) -> None:
        """Several elements of one field or struct."""
        at, fits = self.at, self.ok
        if step.count is Rule.PREFIX:
            fits = fits & (self.end - at >= 2)
            count = numbers(self.data, at, _U16).astype(np.int64)
            at = np.where(fits, at + 2, at)
        elif isinstance(step.count, str):
            count = self.scope[step.count]
        elif step.count is Rule.REST:
            count = (self.end - at) // max(step.least, 1)
        else:
            assert isinstance(step.count, int)
            count = np.full(len(at), step.count, np.int64)
        # elements that take no bytes are counted as one: a payload never holds more elements than bytes
        fits = fits & (count >= 0) & (count <= (self.end - at) // max(step.least, 1))
        count = np.where(fits, count, 0)
        wants = out is not None and not set(names).isdisjoint(step.names)
        if step.width is not None:
            after = at + count * step.width
            starts = ranges(at, count, step.width) if wants and step.dtype is None else None
            lengths = None
        else:
            starts, lengths, after, fits, count = self.walk(step, at, fits, count)
        if wants:
            assert out is not None
            self.elements(step, names, out, (at, count, fits), starts, lengths)
        self.at = np.where(fits, after, self.at)
        self.ok = fits

    def walk(
        self, step: Array, at: NDArray[np.int64], fits: NDArray[np.bool_], count: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Find each element of arrays whose elements differ in width, one position at a time over all rows.

        Returns start and content length of all elements, row after row (of structs: the length of the whole), the
        place after each array, which rows had all their elements inside the payload, and the counts (0 elsewhere).
        """
        base = np.cumsum(count) - count
        starts = np.empty(int(count.sum()), np.int64)
        lengths = np.empty(len(starts), np.int64)
        after, fits = at.copy(), fits.copy()
        active = np.flatnonzero(count > 0)
        for k in range(int(count.max(initial=0))):
            active = active[count[active] > k]
            here = self.part(active, after[active])
            if step.element is not None:
                start, length, following, inside = here.extent(step.element)
            else:
                start = here.at
                here.read(step.steps, (), None)
                length, following, inside = here.at - start, here.at, here.ok
            slot = base[active] + k
            starts[slot], lengths[slot] = start, length
            after[active] = following
            fits[active[~inside]] = False
            active = active[inside]
        kept = np.repeat(fits, count)
        return starts[kept], lengths[kept], after, fits, np.where(fits, count, 0)

    def part(self, index: NDArray[np.int64], at: NDArray[np.int64]) -> _Cursor:
        """A cursor over some of the rows (an index may come more than once), at other places."""
        scope = {n: v[index] for n, v in self.scope.items()}
        return replace(self, at=at, end=self.end[index], ok=np.ones(len(index), np.bool_), scope=scope)

    def elements(
        self,
        step: Array,
        names: Collection[str],
        out: Out,
        extent: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]],
        starts: NDArray[np.int64] | None,
        lengths: NDArray[np.int64] | None,
    ) -> None:
        """Make the columns of an array from its first place, counts and validity, and the places of its elements."""
        at, count, fits = extent
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
        if step.dtype is not None:
            values = extents(self.data, at, count, step.dtype)
            pointer = step.field.in_type in (InType.POINTER, InType.SIZET)
            values = values.astype("<u8") if pointer else values
            out[step.name] = self.column(step.field, fits, values, lists=(offsets,))
            return
        assert starts is not None
        if not step.is_struct:
            length = np.full(len(starts), step.width, np.int64) if lengths is None else lengths
            out[step.name] = self.column(step.field, fits, start=starts, length=length, lists=(offsets,))
            return
        inner = self.part(np.repeat(np.arange(len(at)), count), starts)
        columns: Out = {}
        inner.read(step.steps, names, columns)
        for name, one in columns.items():
            out[name] = replace(one, valid=fits, lists=(offsets, *one.lists))
