"""The lives of a trace: per load the uses of IRPs, sockets, descriptors, registrations; ids unique in the trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wsktrace.model.clock_steps import ClockSteps, clock_steps
from wsktrace.model.descriptors import Descriptors, descriptors
from wsktrace.model.irps import Submissions, submissions
from wsktrace.model.order import arrange
from wsktrace.model.registrations import Registrations, registrations
from wsktrace.model.sockets import Sockets, sockets
from wsktrace.model.surroundings import Surroundings
from wsktrace.model.traits import Traits, traits
from wsktrace.model.world import World, make_world

if TYPE_CHECKING:
    from wsktrace.model.filefacts import FileFacts
    from wsktrace.wsk.ops import Operations
    from wsktrace.wsk.profile import Profile

__all__ = ["Life", "Lives", "build"]


@dataclass(slots=True)
class Life:
    """All that was rebuilt of one load, with the first id of each of its tables in the whole trace."""

    world: World
    irps: Submissions
    sockets: Sockets
    traits: Traits
    descriptors: Descriptors
    registrations: Registrations
    profile: Profile
    file: FileFacts
    clock: ClockSteps
    surroundings: Surroundings = field(default_factory=Surroundings)
    first_irp: int = 0
    first_socket: int = 0
    first_descriptor: int = 0
    first_registration: int = 0


@dataclass(slots=True)
class Lives:
    """The whole trace: operations in order, and a ``Life`` per load of a driver."""

    ops: Operations
    facts: FileFacts
    lives: list[Life] = field(default_factory=list)


def build(
    ops: Operations,
    facts: FileFacts,
    profile: Profile,
    *,
    pointer_size: int = 8,
    surroundings: Surroundings | None = None,
) -> Lives:
    """Rebuild all lives. Brings ``ops`` into trace order, in place."""
    around = surroundings or Surroundings(facts)
    result = Lives(ops, facts)
    irp = socket = descriptor = registration = 0
    clock = clock_steps(ops, facts)
    tolerance = round(profile.order_tolerance_ms * 1e6)
    for load in arrange(ops):
        world = make_world(load, ops, facts, tolerance_ns=tolerance, pointer_size=pointer_size)
        irps = submissions(world)
        found = sockets(world, irps)
        life = Life(
            world=world,
            irps=irps,
            sockets=found,
            traits=traits(world, found),
            descriptors=descriptors(world, irps),
            registrations=registrations(world),
            profile=profile,
            file=facts,
            clock=clock,
            surroundings=around,
            first_irp=irp,
            first_socket=socket,
            first_descriptor=descriptor,
            first_registration=registration,
        )
        irp += len(irps)
        socket += len(found)
        descriptor += len(np.unique(life.descriptors.lane.group))
        registration += len(life.registrations)
        result.lives.append(life)
    return result
