"""What the oracle knows of one load of a driver when all of it has been seen, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.events import Event
    from wsktrace.testing.oracle_lives import Socket, Submission

__all__ = ["Broken", "Load"]


class Broken(NamedTuple):
    """One broken rule.

    Attributes:
        rule: its id.
        irp: address of the IRP it is about, 0 where none.
        socket: address of the socket it is about, 0 where none.
        time: of the event that breaks it, or of the one that was not followed by what it needed.
        subject: address of the descriptor, dispatch table, context or client it is about, 0 where none.
    """

    rule: str
    irp: int
    socket: int
    time: int
    subject: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """One load of one driver, whole.

    Attributes:
        events: place in the trace → event, in true order.
        start_of: place of a Stop → place of its Start; ``stop_of`` the other way.
        uses: place of a call's Start → what became of the call and its IRP.
        sockets: every socket that was born, in that order.
        end: ns until which the trace shows this load.
        unloaded: the driver was unloaded in the trace.
        build: build number of Windows that the file tells, 0 where it does not.
    """

    events: dict[int, Event]
    start_of: dict[int, int]
    stop_of: dict[int, int]
    uses: dict[int, Submission]
    sockets: list[Socket]
    end: int
    unloaded: bool
    build: int

    def calls(self, *names: str) -> Iterator[tuple[int, Submission]]:
        """Yield the calls of these names (all where none is given) with their places, in order."""
        for at, use in self.uses.items():
            if not names or use.name in names:
                yield at, use
