"""Lines for terminals: colours, and sentences on as many lines as they need."""

from __future__ import annotations

import re
import textwrap

__all__ = ["WIDTH", "paint", "wrapped"]

#: Characters of a line, where it is a sentence and nothing says how wide the terminal is.
WIDTH = 110

#: What is said → codes of ECMA-48, "select graphic rendition".
_COLOURS = {
    "error": "31", "warning": "33", "info": "36", "suspect": "35", "unknown": "35", "note": "36", "message": "36",
    "good": "32", "title": "1", "faint": "2",
}  # fmt: skip
_FIGURE = re.compile(r"(\d) (ns|µs|ms|s|min|h|d|bytes)\b")


def paint(text: str, how: str, *, colour: bool = True) -> str:
    """Return text in the colour of ``how``: a severity, ``title``, ``faint`` …; as it is where not ``colour``."""
    if not colour or how not in _COLOURS or not text.strip():
        return text
    return f"\x1b[{_COLOURS[how]}m{text}\x1b[0m"


def wrapped(text: str, width: int = WIDTH, *, indent: int = 0, break_words: bool = False) -> list[str]:
    """Return a sentence on lines of at most ``width`` characters; a figure stays with its unit.

    ``indent`` is that of all lines but the first; words that are longer than a line are cut if ``break_words``.
    """
    held = _FIGURE.sub("\\1\u00a0\\2", text)
    lines = textwrap.wrap(
        held, width, subsequent_indent=" " * indent, break_long_words=break_words, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]
