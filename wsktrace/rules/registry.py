"""The registry: importing this module declares every rule, in the order of the contract's families."""

from __future__ import annotations

from wsktrace.rules import (
    callback_results,
    callbacks,
    creation,
    creation_calls,
    creation_unused,
    descriptor_calls,
    descriptors,
    dispatch_calls,
    enabling,
    enabling_order,
    indications,
    irp_arguments,
    irp_life,
    irp_returns,
    irp_routines,
    irps,
    irql,
    memory,
    memory_buffers,
    nesting,
    registration,
    registration_calls,
    registration_end,
    socket_birth,
    socket_disconnect,
    socket_end,
    socket_force,
    socket_order,
    socket_state,
    sockets,
    static_enabling,
    status,
    trace_quality,
    transports,
)
from wsktrace.rules.rule import RULES, SHAPES, Rule, select

__all__ = ["FAMILIES", "RULES", "SHAPES", "Rule", "select"]

#: Families of rules, in the order in which they are shown, with their titles.
FAMILIES: dict[str, str] = {
    "descriptors": "Security descriptors",
    "status": "Statuses and Information",
    "irps": "Ownership of IRPs",
    "irql": "IRQL",
    "creation": "Creation of sockets",
    "memory": "Memory given to WSK",
    "callbacks": "Event callbacks",
    "sockets": "Life of sockets",
    "registration": "Registration",
    "trace": "The trace itself",
}
#: Modules that declare rules, in the order in which these are shown.
_MODULES = (
    descriptors, descriptor_calls, status, irps, irp_arguments, irp_routines, irp_returns, irp_life, nesting, irql,
    creation, creation_calls, transports, dispatch_calls, creation_unused, memory, memory_buffers, callbacks,
    enabling, static_enabling, enabling_order, callback_results, indications, sockets, socket_state, socket_order,
    socket_birth, socket_end, socket_force, socket_disconnect, registration, registration_calls, registration_end,
    trace_quality,
)  # fmt: skip

# imports are sorted by name; the rules stand as their families and modules do
_place = {module.__name__: number for number, module in enumerate(_MODULES)}
_declared = sorted(
    RULES.items(), key=lambda entry: (list(FAMILIES).index(entry[1].family), _place[entry[1].judge.__module__])
)
RULES.clear()
RULES.update(_declared)
