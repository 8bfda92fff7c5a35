"""How a report was made: by which wsktrace from which file, with which profile, limits, symbols and command."""

from __future__ import annotations

import hashlib
import platform
import shlex
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsktrace.units import time_text
from wsktrace.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsktrace.facts import TraceFacts

__all__ = ["Provenance", "profile_sha256", "provenance"]

#: Options of ``wsktrace.open`` that change what is found → how a report names them.
_CHOICES = {"select": "only the rules", "ignore": "without the rules", "unknown": "unknown", "notes": "notes"}


@dataclass(frozen=True, slots=True)
class Provenance:
    """What somebody needs to make the same report again. Times are ns UTC since 1970; no time of making is kept."""

    version: str
    python: str
    file: str
    size: int
    sha256: str
    start_ns: int | None
    end_ns: int | None
    profile: str
    #: SHA-256 of the profile's file, in hexadecimal; empty where it is not known
    profile_sha256: str = ""
    #: limits other than the profile's: (name, value)
    limits: tuple[tuple[str, float], ...] = ()
    symbols: tuple[str, ...] = ()
    baseline: str = ""
    #: rules chosen and left out: (how, which)
    choices: tuple[tuple[str, str], ...] = ()
    #: words of the command line; empty where it was made from Python
    command: tuple[str, ...] = ()
    #: those words that name files
    names: frozenset[str] = frozenset()
    #: whether the options of the judging are known; they are not where tables were loaded
    known: bool = True

    def items(self) -> list[tuple[str, str]]:
        """Return (label, value) as people read them, in order."""
        limits = ", ".join(f"{name} = {value:g}" for name, value in self.limits)
        judged = "not known: the tables were exported by an earlier run"
        return [
            ("wsktrace", self.version),
            ("Python", self.python),
            ("trace", self.file),
            ("size", f"{self.size:,} bytes"),
            ("SHA-256 of the trace", self.sha256 or "not known"),
            ("recorded from", time_text(self.start_ns) or "not known"),
            ("recorded until", time_text(self.end_ns) or "not known"),
            ("profile", self.profile),
            ("SHA-256 of the profile", self.profile_sha256 or "not known"),
            ("limits changed", limits or ("none" if self.known else judged)),
            ("symbols given", ", ".join(self.symbols) or ("none" if self.known else judged)),
            ("baseline", self.baseline or ("none" if self.known else judged)),
            *((f"option {how}" if which == "yes" else how, which) for how, which in self.choices),
            ("command", shlex.join(self.command) if self.command else "called from Python"),
        ]


def provenance(
    facts: TraceFacts,
    given: Mapping[str, Any] | None = None,
    *,
    command: Sequence[str] = (),
    names: frozenset[str] = frozenset(),
) -> Provenance:
    """Return how a report of a trace is made.

    Args:
        facts: of the trace.
        given: the arguments of ``wsktrace.open``; None where they are not known, as of loaded tables.
        command: the words of the command line; empty where it is called from Python.
        names: those of them that name files.
    """
    held = dict(given or {})
    choices: list[tuple[str, str]] = []
    for option, how in _CHOICES.items():
        value = held.get(option)
        if value:
            choices.append((how, "yes" if value is True else ", ".join(map(str, value))))
    return Provenance(
        version=__version__,
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        file=facts.file,
        size=facts.size,
        sha256=facts.sha256,
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        profile=str(held.get("profile", facts.profile)),
        profile_sha256=profile_sha256(str(held["profile"])) if "profile" in held else "",
        limits=tuple((str(name), float(value)) for name, value in dict(held.get("limits") or {}).items()),
        symbols=tuple(str(path) for path in held.get("symbols") or ()),
        baseline=str(held.get("baseline") or ""),
        choices=tuple(choices),
        command=tuple(command),
        names=names,
        known=given is not None,
    )


def profile_sha256(name: str) -> str:
    """Return the SHA-256 of a profile's file, built-in or by path, in hexadecimal; empty where it is gone."""
    try:
        if name.endswith(".toml"):
            data = Path(name).read_bytes()
        else:
            data = (resources.files("wsktrace.wsk") / "profiles" / f"{name}.toml").read_bytes()
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(data).hexdigest()
