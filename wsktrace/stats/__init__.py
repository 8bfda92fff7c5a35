"""How long calls took: log-linear histograms, percentiles exact to 1 %, tables that merge across traces."""

from __future__ import annotations

from wsktrace.stats.groups import KEYS, Grouping, grouping, keys_of
from wsktrace.stats.histogram import Histogram, bin_edges, bin_of, merge, tells
from wsktrace.stats.latency import LEGS, Group, grouped_by, histograms_of, latency_columns, merge_latency

__all__ = [
    "KEYS",
    "LEGS",
    "Group",
    "Grouping",
    "Histogram",
    "bin_edges",
    "bin_of",
    "grouped_by",
    "grouping",
    "histograms_of",
    "keys_of",
    "latency_columns",
    "merge",
    "merge_latency",
    "tells",
]
