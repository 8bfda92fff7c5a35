"""Rules about the end of a socket: what is in progress, pending or forced."""

from __future__ import annotations

FAMILY = "sockets"
