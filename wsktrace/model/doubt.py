"""Doubt as a value: why the trace may not show what was so.

A doubt is a bit mask of the contract's U- reasons (wsk-contract 1.5). Zero means certain.
"""

from __future__ import annotations

__all__ = ["ALIAS", "CAP", "END", "LOST", "ORDER", "REASONS", "START", "reason_of"]

CAP = 1
START = 2
LOST = 4
ORDER = 8
ALIAS = 16
END = 32

#: Bit → reason, the one to name first where several hold.
REASONS: dict[int, str] = {
    CAP: "U-CAP",
    LOST: "U-LOST",
    START: "U-START",
    ALIAS: "U-ALIAS",
    ORDER: "U-ORDER",
    END: "U-END",
}


def reason_of(doubt: int) -> str | None:
    """Return the reason to name for a doubt, None for certainty."""
    for bit, reason in REASONS.items():
        if doubt & bit:
            return reason
    return None
