"""Read an ETW trace of a Windows kernel driver that calls WskSocket, and judge what happened.

::

    import wsktrace

    with wsktrace.open("net.etl") as trace:
        trace.findings          # broken rules and suspects, a pandas DataFrame
        trace.irps              # one row per use of an IRP
        trace.plot.latency()    # matplotlib axes
        trace.to_parquet("net") # and later: wsktrace.load("net")

Importing this package loads nothing heavy: each public name is fetched where it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.version import __version__

if TYPE_CHECKING:
    from wsktrace.errors import FormatError, InputError, MissingDependency, NotAnEtlFile, UsageError, WsktraceError
    from wsktrace.trace import Finding, Trace, address, load, open  # noqa: A004 -- wsktrace.open reads as it should

__all__ = [
    "Finding",
    "FormatError",
    "InputError",
    "MissingDependency",
    "NotAnEtlFile",
    "Trace",
    "UsageError",
    "WsktraceError",
    "__version__",
    "address",
    "load",
    "open",
]

#: Where each public name lives.
_HOMES = {
    "Finding": "wsktrace.trace",
    "FormatError": "wsktrace.errors",
    "InputError": "wsktrace.errors",
    "MissingDependency": "wsktrace.errors",
    "NotAnEtlFile": "wsktrace.errors",
    "Trace": "wsktrace.trace",
    "UsageError": "wsktrace.errors",
    "WsktraceError": "wsktrace.errors",
    "address": "wsktrace.trace",
    "load": "wsktrace.trace",
    "open": "wsktrace.trace",
}


def __getattr__(name: str) -> object:
    """Fetch a public name from its module at first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'wsktrace' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
