"""Rules about the calls that carry security descriptors, beside the count of references."""

from __future__ import annotations

FAMILY = "descriptors"
