"""Which events the options of the command line ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["filters"]


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose events; they come as the arguments of ``EventFilter.of``."""
    several: dict[str, Any] = {"multiple": True}
    for decorate in (
        click.option("--tid", "tids", **several, metavar="N", help="Only of this thread."),
        click.option("--pid", "pids", **several, metavar="N", help="Only of this process (0x for hexadecimal)."),
        click.option("--grep", metavar="REGEX", help="Only events in whose text this is found."),
        click.option("--until", metavar="TIME", help="Up to here, as --since; that time itself is not included."),
        click.option("--since", metavar="TIME", help="From here: 2026-11-20T14:02:11.5Z, 14:02, +1.5 (s from start)."),
        click.option("--level", metavar="LEVEL", help="This level and more severe: error, warning, information, 4."),
        click.option("--id", "ids", **several, metavar="N", help="Only with this id or message number: 12, 10-19."),
        click.option("--name", "names", **several, metavar="NAME", help="Only events, or WPP functions, of this name."),
        click.option("--provider", "providers", **several, metavar="NAME", help="Only of this provider: name or GUID."),
    ):
        function = decorate(function)
    return function
