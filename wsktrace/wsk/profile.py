"""A profile says how a driver's events become operations, and which limits the rules use for it.

It is a TOML file; this module reads it into typed structs with msgspec, so that a typo is answered with its place.
"""

from __future__ import annotations

import functools
import re
import tomllib
from importlib import resources
from pathlib import Path

import msgspec

from wsktrace.errors import FormatError, UsageError
from wsktrace.wsk.constants import CATEGORIES, WSK_FLAG_BASIC_SOCKET
from wsktrace.wsk.operations import CODES, OPS

__all__ = ["Profile", "Provider", "Thresholds", "load_profile"]

#: Category that has a client dispatch table → its Flags.
_FLAGS = {name: flags for flags, name in CATEGORIES.items() if flags != WSK_FLAG_BASIC_SOCKET}
_OFFSET = re.compile(r"0[xX][0-9a-fA-F]{1,8}")


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ETW provider that the profile speaks of."""

    name: str
    guid: str


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of rules, seconds.

    How long something may take: the completion after an error return, a close, WskDeregister, the close after a socket
    was forced closed, a graceful disconnect, requests behind the completion of their socket's close, the wait of
    WskCaptureProviderNPI in DriverEntry.
    """

    error_completion_s: float = 1.0
    close_s: float = 10.0
    deregister_s: float = 10.0
    forced_close_s: float = 5.0
    disconnect_s: float = 30.0
    drained_s: float = 0.05
    capture_wait_s: float = 10.0


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a driver's events become operations, and the limits of the rules.

    ``dispatch`` says which client dispatch table lies where in the driver's image: offset in hexadecimal → category.
    """

    name: str
    title: str
    provider: Provider
    order_tolerance_ms: float = 1.0
    deadlines_s: dict[str, float] = {}
    thresholds: Thresholds = Thresholds()
    dispatch: dict[str, str] = {}

    @property
    def dispatch_kinds(self) -> dict[int, int]:
        """Offset of each client dispatch table in the driver's image → Flags of its category."""
        return {int(offset, 16): _FLAGS[kind] for offset, kind in self.dispatch.items()}

    def deadline_s(self, code: int) -> float:
        """Return how long an IRP of that operation may stay pending, seconds; 0 is without limit."""
        op = OPS[code]
        return self.deadlines_s.get(op.name, op.deadline_s)


@functools.cache
def load_profile(name: str = "native") -> Profile:
    """Load a profile by its name (one that wsktrace brings) or by the path of a TOML file.

    Raises ``UsageError`` where there is none of that name, ``FormatError`` with the place of the mistake.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"no profile file {name}; name one that exists, or a built-in profile: native")
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"profile {name}: not UTF-8 text; a profile is a TOML file") from None
        except OSError as error:
            raise UsageError(f"profile {name} cannot be read: {error.strerror}") from None
    else:
        entry = resources.files("wsktrace.wsk") / "profiles" / f"{name}.toml"
        if not entry.is_file():
            raise UsageError(f"no profile named {name!r}; built-in: native; or give the path of a .toml file")
        text = entry.read_text("utf-8")
    try:
        profile = msgspec.convert(tomllib.loads(text), Profile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise FormatError(f"profile {name}: {error}") from None
    unknown = sorted(set(profile.deadlines_s) - set(CODES))
    if unknown:
        raise FormatError(f"profile {name}: [deadlines_s] names unknown operations: {', '.join(unknown)}")
    for offset, kind in profile.dispatch.items():
        if not _OFFSET.fullmatch(offset) or kind not in _FLAGS:
            raise FormatError(
                f"profile {name}: [dispatch] {offset} = {kind}: it names offsets in the driver's image (0x3040) "
                f"and the kind of table there: {', '.join(_FLAGS)}"
            )
    return profile
