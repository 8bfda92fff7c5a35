"""Properties of events as manifests describe them, in XML or in binary, and what they become: ``EventFormat``.

Source: the vendor's event manifest schema (inType, outType, length, count) and tdh.h (TDH_INTYPE_*, TDH_OUTTYPE_*);
etl-and-wpp-format, 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wsktrace.decode.fields import Field, Layout, Rule, rest_field
from wsktrace.decode.formats import EventFormat
from wsktrace.decode.intypes import InType, OutType

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from wsktrace.decode.formats import ValueMap

__all__ = [
    "DEFAULT_OUT", "IN_TYPES", "LEVELS", "MAX_DEPTH", "MAX_PROPERTIES", "OPCODES", "OUT_TYPES", "Property",
    "event_name", "make_format",
]  # fmt: skip

#: An event can have 128 pieces of data; the limits leave room for structs and bound the work on nonsense.
MAX_PROPERTIES: Final = 2048
MAX_DEPTH: Final = 32

#: In-types of the schema, lower case, without ``win:`` or ``trace:``.
IN_TYPES: Final[dict[str, int]] = {
    "unicodestring": InType.UNICODESTRING,
    "ansistring": InType.ANSISTRING,
    "int8": InType.INT8,
    "uint8": InType.UINT8,
    "int16": InType.INT16,
    "uint16": InType.UINT16,
    "int32": InType.INT32,
    "uint32": InType.UINT32,
    "int64": InType.INT64,
    "uint64": InType.UINT64,
    "float": InType.FLOAT,
    "double": InType.DOUBLE,
    "boolean": InType.BOOLEAN,
    "binary": InType.BINARY,
    "guid": InType.GUID,
    "pointer": InType.POINTER,
    "filetime": InType.FILETIME,
    "systemtime": InType.SYSTEMTIME,
    "sid": InType.SID,
    "hexint32": InType.HEXINT32,
    "hexint64": InType.HEXINT64,
    "countedunicodestring": InType.COUNTEDSTRING,
    "countedansistring": InType.COUNTEDANSISTRING,
    "countedbinary": InType.COUNTEDBINARY,
    "countedutf16string": InType.COUNTEDSTRING,  # so and with the number alone where TraceEvent wrote the manifest
    "countedmbcsstring": InType.COUNTEDANSISTRING,
    "25": InType.COUNTEDBINARY,
    "sizet": InType.SIZET,
    "unicodechar": 306,
    "ansichar": 307,
}

#: Out-types of the schema, lower case, without ``xs:`` or ``win:``.
OUT_TYPES: Final[dict[str, int]] = {
    "string": OutType.STRING,
    "datetime": OutType.DATETIME,
    "byte": 3,
    "unsignedbyte": 4,
    "short": 5,
    "unsignedshort": 6,
    "int": 7,
    "unsignedint": 8,
    "long": 9,
    "unsignedlong": 10,
    "float": 11,
    "double": 12,
    "boolean": OutType.BOOLEAN,
    "guid": 14,
    "hexbinary": 15,
    "hexint8": 16,
    "hexint16": 17,
    "hexint32": 18,
    "hexint64": OutType.HEX,
    "pid": OutType.PID,
    "tid": OutType.TID,
    "port": OutType.PORT,
    "ipv4": OutType.IPV4,
    "ipv6": OutType.IPV6,
    "socketaddress": OutType.SOCKETADDRESS,
    "cimdatetime": 26,
    "etwtime": 27,
    "xml": OutType.XML,
    "errorcode": 29,
    "win32error": OutType.WIN32ERROR,
    "ntstatus": OutType.NTSTATUS,
    "hresult": OutType.HRESULT,
    "datetimecultureinsensitive": 33,
    "json": OutType.JSON,
    "utf8": OutType.UTF8,
    "pkcs7withtypeinfo": OutType.PKCS7,
    "codepointer": OutType.CODE_POINTER,
    "datetimeutc": OutType.DATETIME_UTC,
    "noprint": OutType.NOPRINT,
}

#: Out-types that the message compiler puts where a manifest gives none.
DEFAULT_OUT: Final[dict[int, int]] = {
    InType.UNICODESTRING: OutType.STRING,
    InType.ANSISTRING: OutType.STRING,
    InType.INT8: 3,
    InType.UINT8: 4,
    InType.INT16: 5,
    InType.UINT16: 6,
    InType.INT32: 7,
    InType.UINT32: 8,
    InType.INT64: 9,
    InType.UINT64: 10,
    InType.FLOAT: 11,
    InType.DOUBLE: 12,
    InType.BOOLEAN: OutType.BOOLEAN,
    InType.BINARY: 15,
    InType.GUID: 14,
    InType.POINTER: OutType.HEX,
    InType.FILETIME: OutType.DATETIME,
    InType.SYSTEMTIME: OutType.DATETIME,
    InType.SID: OutType.STRING,
    InType.HEXINT32: 18,
    InType.HEXINT64: OutType.HEX,
    InType.COUNTEDSTRING: OutType.STRING,
    InType.COUNTEDANSISTRING: OutType.STRING,
    InType.COUNTEDBINARY: 15,
}

#: Levels and opcodes that every provider has.
LEVELS: Final[dict[int, str]] = {
    0: "LogAlways", 1: "Critical", 2: "Error", 3: "Warning", 4: "Informational", 5: "Verbose",
}  # fmt: skip
OPCODES: Final[dict[int, str]] = {
    0: "Info", 1: "Start", 2: "Stop", 3: "DC_Start", 4: "DC_Stop", 5: "Extension", 6: "Reply", 7: "Resume",
    8: "Suspend", 9: "Send", 240: "Receive",
}  # fmt: skip

#: In-types of classic (WBEM) events → (ours, out-type, length), where they lie like one of ours.
_LEGACY: Final[dict[int, tuple[int, int, Rule]]] = {
    300: (InType.COUNTEDSTRING, OutType.NULL, Rule.INHERENT),
    301: (InType.COUNTEDANSISTRING, OutType.NULL, Rule.INHERENT),
    304: (InType.UNICODESTRING, OutType.NULL, Rule.REST),
    305: (InType.ANSISTRING, OutType.NULL, Rule.REST),
    306: (InType.UINT16, OutType.STRING, Rule.INHERENT),
    307: (InType.UINT8, OutType.STRING, Rule.INHERENT),
}
_SIZED: Final = (InType.UNICODESTRING, InType.ANSISTRING, InType.BINARY)


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an event as its description says it.

    Attributes:
        name: its name.
        in_type: TDH's number; that of a struct is not looked at.
        out_type: TDH's number.
        length: a number of units, the name of an earlier property, or None; 0 is None.
        count: likewise, of elements; None and 0: no array.
        map: what the description's maps are keyed by; None without one.
        members: of a struct; None for all others.
        problem: why nobody can say how it lies in the payload; empty where that is known.
    """

    name: str
    in_type: int = InType.NULL
    out_type: int = OutType.NULL
    length: int | str | None = None
    count: int | str | None = None
    map: Hashable = None
    members: tuple[Property, ...] | None = None
    problem: str = ""


def event_name(number: int, *, name: str = "", symbol: str = "", task: str = "", opcode: str = "") -> str:
    """Return what an event is called: its own name, else its symbol, else task and opcode, else its number."""
    if name or symbol:
        return name or symbol
    return "/".join(part for part in (task, opcode) if part) or f"Event {number}"


def make_format(
    properties: Sequence[Property],
    lookup: Callable[[Hashable], ValueMap | None],
    *,
    provider: str,
    name: str,
    source: str,
    message: str = "",
    level: str = "",
    keywords: str = "",
    problem: str = "",
) -> EventFormat:
    """Make the format of an event.

    Args:
        properties: its payload, in order.
        lookup: gives the map that a property's ``map`` stands for.
        provider: see ``EventFormat``, as for the next five.
        name: of the event.
        source: what described it.
        message: with placeholders.
        level: as a word.
        keywords: as words.
        problem: what of the description was not understood; what follows the properties is then kept raw.
    """
    maker = _Maker(lookup)
    fields, stopped = maker.fields(properties, "", 0)
    problem = stopped or problem
    if problem:
        fields.append(rest_field(problem))
    return EventFormat(
        provider, name, Layout(tuple(fields), problem), source, message, maker.maps, level=level, keywords=keywords
    )


class _Maker:
    """Turns properties into fields, and collects the maps by column."""

    def __init__(self, lookup: Callable[[Hashable], ValueMap | None]) -> None:
        self.lookup = lookup
        self.maps: dict[str, ValueMap] = {}
        self.count = 0

    def fields(self, properties: Sequence[Property], prefix: str, depth: int) -> tuple[list[Field], str]:
        """Return the fields up to the first that cannot be read, and why it cannot; empty where all can."""
        out: list[Field] = []
        taken: set[str] = set()
        for place, one in enumerate(properties):
            self.count += 1
            if self.count > MAX_PROPERTIES:
                return out, f"the event has more than {MAX_PROPERTIES} properties"
            if one.problem:
                return out, one.problem
            name = _unused(one.name or f"field{place + 1}", taken)
            last = place + 1 == len(properties) and not prefix
            field, problem = self.field(replace(one, name=name), prefix, depth, last=last)
            if field is not None:
                out.append(field)
            if problem:
                return out, problem
            found = None if one.map is None else self.lookup(one.map)
            if found is not None:
                self.maps[prefix + name] = found
        return out, ""

    def field(self, one: Property, prefix: str, depth: int, *, last: bool) -> tuple[Field | None, str]:
        """Return one property's field, None where there is none; and why what follows it cannot be read."""
        count = one.count or None
        if one.members is not None:
            if depth >= MAX_DEPTH:
                return None, f"structs are nested more than {MAX_DEPTH} deep"
            inner, problem = self.fields(one.members, f"{prefix}{one.name}.", depth + 1)
            # what comes before the stop is still in its place, unless the struct comes more than once
            keep = not problem or count is None
            return (Field(one.name, InType.STRUCT, count=count, fields=tuple(inner)) if keep else None), problem
        in_type, out_type, rule = _LEGACY.get(one.in_type, (one.in_type, one.out_type, Rule.INHERENT))
        length: Rule | int | str = rule
        if in_type in _SIZED and one.length:
            length = one.length
        elif in_type == InType.BINARY:
            if out_type == OutType.IPV6:
                length = 16
            elif last and count is None:
                length = Rule.REST
            else:
                return None, f"the binary property {one.name!r} has no length"
        field = Field(one.name, in_type, out_type or one.out_type, length, count)
        if not field.is_known or (in_type == InType.STRUCT):
            return None, f"property {one.name!r} has the unknown in-type {one.in_type}"
        if rule is Rule.REST and (count is not None or not last):
            return None, f"property {one.name!r} runs to the end of the payload, but is not the last"
        return field, ""


def _unused(name: str, taken: set[str]) -> str:
    """Make names unique, so that a column is called as its property is."""
    wanted, number = name, 1
    while wanted in taken:
        number += 1
        wanted = f"{name}_{number}"
    taken.add(wanted)
    return wanted
