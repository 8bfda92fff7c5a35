"""The oracle's rules about registration: one load at a time, naively."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsktrace.testing.oracle_load import Broken, Load

__all__ = ["judge"]


def judge(load: Load) -> Iterator[Broken]:
    """Yield what is broken in the load."""
    yield from ()
    del load
