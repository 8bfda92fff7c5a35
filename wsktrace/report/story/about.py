"""Which findings are about which IRP and socket, and which follow from which."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from wsktrace.report.words import worst_first

__all__ = ["About"]


class About:
    """Findings by what they are about, worst first.

    Args:
        findings: rows of ``findings``.
    """

    def __init__(self, findings: list[dict[str, Any]]) -> None:
        self._findings = worst_first(findings)

    def _by(self, table: str, column: str) -> dict[int, list[dict[str, Any]]]:
        held: dict[int, list[dict[str, Any]]] = {}
        for finding in self._findings:
            about = {finding[column]} | ({finding["subject_id"]} if finding["subject_table"] == table else set())
            for number in about - {None}:
                held.setdefault(number, []).append(finding)
        return held

    @cached_property
    def _by_irp(self) -> dict[int, list[dict[str, Any]]]:
        return self._by("irps", "irp_id")

    @cached_property
    def _by_socket(self) -> dict[int, list[dict[str, Any]]]:
        return self._by("sockets", "socket_id")

    @cached_property
    def _effects(self) -> dict[int, list[dict[str, Any]]]:
        held: dict[int, list[dict[str, Any]]] = {}
        for finding in self._findings:
            if finding["follows_from"] is not None:
                held.setdefault(finding["follows_from"], []).append(finding)
        return held

    def irp(self, irp_id: int) -> list[dict[str, Any]]:
        """Return the findings about a use of an IRP."""
        return self._by_irp.get(irp_id, [])

    def socket(self, socket_id: int) -> list[dict[str, Any]]:
        """Return the findings about a socket."""
        return self._by_socket.get(socket_id, [])

    def effects(self, finding_id: int) -> list[dict[str, Any]]:
        """Return the findings that follow from one."""
        return self._effects.get(finding_id, [])
