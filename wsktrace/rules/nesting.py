"""Rules about what runs inside completion routines and callbacks."""

from __future__ import annotations

FAMILY = "irps"
