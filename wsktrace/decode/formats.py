"""What describes a kind of record: ``EventFormat``, found by ``RecordKey`` in anything that is a ``FormatSource``."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsktrace.decode.fields import Layout

__all__ = ["EventFormat", "FormatSource", "RecordKey", "ValueMap"]

_NOTHING: Final = MappingProxyType[str, "ValueMap"]({})


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What a record's header says of what it is.

    Attributes:
        family: ``event`` (manifest and TraceLogging), ``classic`` (class GUID), ``message`` (WPP) or ``kernel``.
        guid: 16 raw little-endian bytes: provider, class or message GUID; empty for kernel records.
        id: event id, classic event type, message number, or kernel group << 8 | type.
        version: version of the event; 0 for messages.
        opcode: of events; for classic and kernel records their type.
        pointer: bytes of a pointer in the record, 4 or 8.
    """

    family: str
    guid: bytes
    id: int
    version: int = 0
    opcode: int = 0
    pointer: int = 8


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Names of values: of single ones, or (``bits``) of the bits of a mask."""

    names: Mapping[int, str]
    bits: bool = False


@dataclass(frozen=True, slots=True)
class EventFormat:
    """What is known of one kind of record.

    Attributes:
        provider: name of the provider (or of the WPP control GUID's component); empty where it is not known.
        name: of the event; of a WPP message its function.
        layout: the fields of the payload.
        source: what said so, in words with the file's name: ``TMF drv.tmf``, ``PDB drv.pdb``, ``manifest http.man``,
            ``manifest in the trace``, ``etl-parser's catalogue``.
        message: text with the placeholders of its kind: ``%1`` of manifests, ``%10!s!`` of WPP; empty without one.
        maps: by field name (dotted for members of structs) the names of its values.
        level: as a word or number of the description; empty where it does not say.
        keywords: likewise; WPP's FLAGS.
        file, line, function: place in the driver's source, of WPP messages; empty and 0 elsewhere.
        wpp: the parsed WPP message behind a format of family ``message`` (its renderer needs it); None elsewhere.
    """

    provider: str
    name: str
    layout: Layout
    source: str
    message: str = ""
    maps: Mapping[str, ValueMap] = field(default_factory=lambda: _NOTHING)
    level: str = ""
    keywords: str = ""
    file: str = ""
    line: int = 0
    function: str = ""
    wpp: object | None = None


class FormatSource(Protocol):
    """Something that describes kinds of records."""

    def find(self, key: RecordKey) -> EventFormat | None:
        """Return the format of a kind of record, None where this source does not describe it."""
