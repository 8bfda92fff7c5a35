"""Rules about the IRQL at which functions are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import local

if TYPE_CHECKING:
    from wsktrace.rules.facts import Facts

FAMILY = "irql"
_DISPATCH_LEVEL = 2


@rule(
    "IRQL-DISPATCH",
    severity="error",
    party="client",
    shape="L",
    source="seed page, Requirements (IRQL); the Requirements row of every function",
    needs="entries of calls with Irql",
    traced=("calls", "WskReleaseProviderNPI", "WskQueryProviderCharacteristics"),
    advice="Queue a DPC or a work item and call from there.",
)
def irql_dispatch(f: Facts) -> Instances:
    """WSK functions are called at IRQL DISPATCH_LEVEL or below.

    So for all functions of the provider's and the sockets' dispatch tables, WskReleaseProviderNPI and
    WskQueryProviderCharacteristics. Some demand less; that is another rule.
    """
    calls = f.level_enters("client", "socket")
    rows = np.sort(np.concatenate([calls, f.enters("WskReleaseProviderNPI", "WskQueryProviderCharacteristics")]))
    irql, known = f.irql(rows)
    use = f.submission(rows)
    return Instances(
        rows,
        np.ones(len(rows), bool),
        local(irql > _DISPATCH_LEVEL, known),
        "irps",
        use,
        use,
        f.socket_of(rows),
        lambda i: f"{f.op_name(rows[i])} was called at IRQL {int(irql[i])}",
        (rows,),
    )
