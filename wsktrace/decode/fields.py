"""What one event consists of: ``Field`` and ``Layout``, as TraceLogging, manifests, MOF and WPP all can say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from wsktrace.decode.intypes import NUMERIC, UNIT, InType, OutType

if TYPE_CHECKING:
    from wsktrace.decode.plan import Plan

__all__ = ["REST_NAME", "Field", "Layout", "Rule", "rest_field"]

#: Name of the column that holds what could not be decoded.
REST_NAME: Final = "…"


class Rule(Enum):
    """How a length or count is found where it is neither a number nor the value of an earlier field."""

    #: by the in-type: fixed width, TERMINATED for strings, PREFIX for counted ones, a SID's own count
    INHERENT = "inherent"
    #: a NUL unit ends it; so does the end of the payload
    TERMINATED = "terminated"
    #: a 16-bit number in front of it (lengths: bytes; counts: elements)
    PREFIX = "prefix"
    #: all that is left of the payload
    REST = "rest"
    #: counted strings and SIDs as WPP's macros log them, with their forms of NULL (``wpp_nulls``)
    LOGGED = "logged"
    #: the same, and a string whose prefix is 5 has no characters
    LOGGED_EMPTY = "logged empty"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event.

    Attributes:
        name: as the metadata spells it.
        in_type: a number of ``InType``.
        out_type: a number of ``OutType``.
        length: of strings and binaries: a ``Rule``, a number of units, or the name of an earlier integer field.
        count: None for one value; for an array a number of elements, ``Rule.PREFIX``, the name of an earlier field, or
            (elements of a fixed width) ``Rule.REST``: as many as the payload holds.
        fields: members of a struct (``in_type`` STRUCT).
        tag: the 28-bit field tag of TraceLogging.
        type_info: type information of a custom-serialised field.
        note: why this field is not what its metadata says, empty where it is.
        optional: a payload may end right before it; the field then has no value and nothing is wrong. For what newer
            writers append, behind fields that are there always.
    """

    name: str
    in_type: int
    out_type: int = OutType.NULL
    length: Rule | int | str = Rule.INHERENT
    count: Rule | int | str | None = None
    fields: tuple[Field, ...] = ()
    tag: int = 0
    type_info: bytes | None = None
    note: str = ""
    optional: bool = False

    @property
    def length_rule(self) -> Rule | int | str:
        """The length with INHERENT resolved for strings and binaries."""
        if self.length is not Rule.INHERENT or self.in_type not in UNIT:
            return self.length
        strings = (InType.UNICODESTRING, InType.ANSISTRING)
        return Rule.TERMINATED if self.in_type in strings else Rule.PREFIX

    @property
    def is_known(self) -> bool:
        """Whether the in-type is one whose extent in the payload is known."""
        special = (InType.NULL, InType.STRUCT, InType.SID, InType.WBEMSID, InType.POINTER, InType.SIZET)
        return self.in_type in NUMERIC or self.in_type in UNIT or self.in_type in special

    def width(self, pointer: int) -> int | None:
        """Bytes of one element where that is the same in every payload, else None; ``pointer`` is 4 or 8."""
        if self.in_type in NUMERIC:
            return NUMERIC[self.in_type].itemsize
        if self.in_type in (InType.POINTER, InType.SIZET):
            return pointer
        if self.in_type == InType.NULL:
            return 0
        if self.in_type in UNIT:
            rule = self.length_rule
            return rule * UNIT[self.in_type] if isinstance(rule, int) else None
        if self.in_type == InType.STRUCT:
            total = 0
            for member in self.fields:
                one = member.width(pointer)
                if one is None or (member.count is not None and not isinstance(member.count, int)):
                    return None
                total += one * (1 if member.count is None else int(member.count))
            return total
        return None

    def least(self, pointer: int) -> int:
        """The fewest bytes that one element can take; bounds how many elements a payload can hold."""
        fixed = self.width(pointer)
        if fixed is not None:
            return fixed
        if self.in_type in (InType.SID, InType.WBEMSID):
            return 8 if self.in_type == InType.SID else 4
        if self.in_type in UNIT:
            rule = self.length_rule
            return 2 if rule is Rule.PREFIX else UNIT[self.in_type] if rule is Rule.TERMINATED else 0
        total = 0
        for member in self.fields:
            if member.count is None:
                total += member.least(pointer)
            elif member.count is Rule.PREFIX:
                total += 2
            elif isinstance(member.count, int):
                total += member.count * member.least(pointer)
        return total


def rest_field(note: str) -> Field:
    """Return the field that keeps what is left of a payload as raw bytes, and says why."""
    return Field(REST_NAME, InType.BINARY, length=Rule.REST, note=note)


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one event in the order of the payload.

    Attributes:
        fields: they.
        problem: what of the metadata was not understood, in words; empty where all was.
        padded: the writer's struct may be packed or not (all fields have a fixed width, and the payload's size says
            which): where it is as long as the struct with each field on its natural boundary, the fields lie like that.
        exact: the description is second-hand: a record counts as decoded only where its payload is consumed to the
            byte; elsewhere ``ok`` is False and no column is valid.
    """

    fields: tuple[Field, ...]
    problem: str = ""
    padded: bool = False
    exact: bool = False
    plans: dict[int, Plan] = field(default_factory=dict, compare=False, repr=False)

    @property
    def has_pointers(self) -> bool:
        """Whether some field is four bytes wide in 32-bit records and eight in 64-bit ones."""
        return _has_pointers(self.fields)


def _has_pointers(fields: tuple[Field, ...]) -> bool:
    return any(f.in_type in (InType.POINTER, InType.SIZET, InType.WBEMSID) or _has_pointers(f.fields) for f in fields)
