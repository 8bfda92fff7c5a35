"""Write a trace file: from events of the native provider, or from records of any kind.

Equal input gives equal bytes, always.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from wsktrace.errors import FormatError
from wsktrace.etl.types import Kind
from wsktrace.testing import kernel_notes, tlg_encode
from wsktrace.testing.etl_container import Session, streams
from wsktrace.testing.etl_options import DEFAULT, TraceOptions
from wsktrace.testing.etl_records import EXT_PROV_TRAITS, EXT_SCHEMA_TL, EXTENDED_INFO, RawRecord, ext_items
from wsktrace.testing.native import CHANNEL, COMMON_FIELDS, PROVIDER_GUID, PROVIDER_NAME, NativeField, native_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wsktrace.testing.events import Event

__all__ = [
    "ADDRESS_VALUES",
    "NativeEncoder",
    "RawRecord",
    "TraceOptions",
    "native_records",
    "write_native",
    "write_records",
]

Target = str | os.PathLike[str] | BinaryIO | None

_HEADER = struct.Struct("<HBBHHIIq16sHBBBBHQQ16s")
_WIDTH_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_GUID = PROVIDER_GUID.bytes_le
_NIL = bytes(16)
#: Fields that may hold an address as a plain number: the new socket, a cached descriptor.
ADDRESS_VALUES = frozenset({"Information", "InputValue", "OutputValue"})
#: The lowest kernel address of a 64-bit system.
_KERNEL = 0xFFFF800000000000


@dataclass(frozen=True, slots=True)
class _Plan:
    """How events of one shape are encoded.

    Extended items, payload packing, the field names, those that may be given, and which values (place, from which
    value on) a 32-bit image reduces to 32 bits.
    """

    items: bytes
    packing: struct.Struct
    names: tuple[str, ...]
    known: frozenset[str]
    narrow: tuple[tuple[int, int], ...]


class NativeEncoder:
    """Encodes events of the native provider; keeps the metadata of each (name, opcode) that it has met."""

    def __init__(self, options: TraceOptions, *, traits: bool = True, newer: bool = False) -> None:
        """``traits``: write the provider's name into every event, as a kernel provider does.

        ``newer``: fields that the declaration does not have are written after the declared ones as UInt64, as a newer
        header would; otherwise they are refused.
        """
        self._options = options
        self._newer = newer
        self._traits = [(EXT_PROV_TRAITS, tlg_encode.provider_traits(PROVIDER_NAME))] if traits else []
        self._plans: dict[object, _Plan] = {}

    def fields(self, event: Event) -> list[NativeField]:
        """Return the fields that the event's metadata names, in payload order, ``Image`` and ``Seq`` included."""
        declared = native_event(event.name, event.opcode).fields
        known = {f.name for f in declared}
        extra = [name for name in event.fields if name not in known]
        if extra and not self._newer:
            raise FormatError(f"{event.name} (opcode {event.opcode}) has no field {extra[0]!r}")
        chosen = [*COMMON_FIELDS, *declared, *(NativeField(name, "u64") for name in extra)]
        return [f for f in chosen if f.name not in event.missing and (f.name != "Seq" or event.seq is not None)]

    def _plan(self, event: Event) -> _Plan:
        """Return extended items, payload packing and field names of the event's shape."""
        fields = self.fields(event)
        width = self._options.image_bytes
        typed = [tlg_encode.Field(f.name, f.in_type(width), f.out_type) for f in fields]
        items = ext_items([*self._traits, (EXT_SCHEMA_TL, tlg_encode.schema(event.name, typed))])
        packing = struct.Struct("<" + "".join(_WIDTH_CODES[f.width(width)] for f in fields))
        names = tuple(f.name for f in fields)
        floors = [0 if f.type in ("ptr", "size") else _KERNEL if f.name in ADDRESS_VALUES else 1 << 64 for f in fields]
        narrow = tuple((i, floor) for i, floor in enumerate(floors) if floor < 1 << 64) if width == 4 else ()
        return _Plan(items, packing, names, event.missing.union(names), narrow)

    def _plan_of(self, event: Event) -> _Plan:
        shape = (event.name, event.opcode, event.seq is None, event.missing)
        key = (*shape, tuple(event.fields)) if self._newer else shape
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(event)
        elif not self._newer and not event.fields.keys() <= plan.known:
            self.fields(event)  # raises
        return plan

    def offsets(self, event: Event) -> dict[str, tuple[int, int]]:
        """Return where each payload field of the encoded event lies: name → (offset in the record, bytes).

        An address that stands in a 64-bit number (``ADDRESS_VALUES``) has the width of the image's addresses.
        """
        at, out = _HEADER.size + len(self._plan_of(event).items), {}
        for field in self.fields(event):
            width = field.width(self._options.image_bytes)
            address = field.name in ADDRESS_VALUES and event.fields.get(field.name, 0) >= _KERNEL
            out[field.name] = at, self._options.image_bytes if address else width
            at += width
        return out

    def encode(self, event: Event, ticks: int = 0) -> RawRecord:
        """Return the event as an EVENT64 (or EVENT32) record, ``ticks`` of the clock later than its time.

        Fields that are not given are zero; a 32-bit image keeps the low 32 bits of pointers and sizes, and of
        kernel addresses in ``ADDRESS_VALUES``. Notes of the kernel logger become its records.
        """
        if event.time < 0:
            raise FormatError(f"{event.name} at {event.time} ns lies before the start of the trace")
        if event.name in kernel_notes.NOTES:
            return kernel_notes.record(event, self._options.clock_at(event.time) + ticks, self._options.image_bytes)
        plan = self._plan_of(event)
        items, packing, names = plan.items, plan.packing, plan.names
        given = event.fields
        values = [event.image if n == "Image" else event.seq if n == "Seq" else given.get(n, 0) for n in names]
        for i, floor in plan.narrow:
            value = values[i] or 0
            values[i] = value & 0xFFFFFFFF if value >= floor else value
        clock = self._options.clock_at(event.time) + ticks
        try:
            payload = packing.pack(*values)
        except struct.error as error:
            pairs = ", ".join(f"{n}={v:#x}" for n, v in zip(names, values, strict=True) if v is not None)
            raise FormatError(f"{event.name}: a value does not fit its field ({error}): {pairs}") from None
        head = _HEADER.pack(
            _HEADER.size + len(items) + len(payload),
            Kind.EVENT64 if self._options.image_bytes == 8 else Kind.EVENT32,
            0xC0,
            EXTENDED_INFO,
            0,
            event.tid,
            event.pid,
            clock,
            _GUID,
            0,
            0,
            CHANNEL,
            event.level,
            event.opcode,
            0,
            event.keyword,
            0,
            _NIL,
        )
        return RawRecord(head + items + payload, clock, event.cpu)


def native_records(
    events: Iterable[Event], options: TraceOptions = DEFAULT, *, traits: bool = True, newer: bool = False
) -> list[RawRecord]:
    """Encode events of the native provider as records; see ``NativeEncoder`` for the switches."""
    encoder = NativeEncoder(options, traits=traits, newer=newer)
    return [encoder.encode(event) for event in events]


def write_records(records: Iterable[RawRecord], target: Target = None, *, options: TraceOptions = DEFAULT) -> bytes:
    """Write a trace of any records and return its bytes; they go to ``target`` too, where one is given.

    Records are placed by their clock, those of one clock in the order given. ``FormatError`` for a record that does
    not fit a buffer, ``UsageError`` for options that do not go together.
    """
    out = io.BytesIO()
    session = Session(options, out)
    session.feed(streams(records))
    session.close()
    data = out.getvalue()
    if isinstance(target, (str, os.PathLike)):
        Path(target).write_bytes(data)
    elif target is not None:
        target.write(data)
    return data


def write_native(
    events: Sequence[Event],
    target: Target = None,
    *,
    options: TraceOptions = DEFAULT,
    traits: bool = True,
    newer: bool = False,
) -> bytes:
    """Write a trace of native events and return its bytes; they go to ``target`` too, where one is given.

    Events are placed by their time, those of one clock tick in the order given; ``time`` is ns after the start.
    """
    return write_records(native_records(events, options, traits=traits, newer=newer), target, options=options)
