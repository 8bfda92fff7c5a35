"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["whole"]


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give the path to write to, which takes the place of ``target`` when the block ends without an error.

    A reader sees the old content or the new, never half of it. Of a link, the file that it leads to is replaced. What
    is there and is no file (a device such as /dev/null, a pipe) is never replaced: it is written to as it is.

    Raises:
        OSError: the system refuses; it names ``target``.
    """
    special = target.exists() and not target.is_file()
    place = target if special else target.resolve()
    scratch = place if special else place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        if not special:
            scratch.replace(place)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename not in (None, str(scratch), str(place)):
            raise
        reason = os.strerror(error.errno) if error.errno else error.strerror or str(error)
        raise OSError(error.errno, reason, str(target)) from None
    finally:
        if not special:
            scratch.unlink(missing_ok=True)
