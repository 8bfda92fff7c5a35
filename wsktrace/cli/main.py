"""The command ``wsktrace``: verbs fetched where they are called, errors turned into one line and an exit status.

Exit status: 0 the command did its work (and, for ``check``, no rule failed); 1 a rule failed; 2 the command could not
do its work; 130 interrupted. Stdout carries the result and nothing else, stderr progress and diagnostics.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from wsktrace import __version__
from wsktrace.errors import WsktraceError

__all__ = ["command", "main", "run"]

#: Verb → (module, what it does). In the order of ``--help``: the everyday ones first.
VERBS: dict[str, tuple[str, str]] = {
    "check": ("wsktrace.cli.check", "Judge a trace: what is still pending, which rules are broken."),
    "info": ("wsktrace.cli.info", "Say what a file is, what is in it, what is lost or has no format."),
    "show": ("wsktrace.cli.show", "Tell the story of an IRP, a socket, a finding or a moment."),
    "events": ("wsktrace.cli.events", "Print the events, decoded by whatever describes them."),
    "latency": ("wsktrace.cli.latency", "How long calls took: percentiles, histograms as PNG, SVG or Parquet."),
    "report": ("wsktrace.cli.report", "Write the whole account as one HTML file, to read, to search, to send."),
    "timeline": ("wsktrace.cli.timeline", "Draw sockets, IRPs and threads for ui.perfetto.dev."),
    "query": ("wsktrace.cli.query", "Run SQL over the tables of traces, from .etl or Parquet."),
    "diff": ("wsktrace.cli.diff", "Compare two traces: latency shifts, new and gone findings, counts."),
    "export": ("wsktrace.cli.export", "Write every table to a folder of Parquet files."),
    "rule": ("wsktrace.cli.rule", "List the rules, or explain one."),
    "schema": ("wsktrace.cli.schema", "Describe the tables and their columns."),
    "demo": ("wsktrace.cli.demo", "Analyse the sample that comes with wsktrace."),
}

INTERRUPTED = 130


class _Verbs(click.Group):
    """A group whose verbs are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        home = VERBS.get(cmd_name)
        if home is None:
            return None
        found = import_module(home[0]).command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, sentence) for verb, (_, sentence) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            if Path(args[0]).exists():
                ctx.fail(f"{args[0]} is a file, not a verb; to judge it: wsktrace check {args[0]}")
            ctx.fail(f"no verb {args[0]!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)


_HELP = """Read an ETW trace of a Windows kernel driver that calls WskSocket, and judge what happened.

\b
wsktrace demo               a sample with broken rules, judged
wsktrace check net.etl      your trace, judged
wsktrace VERB --help        what a verb can do
"""


@click.command(
    cls=_Verbs,
    help=_HELP,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="wsktrace %(version)s")
def command() -> None:
    """Run the verb that the command line names."""


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; ``arguments`` default to those of the process."""
    try:
        status = command.main(args=arguments, prog_name="wsktrace", standalone_mode=False)
    except click.exceptions.Abort:
        return _say("interrupted", INTERRUPTED)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return 2
    except WsktraceError as error:
        return _say(str(error), 2)
    except BrokenPipeError:
        from wsktrace.cli.output import leave_pipe

        leave_pipe()
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}", 2)
    except MemoryError:
        return _say("out of memory; try on a machine with more of it, or record a shorter trace", 2)
    except Exception as error:  # a bug: its traceback must be seen, but exit status 1 would read as "a rule failed"
        import traceback

        traceback.print_exc()
        return _say(f"internal error: {type(error).__name__}: {error}; please report it with the lines above", 2)
    return status if isinstance(status, int) else 0


def main() -> None:
    """Entry point of the console script."""
    try:
        status = run()
        _flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def _say(message: str, status: int) -> int:
    """Print one line on stderr and return the status."""
    from wsktrace.cli.output import note

    note(message)
    return status


def _flush() -> None:
    """Flush stdout; a reader that has gone away is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from wsktrace.cli.output import leave_pipe

        leave_pipe()
