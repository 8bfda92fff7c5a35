"""Rules about what callbacks return, and what their returns oblige to."""

from __future__ import annotations

FAMILY = "callbacks"
