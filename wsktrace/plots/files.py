"""Figures that pyplot does not know of, and their files, the same for the same figure."""

from __future__ import annotations

import io
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_file", "figure_of", "new_figure"]

_ALONE: ContextVar[bool] = ContextVar("wsktrace.plots.alone", default=False)


def figure_of(draw: Callable[[], Axes | list[Axes]], *, title: str = "") -> Figure:
    """Return the figure that ``draw`` makes, untouched by pyplot: ``figure_of(lambda: lifetimes(sockets))``."""
    token = _ALONE.set(True)
    try:
        drawn: Any = draw()
    finally:
        _ALONE.reset(token)
    figure: Figure = (drawn[0] if isinstance(drawn, list) else drawn).figure
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def as_file(figure: Figure, form: str, *, dpi: int = 150) -> bytes:
    """Return a figure as a file of the form ``png`` or ``svg``, without a date; text of SVG is text."""
    import matplotlib as mpl

    held = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "wsktrace", "svg.fonttype": "none"}):
        figure.savefig(held, format=form, dpi=dpi, metadata={"Date": None} if form == "svg" else {"Software": None})
    return held.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of that size (inches): pyplot's, so that a notebook shows it, unless ``figure_of`` asks."""
    if _ALONE.get():
        from matplotlib.figure import Figure

        return Figure(figsize=(width, height), layout="constrained")
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout="constrained")
