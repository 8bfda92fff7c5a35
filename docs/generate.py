"""Writes the pages, and the heads of pages, that follow from the code: tables, verbs, rules, outputs.

``python docs/generate.py`` writes them; ``--check`` writes nothing, names the pages that are not as they should be, and
exits with 1 where there are any.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
from api_page import api_page
from page_blocks import OUTPUT, Block, blocks
from page_blocks import commands as typed
from page_sandbox import Sandbox

from wsktrace.cli.main import VERBS
from wsktrace.report.rules import head, listing
from wsktrace.report.schema import as_markdown
from wsktrace.rules.registry import RULES
from wsktrace.rules.rule import SEVERITIES
from wsktrace.schema import TABLES

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from wsktrace.rules.registry import Rule

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
NOTE = "<!-- written by docs/generate.py; change the code, not this page -->"
BEGIN = "<!-- head written by docs/generate.py from the rule's declaration; write below the end mark -->"
END = "<!-- end of the head -->"
LLMS = """# wsktrace

> Reads an ETW trace (.etl) of a Windows kernel driver that calls WskSocket, and judges what happened: which IRPs hang,
> which of {rules} rules of the Winsock Kernel contract were broken, which operations prove it, how long calls took.

## For a program

- Start with `wsktrace check net.etl --format json`. Stdout holds the result and nothing else.
- Exit status: 0 no rule failed, 1 a rule failed, 2 the command could not do its work; then one line on stderr says why.
- `fail` is proven. `suspect` is not: `reason` says what the trace lacks. Do not report a suspect as a bug.
- `wsktrace rule ID --format json` explains a rule; `wsktrace schema --format json` lists tables and columns.
- A null is a fact that the trace does not show. It is never zero.
- Addresses are 64-bit; in a data frame compare them as numpy.uint64.

## Verbs

{verbs}

## Tables

{tables}

## Pages

{links}
"""


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each generated page with the text that it should have."""
    yield DOCS / "reference" / "tables.md", tables()
    yield DOCS / "reference" / "commands.md", commands()
    yield DOCS / "reference" / "python.md", api_page(NOTE)
    yield DOCS / "llms.txt", llms()
    yield DOCS / "reference" / "formats.md", endings((DOCS / "reference" / "formats.md").read_text("utf-8"))
    yield DOCS / "rules" / "index.md", rules_index()
    yield DOCS / "rules" / "seed.md", seed_page()
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))):
        if path.parent != DOCS / "rules" and OUTPUT.search(held := path.read_text("utf-8")):
            yield path, with_output(held)
    for rule in RULES.values():
        path = DOCS / "rules" / f"{rule.id}.md"
        yield path, rule_page(rule, path.read_text("utf-8") if path.exists() else "")


def with_output(held: str) -> str:
    """Return a page with what its commands print now; each stands in a comment above its output.

    ``output of: python above`` is what the block of Python before it prints; ``; first 20 lines`` cuts the rest off.
    """
    with TemporaryDirectory() as folder, Sandbox(Path(folder), held) as sandbox:

        def printed(match: re.Match[str]) -> str:
            line, _, cut = match["command"].partition("; first ")
            if line == "python above":
                before = [block for block in blocks(held[: match.start()]) if block.language == "python"]
                text = sandbox.python(before[-1].text, "page")
            else:
                (command,) = typed(Block(1, "sh", f"wsktrace {line}"))
                ran = sandbox.run(command)
                assert ran.status < 2, ran
                text = ran.stdout
            shown = [kept.rstrip() for kept in text.rstrip().splitlines()]
            if cut:
                shown = [*shown[: int(cut.split()[0])], "…"]
            return "\n".join([match["mark"], "```", *shown, "```"])

        return OUTPUT.sub(printed, held)


def tables() -> str:
    """Return the reference of all tables."""
    intro = (
        'Each is a pandas data frame (`trace.irps`), an Arrow table (`trace.arrow("irps")`) and a Parquet file of\n'
        "`wsktrace export`. A null is a fact that the trace does not show; it never stands for zero.\n"
        "`address` is an unsigned 64-bit integer, `status` a 32-bit one, `time` a `timestamp[ns, UTC]`, `word` a\n"
        "string out of few, `ids` a list of unsigned 64-bit integers.\n"
    )
    contents = "\n".join(f"- [`{t.name}`](#{t.name}): {t.row}" for t in TABLES.values())
    return f"# Tables\n\n{NOTE}\n\n{intro}\n{contents}\n\n{as_markdown(list(TABLES.values()))}\n"


def commands() -> str:
    """Return the reference of all verbs."""
    parts = ["# Commands", "", NOTE, "", "What `wsktrace VERB --help` says. Exit status: [check](#check).", ""]
    for verb, (module, _) in VERBS.items():
        parts += [f"## {verb}", "", *_command(import_module(module).command), ""]
    return "\n".join(parts)


def _command(command: click.Command) -> list[str]:
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    usage = " ".join(["wsktrace", command.name or "", *(a.metavar or a.human_readable_name.upper() for a in arguments)])
    help_ = "\n".join(line.strip() for line in (command.help or "").replace("\b", "").strip().splitlines())
    lines = ["```text", f"{usage}{' [OPTIONS]' if options else ''}", "```", "", help_]
    if options:
        lines += ["", "| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(_names(option))}` | {_cell(_meaning(option))} |" for option in options]
    return lines


def _names(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or _choices(option) or option.type.name.upper()}"
    return ", ".join(sorted(option.opts, key=len)) + value


def _choices(option: click.Option) -> str:
    return "|".join(map(str, option.type.choices)) if isinstance(option.type, click.Choice) else ""


def _meaning(option: click.Option) -> str:
    default = f" Default: {option.default}." if option.show_default and option.default is not None else ""
    return f"{option.help or ''}{default}".strip()


def endings(held: str) -> str:
    """Return the page of formats with the endings that each verb knows."""
    lines = ["| verb | endings of `-o` |", "|---|---|"]
    for verb, (module, _) in VERBS.items():
        known: dict[str, str] = getattr(import_module(module), "ENDINGS", {})
        if known:
            lines.append(f"| `{verb}` | {', '.join(f'`{ending}`' for ending in known)} |")
    begin, end = "<!-- endings: written by docs/generate.py -->\n", "<!-- end of the endings -->"
    before, _, rest = held.partition(begin)
    return f"{before}{begin}" + "\n".join(lines) + f"\n{end}{rest.partition(end)[2]}"


def llms() -> str:
    """Return the short account for agents: what to run, what comes out, where to read on."""
    verbs = "\n".join(f"- `wsktrace {verb}`: {sentence}" for verb, (_, sentence) in VERBS.items())
    tables = "\n".join(f"- `{t.name}`: {t.row}" for t in TABLES.values())
    links = "\n".join(
        f"- [{title}]({path.relative_to(DOCS).as_posix()})"
        for path in sorted(DOCS.rglob("*.md"))
        if not path.name.startswith("WSK-") and (title := path.read_text("utf-8").partition("\n")[0].removeprefix("# "))
    )
    return LLMS.format(rules=len(RULES), verbs=verbs, tables=tables, links=links)


def rules_index() -> str:
    """Return the index of the rules."""
    intro = (
        f"{len(RULES)} rules. `wsktrace rule ID` prints a page's head offline;\n"
        "[verdicts](../explanation/verdicts.md) explains fail, suspect and unknown.\n"
        "[The seed page](seed.md) goes through the reference of WskSocket, with the rules that name each sentence.\n"
    )
    rules = list(RULES.values())
    by_family = listing(rules, markdown=True, link="{id}.md")
    return f"# Rules\n\n{NOTE}\n\n{intro}\n{by_family}\n{_by_severity(rules)}\n{_by_event(rules)}"


def _by_severity(rules: list[Rule]) -> str:
    """Return the rules by the highest severity that they can give."""
    lines = ["## By severity", "", "| severity | rules |", "|---|---|"]
    for severity in reversed(SEVERITIES):
        held = [rule.id for rule in rules if rule.severity == severity and not rule.legal]
        lines.append(f"| {severity} ({len(held)}) | {_links(held)} |")
    notes = [rule.id for rule in rules if rule.legal]
    lines.append(f"| note ({len(notes)}): legal, and worth knowing | {_links(notes)} |")
    return "\n".join(lines) + "\n"


def _by_event(rules: list[Rule]) -> str:
    """Return the kinds of events with the rules that need them."""
    wanted: dict[str, list[str]] = {}
    for rule in rules:
        for word in rule.traced:
            wanted.setdefault(word, []).append(rule.id)
    lines = ["## By what must be traced", ""]
    lines += ["Which rules an event decides. *calls* are those of clients and sockets; a call's name is its entry.", ""]
    lines += ["| events | rules |", "|---|---|"]
    lines += [f"| {word} ({len(held)}) | {_links(held)} |" for word, held in sorted(wanted.items())]
    return "\n".join(lines) + "\n"


def rule_page(rule: Rule, held: str) -> str:
    """Return a rule's page: the head as declared, and below it what the page holds already."""
    _, mark, body = held.partition(END)
    if not mark:
        body = "\n" + held if held else "\n"
    return f"# {rule.id}\n\n{BEGIN}\n\n{head(rule)}\n{END}{body}"


def seed_page() -> str:
    """Return the sentences of WskSocket's reference page with the rules that name them, from ``rules/seed.toml``."""
    held = tomllib.loads((DOCS / "rules" / "seed.toml").read_text("utf-8"))["sentence"]
    binding = [entry for entry in held if entry["kind"] != "neither"]
    named = [entry for entry in binding if entry.get("rules") or entry.get("also")]
    parts = [
        "# The seed page, sentence by sentence",
        "",
        NOTE.replace("the code", "seed.toml"),
        "",
        "The rules began with one page of Microsoft's, the reference of WskSocket: *PFN_WSK_SOCKET callback function",
        "(wsk.h)*. Its sentences stand here in their order and in our own words. A demand is the driver's to keep, a",
        f"promise is Windows'. Of the {len(held)} sentences {len(binding)} demand or promise something, and rules name",
        f"{len(named)} of these. The last column says why none names the other {len(binding) - len(named)}, and what a",
        "rule leaves open.",
        "",
        "Rules after *also* rest on a sentence of another page and guard this one, too. *Later* are rules of the",
        "contract that wsktrace does not have yet.",
    ]
    section = ""
    for number, entry in enumerate(held, 1):
        if entry["section"] != section:
            section = entry["section"]
            parts += ["", f"## {section}", "", "| | it says | kind | rules | remarks |", "|---|---|---|---|---|"]
        rules = _links(entry.get("rules", ()))
        rules += ("<br>" if rules else "") + "*also* " + _links(entry["also"]) if entry.get("also") else ""
        later = f"*Later:* {', '.join(entry['planned'])}." if entry.get("planned") else ""
        cells = [entry["text"], entry["kind"], rules or "none", f"{entry.get('reason', '')} {later}"]
        parts.append(" | ".join([f"| {number}", *map(_cell, cells)]) + " |")
    return "\n".join(parts) + "\n"


def _links(rules: Iterable[str]) -> str:
    return ", ".join(f"[{name}]({name}.md)" for name in rules)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the pages, or check them."""
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text("utf-8") != text]
    known = {f"{name}.md" for name in RULES} | {"index.md", "seed.md"}
    orphans = [path for path in sorted((DOCS / "rules").glob("*.md")) if path.name not in known]
    for path, text in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT).as_posix()}")
    for path in orphans:
        print(f"no such rule: {path.relative_to(ROOT).as_posix()}")
    if check and (stale or orphans):
        print("run: python docs/generate.py")
    return 1 if orphans or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
