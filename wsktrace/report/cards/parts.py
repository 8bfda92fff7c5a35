"""What cards for notebooks are made of: static HTML without scripts, every text escaped, at home on light and dark."""

from __future__ import annotations

from wsktrace.report.escaping import html as text

__all__ = ["COLOURS", "badge", "card", "cell", "faint", "grid", "text"]

COLOURS = {"error": "#D55E00", "warning": "#E69F00", "info": "#0072B2", "suspect": "#CC79A7", "good": "#009E73"}
_CARD = (
    "border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:10px 14px;"
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.45"
)
_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top;border:0;color:inherit;font-size:13px"
_MONO = "font-family:ui-monospace,Consolas,monospace"


def card(*parts: str, wide: bool = False) -> str:
    """Return a card with some parts; empty ones are left out. A wide one has room for a story."""
    width = "84em" if wide else "60em"
    return f'<div style="{_CARD};max-width:{width}">{"".join(part for part in parts if part)}</div>'


def grid(lines: str) -> str:
    """Return a table of rows."""
    style = "border-collapse:collapse;margin:2px 0 6px 0;border:0;color:inherit;font:inherit"
    return f'<table style="{style}">{lines}</table>'


def cell(html: str, *, mono: bool = False, fixed: bool = False) -> str:
    """Return a cell of a table."""
    style = _CELL + (f";{_MONO}" if mono else "") + (";white-space:nowrap" if fixed or mono else "")
    return f'<td style="{style}">{html}</td>'


def badge(word: str, colour: str) -> str:
    """Return a word in colour."""
    return f'<span style="color:{colour};font-weight:600">{text(word)}</span>'


def faint(html: str) -> str:
    """Return what is of less weight."""
    return f'<span style="opacity:.7">{html}</span>'
