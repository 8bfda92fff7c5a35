"""Rules about the IRQL at which functions are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsktrace.rules.rule import Instances, rule
from wsktrace.rules.shapes import local
from wsktrace.wsk import constants as c

if TYPE_CHECKING:
    from wsktrace.rules.facts import Facts

FAMILY = "irql"
_DISPATCH_LEVEL = 2
_WAITING = ("WskRegister", "WskDeregister", "WskGetAddressInfo", "WskFreeAddressInfo", "WskGetNameInfo")
_ADDRESS_LISTS = (c.SIO_ADDRESS_LIST_QUERY, c.SIO_ADDRESS_LIST_CHANGE, c.SIO_ADDRESS_LIST_SORT)


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


@rule(
    "IRQL-PASSIVE",
    severity="error",
    party="client",
    shape="L",
    source=(
        "DDI wskregister, wskderegister, wskcaptureprovidernpi, get_address_info, free_address_info, get_name_info "
        "(Requirements, IRQL); control_socket, Remarks"
    ),
    needs="entries of these calls with Irql; WaitTimeout of WskCaptureProviderNPI, the code of WskControlSocket",
    traced=(
        "WskRegister",
        "WskDeregister",
        "WskCaptureProviderNPI",
        "WskGetAddressInfo",
        "WskFreeAddressInfo",
        "WskGetNameInfo",
        "WskControlSocket",
    ),
    follows={"IRQL-DISPATCH": "use"},
    advice="Queue a work item and call from there.",
)
def irql_passive(f: Facts) -> Instances:
    """Calls that may wait, or touch paged memory, are made at IRQL PASSIVE_LEVEL.

    These are WskRegister, WskDeregister, WskCaptureProviderNPI (but for WSK_NO_WAIT), WskGetAddressInfo,
    WskFreeAddressInfo, WskGetNameInfo, and WskControlSocket with SIO_ADDRESS_LIST_QUERY, _CHANGE and _SORT.
    """
    rows = f.enters(*_WAITING, "WskCaptureProviderNPI", "WskControlSocket")
    irql, known = f.irql(rows)
    wait, wait_known = f.arg("wait_timeout", rows)
    code, code_known = f.arg("control_code", rows)
    request, request_known = f.arg("request_type", rows)
    capture, control = f.op_is(rows, "WskCaptureProviderNPI"), f.op_is(rows, "WskControlSocket")
    listed = (np.isin(code, _ADDRESS_LISTS) | ~code_known) & ((request == c.WSK_IOCTL) | ~request_known)
    applies = np.where(capture, (wait != c.WSK_NO_WAIT) | ~wait_known, ~control | listed)
    told = np.where(capture, wait_known, ~control | (code_known & request_known))
    use = f.submission(rows)

    def tell(i: int) -> str:
        waits = f", with WaitTimeout 0x{int(wait[i]):x}" if capture[i] else ""
        which = f" with code 0x{int(code[i]):x}" if control[i] else ""
        return f"{f.op_name(rows[i])}{which} was called at IRQL {int(irql[i])}{waits}"

    return Instances(
        rows,
        applies,
        local(irql > 0, known & (told | (irql == 0))),
        "irps",
        use,
        use,
        f.socket_of(rows),
        tell,
        (rows,),
    )
