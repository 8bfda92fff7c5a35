"""The reference of the Python API, made from signatures and docstrings of what is public."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import wsktrace
from wsktrace.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["api_page", "as_markdown"]

_SECTIONS = ("Args", "Returns", "Raises", "Attributes", "Yields")
#: Heading, a sentence, and what stands below it.
GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("The trace", "", ("wsktrace.trace:Trace",)),
    ("Pictures", "`trace.plot` gives them.", ("wsktrace.plots:Plots",)),
    (
        "One of them",
        "What `trace.finding`, `trace.irp` and `trace.socket` give. In a notebook each shows itself.",
        ("wsktrace.trace.subjects:Finding", "wsktrace.trace.subjects:IrpUse", "wsktrace.trace.subjects:Socket"),
    ),
    (
        "Stories",
        "What `.story` and `trace.stories` give.",
        (
            "wsktrace.report.story.stories:Stories",
            "wsktrace.report.story.told:Story",
            "wsktrace.report.story.told:Line",
        ),
    ),
    ("Two traces", "What `trace.diff` gives.", ("wsktrace.report.comparison.difference:Difference",)),
    (
        "Histograms",
        "In `wsktrace.stats`.",
        ("wsktrace.stats:Histogram", "wsktrace.stats:merge", "wsktrace.stats:merge_latency"),
    ),
)
#: Class → what its objects are called on the page.
OBJECTS = {"Plots": "trace.plot", "IrpUse": "irp", "Stories": "trace.stories"}


def api_page(note: str) -> str:
    """Return the page; ``note`` stands below its head."""
    exported = {name: getattr(wsktrace, name) for name in wsktrace.__all__ if not name.startswith("__")}
    errors = [v for v in exported.values() if isinstance(v, type) and issubclass(v, BaseException)]
    parts = ["# Python", "", note, "", _INTRO, ""]
    for name in ("open", "load", "address"):
        parts += [f"## wsktrace.{name}", "", *_callable(exported.pop(name)), ""]
    for heading, sentence, names in GROUPS:
        parts += [f"## {heading}", "", *([sentence, ""] if sentence else [])]
        for dotted in names:
            value = pkgutil.resolve_name(dotted)
            exported.pop(value.__name__, None)
            parts += _class(value) if isinstance(value, type) else [f"### {value.__name__}", "", *_callable(value), ""]
    assert exported.keys() == {error.__name__ for error in errors}, "a public name without a place on the page"
    parts += ["## Errors", "", "| error | is a | when |", "|---|---|---|"]
    for error in sorted(errors, key=lambda error: (len(error.__mro__), error.__name__)):
        sentence = _inline(_paragraphs(error)[0])
        parts.append(f"| `{error.__name__}` | `{error.__base__.__name__}` | {sentence} |")
    return "\n".join(parts) + "\n"


_INTRO = """What a program may rely on. Names that begin with `_`, and modules that are not named here, may change.

Importing `wsktrace` reads no file, starts nothing and changes no settings; pandas, pyarrow and matplotlib are loaded
when something needs them."""


def _class(kind: type) -> list[str]:
    """Return the part of a class: what it is, its fields or tables, its members."""
    lines = [f"### {kind.__name__}", "", as_markdown(inspect.getdoc(kind) or ""), ""]
    if kind is wsktrace.Trace:
        lines += ["Its tables, each a data frame (columns: [tables](tables.md)):", ""]
        lines += ["| attribute | one row is |", "|---|---|"]
        lines += [f"| `trace.{name}` | {table.row[0].lower()}{table.row[1:]} |" for name, table in TABLES.items()]
        lines.append("")
    if dataclasses.is_dataclass(kind):
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
        lines += [f"Fields: {fields}", ""]
    return [*lines, *_members(kind, without=set(TABLES) if kind is wsktrace.Trace else set())]


def _members(kind: type, without: set[str]) -> list[str]:
    """Return the parts of the public members, those of private base classes included."""
    held = {name: value for base in reversed(kind.__mro__[:-1]) for name, value in vars(base).items()}
    lines: list[str] = []
    for name, value in held.items():
        if name.startswith("_") or name in without:
            continue
        head = f"#### {OBJECTS.get(kind.__name__, kind.__name__.lower())}.{name}"
        if isinstance(value, (property, cached_property)):
            lines += [head, "", as_markdown(inspect.getdoc(value) or ""), ""]
        elif isinstance(value, (classmethod, staticmethod)):
            lines += [f"#### {kind.__name__}.{name}", "", *_callable(value.__func__), ""]
        elif inspect.isfunction(value):
            lines += [head, "", *_callable(value), ""]
    return lines


def _callable(function: Callable[..., Any]) -> list[str]:
    """Return signature and docstring; the comment says whose, and a test compares."""
    path = f"{function.__module__}.{function.__qualname__}"
    return [
        f"<!-- signature of: {path} -->",
        "```python",
        *_signature(function),
        "```",
        "",
        as_markdown(inspect.getdoc(function) or ""),
    ]


def _signature(function: Callable[..., Any]) -> list[str]:
    """Return the lines of a definition, one argument a line where one line would be long."""
    signature = inspect.signature(function)
    parts: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts and not any(p[0] == "*" for p in parts):
            parts.append("*")
        parts.append(_parameter(parameter))
    answer = f" -> {_written(signature.return_annotation)}: ..."
    line = f"def {function.__name__}({', '.join(parts)}){answer}"
    if len(line) <= 110:
        return [line]
    return [f"def {function.__name__}(", *(f"    {part}," for part in parts), f"){answer}"]


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {_written(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += " = " + repr(parameter.default).replace("'", '"')
    return text


def _written(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _paragraphs(thing: object) -> list[str]:
    return [" ".join(part.split()) for part in (inspect.getdoc(thing) or "").split("\n\n")]


def _inline(text: str) -> str:
    """Turn reStructuredText's double backquotes into single ones."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def as_markdown(docstring: str) -> str:
    """Return a docstring of Google's form as Markdown: sections become lists, ``::`` blocks of Python."""
    lines: list[str] = []
    section = ""
    held = docstring.splitlines()
    at = 0
    while at < len(held):
        line = held[at]
        if line.rstrip(":") in _SECTIONS and line.endswith(":"):
            section = line.rstrip(":")
            lines += [f"**{section}**", ""]
        elif section and line.startswith("    ") and not line.startswith("     "):
            lines.append(_item(line.strip(), section))
        elif section and line.strip():
            lines[-1] += " " + _inline(line.strip())
        elif line.rstrip().endswith("::"):
            if line.strip() != "::":
                lines += [_inline(line.rstrip()[:-1]), ""]
            end = next(
                (k for k in range(at + 1, len(held)) if held[k].strip() and not held[k].startswith("    ")), len(held)
            )
            lines += ["```python", *(k[4:] for k in held[at + 1 : end] if k.strip()), "```", ""]
            at = end - 1
        else:
            lines.append(_inline(line))
        at += 1
    return "\n".join(lines).rstrip()


def _item(text: str, section: str) -> str:
    """Return a line of a section as an item; names before the colon are code."""
    name, colon, rest = text.partition(":")
    if section in ("Args", "Raises", "Attributes") and colon and re.fullmatch(r"[\w*, ]+", name):
        return f"- `{name}`: {_inline(rest.strip())}"
    return _inline(text)
