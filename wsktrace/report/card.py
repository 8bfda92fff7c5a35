"""Cards for notebooks: static HTML without scripts, every text escaped, at home on light and dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from wsktrace.report.console import trust
from wsktrace.report.words import REASONS, SEVERITIES, by_rule, pending, rows
from wsktrace.units import address_text, bytes_text, clean, clock_text, duration_text, span_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsktrace.report.facts import TraceFacts
    from wsktrace.report.words import Tables

__all__ = ["finding_card", "trace_card"]

#: Rules and pending IRPs that a card lists before it says how many more there are.
MOST_ROWS = 8

_COLOURS = {"error": "#D55E00", "warning": "#E69F00", "info": "#0072B2", "suspect": "#CC79A7", "good": "#009E73"}
_CARD = (
    "border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:10px 14px;max-width:60em;"
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.45"
)
_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top;border:0;color:inherit;font-size:13px"
_MONO = "font-family:ui-monospace,Consolas,monospace"


def trace_card(facts: TraceFacts, tables: Tables) -> str:
    """Return the card of a trace: what hangs, what is broken or suspect, how far to trust it, how much there is."""
    found = rows(tables("findings"))
    span = "" if facts.span_ns is None else f" · {span_text(facts.span_ns)}"
    start = "" if facts.start_ns is None else f" · {clock_text(facts.start_ns, date=True)[:-3]} UTC"
    counts = {name: tables(name).num_rows for name in ("irps", "sockets", "descriptors", "registrations")}
    told = " · ".join(f"{count:,} {name}" for name, count in {"operations": facts.judged, **counts}.items())
    judged = (
        _pending(facts, tables),
        _rules("Broken rules", by_rule(found, "fail"), nothing="No broken rule"),
        _rules("Suspects: broken if nothing is hidden", by_rule(found, "suspect"), nothing=""),
    )
    return _card(
        f"<div><b>{_text(facts.file)}</b> {_faint(bytes_text(facts.size) + start + span)}</div>",
        *(
            judged
            if facts.judged
            else ("<div><b>Nothing was judged: there is no WSK operation in this trace</b></div>",)
        ),
        f"<div>{_faint(_text(told))}</div>",
        f"<div>{_faint('<br>'.join(map(_text, trust(facts))))}</div>",
    )


def finding_card(finding: Mapping[str, Any], *, sentence: str = "", evidence: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return the card of a finding.

    Args:
        finding: a row of ``findings``, its time as ns.
        sentence: what the rule demands.
        evidence: the operations that show it, rows of ``operations`` with times as ns.
    """
    suspect = finding["verdict"] != "fail"
    colour = _COLOURS["suspect" if suspect else finding["severity"]]
    named = finding["subject_address"] in (finding["irp"], finding["socket"])
    badge = finding["verdict"] if suspect else finding["severity"]
    facts = {
        "when": clock_text(finding["time"], date=True) + " UTC",
        finding["subject_table"].removesuffix("s"): "" if named else _address(finding["subject_address"]),
        "IRP": _address(finding["irp"]),
        "socket": _address(finding["socket"]),
        "source": f"{finding['source_file']}:{finding['source_line']}" if finding["source_file"] else "",
        "not certain": f"{finding['reason']}: {REASONS.get(finding['reason'], '')}" if finding["reason"] else "",
        "duty of": "" if finding["party"] == "client" else finding["party"],
    }
    lines = "".join(f"<tr>{_cell(_faint(_text(k)))}{_cell(_text(v))}</tr>" for k, v in facts.items() if v)
    shown = [_operation(row) for row in evidence]
    return _card(
        f"<div>{_badge(badge, colour)} <b>{_text(finding['rule'])}</b></div>",
        f"<div>{_text(finding['message'])}</div>",
        f"<div>{_faint(_text(sentence))}</div>" if sentence else "",
        _grid(lines),
        f"<div><b>Operations that show it</b></div>{_grid(''.join(shown))}" if shown else "",
    )


def _operation(row: Mapping[str, Any]) -> str:
    """Return one operation as a line of a grid."""
    thread = "" if row["tid"] is None else f"thread {row['tid']}"
    cpu = "" if row["cpu"] is None else f"CPU {row['cpu']}"
    texts = [_cell(_text(t), mono=True) for t in (row["operation_id"], clock_text(row["time"]))]
    texts += [_cell(_text(t)) for t in (f"{row['op']} {row['phase']}", row["status_name"] or "", thread, cpu)]
    return f"<tr>{''.join(texts)}</tr>"


def _pending(facts: TraceFacts, tables: Tables) -> str:
    opened = pending(tables)
    if not opened.num_rows:
        return f"<div>{_badge('✓', _COLOURS['good'])} Nothing is pending at the end of the trace</div>"
    lines = [
        f"<tr>{_cell(_text(_age(facts, row['issue_time'])))}{_cell(_text(row['op']))}"
        f"{_cell(_text(address_text(row['irp'])), mono=True)}"
        f"{_cell(_text(clock_text(row['issue_time'])), mono=True)}</tr>"
        for row in rows(opened.slice(0, MOST_ROWS))
    ]
    return (
        f"<div><b>Still pending at the end: {opened.num_rows:,}</b></div>"
        f"{_grid(''.join(lines))}{_more(opened.num_rows - MOST_ROWS)}"
    )


def _age(facts: TraceFacts, issued: int) -> str:
    return "-" if facts.end_ns is None else duration_text(max(facts.end_ns - issued, 0))


def _rules(title: str, groups: dict[str, list[dict[str, Any]]], *, nothing: str) -> str:
    if not groups:
        return f"<div>{_badge('✓', _COLOURS['good'])} {_text(nothing)}</div>" if nothing else ""
    lines = []
    for rule, found in list(groups.items())[:MOST_ROWS]:
        suspect = found[0]["verdict"] != "fail"
        severity = min((f["severity"] for f in found), key=SEVERITIES.index)
        badge = "suspect" if suspect else severity
        cells = (_badge(badge, _COLOURS[badge]), f"<b>{_text(rule)}</b>", f"{len(found):,}×")
        line = "".join(_cell(cell, fixed=True) for cell in cells) + _cell(_text(found[0]["message"]))
        lines.append(f"<tr>{line}</tr>")
    total = sum(map(len, groups.values()))
    return (
        f"<div><b>{_text(title)}: {total:,}</b></div>{_grid(''.join(lines))}{_more(len(groups) - MOST_ROWS, 'rules')}"
    )


def _more(count: int, what: str = "") -> str:
    return f"<div>{_faint(f'… and {count:,} more {what}')}</div>" if count > 0 else ""


def _card(*parts: str) -> str:
    return f'<div style="{_CARD}">{"".join(part for part in parts if part)}</div>'


def _grid(lines: str) -> str:
    style = "border-collapse:collapse;margin:2px 0 6px 0;border:0;color:inherit;font:inherit"
    return f'<table style="{style}">{lines}</table>'


def _cell(html: str, *, mono: bool = False, fixed: bool = False) -> str:
    style = _CELL + (f";{_MONO}" if mono else "") + (";white-space:nowrap" if fixed or mono else "")
    return f'<td style="{style}">{html}</td>'


def _badge(text: str, colour: str) -> str:
    return f'<span style="color:{colour};font-weight:600">{_text(text)}</span>'


def _faint(html: str) -> str:
    return f'<span style="opacity:.7">{html}</span>'


def _address(address: int | None) -> str:
    return "" if not address else address_text(address)


def _text(value: object) -> str:
    """Return text such that it is neither markup nor control characters."""
    return escape(clean(value), quote=True)
