"""etl-parser's catalogue of 794 manifest providers as formats, for 64-bit records.

The catalogue is Python source, one module per provider, with one ``construct`` pattern per event and version, made
from manifests of one machine. Importing one module of it imports them all (73,000 names, some seconds), and its
lengths are functions that cannot be looked into. So it is read as text: the head of each file names the provider, the
file of the one that is met is parsed into its syntax tree, and each pattern there becomes a ``Layout``.

What the patterns do not say: which numbers are addresses, times or booleans; the pointers of 32-bit records; arrays;
whether a length counts bytes or characters. Hence ``Layout.exact``: a record counts where it is consumed to the byte.

Source: etl-parser 1.0.1, ``etl/parsers/etw``; etl-and-wpp-format, 4.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from wsktrace.decode.fields import Field, Layout
from wsktrace.decode.formats import EventFormat
from wsktrace.decode.intypes import InType, OutType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wsktrace.decode.formats import RecordKey

__all__ = ["SOURCE", "Catalogue"]

#: What ``EventFormat.source`` says of formats from here; ", mended" behind it where the catalogue was wrong.
SOURCE: Final = "etl-parser's catalogue"

_HEAD_BYTES: Final = 512
_HEAD: Final = re.compile(rb'"""\s*(?P<name>[^\r\n]+?)\s*[\r\n]+GUID : (?P<guid>[0-9a-fA-F-]{36})')

#: What the patterns are made of. Its ``Double`` is big endian by mistake; Windows writes little endian.
_IN_TYPES: Final[dict[str, int]] = {
    "Int8sl": InType.INT8,
    "Int8ul": InType.UINT8,
    "Int16sl": InType.INT16,
    "Int16ul": InType.UINT16,
    "Int32sl": InType.INT32,
    "Int32ul": InType.UINT32,
    "Int64sl": InType.INT64,
    "Int64ul": InType.UINT64,
    "Float32l": InType.FLOAT,
    "Double": InType.DOUBLE,
    "WString": InType.UNICODESTRING,
    "CString": InType.ANSISTRING,
    "Guid": InType.GUID,
    "SystemTime": InType.SYSTEMTIME,
    "Sid": InType.SID,
}

_KERNEL_NETWORK: Final = UUID("7dd42a49-5329-4832-8dfd-43d979153a88").bytes_le
_MENDED: Final = {
    "connid": (InType.POINTER, OutType.NULL),
    "daddr": (InType.UINT32, OutType.IPV4),
    "saddr": (InType.UINT32, OutType.IPV4),
    "dport": (InType.UINT16, OutType.PORT),
    "sport": (InType.UINT16, OutType.PORT),
    "PID": (InType.UINT32, OutType.PID),
}


class Catalogue:
    """The catalogue as a source of formats; nothing is read before the first event is asked for."""

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of an event, None where the catalogue lacks it, cannot say it, or the record is 32-bit."""
        if key.family != "event" or key.pointer != 8:
            return None
        path = _index().get(key.guid)
        if path is None:
            return None
        return _formats(path).get((key.id, key.version))

    def provider(self, guid: bytes) -> str:
        """Return the name of the provider with these 16 raw bytes, empty where the catalogue does not have it."""
        path = _index().get(guid)
        found = _head(path) if path is not None else None
        return found[1] if found else ""


@functools.cache
def _index() -> Mapping[bytes, Path]:
    """Return the catalogue's files by provider; empty where the library is not installed as files."""
    spec = find_spec("etl")
    index: dict[bytes, Path] = {}
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "parsers" / "etw"
        for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
            head = _head(path)
            if head is not None:
                index.setdefault(head[0], path)
    return index


def _head(path: Path) -> tuple[bytes, str] | None:
    """Return provider GUID and name that a file's head names."""
    try:
        with path.open("rb") as file:
            found = _HEAD.search(file.read(_HEAD_BYTES))
        return (UUID(found["guid"].decode()).bytes_le, found["name"].decode("utf-8", "replace")) if found else None
    except (OSError, ValueError):
        return None


@functools.lru_cache(maxsize=32)
def _formats(path: Path) -> Mapping[tuple[int, int], EventFormat]:
    """Return the formats of one provider by (event id, version)."""
    head = _head(path)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    formats: dict[tuple[int, int], EventFormat] = {}
    for node in tree.body:
        declared = _declared(node) if isinstance(node, ast.ClassDef) else None
        if declared is None or head is None:
            continue
        number, version, guid, pattern = declared
        fields = _fields(pattern)
        if fields is not None and guid == head[0]:
            mended = guid == _KERNEL_NETWORK
            layout = Layout(_kernel_network(fields) if mended else fields, exact=True)
            source = f"{SOURCE}, mended" if mended else SOURCE
            formats[number, version] = EventFormat(head[1], f"EventID({number})", layout, source)
    return formats


def _kernel_network(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Mend the events of Microsoft-Windows-Kernel-Network, whose patterns miss what each real record has.

    ``connid`` is as wide as a pointer, and the IPv6 events hold the two addresses of 16 bytes that the IPv4 ones hold
    in four. Source: the kernel's TcpIp and UdpIp classes, whose payloads these are; every record of a real trace.
    """
    names = [f.name for f in fields]
    out = []
    for one in fields:
        if one.name == "dport" and "daddr" not in names:
            out += [Field(n, InType.BINARY, OutType.IPV6, length=16) for n in ("daddr", "saddr")]
        kind, shown = _MENDED.get(one.name, (one.in_type, one.out_type))
        out.append(replace(one, in_type=kind, out_type=shown))
    return tuple(out)


def _declared(node: ast.ClassDef) -> tuple[int, int, bytes, ast.expr] | None:
    """Return event id, version, provider and pattern of a class, None where it describes no event."""
    said = {k.arg: k.value for d in node.decorator_list for k in (d.keywords if isinstance(d, ast.Call) else ())}
    number, version, guid = (_constant(said.get(n)) for n in ("event_id", "version", "guid"))
    pattern = next((s.value for s in node.body if isinstance(s, ast.Assign) and _is_pattern(s.targets)), None)
    if not (isinstance(number, int) and isinstance(version, int) and isinstance(guid, str) and pattern is not None):
        return None
    try:
        return number, version, UUID(guid).bytes_le, pattern
    except ValueError:
        return None


def _is_pattern(targets: list[ast.expr]) -> bool:
    return len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == "pattern"


def _constant(node: ast.expr | None) -> object:
    """Return the value of a constant, also as the one argument of a call: ``guid("…")``."""
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return node.value if isinstance(node, ast.Constant) else None


def _fields(pattern: ast.expr) -> tuple[Field, ...] | None:
    """Turn ``Struct("name" / Type, …)`` into fields; None where some part of it is not understood."""
    if not (isinstance(pattern, ast.Call) and _name(pattern.func) == "Struct" and not pattern.keywords):
        return None
    fields = tuple(_each(pattern.args))
    return None if len(fields) < len(pattern.args) else fields


def _each(members: list[ast.expr]) -> Iterator[Field]:
    """Yield the fields up to the first that is not understood."""
    for one in members:
        if not (isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div) and isinstance(one.left, ast.Constant)):
            return
        field = _field(str(one.left.value), one.right)
        if field is None:
            return
        yield field


def _field(name: str, kind: ast.expr) -> Field | None:
    in_type = _IN_TYPES.get(_name(kind))
    if in_type is not None:
        return Field(name, in_type)
    if isinstance(kind, ast.Call) and _name(kind.func) == "Bytes" and len(kind.args) == 1:
        return _bytes(name, kind.args[0])
    return None


def _bytes(name: str, length: ast.expr) -> Field | None:
    """Return the field of ``Bytes(n)``, ``Bytes(lambda this: this.Size)`` or ``Bytes(lambda this: 2 * this.Size)``."""
    if isinstance(length, ast.Constant) and isinstance(length.value, int):
        return Field(name, InType.BINARY, length=length.value)
    if not isinstance(length, ast.Lambda):
        return None
    body, in_type = length.body, InType.BINARY
    if isinstance(body, ast.BinOp) and isinstance(body.op, ast.Mult) and _constant(body.left) == 2:
        body, in_type = body.right, InType.UNICODESTRING
    if isinstance(body, ast.Attribute) and _name(body.value) == "this":
        return Field(name, in_type, length=body.attr)
    return None


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
