"""``wsktrace export``: every table as Parquet."""

from __future__ import annotations

from pathlib import Path

import click

from wsktrace.cli import options

__all__ = ["command"]


@click.command("export", cls=options.Verb)
@options.trace_input
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tables; made where it does not exist.",
)
@click.option("--force", is_flag=True, help="Write into a folder that holds other files.")
@options.quiet
def command(trace: Path, member: str | None, profile: str, target: Path, force: bool, quiet: bool) -> int:
    """Write every table to a folder of Parquet files.

    TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote.

    One file a table, compressed with zstd; what each column means stands in the file's metadata. pyarrow, pandas,
    duckdb and others read them; wsktrace.load(DIR) gives the trace back without the .etl.
    """
    from wsktrace.cli.output import Meter, emit
    from wsktrace.store import check_target

    check_target(target, force=force)
    with (
        Meter(quiet=quiet) as meter,
        options.open_trace(trace, member=member, profile=profile, meter=meter) as opened,
    ):
        written = opened.to_parquet(target, force=force)
        lines = [f"{path}  {opened.arrow(path.stem).num_rows:,} rows" for path in written]
    emit("\n".join(lines))
    return 0
