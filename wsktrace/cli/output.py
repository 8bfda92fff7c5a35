"""How the verbs speak: results on stdout or into a file, notes on stderr, progress that is silent when piped."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Self

from wsktrace.errors import UsageError
from wsktrace.files import whole

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from rich.progress import Progress, TaskID

__all__ = ["Meter", "emit", "emit_bytes", "fit", "format_for", "leave_pipe", "note", "terminal_width", "wants_colour"]

#: What is printed instead where the terminal's encoding does not know the sign.
_PLAIN = str.maketrans(
    {
        "✖": "x",
        "▲": "!",
        "●": "*",
        "·": "-",
        "–": "-",
        "—": "-",
        "…": "...",
        "→": "->",
        "µ": "u",
        "×": "x",
        "─": "-",
        "└": "`",
        "μ": "u",
    }
    | dict(zip("▁▂▃▄▅▆▇█", ".:-=+*#@", strict=True))
)


def note(message: str) -> None:
    """Print one line on stderr; control characters and line ends in it are made harmless."""
    line = "".join(c if c.isprintable() else " " for c in f"wsktrace: {message}")
    sys.stderr.write(fit(line, sys.stderr) + "\n")
    sys.stderr.flush()


def wants_colour() -> bool:
    """Whether stdout is a terminal that should get colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width(target: Path | None = None) -> int | None:
    """Return the columns of the terminal that the result goes to; None where it goes to a file or a pipe."""
    import shutil

    return shutil.get_terminal_size().columns if target is None and sys.stdout.isatty() else None


def emit(text: str, target: Path | None = None) -> None:
    """Write the result to stdout, or to the file ``target`` (UTF-8, whole or not at all)."""
    if not text.endswith("\n"):
        text += "\n"
    if target is not None:
        emit_bytes(text.encode("utf-8", "replace"), target)
        return
    try:
        sys.stdout.write(fit(text, sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has seen enough; the exit status still tells the verdict
        leave_pipe()


def leave_pipe() -> None:
    """Point stdout at nothing, since its reader has gone away; what is still buffered goes there, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_bytes(data: bytes, target: Path) -> None:
    """Write ``data`` to a file, whole or not at all."""
    with whole(target) as place:
        place.write_bytes(data)


def format_for(target: Path | None, chosen: str | None, endings: dict[str, str], default: str) -> str:
    """Return the output format: the one chosen, else by the file's ending; ``UsageError`` where neither tells."""
    if chosen is not None:
        return chosen
    if target is None:
        return default
    known = endings.get(target.suffix.lower())
    if known is None:
        raise UsageError(
            f"what format shall {target.name} have? endings known here: {', '.join(sorted(endings))}"
            + ("; or give --format" if _has_format() else "")
        )
    return known


def _has_format() -> bool:
    """Whether the verb that runs has the option --format."""
    import click

    context = click.get_current_context(silent=True)
    return context is not None and any("--format" in parameter.opts for parameter in context.command.params)


def fit(text: str, stream: object) -> str:
    """Return ``text`` such that the stream's encoding can carry it."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    return text


class Meter:
    """A progress bar on stderr that appears after a second, and only on a terminal.

    Call it with (stage, done, total); a total of 0 means that nobody knows. Use it as a context manager.
    """

    #: seconds of silence
    PATIENCE = 1.0

    def __init__(self, *, quiet: bool = False) -> None:
        self._silent = quiet or not sys.stderr.isatty()
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._now: tuple[str, int, int] = ("opening", 0, 0)
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if not self._silent:
            self._timer = threading.Timer(self.PATIENCE, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._silent = True
            if self._timer is not None:
                self._timer.cancel()
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage is, in units of its own."""
        if self._silent:
            return
        with self._lock:
            self._now = (stage, done, total)
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, description=stage, completed=done, total=total or None)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

        with self._lock:
            if self._silent:
                return
            stage, done, total = self._now
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(stage, completed=done, total=total or None)
            self._bar.start()
