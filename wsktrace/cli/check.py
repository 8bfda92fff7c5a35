"""``wsktrace check``: judge a trace."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsktrace.cli import options
from wsktrace.errors import UsageError
from wsktrace.report.formats import ENDINGS, FORMATS

if TYPE_CHECKING:
    from wsktrace.trace import Trace

__all__ = ["command", "exit_status"]

#: Each level counts those before it, too.
LEVELS = ("error", "warning", "info", "suspect")


@click.command("check", cls=options.Verb)
@options.trace_input
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="Default: by the ending of -o, else text. concise is a line per finding, github annotations of a workflow.",
)
@options.output_file(endings=ENDINGS)
@options.listing
@click.option(
    "--coverage", is_flag=True, help="Say for each rule what it could decide, why not more, and what would decide it."
)
@options.symbols
@click.option(
    "--source-root",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the driver's source: names of files are made relative to it (concise, github, md, sarif).",
)
@options.judging
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    default="error",
    show_default=True,
    help="Which findings make the exit status 1: these and the more severe ones.",
)
@click.option("--fail-on-any", is_flag=True, help="Count duties of the provider and the instrumentation, too.")
@click.option("--fail-on-nothing", is_flag=True, help="Exit status 1 where there was nothing to judge.")
@options.redact
@options.quiet
def command(
    trace: Path,
    member: str | None,
    profile: str,
    form: str | None,
    target: Path | None,
    coverage: bool,
    source_root: Path | None,
    fail_on: str,
    fail_on_any: bool,
    fail_on_nothing: bool,
    redact: bool,
    quiet: bool,
    **judged: Any,
) -> int:
    """Judge a trace: what is still pending, which rules are broken.

    TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote.

    With --symbols (or --download) each finding names the source file and line of the last message that its thread
    traced before, where the trace can tell.

    Exit status: 0 no rule failed; 1 a rule that is the driver's duty failed (see --fail-on); 2 the trace could not
    be judged.
    """
    from wsktrace.cli.output import Meter, emit, format_for, note, terminal_width, wants_colour

    form = format_for(target, form, ENDINGS, "text")
    if source_root is not None and not source_root.is_dir():
        raise UsageError(f"--source-root {source_root}: there is no such folder")
    if source_root is not None and redact:
        raise UsageError("--redact hides names of files, which --source-root would tell; give one of them")
    with (
        Meter(quiet=quiet) as meter,
        options.open_trace(trace, member=member, profile=profile, meter=meter, **judged) as opened,
    ):
        status = exit_status(opened, fail_on=fail_on, any_party=fail_on_any)
        if not opened.summary.judged:
            status = 1 if fail_on_nothing else 0
            if not quiet:
                note(_nothing(opened))
        text = opened.render(
            form,
            redact=redact,
            unknown=judged["unknown"],
            coverage=coverage,
            colour=target is None and wants_colour(),
            width=terminal_width(target),
            again=None if redact else _again(trace, member=member, profile=profile, **judged),
            source_root=source_root,
            compared=judged["baseline"] is not None,
            command_line=shlex.join(["wsktrace", *sys.argv[1:]]),
            exit_code=status,
        )
    emit(text, target)
    return status


def exit_status(trace: Trace, *, fail_on: str = "error", any_party: bool = False) -> int:
    """Return 1 where a finding counts: of a level up to ``fail_on``, and the client's duty unless ``any_party``."""
    counted = set(LEVELS[: LEVELS.index(fail_on) + 1])
    findings = trace.arrow("findings")
    columns = (findings.column(name).to_pylist() for name in ("verdict", "severity", "party", "ignored"))
    for verdict, severity, party, ignored in zip(*columns, strict=True):
        level = severity if verdict == "fail" else verdict
        if level in counted and ignored is None and (any_party or party == "client"):
            return 1
    return 0


def _again(
    trace: Path,
    *,
    member: str | None,
    profile: str,
    select: tuple[str, ...] | None,
    ignore: tuple[str, ...] | None,
    limits: dict[str, float],
    **_: Any,
) -> str:
    """Return the trace, and the options that findings are numbered by, as a command line has them."""
    words = [str(trace)]
    words += ["--member", member] if member else []
    words += ["--profile", profile] if profile != "native" else []
    for name, values in {"select": select or (), "ignore": ignore or ()}.items():
        words += [word for value in values for word in (f"--{name}", value)]
    words += [word for name, value in limits.items() for word in ("--limit", f"{name}={value:g}")]
    return shlex.join(words)


def _nothing(trace: Trace) -> str:
    """Return the line that says what the trace holds instead of WSK operations."""
    from wsktrace.report.words import providers_seen

    facts = trace.summary
    return (
        f"nothing was judged: no WSK operation in {facts.file}; providers seen (events): {providers_seen(facts)}; "
        "was the driver's provider WskTrace enabled when this was recorded?"
    )
