"""``wsktrace info``: what a file is, what is in it, what is lost or has no format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsktrace.cli import options

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]

#: Ending of -o → format.
ENDINGS = options.endings("text", "json")


@click.command("info", cls=options.Verb)
@options.trace_input
@options.symbols
@click.option("--format", "form", type=click.Choice(["text", "json"]), help="Default: by the ending of -o, else text.")
@options.output_file(endings=ENDINGS)
@options.quiet
def command(
    trace: Path,
    member: str | None,
    profile: str,
    symbols: tuple[Path, ...],
    download: bool,
    form: str | None,
    target: Path | None,
    quiet: bool,
) -> int:
    """Say what a file is, what is in it, what is lost or has no format.

    TRACE is an .etl file, or one packed as .gz or .zip. Every byte of it is accounted for: by which provider it was
    written, and what decodes it, or what would and where that would be found.
    """
    from wsktrace.cli.output import Meter, emit, format_for, note, wants_colour

    form = format_for(target, form, ENDINGS, "text")
    options.etl_only(trace)

    from wsktrace.decode.contents import gather
    from wsktrace.decode.symbols import Symbols
    from wsktrace.etl.file import open_trace
    from wsktrace.report import info_text
    from wsktrace.report.info import as_json, info
    from wsktrace.wsk.mapping import read
    from wsktrace.wsk.profile import load_profile

    chosen = load_profile(profile)
    described_by = Symbols(symbols, download=download)
    with Meter(quiet=quiet) as meter, open_trace(trace, member=member) as file:
        contents = gather(file, described_by, progress=lambda done, total: meter("looking", done, total))
        reading = read(
            file,
            profile=chosen,
            operations=False,
            contents=contents,
            progress=lambda done, total: meter("reading", done, total),
        )
        described = info(reading, contents)
    if not quiet:
        for sentence in (*contents.problems, *described_by.notes):
            note(sentence)
    if form == "json":
        emit(as_json(described), target)
    else:
        emit(info_text.render(described, colour=target is None and wants_colour()), target)
    return 0
