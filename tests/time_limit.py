"""A limit of time for one run inside a test: a hang fails instead of stopping all tests."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise where the body takes longer; where there are no interval timers (Windows), only once it has ended."""

    def late(*_: object) -> None:
        raise AssertionError(f"took longer than {seconds} s")

    begin = time.perf_counter()
    timed = hasattr(signal, "setitimer")
    if timed:
        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - begin < seconds
