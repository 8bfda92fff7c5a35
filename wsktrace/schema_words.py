"""Columns whose words are few and known: (table, column) → the words. What reads the tables counts on them."""

from __future__ import annotations

from typing import Final

__all__ = ["WORDS"]

_REASONS: Final = ("U-CAP", "U-START", "U-LOST", "U-ORDER", "U-ALIAS", "U-END")
_SEVERITIES: Final = ("error", "warning", "info")
_PARTIES: Final = ("client", "provider", "instrumentation")
_COMPLETIONS: Final = ("inline", "pended", "none_seen")
_OUTCOMES: Final = ("succeeded", "failed", "cancelled", "open", "unknown")

WORDS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("operations", "phase"): (
        "enter", "return", "complete", "complete_return", "callback", "callback_return", "fact",
    ),
    ("irps", "completion"): _COMPLETIONS,
    ("irps", "outcome"): _OUTCOMES,
    ("irps", "doubt"): _REASONS,
    ("sockets", "origin"): ("socket", "socket_connect", "accept", "accept_event", "adopted"),
    ("sockets", "category"): ("basic", "listen", "datagram", "connection", "stream"),
    ("sockets", "doubt"): _REASONS,
    ("descriptors", "doubt"): _REASONS,
    ("findings", "verdict"): ("fail", "suspect", "unknown", "note"),
    ("findings", "severity"): _SEVERITIES,
    ("findings", "party"): _PARTIES,
    ("findings", "reason"): _REASONS,
    ("findings", "subject_table"): ("irps", "sockets", "descriptors", "registrations", "operations"),
    ("rules", "severity"): _SEVERITIES,
    ("rules", "party"): _PARTIES,
    ("latency", "leg"): ("total", "pending", "call"),
}  # fmt: skip
