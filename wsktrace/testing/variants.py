"""What a fault is written with: a variant of breaking a rule, and the pieces that many of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONNECTED", "RECEIVES", "REFUSED", "RUN", "SECOND_CLIENT", "Variant", "one"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to break a rule.

    Attributes:
        script: the notation, without load and unload.
        irps: names of the IRPs that the finding may be about; none or an empty name: it need not be about any.
        socket: name of the socket it is about; empty: none, or whichever.
        subject: name of the descriptor, dispatch table, context or client it is about.
        follows: rules whose finding may follow from the same fault.
        unloads: the driver can unload afterwards.
        settings: what the file says of itself where that matters, arguments of ``TraceOptions``.

    ``subject`` and a socket named X have addresses that nothing had before.
    """

    script: str
    irps: tuple[str, ...] = ()
    socket: str = ""
    subject: str = ""
    follows: tuple[str, ...] = ()
    unloads: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


RECEIVES = "SocketContext=ctx Dispatch=faulty DispatchMembers=receive"
CONNECTED = f"""
open S Flags=connection {RECEIVES}
run WskBind S
run WskConnect S
enable S receive
"""
#: The IRP of the n-th ``run``, ``open`` or ``close`` of a script.
RUN = tuple(f"irp~{n}" for n in range(8))
REFUSED = "-> complete INVALID_PARAMETER, INVALID_PARAMETER"
SECOND_CLIENT = """
WskRegister R2 -> SUCCESS
WskCaptureProviderNPI R2 -> SUCCESS Client=C2
run WskSocket Client=C2 Flags=datagram socket=S
close S
WskReleaseProviderNPI R2 ->
"""


def one(*lines: str, **more: object) -> Variant:
    """Return a variant whose script is these lines."""
    return Variant("\n".join(lines), **more)  # type: ignore[arg-type]
