"""Rules about memory that WSK was given: contexts, tables, buffers."""

from __future__ import annotations

FAMILY = "memory"
