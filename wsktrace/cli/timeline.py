"""``wsktrace timeline``: a trace for the page https://ui.perfetto.dev."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wsktrace.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from wsktrace.report.perfetto.serve import OneFile
    from wsktrace.report.perfetto.timeline import Written

__all__ = ["command"]

#: Endings that the page opens by.
ENDINGS = {".pftrace": "perfetto", ".perfetto-trace": "perfetto"}
#: Seconds that a browser has to fetch the file.
PATIENCE = 300.0


@click.command("timeline", cls=options.Verb)
@options.trace_input
@options.output_file("Write here (.pftrace); default: the trace's name with .pftrace in the current folder.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser; without -o no file is left behind.")
@click.option("--print-url", is_flag=True, help="As --open, but only print the address to be opened.")
@click.option(
    "--socket", metavar="ADDR", help="Only this socket: its address as WinDbg prints it, or '#3': row 3 of the sockets."
)
@click.option("--since", metavar="TIME", help="Only what reaches into the time from TIME (UTC, or +SECONDS).")
@click.option("--until", metavar="TIME", help="Only what reaches into the time before TIME.")
@options.redact
@options.quiet
def command(
    trace: Path,
    member: str | None,
    profile: str,
    target: Path | None,
    opens: bool,
    print_url: bool,
    socket: str | None,
    since: str | None,
    until: str | None,
    redact: bool,
    quiet: bool,
) -> int:
    """Draw sockets, IRPs and threads for ui.perfetto.dev.

    TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote.

    A track per socket with its life and its IRPs, a track per thread with calls and completions, arrows from a call
    over its IRP to the completion, findings, the number of IRPs outstanding, and what the trace lacks.

    The page runs in your browser and reads the file there. With --open it fetches the file from 127.0.0.1, port 9001,
    where wsktrace serves this one file to this one page until it was fetched; nothing is uploaded.
    """
    from contextlib import ExitStack
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from wsktrace.cli.output import Meter, emit, format_for, note
    from wsktrace.report.perfetto.file import choose, redacted, save
    from wsktrace.report.perfetto.packets import require
    from wsktrace.report.perfetto.serve import OneFile

    serves = opens or print_url
    format_for(target, None, ENDINGS, "perfetto")
    require()
    name = Path(f"{trace.name.split('.')[0] or 'trace'}.pftrace")
    with ExitStack() as held:
        scratch = Path(held.enter_context(TemporaryDirectory(prefix="wsktrace-")))
        place = target or (scratch / name if serves else name)
        served = held.enter_context(OneFile(place)) if serves else None  # a port in use is told before the work
        with (
            Meter(quiet=quiet) as meter,
            options.open_trace(trace, member=member, profile=profile, meter=meter) as opened,
        ):
            facts = opened.summary
            chosen = choose(facts, socket=socket, since=since, until=until)
            meter("drawing", 0, 0)
            if redact:
                hidden, chosen = redacted(facts, opened.arrow, chosen)
                path, written = save(hidden.facts, hidden, place, **chosen)
            else:
                path, written = save(facts, opened.arrow, place, **chosen)
        if not quiet:
            for warning in written.warnings():
                note(warning)
        if target is not None or not serves:
            emit(_told(path, written, serves=serves))
        return 0 if served is None else _serve(served, browser=not print_url, quiet=quiet)


def _told(path: Path, written: Written, *, serves: bool) -> str:
    """Return what was written, and what to do with it."""
    from wsktrace.units import bytes_text, count_text

    drawn = f"{count_text(written.irps, 'IRP')} · {count_text(written.sockets, 'socket')}"
    line = f"{path}  {bytes_text(written.size)}  {drawn}"
    return line if serves else f"{line}\nopen it at https://ui.perfetto.dev, or let --open do that; nothing is uploaded"


def _serve(served: OneFile, *, browser: bool, quiet: bool) -> int:
    """Wait until the file was fetched; 2 where nobody fetched it."""
    import webbrowser

    from wsktrace.cli.output import emit, note

    if not browser or not webbrowser.open(served.page):
        emit(served.page)
    if not quiet:
        note("serving the timeline on 127.0.0.1 only, to ui.perfetto.dev in a browser of this machine; Ctrl-C ends")
    fetched = served.wait(PATIENCE)
    if not quiet or not fetched:
        note(
            "the page has it; nothing was uploaded" if fetched else f"nobody fetched it within {PATIENCE / 60:.0f} min"
        )
    return 0 if fetched else 2
