"""Rules about how event callbacks are enabled and disabled."""

from __future__ import annotations

FAMILY = "callbacks"
