"""``wsktrace report``: the whole account of a trace as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wsktrace.cli import options

__all__ = ["command"]


@click.command("report", cls=options.Verb)
@options.trace_input
@options.output_file("Write here; default: the trace's name with .html in the current folder.")
@click.option("--force", is_flag=True, help="Overwrite a file that has the default name.")
@options.redact
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@options.listing
@options.judging
@options.symbols
@options.quiet
def command(
    trace: Path,
    member: str | None,
    profile: str,
    target: Path | None,
    force: bool,
    redact: bool,
    show: bool,
    quiet: bool,
    **judged: Any,
) -> int:
    """Write the whole account of a trace as one HTML file, to read, to search, to send.

    TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote. The file
    needs no network and, to be read, no script. Its path is printed. Exit status 0 where it was written, whatever it
    says.
    """
    from wsktrace.cli.output import Meter, emit, emit_bytes, note
    from wsktrace.report.provenance import provenance

    path = _target(trace, target, force=force)
    words, names = options.command_line()
    with (
        Meter(quiet=quiet) as meter,
        options.open_trace(trace, member=member, profile=profile, meter=meter, **judged) as opened,
    ):
        facts = opened.summary
        made = provenance(facts, opened.given, command=words, names=names)
        opened.arrow("findings")
        meter("writing", 0, 0)
        text = opened.report(redact=redact, made=made)
    emit_bytes(text.encode("utf-8", "replace"), path)
    if not facts.judged and not quiet:
        note(f"nothing was judged: no WSK operation in {facts.file}; the report says what was seen")
    emit(str(path))
    if show:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()) and not quiet:
            note("no browser could be opened")
    return 0


def _target(trace: Path, target: Path | None, *, force: bool) -> Path:
    """Return where to write; ``UsageError`` where a file of the default name is there already."""
    from wsktrace.errors import UsageError

    if target is not None:
        if target.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"a report is HTML: name it {target.name}.html, or something else that ends so")
        return target
    name = trace.resolve().name or "trace"
    stem = name if trace.is_dir() else name.removesuffix(".gz").removesuffix(".zip").removesuffix(".etl")
    path = Path(f"{stem or name}.html")
    if path.exists() and not force:
        raise UsageError(f"{path} exists; give --force to overwrite it, or another name with -o")
    return path
