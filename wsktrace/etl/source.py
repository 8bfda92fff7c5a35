"""Where the bytes come from: a path, a binary file object, a member of a .zip, a .gz; read by position, never mapped.

A mapped file would grow the process's resident memory with the file; reads into a block of one's own do not.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from wsktrace.errors import InputError, NotAnEtlFile
from wsktrace.etl import containers
from wsktrace.etl.sniff import GZIP, ZIP
from wsktrace.units import name_text

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Source", "open_source"]


_PIECE = 1 << 20


class Source:
    """The bytes of one .etl, read by position.

    Attributes:
        name: what to call it in messages and results.
        size: its length in bytes.
    """

    def __init__(self, file: BinaryIO, name: str, *, owned: bool) -> None:
        self._file = file
        # also when nobody closes it: a notebook's trace simply goes out of use
        self._finish = weakref.finalize(self, file.close) if owned else None
        self.name = name_text(name)
        self._run = 0, 0  # the run of equal bytes that was looked at last
        try:
            self._base = file.tell()
            self.size = max(file.seek(0, os.SEEK_END) - self._base, 0)
        except (OSError, ValueError) as error:
            raise InputError(f"{name}: cannot be read ({error}); check the file and try again") from error

    def read_into(self, offset: int, target: memoryview) -> int:
        """Fill ``target`` from ``offset``; return how many bytes there were.

        Raises:
            InputError: the operating system refuses to read.
        """
        done = 0
        try:
            self._file.seek(self._base + offset)
            while done < len(target):
                got = cast("Any", self._file).readinto(target[done:])
                if not got:
                    break
                done += got
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.name}: cannot be read at byte {offset + done} ({error}); copy it to a local disk and try again"
            ) from error
        return done

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""
        block = bytearray(max(min(length, self.size - offset), 0))
        return bytes(block[: self.read_into(offset, memoryview(block))])

    def uniform(self, at: int) -> bool:
        """Tell whether from a position to the end there are only zeros, or only bytes of 0xFF."""
        begin, end = self._run
        if begin <= at < end:
            return end == self.size
        first = self.read(at, 1)
        end = at
        while first in (b"\0", b"\xff") and end < self.size:
            piece = self.read(end, _PIECE if end > at else 256)
            same = len(piece) - len(piece.lstrip(first))
            end += same
            if same < len(piece) or not piece:
                break
        self._run = at, end
        return end == self.size

    def sha256(self) -> str:
        """Return the SHA-256 of all bytes, in hexadecimal."""
        digest = hashlib.sha256()
        block = memoryview(bytearray(_PIECE))
        at = 0
        while got := self.read_into(at, block[: min(len(block), self.size - at)]):
            digest.update(block[:got])
            at += got
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file where it was opened here (a caller's file object stays open)."""
        if self._finish is not None:
            self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _split(path: Path) -> tuple[Path, str] | None:
    """Take ``net.zip!inner.etl`` or ``net.zip/inner.etl`` apart; None where no part of it is a file."""
    text = str(path)
    for at in (i for i, c in enumerate(text) if c == "!"):
        if (file := Path(text[:at])).is_file():
            return file, text[at + 1 :]
    for parent in path.parents:
        if parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return None


def _open_path(path: Path) -> tuple[BinaryIO, str, str | None]:
    """Open a path; return the file, its name, and the member that the path names."""
    member = None
    try:
        if path.is_dir():
            tables = any(path.glob("*.parquet"))
            raise NotAnEtlFile(
                f"{path}: a folder of tables, no .etl; wsktrace.load reads what 'wsktrace export' wrote"
                if tables
                else f"{path}: a directory; name the .etl file inside it"
            )
        if not path.exists() and (parts := _split(path)) is not None:
            path, member = parts
        return path.open("rb", buffering=0), path.name, member
    except FileNotFoundError as error:
        hint = "name a file (/dev/stdin where that is a pipe)" if str(path) == "-" else "check the path"
        raise InputError(f"{path}: no such file; {hint}") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; copy the file or run as a user who may read it") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened ({error})") from error


def _inner(file: BinaryIO, name: str, member: str | None) -> tuple[BinaryIO, str]:
    """Return the .etl inside an archive, unpacked, and its name; or the file itself where it is no archive."""
    head = containers.peek(file, name)
    if head.startswith(ZIP):
        return containers.open_zip_member(file, name, member)
    if head.startswith(GZIP):
        return containers.open_gzip(file, name), name
    if member:
        raise InputError(f"{name}: not a .zip, so it has no member {member!r}; name the file alone")
    return file, name


def open_source(source: str | os.PathLike[str] | BinaryIO, *, member: str | None = None) -> Source:
    """Open the .etl that ``source`` is or holds.

    Args:
        source: a path (also ``net.zip!inner.etl`` and ``net.zip/inner.etl``), or a file object opened in binary mode,
            which is read from where it stands; one that cannot seek is copied to a temporary file first.
        member: name of the .etl inside a .zip.

    Raises:
        InputError: there is no such file or member, it cannot be read, it is packed beyond reason.
        NotAnEtlFile: it is a directory, empty, or a .zip without an .etl.
    """
    if isinstance(source, (str, os.PathLike)):
        file, name, named = _open_path(Path(os.fspath(source)))
        owned = True
        member = member or named
    else:
        file, owned = source, False
        name = Path(str(getattr(source, "name", "") or "stream")).name or "stream"
        if not hasattr(file, "read") or isinstance(getattr(file, "encoding", None), str):
            raise InputError(f"{name}: not a binary file object; open it in binary mode (open(path, 'rb'))")
    try:
        if not containers.seekable(file):
            file, owned = containers.spool_stream(file, name, owned=owned), True
        inner, name = _inner(file, name, member)
    except BaseException:  # whatever ends it, nothing stays open
        if owned:
            file.close()
        raise
    if inner is file:
        return Source(file, name, owned=owned)
    if owned:
        file.close()
    return Source(inner, name, owned=True)
