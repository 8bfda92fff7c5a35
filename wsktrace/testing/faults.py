"""Faults: each breaks one rule, once, in a driver that otherwise keeps all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from wsktrace.errors import UsageError
from wsktrace.testing.driver import Traffic, busy
from wsktrace.testing.fault_catalogue import FAULTS, Variant
from wsktrace.testing.legal import careful
from wsktrace.testing.script import Script, fragment, run_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsktrace.testing.draft import Fragment

__all__ = ["FAULTS", "Expected", "fault_fragment", "fault_script", "inject", "inject_many"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be found.

    Attributes:
        rule: the rule whose verdict is fail, exactly once.
        irps: addresses of the IRPs that the finding may name; empty: it need not name any; 0 among them: nor here.
        socket: address of the socket it is about, 0 where none or where it need not be named.
        subject: address of the descriptor, dispatch table, context or client it is about, 0 where none.
        follows: rules that may fail besides, as consequences.
    """

    rule: str
    irps: frozenset[int]
    socket: int
    subject: int
    follows: frozenset[str]

    def fits(self, irp: int, socket: int, subject: int = 0) -> bool:
        """Tell whether a finding of the rule names the right things (0 where it names none).

        An IRP and a socket that are expected may not be others, and something that is expected must be named.
        """
        pairs = [(irp, self.irps - {0}), (socket, {self.socket} - {0})]
        agrees = [named in wanted for named, wanted in pairs if named and wanted]
        if self.subject and self.subject == subject:
            agrees.append(True)
        return all(agrees) and (bool(agrees) or not any((self.irps - {0}, self.socket, self.subject)))


def _variant(rule: str, number: int) -> Variant:
    try:
        return FAULTS[rule][number]
    except (KeyError, IndexError):
        raise UsageError(f"there is no fault {number} of rule {rule!r}; the rules are {', '.join(FAULTS)}") from None


def _expected(rule: str, variant: Variant, names: Mapping[str, int]) -> Expected:
    return Expected(
        rule,
        frozenset(names[irp] if irp else 0 for irp in variant.irps),
        names[variant.socket] if variant.socket else 0,
        names[variant.subject] if variant.subject else 0,
        frozenset(variant.follows),
    )


def fault_script(rule: str, number: int = 0) -> tuple[Script, Expected]:
    """Return the trace of a driver that does nothing but break the rule, and what must be found in it."""
    variant = _variant(rule, number)
    script = run_script(f"driver\n{careful(variant.script)}\n{'unload' if variant.unloads else ''}")
    script = replace(script, options=replace(script.options, **variant.settings))
    return script, _expected(rule, variant, script.names)


def fault_fragment(rule: str, number: int = 0) -> Fragment:
    """Return what breaks the rule, to be played among other traffic."""
    variant = _variant(rule, number)
    made = fragment(careful(variant.script))
    made.keep = True
    made.fresh = frozenset({variant.subject, "X"})
    return made


def inject(
    rule: str, seed: int, number: int | None = None, *, sockets: int = 12, **how: Any
) -> tuple[Traffic, Expected]:
    """Return busy, otherwise legal traffic in which the rule is broken once, and what must be found in it.

    Args:
        rule: its id.
        seed: decides the traffic, and the way to break the rule where ``number`` is None.
        number: which of ``FAULTS[rule]``.
        sockets: stories told besides.
        how: further arguments of ``busy``.
    """
    number = Random(seed).randrange(len(FAULTS[rule])) if number is None else number  # noqa: S311
    traffic, expected = inject_many([(rule, number)], seed, sockets=sockets, **how)
    return traffic, expected[0]


def inject_many(
    faults: Iterable[tuple[str, int]], seed: int, *, sockets: int = 12, **how: Any
) -> tuple[Traffic, list[Expected]]:
    """Return busy traffic in which several rules are broken, (rule, number of the way) each, and what must be found."""
    chosen = [(rule, _variant(rule, number), fault_fragment(rule, number)) for rule, number in faults]
    unload = all(variant.unloads for _, variant, _ in chosen)
    settings = {name: value for _, variant, _ in chosen for name, value in variant.settings.items()}
    extras = [made for _, _, made in chosen]
    traffic = busy(seed, sockets=sockets, extras=extras, unload=unload, settings=settings, **how)
    found = [_expected(rule, variant, names) for (rule, variant, _), names in zip(chosen, traffic.names, strict=True)]
    return traffic, found
