"""Faults against the rules of the modules about irp arguments: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import Variant

__all__ = ["FAULTS"]

FAULTS: Final[dict[str, tuple[Variant, ...]]] = {}
