"""The simulator's primitives: a driver's calls, their returns, completions and callbacks, on threads and processors.

A ``Recorder`` writes drafts one after the other, as they happen. It knows what the native provider does (what Start
and Stop carry, which thread a Stop is on, at which IRQL a DPC runs) and gives every argument that is not named a value
that breaks no rule. What the driver does, and whether that is legal, is its user's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from wsktrace.errors import FormatError
from wsktrace.testing.draft import US, Draft, Fate
from wsktrace.testing.events import INFO, START, STOP
from wsktrace.testing.kernel_notes import NOTES
from wsktrace.testing.native import DATA_CALLS, EVENTS, NativeEvent, native_event
from wsktrace.testing.vocabulary import KINDS, SOCKET_CODES, STATUSES, suggestion
from wsktrace.wsk import constants as wsk

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_TID", "SYSTEM_PID", "Place", "Recorder", "Value"]

Value = int | str

SYSTEM_PID: Final = 4
DEFAULT_TID: Final = 4120
_START_GAP, _STOP_GAP, _ASYNC_GAP = 10 * US, 4 * US, 60 * US
_PENDING = STATUSES["PENDING"]
_TCP = {"SocketType": 1, "Protocol": 6}
_UDP = {"SocketType": 2, "Protocol": 17}
_MEMBERS_BY_FLAGS: Mapping[int, int] = MappingProxyType({1: 1, 2: 16, 4: 8, 8: 17})

#: Event → values of fields that are not given; a name beginning with ~ is memory that nobody speaks of.
_DEFAULTS: Mapping[str, Mapping[str, Value]] = MappingProxyType(
    {
        "ProviderState": {"HeaderVersion": 1, "Level": 5, "MatchAnyKeyword": 0x1F},
        "WskRegister": {"ClientDispatch": "~ClientDispatch"},
        "WskSocketConnect": {
            **_TCP,
            "LocalAddress": "~LocalAddress",
            "LocalFamily": 2,
            "RemoteAddress": "~RemoteAddress",
            "RemoteFamily": 2,
        },
        "WskBind": {"AddressFamily": 2, "LocalAddress": "~LocalAddress"},
        "WskConnect": {"AddressFamily": 2, "RemoteAddress": "~RemoteAddress"},
        "WskConnectEx": {"AddressFamily": 2, "RemoteAddress": "~RemoteAddress"},
        "WskGetLocalAddress": {"Address": "~Address"},
        "WskGetRemoteAddress": {"Address": "~Address"},
        "WskInspectComplete": {"InspectKey": "~InspectKey", "InspectSerial": 1, "Action": 1},
        "WskInspectEvent": {"InspectKey": "~InspectKey", "InspectSerial": 1},
        "WskAbortEvent": {"InspectKey": "~InspectKey", "InspectSerial": 1},
        "WskReceiveEvent": {"Indication": "~Indication", "Length": 512},
        "WskReceiveFromEvent": {"Indication": "~Indication"},
        "WskSendBacklogEvent": {"IdealBacklogSize": 65536},
        "WskRelease": {"Indication": "~Indication"},
        "WskFreeAddressInfo": {"Result": "~Result"},
        "WskTransport": {"AddressFamily": 2, **_TCP},
        "IrpAllocate": {"StackSize": 1},
        "IrpInitialize": {"StackSize": 1},
        "IrpSetCompletion": {
            "Routine": "~Routine",
            "Context": "~Context",
            "InvokeOnSuccess": 1,
            "InvokeOnError": 1,
            "InvokeOnCancel": 1,
        },
        "MemoryFree": {"Size": 256},
        **{name: {"Buffer": "~Buffer", "Length": 1024} for name in DATA_CALLS - {"WskRelease"}},
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where code runs; tid 0 is the idle thread, on which DPCs run at DISPATCH_LEVEL."""

    cpu: int = 0
    tid: int = DEFAULT_TID
    pid: int = SYSTEM_PID

    @property
    def irql(self) -> int:
        """IRQL that events of this place carry unless told otherwise."""
        return 0 if self.tid else 2


@dataclass(slots=True)
class _Open:
    """A Start without its Stop yet."""

    name: str
    fields: dict[str, Value]
    place: Place


class Recorder:
    """Writes one fragment; see the module's docstring.

    Attributes:
        drafts: what was written.
        kinds: name → kind of address it stands for.
        place: where calls are made.
        dpc: processor on which asynchronous completions and callbacks run.
        image: which driver is speaking.
        fate: what becomes of the events written now.
        pointer_size: bytes of the driver's pointers.
    """

    def __init__(self, place: Place | None = None, dpc: int = 1) -> None:
        self.drafts: list[Draft] = []
        self.kinds: dict[str, str] = {}
        self.place = place or Place()
        self.dpc = dpc
        self.image = 0
        self.fate = Fate.LOGGED
        self.pointer_size = 8
        self._open: list[_Open] = []
        self._wait = 0
        self._hole = 0
        self._pended: set[Value] = set()

    def wait(self, ns: int) -> None:
        """Let time pass before the next event."""
        self._wait += ns

    def lose(self, count: int) -> None:
        """Let so many events be lost here, of which nothing else is known."""
        self._hole += count

    @property
    def losing(self) -> int:
        """Events that were lost since the last event."""
        return self._hole

    @property
    def waited(self) -> int:
        """Time that passed since the last event, ns."""
        return self._wait

    def _emit(self, declared: NativeEvent, fields: Mapping[str, Value], place: Place, gap: int) -> None:
        names = [f.name for f in declared.fields]
        for name, value in fields.items():
            if name not in names:
                raise FormatError(f"{declared.name} has no field {name}; {suggestion(name, names)}")
            if isinstance(value, str):
                if name not in KINDS:
                    raise FormatError(f"{declared.name}: {name} is a number, {value!r} is none")
                self.kinds.setdefault(value, KINDS[name])
        ordered = {name: fields.get(name, 0) for name in names}
        self.drafts.append(
            Draft(
                gap + self._wait, place.cpu, place.tid, place.pid, declared.name, declared.opcode, ordered,
                self.image, self.fate, self._hole,
            )
        )  # fmt: skip
        self._wait = self._hole = 0

    def fact(self, name: str, fields: Mapping[str, Value], place: Place | None = None) -> None:
        """Write an event of opcode 0."""
        declared = native_event(name, INFO)
        given = dict(fields)
        if name == "WskTransport":
            given.setdefault("Client", "C")
        self._emit(declared, {**_DEFAULTS.get(name, {}), **given}, place or self.place, _START_GAP)

    def note(self, name: str, fields: Mapping[str, Value], place: Place | None = None) -> None:
        """Write what the kernel logger notes; see ``kernel_notes``."""
        where = place or self.place
        for field, value in fields.items():
            if isinstance(value, str):
                self.kinds.setdefault(value, NOTES[name][field])
        gap = _START_GAP + self._wait
        self.drafts.append(
            Draft(gap, where.cpu, where.tid, where.pid, name, INFO, dict(fields), self.image, self.fate, self._hole)
        )
        self._wait = self._hole = 0

    def start(self, name: str, fields: Mapping[str, Value], place: Place | None = None) -> None:
        """Write the Start of a call, callback or completion routine; callbacks run in a DPC unless told otherwise."""
        declared = native_event(name, START)
        if place is None:
            place = Place(self.dpc, 0, 0) if name.endswith("Event") else self.place
        given = _start_defaults(name, fields, self.pointer_size)
        if any(f.name == "Irql" for f in declared.fields):
            given.setdefault("Irql", place.irql)
        self._emit(declared, given, place, _START_GAP)
        self._open.append(_Open(name, given, place))

    def stop(self, name: str, key: Value | None, status: int | None, fields: Mapping[str, Value]) -> None:
        """Write the Stop of the latest open Start of that name; ``key``: one of its names, where several are open."""
        declared = native_event(name, STOP)
        for at in range(len(self._open) - 1, -1, -1):
            begun = self._open[at]
            if begun.name == name and (key is None or key in begun.fields.values()):
                del self._open[at]
                break
        else:
            raise FormatError(f"no {name} is open here" + (f" for {key}" if key else ""))
        names = {f.name for f in declared.fields}
        given = {n: v for n, v in begun.fields.items() if n in names and n != "Status"}
        if status is not None:
            if "Status" not in names:
                raise FormatError(f"the return of {name} carries no status")
            given["Status"] = status
        if status == _PENDING and "Irp" in begun.fields:
            self._pended.add(begun.fields["Irp"])
        self._emit(declared, {**given, **fields}, begun.place, _STOP_GAP)

    def complete(
        self,
        irp: Value,
        status: int,
        fields: Mapping[str, Value],
        place: Place | None = None,
        returns: int | None = None,
    ) -> None:
        """Write a completion routine: inside the call that is still open, else in a DPC.

        ``returns``: what the routine returns; None leaves it running, its Stop to come by ``stop``.
        """
        inside = [o for o in self._open if o.fields.get("Irp") == irp and o.name != "IrpComplete"]
        place = place or (inside[-1].place if inside else Place(self.dpc, 0, 0))
        self._wait += 0 if inside else _ASYNC_GAP
        pended = int(irp in self._pended)
        self._pended.discard(irp)
        self.start("IrpComplete", {"Irp": irp, "Status": status, "PendingReturned": pended, **fields}, place)
        if returns is not None:
            self.stop("IrpComplete", irp, returns, {})

    def load(self) -> None:
        """Load the driver: DriverEntry, in which it registers and captures the provider's NPI."""
        self.fact("ProviderState", {})
        self.start("DriverEntry", {"DriverObject": "DriverObject"})
        self.start("WskRegister", {})
        self.stop("WskRegister", None, 0, {})
        self.start("WskCaptureProviderNPI", {})
        self.stop("WskCaptureProviderNPI", None, 0, {"Client": "C"})
        self.stop("DriverEntry", None, 0, {})

    def unload(self) -> None:
        """Unload the driver: DriverUnload, in which it releases the NPI and deregisters."""
        self.start("DriverUnload", {"DriverObject": "DriverObject"})
        self.start("WskReleaseProviderNPI", {})
        self.stop("WskReleaseProviderNPI", None, None, {})
        self.start("WskDeregister", {})
        self.stop("WskDeregister", None, None, {})
        self.stop("DriverUnload", None, None, {})


def _start_defaults(name: str, fields: Mapping[str, Value], pointer_size: int) -> dict[str, Value]:
    """Return the fields of a Start with legal values for those that matter and are not given."""
    given: dict[str, Value] = {**_DEFAULTS.get(name, {}), **fields}
    declared = {f.name for f in EVENTS[name, START].fields}
    if "Client" in declared:
        given.setdefault("Client", "C")
    if "Registration" in declared:
        given.setdefault("Registration", "R")
    if name == "WskSocket":
        flags = int(given.get("Flags", 0))
        given.setdefault("AddressFamily", 2)
        for field, value in (_UDP if flags in (0, 4) else _TCP).items():
            given.setdefault(field, value)
    if "DispatchMembers" in declared and given.get("Dispatch", given.get("AcceptSocketDispatch", 0)):
        given.setdefault("DispatchMembers", _MEMBERS_BY_FLAGS.get(int(given.get("Flags", 2)), 16))
    if name in ("WskControlSocket", "WskControlClient"):
        _control_defaults(name, given, pointer_size)
    return given


def _control_defaults(name: str, given: dict[str, Value], pointer_size: int) -> None:
    code = given.get("ControlCode", 0)
    if name == "WskControlClient":
        reads = code in (wsk.WSK_CACHE_SD, wsk.WSK_TRANSPORT_LIST_QUERY)
        writes = code in (wsk.WSK_CACHE_SD, wsk.WSK_RELEASE_SD, wsk.WSK_SET_STATIC_EVENT_CALLBACKS)
    else:
        ioctl = any(code == value for word, value in SOCKET_CODES.items() if word.startswith("SIO_"))
        given.setdefault("RequestType", 2 if ioctl else 0)
        if given["RequestType"] != 2:
            given.setdefault("Level", wsk.SOL_SOCKET)
        reads = given["RequestType"] != 0
        writes = not reads
    if reads:
        given.setdefault("OutputSize", pointer_size)
        given.setdefault("OutputBuffer", "~OutputBuffer")
    if writes:
        given.setdefault("InputSize", 16 if code == wsk.SO_WSK_EVENT_CALLBACK else pointer_size)
        given.setdefault("InputBuffer", "~InputBuffer")
    if writes and code == wsk.SO_CONDITIONAL_ACCEPT:
        given.setdefault("InputValue", 1)
