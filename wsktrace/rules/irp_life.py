"""Rules about what a driver does with an IRP between its calls: reuse, free, cancel."""

from __future__ import annotations

FAMILY = "irps"
