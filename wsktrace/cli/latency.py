"""``wsktrace latency``: how long calls took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wsktrace.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from wsktrace.trace import Trace

__all__ = ["command", "percentiles"]

#: Ending of -o → format.
ENDINGS = {".png": "png", ".svg": "svg", ".parquet": "parquet", ".txt": "text"}
_COLUMNS = ("min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")
_LEGS = {"total": "issue → completion", "pending": "pending → completion"}


@click.command("latency")
@options.trace_input
@options.output_file("Write a picture (.png, .svg), the table (.parquet) or the text (.txt).")
@click.option("--op", "op", metavar="NAME", help="Only this operation, for example WskReceive.")
@click.option(
    "--by",
    "by",
    type=click.Choice(["op", "all"]),
    default="op",
    show_default=True,
    help="Each operation, or all as one.",
)
@options.quiet
def command(
    trace: Path, member: str | None, profile: str, target: Path | None, op: str | None, by: str, quiet: bool
) -> int:
    """How long calls took: percentiles, histograms as PNG, SVG or Parquet.

    Each operation has two legs: from the issue to the completion, and from the return that said PENDING to the
    completion. Percentiles are exact to 1 %.
    """
    from wsktrace.cli.output import Meter, emit, emit_bytes, format_for

    form = format_for(target, None, ENDINGS, "text")
    with (
        Meter(quiet=quiet) as meter,
        options.open_trace(trace, member=member, profile=profile, meter=meter) as opened,
    ):
        table = _chosen(opened, op) if by == "op" or op else _pooled(opened)
        text = percentiles(table)
        if target is not None and form != "text":
            emit_bytes(_file(opened, table, form), target)
    emit(text)
    if target is not None and form == "text":
        emit(text, target)
    return 0


def _chosen(trace: Trace, op: str | None) -> Any:
    """Return the rows of ``latency`` that are asked for."""
    from wsktrace.arrow import matching
    from wsktrace.errors import UsageError
    from wsktrace.plots import operations_of

    table = trace.arrow("latency")
    if op is None:
        return table
    chosen = matching(table, "op", op)
    if not chosen.num_rows:
        known = ", ".join(operations_of(table)) or "none"
        raise UsageError(f"no completed {op!r} in this trace; completed operations: {known}")
    return chosen


def _pooled(trace: Trace) -> Any:
    """Return the ``latency`` table of all operations together."""
    from wsktrace.arrow import to_arrow
    from wsktrace.stats import latency_columns

    return to_arrow("latency", latency_columns(trace.arrow("irps"), pooled=True))


def percentiles(table: Any) -> str:
    """Return the rows of a ``latency`` table as text."""
    from wsktrace.units import clean, duration_text

    if not table.num_rows:
        return "no completed IRP in this trace\n"
    head = f"{'operation':<18} {'leg':<21} {'count':>9}" + "".join(f" {c.removesuffix('_ns'):>9}" for c in _COLUMNS)
    lines = [head]
    last = None
    for row in table.to_pylist():
        name = clean(row["op"]) if row["op"] != last else ""
        last = row["op"]
        figures = "".join(f" {duration_text(row[c]):>9}" for c in _COLUMNS)
        lines.append(f"{name:<18} {_LEGS.get(row['leg'], row['leg']):<21} {row['count']:>9,}{figures}")
    return "\n".join(lines) + "\n"


def _file(trace: Trace, table: Any, form: str) -> bytes:
    """Return the picture or the table as the bytes of a file."""
    import io

    held = io.BytesIO()
    if form == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, held, compression="zstd")
        return held.getvalue()
    import matplotlib as mpl

    from wsktrace.plots import latency_figure

    with mpl.rc_context({"svg.hashsalt": "wsktrace", "svg.fonttype": "none"}):  # the same trace gives the same file
        figure = latency_figure(table, title=trace.summary.file)
        figure.savefig(held, format=form, dpi=150, metadata={"Date": None} if form == "svg" else {"Software": None})
    return held.getvalue()
