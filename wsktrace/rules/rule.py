"""What a rule is: a declaration, a question over a life, and the instances it is asked of."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wsktrace.errors import UsageError
from wsktrace.wsk.event_kinds import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from wsktrace.rules.facts import Facts
    from wsktrace.rules.shapes import Answer

__all__ = ["LINKS", "RULES", "SEVERITIES", "SHAPES", "Instances", "Rule", "matching_rules", "rule", "select"]

SHAPES = {
    "L": "local: the fields of one event decide",
    "J": "join: the events of one submission decide together",
    "F": "forbidden follow: B after A with no C between",
    "P": "precedence: B needs an earlier A",
    "V": "liveness: A needs a later B",
    "C": "balance: a count of beginnings and ends",
    "I": "overlap: two intervals must not overlap",
}
SEVERITIES = ("info", "warning", "error")
#: What two findings have in common where one follows from the other.
LINKS = {
    "use": "the same use of an IRP",
    "irp": "the same address of an IRP",
    "socket": "the same socket",
    "subject": "the same address of what they are about",
    "load": "the same load of the driver",
}


@dataclass(slots=True)
class Instances:
    """The instances of a rule in one load: one row per judged operation, life or pair.

    ``row``: the world row at which it is judged. ``table`` and ``subject``: the life that is judged (index in the
    load's table; world row for operations). ``irp``, ``socket``: the use of an IRP and the socket that it is about, -1.
    ``evidence``: arrays of world rows, -1 where absent. ``tell``: a sentence for instance i. ``suspect``: whether a
    doubtful break is worth listing. ``outside``: instances outside the guard that are not in the arrays.
    ``kept`` such as certainly keep the rule and are not. ``outstanding``: rows of what was still going on, for i.
    """

    row: NDArray[np.integer[Any]]
    applies: NDArray[np.bool_]
    broken: Answer
    table: str
    subject: NDArray[np.integer[Any]]
    irp: NDArray[np.integer[Any]]
    socket: NDArray[np.integer[Any]]
    tell: Callable[[int], str]
    evidence: tuple[NDArray[np.integer[Any]], ...] = ()
    severity: NDArray[np.integer[Any]] | None = None
    suspect: NDArray[np.bool_] | None = None
    outside: int = 0
    kept: int = 0
    #: address to name where the subject is an operation
    about: NDArray[np.uint64] | None = None
    outstanding: Callable[[int], list[int]] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the contract, declared.

    ``severity`` is the highest that it can give; ``party`` whose duty it is; ``shape`` one letter of ``SHAPES``;
    ``source`` where the contract says so; ``needs`` which events and fields decide it, ``traced`` the kinds of
    events among these; ``sentence`` what it demands; ``doc`` the prose behind it, ``limits`` what can mislead it,
    ``advice`` what to do about a finding. ``follows``: rules whose findings its own may follow from → what both have
    in common (``LINKS``).
    ``legal``: what it tells is no break but a note.
    """

    id: str
    severity: str
    party: str
    shape: str
    source: str
    needs: str
    advice: str
    limits: str
    family: str
    sentence: str
    doc: str
    traced: tuple[str, ...]
    follows: dict[str, str]
    legal: bool
    judge: Callable[[Facts], Instances] = field(repr=False, compare=False)


#: Every rule by its id, in the order of the contract's families.
RULES: dict[str, Rule] = {}


def rule(
    id: str,  # noqa: A002 -- the field's own word
    *,
    severity: str,
    party: str,
    shape: str,
    source: str,
    needs: str,
    advice: str,
    traced: tuple[str, ...] = (),
    limits: str = "",
    follows: dict[str, str] | None = None,
    legal: bool = False,
) -> Callable[[Callable[[Facts], Instances]], Callable[[Facts], Instances]]:
    """Declare a rule. The docstring's first paragraph is its sentence, the rest its prose."""
    if severity not in SEVERITIES or shape not in SHAPES or party not in ("client", "provider", "instrumentation"):
        raise ValueError(f"{id}: unknown severity, shape or party")
    links = {f"WSK-{cause}": link for cause, link in (follows or {}).items()}
    if not set(links.values()) <= set(LINKS):
        raise ValueError(f"{id}: follows from others by one of {', '.join(LINKS)}")
    expand(traced)

    def declare(judge: Callable[[Facts], Instances]) -> Callable[[Facts], Instances]:
        text = inspect.cleandoc(judge.__doc__ or "")
        sentence, _, rest = text.partition("\n\n")
        name = f"WSK-{id}"
        if name in RULES or not sentence:
            raise ValueError(f"{name} is declared twice or has no sentence")
        RULES[name] = Rule(
            id=name,
            severity=severity,
            party=party,
            shape=shape,
            source=source,
            needs=needs,
            advice=advice,
            limits=limits,
            family=judge.__globals__.get("FAMILY", judge.__module__),
            sentence=re.sub(r"\s+", " ", sentence),
            doc=rest.strip(),
            traced=traced,
            follows=links,
            legal=legal,
            judge=judge,
        )
        return judge

    return declare


def select(chosen: tuple[str, ...] | None = None, ignored: tuple[str, ...] | None = None) -> Iterator[Rule]:
    """Yield the rules to judge: those chosen (all where none is), less those ignored.

    Ids are taken with or without ``WSK-``, in any case, and a prefix stands for all rules that begin with it.
    ``UsageError`` for a name that is no rule, with the nearest ones.
    """
    wanted = matching_rules(chosen) if chosen else set(RULES)
    unwanted = matching_rules(ignored) if ignored else set()
    yield from (found for name, found in RULES.items() if name in wanted and name not in unwanted)


def matching_rules(names: tuple[str, ...]) -> set[str]:
    """Return the ids of the rules that the names mean; ``UsageError`` as ``select`` says."""
    import difflib

    found: set[str] = set()
    for name in names:
        full = name.upper() if name.upper().startswith("WSK-") else f"WSK-{name.upper()}"
        hits = {full} if full in RULES else {known for known in RULES if known.startswith(f"{full}-")}
        if not hits:
            near = difflib.get_close_matches(full, RULES, n=3, cutoff=0.5)
            hint = f"; did you mean {', '.join(near)}?" if near else "; `wsktrace rule` lists them"
            raise UsageError(f"no rule named {name!r}{hint}")
        found |= hits
    return found
