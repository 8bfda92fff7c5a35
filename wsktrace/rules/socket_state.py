"""Rules about what a socket's category and state allow: bound, connected, in its role."""

from __future__ import annotations

FAMILY = "sockets"
