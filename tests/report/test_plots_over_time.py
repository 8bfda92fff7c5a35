from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
from busy_trace import busy_trace
from faked_traces import START, irp
from hypothesis import given, settings
from hypothesis import strategies as st

from wsktrace.errors import UsageError
from wsktrace.plots import figure_of, heatmap_counts
from wsktrace.plots.gantt import most_telling
from wsktrace.plots.gaps import gaps_of
from wsktrace.plots.lanes import MOST_LANES, lanes
from wsktrace.plots.steps import PARTS, drawable
from wsktrace.stats.outstanding import outstanding_curve
from wsktrace.units import address_text

if TYPE_CHECKING:
    from collections.abc import Iterator

mpl.use("Agg")
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=40)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@settings(derandomize=True, max_examples=100, deadline=None)
@given(SPANS)
def test_outstanding_curve_against_counting(spans: list[tuple[int, int]]) -> None:
    begin = np.array([a for a, _ in spans], np.int64)
    end = begin + np.array([n for _, n in spans], np.int64)
    times, counts = outstanding_curve(begin, end)
    assert np.all(np.diff(times) > 0)
    assert counts.tolist() == [int(((begin <= t) & (t < end)).sum()) for t in times]


def test_a_curve_of_many_steps_keeps_its_peaks() -> None:
    rng = np.random.default_rng(2)
    begin = np.sort(rng.integers(0, 10**9, 50_000))
    times, counts = outstanding_curve(begin, begin + rng.integers(1, 10**6, 50_000))
    few, highest = drawable(times, counts, 0, 10**9, dense=True)
    assert len(few) == PARTS + 1
    assert highest.max() == counts.max()
    for at in range(0, len(few) - 2, 97):
        inside = counts[max(np.searchsorted(times, few[at]) - 1, 0) : np.searchsorted(times, few[at + 1])]
        assert highest[at] == inside.max()


def test_outstanding_counts_what_the_table_says() -> None:
    ax = busy_trace().plot.outstanding()
    irps = busy_trace().irps
    begin = irps.issue_time.astype("int64").to_numpy()
    done = irps.complete_time.astype("int64[pyarrow]").fillna(-1).to_numpy().astype(np.int64)
    back = irps.return_time.astype("int64[pyarrow]").fillna(-1).to_numpy().astype(np.int64)
    end = np.where(done >= 0, done, np.where(irps.outcome == "open", 1 << 62, np.maximum(back, begin)))
    start_ns = busy_trace().summary.start_ns
    for line in ax.lines:
        mine = (irps.op == line.get_label().split()[0]).to_numpy()
        steps = outstanding_curve(begin[mine], end[mine])
        for second, told in list(zip(line.get_xdata(), line.get_ydata(), strict=True))[1:-1]:
            at = np.argmin(np.abs(steps[0] - start_ns - second * 1e9))
            assert steps[1][at] == told
    assert len(ax.lines) == 5


def test_heatmap_against_numpy() -> None:
    irps = busy_trace().irps.dropna(subset=["total_ns"])
    issued, took = (irps[c].astype("int64").to_numpy() for c in ("issue_time", "total_ns"))
    first, last = int(issued.min()), int(issued.max())
    counts, x, y = heatmap_counts(issued, took, first, last, times=50)
    exact = np.histogram2d((issued - first).astype(float), took, bins=[x, y])[0]
    assert np.array_equal(counts, exact)
    assert counts.sum() == len(irps)
    mesh = busy_trace().plot.heatmap().collections[0]
    assert mesh.get_array().sum() == len(irps)
    with pytest.raises(UsageError, match="no leg"):
        busy_trace().plot.heatmap(leg="issue")


def test_a_dense_curve_says_that_it_is_one_of_peaks(faked: Any) -> None:
    step = (faked().summary.end_ns - START) // 1000
    rows = [irp(n, "WskSend", n * step, took=step // 2) for n in range(1000)]
    ax = faked({"irps": rows}).plot.outstanding()
    assert ax.get_title(loc="left").startswith("the highest in each ")
    assert all(set(line.get_ydata()[2:-2]) == {1} for line in ax.lines)
    assert faked({"irps": rows[:9]}).plot.outstanding().get_title(loc="left") == ""


def test_what_is_open_stands_in_the_heat_map(faked: Any) -> None:
    hung = irp(3, "WskConnect", 2_000_000_000)
    held = faked({"irps": [irp(1, "WskSend", 0, took=9_000), irp(2, "WskSend", 0, took=90_000), hung]})
    ax = held.plot.heatmap()
    (line,) = (line for line in ax.lines if line.get_marker() == "^")
    end = held.summary.end_ns - START
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (2, (end - 2_000_000_000) / 1e9)
    assert line.get_ydata()[0] < ax.get_ylim()[1]
    assert ax.yaxis.get_major_formatter()(100, 0) == "100 s"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["1 open at the end, for at least so long"]
    assert not held.plot.heatmap(leg="call").lines
    assert not held.plot.heatmap(op="WskSend").lines


def test_a_timeline_says_how_long_the_trace_goes_on_after_it(faked: Any) -> None:
    rows = [irp(1, "WskSend", 0, took=9_000, socket_id=1), irp(2, "WskConnect", 0, socket_id=2)]
    texts = [t.get_text() for t in faked({"irps": rows}).plot.timeline().get_legend().get_texts()]
    assert any(text.startswith("open at the end,\n") and text.endswith("after this picture") for text in texts)


def test_lifetimes_are_those_of_the_table() -> None:
    sockets = busy_trace().sockets
    ax = busy_trace().plot.lifetimes(most=1000)
    start = busy_trace().summary.start_ns
    wide = sorted((p.get_x(), p.get_width()) for p in ax.patches if p.get_height() > 0.5)
    known = sockets.dropna(subset=["open_time", "close_time"])
    assert len(known) > 10
    exact = [
        ((a - start) / 1e9, (b - a) / 1e9)
        for a, b in zip(known.open_time.astype("int64"), known.close_time.astype("int64"), strict=True)
    ]
    for life in exact:
        assert np.abs(np.array(wide) - life).sum(axis=1).min() < 1e-8
    assert len(wide) == len(sockets)
    ends = sum(line.get_marker() == ">" for line in ax.lines)
    assert ends == sockets.closed_time.isna().sum()
    assert {text.get_text().split()[0] for text in ax.get_yticklabels()} == {address_text(a) for a in sockets.socket}


def test_few_of_many_sockets_are_the_telling_ones() -> None:
    open_irps, closed = np.array([0, 2, 0, 0]), np.array([True, True, False, True])
    length = np.array([9, 1, 2, 5])
    assert most_telling(open_irps, closed, length, 3).tolist() == [1, 2, 0]
    ax = busy_trace().plot.lifetimes(most=5)
    assert len(ax.get_yticks()) == 5
    assert ax.get_title(loc="left").startswith(f"5 of {len(busy_trace().sockets)} sockets")


def test_a_socket_whose_creation_is_not_seen(faked: Any) -> None:
    made = {"load": 0, "irps": 1, "open_irps": 0, "birth_operation": 1, "socket": 0xFFFF}
    rows = {
        "sockets": [{"socket_id": 1, "origin": "adopted", **made}],
        "irps": [irp(1, "WskSend", 4_000_000_000, took=9, socket_id=1)],
        "quality": [{"item": "gap", "name": "file", "value": 0, "start": START, "end": START + 10**9}],
    }
    ax = faked(rows).plot.lifetimes()
    dotted = next(line for line in ax.lines if line.get_linestyle() == ":")
    assert list(dotted.get_xdata()) == [0, 4]
    assert [t.get_text() for t in ax.get_legend().get_texts()][-1] == "events may be missing"


@settings(derandomize=True, max_examples=60, deadline=None)
@given(SPANS)
def test_lanes_do_not_overlap(spans: list[tuple[int, int]]) -> None:
    begin = np.array([a for a, _ in spans], np.int64)
    end = begin + np.array([n for _, n in spans], np.int64)
    found = lanes(begin, end)
    for lane in range(MOST_LANES - 1):
        mine = np.flatnonzero(found == lane)
        mine = mine[np.argsort(begin[mine], kind="stable")]
        assert np.all(end[mine][:-1] <= begin[mine][1:])
    deepest = max((int(((begin <= t) & (t < end)).sum()) for t in begin), default=0)
    assert found.max(initial=-1) <= max(deepest, 1)


def test_timeline_of_one_socket() -> None:
    irps = busy_trace().irps
    chosen = int(irps.socket_id.value_counts().index[0])
    ax = busy_trace().plot.timeline(socket=chosen)
    mine = irps[irps.socket_id == chosen]
    assert len(ax.patches) == len(mine)
    first = mine.issue_time.astype("int64").min()
    held = mine.dropna(subset=["complete_time"])
    exact = sorted((held.issue_time.astype("int64") - first) / 1e9)
    bars = np.array(sorted(p.get_x() for p in ax.patches))
    assert all(np.abs(bars - begin).min() < 1e-9 for begin in exact)
    total = {round(t) for t in held.total_ns.astype("int64")}
    assert total <= {round(p.get_width() * 1e9) for p in ax.patches}
    address = int(mine.socket.iloc[0])
    assert len(busy_trace().plot.timeline(socket=address).patches) == irps.socket.dropna().tolist().count(address)
    with pytest.raises(UsageError, match="no IRP was used on the socket 07777777"):
        busy_trace().plot.timeline(socket=0x7777777)
    assert "the first 3 of" in busy_trace().plot.timeline(most=3).get_title(loc="left")


def test_gaps_are_joined_and_kept_within_the_trace(faked: Any) -> None:
    def gap(start: int | None, end: int | None) -> dict[str, Any]:
        return {"item": "gap", "name": "x", "value": 0, "start": start, "end": end}

    rows = [
        gap(5, 9),
        gap(1, 3),
        gap(None, 2),
        gap(8, 12),
        gap(20, None),
        gap(None, None),
        {"item": "edge", **gap(3, 4)},
    ]
    rows[-1]["item"] = "edge"
    spans, timeless = gaps_of(faked({"quality": rows}).arrow("quality"), 0, 30)
    assert spans.tolist() == [[0, 3], [5, 12], [20, 30]]
    assert timeless
    assert gaps_of(None, 0, 9)[0].shape == (0, 2)


PICTURES: dict[str, Any] = {
    "latency": lambda plot: plot.latency(by="outcome"),
    "multiples": lambda plot: plot.multiples(by="family"),
    "cumulative": lambda plot: plot.cumulative(),
    "heatmap": lambda plot: plot.heatmap(),
    "outstanding": lambda plot: plot.outstanding(),
    "lifetimes": lambda plot: plot.lifetimes(),
    "timeline": lambda plot: plot.timeline(),
}


@pytest.mark.parametrize("name", list(PICTURES))
def test_little_and_nothing_can_be_drawn(faked: Any, name: str) -> None:
    made = {"load": 0, "irps": 1, "open_irps": 1, "birth_operation": 1, "origin": "adopted", "socket_id": 1}
    hung = irp(1, "Wsk$Evil$\x1b", 0, socket_id=1)
    for rows in ({}, {"irps": [hung]}, {"irps": [hung], "sockets": [made]}, {"irps": [hung | irp(2, "B", 5, took=0)]}):
        figure = figure_of(lambda rows=rows: PICTURES[name](faked(rows).plot))
        figure.canvas.draw()
        if not rows:
            assert figure.axes[0].texts[0].get_text().startswith("no ")
    figure = figure_of(lambda: PICTURES[name](faked({}, start_ns=None, end_ns=None).plot))
    assert len(figure.axes) == 1


@pytest.mark.parametrize("name", list(PICTURES))
def test_text_and_axes_take_the_colours_of_the_page(name: str) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.text import Text

    names = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor")
    with mpl.rc_context({**dict.fromkeys(names, "#123456"), "savefig.facecolor": "none"}):
        figure = figure_of(lambda: PICTURES[name](busy_trace().plot))
        if name not in ("latency", "multiples"):
            figure.canvas.draw()
        written = [text for text in figure.findobj(Text) if text.get_text()]
        assert len(written) > 3
        assert {to_rgba(text.get_color()) for text in written} == {to_rgba("#123456")}
        for ax in figure.axes:
            assert {to_rgba(spine.get_edgecolor()) for spine in ax.spines.values()} == {to_rgba("#123456")}


@pytest.mark.long
def test_a_million_rows() -> None:
    from wsktrace.arrow import to_arrow, words
    from wsktrace.plots import heatmap, lifetimes, outstanding, timeline

    count, rng = 1_000_000, np.random.default_rng(0)
    issue = np.sort(rng.integers(0, 60 * 10**9, count)) + START
    took = rng.lognormal(11, 2, count).astype(np.int64)
    ids = np.arange(count)
    columns = {
        "irp_id": ids, "load": np.zeros(count, np.int64), "op": words(ids % 20, [f"Wsk{n}" for n in range(20)]),
        "socket_id": ids % 100_000, "issue_time": issue, "return_time": issue + 5, "complete_time": issue + took,
        "total_ns": took, "completion": words(ids * 0, ["pended"]), "outcome": words(ids * 0, ["succeeded"]),
        "own": np.ones(count, bool), "issue_operation": ids, "socket": ids % 100_000,
    }  # fmt: skip
    irps = to_arrow("irps", columns)
    few = np.arange(100_000)
    sockets = to_arrow(
        "sockets",
        {
            "socket_id": few, "load": few * 0, "origin": words(few * 0, ["socket"]), "create_time": issue[few],
            "open_time": issue[few] + 5, "close_time": issue[few] + 10**9, "irps": few, "open_irps": few * 0,
            "birth_operation": few, "socket": few,
        },
    )  # fmt: skip
    mesh = figure_of(lambda: heatmap(irps)).axes[0].collections[0]
    assert mesh.get_array().sum() == count
    exact = outstanding_curve(issue, issue + took)[1].max()
    area = figure_of(lambda: outstanding(irps)).axes[0]
    assert f"all operations  (most {exact:,})" in [t.get_text() for t in area.get_legend().get_texts()]
    assert len(figure_of(lambda: lifetimes(sockets, irps=irps)).axes[0].get_yticks()) == 40
    assert len(figure_of(lambda: timeline(irps)).axes[0].get_yticks()) == 12
