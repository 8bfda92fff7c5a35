from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
from busy_trace import busy_trace
from faked_traces import irp

from wsktrace.errors import UsageError
from wsktrace.plots import as_file, compare, figure_of, latency, latency_figure, multiples
from wsktrace.plots.comparison import shift_text
from wsktrace.stats import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def _raw(op: str, column: str = "total_ns") -> np.ndarray[Any, Any]:
    irps = busy_trace().irps
    return irps.loc[irps.op == op, column].dropna().astype("int64").to_numpy()


def test_one_axes_an_operation_with_percentiles(faked: Any) -> None:
    (ax,) = faked().plot.latency()
    assert ax.get_xscale() == "log"
    assert ax.get_title(loc="left") == "WskReceive"
    texts = [t.get_text() for t in ax.texts]
    assert texts[0].startswith("issue → completion  n=2\np50 41.1 µs   p90 1.93 ms   p99 1.93 ms")
    assert texts[1].startswith("pending → completion  n=2")
    marks = sorted(
        {
            round(float(line.get_xdata()[0]), 6)
            for line in ax.lines
            if len(line.get_xdata()) and line.get_transform() != ax.transAxes
        }
    )
    assert marks == [4.1e-05, 0.00193]
    low, high = ax.get_xlim()
    assert low < 41e-6 < 1.93e-3 < high


def test_bars_are_the_counts_of_the_raw_durations() -> None:
    for ax in busy_trace().plot.latency(legs=("total",)):
        raw = _raw(ax.get_title(loc="left")) / 1e9
        outline = ax.patches[0].get_data()
        below = np.concatenate([[0], np.cumsum(outline.values)])
        assert below[-1] == len(raw)
        # what lies within 1 % of an edge may be counted on the other side of it
        least, most = (np.searchsorted(np.sort(raw), outline.edges * f) for f in (0.99, 1.01))
        assert np.all((least <= below) & (below <= most))
        assert outline.values.max() < ax.get_ylim()[1]


def test_absent_durations_are_told() -> None:
    irps = busy_trace().irps
    ax = next(ax for ax in busy_trace().plot.latency() if ax.get_title(loc="left") == "WskReceive")
    held = irps[irps.op == "WskReceive"]
    inline, absent = (held.completion == "inline").sum(), held.pending_ns.isna().sum()
    assert f"without: {absent} " in ax.texts[1].get_text()
    assert f"{inline} inline" in ax.texts[1].get_text()


def test_what_was_lost_is_written_above(faked: Any) -> None:
    lossy, whole = faked(events_lost=7, buffers_lost=1), faked(file="b.etl")
    for held in (lossy.plot.latency(), lossy.plot.multiples(), [lossy.plot.cumulative()]):
        assert held[0].get_title(loc="right") == "7 events lost, 1 buffer lost"
    assert whole.plot.compare(lossy)[0].get_title(loc="right") == "made.etl: 7 events lost, 1 buffer lost"
    assert whole.plot.latency()[0].get_title(loc="right") == ""


def test_panels_by_status_and_by_family() -> None:
    names = {ax.get_title(loc="left") for ax in busy_trace().plot.latency(by=("op", "outcome"), op="WskSocket")}
    assert "WskSocket · succeeded" in names
    held = busy_trace().plot.multiples(by="category", leg="call")
    sockets = busy_trace().sockets
    assert {ax.get_title(loc="left") for ax in held} <= {*sockets.category.dropna(), "no socket", "unknown"}
    for ax in held:
        assert ax.patches[0].get_data().values.sum() == pytest.approx(100)


def test_cumulative_curves_are_those_of_the_raw_durations() -> None:
    ax = busy_trace().plot.cumulative(by="op")
    curves = [line for line in ax.lines if len(line.get_xdata()) > 1]
    assert len(curves) == 6
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in curves}) == 6
    assert len({line.get_color() for line in curves}) == 6
    for line in curves:
        raw = np.sort(_raw(line.get_label().split()[0])) / 1e9
        at, share = line.get_xdata()[1:], line.get_ydata()[1:]
        assert np.allclose(share, np.searchsorted(raw, at, side="right") / len(raw) * 100)
        assert share[-1] == 100
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1][:3]
    raw = _raw(curves[0].get_label().split()[0]) / 1e9
    for mark, fraction in zip(marks, (0.5, 0.9, 0.99), strict=True):
        assert mark.get_ydata()[0] == fraction * 100
        assert mark.get_xdata()[0] == pytest.approx(np.quantile(raw, fraction, method="inverted_cdf"), rel=0.01)


def test_two_traces_over_each_other(faked: Any) -> None:
    slower = faked({"irps": [irp(n, "WskReceive", 0, took=1000 * n) for n in range(1, 101)]}, file="slow.etl")
    faster = faked({"irps": [irp(n, "WskReceive", 0, took=500 * n) for n in range(1, 101)]}, file="fast.etl")
    (ax,) = slower.plot.compare(faster)
    assert ax.texts[0].get_text().startswith("p50 50")
    assert ax.texts[0].get_text().count("(−50 %)") == 2
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["slow.etl  n=100", "fast.etl  n=100"]
    assert [ax.get_title(loc="left") for ax in slower.plot.compare(faked({}))] == ["WskReceive"]
    assert shift_text(Histogram.of([10]), Histogram.of([100])) == "p50 10 ns → 100 ns (×10)   p99 10 ns → 100 ns (×10)"
    assert shift_text(Histogram.of([50]), Histogram.of([5])) == "p50 50 ns → 5 ns (÷10)   p99 50 ns → 5 ns (÷10)"
    assert shift_text(Histogram.of([20_500_000]), Histogram.of([10_000])).endswith("p99 20.5 ms → 10 µs (÷2,050)")
    assert shift_text(None, Histogram.of([1]), ("a", "b")) == "only in b"
    assert shift_text(Histogram.of([0]), Histogram.of([5])) == "p50 0 ns → 5 ns   p99 0 ns → 5 ns"


def test_draws_on_axes_that_are_given(faked: Any) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert faked().plot.latency(ax, op="WskReceive") == [ax]


def test_what_is_not_there(faked: Any) -> None:
    table = faked().arrow("latency")
    with pytest.raises(UsageError, match="WskReceive"):
        faked().plot.latency(op="WskSend")
    with pytest.raises(UsageError, match="as many axes"):
        latency(table, [])
    with pytest.raises(UsageError, match="no leg called 'issue'"):
        latency(table, legs=("issue",))


def test_no_more_panels_than_can_be_read(faked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsktrace.plots.histograms.MOST_PANELS", 3)
    monkeypatch.setattr("wsktrace.plots.comparison.MOST_PANELS", 2)
    rows = [irp(n, f"Wsk{n:02d}", 0, took=1000) for n in range(10)]
    table = faked({"irps": rows}).arrow("latency")
    axes = latency_figure(table).axes
    assert len(axes) == 3
    assert "7 more not shown" in axes[-1].get_xlabel()
    assert "7 more not shown" in figure_of(lambda: multiples(table)).axes[-1].get_xlabel()
    few = figure_of(lambda: compare(table, table))
    assert len(few.axes) == 2
    assert "8 more not shown" in few.axes[-1].get_xlabel()


def test_figures_for_files_leave_pyplot_alone_and_are_the_same_each_time(faked: Any) -> None:
    from matplotlib import pyplot

    table = faked().arrow("latency")
    files = [as_file(latency_figure(table, title="made.etl"), "svg") for _ in range(2)]
    assert pyplot.get_fignums() == []
    assert files[0] == files[1]
    assert as_file(latency_figure(table), "png", dpi=40).startswith(b"\x89PNG")


def test_extreme_durations_can_be_drawn(faked: Any) -> None:
    rows = [irp(1, "WskSend", 0, took=10), irp(2, "WskSend", 0, took=2**62), irp(3, "WskBind", 0, took=10)]
    latency_figure(faked({"irps": rows}).arrow("latency")).canvas.draw()


@pytest.mark.parametrize("took", [(0,), (0, 0), (30_000, 80_000), (50_000, 51_000)])
def test_an_axis_of_durations_always_has_labels(faked: Any, took: tuple[int, ...]) -> None:
    table = faked({"irps": [irp(n, "WskSend", 0, took=t) for n, t in enumerate(took)]}).arrow("latency")
    for ax in (latency_figure(table).axes[0], figure_of(lambda: faked({}).plot.cumulative()).axes[0]):
        ax.figure.canvas.draw()
    ax = latency_figure(table).axes[0]
    low, high = ax.get_xlim()
    texts = [t.get_text() for t, at in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True) if low <= at <= high]
    assert len([text for text in texts if text]) >= 1
