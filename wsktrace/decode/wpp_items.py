"""★ The item types of WPP arguments: how each lies in the payload, and how the reference formatter shows it.

One row of ``ITEMS`` per type; names are compared without case. Source: etl-and-wpp-format, 2.3. Where the reference
formatter's text depends on the machine (account names, local time) or leaves the value out (dumps), ours does not:
security identifiers as S-1-…, times in UTC, dumps as hexadecimal digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wsktrace.decode import status_names as names
from wsktrace.decode.fields import Field, Rule
from wsktrace.decode.formats import ValueMap
from wsktrace.decode.intypes import InType, OutType
from wsktrace.decode.render import filetime
from wsktrace.decode.wpp_text import Spec, floats, integers, parse_spec, strings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsktrace.decode.columns import ColumnData
    from wsktrace.decode.wpp_message import WppArgument, WppMessage

    #: how one value is shown, given its names (of a list, set or enumeration)
    Show = Callable[[int, Mapping[int, str]], str]

__all__ = ["ITEMS", "Item", "field_of", "item_of", "map_of", "texts"]


@dataclass(frozen=True, slots=True)
class Item:
    """One item type.

    Attributes:
        in_type: how it lies in the payload.
        out_type: how it is shown outside of messages.
        length: of strings and binaries: a rule or a number of units.
        spec: the conversion where the format string names none (``s``); empty where ``show`` or the text is meant.
        bits: width of an integer; 0 for what is none, and for pointers, whose width is the record's.
        show: text of an integer that has names or a form of its own.
    """

    in_type: int
    out_type: int = OutType.NULL
    length: Rule | int = Rule.INHERENT
    spec: str = ""
    bits: int = 0
    show: Show | None = None


def _named(kind: str, *, decimal: bool = False) -> Show:
    def show(value: int, _: Mapping[int, str]) -> str:
        number = str(value) if decimal else f"0x{value:08x}"
        name = names.hresult_name(value) if kind == names.HRESULT else names.names_of(kind).get(value)
        return f"{number}({name})" if name else number

    return show


def _listed(value: int, known: Mapping[int, str]) -> str:
    name = known.get(value)
    return f"0x{value:08x}" if name is None else f"0x{value:08x}({name})"


def _set(value: int, known: Mapping[int, str]) -> str:
    """``[1,3]``: the names of the bits that are set, and as one number those that have none."""
    shown = [name for bit, name in known.items() if value & bit]
    rest = value & ~sum(known)
    return "[" + ",".join([*shown, *([f"0x{rest:x}"] if rest else [])]) + "]"


def _enum(value: int, known: Mapping[int, str]) -> str:
    return known.get(value, f"0x{value:x}")


def _flags(value: int, known: Mapping[int, str]) -> str:
    """``FlagRead | FlagExec(0x5)``; bits without a name as one number."""
    if value in known:
        return f"{known[value]}(0x{value:x})"
    shown, rest = [], value
    for bits, name in known.items():
        if bits and value & bits == bits:
            shown.append(name)
            rest &= ~bits
    if not shown:
        return f"0x{value:x}"
    return " | ".join([*shown, *([f"0x{rest:x}"] if rest else [])]) + f"(0x{value:x})"


def _address(value: int, _: Mapping[int, str]) -> str:
    return ".".join(str(b) for b in value.to_bytes(4, "little"))


def _port(value: int, _: Mapping[int, str]) -> str:
    return str(int.from_bytes(value.to_bytes(2, "little"), "big"))


def _time(value: int, _: Mapping[int, str]) -> str:
    """``2020-01-01 00:00:00.000Z``: UTC, as many digits after the third as the value needs."""
    text = filetime(value)
    if not text.endswith("Z"):
        return text
    whole, _dot, fraction = text[:-1].replace("T", " ").partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(3, '0')}Z"


def _delta(value: int, _: Mapping[int, str]) -> str:
    """``1~02:03:04.000s``: days, hours and minutes are left out where they are zero and nothing stands before them."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    seconds, fraction = divmod(value, 10_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    tail = f"{f'{fraction:07}'.rstrip('0').ljust(3, '0')}s"
    if days:
        return f"{sign}{days}~{hours:02}:{minutes:02}:{seconds:02}.{tail}"
    if hours:
        return f"{sign}{hours}:{minutes:02}:{seconds:02}.{tail}"
    return f"{sign}{minutes}:{seconds:02}.{tail}" if minutes else f"{sign}{seconds}.{tail}"


def _int(in_type: int, bits: int, spec: str) -> Item:
    return Item(in_type, spec=spec, bits=bits)


_CHAR: Final = Item(InType.INT8, OutType.STRING, spec="c", bits=8)
_UCHAR: Final = Item(InType.UINT8, OutType.STRING, spec="c", bits=8)
_STRING: Final = Item(InType.ANSISTRING, length=Rule.TERMINATED)
_WSTRING: Final = Item(InType.UNICODESTRING, length=Rule.TERMINATED)
_GUID: Final = Item(InType.GUID)
_DUMP: Final = Item(InType.BINARY, length=Rule.PREFIX)
_TIME: Final = Item(InType.FILETIME, bits=64, show=_time)
_BYTE, _SHORT, _LONG = (InType.UINT8, 8), (InType.UINT16, 16), (InType.UINT32, 32)


def _valued(width: tuple[int, int], show: Show, out: int = OutType.NULL) -> Item:
    return Item(width[0], out, bits=width[1], show=show)


#: item type in lower case → what it is
ITEMS: Final[dict[str, Item]] = {
    "itemchar": _CHAR,
    "itemuchar": _UCHAR,
    "itemshort": _int(InType.INT16, 16, "hd"),
    "itemushort": _int(InType.UINT16, 16, "hu"),
    "itemint": _int(InType.INT32, 32, "d"),
    "itemuint": _int(InType.UINT32, 32, "u"),
    "itemlong": _int(InType.INT32, 32, "d"),
    "itemulong": _int(InType.UINT32, 32, "u"),
    "itemlonglong": _int(InType.INT64, 64, "I64d"),
    "itemulonglong": _int(InType.UINT64, 64, "I64u"),
    "itemlonglongx": _int(InType.UINT64, 64, "I64x"),
    "itemlonglongxx": _int(InType.UINT64, 64, "I64X"),
    "itemlonglongo": _int(InType.UINT64, 64, "I64o"),
    "itemfloat": Item(InType.FLOAT, spec="g"),
    "itemdouble": Item(InType.DOUBLE, spec="g"),
    "itemptr": Item(InType.POINTER, spec="p"),
    "itemstring": _STRING,
    "itemrstring": _STRING,
    "itemwstring": _WSTRING,
    "itemrwstring": _WSTRING,
    "itempstring": Item(InType.COUNTEDANSISTRING, length=Rule.LOGGED),
    "itempwstring": Item(InType.COUNTEDSTRING, length=Rule.LOGGED),
    "itemguid": _GUID,
    "itemclsid": _GUID,
    "itemiid": _GUID,
    "itemlibid": _GUID,
    "itemsid": Item(InType.SID, length=Rule.LOGGED),
    "itemntstatus": _valued(_LONG, _named(names.NTSTATUS), OutType.NTSTATUS),
    "itemhresult": _valued(_LONG, _named(names.HRESULT), OutType.HRESULT),
    "itemwinerror": _valued(_LONG, _named(names.WIN32, decimal=True), OutType.WIN32ERROR),
    "itemndis_status": _valued(_LONG, _named(names.NDIS_STATUS), OutType.NTSTATUS),
    "itemndis_oid": _valued(_LONG, _named(names.NDIS_OID), OutType.HEX),
    "itemlistbyte": _valued(_BYTE, _listed),
    "itemlistshort": _valued(_SHORT, _listed),
    "itemlistlong": _valued(_LONG, _listed),
    "itemsetbyte": _valued(_BYTE, _set),
    "itemsetshort": _valued(_SHORT, _set),
    "itemsetlong": _valued(_LONG, _set),
    "itemenum": _valued(_LONG, _enum),
    "itemflagsenum": _valued(_LONG, _flags),
    "itemipaddr": _valued(_LONG, _address, OutType.IPV4),
    "itemport": _valued(_SHORT, _port, OutType.PORT),
    "itemipv6addr": Item(InType.BINARY, OutType.IPV6, 16),
    "itemmacaddr": Item(InType.BINARY, length=6),
    "itemtimestamp": _TIME,
    "itemwaittime": _TIME,
    "itemtimedelta": Item(InType.INT64, bits=64, show=_delta),
    "itemhexdump": _DUMP,
    "itemhexbytes": _DUMP,
    "itemchar4": Item(InType.ANSISTRING, length=4),
}

_LISTS: Final = ("itemlistbyte", "itemlistshort", "itemlistlong")
_SETS: Final = ("itemsetbyte", "itemsetshort", "itemsetlong")
_ENUMS: Final = ("itemenum", "itemflagsenum")
#: integers by their width: signed, unsigned
_BY_BITS: Final = {
    8: (InType.INT8, InType.UINT8),
    16: (InType.INT16, InType.UINT16),
    32: (InType.INT32, InType.UINT32),
    64: (InType.INT64, InType.UINT64),
}


def item_of(argument: WppArgument) -> Item | None:
    """Return what is known of an argument's item type, None where nothing is."""
    return ITEMS.get(argument.item.lower())


def field_of(name: str, item: Item, spec: Spec | None) -> Field:
    """Return an argument's field; whether an integer has a sign, or is an address, is said by how it is printed."""
    in_type, out_type = item.in_type, item.out_type
    if item.spec and item.bits and spec is not None and spec.is_integer:
        signed, unsigned = _BY_BITS[item.bits]
        in_type = signed if spec.conversion in "di" else unsigned
        if spec.conversion == "c":
            in_type, out_type = item.in_type, OutType.STRING
        else:
            out_type = OutType.HEX if spec.conversion in "xXp" else OutType.NULL
    return Field(name, in_type, out_type, item.length)


def map_of(argument: WppArgument, message: WppMessage) -> ValueMap | None:
    """Return the names of an argument's values, None where it has none."""
    item = argument.item.lower()
    if item in _ENUMS:
        known = message.enums.get(argument.list_args.strip().removeprefix("enum "))
        return None if known is None else ValueMap(known, bits=item == "itemflagsenum")
    if item not in _LISTS and item not in _SETS:
        return None
    listed = [n.strip() for n in argument.list_args.split(",")]
    if item in _LISTS:
        return ValueMap(dict(enumerate(listed)))
    return ValueMap({1 << bit: name for bit, name in enumerate(listed[:64])}, bits=True)


def texts(column: ColumnData, item: Item, spec: Spec | None, known: Mapping[int, str], bits: int) -> list[str]:
    """Return the text of every row of an argument, as the format string asks for it.

    Args:
        column: the argument's values; of rows that are not valid the text means nothing.
        item: its item type.
        spec: the conversion of the placeholder.
        known: names of its values.
        bits: width of a pointer in these rows.
    """
    values: Sequence[Any]
    if column.values is None or column.values.dtype.kind == "V":
        return strings(_opaque(column, item), spec)
    values = column.values.tolist()
    if column.values.dtype.kind == "f":
        return floats(values, spec)
    width = item.bits or bits
    if item.show is not None:
        if spec is not None and spec.is_integer:
            return integers(values, spec, width)
        shown = {v: item.show(v, known) for v in set(values)}
        return strings([shown[v] for v in values], spec)
    if spec is not None and spec.is_integer:
        return integers(values, spec, width)
    own = parse_spec(item.spec)
    assert own is not None
    return strings(integers(values, own, width), spec)


def _opaque(column: ColumnData, item: Item) -> list[str]:
    """Strings, GUIDs, addresses, dumps."""
    if item.in_type == InType.BINARY and item.out_type == OutType.NULL:
        raw = [v or b"" for v in column.bytes_()]
        return [v.hex("-") for v in raw] if item.length == 6 else [v.hex().upper() for v in raw]
    return [v or "" for v in column.texts()]
