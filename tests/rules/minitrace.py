"""The mini-traces of the rule pages: how they are found, played and compared with what their fence expects.

The convention is described for readers in docs/reference/mini-traces.md.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wsktrace
from wsktrace.model.doubt import REASONS
from wsktrace.rules.registry import RULES
from wsktrace.rules.rule import SEVERITIES
from wsktrace.testing.script import Script, run_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PAGES", "Block", "Verdicts", "blocks", "judge", "judge_bytes"]

PAGES = Path(__file__).resolve().parents[2] / "docs" / "rules"
KINDS = ("fail", "pass", "unknown", "suspect", "note", "not-applicable")
_KEYS = ("count", "also", "irp", "socket", "severity")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced mini-trace: what it expects, and the script."""

    rule: str
    line: int
    kind: str
    reason: str | None
    options: dict[str, str]
    script: str

    @property
    def id(self) -> str:
        """Name for the test."""
        return f"{self.rule}:{self.line}:{self.kind}"


def blocks(rule: str, text: str) -> Iterator[Block]:
    """Yield the mini-traces of a page; ``ValueError`` where a fence says something that is not in the convention."""
    lines = text.splitlines()
    begin = None
    for at, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begin is None:
            begin = at
            continue
        words = lines[begin].removeprefix("```").split()
        if words[:1] == ["trace"]:
            yield _block(rule, begin + 1, words[1:], "\n".join(lines[begin + 1 : at]))
        begin = None
    if begin is not None:
        raise ValueError(f"{rule}: the fence in line {begin + 1} is never closed")


def _block(rule: str, line: int, words: list[str], script: str) -> Block:
    where = f"{rule}, line {line}"
    kind = words[0] if words else ""
    if kind not in KINDS:
        raise ValueError(f"{where}: {kind!r} is none of {', '.join(KINDS)}")
    plain = [word for word in words[1:] if "=" not in word]
    options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    reasoned = kind in ("unknown", "suspect")
    if len(plain) != reasoned or (reasoned and plain[0] not in REASONS.values()):
        raise ValueError(f"{where}: after unknown and suspect one reason follows, after the others none")
    strange = set(options) - set(_KEYS) or set(options.get("also", rule).split(",")) - set(RULES)
    strange |= set(options.get("severity", "info").split(",")) - set(SEVERITIES)
    if strange or ("count" in options and kind != "fail"):
        raise ValueError(f"{where}: not in the convention: {', '.join(sorted(strange)) or 'count'}")
    return Block(rule, line, kind, plain[0] if reasoned else None, options, script)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How a trace was judged: the findings (unknowns too) as rows, the counts by rule."""

    findings: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]
    names: dict[str, int] = field(default_factory=dict)

    def failing(self) -> set[str]:
        """Rules that have a fail."""
        return {rule for rule, count in self.counts.items() if count["fail"]}

    def of(self, rule: str, verdict: str) -> list[dict[str, Any]]:
        """Findings of a rule with that verdict."""
        return [f for f in self.findings if f["rule"] == rule and f["verdict"] == verdict]

    def words(self) -> str:
        """Everything that was found, for messages."""
        heads = [f"{f['verdict']} {f['severity']} {f['rule']} {f['reason'] or ''}" for f in self.findings]
        lines = [f"{head}: {f['message']}" for head, f in zip(heads, self.findings, strict=True)]
        for rule, count in self.counts.items():
            told = {name: count[name] for name in ("fail", "pass", "unknown", "suspect", "note") if count[name]}
            lines += [f"{rule}: {told}"] if told else []
        return "\n".join(lines)

    def check(self, rule: str, kind: str, reason: str | None = None, options: Mapping[str, str] = {}) -> list[str]:
        """Return what is not as expected, nothing where all is."""
        count = self.counts[rule]
        also = set(options["also"].split(",")) if "also" in options else set()
        wanted = also | ({rule} if kind == "fail" else set())
        wrong = [f"fails: {', '.join(sorted(self.failing())) or 'none'}"] if self.failing() != wanted else []
        if kind == "fail":
            number = int(options.get("count", "1"))
            found = self.of(rule, "fail")
            wrong += [f"{count['fail']} fails, not {number}"] if count["fail"] != number else []
        elif kind == "pass":
            found = []
            wrong += [] if count["pass"] and not count["unknown"] else ["it does not pass"]
        elif kind == "not-applicable":
            found = []
            judged = count["pass"] or count["unknown"]
            wrong += ["it applies"] if judged or not count["not_applicable"] else []
        elif kind == "note":
            found = self.of(rule, kind)
            wrong += [] if found else ["no note"]
        else:
            found = self.of(rule, kind)
            found = [f for f in found if f["reason"] == reason]
            wrong += [] if found else [f"no {kind} for {reason}"]
            wrong += ["it is a suspect"] if kind == "unknown" and count["suspect"] else []
        return wrong + self._details(found, options)

    def _details(self, found: list[dict[str, Any]], options: Mapping[str, str]) -> list[str]:
        wrong = []
        for key in ("irp", "socket", "severity"):
            if key in options:
                names = options[key].split(",")
                names = names * len(found) if len(names) == 1 else names
                expected = names if key == "severity" else [None if n == "NULL" else self.names[n] for n in names]
                if Counter(f[key] for f in found) != Counter(expected):
                    wrong.append(f"{key} is {[f[key] for f in found]}, not {expected}")
        return wrong


def judge(script: str | Script) -> Verdicts:
    """Play a script, write it as an .etl, read that and judge it."""
    played = run_script(script) if isinstance(script, str) else script
    return judge_bytes(played.etl(), played.names)


def judge_bytes(data: bytes, names: dict[str, int] | None = None) -> Verdicts:
    """Read an .etl and judge it."""
    with wsktrace.open(io.BytesIO(data), unknown=True, notes=True) as trace:
        findings = trace.arrow("findings").to_pylist()
        rows = trace.arrow("rules").to_pylist()
    return Verdicts(findings, {row.pop("rule"): row for row in rows}, names or {})
