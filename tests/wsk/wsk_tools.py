"""Traces of single events for tests of the mapping, read back as rows of ``operations``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from wsktrace.testing.etl_writer import TraceOptions, write_native
from wsktrace.testing.events import Event
from wsktrace.testing.native import EVENTS
from wsktrace.trace.analysis import Analysis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wsktrace.testing.etl_writer import RawRecord

__all__ = ["COLUMNS", "IMAGE", "STEP", "analysed", "columns_of", "expected", "filled", "operations", "rows_of"]

IMAGE = 0xFFFFF80244200000
#: ns between two events.
STEP = 1000

#: Native field → column of ``operations``: the field's name in snake case, unless the table says otherwise.
COLUMNS: dict[str, str] = {
    "HeaderVersion": "header_version", "MatchAnyKeyword": "match_any_keyword", "DriverObject": "driver_object",
    "Status": "status", "Registration": "registration", "ClientDispatch": "client_dispatch", "Irql": "irql",
    "WaitTimeout": "wait_timeout", "Client": "client", "AddressFamily": "address_family",
    "SocketType": "socket_type", "Protocol": "protocol", "Flags": "flags", "SocketContext": "socket_context",
    "Dispatch": "dispatch", "DispatchMembers": "dispatch_members", "OwningProcess": "owning_process",
    "OwningThread": "owning_thread", "SecurityDescriptor": "security_descriptor", "Irp": "irp",
    "LocalAddress": "local_address", "LocalFamily": "local_family", "RemoteAddress": "remote_address",
    "RemoteFamily": "remote_family", "ControlCode": "control_code", "InputSize": "input_size",
    "InputBuffer": "input_buffer", "InputValue": "input_value", "OutputSize": "output_size",
    "OutputBuffer": "output_buffer", "OutputSizeReturned": "output_size_returned", "OutputValue": "output_value",
    "Result": "result", "Socket": "socket", "RequestType": "request_type", "Level": "level", "Length": "length",
    "AcceptSocketContext": "accept_socket_context", "AcceptSocketDispatch": "accept_socket_dispatch",
    "Buffer": "buffer", "Address": "address", "InspectKey": "inspect_key", "InspectSerial": "inspect_serial",
    "Action": "action", "Indication": "indication", "StackSize": "stack_size", "Routine": "routine",
    "InvokeOnSuccess": "invoke_on_success", "InvokeOnError": "invoke_on_error",
    "InvokeOnCancel": "invoke_on_cancel", "Information": "information", "PendingReturned": "pending_returned",
    "AcceptSocket": "accept_socket", "IdealBacklogSize": "ideal_backlog_size",
}  # fmt: skip
#: The same name means something else in these events.
_OTHERWISE = {
    ("ProviderState", "Level"): "trace_level",
    ("IrpSetCompletion", "Context"): "routine_context",
    ("MemoryFree", "Address"): "free_address",
    ("MemoryFree", "Size"): "free_size",
}
#: Columns that do not come from the event's own fields.
DERIVED = {
    "operation_id", "time", "clock", "cpu", "tid", "pid", "load", "image", "seq", "op", "phase", "status_name",
    "irp_id", "socket_id", "record_buffer", "record_offset",
}  # fmt: skip


def columns_of(event: str, field: str) -> str:
    """Return the column that a field of an event must go to."""
    return _OTHERWISE.get((event, field)) or COLUMNS[field]


def filled(name: str, opcode: int, place: int, *, missing: Iterable[str] = (), value: int | None = None) -> Event:
    """Return an event whose fields all differ from each other and from zero (or all are ``value``)."""
    fields = {}
    for n, field in enumerate(EVENTS[name, opcode].fields):
        # the highest bit set: a value that is cut or taken as signed does not come through unharmed
        top = 1 << (8 * field.width() - 1)
        fields[field.name] = top | (place * 40 + n + 1) % top if value is None else value
    declared = EVENTS[name, opcode]
    return Event(
        place * STEP, place % 3, 100 + place % 5, 4, name, opcode, fields, IMAGE, place + 1, declared.keyword,
        declared.level, frozenset(missing),
    )  # fmt: skip


def narrow(name: str, opcode: int, field: str, value: int) -> int:
    """Return what a 32-bit image leaves of a value."""
    kind = next(f for f in EVENTS[name, opcode].fields if f.name == field)
    in_number = field in ("Information", "InputValue", "OutputValue") and value >= 0xFFFF800000000000
    return value & 0xFFFFFFFF if kind.type in ("ptr", "size") or in_number else value


def expected(event: Event, pointer_size: int = 8) -> dict[str, Any]:
    """Return what the row of an event must hold: every column that its fields go to, and nothing for the others."""
    found = {}
    for field, value in event.fields.items():
        if field not in event.missing:
            kept = value if pointer_size == 8 else narrow(event.name, event.opcode, field, value)
            found[columns_of(event.name, field)] = kept
    return found


def analysed(data: bytes) -> Analysis:
    """Return the analysis of a trace's bytes."""
    return Analysis(io.BytesIO(data))


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of ``operations`` of a trace, in trace order."""
    return analysed(data).table("operations").to_pylist()


def operations(events: Sequence[Event], **options: Any) -> list[dict[str, Any]]:
    """Return the rows of ``operations`` that events become."""
    return rows_of(write_native(events, options=TraceOptions(**options)))


def own(row: dict[str, Any]) -> dict[str, Any]:
    """Return what of a row came from the event's own fields, without what is null."""
    return {name: value for name, value in row.items() if name not in DERIVED and value is not None}


def at(record: RawRecord, place: int) -> RawRecord:
    """Return a record at the place of an event."""
    record.clock = TraceOptions().clock_at(place * STEP)
    return record
