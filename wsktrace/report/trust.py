"""How far a trace can be trusted: what was lost or damaged, and what became of the file's bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsktrace.units import share_text

if TYPE_CHECKING:
    from wsktrace.facts import TraceFacts

__all__ = ["CONSEQUENCE", "trust"]

#: What losses do to verdicts.
CONSEQUENCE = "what is missing can turn a verdict into unknown or suspect, never into a broken rule"


def trust(facts: TraceFacts) -> list[str]:
    """Return what was lost or damaged, what follows from that, and what became of the file's bytes, a line each."""
    lost = " · ".join(facts.losses)
    if not facts.size:
        return [lost or "nothing is known to be lost"]
    parts = sorted(((n, s) for n, s in facts.bytes.items() if s), key=lambda pair: -pair[1])
    shares = " · ".join(f"{name.replace('_', ' ')} {share_text(size, facts.size)}" for name, size in parts)
    explained = sum(facts.bytes.values()) - facts.damaged_bytes
    bytes_told = f"{share_text(explained, facts.size)} of {facts.size:,} bytes explained: {shares}"
    return [lost, CONSEQUENCE, bytes_told] if lost else ["nothing lost, nothing damaged", bytes_told]
