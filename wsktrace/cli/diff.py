"""``wsktrace diff``: two traces compared."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsktrace.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wsktrace.diff import Comparison
    from wsktrace.trace import Trace

__all__ = ["command", "exit_status"]

#: Ending of -o → format.
ENDINGS = options.endings("text", "json", "md", "png", "svg")
#: What --fail-on can name.
LEVELS = ("new", "first-seen", "suspect", "slower")


@click.command("diff", cls=options.Verb)
@click.argument("a", metavar="A", type=click.Path(path_type=Path))
@click.argument("b", metavar="B", type=click.Path(path_type=Path))
@options.profile
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "md"]), help="Default: by the ending of -o, else text."
)
@options.output_file(
    "Write a picture of latencies (.png, .svg) beside the text on stdout, or all of it instead of to stdout; the format"
    " follows the ending",
    [ending for ending, form in ENDINGS.items() if form not in ("png", "svg")],
)
@click.option("--op", "ops", multiple=True, metavar="NAME", help="Latencies of this operation only (may be repeated).")
@click.option(
    "--by",
    default="op",
    show_default=True,
    metavar="NAMES",
    callback=options.group_keys,
    help="Split latencies by one or more of op, status, outcome, completion, category, family, with commas.",
)
@click.option(
    "--margin",
    default=5.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="PERCENT",
    help="Shifts of quantiles by less are none, however certain.",
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(LEVELS),
    help="Exit status 1 where there is such a change (may be repeated).",
)
@options.quiet
def command(
    a: Path,
    b: Path,
    profile: str,
    form: str | None,
    target: Path | None,
    ops: tuple[str, ...],
    by: tuple[str, ...],
    margin: float,
    fail_on: tuple[str, ...],
    quiet: bool,
) -> int:
    """Compare two traces: A is the reference, B the candidate.

    Each is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote.

    Findings are matched by their fingerprint. One of B is new where A provably had none, and first seen where A could
    not have shown it; one of A is gone where B provably has none, and not seen where B cannot tell (events lost, calls
    not made, instances undecided).

    Quantiles of latencies come with their ratio B/A and its 95 % interval. Slower and faster hold for all of them
    together with 5 % error; no shift shown does not mean unchanged.

    Exit status: 0; with --fail-on 1 where there is what it names: new or first-seen broken rules, a suspect that is
    new, a quantile of a latency that is slower; 2 the traces could not be compared.
    """
    from wsktrace.cli.output import Meter, emit, emit_bytes, format_for, terminal_width
    from wsktrace.report.comparison import render as report

    form = format_for(target, form, ENDINGS, "text")
    with ExitStack() as stack:
        meter = stack.enter_context(Meter(quiet=quiet))
        reference, candidate = (
            stack.enter_context(options.open_trace(path, member=None, profile=profile, meter=meter)) for path in (a, b)
        )
        found = reference.diff(candidate, by=by, op=ops, margin=1 + margin / 100).comparison
        picture = _picture((reference, candidate), by, ops, form) if form in ("png", "svg") else b""
    _check_ops(found, ops)
    renders: dict[str, Callable[[Comparison], str]] = {
        "json": report.render_json,
        "md": report.render_markdown,
        "text": partial(report.render_text, width=terminal_width(target)),
    }
    if picture and target is not None:
        emit_bytes(picture, target)
    emit(renders.get(form, report.render_text)(found), None if picture else target)
    return exit_status(found, fail_on)


def _picture(traces: tuple[Trace, Trace], by: tuple[str, ...], ops: tuple[str, ...], form: str) -> bytes:
    """Return the latencies of both traces over each other, as a file."""
    from wsktrace.arrow import matching, to_arrow
    from wsktrace.cli.latency import title_of
    from wsktrace.plots import as_file, compare, figure_of
    from wsktrace.stats import latency_columns

    irps = (trace.arrow("irps") if not ops else matching(trace.arrow("irps"), "op", *ops) for trace in traces)
    first, second = (
        to_arrow("latency", latency_columns(held, trace.arrow("sockets"), by=by))
        for held, trace in zip(irps, traces, strict=True)
    )
    names = ("A", "B")
    title = "\n".join(f"{name}: {title_of(trace.summary)}" for name, trace in zip(names, traces, strict=True))
    return as_file(figure_of(lambda: compare(first, second, names=names), title=title), form)


def _check_ops(found: Comparison, ops: Iterable[str]) -> None:
    from wsktrace.cli.output import note

    seen = {s.key[found.by.index("op")] for s in found.latency} if "op" in found.by else set()
    for op in ops:
        if "op" in found.by and op not in seen:
            note(f"no completed {op!r} in either trace")


def exit_status(found: Comparison, fail_on: Iterable[str]) -> int:
    """Return 1 where there is a change that ``fail_on`` names."""
    there = {c.change.replace(" ", "-") for c in found.changes if c.verdict == "fail"}
    if any(c.verdict == "suspect" and c.change == "new" for c in found.changes):
        there.add("suspect")
    if any(s.verdict == "slower" for s in found.latency):
        there.add("slower")
    return int(bool(there & set(fail_on)))
