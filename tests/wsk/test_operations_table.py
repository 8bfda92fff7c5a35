"""The table of canonical operations, against the native provider's page and the contract."""

from __future__ import annotations

import pytest

from wsktrace.testing.native import EVENTS
from wsktrace.wsk.operations import CODES, GROUPS, OPS, Phase, phase_of

BY_NAME = {op.name: op for op in OPS}

# wsk-contract 1.1, by level
LEVELS = {
    "driver": "ProviderState DriverEntry DriverUnload",
    "registration": "WskRegister WskDeregister WskCaptureProviderNPI WskReleaseProviderNPI "
    "WskQueryProviderCharacteristics",
    "client": "WskSocket WskSocketConnect WskControlClient WskTransport WskGetAddressInfo WskGetNameInfo "
    "WskFreeAddressInfo",
    "socket": "WskControlSocket WskCloseSocket WskListen WskBind WskConnect WskConnectEx WskAccept WskDisconnect "
    "WskSend WskReceive WskSendTo WskReceiveFrom WskSendMessages WskGetLocalAddress WskGetRemoteAddress "
    "WskInspectComplete WskRelease",
    "irp": "IrpAllocate IrpInitialize IrpReuse IrpMarkPending IrpCancel IrpFree IrpSetCompletion IrpComplete "
    "IrpCompleteUp IrpWait MemoryFree",
    "callback": "WskAcceptEvent WskInspectEvent WskAbortEvent WskReceiveEvent WskReceiveFromEvent WskDisconnectEvent "
    "WskSendBacklogEvent",
}
# wsk-contract 3.C, the table of IRP-REQUIRED: calls that need one whatever their arguments say
NEEDS_IRP = (
    "WskSocket WskSocketConnect WskCloseSocket WskBind WskListen WskAccept WskConnect WskConnectEx WskDisconnect "
    "WskSend WskSendTo WskSendMessages WskReceive WskReceiveFrom WskGetLocalAddress WskGetRemoteAddress "
    "WskInspectComplete WskGetAddressInfo WskGetNameInfo"
)
# wsk-contract 3.B, IRP-NEVER-COMPLETED: seconds by call, 0 without limit
DEADLINES = {
    **dict.fromkeys(("WskSocket", "WskBind", "WskControlSocket", "WskControlClient", "WskCloseSocket"), 10),
    **dict.fromkeys(("WskConnect", "WskConnectEx", "WskSocketConnect"), 60),
    **dict.fromkeys(("WskSend", "WskSendTo", "WskSendMessages"), 120),
    **dict.fromkeys(("WskAccept", "WskReceive", "WskReceiveFrom", "WskDisconnect"), 0),
}


def test_every_operation_stands_on_its_level() -> None:
    assert {name: op.level for name, op in BY_NAME.items()} == {
        name: level for level, names in LEVELS.items() for name in names.split()
    }


def test_codes_are_places() -> None:
    assert [CODES[op.name] for op in OPS] == list(range(len(OPS)))
    assert len(OPS) < 255  # a byte, with one value to spare


@pytest.mark.parametrize(("name", "opcode"), sorted(EVENTS))
def test_group_is_keyword_and_level_of_the_provider(name: str, opcode: int) -> None:
    declared, group = EVENTS[name, opcode], BY_NAME[name].group
    assert (group.keyword, group.level) == (declared.keyword, declared.level)
    assert group in GROUPS


def test_three_calls_bring_sockets() -> None:
    assert {op.name for op in OPS if op.creates} == {"WskSocket", "WskSocketConnect", "WskAccept"}


def test_calls_that_need_an_irp() -> None:
    assert {op.name for op in OPS if op.needs_irp} == set(NEEDS_IRP.split())


@pytest.mark.parametrize("name", DEADLINES)
def test_deadline(name: str) -> None:
    assert BY_NAME[name].deadline_s == DEADLINES[name]


def test_what_takes_no_irp_has_no_deadline() -> None:
    for op in OPS:
        assert op.level in ("client", "socket") or not op.deadline_s, op.name


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_phase_of_an_opcode(op: object) -> None:
    start, stop = Phase.ENTER, Phase.RETURN
    if op.name in LEVELS["callback"].split():  # type: ignore[attr-defined]
        start, stop = Phase.CALLBACK, Phase.CALLBACK_RETURN
    elif op.name == "IrpComplete":  # type: ignore[attr-defined]
        start, stop = Phase.COMPLETE, Phase.COMPLETE_RETURN
    found = [phase_of(op, opcode) for opcode in (0, 1, 2)]  # type: ignore[arg-type]
    assert found == [Phase.FACT, start, stop]
    assert all(phase_of(op, opcode) is None for opcode in (3, 9, 255))  # type: ignore[arg-type]
