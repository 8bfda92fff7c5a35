"""Every command and every block of code on the pages does what its page says."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click
import pytest
from page_blocks import Block, blocks, code_spans, commands
from page_runs import NOT_CODE, NOT_RUN, ROOT, PageError, run_page

from wsktrace.cli.main import VERBS

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "samples/README.md", *(ROOT / "docs").rglob("*.md")]
)
#: Pages that are run by default; the others take longer.
SHORT = {"CONTRIBUTING.md", "docs/explanation/irp-life.md", "docs/how-to/profile.md", "docs/how-to/tables.md"}
#: Options of other tools that the pages name.
FOREIGN = {"--check", "--record", "--what"}


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _runs(page: Path) -> bool:
    return any(block.language not in NOT_CODE for block in blocks(page.read_text("utf-8")))


RUN = [
    pytest.param(page, id=_name(page), marks=() if _name(page) in SHORT else pytest.mark.long)
    for page in PAGES
    if _runs(page)
]


@pytest.mark.parametrize("page", RUN)
def test_page(page: Path, tmp_path: Path) -> None:
    try:
        assert run_page(page, tmp_path)
    finally:
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close("all")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```cobol\nSTOP RUN.\n```", "nobody knows how to run 'cobol'"),
        ("Do:\n\n    wsktrace check net.etl\n", "nobody knows how to run 'indented'"),
        ("```\nsome output\n```", "a fence without a language"),
        ("```sh\nrm -rf net\n```", "neither of wsktrace nor in the list"),
        ("```sh\nwsktrace check net.etl | perl\n```", "what is 'perl'"),
        ("```sh\nwsktrace latency nowhere.etl\n```", "exit status 2, not {0}"),
        ("```sh\nwsktrace check samples/clean.etl   # exit status 1\n```", "exit status 0, not {1}"),
        ("Say `wsktrace latency samples/hang.etl --op Nope`.", "exit status 2, not {0}"),
        ("```console\n$ wsktrace --version\nwsktrace 0.0.0\n```", "prints another text"),
        ("<!-- signature of: wsktrace.load -->\n```python\ndef load(path: str) -> int: ...\n```", "the signature is"),
    ],
)
def test_what_is_wrong_on_a_page_is_noticed(
    text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    monkeypatch.setattr("page_runs.ROOT", tmp_path)
    (tmp_path / "box").mkdir()
    with pytest.raises(PageError, match=re.escape(complaint)):
        run_page(page, tmp_path / "box")


@pytest.mark.parametrize("code", ["assert wrong", "import socket; socket.create_connection(('127.0.0.1', 9))"])
def test_code_that_fails_is_named_by_its_place(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Text.\n\n```python\n{code}\n```\n", "utf-8")
    monkeypatch.setattr("page_runs.ROOT", tmp_path)
    (tmp_path / "box").mkdir()
    with pytest.raises((NameError, OSError)) as raised:
        run_page(page, tmp_path / "box")
    assert raised.value.__notes__ == ["page.md, the block that begins in line 4"]


def test_what_is_not_run_has_a_reason_and_is_there() -> None:
    lines = [
        " ".join(command.words)
        for page in PAGES
        for block in blocks(page.read_text("utf-8"))
        if block.language in ("sh", "bat")
        for command in commands(block)
    ]
    for known, reason in NOT_RUN.items():
        assert reason
        assert any(line.startswith(known) for line in lines), f"{known!r} stands on no page"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_verbs_and_options_in_the_text_exist(page: Path) -> None:
    spans = code_spans(page.read_text("utf-8"))
    for span in spans:
        verb = re.match(r"wsktrace ([a-z]+)", span)
        assert not verb or verb[1] in VERBS, span
        known = options(verb[1]) if verb else ALL_OPTIONS
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", span):
            assert option in known, f"{span}: no option {option}"


def options(verb: str) -> set[str]:
    """Return the long options of a verb."""
    command = import_module(VERBS[verb][0]).command
    return {name for o in command.params if isinstance(o, click.Option) for name in o.opts} | {"--help"}


ALL_OPTIONS = {name for verb in VERBS for name in options(verb)} | FOREIGN | {"--version"}


def test_commands_are_taken_apart() -> None:
    text = "A=1 wsktrace events 'a b' \\\n  --id 3 > out.txt   # says: exit status 0\n"
    text += 'export B="$HOME/x"\nrem nothing\n# nothing'
    first, second = commands(Block(1, "sh", text))
    assert first.words == ("wsktrace", "events", "a b", "--id", "3")
    assert (first.variables, first.target, first.comment) == ({"A": "1"}, "out.txt", "says: exit status 0")
    assert second.variables == {"B": "$HOME/x"}
    (piped,) = commands(Block(1, "sh", "wsktrace check x | jq '.a | .b'"))
    assert piped.piped == ("jq", ".a | .b")
    (long,) = commands(Block(5, "sh", 'wsktrace query x "SELECT a\nFROM irps"   # two lines'))
    assert long.words == ("wsktrace", "query", "x", "SELECT a\nFROM irps")
    (quoted,) = commands(Block(1, "sh", "wsktrace show x --irp 'ffff`1'"))
    assert quoted.words[-1] == "ffff`1"
    with pytest.raises(ValueError, match="single quotes"):
        list(commands(Block(1, "sh", "wsktrace show x --irp ffff`1")))
