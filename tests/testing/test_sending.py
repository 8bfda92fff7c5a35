from __future__ import annotations

import io

import pytest

import wsktrace
from wsktrace.testing.scenario import sending


def test_sending_breaks_no_rule_and_stalls_only_receives_on_ipv6() -> None:
    with wsktrace.open(io.BytesIO(sending(stalls=True).etl())) as trace:
        irps = trace.irps.merge(trace.sockets[["socket_id", "address_family"]], on="socket_id")
        assert len(trace.findings) == 0
        assert (irps.op.isin(["WskSend", "WskReceive"])).sum() == 2000
    stalled = irps[irps.total_ns > 200_000_000]
    assert len(stalled) > 20
    assert set(zip(stalled.op, stalled.address_family, strict=True)) == {("WskReceive", 23)}
    assert stalled.index.min() > 1000


@pytest.mark.long
def test_sending_is_the_same_each_time_and_does_the_same_with_and_without_stalls() -> None:
    assert sending().etl() == sending().etl()
    plain, stalled = ([(e.name, e.opcode) for e in sending(stalls=stalls).events] for stalls in (False, True))
    assert sorted(plain) == sorted(stalled)
