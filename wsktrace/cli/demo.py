"""``wsktrace demo``: the sample that the package carries, analysed as a user's trace would be."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

#: The sample, package data of wsktrace/data; the folder samples/ holds the same file and what is wrong in it.
SAMPLE = "demo.etl"


@click.command("demo")
@click.option(
    "-o",
    "--output",
    "target",
    default="wsktrace-demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tables; made where it does not exist.",
)
@click.option("--force", is_flag=True, help="Write into a folder that holds other files.")
def command(target: Path, force: bool) -> int:
    """Analyse the sample that comes with wsktrace.

    Judges a trace of a driver with faults, prints what 'wsktrace check' prints, and writes every table to a folder
    of Parquet files. The exit status is 0, although rules are broken.
    """
    import io
    import shlex
    from importlib.resources import files

    import wsktrace
    from wsktrace.cli.output import Meter, emit, terminal_width, wants_colour
    from wsktrace.store import check_target

    check_target(target, force=force)
    sample = io.BytesIO(files("wsktrace").joinpath("data", SAMPLE).read_bytes())
    sample.name = SAMPLE
    with Meter() as meter, wsktrace.open(sample, progress=meter) as trace:
        text = trace.render("text", colour=wants_colour(), width=terminal_width(), again=shlex.quote(str(target)))
        written = trace.to_parquet(target, force=force)
    emit(f"{text}\n{len(written)} tables are in {target}{_SEP}*.parquet; in Python: wsktrace.load({str(target)!r})")
    return 0


_SEP = "/"
