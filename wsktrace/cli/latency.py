"""``wsktrace latency``: how long calls took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsktrace.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes

    from wsktrace.facts import TraceFacts
    from wsktrace.trace import Trace

__all__ = ["command", "title_of"]

#: Ending of -o → format.
ENDINGS = options.endings("png", "svg", "parquet", "json", "csv", "text")
#: --clock → leg of the table ``latency``.
CLOCKS = {"issue": "total", "pending": "pending", "call": "call"}
PLOTS = ("latency", "multiples", "cumulative", "heatmap", "outstanding", "lifetimes", "timeline")


@click.command("latency", cls=options.Verb)
@options.trace_input
@options.output_file(
    "Write a picture (.png, .svg) beside the text on stdout; or, instead of to stdout, the table (.parquet, .json,"
    " .csv) or the text (.txt)."
)
@click.option("--op", "op", metavar="NAME", help="Only this operation, for example WskReceive.")
@click.option(
    "--by",
    "by",
    metavar="NAMES",
    default="op",
    show_default=True,
    callback=options.group_keys,
    help="Split by one or more of op, status, outcome, completion, category, family, with commas; all: no split.",
)
@click.option(
    "--clock",
    "clocks",
    type=click.Choice(list(CLOCKS)),
    multiple=True,
    default=("issue", "pending"),
    help="From the issue to the completion, from the return that said PENDING to the completion, or from the call to"
    " its return (may be repeated; without it: issue and pending).",
)
@click.option(
    "--plot",
    "plot",
    type=click.Choice(PLOTS),
    help="Which picture -o FILE.png or FILE.svg gets; without it: latency, histograms.",
)
@options.quiet
def command(
    trace: Path,
    member: str | None,
    profile: str,
    target: Path | None,
    op: str | None,
    by: tuple[str, ...],
    clocks: tuple[str, ...],
    plot: str | None,
    quiet: bool,
) -> int:
    """How long calls took: percentiles and histograms as text, PNG, SVG, Parquet, JSON or CSV.

    TRACE is an .etl file, one packed as .gz or .zip, or a folder that wsktrace export wrote.

    Percentiles are exact to 1 %. What has no duration (open at the end, completed inline) is counted and said. For
    example, failed calls apart from the others: --by op,status; how durations change over time: -o net.png --plot
    heatmap.
    """
    from wsktrace.cli.output import Meter, emit, emit_bytes, format_for, terminal_width
    from wsktrace.errors import UsageError
    from wsktrace.report.latency import as_text

    form = format_for(target, None, ENDINGS, "text")
    if plot is not None and form not in ("png", "svg"):
        raise UsageError("--plot says what a picture shows: name one with -o FILE.png or -o FILE.svg")
    legs = tuple(CLOCKS[clock] for clock in dict.fromkeys(clocks))
    with (
        Meter(quiet=quiet) as meter,
        options.open_trace(trace, member=member, profile=profile, meter=meter) as opened,
    ):
        by = by if op is None or "op" in by else ("op", *by)
        table = _chosen(opened, op, by, legs)
        told: dict[str, Any] = {"by": by, **_odd(opened)}
        text = as_text(table, opened.summary, **told, width=terminal_width())
        if target is not None:
            emit_bytes(_file(opened, table, form, plot or "latency", op, legs, told), target)
    if target is None or form in ("png", "svg"):
        emit(text)
    return 0


def _chosen(trace: Trace, op: str | None, by: tuple[str, ...], legs: tuple[str, ...]) -> Any:
    """Return the rows of ``latency`` that are asked for."""
    from wsktrace.arrow import matching
    from wsktrace.errors import UsageError
    from wsktrace.plots import operations_of

    table = matching(trace.plot.table(by), "leg", *legs)
    if op is None:
        return table
    chosen = matching(table, "op", op)
    if not chosen.num_rows:
        known = ", ".join(operations_of(table)) or "none"
        raise UsageError(f"no use of an IRP by {op!r} in this trace; there are of: {known}")
    return chosen


def _odd(trace: Trace) -> dict[str, int]:
    """Return how many uses of IRPs are in doubt, and how many were completed before their call."""
    import pyarrow as pa
    import pyarrow.compute as pc

    irps = trace.arrow("irps")
    negative: Any = pc.less(irps.column("total_ns"), pa.scalar(0, pa.int64()))
    return {
        "doubtful": irps.num_rows - irps.column("doubt").null_count,
        "backwards": int(pc.sum(negative).as_py() or 0),
    }


def _file(
    trace: Trace, table: Any, form: str, plot: str, op: str | None, legs: tuple[str, ...], told: dict[str, Any]
) -> bytes:
    """Return the picture, the table or the text as the bytes of a file."""
    import io

    from wsktrace.report import latency as report

    if form == "text":
        return report.as_text(table, trace.summary, **told).encode()
    if form == "json":
        return report.as_json(table, trace.summary, by=told["by"]).encode()
    if form == "csv":
        return report.as_csv(table).encode()
    if form == "parquet":
        import pyarrow.parquet as pq

        held = io.BytesIO()
        pq.write_table(table, held, compression="zstd")
        return held.getvalue()
    from wsktrace.plots import as_file, figure_of

    return as_file(figure_of(_picture(trace, table, plot, op, legs), title=title_of(trace.summary)), form)


def _picture(
    trace: Trace, table: Any, plot: str, op: str | None, legs: tuple[str, ...]
) -> Callable[[], Axes | list[Axes]]:
    """Return what draws the picture that is asked for."""
    from wsktrace import plots
    from wsktrace.errors import UsageError

    if op is not None and plot in ("outstanding", "lifetimes", "timeline"):
        raise UsageError(f"--plot {plot} shows all operations; leave out --op")
    drawing: dict[str, Callable[[], Axes | list[Axes]]] = {
        "latency": lambda: plots.latency(table, legs=legs),
        "multiples": lambda: plots.multiples(table, leg=legs[0]),
        "cumulative": lambda: plots.cumulative(table, leg=legs[0]),
        "heatmap": lambda: trace.plot.heatmap(op=op, leg=legs[0]),
        "outstanding": trace.plot.outstanding,
        "lifetimes": trace.plot.lifetimes,
        "timeline": trace.plot.timeline,
    }
    return drawing[plot]


def title_of(facts: TraceFacts) -> str:
    """Return the name of the trace, and what was lost or damaged."""
    from wsktrace.plots.style import label

    return " · ".join([label(facts.file), *facts.losses])
