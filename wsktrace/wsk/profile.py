"""A profile says how a driver's events become operations, and which limits the rules use for it.

It is a TOML file; this module reads it into typed structs with msgspec, so that a typo is answered with its place.
"""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from wsktrace.errors import FormatError, UsageError
from wsktrace.wsk.constants import CATEGORIES, WSK_FLAG_BASIC_SOCKET
from wsktrace.wsk.operations import CODES, OPS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ignore", "Profile", "Provider", "Thresholds", "load_profile", "with_limits"]

#: Seconds (or ms) that no limit may reach: their ns must fit 64 bits.
_LONGEST = 1e9

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
    WskCaptureProviderNPI in DriverEntry, the inspection of a connection request.
    """

    error_completion_s: float = 1.0
    close_s: float = 10.0
    deregister_s: float = 10.0
    forced_close_s: float = 5.0
    disconnect_s: float = 30.0
    drained_s: float = 0.05
    capture_wait_s: float = 10.0
    inspect_s: float = 60.0


class Ignore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Findings that do not count, and why: of a rule (or of all whose ids begin so), at a call if one is named."""

    rule: str
    reason: str
    call: str = ""


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
    ignore: tuple[Ignore, ...] = ()
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
    for given in profile.ignore:
        if not given.reason.strip():
            raise FormatError(f"profile {name}: [[ignore]] of {given.rule} needs a reason")
        if given.call and given.call not in CODES:
            raise FormatError(f"profile {name}: [[ignore]] of {given.rule} names an unknown operation: {given.call}")
    for offset, kind in profile.dispatch.items():
        if not _OFFSET.fullmatch(offset) or kind not in _FLAGS:
            raise FormatError(
                f"profile {name}: [dispatch] {offset} = {kind}: it names offsets in the driver's image (0x3040) "
                f"and the kind of table there: {', '.join(_FLAGS)}"
            )
    return profile


def with_limits(profile: Profile, limits: Mapping[str, float]) -> Profile:
    """Return the profile with other limits.

    Args:
        profile: whose limits hold otherwise.
        limits: a name of ``Thresholds`` (seconds), a call (seconds that its IRP may stay pending, 0 without limit), or
            ``order_tolerance_ms`` → its value.

    Raises:
        UsageError: a name that is none of these (the nearest are named), a value that is no number from 0 on.
    """
    thresholds = msgspec.structs.asdict(profile.thresholds)
    deadlines, tolerance = dict(profile.deadlines_s), profile.order_tolerance_ms
    for name, value in limits.items():
        if not 0 <= value < _LONGEST:
            raise UsageError(f"limit {name}: {value:g} is not a number from 0 on (and below {_LONGEST:g})")
        if name in thresholds:
            thresholds[name] = float(value)
        elif name in CODES:
            deadlines[name] = float(value)
        elif name == "order_tolerance_ms":
            tolerance = float(value)
        else:
            known = [*thresholds, "order_tolerance_ms", *CODES]
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(known[:8])} and the calls"
            raise UsageError(f"no limit named {name!r}{hint}")
    return msgspec.structs.replace(
        profile, thresholds=Thresholds(**thresholds), deadlines_s=deadlines, order_tolerance_ms=tolerance
    )
