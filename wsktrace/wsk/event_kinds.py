"""Kinds of events by name, as rules say what must be traced for them: "WskBind", "WskBind return", "calls return".

Source: the native provider's event list; which operation has which phases.
"""

from __future__ import annotations

import functools

from wsktrace.errors import UsageError
from wsktrace.wsk.operations import OPS, Phase

__all__ = ["EVENT_KINDS", "expand", "kind_name"]

_RETURNS = (Phase.RETURN, Phase.COMPLETE_RETURN, Phase.CALLBACK_RETURN)
#: Operations that are one moment only.
_FACTS = {"ProviderState", "WskTransport"}


def _phases(name: str, level: str) -> tuple[Phase, ...]:
    if name == "IrpComplete":
        return Phase.COMPLETE, Phase.COMPLETE_RETURN
    if name in _FACTS or (level == "irp" and name != "IrpWait"):
        return (Phase.FACT,)
    if level == "callback":
        return Phase.CALLBACK, Phase.CALLBACK_RETURN
    more = (Phase.FACT,) if name == "WskControlSocket" else ()
    return Phase.ENTER, Phase.RETURN, *more


#: Every kind of event of the native provider: (operation's name, phase), in the provider's order.
EVENT_KINDS: tuple[tuple[str, Phase], ...] = tuple((op.name, p) for op in OPS for p in _phases(op.name, op.level))


def kind_name(name: str, phase: Phase) -> str:
    """Return how a kind is named: the operation, and "return" or "output" where it is not its beginning."""
    if phase in _RETURNS:
        return f"{name} return"
    return f"{name} output" if name == "WskControlSocket" and phase == Phase.FACT else name


def _classes() -> dict[str, tuple[str, ...]]:
    calls = {level: tuple(op.name for op in OPS if op.level == level and op.name not in _FACTS) for level in _LEVELS}
    return {
        "calls": calls["client"] + calls["socket"],
        "client calls": calls["client"],
        "socket calls": calls["socket"],
        "registration calls": calls["registration"],
        "creations": tuple(op.name for op in OPS if op.creates),
        "callbacks": calls["callback"],
    }


_LEVELS = ("registration", "client", "socket", "callback")
_CLASSES = _classes()
_BY_NAME = {kind_name(*kind): kind for kind in EVENT_KINDS}


@functools.cache
def expand(words: tuple[str, ...]) -> frozenset[tuple[str, Phase]]:
    """Return the kinds that the words name.

    A word is a kind's name, or a class ("calls", "client calls", "socket calls", "registration calls", "creations",
    "callbacks"), with " return" for the ends. ``UsageError`` for a word that names nothing.
    """
    found: set[tuple[str, Phase]] = set()
    for word in words:
        stem = word.removesuffix(" return")
        names = [name + word[len(stem) :] for name in _CLASSES[stem]] if stem in _CLASSES else [word]
        for name in names:
            if name not in _BY_NAME:
                raise UsageError(f"no kind of event is named {name!r}")
            found.add(_BY_NAME[name])
    return frozenset(found)
