"""Which events are wanted: ``EventFilter``. What a header tells is looked at before anything is decoded."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from wsktrace.decode.levels import has_level, level_of, number_of
from wsktrace.decode.moments import moment_of
from wsktrace.errors import UsageError
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wsktrace.decode.contents import Contents
    from wsktrace.decode.events import EventBatch
    from wsktrace.decode.kinds import RecordKind
    from wsktrace.etl.types import Chunk

__all__ = ["EventFilter"]

_CLASSIC: Final = (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64)
_KERNEL: Final = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; an empty one wants all.

    Attributes:
        providers: names (``*`` and ``?`` stand for others, case does not count) or GUIDs; one must fit.
        names: names of events, or functions of WPP messages, likewise.
        ids: event ids, message numbers, types of classic and kernel events.
        level: this level and the more severe ones; events that have no level are not wanted then.
        since_ns, until_ns: UTC; the first is included, the second is not.
        pids, tids: processes and threads; records that name none are not wanted then.
        pattern: must be found in the event's text.
    """

    providers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    ids: frozenset[int] = frozenset()
    level: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    pids: frozenset[int] = frozenset()
    tids: frozenset[int] = frozenset()
    pattern: re.Pattern[str] | None = None

    @classmethod
    def of(
        cls,
        *,
        providers: str | Sequence[str] = (),
        names: str | Sequence[str] = (),
        ids: int | str | Sequence[int | str] = (),
        level: int | str | None = None,
        since: str | None = None,
        until: str | None = None,
        pids: int | str | Sequence[int | str] = (),
        tids: int | str | Sequence[int | str] = (),
        grep: str | None = None,
        start_ns: int = 0,
    ) -> EventFilter:
        """Return a filter from what people write; ids also as ``10-19``, levels as words, times as ``moment_of``.

        Args:
            providers: see the attributes, as for all others.
            names: one or several.
            ids: one or several, also spans.
            level: number or word.
            since: a moment.
            until: a moment.
            pids: one or several.
            tids: one or several.
            grep: a regular expression.
            start_ns: the start of the trace, which some times count from; ns UTC; 0 where it is not known yet.

        Raises:
            UsageError: something that makes no sense; the message says what would.
        """
        severity = number_of(str(level)) if level is not None else None
        if level is not None and severity is None:
            raise UsageError(f"level {level}: give a number, or critical, error, warning, information, verbose")
        try:
            pattern = None if grep is None else re.compile(grep)
        except re.error as error:
            raise UsageError(f"grep {grep}: {error}") from None
        first = None if since is None else moment_of("since", since, start_ns)
        end = None if until is None else moment_of("until", until, start_ns)
        if start_ns and first is not None and end is not None and end <= first:
            raise UsageError(f"the time from {since} until {until} is empty")
        return cls(
            (providers,) if isinstance(providers, str) else tuple(providers),
            (names,) if isinstance(names, str) else tuple(names),
            frozenset(n for one in _several(ids) for n in _span(one)),
            severity,
            first,
            end,
            frozenset(_number("pid", one) for one in _several(pids)),
            frozenset(_number("tid", one) for one in _several(tids)),
            pattern,
        )

    def rows(
        self, chunk: Chunk, kinds: NDArray[np.int32], time: NDArray[np.int64], contents: Contents
    ) -> NDArray[np.int64]:
        """Return the records of a chunk that may be wanted, as far as their headers and kinds tell."""
        r = chunk.records
        keep = ~((r.id == 0) & ((r.kind == Kind.SYSTEM32) | (r.kind == Kind.SYSTEM64)))  # the log header
        if self.ids:
            number = np.where(
                np.isin(r.kind, _CLASSIC), r.opcode, np.where(np.isin(r.kind, _KERNEL), r.id & 0xFF, r.id)
            )
            keep &= np.isin(number, np.array(sorted(self.ids), np.int64))
        if self.providers or self.names:
            present = np.unique(kinds)
            wanted = np.array([self._wants(contents.kind(n), contents) for n in present.tolist()], np.bool_)
            keep &= wanted[np.searchsorted(present, kinds)]
        if self.level is not None:
            keep &= self._severe(chunk, kinds, contents, self.level)
        if self.since_ns is not None:
            keep &= time >= self.since_ns
        if self.until_ns is not None:
            keep &= time < self.until_ns
        for wanted_numbers, column in ((self.pids, r.pid), (self.tids, r.tid)):
            if wanted_numbers:
                keep &= r.has_thread & np.isin(column, np.array(sorted(wanted_numbers), np.int64))
        return np.flatnonzero(keep)

    def keep(self, batch: EventBatch) -> NDArray[np.bool_] | None:
        """Return which of the decoded events have the text that is looked for; None where none is."""
        if self.pattern is None:
            return None
        found = self.pattern.search
        return np.array([found(text) is not None for text in batch.messages()], np.bool_)

    def _wants(self, kind: RecordKind, contents: Contents) -> bool:
        if self.providers:
            labels = [contents.catalog.provider(kind)]
            if kind.provider >= 0:
                labels.append(contents.file.guids.text(kind.provider))
            if not any(_fits(one, label) for one in self.providers for label in labels):
                return False
        if self.names:
            found = contents.catalog.find(kind)
            labels = [] if found is None else [found.name, found.function]
            return any(label and _fits(one, label) for one in self.names for label in labels)
        return True

    @staticmethod
    def _severe(chunk: Chunk, kinds: NDArray[np.int32], contents: Contents, level: int) -> NDArray[np.bool_]:
        r = chunk.records
        own = has_level(r)
        keep = own & (r.level <= level)
        others = np.unique(kinds[~own])
        said = [level_of(contents.catalog.find(contents.kind(n))) for n in others.tolist()]
        severe = others[np.array([n is not None and n <= level for n in said], np.bool_)]
        result: NDArray[np.bool_] = keep | (~own & np.isin(kinds, severe))
        return result


def _several(given: int | str | Sequence[int | str]) -> Sequence[int | str]:
    return (given,) if isinstance(given, (int, str)) else given


def _number(what: str, given: int | str) -> int:
    try:
        return int(given, 0) if isinstance(given, str) else int(given)
    except ValueError:
        raise UsageError(f"{what} {given}: not a number") from None


def _span(given: int | str) -> range:
    first, dash, last = str(given).partition("-")
    low = _number("id", first)
    high = _number("id", last) if dash else low
    if not 0 <= low <= high <= 0xFFFF:
        raise UsageError(f"id {given}: ids are numbers from 0 to 65535, 12 or 10-19")
    return range(low, high + 1)


@lru_cache(maxsize=4096)
def _pattern(wanted: str) -> re.Pattern[str]:
    return re.compile(translate(wanted), re.IGNORECASE)


def _fits(wanted: str, label: str) -> bool:
    """Say whether a name or GUID is the one that is asked for."""
    try:
        text = str(uuid.UUID(wanted))
    except ValueError:
        return _pattern(wanted).match(label) is not None
    return label.strip("{}").lower() == text
