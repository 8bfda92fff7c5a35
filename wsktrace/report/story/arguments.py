"""Arguments of calls and callbacks by their public names: flags, families, control codes, event masks, IRQL.

Source: wsk-contract 2.1 to 2.5 (wsk.h, ws2def.h, mswsock.h, ntddk.h; values are facts of the public headers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsktrace.units import address_text
from wsktrace.wsk import constants as c
from wsktrace.wsk.constants import family_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsktrace.report.story.rows import Operation

__all__ = ["argument", "bits", "control_code", "irql_name", "protocol", "socket_type"]

TYPES: Final = {c.SOCK_STREAM: "SOCK_STREAM", c.SOCK_DGRAM: "SOCK_DGRAM", c.SOCK_RAW: "SOCK_RAW"}
PROTOCOLS: Final = {
    0: "IPPROTO_IP", 1: "IPPROTO_ICMP", 2: "IPPROTO_IGMP", 4: "IPPROTO_IPV4", c.IPPROTO_TCP: "IPPROTO_TCP",
    c.IPPROTO_UDP: "IPPROTO_UDP", 41: "IPPROTO_IPV6", 58: "IPPROTO_ICMPV6", 113: "IPPROTO_PGM", 255: "IPPROTO_RAW",
}  # fmt: skip
_IRQLS: Final = {0: "PASSIVE_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL"}
_CATEGORIES: Final = {
    flag: name for name, flag in vars(c).items() if name.startswith("WSK_FLAG_") and name.endswith("_SOCKET") and flag
}
#: Operation → bit of its Flags → name.
_FLAGS: Final[dict[str, dict[int, str]]] = {
    "WskSocket": _CATEGORIES,
    "WskSocketConnect": _CATEGORIES,
    "WskSend": {1: "WSK_FLAG_OOB", 2: "WSK_FLAG_NODELAY"},
    "WskReceive": {2: "WSK_FLAG_WAITALL", 4: "WSK_FLAG_DRAIN"},
    "WskDisconnect": {1: "WSK_FLAG_ABORTIVE"},
}
_CALLBACK_FLAGS: Final = {
    1: "WSK_FLAG_ABORTIVE", 2: "WSK_FLAG_RELEASE_ASAP", 4: "WSK_FLAG_ENTIRE_MESSAGE", 8: "WSK_FLAG_AT_DISPATCH_LEVEL",
}  # fmt: skip
_CLIENT_CODES: Final = {
    getattr(c, name): name
    for name in (
        "WSK_TRANSPORT_LIST_QUERY", "WSK_TRANSPORT_LIST_CHANGE", "WSK_CACHE_SD", "WSK_RELEASE_SD",
        "WSK_TDI_DEVICENAME_MAPPING", "WSK_SET_STATIC_EVENT_CALLBACKS", "WSK_TDI_BEHAVIOR",
    )
}  # fmt: skip
_OPTIONS: Final = {
    value: name for name, value in vars(c).items() if name.startswith("SO_")
} | {0x20: "SO_BROADCAST"}  # fmt: skip
_IOCTLS: Final = {value: name for name, value in vars(c).items() if name.startswith("SIO_")} | {
    0xCF000002: "SIO_WSK_REGISTER_EXTENSION",
    0x480000D2: "SIO_QUERY_RSS_SCALABILITY_INFO",
}
_EVENTS: Final = {value: name for name, value in vars(c).items() if name.startswith("WSK_EVENT_")}
_LEVELS: Final = {c.SOL_SOCKET: "SOL_SOCKET", 41: "IPPROTO_IPV6"}
_REQUESTS: Final = {c.WSK_SET_OPTION: "sets", c.WSK_GET_OPTION: "gets", c.WSK_IOCTL: "ioctl"}
#: Bits of DispatchMembers. Source: native-provider, Client level.
_MEMBERS: Final = {
    1: "accept", 2: "inspect", 4: "abort", 8: "receive-from", 16: "receive", 32: "disconnect", 64: "send backlog",
}  # fmt: skip
_ACTIONS: Final = {0: "WskInspectReject", 1: "WskInspectAccept", 2: "WskInspectPend"}
_INFINITE = 0xFFFFFFFF
_NO_ID = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def bits(value: int, names: dict[int, str], none: str = "0") -> str:
    """Return the names of the bits that are set, joined by ``|``; those without a name as one number."""
    found = [name for bit, name in names.items() if bit and value & bit]
    rest = value & ~sum(bit for bit in names if value & bit)
    return "|".join(found + ([f"0x{rest:x}"] if rest else [])) or none


def socket_type(value: int) -> str:
    """Return a socket type by name."""
    return TYPES.get(value, f"socket type {value}")


def protocol(value: int) -> str:
    """Return a protocol by name."""
    return PROTOCOLS.get(value, f"protocol {value}")


def irql_name(value: int) -> str:
    """Return an IRQL by name."""
    return _IRQLS.get(value, f"IRQL {value}")


def control_code(op: str, code: int, request: int | None = None, level: int | None = None) -> str:
    """Return the control code of a WskControlClient or WskControlSocket by name."""
    if op == "WskControlClient":
        return _CLIENT_CODES.get(code, f"control code 0x{code:x}")
    if request == c.WSK_IOCTL:
        return _IOCTLS.get(code, f"ioctl 0x{code:08x}")
    if level == 41 and code == 27:
        return "IPV6_V6ONLY"
    named = _OPTIONS.get(code) if level in (None, c.SOL_SOCKET) else None
    if named is None and request is None:
        named = _IOCTLS.get(code)
    if named is not None:
        return named
    at = "" if level is None else f" of level {_LEVELS.get(level, hex(level))}"
    return f"option 0x{code:x}{at}"


def _event_mask(value: int) -> str:
    """Return an EventMask by names."""
    foreign = " of another NPI" if value & c.FOREIGN_NPI else ""
    return bits(value & ~c.FOREIGN_NPI, _EVENTS) + foreign


def _flags(row: Operation, value: int) -> str:
    if row.op in ("WskSocket", "WskSocketConnect"):
        none = "WSK_FLAG_BASIC_SOCKET" if row.op == "WskSocket" else ""
        return bits(value, _CATEGORIES, none)
    if row.op.endswith("Event"):
        return bits(value, _CALLBACK_FLAGS, "")
    return f"Flags {bits(value, _FLAGS.get(row.op, {}))}" if value else ""


def _pointer(label: str) -> Callable[[Operation, int], str]:
    return lambda _, value: f"{label} {address_text(value)}" if value else ""


def _size(label: str) -> Callable[[Operation, int], str]:
    return lambda _, value: f"{label} {value:,} bytes" if value else ""


def _input(row: Operation, value: int) -> str:
    code = row.arg("control_code")
    if (row.op, code) in (
        ("WskControlClient", c.WSK_SET_STATIC_EVENT_CALLBACKS),
        ("WskControlSocket", c.SO_WSK_EVENT_CALLBACK),
    ):
        return _event_mask(value)
    if (row.op, code) in _TAKE_DESCRIPTORS:
        return f"security descriptor {address_text(value)}"
    return f"input value 0x{value:x}" if row.arg("input_size") else ""


def _output(row: Operation, value: int) -> str:
    if (row.op, row.arg("control_code")) in _TAKE_DESCRIPTORS:
        return f"security descriptor {address_text(value)}" if value else ""
    return f"output value 0x{value:x}" if row.op == "WskControlSocket" else ""


_TAKE_DESCRIPTORS: Final = (
    ("WskControlClient", c.WSK_CACHE_SD),
    ("WskControlClient", c.WSK_RELEASE_SD),
    ("WskControlSocket", c.SO_WSK_SECURITY),
)


def _code(row: Operation, value: int) -> str:
    if row.op == "WskControlClient":
        return control_code(row.op, value)
    request = row.arg("request_type")
    name = control_code(row.op, value, request, row.arg("level"))
    return name if request is None else f"{_REQUESTS.get(request, f'request type {request}')} {name}"


def _wait(_: Operation, value: int) -> str:
    if value == _INFINITE:
        return "WSK_INFINITE_WAIT"
    return f"waits up to {value:,} ms" if value else "WSK_NO_WAIT"


def _invoked(row: Operation, _: int) -> str:
    told = [(word, row.arg(f"invoke_on_{word}")) for word in ("success", "error", "cancel")]
    on = [word for word, value in told if value]
    never = [word for word, value in told if value == 0]
    return f"invoked on {', '.join(on) or 'nothing'}" + (f", not on {', '.join(never)}" if never and on else "")


def _members(_: Operation, value: int) -> str:
    return f"with {bits(value, _MEMBERS).replace('|', ', ')}" if value else ""


def _inspect(row: Operation, value: int) -> str:
    serial = row.arg("inspect_serial")
    if value in _NO_ID:
        return "without inspect id"
    return f"inspect id {address_text(value)}" + ("" if serial is None else f" serial {serial:,}")


_TELLERS: Final[dict[str, Callable[[Operation, int], str]]] = {
    "address_family": lambda _, value: family_name(value),
    "local_family": lambda _, value: f"local {family_name(value)}",
    "remote_family": lambda _, value: f"remote {family_name(value)}",
    "socket_type": lambda _, value: socket_type(value),
    "protocol": lambda _, value: protocol(value),
    "flags": _flags,
    "control_code": _code,
    "input_value": _input,
    "output_value": _output,
    "input_size": _size("input"),
    "output_size": _size("output up to"),
    "wait_timeout": _wait,
    "length": _size(""),
    "ideal_backlog_size": _size("ideal backlog"),
    "stack_size": lambda _, value: f"{value} stack location{'s' * (value != 1)}",
    "invoke_on_success": _invoked,
    "dispatch_members": _members,
    "inspect_key": _inspect,
    "action": lambda _, value: _ACTIONS.get(value, f"action {value}"),
    "free_size": _size(""),
    "registration": _pointer("registration"),
    "client": _pointer("client"),
    "client_dispatch": _pointer("client dispatch"),
    "driver_object": _pointer("driver object"),
    "socket_context": _pointer("context"),
    "dispatch": _pointer("dispatch"),
    "owning_process": _pointer("owning process"),
    "owning_thread": _pointer("owning thread"),
    "security_descriptor": _pointer("security descriptor"),
    "local_address": _pointer("local address at"),
    "remote_address": _pointer("remote address at"),
    "address": _pointer("address at"),
    "buffer": _pointer("buffer"),
    "result": _pointer("result"),
    "indication": _pointer("indication"),
    "accept_socket": _pointer("accepted socket"),
    "accept_socket_context": _pointer("context of the accepted socket"),
    "accept_socket_dispatch": _pointer("its dispatch"),
    "routine": _pointer("routine"),
    "routine_context": _pointer("context"),
    "free_address": _pointer("memory"),
}


def argument(row: Operation, name: str) -> str:
    """Return an argument of an operation in words, "" where it is not known or says nothing (NULL, no flag)."""
    value = row.arg(name)
    return "" if value is None else _TELLERS[name](row, value).strip()
