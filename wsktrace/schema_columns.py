"""What a table is declared with: columns, and the kinds of columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Column", "Table", "address", "key", "ns", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``type`` is a type word, ``unit`` empty where there is none; null where a fact is not known."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, in a sentence, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the column of that name; ``KeyError`` where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}")


def key(name: str, meaning: str) -> Column:
    """Return a column of ids."""
    return Column(name, "uint64", meaning, nullable=False)


def time(name: str, meaning: str, *, nullable: bool = True) -> Column:
    """Return a column of times."""
    return Column(name, "time", meaning, "ns UTC", nullable)


def ns(name: str, meaning: str) -> Column:
    """Return a column of durations."""
    return Column(name, "int64", meaning, "ns")


def address(name: str, meaning: str) -> Column:
    """Return a column of addresses."""
    return Column(name, "address", meaning)
