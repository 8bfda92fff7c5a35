"""Text from a trace made harmless where markup is read: in Markdown and in HTML."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from wsktrace.units import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["html", "markdown", "markdown_row"]

_SPECIAL = {ord(c): f"&#{ord(c)};" for c in "\\`*_{}[]()<>!|~&\"'$"}
#: mentions and issues are looked for in what has been rendered, so an entity alone would not do
_SPECIAL |= {ord(c): f"&#{ord(c)};\u200b" for c in "@#"}
#: an underscore that no Markdown takes for emphasis: names stay legible in the source (CommonMark 0.31, 6.2)
_WITHIN = re.compile(r"(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])")
#: what makes a link of a word
_LINKS = re.compile(r"(?<=www)\.|:(?=//)", re.IGNORECASE)


def markdown(text: object) -> str:
    """Return text for Markdown and HTML alike: special characters as entities, control characters as escapes.

    It is then text: no markup, no HTML, no link, no mention of anybody.
    """
    plain = "_".join(part.translate(_SPECIAL) for part in _WITHIN.split(clean(text)))
    return _LINKS.sub(lambda found: f"&#{ord(found[0])};", plain)


def markdown_row(cells: Iterable[object]) -> str:
    """Return a row of a Markdown table, every cell escaped."""
    return f"| {' | '.join(map(markdown, cells))} |"


def html(text: object) -> str:
    """Return text such that it is neither markup nor control characters."""
    return escape(clean(text), quote=True)
