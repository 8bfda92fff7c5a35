"""What a driver's PDB says of its WPP messages: annotations of its modules, enumerations of its type stream.

Source: LLVM's "The PDB Info Stream" and "The PDB DBI Stream"; that the messages are annotations, and where, is seen in
real drivers' PDBs and compared with ``llvm-pdbutil dump -symbols``.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from wsktrace.decode.codeview import DamagedRecords, enumerations, holds_procedures, typedefs, wpp_annotations
from wsktrace.decode.msf import Msf
from wsktrace.decode.tmf import parse_annotation
from wsktrace.decode.wpp import TmfBook
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from wsktrace.decode.tmf import WppMessage

__all__ = ["ControlGuid", "PdbIdentity", "PdbInfo", "pdb_formats", "read_pdb", "read_pdb_identity"]

_INFO_STREAM, _TYPE_STREAM, _DBI_STREAM = 1, 2, 3
_NO_STREAM: Final = 0xFFFF
_DBI_HEADER: Final = 64
_DBI_VC70: Final = 19990903
#: since when stream 1 holds a GUID
_INFO_VC70: Final = 19990604
_STRIPPED: Final = 2
#: feature of stream 1 that /DEBUG:FASTLINK leaves: symbols stayed in the object files
_FASTLINK: Final = b"MINI"
_MODULE: Final = struct.Struct("<34xHI24x")
_MACHINES: Final = {
    0x14C: "x86", 0x8664: "x64", 0xAA64: "ARM64", 0xA641: "ARM64EC", 0xA64E: "ARM64X", 0x1C0: "ARM", 0x1C4: "ARM",
}  # fmt: skip
_ENUM_ITEMS: Final = ("itemenum", "itemflagsenum")
_FUNCTIONS: Final = 4
#: strings of an annotation, and sentences about those that make no sense, beyond which nothing is looked at or kept
_MAX_STRINGS: Final = 4096
_MAX_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class PdbIdentity:
    """Which build of which image a PDB belongs to.

    Attributes:
        name: the file's name.
        guid: GUID as text in lower case, as the image's RSDS record has it.
        age: age of the debug information (DBI), likewise.
        machine: x64, ARM64, x86 and so on; a number in hexadecimal where it has no name here.
    """

    name: str
    guid: str
    age: int
    machine: str


@dataclass(frozen=True, slots=True)
class ControlGuid:
    """A WPP provider: a control GUID and the names of its flags.

    Attributes:
        guid: control GUID as text in lower case.
        name: as WPP_DEFINE_CONTROL_GUID names it.
        flags: names of the flag bits, bit 0 first.
    """

    guid: str
    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PdbInfo:
    """What a PDB says of WPP.

    Attributes:
        identity: name, GUID, age and machine.
        stripped: whether private symbols were removed, and with them every message.
        controls: the providers.
        messages: the messages, each once, in the order of the modules; FUNC is the procedure around it, which for an
            inlined function is its caller; where there are several callers they are all named, with `` | `` in between.
        annotations: records that the messages and providers come from; more of them than there are messages where
            functions were inlined.
        problems: annotations that were not understood, in words; the first hundred.
        note: why there are no messages, and what to do; empty where there are some.
    """

    identity: PdbIdentity
    stripped: bool
    controls: tuple[ControlGuid, ...] = ()
    messages: tuple[WppMessage, ...] = ()
    annotations: int = 0
    problems: tuple[str, ...] = ()
    note: str = ""

    @property
    def guid(self) -> str:
        """GUID of the build, text in lower case."""
        return self.identity.guid

    @property
    def age(self) -> int:
        """Age of the debug information."""
        return self.identity.age

    @property
    def machine(self) -> str:
        """Architecture of the image."""
        return self.identity.machine


@dataclass(frozen=True, slots=True)
class _Dbi:
    """The header of the debug information: where its parts are."""

    age: int
    flags: int
    machine: int
    globals: int
    modules: int


def read_pdb_identity(source: str | os.PathLike[str] | bytes | BinaryIO, name: str | None = None) -> PdbIdentity:
    """Return what ties a PDB to its image; reads some blocks of the file only.

    Raises:
        FormatError: it is no PDB, or damaged.
        InputError: it cannot be read.
    """
    with Msf(source, name) as msf:
        return _identity(msf, _dbi(msf))[0]


def read_pdb(source: str | os.PathLike[str] | bytes | BinaryIO, name: str | None = None) -> PdbInfo:
    """Return the WPP messages and providers of a PDB.

    Args:
        source: path, bytes or open binary file.
        name: the file's name, for messages, where the source does not tell it.

    Raises:
        FormatError: it is no PDB, or damaged: the message says where.
        InputError: it cannot be read.
    """
    with Msf(source, name) as msf:
        dbi = _dbi(msf)
        identity, features = _identity(msf, dbi)
        found: dict[tuple[str, ...], dict[str, None]] = {}
        count, private = 0, False
        for module, stream, size in _modules(msf, dbi):
            symbols = msf.read(stream, size)
            try:
                for one in wpp_annotations(symbols):
                    found.setdefault(one.strings, {})[one.function] = None
                    count += 1
                private = private or holds_procedures(symbols)
            except DamagedRecords as e:
                raise msf.damaged(f"of module {module}, {e}") from e
        stripped = dbi is not None and (not private or bool(dbi.flags & _STRIPPED))
        controls, messages, problems = _parse(found)
        return PdbInfo(
            identity,
            stripped,
            controls,
            tuple(_complete(msf, dbi, controls, messages)),
            count,
            tuple(problems),
            "" if messages else _why_none(dbi, features, stripped=stripped),
        )


def pdb_formats(info: PdbInfo) -> TmfBook:
    """Return a PDB's messages as a source of formats."""
    book = TmfBook()
    book.add(info.messages, f"PDB {info.identity.name}")
    return book


def _why_none(dbi: _Dbi | None, features: bytes, *, stripped: bool) -> str:
    if dbi is None:
        return "holds types only, as those of compilers (vc*.pdb) and libraries: the linker writes the PDB of the .sys"
    if _FASTLINK in features[-16:]:
        return "linked with /DEBUG:FASTLINK, its symbols stayed in the object files: link with /DEBUG:FULL"
    if stripped:
        return "stripped of private symbols (a public PDB): only the private PDB of the same build has WPP messages"
    return "holds no WPP messages: the driver was built without WPP, or its linker (lld) left them out"


def _dbi(msf: Msf) -> _Dbi | None:
    raw = msf.read(_DBI_STREAM, _DBI_HEADER)
    if not raw:
        return None
    if len(raw) < _DBI_HEADER:
        raise msf.damaged(f"its debug information has {len(raw)} bytes")
    signature, version, age = struct.unpack_from("<iII", raw)
    if signature != -1 or version < _DBI_VC70:
        raise msf.damaged(f"its debug information is of version {version}, which is none since Visual C++ 7")
    (symbols,) = struct.unpack_from("<H", raw, 20)
    (modules,) = struct.unpack_from("<I", raw, 24)
    flags, machine = struct.unpack_from("<HH", raw, 56)
    if modules > msf.stream_size(_DBI_STREAM) - _DBI_HEADER:
        raise msf.damaged(f"its list of modules is said to have {modules} bytes, more than the debug information")
    return _Dbi(age, flags, machine, symbols, modules)


def _identity(msf: Msf, dbi: _Dbi | None) -> tuple[PdbIdentity, bytes]:
    """Return whose PDB it is, and what else stream 1 holds."""
    raw = msf.read(_INFO_STREAM)
    if len(raw) < 28:
        raise msf.damaged(f"the stream that holds its GUID has {len(raw)} bytes")
    version, _, age = struct.unpack_from("<III", raw)
    if version < _INFO_VC70:
        raise msf.damaged(f"it is of version {version}, which has no GUID")
    guid = str(uuid.UUID(bytes_le=raw[12:28]))
    if dbi is None:
        return PdbIdentity(msf.name, guid, age, "unknown"), raw[28:]
    machine = _MACHINES.get(dbi.machine, f"{dbi.machine:#06x}")
    return PdbIdentity(msf.name, guid, dbi.age, machine), raw[28:]


def _modules(msf: Msf, dbi: _Dbi | None) -> Iterator[tuple[str, int, int]]:
    """Yield name, stream and bytes of symbols of each module that has some."""
    if dbi is None:
        return
    end = _DBI_HEADER + dbi.modules
    raw = msf.read(_DBI_STREAM, end)
    at = _DBI_HEADER
    seen: set[int] = set()
    while at + _MODULE.size <= end:
        stream, size = _MODULE.unpack_from(raw, at)
        stop = raw.find(b"\0", at + _MODULE.size)
        last = raw.find(b"\0", stop + 1)
        if stop < 0 or last < 0:
            raise msf.damaged(f"its list of modules breaks off at {at}")
        name = re.split(rb"[\\/]", raw[at + _MODULE.size : stop])[-1].decode("utf-8", "replace")
        if stream != _NO_STREAM and size:
            if stream in seen or stream >= len(msf) or size > msf.stream_size(stream):
                raise msf.damaged(f"the symbols of module {name} are not where its list of modules says")
            seen.add(stream)
            yield name, stream, size
        at = last + 1
        at += -at % 4


def _parse(
    found: dict[tuple[str, ...], dict[str, None]],
) -> tuple[tuple[ControlGuid, ...], list[WppMessage], list[str]]:
    controls: list[ControlGuid] = []
    messages: list[WppMessage] = []
    problems: list[str] = []
    for strings, functions in found.items():
        try:
            _sane(strings)
            if strings[0] == "TMC:":
                controls.append(_control(strings))
            else:
                messages.append(parse_annotation(list(strings), _function(functions)))
        except FormatError as e:
            if len(problems) < _MAX_PROBLEMS:
                problems.append(str(e))
    return tuple(controls), messages, problems


def _sane(strings: Sequence[str]) -> None:
    if len(strings) > _MAX_STRINGS:
        raise FormatError(f"an annotation of {len(strings)} strings, a message has fewer than {_MAX_STRINGS}")


def _function(names: dict[str, None]) -> str:
    """Return the procedures that a message was found in as one name."""
    known = [name for name in names if name]
    shown = known if len(known) <= _FUNCTIONS else [*known[: _FUNCTIONS - 1], f"… {len(known)} functions"]
    return " | ".join(shown)


def _control(strings: Sequence[str]) -> ControlGuid:
    try:
        guid = str(uuid.UUID(strings[1]))
    except (ValueError, IndexError):
        raise FormatError(f"a control annotation without a GUID: {' '.join(strings[1:3])[:80]}") from None
    return ControlGuid(guid, strings[2] if len(strings) > 2 else "", tuple(strings[3:]))


def _complete(
    msf: Msf, dbi: _Dbi | None, controls: Sequence[ControlGuid], messages: Sequence[WppMessage]
) -> Iterator[WppMessage]:
    """Add to messages what other parts of the PDB say: the control GUID, the symbols of enumerations."""
    named = {arg.list_args.strip() for m in messages for arg in m.args if arg.item.lower() in _ENUM_ITEMS}
    enums = _enums(msf, dbi, named) if named else {}
    for message in messages:
        yield dataclasses.replace(message, control=_whose(message, controls), enums=enums)


def _whose(message: WppMessage, controls: Sequence[ControlGuid]) -> str:
    """Return the control GUID of a message: the only one there is, or the only one with a flag that it names."""
    if len(controls) > 1:
        words = set(message.tail.values())
        controls = [one for one in controls if words.intersection(one.flags)]
    return controls[0].guid if len(controls) == 1 else ""


def _enums(msf: Msf, dbi: _Dbi | None, names: set[str]) -> dict[str, dict[int, str]]:
    types = msf.read(_TYPE_STREAM)
    if not types:
        return {}
    try:
        found = enumerations(types, names, {})
        missing = names - found.keys()
        if missing and dbi is not None and dbi.globals != _NO_STREAM:
            found |= enumerations(types, missing, typedefs(msf.read(dbi.globals), missing))
    except DamagedRecords as e:
        raise msf.damaged(str(e)) from e
    return found
