"""Root causes before consequences: which finding follows from which.

A rule declares the rules that its findings may follow from, and what both must have in common. A fail follows from a
fail only; what is doubtful may follow from either.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsktrace.rules.findings import Finding
    from wsktrace.rules.rule import Rule

__all__ = ["linked"]

#: Link → what must be equal; None: the finding has it not, so nothing follows by it.
_KEYS: dict[str, Callable[[Finding], object]] = {
    "use": lambda f: f.irp_id,
    "irp": lambda f: None if f.irp is None else (f.load, f.irp),
    "socket": lambda f: f.socket_id,
    "subject": lambda f: None if f.subject_address is None else (f.load, f.subject_address),
    "load": lambda f: f.load,
}
_CAUSING = ("fail", "suspect")


def linked(findings: Sequence[Finding], rules: dict[str, Rule]) -> list[Finding]:
    """Return the findings, in their order, each with the place of the one that it follows from.

    Of several that may be its cause it is the latest that is not later than the finding, or else the earliest.
    """
    if not findings:
        return []
    wanted = {(cause, link) for rule in rules.values() for cause, link in rule.follows.items()}
    causes: dict[tuple[str, str, object, bool], list[int]] = {}
    by_rule: dict[str, list[str]] = {}
    for cause, link in sorted(wanted):
        by_rule.setdefault(cause, []).append(link)
    for place, found in enumerate(findings):
        if found.verdict in _CAUSING:
            for link in by_rule.get(found.rule, ()):
                key = _KEYS[link](found)
                for failed in (True, False) if found.verdict == "fail" else (False,):
                    if key is not None:
                        causes.setdefault((found.rule, link, key, failed), []).append(place)
    return [_link(place, found, rules[found.rule].follows, causes) for place, found in enumerate(findings)]


def _link(
    place: int,
    found: Finding,
    follows: dict[str, str],
    causes: dict[tuple[str, str, object, bool], list[int]],
) -> Finding:
    best: int | None = None
    for cause, link in follows.items():
        held = causes.get((cause, link, _KEYS[link](found), found.verdict == "fail"))
        if held:
            chosen = held[max(bisect_right(held, place) - 1, 0)]
            best = chosen if best is None else _better(best, chosen, place)
    return found if best is None else replace(found, follows_from=best)


def _better(one: int, other: int, place: int) -> int:
    """Return the later of those that are not later than the place, else the earlier."""
    before = [p for p in (one, other) if p < place]
    return max(before) if before else min(one, other)
