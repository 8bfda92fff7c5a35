"""Reads what an earlier run found, so that only what is new counts: JSON of ``check``, or SARIF 2.1.0."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsktrace.errors import FormatError, UsageError

if TYPE_CHECKING:
    import os

__all__ = ["FINGERPRINT", "read_baseline"]

#: Key of the fingerprint among SARIF's partialFingerprints.
FINGERPRINT = "wsktrace/v1"


def read_baseline(source: str | os.PathLike[str]) -> Counter[str]:
    """Return fingerprint → how many findings have it.

    Findings that did not count in their own run (ignored there) are known, too. ``UsageError`` where the file cannot be
    read; ``FormatError`` where it is neither of the two, or written by a version without fingerprints.
    """
    path = Path(source)
    try:
        held = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"baseline {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise FormatError(f"baseline {path} is no JSON: {error}") from None
    try:
        if isinstance(held, dict) and "runs" in held:
            results = (result for run in held["runs"] for result in run.get("results") or ())
            return Counter(_of_sarif(result) for result in results if _counts(result))
        return Counter(_text(f["fingerprint"]) for f in held["findings"] if f["verdict"] in ("fail", "suspect"))
    except (KeyError, TypeError, AttributeError) as error:
        told = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            f"baseline {path} is not what `wsktrace check` writes ({told}): give its JSON, or SARIF of wsktrace"
        ) from None


def _counts(result: dict[str, Any]) -> bool:
    """Whether a result is a fail or a suspect that was there; notes and undecided ones excuse nothing."""
    return result.get("kind", "fail") in ("fail", "review") and result.get("baselineState") != "absent"


def _of_sarif(result: dict[str, Any]) -> str:
    return _text(result["partialFingerprints"][FINGERPRINT])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a fingerprint that is no text")
    return value
