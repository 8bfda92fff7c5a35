"""The errors of wsktrace; each message says what happened and what to do next.

::

    WsktraceError                 everything below; the command line prints it as one line and exits with 2
    ├── InputError                the input cannot be read as an ETL trace at all
    │   └── NotAnEtlFile          it is something else (empty, a directory, text, .evtx, .cab …)
    ├── FormatError               a description (profile, script, Parquet folder …) is not what it should be
    ├── UsageError                arguments that do not fit together, a name that does not exist
    └── MissingDependency         an optional library is needed; the message names the pip line

Damage *inside* a trace is never an error: it becomes rows of the ``quality`` table.
"""

from __future__ import annotations

__all__ = ["FormatError", "InputError", "MissingDependency", "NotAnEtlFile", "UsageError", "WsktraceError", "missing"]


class WsktraceError(Exception):
    """Base of all errors that wsktrace raises on purpose."""


class InputError(WsktraceError):
    """The input cannot be read as an ETL trace."""


class NotAnEtlFile(InputError):  # noqa: N818 -- reads as a sentence where it is caught
    """The input is something other than an ETL trace."""


class FormatError(WsktraceError):
    """A description given by the user (profile, script, Parquet folder) is not well formed."""


class UsageError(WsktraceError):
    """Arguments that do not fit together, or a name that does not exist."""


class MissingDependency(WsktraceError):  # noqa: N818 -- reads as a sentence where it is caught
    """An optional library is needed for what was asked."""


def missing(what: str, package: str, extra: str) -> MissingDependency:
    """Return the error for a library that is not installed; the quotes of its pip line suit every shell."""
    return MissingDependency(f'{what} needs the package {package}; to install it: pip install "wsktrace[{extra}]"')
