"""What ``trace.diff(other)`` gives: the comparison as data frames, and as text and a card where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.comparison.render import as_object, card, render_text

if TYPE_CHECKING:
    import pandas as pd

    from wsktrace.diff import Comparison

__all__ = ["Difference"]

_SHIFT = ("leg", "quantile", "a_count", "b_count", "a_open", "b_open", "a_ns", "b_ns", "ratio", "low", "high")


class Difference:
    """Two traces compared; ``print`` it, or show it in a notebook. Frames have Arrow-backed types."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self._object: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what ``wsktrace diff --format json`` prints."""
        if self._object is None:
            self._object = as_object(self.comparison)
        return self._object

    @property
    def latency(self) -> pd.DataFrame:
        """Quantiles of durations: op, leg, quantile, of both traces with their ratio, its interval and a verdict."""
        return _frame(self.to_json()["latency"], (*self.comparison.by, *_SHIFT, "p", "longer", "verdict"))

    @property
    def sockets(self) -> pd.DataFrame:
        """Quantiles of the lifetimes of sockets by category, as in ``latency``."""
        return _frame(self.to_json()["sockets"], ("category", *_SHIFT, "p", "longer", "verdict"))

    @property
    def findings(self) -> pd.DataFrame:
        """Findings by fingerprint: how many in A and B, and ``change``: new, first seen, kept, not seen, gone."""
        return _frame(self.to_json()["findings"], ("rule", "verdict", "severity", "party", "fingerprint", "change"))

    @property
    def rules(self) -> pd.DataFrame:
        """How often each rule was judged how: fail, pass and unknown in A and in B; null where it was not judged."""
        names = [f"{side}_{word}" for side in ("a", "b") for word in ("fail", "pass", "unknown")]
        rows = []
        for one in self.comparison.rules:
            figures = [figure for side in (one.a, one.b) for figure in (side or (None, None, None))]
            rows.append({"rule": one.rule, **dict(zip(names, figures, strict=True))})
        return _frame(rows, ("rule", *names))

    @property
    def counts(self) -> pd.DataFrame:
        """Operations, IRPs by outcome, sockets by kind, losses: how many, and how many a second."""
        return _frame(self.to_json()["counts"], ("kind", "name", "a", "b", "a_per_s", "b_per_s"))

    def __repr__(self) -> str:
        return render_text(self.comparison).rstrip()

    def _repr_html_(self) -> str:
        return card(self.comparison)


def _frame(rows: list[dict[str, Any]], names: tuple[str, ...]) -> pd.DataFrame:
    """Return rows as a frame; ``names`` are the columns that one without rows has, too."""
    import pandas as pd
    import pyarrow as pa

    columns = list(rows[0]) if rows else list(names)
    table = pa.table({name: pa.array([row[name] for row in rows]) for name in columns})
    return table.to_pandas(types_mapper=pd.ArrowDtype)
