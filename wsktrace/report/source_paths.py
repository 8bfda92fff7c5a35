"""Names of source files, as a TMF has them from the machine that built the driver, found again below a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from posixpath import normpath
from urllib.parse import quote

from wsktrace.errors import UsageError

__all__ = ["SourceRoot", "uri_of"]

_DRIVE = re.compile(r"^[A-Za-z]:$")


class SourceRoot:
    """A folder of source files; looked through once, when the first name is asked for.

    Raises:
        UsageError: there is no such folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.path = Path(root).resolve()
        if not self.path.is_dir():
            raise UsageError(f"--source-root {root}: there is no such folder")
        self._files: dict[str, list[tuple[str, ...]]] | None = None
        self._found: dict[str, str | None] = {}

    def find(self, name: str) -> str | None:
        r"""Return the file that a name (``c:\src\drv\socket.c``, often only ``socket.c``) means, relative to the root.

        That is the one below the root that shares the longest end of the path, in upper or lower case; None where
        there is none, or several that share as much. Parts are joined by "/"; hidden folders are not looked into.
        """
        if name not in self._found:
            self._found[name] = self._search(_parts(name))
        return self._found[name]

    def _search(self, parts: list[str]) -> str | None:
        if not parts:
            return None
        wanted = [part.casefold() for part in parts]
        best, most, several = None, 0, False
        for file in self._index().get(wanted[-1], ()):
            common = _common_end([part.casefold() for part in file], wanted)
            if common >= most:
                several = common == most
                best, most = file, common
        return None if best is None or several else "/".join(best)

    def _index(self) -> dict[str, list[tuple[str, ...]]]:
        if self._files is None:
            self._files = {}
            for folder, folders, files in os.walk(self.path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                above = Path(folder).relative_to(self.path).parts
                for name in sorted(files):
                    self._files.setdefault(name.casefold(), []).append((*above, name))
        return self._files


def uri_of(name: str) -> str:
    r"""Return a path of either system as a URI: ``file:///c:/src/a%20b.c`` of an absolute one, else a relative one."""
    path = name.replace("\\", "/")
    if ".." in path.split("/"):
        path = normpath(path).removeprefix("../").replace("../", "")  # no reference may leave where it stands
    first, *rest = path.split("/")
    if _DRIVE.match(first):
        return f"file:///{first}/" + _quoted("/".join(rest))
    if path.startswith("//"):
        return "file://" + _quoted(path[2:])
    if path.startswith("/"):
        return "file://" + _quoted(path)
    return _quoted(path)


def _quoted(path: str) -> str:
    return quote(path, safe="/", errors="surrogateescape")


def _parts(name: str) -> list[str]:
    parts = [part for part in re.split(r"[\\/]+", name) if part not in ("", ".")]
    return [part for part in parts if not _DRIVE.match(part)]


def _common_end(first: list[str], second: list[str]) -> int:
    count = 0
    for a, b in zip(reversed(first), reversed(second), strict=False):
        if a != b:
            break
        count += 1
    return count
