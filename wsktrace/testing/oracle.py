"""The obvious judge: one event at a time, dictionaries, complete traces only.

Slow and plain on purpose, to be compared with the rules engine. It reads events in their true order, believes that
nothing is missing from the first DriverEntry to the end, and tells every rule that is broken. Source of the rules: the
design page of the contract, section 3; the rules are named there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from wsktrace.testing import (
    oracle_creation_calls,
    oracle_enabling,
    oracle_irp_arguments,
    oracle_irp_life,
    oracle_memory,
    oracle_registration,
    oracle_socket_end,
    oracle_socket_state,
)
from wsktrace.testing import oracle_local as local
from wsktrace.testing.draft import SECOND
from wsktrace.testing.events import INFO, START, STOP
from wsktrace.testing.oracle_lives import Socket, Submission, pair, unused
from wsktrace.testing.oracle_load import Broken, Load
from wsktrace.testing.vocabulary import STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsktrace.testing.events import Event

__all__ = ["DEADLINES", "Broken", "judge"]

_SUCCESS, _PENDING = STATUSES["SUCCESS"], STATUSES["PENDING"]
_ERROR = 0x80000000
_CREATES = ("WskSocket", "WskSocketConnect")
_SO_WSK_SECURITY, _SO_WSK_EVENT_CALLBACK, _SO_CONDITIONAL_ACCEPT = 0x4001, 0x4002, 0x3002
_CACHE_SD, _RELEASE_SD, _STATIC = 4, 5, 7
_DISABLE = 1 << 31

#: Further rules, a module per family.
_FAMILIES = (
    oracle_creation_calls,
    oracle_enabling,
    oracle_irp_arguments,
    oracle_irp_life,
    oracle_memory,
    oracle_registration,
    oracle_socket_end,
    oracle_socket_state,
)

#: Call → seconds that its IRP may stay pending; others may stay pending for ever.
DEADLINES: Final[dict[str, int]] = {
    **dict.fromkeys(("WskSocket", "WskBind", "WskControlSocket", "WskCloseSocket"), 10),
    **dict.fromkeys(("WskConnect", "WskConnectEx", "WskSocketConnect"), 60),
    **dict.fromkeys(("WskSend", "WskSendTo", "WskSendMessages"), 120),
}


class _World:
    """One load of one driver."""

    def __init__(self, out: list[Broken], events: Sequence[Event], returns: dict[int, int], end: int) -> None:
        self.out, self.events, self.returns, self.end = out, events, returns, end
        self.captures: Counter[int] = Counter()
        self.client_of: dict[int, int] = {}
        self.static: dict[int, int] = {}
        self.latest: dict[int, Submission] = {}  # IRP → its latest use
        self.submissions: dict[int, Submission] = {}  # index of the Start → use
        self.own: set[int] = set()  # allocated, initialized or reused since their last completion
        self.always: set[int] = set()  # completion routine set for success, error and cancel
        self.sockets: dict[int, Socket] = {}
        self.callers: dict[int, Socket] = {}  # index of a socket call's Start → socket
        self.failed_information: set[int] = set()
        self.refs: Counter[int] = Counter()
        self.cached: set[int] = set()
        self.users: list[tuple[int, Submission]] = []
        self.leaks: list[Broken] = []
        self.kind_of: dict[int, str] = {}
        self.contexts: list[Socket] = []
        self.callbacks: dict[int, Socket] = {}  # index of the Start of a running callback → socket
        self.accepting: dict[int, Socket] = {}
        self.stops = {begun: stop for stop, begun in returns.items()}
        self.born: list[Socket] = []
        self.seen: dict[int, Event] = {}
        self.torn_down: dict[int, int] = {}  # client → when its registration ended
        self.unloaded = False
        self.last = 0

    def broken(self, rule: str, event: Event, socket: int = 0, subject: int = 0, irp: int | None = None) -> None:
        about = event.fields.get("Irp", 0) if irp is None else irp
        self.out.append(Broken(f"WSK-{rule}", about, socket, event.time, subject))

    # one event ------------------------------------------------------------------------------------------------------

    def see(self, at: int, event: Event) -> None:
        self.seen[at] = event
        name, opcode, fields = event.name, event.opcode, event.fields
        if name.startswith("Irp"):
            self._irp(event)
        elif name.endswith("Event"):
            self._callback(at, event)
        elif name in ("DriverEntry", "DriverUnload"):
            if opcode == STOP and (name == "DriverUnload" or fields["Status"] != _SUCCESS):
                self._unloaded(event)
        elif name == "WskControlSocket" and opcode == INFO:
            if fields["ControlCode"] == _SO_WSK_SECURITY and fields["OutputValue"]:
                self._reference(fields["OutputValue"])
        elif "Registration" in fields:
            self._registration(event)
        elif opcode == START:
            self._enter(at, event)
        elif opcode == STOP:
            self._return(self.returns[at], event)

    def _registration(self, event: Event) -> None:
        registration = event.fields["Registration"]
        for rule in local.rules(event):
            self.broken(rule, event)
        if (event.name, event.opcode) == ("WskCaptureProviderNPI", STOP) and event.fields["Status"] == _SUCCESS:
            self.captures[registration] += 1
            self.client_of[registration] = event.fields["Client"]
            self.leaks = []
        elif (event.name, event.opcode) == ("WskReleaseProviderNPI", START):
            self.captures[registration] -= 1
            if not +self.captures:
                held = [sd for sd, count in self.refs.items() if count > 0]
                self.leaks = [Broken("WSK-SD-LEAK", 0, 0, event.time, sd) for sd in held]
        elif (event.name, event.opcode) == ("WskDeregister", STOP):
            self.torn_down[self.client_of.get(registration, 0)] = event.time

    def _enter(self, at: int, event: Event) -> None:
        fields, name = event.fields, event.name
        socket = self._called(event)
        for rule in local.rules(event):
            self.broken(rule, event, fields.get("Socket", 0))
        client = fields.get("Client", 0)
        if client and client not in {self.client_of[r] for r, count in self.captures.items() if count > 0}:
            self.broken("CLIENT-STALE", event, subject=client)
        use = Submission(event, socket, name in _CREATES or name == "WskAccept")
        if irp := fields.get("Irp", 0):
            before = self.latest.get(irp)
            use.own = irp in self.own or irp in self.always
            if before and before.own and not before.completion and before.returned in (None, _PENDING, _SUCCESS):
                self.broken("IRP-REUSE-PENDING", event, fields.get("Socket", 0))
            if before:
                before.superseded = True
            self.latest[irp] = use
        self.submissions[at] = use
        if socket:
            self.callers[at] = socket
        self._descriptor_used(event, use)
        self._category(event)
        if use.creates:
            use.child = self._expect(event, socket)
        if name == "WskControlClient":
            self._control_client(at, event)
        elif name == "WskControlSocket" and fields["RequestType"] == 0 and socket:
            if fields["ControlCode"] == _SO_WSK_EVENT_CALLBACK and not fields["InputValue"] & _DISABLE:
                socket.enabled |= fields["InputValue"]
            socket.conditional |= fields["ControlCode"] == _SO_CONDITIONAL_ACCEPT
        elif name == "WskCloseSocket" and socket and not socket.close:
            socket.close = use

    def _called(self, event: Event) -> Socket | None:
        address = event.fields.get("Socket", 0)
        socket = self.sockets.get(address)
        if address and (socket is None or socket.closed) and address in self.failed_information:
            self.broken("SOCKET-FROM-FAILED-CREATE", event, address)
        elif socket and socket.close:
            rule = "DOUBLE-CLOSE" if event.name == "WskCloseSocket" else "USE-AFTER-CLOSE"
            self.broken(rule, event, address)
        return socket

    def _expect(self, event: Event, listener: Socket | None) -> Socket:
        """Return the socket that a create or accept will bring; its callbacks may come before it does."""
        socket = Socket(event, listener)
        self.contexts.append(socket)
        return socket

    def _return(self, begun: int, event: Event) -> None:
        use = self.submissions[begun]
        status = use.returned = event.fields.get("Status", _SUCCESS)
        use.returned_at = event.time
        if use.socket and status >= _ERROR:
            use.socket.failed = True
        if use.completion:
            self._compare(use, event)
        elif use.child and status >= _ERROR and not use.irp:
            self.contexts.remove(use.child)
        if event.name == "WskControlClient" and event.fields["ControlCode"] == _CACHE_SD and status == _SUCCESS:
            self._reference(event.fields["OutputValue"])

    # IRPs -----------------------------------------------------------------------------------------------------------

    def _irp(self, event: Event) -> None:
        irp = event.fields["Irp"]
        if event.name in ("IrpAllocate", "IrpInitialize", "IrpReuse"):
            self.own.add(irp)
            if irp in self.latest and self.latest[irp].completion:
                del self.latest[irp]
        elif event.name == "IrpFree":
            self.own.discard(irp)
            self.always.discard(irp)
        elif event.name == "IrpSetCompletion":
            wanted = ("InvokeOnSuccess", "InvokeOnError", "InvokeOnCancel")
            (self.always.add if all(event.fields[w] for w in wanted) else self.always.discard)(irp)
        elif (event.name, event.opcode) == ("IrpComplete", START):
            self.own.discard(irp)
            self.always.discard(irp)
            use = self.latest.get(irp)
            if event.fields["Status"] == _PENDING:
                self.broken("IRP-COMPLETED-WITH-PENDING", event, use.address if use else 0)
            if use and use.completion and use.own:
                self.broken("IRP-DOUBLE-COMPLETE", event, use.address)
            elif use and not use.completion:
                self._completed(use, event)

    def _completed(self, use: Submission, event: Event) -> None:
        use.completion = event
        status, information = event.fields["Status"], event.fields["Information"]
        if use.returned is not None:
            self._compare(use, event)
        if use.socket and status >= _ERROR:
            use.socket.failed = True
        if use.child:
            self._created(use, use.child, status, information)
        elif use.name == "WskCloseSocket" and use.socket and use.socket.close is use:
            self._closed(use.socket, event)

    def _created(self, use: Submission, child: Socket, status: int, information: int) -> None:
        if status == _SUCCESS and local.is_socket(information):
            self._born(child, information)
            return
        if child in self.contexts:
            self.contexts.remove(child)
        if status == _SUCCESS and use.completion:
            self.broken("INFO-NOT-SOCKET", use.completion, use.address)
        elif information and status >= _ERROR:
            self.failed_information.add(information)

    def _born(self, socket: Socket, address: int) -> None:
        socket.address = address
        self.sockets[address] = socket
        self.born.append(socket)
        self.failed_information.discard(address)

    def _closed(self, socket: Socket, event: Event) -> None:
        if socket in self.callbacks.values():
            self.broken("EVENT-AFTER-CLOSE", event, socket.address, socket.context)
        socket.closed = True
        for rule, subject in unused(socket, self.static.get(socket.client, 0)):
            self.broken(rule, event, socket.address, subject, socket.irp)

    def _compare(self, use: Submission, event: Event) -> None:
        returned = use.returned
        completed = use.completion.fields["Status"] if use.completion else _PENDING
        if returned not in (_PENDING, completed) and completed != _PENDING:
            self.broken("STATUS-MISMATCH", event, use.address, irp=use.irp)

    # descriptors ----------------------------------------------------------------------------------------------------

    def _reference(self, descriptor: int) -> None:
        self.refs[descriptor] += 1
        self.cached.add(descriptor)

    def _descriptor_used(self, event: Event, use: Submission) -> None:
        fields = event.fields
        descriptor = fields.get("SecurityDescriptor", 0)
        if event.name == "WskControlSocket" and (fields["RequestType"], fields["ControlCode"]) == (0, _SO_WSK_SECURITY):
            descriptor = fields["InputValue"]
        if not descriptor:
            return
        if not self.refs[descriptor]:
            rule = "SD-USE-AFTER-RELEASE" if descriptor in self.cached else "SD-NOT-CACHED"
            self.broken(rule, event, fields.get("Socket", 0), descriptor)
        self.users.append((descriptor, use))

    def _control_client(self, at: int, event: Event) -> None:
        code, value = event.fields["ControlCode"], event.fields["InputValue"]
        stop = self.stops.get(at)
        if stop is None or self.events[stop].fields["Status"] != _SUCCESS:
            return
        if code == _STATIC:
            self.static[event.fields["Client"]] = value
        elif code == _RELEASE_SD and not self.refs[value]:
            self.broken("SD-DOUBLE-RELEASE", event, subject=value)
        elif code == _RELEASE_SD:
            self.refs[value] -= 1
            open_uses = [use for sd, use in self.users if sd == value and self._still_open(use)]
            if not self.refs[value]:
                for use in open_uses:
                    self.broken("SD-EARLY-RELEASE", event, use.address, value, use.irp)

    def _still_open(self, use: Submission) -> bool:
        if use.completion:
            return False
        return use.returned in (None, _PENDING) or any(
            e.name == "IrpComplete" and e.opcode == START and e.fields["Irp"] == use.irp and e.time > use.time
            for e in self.events
        )

    # callbacks ------------------------------------------------------------------------------------------------------

    def _category(self, event: Event) -> None:
        dispatch = local.dispatch(event) if event.name in _CREATES else 0
        if not dispatch or not local.category(event):
            return
        category = local.category(event)
        if self.kind_of.setdefault(dispatch, category) != category:
            self.broken("DISPATCH-KIND", event, subject=dispatch)

    def _callback(self, at: int, event: Event) -> None:
        if event.opcode == STOP:
            begun = self.returns[at]
            self.callbacks.pop(begun, None)
            child = self.accepting.pop(begun, None)
            if child and event.fields["Status"] != _SUCCESS:
                del self.sockets[child.address]
            elif child:
                child.adopt(event)
                self.contexts.append(child)
            return
        context = event.fields["SocketContext"]
        known = [s for s in self.contexts if s.context == context]
        live = [s for s in known if not s.closed]
        if event.name == "WskAcceptEvent" and event.fields["AcceptSocket"]:
            child = self.accepting[at] = Socket(event, live[0] if len(live) == 1 else None)
            self._born(child, event.fields["AcceptSocket"])
        if not context or len(live) > 1:
            return
        if not live:
            rule = "EVENT-AFTER-CLOSE" if known else "EVENT-CONTEXT-UNKNOWN"
            self.broken(rule, event, known[-1].address if known else 0, context)
            return
        self.callbacks[at] = live[0]
        if not live[0].may(event.name, self.static.get(live[0].client, 0)):
            self.broken("EVENT-NOT-ENABLED", event, live[0].address, context)

    # ends -----------------------------------------------------------------------------------------------------------

    def _unloaded(self, event: Event) -> None:
        self.unloaded = True
        for socket in self.sockets.values():
            if not socket.close:
                self.broken("SOCKET-LEAK", event, socket.address, irp=socket.irp)

    def finish(self, end: int, build: int) -> None:
        """Judge what never came, and by the other modules; ``end``: until when the trace shows this load."""
        starts = {stop: begun for stop, begun in self.returns.items() if stop in self.seen}
        stops = {begun: stop for stop, begun in starts.items()}
        load = Load(self.seen, starts, stops, self.submissions, self.born, end, self.unloaded, build)
        for family in _FAMILIES:
            self.out += family.judge(load)
        self.out += [leak for leak in self.leaks if self.refs[leak.subject] > 0]
        for use in self.submissions.values():
            if not use.own or use.returned is None:
                continue
            came = use.completion.time if use.completion else self.end
            if use.returned >= _ERROR:
                if came - use.returned_at > SECOND and not use.superseded:
                    self.broken("STATUS-ERROR-NO-COMPLETION", use.event, use.address)
                continue
            if use.name == "WskCloseSocket" and came - use.time > 10 * SECOND:
                self.broken("CLOSE-STUCK", use.event, use.address)
            deadline = DEADLINES.get(use.name)
            late = deadline is not None and end - use.time > deadline * SECOND
            ended = self.unloaded or use.time < self.torn_down.get(use.client, 0)
            if not use.completion and not use.superseded and (late or ended):
                self.broken("IRP-NEVER-COMPLETED", use.event, use.address)


def judge(events: Sequence[Event], end: int | None = None, *, build: int = 26100) -> list[Broken]:
    """Return every broken rule, in the order of time.

    Args:
        events: a complete trace in true order, from DriverEntry on.
        end: until when the trace would have shown something, ns; by default its last event.
        build: build number of Windows that the file tells.
    """
    end = end if end is not None else max((e.time for e in events), default=0)
    out: list[Broken] = []
    worlds: dict[int, _World] = {}
    returns = pair(events)
    for at, event in enumerate(events):
        if event.image not in worlds or (event.name, event.opcode) == ("DriverEntry", START):
            if event.image in worlds:
                worlds[event.image].finish(worlds[event.image].last, build)
            worlds[event.image] = _World(out, events, returns, end)
        if event.opcode != STOP or at in returns or event.name in ("DriverEntry", "DriverUnload"):
            worlds[event.image].see(at, event)
            worlds[event.image].last = event.time
    for world in worlds.values():
        world.finish(end, build)
    return sorted(out, key=lambda b: b.time)
