"""Hides what identifies a machine: addresses, process and thread ids, names of files, consistently.

A ``Redactor`` stands before the tables of a trace and gives them with other values of the same types: every address
becomes a number that no pointer of x64 can be (bits 47 to 63 are not all equal), threads and processes are counted
from 1. A report is made from these as from any other, and ``finish`` writes the numbers in it as ``irp-1``,
``socket-3``, ``addr-17``. Equal addresses have equal tokens in all tables, sentences and pictures of all reports that
are made by one version; which values they stood for is not kept. Times, statuses, sizes and the hash of the file stay.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from wsktrace.schema import TABLES

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from wsktrace.arrow import Tables
    from wsktrace.facts import TraceFacts
    from wsktrace.report.provenance import Provenance
    from wsktrace.report.story.told import Story

__all__ = ["Redactor"]

#: High half of the numbers that stand for addresses.
_HIGH = 0x7EDAC7ED
#: Kinds of tokens; the kind's place is in the four bits below.
_KINDS = ("irp", "socket", "descriptor", "registration", "client", "addr")
_NUMBER = (1 << 28) - 1
#: Kind → columns that hold its addresses; kinds and tables in the order in which they win.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "irp": ("irp",),
    "socket": ("socket", "accept_socket"),
    "descriptor": ("descriptor", "security_descriptor"),
    "registration": ("registration",),
    "client": ("client",),
}
_ORDER = ("irps", "sockets", "descriptors", "registrations", "operations", "findings")
_TEXTS = {"findings": ("message", "ignored"), "quality": ("name", "detail")}
_FILES = {"findings": ("source_file",)}
_THREADS = ("tid", "complete_tid")
#: Columns that hold what a buffer or an IRP's result holds, which may be an address.
_PERHAPS = ("input_value", "output_value", "information")
#: Below this, a number in a sentence is taken for a number.
_LEAST = 0x10000

#: Between the halves of an address; as Markdown has it, too.
_TICK = r"(?:`|&#96;)"
_FAKE = re.compile(rf"(?:0x)?{_HIGH:x}{_TICK}?([0-9a-f]{{8}})(?![0-9a-f])", re.IGNORECASE)
_HEX = re.compile(
    rf"(?<![0-9A-Za-z_`#&-])(?:[0-9a-f]{{8}}{_TICK}[0-9a-f]{{8}}|"
    r"0x[0-9a-f]{1,16}|[0-9a-f]{16}|[0-9a-f]{8})(?![0-9A-Za-z_`])",
    re.IGNORECASE,
)
_IDS = re.compile(r"\b(thread|process|tid|pid)(\s+|\s*=\s*)(\d+)\b", re.IGNORECASE)
_PATHS = re.compile(
    r"(?:\b[A-Za-z]:[\\/]|\\\\|\\(?:Device|SystemRoot|\?\?)\\|(?<![\w/])/(?=\w+/))[^\s\"'<>|]*[^\s\"'<>|.,:;)]"
)
_GROUPS = r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}"
_HOSTS = re.compile(
    rf"\b(?:\d{{1,3}}\.){{3}}\d{{1,3}}\b"  # IPv4
    rf"|(?<![\w:.])(?:(?:[0-9a-f]{{1,4}}:){{7}}[0-9a-f]{{1,4}}|{_GROUPS}::(?:{_GROUPS})?|::{_GROUPS})(?![\w:])"  # IPv6
    r"|(?<![\w:-])[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})(?![\w:-])",  # a network card's
    re.IGNORECASE,
)
#: Accounts, as Windows numbers them.
_ACCOUNTS = re.compile(r"\bS-1-\d{1,15}(?:-\d{1,10}){1,15}\b", re.IGNORECASE)


class Redactor:
    """The tables and facts of a trace without what identifies its machine; call it with a table's name."""

    def __init__(self, facts: TraceFacts, tables: Tables) -> None:
        self._tables = tables
        self._made: dict[str, pa.Table] = {}
        self._file = facts.file
        self._names: dict[tuple[str, str], str] = {}
        self._addresses = _Map(*_addresses(tables))
        self._threads = _Map(*_counted(tables, _THREADS))
        self._processes = _Map(*_counted(tables, ("pid",)))
        self.facts = replace(
            facts,
            file=self.name(facts.file),
            profile=self.name(facts.profile) if _is_path(facts.profile) else facts.profile,
            providers=tuple((self.text(name), count) for name, count in facts.providers),
        )

    def __call__(self, name: str) -> pa.Table:
        """Return a table of schema.py with other values of the same types."""
        if name not in self._made:
            self._made[name] = self._redacted(name, self._tables(name))
        return self._made[name]

    def address(self, address: int) -> int:
        """Return the number that stands for an address; the address itself where no table has it."""
        known = self._addresses.get(address)
        return address if known is None else known

    def name(self, text: str) -> str:
        """Return the token of a file's name or path, such as ``file-2.etl``; its ending stays."""
        return self._token("file", text, PureWindowsPath(text).suffix or PurePath(text).suffix)

    def text(self, text: str) -> str:
        """Return a sentence of the trace with its addresses, ids, paths and hosts replaced."""
        text = _PATHS.sub(lambda m: self.name(m[0]), text)
        text = _ACCOUNTS.sub(lambda m: self._token("account", m[0]), text)
        text = _HOSTS.sub(lambda m: self._token("host", m[0].lower()), text)
        text = _IDS.sub(self._id, text)
        return _HEX.sub(lambda m: self._hex(m[0], strict=True), text)

    def provenance(self, made: Provenance) -> Provenance:
        """Return how a report was made, without names of files."""
        return replace(
            made,
            file=self.facts.file,
            profile=self.name(made.profile) if _is_path(made.profile) else made.profile,
            symbols=tuple(self.name(path) for path in made.symbols),
            baseline=self.name(made.baseline) if made.baseline else "",
            command=tuple(self._word(word) if word in made.names else word for word in made.command),
            names=frozenset(),
        )

    def story(self, story: Story) -> Story:
        """Return a story that was told from the tables as they are, with all that it says replaced."""
        return replace(
            story,
            title=self.text(story.title),
            facts=tuple((self.text(label), self.text(value)) for label, value in story.facts),
            left_out=self.text(story.left_out),
            lines=tuple(
                replace(
                    line,
                    text=self.text(line.text),
                    tid=self._threads.get(line.tid) if line.tid else line.tid,
                    pid=self._processes.get(line.pid) if line.pid else line.pid,
                )
                for line in story.lines
            ),
        )

    def _word(self, word: str) -> str:
        """Return the token of a word of the command line that names a file; the trace has that of its name."""
        return self.facts.file if PureWindowsPath(word).name == self._file else self.name(word)

    def finish(self, text: str) -> str:
        """Return a report with the tokens in place of the numbers that stood for addresses.

        What it says elsewhere of known addresses, in whatever form, is replaced, too. Columns stay where they were.
        """
        text = _FAKE.sub(_in_place, text)
        return _HEX.sub(lambda m: self._hex(m[0], strict=False), text)

    def _redacted(self, name: str, held: pa.Table) -> pa.Table:
        import pyarrow as pa

        for column in TABLES[name].columns:
            at = held.schema.get_field_index(column.name)
            values = held.column(at)
            if values.null_count == len(values):
                continue
            made: Any = None
            if column.type == "address" or column.name in _PERHAPS:
                made = _replaced(values, self._addresses, keep_small=column.name in _PERHAPS)
            elif column.name in _THREADS:
                made = _replaced(values, self._threads)
            elif column.name == "pid":
                made = _replaced(values, self._processes)
            elif column.name in _TEXTS.get(name, ()):
                made = pa.array([None if v is None else self.text(v) for v in values.to_pylist()], pa.string())
            elif column.name in _FILES.get(name, ()):
                made = pa.array([None if v is None else self.name(v) for v in values.to_pylist()], pa.string())
            if made is not None:
                held = held.set_column(at, held.schema.field(at), made)
        return held

    def _token(self, kind: str, text: str, ending: str = "") -> str:
        made = self._names.get((kind, text))
        if made is None:
            number = 1 + sum(1 for known, _ in self._names if known == kind)
            made = self._names[kind, text] = f"{kind}-{number}{ending if ending.isascii() else ''}"
        return made

    def _id(self, match: re.Match[str]) -> str:
        word, gap, digits = match.groups()
        if not digits.strip("0"):
            return match[0]
        known = self._threads if word.lower() in ("thread", "tid") else self._processes
        new = known.get(int(digits)) if len(digits) < 12 else None
        return f"{word}{gap}{'?' if new is None else new}"

    def _hex(self, text: str, *, strict: bool) -> str:
        """Return the token of a number in hexadecimal; the number itself where it is no address."""
        value = int(text.replace("&#96;", "").replace("`", ""), 16)
        if value < _LEAST or value >> 32 == _HIGH:
            return text
        fake = self._addresses.get(value)
        if fake is not None:
            return _told(fake & 0xFFFFFFFF)
        return self._token("other", f"{value:x}") if strict and value >> 32 else text


class _Map:
    """Numbers and what stands for each; arrays of uint64, found by bisection."""

    def __init__(self, old: NDArray[np.uint64], new: NDArray[np.uint64]) -> None:
        order = np.argsort(old)
        self.old, self.new = old[order], new[order]

    def get(self, value: int) -> int | None:
        """Return what stands for a number; None where it is not known."""
        at = int(np.searchsorted(self.old, np.uint64(value)))
        return int(self.new[at]) if at < len(self.old) and int(self.old[at]) == value else None

    def of(self, values: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return what stands for each value, and whether it is known."""
        if not len(self.old):
            return values, np.zeros(len(values), np.bool_)
        at = np.minimum(np.searchsorted(self.old, values), len(self.old) - 1)
        known = self.old[at] == values
        return np.where(known, self.new[at], values), known


def _is_path(name: str) -> bool:
    return name.endswith(".toml")


def _told(low: int) -> str:
    """Return the token of the lower half of a number that stands for an address."""
    return f"{_KINDS[min(low >> 28, len(_KINDS) - 1)]}-{low & _NUMBER}"


def _in_place(match: re.Match[str]) -> str:
    """Return the token of a number that stands for an address, as wide as that where a column follows."""
    token = _told(int(match[1], 16))
    return token.ljust(len(match[0])) if match.string.startswith("  ", match.end()) else token


def _distinct(tables: Tables, table: str, column: str) -> NDArray[np.uint64]:
    """Return the values of a column, each once, in the order in which they come; without null and zero."""
    import pyarrow.compute as pc

    found = pc.unique(tables(table).column(column)).drop_null()
    values = np.asarray(found.to_numpy(zero_copy_only=False), np.uint64)
    return np.asarray(values[values != 0])


def _addresses(tables: Tables) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return all addresses of a trace, each once, and the number that stands for each."""
    held = {table: {c.name for c in TABLES[table].columns if c.type == "address"} for table in _ORDER}
    sources = [(kind, t, c) for kind, columns in _COLUMNS.items() for t in _ORDER for c in columns if c in held[t]]
    sources += [("addr", t, c) for t in _ORDER for c in sorted(held[t])]
    sources += [("addr", "operations", name) for name in _PERHAPS]
    old, new = np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    counts = dict.fromkeys(_KINDS, 0)
    for kind, table, column in sources:
        found = _distinct(tables, table, column)
        if column in _PERHAPS:
            found = found[found >> np.uint64(32) != 0]
        found = found[~np.isin(found, old)]
        numbers = np.minimum(counts[kind] + np.arange(1, len(found) + 1), _NUMBER).astype(np.uint64)
        base = np.uint64(_HIGH << 32 | _KINDS.index(kind) << 28)
        old, new = np.concatenate((old, found)), np.concatenate((new, base | numbers))
        counts[kind] += len(found)
    return old, new


def _counted(tables: Tables, columns: tuple[str, ...]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the values of columns of operations and irps, each once, and 1, 2, 3 … for them."""
    found = [
        _distinct(tables, name, c) for name in ("operations", "irps") for c in columns if c in tables(name).column_names
    ]
    values, first = np.unique(np.concatenate(found), return_index=True)
    old = values[np.argsort(first)]
    return old, np.arange(1, len(old) + 1).astype(np.uint64)


def _replaced(values: Any, known: _Map, *, keep_small: bool = False) -> Any:
    """Return a column with other values of its type; null and zero stay."""
    import pyarrow as pa

    valid = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    raw = np.asarray(values.fill_null(0).to_numpy(zero_copy_only=False)).astype(np.uint64)
    new, found = known.of(raw)
    if not keep_small:
        new = np.where(found, new, np.uint64(0))
    return pa.array(new.astype(values.type.to_pandas_dtype()), values.type, mask=~valid)
