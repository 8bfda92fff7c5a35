"""The statements of the script notation, carried out on a ``Recorder``; ``wsktrace.testing.script`` describes it."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from wsktrace.errors import FormatError
from wsktrace.testing.draft import MS, SECOND, US, Fate
from wsktrace.testing.events import INFO, START
from wsktrace.testing.kernel_notes import VERBS, note
from wsktrace.testing.native import EVENTS, SOCKET_CALLS
from wsktrace.testing.recorder import Place, Recorder
from wsktrace.testing.vocabulary import KINDS, STATUSES, field_words, number, status, suggestion, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wsktrace.testing.recorder import Value

__all__ = ["KEYWORDS", "PHASES", "POSITIONAL", "Interpreter"]

#: Keyword of the native provider by name.
KEYWORDS: Final[Mapping[str, int]] = MappingProxyType(
    {"registration": 0x1, "socket": 0x2, "data": 0x4, "irp": 0x8, "callback": 0x10}
)
_UNITS = {"ns": 1, "us": US, "ms": MS, "s": SECOND}
_TIME = re.compile(r"(\d+)(ns|us|ms|s)")
_NAME = re.compile(r"[A-Za-z_~][\w.~]*")
_MORE_PROCESSING_REQUIRED = STATUSES["MORE_PROCESSING_REQUIRED"]
_TRACE_KEYS = (
    "stopped", "wrapped", "lost", "buffers_lost", "seq", "keywords", "level", "pointer", "missing", "without",
    "build", "damaged", "backwards",
)  # fmt: skip

#: What an opcode is called in ``without``.
PHASES: Final = ("fact", "enter", "return")
#: Event → the fields that its first values stand for.
POSITIONAL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(SOCKET_CALLS, ("Socket", "Irp")),
        **{name: ("Irp",) for name, _ in EVENTS if name.startswith("Irp")},
        **{name: ("SocketContext",) for name, _ in EVENTS if name.endswith("Event")},
        **dict.fromkeys(("WskSocket", "WskSocketConnect", "WskGetAddressInfo", "WskGetNameInfo"), ("Irp",)),
        **dict.fromkeys(
            (
                "WskRegister", "WskDeregister", "WskCaptureProviderNPI", "WskReleaseProviderNPI",
                "WskQueryProviderCharacteristics",
            ),
            ("Registration",),
        ),
        **dict.fromkeys(("DriverEntry", "DriverUnload"), ("DriverObject",)),
        "WskControlClient": ("ControlCode", "Irp"),
        "WskControlSocket": ("Socket", "Irp", "RequestType", "ControlCode"),
        "WskRelease": ("Socket", "Indication"),
        "WskFreeAddressInfo": ("Result",),
        "WskAcceptEvent": ("SocketContext", "AcceptSocket"),
        "IrpComplete": ("Irp", "Status"),
        "MemoryFree": ("Address", "Size"),
        "ProviderState": (),
        "WskTransport": (),
    }
)  # fmt: skip
_OUTPUT = ("Socket", "Irp", "ControlCode", "OutputValue")
_FACTS = {name for name, opcode in EVENTS if opcode == INFO and name != "WskControlSocket"}
_CALLS = {name for name, opcode in EVENTS if opcode == START}


class Interpreter:
    """Carries out a script.

    Attributes:
        recorder: what happened.
        trace: what the ``trace`` lines say, word by word.
        is_late: a ``late`` line stood in the script.
    """

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.trace: dict[str, str] = {}
        self.is_late = False
        self._irps = 0
        self._verbs: dict[str, Callable[[list[str], str | None, Place | None], None]] = {
            "return": self._return,
            "complete": self._complete,
            "output": self._output,
            "run": self._run,
            "open": lambda args, tail, _: self._run(["WskSocket", *args[1:], f"socket={args[0]}"], tail, None),
            "close": lambda args, tail, _: self._run(["WskCloseSocket", *args], tail, None),
            "enable": self._enable,
            "cache": self._cache,
            "release": self._release,
            "wait": lambda args, *_: self.recorder.wait(_time(_one(args, "wait 12s"))),
            "driver": lambda *_: self.recorder.load(),
            "unload": lambda *_: self.recorder.unload(),
            "late": lambda *_: self._late(),
            "wrapped": lambda *_: self._wrapped(),
            "cut": lambda *_: self._cut(),
            "trace": lambda args, *_: self._trace(args),
        }

    def run(self, text: str) -> Interpreter:
        """Carry out a whole script; ``FormatError`` names the line. Returns itself."""
        for count, line in enumerate(text.splitlines(), 1):
            statement = line.partition("#")[0].strip()
            if statement:
                try:
                    self._line(statement)
                except (FormatError, IndexError, KeyError) as error:
                    what = error if isinstance(error, FormatError) else "something is missing at the end"
                    raise FormatError(f"line {count}: {what}\n    {statement}") from None
        return self

    # lines ----------------------------------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        first, _, rest = text.partition(" ")
        if first == "lost":
            self._lost(rest.strip())
            return
        head, arrow, tail = text.partition("->")
        image = self.recorder.image
        place, dpc, tokens = self._modifiers(head.split())
        if tokens:
            self._statement(tokens[0], tokens[1:], tail if arrow else None, place)
            self.recorder.image = image
        elif dpc is not None:
            self.recorder.dpc = dpc
        elif place:
            self.recorder.place = place

    def _lost(self, rest: str) -> None:
        count = number(rest)
        if count is not None:
            self.recorder.lose(count)
            return
        before, self.recorder.fate = self.recorder.fate, Fate.LOST
        try:
            self._line(rest)
        finally:
            self.recorder.fate = before

    def _modifiers(self, tokens: list[str]) -> tuple[Place | None, int | None, list[str]]:
        """Take the modifiers off the front; returns where the rest runs, the DPC's CPU, the rest."""
        place: Place | None = None
        dpc: int | None = None
        at = 0
        for token in tokens:
            if token.startswith("+"):
                self.recorder.wait(_time(token[1:]))
            elif token.startswith("@"):
                key, _, text = token[1:].partition("=")
                value = number(text)
                if key not in ("cpu", "tid", "pid", "dpc", "image") or value is None:
                    raise FormatError(f"{token} is no modifier; they are @cpu=0 @tid=4120 @pid=4 @dpc=1 @image=1 +5ms")
                if key == "image":
                    self.recorder.image = value
                elif key == "dpc":
                    dpc, place = value, Place(value, 0, 0)
                else:
                    place = replace(place or self.recorder.place, **{key: value})
            else:
                break
            at += 1
        return place, dpc, tokens[at:]

    def _statement(self, verb: str, args: list[str], tail: str | None, place: Place | None) -> None:
        if verb in self._verbs:
            self._verbs[verb](args, tail, place)
        elif verb in VERBS:
            self.recorder.note(*note(verb, args), place)
        elif verb in _CALLS:
            fields = self._fields(verb, args, POSITIONAL[verb])
            if verb == "IrpComplete":
                self._irp_complete(fields, tail, place)
            else:
                self.recorder.start(verb, fields, place)
                self._after(verb, fields, tail)
        elif verb in _FACTS:
            self.recorder.fact(verb, self._fields(verb, args, POSITIONAL[verb]), place)
        else:
            raise FormatError(f"{verb!r} is no statement; {suggestion(verb, [*self._verbs, *VERBS, *_CALLS, *_FACTS])}")

    def _after(self, verb: str, begun: Mapping[str, Value], tail: str | None) -> None:
        """Carry out what stands behind the arrow."""
        if tail is None:
            return
        key = begun.get("Irp") or None
        for part in tail.split(","):
            place, _, tokens = self._modifiers(part.split())
            if tokens[:1] == ["complete"]:
                if not key:
                    raise FormatError(f"{verb} was given no IRP that could complete")
                self._complete([str(key), *tokens[1:]], None, place)
            else:
                self._stop(verb, key, tokens)

    def _stop(self, verb: str, key: Value | None, tokens: list[str]) -> None:
        returned = status(tokens[0]) if tokens and "=" not in tokens[0] else None
        fields = self._fields(verb, tokens[returned is not None :], ())
        self.recorder.stop(verb, key, returned, fields)

    # verbs ----------------------------------------------------------------------------------------------------------

    def _return(self, args: list[str], _tail: str | None, _place: Place | None) -> None:
        verb, *rest = args
        if verb not in _CALLS:
            raise FormatError(f"{verb!r} is no call; {suggestion(verb, _CALLS)}")
        plain = [a for a in rest if "=" not in a]
        keyed = len(plain) > 1 or (len(plain) == 1 and plain[0].removeprefix("STATUS_") not in STATUSES)
        keyed = keyed and not (len(plain) == 1 and number(plain[0]) is not None)
        key = _value("Irp", rest[0], None) if keyed else None
        rest = rest[1:] if keyed else rest
        if verb == "IrpComplete" and (not rest or "=" in rest[0]):
            rest = ["MORE_PROCESSING_REQUIRED", *rest]
        self._stop(verb, key, rest)

    def _complete(self, args: list[str], tail: str | None, place: Place | None) -> None:
        fields = self._fields("IrpComplete", args, POSITIONAL["IrpComplete"])
        returns = status(tail.strip()) if tail and tail.strip() else _MORE_PROCESSING_REQUIRED
        irp, completed = fields.pop("Irp"), fields.pop("Status", 0)
        self.recorder.complete(irp, int(completed), fields, place, returns)

    def _irp_complete(self, fields: dict[str, Value], tail: str | None, place: Place | None) -> None:
        irp, completed = fields.pop("Irp"), fields.pop("Status", 0)
        self.recorder.complete(irp, int(completed), fields, place, None if tail is None else status(tail.strip()))

    def _output(self, args: list[str], _tail: str | None, place: Place | None) -> None:
        fields = self._fields("WskControlSocket", args, _OUTPUT)
        self.recorder.fact("WskControlSocket", {"Level": 0xFFFF, **fields}, place)

    def _run(self, args: list[str], tail: str | None, place: Place | None) -> None:
        self._irps += 1
        irp = f"irp~{self._irps}"
        socket = next((a for a in args if a.startswith("socket=")), "")
        args = [a for a in args if a != socket]
        self._statement("IrpAllocate", [irp], None, place)
        self._statement("IrpSetCompletion", [irp], None, place)
        tail = tail if tail is not None else f"PENDING, complete SUCCESS {socket}"
        self._statement(args[0], [*args[1:], f"Irp={irp}"], tail, place)
        self._statement("IrpFree", [irp], None, place)

    def _enable(self, args: list[str], tail: str | None, place: Place | None) -> None:
        given = [args[0], "NULL", "set", "SO_WSK_EVENT_CALLBACK", f"InputValue={args[1]}"]
        self._statement("WskControlSocket", given, tail or "SUCCESS", place)

    def _cache(self, args: list[str], tail: str | None, place: Place | None) -> None:
        given = ["WSK_CACHE_SD", f"InputValue={args[0]}"]
        self._statement("WskControlClient", given, tail or f"SUCCESS OutputValue={args[1]}", place)

    def _release(self, args: list[str], tail: str | None, place: Place | None) -> None:
        self._statement("WskControlClient", ["WSK_RELEASE_SD", f"InputValue={args[0]}"], tail or "SUCCESS", place)

    def _late(self) -> None:
        self.is_late = True
        for draft in self.recorder.drafts:
            draft.fate = Fate.UNSEEN
        self.recorder.fact("ProviderState", {})

    def _wrapped(self) -> None:
        self.trace["wrapped"] = "yes"
        for draft in self.recorder.drafts:
            draft.fate = Fate.OVERWRITTEN
        if not self.recorder.drafts:
            self.recorder.fact("ProviderState", {})
            self.recorder.drafts[-1].fate = Fate.OVERWRITTEN

    def _cut(self) -> None:
        self.trace["stopped"] = "no"
        self.recorder.fate = Fate.OVERWRITTEN

    def _trace(self, args: list[str]) -> None:
        for arg in args:
            key, _, text = arg.partition("=")
            if key not in _TRACE_KEYS or not text:
                raise FormatError(f"trace has no {arg!r}; {suggestion(key, _TRACE_KEYS)}")
            _check_trace(key, text)
            self.trace[key] = text
            if key == "pointer":
                self.recorder.pointer_size = int(text)

    # fields ---------------------------------------------------------------------------------------------------------

    def _fields(self, event: str, args: list[str], positional: tuple[str, ...]) -> dict[str, Value]:
        """Parse values and ``Name=value`` pairs."""
        pairs: dict[str, str] = {}
        for at, arg in enumerate(args):
            name, equals, text = arg.partition("=")
            if not equals:
                if at >= len(positional):
                    raise FormatError(f"{event} takes no further value {arg!r}; give it as Name=value")
                name, text = positional[at], arg
            if name == "socket":
                name = "AcceptSocket" if event == "WskAcceptEvent" else "Information"
            pairs[name] = text
        code = _code(event, pairs)
        return {name: _value(name, text, field_words(event, name, code), code) for name, text in pairs.items()}


def _code(event: str, pairs: Mapping[str, str]) -> int | None:
    known = field_words(event, "ControlCode")
    if "ControlCode" not in pairs or known is None:
        return None
    return words(pairs["ControlCode"], known, "ControlCode")


def _value(field: str, text: str, known: Mapping[str, int] | None, code: int | None = None) -> Value:
    value = number(text)
    if value is not None:
        return value
    if text == "NULL":
        return 0
    if field == "ControlCode" and code is not None:
        return code
    if field == "Status":
        return status(text)
    if known is not None:
        return words(text, known, field)
    if field not in KINDS:
        raise FormatError(f"{field} is a number; {text!r} is none")
    if not _NAME.fullmatch(text):
        raise FormatError(f"{text!r} is neither a number nor a name (letters, digits, _ and .)")
    return text


def _time(text: str) -> int:
    match = _TIME.fullmatch(text)
    if not match:
        raise FormatError(f"{text!r} is no time; write 200us, 5ms or 12s")
    return int(match[1]) * _UNITS[match[2]]


def _one(args: list[str], example: str) -> str:
    if len(args) != 1:
        raise FormatError(f"write: {example}")
    return args[0]


def _check_trace(key: str, text: str) -> None:
    if key in ("stopped", "wrapped", "seq"):
        if text not in ("yes", "no"):
            raise FormatError(f"{key} is yes or no")
    elif key == "keywords":
        words(text, KEYWORDS, key)
    elif key == "without":
        for name in text.split("|"):
            event, dot, phase = name.partition(".")
            if event not in POSITIONAL or (dot and phase not in PHASES):
                raise FormatError(f"no event is named {name!r}; {suggestion(event, POSITIONAL)}")
    elif key != "missing" and (number(text) is None or (key == "pointer" and text not in ("4", "8"))):
        raise FormatError(f"{key}={text}: a number is wanted" + (", 4 or 8" if key == "pointer" else ""))
