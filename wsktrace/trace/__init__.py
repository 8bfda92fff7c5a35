"""The façade: a trace as its tables, each built when it is first asked for and then kept.

``open`` reads an .etl; ``load`` reads what ``Trace.to_parquet`` wrote, without the .etl; both give a ``Trace``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from wsktrace.trace.facade import Trace
from wsktrace.trace.sources import Loaded
from wsktrace.trace.subjects import Finding

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np

__all__ = ["Finding", "Trace", "address", "load", "open"]


def open(  # noqa: A001 -- wsktrace.open reads as it should
    source: str | os.PathLike[str] | BinaryIO,
    *,
    member: str | None = None,
    profile: str = "native",
    select: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
    unknown: bool = False,
    notes: bool = False,
    limits: Mapping[str, float] | None = None,
    baseline: str | os.PathLike[str] | None = None,
    symbols: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    download: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Trace:
    """Open an ETL trace; it is read when its first table is asked for.

    Args:
        source: a path to an .etl, .etl.gz or .zip, or a file object opened in binary mode.
        member: which file of a .zip, where it holds several.
        profile: how the driver's events map to operations; ``native`` is the provider of ``wsktrace.h``.
        select: ids of the rules to judge by (``SD-LEAK`` or ``WSK-SD-LEAK``); all where None.
        ignore: ids of the rules to leave out.
        unknown: whether ``findings`` lists what the trace cannot decide, too.
        notes: whether ``findings`` lists what is legal and worth knowing, too.
        limits: other limits than the profile's: ``{"close_s": 20, "WskConnect": 90, "order_tolerance_ms": 5}``.
        baseline: JSON or SARIF of an earlier run; findings that it has are marked in the column ``ignored``.
        symbols: what describes events for ``Trace.events``: PDBs, TMF files, manifests, binaries, folders of them.
        download: whether the servers of ``_NT_SYMBOL_PATH`` may be asked for PDBs.
        progress: called with (stage, done, total); a total of 0 where it is not known.

    Raises:
        NotAnEtlFile: it is something else; the message says what and what to do.
        UsageError: no profile, rule or limit of that name, no such symbol file or baseline.
        FormatError: a symbol file or baseline that is named is damaged.
    """
    import os

    from wsktrace.trace.analysis import Analysis

    return Trace(
        Analysis(
            source,
            member=member,
            profile=profile,
            select=(select,) if isinstance(select, str) else select,
            ignore=(ignore,) if isinstance(ignore, str) else ignore,
            unknown=unknown,
            notes=notes,
            limits=limits,
            baseline=baseline,
            symbols=(symbols,) if isinstance(symbols, (str, os.PathLike)) else tuple(symbols),
            download=download,
            progress=progress,
        )
    )


def address(text: str | int) -> np.uint64:
    """Return an address as the tables hold it, from what debuggers print or from a number: to compare a column with.

    ``irps[irps.irp == wsktrace.address("ffff8001`23456780")]``. pandas takes a number in Python for a signed one, which
    the address of a kernel is too large for.

    Raises:
        UsageError: it is no address.
    """
    import numpy as np

    from wsktrace.errors import UsageError
    from wsktrace.units import read_address

    number = read_address(text) if isinstance(text, str) else int(text)
    if number is None or not 0 <= number < 1 << 64:
        raise UsageError(f"{text!r} is no address, such as ffff8001`23456780 or 0xffff800123456780")
    return np.uint64(number)


def load(directory: str | os.PathLike[str]) -> Trace:
    """Open a folder that ``Trace.to_parquet`` or ``wsktrace export`` wrote; ``FormatError`` where it is none."""
    from wsktrace import store

    return Trace(Loaded(store.read(directory)))
