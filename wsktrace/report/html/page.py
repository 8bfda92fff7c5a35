"""The frame of HTML pages: templates that escape all they are given, and a policy that lets nothing be fetched."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from wsktrace.units import address_text, bytes_text, clean, clock_text, count_text, duration_text, span_text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page", "policy"]

#: Characters of a trace's text that a page shows before it cuts.
LONGEST = 2000


def page(template: str, **values: Any) -> str:
    """Return a template of ``report/html/templates`` filled in.

    Every value is text: control characters in it become visible escapes, then markup is escaped. ``css`` and ``js`` are
    added, and the policy that allows these two alone.
    """
    css, js = _source("report.css"), _source("report.js")
    return _environment().get_template(template).render(css=css, js=js, policy=policy(css, js), **values)


def policy(css: str, js: str) -> str:
    """Return the Content-Security-Policy that allows one style and one script, by their hashes, and no request."""
    return (
        f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(js)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _source(name: str) -> str:
    return (resources.files("wsktrace.report.html") / "templates" / name).read_text("utf-8").replace("\r\n", "\n")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
        auto_reload=False,
    )
    made.filters |= {
        "address": address_text,
        "bytes": bytes_text,
        "clock": clock_text,
        "count": lambda n: f"{n:,}",
        "duration": duration_text,
        "span": span_text,
        "day": lambda ns: clock_text(ns, date=True)[:-3],
        "noun": lambda n, word: word if n == 1 or word == "info" else word + "s",
        "offset": lambda ns: f"{'+' if ns >= 0 else '−'}{duration_text(abs(ns))}",
        "plural": count_text,
        "plural_of": lambda held, word: count_text(len(held), word),
        "dash": lambda value: "-" if value is None or value == "" else value,
    }
    return made


def _harmless(value: object) -> object:
    """Return text such that nothing in it is invisible or steers; markup that a template made stays as it is."""
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        text = value if value.isprintable() else clean(value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"
    return value
