"""The native declaration and the script notation."""

from __future__ import annotations

import io
import re

import pytest

from wsktrace.errors import FormatError
from wsktrace.etl.file import open_trace
from wsktrace.testing import script as notation
from wsktrace.testing.events import INFO, START, STOP, Event
from wsktrace.testing.native import EVENTS, complete, native_event
from wsktrace.testing.script import run_script


def fields(name: str, opcode: int) -> list[str]:
    return [f"{f.name} {f.type}" for f in EVENTS[name, opcode].fields]


def of(text: str, name: str, opcode: int = START) -> list[Event]:
    return [e for e in run_script(text).events if (e.name, e.opcode) == (name, opcode)]


def test_native_declaration_is_that_of_the_provider() -> None:
    assert len(EVENTS) == 90
    assert fields("WskSocket", START) == [
        "Client ptr", "AddressFamily u16", "SocketType u16", "Protocol u32", "Flags u32", "SocketContext ptr",
        "Dispatch ptr", "DispatchMembers u32", "OwningProcess ptr", "OwningThread ptr", "SecurityDescriptor ptr",
        "Irp ptr", "Irql u8",
    ]  # fmt: skip
    assert fields("WskConnectEx", START)[0] == "Socket ptr"
    assert fields("WskConnectEx", START)[-3:] == ["Length size", "Irp ptr", "Irql u8"]
    assert fields("WskControlSocket", INFO)[-1] == "OutputValue u64"
    assert fields("WskRelease", STOP) == ["Socket ptr", "Irp ptr", "Status st"]
    assert [f.name for f in EVENTS["IrpFree", INFO].all_fields] == ["Image", "Seq", "Irp"]


@pytest.mark.parametrize(
    ("name", "opcode", "keyword", "level"),
    [
        ("ProviderState", INFO, 1, 4),
        ("WskTransport", INFO, 2, 4),
        ("WskControlClient", STOP, 2, 4),
        ("WskSend", START, 4, 5),
        ("WskRelease", STOP, 4, 5),
        ("WskBind", START, 2, 4),
        ("MemoryFree", INFO, 8, 4),
        ("WskReceiveEvent", START, 0x10, 5),
        ("WskAcceptEvent", STOP, 0x10, 4),
    ],
)
def test_keywords_and_levels(name: str, opcode: int, keyword: int, level: int) -> None:
    assert (EVENTS[name, opcode].keyword, EVENTS[name, opcode].level) == (keyword, level)


def test_types_follow_the_image() -> None:
    status = EVENTS["WskSocket", STOP].fields[1]
    assert (status.in_type(8), status.in_type(4), status.out_type, status.width(4)) == (20, 20, 14, 4)
    pointer, size = EVENTS["MemoryFree", INFO].fields
    assert (pointer.in_type(8), pointer.in_type(4), pointer.width(8), pointer.width(4)) == (21, 20, 8, 4)
    assert (size.in_type(8), size.in_type(4), size.out_type) == (10, 8, 0)


def test_complete_fills_and_refuses() -> None:
    event = complete(Event(0, 0, 1, 4, "IrpComplete", START, {"Status": -1 & (2**40 - 1), "Irp": 5}))
    assert list(event.fields) == ["Irp", "Status", "Information", "PendingReturned", "Irql"]
    assert event.fields["Status"] == 0xFFFFFFFF
    with pytest.raises(FormatError, match="no field 'Nope'"):
        complete(Event(0, 0, 1, 4, "IrpFree", INFO, {"Nope": 1}))
    with pytest.raises(FormatError, match="opcode 2 of event 'IrpFree'"):
        native_event("IrpFree", STOP)
    with pytest.raises(FormatError, match="no event 'WskSoket'"):
        native_event("WskSoket", START)


def test_the_documented_example_runs() -> None:
    doc = notation.__doc__ or ""
    example = "\n".join(line[4:] for line in doc.splitlines() if line.startswith("    "))
    made = run_script(example)
    assert [e.name for e in made.events[:3]] == ["ProviderState", "DriverEntry", "WskRegister"]
    assert made.names["S"] > 2**63
    assert made.names["S"] % 16 == 0
    assert (made.events[-1].name, made.events[-1].opcode) == ("DriverUnload", STOP)


def test_what_stands_behind_the_arrow_happens_in_that_order() -> None:
    def order(tail: str) -> list[tuple[str, int]]:
        events = run_script(f"WskBind S A {tail}").events
        return [(e.name, e.opcode) for e in events]

    enter, back = ("WskBind", START), ("WskBind", STOP)
    routine = [("IrpComplete", START), ("IrpComplete", STOP)]
    assert order("-> PENDING, complete SUCCESS") == [enter, back, *routine]
    assert order("-> complete SUCCESS, PENDING") == [enter, *routine, back]
    assert order("-> INVALID_PARAMETER") == [enter, back]
    assert order("") == [enter]
    assert order("\ncomplete A SUCCESS\nreturn WskBind A PENDING") == [enter, *routine, back]


def test_completions_run_inside_the_open_call_else_in_a_dpc() -> None:
    inline = run_script("WskBind S A -> complete SUCCESS, PENDING").events
    assert {(e.cpu, e.tid) for e in inline} == {(0, 4120)}
    assert inline[1].fields["PendingReturned"] == 0
    pended = run_script("WskBind S A -> PENDING, complete SUCCESS").events
    assert [(e.cpu, e.tid) for e in pended[2:]] == [(1, 0), (1, 0)]
    assert pended[2].fields["Irql"] == 2
    assert pended[2].fields["PendingReturned"] == 1
    assert pended[3].fields["Status"] == 0xC0000016


def test_modifiers_place_one_line_or_all_that_follow() -> None:
    events = run_script("@cpu=2 @tid=7 @pid=9 IrpFree A\nIrpFree B\n@cpu=3\nIrpFree C\n@dpc=4 +5ms IrpFree D").events
    assert [(e.cpu, e.tid, e.pid) for e in events] == [(2, 7, 9), (0, 4120, 4), (3, 4120, 4), (4, 0, 0)]
    assert events[3].time - events[2].time >= 5_000_000


def test_a_second_driver_has_its_own_image_and_numbers() -> None:
    events = run_script("IrpFree A\n@image=1 IrpFree B\nIrpFree C\n@image=1 IrpFree D").events
    assert [e.seq for e in events] == [1, 1, 2, 2]
    assert len({e.image for e in events}) == 2


def test_words_names_and_numbers() -> None:
    text = (
        "WskSocket A Flags=listen DispatchMembers=accept|abort Dispatch=t SocketContext=0xffff8001`23456780 Protocol=6"
    )
    given = of(text, "WskSocket")[0].fields
    assert (given["Flags"], given["DispatchMembers"], given["SocketContext"]) == (1, 5, 0xFFFF800123456780)
    assert given["SocketType"] == 1
    enabled = of("enable S receive|disable", "WskControlSocket")[0].fields
    assert (enabled["InputValue"], enabled["ControlCode"], enabled["Level"]) == (0x80000040, 0x4002, 0xFFFF)
    assert enabled["Irp"] == 0
    ioctl = of("WskControlSocket S A ioctl SIO_WSK_QUERY_RECEIVE_BACKLOG", "WskControlSocket")[0].fields
    assert (ioctl["RequestType"], ioctl["Level"], ioctl["OutputSize"]) == (2, 0, 8)


def test_short_forms() -> None:
    made = run_script("cache own sd\nopen S Flags=datagram SecurityDescriptor=sd\nrelease sd\nclose S")
    kinds = [(e.name, e.opcode) for e in made.events]
    assert kinds.count(("IrpAllocate", INFO)) == kinds.count(("IrpFree", INFO)) == 2
    cached = next(e for e in made.events if (e.name, e.opcode) == ("WskControlClient", STOP))
    create = next(e for e in made.events if e.name == "WskSocket")
    assert cached.fields["OutputValue"] == create.fields["SecurityDescriptor"] == made.names["sd"]
    assert made.names["own"] != made.names["sd"]


def test_names_keep_their_address_and_different_names_never_share_one() -> None:
    names = run_script("open S\nclose S\nopen T\nclose T\nopen S\nclose S").names
    assert names["S"] != names["T"]
    assert len(set(names.values())) == len(names)


def test_losses_leave_holes_and_are_counted() -> None:
    made = run_script("IrpFree A\nlost 3\nIrpFree B\nlost WskBind S A -> PENDING, complete SUCCESS\nIrpFree C")
    assert [e.seq for e in made.events] == [1, 5, 10]
    assert made.options.events_lost == 7


def test_events_lost_behind_the_last_one_are_in_the_header() -> None:
    made = run_script("IrpFree A\nlost 2\nlost 3")
    assert (len(made.events), made.options.events_lost) == (1, 5)


def test_late_cut_and_wrapped() -> None:
    late = run_script("driver\nopen S\nlate\nclose S")
    assert [e.seq for e in late.events[:2]] == [1, 2]
    assert [e.name for e in late.events[:2]] == ["ProviderState", "IrpAllocate"]
    assert late.events[0].time < 100_000
    cut = run_script("driver\nIrpFree A\ncut\nIrpFree B\nunload")
    assert cut.events[-1].name == "IrpFree"
    assert not cut.options.stopped
    wrapped = run_script("driver\nopen S\nwrapped\nclose S")
    assert wrapped.events[0].seq is not None
    assert wrapped.events[0].seq > 10
    assert wrapped.options.wrapped
    assert wrapped.options.events_lost == 0


def test_trace_line() -> None:
    text = "trace keywords=registration|socket level=4 seq=no missing=Irql lost=2 buffers_lost=1 stopped=no pointer=4"
    made = run_script(f"{text}\ndriver\nopen S\nclose S\nunload")
    assert not any(e.name.startswith("Irp") for e in made.events)
    assert all(e.seq is None and e.missing == {"Irql"} for e in made.events)
    assert made.events[0].fields["MatchAnyKeyword"] == 3
    assert (made.options.events_lost, made.options.buffers_lost, made.options.stopped) == (2, 1, False)
    assert all(2**31 <= address < 2**32 for address in made.names.values())
    without = run_script("trace without=IrpSetCompletion\nopen S")
    assert [e.seq for e in without.events] == list(range(1, len(without.events) + 1))


def test_waiting_moves_the_end() -> None:
    made = run_script("IrpFree A\nwait 12s")
    assert made.options.end - made.events[-1].time == 12_000_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("driver\nWskSoket A", "line 2: 'WskSoket' is no statement; did you mean WskSocket?"),
        ("WskBind S A Flag=3", "WskBind has no field Flag; did you mean Flags?"),
        ("WskSocket A Flags=lisen", "Flags has no word 'lisen'; did you mean listen?"),
        ("WskSocket A -> PENDNG", "no status is named 'PENDNG'; did you mean PENDING?"),
        ("WskSocket A Protocol=x", "Protocol has no word 'x'; known are"),
        ("WskSocket A Flags=listen B", "WskSocket takes no further value 'B'"),
        ("IrpAllocate A StackSize=many", "StackSize is a number"),
        ("complete", "something is missing at the end"),
        ("return WskBind A PENDING", "no WskBind is open here for A"),
        ("return WskBnd A PENDING", "did you mean WskBind?"),
        ("WskListen S NULL -> complete SUCCESS, SUCCESS", "was given no IRP"),
        ("WskDeregister R -> SUCCESS", "carries no status"),
        ("wait soon", "'soon' is no time"),
        ("wait", "write: wait 12s"),
        ("trace foo=1", "trace has no 'foo=1'"),
        ("trace seq=maybe", "seq is yes or no"),
        ("trace pointer=5", "4 or 8"),
        ("trace build=new", "a number is wanted"),
        ("trace without=IrpWeight", "did you mean IrpWait?"),
        ("@core=1 IrpFree A", "@core=1 is no modifier"),
        ("IrpFree A-B", "'A-B' is neither a number nor a name"),
    ],
)
def test_errors_name_the_line_and_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        run_script(text)


def test_every_event_of_the_provider_can_be_written() -> None:
    for name, opcode in EVENTS:
        if opcode == INFO:
            text = "output S A SO_WSK_SECURITY sd" if name == "WskControlSocket" else f"{name}"
            assert of(text, name, INFO)
        elif opcode == START:
            first = f"{name} A SUCCESS" if name == "IrpComplete" else name
            made = of(f"{first}\nreturn {name}", name)
            assert len(made) == 1


def test_sizes_of_pointers_are_those_of_the_trace() -> None:
    for text, size in (("cache own sd", 8), ("trace pointer=4\ncache own sd", 4)):
        call = of(text, "WskControlClient")[0].fields
        assert (call["InputSize"], call["OutputSize"]) == (size, size)


def test_the_build_of_windows_stands_in_the_header() -> None:
    for text, build in (("driver", 26100), ("trace build=14393\ndriver", 14393), ("trace build=0\ndriver", 0)):
        script = run_script(text)
        assert script.build == build
        assert open_trace(io.BytesIO(script.etl())).header.provider_version == build


def test_scripts_become_trace_files() -> None:
    data = run_script("driver\nopen S\nclose S\nunload").etl()
    assert len(data) > 0x10000
    assert run_script("wrapped\nopen S").etl() != data
