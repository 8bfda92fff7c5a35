"""Small traces written down as text: the notation of the rule pages, the samples and the simulator.

A script is what a driver does, line by line, in true order. ``#`` begins a comment. ::

    driver                                   # loads: DriverEntry, WskRegister R, WskCaptureProviderNPI gives client C
    IrpAllocate A
    WskSocket A Flags=listen SocketContext=ctx Dispatch=table -> PENDING, complete SUCCESS socket=S
    WskControlSocket S NULL set SO_WSK_EVENT_CALLBACK InputValue=accept -> SUCCESS
    IrpReuse A
    WskCloseSocket S A -> PENDING, complete SUCCESS
    IrpFree A
    unload

**Events** have the native provider's names; what follows the name are the values of its first fields in the order of
``POSITIONAL``, then any field as ``Name=value``. Values are numbers, words (``Flags=listen``,
``InputValue=receive|disconnect``, statuses with or without STATUS_), ``NULL``, or names of your own, which become
addresses. What is not given gets a value that breaks no rule. ``C`` and ``R`` are the client and the registration.

**Calls, completions, callbacks.** ``Call … -> STATUS`` is entry and return. After the arrow come, in the order in which
they happen, the return's status and fields, and completions: ``-> complete SUCCESS, SUCCESS`` completes before the call
returns, ``-> PENDING, +3ms complete SUCCESS`` after. Without an arrow the line is the entry alone, and
``return Call [name] STATUS`` the return. ``complete A STATUS`` is a whole completion routine; ``IrpComplete A STATUS``
and ``return IrpComplete A STATUS`` its begin and end. ``output S A SO_WSK_SECURITY sd`` is what a get brought.

**Where and when.** Before any statement or completion: ``@cpu=1 @tid=7 @pid=4`` the thread, ``@dpc=2`` a DPC on that
processor, ``+5ms`` time that passes first (ns, us, ms, s). Alone on a line they hold from there on. Calls run on thread
4120 of processor 0, callbacks and pending completions in a DPC on processor 1. ``@image=1`` is a second driver.

**Short forms.** ``run Call …`` makes the call with an IRP of its own, from IrpAllocate to IrpFree, completed with
success unless an arrow says otherwise; ``open S Flags=listen`` and ``close S`` are ``run WskSocket`` and
``run WskCloseSocket``; ``enable S receive|disconnect``; ``cache own sd`` and ``release sd`` of a security descriptor.

**The kernel logger.** ``stack ctx``: the thread's stack holds what is named so; ``thread ends``; blocks of pool with
``pool paged ctx 256``, ``pool nonpaged ctx``, ``pool free ctx``; ``process starts P``, ``process ends P``;
``image unloads``. A name that stands here first gets an address that fits.

**The trace.** ``wait 12s``. ``lost 3``: three events were lost here; ``lost <statement>``: the events of the statement
were. ``late``: the session starts here, nothing before it is recorded. ``wrapped``: a circular file wrapped, and what
stands before was overwritten. ``cut``: the file ends here, its session was never stopped. ``trace stopped=no lost=2
buffers_lost=1 seq=no keywords=socket|irp level=4 pointer=4 build=14393 missing=Irql without=IrpWait``: the session was
not stopped; the header tells of losses; the driver's header is an older one without Seq; only these keywords up to this
level were enabled; 32-bit; the build number of Windows, 0 where the file does not tell; fields and events that the
driver's header does not emit (``IrpWait.enter``, ``.return``, ``.fact``: one end only). ``damaged=2 backwards=2``: the
first buffer of that processor is damaged; its clock runs backwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wsktrace.testing.assemble import Addresses, assemble
from wsktrace.testing.draft import MS, US, Draft, Fate, Fragment
from wsktrace.testing.etl_options import DEFAULT
from wsktrace.testing.kernel_notes import NOTES
from wsktrace.testing.native import EVENTS
from wsktrace.testing.statements import KEYWORDS, PHASES, POSITIONAL, Interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsktrace.testing.events import Event

__all__ = ["KEYWORDS", "POSITIONAL", "Script", "ScriptOptions", "fragment", "run_script"]


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """What the file says beside its events.

    Attributes:
        stopped: the session was stopped properly.
        wrapped: the file is circular and its beginning was overwritten.
        events_lost: the header's count; what ``lost`` lines lost is added.
        buffers_lost: the header's count.
        pointer_size: bytes of a pointer.
        end: ns since the start at which the session stopped.
        damaged: processor whose first buffer is damaged, None where none is.
        backwards: processor whose clock runs backwards at the end of its first buffer.
        build: build number of Windows; 0: the header does not tell.
    """

    stopped: bool = True
    wrapped: bool = False
    events_lost: int = 0
    buffers_lost: int = 0
    pointer_size: int = 8
    end: int = 0
    damaged: int | None = None
    backwards: int | None = None
    build: int = DEFAULT.build


@dataclass(frozen=True, slots=True)
class Script:
    """A script that was run: the events that the file holds, what else it says, and the address of every name."""

    events: list[Event]
    options: ScriptOptions
    names: dict[str, int] = field(default_factory=dict)

    @property
    def build(self) -> int:
        """Build number of Windows that the file tells."""
        return self.options.build

    def etl(self) -> bytes:
        """Return the trace file."""
        from wsktrace.testing.damage import spoil_buffer, turn_back
        from wsktrace.testing.etl_options import MODE_CIRCULAR, MODE_SEQUENTIAL, TraceOptions
        from wsktrace.testing.etl_writer import write_native

        wrapped = self.options.wrapped
        options = TraceOptions(
            end=self.options.end,
            mode=MODE_CIRCULAR if wrapped else MODE_SEQUENTIAL,
            first_sequence=1000 if wrapped else 1,
            flush_ns=MS if wrapped else None,
            stopped=self.options.stopped,
            events_lost=self.options.events_lost,
            buffers_lost=self.options.buffers_lost,
            pointer_size=self.options.pointer_size,
            build=self.options.build,
        )
        data = write_native(self.events, options=options)
        if self.options.damaged is not None:
            data = spoil_buffer(data, self.options.damaged)
        if self.options.backwards is not None:
            data = turn_back(data, self.options.backwards)
        return data


def fragment(text: str) -> Fragment:
    """Return what a script does, to be played among other fragments; ``FormatError`` as ``run_script``.

    What ``late``, ``wrapped``, ``cut`` and ``trace`` say is for whole traces and does not count here.
    """
    recorder = Interpreter().run(text).recorder
    for draft in recorder.drafts:
        if draft.fate is not Fate.LOST:
            draft.fate = Fate.LOGGED
    return Fragment(recorder.drafts, recorder.kinds, tail=recorder.waited)


def run_script(text: str) -> Script:
    """Run a script.

    Raises:
        FormatError: names the line and, where a word is unknown, the nearest known one.
    """
    done = Interpreter().run(text)
    trace, recorder = done.trace, done.recorder
    pointer_size = _number(trace, "pointer", 8)
    _enable(recorder.drafts, trace)
    played = assemble(
        [Fragment(recorder.drafts, recorder.kinds, tail=recorder.waited, keep=True)], addresses=Addresses(pointer_size)
    )
    if done.is_late and played.events:
        begin = max(0, played.events[0].time - 10 * US)
        played.end -= begin
        for event in played.events:
            event.time -= begin
    missing = frozenset(filter(None, trace.get("missing", "").split("|")))
    seq = _yes(trace, "seq")
    for event in played.events:
        event.missing = missing
        event.seq = event.seq if seq and "Seq" not in missing else None
    options = ScriptOptions(
        stopped=_yes(trace, "stopped"),
        wrapped=_yes(trace, "wrapped", default="no"),
        events_lost=played.lost + recorder.losing + _number(trace, "lost", 0),
        buffers_lost=_number(trace, "buffers_lost", 0),
        pointer_size=pointer_size,
        end=played.end,
        damaged=_number(trace, "damaged", -1) if "damaged" in trace else None,
        backwards=_number(trace, "backwards", -1) if "backwards" in trace else None,
        build=_number(trace, "build", DEFAULT.build),
    )
    return Script(played.events, options, played.names[0])


def _yes(trace: Mapping[str, str], key: str, default: str = "yes") -> bool:
    return trace.get(key, default) == "yes"


def _number(trace: Mapping[str, str], key: str, default: int) -> int:
    return int(trace.get(key, default))


def _enable(drafts: list[Draft], trace: Mapping[str, str]) -> None:
    """Mark the events that no session had enabled, or that the driver's header does not emit."""
    keywords = sum(KEYWORDS[word] for word in trace["keywords"].split("|")) if "keywords" in trace else 0x1F
    level = _number(trace, "level", 5)
    without = set(trace.get("without", "").split("|"))
    for draft in drafts:
        if draft.name in NOTES:
            continue
        declared = EVENTS[draft.name, draft.opcode]
        kind = f"{draft.name}.{PHASES[draft.opcode]}"
        if not declared.keyword & keywords or declared.level > level or {draft.name, kind} & without:
            draft.fate = Fate.UNSEEN
        if draft.name == "ProviderState":
            draft.fields.update(MatchAnyKeyword=keywords, Level=level)
