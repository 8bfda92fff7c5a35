"""One symbol file: what kind it is, what it describes, and its formats."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wsktrace.decode.binaries import read_binary
from wsktrace.decode.manifest import read_manifest
from wsktrace.decode.pdb import pdb_formats, read_pdb, read_pdb_identity
from wsktrace.decode.symbol_index import SUFFIXES, Described
from wsktrace.decode.tmf import parse_tmf
from wsktrace.decode.wpp import TmfBook
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from wsktrace.decode.formats import FormatSource

__all__ = ["Loaded", "describe", "kind_of", "load"]

_PDB: Final = b"Microsoft C/C++ MSF 7.00\r\n"
_TEXT: Final = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<|\xff\xfe<\x00|\xfe\xff\x00<")
_GUID: Final = re.compile(rb"^\s*\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?\s", re.MULTILINE)
#: Bytes of a TMF file that are looked through for message GUIDs.
_MAX_TMF: Final = 64 << 20


def kind_of(path: Path) -> str:
    """Return which kind of symbol file a path is: by its ending, else by its first bytes.

    Raises:
        FormatError: by neither.
    """
    known = SUFFIXES.get(path.suffix.lower())
    if known is not None:
        return known
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_PDB):
        return "pdb"
    if head.startswith(b"MZ"):
        return "binary"
    if _TEXT.match(head):
        return "manifest"
    if _GUID.search(head):
        return "tmf"
    raise FormatError(f"{path}: no PDB, TMF file, manifest or binary that could describe events")


def describe(path: Path, kind: str) -> Described:
    """Return what a file describes.

    Raises:
        FormatError, InputError: it is damaged or not what its name says.
        OSError: it cannot be read.
    """
    if kind == "pdb":
        found = read_pdb_identity(path)
        return Described(path, kind, (found.guid,), found.age)
    if kind == "tmf":
        with path.open("rb") as file:
            guids = [g.decode("ascii").lower() for g in _GUID.findall(file.read(_MAX_TMF))]
        return Described(path, kind, tuple(dict.fromkeys(guids)))
    source = read_manifest(path) if kind == "manifest" else read_binary(path)
    return Described(path, kind, tuple(str(uuid.UUID(bytes_le=raw)) for raw in source.providers))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The formats of a file, and what of it was not understood, in sentences."""

    source: FormatSource
    notes: tuple[str, ...] = ()


def load(path: Path, kind: str) -> Loaded:
    """Return a file's formats; errors as ``describe``."""
    if kind == "manifest":
        return Loaded(read_manifest(path))
    if kind == "binary":
        return Loaded(read_binary(path))
    if kind == "pdb":
        found = read_pdb(path)
        # a provider's name says more than its control GUID
        names = {control.guid: control.name for control in found.controls}
        messages = tuple(replace(m, control=names.get(m.control) or m.control) for m in found.messages)
        book = pdb_formats(replace(found, messages=messages))
        problems = (*found.problems, *((found.note,) if found.note else ()))
    else:
        text = parse_tmf(path.read_bytes(), str(path))
        book = TmfBook()
        book.add(text.messages, f"TMF {path.name}")
        problems = tuple(text.problems)
    return Loaded(book, tuple(one if str(path) in one else f"{path}: {one}" for one in problems))
