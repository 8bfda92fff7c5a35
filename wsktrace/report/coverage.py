"""How much the rules could decide, why not more, and which events would decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsktrace.report.words import REASONS
from wsktrace.units import count_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ADVICE", "coverage_lines", "coverage_object", "reasons", "undecided", "wanted_events"]

#: Reason → what to do about it when the next trace is taken.
ADVICE: dict[str, str] = {
    "U-CAP": "trace what is named below; enable all keywords and level 5, with a header that writes every field",
    "U-START": "start the session before the driver is loaded",
    "U-LOST": "lose no events: more and larger buffers",
    "U-ORDER": "use a header of the provider that writes Seq",
    "U-ALIAS": "trace from the driver's load on, with creations, completions and frees",
    "U-END": "stop the session later, after the driver was unloaded",
}


def reasons(row: dict[str, Any]) -> dict[str, int]:
    """Return reason → how many instances of a rule it leaves unknown, the most frequent first."""
    held = {reason: row[reason.lower().replace("-", "_")] for reason in REASONS}
    return {reason: count for reason, count in sorted(held.items(), key=lambda pair: -pair[1]) if count}


def never_seen(row: dict[str, Any]) -> list[str]:
    """Return the kinds of events that a rule needs and that the trace never shows."""
    return row["never_seen"].split(", ") if row["never_seen"] else []


def undecided(row: dict[str, Any]) -> bool:
    """Whether a rule left something open: instances unknown, or none at all to judge."""
    return bool(row["unknown"]) or not row["checked"]


def wanted_events(rules: Iterable[dict[str, Any]]) -> tuple[dict[str, list[str]], list[str]]:
    """Return (kind of event that the trace never shows → undecided rules that need it, the other kinds not shown).

    The kinds that most rules need come first.
    """
    wanted: dict[str, list[str]] = {}
    others: dict[str, None] = {}
    for row in rules:
        for kind in never_seen(row):
            if undecided(row):
                wanted.setdefault(kind, []).append(row["rule"])
            else:
                others[kind] = None
    ordered = dict(sorted(wanted.items(), key=lambda pair: -len(pair[1])))
    return ordered, [kind for kind in others if kind not in wanted]


def coverage_object(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the coverage as an object that JSON can hold."""
    wanted, others = wanted_events(rules)
    return {
        "rules": {
            row["rule"]: {
                "checked": row["checked"],
                **{name: row[name] for name in ("pass", "fail", "unknown", "note")},
                "reasons": reasons(row),
                "never_seen": never_seen(row),
            }
            for row in rules
        },
        "would_decide": [{"event": kind, "rules": held} for kind, held in wanted.items()],
        "never_seen": others,
    }


def coverage_lines(rules: list[dict[str, Any]]) -> list[str]:
    """Return the coverage as lines of text: a table of the rules, then what would decide more."""
    lines = [f"  {'rule':<34} {'checked':>10} {'pass':>10} {'fail':>6} {'unknown':>10}  why unknown"]
    for row in rules:
        why = ", ".join(f"{reason} {count:,}" for reason, count in reasons(row).items())
        why = why or ("" if row["checked"] else "nothing to judge")
        counts = f"{row['checked']:>10,} {row['pass']:>10,} {row['fail']:>6,} {row['unknown']:>10,}"
        lines.append(f"  {row['rule']:<34} {counts}  {why}".rstrip())
    total: dict[str, list[str]] = {}
    for row in rules:
        for reason in reasons(row):
            total.setdefault(reason, []).append(row["rule"])
    wanted, others = wanted_events(rules)
    if total:
        lines += ["", "  What leaves rules undecided"]
        for reason, held in sorted(total.items(), key=lambda pair: -len(pair[1])):
            lines.append(f"    {reason}  {count_text(len(held), 'rule')}: {REASONS[reason]}; {ADVICE[reason]}")
    if wanted:
        lines += ["", "  Events that the trace never shows"]
        lines += [
            f"    trace {_plural(kind)} to decide {count_text(len(held), 'rule')}: {_few(held)}"
            for kind, held in wanted.items()
        ]
    if others:
        lines += ["", f"  Never shown, and nothing is undecided for want of them: {', '.join(others)}"]
    return lines


def _plural(kind: str) -> str:
    """Return the kind in the plural, as one would ask for it."""
    return f"{kind}s" if kind.endswith(("return", "output")) else f"{kind} events" if kind.endswith("Event") else kind


def _few(held: list[str]) -> str:
    return ", ".join(held[:4]) + (f" and {len(held) - 4} more" if len(held) > 4 else "")
