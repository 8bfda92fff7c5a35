"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wsktrace.cli.output import Meter
    from wsktrace.trace import Trace

__all__ = [
    "Verb",
    "command_line",
    "endings",
    "etl_only",
    "group_keys",
    "judging",
    "listing",
    "member",
    "open_trace",
    "output_file",
    "profile",
    "quiet",
    "redact",
    "symbols",
    "trace_input",
]


#: Ending of a file → format.
_ENDINGS = {
    ".txt": "text",
    ".log": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".md": "md",
    ".parquet": "parquet",
    ".png": "png",
    ".svg": "svg",
}
#: Parameters that name what is read.
_READ = ("trace", "traces", "a", "b", "arguments")


class Verb(click.Command):
    """A verb; before it works it is told that its -o cannot be written, or would overwrite what is to be read."""

    def invoke(self, ctx: click.Context) -> Any:
        """Look at -o FILE, then run the verb.

        Raises:
            UsageError: -o has no name or lies in a folder that is not there, or is a trace that is read.
        """
        kind = next((p.type for p in self.params if p.name == "target"), None)
        target = ctx.params.get("target")
        if target is not None and isinstance(kind, click.Path) and not kind.dir_okay:
            given = (ctx.params.get(name) for name in _READ)
            _check_target(target, [one for held in given for one in (held if isinstance(held, tuple) else (held,))])
        return super().invoke(ctx)


def _check_target(target: Path, read: list[Any]) -> None:
    from wsktrace.errors import UsageError

    if not target.name:
        raise UsageError("-o needs the name of a file")
    if not target.parent.is_dir():
        raise UsageError(f"-o {target}: there is no folder {target.parent}; make it first")
    if not target.is_file():
        return
    for one in read:
        try:
            same = one is not None and target.samefile(one)
        except (OSError, ValueError):  # there is none, or it is SQL
            same = False
        if same:
            raise UsageError(f"-o {target} would overwrite the trace; give another name")


profile = click.option(
    "--profile",
    default="native",
    show_default=True,
    metavar="NAME|FILE",
    help="How the driver traces: a profile's name or its .toml.",
)
member = click.option("--member", metavar="NAME", help="Which file of a .zip that holds several.")


def endings(*formats: str) -> dict[str, str]:
    """Return ending of a file → format, of the formats that a verb has."""
    return {ending: form for ending, form in _ENDINGS.items() if form in formats}


def trace_input(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument TRACE and the options that say how to read it."""
    for decorate in (profile, member, click.argument("trace", metavar="TRACE", type=click.Path(path_type=Path))):
        function = decorate(function)
    return function


def output_file(
    text: str = "Write here instead of to stdout; the format follows the ending", endings: Iterable[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option -o FILE with its help, which ends in the endings that are known."""
    kind = click.Path(dir_okay=False, path_type=Path)
    told = f"{text}: {', '.join(sorted(endings))}." if endings else text
    return click.option("-o", "--output", "target", metavar="FILE", type=kind, help=told)


def symbols(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what describes events."""
    kind = click.Path(path_type=Path)
    for decorate in (
        click.option("--download", is_flag=True, help="Ask the servers of _NT_SYMBOL_PATH for the PDBs, too."),
        click.option(
            "--symbols",
            multiple=True,
            metavar="PATH",
            type=kind,
            help="PDB, TMF file, manifest, binary or folder of such (may be repeated). _NT_SYMBOL_PATH and"
            " TRACE_FORMAT_SEARCH_PATH are looked at, too.",
        ),
    ):
        function = decorate(function)
    return function


def _limits(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """Turn NAME=VALUE into a dictionary."""
    del context, parameter
    held: dict[str, float] = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            held[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise click.BadParameter(f"{text!r} is not NAME=NUMBER, such as close_s=20 or WskConnect=90")
    return held


_limit = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_limits,
    help="Another limit than the profile's (may be repeated): a call's deadline in seconds (WskConnect=90), a threshold"
    " (close_s=20), order_tolerance_ms=5.",
)


def _some(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the rules that were named, None where there are none."""
    del context, parameter
    return given or None


def judging(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say by which rules and limits a trace is judged; they come as those of ``wsktrace.open``."""
    some: dict[str, Any] = {"multiple": True, "metavar": "RULE", "callback": _some}
    for decorate in (
        click.option(
            "--baseline",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help="JSON (or SARIF) of an earlier check: findings that it has do not count.",
        ),
        _limit,
        click.option("--ignore", **some, help="Leave this rule out (may be repeated)."),
        click.option("--select", **some, help="Judge by this rule only (may be repeated)."),
    ):
        function = decorate(function)
    return function


def listing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which findings are listed besides fails and suspects."""
    for decorate in (
        click.option("--notes", is_flag=True, help="List what is legal and worth knowing, too."),
        click.option("--unknown", is_flag=True, help="List what the trace cannot decide, too."),
    ):
        function = decorate(function)
    return function


def group_keys(context: click.Context, parameter: click.Parameter, given: str) -> tuple[str, ...]:
    """Turn a list with commas into what to group by, names of ``stats.KEYS``; ``all`` is none."""
    del context, parameter
    from wsktrace.stats.groups import keys_of

    return keys_of(tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip())))


redact = click.option(
    "--redact", is_flag=True, help="Hide addresses, process and thread ids, names of files and hosts."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on stderr.")


def command_line() -> tuple[list[str], frozenset[str]]:
    """Return the words of the command line that is running, in the order of the help, and those that name files."""
    from click.core import ParameterSource

    context = click.get_current_context()
    words, names = ["wsktrace", context.command.name or ""], set()
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        held = context.params[name]
        if isinstance(held, dict):
            held = tuple(f"{key}={value:g}" for key, value in held.items())
        for value in held if isinstance(held, tuple) else (held,):
            flag = [] if isinstance(parameter, click.Argument) else [max(parameter.opts, key=len)]
            words += flag if value is True else [*flag, str(value)]
            if isinstance(parameter.type, click.Path) or name == "member" or (name == "profile" and "." in str(value)):
                names.add(str(value))
    return words, frozenset(names)


def etl_only(trace: Path) -> None:
    """Raise ``UsageError`` where a folder of tables is named to a verb that reads the .etl itself."""
    from wsktrace.errors import UsageError

    if trace.is_dir() and any(trace.glob("*.parquet")):
        verb = click.get_current_context().command.name
        raise UsageError(f"{trace} is a folder of tables; wsktrace {verb} needs the .etl that they were made from")


def open_trace(trace: Path, *, member: str | None, profile: str, meter: Meter, **more: Any) -> Trace:
    """Open the trace that the arguments name: an .etl, or a folder that ``export`` wrote.

    Raises:
        UsageError: an option that changes how an .etl is read or judged, and the tables of a folder.
    """
    import wsktrace
    from wsktrace.errors import UsageError

    if not trace.is_dir():
        return wsktrace.open(trace, member=member, profile=profile, progress=meter, **more)
    asked = {"member": member, **more}
    if odd := [name for name, value in asked.items() if value] + ["profile"] * (profile != "native"):
        raise UsageError(
            f"{trace} is a folder of tables, which were judged when they were written;"
            f" --{odd[0].removesuffix('s') if odd[0] == 'limits' else odd[0]} needs the .etl"
        )
    return wsktrace.load(trace)
