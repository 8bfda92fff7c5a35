"""Finds what describes each kind of record of a trace, and says where from: ``Catalog``.

The first that knows a kind is believed: the event itself (TraceLogging), what else the trace carries, the user's
files, the formats of kernel events, etl-parser's catalogue of known providers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsktrace.decode.formats import EventFormat
from wsktrace.decode.inventory import TRACELOGGING
from wsktrace.decode.names import WELL_KNOWN, kernel_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.decode.formats import FormatSource
    from wsktrace.decode.kinds import RecordKind
    from wsktrace.decode.symbols import Symbols
    from wsktrace.decode.tracelogging import SchemaBook
    from wsktrace.etl.types import GuidTable

__all__ = ["Catalog"]


@dataclass(slots=True)
class Catalog:
    """What describes the kinds of one trace.

    Attributes:
        book: the self-describing events of the trace.
        guids: the trace's GUIDs.
        sources: what is asked for all other kinds, in this order.
        symbols: that of the sources which may know several formats of one WPP message; None without one.
    """

    book: SchemaBook
    guids: GuidTable
    sources: Sequence[FormatSource] = ()
    symbols: Symbols | None = None
    _found: dict[RecordKind, EventFormat | None] = field(default_factory=dict, repr=False)
    _several: dict[RecordKind, tuple[EventFormat, ...]] = field(default_factory=dict, repr=False)

    def find(self, kind: RecordKind) -> EventFormat | None:
        """Return the format of a kind, None where nothing describes it."""
        if kind not in self._found:
            self._found[kind] = self._find(kind)
        return self._found[kind]

    def _find(self, kind: RecordKind) -> EventFormat | None:
        if kind.schema >= 0:
            schema = self.book.schemas[kind.schema]
            return EventFormat(schema.provider_name, schema.event_name, schema.layout, TRACELOGGING)
        if kind.key.family == "other":
            return None
        for source in self.sources:
            found = source.find(kind.key)
            if found is not None:
                return found
        return None

    def alternatives(self, kind: RecordKind) -> tuple[EventFormat, ...]:
        """Return the formats that the records of a kind may have: one, none, or several of a WPP message."""
        found = self.find(kind)
        if found is None:
            return ()
        if found.wpp is None or self.symbols is None:
            return (found,)
        if kind not in self._several:
            self._several[kind] = self.symbols.alternatives(kind.key) or (found,)
        return self._several[kind]

    def provider(self, kind: RecordKind) -> str:
        """Return the name of a kind's provider: as its format says, as is known of its GUID, else the GUID."""
        found = self.find(kind)
        if found is not None and found.provider:
            return found.provider
        if kind.key.family == "kernel":
            return f"kernel {kernel_group(kind.key.id >> 8)}"
        if kind.provider < 0:
            return ""
        named = self.book.provider_names.get(kind.provider, "") if kind.key.family == "event" else ""
        guid = self.guids.text(kind.provider)
        return named or WELL_KNOWN.get(guid, "") or f"{{{guid}}}"
