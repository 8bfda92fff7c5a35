"""SQL over the tables, by duckdb: nothing is copied, only tables that a statement names are built.

A statement sees the tables of schema.py and nothing else: files, network, extensions and Python variables are out of
reach and stay so (``lock_configuration``). Times are ``TIMESTAMP_NS`` in UTC; duckdb
subtracts them to the microsecond, ``epoch_ns(a) - epoch_ns(b)`` is exact. Tables of a Parquet folder are read
by Arrow data sets, columns and row groups that a statement does not need stay on the disk.

Functions beside those of duckdb: ``addr(n)`` an address as WinDbg prints it, ``address(text)`` the number back,
``dur(ns)`` a duration with its unit, ``status(n)`` the name of an NTSTATUS.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol, Self

from wsktrace.errors import UsageError, missing
from wsktrace.schema import TABLES
from wsktrace.units import address_text, duration_text, read_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    import pyarrow as pa
    import pyarrow.dataset as ds

__all__ = ["Session", "Source", "SqlError", "last_result", "require", "table_columns"]

#: What closes duckdb, in this order; settings that a version does not have are left out.
_CLOSED: tuple[tuple[str, str], ...] = (
    ("TimeZone", "'UTC'"),
    ("autoinstall_known_extensions", "false"),
    ("autoload_known_extensions", "false"),
    ("allow_community_extensions", "false"),
    ("python_enable_replacements", "false"),
    ("enable_external_access", "false"),
    ("enable_progress_bar", "false"),  # it would stand in stdout
    ("lock_configuration", "true"),
)
#: Statements that look at whatever there is.
_LISTS_ALL = re.compile(r"\b(show|information_schema|pragma|query|query_table|duckdb_\w+|pg_\w+|sqlite_master)\b", re.I)
#: Kinds of statements of which duckdb gives a count of rows that nobody asked for.
_WITHOUT_ROWS = frozenset({"COPY", "CREATE", "DELETE", "INSERT", "UPDATE"})
_ROWS = 1 << 16
#: Seconds that duckdb has to stop after Ctrl-C.
_STOPS = 10.0


class Source(Protocol):
    """Gives a table of schema.py by its name, as an Arrow table or as a data set of Parquet files."""

    def __call__(self, name: str) -> pa.Table | ds.Dataset:
        """Return the table."""
        ...


class SqlError(UsageError):
    """A statement that duckdb cannot run. ``where`` shows the place in it, on lines of their own; may be empty."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class Session:
    """A closed duckdb over one trace, or over several, whose tables then have ``trace`` as their first column.

    Statements run in a thread of their own, so that Ctrl-C reaches the one who waits for them and ends them.

    Args:
        sources: name of the trace → what gives its tables.

    Raises:
        MissingDependency: duckdb is not installed.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        import tempfile
        from concurrent.futures import ThreadPoolExecutor

        self._sources = dict(sources)
        self._built: set[str] = set()
        self._result: Any = None
        self._duckdb = require()
        self._worker = ThreadPoolExecutor(1, "wsktrace-sql")
        self._spill = tempfile.TemporaryDirectory(prefix="wsktrace-sql-", ignore_cleanup_errors=True)
        self._database = self._duckdb.connect(":memory:")
        known = {row[0] for row in self._database.execute("SELECT name FROM duckdb_settings()").fetchall()}
        self._database.execute(f"SET temp_directory = {_text(self._spill.name)}")
        self._add_functions()
        for name, value in _CLOSED:
            if name in known:
                self._database.execute(f"SET {name} = {value}")

    def run(self, sql: str) -> Iterator[pa.RecordBatchReader | None]:
        """Run statements in order; each gives its rows, or None where it has none.

        Rows that were not taken when the next statement runs are gone. Timestamps are ns UTC.

        Raises:
            SqlError: a statement that duckdb refuses; the message is one line.
        """
        for statement in self._parsed(sql):
            self._build(statement.query)
            self._release()
            try:
                if _kind(statement) in _WITHOUT_ROWS:
                    self._call(self._database.execute, statement.query)
                    yield None
                    continue
                relation = self._call(self._relation, statement.query)
                yield None if relation is None else self._reader(relation)
            except self._duckdb.Error as error:
                raise self._told(error) from None

    def _parsed(self, sql: str) -> list[Any]:
        try:
            sql.encode()
            found: list[Any] = self._database.extract_statements(sql)
        except UnicodeEncodeError:
            raise SqlError("SQL: the statement is no text in UTF-8") from None
        except self._duckdb.Error as error:
            raise self._told(error) from None
        return found

    def _call(self, work: Callable[..., Any], *given: Any) -> Any:
        """Return what ``work`` returns; on Ctrl-C the statement that runs is ended."""
        from concurrent.futures import wait

        running = self._worker.submit(work, *given)
        try:
            while not wait([running], 0.5).done:  # without a limit Windows would wait for Ctrl-C, too
                pass
        except BaseException:  # Ctrl-C, or whatever a handler of a signal raises; it goes on from here
            self._database.interrupt()
            wait([running], _STOPS)
            raise
        return running.result()

    def _release(self) -> None:
        """End the result that is open, if any: duckdb runs one statement at a time."""
        if self._result is not None:
            self._result.close()
        self._result = None

    def count(self, sql: str) -> int:
        """Return how many statements these are; ``SqlError`` where they cannot be parsed."""
        return len(self._parsed(sql))

    def _relation(self, statement: str) -> Any:
        """Return what a statement gives; run once more where it is refused, for only ``execute`` tells the place."""
        try:
            return self._database.sql(statement)
        except self._duckdb.Error:
            self._database.execute(statement)
            raise

    def _reader(self, relation: Any) -> pa.RecordBatchReader:
        """Return the rows of a relation; errors while they are made become ``SqlError``."""
        import pyarrow as pa

        read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
        held = self._result = self._call(read, _ROWS)
        schema = pa.schema([field.with_type(_shown(field.type)) for field in held.schema])

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                while (batch := self._call(next, held, None)) is not None:
                    columns = [_cast(batch.column(at), field.type) for at, field in enumerate(schema)]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)
            except (self._duckdb.Error, OSError) as error:  # pyarrow wraps what duckdb raises in OSError
                raise self._told(error) from None

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _told(self, error: BaseException) -> SqlError:
        told = _one_line(str(error))
        if isinstance(error, self._duckdb.PermissionException):
            return SqlError("SQL reaches the tables of the trace here, no files, networks or extensions", told.where)
        return told

    def _build(self, statement: str) -> None:
        """Make the tables that a statement may mean: those whose names are words of it."""
        words = set(re.findall(r"\w+", statement.lower()))
        for name in TABLES:
            if name not in self._built and (name in words or _LISTS_ALL.search(statement)):
                self._add(name)
                self._built.add(name)

    def _add(self, name: str) -> None:
        if len(self._sources) == 1:
            (source,) = self._sources.values()
            self._database.register(name, _without_zone(source(name)))
            return
        parts = []
        for at, (trace, source) in enumerate(self._sources.items()):
            held = f"{name} of {at}"
            self._database.register(held, _without_zone(source(name)))
            parts.append(f'SELECT {_text(trace)} AS trace, * FROM "{held}"')  # noqa: S608 -- names are ours
        self._database.execute(f"CREATE VIEW {name} AS {' UNION ALL '.join(parts)}")

    def _add_functions(self) -> None:
        from wsktrace.wsk.constants import status_name

        def name_of(status: int) -> str:
            return status_name(status & 0xFFFFFFFF)

        for name, function, takes, gives in (
            ("addr", address_text, "UBIGINT", "VARCHAR"),
            ("address", _address, "VARCHAR", "UBIGINT"),
            ("dur", _duration, "DOUBLE", "VARCHAR"),
            ("status", name_of, "BIGINT", "VARCHAR"),
        ):
            self._database.create_function(name, function, [takes], gives)

    def close(self) -> None:
        """Let go of the tables and of what was spilled to the disk."""
        self._release()
        self._worker.shutdown(cancel_futures=True)
        self._database.close()
        self._spill.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def last_result(source: Source, sql: str) -> pa.Table:
    """Return the rows of the last of some statements; a table without columns where it has none."""
    import pyarrow as pa

    result = pa.table({})
    with Session({"trace": source}) as session:
        for reader in session.run(sql):
            result = pa.table({}) if reader is None else reader.read_all()
    return result


def table_columns(kind: str) -> set[str]:
    """Return the names of all columns whose type word is ``kind``."""
    return {c.name for table in TABLES.values() for c in table.columns if c.type == kind}


def require() -> Any:
    """Return the module duckdb; ``MissingDependency`` where it is not installed."""
    try:
        import duckdb
    except ImportError:
        raise missing("SQL", "duckdb", "sql") from None
    return duckdb


def _kind(statement: Any) -> str:
    """Return the kind of a statement by duckdb's name for it; empty where its Python has none."""
    try:
        return str(statement.type.name)
    except ValueError:
        return ""


def _duration(ns: float) -> str:
    if abs(ns) < 1 << 63:
        return duration_text(ns)
    return f"{ns:g} ns"


def _address(text: str) -> int:
    address = read_address(text)
    if address is None:
        raise ValueError(f"{text!r} is no address such as ffff8001`23456780")
    return address


def _text(value: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _without_zone(held: pa.Table | ds.Dataset) -> pa.Table | ds.Dataset:
    """Return the table with times of no zone: the only ones that keep nanoseconds in every version of duckdb."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    kinds = [f.with_type(pa.timestamp("ns")) if pa.types.is_timestamp(f.type) else f for f in held.schema]
    schema = pa.schema(kinds)
    if isinstance(held, pa.Table):
        return held.cast(schema)
    assert isinstance(held, ds.FileSystemDataset)
    return ds.dataset(held.files, schema=schema, format="parquet", partitioning=None)


def _shown(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column of a result has outside: times in UTC, intervals as durations."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns", "UTC")
    return pa.duration("ns") if pa.types.is_interval(kind) else kind


def _cast(values: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    import pyarrow as pa

    if not pa.types.is_interval(values.type):
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            raise SqlError("SQL: a time before 1677 or after 2262 has no nanoseconds; cast it: ::VARCHAR") from None
    parts = values.to_pylist()
    if any(part is not None and part.months for part in parts):
        raise SqlError("SQL: an interval of months has no certain length; cast it: ::VARCHAR")
    return pa.array([p if p is None else p.days * 86_400_000_000_000 + p.nanoseconds for p in parts], kind)


_KIND = re.compile(
    r"^(?:.*Python exception occurred while executing the UDF: ValueError: )?(?:[A-Z][A-Za-z ]*? Error: )?"
)
_PLACE = re.compile(r"\n+LINE \d+: ")
_NO_TABLE = re.compile(r"^Table with name (.+) does not exist!")
_CANDIDATES = re.compile(r"\n?Candidate bindings: (.*)")


def _one_line(text: str) -> SqlError:
    """Return duckdb's message as one line, and the lines that show the place."""
    at = _PLACE.search(text)
    told, where = (text[: at.start()], text[at.start() :].strip("\n")) if at else (text, "")
    told = _KIND.sub("", told)
    if no_table := _NO_TABLE.match(told):
        near = get_close_matches(no_table[1].lower(), TABLES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return SqlError(f"no table {no_table[1]}; {hint}the tables are {', '.join(TABLES)}", where)
    if candidates := _CANDIDATES.search(told):
        near_columns = candidates[1].replace('"', "")
        told = f"{_CANDIDATES.sub('', told).rstrip('!')}; did you mean one of {near_columns}?"
    return SqlError(f"SQL: {' '.join(told.split())}", where.rstrip())
