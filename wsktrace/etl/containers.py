"""What an .etl comes packed in: .zip and .gz, unpacked to a temporary file; streams that cannot seek, copied to one.

Unpacking is bounded: more than `FREE_BYTES` come out only of an archive that is no more than `MAX_RATIO` times smaller.
"""

from __future__ import annotations

import gzip
import tempfile
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from wsktrace.errors import InputError, NotAnEtlFile

if TYPE_CHECKING:
    from typing import IO

__all__ = ["FREE_BYTES", "MAX_RATIO", "open_gzip", "open_zip_member", "peek", "seekable", "spool_stream"]

#: an archive may always unpack to this much
FREE_BYTES = 1 << 30
#: and beyond that to this many times its packed size
MAX_RATIO = 200

_BLOCK = 1 << 20
_LISTED = 8  # members named in a message


def seekable(file: BinaryIO) -> bool:
    """Tell whether a file object can be read by position."""
    try:
        return hasattr(file, "readinto") and bool(file.seekable())
    except (AttributeError, OSError, ValueError):
        return False


def peek(file: BinaryIO, name: str, length: int = 8) -> bytes:
    """Return the next bytes of a seekable file and stay where it stands."""
    try:
        at = file.tell()
        head = file.read(length)
        file.seek(at)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be read ({error}); check the file and try again") from error
    if not isinstance(head, bytes):
        raise InputError(f"{name}: not a binary file object; open it in binary mode (open(path, 'rb'))")
    return head


def _spool(reader: IO[bytes], name: str, packed: int | None) -> BinaryIO:
    """Copy a stream to a temporary file; ``packed`` bounds what may come out of an archive."""
    limit = None if packed is None else max(FREE_BYTES, MAX_RATIO * packed)
    target = cast("BinaryIO", tempfile.TemporaryFile(prefix="wsktrace-"))  # noqa: SIM115 -- its Source closes it
    done = 0
    try:
        while block := reader.read(_BLOCK):
            done += len(block)
            _check_block(block, name, None if limit is None else limit - done)
            target.write(block)
        target.seek(0)
    except BaseException:  # whatever ends it, nothing stays open
        target.close()
        raise
    return target


def _check_block(block: object, name: str, left: int | None) -> None:
    if not isinstance(block, bytes):
        raise InputError(f"{name}: not a binary file object; open it in binary mode (open(path, 'rb'))")
    if left is not None and left < 0:
        raise InputError(
            f"{name}: unpacks to more than {FREE_BYTES >> 20} MiB and more than {MAX_RATIO} times its size, which"
            " looks like a decompression bomb; if it is not, unpack it yourself and name the .etl"
        )


def _archive_error(name: str, error: Exception) -> InputError:
    if isinstance(error, NotImplementedError) or "encrypted" in str(error) or "password" in str(error):
        return InputError(f"{name}: cannot be unpacked here ({error}); unpack it yourself and name the .etl")
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"{name}: cannot be unpacked to a temporary file ({error}); make room or set TMPDIR")
    return InputError(f"{name}: the archive is damaged ({error}); copy it again")


_ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


def spool_stream(file: BinaryIO, name: str, *, owned: bool) -> BinaryIO:
    """Copy a stream that cannot seek to a temporary file, from where it stands to its end."""
    try:
        return _spool(file, name, None)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be read to its end ({error}); save it to a file and name that") from error
    finally:
        if owned:
            file.close()


def open_gzip(file: BinaryIO, name: str) -> BinaryIO:
    """Unpack a .gz to a temporary file.

    Raises:
        InputError: it is damaged, or unpacks to too much.
    """
    start = file.tell()
    packed = file.seek(0, 2) - start
    file.seek(start)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as reader:
            return _spool(cast("IO[bytes]", reader), name, packed)
    except InputError:
        raise
    except _ARCHIVE_ERRORS as error:
        raise _archive_error(name, error) from error


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _choose(infos: list[zipfile.ZipInfo], name: str, member: str | None) -> zipfile.ZipInfo:
    files = [info for info in infos if not info.is_dir()]
    if member is not None:
        wanted = member.replace("\\", "/").strip("/")
        folded = wanted.casefold()
        exact = [info for info in files if info.filename == wanted]
        alike = [info for info in files if info.filename.casefold() == folded]
        inner = [info for info in files if info.filename.casefold().endswith("/" + folded)]
        for found in (exact, alike, inner):
            if len(found) == 1:
                return found[0]
            if found:
                break
        raise InputError(
            f"{name}: no member {member!r} alone in it; it holds {_list([i.filename for i in files]) or 'nothing'}"
        )
    traces = [info for info in files if info.filename.casefold().endswith(".etl")]
    if len(traces) == 1:
        return traces[0]
    if not traces:
        held = _list([info.filename for info in files]) or "nothing"
        raise NotAnEtlFile(f"{name}: a .zip without an .etl in it (it holds {held}); name the trace or its archive")
    names = [info.filename for info in traces]
    raise InputError(
        f"{name}: holds {len(traces)} traces ({_list(names)}); name one of them, as in {name}!{names[0]} or by member="
    )


def open_zip_member(file: BinaryIO, name: str, member: str | None) -> tuple[BinaryIO, str]:
    """Unpack one member of a .zip to a temporary file; return it and its name (``net.zip!inner.etl``).

    Raises:
        InputError: no such member, more than one .etl and none named, damaged, encrypted, unpacks to too much.
        NotAnEtlFile: there is no .etl in it.
    """
    try:
        with zipfile.ZipFile(cast("Any", file)) as archive:
            info = _choose(archive.infolist(), name, member)
            name = f"{name}!{info.filename}"
            with archive.open(info) as reader:
                return _spool(reader, name, info.compress_size), name
    except InputError:
        raise
    except _ARCHIVE_ERRORS as error:
        raise _archive_error(name, error) from error
