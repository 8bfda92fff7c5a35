"""What a folder of symbol files describes: an index by GUID that is kept, so that the next run need not read them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wsktrace.decode.symbol_path import cache_folder
from wsktrace.errors import WsktraceError
from wsktrace.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_FILES", "SUFFIXES", "Described", "folder_index"]

#: File ending → kind of symbol file.
SUFFIXES: Final[dict[str, str]] = {
    ".tmf": "tmf",
    ".pdb": "pdb",
    ".man": "manifest",
    ".manifest": "manifest",
    ".xml": "manifest",
    ".sys": "binary",
    ".dll": "binary",
    ".exe": "binary",
    ".mui": "binary",
}
#: Symbol files of one folder that are looked at.
MAX_FILES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Described:
    """One symbol file.

    Attributes:
        path: where it is.
        kind: ``tmf``, ``pdb``, ``manifest`` or ``binary``.
        guids: what it describes, as text: message GUIDs of TMF files, provider GUIDs of manifests and binaries; of a
            PDB the GUID of its build.
        age: of PDBs; 0 of others.
        problem: why it cannot be used; empty where it can.
    """

    path: Path
    kind: str
    guids: tuple[str, ...] = ()
    age: int = 0
    problem: str = ""


def folder_index(
    folder: Path, describe: Callable[[Path, str], Described], *, cache: Path | None = None
) -> Iterator[Described]:
    """Yield all symbol files below a folder; those that have not changed since the last time are not opened.

    Args:
        folder: where to look, with all folders in it; links to folders are not followed.
        describe: reads one file (path, kind).
        cache: where indexes are kept; the user's cache folder where None.
    """
    store = _Kept((cache or cache_folder()) / "folders", folder)
    for path in _files(folder):
        try:
            now = path.stat()
        except OSError:
            continue
        kind = SUFFIXES[path.suffix.lower()]
        stamp = [now.st_size, now.st_mtime_ns]
        found = store.known(path, kind, stamp)
        if found is None:
            try:
                found = describe(path, kind)
            except WsktraceError as error:
                found = Described(path, kind, problem=str(error))
            except OSError as error:  # not kept: it may be readable the next time
                yield Described(path, kind, problem=f"{path}: {error.strerror or error}")
                continue
        store.keep(path, found, stamp)
        yield found
    store.write()


def _files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, inner, names in os.walk(folder):
        inner.sort()
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122 -- a Path per file of a large tree is slow
                seen += 1
                if seen > MAX_FILES:
                    return
                yield Path(place) / name


class _Kept:
    """The index of a folder as the last run left it, and as this one leaves it."""

    def __init__(self, store: Path, folder: Path) -> None:
        self._folder = folder.resolve()
        digest = sha256(os.fsencode(str(self._folder))).hexdigest()[:32]
        self._file = store / f"{digest}.json"
        self._old = self._read()
        self._new: dict[str, list[Any]] = {}

    def _read(self) -> dict[str, Any]:
        try:
            held = json.loads(self._file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(held, dict) or held.get("wsktrace") != __version__ or not isinstance(held.get("files"), dict):
            return {}
        files: dict[str, Any] = held["files"]
        return files

    def _name(self, path: Path) -> str:
        return os.path.relpath(path.absolute(), self._folder)

    def known(self, path: Path, kind: str, stamp: list[int]) -> Described | None:
        """Return what is known of a file that has not changed, None else; a kept index may hold anything."""
        match self._old.get(self._name(path)):
            case [stamped, was, [*guids], int(age), str(problem)] if (
                stamped == stamp and was == kind and all(isinstance(g, str) for g in guids)
            ):
                return Described(path, kind, tuple(guids), age, problem)
        return None

    def keep(self, path: Path, found: Described, stamp: list[int]) -> None:
        """Remember a file."""
        self._new[self._name(path)] = [stamp, found.kind, list(found.guids), found.age, found.problem]

    def write(self) -> None:
        """Keep the index where it changed; where that is not possible the next run takes longer, no more."""
        if self._new == self._old:
            return
        scratch = self._file.with_name(f".{self._file.name}.{os.getpid()}.tmp")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"wsktrace": __version__, "folder": str(self._folder), "files": self._new})
            scratch.write_text(text, "utf-8")
            scratch.replace(self._file)
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
