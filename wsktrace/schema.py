"""Every table of wsktrace, declared once.

A table is a name, a sentence and columns; a column is a name, a type word, a unit and a meaning. Builders cast by
this, Parquet metadata, ``wsktrace schema``, documentation and tests are made from it. Nothing heavy is imported.

Type words: ``bool``, ``uint8`` … ``uint64``, ``int64``, ``string``, ``word`` (a string out of few, dictionary-encoded
in Arrow), ``address`` (uint64, printed as WinDbg prints pointers), ``status`` (uint32, printed in hexadecimal),
``time`` (``timestamp[ns, UTC]``), ``ids`` (list of uint64).
"""

from __future__ import annotations

from wsktrace.schema_columns import Column, Table, address, key, ns, time
from wsktrace.schema_judged import FINDINGS, LATENCY, QUALITY, RULES

__all__ = ["TABLES", "Column", "Table", "table"]

#: Version of the tables and of the JSON that ``check`` writes.
SCHEMA_VERSION = 1


_LOAD = Column(
    "load", "uint32", "which load of which driver image, in order of appearance; ids never cross loads", nullable=False
)

#: Arguments of operations: native field name in snake case → (type word, meaning). Sparse in memory.
ARGUMENTS: dict[str, tuple[str, str]] = {
    "driver_object": ("address", "DRIVER_OBJECT"),
    "header_version": ("uint16", "version of the header that emits the native provider"),
    "trace_level": ("uint8", "level that is enabled, the union over all sessions"),
    "match_any_keyword": ("uint64", "keywords that are enabled, the union over all sessions"),
    "client_dispatch": ("address", "WSK_CLIENT_DISPATCH"),
    "wait_timeout": ("uint32", "how long WskCaptureProviderNPI may wait, ms; 0xffffffff without end"),
    "address_family": ("uint16", "AF_ constant"),
    "socket_type": ("uint16", "SOCK_ constant"),
    "protocol": ("uint32", "IPPROTO_ constant"),
    "flags": ("uint32", "Flags argument of the call or callback"),
    "socket_context": ("address", "the caller's context of the socket"),
    "dispatch": ("address", "the client's dispatch table of the socket"),
    "dispatch_members": ("uint32", "bits of the non-NULL members of the dispatch table"),
    "owning_process": ("address", "OwningProcess"),
    "owning_thread": ("address", "OwningThread"),
    "security_descriptor": ("address", "SecurityDescriptor"),
    "local_address": ("address", "LocalAddress or Address"),
    "local_family": ("uint16", "family of LocalAddress"),
    "remote_address": ("address", "RemoteAddress"),
    "remote_family": ("uint16", "family of RemoteAddress"),
    "request_type": ("uint32", "0 set option, 1 get option, 2 ioctl"),
    "control_code": ("uint32", "ControlCode"),
    "level": ("uint32", "Level of a socket option"),
    "input_size": ("uint64", "InputSize, bytes"),
    "input_buffer": ("address", "InputBuffer"),
    "input_value": ("uint64", "what the input buffer holds, as the native provider says"),
    "output_size": ("uint64", "OutputSize, bytes"),
    "output_buffer": ("address", "OutputBuffer"),
    "output_size_returned": ("address", "OutputSizeReturned"),
    "output_value": ("uint64", "what the output buffer holds, as the native provider says"),
    "result": ("address", "result of WskGetAddressInfo or WskGetNameInfo"),
    "buffer": ("address", "WSK_BUF or list of them"),
    "length": ("uint64", "bytes of the buffer"),
    "address": ("address", "Address"),
    "accept_socket": ("address", "socket that a WskAcceptEvent callback brings"),
    "accept_socket_context": ("address", "context of the accepted socket"),
    "accept_socket_dispatch": ("address", "dispatch table of the accepted socket"),
    "inspect_key": ("address", "key of a WSK_INSPECT_ID"),
    "inspect_serial": ("uint32", "serial number of a WSK_INSPECT_ID"),
    "action": ("uint32", "WSK_INSPECT_ACTION"),
    "indication": ("address", "list of data or datagram indications"),
    "ideal_backlog_size": ("uint64", "ideal send backlog, bytes"),
    "stack_size": ("uint8", "stack locations of the IRP"),
    "routine": ("address", "completion routine"),
    "routine_context": ("address", "context of the completion routine"),
    "invoke_on_success": ("uint8", "InvokeOnSuccess"),
    "invoke_on_error": ("uint8", "InvokeOnError"),
    "invoke_on_cancel": ("uint8", "InvokeOnCancel"),
    "pending_returned": ("uint8", "Irp->PendingReturned"),
    "free_address": ("address", "memory that is freed"),
    "free_size": ("uint64", "bytes that are freed"),
}

_OPERATIONS = Table(
    "operations",
    "One canonical operation: a call's entry or return, a completion, a callback, or a fact that the driver traced.",
    (
        key("operation_id", "unique in the trace, in trace order"),
        time("time", "when, on the trace's clock", nullable=False),
        Column("clock", "int64", "raw value of the session clock", "ticks", nullable=False),
        Column("cpu", "uint16", "processor whose buffer held the record"),
        Column("tid", "uint32", "thread id; 0 is every processor's idle thread"),
        Column("pid", "uint32", "process id"),
        _LOAD,
        address("image", "image base of the driver"),
        Column("seq", "uint64", "the driver's own event counter"),
        Column("op", "word", "operation, by the name of the WSK function, callback or IRP routine", nullable=False),
        Column(
            "phase",
            "word",
            "enter, return, complete, complete_return, callback, callback_return or fact",
            nullable=False,
        ),
        address("client", "WSK_CLIENT"),
        address("registration", "WSK_REGISTRATION"),
        address("socket", "WSK_SOCKET"),
        address("irp", "IRP; 0 where the call was made without one"),
        Column("status", "status", "NTSTATUS returned, or of the completion"),
        Column("status_name", "word", "name of status"),
        Column("information", "uint64", "IoStatus.Information of a completion"),
        Column("irql", "uint8", "IRQL"),
        Column("irp_id", "uint64", "row of irps that this operation belongs to"),
        Column("socket_id", "uint64", "row of sockets that this operation belongs to"),
        *(Column(name, kind, meaning) for name, (kind, meaning) in ARGUMENTS.items()),
        Column("record_buffer", "uint32", "ordinal of the record's buffer in the file", nullable=False),
        Column(
            "record_offset",
            "uint32",
            "offset of the record in that buffer after decompression",
            "bytes",
            nullable=False,
        ),
    ),
)

_IRPS = Table(
    "irps",
    "One use of an IRP: a WSK call that was given one, its return and its completion.",
    (
        key("irp_id", "unique in the trace"),
        address("irp", "address of the IRP; reused addresses give one row per use"),
        _LOAD,
        Column("op", "word", "the call", nullable=False),
        Column("socket_id", "uint64", "the socket it was made on, or that it created"),
        address("socket", "address of that socket"),
        address("client", "WSK_CLIENT of a client-level call"),
        time("issue_time", "when the call was entered", nullable=False),
        time("return_time", "when the call returned"),
        time("complete_time", "when the completion routine began"),
        Column("return_status", "status", "NTSTATUS that the call returned"),
        Column("return_status_name", "word", "name of return_status"),
        Column("completion_status", "status", "IoStatus.Status at completion"),
        Column("completion_status_name", "word", "name of completion_status"),
        Column("information", "uint64", "IoStatus.Information at completion"),
        Column("completion", "word", "inline (before the return), pended, or none_seen", nullable=False),
        Column("outcome", "word", "succeeded, failed, cancelled, open or unknown", nullable=False),
        ns("call_ns", "issue to return"),
        ns("pending_ns", "from the return that said PENDING to the completion; null where completion came first"),
        ns("total_ns", "issue to completion"),
        Column("cpu", "uint16", "processor of the call"),
        Column("tid", "uint32", "thread of the call"),
        Column("complete_cpu", "uint16", "processor of the completion"),
        Column("complete_tid", "uint32", "thread of the completion"),
        Column("irql", "uint8", "IRQL at the call"),
        Column("length", "uint64", "bytes asked for, of data calls", "bytes"),
        Column(
            "own", "bool", "the IRP is known to be the driver's own, so its completion must be seen", nullable=False
        ),
        Column("doubt", "word", "why legs of this row may belong elsewhere: a U- reason; null where certain"),
        Column("issue_operation", "uint64", "operation of the call", nullable=False),
        Column("return_operation", "uint64", "operation of the return"),
        Column("complete_operation", "uint64", "operation of the completion"),
    ),
)

_SOCKETS = Table(
    "sockets",
    "One socket from its creation to the end of its close.",
    (
        key("socket_id", "unique in the trace"),
        address("socket", "address of the WSK_SOCKET; reused addresses give one row per socket"),
        _LOAD,
        Column(
            "origin",
            "word",
            "socket, socket_connect, accept, accept_event, or adopted (first met in use)",
            nullable=False,
        ),
        Column("category", "word", "basic, listen, datagram, connection or stream"),
        Column("address_family", "uint16", "AF_ constant"),
        Column("socket_type", "uint16", "SOCK_ constant"),
        Column("protocol", "uint32", "IPPROTO_ constant"),
        Column("flags", "uint32", "Flags of the creating call"),
        address("client", "WSK_CLIENT it was created with"),
        address("context", "SocketContext"),
        address("dispatch", "dispatch table"),
        Column("dispatch_members", "uint32", "bits of the non-NULL members of the dispatch table"),
        Column("parent_id", "uint64", "the listening socket that it was accepted from"),
        Column("irp_id", "uint64", "the use of an IRP that created it"),
        time("create_time", "when the creating call was entered, or the callback brought it"),
        time("open_time", "when the creation completed"),
        time("close_time", "when WskCloseSocket was entered"),
        time("closed_time", "when the close completed"),
        ns("lifetime_ns", "open_time to close_time"),
        ns("close_ns", "close_time to closed_time"),
        Column("irps", "uint64", "uses of IRPs on this socket, creation and close included", nullable=False),
        Column("open_irps", "uint64", "of these, still open at the end of the trace", nullable=False),
        Column("doubt", "word", "why this life may be another's: a U- reason; null where certain"),
        Column(
            "birth_operation", "uint64", "operation that brought the socket, or the first that named it", nullable=False
        ),
        Column("close_operation", "uint64", "entry of WskCloseSocket"),
        Column("closed_operation", "uint64", "completion of the close"),
    ),
)

_DESCRIPTORS = Table(
    "descriptors",
    "One security descriptor that was cached, used or released, by address.",
    (
        key("descriptor_id", "unique in the trace"),
        address("descriptor", "address of the descriptor"),
        _LOAD,
        Column("cached", "uint64", "successful WSK_CACHE_SD calls that gave this address", nullable=False),
        Column("fetched", "uint64", "successful SO_WSK_SECURITY gets that gave this address", nullable=False),
        Column("uses", "uint64", "creations and SO_WSK_SECURITY sets that used it", nullable=False),
        Column("released", "uint64", "successful WSK_RELEASE_SD calls on it", nullable=False),
        Column("given", "uint64", "WSK_CACHE_SD calls that were given this address as input", nullable=False),
        Column("references", "int64", "cached + fetched − released at the end, as far as seen", nullable=False),
        time("first_time", "when it was first met", nullable=False),
        time("last_time", "when it was last met", nullable=False),
        Column("doubt", "word", "why references may be otherwise: a U- reason; null where certain"),
        Column("first_operation", "uint64", "operation that first named it", nullable=False),
    ),
)

_REGISTRATIONS = Table(
    "registrations",
    "One registration of the driver with WSK, from WskRegister to the return of WskDeregister.",
    (
        key("registration_id", "unique in the trace"),
        address("registration", "address of the WSK_REGISTRATION"),
        _LOAD,
        address("client", "WSK_CLIENT that the last capture gave"),
        Column("register_status", "status", "NTSTATUS of WskRegister"),
        time("register_time", "when WskRegister was entered; null where that is not in the trace"),
        time("capture_time", "when the first capture returned"),
        time("release_time", "when the last release was entered"),
        time("deregister_time", "when WskDeregister was entered"),
        time("deregistered_time", "when WskDeregister returned"),
        Column("captures", "uint64", "successful WskCaptureProviderNPI calls", nullable=False),
        Column("releases", "uint64", "WskReleaseProviderNPI calls", nullable=False),
        Column("sockets", "uint64", "sockets created with its clients", nullable=False),
        Column("first_operation", "uint64", "operation that first named it", nullable=False),
    ),
)

TABLES: dict[str, Table] = {
    t.name: t for t in (_OPERATIONS, _IRPS, _SOCKETS, _DESCRIPTORS, _REGISTRATIONS, FINDINGS, RULES, QUALITY, LATENCY)
}


def table(name: str) -> Table:
    """Return the table of that name; ``UsageError`` with the known names where there is none."""
    from wsktrace.errors import UsageError

    try:
        return TABLES[name]
    except KeyError:
        raise UsageError(f"no table named {name!r}; the tables are {', '.join(TABLES)}") from None
