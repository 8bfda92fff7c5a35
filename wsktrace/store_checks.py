"""What a Parquet file must keep to be read as a table of wsktrace: the types, nulls and words that schema.py declares.

Anybody may have made a file. What reads the tables counts on what is checked here, and on nothing else: an id may name
a row that is not there, a time may be of any year.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.schema_words import WORDS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["too_many", "wrong_types", "wrong_values"]

#: Values that a byte on disk may stand for. Tables of a million operations have less than one in each column's bytes
#: and 0.05 in those of the file.
_DENSITY = 64
_ROOM = 1 << 20


def too_many(found: pq.FileMetaData, size: int) -> str:
    """Return what is wrong where so few bytes cannot hold so many values; empty where they can."""
    groups = (found.row_group(at) for at in range(found.num_row_groups))
    most = max(
        (sum(values) for values in zip(*(_counts(group) for group in groups), strict=True)), default=found.num_rows
    )
    most = max(most, found.num_rows)
    return "" if most <= _DENSITY * size + _ROOM else f"{most:,} values in {size:,} bytes"


def _counts(group: Any) -> list[int]:
    return [group.column(at).num_values for at in range(group.num_columns)]


def wrong_types(name: str, schema: pa.Schema) -> str:
    """Return the first column of another type than the table has; empty where there is none."""
    from wsktrace.arrow import arrow_schema

    for wanted in arrow_schema(name):
        held = schema.field(wanted.name).type
        if held != wanted.type:
            return f"{wanted.name} is of type {held}, not {wanted.type}"
    return ""


def wrong_values(name: str, table: pa.Table) -> str:
    """Return the first column with a null or a word that it cannot have; empty where there is none."""
    from wsktrace.arrow import arrow_schema

    for wanted in arrow_schema(name):
        values = table.column(wanted.name)
        if not wanted.nullable and values.null_count:
            return f"{wanted.name} lacks {values.null_count:,} values"
        if (known := WORDS.get((name, wanted.name))) is not None:
            strange = sorted({word for word in values.unique().to_pylist() if word is not None} - set(known))
            if strange:
                return f"{wanted.name} has the word {strange[0][:40]!r}"
    return ""
