"""Levels of events: numbers of evntrace.h, and the words that drivers' trace macros write for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wsktrace.decode.formats import EventFormat
    from wsktrace.etl.types import Records

__all__ = ["LEVELS", "has_level", "level_of", "number_of"]

#: Names of the levels that the vendor defines (evntrace.h TRACE_LEVEL_*); 0 is written whatever level is enabled.
LEVELS: Final[dict[str, int]] = {"always": 0, "critical": 1, "error": 2, "warning": 3, "information": 4, "verbose": 5}
_WORDS: Final = (
    (re.compile(r"CRIT|FATAL|ABNORMAL"), 1),
    (re.compile(r"ERR"), 2),
    (re.compile(r"WARN"), 3),
    (re.compile(r"INFO"), 4),
    (re.compile(r"VERB"), 5),
    (re.compile(r"(^|_)(NONE|ALWAYS)$"), 0),
)
_WITH_LEVEL: Final = (Kind.EVENT32, Kind.EVENT64, Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64)


def number_of(word: str) -> int | None:
    """Return the number of a level as a format says it: ``TRACE_LEVEL_ERROR``, ``win:Warning``, ``4``; None else."""
    if word.isdecimal() and len(word) <= 3:
        return int(word)
    upper = word.upper()
    return next((number for pattern, number in _WORDS if pattern.search(upper)), None)


def level_of(found: EventFormat | None) -> int | None:
    """Return the level that a format gives its events, None where it gives none."""
    return None if found is None or not found.level else number_of(found.level)


def has_level(records: Records) -> NDArray[np.bool_]:
    """Say which records hold their level in the header; WPP messages have it in their format, kernel events nowhere."""
    return np.isin(records.kind, _WITH_LEVEL)
