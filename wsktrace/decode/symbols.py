"""The user's files that describe events: ``Symbols`` takes PDBs, TMF files, manifests, binaries and folders of them.

A PDB is believed where its id is the one that the trace itself names (etl-and-wpp-format, 1.7): a message GUID stays
the same over builds while the messages change. Also looked at: ``_NT_SYMBOL_PATH`` and ``TRACE_FORMAT_SEARCH_PATH``.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wsktrace.decode.symbol_files import describe, kind_of, load
from wsktrace.decode.symbol_index import Described, folder_index
from wsktrace.decode.symbol_path import SymbolPath
from wsktrace.decode.wpp import TmfBook
from wsktrace.errors import UsageError, WsktraceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wsktrace.decode.debug_ids import DebugId
    from wsktrace.decode.formats import EventFormat, FormatSource, RecordKey

__all__ = ["Symbols"]

#: Sentences that are kept of what was wrong with symbol files.
_MAX_NOTES: Final = 100
#: PDBs that servers are asked for: those of a session's own binaries matter, a merged trace names all of a machine's.
_MAX_ASKED: Final = 64


@dataclass(slots=True)
class Symbols:
    """Describes events by the files that the user names.

    Attributes:
        paths: files and folders, asked in this order.
        download: whether servers of ``_NT_SYMBOL_PATH`` may be asked.
        environment: the two search paths are taken from it; those of the process where None.
        cache: where indexes of folders are kept; the user's cache folder where None.
        notes: what was wrong, in sentences; grows while files are looked at.
    """

    paths: Iterable[str | os.PathLike[str]] = ()
    download: bool = False
    environment: Mapping[str, str] | None = None
    cache: Path | None = None
    notes: list[str] = field(default_factory=list)
    _files: list[Described] = field(default_factory=list, repr=False)
    _by_guid: dict[str, list[Described]] = field(default_factory=dict, repr=False)
    _expected: dict[str, set[DebugId]] = field(default_factory=dict, repr=False)
    _pdbs: list[Described] | None = field(default=None, repr=False)
    _stored: list[Described] = field(default_factory=list, repr=False)
    _loaded: dict[Path, FormatSource | None] = field(default_factory=dict, repr=False)
    _searched: bool = False
    _search: SymbolPath | None = field(default=None, repr=False)
    _tmf_folders: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self.paths = tuple(self.paths)
        environment = os.environ if self.environment is None else self.environment
        self._search = SymbolPath.parse(environment.get("_NT_SYMBOL_PATH", ""), download=self.download, say=self.say)
        separators = environment.get("TRACE_FORMAT_SEARCH_PATH", "").replace(os.pathsep, ";").split(";")
        self._tmf_folders = tuple(Path(p.strip()) for p in separators if p.strip())
        if self.download and not self._search.servers():
            raise UsageError(
                "--download needs a server: set _NT_SYMBOL_PATH, for example to"
                " srv*/tmp/symbols*https://msdl.microsoft.com/download/symbols"
            )
        for name in self.paths:
            self._add(Path(name))
        for found in self._files:
            for guid in found.guids if found.kind != "pdb" else ():
                self._by_guid.setdefault(guid, []).append(found)

    def say(self, note: str) -> None:
        """Keep a sentence of what was wrong, once."""
        if note not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(note)

    def _add(self, path: Path) -> None:
        if path.is_dir():
            for found in folder_index(path, describe, cache=self.cache):
                if found.problem:
                    self.say(found.problem)
                else:
                    self._files.append(found)
        elif path.is_file():
            self._files.append(describe(path, kind_of(path)))  # a file that is named must be good
        else:
            raise UsageError(f"no file or folder {path} to take symbols from")

    def expect(self, named: Iterable[DebugId]) -> None:
        """Take the ids of the PDBs that a trace names, for all ``find`` that follow; call it once per trace."""
        self._expected = {}
        for one in named:
            self._expected.setdefault(one.name.lower(), set()).add(one)
        self._pdbs = None
        self._searched = False

    def _given_pdbs(self) -> list[Described]:
        """Return the PDBs that the user names and that may be the trace's, those of the right id first."""
        if self._pdbs is None:
            right: list[Described] = []
            unknown: list[Described] = []
            for found in self._files:
                if found.kind == "pdb":
                    self._judge(found, right, unknown)
            self._pdbs = right + unknown
        return self._pdbs

    def _judge(self, found: Described, right: list[Described], unknown: list[Described]) -> None:
        """Sort a PDB in by whether it is the one that the trace names, and say where it is of another build."""
        wanted = self._expected.get(found.path.name.lower())
        by_id = [one for ids in self._expected.values() for one in ids if one.guid in found.guids]
        if any(one.age == found.age for one in by_id):
            right.append(found)
        elif by_id:
            right.append(found)
            ages = ", ".join(str(one.age) for one in sorted(by_id))
            self.say(f"{found.path}: of the right build, but its age is {found.age} and the trace says {ages}; used")
        elif wanted:
            one = min(wanted)
            self.say(
                f"{found.path}: of another build, not used: its id is {' '.join(found.guids)} age {found.age},"
                f" the trace names {one.guid} age {one.age}"
            )
        else:
            unknown.append(found)

    # -- finding ----------------------------------------------------------------------------------------------------

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return what the first file that describes a kind of record says of it, None where none does."""
        found = self.alternatives(key)
        return found[0] if found else None

    def alternatives(self, key: RecordKey) -> tuple[EventFormat, ...]:
        """Return all formats of a kind that the first file which describes it has: WPP numbers can come twice."""
        if len(key.guid) != 16:
            return ()
        for found in self._candidates(key):
            source = self._open(found)
            if isinstance(source, TmfBook):
                several = source.alternatives(key)
            else:
                one = None if source is None else source.find(key)
                several = () if one is None else (one,)
            if several:
                return several
        return ()

    def _candidates(self, key: RecordKey) -> Iterator[Described]:
        guid = str(uuid.UUID(bytes_le=key.guid))
        yield from self._by_guid.get(guid, ())
        if key.family != "message":
            return
        for folder in self._tmf_folders:
            for name in (f"{guid}.tmf", f"{guid.upper()}.tmf"):
                path = folder / name
                if path.is_file():
                    yield Described(path, "tmf", (guid,))
        yield from self._given_pdbs()
        yield from self._from_path()

    def _from_path(self) -> list[Described]:
        """Return the PDBs of the symbol path that the trace names; looked for once, and only if a message needs it."""
        if self._searched or self._search is None:
            return self._stored
        self._searched, self._stored = True, []
        wanted = sorted(one for ids in self._expected.values() for one in ids)
        search = self._search
        if search.download and len(wanted) > _MAX_ASKED:
            self.say(f"the trace names {len(wanted):,} PDBs, more than servers are asked for; looked for near only")
            search = replace(search, download=False)
        for one in wanted:
            for path in search.find(one):
                try:
                    self._judge(describe(path, "pdb"), self._stored, self._stored)
                except (WsktraceError, OSError) as error:
                    self.say(f"{path}: {error}" if str(path) not in str(error) else str(error))
        return self._stored

    def _open(self, found: Described) -> FormatSource | None:
        """Return a file's formats, reading them once; None where that is not possible, which is said."""
        if found.path not in self._loaded:
            source: FormatSource | None = None
            try:
                loaded = load(found.path, found.kind)
                source = loaded.source
                for sentence in loaded.notes:
                    self.say(sentence)
            except WsktraceError as error:
                self.say(str(error))
            except OSError as error:
                self.say(f"{found.path}: {error.strerror or error}")
            self._loaded[found.path] = source
        return self._loaded[found.path]
