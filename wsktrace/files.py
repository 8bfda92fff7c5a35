"""Files that are written whole or not at all: whoever reads one sees the old content or the new, never half of it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["written_whole"]


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Give a path beside ``target`` to write to; it takes the target's place where the block ends without an error.

    Raises:
        OSError: what the block raised of that path, told of ``target``.
    """
    scratch = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        scratch.replace(target)
    except OSError as error:
        if error.errno is not None and error.filename in (None, scratch, str(scratch)):
            raise OSError(error.errno, error.strerror, str(target)) from None
        raise
    finally:
        scratch.unlink(missing_ok=True)
