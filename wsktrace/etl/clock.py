"""The session clock: raw time stamps become int64 nanoseconds of UTC since 1970, exactly and without overflow.

Format: etl-and-wpp-format, 1.4. Never through BootTime, which misses the start by up to weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Clock", "filetime_to_ns"]

_EPOCH = 116_444_736_000_000_000  # FILETIME (100 ns since 1601) of 1970-01-01
_LOW, _HIGH = -(1 << 63), (1 << 63) - 1
_SANE_FREQUENCY = 9_000_000_000_000_000  # above this the split below would overflow; no counter is that fast
_NS = 1_000_000_000


def filetime_to_ns(filetime: int) -> int:
    """Return nanoseconds since 1970 of a FILETIME, clipped to int64."""
    return min(max((filetime - _EPOCH) * 100, _LOW), _HIGH)


@dataclass(frozen=True, slots=True)
class Clock:
    """Converts the raw clock of one trace.

    A raw value ``t`` is ``base_ns + (t - origin) * 10**9 / ticks_per_second``, rounded down to whole nanoseconds and
    clipped to what int64 can hold.

    Attributes:
        kind: ``qpc``, ``system``, ``cycles`` or ``unknown`` (the header says nothing usable: differences are in
            100 ns, the absolute time is not to be trusted).
        origin: a raw clock value of known time: that of the first record, or 1970 where the clock is system time.
        base_ns: UTC of ``origin``, ns since 1970.
        ticks_per_second: frequency of the raw clock.
        start_ns: UTC of the start of the trace, ns since 1970.
        end_ns: UTC at which the session was stopped, None where it was not stopped properly.
    """

    kind: str
    origin: int
    base_ns: int
    ticks_per_second: int
    start_ns: int
    end_ns: int | None

    @classmethod
    def from_header(
        cls, *, clock_type: int, origin: int, start_time: int, end_time: int, perf_freq: int, cpu_mhz: int
    ) -> Clock:
        """Choose the conversion by the log header's fields.

        Args:
            clock_type: ReservedFlags; 1 performance counter, 2 system time, 3 CPU cycles, others fall back.
            origin: SystemTime of the first record, raw.
            start_time: StartTime, FILETIME.
            end_time: EndTime, FILETIME, 0 where the session was not stopped.
            perf_freq: PerfFreq, ticks per second.
            cpu_mhz: CpuSpeedInMHz.
        """
        qpc = 0 < perf_freq <= _SANE_FREQUENCY
        if clock_type == 3 and cpu_mhz > 0:
            kind, ticks = "cycles", cpu_mhz * 1_000_000
        elif clock_type == 2:
            kind, ticks = "system", 10_000_000
        elif qpc:
            kind, ticks = "qpc", perf_freq
        else:
            kind, ticks = ("system" if origin > _EPOCH else "unknown"), 10_000_000
        start = filetime_to_ns(start_time) if start_time > 0 else 0
        end = filetime_to_ns(end_time) if end_time > 0 else None
        if kind == "system":  # the raw clock is itself the FILETIME
            return cls(kind, _EPOCH, 0, ticks, start or filetime_to_ns(origin), end)
        return cls(kind, origin, start, ticks, start, end)

    def to_ns(self, raw: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert raw clock values (int64, any shape) to int64 nanoseconds of UTC since 1970."""
        if raw.size == 0:
            return np.zeros(raw.shape, np.int64)
        # the smallest and largest difference to the origin whose result fits into int64, in exact integers
        first = -(-(_LOW - self.base_ns) * self.ticks_per_second // _NS)
        last = ((_HIGH - self.base_ns + 1) * self.ticks_per_second - 1) // _NS
        low = max(self.origin + max(first, _LOW), _LOW)
        high = min(self.origin + min(last, _HIGH), _HIGH)
        if low <= int(raw.min()) and int(raw.max()) <= high:
            return self._convert(raw)
        out = self._convert(np.clip(raw, low, high))
        if low == self.origin + first:
            out[raw < low] = _LOW
        if high == self.origin + last:
            out[raw > high] = _HIGH
        return out

    def _convert(self, raw: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert values whose difference to the origin and whose result fit into int64."""
        ticks = self.ticks_per_second
        delta = raw - np.int64(self.origin)
        if _NS % ticks == 0:
            delta *= _NS // ticks
        else:
            whole = delta // ticks
            rest = delta - whole * ticks
            whole *= _NS
            if ticks < _SANE_FREQUENCY // 1_000_000:
                rest *= _NS
                rest //= ticks
                whole += rest
            else:  # three digits at a time
                part = np.zeros_like(whole)
                for _ in range(3):
                    digit, rest = np.divmod(rest * 1000, ticks)
                    part = part * 1000 + digit
                whole += part
            delta = whole
        delta += np.int64(self.base_ns)
        return delta
