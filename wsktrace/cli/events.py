"""``wsktrace events``: print the events of traces, decoded by whatever describes them."""

from __future__ import annotations

import os
import sys
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from wsktrace.cli import event_options, options
from wsktrace.errors import UsageError
from wsktrace.files import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsktrace.cli.output import Meter
    from wsktrace.decode.contents import Contents
    from wsktrace.decode.events import EventBatch
    from wsktrace.decode.symbols import Symbols
    from wsktrace.report.events.lines import Prefix

__all__ = ["command"]

#: Ending of -o → format.
ENDINGS = options.endings("text", "jsonl", "csv", "parquet")
_FORMATS = ("text", "jsonl", "csv", "parquet")


@click.command("events", cls=options.Verb)
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.member
@options.symbols
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Default: by the ending of -o, else text.")
@options.output_file(endings=ENDINGS)
@event_options.filters
@options.quiet
def command(
    traces: tuple[Path, ...],
    member: str | None,
    symbols: tuple[Path, ...],
    download: bool,
    form: str | None,
    target: Path | None,
    quiet: bool,
    **filters: Any,
) -> int:
    """Print the events of traces in the order of time, one per line.

    TRACE is an .etl file, or one packed as .gz or .zip; several are printed one after the other. An event is decoded
    by the first that describes it: the event itself, the trace, the files that --symbols names, the formats of kernel
    events, the catalogue of known providers. What nothing describes is shown with its first bytes.

    Options that may be repeated: one of the values must fit. * and ? in names stand for others.

    TRACE_FORMAT_PREFIX sets what stands in front of each message, as for the vendor's tools. Times are UTC.
    """
    from wsktrace.cli.output import Meter, format_for, leave_pipe, note
    from wsktrace.decode.event_filter import EventFilter
    from wsktrace.decode.symbols import Symbols
    from wsktrace.report.events.lines import DEFAULT_PREFIX, Prefix

    form = format_for(target, form, ENDINGS, "text")
    if form == "parquet" and target is None:
        raise UsageError("parquet is no text; name a file: -o FILE.parquet")
    for trace in traces:
        options.etl_only(trace)
    prefix = Prefix(os.environ.get("TRACE_FORMAT_PREFIX") or DEFAULT_PREFIX)
    EventFilter.of(**filters)  # what makes no sense is told before anything is read
    with Meter(quiet=quiet) as meter:
        reading = _Reading(traces, member, Symbols(symbols, download=download), filters, meter)
        if target is not None:
            _write_file(reading, form, prefix, target)
        else:
            try:
                _write_lines(reading, form, prefix, sys.stdout)
            except BrokenPipeError:  # the reader has seen enough
                leave_pipe()
                return 0
    if not quiet:
        for sentence in reading.notes():
            note(sentence)
    return 0


class _Reading:
    """The events of all traces, one trace after the other."""

    def __init__(
        self, traces: tuple[Path, ...], member: str | None, symbols: Symbols, filters: dict[str, Any], meter: Meter
    ) -> None:
        self._traces, self._member, self._symbols, self._filters, self._meter = traces, member, symbols, filters, meter
        self._problems: list[str] = []

    def each(self) -> Iterator[Iterator[EventBatch]]:
        """Yield the batches of each trace; they must be taken before the next trace is."""
        from wsktrace.decode.contents import gather
        from wsktrace.decode.event_filter import EventFilter
        from wsktrace.decode.events import read_events
        from wsktrace.etl.file import open_trace

        for path in self._traces:
            with open_trace(path, member=self._member) as file:
                contents = gather(file, self._symbols, progress=self._say("looking"))
                chosen = EventFilter.of(start_ns=file.clock.start_ns, **self._filters)
                yield read_events(contents, chosen, progress=self._say("decoding"))
                self._note(contents)

    def notes(self) -> list[str]:
        """Return what should be known of the symbols and of the traces' own descriptions."""
        return [*self._problems, *self._symbols.notes]

    def _say(self, stage: str) -> Callable[[int, int], None]:
        return lambda done, total: self._meter(stage, done, total)

    def _note(self, contents: Contents) -> None:
        count = len(contents.problems)
        if count:
            more = f" (and {count - 1:,} more)" if count > 1 else ""
            self._problems.append(f"{contents.file.name}: {contents.problems[0]}{more}")
        missing = contents.undescribed("message")
        if missing:
            what = "WPP message has" if missing == 1 else "WPP messages have"
            self._problems.append(
                f"{contents.file.name}: {missing:,} {what} no format; wsktrace info says what it needs"
            )


def _write_lines(reading: _Reading, form: str, prefix: Prefix, out: IO[str]) -> None:
    """Write the events as lines."""
    from wsktrace.cli.output import fit
    from wsktrace.report.events import lines as event_lines
    from wsktrace.report.events.order import OrderedLines
    from wsktrace.units import clean

    def lines_of(batch: EventBatch) -> list[str]:
        if form == "text":
            return event_lines.text_lines(batch, prefix)
        if form == "jsonl":
            return event_lines.json_lines(batch)
        lines = event_lines.csv_lines(batch)  # exact for programs, harmless for a terminal
        return list(map(clean, lines)) if out.isatty() else lines

    if form == "csv":
        out.write(event_lines.csv_head() + "\n")
    for batches in reading.each():
        with OrderedLines() as ordered:
            for batch in batches:
                ordered.add(batch.time_ns, lines_of(batch))
            for lines in ordered:
                out.write(fit("\n".join(lines) + "\n", out))
    out.flush()


def _write_file(reading: _Reading, form: str, prefix: Prefix, target: Path) -> None:
    """Write the events to a file, whole or not at all."""
    with whole(target) as place:
        if form == "parquet":
            with place.open("wb") as held:
                _write_parquet(reading, held)
        else:
            with place.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
                _write_lines(reading, form, prefix, out)


def _write_parquet(reading: _Reading, out: IO[bytes]) -> None:
    """Write the events of all traces in one order of time, typed columns for their fields."""
    import pyarrow.parquet as pq

    from wsktrace.report.events.table import ordered_tables

    writer: pq.ParquetWriter | None = None
    try:
        for table in ordered_tables(chain.from_iterable(reading.each())):
            if writer is None:
                writer = pq.ParquetWriter(out, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
