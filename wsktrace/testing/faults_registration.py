"""Faults against the rules of the modules about registration: see ``fault_scripts``."""

from __future__ import annotations

from typing import Final

from wsktrace.testing.variants import RUN, SECOND_CLIENT, Variant, one

__all__ = ["FAULTS"]

_CAPTURED = "WskRegister R2 -> SUCCESS\nWskCaptureProviderNPI R2 -> SUCCESS Client=C2"
_RETURNED = "WskReleaseProviderNPI R2 ->\nWskDeregister R2 ->"
_STALE = ("WSK-CLIENT-STALE",)


def _guest(*lines: str) -> str:
    """Return lines of another driver, which comes and goes."""
    return "\n".join(f"@image=1 {line}" for line in lines)


FAULTS: Final[dict[str, tuple[Variant, ...]]] = {
    "WSK-REG-REUSE": (
        one("WskRegister R2 -> SUCCESS", "WskRegister R2 -> INVALID_PARAMETER", "WskDeregister R2 ->", subject="R2"),
        one(_CAPTURED, "WskReleaseProviderNPI R2 ->", "WskRegister R2 -> SUCCESS", "WskDeregister R2 ->", subject="R2"),
        one(
            "WskRegister R2 -> SUCCESS", "@tid=9 @cpu=2 WskDeregister R2", "WskRegister R2 -> DEVICE_NOT_READY",
            "return WskDeregister R2", subject="R2",
        ),
    ),
    "WSK-REG-UNBALANCED": (
        one("WskRegister R2 -> SUCCESS", "WskDeregister R2 ->", "WskDeregister R2 ->", subject="R2"),
        one("WskRegister R2 -> INSUFFICIENT_RESOURCES", "WskDeregister R2 ->", subject="R2"),
        one("WskRegister R2 -> SUCCESS", subject="R2", follows=("WSK-UNLOAD-BEFORE-DEREGISTER",)),
        one(
            _guest(
                "DriverEntry D", "WskRegister R3 -> SUCCESS", "WskCaptureProviderNPI R3 -> NOT_SUPPORTED",
                "return DriverEntry NOT_SUPPORTED",
            ),
            subject="R3", follows=("WSK-UNLOAD-BEFORE-DEREGISTER",),
        ),
    ),
    "WSK-NPI-UNBALANCED": (
        one(_CAPTURED, "WskReleaseProviderNPI R2 ->", _RETURNED, subject="R2"),
        one("WskRegister R2 -> SUCCESS", "WskCaptureProviderNPI R2 -> NOT_SUPPORTED", _RETURNED, subject="R2"),
        one(_CAPTURED, "WskCaptureProviderNPI R2 -> SUCCESS Client=C2", _RETURNED, subject="R2"),
        one(
            _guest(
                "DriverEntry D", "WskRegister R3 -> SUCCESS", "WskCaptureProviderNPI R3 -> SUCCESS Client=C3",
                "return DriverEntry SUCCESS", "DriverUnload D", "WskDeregister R3 ->", "return DriverUnload",
            ),
            subject="R3",
        ),
    ),
    "WSK-CALL-BEFORE-CAPTURE": (
        one(
            "WskRegister R2 -> SUCCESS",
            "run WskSocket Client=C2 Flags=datagram -> complete INVALID_HANDLE, INVALID_HANDLE", "wait 5ms",
            "WskCaptureProviderNPI R2 -> SUCCESS Client=C2", _RETURNED, irps=RUN[1:2], subject="C2", follows=_STALE,
        ),
        one(
            "WskRegister R2 -> SUCCESS", "WskControlClient WSK_TRANSPORT_LIST_QUERY Client=C2 -> INVALID_HANDLE",
            "WskCaptureProviderNPI R2 -> SUCCESS Client=C2", _RETURNED, subject="C2", follows=_STALE,
        ),
        one(
            _guest(
                "DriverEntry D", "WskRegister R3 -> SUCCESS",
                "WskControlClient WSK_TRANSPORT_LIST_QUERY Client=C3 -> INVALID_HANDLE",
                "WskCaptureProviderNPI R3 -> SUCCESS Client=C3", "return DriverEntry SUCCESS", "DriverUnload D",
                "WskReleaseProviderNPI R3 ->", "WskDeregister R3 ->", "return DriverUnload",
            ),
            subject="C3", follows=_STALE,
        ),
    ),
    "WSK-NPI-CALL-AFTER-RELEASE": (
        one(
            SECOND_CLIENT, "run WskSocket Client=C2 Flags=datagram -> complete INVALID_HANDLE, INVALID_HANDLE",
            "WskDeregister R2 ->", irps=RUN[3:4], subject="C2", follows=_STALE,
        ),
        one(
            SECOND_CLIENT, "WskDeregister R2 ->",
            "run WskSocketConnect Client=C2 -> PENDING, complete DEVICE_NOT_READY",
            irps=RUN[3:4], subject="C2", follows=_STALE,
        ),
        one(
            _CAPTURED, "WskControlClient WSK_CACHE_SD Client=C2 InputValue=own -> SUCCESS OutputValue=sd",
            "WskReleaseProviderNPI R2 ->", "WskControlClient WSK_RELEASE_SD Client=C2 InputValue=sd -> SUCCESS",
            "WskDeregister R2 ->", subject="C2", follows=_STALE,
        ),
        one(
            _CAPTURED, "run WskGetAddressInfo Client=C2 -> complete SUCCESS, SUCCESS Result=info", _RETURNED,
            "@tid=9 @cpu=2 WskFreeAddressInfo info Client=C2 ->", subject="C2", follows=_STALE,
        ),
    ),
    "WSK-NPI-RELEASED-LIVE": (
        one(
            _CAPTURED, "run WskSocket Client=C2 Flags=datagram socket=S", "WskReleaseProviderNPI R2 ->",
            "@tid=9 @cpu=2 WskDeregister R2", "close S", "return WskDeregister R2", subject="R2",
        ),
        one(
            _CAPTURED, "run WskSocketConnect Client=C2 socket=S", "run WskSocket Client=C2 Flags=datagram socket=T",
            "close T", "WskReleaseProviderNPI R2 ->", "run WskSend S", "close S", "WskDeregister R2 ->", subject="R2",
        ),
    ),
    "WSK-DEREGISTER-BLOCKED": (
        one(
            _CAPTURED, "@tid=9 @cpu=2 WskDeregister R2", "wait 12s", "WskReleaseProviderNPI R2 ->",
            "return WskDeregister R2", subject="R2",
        ),
        one(
            _CAPTURED, "run WskSocket Client=C2 Flags=datagram socket=S", "WskReleaseProviderNPI R2 ->",
            "@tid=9 @cpu=2 WskDeregister R2", "wait 11s", "close S", "return WskDeregister R2", subject="R2",
        ),
    ),
    "WSK-UNLOAD-BEFORE-DEREGISTER": (
        one(
            _guest(
                "DriverEntry D", "WskRegister R3 -> SUCCESS", "return DriverEntry SUCCESS", "DriverUnload D",
                "@tid=9 @cpu=2 WskDeregister R3", "return DriverUnload", "+20ms return WskDeregister R3",
            ),
            subject="R3",
        ),
        one(
            _guest(
                "DriverEntry D", "WskRegister R3 -> SUCCESS", "@tid=9 @cpu=2 WskDeregister R3",
                "return DriverEntry NOT_SUPPORTED", "+30ms return WskDeregister R3",
            ),
            subject="R3",
        ),
    ),
    "WSK-CAPTURE-WAIT-DRIVERENTRY": tuple(
        one(
            _guest(
                "DriverEntry D", "WskRegister R3 -> SUCCESS",
                f"WskCaptureProviderNPI R3 WaitTimeout={wait} -> {end}", "return DriverEntry SUCCESS", "DriverUnload D",
                *then, "WskDeregister R3 ->", "return DriverUnload",
            ),
            subject="R3",
        )
        for wait, end, then in (
            ("0xFFFFFFFF", "SUCCESS Client=C3", ["WskReleaseProviderNPI R3 ->"]),
            ("60000", "DEVICE_NOT_READY", []),
        )
    ),
    "WSK-CAPTURE-AFTER-DEREGISTER": (
        one(
            "WskRegister R2 -> SUCCESS", "@tid=9 @cpu=2 WskDeregister R2",
            "WskCaptureProviderNPI R2 -> SUCCESS Client=C2", "WskReleaseProviderNPI R2 ->", "return WskDeregister R2",
            subject="R2",
        ),
        one(
            _CAPTURED, _RETURNED, "wait 5ms", "WskCaptureProviderNPI R2 -> SUCCESS Client=C2",
            "WskReleaseProviderNPI R2 ->", subject="R2",
        ),
    ),
    "WSK-ADDRINFO-LEAK": (
        one("run WskGetAddressInfo -> complete SUCCESS, SUCCESS Result=info", irps=RUN[1:2]),
        one(
            _CAPTURED, "run WskGetAddressInfo Client=C2 -> SUCCESS Result=info, complete SUCCESS",
            "run WskGetAddressInfo Client=C2 -> complete SUCCESS, PENDING Result=more",
            "WskFreeAddressInfo info Client=C2 ->", _RETURNED, irps=RUN[2:3],
        ),
    ),
}  # fmt: skip
