"""Rules about how an IRP is prepared and what its completion routine returns."""

from __future__ import annotations

FAMILY = "irps"
