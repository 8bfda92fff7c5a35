from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pytest

from wsktrace.errors import UsageError
from wsktrace.plots import latency, latency_figure

if TYPE_CHECKING:
    from collections.abc import Iterator

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_one_axes_an_operation_with_percentiles(faked: Any) -> None:
    (ax,) = faked().plot.latency()
    assert ax.get_xscale() == "log"
    assert ax.get_title(loc="left") == "WskReceive"
    texts = [t.get_text() for t in ax.texts]
    assert texts[0].startswith("issue → completion  n=2\np50 41.1 µs   p90 1.93 ms   p99 1.93 ms")
    assert texts[1].startswith("pending → completion  n=2")
    marks = sorted({round(float(line.get_xdata()[0]), 6) for line in ax.lines})
    assert marks == [4.1e-05, 0.00193]
    low, high = ax.get_xlim()
    assert low < 41e-6 < 1.93e-3 < high


def test_draws_on_axes_that_are_given(faked: Any) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert faked().plot.latency(ax, op="WskReceive") == [ax]


def test_unknown_operation_and_too_few_axes(faked: Any) -> None:
    with pytest.raises(UsageError, match="WskReceive"):
        faked().plot.latency(op="WskSend")
    with pytest.raises(UsageError, match="as many axes"):
        latency(faked().arrow("latency"), [])


def test_a_trace_without_completions(faked: Any) -> None:
    (ax,) = faked({}).plot.latency()
    assert "no completed IRP" in ax.texts[0].get_text()


def test_figures_for_files_leave_pyplot_alone(faked: Any) -> None:
    from matplotlib import pyplot

    latency_figure(faked().arrow("latency"), title="made.etl")
    assert pyplot.get_fignums() == []


def test_extreme_durations_can_be_drawn(faked: Any) -> None:
    from faked_traces import irp

    rows = [irp(1, "WskSend", 0, took=10), irp(2, "WskSend", 0, took=2**62), irp(3, "WskBind", 0, took=10)]
    latency_figure(faked({"irps": rows}).arrow("latency")).canvas.draw()
