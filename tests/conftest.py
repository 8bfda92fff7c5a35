"""Fixtures that tests of several areas share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from faked_traces import Faked, usual_rows

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def faked() -> Callable[..., Any]:
    """Return a maker of traces from written rows: ``faked(rows, file="x.etl")``; without rows, the usual ones."""

    def make(rows: dict[str, list[dict[str, Any]]] | None = None, **facts: Any) -> Any:
        from wsktrace.trace import Trace

        return Trace(Faked(usual_rows() if rows is None else rows, facts))

    return make
