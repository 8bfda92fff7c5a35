"""``wsktrace query``: SQL over the tables of traces."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsktrace.cli import options
from wsktrace.errors import UsageError
from wsktrace.files import whole

if TYPE_CHECKING:
    import pyarrow as pa

    from wsktrace.query import Session, SqlError

__all__ = ["command"]

#: Ending of -o → format.
ENDINGS = {".txt": "table"} | options.endings("csv", "json", "jsonl", "md", "parquet")
_FORMATS = ("table", "csv", "json", "jsonl", "md", "parquet")


_HELP = """Run SQL over the tables of a trace, by duckdb (pip install "wsktrace[sql]").

\b
wsktrace query net.etl "SELECT op, count(*), dur(max(total_ns)) FROM irps GROUP BY op"
wsktrace query net.etl                       the tables and their columns
wsktrace query a.etl b.etl "SELECT trace, count(*) FROM findings GROUP BY trace"

TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote. Of a
folder, what a statement does not need stays on the disk. Of several traces each table has all rows, with the trace
as its first column.

\b
Beside duckdb's functions:
  addr(n)        an address as WinDbg prints it
  address(text)  its number: WHERE irp = address('ffff8001`23456780')
  dur(ns)        a duration with its unit: 41 µs
  status(n)      the name of an NTSTATUS

Times are UTC, to the nanosecond. A column that keeps its name and type is written as the table's: addresses as
WinDbg prints them. Statements reach these tables only, no files, networks or extensions, and change no trace.
Of several statements a table shows each result; the other formats take the last.
"""


@click.command("query", cls=options.Verb, help=_HELP)
@click.argument("arguments", metavar="TRACE... [SQL]", nargs=-1, required=True)
@options.member
@options.profile
@click.option(
    "--sql-file",
    metavar="FILE",
    type=click.Path(allow_dash=True, path_type=Path),
    help="Read the SQL there; - is stdin.",
)
@click.option("--tables", is_flag=True, help="List the tables and their columns.")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Default: by the ending of -o, else table.")
@options.output_file(endings=ENDINGS)
@click.option(
    "--rows",
    default=100,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=0),
    help="Rows that a table shows; 0 for all.",
)
@options.quiet
def command(
    arguments: tuple[str, ...],
    profile: str,
    member: str | None,
    sql_file: Path | None,
    tables: bool,
    form: str | None,
    target: Path | None,
    rows: int,
    quiet: bool,
) -> int:
    """Run SQL over the tables of traces."""
    from wsktrace.cli.output import format_for

    form = format_for(target, form, ENDINGS, "table")
    traces, sql = _split(arguments, sql_file)
    if tables or not sql.strip():
        return _list_tables(traces, sql, form, target, member=member, profile=profile)
    from wsktrace.cli.output import Meter
    from wsktrace.query import Session, SqlError, require
    from wsktrace.units import name_text

    require()
    with ExitStack() as stack:
        meter = stack.enter_context(Meter(quiet=quiet))
        opened = {
            name_text(path): stack.enter_context(options.open_trace(path, member=member, profile=profile, meter=meter))
            for path in traces
        }
        session = stack.enter_context(Session({name: trace.relation for name, trace in opened.items()}))
        try:
            if form == "table":
                _print_tables(session, sql, target, most=rows if rows > 0 else None)
            else:
                _write_last(session, sql, form, target)
        except SqlError as error:
            return _refused(error)
    return 0


def _split(arguments: tuple[str, ...], sql_file: Path | None) -> tuple[list[Path], str]:
    """Return the traces and the SQL: the last argument, unless a file holds it or that is a trace itself."""
    *first, last = arguments
    if sql_file is not None:
        if first and " " in last and not _exists(last):
            raise UsageError("the SQL is given twice, as an argument and by --sql-file; leave one out")
        return [Path(a) for a in arguments], _read(sql_file)
    if last == "-":
        if not first:
            raise UsageError("name the trace first: wsktrace query TRACE -")
        return [Path(a) for a in first], _read(Path("-"))
    if not first and " " in last and not Path(last).exists():
        raise UsageError(f"name the trace before the SQL: wsktrace query TRACE {last!r}")
    if not first or _exists(last):
        if any(not _exists(a) and " " in a for a in first):
            raise UsageError("the SQL comes after the traces")
        return [Path(a) for a in arguments], ""
    return [Path(a) for a in first], last


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long or otherwise no name of a file
        return False


def _read(path: Path) -> str:
    name = "stdin" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if name == "stdin" else path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is no text in UTF-8") from None
    if not text.strip():
        raise UsageError(f"there is no SQL in {name}")
    return text


def _list_tables(traces: list[Path], sql: str, form: str, target: Path | None, **how: Any) -> int:
    """Write which tables and columns there are; they are the same in every trace that can be opened."""
    from wsktrace.cli.output import Meter, emit
    from wsktrace.report.schema import as_json, as_markdown
    from wsktrace.schema import TABLES

    if sql.strip():
        raise UsageError("--tables runs no SQL; leave one of them out")
    for path in traces:
        options.open_trace(path, meter=Meter(quiet=True), **how).close()
    described = {"json": as_json, "md": as_markdown}
    if form in described:
        emit(described[form](list(TABLES.values())), target)
        return 0
    if form != "table":
        raise UsageError(f"the tables and their columns come as text, json or md, not as {form}")
    lines: list[str] = []
    for table in TABLES.values():
        lines += [f"{table.name}  {table.row}", *_wrapped([c.name for c in table.columns]), ""]
    emit("\n".join([*lines, "wsktrace schema TABLE   says what each column means"]), target)
    return 0


def _wrapped(names: list[str]) -> list[str]:
    import textwrap

    return textwrap.wrap(", ".join(names), 100, initial_indent="    ", subsequent_indent="    ", break_long_words=False)


def _print_tables(session: Session, sql: str, target: Path | None, *, most: int | None) -> None:
    from wsktrace.cli.output import emit, terminal_width
    from wsktrace.report.result import text_table

    width = terminal_width(target)
    texts = [text_table(reader, most=most, width=width) for reader in session.run(sql) if reader is not None]
    emit("\n".join(texts) if texts else "no statement gave rows", target)


def _write_last(session: Session, sql: str, form: str, target: Path | None) -> None:
    """Write the rows of the last statement; what stands before it is run and its rows are dropped."""
    last: pa.RecordBatchReader | None = None
    dropped = 0
    count = session.count(sql)
    for at, reader in enumerate(session.run(sql)):
        if at + 1 == count:
            last = reader
            break
        dropped += reader is not None
    if dropped:
        from wsktrace.cli.output import note

        note(f"{form} takes one result, the last; results before it: {dropped}")
    if last is None:
        raise UsageError(f"the last statement has no rows to write as {form}")
    _write(last, form, target)


def _write(reader: pa.RecordBatchReader, form: str, target: Path | None) -> None:
    from wsktrace.cli.output import leave_pipe
    from wsktrace.report.result import write

    if target is None:
        if form == "parquet" and sys.stdout.isatty():
            raise UsageError("parquet is no text; name a file: -o rows.parquet")
        out: Any = _Terminal(sys.stdout.buffer) if form == "csv" and sys.stdout.isatty() else sys.stdout.buffer
        try:
            write(reader, form, out)
            out.flush()
        except BrokenPipeError:
            leave_pipe()
        return
    with whole(target) as place, place.open("wb") as out:
        write(reader, form, out)


class _Terminal:
    """Writes lines such that they cannot steer a terminal; CSV is exact elsewhere."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def write(self, data: bytes) -> None:
        from wsktrace.units import clean

        self._out.write("\n".join(map(clean, data.decode().split("\n"))).encode())

    def flush(self) -> None:
        self._out.flush()


def _refused(error: SqlError) -> int:
    """Print what is wrong as one line, and the place in the statement below it."""
    from wsktrace.cli.output import fit, note
    from wsktrace.units import clean

    note(str(error))
    for line in error.where.splitlines():
        sys.stderr.write(fit(f"  {clean(line)}", sys.stderr) + "\n")
    return 2
