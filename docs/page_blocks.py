"""The blocks of a page in Markdown: fenced code, indented lines, and the comment that stands above each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["OUTPUT", "Block", "Command", "blocks", "code_spans", "commands", "prose", "read"]

_FENCE = re.compile(r"^( {0,3})(`{3,})(.*)$")
_COMMENT = re.compile(r"^ *<!-- (.*?) -->$")
#: A command's output on a page: groups mark, command and text.
OUTPUT = re.compile(r"(?P<mark><!-- output of: (?P<command>.*?) -->)\n```\n(?P<text>.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code. ``language`` is ``indented`` where no fence says one; ``note`` is the comment right above."""

    line: int
    language: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a shell: its words, the variables set for it, where its output goes, what its comment says."""

    line: int
    words: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    target: str = ""
    #: the words of what stands behind | ; they are not run
    piped: tuple[str, ...] = ()
    comment: str = ""


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page in order; ``ValueError`` where a fence is never closed.

    A fence inside of a list (three blanks before it) is one, too. Lines that are indented by four blanks are a block
    where an empty line stands before them and no list item owns them.
    """
    lines = text.splitlines()
    note, at, in_list = "", 0, False
    while at < len(lines):
        line = lines[at]
        opened = _FENCE.match(line)
        if opened:
            indent, ticks, info = opened.groups()
            first = at + 1
            end = next((k for k in range(first, len(lines)) if lines[k].strip() == ticks), None)
            if end is None:
                raise ValueError(f"line {first}: this fence is never closed")
            body = "\n".join(held.removeprefix(indent) for held in lines[first:end])
            yield Block(first + 1, info.split()[0] if info.split() else "", body, note)
            note, at = "", end + 1
            continue
        if line.startswith("    ") and not in_list and (at == 0 or not lines[at - 1].strip()):
            end = next((k for k in range(at, len(lines)) if lines[k].strip() and not lines[k].startswith("    ")), None)
            held = [k[4:] for k in lines[at:end]]
            yield Block(at + 1, "indented", "\n".join(held).rstrip(), note)
            note, at = "", at + len(held)
            continue
        if re.match(r"^( {0,3}[-*+]| {0,3}\d+[.)]) ", line):
            in_list = True
        elif line.strip() and not line.startswith("  "):
            in_list = False
        if line.strip():
            comment = _COMMENT.match(line)
            note = comment[1] if comment else ""
        at += 1


def commands(block: Block, prompt: str = "") -> Iterator[Command]:
    """Yield the commands of a block, one a line; a backslash at its end joins the next. ``prompt`` must begin them."""
    held, first = "", 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        first = first if held else number
        if prompt and not held:
            if not line.startswith(prompt):
                continue
            line = line.removeprefix(prompt)
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        if re.sub(r"\\.|#.*", "", re.sub(r"'[^']*'|\"[^\"]*\"", "", held)).strip("\n").count('"'):
            held += "\n"  # a quotation that goes on in the next line
            continue
        for part in held.split(" && "):
            if command := _command(first, part):
                yield command
        held = ""


def _command(number: int, line: str) -> Command | None:
    """Take one command apart; None where the line holds none, ``ValueError`` where a shell would take it otherwise."""
    if "`" in re.sub(r"'[^']*'", "", line.partition(" # ")[0]):
        raise ValueError(f"line {number}: a shell takes ` for the begin of a command; put it in single quotes")
    found = re.search(r"(?:^|\s)#\s?(.*)$|^rem (.*)$", line)
    comment = (found[1] or found[2] or "") if found else ""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words = [] if line.startswith("rem ") else list(lexer)
    piped: list[str] = []
    if "|" in words:
        cut = words.index("|")
        words, piped = words[:cut], words[cut + 1 :]
    target = ""
    if len(words) > 2 and words[-2] == ">":
        target, words = words[-1], words[:-2]
    variables: dict[str, str] = {}
    if words[:1] == ["export"]:
        words = words[1:]
    while words and (assigned := re.fullmatch(r"([A-Za-z_]\w*)=(.*)", words[0], re.DOTALL)):
        variables[assigned[1]] = assigned[2]
        words = words[1:]
    if not words and not variables:
        return None
    return Command(number, tuple(words), variables, target, tuple(piped), comment)


def prose(text: str) -> str:
    """Return a page without its fenced blocks and comments."""
    text = re.sub(r"^ {0,3}(`{3,})[^`\n]*\n.*?^ {0,3}\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def code_spans(text: str) -> list[str]:
    """Return what stands between backquotes in the prose of a page."""
    found = re.findall(r"(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", prose(text), re.DOTALL)
    return [" ".join(span.split()) for _, span in found]


def read(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    return list(blocks(page.read_text("utf-8")))
