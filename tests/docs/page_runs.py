"""Runs what stands on a page: every command and every block of code, in the order of the page."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from page_blocks import Block, Command, blocks, code_spans, commands
from page_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).parents[2]

#: How a command begins that is not run here → why not.
NOT_RUN = {
    "python3 -m venv": ".ci/run runs the README's lines in a new environment; the others differ in the extras",
    ".venv": "needs that environment; .ci/run runs the like",
    ".ci/run": "it is what runs these tests",
    "logman": "Windows' tool, at an administrator's prompt",
}
#: Language of a fence that nothing runs → why not.
NOT_CODE = {
    "trace": "mini-traces; tests/rules/test_pages.py judges each of them",
    "powershell": "no PowerShell on the machine of the tests; the words are those of the shell beside it",
    "text": "what is shown, not what is typed",
    "": "an output, which generate.py writes and test_generated_pages.py compares",
}
#: What behind a | filters the output; it is not run.
FILTERS = {"jq", "head", "less", "sort"}
#: What a command line may open that a test cannot: options of these are left out of the run.
OPENS = {"--open"}
#: Verbs that end with 1 where they find something.
JUDGES = {"check", "diff"}

#: A profile needs these, a page that shows a part of one leaves them out.
_PROFILE_BEGIN = """name = "page"
title = "what a page shows a part of"
"""
_PROFILE_END = """
[provider]
name = "WskTrace"
guid = "f406ddb2-df7b-5f2c-54db-fa7d1cd56442"
"""


class PageError(AssertionError):
    """Something on a page does not do what the page says."""


def run_page(page: Path, folder: Path) -> int:
    """Run all that stands on a page, in a sandbox in that folder; return how many blocks and commands ran."""
    done = 0
    text = page.read_text("utf-8")
    with Sandbox(folder, text) as sandbox:
        for name, stand_in in re.findall(r"<!-- (\S+) is (\S+) here -->", text):
            shutil.copyfile(stand_in, name)
        for block in blocks(text):
            try:
                done += _run_block(block, sandbox)
            except PageError as wrong:
                raise PageError(f"{page.relative_to(ROOT).as_posix()}:{block.line}: {wrong}") from None
            except Exception as error:
                error.add_note(f"{page.relative_to(ROOT).as_posix()}, the block that begins in line {block.line}")
                raise
        for span in code_spans(text):
            done += _run_span(span, f"{page.relative_to(ROOT).as_posix()}: {span}", sandbox)
    return done


def _run_span(span: str, where: str, sandbox: Sandbox) -> int:
    """Run code in the text where it is a whole command or expression that names a file of the sandbox."""
    try:
        if re.match(r"wsktrace [a-z]", span):
            (command,) = commands(Block(0, "sh", span.replace("\\|", "|")))
            if command.words[1] == "rule" or any(Path(word).exists() for word in command.words[2:]):
                return _run_command(command, sandbox)
        elif (named := re.match(r'wsktrace\.(?:open|load)\("([^"]+)"', span)) and Path(named[1]).exists():
            sandbox.python(f"import wsktrace\n{span}", where)
            return 1
    except PageError as wrong:
        raise PageError(f"{where}: {wrong}") from None
    except Exception as error:
        error.add_note(where)
        raise
    return 0


def _run_block(block: Block, sandbox: Sandbox) -> int:
    if block.language in NOT_CODE:
        if not block.language and not block.note.startswith("output of: "):
            raise PageError("a fence without a language, and no comment above says which command's output it is")
        return 0
    if saved := re.fullmatch(r"file: (\S+)", block.note):
        Path(saved[1]).parent.mkdir(parents=True, exist_ok=True)
        Path(saved[1]).write_text(block.text + "\n", "utf-8")
    runner = RUNNERS.get(block.language)
    if runner is None:
        raise PageError(f"nobody knows how to run {block.language!r}; known: {', '.join([*RUNNERS, *NOT_CODE])}")
    return runner(block, sandbox)


def _shell(block: Block, sandbox: Sandbox) -> int:
    return sum(_run_command(command, sandbox) for command in commands(block))


def _run_command(command: Command, sandbox: Sandbox) -> int:
    line = " ".join(command.words)
    if not line:
        sandbox.set(command.variables)
        return 1
    if command.words[0] != "wsktrace":
        if not any(line.startswith(known) for known in NOT_RUN):
            raise PageError(f"line {command.line}: {line!r} is neither of wsktrace nor in the list of what is not run")
        return 0
    if command.piped and command.piped[0] not in FILTERS:
        raise PageError(f"line {command.line}: what is {command.piped[0]!r} that the output goes to?")
    kept = Command(command.line, tuple(w for w in command.words if w not in OPENS), command.variables, command.target)
    ran = sandbox.run(kept)
    told = re.search(r"exit status (\d)$", command.comment)
    allowed = {int(told[1])} if told else {0, 1} if kept.words[1] in JUDGES else {0}
    if ran.status not in allowed:
        raise PageError(
            f"line {command.line}: {line}\nexit status {ran.status}, not {allowed}\n{ran.stderr or ran.stdout}"
        )
    return 1


def _console(block: Block, sandbox: Sandbox) -> int:
    """Lines that begin with $ are typed; what follows each is its output, to the letter."""
    held = re.split(r"^(\$ .*)$", block.text, flags=re.MULTILINE)
    typed = list(commands(block, prompt="$ "))
    assert not held[0].strip(), "an output without a command"
    for command, shown in zip(typed, held[2::2], strict=True):
        ran = sandbox.run(command)
        if ran.stdout.strip() != shown.strip():
            raise PageError(f"line {command.line}: prints another text than the page shows:\n{ran.stdout}{ran.stderr}")
    return len(typed)


def _python(block: Block, sandbox: Sandbox) -> int:
    if at := re.fullmatch(r"in: ([\w.]+)", block.note):
        _declare(block.text, import_module(at[1]))
    elif at := re.fullmatch(r"signature of: ([\w.]+)", block.note):
        _same_signature(block.text, pkgutil.resolve_name(at[1]))
    else:
        sandbox.python(block.text, f"<line {block.line}>")
    return 1


def _declare(code: str, module: ModuleType) -> None:
    """Run a declaration as if it stood in a module, and undo what it adds to the registry of rules."""
    from wsktrace.rules.registry import RULES

    others = {name: rule for name, rule in RULES.items() if name.removeprefix("WSK-") not in code}
    with mock.patch.dict(RULES, others, clear=True):
        exec(code, dict(vars(module)))
        assert len(RULES) == len(others) + 1


def _same_signature(code: str, function: Callable[..., Any]) -> None:
    shown: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{code}", shown)
    name = code.removeprefix("def ").partition("(")[0]
    if str(inspect.signature(shown[name])) != str(inspect.signature(getattr(function, "__func__", function))):
        raise PageError(f"the signature is {inspect.signature(function)}")


def _toml(block: Block, sandbox: Sandbox) -> int:
    from wsktrace.wsk.profile import load_profile

    path = sandbox.folder / f"page{block.line}.toml"
    path.write_text(
        block.text if "name" in tomllib.loads(block.text) else _PROFILE_BEGIN + block.text + _PROFILE_END, "utf-8"
    )
    load_profile(str(path))
    return 1


def _sql(block: Block, sandbox: Sandbox) -> int:
    """SQL that names files goes to duckdb, any other to the tables of the page's trace."""
    import duckdb

    with duckdb.connect() as connection:
        for statement in filter(str.strip, block.text.split(";\n")):
            connection.sql(statement.rstrip("; \n")).fetchall()
    return 1


def _yaml(block: Block, sandbox: Sandbox) -> int:
    """Steps of a workflow: the commands of wsktrace in them are run."""
    steps = re.findall(r"^\s*(?:-\s+)?(?:run:\s+)?(wsktrace .*)$", block.text, flags=re.MULTILINE)
    return sum(_shell(Block(block.line, "sh", step), sandbox) for step in steps)


def _c(block: Block, sandbox: Sandbox) -> int:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return 0
    done = subprocess.run([compiler, "-fsyntax-only", "-xc", "-"], input=block.text, text=True, capture_output=True)
    if done.returncode:
        raise PageError(done.stderr)
    return 1


def _json(block: Block, sandbox: Sandbox) -> int:
    json.loads(block.text)
    return 1


RUNNERS: dict[str, Callable[[Block, Sandbox], int]] = {
    "sh": _shell,
    "bat": _shell,
    "console": _console,
    "python": _python,
    "toml": _toml,
    "sql": _sql,
    "yaml": _yaml,
    "c": _c,
    "json": _json,
}
