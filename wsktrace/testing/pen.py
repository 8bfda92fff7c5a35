"""Writes stories in the script notation; chance decides between what is equally legal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["Pen"]

_KINDS = ("receive", "disconnect", "send_backlog")


class Pen:
    """Writes a story; chance chooses the kind of IRP, the order of completion, the processors and the delays."""

    def __init__(self, rng: Random, cpus: int) -> None:
        self.rng = rng
        self.cpus = cpus
        self.lines: list[str] = []
        self._kind = rng.choice(("fresh", "fresh", "embedded", "pooled"))
        self._irps = 0
        self._names = 0
        self._idle: list[str] = []
        self.move()

    def write(self, line: str) -> None:
        """Write a line of the notation."""
        self.lines.append(line)

    def name(self, what: str) -> str:
        """Return a name that is new in this story."""
        self._names += 1
        return f"{what}{self._names}"

    def move(self) -> None:
        """Go on with another thread or processor."""
        rng = self.rng
        self.write(f"@cpu={rng.randrange(self.cpus)} @tid={rng.choice((1, 1, 1, 2))}")
        self.write(f"@dpc={rng.randrange(self.cpus)}")

    def delay(self, longest_ms: int = 20) -> str:
        """Return a delay, microseconds more often than milliseconds."""
        micros = int(min(10 ** self.rng.uniform(0.7, 5), longest_ms * 1000))
        return f"+{micros}us"

    def irp(self) -> str:
        """Make an IRP of the driver's own ready for use and return its name."""
        if self._idle and self._kind != "fresh":
            irp = self._idle.pop()
            self.write(f"IrpReuse {irp}")
        else:
            self._irps += 1
            irp = f"irp{self._irps}"
            made = "IrpInitialize" if self._kind == "embedded" else "IrpAllocate"
            if self._kind != "embedded" and self.rng.random() < 0.05:
                self.write(f"{made} {irp}")
                self.write(f"IrpReuse {irp}")
            else:
                self.write(f"{made} {irp} StackSize={self.rng.choice((1, 1, 2))}")
        self.write(f"IrpSetCompletion {irp}")
        return irp

    def done(self, irp: str) -> None:
        """Dispose of an IRP that is complete."""
        if self._kind == "fresh":
            self.write(f"IrpFree {irp}")
        else:
            self._idle.append(irp)

    def end(self) -> str:
        """Free what is left and return the story."""
        if self._kind == "pooled":
            for irp in self._idle:
                self.write(f"IrpFree {irp}")
        return "\n".join(self.lines)

    def completion(self, call: str, irp: str, status: str, brings: str, longest_ms: int) -> None:
        """Write a call and its completion, in one of the legal orders."""
        rng = self.rng
        order = rng.random()
        if call.startswith(("WskSend", "WskReceive")) and rng.random() < 0.15:
            call = f"@dpc={rng.randrange(self.cpus)} {call}"
        done = f"complete {status} {brings}"
        pending = f"{self.delay(longest_ms)} @dpc={rng.randrange(self.cpus)} {done}"
        if order < 0.35:
            self.write(f"{call} -> PENDING, {pending}")
        elif order < 0.50:
            self.write(f"{call} -> {done}, {status}")
        elif order < 0.62:
            self.write(f"{call} -> {done}, PENDING")
        elif order < 0.72:
            self.write(f"{call} -> {status}, {pending}")
        elif order < 0.86:
            self.write(f"{call} -> PENDING")
            self.write(f"IrpWait {irp}")
            self.write(f"{self.delay(longest_ms)} complete {irp} {status} {brings}")
            self.write(f"return IrpWait {irp} SUCCESS")
        elif order < 0.93 and self._kind == "fresh":
            dpc = f"@dpc={rng.randrange(self.cpus)}"
            self.write(f"{call} -> PENDING")
            self.write(f"{self.delay(longest_ms)} {dpc} IrpComplete {irp} {status} {brings}")
            self.write(f"{dpc} IrpFree {irp}")
            self.write(f"return IrpComplete {irp} MORE_PROCESSING_REQUIRED")
            return
        else:
            worker = f"@cpu={rng.randrange(self.cpus)} @tid=3"
            self.write(f"{call} -> PENDING, {self.delay(longest_ms)} {worker} {done}")
        self.done(irp)

    def call(self, text: str, status: str = "SUCCESS", brings: str = "", longest_ms: int = 20) -> None:
        """Write a call with an IRP of its own, from making it to disposing of it."""
        irp = self.irp()
        self.completion(f"{text} Irp={irp}", irp, status, brings, longest_ms)
        if self.rng.random() < 0.2:
            self.move()

    def event(self, callback: str, status: str = "SUCCESS", more: str = "", returns: str = "") -> None:
        """Write a callback, sometimes not in a DPC but on a thread."""
        place = "" if self.rng.random() < 0.8 else "@tid=4 "
        self.write(f"{self.delay()} {place}{callback} {more} -> {status} {returns}")

    def kinds(self) -> list[str]:
        """Return the connection events that a socket of this story wants."""
        chosen = [kind for kind in _KINDS if self.rng.random() < 0.6]
        return chosen or ["receive"]
