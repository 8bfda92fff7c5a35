"""Peak memory of this process, in MiB."""

from __future__ import annotations

import sys

__all__ = ["MIB", "of_rusage", "peak_mib", "resident_mib"]

MIB = 1 << 20


def of_rusage(maxrss: int) -> float:
    """Return ``ru_maxrss`` in MiB: kilobytes on Linux, bytes on macOS."""
    return maxrss / MIB if sys.platform == "darwin" else maxrss / 1024


def peak_mib() -> float | None:
    """Return the largest resident size so far; None where the system does not tell (Windows without psutil)."""
    if sys.platform != "win32":
        import resource

        return of_rusage(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.Process().memory_info().peak_wset) / MIB


def resident_mib() -> float | None:
    """Return the resident size now; None without psutil."""
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.Process().memory_info().rss) / MIB
