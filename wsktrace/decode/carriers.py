"""Records that describe others: event metadata and manifests in a trace, as events that can be read themselves.

Source: etl-and-wpp-format, 1.7 (TRACE_EVENT_INFO, EVENT_MAP_INFO, ManifestEnvelope of EventSource).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsktrace.decode.event_metadata import EVENT_METADATA
from wsktrace.decode.fields import Field, Layout, Rule
from wsktrace.decode.formats import EventFormat
from wsktrace.decode.intypes import InType, OutType
from wsktrace.decode.names import EVENT_SOURCE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Collection

    from wsktrace.decode.formats import RecordKey

__all__ = ["SOURCE", "Carriers"]

#: ``EventFormat.source`` of these records.
SOURCE: Final = "describes other events"
_REST: Final = Field("Data", InType.BINARY, length=Rule.REST)
_EVENT_INFO: Final = Layout(
    (
        Field("Provider", InType.GUID),
        Field("EventGuid", InType.GUID),
        Field("Id", InType.UINT16),
        Field("Version", InType.UINT8),
        Field("Channel", InType.UINT8),
        Field("Level", InType.UINT8),
        Field("Opcode", InType.UINT8),
        Field("Task", InType.UINT16),
        Field("Keyword", InType.UINT64, OutType.HEX),
        _REST,
    )
)
_MAP_INFO: Final = Layout((Field("Provider", InType.GUID), _REST))
_MANIFEST: Final = Layout(
    (
        Field("Format", InType.UINT8),
        Field("MajorVersion", InType.UINT8),
        Field("MinorVersion", InType.UINT8),
        Field("Magic", InType.UINT8),
        Field("TotalChunks", InType.UINT16),
        Field("ChunkNumber", InType.UINT16),
        Field("Data", InType.BINARY, OutType.UTF8, length=Rule.REST),
    )
)
_METADATA: Final = {
    32: EventFormat(
        "EventMetadata", "EventInfo", _EVENT_INFO, SOURCE, "Describes event %3, version %4, opcode %6 of provider %1"
    ),
    33: EventFormat("EventMetadata", "EventMapInfo", _MAP_INFO, SOURCE, "Names values of fields of provider %1"),
}
_MANIFEST_FORMAT: Final = EventFormat(
    "", "ManifestData", _MANIFEST, SOURCE, "Manifest of this provider, part %6 of %5 (the first is 0)"
)


class Carriers:
    """The records of a trace that describe others as a source of formats."""

    def __init__(self, manifests: Collection[bytes]) -> None:
        """Take the providers (16 raw bytes) that wrote a manifest."""
        self._manifests = manifests

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a record that describes others, None for all else."""
        if key.family == "classic" and key.guid == EVENT_METADATA:
            return _METADATA.get(key.id)
        if key.family == "event" and key.id == EVENT_SOURCE_MANIFEST and key.guid in self._manifests:
            return _MANIFEST_FORMAT
        return None
