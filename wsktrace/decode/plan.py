"""A ``Layout`` turned into steps that a decoder can take: runs of fixed fields, variable fields, arrays.

Scalar structs dissolve into their members (columns "Outer.member"); arrays of structs keep steps of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.fields import Field, Layout, Rule, rest_field
from wsktrace.decode.gather import SPARE
from wsktrace.decode.intypes import NUMERIC, InType

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Array", "Part", "Plan", "Run", "Span", "plan_for"]

_POINTER: Final[dict[int, np.dtype[np.generic]]] = {4: np.dtype("<u4"), 8: np.dtype("<u8")}


@dataclass(frozen=True, slots=True)
class Part:
    """One fixed field of a run; ``dtype`` is None for bytes (strings, binaries, NULL) of a fixed width."""

    name: str
    field: Field
    offset: int
    width: int
    dtype: np.dtype[np.generic] | None


@dataclass(frozen=True, slots=True)
class Run:
    """Adjoining fixed fields, at most ``SPARE`` bytes in all."""

    parts: tuple[Part, ...]
    width: int

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it gives."""
        return tuple(p.name for p in self.parts)


@dataclass(frozen=True, slots=True)
class Span:
    """One field whose extent is found in the payload.

    ``length`` is a number of units or a column's name; ``pointer`` the bytes of one.
    """

    name: str
    field: Field
    length: Rule | int | str
    pointer: int = 8

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it gives."""
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Array:
    """Several elements of one field; ``count`` is a number, PREFIX, REST or a column's name.

    ``width`` is the bytes of one element where all are alike, else None; ``least`` the fewest.
    ``dtype`` is given for numbers, ``steps`` for structs, neither for strings and binaries.
    """

    name: str
    field: Field
    count: Rule | int | str
    width: int | None
    least: int
    dtype: np.dtype[np.generic] | None
    steps: tuple[Step, ...]
    element: Span | None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it gives."""
        return tuple(n for s in self.steps for n in s.names) if self.is_struct else (self.name,)

    @property
    def is_struct(self) -> bool:
        """Whether its elements are structs."""
        return self.field.in_type == InType.STRUCT


Step = Run | Span | Array


@dataclass(slots=True)
class Plan:
    """The steps of one layout for one pointer size, and what its columns are called."""

    steps: tuple[Step, ...]
    #: column → its field, in order
    fields: dict[str, Field]
    #: columns whose values are lengths or counts of later fields
    needed: frozenset[str]
    has_arrays: bool


def plan_for(layout: Layout, pointer: int, *, padded: bool = False) -> Plan:
    """Return the plan of a layout for records whose pointers have 4 or 8 bytes; made once.

    ``padded``: with each field on its natural boundary, as in a C struct that is not packed.
    """
    which = -pointer if padded else pointer
    known = layout.plans.get(which)
    if known is None:
        maker = _Maker(pointer, padded)
        steps = maker.steps(layout.fields, "", ({},))
        known = layout.plans[which] = Plan(
            tuple(steps), maker.fields, frozenset(maker.needed), any(isinstance(s, Array) for s in steps)
        )
    return known


@dataclass(slots=True)
class _Maker:
    pointer: int
    padded: bool = False
    fields: dict[str, Field] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)

    def steps(self, fields: Iterable[Field], prefix: str, scopes: tuple[dict[str, str], ...]) -> list[Step]:
        """Turn fields into steps; ``scopes`` map field names to columns, the innermost last."""
        out: list[Step] = []
        run: list[Part] = []

        def close() -> None:
            if run:
                width = run[-1].offset + run[-1].width
                out.append(Run(tuple(run), self.padding(width, max(p.width for p in run)) + width))
                run.clear()

        def walk(members: Iterable[Field], prefix: str, scopes: tuple[dict[str, str], ...]) -> None:
            for one in members:
                if one.in_type == InType.STRUCT and one.count is None:
                    walk(one.fields, f"{prefix}{one.name}.", (*scopes, {}))
                    continue
                width = one.width(self.pointer)
                if one.count is None and width is not None and width <= SPARE:
                    offset = run[-1].offset + run[-1].width if run else 0
                    offset += self.padding(offset, width)
                    if offset + width > SPARE:
                        close()
                        offset = 0
                    run.append(Part(self.name(prefix, one, scopes), one, offset, width, self.dtype(one)))
                    continue
                close()
                out.append(self.one(one, prefix, scopes))

        walk(fields, prefix, scopes)
        close()
        return out

    def padding(self, offset: int, width: int) -> int:
        """Bytes up to the next multiple of ``width``; none in a packed struct."""
        return -offset % width if self.padded and width else 0

    def one(self, one: Field, prefix: str, scopes: tuple[dict[str, str], ...]) -> Span | Array:
        """Turn a field that is no part of a run into its step."""
        length = self.reference(one.length_rule, scopes)
        count = self.reference(one.count, scopes) if one.count is not None else None
        if length is None or (one.count is not None and count is None):
            lost = rest_field(f"the length or count of field {one.name!r} is given by no earlier field")
            return Span(self.name(prefix, lost, scopes), lost, Rule.REST)
        if count is None:
            return Span(self.name(prefix, one, scopes), one, length, self.pointer)
        width, least = one.width(self.pointer), one.least(self.pointer)
        if one.in_type == InType.STRUCT:
            inner = tuple(self.steps(one.fields, f"{prefix}{one.name}.", (*scopes, {})))
            return Array(f"{prefix}{one.name}", one, count, width, least, None, inner, None)
        name = self.name(prefix, one, scopes)
        element = Span(name, one, length, self.pointer) if width is None else None
        return Array(name, one, count, width, least, self.dtype(one), (), element)

    def dtype(self, one: Field) -> np.dtype[np.generic] | None:
        """The NumPy type of one value in the payload."""
        if one.in_type in (InType.POINTER, InType.SIZET):
            return _POINTER[self.pointer]
        return NUMERIC.get(one.in_type)

    def reference(self, rule: Rule | int | str | None, scopes: tuple[dict[str, str], ...]) -> Rule | int | str | None:
        """Resolve the name of an earlier field to its column; None where there is none that holds integers."""
        if not isinstance(rule, str):
            return rule
        for scope in reversed(scopes):
            column = scope.get(rule)
            if column is not None:
                found = self.fields[column]
                kind = self.dtype(found)
                if found.count is None and kind is not None and kind.kind in "iu":
                    self.needed.add(column)
                    return column
        return None

    def name(self, prefix: str, one: Field, scopes: tuple[dict[str, str], ...]) -> str:
        """Claim a column name: the field's with its structs' before it, and a number where it is taken."""
        base = prefix + (one.name or f"field{len(self.fields) + 1}")
        column, number = base, 1
        while column in self.fields:
            number += 1
            column = f"{base}_{number}"
        self.fields[column] = one
        scopes[-1][one.name] = column
        return column
