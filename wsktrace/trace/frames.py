"""Data frames that show themselves as cards in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsktrace.facts import TraceFacts

__all__ = ["FindingsFrame"]


class FindingsFrame(pd.DataFrame):
    """The table ``findings``. Whatever is made of it, a row, a part, a copy, is a plain data frame."""

    _facts_of: Callable[[], TraceFacts] | None = None

    @classmethod
    def of(cls, frame: pd.DataFrame, facts: Callable[[], TraceFacts]) -> Self:
        """Return the frame of a trace's findings; ``facts`` are asked for by the card alone."""
        made = cls(frame)
        made._facts_of = facts
        return made

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        from wsktrace.report.cards.trace import findings_card
        from wsktrace.report.trust import trust

        return findings_card(self._rows(), trust(self._facts_of()) if self._facts_of is not None else [])

    def _rows(self) -> list[dict[str, Any]]:
        names = ["finding_id", "rule", "verdict", "severity", "message", "ignored"]
        held: dict[str, list[Any]] = {name: [None if v is pd.NA else v for v in self[name]] for name in names}
        held["time"] = self["time"].astype("int64[pyarrow]").tolist()
        return [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]
