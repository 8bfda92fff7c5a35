"""The oracle's rules about registration: one load at a time, naively."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from wsktrace.testing.draft import SECOND
from wsktrace.testing.events import START, STOP
from wsktrace.testing.oracle_load import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_load import Load

__all__ = ["judge"]

_SUCCESS, _ERROR = 0, 0x80000000
_PATIENCE = 10 * SECOND
_EVER = 1 << 62


@dataclass(eq=False)
class _Registration:
    """What one WskRegister that succeeded began: captures held, and how it ended."""

    block: int
    held: int = 0
    asked: bool = False
    ended: bool = False
    replaced: bool = False
    levels: list[tuple[int, int]] = field(default_factory=list)

    def count(self, step: int, time: int) -> None:
        self.held += step
        self.levels.append((time, self.held))

    def held_at(self, time: int) -> int:
        return next((held for then, held in reversed(self.levels) if then <= time), 0)


class _Life(NamedTuple):
    """A socket's client, and when it came, when its close was called, when that was done."""

    client: int
    birth: int
    close: int
    end: int


def _lives(load: Load) -> Iterator[_Life]:
    came = {id(u.child): u.completion.time for _, u in load.calls() if u.child and u.completion}
    refused = {
        id(load.events[begun]): load.events[stop].time
        for stop, begun in load.start_of.items()
        if load.events[begun].name == "WskAcceptEvent" and load.events[stop].fields["Status"] >= _ERROR
    }
    for socket in load.sockets:
        close = end = _EVER
        if socket.close:
            done, waits = socket.close.completion, socket.close.own and (socket.close.returned or 0) < _ERROR
            close = end = socket.close.time
            if done and done.fields["Status"] < _ERROR:
                end = done.time
            elif not done and waits:
                end = _EVER
        away = refused.get(id(socket.birth), _EVER)
        yield _Life(socket.client, came.get(id(socket), socket.birth.time), min(close, away), min(end, away))


class _Judge:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.out: list[Broken] = []
        self.sockets = list(_lives(load))
        self.current: dict[int, _Registration] = {}  # block → its latest registration
        self.all: list[_Registration] = []
        self.given: list[tuple[int, int, _Registration]] = []  # (time, client, registration) of every capture
        self.calls: list[tuple[_Registration, int, int | None]] = []  # WskDeregister: entry and return
        self.entry: Event | None = None
        self.gone: int | None = None
        self.emptied: list[int] = []  # when the driver held no capture any more

    def broken(self, rule: str, time: int, subject: int, irp: int = 0) -> None:
        self.out.append(Broken(f"WSK-{rule}", irp, 0, time, subject))

    def owner(self, client: int, time: int = _EVER) -> _Registration | None:
        """Return the registration whose latest capture before that time gave the client."""
        return next((one for then, whose, one in reversed(self.given) if then < time and whose == client), None)

    def run(self) -> list[Broken]:
        for at, event in self.load.events.items():
            if event.name in ("DriverEntry", "DriverUnload"):
                self._driver(event)
            elif "Registration" in event.fields:
                self._registration(at, event)
            elif event.opcode == START and event.fields.get("Client", 0):
                self._client(at, event)
        self._blocked()
        self._leaked()
        return self.out

    def _driver(self, event: Event) -> None:
        if event.name == "DriverEntry":
            self.entry = event if event.opcode == START else None
        gone = event.opcode == STOP and event.fields.get("Status", _ERROR) >= _ERROR
        if self.gone is not None or not gone:
            return
        self.gone = event.time
        for one in self.all:
            if one.replaced:
                continue
            if not one.asked:
                self.broken("REG-UNBALANCED", event.time, one.block)
            if not one.ended:
                self.broken("UNLOAD-BEFORE-DEREGISTER", event.time, one.block)
            if not one.ended and one.held:
                self.broken("NPI-UNBALANCED", event.time, one.block)

    def _registration(self, at: int, event: Event) -> None:
        block, time = event.fields["Registration"], event.time
        one = self.current.get(block)
        stop = self.load.events[self.load.stop_of[at]] if at in self.load.stop_of else None
        good = stop is not None and stop.fields.get("Status", _SUCCESS) == _SUCCESS
        if (event.name, event.opcode) == ("WskRegister", START):
            if one and not one.ended:
                self.broken("REG-REUSE", time, block)
            if good:
                if one:
                    one.replaced = not one.ended
                self.current[block] = _Registration(block)
                self.all.append(self.current[block])
        elif (event.name, event.opcode) == ("WskDeregister", START):
            if one is None or one.asked:
                self.broken("REG-UNBALANCED", time, block)
            if one:
                one.asked = True
                self.calls.append((one, time, stop.time if stop else None))
        elif event.name == "WskDeregister" and one and not one.ended:
            one.ended = True
            if one.held:
                self.broken("NPI-UNBALANCED", time, block)
        elif (event.name, event.opcode) == ("WskCaptureProviderNPI", START):
            if self.entry and self.entry.tid == event.tid and event.fields["WaitTimeout"] > 10_000:
                self.broken("CAPTURE-WAIT-DRIVERENTRY", time, block)
            if one and one.asked and good:
                self.broken("CAPTURE-AFTER-DEREGISTER", time, block)
        elif event.name == "WskCaptureProviderNPI" and event.fields["Status"] == _SUCCESS and one:
            one.count(1, time)
            self.given.append((time, event.fields["Client"], one))
        elif (event.name, event.opcode) == ("WskReleaseProviderNPI", START):
            self._released(one, event)

    def _released(self, one: _Registration | None, event: Event) -> None:
        if one is None or not one.held:
            self.broken("NPI-UNBALANCED", event.time, event.fields["Registration"])
            return
        one.count(-1, event.time)
        if not any(other.held for other in self.all):
            self.emptied.append(event.time)
        mine = [s for s in self.sockets if s.birth < event.time < s.close and self.owner(s.client, s.birth) is one]
        if not one.held and mine:
            self.broken("NPI-RELEASED-LIVE", event.time, one.block)

    def _client(self, at: int, event: Event) -> None:
        client, irp = event.fields["Client"], event.fields.get("Irp", 0)
        one = self.owner(client)
        if one and not one.held:
            self.broken("NPI-CALL-AFTER-RELEASE", event.time, client, irp)
        if one:
            return
        captures = [(p, e) for p, e in self.load.events.items() if e.name == "WskCaptureProviderNPI"]
        later = [p for p, e in captures if p > at and e.opcode == STOP and e.fields["Client"] == client]
        if captures and (later or not self.given):
            self.broken("CALL-BEFORE-CAPTURE", event.time, client, irp)

    def _blocked(self) -> None:
        for one, asked, back in self.calls:
            deadline = asked + _PATIENCE
            waits = [s for s in self.sockets if s.birth < deadline < s.end and self.owner(s.client, s.birth) is one]
            late = (self.load.end if back is None else back) > deadline
            if late and (waits or one.held_at(deadline)):
                self.broken("DEREGISTER-BLOCKED", asked, one.block)

    def _leaked(self) -> None:
        """Tell what WskGetAddressInfo returned for good and nobody freed in time."""
        ends = sorted([*self.emptied, *([self.gone] if self.gone is not None else [])])
        uses = dict(self.load.calls("WskGetAddressInfo"))
        frees = [(p, e) for p, e in self.load.events.items() if e.name == "WskFreeAddressInfo" and e.opcode == START]
        for at, event in self.load.events.items():
            use, result = uses.get(self.load.start_of.get(at, -1)), event.fields.get("Result", 0)
            if not use or not result:
                continue
            done = use.completion
            failed = done is not None and done.fields["Status"] >= _ERROR
            inline = done is not None and done.time < event.time and event.fields["Status"] < _ERROR
            end = next((time for time in ends if time > event.time), None)
            freed = any(p > at and e.fields["Result"] == result and (end is None or e.time < end) for p, e in frees)
            if not failed and not freed and end is not None and (inline or event.fields["Status"] == _SUCCESS):
                self.broken("ADDRINFO-LEAK", end, result, use.irp)


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    yield from _Judge(load).run()
