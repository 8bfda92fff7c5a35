"""What a .sys, .dll or .exe carries in its resources about the events that it writes.

Source: the vendor's pages on PE resources and MESSAGE_RESOURCE_DATA (winuser.h); ``wevt`` for WEVT_TEMPLATE.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wsktrace.decode.wevt import Templates, parse_templates
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "parse_messages", "read_binary"]

MAX_BYTES: Final = 1 << 30
_TEMPLATES: Final = "WEVT_TEMPLATE"
_MESSAGE_TABLE: Final = 11
_ENGLISH: Final = 0x09
_RANGE: Final = struct.Struct("<III")
_ENTRY: Final = struct.Struct("<HH")
_UNICODE: Final = 1


def read_binary(path: str | os.PathLike[str]) -> Templates:
    """Read the manifest that is compiled into a binary.

    Texts come from its message table, else from that of a ``.mui`` file beside it or in ``en-US`` beside it.

    Raises:
        FormatError: it cannot be read, is no PE file, has no WEVT_TEMPLATE, or one that makes no sense.
    """
    file = Path(path)
    templates, messages = _resources(file)
    if templates is None:
        raise FormatError(
            f"{file.name}: no resource WEVT_TEMPLATE; its events are in no manifest, or in another binary"
        )
    if not messages:
        for other in (file.with_name(f"{file.name}.mui"), file.parent / "en-US" / f"{file.name}.mui"):
            if other.is_file():
                messages = _resources(other)[1]
                break
    return parse_templates(templates, file.name, f"{_TEMPLATES} {file.name}", messages)


def parse_messages(data: bytes) -> dict[int, str]:
    """Parse a message table (MESSAGE_RESOURCE_DATA): identifier → text, without the line's end.

    What is cut or makes no sense is left out: texts only say how events are shown.
    """
    out: dict[int, str] = {}
    count = int.from_bytes(data[:4], "little")
    spent = 0
    for low, high, at in _entries(data, 4, count):
        for number in range(low, high + 1):
            if at + _ENTRY.size > len(data):
                break
            size, flags = _ENTRY.unpack_from(data, at)
            spent += size
            if size < _ENTRY.size or spent > 2 * len(data):  # entries never share bytes
                break
            raw = data[at + _ENTRY.size : at + size]
            shown = raw.decode("utf-16-le", "replace") if flags & _UNICODE else raw.decode("utf-8", "replace")
            out.setdefault(number, shown.rstrip("\0\r\n"))
            at += size
    return out


def _entries(data: bytes, at: int, count: int) -> Iterator[tuple[int, int, int]]:
    whole = min(count, (len(data) - at) // _RANGE.size) if len(data) > at else 0
    yield from _RANGE.iter_unpack(data[at : at + whole * _RANGE.size])


def _resources(file: Path) -> tuple[bytes | None, dict[int, str]]:
    """Return the WEVT_TEMPLATE resource, None without one, and the messages; English ones are preferred."""
    import pefile

    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{file.name}: {size} bytes, more than any driver has")
        data = file.read_bytes()
    except OSError as error:
        raise FormatError(f"{file}: {error.strerror or error}") from error
    if data[:2] != b"MZ":
        raise FormatError(f"{file.name}: no Windows binary (it does not begin with MZ)")
    templates: bytes | None = None
    tables: list[tuple[bool, bytes]] = []
    try:
        # not closed: it holds no file, and closing collects the whole process's garbage
        image = pefile.PE(data=data, fast_load=True)
        image.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_RESOURCE"]])
        for kind, language, place, length in _leaves(image):
            if kind == _TEMPLATES and templates is None:
                templates = bytes(image.get_data(place, length))
            elif kind == _MESSAGE_TABLE:
                tables.append((language & 0x3FF == _ENGLISH, bytes(image.get_data(place, length))))
    except (pefile.PEFormatError, struct.error, ValueError, TypeError, LookupError, AttributeError) as error:
        # pefile's own checks are not complete: a broken header ends in whatever error it runs into
        raise FormatError(f"{file.name}: the binary's headers or resources make no sense: {error}") from error
    messages: dict[int, str] = {}
    for _, table in sorted(tables, key=lambda pair: pair[0]):
        messages |= parse_messages(table)
    return templates, messages


def _leaves(image: object) -> Iterator[tuple[str | int, int, int, int]]:
    """Give type, language, address and size of each resource."""
    root = getattr(image, "DIRECTORY_ENTRY_RESOURCE", None)
    for kind in root.entries if root is not None else ():
        label = str(kind.name) if kind.name is not None else kind.id
        for name in kind.directory.entries if hasattr(kind, "directory") else ():
            for leaf in name.directory.entries if hasattr(name, "directory") else ():
                if hasattr(leaf, "data"):
                    yield label, leaf.id or 0, leaf.data.struct.OffsetToData, leaf.data.struct.Size
