"""Sentences: every event of the native provider has one, and every argument that matters is in it, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from faked_traces import START

from wsktrace.report.story.arguments import argument, control_code
from wsktrace.report.story.rows import Columns, Operation
from wsktrace.report.story.words import Surroundings, sentence
from wsktrace.testing.native import EVENTS
from wsktrace.testing.vocabulary import CLIENT_CODES, EVENT_MASK, SOCKET_CODES
from wsktrace.wsk.constants import status_name
from wsktrace.wsk.event_kinds import EVENT_KINDS
from wsktrace.wsk.mapping import column_of
from wsktrace.wsk.operations import OPS, phase_of

if TYPE_CHECKING:
    from collections.abc import Callable

#: Fields that say nothing to a reader beside the others: where a buffer is, and what a return repeats of its call.
SILENT = {
    "input_buffer", "output_buffer", "output_size_returned", "input_size", "request_type", "level", "inspect_serial",
    "invoke_on_error", "invoke_on_cancel",
}  # fmt: skip
SILENT_AT = {
    ("WskControlClient", 1, "client"), ("WskSocket", 1, "client"), ("WskSocketConnect", 1, "client"),
    ("WskFreeAddressInfo", 1, "client"),
}  # fmt: skip
#: What a value must be for others to be told.
SETTING = {
    ("WskControlSocket", 0): {"control_code": 0x4001, "level": 0xFFFF},
    ("WskControlSocket", 1): {"control_code": 0x4001, "level": 0xFFFF, "request_type": 0},
    ("WskControlClient", 1): {"control_code": 4},
    ("WskControlClient", 2): {"control_code": 4},
}


def operations(rows: list[dict[str, Any]]) -> list[Operation]:
    from wsktrace.arrow import to_arrow
    from wsktrace.schema import TABLES

    columns = {c.name: [r.get(c.name) for r in rows] for c in TABLES["operations"].columns}
    return Operation.some(Columns(to_arrow("operations", columns)), np.arange(len(rows)))


def row(op: str, phase: str, **more: Any) -> dict[str, Any]:
    if "status" in more:
        more["status_name"] = status_name(more["status"])
    fixed = {"operation_id": 1, "time": START, "clock": 1, "load": 0, "record_buffer": 0, "record_offset": 0}
    return fixed | {"op": op, "phase": phase, "cpu": 1, "tid": 8, "pid": 4} | more


@pytest.fixture
def told() -> Callable[..., str]:
    return lambda op, phase, **more: sentence(operations([row(op, phase, **more)])[0], Surroundings())


def _kinds() -> list[tuple[str, int, str]]:
    phases = {op.name: {o: phase_of(op, o) for o in (0, 1, 2)} for op in OPS}
    return [(name, opcode, phases[name][opcode].name.lower()) for name, opcode in EVENTS]


def test_the_kinds_are_all_there_are() -> None:
    assert {(name, phase) for name, _, phase in _kinds()} == {(name, phase.name.lower()) for name, phase in EVENT_KINDS}


def test_every_field_of_every_event_changes_its_sentence() -> None:
    made, asked = [], []
    for name, opcode, phase in _kinds():
        columns = {column_of(name, f.name): f.width() for f in EVENTS[name, opcode].fields}
        whole = {c: 2 for c, _ in columns.items() if c} | SETTING.get((name, opcode), {})
        whole |= {"status": 0} if "status" in whole else {}
        for column in whole:
            if column in SILENT or (name, opcode, column) in SILENT_AT:
                continue
            less = {c: v for c, v in whole.items() if c != column}
            made += [row(name, phase, **whole), row(name, phase, **less)]
            asked.append((name, opcode, column))
    rows = operations(made)
    assert len(asked) > 200
    for (name, opcode, column), full, less in zip(asked, rows[::2], rows[1::2], strict=True):
        assert sentence(full, Surroundings()) != sentence(less, Surroundings()), (name, opcode, column)


def test_no_sentence_is_the_name_and_phase_alone() -> None:
    kinds = _kinds()
    for (name, _, phase), held in zip(kinds, operations([row(n, p) for n, _, p in kinds]), strict=True):
        text = sentence(held, Surroundings())
        assert text not in (name, f"{name} {phase}")
        assert not text.endswith(("is traced", phase if phase.endswith("return") else "\0"))
        assert text.isprintable()


@pytest.mark.parametrize(
    ("op", "phase", "more", "expected"),
    [
        (
            "WskSocket", "enter",
            {"address_family": 23, "socket_type": 2, "protocol": 17, "flags": 4, "irp": 0xFFFF8001_23456780, "irql": 2,
             "security_descriptor": 0xFFFF8001_0000000F, "owning_thread": 0},
            ("WskSocket is called: AF_INET6, SOCK_DGRAM, IPPROTO_UDP, WSK_FLAG_DATAGRAM_SOCKET, "
             "security descriptor ffff8001`0000000f, IRP ffff8001`23456780, at DISPATCH_LEVEL"),
        ),
        ("WskSocket", "enter", {"address_family": 99, "socket_type": 9, "protocol": 200, "flags": 0x13},
         ("WskSocket is called: address family 99, socket type 9, protocol 200, "
          "WSK_FLAG_LISTEN_SOCKET|WSK_FLAG_CONNECTION_SOCKET|0x10")),
        ("WskSocket", "enter", {"flags": 0}, "WskSocket is called: WSK_FLAG_BASIC_SOCKET"),
        ("WskDisconnect", "enter", {"flags": 1, "buffer": 0, "irp": 0},
         "WskDisconnect is called: Flags WSK_FLAG_ABORTIVE, no IRP"),
        ("WskCaptureProviderNPI", "enter", {"registration": 0x81234560, "wait_timeout": 0xFFFFFFFF},
         "WskCaptureProviderNPI is called: registration 81234560, WSK_INFINITE_WAIT"),
        ("WskCaptureProviderNPI", "enter", {"wait_timeout": 0}, "WskCaptureProviderNPI is called: WSK_NO_WAIT"),
        ("WskControlClient", "enter", {"control_code": 7, "input_value": 0x1C0, "irp": 0},
         ("WskControlClient is called: WSK_SET_STATIC_EVENT_CALLBACKS, "
          "WSK_EVENT_RECEIVE|WSK_EVENT_DISCONNECT|WSK_EVENT_RECEIVE_FROM, no IRP")),
        ("WskControlClient", "enter", {"control_code": 5, "input_value": 0xFFFF8001_00000010},
         "WskControlClient is called: WSK_RELEASE_SD, security descriptor ffff8001`00000010"),
        ("WskControlSocket", "enter",
         {"control_code": 0x4002, "level": 0xFFFF, "request_type": 0, "input_value": 0x80000040 | 1 << 63},
         "WskControlSocket is called: sets SO_WSK_EVENT_CALLBACK, WSK_EVENT_RECEIVE|WSK_EVENT_DISABLE of another NPI"),
        ("WskControlSocket", "enter",
         {"control_code": 0x8F000001, "request_type": 2, "input_size": 16, "input_value": 2},
         "WskControlSocket is called: ioctl SIO_WSK_SET_REMOTE_ADDRESS, input value 0x2"),
        ("WskControlSocket", "enter", {"control_code": 77, "level": 6, "request_type": 1},
         "WskControlSocket is called: gets option 0x4d of level 0x6"),
        ("IrpComplete", "complete", {"status": 0xC0000120, "irp": 0x81234560, "information": 0, "tid": 0},
         "the IRP is completed with STATUS_CANCELLED: on an idle thread, IRP 81234560"),
        ("IrpComplete", "complete_return", {"status": 0, "irp": 0x81234560},
         "the completion routine returns STATUS_SUCCESS: IRP 81234560"),
        ("WskInspectEvent", "callback_return", {"action": 2},
         "the driver returns from WskInspectEvent: WskInspectPend"),
        ("WskInspectEvent", "callback", {"inspect_key": 16, "inspect_serial": 3},
         "WskInspectEvent calls back: inspect id 00000010 serial 3"),
        ("WskAbortEvent", "callback", {"inspect_key": (1 << 64) - 1, "inspect_serial": (1 << 32) - 1},
         "WskAbortEvent calls back: without inspect id"),
        ("WskReceive", "return", {"status": 0x12345678}, "WskReceive returns 0x12345678"),
        ("IrpSetCompletion", "fact", {"invoke_on_success": 1, "invoke_on_error": 0, "invoke_on_cancel": 1},
         "IoSetCompletionRoutine sets the completion routine: invoked on success, cancel, not on error"),
        ("ProviderState", "fact", {"trace_level": 5, "match_any_keyword": 31},
         "the provider says what is enabled: level 5, keywords 0x1f"),
        ("WskTransport", "fact", {"address_family": 2, "socket_type": 1, "protocol": 6},
         "a transport that WSK offers: AF_INET, SOCK_STREAM, IPPROTO_TCP"),
        ("WskRelease", "enter", {"irp": 0, "indication": 0x81234560}, "WskRelease is called: indication 81234560"),
    ],
)  # fmt: skip
def test_sentences(told: Callable[..., str], op: str, phase: str, more: dict[str, Any], expected: str) -> None:
    assert told(op, phase, **more) == expected


def test_every_control_code_and_event_has_its_name() -> None:
    for name, code in CLIENT_CODES.items():
        assert control_code("WskControlClient", code) == name
    for name, code in SOCKET_CODES.items():
        assert control_code("WskControlSocket", code, 2 if name.startswith("SIO") else 0, 0xFFFF) == name
        assert control_code("WskControlSocket", code) == name
    for word, bit in EVENT_MASK.items():
        (held,) = operations([row("WskControlClient", "enter", control_code=7, input_value=bit)])
        assert argument(held, "input_value") == f"WSK_EVENT_{word.upper()}"
    assert control_code("WskControlSocket", 27, 0, 41) == "IPV6_V6ONLY"


def test_a_completion_before_its_call_by_the_clocks() -> None:
    call, done = operations(
        [
            row("WskSend", "enter", time=START + 5000, irp=5),
            row("IrpComplete", "complete", time=START, irp=5, status=0, cpu=2, tid=9),
        ]
    )
    told = sentence(done, Surroundings(issued=call, names_irp=False))
    assert "5 µs before the call by the processors' clocks: on another thread" in told


def test_where_a_completion_runs() -> None:
    call, back, *done = operations(
        [
            row("WskSend", "enter", time=START, irp=5),
            row("WskSend", "return", time=START + 1000, irp=5, status=0x103),
            row("IrpComplete", "complete", time=START + 5000, irp=5, status=0),
            row("IrpComplete", "complete", time=START + 5000, irp=5, status=0, cpu=2),
            row("IrpComplete", "complete", time=START + 5000, irp=5, status=0, tid=9),
            row("IrpComplete", "complete", time=START + 5000, irp=5, status=0, tid=9, cpu=2, irql=1),
            row("IrpComplete", "complete", time=START + 5000, irp=5, status=0, tid=0, irql=2),
            row("IrpComplete", "complete", time=START + 5000, irp=5, status=0, tid=0, cpu=0),
        ]
    )
    told = [sentence(one, Surroundings(issued=call, returned=back, names_irp=False)) for one in done]
    head = "WskSend is completed with STATUS_SUCCESS 5 µs after the call, 4 µs after STATUS_PENDING: "
    assert [text.removeprefix(head) for text in told] == [
        "on the calling thread",
        "on the calling thread, on another CPU",
        "on another thread of the same CPU",
        "on another thread and CPU, at APC_LEVEL",
        "on the idle thread of the same CPU, at DISPATCH_LEVEL",
        "on the idle thread of another CPU",
    ]
