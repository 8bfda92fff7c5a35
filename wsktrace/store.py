"""Tables to a folder of Parquet files and back.

A folder holds one file a table, named after it, compressed with zstd. Each file's metadata carries, under the key
``wsktrace``, a JSON object: the version of the tables, the version of wsktrace, what a row is, what each column means,
and the facts of the trace (name, hash, span, losses). Any reader of Parquet reads the tables; ``read`` checks them.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsktrace import store_checks
from wsktrace.errors import FormatError, UsageError
from wsktrace.files import whole
from wsktrace.schema import SCHEMA_VERSION, TABLES
from wsktrace.units import name_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    import pyarrow.dataset as ds

__all__ = ["Stored", "check_target", "read", "write"]

_KEY = b"wsktrace"
#: Rows that one row group holds: readers skip whole groups by their statistics.
_ROW_GROUP = 1 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A folder that ``write`` made: where it is and the facts of its trace. Tables are read when asked for."""

    directory: Path
    facts: dict[str, Any]

    def table(self, name: str) -> pa.Table:
        """Return one table; ``FormatError`` where its file is damaged or holds anything else than schema.py says."""
        import pyarrow.parquet as pq

        path = _path(self.directory, name)
        with _told_as_damage(path):
            with pq.ParquetFile(path, memory_map=False) as file:
                _check_columns(path, name, file.schema_arrow)
                _refuse(path, name, store_checks.too_many(file.metadata, path.stat().st_size))
                found = file.read()
            found.validate(full=True)
        _refuse(path, name, store_checks.wrong_values(name, found))
        return found.replace_schema_metadata(None)

    def dataset(self, name: str) -> ds.Dataset:
        """Return one table as a data set, whose rows are read when asked for; ``FormatError`` as ``table``."""
        import pyarrow.dataset as ds

        path = _path(self.directory, name)
        with _told_as_damage(path):
            found = ds.dataset(str(path), format="parquet", partitioning=None)
        _check_columns(path, name, found.schema)
        return found


def check_target(directory: Path, *, force: bool = False) -> None:
    """Raise ``UsageError`` unless ``write`` may write to ``directory``.

    It may where there is nothing, an empty folder, or a folder that ``write`` made; elsewhere only by ``force``, and
    never where the name is that of a file.
    """
    if str(directory) != name_text(directory):
        raise UsageError(f"{name_text(directory)}: Parquet needs a name that is text (UTF-8); give another")
    if not directory.exists():
        return
    if not directory.is_dir():
        raise UsageError(f"{directory} is a file; name a folder")
    if force or not any(directory.iterdir()):
        return
    ours = [path for name in TABLES if (path := _path(directory, name)).exists()]
    if not ours or any(_metadata(path) is None for path in ours):
        raise UsageError(f"{directory} holds files that wsktrace did not write; name another folder, or give --force")


def write(
    tables: Mapping[str, pa.Table], directory: str | os.PathLike[str], *, facts: Mapping[str, Any], force: bool = False
) -> list[Path]:
    """Write tables to a folder, which is made where it does not exist.

    Args:
        tables: by name, as schema.py declares them.
        directory: the folder; see ``check_target`` for what it may hold.
        facts: what is known of the trace, such as JSON can hold.
        force: write into a folder that holds other files; those are left alone.

    Returns:
        The files written.
    """
    import pyarrow.parquet as pq

    folder = Path(directory)
    check_target(folder, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.items():
        path = _path(folder, name)
        described = table.replace_schema_metadata({_KEY: _describe(name, facts)})
        with whole(path) as scratch:
            pq.write_table(described, scratch, compression="zstd", row_group_size=_ROW_GROUP)
        written.append(path)
    return written


def read(directory: str | os.PathLike[str]) -> Stored:
    """Open a folder that ``write`` made.

    Raises:
        FormatError: there is no such folder, it holds no tables of wsktrace, one is missing or damaged, they are of
            different traces, or a newer version wrote them.
    """
    folder = Path(directory)
    if str(folder) != name_text(folder):
        raise FormatError(f"{name_text(folder)}: Parquet needs a name that is text (UTF-8); rename the folder")
    if not folder.exists():
        raise FormatError(f"{folder} does not exist; name a folder that 'wsktrace export' wrote")
    if not folder.is_dir():
        hint = "to read a trace: wsktrace.open" if folder.suffix.lower() == ".etl" else "name the folder it lies in"
        raise FormatError(f"{folder} is a file, not a folder that 'wsktrace export' wrote; {hint}")
    paths = {name: _path(folder, name) for name in TABLES}
    if not any(path.is_file() for path in paths.values()):
        raise FormatError(f"{folder} holds no tables of wsktrace; name a folder that 'wsktrace export' wrote")
    facts: dict[str, Any] | None = None
    for name, path in paths.items():
        if not path.is_file():
            raise FormatError(f"{folder} lacks {path.name}; export the trace again")
        told = _metadata(path)
        if told is None:
            raise FormatError(f"{path} was not written by wsktrace or is damaged; export the trace again")
        version = told.get("schema_version")
        if version != SCHEMA_VERSION:
            newer = isinstance(version, int) and version > SCHEMA_VERSION
            todo = "a newer wsktrace reads it" if newer else "export the trace again"
            raise FormatError(
                f"{path} holds version {version} of the tables, this wsktrace reads {SCHEMA_VERSION}; {todo}"
            )
        if told.get("table") != name:
            raise FormatError(f"{path} holds the table {told.get('table')!r}; was it renamed? export the trace again")
        if facts is not None and told.get("trace") != facts:
            raise FormatError(f"the files of {folder} come from different traces; export each to a folder of its own")
        facts = told["trace"]
    assert facts is not None
    return Stored(folder, facts)


def _check_columns(path: Path, name: str, schema: pa.Schema) -> None:
    wanted = [column.name for column in TABLES[name].columns]
    if schema.names != wanted:
        odd = sorted(set(schema.names) ^ set(wanted)) or ["their order"]
        raise FormatError(
            f"{path} has other columns than the table {name}: {', '.join(odd[:5])}; export the trace again"
        )
    _refuse(path, name, store_checks.wrong_types(name, schema))


def _refuse(path: Path, name: str, wrong: str) -> None:
    if wrong:
        raise FormatError(f"{path} is not the table {name}: {wrong}; export the trace again")


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _describe(name: str, facts: Mapping[str, Any]) -> bytes:
    """Return the metadata of one file."""
    table = TABLES[name]
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "wsktrace": __version__,
            "table": name,
            "row": table.row,
            "columns": {c.name: {"type": c.type, "unit": c.unit, "meaning": c.meaning} for c in table.columns},
            "trace": facts,
        }
    ).encode()


def _metadata(path: Path) -> dict[str, Any] | None:
    """Return what ``_describe`` wrote; None where the file is not of that kind."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        held = pq.read_metadata(path).metadata or {}
        told = json.loads(held[_KEY])
    except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError):
        return None
    return told if isinstance(told, dict) and isinstance(told.get("trace"), dict) else None


@contextmanager
def _told_as_damage(path: Path) -> Iterator[None]:
    """Make of what a damaged file raises a ``FormatError`` of one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(f"{path} cannot be read: {first}; export the trace again") from None
