"""What is known of a trace as a whole; every report begins with it, and each Parquet file carries it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from wsktrace.errors import FormatError
from wsktrace.units import bytes_text, count_text

__all__ = ["TraceFacts"]

_COUNTS = ("size", "events_lost", "buffers_lost", "buffers", "damaged_buffers", "records", "cpus", "judged")


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """Facts of one trace. Times are ns UTC since 1970, None where the file does not say; sizes are bytes."""

    file: str
    size: int
    sha256: str
    start_ns: int | None
    end_ns: int | None
    profile: str
    events_lost: int
    buffers_lost: int
    buffers: int
    damaged_buffers: int
    records: int
    cpus: int
    #: canonical operations that were found and so judged
    judged: int
    #: class of bytes → bytes on disk; the sum is ``size``
    bytes: dict[str, int]
    #: providers in the file by number of events, most first: (name or GUID, events)
    providers: tuple[tuple[str, int], ...]

    @property
    def span_ns(self) -> int | None:
        """From start to end; None where one of them is not known."""
        return None if self.start_ns is None or self.end_ns is None else self.end_ns - self.start_ns

    @property
    def damaged_bytes(self) -> int:
        """Bytes of the class ``damaged``."""
        return self.bytes.get("damaged", 0)

    @property
    def losses(self) -> tuple[str, ...]:
        """What is known to be lost or damaged, in words: ``7 events lost``; none where nothing is."""
        told = [
            f"{count_text(count, what)} lost"
            for count, what in ((self.events_lost, "event"), (self.buffers_lost, "buffer"))
            if count
        ]
        if self.damaged_bytes or self.damaged_buffers:
            of = count_text(self.buffers, "buffer")
            told.append(f"{bytes_text(self.damaged_bytes)} damaged in {self.damaged_buffers:,} of {of}")
        return tuple(told)

    def to_json(self) -> dict[str, Any]:
        """Return the facts such as JSON can hold; ``from_json`` is the inverse."""
        held = asdict(self)
        held["providers"] = [list(pair) for pair in self.providers]
        return held

    @classmethod
    def from_json(cls, held: dict[str, Any]) -> TraceFacts:
        """Return the facts that ``to_json`` wrote; ``FormatError`` where one is missing or of another kind."""
        try:
            values = {f.name: held[f.name] for f in fields(cls)}
            values["providers"] = tuple((str(name), int(count)) for name, count in values["providers"])
            values["bytes"] = {str(name): int(size) for name, size in values["bytes"].items()}
            for name in _COUNTS:
                values[name] = int(values[name])
            for name in ("start_ns", "end_ns"):
                values[name] = None if values[name] is None else int(values[name])
            for name in ("file", "sha256", "profile"):
                values[name] = str(values[name])
            _check_numbers(values)
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise FormatError(f"the trace's facts are not what they should be ({error}); export it again") from None


def _check_numbers(values: dict[str, Any]) -> None:
    """Raise ``ValueError`` where a number is none that a trace can have: 63 bits, counts and sizes not below 0."""
    counts = {name: values[name] for name in _COUNTS}
    counts |= {f"bytes {name}": size for name, size in values["bytes"].items()}
    counts |= {f"events of {name}": count for name, count in values["providers"]}
    times = {name: values[name] for name in ("start_ns", "end_ns") if values[name] is not None}
    for name, number in (counts | times).items():
        if number >= 1 << 63 or number < (-(1 << 63) if name in times else 0):
            raise ValueError(f"{name} is {number}")
