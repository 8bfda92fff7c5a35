"""All faults, by rule."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.fault_scripts import FAULTS as FIRST
from wsktrace.testing.faults_creation_calls import FAULTS as CREATION_CALLS
from wsktrace.testing.faults_enabling import FAULTS as ENABLING
from wsktrace.testing.faults_irp_arguments import FAULTS as IRP_ARGUMENTS
from wsktrace.testing.faults_irp_life import FAULTS as IRP_LIFE
from wsktrace.testing.faults_memory import FAULTS as MEMORY
from wsktrace.testing.faults_registration import FAULTS as REGISTRATION
from wsktrace.testing.faults_socket_end import FAULTS as SOCKET_END
from wsktrace.testing.faults_socket_state import FAULTS as SOCKET_STATE
from wsktrace.testing.variants import Variant

__all__ = ["FAULTS", "Variant"]

#: Rule → ways to break it, each once in an otherwise legal driver.
FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    **FIRST,
    **IRP_ARGUMENTS,
    **IRP_LIFE,
    **CREATION_CALLS,
    **MEMORY,
    **ENABLING,
    **SOCKET_STATE,
    **SOCKET_END,
    **REGISTRATION,
}
