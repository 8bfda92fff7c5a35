"""Rules about arguments of creation and of the calls that follow: addresses, flags, dispatch tables."""

from __future__ import annotations

FAMILY = "creation"
