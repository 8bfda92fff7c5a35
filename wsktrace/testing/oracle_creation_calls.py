"""The oracle's rules about creation calls: one load at a time, naively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.testing import oracle_local as local
from wsktrace.testing.events import INFO, START, STOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Socket, Submission
    from wsktrace.testing.oracle_load import Broken, Load

__all__ = ["judge"]

_CREATES = ("WskSocket", "WskSocketConnect")
_LIST_QUERY, _LIST_CHANGE, _CACHE_SD, _RELEASE_SD, _STATIC = 2, 3, 4, 5, 7
_SOL_SOCKET, _SO_WSK_SECURITY, _SO_WSK_EVENT_CALLBACK, _SO_CONDITIONAL_ACCEPT = 0xFFFF, 0x4001, 0x4002, 0x3002
_RESERVED = {
    "WskSocketConnect", "WskBind", "WskAccept", "WskConnect", "WskConnectEx", "WskSendTo", "WskReceiveFrom",
    "WskSendMessages",
}  # fmt: skip
#: Bit of the event mask → bit of DispatchMembers.
_MEMBERS = {0x200: 1, 0x100: 8, 0x40: 0x10, 0x80: 0x20, 0x10: 0x40}
#: Category → events that call its own table.
_EVENTS = {"listen": 0x200, "datagram": 0x100, "connection": 0xD0}
_NOT_ENABLING = 1 << 31 | 1 << 63


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    for _, use in load.calls():
        for rule in _arguments(use, load):
            yield _broken(rule, use)
    yield from _unlisted(load)
    yield from _static(load)


def _broken(rule: str, use: Submission) -> Broken:
    from wsktrace.testing.oracle_load import Broken

    return Broken(f"WSK-{rule}", use.irp, use.event.fields.get("Socket", 0), use.time)


def _arguments(use: Submission, load: Load) -> Iterator[str]:
    """Yield the rules that the call breaks by its arguments and the socket's."""
    name, fields = use.name, use.event.fields
    if name == "WskControlClient" and fields["ControlCode"] in (_CACHE_SD, _RELEASE_SD) and not _one_pointer(use.event):
        yield "SD-CTRL-PARAMS"
    if name == "WskSocket" and fields["Flags"] == 0 and fields["SecurityDescriptor"]:
        yield "SD-BASIC"
    if name == "WskSocket" and fields["Flags"] == 8 and 0 < load.build < 15063:
        yield "FLAGS-VERSION"
    if name == "WskSocketConnect":
        if not fields["LocalAddress"] or not fields["RemoteAddress"]:
            yield "SOCKCONN-PARAMS"
        elif fields["LocalFamily"] != fields["RemoteFamily"]:
            yield "AF-MISMATCH"
    if name in _RESERVED and fields["Flags"]:
        yield "RESERVED-FLAGS"
    if name == "WskReceive" and fields["Flags"] & 6 == 6:
        yield "OP-FLAGS"
    if name == "WskDisconnect" and fields["Flags"] & 1 and fields["Buffer"]:
        yield "OP-FLAGS"
    if name == "WskConnectEx" and fields["Length"] > 65535:
        yield "OP-FLAGS"
    if use.socket:
        yield from _on_socket(use, use.socket, load)


def _one_pointer(event: Event) -> bool:
    fields, size = event.fields, 8 if event.image >> 32 else 4
    gives = fields["ControlCode"] == _CACHE_SD
    return (
        fields["InputSize"] == size
        and fields["InputBuffer"] != 0
        and fields["OutputSize"] == (size if gives else 0)
        and (fields["OutputBuffer"] != 0) == gives
        and fields["OutputSizeReturned"] == 0
    )


def _on_socket(use: Submission, socket: Socket, load: Load) -> Iterator[str]:
    name, fields = use.name, use.event.fields
    if name in ("WskBind", "WskConnect", "WskConnectEx"):
        first = socket
        while first.listener:
            first = first.listener
        family = first.birth.fields.get("AddressFamily", first.birth.fields.get("LocalFamily", 0))
        address = fields["LocalAddress"] if name == "WskBind" else fields["RemoteAddress"]
        if address and family in (2, 23) and fields["AddressFamily"] != family:
            yield "AF-MISMATCH"
    if name != "WskControlSocket" or fields["RequestType"] == 2 or fields["Level"] != _SOL_SOCKET:
        return
    if fields["ControlCode"] == _SO_WSK_SECURITY and socket.category == "basic":
        yield "SD-BASIC"
    if fields["RequestType"] == 0 and _no_function(fields, socket, load):
        yield "DISPATCH-MISSING"


def _no_function(fields: dict[str, int], socket: Socket, load: Load) -> bool:
    """Tell whether an option enables an event for which the socket's table has no function."""
    code, value = fields["ControlCode"], fields["InputValue"]
    needed = 0
    if code == _SO_WSK_EVENT_CALLBACK and not value & _NOT_ENABLING:
        mine = value & _EVENTS.get(socket.category, 0)
        if socket.category == "stream":
            called = {use.name for _, use in load.calls() if use.socket is socket}
            connects = called & {"WskConnect", "WskConnectEx"} and "WskListen" not in called
            mine = value & (0x2D0 if connects else 0x200)
        needed = sum(member for event, member in _MEMBERS.items() if mine & event)
    elif code == _SO_CONDITIONAL_ACCEPT and value and socket.category in ("listen", "stream"):
        needed = 0x6
    if not needed:
        return False
    return not socket.dispatch or bool(socket.members and needed & ~socket.members)


def _unlisted(load: Load) -> Iterator[Broken]:
    """Compare creations with the list of transports that the driver got last, as long as nothing has changed it."""
    lists: list[list[tuple[int, int, int]]] = []
    writing: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    judged: list[tuple[Submission, list[tuple[int, int, int]]]] = []
    changing: set[int] = set()
    for at, event in sorted(load.events.items()):
        fields, thread = event.fields, (event.tid, 0 if event.tid else event.cpu)
        code = fields.get("ControlCode", 0) if event.name == "WskControlClient" else 0
        if code == _LIST_QUERY and event.opcode == STOP and fields["Status"] == 0:
            writing[thread] = []
            lists.append(writing[thread])
        elif code == _LIST_CHANGE and event.opcode == START:
            changing.add(fields["Irp"])
        elif (event.name, event.opcode) == ("IrpComplete", START) and fields["Irp"] in changing:
            changing.discard(fields["Irp"])
            if fields["Status"] < 0x80000000:
                lists.append([])
        elif (event.name, event.opcode) == ("WskTransport", INFO) and thread in writing:
            writing[thread].append((fields["AddressFamily"], fields["SocketType"], fields["Protocol"]))
        elif event.name in _CREATES and event.opcode == START and lists:
            judged.append((load.uses[at], lists[-1]))
    for use, entries in judged:
        # the entries of a query may be traced after a creation on another thread; none: nothing is known
        if entries and not any(_fits(use, entry) for entry in entries):
            yield _broken("TRANSPORT-UNLISTED", use)


def _fits(use: Submission, entry: tuple[int, int, int]) -> bool:
    fields = use.event.fields
    family, kind, protocol = entry
    return (
        (use.name == "WskSocketConnect" or family in (0, fields["AddressFamily"]))
        and kind == fields["SocketType"]
        and (kind == 3 or protocol == fields["Protocol"])
    )


def _static(load: Load) -> Iterator[Broken]:
    """Yield creations without a table for a client that had enabled events of their category for all its sockets."""
    enabled: dict[int, int] = {}
    for at, use in load.calls("WskControlClient", *_CREATES):
        fields, client = use.event.fields, use.event.fields["Client"]
        if use.name == "WskControlClient":
            stop = load.stop_of.get(at)
            if fields["ControlCode"] == _STATIC and stop is not None and load.events[stop].fields["Status"] == 0:
                enabled[client] = fields["InputValue"]
        elif not fields["Dispatch"] and not enabled.get(client, 0) >> 63:
            mask, category = enabled.get(client, 0), local.category(use.event)
            both = mask & 0x200 and mask & 0xD0
            if both if category == "stream" else mask & _EVENTS.get(category, 0):
                yield _broken("DISPATCH-MISSING", use)
