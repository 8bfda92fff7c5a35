"""The registry: importing this module declares every rule, in the order of the contract's families."""

from __future__ import annotations

from wsktrace.rules import callbacks, creation, creation_unused, descriptors, irps, irql, sockets, status
from wsktrace.rules.rule import RULES, SHAPES, Rule, select

__all__ = ["FAMILIES", "RULES", "SHAPES", "Rule", "select"]

#: Families of rules, in the order in which they are shown: module name → title. Two modules may share one title.
FAMILIES: dict[str, str] = {
    module.__name__.rpartition(".")[2]: title
    for module, title in (
        (descriptors, "Security descriptors"),
        (status, "Statuses and Information"),
        (irps, "Ownership of IRPs"),
        (irql, "IRQL"),
        (creation, "Creation of sockets"),
        (creation_unused, "Creation of sockets"),
        (callbacks, "Event callbacks"),
        (sockets, "Life of sockets"),
    )
}

# imports are sorted by name; the rules stand as their families do
_declared = sorted(RULES.items(), key=lambda entry: list(FAMILIES).index(entry[1].family))
RULES.clear()
RULES.update(_declared)
