"""WPP messages as trace message format files (TMF) and PDB annotations describe them: ``WppMessage``.

Format: etl-and-wpp-format, 2.2 (the text that tracepdb writes) and 2.4 (the same lines as strings of an annotation).
What is damaged is left out and said; the rest of the text is read all the same.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import UUID

from wsktrace.decode.wpp_message import Enums, WppArgument, WppMessage
from wsktrace.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MAX_BYTES",
    "Enums",
    "TmfText",
    "WppArgument",
    "WppMessage",
    "parse_annotation",
    "parse_argument",
    "parse_tail",
    "parse_tmf",
]

#: A TMF file beyond this is refused; the largest ones known have some hundred kilobytes.
MAX_BYTES: Final = 64 << 20
#: Problems of one text that are kept.
MAX_PROBLEMS: Final = 100
#: Characters of one line, and lines that one format string or argument may run over.
_MAX_LINE: Final = 1 << 16
_MAX_LINES: Final = 32
_MAX_NUMBER: Final = 0xFFFF
_DIGITS: Final = 9

_HEADER: Final = re.compile(r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?(?:\s+(.*))?$")
_TYPEV: Final = re.compile(r'#typ\w*\s+(\S+)\s+([0-9]{1,9})\s*"')
_KEY: Final = re.compile(r"(?:(?<=\s)|^)([A-Za-z_]\w*)=")
_ITEM: Final = re.compile(r",\s*(item[A-Za-z]\w*)\s*(\(|\Z)", re.IGNORECASE)
_PARENTHESIS: Final = re.compile(r"[()]")
_FORMAT_END: Final = re.compile(r'"\s*(?=//|\Z)')


@dataclass(frozen=True, slots=True)
class TmfText:
    """What a TMF text holds.

    Attributes:
        messages: in the order of the text; several may have one GUID and number (a function inlined twice).
        problems: what of the text was not understood, each as "line 12: what"; those messages are left out.
    """

    messages: tuple[WppMessage, ...]
    problems: tuple[str, ...] = ()


def parse_tmf(data: bytes | str, name: str = "TMF text") -> TmfText:
    """Read a trace message format file.

    Args:
        data: its bytes (UTF-8, UTF-16 or an 8-bit code page) or text.
        name: what to call it in an error.

    Raises:
        FormatError: it is no TMF text: no message is in it, or it is larger than ``MAX_BYTES``.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"{name}: {len(data):,} bytes are more than a TMF file has ({MAX_BYTES:,})")
    text = data if isinstance(data, str) else _text(data)
    reader = _Reader()
    for number, line in enumerate(_lines(text), 1):
        reader.line(number, line)
    reader.finish()
    if not reader.messages and (reader.problems or not reader.header_seen):
        why = reader.problems[0] if reader.problems else "it has no line '<message GUID> <module> // SRC=…'"
        raise FormatError(f"{name} is no trace message format (TMF) file: {why}")
    return TmfText(tuple(reader.messages), tuple(reader.problems))


def parse_annotation(strings: Sequence[str], function: str = "", enums: Enums | None = None) -> WppMessage:
    """Read one message from the strings of a PDB's annotation.

    Args:
        strings: "TMF:", the GUID's line, "#typev …", "{", arguments, "}".
        function: the procedure that encloses the annotation; FUNC of the message.
        enums: the enumerations that arguments name (may be filled later: it is kept by reference).

    Raises:
        FormatError: the strings describe no message.
    """
    lines = list(strings)
    if lines and lines[0].strip() == "TMF:":
        lines = lines[1:]
    reader = _Reader() if enums is None else _Reader(enums=enums)
    for number, text in enumerate(lines, 1):
        for line in _lines(text):
            reader.line(number, line)
    reader.finish()
    if len(reader.messages) != 1:
        why = reader.problems[0] if reader.problems else f"{len(reader.messages)} messages instead of one"
        raise FormatError(f"a WPP annotation of function {function or '?'} is not understood: {why}")
    message = reader.messages[0]
    if not function:
        return message
    return replace(message, function=function, tail=MappingProxyType({**message.tail, "FUNC": function}))


def parse_tail(text: str) -> dict[str, str]:
    """Return the KEY=VALUE parameters of a message; a value goes up to the next key, so it may hold spaces."""
    keys = list(_KEY.finditer(text))
    ends = [*(k.start() for k in keys[1:]), len(text)][: len(keys)]
    return {key[1]: text[key.end() : end].strip() for key, end in zip(keys, ends, strict=True)}


def parse_argument(line: str) -> WppArgument | None:
    """Read ``<expression>, <Item>[(a,b)] -- <number>``; None where the line is none.

    The expression may hold all of these signs itself: the item is what follows the last comma that an item follows.
    """
    head, dashes, digits = line.rpartition("--")
    digits = digits.strip()
    if not dashes or not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS:
        return None
    head = head.rstrip()
    items = list(_ITEM.finditer(head))
    if not head.endswith(")"):
        items = [i for i in items[-1:] if not i[2]]
        return WppArgument(head[: items[0].start()].strip(), items[0][1], "", int(digits)) if items else None
    items = [i for i in items if i[2]]
    opening = _opening(head)
    fitting = [i for i in items if i.end() - 1 == opening] or items[-1:]
    if not fitting:
        return None
    found = fitting[0]
    return WppArgument(head[: found.start()].strip(), found[1], head[found.end() : -1], int(digits))


def _opening(text: str) -> int:
    """Where the parenthesis opens that closes at the end of a text; -1 where none does."""
    depth = 0
    for found in reversed(list(_PARENTHESIS.finditer(text))):
        depth += 1 if found[0] == ")" else -1
        if depth == 0:
            return found.start()
    return -1


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _text(data: bytes) -> str:
    """Bytes as text: by the byte order mark, UTF-16 where every second byte is zero, UTF-8, else Latin-1."""
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    sample = data[:256]
    if len(sample) >= 8 and not any(sample[1::2]) and all(sample[::2]):
        return data.decode("utf-16-le", "replace")
    if len(sample) >= 8 and not any(sample[::2]) and all(sample[1::2]):
        return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@dataclass(slots=True)
class _Draft:
    """A message while its lines go by."""

    line: int
    head: re.Match[str]
    format: str
    tail: dict[str, str]
    args: list[WppArgument] = field(default_factory=list)
    #: an argument whose expression runs over several lines
    pending: str = ""
    pending_lines: int = 0


@dataclass(slots=True)
class _Reader:
    """Line after line of one text."""

    messages: list[WppMessage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    enums: Enums = field(default_factory=dict)
    header_seen: bool = False
    guid: bytes = b""
    module: str = ""
    src: str = ""
    #: a #typev line whose format string runs over several lines, and where it began
    open_line: str = ""
    open_at: int = 0
    draft: _Draft | None = None
    enum: dict[int, str] | None = None
    inside: bool = False
    #: lines of a block that belongs to nothing that was understood
    skipping: bool = False

    def problem(self, number: int, what: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"line {number}: {what}")

    def line(self, number: int, line: str) -> None:
        """Take the next line."""
        bare = line.strip()
        if len(line) > _MAX_LINE:
            self.problem(number, f"{len(line):,} characters are more than a line has")
        elif self.open_line:
            self._continue(number, line)
        elif self.inside:
            self._inside(number, bare)
        elif bare == "{":
            self.inside = True
            self.skipping = self.draft is None and self.enum is None
        elif bare.startswith("#"):
            self._directive(number, bare)
        elif bare and not bare.startswith("//"):
            self._header(number, bare)

    def finish(self) -> None:
        """The text has ended."""
        if self.open_line or (self.draft is not None and self.inside):
            self.problem(self.open_at or (self.draft.line if self.draft else 0), "the text ends inside a message")
        elif self.draft is not None:
            self._close()

    def _header(self, number: int, line: str) -> None:
        self._close()
        found = _HEADER.match(line)
        if found is None:
            self.guid = b""
            self.problem(number, f"neither a message GUID nor a message: {line[:60]!r}")
            return
        self.guid, self.header_seen = UUID(found[1]).bytes_le, True
        module, _, comment = (found[2] or "").partition("//")
        self.module = module.strip()
        self.src = parse_tail(comment).get("SRC", "")

    def _directive(self, number: int, line: str) -> None:
        self._close()
        if line.startswith("#enumv"):
            name = line[len("#enumv") :].strip()
            self.enum = self.enums.setdefault(name, {}) if name else {}
        elif line.startswith("#typ"):
            self._typev(number, line)
        else:
            self.problem(number, f"unknown directive {line.split()[0][:40]!r}")

    def _typev(self, number: int, line: str) -> None:
        """``#typev <tag> <number> "<format>" // <tail>``."""
        head = _TYPEV.match(line)
        if head is None or int(head[2]) > _MAX_NUMBER:
            self.problem(number, f"not '#typev <tag> <number> \"<format>\"': {line[:60]!r}")
            return
        rest = line[head.end() :]
        end = _format_end(rest)
        if end is None:
            self.open_line, self.open_at = line, number
            return
        comment = rest[end + 1 :].strip().removeprefix("//")
        if not self.guid:
            self.problem(number, f"message {head[2]} has no message GUID before it")
            return
        self.draft = _Draft(number, head, rest[:end], parse_tail(comment))

    def _continue(self, number: int, line: str) -> None:
        """A format string with a line break in it: goes on until its quote closes."""
        if line.strip() == "{" or number - self.open_at > _MAX_LINES:
            self.problem(self.open_at, "the format string does not end")
            self.open_line, self.inside, self.skipping = "", line.strip() == "{", True
            return
        if line.startswith("#"):
            self.problem(self.open_at, "the format string does not end")
            self.open_line = ""
            self._directive(number, line.strip())
            return
        whole, at = f"{self.open_line}\n{line}", self.open_at
        if '"' not in line:
            self.open_line = whole
            return
        self.open_line = ""
        self._typev(at, whole)

    def _inside(self, number: int, line: str) -> None:
        if line == "}" or line.startswith("#"):
            self._end_block(number, line)
        elif self.skipping or not line:
            return
        elif self.enum is not None:
            self._symbol(number, line)
        elif self.draft is not None:
            draft = self.draft
            draft.pending = f"{draft.pending} {line}" if draft.pending else line
            draft.pending_lines += 1
            argument = parse_argument(draft.pending) if "--" in line else None
            if argument is not None:
                draft.args.append(argument)
                draft.pending, draft.pending_lines = "", 0
            elif draft.pending_lines > _MAX_LINES:
                self.problem(number, "an argument does not end")
                self.draft, self.skipping = None, True

    def _end_block(self, number: int, line: str) -> None:
        draft = self.draft
        self.inside = self.skipping = False
        if line != "}":
            self.problem(number, "a message begins inside a block that does not end")
            self.draft = self.enum = None
            self._directive(number, line)
        elif draft is not None and draft.pending:
            self.problem(draft.line, f"argument not understood: {draft.pending[:60]!r}")
            self.draft = None
        else:
            self._close()

    def _symbol(self, number: int, line: str) -> None:
        assert self.enum is not None
        name, _, value = line.rpartition(",")
        try:
            key = int(value.strip(), 0) & 0xFFFFFFFF
        except ValueError:
            self.problem(number, f"not '<symbol>,<value>': {line[:60]!r}")
            return
        self.enum.setdefault(key, name.strip())

    def _close(self) -> None:
        """What was being read is whole."""
        draft, self.draft, self.enum = self.draft, None, None
        if draft is None:
            return
        self.messages.append(
            WppMessage(
                guid=self.guid,
                module=self.module,
                src=self.src,
                tag=draft.head[1],
                number=int(draft.head[2]),
                format=draft.format,
                tail=MappingProxyType(draft.tail),
                args=tuple(draft.args),
                enums=self.enums,
                function=draft.tail.get("FUNC", ""),
            )
        )


def _format_end(rest: str) -> int | None:
    """Where the closing quote of a format string is: the last one before a comment or at the end."""
    found = list(_FORMAT_END.finditer(rest))
    return found[-1].start() if found else None
