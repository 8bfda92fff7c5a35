"""The oracle's rules about socket end: one load at a time, naively."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsktrace.testing.draft import MS, SECOND
from wsktrace.testing.events import START, STOP
from wsktrace.testing.oracle_load import Broken
from wsktrace.testing.vocabulary import STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Socket, Submission
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_ERROR = 0x80000000
_PENDING = STATUSES["PENDING"]
_FORCED = STATUSES["FILE_FORCED_CLOSED"]
_ABORTIVE = 1
_RESETS = {
    STATUSES[name]
    for name in (
        "IO_TIMEOUT", "FILE_FORCED_CLOSED", "REMOTE_DISCONNECT", "CONNECTION_DISCONNECTED", "CONNECTION_RESET",
        "CONNECTION_INVALID", "CONNECTION_ABORTED",
    )
}  # fmt: skip


@dataclass(eq=False)
class _Story:
    """What happened to one socket: the places of its calls, its birth, its close."""

    socket: Socket
    born: int = -1
    calls: list[tuple[int, Submission]] = field(default_factory=list)
    closes: list[tuple[int, Submission]] = field(default_factory=list)

    @property
    def close(self) -> int:
        """Place of the first close, far away where there is none."""
        return self.closes[0][0] if self.closes else 1 << 60


class _Teller:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.place = {id(event): at for at, event in load.events.items()}
        self.stories = {id(socket): _Story(socket) for socket in load.sockets}
        for at, use in load.uses.items():
            if use.child is not None and use.completion is not None and id(use.child) in self.stories:
                self.stories[id(use.child)].born = self.place[id(use.completion)]
            if use.socket is None:
                continue
            story = self.stories.setdefault(id(use.socket), _Story(use.socket))
            (story.closes if use.name == "WskCloseSocket" else story.calls).append((at, use))
        for story in self.stories.values():
            if story.born < 0:
                story.born = self.place.get(id(story.socket.birth), -1)

    def done(self, use: Submission) -> int:
        """Return the place of a use's completion, far away where there is none."""
        return self.place[id(use.completion)] if use.completion else 1 << 60

    def waits(self, use: Submission, at: int) -> bool:
        """Tell whether a use of an IRP is certainly pending at a place."""
        if not use.irp or self.done(use) < at or (use.superseded and not use.completion):
            return False
        return bool(use.completion) or (use.own and (use.returned is None or use.returned < _ERROR))

    def judge(self) -> Iterator[Broken]:
        for story in self.stories.values():
            if story.closes:
                yield from self.in_progress(story)
                yield from self.pending(story)
                yield from self.not_drained(story)
                yield from self.abortive(story)
            yield from self.forced(story)
            yield from self.disconnecting(story)
            yield from self.dropped(story)
        for _, use in self.load.calls("WskCloseSocket"):
            bad = (use.returned or 0) >= _ERROR
            if bad or (use.completion and use.completion.fields["Status"] >= _ERROR):
                yield Broken("WSK-CLOSE-FAILED", use.irp, use.event.fields["Socket"], use.time)

    # the close ------------------------------------------------------------------------------------------------------

    def in_progress(self, story: _Story) -> Iterator[Broken]:
        at, close = story.closes[0]
        for begun, _ in story.calls:
            if begun < at < self.load.stop_of.get(begun, -1):
                yield Broken("WSK-CLOSE-CALL-IN-PROGRESS", close.irp, story.socket.address, close.time)
                return

    def pending(self, story: _Story) -> Iterator[Broken]:
        at, close = story.closes[0]
        if any(begun < at and self.waits(use, at) for begun, use in story.calls):
            yield Broken("WSK-CLOSE-PENDING", close.irp, story.socket.address, close.time)

    def not_drained(self, story: _Story) -> Iterator[Broken]:
        at, close = story.closes[0]
        if not close.completion or close.completion.fields["Status"] >= _ERROR:
            return
        ended = close.completion.time
        for begun, use in story.calls:
            if begun < at and use.own and self.waits(use, self.done(close)):
                until = use.completion.time if use.completion else self.load.end
                if until - ended > 50 * MS:
                    yield Broken("WSK-CLOSE-NOT-DRAINED", use.irp, story.socket.address, ended)

    def abortive(self, story: _Story) -> Iterator[Broken]:
        socket, (at, close) = story.socket, story.closes[0]
        connects = [u for _, u in story.calls if u.name in ("WskConnect", "WskConnectEx")]
        since = [self.done(u) for u in connects if u.completion and u.completion.fields["Status"] < _ERROR]
        if socket.birth.name != "WskSocket":
            since = [story.born]
        if not since or min(since) > at:
            return
        for use in (u for _, u in story.calls if u.name in ("WskReceive", "WskDisconnect") and not u.own):
            if use.irp and not use.completion and use.returned is not None and use.returned < _ERROR:
                return  # passed down: it may have completed unseen
        own = peer = False
        for use in (u for _, u in story.calls if min(since) < self.done(u) < at):
            assert use.completion is not None
            status = use.completion.fields["Status"]
            if status in _RESETS or (use.name == "WskDisconnect" and status == 0 and use.event.fields["Flags"] & 1):
                own = peer = True
            elif use.name == "WskDisconnect" and status < _ERROR:
                own = True
            elif status == STATUSES["GRACEFUL_DISCONNECT"]:
                peer = True
            elif use.name == "WskReceive" and status < _ERROR and use.event.fields["Length"]:
                peer |= not use.completion.fields["Information"]
        for place, event in self.load.events.items():
            if event.name != "WskDisconnectEvent" or event.opcode != START or not min(since) < place < at:
                continue
            if event.fields["SocketContext"] == socket.context:
                own |= bool(event.fields["Flags"] & _ABORTIVE)
                peer = True
        if not (own and peer) and not self.shared(socket):
            yield Broken("WSK-ABORTIVE-CLOSE", close.irp, socket.address, close.time)

    def shared(self, socket: Socket) -> bool:
        """Tell whether a disconnect event came on a context of several sockets, this one among them."""
        events = [(p, e) for p, e in self.load.events.items() if e.name == "WskDisconnectEvent" and e.opcode == START]
        return any(e.fields["SocketContext"] == socket.context and self.owner(e, p) is None for p, e in events)

    def owner(self, event: Event, at: int) -> Socket | None:
        """Return the one live socket that has the context of a callback."""
        context = event.fields["SocketContext"]
        live = []
        for story in self.stories.values():
            ends = [self.done(u) for _, u in story.closes if u.completion and u.completion.fields["Status"] < _ERROR]
            begins = story.born if story.socket.birth.name == "WskAcceptEvent" else self.place[id(story.socket.birth)]
            if context and story.socket.context == context and begins < at < min(ends, default=1 << 60):
                live.append(story.socket)
        return live[0] if len(live) == 1 else None

    # what must end --------------------------------------------------------------------------------------------------

    def forced(self, story: _Story) -> Iterator[Broken]:
        told: list[int] = []
        for at, use in story.calls:
            stop = self.load.stop_of.get(at)
            if use.returned == _FORCED and stop is not None:
                told.append(stop)
            if use.completion and use.completion.fields["Status"] == _FORCED:
                told.append(self.done(use))
        for at, event in self.load.events.items():
            if event.opcode == START and _is_dead(event) and self.owner(event, at) is story.socket:
                told.append(at)
        if not told or min(told) > story.close:
            return
        first = self.load.events[min(told)]
        for at, use in story.calls:
            late = use.time - first.time > MS and min(told) < at < story.close
            if late and use.name != "WskRelease":
                yield Broken("WSK-FORCED-CLOSED-NOT-CLOSED", use.irp, story.socket.address, use.time)
                return
        closed = story.closes[0][1].time if story.closes else self.load.end
        if closed - first.time > 5 * SECOND:
            irp = first.fields.get("Irp", 0)
            yield Broken("WSK-FORCED-CLOSED-NOT-CLOSED", irp, story.socket.address, first.time)

    def disconnecting(self, story: _Story) -> Iterator[Broken]:
        for at, use in story.calls:
            if use.name != "WskDisconnect" or use.event.fields["Flags"] & _ABORTIVE or at > story.close:
                continue
            if not use.own or use.superseded or (use.returned or 0) >= _ERROR:
                continue
            ends = [u.time for p, u in story.calls if p > at and u.name == use.name and u.event.fields["Flags"] & 1]
            ends += [story.closes[0][1].time] if story.closes else []
            ends += [use.completion.time] if use.completion else []
            if min(ends, default=self.load.end) - use.time > 30 * SECOND:
                yield Broken("WSK-DISCONNECT-STUCK", use.irp, story.socket.address, use.time)

    def dropped(self, story: _Story) -> Iterator[Broken]:
        if story.closes or not self.load.unloaded:
            return
        for at, use in self.load.uses.items():
            if use.child is not story.socket:
                continue
            for place, event in self.load.events.items():
                if event.name == "IrpCancel" and event.fields["Irp"] == use.irp and at < place < story.born:
                    time = max(e.time for e in self.load.events.values() if e.opcode == STOP)
                    yield Broken("WSK-CANCELLED-CREATE-DROPPED", use.irp, story.socket.address, time)
                    return


def _is_dead(event: Event) -> bool:
    """Tell whether a callback says that its socket is no longer functional."""
    fields = event.fields
    if event.name == "WskAcceptEvent":
        return fields["AcceptSocket"] == 0
    if event.name == "WskInspectEvent":
        return fields["InspectKey"] in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) and fields["InspectSerial"] == 0xFFFFFFFF
    return event.name in ("WskReceiveEvent", "WskReceiveFromEvent") and fields["Indication"] == 0


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    yield from _Teller(load).judge()
