"""What a redacted account must not say."""

from __future__ import annotations

import re
from typing import Any

from wsktrace.schema import TABLES
from wsktrace.units import address_text


def numbers(trace: Any, *kinds: str) -> set[int]:
    """Return the values of all columns of a type or name, but null and 0."""
    found: set[int] = set()
    for table in TABLES.values():
        for column in table.columns:
            if column.type in kinds or column.name in kinds:
                found.update(v for v in trace.arrow(table.name).column(column.name).to_pylist() if v)
    return found


def forms(address: int) -> list[str]:
    text = address_text(address)
    held = [text, text.replace("`", ""), f"{address:x}", f"{address:#x}", f"{address:016x}", str(address)]
    return [form for form in held if len(form) > 6]


def leaks(text: str, trace: Any, *names: str) -> list[str]:
    """Return which addresses, thread and process ids above 999 and names a text says."""
    low = text.lower()
    found = [address_text(a) for a in numbers(trace, "address") if any(form in low for form in forms(a))]
    ids = numbers(trace, "tid", "complete_tid", "pid")
    found += [str(i) for i in ids if i > 999 and re.search(rf"(?<![\w.]){i}(?![\w.])", low)]
    return [*found, *(name for name in names if name.lower() in low)]
