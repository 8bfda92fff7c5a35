"""What comes from a trace made harmless in Markdown, in HTML and in JSON, which terminals show as it is."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from wsktrace.units import clean, clean_json

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["html", "json_line", "json_text", "markdown", "markdown_row"]

#: one encoder for all: making one costs more than encoding a row
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
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


def json_text(held: Any) -> str:
    """Return an object as a JSON document that people can read, with its line end; ``ValueError`` for NaN."""
    return clean_json(json.dumps(held, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def json_line(held: Any) -> str:
    """Return an object as one line of JSON without its end; ``ValueError`` for NaN."""
    return clean_json(_ENCODE(held))
