"""Manifests that .NET EventSources write into the trace themselves: XML in chunks, events of id 0xFFFE.

Source: the vendor's EventSource (ManifestEnvelope); etl-and-wpp-format, 1.7. Such a manifest may come after the first
events that it describes, and once per process and session; two processes may run two versions of one provider.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np

from wsktrace.decode.manifest import parse_manifest
from wsktrace.decode.names import EVENT_SOURCE_MANIFEST
from wsktrace.errors import FormatError
from wsktrace.etl.types import Kind

if TYPE_CHECKING:
    from wsktrace.decode.formats import EventFormat, RecordKey
    from wsktrace.etl.types import Chunk, GuidTable

__all__ = ["SOURCE", "EventSourceManifests"]

#: ``EventFormat.source`` of what such manifests describe.
SOURCE: Final = "manifest in the trace"
#: format, major and minor version, magic, number of chunks, number of this one
_ENVELOPE: Final = struct.Struct("<BBBBHH")
_FORMAT, _MAGIC = 1, 0x5B
_KINDS: Final = (Kind.EVENT32, Kind.EVENT64)
#: Bytes that are kept of manifests whose chunks have not all come: bounds memory on nonsense.
_PENDING: Final = 64 << 20
_MAX_PROBLEMS: Final = 100


@dataclass(slots=True)
class EventSourceManifests:
    """The manifests that the EventSources of one trace wrote; a ``FormatSource`` that grows while chunks go by.

    Attributes:
        problems: what of them could not be understood, the first hundred.
        manifests: different manifests met, by provider (16 raw bytes).
    """

    problems: list[str] = field(default_factory=list)
    manifests: dict[bytes, int] = field(default_factory=dict)
    _events: dict[tuple[bytes, int, int], EventFormat] = field(default_factory=dict, repr=False)
    #: (provider, process) → number of chunks, and those that have come
    _parts: dict[tuple[bytes, int], tuple[int, dict[int, bytes]]] = field(default_factory=dict, repr=False)
    _seen: set[tuple[bytes, bytes]] = field(default_factory=set, repr=False)
    _held: int = 0

    def add(self, chunk: Chunk, guids: GuidTable) -> None:
        """Take the manifest events of a chunk."""
        records = chunk.records
        chosen = (records.id == EVENT_SOURCE_MANIFEST) & np.isin(records.kind, _KINDS) & (records.guid >= 0)
        for row in np.flatnonzero(chosen).tolist():
            payload = chunk.data[records.payload[row] : records.end[row]].tobytes()
            self.add_record(guids.raw[int(records.guid[row])], int(records.pid[row]), payload)

    def add_record(self, guid: bytes, pid: int, payload: bytes) -> None:
        """Take the payload of one manifest event of a provider in a process."""
        if len(payload) < _ENVELOPE.size:
            return
        form, _, _, magic, total, number = _ENVELOPE.unpack_from(payload)
        if form != _FORMAT or magic != _MAGIC:
            return  # some provider's event that happens to have this id
        if number >= total:
            self._problem(guid, f"chunk {number} of {total}")
            return
        place = (guid, pid)
        known, parts = self._parts.get(place, (total, {}))
        if known != total:
            self._drop(place)
            parts = {}
        self._held += len(payload) - _ENVELOPE.size - len(parts.get(number, b""))
        parts[number] = payload[_ENVELOPE.size :]
        self._parts[place] = (total, parts)
        if len(parts) == total:
            self._drop(place)
            self._take(guid, b"".join(parts[i] for i in range(total)))
        elif self._held > _PENDING:
            self._drop(place)
            self._problem(guid, f"its {total} chunks do not all come")

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a kind of record, None where the manifests met so far do not describe it."""
        return self._events.get((key.guid, key.id, key.version)) if key.family == "event" else None

    def unfinished(self) -> list[str]:
        """Return, of manifests whose chunks did not all come, what is missing; for the end of the trace."""
        return [
            f"manifest of provider {UUID(bytes_le=guid)} in process {pid}: {len(parts)} of {total} chunks came"
            for (guid, pid), (total, parts) in self._parts.items()
        ]

    def _take(self, guid: bytes, xml: bytes) -> None:
        """Parse a whole manifest, each text once."""
        from hashlib import sha256

        digest = (guid, sha256(xml).digest())
        if digest in self._seen:
            return
        self._seen.add(digest)
        try:
            manifest = parse_manifest(xml, "the manifest", SOURCE)
        except FormatError as error:
            self._problem(guid, str(error))
            return
        if guid not in manifest.providers:
            self._problem(guid, "it describes another provider")
        fresh = {key: found for key, found in manifest.events.items() if key[0] == guid}
        for key, found in fresh.items():
            before = self._events.get(key)
            if before is not None and before.layout.fields != found.layout.fields:
                self._problem(guid, f"two of its manifests differ about event {key[1]} version {key[2]}")
        self._events |= {key: found for key, found in fresh.items() if key not in self._events}
        self.manifests[guid] = self.manifests.get(guid, 0) + 1

    def _drop(self, place: tuple[bytes, int]) -> None:
        _, parts = self._parts.pop(place, (0, {}))
        self._held -= sum(len(part) for part in parts.values())

    def _problem(self, guid: bytes, what: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(f"manifest of provider {UUID(bytes_le=guid)}: {what}")
