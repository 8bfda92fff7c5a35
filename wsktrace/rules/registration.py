"""Rules about registration with WSK and the capture of its NPI."""

from __future__ import annotations

FAMILY = "registration"
