"""One IRP, one socket, one finding: objects that show themselves in terminals and notebooks.

Columns by ``subject["op"]``, what happened by ``.story``, rows of tables by ``.operations``, ``.irps``, ``.findings``.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from wsktrace.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from wsktrace.facts import TraceFacts
    from wsktrace.report.story.stories import Stories
    from wsktrace.report.story.told import Story

__all__ = ["Finding", "IrpUse", "Socket", "single"]

_MOST_NAMED = 8


class _Trace(Protocol):
    """What a subject needs of its trace."""

    def arrow(self, name: str) -> pa.Table: ...

    @property
    def stories(self) -> Stories: ...

    @property
    def summary(self) -> TraceFacts: ...


def single(trace: _Trace, table: str, which: int | str) -> int:
    """Return the one id that an id or address means; ``UsageError`` that names the uses where there are several."""
    found = trace.stories.uses(table, which)
    if len(found) == 1:
        return found[0]
    from wsktrace.arrow import matching
    from wsktrace.report.words import rows
    from wsktrace.units import clean, clock_text

    name, time = ("irp_id", "issue_time") if table == "irps" else ("socket_id", "open_time")
    held = rows(matching(trace.arrow(table), name, *found[:_MOST_NAMED]))
    told = ", ".join(f"{row[name]} ({clock_text(row[time])})" for row in held)
    more = f" and {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    raise UsageError(f"{clean(which)} was used {len(found):,} times; give an id: {told}{more}")


def _losses(trace: _Trace) -> list[str]:
    """Return what was lost or damaged in words, nothing where nothing was."""
    from wsktrace.report.trust import trust

    return trust(trace.summary)[:2] if trace.summary.losses else []


class _Subject:
    """A row of a table, with its story."""

    TABLE: ClassVar[str]
    KEY: ClassVar[str]

    def __init__(self, trace: _Trace, number: int) -> None:
        from wsktrace.arrow import matching
        from wsktrace.report.words import rows

        self._trace = trace
        held = trace.arrow(self.TABLE)
        chosen = rows(matching(held, self.KEY, number))
        if not chosen:
            what = self.TABLE.removesuffix("s")
            raise UsageError(f"no {what} {number}; there are {held.num_rows:,}, see trace.{self.TABLE}.{self.KEY}")
        self._row: dict[str, Any] = chosen[0]

    @property
    def id(self) -> int:
        """The id of its row."""
        number: int = self._row[self.KEY]
        return number

    def __getitem__(self, column: str) -> Any:
        """Return the value of a column of its table; times are ns UTC, None where not known."""
        return self._row[column]

    def keys(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._row)

    def _frame(self, table: str, column: str, *values: object) -> pd.DataFrame:
        from wsktrace.arrow import matching, to_pandas

        return to_pandas(matching(self._trace.arrow(table), column, *values))

    def _told(self) -> pd.DataFrame:
        """Return the operations of the story."""
        ids = (line.operation_id for line in self.story.lines)
        return self._frame("operations", "operation_id", *(number for number in ids if number is not None))

    @property
    def story(self) -> Story:
        """What happened, in order."""
        raise NotImplementedError


class _Life(_Subject):
    """A subject that findings are about: it shows itself as its story."""

    @property
    def findings(self) -> pd.DataFrame:
        """The findings about it."""
        return self._frame("findings", "finding_id", *self.story.findings)

    def __repr__(self) -> str:
        from wsktrace.report.story.text import text

        return text([self.story]).rstrip()

    def _repr_html_(self) -> str:
        from wsktrace.report.cards.subject import subject_card

        return subject_card(self.story, trusted=_losses(self._trace))


class IrpUse(_Life):
    """One use of an IRP: a call that was given it, its return and its completion."""

    TABLE, KEY = "irps", "irp_id"

    @cached_property
    def story(self) -> Story:
        """What happened to it, in order."""
        return self._trace.stories.irp(self.id)

    @property
    def operations(self) -> pd.DataFrame:
        """The operations that belong to it, and what was traced of the IRP before and after."""
        return self._told()


class Socket(_Life):
    """One socket from its creation to the end of its close."""

    TABLE, KEY = "sockets", "socket_id"

    @cached_property
    def story(self) -> Story:
        """What happened on it, in order; of a long life its begin, its end and the findings."""
        return self._trace.stories.socket(self.id)

    @property
    def operations(self) -> pd.DataFrame:
        """All operations of it."""
        return self._frame("operations", self.KEY, self.id)

    @property
    def irps(self) -> pd.DataFrame:
        """The uses of IRPs on it."""
        return self._frame("irps", self.KEY, self.id)


class Finding(_Subject):
    """One broken rule or suspect, with the operations that show it. ``finding["rule"]`` and so on give its columns."""

    TABLE, KEY = "findings", "finding_id"

    @cached_property
    def story(self) -> Story:
        """What happened around it, in order."""
        return self._trace.stories.finding(self.id)

    @property
    def evidence(self) -> pd.DataFrame:
        """The operations that show it, in order."""
        return self._frame("operations", "operation_id", *self._row["evidence"])

    @property
    def operations(self) -> pd.DataFrame:
        """The operations of its story."""
        return self._told()

    def __repr__(self) -> str:
        from wsktrace.units import clean

        return clean(f"<wsktrace.Finding {self._row['rule']} {self._row['verdict']}: {self._row['message']}>")

    def _repr_html_(self) -> str:
        from wsktrace.arrow import matching
        from wsktrace.report.cards.trace import finding_card
        from wsktrace.report.words import rows
        from wsktrace.rules.registry import RULES

        rule = RULES.get(self._row["rule"])
        sentence = rule.sentence if rule is not None else ""
        evidence = rows(matching(self._trace.arrow("operations"), "operation_id", *self._row["evidence"]))
        return finding_card(self._row, sentence=sentence, evidence=evidence, story=self.story)
