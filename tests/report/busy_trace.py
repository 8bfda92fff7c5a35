"""One busy trace that several tests measure and draw."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import wsktrace
from wsktrace.testing.driver import busy


@cache
def busy_trace() -> Any:
    """Return a trace of two dozen sockets of a driver, the same for every test."""
    file = io.BytesIO(busy(3, sockets=24, seconds=10).etl())
    file.name = "busy.etl"
    return wsktrace.open(file)
