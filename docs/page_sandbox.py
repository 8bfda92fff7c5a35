"""A folder in which the commands and the code of a page can be run: samples, and stand-ins for the reader's files.

``generate.py`` runs in it the commands whose output a page shows, and tests/docs all that stands on the pages.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest import mock
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from page_blocks import Command

__all__ = ["STAND_INS", "Ran", "Sandbox"]

ROOT = Path(__file__).resolve().parent.parent

#: message GUID of the messages that the stand-in for a driver with WPP writes
_MESSAGES = "5b6f6c9a-1d2e-3f40-8192-a3b4c5d6e7f8"
_TMF = f"""// PDB: drv.pdb
{_MESSAGES} drv // SRC=Device.c MJ= MN=
#typev Device_c104 10 "%0[%!FUNC!] irp %10!p! of %11!s!" // LEVEL=TRACE_LEVEL_ERROR FLAGS=IO FUNC=DrvSend
{{
Irp, ItemPtr -- 10
Name, ItemString -- 11
}}
"""


def _sample(name: str) -> Callable[[Path], None]:
    return lambda path: shutil.copyfile(ROOT / "samples" / f"{name}.etl", path)  # type: ignore[return-value]


def _folder_of(**samples: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir(parents=True)
        for name, sample in samples.items():
            _sample(sample)(path / f"{name}.etl")

    return make


def _sending(*, stalls: bool) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        from wsktrace.testing.scenario import sending

        path.write_bytes(sending(stalls=stalls).etl())

    return make


def _symbols(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "drv.tmf").write_text(_TMF, "utf-8")


def _messages(path: Path) -> None:
    """A driver that traces with WPP: one message."""
    from wsktrace.testing.etl_options import TraceOptions
    from wsktrace.testing.etl_records import message
    from wsktrace.testing.etl_writer import write_records

    options = TraceOptions()
    payload = struct.pack("<Q", 0xFFFF8001_23456780) + b"net\0"
    record = message(10, payload, options.clock_at(1_000), 2, guid=UUID(_MESSAGES), tid=0x1A30, pid=4)
    path.write_bytes(write_records([record], options=options))


#: What the pages name → what stands in for it.
STAND_INS: dict[str, Callable[[Path], None]] = {
    "net.etl": _sample("hang"),
    "old.etl": _sample("hang"),
    "new.etl": _sample("many_faults"),
    "good.etl": _sending(stalls=False),
    "bad.etl": _sending(stalls=True),
    "messages.etl": _messages,
    "traces": _folder_of(monday="clean", tuesday="hang", wednesday="many_faults"),
    "build/x64/Release": _symbols,
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    status: int
    stdout: str
    stderr: str


class Sandbox:
    """The folder, entered as a context: it is the current one, no machine can be reached, caches are in it.

    Of the stand-ins, those are made that ``text``, the page, names.

    ``namespace`` is what the page's Python code shares.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self.text = text
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__page__"}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        shutil.copytree(ROOT / "samples", self.folder / "samples")
        for name, make in STAND_INS.items():
            if name.partition("/")[0] in self.text:
                make(self.folder / name)
        hidden = {"XDG_CACHE_HOME": str(self.folder / ".cache"), "HOME": str(self.folder), "MPLBACKEND": "Agg"}
        self._stack.enter_context(mock.patch.dict(os.environ, hidden))
        for name in ("_NT_SYMBOL_PATH", "TRACE_FORMAT_SEARCH_PATH", "TRACE_FORMAT_PREFIX", "GITHUB_STEP_SUMMARY"):
            os.environ.pop(name, None)
        self._stack.enter_context(contextlib.chdir(self.folder))
        self._stack.enter_context(mock.patch("socket.socket.connect", _refuse))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, command: Command) -> Ran:
        """Run one command of wsktrace in this process, with the variables that stand before it."""
        from wsktrace.cli.main import run

        assert command.words[0] == "wsktrace", command
        raw, notes = io.BytesIO(), io.StringIO()
        stdout = io.TextIOWrapper(raw, "utf-8", newline="\n", write_through=True)
        words = [os.path.expandvars(word) for word in command.words[1:]]
        arguments = [found for word in words for found in _expanded(word)]
        with (
            mock.patch.dict(os.environ, {k: os.path.expandvars(v) for k, v in command.variables.items()}),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(notes),
        ):
            status = run(arguments)
        printed = raw.getvalue().decode("utf-8", "replace")
        if command.target:
            Path(command.target).write_text(printed, "utf-8")
        return Ran(status, printed, notes.getvalue())

    def set(self, variables: dict[str, str]) -> None:
        """Set variables as ``export`` does, until the sandbox is left."""
        os.environ.update({name: os.path.expandvars(value) for name, value in variables.items()})

    def python(self, code: str, where: str) -> str:
        """Run a block of Python in the page's namespace and return what it prints."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, where, "exec"), self.namespace)
        return printed.getvalue()


def _expanded(word: str) -> list[str]:
    """Return the files that a word with * names, as a shell does; the word itself where there is none."""
    found = sorted(path.as_posix() for path in Path().glob(word)) if "*" in word else []
    return found or [word]


def _refuse(*_: object) -> None:
    raise OSError("a page reaches for another machine")
