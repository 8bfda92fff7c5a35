"""Pictures of tables: a table and axes in, axes out. Nothing is shown or saved, and pyplot is used only for new axes.

Every function takes ``axes``: where to draw, or None for a new pyplot figure (``figure_of`` makes one without pyplot).
Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart, and what differs in colour
differs in form, too: dashes, hatches, markers. Text, axes and grids take matplotlib's ``rcParams``, so a dark page
works. Where a table holds nothing to draw, the axes say so.
"""

from __future__ import annotations

from wsktrace.plots.comparison import compare
from wsktrace.plots.curves import cumulative
from wsktrace.plots.files import as_file, figure_of
from wsktrace.plots.gantt import lifetimes
from wsktrace.plots.heat import heatmap, heatmap_counts
from wsktrace.plots.histograms import latency, multiples, operations_of
from wsktrace.plots.lanes import timeline
from wsktrace.plots.steps import outstanding
from wsktrace.plots.trace import Plots

__all__ = [
    "Plots",
    "as_file",
    "compare",
    "cumulative",
    "figure_of",
    "heatmap",
    "heatmap_counts",
    "latency",
    "lifetimes",
    "multiples",
    "operations_of",
    "outstanding",
    "timeline",
]
