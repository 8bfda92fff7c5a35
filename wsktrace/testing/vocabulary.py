"""The words of the script notation: statuses, flags, control codes and the kinds of things that names stand for."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from wsktrace.errors import FormatError
from wsktrace.wsk import constants
from wsktrace.wsk.constants import STATUS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "CLIENT_CODES",
    "EVENT_MASK",
    "KINDS",
    "MEMBERS",
    "SOCKET_CODES",
    "STATUSES",
    "WORDS",
    "number",
    "status",
    "suggestion",
    "words",
]

STATUSES: Final[Mapping[str, int]] = MappingProxyType({name: value for value, name in STATUS_NAMES.items()})

CLIENT_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "WSK_TRANSPORT_LIST_QUERY": 2,
        "WSK_TRANSPORT_LIST_CHANGE": 3,
        "WSK_CACHE_SD": 4,
        "WSK_RELEASE_SD": 5,
        "WSK_TDI_DEVICENAME_MAPPING": 6,
        "WSK_SET_STATIC_EVENT_CALLBACKS": 7,
        "WSK_TDI_BEHAVIOR": 8,
    }
)
SOCKET_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {
        name: getattr(constants, name)
        for name in (
            "SO_WSK_SECURITY",
            "SO_WSK_EVENT_CALLBACK",
            "SO_CONDITIONAL_ACCEPT",
            "SO_REUSEADDR",
            "SO_EXCLUSIVEADDRUSE",
            "SO_KEEPALIVE",
            "SO_RCVBUF",
            "SIO_WSK_SET_REMOTE_ADDRESS",
            "SIO_WSK_QUERY_IDEAL_SEND_BACKLOG",
            "SIO_WSK_QUERY_RECEIVE_BACKLOG",
            "SIO_WSK_SET_SENDTO_ADDRESS",
            "SIO_WSK_SET_TCP_SILENT_MODE",
            "SIO_ADDRESS_LIST_QUERY",
            "SIO_ADDRESS_LIST_CHANGE",
            "SIO_ADDRESS_LIST_SORT",
        )
    }
    | {"SIO_WSK_QUERY_INSPECT_ID": 0x4F000005, "SIO_QUERY_RSS_SCALABILITY_INFO": 0x480000D2}
)
EVENT_MASK: Final[Mapping[str, int]] = MappingProxyType(
    {"send_backlog": 0x10, "receive": 0x40, "disconnect": 0x80, "receive_from": 0x100, "accept": 0x200}
    | {"disable": 0x80000000}
)
#: Member of a client dispatch table → bit of DispatchMembers.
MEMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {"accept": 1, "inspect": 2, "abort": 4, "receive_from": 8, "receive": 16, "disconnect": 32, "send_backlog": 64}
)
_FLAGS: Final[Mapping[str, int]] = MappingProxyType(
    {"basic": 0, "listen": 1, "connection": 2, "datagram": 4, "stream": 8}
)
_CALLBACK_FLAGS: Final[Mapping[str, int]] = MappingProxyType(
    {"abortive": 1, "release_asap": 2, "entire_message": 4, "at_dispatch": 8}
)
_YES: Final[Mapping[str, int]] = MappingProxyType({"yes": 1, "no": 0})

#: Field → words that may stand for its value; several are joined by ``|``.
WORDS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "DispatchMembers": MEMBERS,
        "AddressFamily": {"AF_UNSPEC": 0, "AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 23, "AF_HYPERV": 34},
        "LocalFamily": {"AF_INET": 2, "AF_INET6": 23},
        "RemoteFamily": {"AF_INET": 2, "AF_INET6": 23},
        "SocketType": {"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3},
        "Protocol": {"IPPROTO_IP": 0, "IPPROTO_ICMP": 1, "IPPROTO_TCP": 6, "IPPROTO_UDP": 17, "IPPROTO_RAW": 255},
        "RequestType": {"set": 0, "get": 1, "ioctl": 2},
        "Level": {"SOL_SOCKET": 0xFFFF, "IPPROTO_IPV6": 41},
        "Action": {"reject": 0, "accept": 1, "pend": 2},
        "WaitTimeout": {"no_wait": 0, "infinite": 0xFFFFFFFF},
        "Irql": {"passive": 0, "apc": 1, "dispatch": 2},
        "InvokeOnSuccess": _YES,
        "InvokeOnError": _YES,
        "InvokeOnCancel": _YES,
        "PendingReturned": _YES,
    }
)

#: Field that may hold a name → what the name stands for; fixes where its address lies.
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("Socket", "AcceptSocket", "Information"), "socket")
    | dict.fromkeys(("SocketContext", "AcceptSocketContext", "Context"), "context")
    | dict.fromkeys(("Dispatch", "AcceptSocketDispatch", "ClientDispatch", "Routine", "Registration"), "image")
    | dict.fromkeys(("SecurityDescriptor", "InputValue", "OutputValue"), "descriptor")
    | dict.fromkeys(("DriverObject", "OwningProcess", "OwningThread", "InspectKey"), "object")
    | dict.fromkeys(("InputBuffer", "OutputBuffer", "OutputSizeReturned", "Buffer", "Result", "Indication"), "memory")
    | dict.fromkeys(("LocalAddress", "RemoteAddress", "Address"), "memory")
    | {"Irp": "irp", "Client": "client"}
)

_NUMBER = re.compile(r"0[xX][0-9a-fA-F`]+|[0-9]+")


def number(text: str) -> int | None:
    """Return the value of a number as written (decimal, ``0x…``, WinDbg's grave accent allowed), else None."""
    return int(text.replace("`", ""), 0) if _NUMBER.fullmatch(text) else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return " did you mean …?" for the nearest known word, or the list of them where none is near."""
    choices = list(known)
    by_lower = {c.lower(): c for c in choices}
    near = get_close_matches(word.lower(), list(by_lower), 1, 0.6)
    return f"did you mean {by_lower[near[0]]}?" if near else f"known are {', '.join(choices)}"


def status(text: str) -> int:
    """Return the NTSTATUS that a name (with or without STATUS_) or a number stands for; ``FormatError`` else."""
    value = number(text)
    if value is not None:
        return value
    try:
        return STATUSES[text.removeprefix("STATUS_")]
    except KeyError:
        raise FormatError(f"no status is named {text!r}; {suggestion(text, STATUSES)}") from None


def words(text: str, known: Mapping[str, int], what: str) -> int:
    """Return the value of words and numbers joined by ``|``; ``FormatError`` names the nearest word."""
    total = 0
    for part in text.split("|"):
        value = number(part)
        if value is None:
            if part not in known:
                raise FormatError(f"{what} has no word {part!r}; {suggestion(part, known)}")
            value = known[part]
        total |= value
    return total


def field_words(event: str, field: str, code: int | None = None) -> Mapping[str, int] | None:
    """Return the words for a field of an event, None where it has none; ``code`` is the line's control code."""
    if field == "Flags":
        if event == "WskSocket":
            return _FLAGS
        return _CALLBACK_FLAGS if event.endswith("Event") else {"abortive": 1}
    if field == "ControlCode":
        return CLIENT_CODES if event == "WskControlClient" else SOCKET_CODES
    if field == "InputValue":
        mask = (event, code) in {
            ("WskControlClient", constants.WSK_SET_STATIC_EVENT_CALLBACKS),
            ("WskControlSocket", constants.SO_WSK_EVENT_CALLBACK),
        }
        return EVENT_MASK if mask else None
    return WORDS.get(field)
