"""``wsktrace show``: the story of an IRP, a socket, a finding or a moment."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import click

from wsktrace.cli import options
from wsktrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wsktrace.cli.output import Meter
    from wsktrace.facts import TraceFacts
    from wsktrace.report.story.stories import Stories
    from wsktrace.report.story.told import Story
    from wsktrace.trace import Trace

__all__ = ["command", "read_span"]

#: Ending of -o → format.
ENDINGS = options.endings("text", "json", "jsonl", "md")
#: Uses of one address that are shown before it is said how to see the others.
MOST_USES = 10
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ns|us|µs|μs|ms|s|min)?")
_UNITS = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, None: 1e9}


def read_span(text: str) -> int:
    """Return a span of time, ``10ms``, ``1.5s``, ``200us``, in ns; ``UsageError`` where it is none."""
    found = _SPAN.fullmatch(text.strip())
    ns = 0 if found is None else round(float(found[1]) * _UNITS[found[2]])
    if ns <= 0:
        raise UsageError(f"window {text}: give a span of time such as 10ms, 1.5s or 200us")
    return ns


@click.command("show", cls=options.Verb)
@options.trace_input
@click.option("--irp", metavar="ADDR", help="Of the IRP at this address (ffff8001`23456780, 0x…), or '#17': row 17.")
@click.option("--socket", metavar="ADDR", help="Of the socket at this address, or '#3': row 3 of the sockets.")
@click.option("--finding", metavar="N", type=click.IntRange(min=0), help="Of this finding.")
@click.option("--around", metavar="TIME", help="Of a moment: 2026-11-20T14:02:11.5Z, 14:02, +1.5 (s from start).")
@click.option("--window", metavar="SPAN", default="10ms", show_default=True, help="How much around the moment.")
@options.symbols
@click.option(
    "--messages",
    type=click.Choice(["own", "all"]),
    default="own",
    show_default=True,
    help="The driver's messages: those inside its calls or with its address, or all of that time.",
)
@click.option("--no-messages", is_flag=True, help="Without the driver's messages.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "jsonl", "md"]),
    help="Default: by the ending of -o, else text.",
)
@options.output_file(endings=ENDINGS)
@options.listing
@options.judging
@options.redact
@options.quiet
def command(
    trace: Path,
    member: str | None,
    profile: str,
    window: str,
    symbols: tuple[Path, ...],
    download: bool,
    messages: str,
    no_messages: bool,
    form: str | None,
    target: Path | None,
    redact: bool,
    quiet: bool,
    **chosen: Any,
) -> int:
    """Tell the story of an IRP, a socket, a finding or a moment: who called, what pended where, who completed it.

    TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote. Give one of
    --irp, --socket, --finding, --around; without one: what there is, as command lines to copy. An address that was
    used again gives each of its uses, the oldest first; quote it for the shell's sake.

    The driver's own messages stand between, as far as something describes them (--symbols, as for wsktrace events).
    Findings have the numbers that wsktrace check gives them with the same --select, --ignore and --limit.
    """
    from wsktrace.cli.output import Meter, emit, format_for, note, terminal_width, wants_colour

    subjects = {name: chosen.pop(name) for name in ("irp", "socket", "finding", "around")}
    asked = {name: value for name, value in subjects.items() if value is not None}
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(f'--{name}' for name in list(asked)[:2])}: one story at a time")
    form = format_for(target, form, ENDINGS, "text")
    span = read_span(window)
    _fits(subjects["around"], no_messages=no_messages)
    described = {"symbols": symbols, "download": download, **chosen}
    with (
        Meter(quiet=quiet) as meter,
        options.open_trace(trace, member=member, profile=profile, meter=meter, **described) as opened,
    ):
        notes: list[str] = []
        folder = str(trace) if trace.is_dir() else ""
        if not asked:
            if form != "text":
                raise UsageError(
                    "say what to show: --irp, --socket, --finding or --around; what there is comes as text"
                )
            if redact:
                raise UsageError("--redact needs a story: --irp, --socket, --finding or --around")
            from wsktrace.report.story.menu import menu

            emit(menu(opened.summary, opened.arrow, _command_line(trace)), target)
            return 0
        told, more = _stories(opened, trace, *asked.popitem(), span)
        if not no_messages:
            told = _with_messages(opened, told, meter, notes, folder=folder, every=messages == "all")
        colour = target is None and form == "text" and wants_colour()
        width = terminal_width(target)
        if redact:
            from wsktrace.report.redact import Redactor

            hidden = Redactor(opened.summary, opened.arrow)
            told = [hidden.story(story) for story in told]
            more = more.partition(";")[0]  # the rest is a command line with names of files
            text = hidden.finish(_render(hidden.facts, told, form, more, colour=colour, width=width))
        else:
            text = _render(opened.summary, told, form, more, colour=colour, width=width)
    emit(text, target)
    if not quiet:
        for sentence in notes:
            note(sentence)
    return 0


def _fits(around: str | None, *, no_messages: bool) -> None:
    """Raise ``UsageError`` where an option has nothing to act on."""
    from click.core import ParameterSource

    source = click.get_current_context().get_parameter_source
    if around is None and source("window") is ParameterSource.COMMANDLINE:
        raise UsageError("--window says how much around a moment; give --around TIME with it")
    if no_messages and source("messages") is ParameterSource.COMMANDLINE:
        raise UsageError("--messages and --no-messages: give one of them")


def _command_line(trace: Path) -> str:
    from wsktrace.units import clean

    return f"wsktrace show {clean(shlex.quote(str(trace)))}"


def _stories(opened: Trace, trace: Path, what: str, which: Any, span: int) -> tuple[list[Story], str]:
    """Return the stories that are asked for, and a line about those that are not shown."""
    stories = opened.stories
    if what == "finding":
        return [stories.finding(which)], ""
    if what == "around":
        from wsktrace.decode.moments import moment_of

        first = moment_of("around", which, opened.summary.start_ns or 0) - span // 2
        _check_span(opened, which, first, first + span)
        return [stories.around(first, first + span)], ""
    return _uses(stories, f"{what}s", which, trace)


def _uses(stories: Stories, table: str, which: str, trace: Path) -> tuple[list[Story], str]:
    ids = stories.uses(table, which)
    tell = stories.irp if table == "irps" else stories.socket
    more = ""
    if len(ids) > MOST_USES:
        option = table.removesuffix("s")
        more = (
            f"{len(ids) - MOST_USES:,} more uses of this address, #{ids[MOST_USES]} to #{ids[-1]}; "
            f"to see one: {_command_line(trace)} --{option} '#{ids[MOST_USES]}'"
        )
    return [tell(number) for number in ids[:MOST_USES]], more


def _check_span(opened: Trace, around: str, first: int, end: int) -> None:
    """Raise ``UsageError`` where a trace ends before a span of time, or begins after it."""
    from wsktrace.units import clean, clock_text

    start, last = opened.summary.start_ns, opened.summary.end_ns
    if start is not None and last is not None and (end < start or first > last):
        whole = f"{clock_text(start, date=True)} to {clock_text(last, date=True)}"
        raise UsageError(f"around {clean(around)}: nothing is there; the trace is from {whole} UTC")


def _with_messages(
    opened: Trace, told: Sequence[Story], meter: Meter, notes: list[str], *, folder: str, every: bool
) -> list[Story]:
    """Return the stories with the driver's messages between their lines; ``folder`` is where there can be none."""
    from wsktrace.report.story.messages import MOST, may_have
    from wsktrace.units import clean

    if folder:
        if every:
            raise UsageError(
                f"{clean(folder)} is a folder of tables and holds no messages; --messages all needs the .etl"
            )
        notes.append(f"{clean(folder)} is a folder of tables: the driver's messages are in the .etl")
        return list(told)
    if not may_have(opened.summary):
        return list(told)
    return opened.with_messages(
        told,
        every=every,
        most=None if every else MOST,
        progress=lambda done, total: meter("decoding", done, total),
    )


def _render(facts: TraceFacts, told: Sequence[Story], form: str, more: str, *, colour: bool, width: int | None) -> str:
    from wsktrace.report.story import text as story_text
    from wsktrace.report.trust import trust

    trusted = trust(facts)[: 2 if facts.losses else 1]
    if form == "json":
        return story_text.json_text(told, file=facts.file, trust=trusted)
    if form == "jsonl":
        return story_text.json_lines(told)
    if form == "md":
        return story_text.markdown(told, trust=[*([more] if more else []), *trusted])
    text = story_text.text(told, width=width, colour=colour)
    foot = [*([more] if more else []), *(trusted if facts.losses else [])]
    return text + ("\n" if foot else "") + "".join(f"{line}\n" for line in foot)
