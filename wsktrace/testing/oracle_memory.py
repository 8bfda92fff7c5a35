"""The oracle's rules about memory: one load at a time, naively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.testing.events import INFO, START, STOP
from wsktrace.testing.oracle_load import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Socket, Submission
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_PENDING, _ERROR = 0x103, 0x80000000
_DISABLE = 1 << 31
#: Category → events that call the socket's own callbacks; an accepted socket takes over its listener's others.
_OWN = {"listen": 0x200, "datagram": 0x100, "connection": 0xD0, "stream": 0x2D0}
_INHERITED = 0xD0
_CONDITIONAL = 1 << 40
#: Buffers that WSK uses until the IRP completes, and those of which only the call itself is documented.
_HELD = ("InputBuffer", "OutputBuffer", "Address")
_READ = ("Buffer", "LocalAddress", "RemoteAddress")


class _Story:
    """The load's events by place, and where each of its frees stands."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.place = {id(event): at for at, event in load.events.items()}
        self.frees = [(at, e) for at, e in load.events.items() if (e.name, e.opcode) == ("MemoryFree", INFO)]
        self.end = max(load.events, default=0) + 1

    def freed(self, addresses: list[int], after: int, before: int) -> Event | None:
        """Return the first free of any of the addresses between two places."""
        for at, event in self.frees:
            first, size = event.fields["Address"], max(event.fields["Size"], 1)
            if after < at < before and any(a and first <= a < first + size for a in addresses):
                return event
        return None

    def over(self, use: Submission) -> int:
        """Return the place from which on a call is over: it completed, or returned anything but PENDING."""
        at = self.place[id(use.event)]
        stop = self.load.stop_of.get(at, self.end)
        completed = self.place[id(use.completion)] if use.completion else self.end
        return min(completed, self.end if use.returned in (None, _PENDING) else stop)


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    yield from _noted(load)
    story = _Story(load)
    if story.frees:
        yield from _contexts(story)
        yield from _buffers(story)
        yield from _blocks(story)


def _contexts(story: _Story) -> Iterator[Broken]:
    load = story.load
    for socket in load.sockets:
        begun = story.place[id(socket.birth)]
        if socket.birth.name == "WskAcceptEvent":
            begun = load.stop_of.get(begun, story.end)
            if begun < story.end and load.events[begun].fields["Status"] >= _ERROR:
                continue
        over = story.over(socket.close) if socket.close else story.end
        freed = story.freed([socket.context, socket.dispatch], begun, over)
        if freed and _enabled(story, socket, story.place[id(freed)], over):
            yield Broken("WSK-CONTEXT-LIFETIME", socket.irp, socket.address, freed.time)


def _enabled(story: _Story, socket: Socket, freed: int, over: int) -> bool:
    """Tell whether a callback of the socket was enabled when the memory was freed, or later on while it lived."""
    mask, static = _inherited(story, socket), _static(story, socket)
    own = _OWN.get(socket.category, 0) | (_CONDITIONAL if socket.category in ("listen", "stream") else 0)
    known = [(at, use) for at, use in story.load.calls("WskControlSocket") if use.socket is socket and at < over]
    for at, use in known:
        if at < freed:
            mask = _toggled(mask, use)
    masks = [mask | static]
    for at, use in known:
        if at > freed:
            mask = _toggled(mask, use)
            masks.append(mask)
    return any(m & own for m in masks)


def _toggled(mask: int, use: Submission) -> int:
    """Return the mask after a control call on the socket."""
    fields = use.event.fields
    failed = (use.returned or 0) >= _ERROR or (use.completion and use.completion.fields["Status"] >= _ERROR)
    if fields["RequestType"] or failed:
        return mask
    if fields["ControlCode"] == 0x3002:
        return mask | _CONDITIONAL
    if fields["ControlCode"] == 0x4002 and not fields["InputValue"] >> 63:
        value = fields["InputValue"]
        return mask & ~value if value & _DISABLE else mask | value
    return mask


def _inherited(story: _Story, socket: Socket) -> int:
    if not socket.listener:
        return 0
    mask = 0
    born = story.place[id(socket.birth)]
    for at, use in story.load.calls("WskControlSocket"):
        if use.socket is socket.listener and at < born:
            mask = _toggled(mask, use)
    return mask & _INHERITED


def _static(story: _Story, socket: Socket) -> int:
    mask, born = 0, story.place[id(socket.birth)]
    for at, use in story.load.calls("WskControlClient"):
        fields = use.event.fields
        if at < born and fields["ControlCode"] == 7 and fields["Client"] == socket.client and use.returned == 0:
            mask |= fields["InputValue"]
    return mask


def _buffers(story: _Story) -> Iterator[Broken]:
    for at, use in story.load.calls():
        fields = use.event.fields
        stop = story.load.stop_of.get(at, story.end)
        held = story.over(use) if use.irp else stop
        ends = [(name, held) for name in _HELD] + [(name, min(stop, held)) for name in _READ]
        if use.name not in ("WskGetLocalAddress", "WskGetRemoteAddress"):
            ends = [(name, end) for name, end in ends if name != "Address"]
        freed = [e for name, end in ends if (e := story.freed([fields.get(name, 0)], at, end))]
        if freed:
            yield Broken("WSK-BUFFER-LIFETIME", use.irp, use.address, min(e.time for e in freed))


def _blocks(story: _Story) -> Iterator[Broken]:
    events = story.load.events
    for at, event in events.items():
        if (event.name, event.opcode) != ("WskRegister", START):
            continue
        stop = story.load.stop_of.get(at)
        if stop is not None and events[stop].fields["Status"] >= _ERROR:
            continue
        block = event.fields["Registration"]
        ends = [
            p
            for p, e in events.items()
            if p > at
            and (e.name, e.opcode) in (("WskDeregister", STOP), ("WskRegister", START))
            and e.fields["Registration"] == block
        ]
        freed = story.freed([block, event.fields["ClientDispatch"]], at, min(ends, default=story.end))
        if freed:
            yield Broken("WSK-REG-BLOCK-LIFETIME", 0, 0, freed.time)


def _noted(load: Load) -> Iterator[Broken]:
    """Judge by what the kernel logger notes: contexts in paged pool or on the stack, processes that had ended."""
    blocks: dict[int, tuple[int, int]] = {}
    stacks: dict[int, int] = {}
    ended: dict[int, int] = {}
    for at, event in load.events.items():
        fields = event.fields
        if event.name == "PoolAllocate":
            blocks[fields["Entry"]] = fields["Bytes"], fields["Type"]
        elif event.name == "PoolFree":
            blocks.pop(fields["Entry"], None)
        elif event.name == "ThreadStack":
            stacks[event.tid] = fields["Stack"] // 0x8000
        elif event.name == "ThreadEnd":
            stacks.pop(event.tid, None)
        elif event.name in ("ProcessStart", "ProcessEnd"):
            ended[fields["Process"]] = event.name == "ProcessEnd"
        else:
            socket = _address(load, at)
            if fields.get("OwningProcess") and ended.get(fields["OwningProcess"]):
                yield Broken("WSK-OWNER-CONTEXT", fields["Irp"], socket, event.time)
            context = fields.get("AcceptSocketContext", 0)
            if event.name in ("WskSocket", "WskSocketConnect") and event.opcode == START:
                context = fields["SocketContext"]
            kinds = [kind for entry, (size, kind) in blocks.items() if entry <= context < entry + size]
            if context and (kinds == [1] or (not kinds and stacks.get(event.tid, -1) == context // 0x8000)):
                yield Broken("WSK-CONTEXT-PAGED", fields.get("Irp", 0), socket, event.time, context)


def _address(load: Load, at: int) -> int:
    use = load.uses.get(at)
    return use.address if use else 0
