"""The formats that the account of a trace comes in: name → what renders it. Nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from wsktrace.errors import UsageError

if TYPE_CHECKING:
    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts

__all__ = ["ENDINGS", "FORMATS", "Format", "render"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        module: of wsktrace.report; its ``render(facts, tables, **options)`` returns the account as text.
        options: those that it takes.
        endings: of files that shall have it.
    """

    module: str
    options: tuple[str, ...]
    endings: tuple[str, ...] = ()


#: Options: ``unknown`` lists what the trace cannot decide, too; ``coverage`` says how much the rules could decide;
#: ``colour`` and ``width`` (columns) are for terminals, ``again`` names the trace in command lines; ``source_root`` is
#: the folder of the driver's source, ``compared`` whether findings of an earlier run are marked, ``command_line`` and
#: ``exit_code`` are those of the run.
FORMATS: dict[str, Format] = {
    "text": Format("console", ("unknown", "coverage", "colour", "width", "again"), (".txt", ".log")),
    "concise": Format("concise", ("unknown", "source_root")),
    "json": Format("json", ("unknown", "coverage"), (".json",)),
    "jsonl": Format("jsonl", ("unknown", "coverage"), (".jsonl", ".ndjson")),
    "sarif": Format("sarif.log", ("unknown", "source_root", "compared", "command_line", "exit_code"), (".sarif",)),
    "junit": Format("junit", (), (".xml",)),
    "github": Format("github", ("unknown", "source_root")),
    "md": Format("markdown", ("unknown", "source_root"), (".md",)),
}

#: Ending of a file → format.
ENDINGS: dict[str, str] = {ending: name for name, form in FORMATS.items() for ending in form.endings}


def render(form: str, facts: TraceFacts, tables: Tables, **options: Any) -> str:
    """Return the account of a trace in a format; options that it does not take are left out.

    Raises:
        UsageError: there is no such format, or no format takes an option of that name.
    """
    if form not in FORMATS:
        raise UsageError(f"no format {form!r}; the formats are {', '.join(FORMATS)}")
    known = {name for one in FORMATS.values() for name in one.options}
    if strange := sorted(set(options) - known):
        raise UsageError(f"no format takes {strange[0]!r}; the options are {', '.join(sorted(known))}")
    chosen = FORMATS[form]
    text: str = import_module(f"wsktrace.report.{chosen.module}").render(
        facts, tables, **{name: value for name, value in options.items() if name in chosen.options}
    )
    return text
