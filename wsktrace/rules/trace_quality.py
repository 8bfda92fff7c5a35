"""Rules about the trace itself: losses, damage, clocks, and whether events keep the profile's word."""

from __future__ import annotations

FAMILY = "trace"
